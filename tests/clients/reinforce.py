"""REINFORCE (Williams, 1992) balances a pole on a cart, in the manner of PyTorch's example."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


class CartPole:
    """A pole on a cart that is pushed left or right (Barto, Sutton & Anderson, 1983): Euler steps of 20 ms, SI units.

    An episode ends when the cart is 2.4 m from the middle, the pole 12° from upright, or after `limit` steps.
    """

    gravity, cart, pole, half_length, force, tau = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def __init__(self, rng, limit=500):
        self.rng, self.limit = rng, limit

    def reset(self):
        self.steps = 0
        self.state = self.rng.uniform(-0.05, 0.05, 4).tolist()
        return self.state

    def step(self, action):
        x, v, angle, spin = self.state
        force = self.force if action == 1 else -self.force
        total, moment = self.cart + self.pole, self.pole * self.half_length
        sin, cos = math.sin(angle), math.cos(angle)
        push = (force + moment * spin**2 * sin) / total
        lever = self.half_length * (4 / 3 - self.pole * cos**2 / total)
        turn = (self.gravity * sin - cos * push) / lever
        pull = push - moment * turn * cos / total
        self.state = [x + self.tau * v, v + self.tau * pull, angle + self.tau * spin, spin + self.tau * turn]
        self.steps += 1
        fallen = abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)
        return self.state, 1.0, fallen or self.steps >= self.limit


class Policy(nn.Module):
    def __init__(self, rng):
        super().__init__()
        self.rng = rng
        self.affine1 = nn.Linear(4, 128)
        self.affine2 = nn.Linear(128, 2)
        self.saved_log_probs = []
        self.rewards = []

    def forward(self, x):
        x = self.affine1(x)
        if self.training:  # dropout, p = 0.6, that NumPy draws
            x = x * torch.from_numpy(self.rng.random(128) >= 0.6).to(x.dtype) / 0.4
        return F.softmax(self.affine2(F.relu(x)), dim=1)


def select_action(policy, rng, state):
    probs = policy(torch.tensor(state).unsqueeze(0))
    m = Categorical(probs)
    action = torch.tensor([int(rng.random() < probs[0, 1].item())])  # `m.sample()`, drawn by NumPy
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode(policy, optimizer, gamma=0.99):
    R, returns = 0.0, []
    for r in policy.rewards[::-1]:
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-7)
    policy_loss = [-log_prob * R for log_prob, R in zip(policy.saved_log_probs, returns, strict=True)]
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


def make(rng):
    return Policy(rng)


def train(policy, rng, episodes=20, lr=1e-2):
    env = CartPole(rng)
    optimizer = optim.Adam(policy.parameters(), lr=lr)
    policy.train()
    for _ in range(episodes):
        state, done = env.reset(), False
        while not done:
            state, reward, done = env.step(select_action(policy, rng, state))
            policy.rewards.append(reward)
        yield finish_episode(policy, optimizer)


@torch.no_grad()
def result(policy, rng):
    """Steps until the pole falls, of at most 500, when the likelier action is taken."""
    policy.eval()
    env, lengths = CartPole(rng), []
    for _ in range(20):
        state, done = env.reset(), False
        while not done:
            action = policy(torch.tensor(state).unsqueeze(0)).argmax(dim=1).item()
            state, _, done = env.step(action)
        lengths.append(env.steps)
    return {"mean return of 20 episodes": sum(lengths) / len(lengths)}
