"""Conventions of reductions: zeros, ties, NaN, empty axes, half precision; return types, NumPy's signatures, errors."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_mini as am
from autograd_mini.testing import gradcheck, gradgradcheck

F16, F32, F64 = np.float16, np.float32, np.float64
NAN, INF = math.nan, math.inf


def variable(values: Any, dtype: Any = F64) -> am.Tensor:
    return am.tensor(np.array(values, dtype)).requires_grad_()


def slope(out: am.Tensor, x: am.Tensor) -> Any:
    """The gradient of the sum of `out`."""
    (gradient,) = am.autograd.grad(out.sum(), [x])
    return gradient.tolist()


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")


# ------------------------------------------------------------------------------- products: exact at zeros

SMALL = hnp.arrays(F64, st.integers(1, 6), elements=st.sampled_from([0.0, 0.0, 1.0, -2.0, 0.5, 3.0]))


def leave_out(x: Any, *gone: int) -> float:
    return math.prod(v for i, v in enumerate(x) if i not in gone)


@given(SMALL)
def test_prod_is_exact_at_zeros_to_second_order(x: Any) -> None:
    """Each derivative is the product of the other elements, however many of them are 0."""
    n = len(x)
    v = variable(x)
    (first,) = am.autograd.grad(v.prod(), [v], create_graph=True)
    np.testing.assert_allclose(first.detach().numpy(), [leave_out(x, i) for i in range(n)], rtol=1e-14)
    for i in range(n if n > 1 else 0):
        (second,) = am.autograd.grad(first[i], [v], retain_graph=True)
        expected = [0.0 if i == j else leave_out(x, i, j) for j in range(n)]
        np.testing.assert_allclose(second.numpy(), expected, rtol=1e-14)


def test_prod_is_exact_at_zeros_to_third_order() -> None:
    v = variable([0.0, 0.0, 0.0, 5.0])
    gradient = v.prod()
    for i in range(3):
        (gradient,) = am.autograd.grad(gradient, [v], create_graph=True)
        gradient = gradient[i]
    assert gradient.item() == 5.0


@given(SMALL)
def test_cumprod_is_exact_at_zeros_to_second_order(x: Any) -> None:
    n = len(x)
    weights = np.arange(1.0, n + 1)
    v = variable(x)
    (first,) = am.autograd.grad((v.cumprod(0) * am.tensor(weights)).sum(), [v], create_graph=True)
    expected = [sum(weights[k] * leave_out(x[: k + 1], i) for k in range(i, n)) for i in range(n)]
    np.testing.assert_allclose(first.detach().numpy(), expected, rtol=1e-14)
    if n > 1:
        (second,) = am.autograd.grad(first.sum(), [v])
        pairs = [
            sum(weights[k] * leave_out(x[: k + 1], i, j) for i in range(n) if i != j for k in range(max(i, j), n))
            for j in range(n)
        ]
        np.testing.assert_allclose(second.numpy(), pairs, rtol=1e-13, atol=1e-13)


# --------------------------------------------------------------------------------------- norms and spread


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 2.5, 3, 4, INF, -INF, -1])
def test_norm_is_safe_at_zero(p: float, torch: Any) -> None:
    for values in ([0.0, 0.0], [0.0, 2.0, -1.0, 2.0]):
        x, y = variable(values), torch.tensor(values, dtype=torch.float64, requires_grad=True)
        out, right = x.norm(p), torch.linalg.vector_norm(y, p)
        assert out.item() == pytest.approx(right.item(), rel=1e-14)
        right.backward()
        np.testing.assert_allclose(slope(out, x), y.grad.numpy(), rtol=1e-14, atol=0)
        (first,) = am.autograd.grad(x.norm(p), [x], create_graph=True)
        if first.requires_grad:
            assert np.isfinite(slope(first, x)).all()


def test_norm_of_order_0_counts() -> None:
    assert am.tensor([0.0, 3.0, -1.0]).norm(0).item() == 2.0
    assert am.ones(3000, dtype=am.float16).norm(p=0).item() == 3000.0


def test_the_second_derivative_of_a_norm_at_a_zero_element() -> None:
    x = variable([0.0, 3.0, 4.0])
    assert gradgradcheck(lambda x: x.norm(), x)
    (first,) = am.autograd.grad(x.norm(), [x], create_graph=True)
    assert slope(first[0], x) == [0.2, 0.0, 0.0]


def test_norms_by_other_names() -> None:
    x = am.tensor(np.arange(6.0).reshape(2, 3))
    assert x.norm(dim=1).tolist() == x.norm("fro", 1).tolist() == np.linalg.norm(x, axis=1).tolist()
    assert x.norm(1, dim=0, keepdim=True).tolist() == [[3.0, 5.0, 7.0]]
    assert np.linalg.norm(x).item() == pytest.approx(math.sqrt(55))
    assert np.linalg.norm(x, 1, axis=0).tolist() == [3.0, 5.0, 7.0]
    assert x.norm(dtype=am.float32).dtype == am.float32
    with pytest.raises(NotImplementedError, match="singular values"):
        x.norm("nuc")
    with pytest.raises(RuntimeError, match="floating point"):
        am.tensor([1, 2]).norm()


def test_std_of_equal_elements_has_gradient_zero() -> None:
    x = variable([2.0, 2.0, 2.0])
    assert slope(x.std(), x) == [0.0, 0.0, 0.0]
    assert slope(x.std(dim=0, correction=0), x) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["cumsum", "cumprod", "logsumexp", "softmax", "flip"])
def test_a_number_has_one_axis_as_in_pytorch(name: str, axis: int, torch: Any) -> None:
    found = []
    for lib in (am, torch):
        x = lib.tensor(0.5, requires_grad=True)
        out = getattr(x**2, name)(axis)
        with pytest.raises(IndexError):
            getattr(x, name)(1)
        (plain,) = lib.autograd.grad(out, x, retain_graph=True)
        (slope,) = lib.autograd.grad(out, x, create_graph=True)
        assert plain.item() == slope.item()
        found.append([out.item(), slope.item(), lib.autograd.grad(slope, x)[0].item()])
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_all_forms_of_var_and_std(torch: Any) -> None:
    values = np.random.default_rng(0).standard_normal((3, 4))
    ours, theirs = am.tensor(values), torch.tensor(values)
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((), {}),
        ((False,), {}),
        ((), {"unbiased": False}),
        ((1,), {}),
        ((1, False), {}),
        ((1, False, True), {}),
        ((), {"dim": (0, 1), "correction": 2}),
        ((), {"axis": 0, "keepdims": True}),
        ((0,), {"correction": 0.5}),
    ]
    for name, (args, options) in itertools.product(("var", "std"), calls):
        right = getattr(theirs, name)(*args, **options)
        np.testing.assert_allclose(getattr(ours, name)(*args, **options).numpy(), right.numpy(), rtol=1e-13)
    np.testing.assert_allclose(np.var(ours, axis=0).numpy(), values.var(0), rtol=1e-13)
    np.testing.assert_allclose(np.std(ours, axis=0, ddof=1, keepdims=True).numpy(), values.std(0, ddof=1)[None], 1e-13)


def test_nothing_left_to_divide_by(torch: Any) -> None:
    for values, correction in (([2.0], 1), ([2.0, 3.0], 2), ([2.0, 3.0], 3), ([], 0)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of PyTorch, which says so in words
            right = torch.var(torch.tensor(values), correction=correction)
        assert repr(am.tensor(values).var(correction=correction).item()) == repr(right.item())
    x = variable([2.0])
    assert np.isnan(slope(x.std(), x)).all()


def test_a_large_mean_does_not_spoil_the_variance() -> None:
    x = np.random.default_rng(0).standard_normal(1000)
    assert am.tensor((x + 1e4).astype(F32)).var().item() == pytest.approx(x.var(ddof=1), rel=1e-3)


# -------------------------------------------------------------------------------------- half precision, dtypes


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "var", "std", "norm", "logsumexp", "nansum", "nanmean"])
def test_half_precision_is_accumulated_in_single(name: str) -> None:
    """Also where neither NumPy nor a running total in float16 would do."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0.9, 1.1, (3000, 3)).astype(F16)
    options = {"axis": 0} if name == "logsumexp" else {"dim": 0} if name.startswith("nan") else {"axis": 0}
    out = getattr(am, name)(am.tensor(x), **options)
    wide = getattr(am, name)(am.tensor(x.astype(F64)), **options)
    assert out.dtype == F16
    np.testing.assert_allclose(out.tolist(), wide.tolist(), rtol=2e-3, atol=1e-6)


