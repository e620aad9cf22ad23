"""Properties of whole families of operations over random shapes, memory layouts and edge values.

The gradient that flows in is random throughout; shapes are 0-d to 4-D, with lengths of 0 and 1 among them.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rules.samples import OPERATIONS

import autograd_mini as am
from autograd_mini.testing import broadcastable_shapes, gradcheck, tensors

EDGES = [0.0, -0.0, 1e-300, -1e-300, 5e-324, 1e300, -1e300, np.inf, -np.inf, np.nan, 1.0, -1.0]
BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "remainder"]
SMOOTH = ["exp", "tanh", "sigmoid", "neg", "clone"]
REDUCTIONS = ["sum", "mean", "amax", "amin", "logsumexp"]
NEED_ONE = {"mean", "amax", "amin", "logsumexp"}  # of nothing they have no value, or NaN


def seed_for(out: am.Tensor, number: int) -> Any:
    return np.asarray(np.random.default_rng(number).standard_normal(out.shape))


def backward(out: am.Tensor, number: int) -> Any:
    """Sends a random gradient in, and returns it."""
    seed = seed_for(out, number)
    out.backward(am.tensor(seed))
    return seed


# ---------------------------------------------------------------------------------------------- elementwise


@pytest.mark.parametrize("name", SMOOTH)
@given(x=tensors(requires_grad=True, layouts=True, elements=st.floats(-3, 3)))
def test_gradients_of_smooth_functions(name: str, x: am.Tensor) -> None:
    assert gradcheck(getattr(am, name), x, fast_mode=True)


@pytest.mark.parametrize("name", BINARY)
@given(shapes=broadcastable_shapes(2), data=st.data(), number=st.integers(0, 9))
def test_gradients_are_summed_over_broadcast_axes(name: str, shapes: Any, data: Any, number: int) -> None:
    """Against the same function of explicitly repeated arrays, whose gradients are summed here by hand."""
    elements = st.floats(0.1, 4).map(lambda v: round(v, 3))
    x, y = (data.draw(tensors(shape, requires_grad=True, layouts=True, elements=elements)) for shape in shapes)
    out = getattr(am, name)(x, y)
    full = np.broadcast_shapes(*shapes)
    assert out.shape == full
    seed = backward(out, number)
    wide = [am.tensor(np.broadcast_to(v.detach().numpy(), full), requires_grad=True) for v in (x, y)]
    getattr(am, name)(*wide).backward(am.tensor(seed))
    for small, large in zip((x, y), wide, strict=True):
        total = large.grad.numpy()
        lead = total.ndim - small.ndim
        total = total.sum(axis=tuple(range(lead)))
        kept = tuple(i for i, n in enumerate(small.shape) if n == 1)
        np.testing.assert_allclose(
            small.grad.numpy(), total.sum(axis=kept, keepdims=True).reshape(small.shape), atol=1e-9
        )


@given(shapes=broadcastable_shapes(3, max_dims=3), data=st.data())
def test_where_sends_each_gradient_to_the_side_it_chose(shapes: Any, data: Any) -> None:
    condition = data.draw(tensors(shapes[0], am.bool, layouts=True))
    x, y = (data.draw(tensors(s, requires_grad=True, layouts=True)) for s in shapes[1:])
    out = am.where(condition, x, y)
    seed = backward(out, 0)
    chosen = np.broadcast_to(condition.numpy(), out.shape)
    np.testing.assert_allclose(x.grad.numpy().sum(), seed[chosen].sum(), atol=1e-9)
    np.testing.assert_allclose(y.grad.numpy().sum(), seed[~chosen].sum(), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("div", np.divide),
        ("pow", operator.pow),  # not np.power: NumPy 2.0 computes single numbers otherwise than arrays
        ("maximum", np.maximum),
        ("minimum", np.minimum),
        ("eq", np.equal),
        ("lt", np.less),
        ("remainder", np.remainder),
    ],
)
def test_edge_values_of_two_inputs(name: str, reference: Any) -> None:
    """Every pair of ±0, tiny, huge, infinite and NaN; in float64 and float32, and as 0-d tensors."""
    with np.errstate(all="ignore"):
        for dtype in (np.float64, np.float32):
            x, y = (np.asarray(v, dtype=dtype) for v in np.meshgrid(EDGES, EDGES))
            expected = reference(x, y)
            out = OPERATIONS[name](am.tensor(x), am.tensor(y)).numpy()
            np.testing.assert_array_equal(out, expected)
            if out.dtype.kind == "f":
                zeros = expected == 0
                np.testing.assert_array_equal(np.signbit(out[zeros]), np.signbit(expected[zeros]))
            for a, b in zip(x.ravel(), y.ravel(), strict=True):
                np.testing.assert_array_equal(OPERATIONS[name](am.tensor(a), am.tensor(b)).numpy(), reference(a, b))


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("exp", np.exp),
        ("log", np.log),
        ("sqrt", np.sqrt),
        ("tanh", np.tanh),
        ("abs", np.abs),
        ("sign", np.sign),
        ("neg", np.negative),
        ("relu", lambda x: np.maximum(x, 0)),
        ("sigmoid", lambda x: np.where(x >= 0, 1, np.exp(x)) / (1 + np.exp(-np.abs(x)))),
        ("isnan", np.isnan),
        ("isinf", np.isinf),
        ("isfinite", np.isfinite),
        ("floor", np.floor),
        ("round", np.round),
    ],
)
def test_edge_values_of_one_input(name: str, reference: Any) -> None:
    with np.errstate(all="ignore"):
        for dtype in (np.float64, np.float32):
            x = np.asarray(EDGES, dtype=dtype)
            np.testing.assert_array_equal(OPERATIONS[name](am.tensor(x)).numpy(), reference(x))


@pytest.mark.parametrize("scale", [1e4, 1e300])
def test_stable_where_exponentials_overflow(scale: float) -> None:
    """No warning (they are errors here), no NaN, the exact limits, in values and gradients."""
    x = am.tensor(np.array([scale, -scale, 0.0]), requires_grad=True)
    sigmoid = am.sigmoid(x)
    np.testing.assert_array_equal(sigmoid.detach().numpy(), [1.0, 0.0, 0.5])
    sigmoid.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0.0, 0.0, 0.25])
    np.testing.assert_array_equal(am.softmax(x, 0).detach().numpy(), [1.0, 0.0, 0.0])
    np.testing.assert_array_equal(am.log_softmax(x, 0).detach().numpy(), [0.0, -2 * scale, -scale])
    assert am.logsumexp(x, axis=0).item() == scale
    loss = am.softmax_cross_entropy(x, am.tensor(1))
    assert loss.item() == 2 * scale
    x.grad = None
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), [1.0, -1.0, 0.0])


# ----------------------------------------------------------------------------------------------- reductions


@st.composite
def reduction(draw: Any) -> tuple[tuple[int, ...], Any, bool]:
    """A shape, axes of it (None, one, several, possibly negative), keepdims."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3))
    kinds = [st.none()]
    if shape:
        one = st.integers(-len(shape), len(shape) - 1)
        several = st.sets(st.integers(0, len(shape) - 1), min_size=1).map(lambda s: tuple(sorted(s)))
        kinds += [one, several]
    return shape, draw(st.one_of(kinds)), draw(st.booleans())


