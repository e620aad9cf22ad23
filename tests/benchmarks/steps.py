"""The five lines that train a model, for whichever library made it."""

from collections.abc import Callable
from typing import Any


def training_step(model: Any, loss_fn: Any, optimizer: Any, inputs: Any, targets: Callable[[], Any]) -> Any:
    """A function that takes one step on these inputs and the next targets, and returns the loss as a number."""

    def step() -> float:
        loss = loss_fn(model(inputs), targets())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step
