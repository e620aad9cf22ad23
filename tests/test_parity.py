"""Parity with PyTorch: values, derivatives, dtypes, conventions at kinks, text, errors, creation and indexing.

PyTorch is an oracle for tests alone: without it this file is skipped.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rules.samples import COMPOSED, OPERATIONS, SAMPLES, composed
from rules.sampling import Entry

import autograd_mini as am
from autograd_mini.testing import Sample

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

TORCH_NAMES = {"axis": "dim", "keepdims": "keepdim"}
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def ours(x: Any, requires_grad: bool = True) -> Any:
    if isinstance(x, (np.ndarray, np.generic)):
        return am.tensor(x).requires_grad_(requires_grad and x.dtype.kind == "f")
    return x


def theirs(x: Any, requires_grad: bool = True) -> Any:
    if isinstance(x, am.Tensor):
        return torch.tensor(array(x))
    if isinstance(x, (np.ndarray, np.generic)):
        return torch.tensor(np.array(x)).requires_grad_(requires_grad and x.dtype.kind == "f")
    return x


def array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, am.Tensor) else x.detach().numpy(force=True)


def same_dtype(one: Any, other: Any) -> bool:
    return str(one.dtype) == str(other.dtype).removeprefix("torch.")


def assert_same(one: Any, other: Any, tolerance: float = 1e-12) -> None:
    """Values, shape and dtype of a tensor of ours and one of theirs."""
    assert same_dtype(one, other), f"ours is {one.dtype}, theirs {other.dtype}"
    assert tuple(one.shape) == tuple(other.shape)
    np.testing.assert_allclose(array(one), array(other), rtol=tolerance, atol=tolerance)


def derivatives(
    library: Any, outs: list[Any], xs: list[Any], make: Callable[[Any], Any]
) -> tuple[list[Any], list[Any]]:
    """First derivatives with random cotangents; second ones of those, with random cotangents again."""
    rng = np.random.default_rng(0)

    def seeds(tensors: list[Any]) -> list[Any]:
        return [make(np.asarray(rng.standard_normal(tuple(t.shape)))) for t in tensors]

    grad = library.autograd.grad
    first = grad(outs, xs, seeds(outs), create_graph=True)
    again = [g for g in first if g.requires_grad]
    second = grad(again, xs, seeds(again), allow_unused=True) if again else [None for _ in xs]
    return list(first), list(second)


# --------------------------------------------------------------------------------- values and derivatives


def torch_function(name: str, entry: Entry) -> Callable[..., Any]:
    function = entry.torch
    if callable(function):
        return lambda *xs, **options: function(torch, *xs, **options)
    return getattr(torch, function or name)


@pytest.mark.parametrize("name", [n for n, entry in SAMPLES.items() if entry.torch is not None])
def test_primitive(name: str) -> None:
    entry = SAMPLES[name]
    for sample in entry.samples:
        compare(OPERATIONS[name], torch_function(name, entry), sample)


@pytest.mark.parametrize("name", COMPOSED)
def test_composition(name: str) -> None:
    entry = COMPOSED[name]
    for sample in entry.samples:
        compare(composed(name), torch_function(name, entry), sample)


def compare(operation: Callable[..., Any], function: Callable[..., Any], sample: Sample) -> None:
    mine, yours = [ours(x) for x in sample.inputs], [theirs(x) for x in sample.inputs]
    if isinstance(sample.options.get("axis"), tuple) and not sample.options["axis"]:
        return  # PyTorch takes dim=() for all axes in some functions and for none in others
    options = {TORCH_NAMES.get(k, k): v for k, v in sample.options.items() if k != "index"}
    if "index" in sample.options:
        options["index"] = torch_index(sample.options["index"])
    result = operation(*mine, **sample.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = function(*yours, **options)
    results, rights = ([r] if hasattr(r, "dtype") else list(r) for r in (result, expected))
    for one, other in zip(results, rights, strict=True):
        assert_same(one, other)
    mine, yours = ([x for x in xs if getattr(x, "requires_grad", False)] for xs in (mine, yours))
    for one, other in zip(results, rights, strict=True):
        if other.requires_grad and not one.requires_grad:  # right only for what is constant, like the sign of slogdet
            grads = if_implemented(torch.autograd.grad, other.sum(), yours, allow_unused=True, retain_graph=True)
            for g in grads or ():
                assert g is None or not g.any(), "PyTorch has a gradient here, and ours has none"
    recorded = [(r, t) for r, t in zip(results, rights, strict=True) if r.requires_grad and t.requires_grad]
    if not recorded:
        return
    outs, rights = (list(side) for side in zip(*recorded, strict=True))
    our_first, our_second = derivatives(am, outs, mine, lambda x: am.tensor(x))
    found = if_implemented(derivatives, torch, rights, yours, torch.tensor)
    if found is None:
        return
    first, second = found
    for one, other in zip(our_first, first, strict=True):
        assert_same(one, other)
    for one, other, x in zip(our_second, second, mine, strict=True):
        left, right = (np.zeros(x.shape) if v is None else array(v) for v in (one, other))
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-10)


def if_implemented(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The result; None where PyTorch has no derivative, and so nothing to compare with."""
    try:
        return function(*args, **options)
    except (RuntimeError, NotImplementedError) as error:
        assert "is not implemented" in str(error)
        return None


