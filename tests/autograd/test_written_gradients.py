"""Hooks and custom backwards may write into the gradient that they are given: nobody else sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn


def leaf(*values: float) -> am.Tensor:
    return am.tensor(np.array(values), requires_grad=True)


def spoil(gradient: Any) -> None:
    """Write into a gradient by every way there is."""
    with am.no_grad():
        gradient.mul_(1000.0)
        gradient[0] = -1.0
    gradient.detach().numpy()[...] = 77.0


class Spoiling(am.autograd.Function):
    """The identity, whose backward spoils what it was given and returns something else."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        answer = g * 2
        spoil(g)
        return answer


def by_hook_on_leaf(x: am.Tensor) -> am.Tensor:
    x.register_hook(spoil)
    return x


def by_hook_on_result(x: am.Tensor) -> am.Tensor:
    y = x * 1
    y.register_hook(spoil)
    return y


def by_retained_and_hook(x: am.Tensor) -> am.Tensor:
    y = x * 1
    y.retain_grad()
    y.register_hook(spoil)
    return y


def by_function(x: am.Tensor) -> am.Tensor:
    return Spoiling.apply(x)  # type: ignore[no-any-return]


SPOILERS = [by_hook_on_leaf, by_hook_on_result, by_retained_and_hook, by_function]
JOINS: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y,  # one gradient for both
    lambda x, y: y + x,
    lambda x, y: x - y,
    lambda x, y: am.stack([x, y]).sum(0),
    lambda x, y: am.cat([x, y])[:2] + y,
    lambda x, y: (x.reshape(2, 1) + y.reshape(2, 1)).reshape(2),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("join", range(len(JOINS)))
@pytest.mark.parametrize("way", SPOILERS)
def test_the_other_leaf_and_the_seed_are_unharmed(way: Callable[[Any], Any], join: int, create_graph: bool) -> None:
    x, y, seed = leaf(1.0, 2.0), leaf(3.0, 4.0), am.tensor(np.array([5.0, 7.0]))
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    JOINS[join](a, b).backward(seed)
    JOINS[join](way(x), y).backward(seed, create_graph=create_graph)
    assert seed.tolist() == [5.0, 7.0]
    assert y.grad.tolist() == b.grad.tolist()
    if way is by_function:
        assert x.grad.tolist() == (a.grad * 2).tolist()


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_seed_of_a_leaf_or_of_the_output_itself(create_graph: bool) -> None:
    for output in (leaf(1.0, 2.0), leaf(1.0, 2.0) * 1):
        seed = am.tensor(np.array([5.0, 7.0]))
        output.register_hook(spoil)
        output.backward(seed, create_graph=create_graph)
        assert seed.tolist() == [5.0, 7.0]


def test_the_next_hook_sees_what_the_one_before_returned_not_what_it_wrote() -> None:
    x, seen = leaf(1.0, 2.0), []
    x.register_hook(lambda g: (g * 2, spoil(g))[0])
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 3).sum().backward()
    assert seen == [[6.0, 6.0]] and x.grad.tolist() == [6.0, 6.0]


def test_kept_values_are_unharmed() -> None:
    """d(x y)/dx is y itself, times 1."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    x.register_hook(spoil)
    (x * y).sum().backward()
    assert y.tolist() == [3.0, 4.0] and y.grad.tolist() == [1.0, 2.0]


def test_hooks_of_modules() -> None:
    class Sum(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    layer = Sum()
    layer.register_full_backward_hook(lambda module, inner, outer: [spoil(g) for g in (*inner, *outer)] and None)
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = layer(x, y)
    (out + y).backward(am.tensor(np.array([5.0, 7.0])))
    assert x.grad.tolist() == [5.0, 7.0] and y.grad.tolist() == [10.0, 14.0]


def test_pytorch_lets_the_other_leaf_change() -> None:
    """Which is why."""
    torch = pytest.importorskip("torch")
    x, y = (torch.ones(2, requires_grad=True) for _ in range(2))
    x.register_hook(lambda g: g.mul_(1000.0))
    seed = torch.ones(2)
    (x + y).backward(seed)
    assert seed.tolist() == [1000.0, 1000.0] and y.grad.tolist() == [1000.0, 1000.0]
