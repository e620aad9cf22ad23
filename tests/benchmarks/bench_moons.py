"""One step of a small network, 2-16-16-1 with tanh on 100 points, squared error, SGD: mostly the engine itself."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
from steps import training_step

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch")


def moons(n: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Two interleaved half circles with noise: points (n, 2), labels -1 or 1 (n, 1)."""
    rng = np.random.default_rng(0)
    angle, upper = rng.random(n) * np.pi, np.arange(n) % 2 == 0
    points = np.stack([np.cos(angle), np.sin(angle)], 1) * np.where(upper, 1, -1)[:, None]
    points += np.where(upper[:, None], 0, [1.0, 0.5]) + 0.1 * rng.standard_normal((n, 2))
    return points.astype(np.float32), np.where(upper, 1, -1).astype(np.float32)[:, None]


def stepper(library: ModuleType) -> Callable[[], object]:
    nn = library.nn
    points, labels = map(library.from_numpy, moons())
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
    loss_fn, optimizer = nn.MSELoss(), library.optim.SGD(model.parameters(), lr=0.1)
    return training_step(model, loss_fn, optimizer, points, lambda: labels)


def autograd_mini() -> Callable[[], object]:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Callable[[], object]:
    import torch

    return stepper(torch)