def test_index_array_apart_from_an_integer() -> None:
    """PyTorch leaves the axis of the index array where it was; NumPy would put it first."""
    x = np.arange(24.0).reshape(2, 3, 4)
    picks = np.array([1, 1])
    compare(lambda x: x[0, :, am.tensor(picks)], lambda x: x[0, :, torch.tensor(picks)], Sample(x))


# ------------------------------------------------------------------------------------------------- dtypes

BINARY = ["add", "sub", "mul", "div", "maximum", "minimum", "eq", "lt", "logical_and"]
UNARY = [
    "exp",
    "log",
    "sqrt",
    "sigmoid",
    "tanh",
    "abs",
    "neg",
    "sign",
    "relu",
    "isnan",
    "sum",
    "mean",
    "amax",
    "argmax",
    "any",
]


def operands(library: Any) -> list[Any]:
    """One-dimensional and 0-d tensors of every dtype, and Python numbers."""
    made = [library.tensor(data, dtype=getattr(library, name)) for data in ([1, 1], 1) for name in DTYPES]
    return [*made, True, 2, 1.5]


def dtype_or_error(function: Callable[..., Any], *xs: Any) -> str:
    try:
        with np.errstate(over="ignore"):  # NumPy warns where an integer scalar wraps around; arrays wrap silently
            return str(function(*xs).dtype).removeprefix("torch.")
    except (RuntimeError, TypeError):
        return "error"


def label(x: Any) -> str:
    return f"{x.dtype} {x.ndim}-d" if hasattr(x, "dtype") else repr(x)


@pytest.mark.parametrize("name", BINARY)
def test_promotion_of_pairs(name: str) -> None:
    ours_all, theirs_all = operands(am), operands(torch)
    wrong = []
    for (a, ta), (b, tb) in itertools.product(zip(ours_all, theirs_all, strict=True), repeat=2):
        tensors = hasattr(ta, "dtype") + hasattr(tb, "dtype")
        if tensors < (2 if name in ("maximum", "minimum", "logical_and") else 1):
            continue  # PyTorch takes tensors alone
        if name in ("eq", "lt") and not hasattr(ta, "dtype"):
            continue
        got, expected = dtype_or_error(getattr(am, name), a, b), dtype_or_error(getattr(torch, name), ta, tb)
        if got != expected != "error":
            wrong.append(f"{name}({label(a)}, {label(b)}): {got}, in PyTorch {expected}")
    assert not wrong, "\n".join([f"{len(wrong)} differ:", *wrong])


@pytest.mark.parametrize("symbol", ["+", "-", "*", "/", "**"])
def test_promotion_by_operators(symbol: str) -> None:
    wrong = []
    pairs = list(zip(operands(am), operands(torch), strict=True))
    for (a, ta), (b, tb) in itertools.product(pairs, repeat=2):
        if hasattr(ta, "dtype") or hasattr(tb, "dtype"):
            got, expected = (
                dtype_or_error(eval(f"lambda x, y: x {symbol} y"), *xs)  # noqa: S307
                for xs in ((a, b), (ta, tb))
            )
            if got != expected != "error" and not (symbol == "**" and "bool" in label(a)):  # int8 in NumPy
                wrong.append(f"{label(a)} {symbol} {label(b)}: {got}, in PyTorch {expected}")
    assert not wrong, "\n".join([f"{len(wrong)} differ:", *wrong])


def test_result_type() -> None:
    pairs = list(zip(operands(am), operands(torch), strict=True))
    for (a, ta), (b, tb) in itertools.product(pairs, repeat=2):
        if hasattr(ta, "dtype") or hasattr(tb, "dtype"):
            expected = str(torch.result_type(ta, tb)).removeprefix("torch.")
            assert str(am.result_type(a, b)) == expected, (label(a), label(b))


@pytest.mark.parametrize("name", UNARY)
def test_dtype_of_one_input(name: str) -> None:
    wrong = []
    for dtype in DTYPES:
        if (name, dtype) in {("any", "uint8"), ("sign", "bool")}:
            continue  # curiosities: uint8 for any, bool for sign
        got = dtype_or_error(getattr(am, name), am.ones(2, dtype=getattr(am, dtype)))
        expected = dtype_or_error(getattr(torch, name), torch.ones(2, dtype=getattr(torch, dtype)))
        if got != expected != "error":
            wrong.append(f"{name}({dtype}): {got}, in PyTorch {expected}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "data", [1, 1.5, True, [1, 2], [1.0], [True], [[1, 2.5]], [], np.float64(1), np.ones(2), np.arange(3)]
)
def test_dtype_of_data(data: Any) -> None:
    assert_same(am.tensor(data), torch.tensor(data))


