"""Physics by gradients: a network that obeys a differential equation, and a pendulum measured through its simulation.

    python demos/12_physics.py

First a spring that swings and tires, u'' + 2 d u' + w² u = 0. A network u(t) is told nothing but the equation: its
loss is how far u'' + 2 d u' + w² u is from 0 at some times, so that its training differentiates second derivatives
once more, by the weights. You will see it arrive at the exact solution, which it never saw (a physics-informed neural
network: Raissi, Perdikaris and Karniadakis, Journal of Computational Physics, 2019).

Then a pendulum that swings too wide for the schoolbook's formula. Its angle was measured, with noise; its length and
its friction were not. The pendulum is simulated step by step, and the gradient goes back through all the steps, to say
how a longer pendulum or more friction would have moved the curve: the measurements tell both, and then the period.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#777777"
D, W = 0.4, 4.0  # of the spring: damping and angular frequency, per second
G, LENGTH, FRICTION, START = 9.81, 1.3, 0.25, 2.2  # of the pendulum: m/s², m, 1/s, and its first angle in radians
END = 4.0  # seconds, of both stories

# ------------------------------------------------------------------------------------- a network obeys an equation


def exact(t: Any) -> Any:
    """The solution with u(0) = 1, u'(0) = 0: e^(-d t) (cos v t + d/v sin v t), v² = w² - d²."""
    v = math.sqrt(W**2 - D**2)
    return np.exp(-D * t) * (np.cos(v * t) + D / v * np.sin(v * t))


def solution(network: nn.Module, t: am.Tensor) -> am.Tensor:
    """u(t) = 1 + t² / (1 + t²) network(t): whatever the network says, u(0) = 1 and u'(0) = 0."""
    return 1 + t**2 / (1 + t**2) * network(t / END * 2 - 1)


def residual(network: nn.Module, t: am.Tensor) -> am.Tensor:
    """u'' + 2 d u' + w² u at each time, (N, 1): all zero for a solution."""
    t = t.detach().requires_grad_()
    u = solution(network, t)
    (velocity,) = am.autograd.grad(u.sum(), t, create_graph=True)  # u(t) depends on its own t alone:
    (acceleration,) = am.autograd.grad(velocity.sum(), t, create_graph=True)  # the sum's gradient is each one's
    return acceleration + 2 * D * velocity + W**2 * u


def obey(network: nn.Module, times: am.Tensor, adam_steps: int, lbfgs_steps: int) -> list[float]:
    """Train by Adam from afar, then by L-BFGS; the loss of each step."""
    losses: list[float] = []

    def loss() -> am.Tensor:
        optimizer.zero_grad()
        value = (residual(network, times) ** 2).mean()
        value.backward()
        losses.append(value.item())
        return value

    optimizer: Any = optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(adam_steps):
        optimizer.step(loss)
    optimizer = optim.LBFGS(network.parameters(), max_iter=lbfgs_steps, history_size=50, line_search_fn="strong_wolfe")
    optimizer.step(loss)
    return losses


def spring(fast: bool, pictures: common.Pictures) -> dict[str, float]:
    width, count = (16, 30) if fast else (24, 60)
    network = nn.Sequential(
        nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
    ).double()
    times = am.linspace(0, END, count, dtype=am.float64).reshape(-1, 1)
    between = am.linspace(0, END, 401, dtype=am.float64).reshape(-1, 1)
    before = solution(network, between).detach().numpy()
    adam_steps = 60 if fast else 300
    losses = obey(network, times, adam_steps, 180 if fast else 1200)
    found, right = solution(network, between).detach().numpy(), exact(between.numpy())
    error = float(np.abs(found - right).max())
    print(f"A spring, u'' + {2 * D:g} u' + {W**2:g} u = 0, obeyed by a network at {count} times\n")
    print(f"    mean squared residual: {losses[0]:.3g} at first, {losses[adam_steps]:.3g} after Adam,")
    print(f"    {losses[-1]:.3g} after L-BFGS ({len(losses):,} evaluations)\n")
    print("         t   network     exact")
    for i in range(0, 401, 50):
        print(f"    {between[i].item():6.2f}  {found[i, 0]:8.4f}  {right[i, 0]:8.4f}")
    print(f"\n    greatest error at 401 times, most of them new: {error:.1e}\n")
    pictures.draw("spring.png", plot_spring, between.numpy(), before, found, right, losses, adam_steps)
    return {"error": error, "first_loss": losses[0], "last_loss": losses[-1]}


def plot_spring(t: Any, before: Any, found: Any, right: Any, losses: list[float], adam: int) -> Any:
    figure = common.figure(10, 4)
    curve, loss = figure.subplots(1, 2, width_ratios=(1.4, 1))
    curve.plot(t, right, color=GRAY, linewidth=5, alpha=0.5, label="exact solution")
    curve.plot(t, found, color=BLUE, label="network, trained on the equation alone")
    curve.plot(t, before, ":", color=ORANGE, label="network before")
    curve.set(title="A damped spring", xlabel="time t in s", ylabel="displacement u", ylim=(-1.1, 1.6))
    loss.plot(losses, color=BLUE)
    loss.axvline(adam, color=GRAY, linestyle="--")
    loss.text(adam, max(losses), " L-BFGS from here", color=GRAY, va="top")
    loss.set(title="How far it is from obeying", xlabel="evaluation", ylabel="mean squared residual", yscale="log")
    for axes in (curve, loss):
        axes.grid(alpha=0.3)
    curve.legend(frameon=False)
    return figure


# ----------------------------------------------------------------------------- a pendulum, through its integrator


