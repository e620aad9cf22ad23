"""One step of a small network, 2-16-16-1 with tanh on 100 points, squared error, SGD: mostly the engine itself."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from steps import Step, TrainingStep, drawn, jax_sgd, start_from

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch", "jax", "numpy", "floor", "autograd", "mygrad")
LR = 0.1


def moons(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise: points (n, 2), labels -1 or 1 (n, 1)."""
    rng = np.random.default_rng(0)
    angle, upper = rng.random(n) * np.pi, np.arange(n) % 2 == 0
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(upper, 1, -1)[:, None]
    points += np.where(upper[:, None], 0, [1.0, 0.5]) + 0.1 * rng.standard_normal((n, 2))
    return points.astype(np.float32), np.where(upper, 1, -1).astype(np.float32)[:, None]


def weights() -> list[np.ndarray]:
    return drawn(np.random.default_rng(1), (16, 2), (16, 16), (1, 16))


def stepper(library: ModuleType) -> Step:
    nn = library.nn
    points, labels = map(library.from_numpy, moons())
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    start_from(library, model, weights())
    loss_fn, optimizer = nn.MSELoss(), library.optim.SGD(model.parameters(), lr=LR)
    return TrainingStep(model, loss_fn, optimizer, points, lambda: labels)


def autograd_mini() -> Step:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Step:
    import torch

    return stepper(torch)


def loss_with(np: Any) -> Any:
    """The loss as a function of the parameters, for libraries with NumPy's names."""

    def loss_fn(parameters: Any, points: Any, labels: Any) -> Any:
        w1, b1, w2, b2, w3, b3 = parameters
        hidden = np.tanh(np.tanh(points @ w1.T + b1) @ w2.T + b2)
        return np.mean((hidden @ w3.T + b3 - labels) ** 2)

    return loss_fn


def jax() -> Step:
    import jax.numpy

    return jax_sgd(loss_with(jax.numpy), weights(), *moons(), lr=LR)


def autograd() -> Step:
    import autograd.numpy

    parameters, data = weights(), moons()
    gradients_of = autograd.value_and_grad(loss_with(autograd.numpy))

    def step() -> float:
        nonlocal parameters
        loss, gradients = gradients_of(parameters, *data)
        parameters = [p - LR * g for p, g in zip(parameters, gradients, strict=True)]
        return float(loss)

    return step


def mygrad() -> Step:
    import mygrad

    parameters, data = [mygrad.tensor(w) for w in weights()], moons()
    loss_fn = loss_with(mygrad)

    def step() -> float:
        loss = loss_fn(parameters, *data)
        loss.backward()
        for p in parameters:
            p.data -= LR * p.grad
        return float(loss)

    return step


def numpy() -> Step:
    """As one writes it by hand."""
    points, labels = moons()
    parameters = w1, b1, w2, b2, w3, b3 = weights()

    def step() -> float:
        h1 = np.tanh(points @ w1.T + b1)
        h2 = np.tanh(h1 @ w2.T + b2)
        error = h2 @ w3.T + b3 - labels
        loss = float((error * error).mean())
        g3 = error * np.float32(2 / error.size)
        g2 = (g3 @ w3) * (1 - h2 * h2)
        g1 = (g2 @ w2) * (1 - h1 * h1)
        gradients = [g1.T @ points, g1.sum(0), g2.T @ h1, g2.sum(0), g3.T @ h2, g3.sum(0)]
        for p, g in zip(parameters, gradients, strict=True):
            p -= LR * g
        return loss

    return step


def floor() -> Step:
    """The matrix products and tanh alone."""
    points, _ = moons()
    w1, _, w2, _, w3, _ = weights()
    hidden, g = np.ones((len(points), 16), np.float32), np.ones((len(points), 1), np.float32)

    def step() -> object:
        forward = np.tanh(points @ w1.T), np.tanh(hidden @ w2.T), hidden @ w3.T
        return forward, g @ w3, hidden @ w2, hidden.T @ points, hidden.T @ hidden, g.T @ hidden

    return step