# ------------------------------------------------------------------------------------ conventions at kinks


def gradients(library: Any, function: Callable[..., Any], xs: tuple[Any, ...]) -> list[Any]:
    made = [library.tensor(x, dtype=library.float64, requires_grad=True) for x in xs]
    with np.errstate(all="ignore"):
        out = function(library, *made)
        out.sum().backward() if out.ndim else out.backward()
    return [array(x.grad) for x in made]


KINKS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "relu'(0)": (lambda lib, x: lib.relu(x), ([-1.0, 0.0, -0.0, 1.0],)),
    "abs'(0)": (lambda lib, x: lib.abs(x), ([-1.0, 0.0, -0.0, 1.0],)),
    "sign": (lambda lib, x: lib.sign(x), ([-1.0, 0.0],)),
    "sqrt'(0)": (lambda lib, x: lib.sqrt(x), ([0.0, 4.0],)),
    "log'(0)": (lambda lib, x: lib.log(x), ([0.0, 2.0],)),
    "maximum of equals": (lambda lib, x, y: lib.maximum(x, y), ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])),
    "minimum of equals": (lambda lib, x, y: lib.minimum(x, y), ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0])),
    "max of equals": (lambda lib, x: x.max(), ([1.0, 3.0, 3.0],)),
    "min of equals": (lambda lib, x: x.min(), ([1.0, 3.0, 1.0, 1.0],)),
    "amax of equals": (lambda lib, x: x.amax(dim=1), ([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]],)),
    "amin of equals": (lambda lib, x: x.amin(dim=0), ([[1.0, 3.0, 3.0], [1.0, 2.0, 3.0]],)),
    "max(dim) of equals": (lambda lib, x: x.max(dim=1).values, ([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]],)),
    "min(dim) of equals": (lambda lib, x: x.min(dim=1)[0], ([[3.0, 1.0, 1.0], [2.0, 2.0, 2.0]],)),
    "clamp at its bounds": (lambda lib, x: x.clamp(-1, 1), ([-2.0, -1.0, 0.0, 1.0, 2.0],)),
    "clamp(min) at the bound": (lambda lib, x: x.clamp(min=1), ([1.0, 0.0, 2.0],)),
    "clamp with tensors": (
        lambda lib, x, low, high: lib.clamp(x, low, high),
        ([-2.0, -1.0, 0.0, 1.0, 2.0], [-1.0] * 5, [1.0] * 5),
    ),
    "x ** 2 at 0": (lambda lib, x: x**2, ([0.0, 1.0],)),
    "x ** 1 at 0": (lambda lib, x: x**1, ([0.0, 1.0],)),
    "x ** 0 at 0": (lambda lib, x: x**0, ([0.0, 1.0],)),
    "x ** 0.5 at 0": (lambda lib, x: x**0.5, ([0.0, 1.0],)),
    "x ** -1 at 0": (lambda lib, x: x**-1, ([0.0, 1.0],)),
    "0 ** y": (lambda lib, x, y: x**y, ([0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 0.0])),
    "negative ** whole": (lambda lib, x: x**3, ([-2.0, -1.0],)),
    "number 0 ** y": (lambda lib, y: 0**y, ([0.0, 1.0, 2.0],)),
    "number 2 ** y": (lambda lib, y: 2**y, ([0.0, -1.0],)),
    "0 / 1 and 1 / 0": (lambda lib, x, y: x / y, ([0.0, 1.0], [1.0, 0.0])),
    "exp of huge": (lambda lib, x: lib.exp(x), ([1000.0, -1000.0],)),
    "sigmoid of huge": (lambda lib, x: lib.sigmoid(x), ([1e4, -1e4, np.inf, -np.inf],)),
    "tanh of huge": (lambda lib, x: lib.tanh(x), ([1e4, -1e4, np.inf],)),
    "softmax of huge": (lambda lib, x: lib.softmax(x, 0) * lib.tensor([1.0, 2.0, 3.0]), ([1e4, -1e4, 0.0],)),
    "log_softmax of huge": (lambda lib, x: lib.log_softmax(x, 0), ([1e4, -1e4, 0.0],)),
    "logsumexp of huge": (lambda lib, x: lib.logsumexp(x, 0), ([1e4, 1e4, -np.inf],)),
    "logsumexp of inf": (lambda lib, x: lib.logsumexp(x, 0), ([np.inf, 1.0],)),
    "where keeps NaN out of values": (lambda lib, x: lib.where(x > 0, x, -x), ([np.nan, 1.0, -1.0],)),
    "nan in max": (lambda lib, x: x.max(), ([1.0, np.nan, 3.0],)),
    "nan in relu": (lambda lib, x: lib.relu(x), ([np.nan, 1.0],)),
    "nan in maximum": (lambda lib, x, y: lib.maximum(x, y), ([np.nan, 1.0], [1.0, np.nan])),
    "nan in clamp": (lambda lib, x: x.clamp(0, 1), ([np.nan, 0.5],)),
}


