"""Conventions at kinks, stability far out, accuracy of erf, other names, NumPy's protocol, in-place forms, errors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.primitive import NUMPY, OPERATIONS
from autograd_mini.rules import elementwise, special
from autograd_mini.testing import gradcheck, gradgradcheck

F16, F32, F64 = np.float16, np.float32, np.float64
NAN, INF = math.nan, math.inf


def variable(values: Any, dtype: Any = F64) -> am.Tensor:
    return am.tensor(np.array(values, dtype)).requires_grad_()


def slopes(name: str, *inputs: Any, dtype: Any = F64, **options: Any) -> list[list[float]]:
    """The gradients of the sum of an operation with respect to each of its inputs."""
    xs = [variable(x, dtype) for x in inputs]
    return [g.tolist() for g in am.autograd.grad(getattr(am, name)(*xs, **options).sum(), xs)]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


# --------------------------------------------------------------------------------------------------- kinks

KINKS: dict[str, tuple[list[float], list[float]]] = {  # where, and the derivative there
    "abs": ([0.0], [0.0]),
    "relu": ([0.0, NAN], [0.0, 1.0]),
    "relu6": ([0.0, 6.0, NAN], [0.0, 0.0, 1.0]),
    "hardtanh": ([-1.0, 1.0], [0.0, 0.0]),
    "hardsigmoid": ([-3.0, 3.0], [0.0, 0.0]),
    "hardswish": ([-3.0, 3.0], [0.0, 1.0]),
    "elu": ([0.0], [1.0]),
    "selu": ([0.0], [1.0507009873554805 * 1.6732632423543772]),
    "celu": ([0.0], [1.0]),
    "leaky_relu": ([0.0], [0.01]),
    "sign": ([0.0, 1.0], [0.0, 0.0]),
    "floor": ([1.0, 1.5], [0.0, 0.0]),
    "round": ([0.5, 1.0], [0.0, 0.0]),
    "frac": ([1.0], [1.0]),
    "softsign": ([0.0], [1.0]),
    "nan_to_num": ([1.0, NAN, INF, -INF], [1.0, 0.0, 0.0, 0.0]),
}


@pytest.mark.parametrize("name", KINKS)
def test_derivative_at_a_kink(name: str) -> None:
    where, expected = KINKS[name]
    assert slopes(name, where)[0] == expected


@pytest.mark.parametrize("name", KINKS)
def test_derivative_at_a_kink_is_that_of_pytorch(name: str, torch: Any) -> None:
    where, expected = KINKS[name]
    x = torch.tensor(where, dtype=torch.float64, requires_grad=True)
    function = getattr(torch, name, None) or getattr(torch.nn.functional, name)
    function(x).sum().backward()
    tolerance = {"rtol": 1e-6} if name == "hardsigmoid" else {"rtol": 1e-15}
    np.testing.assert_allclose(x.grad.numpy(), expected, **tolerance)


PAIRS = [1.0, 2.0, 1.0, NAN, 0.0], [1.0, 1.0, 2.0, 1.0, -0.0]


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin", "hypot", "atan2", "fmod", "remainder"])
def test_ties_are_those_of_pytorch(name: str, torch: Any) -> None:
    x, y = PAIRS if name not in ("hypot", "atan2", "fmod", "remainder") else ([5.5, -3.0, 0.0], [2.0, 1.0, 3.0])
    theirs = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (x, y)]
    out = getattr(torch, name)(*theirs)
    ours = getattr(am, name)(variable(x), variable(y))
    np.testing.assert_array_equal(ours.detach().numpy(), out.detach().numpy())
    out.sum().backward()
    for mine, other in zip(slopes(name, x, y), theirs, strict=True):
        np.testing.assert_allclose(mine, other.grad.numpy(), rtol=1e-15)


def test_clamp_with_tensors_gives_the_whole_gradient_to_x_at_a_bound() -> None:
    x, low, high = slopes("clamp", [1.0, 2.0, 3.0, 4.0, 3.0], [2.0, 2.0, 2.0, 5.0, 5.0], [3.0, 3.0, 3.0, 3.0, 6.0])
    assert x == [0, 1, 1, 0, 0]
    assert low == [1, 0, 0, 0, 1]  # where the bounds are in the wrong order the upper one wins
    assert high == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("name", ["clamp", "clip"])
def test_clamp_by_numbers_passes_the_gradient_at_a_bound(name: str) -> None:
    x = [-1.5, -1.0, 0.0, 1.0, 1.5]
    assert slopes(name, x, min=-1.0, max=1.0) == [[0, 1, 1, 1, 0]]
    assert slopes(name, x, min=-1.0) == [[0, 1, 1, 1, 1]] and slopes(name, x, max=1.0) == [[1, 1, 1, 1, 0]]


def test_nothing_is_not_a_number_at_the_origin() -> None:
    assert slopes("hypot", [0.0], [0.0]) == [[0.0], [0.0]]  # NaN in PyTorch
    assert slopes("atan2", [0.0], [0.0]) == [[0.0], [0.0]]
    assert slopes("logaddexp", [-INF, -INF], [-INF, 0.0]) == [[0.0, 0.0], [0.0, 1.0]]  # as of logsumexp


@pytest.mark.parametrize("name", ["floor_divide", "remainder", "fmod", "div"])
def test_integers_are_not_divided_by_zero(name: str) -> None:
    torch = pytest.importorskip("torch")
    rounded = [{"rounding_mode": "floor"}, {"rounding_mode": "trunc"}] if name == "div" else [{}]
    for options, divisor in itertools.product(rounded, (0, [1, 0, 2])):
        for lib in (torch, am):
            x = lib.tensor([3, 0, -4])
            y = divisor if divisor == 0 else lib.tensor(divisor)
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                getattr(lib, name)(x, y, **options)
            with pytest.raises(RuntimeError, match="ZeroDivisionError"):
                getattr(x, name + "_")(y, **options)
            assert getattr(lib, name)(x[:0], divisor if divisor == 0 else y[:0], **options).tolist() == []
        with np.errstate(all="ignore"):
            mine = getattr(am, name)(am.tensor([3, 0, -4]), 0.0, **options)
        np.testing.assert_array_equal(mine, getattr(torch, name)(torch.tensor([3, 0, -4]), 0.0, **options))
    for by_zero in (lambda x: x // 0, lambda x: x % 0, lambda x: 5 // x, lambda x: 5 % x):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            by_zero(am.tensor([1, 0]))


@pytest.mark.parametrize("name", ["add", "sub", "subtract"])
def test_a_multiple_of_integers_is_whole(name: str) -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        i, x = lib.tensor([3, 0, -4]), lib.tensor([1.0, 2.0, 3.0])
        for other in (1, i):
            with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
                getattr(lib, name)(i, other, alpha=2.5)
            assert getattr(lib, name)(i, other, alpha=2).dtype == lib.int64
            with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
                getattr(i, name + "_")(other, alpha=2.5)
        assert getattr(lib, name)(i, x, alpha=2.5).dtype == getattr(lib, name)(x, i, alpha=2.5).dtype == lib.float32
        assert getattr(lib, name)(i, 1.5, alpha=2.5).dtype == lib.float32


def test_the_quotient_behind_a_remainder_is_exact() -> None:
    """1 is 9 times 0.1 and a rest, though 1 / 0.1 rounds to 10."""
    assert slopes("fmod", [1.0], [0.1])[1] == [-9.0]
    assert slopes("remainder", [-1.0], [0.1])[1] == [10.0]


def test_no_gradient_is_zero_not_nan_for_an_infinite_one() -> None:
    x = variable([1.5])
    x.floor().backward(am.tensor([INF], dtype=am.float64))
    assert x.grad.tolist() == [0.0]


# ------------------------------------------------------------------------------------------------- far out

FAR = [-1e4, -50.0, -1.0, 0.0, 1.0, 50.0, 1e4]
STABLE = [
    "sigmoid",
    "logsigmoid",
    "softplus",
    "gelu",
    "silu",
    "elu",
    "selu",
    "celu",
    "leaky_relu",
    "relu",
    "relu6",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "mish",
    "softsign",
    "tanhshrink",
    "tanh",
    "atan",
    "asinh",
    "erf",
    "erfc",
]


@pytest.mark.parametrize("dtype", [F64, F32, F16])
@pytest.mark.parametrize("name", STABLE)
def test_stable_far_out(name: str, dtype: Any, torch: Any) -> None:
    """Values and gradients are PyTorch's in float64, and NumPy warns of nothing."""
    x = variable(FAR, dtype)
    out = getattr(am, name)(x)
    (gradient,) = am.autograd.grad(out.sum(), [x], create_graph=True)
    assert out.dtype == gradient.dtype == dtype
    if gradient.requires_grad:  # not of pieces of straight lines
        assert am.autograd.grad(gradient.sum(), [x])[0].isfinite().all()
    theirs = torch.tensor(np.array(FAR, dtype), requires_grad=True)
    wide = theirs.double()
    right = (getattr(torch, name, None) or getattr(torch.nn.functional, name))(wide)
    right.sum().backward()
    tolerance = 4 * float(np.finfo(dtype).eps)
    rounding = 1e-7 if name == "hardsigmoid" else 0.0  # PyTorch's gradient is 1/6 in float32
    for one, other in ((out, right), (gradient, theirs.grad)):
        expected = other.detach().numpy().astype(F64)
        np.testing.assert_allclose(one.detach().numpy(), expected, rtol=tolerance + rounding, atol=tolerance)


