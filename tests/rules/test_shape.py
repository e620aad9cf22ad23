"""Moving elements about: grids, padding, NumPy's calls, views, and mistakes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.rules import shape as rules
from autograd_mini.testing import battery, gradcheck

F64 = np.float64


def normal(*shape: int, seed: int = 0) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


def leaf(array: Any) -> am.Tensor:
    return am.tensor(np.array(array, F64), requires_grad=True)


def assert_same(one: Any, other: Any) -> None:
    """A tensor, or several of them, of ours, and one or several arrays or tensors of PyTorch."""
    if isinstance(one, (tuple, list)):
        assert isinstance(other, (tuple, list)) and len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
        return
    one, other = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v) for v in (one, other))
    assert one.shape == other.shape and one.dtype == other.dtype
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sizes", [(2, 3), (2, 3, 4), (2,), (0, 3)], ids=str)
@pytest.mark.parametrize("indexing", ["ij", "xy"])
def test_meshgrid(sizes: Any, indexing: str) -> None:
    arrays = [normal(n) for n in sizes]
    found = rules.meshgrid(*map(am.tensor, arrays), indexing=indexing)
    assert_same(found, tuple(np.meshgrid(*arrays, indexing=indexing)))
    battery(lambda *xs: rules.meshgrid(*xs, indexing=indexing), [tuple(arrays)])


def test_triangles() -> None:
    for row, col, offset in itertools.product((0, 2, 3), (2, 3), (-1, 0, 2)):
        assert_same(rules.tril_indices(row, col, offset), np.stack(np.tril_indices(row, offset, col)))
        assert_same(rules.triu_indices(row, col, offset), np.stack(np.triu_indices(row, offset, col)))


# ------------------------------------------------------------------------------------------------- padding


@given(st.data())
def test_padding_against_pytorch(data: Any) -> None:
    torch = pytest.importorskip("torch")
    mode = data.draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    axes = data.draw(st.integers(1, 2))
    shape = (2, 3, *data.draw(st.lists(st.integers(2, 4), min_size=axes, max_size=axes)))
    widths = []
    for n in shape[: -axes - 1 : -1]:
        low = -1 if mode == "constant" else 0
        widths += [data.draw(st.integers(low, n - 1)) for _ in range(2)]
    value = data.draw(st.sampled_from([None, 0, 1.5])) if mode == "constant" else None
    x = normal(*shape)
    ours, theirs = leaf(x), torch.tensor(x, requires_grad=True)
    out = rules.pad(ours, widths, mode, value)
    right = torch.nn.functional.pad(theirs, widths, mode, value)
    assert_same(out, right)
    (out**2).sum().backward()
    (right**2).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_padding_of_any_axis(mode: str) -> None:
    battery(
        lambda x: rules.pad(x, (1, 1, 0, 2, 1, 0), mode, 2.0 if mode == "constant" else None),
        [normal(3, 3, 2), normal(2, 2, 3, 2)],
    )


# --------------------------------------------------------------------------------------------- NumPy's calls

NUMPY_CALLS: dict[str, Any] = {
    "reshape": lambda np, x: np.reshape(x, (4, 6)),
    "ravel": lambda np, x: np.ravel(x),
    "transpose": lambda np, x: np.transpose(x, (2, 0, 1)),
    "swapaxes": lambda np, x: np.swapaxes(x, axis1=0, axis2=2),
    "moveaxis": lambda np, x: np.moveaxis(x, (0, 1), (-1, 0)),
    "squeeze": lambda np, x: np.squeeze(x[:1], axis=0),
    "expand_dims": lambda np, x: np.expand_dims(x, 1),
    "broadcast_to": lambda np, x: np.broadcast_to(x, (2, 2, 3, 4)),
    "broadcast_arrays": lambda np, x: np.broadcast_arrays(x, x[0])[1],
    "flip": lambda np, x: np.flip(x, axis=(0, 2)),
    "flip all": lambda np, x: np.flip(x),
    "fliplr": lambda np, x: np.fliplr(x),
    "flipud": lambda np, x: np.flipud(x),
    "roll": lambda np, x: np.roll(x, 2),
    "roll axes": lambda np, x: np.roll(x, (1, -1), axis=(0, 2)),
    "tile": lambda np, x: np.tile(x, (2, 1)),
    "repeat": lambda np, x: np.repeat(x, [1, 0, 2], axis=1),
    "repeat all": lambda np, x: np.repeat(x, 2),
    "concatenate": lambda np, x: np.concatenate([x, x[:1]], axis=0),
    "stack": lambda np, x: np.stack([x, x], axis=-1),
    "hstack": lambda np, x: np.hstack([x, x]),
    "vstack": lambda np, x: np.vstack([x, x]),
    "column_stack": lambda np, x: np.column_stack([x[0, 0], x[0, 1]]),
    "array_split": lambda np, x: np.array_split(x, 3, axis=2)[1],
    "diagonal": lambda np, x: np.diagonal(x, offset=1, axis1=1, axis2=2),
    "diag": lambda np, x: np.diag(x[0], k=-1),
    "diag of a vector": lambda np, x: np.diag(x[0, 0], k=2),
    "tril": lambda np, x: np.tril(x, k=1),
    "triu": lambda np, x: np.triu(x, -1),
    "meshgrid": lambda np, x: np.meshgrid(x[0, 0], x[0, :, 0])[1],
    "pad": lambda np, x: np.pad(x, ((1, 0), (0, 2), (0, 0))),
    "pad all": lambda np, x: np.pad(x, 1, mode="edge"),
    "pad with a value": lambda np, x: np.pad(x, (1, 2), constant_values=3.0),
}


@pytest.mark.parametrize("name", NUMPY_CALLS)
def test_numpy_functions_are_recorded(name: str) -> None:
    x = normal(2, 3, 4)
    out = NUMPY_CALLS[name](np, leaf(x))
    assert isinstance(out, am.Tensor) and out.requires_grad
    assert_same(out, NUMPY_CALLS[name](np, x))


# ------------------------------------------------------------------------------------- against PyTorch, at random


@given(st.data())
def test_turning_against_pytorch(data: Any) -> None:
    torch = pytest.importorskip("torch")
    shape = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=4))
    n = len(shape)
    x = normal(*shape)
    ours, theirs = am.tensor(x), torch.tensor(x)
    order = data.draw(st.permutations(range(n)))
    moved = order[: data.draw(st.integers(1, n))]
    to = data.draw(st.permutations(range(-n, 0)))[: len(moved)]
    k = data.draw(st.integers(-5, 5))
    assert_same(ours.movedim(tuple(moved), tuple(to)), theirs.movedim(tuple(moved), tuple(to)))
    assert_same(ours.permute(*order), theirs.permute(*order))
    assert_same(ours.roll([k] * len(moved), moved), theirs.roll([k] * len(moved), moved))
    assert_same(ours.diagonal(k, *order[:2]), theirs.diagonal(k, *order[:2])) if abs(k) <= min(shape) else None
    assert_same(ours.diag_embed(k, *order[:2]), theirs.diag_embed(k, *order[:2]))
    times = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n + 1))
    assert_same(ours.repeat(*times), theirs.repeat(*times))
    assert_same(ours.tile(times[:1]), theirs.tile(times[:1]))
    assert_same(ours.tril(k), theirs.tril(k))
    assert_same(ours.triu(k), theirs.triu(k))


# ------------------------------------------------------------------------------------------------ memory, errors


def test_views_show_the_memory_of_their_tensor_and_copies_do_not() -> None:
    views = {
        "diagonal": lambda x: x.diagonal(),
        "narrow": lambda x: x.narrow(0, 1, 2),
        "select": lambda x: x.select(1, 0),
        "unbind": lambda x: x.unbind()[1],
        "split": lambda x: x.split(2)[0],
        "movedim": lambda x: x.movedim(0, 1),
        "unsqueeze": lambda x: x.unsqueeze(0),
        "flatten": lambda x: x.flatten(),
        "view": lambda x: x.view(9),
    }
    copies = {
        "flip": lambda x: x.flip(0),
        "roll": lambda x: x.roll(1, 0),
        "tril": lambda x: x.tril(),
        "repeat": lambda x: x.repeat(1, 1),
        "index_select": lambda x: x.index_select(0, am.tensor([0, 1, 2])),
        "pad": lambda x: rules.pad(x, (0, 0)),
    }
    for shared, calls in ((True, views), (False, copies)):
        for name, call in calls.items():
            x = am.tensor(normal(3, 3))
            before = x.tolist()
            call(x).fill_(7.0)
            assert (x.tolist() != before) == shared, name


def test_triangles_of_what_is_not_finite_and_of_other_dtypes() -> None:
    x = am.tensor([[np.nan, np.inf], [1.0, np.nan]])
    assert x.tril()[0, 1].item() == 0 and x.triu()[1, 0].item() == 0
    for dtype in (am.bool, am.int8, am.float16):
        assert am.ones(2, 2, dtype=dtype).tril().dtype == dtype


def test_a_view_of_one_number() -> None:
    x = leaf(3.0)
    assert gradcheck(lambda x: x.view(1, 1), x)


MISTAKES: dict[str, Any] = {
    "no such dim": lambda lib, x: x.unbind(2),
    "squeeze": lambda lib, x: x.squeeze(3),
    "flatten": lambda lib, x: x.flatten(0, 5),
    "flatten backwards": lambda lib, x: x.flatten(1, 0),
    "unflatten": lambda lib, x: x.unflatten(1, (2, 2)),
    "reshape": lambda lib, x: x.reshape(4, 2),
    "view": lambda lib, x: x.t().view(6),
    "movedim": lambda lib, x: x.movedim((0, 0), (0, 1)),
    "transpose": lambda lib, x: x.transpose(0, 2),
    "permute": lambda lib, x: x.permute(0, 0),
    "flip": lambda lib, x: x.flip(4),
    "roll": lambda lib, x: x.roll((1, 2), 0),
    "expand": lambda lib, x: x.expand(3, 3),
    "expand to less": lambda lib, x: x.expand(3),
    "repeat": lambda lib, x: x.repeat(2),
    "split": lambda lib, x: x.split([1, 1], 1),
    "split in nothings": lambda lib, x: x.split(0),
    "chunk": lambda lib, x: x.chunk(0),
    "select": lambda lib, x: x.select(0, 2),
    "narrow": lambda lib, x: x.narrow(1, 2, 2),
    "unfold": lambda lib, x: x.unfold(0, 3, 1),
    "tril": lambda lib, x: x[0].tril(),
    "diag": lambda lib, x: lib.diag(x[None]),
    "t": lambda lib, x: x[None].t(),
    "cat of nothing": lambda lib, x: lib.cat([]),
    "cat": lambda lib, x: lib.cat([x, x[:, :2]]),
    "stack": lambda lib, x: lib.stack([x, x[:1]]),
    "broadcast_tensors": lambda lib, x: lib.broadcast_tensors(x, x[:, :2]),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistakes(what: str) -> None:
    """What PyTorch refuses we refuse, with an error that is also one of its kind."""
    torch = pytest.importorskip("torch")
    with pytest.raises(Exception) as theirs:
        MISTAKES[what](torch, torch.ones(2, 3))
    kind = next(kind for kind in type(theirs.value).__mro__ if kind.__module__ == "builtins")
    with pytest.raises(kind):
        MISTAKES[what](am, am.ones(2, 3))


@pytest.mark.parametrize(
    ("widths", "mode", "value", "kind"),
    [
        ((1,), "constant", None, RuntimeError),
        ((1, 1, 1, 1, 1, 1), "constant", None, RuntimeError),
        ((3, 0), "reflect", None, RuntimeError),
        ((4, 0), "circular", None, RuntimeError),
        ((1, 1), "mirror", None, NotImplementedError),
        ((1, 1), "reflect", 1.0, ValueError),
    ],
)
def test_mistakes_of_padding(widths: Any, mode: str, value: Any, kind: Any) -> None:
    with pytest.raises(kind):
        rules.pad(am.ones(2, 3), widths, mode, value)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 3.0, float("inf")])
def test_cdist(p: float) -> None:
    torch = pytest.importorskip("torch")
    a, b = normal(2, 3, 4), normal(2, 5, 4, seed=1)
    results = []
    for lib in (am, torch):
        x, y = (lib.tensor(v, requires_grad=True) for v in (a, b))
        found = lib.cdist(x, y, p)
        (found * lib.tensor(normal(2, 3, 5, seed=2))).sum().backward()
        results.append([found.detach().numpy(), x.grad.numpy(), y.grad.numpy()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    with pytest.raises(RuntimeError, match="cdist: expected"):
        am.cdist(am.ones(2, 3), am.ones(2, 4))


def test_flip_names_its_axes_unlike_numpys() -> None:
    torch = pytest.importorskip("torch")
    values = np.arange(6.0).reshape(2, 3)
    for lib in (torch, am):
        x = lib.tensor(values)
        for call in (x.flip, lambda: lib.flip(x)):  # noqa: B023
            with pytest.raises(TypeError, match=r'flip\(\) missing 1 required positional arguments: "dims"'):
                call()
        assert x.flip([]).tolist() == x.tolist() and x.flip(0, 1).tolist() == values[::-1, ::-1].tolist()
    for options in ({}, {"axis": None}, {"axis": 1}, {"axis": (0, -1)}):
        np.testing.assert_array_equal(np.flip(am.tensor(values), **options), np.flip(values, **options))