@pytest.mark.parametrize("what", KINKS)
def test_kink(what: str) -> None:
    function, xs = KINKS[what]
    with np.errstate(all="ignore"):
        value = function(am, *(am.tensor(x, dtype=am.float64) for x in xs))
    assert_same(value, function(torch, *(torch.tensor(x, dtype=torch.float64) for x in xs)))
    for one, other in zip(gradients(am, function, xs), gradients(torch, function, xs), strict=True):
        np.testing.assert_array_equal(np.round(one, 12), np.round(other, 12))


# --------------------------------------------------------------------------------------------------- text

SHOWN: dict[str, Callable[[Any], Any]] = {
    "0-d": lambda lib: lib.tensor(1.5),
    "0-d whole": lambda lib: lib.tensor(3.0),
    "0-d integer": lambda lib: lib.tensor(3),
    "0-d bool": lambda lib: lib.tensor(True),
    "0-d small": lambda lib: lib.tensor(1e-5),
    "0-d double": lambda lib: lib.tensor(0.1, dtype=lib.float64),
    "0-d grad": lambda lib: lib.tensor(0.5, requires_grad=True),
    "0-d nan": lambda lib: lib.tensor(float("nan")),
    "0-d inf": lambda lib: lib.tensor(float("inf")),
    "0-d negative": lambda lib: lib.tensor(-0.25),
    "floats": lambda lib: lib.tensor([1.0, 2.5, -3.25]),
    "whole floats": lambda lib: lib.tensor([1.0, 20.0, -3.0]),
    "matrix": lambda lib: lib.tensor([[1.0, 2.5], [-3.25, 100.0]]),
    "integers": lambda lib: lib.tensor([1, -20, 300]),
    "integer matrix": lambda lib: lib.tensor([[1, -20], [300, 4]]),
    "bools": lambda lib: lib.tensor([True, False]),
    "all true": lambda lib: lib.tensor([True, True]),
    "all false": lambda lib: lib.tensor([False, False]),
    "bool matrix": lambda lib: lib.tensor([[True, False], [True, True]]),
    "3-d": lambda lib: lib.arange(24).reshape(2, 3, 4),
    "4-d": lambda lib: lib.zeros(2, 1, 2, 2),
    "empty": lambda lib: lib.tensor([]),
    "empty matrix": lambda lib: lib.zeros(2, 0),
    "empty integers": lambda lib: lib.zeros(0, 3, dtype=lib.int64),
    "requires grad": lambda lib: lib.tensor([1.0, 2.0], requires_grad=True),
    "double": lambda lib: lib.tensor([1.0, 2.0], dtype=lib.float64),
    "half": lambda lib: lib.tensor([1.0, 2.5], dtype=lib.float16),
    "int32": lambda lib: lib.tensor([1, 2], dtype=lib.int32),
    "uint8": lambda lib: lib.tensor([1, 200], dtype=lib.uint8),
    "double with grad": lambda lib: lib.tensor([1.5], dtype=lib.float64, requires_grad=True),
    "nan and inf": lambda lib: lib.tensor([float("nan"), float("inf"), -float("inf"), 1.5]),
    "nan and whole": lambda lib: lib.tensor([float("nan"), 1.0]),
    "only nan": lambda lib: lib.tensor([float("nan"), float("nan")]),
    "wide range": lambda lib: lib.tensor([1e-3, 1e5]),
    "wide whole": lambda lib: lib.tensor([1.0, 100000.0]),
    "huge": lambda lib: lib.tensor([1e10, 1.0]),
    "huge whole": lambda lib: lib.tensor([123456789.0]),
    "tiny": lambda lib: lib.tensor([1e-10, 2e-10]),
    "zeros": lambda lib: lib.zeros(3),
    "negative zero": lambda lib: lib.tensor([-0.0, 0.0]),
    "long row": lambda lib: lib.arange(100.0),
    "long integers": lambda lib: lib.arange(40),
    "summarised": lambda lib: lib.arange(2000),
    "summarised floats": lambda lib: lib.arange(2000.0) / 8,
    "summarised matrix": lambda lib: lib.arange(10000.0).reshape(100, 100),
    "summarised wide matrix": lambda lib: lib.zeros(2, 1500),
    "1000 elements": lambda lib: lib.arange(1000),
    "rounding": lambda lib: lib.tensor([0.00012345, 0.5, 999.99995]),
    "thirds": lambda lib: lib.tensor([1 / 3, 200 / 3], dtype=lib.float64),
}


