"""Joining and cutting: lists of tensors, views of parts, and that the work stays small."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules.test_shape import assert_same, leaf, normal

import autograd_mini as am
from autograd_mini.rules import joining as rules
from autograd_mini.testing import battery

SEVERAL: dict[str, tuple[Any, list[Any]]] = {
    "hstack": (np.hstack, [(normal(2, 3), normal(2, 1)), (normal(3), normal(2)), (normal(), normal(2))]),
    "vstack": (np.vstack, [(normal(2, 3), normal(1, 3)), (normal(3), normal(3)), (normal(3), normal(2, 3))]),
    "column_stack": (np.column_stack, [(normal(2, 3), normal(2)), (normal(3), normal(3))]),
    "cat": (np.concatenate, [(normal(2, 3), normal(1, 3)), (normal(2),)]),
    "stack": (np.stack, [(normal(2, 3), normal(2, 3)), (normal(),)]),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_several(name: str) -> None:
    reference, samples = SEVERAL[name]
    function = getattr(rules, name)
    battery(lambda *xs: function(xs), samples, reference=lambda *xs: reference(xs))


def test_an_empty_vector_fits_any_cat() -> None:
    rows = am.tensor([])
    for _ in range(2):
        rows = rules.cat([rows, am.ones(1, 2)])
    assert rows.tolist() == [[1.0, 1.0], [1.0, 1.0]]


@given(st.data())
def test_cutting_against_pytorch(data: Any) -> None:
    torch = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(0, 6), min_size=1, max_size=3))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    number = data.draw(st.integers(1, 7))
    cuts = data.draw(st.lists(st.integers(-7, 7), max_size=3))
    x = normal(*shape)
    ours, theirs = am.tensor(x), torch.tensor(x)
    for name, argument in (("split", number), ("chunk", number), ("tensor_split", number), ("tensor_split", cuts)):
        assert_same(getattr(ours, name)(argument, dim), getattr(theirs, name)(argument, dim))
    if 0 < number <= shape[dim]:
        assert_same(ours.unfold(dim, number, 2), theirs.unfold(dim, number, 2))
        assert_same(ours.narrow(dim, shape[dim] - number, number), theirs.narrow(dim, shape[dim] - number, number))


# ------------------------------------------------------------------------------------------- work that stays small


@pytest.mark.parametrize("read", [lambda x: x.unbind(0), list, lambda x: x.movedim(0, -1).unbind(-1)])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 64, 65, 200])
def test_rows_of_a_long_tensor(read: Any, length: int) -> None:
    """All rows, in order, with their gradients; written through, for they are views."""
    x = leaf(normal(length, 2))
    rows = read(x)
    assert [row.tolist() for row in rows] == x.tolist()
    if length:
        sum(((i + 1) * row).sum() for i, row in enumerate(rows)).backward()
        assert x.grad.tolist() == [[i + 1.0] * 2 for i in range(length)]
        with am.no_grad():
            rows[-1][0] = 7.0
        assert x[-1, 0].item() == 7.0


def test_the_gradient_of_rows_is_not_quadratic_in_their_number() -> None:
    """Gradients are put into zeros as large as a block of rows: counted, T log T elements instead of T²."""
    x = leaf(normal(512))
    total = sum(x.unbind(0))
    sizes, nodes, seen = 0, [total.grad_fn], set()
    while nodes:
        node = nodes.pop()
        for parent, _ in node.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                nodes.append(parent)
        if node.name == "GetitemBackward":
            sizes += sum(np.prod(parent.shape) for parent, _ in node.next_functions)
    assert 512 <= sizes <= 512 * 8 * 3 < 512 * 512


def test_numpys_concatenate_without_an_axis() -> None:
    x, y = leaf(normal(2, 3)), normal(4)
    for joined in (np.concatenate([x, y], axis=None), np.concatenate([x, y], None)):
        np.testing.assert_array_equal(joined.detach().numpy(), [*x.detach().numpy().ravel(), *y])
    assert np.concatenate((x, x), axis=1).shape == np.concatenate(arrays=(x, x), axis=-1).shape == (2, 6)


def test_cat_of_many() -> None:
    """Of two operations whose inputs lie interleaved, every input gets its own part of the gradient."""
    parts = [leaf(normal(i % 3 + 1, 2, seed=i)) for i in range(30)]
    one, two = am.cat(parts), am.cat(parts[::-1])
    wide = am.cat([part.T for part in parts], dim=1)
    weights = [normal(*one.shape, seed=s) for s in range(3)]
    ((one * weights[0]).sum() + (two * weights[1]).sum() + (wide.T * weights[2]).sum()).backward()
    start = 0
    for part in parts:
        n = len(part)
        expected = weights[0][start : start + n] + weights[2][start : start + n]
        end = len(one) - start
        np.testing.assert_allclose(part.grad.numpy(), expected + weights[1][end - n : end])
        start += n
