"""Indexing: every form against NumPy (and PyTorch), its adjoint with repeated places, writing, errors, memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.rules import index as rules
from autograd_mini.testing import gradcheck, gradgradcheck

F16, F32, F64 = np.float16, np.float32, np.float64


def leaf(array: Any) -> am.Tensor:
    return am.tensor(np.array(array, F64), requires_grad=True)


def counting(*shape: int) -> Any:
    return np.arange(float(np.prod(shape))).reshape(shape)


def normal(*shape: int, seed: int = 0, dtype: Any = F64) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def numbers_then_arrays(x: Any, index: Any) -> Any:
    """PyTorch's meaning in NumPy's terms, straight from the definition: first the numbers, then all the rest."""
    parts = index if isinstance(index, tuple) else (index,)
    first: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray):
            first += [slice(None)] * (part.ndim if part.dtype == bool else 1)
        elif part is not None:
            first.append(slice(None) if isinstance(part, slice) else part)
    return x[tuple(first)][tuple(part for part in parts if not isinstance(part, int))]


@st.composite
def indexed(draw: Any, negative_steps: bool = True) -> tuple[tuple[int, ...], Any]:
    """A shape and an index of numbers, slices, None, `...`, integer arrays (with repeats) and masks, mixed at will."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    length = draw(st.sampled_from([1, 2, 5]))
    parts: list[Any] = []
    ends = st.none() | st.integers(-5, 5)
    for n in shape[: draw(st.integers(1, len(shape)))]:
        kind = draw(st.sampled_from(["number", "slice", "slice", "array", "array", "mask", "none"]))
        if kind == "none":
            parts += [None, slice(None)]
        elif kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "slice":
            step = draw(st.sampled_from([None, 1, 2, -1, -2] if negative_steps else [None, 1, 2]))
            parts.append(slice(draw(ends), draw(ends), step))
        elif kind == "array":
            sizes = draw(st.sampled_from([(length,), (1,), (2, length)]))
            count = int(np.prod(sizes))
            places = draw(st.lists(st.integers(-n, n - 1), min_size=count, max_size=count))
            parts.append(np.array(places).reshape(sizes))
        else:
            parts.append(np.arange(n) == draw(st.integers(0, n - 1)))  # one true element broadcasts with any array
    if draw(st.booleans()):
        parts.append(...)
    return shape, tuple(parts) if len(parts) > 1 else parts[0]


@given(indexed())
def test_reading_and_its_adjoint(case: Any) -> None:
    shape, index = case
    x = leaf(counting(*shape))
    out = x[index]
    expected = numbers_then_arrays(x.detach().numpy(), index)
    assert out.shape == expected.shape
    np.testing.assert_array_equal(out.detach().numpy(), expected)
    weight = normal(*expected.shape)
    out.backward(am.tensor(weight))
    adjoint = np.zeros(x.numel())
    np.add.at(adjoint, expected.astype(int).ravel(), weight.ravel())  # the values say where they stood
    np.testing.assert_allclose(x.grad.numpy().ravel(), adjoint, atol=1e-12)


ROWS = np.array([1, 0])
MIXED = [  # shape, index, shape of the result: PyTorch's, where NumPy's is another
    ((2, 3, 4), (0, slice(None), ROWS), (3, 2)),
    ((2, 3, 4), (slice(None), ROWS, slice(None), None, -1)[:3], (2, 2, 4)),
    ((2, 3, 4, 5), (slice(None), ROWS, slice(None), -1), (2, 2, 4)),
    ((2, 3, 4), (ROWS, slice(None), 1), (2, 3)),
    ((2, 3, 4), (1, ..., ROWS), (3, 2)),
    ((2, 3, 4), (1, None, ROWS), (1, 2, 4)),
    ((2, 3, 2), (0, slice(None), np.array([False, True])), (3, 1)),
    ((2, 2, 3, 4), (0, slice(None), np.eye(3, 4, dtype=bool)), (2, 3)),
    ((2, 3, 4, 5), (ROWS, 0, slice(None), ROWS), (2, 4)),
]


@pytest.mark.parametrize("case", MIXED, ids=str)
def test_numbers_select_before_arrays_index(case: Any) -> None:
    shape, index, expected = case
    x = counting(*shape)
    out = am.tensor(x)[index]
    assert out.shape == expected
    np.testing.assert_array_equal(out.numpy(), numbers_then_arrays(x, index))
    written = am.zeros(*shape, dtype=am.float64)
    written[index] = out
    np.testing.assert_array_equal(written.numpy(), np.where(np.isin(x, out.numpy()), x, 0))
    assert gradgradcheck(lambda x: x[index] ** 2, leaf(x), fast_mode=True)


