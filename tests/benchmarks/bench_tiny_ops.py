"""A chain of 1,000 operations on 10 numbers, forward and backward: what the engine itself costs, per operation."""

from collections.abc import Callable
from typing import Any

UNIT, UNITS = "operation", 1000
LIBRARIES = ("autograd_mini", "torch")


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


def autograd_mini(shape: tuple[int, ...] = (10,)) -> Callable[[], object]:
    import autograd_mini as am

    return stepper(am.full(shape, 0.5, requires_grad=True), am.ones(shape))


def torch(shape: tuple[int, ...] = (10,)) -> Callable[[], object]:
    import torch

    return stepper(torch.full(shape, 0.5, requires_grad=True), torch.ones(shape))
