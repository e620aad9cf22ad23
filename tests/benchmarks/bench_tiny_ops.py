"""A chain of 1,000 operations on 10 numbers, forward and backward: what the engine itself costs, per operation."""

from __future__ import annotations

from typing import Any

from steps import Step

UNIT, UNITS = "operation", 1000
LIBRARIES = ("autograd_mini", "torch", "jax", "numpy", "floor", "autograd", "mygrad")
Shape = tuple[int, ...]


def chain(x: Any, operations: int | None = None) -> Any:
    y = x
    for _ in range((operations or UNITS) // 2):
        y = y * x
        y = y + x
    return y


def stepper(x: Any, gradient: Any) -> Step:
    def step() -> Any:
        x.grad = None
        chain(x).backward(gradient)
        return x.grad

    return step


def autograd_mini(shape: Shape = (10,)) -> Step:
    import autograd_mini as am

    return stepper(am.full(shape, 0.5, requires_grad=True), am.ones(shape))


def torch(shape: Shape = (10,)) -> Step:
    import torch

    return stepper(torch.full(shape, 0.5, requires_grad=True), torch.ones(shape))


def jax(shape: Shape = (10,)) -> Step:
    """The whole chain and its gradient compiled as one function."""
    import jax
    import jax.numpy as jnp

    x = jnp.full(shape, 0.5, jnp.float32)
    gradient = jax.jit(jax.grad(lambda x: chain(x).sum()))
    return lambda: gradient(x).block_until_ready()


def numpy(shape: Shape = (10,)) -> Step:
    """The tape in `tape.py`; single numbers are NumPy's scalars."""
    import numpy as np
    from tape import Tape, Value

    data, ones = np.full(shape, 0.5, np.float32)[()], np.ones(shape, np.float32)[()]

    def step() -> Any:
        tape = Tape()
        x = Value(data, tape)
        tape.backward(chain(x), ones)
        return x.grad

    return step


def floor(shape: Shape = (10,)) -> Step:
    """The arithmetic alone, forward, and backward in a loop of its own."""
    import numpy as np

    x, ones = np.full(shape, 0.5, np.float32)[()], np.ones(shape, np.float32)[()]

    def step() -> Any:
        values, y = [], x
        for _ in range(UNITS // 2):
            values.append(y)
            y = y * x
            y = y + x
        g, total = ones, ones * 0
        for value in reversed(values):
            total = total + g
            total = total + g * value
            g = g * x
        return total + g

    return step


def autograd(shape: Shape = (10,)) -> Step:
    import autograd
    import numpy as np

    x = np.full(shape, 0.5, np.float32)[()]
    gradient = autograd.elementwise_grad(chain)
    return lambda: gradient(x)


def mygrad(shape: Shape = (10,)) -> Step:
    import mygrad
    import numpy as np

    x = mygrad.tensor(np.full(shape, 0.5, np.float32))

    def step() -> Any:
        chain(x).backward()
        return x.grad

    return step