@pytest.mark.parametrize("what", SHOWN)
def test_repr(what: str) -> None:
    assert repr(SHOWN[what](am)) == repr(SHOWN[what](torch)).replace("dtype=torch.", "dtype=")


def test_repr_of_a_result_names_its_function() -> None:
    x = am.tensor([1.5], requires_grad=True)
    assert repr(x * 2) == "tensor([3.], grad_fn=<MulBackward>)"
    assert repr(torch.tensor([1.5], requires_grad=True) * 2) == "tensor([3.], grad_fn=<MulBackward0>)"


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=4), elements=st.floats(-1e6, 1e6, width=32))
    | hnp.arrays(np.int64, hnp.array_shapes(max_dims=3, max_side=4), elements=st.integers(-1000, 1000))
)
def test_repr_of_anything(data: Any) -> None:
    assert repr(am.tensor(data)) == repr(torch.tensor(data))


# -------------------------------------------------------------------------------------------------- errors


def _twice(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)
    y = lib.exp(x).sum()
    y.backward()
    y.backward()


def _kept_value_changed(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)
    y = lib.exp(x)
    y += 1
    y.sum().backward()


def _in_place_on_leaf(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)
    x += 1


def _in_place_on_view_of_leaf(lib: Any) -> None:
    x = lib.ones(2, requires_grad=True)
    x[0] += 1


def _in_place_grows(lib: Any) -> None:
    x = lib.ones(1)
    x += lib.ones(3)


def _in_place_to_integer(lib: Any) -> None:
    x = lib.ones(2, dtype=lib.int64)
    x += 1.5


def _grad_of_wrong_shape(lib: Any) -> None:
    lib.ones(2, requires_grad=True).grad = lib.ones(3)


def _result_loses_requires_grad(lib: Any) -> None:
    y = lib.ones(2, requires_grad=True) * 2
    y.requires_grad = False