@pytest.mark.parametrize("name", REDUCTIONS)
@given(case=reduction(), data=st.data(), number=st.integers(0, 9))
def test_reductions(name: str, case: Any, data: Any, number: int) -> None:
    shape, axis, keepdims = case
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis)
    if name in NEED_ONE and 0 in [shape[a] for a in axes]:
        return
    x = data.draw(tensors(shape, requires_grad=True, layouts=True, elements=st.integers(-5, 5).map(float)))
    out = getattr(am, name)(x, dim=axis, keepdim=keepdims)
    array = x.detach().numpy()
    reference = {"sum": np.sum, "mean": np.mean, "amax": np.max, "amin": np.min}
    if name == "logsumexp":
        expected = np.log(np.sum(np.exp(array), axis=axis, keepdims=keepdims))
    else:
        expected = reference[name](array, axis=axis, keepdims=keepdims)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.detach().numpy(), expected, atol=1e-12)
    seed = backward(out, number)
    # What flows out is what flowed in (times the count for a sum): each of these weighs its elements to 1.
    count = np.size(array) / max(np.size(expected), 1) if name == "sum" else 1
    np.testing.assert_allclose(x.grad.numpy().sum(), seed.sum() * count, atol=1e-9)
    if name in ("amax", "amin"):
        wide = out.detach().numpy() if keepdims or axis is None else np.expand_dims(out.detach().numpy(), axis)
        assert not x.grad.numpy()[array != wide].any()


# --------------------------------------------------------------------------------------------------- shapes


@given(x=tensors(requires_grad=True, layouts=True), data=st.data(), number=st.integers(0, 9))
def test_moving_elements_moves_their_gradients(x: am.Tensor, data: Any, number: int) -> None:
    """With y = f(x) a rearrangement, f(gradient of x) is the gradient of y, exactly."""
    order = data.draw(st.permutations(range(x.ndim)))
    moves = {
        "permute": lambda t: t.permute(*order) if t.ndim else t.permute(()),
        "flatten": lambda t: t.flatten(),
        "reshape": lambda t: t.reshape(*reversed(t.shape)) if t.ndim else t.reshape(1),
        "reversed": lambda t: t[tuple(slice(None, None, -1) for _ in t.shape)],
        "unsqueeze": lambda t: t.unsqueeze(-1),
        "squeeze": lambda t: t.squeeze(),
    }
    move = moves[data.draw(st.sampled_from(sorted(moves)))]
    y = move(x)
    seed = backward(y, number)
    np.testing.assert_array_equal(move(x.grad).numpy(), seed)