def test_gelu_tanh_far_out_in_half_precision() -> None:
    x = variable(FAR, F16)
    out = am.gelu(x, approximate="tanh")
    out.sum().backward()
    np.testing.assert_allclose(out.tolist(), [0.0, 0.0, -0.1588, 0.0, 0.8413, 50.0, 1e4], rtol=2e-3, atol=1e-3)
    np.testing.assert_allclose(x.grad.tolist(), [0.0, 0.0, -0.083, 0.5, 1.083, 1.0, 1.0], rtol=2e-3, atol=1e-3)


# ------------------------------------------------------------------------------------------------------ erf

REAL_LINE = np.concatenate(
    [
        np.linspace(-30, 30, 4001),
        10.0 ** np.linspace(-300, 300, 1201),
        np.nextafter([0.46875, 0.46875, 4.0, 4.0], [0.0, 1.0, 0.0, 9.0]),
        [0.46875, 4.0, -0.46875, -4.0],
    ]
)


def test_erf_is_accurate_over_the_real_line() -> None:
    expected = np.array([math.erf(x) for x in REAL_LINE])
    np.testing.assert_allclose(special.erf(REAL_LINE), expected, rtol=1e-15, atol=0)


def test_erfc_is_accurate_also_where_it_is_tiny() -> None:
    expected = np.array([math.erfc(x) for x in REAL_LINE])
    usable = expected > 1e-300
    assert expected[usable].min() < 1e-250
    np.testing.assert_allclose(special.erfc(REAL_LINE)[usable], expected[usable], rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype, rounding", [(F64, 1e-15), (F32, 4e-7)])
def test_ndtr_is_as_accurate_as_its_argument_also_where_it_is_tiny(dtype: Any, rounding: float) -> None:
    """Its condition number is x^2 where x < 0: a rounding of x costs eps x^2, once in ours, once in what we expect."""
    x = np.clip(REAL_LINE, -1e30, 1e30).astype(dtype)
    expected = np.array([math.erfc(-t / math.sqrt(2)) / 2 for t in x.astype(F64)])
    usable = expected > 1e3 * np.finfo(dtype).tiny
    error = np.abs(special.ndtr(x).astype(F64) - expected)[usable] / expected[usable]
    assert expected[usable].min() < (1e-190 if dtype is F64 else 1e-30)
    assert np.all(error <= rounding + 2 * np.finfo(dtype).eps * np.minimum(x[usable], 0.0).astype(F64) ** 2)


@pytest.mark.parametrize("dtype", [F16, F32, F64])
def test_gelu_of_special_values(dtype: Any) -> None:
    x = variable([NAN, -1e4, 0.0, 1e4], dtype)
    out = am.gelu(x)
    np.testing.assert_array_equal(out.tolist(), [NAN, 0.0, 0.0, dtype(1e4)])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.tolist(), [NAN, 0.0, 0.5, 1.0])
    np.testing.assert_array_equal(am.gelu(am.tensor([INF], dtype=dtype)).tolist(), [INF])
    wide = np.array([-3e38, 3e38] if dtype is F32 else [-6e4, 6e4], dtype)  # the square overflows: nobody hears of it
    np.testing.assert_array_equal(special.ndtr(wide), [0.0, 1.0])
    np.testing.assert_array_equal(special.normal_pdf(wide), [0.0, 0.0])