@given(indexed(negative_steps=False))
def test_reading_against_pytorch(case: Any) -> None:
    torch = pytest.importorskip("torch")
    shape, index = case
    parts = index if isinstance(index, tuple) else (index,)
    theirs = torch.tensor(counting(*shape), requires_grad=True)
    right = theirs[tuple(torch.tensor(p) if isinstance(p, np.ndarray) else p for p in parts)]
    x = leaf(counting(*shape))
    out = x[index]
    assert out.shape == tuple(right.shape)
    (out * out).sum().backward()
    (right * right).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), theirs.grad.numpy())


@given(indexed())
def test_second_derivative_of_reading(case: Any) -> None:
    shape, index = case
    assert gradgradcheck(lambda x: x[index] * x[index], leaf(normal(*shape)), fast_mode=True)


@given(indexed(), st.booleans())
def test_writing(case: Any, single: bool) -> None:
    """x[index] = v: values as NumPy has them, gradients as central differences have them, repeated places or not."""
    shape, index = case
    index = rules.numbers_first(index, shape)
    sizes = np.zeros(shape)[index].shape
    x, v = leaf(normal(*shape)), leaf(normal(*(() if single else sizes), seed=1))
    expected = x.detach().numpy().copy()
    expected[index] = v.detach().numpy()
    written = x * 1.0
    written[index] = v
    np.testing.assert_array_equal(written.detach().numpy(), expected)
    assert gradcheck(lambda a, b: rules.setitem(a, b, index=index), (x, v), fast_mode=True)
    assert gradgradcheck(lambda a, b: rules.setitem(a * a, b * b, index=index), (x, v), fast_mode=True)


def test_of_a_place_written_twice_the_last_value_stays_and_has_the_gradient() -> None:
    v = leaf([1.0, 2.0, 3.0])
    out = rules.setitem(am.zeros(2, dtype=am.float64), v, index=np.array([0, 1, 0]))
    assert out.tolist() == [3.0, 2.0]
    out.sum().backward()
    assert v.grad.tolist() == [0.0, 1.0, 1.0]


# --------------------------------------------------------------------------------------------- the scatter

ROUTES = {  # shape of the table, shape of the index, so that each branch of `put` is taken
    "long rows": ((9, 128), (40,)),
    "short rows": ((9, 3), (5, 8)),
    "few of many": ((300, 3), (7,)),
    "no rows": ((11,), (30,)),
    "nothing": ((4, 2), (0,)),
    "rows of nothing": ((4, 0), (3,)),
}


@pytest.mark.parametrize("dtype", [F64, F32, F16])
@pytest.mark.parametrize("route", ROUTES)
def test_scatter(route: str, dtype: Any) -> None:
    shape, sizes = ROUTES[route]
    rng = np.random.default_rng(0)
    index = rng.integers(-shape[0], shape[0], sizes)
    x = normal(*sizes, *shape[1:], dtype=dtype)
    expected = np.zeros(shape)
    np.add.at(expected, index, x.astype(F64))
    found = rules.put.primitive.forward(x, index=index, shape=shape)
    assert found.dtype == dtype and found.shape == shape
    np.testing.assert_allclose(found, expected, atol=float(np.finfo(dtype).eps) * 8)
    again = rules.put.primitive.forward(x, index=index, shape=shape)
    assert found.tobytes() == again.tobytes()


@pytest.mark.parametrize("shape", [(2, 128), (2, 3), (100_000,)])
def test_scatter_of_half_precision_sums_wider(shape: Any) -> None:
    index = np.ones(4096, np.int64)
    x = np.full((4096, *shape[1:]), 0.1, np.float16)
    found = rules.put.primitive.forward(x, index=index, shape=shape)
    np.testing.assert_allclose(found[1], 4096 * float(x.flat[0]), rtol=1e-3)  # in float16 itself it would stop at 256


@pytest.mark.parametrize("route", ["long rows", "short rows", "few of many", "no rows"])
def test_scatter_of_integers_is_exact(route: str) -> None:
    shape, sizes = ROUTES[route]
    index = np.random.default_rng(0).integers(0, shape[0], sizes)
    x = np.full((*sizes, *shape[1:]), 2**53 + 1)
    expected = np.zeros(shape, np.int64)
    np.add.at(expected, index, x)
    assert np.array_equal(rules.put.primitive.forward(x, index=index, shape=shape), expected)


def test_a_bad_gradient_stays_in_its_row() -> None:
    weight = am.zeros(3, 2, dtype=am.float64).requires_grad_()
    am.embedding(weight, am.tensor([0, 1, 1])).backward(am.tensor([[np.nan, np.inf], [1.0, 1.0], [1.0, 1.0]]))
    np.testing.assert_array_equal(weight.grad.numpy(), [[np.nan, np.inf], [2, 2], [0, 0]])


# ------------------------------------------------------------------------------- gather, scatter and their like