@given(shapes=broadcastable_shapes(2, min_side=1), number=st.integers(0, 9), data=st.data())
def test_expand_sums_what_it_repeated(shapes: Any, number: int, data: Any) -> None:
    x = data.draw(tensors(shapes[0], requires_grad=True, layouts=True))
    full = np.broadcast_shapes(*shapes)
    seed = backward(am.expand(x, full), number)
    np.testing.assert_allclose(x.grad.numpy().sum(), seed.sum(), atol=1e-9)
    assert x.grad.shape == x.shape


@given(
    lengths=st.lists(st.integers(0, 3), min_size=1, max_size=4),
    shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=3),
    data=st.data(),
)
def test_cat_cuts_its_gradient(lengths: list[int], shape: tuple[int, ...], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    shapes = [tuple(n if i == axis % len(shape) else s for i, s in enumerate(shape)) for n in lengths]
    xs = [data.draw(tensors(s, requires_grad=True, layouts=True)) for s in shapes]
    out = am.cat(xs, axis)
    np.testing.assert_array_equal(out.detach().numpy(), np.concatenate([x.detach().numpy() for x in xs], axis))
    seed = backward(out, 0)
    for x, part in zip(xs, np.split(seed, np.cumsum(lengths)[:-1], axis), strict=True):
        np.testing.assert_array_equal(x.grad.numpy(), part)


# --------------------------------------------------------------------------------------------------- linalg


@given(
    batch=broadcastable_shapes(2, max_dims=2, min_side=1),
    sizes=st.tuples(*[st.integers(0, 3)] * 3),
    vectors=st.tuples(st.booleans(), st.booleans()),
    data=st.data(),
)
def test_matmul(batch: Any, sizes: tuple[int, int, int], vectors: tuple[bool, bool], data: Any) -> None:
    rows, inner, columns = sizes
    left = (inner,) if vectors[0] else (*batch[0], rows, inner)
    right = (inner,) if vectors[1] else (*batch[1], inner, columns)
    elements = st.floats(-2, 2).map(lambda v: round(v, 2))
    x, y = (data.draw(tensors(s, requires_grad=True, layouts=True, elements=elements)) for s in (left, right))
    out = x @ y
    np.testing.assert_allclose(out.detach().numpy(), x.detach().numpy() @ y.detach().numpy(), atol=1e-12)
    assert gradcheck(am.matmul, (x, y), fast_mode=True)


# ---------------------------------------------------------------------------------------------------- nnet


@given(
    x=tensors(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3), requires_grad=True, layouts=True), data=st.data()
)
def test_softmax_sums_to_one_and_its_gradient_to_zero(x: am.Tensor, data: Any) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    out = am.softmax(x, axis)
    np.testing.assert_allclose(out.detach().numpy().sum(axis), 1.0)
    backward(out, 0)
    np.testing.assert_allclose(x.grad.numpy().sum(axis), 0.0, atol=1e-12)
    np.testing.assert_allclose(am.log_softmax(x, axis).detach().numpy(), np.log(out.detach().numpy()), atol=1e-12)


@given(x=tensors(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), requires_grad=True), number=st.integers(0, 9))
def test_cross_entropy_is_log_softmax_at_the_target(x: am.Tensor, number: int) -> None:
    target = np.random.default_rng(number).integers(0, x.shape[-1], x.shape[:-1])
    loss = am.softmax_cross_entropy(x, am.tensor(target))
    picked = np.take_along_axis(am.log_softmax(x, -1).detach().numpy(), target[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss.detach().numpy(), -picked)
    seed = backward(loss, number)
    hot = np.arange(x.shape[-1]) == target[..., None]
    expected = (am.softmax(x, -1).detach().numpy() - hot) * seed[..., None]
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-12)


# ------------------------------------------------------------------------------------------------ precision


@pytest.mark.parametrize("n", [10_000, 70_000])
def test_float16_sums_accumulate_wider(n: int) -> None:
    x = am.ones(n, dtype=am.float16) * 0.25
    assert x.mean().item() == 0.25 and x.mean().dtype == am.float16
    assert (x * 0.5).sum().item() == np.float16(n / 8)


def test_mean_of_float16_does_not_overflow() -> None:
    assert am.full((200,), 60000.0, dtype=am.float16).mean().item() == 60000.0
