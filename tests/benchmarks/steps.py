"""What the workloads share: the lines that train a model, the same first weights in every library, memory in use."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Step = Callable[[], Any]  # returns what all libraries must agree on: the loss before the step, or the gradient


class TrainingStep:
    """One step on these inputs and the next targets; returns the loss as a number."""

    def __init__(self, model: Any, loss_fn: Any, optimizer: Any, inputs: Any, targets: Callable[[], Any]) -> None:
        self.model, self.loss_fn, self.optimizer, self.inputs, self.targets = model, loss_fn, optimizer, inputs, targets

    def forward(self) -> Any:
        return self.loss_fn(self.model(self.inputs), self.targets())

    def __call__(self) -> float:
        loss = self.forward()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.item())


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

    @functools.partial(jax.jit, donate_argnums=0)  # the new parameters may take the memory of the old ones
    def update(parameters: Any, *data: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_fn)(parameters, *data)
        return [p - lr * g for p, g in zip(parameters, gradients, strict=True)], loss

    def step() -> float:
        nonlocal parameters
        parameters, loss = update(parameters, *constants)
        return float(loss)

    return step


def resident(reset_peak: bool = False) -> tuple[int, int]:
    """Bytes of memory that this process holds now, and the most since the last reset. Linux alone tells."""
    if reset_peak:
        Path("/proc/self/clear_refs").write_text("5")
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    now, peak = (int(lines[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return now, peak