def test_running_totals_in_half_precision() -> None:
    ones = am.ones(3000, dtype=am.float16)
    assert ones.cumsum(0)[-1].item() == 3000.0
    factor = am.full((3000,), 1.001, dtype=am.float16)
    assert factor.cumprod(0)[-1].item() == pytest.approx(float(F16(1.001)) ** 3000, rel=1e-2)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "nansum", "cumsum", "cumprod", "amax", "argmax", "count_nonzero", "sort"]
)
def test_dtypes_are_those_of_pytorch(name: str, torch: Any) -> None:
    for dtype in ("bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64"):
        if name == "argmax" and dtype == "bool":
            continue  # PyTorch refuses these
        args = (0,) if name in ("cumsum", "cumprod", "sort") else ()
        out = getattr(am, name)(am.ones(3, dtype=getattr(am, dtype)), *args)
        right = getattr(torch, name)(torch.ones(3, dtype=getattr(torch, dtype)), *args)
        for one, other in zip(out, right, strict=True) if name == "sort" else [(out, right)]:
            assert str(other.dtype) == f"torch.{one.dtype}", dtype
            assert one.tolist() == other.tolist()


def test_logsumexp_of_integers_nothing_and_infinities(torch: Any) -> None:
    assert am.logsumexp(am.tensor([1, 2]), 0).dtype == am.float32
    assert am.logsumexp(am.zeros(0), 0).item() == -INF
    assert am.logsumexp(am.tensor([INF, 1.0]), 0).item() == INF
    x = variable([-INF, -INF])
    assert x.logsumexp(0).item() == -INF
    assert slope(x.logsumexp(0), x) == [0.0, 0.0]  # NaN in PyTorch
    far = variable([1e4, -1e4, 1e4])
    assert far.logsumexp(0).item() == pytest.approx(1e4 + math.log(2), rel=1e-15)
    assert slope(far.logsumexp(0), far) == pytest.approx([0.5, 0.0, 0.5], rel=1e-12)