@given(st.integers(0, 2), st.integers(0, 10_000))
def test_gather_and_scatter_against_pytorch(dim: int, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 5, 3))
    sizes = tuple(int(rng.integers(1, 6 if d == dim else n + 1)) for d, n in enumerate(shape))
    index = rng.integers(0, shape[dim], sizes)
    x, src = rng.standard_normal(shape), rng.standard_normal(sizes)
    places = am.tensor(index), torch.tensor(index)
    calls = {
        "gather": lambda lib, x, src, i: lib.gather(x, dim, i),
        "take_along_dim": lambda lib, x, src, i: lib.take_along_dim(x, i[:1, :1, :1], dim),
        "scatter_add": lambda lib, x, src, i: lib.scatter_add(x, dim, i, src),
        "scatter number": lambda lib, x, src, i: lib.scatter(x, dim, i, 2.5),
    }
    for name, call in calls.items():
        mine = am.tensor(x, requires_grad=True), am.tensor(src, requires_grad=True)
        yours = torch.tensor(x, requires_grad=True), torch.tensor(src, requires_grad=True)
        out, right = call(am, *mine, places[0]), call(torch, *yours, places[1])
        np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), err_msg=name)
        (out**2).sum().backward()
        (right**2).sum().backward()
        for one, other in zip(mine, yours, strict=True):
            assert (one.grad is None) == (other.grad is None)
            if one.grad is not None:
                np.testing.assert_allclose(one.grad.numpy(), other.grad.numpy(), err_msg=name, atol=1e-12)


def test_scatter_and_index_fill_want_a_source_that_fits() -> None:
    torch = pytest.importorskip("torch")
    none = np.zeros((0, 2), int)
    for lib in (torch, am):
        x, index = lib.zeros(3, 3), lib.tensor([[0], [1]])
        for scatter in (lib.scatter, lib.scatter_add):
            with pytest.raises(RuntimeError, match=r"Expected index \[2, 1\] to be no larger .*than src \[1, 1\]"):
                scatter(x, 0, index, lib.ones(1, 1))
            with pytest.raises(RuntimeError, match="same number of dimensions as src"):
                scatter(x, 0, index, lib.tensor(2.0))
            assert scatter(x, 0, lib.tensor(none), lib.ones(1, 1)).tolist() == x.tolist()
        for value in (lib.ones(1), lib.ones(3)):
            with pytest.raises(RuntimeError, match=r"index_fill_? only supports a 0-dimensional value tensor"):
                x.index_fill(0, lib.tensor([0]), value)
            with pytest.raises(RuntimeError, match=r"index_fill_? only supports a 0-dimensional value tensor"):
                x.index_fill_(0, lib.tensor([0]), value)
        assert x.index_fill(0, lib.tensor([0]), lib.tensor(2.0)).sum() == 6
        assert x.scatter(0, index, value=2.0).sum() == x.scatter(0, index, 2.0).sum() == 4


def test_scatter_takes_the_corner_of_a_larger_source() -> None:
    """PyTorch has no derivative here, central differences have."""
    x, src, index = leaf(normal(3, 2)), leaf(normal(4, 5, seed=1)), am.tensor([[0, 2], [1, 0]])
    for call in (am.scatter, am.scatter_add):
        assert gradcheck(lambda x, src, call=call: call(x, 0, index, src), (x, src))
    expected = normal(3, 2)
    np.add.at(expected, ([[0, 2], [1, 0]], [[0, 1], [0, 1]]), src.detach().numpy()[:2, :2])
    np.testing.assert_allclose(am.scatter_add(x, 0, index, src).detach().numpy(), expected)


def test_take_along_dim_broadcasts() -> None:
    x = counting(3, 4)
    for index in (np.array([[1, 2]]), np.array([[1], [0], [3]])):
        out = am.take_along_dim(am.tensor(x), am.tensor(index), 1)
        wide = np.broadcast_to(index, (3, index.shape[1]))
        np.testing.assert_array_equal(out.numpy(), np.take_along_axis(x, wide, 1))
    assert am.take_along_dim(am.tensor(x), am.tensor([5, 0])).tolist() == [5.0, 0.0]


def test_embedding_padding_row_has_no_gradient() -> None:
    for padding in (1, -2):
        weight = leaf(normal(3, 2))
        out = am.embedding(weight, am.tensor([[0, 1], [1, 2]]), padding_idx=padding)
        np.testing.assert_array_equal(out.detach().numpy()[0, 1], weight.detach().numpy()[1])
        out.sum().backward()
        assert weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]


def test_one_hot() -> None:
    assert am.one_hot(am.tensor([1, 0])).tolist() == [[0, 1], [1, 0]]
    out = am.one_hot(am.tensor([[2]]), num_classes=4)
    assert out.tolist() == [[[0, 0, 1, 0]]] and out.dtype == np.int64
    assert am.one_hot(am.tensor(1), num_classes=2).tolist() == [0, 1]


