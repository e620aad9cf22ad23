"""Graphs that the tests of pictures share: each returns (output, names) and is the same every time."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's `dot` is not installed")


def layer():
    """The README's example: relu(x @ W + b) and its cross-entropy."""
    x = am.tensor([[1.0, 2.0, 0.0], [0.0, -1.0, 1.0]])
    W = am.tensor([[0.5, -0.25], [0.125, 0.75], [-0.5, 0.25]], requires_grad=True)
    b = am.tensor([0.125, -0.25], requires_grad=True)
    t = am.tensor([1, 0])
    y = (x @ W + b).relu()
    loss = am.softmax_cross_entropy(y, t).mean()
    return loss, {"x": x, "W": W, "b": b, "t": t, "y": y, "loss": loss}


def fan_out():
    a, b = am.tensor(3.0, requires_grad=True), am.tensor(2.0, requires_grad=True)
    d = a + a * b
    return d, {"a": a, "b": b, "d": d}


def expression():
    """micrograd's: scalars, constants on either side, powers."""
    a, b = am.tensor(-4.0, requires_grad=True), am.tensor(2.0, requires_grad=True)
    c = a + b + 1
    d = (a * b + b**3) * 2 - (1 - c).relu()
    g = 10.0 / (d - c) ** 2 + d / 2.0
    return g, {"a": a, "b": b, "c": c, "d": d, "g": g}


def residual():
    """Several layers with skips: long wires, fan-out of arrays."""
    h = am.tensor([[1.0, -2.0]], requires_grad=True)
    names = {"h": h}
    for i in range(4):
        w = am.tensor([[0.5, 0.25], [-0.25, 0.5]], requires_grad=True)
        h = h * 0.5 + (h @ w).tanh()
        names[f"w{i}"] = w
    out = h.sum()
    return out, {**names, "out": out}


def lanes():
    """tanh, its derivative, and the derivative of that."""
    x = am.tensor(0.5, requires_grad=True)
    y = x.tanh()
    (first,) = am.autograd.grad(y, x, create_graph=True)
    (second,) = am.autograd.grad(first, x, create_graph=True)
    return draw_graph([first, second], names={"x": x, "y": y, "y′": first, "y″": second}, show_grads=False)


def folded():
    """Five residual layers with numbers that are exact in binary, folded into one, with their costs."""
    h = am.tensor([[1.0, -2.0]], requires_grad=True)
    names = {"h": h}
    for i in range(5):
        w = names[f"w{i}"] = am.tensor([[0.5, 0.25], [-0.25, 0.5]], requires_grad=True)
        h = (h @ w).relu() * 0.5 + h
    out = names["out"] = h.sum()
    out.backward()
    return draw_graph(out, names=names, style="module", cost=True)


def opened():
    """Modules as cards, one of them open, one of them in it."""
    net = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 1))
    with am.no_grad():
        for p in net.parameters():
            p.fill_(0.5)
    x = am.tensor([[1.0, 2.0], [3.0, -4.0]])
    out = net(x).sum()
    out.backward()
    return draw_graph(out, net, {"x": x, "out": out}, style="module", expand=("0",))


GRAPHS = {f.__name__: f for f in (lanes, folded, opened)}
SAMPLES = {f.__name__: f for f in (layer, fan_out, expression, residual)}


def golden_dict(graph: Any) -> dict[str, Any]:
    """The model without what differs from one run or machine to the next: tape numbers, the last digits."""
    made = json.loads(graph.to_json(), parse_float=lambda text: float(f"{float(text):.5g}"))
    for op in made["ops"]:
        op["number"] = 0
    return made