@pytest.mark.parametrize("dtype", [F16, F32, F64])
def test_erf_of_special_values_and_dtypes(dtype: Any) -> None:
    out = am.erf(am.tensor(np.array([0.0, -0.0, INF, -INF, NAN, 0.3], dtype)))
    assert out.dtype == dtype
    np.testing.assert_array_equal(out.numpy()[:5], [0.0, -0.0, 1.0, -1.0, NAN])
    assert math.copysign(1, out[1]) == -1
    assert abs(float(out[5]) - math.erf(float(dtype(0.3)))) <= np.finfo(dtype).eps
    assert am.erf(am.tensor([1, 2])).dtype == am.float32
    assert am.erfc(am.tensor([], dtype=dtype)).shape == (0,)


# -------------------------------------------------------------------------------------------------- options


def test_add_and_sub_with_alpha() -> None:
    x, y = am.tensor([1.0, 2.0]), am.tensor([10.0, 20.0])
    assert x.add(y, alpha=2).tolist() == [21.0, 42.0]
    assert am.sub(x, y, alpha=0.5).tolist() == [-4.0, -8.0]
    assert x.clone().add_(y, alpha=2).tolist() == [21.0, 42.0]
    assert am.subtract(x, 1).tolist() == [0.0, 1.0]


def test_div_with_a_rounding_mode(torch: Any) -> None:
    for mode in (None, "trunc", "floor"):
        for x, y in (
            ([7, -7, 7, -7], [2, 2, -2, -2]),
            ([7.5, -7.5, 1.0, -1.0], [2.0, 2.0, 0.1, 0.1]),
            ([2**62 + 1, -(2**62) - 1], [1, 2]),
        ):
            out = am.div(am.tensor(x), am.tensor(y), rounding_mode=mode)
            right = torch.div(torch.tensor(x), torch.tensor(y), rounding_mode=mode)
            assert out.tolist() == right.tolist()
            assert str(right.dtype) == f"torch.{out.dtype}"
    assert am.tensor([7.0]).div_(2.0, rounding_mode="floor").tolist() == [3.0]
    with pytest.raises(RuntimeError, match="rounding_mode"):
        am.div(am.tensor([1.0]), 2, rounding_mode="ceil")