def test_numpy_functions_are_recorded() -> None:
    x = leaf(counting(3, 4))
    index = np.array([[2, 0, 1, 1]])
    for out, expected in [
        (np.take(x, [1, 5]), np.take(counting(3, 4), [1, 5])),
        (np.take(x, [1, 1], axis=1), np.take(counting(3, 4), [1, 1], axis=1)),
        (np.take_along_axis(x, index, axis=0), np.take_along_axis(counting(3, 4), index, axis=0)),
    ]:
        assert out.requires_grad
        np.testing.assert_array_equal(out.detach().numpy(), expected)
    flags = am.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert [part.tolist() for part in np.nonzero(flags)] == [[0, 1], [1, 0]]
    assert np.argwhere(flags).tolist() == [[0, 1], [1, 0]]


# --------------------------------------------------------------------------------------------- memory, errors


def test_rows_that_were_picked_are_a_copy_and_may_be_changed() -> None:
    x = leaf(counting(3, 2))
    rows = x[[0, 2]]
    rows *= 2
    assert x.tolist() == counting(3, 2).tolist()
    rows.sum().backward()
    assert x.grad.tolist() == [[2.0, 2.0], [0.0, 0.0], [2.0, 2.0]]


def test_a_slice_is_a_view() -> None:
    x = am.tensor(counting(3, 2))
    x[1:][0][1] = -1.0
    assert x[1, 1].item() == -1.0
    with pytest.raises(RuntimeError, match="a view of a leaf"):
        leaf(counting(3, 2))[1:].add_(1)


WRONG = {
    "gather: too large": (IndexError, lambda x: am.gather(x, 0, am.tensor([[3, 0]]))),
    "gather: negative": (IndexError, lambda x: am.gather(x, 0, am.tensor([[-1, 0]]))),
    "gather: axes": (RuntimeError, lambda x: am.gather(x, 0, am.tensor([0]))),
    "gather: no such dim": (IndexError, lambda x: am.gather(x, 2, am.tensor([[0]]))),
    "gather: floats": (TypeError, lambda x: am.gather(x, 0, am.tensor([[0.0]]))),
    "index_select: matrix": (IndexError, lambda x: am.index_select(x, 0, am.tensor([[0]]))),
    "index_select: too large": (IndexError, lambda x: am.index_select(x, 1, am.tensor([2]))),
    "index_add: rows": (RuntimeError, lambda x: am.index_add(x, 0, am.tensor([0]), am.ones(2, 2, dtype=am.float64))),
    "scatter: dtype": (RuntimeError, lambda x: am.scatter(x, 0, am.tensor([[0]]), am.ones(1, 1))),
    "embedding: negative": (IndexError, lambda x: am.embedding(x, am.tensor([-1]))),
    "one_hot: too large": (RuntimeError, lambda x: am.one_hot(am.tensor([3]), num_classes=3)),
    "reading outside": (IndexError, lambda x: x[5]),
    "too many": (IndexError, lambda x: x[0, 0, 0]),
    "mask": (IndexError, lambda x: x[am.tensor([True, False])]),
    "float index": (IndexError, lambda x: x[am.tensor([0.5])]),
    "searchsorted": (NotImplementedError, lambda x: am.searchsorted(x, x)),
}


@pytest.mark.parametrize("what", WRONG)
def test_mistakes(what: str) -> None:
    kind, call = WRONG[what]
    with pytest.raises(kind):
        call(am.tensor(counting(3, 2)))


def test_where_with_the_condition_alone() -> None:
    rows, columns = am.where(am.tensor([[True, False], [True, True]]))
    assert (rows.tolist(), columns.tolist()) == ([0, 1, 1], [0, 0, 1])
    assert [i.tolist() for i in np.where(am.tensor([0.0, 2.0]))] == [[1]]
    assert [i.tolist() for i in am.where(am.tensor(True))] == [[0]]


def test_a_condition_is_true_or_false() -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        x, zero = lib.tensor([1.0, 4.0, 9.0]), lib.zeros(3)
        for wrong in (lib.tensor([1, 0, 2]), x):
            with pytest.raises(RuntimeError, match="where expected condition to be a boolean tensor"):
                lib.where(wrong, x, zero)
            with pytest.raises(RuntimeError, match="where expected condition to be a boolean tensor"):
                x.where(wrong, zero)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # bytes are deprecated in PyTorch
            assert lib.where(lib.tensor([1, 0, 2], dtype=lib.uint8), x, zero).tolist() == [1, 0, 9]
    numbers = np.array([1, 0, 2])  # NumPy's function takes them
    assert np.where(am.tensor(numbers), x, 0.0).tolist() == [1, 0, 9] == np.where(numbers, x, 0.0).tolist()
    assert np.where(am.tensor(numbers))[0].tolist() == [0, 2]