MISTAKES: dict[str, Callable[[Any], Any]] = {
    "backward of a non-scalar": lambda lib: (lib.ones(2, requires_grad=True) * 2).backward(),
    "backward without requires_grad": lambda lib: lib.ones(2).sum().backward(),
    "backward twice": _twice,
    "kept value changed": _kept_value_changed,
    "gradient of the wrong shape": lambda lib: (lib.ones(2, requires_grad=True) * 2).backward(lib.ones(3)),
    "grad of an unused input": lambda lib: lib.autograd.grad(
        lib.ones(1, requires_grad=True) * 2, lib.ones(1, requires_grad=True)
    ),
    "grad of an input without requires_grad": lambda lib: lib.autograd.grad(
        lib.ones(1, requires_grad=True) * 2, lib.ones(1)
    ),
    "integer requires grad": lambda lib: lib.tensor([1], requires_grad=True),
    "integer requires_grad_": lambda lib: lib.tensor([1]).requires_grad_(),
    "bool requires grad": lambda lib: lib.tensor([True]).requires_grad_(),
    "in place on a leaf": _in_place_on_leaf,
    "in place on a view of a leaf": _in_place_on_view_of_leaf,
    "in place grows": _in_place_grows,
    "in place to integer": _in_place_to_integer,
    "numpy of requires_grad": lambda lib: lib.ones(2, requires_grad=True).numpy(),
    "grad assigned in the wrong shape": _grad_of_wrong_shape,
    "grad assigned a number": lambda lib: setattr(lib.ones(2, requires_grad=True), "grad", 1.0),
    "requires_grad of a result": _result_loses_requires_grad,
    "retain_grad without requires_grad": lambda lib: lib.ones(2).retain_grad(),
    "hook without requires_grad": lambda lib: lib.ones(2).register_hook(print),
    "shapes do not broadcast": lambda lib: lib.ones(2) + lib.ones(3),
    "matrices do not fit": lambda lib: lib.ones(2, 3) @ lib.ones(2, 3),
    "0-d matmul": lambda lib: lib.matmul(lib.tensor(1.0), lib.ones(2)),
    "reshape does not fit": lambda lib: lib.ones(6).reshape(4, 2),
    "view of a transpose": lambda lib: lib.ones(2, 3).t().view(6),
    "index out of range": lambda lib: lib.ones(3)[5],
    "too many indices": lambda lib: lib.ones(3)[0, 0],
    "index array out of range": lambda lib: lib.ones(3)[lib.tensor([0, 7])],
    "float index": lambda lib: lib.ones(3)[lib.tensor([0.5])],
    "mask of the wrong shape": lambda lib: lib.ones(3)[lib.tensor([True, False])],
    "dim out of range": lambda lib: lib.ones(2, 3).sum(dim=2),
    "softmax dim out of range": lambda lib: lib.softmax(lib.ones(2), 1),
    "argmax dim out of range": lambda lib: lib.ones(2, 3).argmax(dim=5),
    "amax dim out of range": lambda lib: lib.ones(2, 3).amax(dim=5),
    "max dim out of range": lambda lib: lib.ones(2, 3).max(dim=2),
    "same dim twice": lambda lib: lib.ones(2, 3).sum(dim=(0, 0)),
    "max of nothing": lambda lib: lib.zeros(0).max(),
    "argmax of nothing": lambda lib: lib.zeros(0).argmax(),
    "amax over nothing": lambda lib: lib.zeros(2, 0).amax(dim=1),
    "unsqueeze out of range": lambda lib: lib.ones(2).unsqueeze(3),
    "squeeze out of range": lambda lib: lib.ones(1).squeeze(3),
    "transpose out of range": lambda lib: lib.ones(2, 3).transpose(0, 4),
    "permute of too few": lambda lib: lib.ones(2, 3).permute(0),
    "permute twice the same": lambda lib: lib.ones(2, 3).permute(0, 0),
    "flatten out of range": lambda lib: lib.ones(2, 3).flatten(0, 5),
    "expand does not fit": lambda lib: lib.ones(2).expand(3),
    "t of 3-d": lambda lib: lib.ones(2, 3, 4).t(),
    "cat of nothing": lambda lib: lib.cat([]),
    "cat does not fit": lambda lib: lib.cat([lib.ones(2, 3), lib.ones(2, 4)]),
    "cat dim out of range": lambda lib: lib.cat([lib.ones(2)], 1),
    "cat of 0-d": lambda lib: lib.cat([lib.tensor(1.0)]),
    "stack does not fit": lambda lib: lib.stack([lib.ones(2), lib.ones(3)]),
    "item of several": lambda lib: lib.ones(2).item(),
    "bool of several": lambda lib: bool(lib.ones(2)),
    "bool of nothing": lambda lib: bool(lib.ones(0)),
    "len of 0-d": lambda lib: len(lib.tensor(1.0)),
    "iteration over 0-d": lambda lib: list(lib.tensor(1.0)),
    "ragged list": lambda lib: lib.tensor([[1, 2], [3]]),
    "add text": lambda lib: lib.ones(2) + "a",
    "add none": lambda lib: lib.ones(2) + None,
    "call with an unknown keyword": lambda lib: lib.ones(2).sum(dimension=0),
    "exp of two": lambda lib: lib.exp(lib.ones(1), lib.ones(1), lib.ones(1)),
    "clamp without bounds": lambda lib: lib.ones(2).clamp(),
    "mean of integers": lambda lib: lib.ones(2, dtype=lib.int64).mean(),
    "minus of bool": lambda lib: -lib.tensor([True]),
    "invert of float": lambda lib: ~lib.ones(2),
    "negative size": lambda lib: lib.zeros(-1),
    "arange step 0": lambda lib: lib.arange(0, 1, 0),
    "arange backwards": lambda lib: lib.arange(3, 1, 1),
    "randint from empty range": lambda lib: lib.randint(3, 3, (2,)),
    "device that is not there": lambda lib: lib.ones(2).to("meta_nonsense"),
    "assignment does not fit": lambda lib: lib.ones(3).__setitem__(slice(0, 2), lib.ones(3)),
    "copy does not fit": lambda lib: lib.ones(3).copy_(lib.ones(2)),
    "integer power negative": lambda lib: lib.tensor([2]) ** -1,
}


@pytest.mark.parametrize("what", MISTAKES)
def test_mistake(what: str) -> None:
    """The same mistake raises (a subclass of) the same error, with a sentence."""
    try:
        MISTAKES[what](torch)
    except Exception as error:
        expected = error
    else:
        pytest.fail("PyTorch accepts this")
    builtin = next(kind for kind in type(expected).__mro__ if kind.__module__ == "builtins")
    with pytest.raises(builtin) as caught:
        MISTAKES[what](am)
    assert len(str(caught.value)) > 10


# ------------------------------------------------------------------------------------------------ creation