def test_round_to_decimals() -> None:
    assert am.round(am.tensor([0.5, 1.5, -0.5, 2.6])).tolist() == [0.0, 2.0, -0.0, 3.0]
    assert am.tensor([1.234, -1.235], dtype=am.float64).round(decimals=2).tolist() == [1.23, -1.24]
    assert am.round(am.tensor([1234.0]), decimals=-2).tolist() == [1200.0]
    assert np.round(am.tensor([1.26]), 1).tolist() == pytest.approx([1.3])


def test_softplus_above_its_threshold_is_the_identity() -> None:
    x = variable([21.0, 5.0])
    assert am.softplus(x)[0] == 21.0
    assert am.softplus(x, beta=2.0, threshold=8.0)[1] == 5.0
    assert am.softplus(x, 2.0, 8.0)[1] == 5.0
    assert am.softplus(x)[1].item() == pytest.approx(math.log1p(math.exp(5.0)), rel=1e-15)


def test_logsigmoid_has_no_threshold() -> None:
    out = am.logsigmoid(am.tensor([-25.0, 40.0], dtype=am.float64))
    assert out.tolist() == pytest.approx([-25 - math.log1p(math.exp(-25)), -math.exp(-40)], rel=1e-15)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
def test_lerp_is_exact_at_its_ends(start: float, end: float, weight: float) -> None:
    x, y = am.tensor([start], dtype=am.float64), am.tensor([end], dtype=am.float64)
    for w in (weight, am.tensor([weight], dtype=am.float64)):
        out = am.lerp(x, y, w).item()
        if weight in (0.0, 1.0):
            assert out == (end if weight else start)
        assert am.lerp(x, x, w).item() == start
        assert out == pytest.approx(start * (1 - weight) + end * weight, rel=1e-12, abs=1e-8)


