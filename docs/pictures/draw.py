"""Draws the pictures of this folder: `python docs/pictures/draw.py`. Needs Graphviz's `dot`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import Graph, draw_graph

HERE = Path(__file__).parent


def neuron() -> Graph:
    """One layer and its loss: every number of a forward and a backward pass."""
    x = am.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]])
    W = am.tensor([[0.5, -0.3], [0.1, 0.8], [-0.4, 0.2]], requires_grad=True)
    b = am.tensor([0.1, -0.2], requires_grad=True)
    t = am.tensor([1, 0])
    y = (x @ W + b).relu()
    loss = am.softmax_cross_entropy(y, t).mean()
    loss.backward()
    return draw_graph(loss, names={"x": x, "W": W, "b": b, "t": t, "y": y, "loss": loss})


def fan_out() -> Graph:
    """A number that is used twice: its gradients add."""
    a, b = am.tensor(3.0, requires_grad=True), am.tensor(2.0, requires_grad=True)
    d = a + a * b
    d.backward()
    return draw_graph(d, names={"a": a, "b": b, "d": d})


def mnist_step() -> Graph:
    """One training step of a multilayer perceptron 784-512-10 on a batch of 32 (random pixels: no download)."""
    return _mnist_step()


def modules() -> Graph:
    """The same step with modules as cards, one of them open."""
    return _mnist_step(style="module", expand=("fc1",))


def _mnist_step(**options: Any) -> Graph:
    class MLP(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(784, 512), nn.Linear(512, 10)

        def forward(self, x: am.Tensor) -> am.Tensor:
            return self.fc2(self.fc1(x).relu())

    am.manual_seed(0)
    rng = np.random.default_rng(0)
    model = MLP()
    images = am.tensor(rng.random((32, 784), dtype=np.float32))
    labels = am.tensor(rng.integers(0, 10, 32))
    scores = model(images)
    loss = nn.functional.cross_entropy(scores, labels)
    loss.backward()
    names = {"images": images, "labels": labels, "scores": scores, "loss": loss}
    return draw_graph(loss, params=model, names=names, **options)


def fifty_layers() -> Graph:
    """A loop of 301 operations, in which the gradient vanishes."""
    rng = np.random.default_rng(0)
    h = am.tensor(rng.normal(size=(2, 8)), requires_grad=True)
    names = {"h0": h}
    for i in range(50):
        W = names[f"W{i}"] = am.tensor(rng.normal(size=(8, 8)) * 0.15, requires_grad=True)
        b = names[f"b{i}"] = am.tensor(rng.normal(size=8), requires_grad=True)
        h = (h @ W + b).tanh() * 0.9 + h * 0.1
    z = names["z"] = h.sum()
    z.backward()
    return draw_graph(z, names=names)


def second_derivative() -> Graph:
    """tanh, its derivative, and the derivative of that."""
    x = am.tensor(0.5, requires_grad=True)
    y = x.tanh()
    (first,) = am.autograd.grad(y, x, create_graph=True)
    (second,) = am.autograd.grad(first, x, create_graph=True)
    names = {"x": x, "y": y, "y′": first, "y″": second}
    return draw_graph([first, second], names=names, title="y = tanh(x), y′ and y″", show_grads=False)


def first_nan() -> Graph:
    """Where a nan begins, and a parameter that plays no part."""
    x, lost = am.tensor([4.0, 1.0, 3.0, 2.5], requires_grad=True), am.tensor([1.0], requires_grad=True)
    with np.errstate(invalid="ignore"):
        loss = (x - 2).sqrt().sqrt().sum()
        loss.backward()
    return draw_graph(loss, params={"lost": lost}, names={"x": x, "loss": loss})


if __name__ == "__main__":
    for make in (neuron, fan_out, mnist_step, modules, fifty_layers, second_derivative, first_nan):
        graph = make()
        graph.save(HERE / f"{make.__name__}.svg")
        if make in (neuron, mnist_step):
            graph.save(HERE / f"{make.__name__}.png")
    neuron().save(HERE / "neuron_steps.svg", animate=True)