# -------------------------------------------------------------------------------------- extremes


def test_ties() -> None:
    x = variable([2.0, 2.0, 1.0])
    assert slope(x.max(), x) == slope(x.amax(), x) == [0.5, 0.5, 0.0]  # all elements: shared
    assert slope(x.max(0).values, x) == [1.0, 0.0, 0.0]  # along a dimension: to the index that is returned
    assert slope(x.median(), x) == [0.5, 0.5, 0.0]
    assert slope(x.median(0).values, x) == [1.0, 0.0, 0.0]


def test_nan_wins_and_takes_the_gradient() -> None:
    x = variable([1.0, NAN, 3.0])
    for out in (x.amax(), x.amin(), x.max(), x.max(0).values, x.median(), x.median(0).values):
        assert math.isnan(out.item())
        assert slope(out, x) == [0.0, 1.0, 0.0]
    assert x.sort(descending=True).indices.tolist() == [1, 2, 0]
    assert x.nansum().item() == 4.0 and x.nanmean().item() == 2.0
    assert slope(x.nanmean(), x) == [0.5, 0.0, 0.5]


@pytest.mark.parametrize("name", ["amax", "amin", "argmax", "argmin", "max", "min", "median"])
def test_an_empty_axis_has_no_extreme(name: str) -> None:
    with pytest.raises(IndexError, match="non-zero size"):
        getattr(am.zeros(2, 0), name)(1)
    if name != "median":
        with pytest.raises(IndexError if name.startswith("arg") else RuntimeError, match="dim to be specified"):
            getattr(am.zeros(2, 0), name)()
    full = getattr(am.zeros(0, 2), name)(1)
    assert (full.values if name in ("max", "min", "median") else full).shape == (0,)
    assert math.isnan(am.zeros(0).median().item())


@pytest.mark.parametrize("name", ["sum", "prod", "amax", "norm", "var", "cumsum", "sort", "median", "diff"])
def test_a_dimension_that_is_not_there(name: str) -> None:
    with pytest.raises(IndexError):
        getattr(am.zeros(2, 3), name)(dim=2)


# ------------------------------------------------------------------------------------- differences, empty axes


def test_numpys_functions_and_signatures() -> None:
    values = np.array([[3.0, 1.0, 2.0], [0.5, -1.0, 4.0]])
    x = am.tensor(values)
    for call in (
        lambda a: np.prod(a, axis=(0, 1)),
        lambda a: np.cumsum(a),
        lambda a: np.cumsum(a, 0),
        lambda a: np.cumprod(a, axis=1),
        lambda a: np.sort(a, axis=0),
        lambda a: np.argsort(a, axis=0),
        lambda a: np.diff(a, axis=0),
        lambda a: np.diff(a, n=2),
        lambda a: np.nansum(a, axis=0, keepdims=True),
        lambda a: np.nanmean(a),
        lambda a: np.count_nonzero(a, axis=0),
        lambda a: np.max(a, axis=0),
    ):
        out = call(x)
        assert isinstance(out, am.Tensor)
        np.testing.assert_allclose(out.numpy(), call(values), rtol=1e-15)
    recorded = variable(values)
    assert gradcheck(lambda a: np.cumsum(np.sort(a, axis=1)), recorded)