def test_prelu_has_a_slope_per_channel() -> None:
    x = am.tensor(np.full((2, 3, 2), -1.0))
    assert am.prelu(x, am.tensor([1.0, 2.0, 3.0]))[0, :, 0].tolist() == [-1.0, -2.0, -3.0]
    assert am.prelu(x, am.tensor(0.5)).unique().tolist() == [-0.5]
    assert am.prelu(am.tensor([-4.0, 4.0]), am.tensor([0.25])).tolist() == [-1.0, 4.0]
    assert am.prelu(am.tensor(-4.0), am.tensor([0.25])).tolist() == -1.0
    with pytest.raises(RuntimeError, match="3 elements"):
        am.prelu(x, am.tensor([1.0, 2.0]))


def test_masked_fill() -> None:
    x, mask = variable([1.0, 2.0, 3.0]), am.tensor([True, False, True])
    out = x.masked_fill(mask, -INF)
    assert out.tolist() == [-INF, 2.0, -INF]
    out[1].backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]
    assert am.tensor([1, 2, 3]).masked_fill(mask, 7).tolist() == [7, 2, 7]
    assert am.zeros(3, dtype=am.float16).masked_fill(mask, am.tensor(1.5)).dtype == am.float16
    for bad, value in ((am.tensor([1, 0, 1]), 0.0), (mask, am.tensor([1.0]))):
        with pytest.raises(RuntimeError, match="masked_fill"):
            x.masked_fill(bad, value)
    with pytest.raises(RuntimeError, match="without loss"):
        am.tensor([1, 2, 3]).masked_fill(mask, 0.5)


def test_gelu_refuses_unknown_approximations() -> None:
    with pytest.raises(RuntimeError, match="approximate"):
        am.gelu(am.tensor([1.0]), approximate="sigmoid")


def test_nan_to_num_replaces_by_what_it_is_told() -> None:
    x = am.tensor([NAN, INF, -INF, 1.0])
    assert am.nan_to_num(x, nan=9.0, posinf=7.0, neginf=-7.0).tolist() == [9.0, 7.0, -7.0, 1.0]
    assert am.nan_to_num(x).tolist() == [0.0, np.finfo(F32).max, np.finfo(F32).min, 1.0]
    assert np.nan_to_num(x, nan=5.0).tolist()[0] == 5.0


def test_isclose_counts_infinities_as_close() -> None:
    x, y = am.tensor([INF, INF, NAN, 1.0, 1.0]), am.tensor([INF, -INF, NAN, 1.0 + 1e-6, 1.1])
    assert am.isclose(x, y).tolist() == [True, False, False, True, False]
    assert am.isclose(x, y, rtol=0.2, equal_nan=True).tolist() == [True, False, True, True, True]
    assert am.isclose(x, y, rtol=am.tensor(0.2), equal_nan=True).tolist() == [True, False, True, True, True]


# ----------------------------------------------------------------------- names, NumPy's protocol, in place

ALIASES = {
    "absolute": "abs",
    "negative": "neg",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "fix": "trunc",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "arctan2": "atan2",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
}


