"""What the workloads share: the five lines that train a model, and the same first weights in every library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]  # returns what all libraries must agree on: the loss before the step, or the gradient


def training_step(model: Any, loss_fn: Any, optimizer: Any, inputs: Any, targets: Callable[[], Any]) -> Step:
    """A function that takes one step on these inputs and the next targets, and returns the loss as a number."""

    def step() -> float:
        loss = loss_fn(model(inputs), targets())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def drawn(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """A weight and a bias for each shape (out, in, ...), uniform within 1/sqrt(inputs), as PyTorch's layers begin."""
    parameters = []
    for shape in shapes:
        bound = float(np.prod(shape[1:])) ** -0.5
        parameters += [rng.uniform(-bound, bound, s).astype(np.float32) for s in (shape, shape[:1])]
    return parameters


def start_from(library: ModuleType, model: Any, arrays: Sequence[np.ndarray]) -> None:
    """Copy the arrays into the parameters of a model of autograd_mini or PyTorch."""
    with library.no_grad():
        for parameter, array in zip(model.parameters(), arrays, strict=True):
            parameter.copy_(library.from_numpy(array))


def jax_sgd(loss_fn: Callable[..., Any], weights: Sequence[np.ndarray], *data: np.ndarray, lr: float) -> Step:
    """A step of gradient descent on loss_fn(parameters, *data), compiled as one function."""
    import jax
    import jax.numpy as jnp

    parameters, constants = [jnp.asarray(w) for w in weights], [jnp.asarray(d) for d in data]

    @jax.jit
    def update(parameters: Any, *data: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_fn)(parameters, *data)
        return [p - lr * g for p, g in zip(parameters, gradients, strict=True)], loss

    def step() -> float:
        nonlocal parameters
        parameters, loss = update(parameters, *constants)
        return float(loss)

    return step