CREATION: dict[str, Callable[[Any], Any]] = {
    "zeros": lambda lib: lib.zeros(2, 3),
    "zeros of a tuple": lambda lib: lib.zeros((2, 3), dtype=lib.int64),
    "zeros 0-d": lambda lib: lib.zeros(()),
    "ones": lambda lib: lib.ones(2, dtype=lib.float64),
    "ones of bool": lambda lib: lib.ones(2, dtype=lib.bool),
    "full": lambda lib: lib.full((2, 2), 7),
    "full of floats": lambda lib: lib.full((2,), 0.5),
    "full of bools": lambda lib: lib.full((2,), True),
    "full with dtype": lambda lib: lib.full((2,), 1, dtype=lib.float32),
    "zeros_like": lambda lib: lib.zeros_like(lib.ones(2, 3, dtype=lib.float64)),
    "ones_like": lambda lib: lib.ones_like(lib.zeros(2), dtype=lib.int64),
    "full_like": lambda lib: lib.full_like(lib.zeros(2), 3),
    "eye": lambda lib: lib.eye(3),
    "eye wide": lambda lib: lib.eye(2, 3),
    "arange": lambda lib: lib.arange(5),
    "arange of floats": lambda lib: lib.arange(0, 1, 0.25),
    "arange from float": lambda lib: lib.arange(3.0),
    "arange down": lambda lib: lib.arange(5, 0, -2),
    "arange with dtype": lambda lib: lib.arange(3, dtype=lib.float64),
    "arange empty": lambda lib: lib.arange(0),
    "linspace": lambda lib: lib.linspace(0, 1, 5),
    "linspace of one": lambda lib: lib.linspace(2, 3, 1),
    "linspace of none": lambda lib: lib.linspace(2, 3, 0),
    "linspace double": lambda lib: lib.linspace(-1, 1, 4, dtype=lib.float64),
    "tensor of a tensor": lambda lib: lib.tensor([lib.tensor(1.0), lib.tensor(2.0)]),
    "tensor of tuples": lambda lib: lib.tensor(((1, 2), (3, 4))),
    "tensor with dtype": lambda lib: lib.tensor([1, 2], dtype=lib.float16),
    "tensor of empty rows": lambda lib: lib.tensor([[], []]),
    "Tensor": lambda lib: lib.Tensor([1, 2]),
    "as_tensor": lambda lib: lib.as_tensor([1, 2]),
    "from_numpy": lambda lib: lib.from_numpy(np.arange(3)),
}


@pytest.mark.parametrize("what", CREATION)
def test_creation(what: str) -> None:
    assert_same(CREATION[what](am), CREATION[what](torch), 1e-7)


@pytest.mark.parametrize("what", ["zeros", "ones", "eye", "rand", "randn"])
def test_creation_may_require_grad(what: str) -> None:
    for lib in (am, torch):
        made = getattr(lib, what)(3, requires_grad=True)
        assert made.requires_grad and made.is_leaf


# ------------------------------------------------------------------------------------------------ indexing


def torch_index(index: Any) -> Any:
    """An index with arrays as tensors of PyTorch."""
    if isinstance(index, tuple):
        return tuple(torch_index(part) for part in index)
    return torch.tensor(index) if isinstance(index, np.ndarray) else index


def our_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(our_index(part) for part in index)
    return am.tensor(index) if isinstance(index, np.ndarray) else index


def _positive(index: Any) -> bool:
    """PyTorch has no negative steps."""
    parts = index if isinstance(index, tuple) else (index,)
    return not any(isinstance(p, slice) and (p.step or 1) < 0 for p in parts)