@pytest.mark.parametrize("alias", ALIASES)
def test_other_names(alias: str, torch: Any) -> None:
    assert hasattr(torch, alias) and hasattr(am.Tensor, alias)
    inputs = [[1.5, 1.25], [0.25, 0.75]] if alias == "arccosh" else [[0.5, 0.25], [0.25, 0.75]]
    function, name = getattr(torch, alias), getattr(torch, ALIASES[alias])
    for n in (1, 2):
        try:
            right = function(*map(torch.tensor, inputs[:n]))
        except TypeError:
            continue
        assert name(*map(torch.tensor, inputs[:n])).tolist() == right.tolist()
        out = getattr(am, alias)(*map(am.tensor, inputs[:n]))
        np.testing.assert_allclose(out.tolist(), right.tolist(), rtol=1e-6)


UFUNCS = [f for f in NUMPY if isinstance(f, np.ufunc) and NUMPY[f] in vars(elementwise).values()]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda f: f.__name__)
def test_ufuncs_of_tensors_are_ours(ufunc: np.ufunc) -> None:
    integral = ufunc.__name__.startswith(("bitwise", "left", "right", "invert"))
    arrays = [
        np.array([1, 3]) if integral else np.array([1.25, 1.5]),
        np.array([2, 1]) if integral else np.array([1.5, 3]),
    ]
    arrays = [a - 1 if ufunc in (np.arcsin, np.arccos, np.arctanh) else a for a in arrays[: ufunc.nin]]
    out = ufunc(*map(am.tensor, arrays))
    assert isinstance(out, am.Tensor)
    np.testing.assert_allclose(out.numpy(), ufunc(*arrays), rtol=1e-15)


IN_PLACE = [
    "abs",
    "sign",
    "square",
    "reciprocal",
    "sin",
    "erf",
    "sigmoid",
    "relu",
    "tanh",
    "exp",
    "clamp_min",
    "floor",
    "nan_to_num",
]


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name: str) -> None:
    values = np.array([-1.5, 0.5, 2.0])
    args = (0.7,) if name == "clamp_min" else ()
    x = am.tensor(values)
    memory = x.numpy()
    assert getattr(x, name + "_")(*args) is x
    np.testing.assert_array_equal(memory, getattr(am, name)(am.tensor(values), *args).numpy())
    leaf = variable(values)
    changed = leaf * 1.0
    getattr(changed, name + "_")(*args)
    changed.sum().backward()
    other = variable(values)
    getattr(am, name)(other, *args).sum().backward()
    np.testing.assert_array_equal(leaf.grad.numpy(), other.grad.numpy())


