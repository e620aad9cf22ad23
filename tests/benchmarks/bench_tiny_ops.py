"""A chain of 1,000 operations on 10 numbers, forward and backward: what the engine itself costs, per operation."""

from collections.abc import Callable
from typing import Any

import numpy as np

UNIT, UNITS = "operation", 1000
LIBRARIES = ("autograd_mini", "torch")
SHAPE: tuple[int, ...] = (10,)


def chain(x: Any) -> Any:
    y = x
    for _ in range(UNITS // 2):
        y = y * x
        y = y + x
    return y


def stepper(x: Any, gradient: Any) -> Callable[[], object]:
    def step() -> None:
        x.grad = None
        chain(x).backward(gradient)

    return step


def autograd_mini() -> Callable[[], object]:
    import autograd_mini as am

    return stepper(am.tensor(np.full(SHAPE, 0.5, np.float32), requires_grad=True), am.ones(SHAPE))


def torch() -> Callable[[], object]:
    import torch

    return stepper(torch.full(SHAPE, 0.5, requires_grad=True), torch.ones(SHAPE))
