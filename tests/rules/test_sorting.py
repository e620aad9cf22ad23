"""Order, ties, NaN and stability of what sorts, searches and counts."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as am

F32, F64 = np.float32, np.float64
NAN, INF = math.nan, math.inf


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


@pytest.mark.parametrize("name", ["max", "min", "sort", "topk", "kthvalue", "median"])
def test_return_types_are_pytorchs(name: str, torch: Any) -> None:
    args = (2, 1) if name in ("topk", "kthvalue") else (1,)
    values = np.array([[1.0, 3.0, 2.0], [4.0, 6.0, 5.0]], F32)
    pair, right = getattr(am.tensor(values), name)(*args), getattr(torch.tensor(values), name)(*args)
    assert repr(pair) == repr(right).replace("torch.", "autograd_mini.")
    assert pair[0] is pair.values and pair._fields == ("values", "indices")
    assert pair.indices.dtype == am.int64 and pair.indices.tolist() == right.indices.tolist()
    assert copy.copy(pair) is not None


@given(
    hnp.arrays(
        F64, hnp.array_shapes(max_dims=3, max_side=5), elements=st.sampled_from([0.0, 1.0, 1.5, -2.0, NAN, INF])
    ),
    st.data(),
    st.booleans(),
)
def test_sort_is_stable_in_both_directions(x: Any, data: Any, descending: bool) -> None:
    """Against Python's own stable sort; NaN is the largest."""
    dim = data.draw(st.integers(-x.ndim, x.ndim - 1))
    values, indices = am.tensor(x).sort(dim, descending, stable=True)
    np.testing.assert_array_equal(np.take_along_axis(x, indices.numpy(), dim), values.numpy())
    rows, orders = (np.moveaxis(a, dim, -1).reshape(-1, x.shape[dim]) for a in (x, indices.numpy()))
    for row, order in zip(rows, orders, strict=True):
        keys = [(math.isnan(v), 0.0 if math.isnan(v) else v) for v in row]
        keys = [(not nan, -v) for nan, v in keys] if descending else keys
        assert order.tolist() == sorted(range(len(row)), key=keys.__getitem__)


def test_sort_is_stable_also_of_many() -> None:
    """More than what NumPy sorts by insertion, which is stable by itself."""
    x = np.random.default_rng(0).integers(0, 3, 500)
    rising = [i for v in (0, 1, 2) for i in np.flatnonzero(x == v)]
    falling = [i for v in (2, 1, 0) for i in np.flatnonzero(x == v)]
    assert am.tensor(x).sort().indices.tolist() == am.tensor(x * 1.0).argsort(stable=True).tolist() == rising
    assert am.tensor(x).sort(descending=True).indices.tolist() == falling


def test_order_of_a_number() -> None:
    x = am.tensor(3.0)
    for pair in (x.sort(), x.sort(0), x.topk(1), x.kthvalue(1), x.median(0), x.max(0), x.min(-1)):
        assert (pair.values.item(), pair.indices.item()) == (3.0, 0)
    assert x.median().item() == x.cumsum(0).item() == x.cumprod(-1).item() == 3.0
    assert x.norm().item() == x.prod().item() == 3.0


def test_topk() -> None:
    x = am.tensor([[1.0, 4.0, 2.0, 3.0]])
    assert x.topk(2).values.tolist() == [[4.0, 3.0]]
    assert x.topk(2, largest=False).indices.tolist() == [[0, 2]]
    assert x.topk(0).values.shape == (1, 0)
    assert am.zeros(2, 0).topk(0).values.shape == (2, 0)
    assert am.tensor([1.0, NAN, 3.0, INF]).topk(3).indices.tolist() == [1, 3, 2]
    assert am.tensor([1, 0, 1, 1, 0]).topk(2).values.tolist() == [1, 1]
    assert am.tensor([200, 3, 255], dtype=am.uint8).topk(2, largest=False).values.tolist() == [3, 200]
    for call in (lambda: x.topk(5), lambda: x.topk(-1), lambda: x.kthvalue(0), lambda: x.kthvalue(2, 0)):
        with pytest.raises(RuntimeError, match="out of range"):
            call()


def test_bincount_refuses_what_it_cannot_count() -> None:
    for bad in (am.tensor([-1]), am.tensor([0.5]), am.zeros(2, 2, dtype=am.int64)):
        with pytest.raises(RuntimeError, match="bincount"):
            am.bincount(bad)
    assert am.bincount(am.tensor([1, 1]), am.tensor([0.5, 0.25])).tolist() == [0.0, 0.75]
    assert am.bincount(am.tensor([1, 1]), am.tensor([0.5, 0.25])).dtype == am.float32


def test_histogram_has_names_for_its_parts() -> None:
    counts = am.histogram(am.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0), weight=am.tensor([1.0, 2.0, 4.0]))
    assert counts.hist.tolist() == [0.0, 5.0, 2.0, 0.0] and counts.bin_edges.tolist() == [0.0, 0.75, 1.5, 2.25, 3.0]


def test_unique_along_a_dimension(torch: Any) -> None:
    rows = [[1, 2], [0, 0], [1, 2]]
    for options in ({"dim": 0}, {"dim": 1}, {}, {"return_inverse": True, "dim": 0}):
        out, right = am.unique(am.tensor(rows), **options), torch.unique(torch.tensor(rows), **options)
        for one, other in zip(out, right, strict=True) if isinstance(right, tuple) else [(out, right)]:
            assert one.tolist() == other.tolist()


def test_no_two_nans_are_the_same_element() -> None:
    assert am.tensor([NAN, 1.0, NAN, 1.0]).unique().shape == (3,)