ACTIVATIONS = ["celu", "elu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "mish", "relu6", "selu", "silu"]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_in_place_are_functions(name: str) -> None:
    torch = pytest.importorskip("torch")
    values, slopes = np.array([-1.5, 0.5, 7.0]), []
    for lib in (torch, am):
        leaf = lib.tensor(values, requires_grad=True)
        changed = leaf * 1.0
        assert getattr(lib.nn.functional, name)(changed, inplace=True) is changed
        np.testing.assert_allclose(changed.detach(), getattr(lib.nn.functional, name)(leaf).detach(), rtol=1e-12)
        changed.sum().backward()
        slopes.append(leaf.grad.numpy())
    np.testing.assert_allclose(*slopes, rtol=1e-7)  # PyTorch has the 1/6 of hardsigmoid in single precision


def test_pytorch_has_each_method_that_works_in_place() -> None:
    torch = pytest.importorskip("torch")
    ours = {name for name in dir(am.Tensor) if name.endswith("_") and not name.startswith("_")}
    assert len(ours) > 100 and {name for name in ours if not hasattr(torch.Tensor, name)} == set()
    assert {f.__name__ for f in elementwise.NO_TWIN if hasattr(torch.Tensor, f.__name__ + "_")} == set()


def test_every_public_operation_says_what_it_does() -> None:
    for name, function in OPERATIONS.items():
        assert function.__doc__ or hasattr(function, "primitive"), name


# --------------------------------------------------------------------------------------------------- dtypes

DTYPES = ["uint8", "int32", "int64", "float16", "float32", "float64"]
TYPED = [
    "abs",
    "sign",
    "square",
    "reciprocal",
    "rsqrt",
    "exp2",
    "log10",
    "sin",
    "atan",
    "erf",
    "sigmoid",
    "floor",
    "ceil",
    "round",
    "trunc",
    "deg2rad",
    "nan_to_num",
    "relu",
    "isnan",
    "isfinite",
    "logical_not",
    "positive",
    "neg",
]


@pytest.mark.parametrize("name", TYPED)
def test_dtypes_are_those_of_pytorch(name: str, torch: Any) -> None:
    for dtype in DTYPES:
        out = getattr(am, name)(am.ones(2, dtype=getattr(am, dtype)))
        right = getattr(torch, name)(torch.ones(2, dtype=getattr(torch, dtype)))
        assert str(right.dtype) == f"torch.{out.dtype}", dtype
        np.testing.assert_allclose(out.tolist(), right.tolist(), rtol=2e-3)


def test_a_composition_is_as_differentiable_as_a_primitive() -> None:
    x = variable([0.3, -0.7, 1.9])
    for name in ("gelu", "silu", "mish", "logsigmoid", "rsqrt", "logaddexp2"):
        args = (x.abs() + 0.1,) if name == "rsqrt" else (x, x * 2) if name == "logaddexp2" else (x,)
        inputs = [variable(a.tolist()) for a in args]
        assert gradcheck(getattr(am, name), inputs) and gradgradcheck(getattr(am, name), inputs)


def test_second_derivative_of_a_power_at_exponent_zero() -> None:
    """d2/dxdy x^y = x^(y-1) (1 + y log x) is 1/x at y = 0, from both sides (PyTorch has 0 from one of them)."""
    x = am.tensor(np.array([1.45, 0.5]), requires_grad=True)
    y = am.tensor(np.array([0.0, 0.0]), requires_grad=True)
    by_x, by_y = am.autograd.grad((x**y).sum(), [x, y], create_graph=True)
    (mixed,) = am.autograd.grad(by_x.sum(), y, retain_graph=True)
    (other,) = am.autograd.grad(by_y.sum(), x)
    np.testing.assert_allclose(mixed.numpy(), [1 / 1.45, 2.0], rtol=1e-12)
    np.testing.assert_allclose(other.numpy(), [1 / 1.45, 2.0], rtol=1e-12)


def test_allclose_and_equal_are_truth_values() -> None:
    x = variable([1.0, NAN])
    assert am.allclose(x[0], x[0] + 1e-9) is True and am.allclose(x, x) is False
    assert am.allclose(x, x, equal_nan=True) is True and np.allclose(x, x, equal_nan=True) is True
    assert am.tensor([1, 2]).equal(am.tensor([1, 2])) is True
    assert am.equal(am.tensor([1, 2]), am.tensor([[1, 2]])) is False and am.equal(x, x) is False


@pytest.mark.parametrize("dtype", [F16, F32, F64])
def test_relu_of_many_numbers_is_that_of_few(dtype: Any) -> None:
    """Large arrays go through another of NumPy's functions."""
    values = np.resize(np.array([NAN, -INF, INF, -0.0, 0.0, -2.5, 3.5, -65504.0], dtype), (100, 80))
    x, upstream = variable(values, dtype), np.random.default_rng(0).normal(size=(100, 80)).astype(dtype)
    many = am.relu(x)
    many.backward(am.tensor(upstream))
    few = np.concatenate([am.relu(am.tensor(row)).numpy()[None] for row in values])
    assert many.dtype == dtype and x.grad is not None
    np.testing.assert_array_equal(many.detach().numpy(), few)
    np.testing.assert_array_equal(x.grad.numpy(), np.where(np.isnan(values) | (values > 0), upstream, 0))


def test_relu_of_many_integers() -> None:
    x = np.arange(-5000, 5000)
    assert am.relu(am.tensor(x)).dtype == am.int64
    np.testing.assert_array_equal(am.relu(am.tensor(x)).numpy(), np.maximum(x, 0))
