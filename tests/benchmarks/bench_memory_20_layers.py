"""The memory of training 20 layers of 1,024 with relu on 1,024 samples: the peak, and what a step cannot do without.

The minimum is 240 MiB: parameters, the input of each layer, which its gradient needs, and gradients, 80 MiB each. The
peak is the most that the process ever held during two steps (its resident set), less what it held before the network
and its data were made. For autograd_mini also what the graph keeps, as backward goes through it.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from steps import Step, TrainingStep, jax_sgd, resident

LIBRARIES = ("autograd_mini", "torch", "jax", "numpy")
LAYERS, WIDTH, LR = 20, 1024, 1e-3
MIB = 2**20
MINIMUM = 3 * LAYERS * WIDTH * WIDTH * 4 / MIB


def stepper(library: ModuleType, width: int) -> Step:
    nn = library.nn
    x = library.randn(width, width)
    model = nn.Sequential(*(part for _ in range(LAYERS) for part in (nn.Linear(width, width), nn.ReLU())))
    optimizer = library.optim.SGD(model.parameters(), lr=LR)
    return TrainingStep(model, lambda y, _: y.mean(), optimizer, x, lambda: None)


def autograd_mini(width: int) -> Step:
    import autograd_mini

    return stepper(autograd_mini, width)


def torch(width: int) -> Step:
    import torch

    return stepper(torch, width)


def made(width: int) -> list[np.ndarray]:
    rng, bound = np.random.default_rng(0), width**-0.5
    return [(rng.random((width, width), np.float32) * 2 - 1) * np.float32(bound) for _ in range(LAYERS)]


def jax(width: int) -> Step:
    import jax

    def loss_fn(parameters: Any, x: Any) -> Any:
        for weight in parameters:
            x = jax.nn.relu(x @ weight)
        return x.mean()

    return jax_sgd(loss_fn, made(width), np.random.default_rng(1).random((width, width), np.float32), lr=LR)


def numpy(width: int) -> Step:
    """By hand, every gradient in memory of its own."""
    weights, x = made(width), np.random.default_rng(1).random((width, width), np.float32)
    gradients = [np.zeros_like(w) for w in weights]

    def step() -> float:
        values = [x]
        for weight in weights:
            values.append(values[-1] @ weight)
            np.maximum(values[-1], 0, out=values[-1])
        loss = float(values[-1].mean())
        g = np.full_like(x, 1 / x.size)
        for weight, gradient in zip(reversed(weights), reversed(gradients), strict=True):
            g *= values.pop() > 0
            np.matmul(values[-1].T, g, out=gradient)
            g = g @ weight.T
        for weight, gradient in zip(weights, gradients, strict=True):
            gradient *= LR
            weight -= gradient
        return loss

    return step


def kept_while_going_back() -> dict[str, float]:
    """MiB that the graph keeps, weights included, when backward starts, is halfway, and has ended."""
    from counts import kept_bytes

    step: Any = autograd_mini(WIDTH)
    middle, seen = [], {}

    def remember(_: Any, __: Any, out: Any) -> None:
        middle.append(out)

    step.model[LAYERS].register_forward_hook(remember)
    loss = step.forward()
    middle[0].register_hook(lambda g: seen.update(halfway=kept_bytes(loss) / MIB))
    at_first = kept_bytes(loss) / MIB
    loss.backward()
    return {"graph keeps": at_first, "halfway back": seen["halfway"], "at the end": kept_bytes(loss) / MIB}


def measure(library: str) -> dict[str, float]:
    prepare = globals()[library]
    prepare(64)()  # what a library needs once, code and threads, does not count
    before, _ = resident()
    step = prepare(WIDTH)
    resident(reset_peak=True)
    for _ in range(2):
        step()
    peak = (resident()[1] - before) / MIB
    figures = {"peak, MiB": peak, "over the minimum": peak / MINIMUM}
    del step
    return figures | (kept_while_going_back() if library == "autograd_mini" else {})