@st.composite
def indexed(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape and a basic index, an index array, a mask, or a mixture for it."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    kind = draw(st.sampled_from(["basic", "arrays", "mask", "mixed"]))
    if kind == "basic":
        return shape, draw(hnp.basic_indices(shape, allow_newaxis=True).filter(_positive))
    if kind == "mask":
        axes = draw(st.integers(1, len(shape)))
        return shape, draw(hnp.arrays(bool, shape[:axes]))
    result = hnp.array_shapes(min_dims=0 if kind == "arrays" else 1, max_dims=2, max_side=3)
    if kind == "arrays":
        return shape, draw(hnp.integer_array_indices(shape, result_shape=result))
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    picks = draw(hnp.arrays(np.int64, draw(result), elements=st.integers(-size, size - 1)))
    others = [draw(st.slices(n).filter(lambda s: (s.step or 1) > 0)) for n in shape]
    return shape, (*others[:axis], picks, *others[axis + 1 :])


@given(indexed(), st.integers(0, 99))
def test_reading_by_index(case: tuple[tuple[int, ...], Any], seed: int) -> None:
    shape, index = case
    data = np.random.default_rng(seed).standard_normal(shape)
    compare(lambda x: x[our_index(index)] * 1.0, lambda x: x[torch_index(index)] * 1.0, Sample(data))


def repeats(data: Any, index: Any) -> bool:
    """Whether the index names an element twice."""
    places = np.arange(data.size).reshape(data.shape)[index]
    return len(np.unique(places)) != np.size(places)


@given(indexed(), st.integers(0, 99), st.sampled_from(["same", "number", "broadcast"]))
def test_assignment_by_index(case: tuple[tuple[int, ...], Any], seed: int, kind: str) -> None:
    shape, index = case
    rng = np.random.default_rng(seed)
    data = rng.standard_normal(shape)
    if repeats(data, index):
        kind = "number"  # which of two values wins is undefined, but equal ones may be told apart by nobody
    value = (
        2.5
        if kind == "number"
        else rng.standard_normal(np.shape(data[index])[1:] if kind == "broadcast" else np.shape(data[index]))
    )

    def assigned(to: Callable[[Any], Any]) -> Callable[..., Any]:
        def function(x: Any, v: Any = 2.5) -> Any:
            y = x * 1.0
            y[to(index)] = v
            return y * y

        return function

    inputs = (data,) if kind == "number" else (data, np.asarray(value))
    compare(assigned(our_index), assigned(torch_index), Sample(*inputs))


@given(indexed(), st.integers(0, 99))
def test_augmented_assignment_by_index(case: tuple[tuple[int, ...], Any], seed: int) -> None:
    shape, index = case
    rng = np.random.default_rng(seed)
    data = rng.standard_normal(shape)

    if repeats(data, index):
        return  # PyTorch counts the gradient of such an element once for each time that it is named

    def function(to: Callable[[Any], Any]) -> Callable[..., Any]:
        def scaled(x: Any, v: Any) -> Any:
            y = x * 1.0
            y[to(index)] *= v
            return y * y

        return scaled

    compare(function(our_index), function(torch_index), Sample(data, np.asarray(rng.standard_normal())))


# -------------------------------------------------------------------------------------------- in-place and views

PROGRAMS: dict[str, Callable[[Any, Any, Any], Any]] = {}


def program(function: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Programs with x (3, 4) and y (4,): what they return has the same value and gradients in both libraries."""
    PROGRAMS[function.__name__] = function
    return function


@program
def add_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x * 2
    z += y
    return z * z


@program
def multiply_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x + 1
    z *= y
    return z * y


@program
def divide_and_power_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1.0
    z /= y
    z -= 3
    return z * 2


@program
def row_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1.0
    z[0] += y
    z[1] *= y
    z[:, 2] = 0.5
    return z * z


@program
def methods_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1.0
    z.add_(y, alpha=2).mul_(y)
    return z.exp_()


@program
def clamp_in_place(lib: Any, x: Any, y: Any) -> Any:
    z = x * 3.0
    return z.clamp_(-1, 1) * y


@program
def fan_out(lib: Any, x: Any, y: Any) -> Any:
    z = x * y
    return z * z + z + lib.exp(z) * y


@program
def views_then_values(lib: Any, x: Any, y: Any) -> Any:
    return x.t()[1:3].reshape(-1)[::2] * y[1:] + x.reshape(4, 3)[0]


@program
def detached(lib: Any, x: Any, y: Any) -> Any:
    return x * y.detach() + (x.detach() * y)


@program
def no_grad_inside(lib: Any, x: Any, y: Any) -> Any:
    with lib.no_grad():
        scale = x * 2
    return x * scale * y


@program
def squeezes(lib: Any, x: Any, y: Any) -> Any:
    return x.unsqueeze(1).expand(3, 2, 4).transpose(0, 1).flatten(0, 1).permute(1, 0) * 2 + y.unsqueeze(-1)


@program
def cats(lib: Any, x: Any, y: Any) -> Any:
    return lib.cat([x, lib.stack([y, y * 2])], 0) * lib.cat([x[:, :1], x[:2, :1]])


@program
def max_pair(lib: Any, x: Any, y: Any) -> Any:
    return x.max(dim=1).values * x.min(dim=1, keepdim=True)[0] + lib.max(x, y).sum() + x.max()


@program
def filled_and_copied(lib: Any, x: Any, y: Any) -> Any:
    z = x * 1.0
    z[0].copy_(y) if lib is torch else z.__setitem__(0, y)
    z[1] = z[0] * 2
    return z * x


@program
def zeroed(lib: Any, x: Any, y: Any) -> Any:
    z = x * y
    return (z.zero_() + 1) * x + y


@program
def swapped_iteration(lib: Any, x: Any, y: Any) -> Any:
    total = 0
    for row in x:
        total = total * row + y
    return total


@program
def scalars(lib: Any, x: Any, y: Any) -> Any:
    return x.sum() * y.mean() / x[0, 0] - 2 / y + (1 - x) ** 2 + 2**y


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 4)), rng.uniform(0.5, 1.5, 4)
    function = PROGRAMS[name]
    compare(lambda *xs: function(am, *xs), lambda *xs: function(torch, *xs), Sample(x, y))


def test_import_gave_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        am.ones(2) / torch.ones(2).numpy()


def test_names_that_are_other_names() -> None:
    for lib in (torch, am):
        x, rows = lib.ones(2), lib.tensor([[1.0, 1.0], [1.0, 1.0]])
        assert lib.row_stack((x, x)).tolist() == rows.tolist() == lib.concat((rows[:1], rows[1:])).tolist()
        assert lib.is_tensor(x) and not lib.is_tensor([1.0])
        module = lib.nn.Module()
        module.register_module("part", lib.nn.Linear(2, 1))
        assert [name for name, _ in module.named_parameters()] == ["part.weight", "part.bias"]