def test_differences_of_truth_values_are_changes() -> None:
    assert am.diff(am.tensor([True, True, False])).tolist() == [False, True]
    with pytest.raises(RuntimeError, match="one-dimensional"):
        am.diff(am.tensor(1.0))


def test_an_axis_may_come_in_a_tensor_and_is_given_once() -> None:
    x, n = am.arange(6.0).reshape(2, 3), am.tensor([0, 1])
    assert x.sum(n[0]).tolist() == x.sum(0).tolist() and x.mean((n[0], n[1])).item() == 2.5
    assert x.argmax(n[1]).tolist() == [2, 2] and x.cumsum(dim=n[0]).tolist() == x.cumsum(0).tolist()
    y = variable([[1.0, 2.0], [3.0, 4.0]])
    assert slope((y * y).sum(n[0]) * am.tensor([1.0, 2.0]), y) == [[2, 8], [6, 16]]
    for wrong in ("a", 0.5, [0.0], {0: 1.5, "b": 2}):
        with pytest.raises(TypeError, match="expected an axis, an integer"):
            x.sum(wrong)
    for name in ("max", "min", "sort", "median"):
        with pytest.raises(TypeError, match="the same argument twice, by two names: axis, dim"):
            getattr(x, name)(axis=0, dim=1)


EMPTY = ["sum", "mean", "var", "std", "amax", "amin", "count_nonzero", "nansum", "nanmean", "norm", "any", "all"]


@pytest.mark.parametrize("name", EMPTY)
@pytest.mark.parametrize("empty", [(), []])
def test_no_dims_are_all_dims_as_in_pytorch(torch: Any, name: str, empty: Any) -> None:
    values = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, 2.0]])
    lead = (2,) if name == "norm" else ()
    for options in ({}, {"keepdim": True})[: 1 if name == "count_nonzero" else 2]:  # PyTorch's has no keepdim
        ours, theirs = am.tensor(values, requires_grad=True), torch.tensor(values, requires_grad=True)
        for give in (lambda x: getattr(x, name)(*lead, dim=empty, **options),  # noqa: B023
                     lambda x: getattr(x, name)(*lead, empty, **options)):  # noqa: B023  # fmt: skip
            out, right = give(ours), give(theirs)
            assert out.shape == tuple(right.shape)
            np.testing.assert_allclose(out.detach().numpy(), right.detach().numpy(), rtol=1e-15)
            if right.requires_grad:
                whole = getattr(theirs, name)(*lead)  # the gradient of PyTorch's own var(dim=()) is inf
                (slopes,), (rights,) = am.autograd.grad(out.sum(), ours), torch.autograd.grad(whole, theirs)
                np.testing.assert_allclose(slopes.numpy(), rights.numpy(), rtol=1e-14)


def test_no_axes_are_none_as_in_numpy() -> None:
    values = np.array([[1.0, -2.0, 0.0], [0.5, 3.0, 2.0]])
    for function in (np.sum, np.mean, np.var, np.std, np.max, np.amin, np.prod, np.any, np.count_nonzero, np.nansum):
        out = function(am.tensor(values), axis=())
        assert out.shape == (2, 3) or function in (np.var, np.std)
        np.testing.assert_array_equal(out.numpy(), function(values, axis=()))
    np.testing.assert_array_equal(np.sum(am.tensor(values), ()).numpy(), values)
    x = am.tensor(values)
    assert x.logsumexp([], True).item() == x.logsumexp((0, 1)).item()  # without keepdim an accident in PyTorch
    assert x.prod(()).item() == 0 and am.linalg.vector_norm(x, 2, ()).item() == x.norm().item()
    for name in ("argmax", "max"):
        with pytest.raises(TypeError):
            getattr(x, name)(dim=())


def test_running_totals_along_one_axis_and_differences_of_an_order(torch: Any) -> None:
    for lib in (torch, am):
        x = lib.tensor([1.0, 4.0, 9.0])
        for call, wrong in itertools.product((x.cumsum, x.cumprod), (None, (), (0,))):
            with pytest.raises(TypeError, match=f"argument 'dim' must be int, not {type(wrong).__name__}"):
                call(dim=wrong)
        with pytest.raises(RuntimeError, match="order must be non-negative but got -1"):
            x.diff(n=-1)
        assert x.diff(n=0).tolist() == x.tolist()


def test_means_of_integers_are_refused() -> None:
    for name in ("mean", "var", "std"):
        with pytest.raises(RuntimeError, match=r"float"):
            getattr(am.tensor([1, 2]), name)()