def swing(p: am.Tensor, steps: int) -> am.Tensor:
    """Angles (steps + 1,) over END seconds of angle'' = -g/length sin(angle) - friction angle', by Runge and Kutta.

    p: length and friction.
    """
    (length, friction), h = p, END / steps

    def slope(state: am.Tensor) -> am.Tensor:
        angle, speed = state
        return am.stack([speed, -(G / length) * am.sin(angle) - friction * speed])

    state = am.tensor([START, 0.0], dtype=am.float64)
    angles = [state[0]]
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        angles.append(state[0])
    return am.stack(angles)


def differences(f: Callable[[am.Tensor], am.Tensor], x: am.Tensor, eps: float = 1e-6) -> list[float]:
    """Central differences of f at x, one element at a time."""
    units = am.eye(len(x), dtype=am.float64)
    with am.no_grad():
        return [((f(x + eps * unit) - f(x - eps * unit)) / (2 * eps)).item() for unit in units]


def period(angles: Any, h: float) -> float:
    """Seconds between the first two downward passages through 0."""
    down = np.flatnonzero((angles[:-1] > 0) & (angles[1:] <= 0))[:2]
    first, second = down + angles[down] / (angles[down] - angles[down + 1])
    return float((second - first) * h)


def measure(measured: am.Tensor, p: am.Tensor, steps: int) -> tuple[list[float], list[float], float]:
    """Length and friction of least squares, their standard errors, and the mean squared error that is left.

    Each step (Levenberg's and Marquardt's) takes the angles for linear in p, and is tried again, shorter, where that
    was too bold.
    """

    def angles(p: am.Tensor) -> am.Tensor:
        return swing(p, steps)

    J, r, bold = am.func.jacfwd(angles)(p), measured - angles(p), 1e-2
    print("    iteration   misfit   length  friction")
    for iteration in range(12):
        print(f"    {iteration:>9}  {(r @ r).item() / len(r):7.5f}  {p[0].item():7.4f}  {p[1].item():8.4f}")
        H = J.T @ J
        move = am.linalg.solve(H + bold * H.diag().diag(), J.T @ r)
        rest = measured - angles(p + move)
        if (rest @ rest).item() < (r @ r).item():
            p, r, bold = p + move, rest, bold / 10
            J = am.func.jacfwd(angles)(p)
        else:
            bold *= 30
        if move.abs().max().item() < 1e-5:
            break
    variance = (r @ r).item() / (len(r) - 2)
    spread = am.linalg.inv(J.T @ J) * variance
    return p.tolist(), spread.diag().sqrt().tolist(), (r @ r).item() / len(r)


def pendulum(fast: bool, pictures: common.Pictures) -> dict[str, float]:
    steps = 30 if fast else 200
    truth = am.tensor([LENGTH, FRICTION], dtype=am.float64)
    measured = swing(truth, steps) + 0.1 * am.randn(steps + 1, dtype=am.float64)

    def misfit(p: am.Tensor) -> am.Tensor:
        """Mean squared error for p = (length, friction)."""
        return ((swing(p, steps) - measured) ** 2).mean()

    p = am.tensor([0.8, 0.05], dtype=am.float64, requires_grad=True)
    guess = swing(p, steps).detach().numpy()
    (gradient,) = am.autograd.grad(misfit(p), p)
    by_hand = differences(misfit, p.detach())
    gap = max(abs(a - b) for a, b in zip(gradient.tolist(), by_hand, strict=True))
    print(f"A pendulum, {steps} steps of Runge and Kutta, each of four stages: the gradient of the misfit\n")
    print(f"    back through the simulation: {gradient[0].item():10.6f} {gradient[1].item():10.6f}")
    print(f"    by central differences:      {by_hand[0]:10.6f} {by_hand[1]:10.6f}\n")

    (length, friction), errors, last = measure(measured, p.detach(), steps)
    noise = misfit(truth).item()
    print(f"    the truth  {noise:7.5f}  {LENGTH:7.4f}  {FRICTION:8.4f}")
    print(f"    so its length is {length:.3f} ± {errors[0]:.3f} m, its friction {friction:.3f} ± {errors[1]:.3f} /s\n")

    found = swing(am.tensor([length, friction], dtype=am.float64), steps).numpy()
    whole, small = period(found, END / steps), 2 * math.pi * math.sqrt(length / G)
    print(f"    its first period: {whole:.3f} s; the formula for small swings says {small:.3f} s")
    pictures.draw("pendulum.png", plot_pendulum, measured.numpy(), guess, found, swing(truth, steps).numpy())
    return {
        "gap": gap, "length": length, "friction": friction, "period": whole, "small": small, "misfit": last,
        "noise": noise, "errors": errors,
    }  # fmt: skip


def plot_pendulum(measured: Any, guess: Any, found: Any, truth: Any) -> Any:
    t = np.linspace(0, END, len(measured))
    figure = common.figure(9, 4.4)
    axes = figure.subplots()
    axes.plot(t, measured, ".", color=GRAY, label="measured, with noise")
    axes.plot(t, guess, ":", color=ORANGE, linewidth=2, label="first guess: 0.8 m, friction 0.05/s")
    axes.plot(t, truth, color=GREEN, linewidth=5, alpha=0.4, label=f"truth: {LENGTH} m, friction {FRICTION}/s")
    axes.plot(t, found, color=BLUE, label="found through the simulation")
    axes.set(title="A pendulum's length and friction from its swings", xlabel="time in s", ylabel="angle in radians")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = common.arguments(argv, __file__, "A spring and a pendulum, by gradients.", fast="fewer steps")
    am.manual_seed(0)
    figures: dict[str, Any] = {**spring(args.fast, args.pictures), **pendulum(args.fast, args.pictures)}
    args.pictures.tell()
    return figures


if __name__ == "__main__":
    common.tell(main)
