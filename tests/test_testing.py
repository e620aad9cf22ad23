"""The toolkit itself: right operations pass, and every way of being wrong that it promises to find is found."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import autograd_mini as am
from autograd_mini import engine
from autograd_mini.primitive import PRIMITIVES, primitive
from autograd_mini.testing import (
    LAYOUTS,
    GradcheckError,
    Sample,
    battery,
    broadcastable_shapes,
    gradcheck,
    gradgradcheck,
    op_samples,
    property_test,
    tensors,
)

X = np.array([[1.0, -2.0, 0.5], [0.3, 2.0, -1.5]])


def x64(*values: float) -> am.Tensor:
    return am.tensor(list(values), dtype=am.float64, requires_grad=True)


@pytest.fixture
def op() -> Iterator[Callable[..., Any]]:
    """Makes a primitive that is forgotten after the test."""
    before = dict(PRIMITIVES)

    def make(forward: Any, **rules: Any) -> Any:
        return primitive(forward, name="made_up", public=False, **rules)

    yield make
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


# ------------------------------------------------------------------------------------------------ gradcheck


def test_right_gradients_pass() -> None:
    assert gradcheck(lambda x, y: x * am.exp(y), (x64(1.0, 2.0), x64(0.5, -0.5)))
    assert gradgradcheck(lambda x, y: x * am.exp(y), (x64(1.0, 2.0), x64(0.5, -0.5)))
    assert gradcheck(lambda x: x**3, x64(1.0, 2.0), fast_mode=True)
    assert gradgradcheck(lambda x: x**3, x64(1.0, 2.0), fast_mode=True)


def test_failure_says_what_where_and_by_how_much(op: Any) -> None:
    def square(x: Any) -> Any:
        return wrong(x)

    wrong = op(lambda x: x * x, x=lambda g, x: g * x * np.array([2.0, 2.0, 3.0]))
    with pytest.raises(GradcheckError, match=r"square: input 0 \(float64 \(3,\)\): analytic .*, numeric .* at \[2\]"):
        gradcheck(square, x64(1.0, 2.0, 3.0))
    with pytest.raises(GradcheckError, match="worst of 1 wrong among 3"):
        gradcheck(square, x64(1.0, 2.0, 3.0))
    with pytest.raises(GradcheckError, match="a random direction"):
        gradcheck(square, x64(1.0, 2.0, 3.0), fast_mode=True)
    assert gradcheck(square, x64(1.0, 2.0, 3.0), raise_exception=False) is False


def test_each_input_is_checked(op: Any) -> None:
    product = op(lambda x, y: x * y, x=lambda g, y: g * y, y=lambda g, x: -g * x)
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(product, (x64(1.0), x64(2.0)))
    assert gradcheck(product, (x64(1.0), x64(2.0).detach()))


def test_each_output_is_checked() -> None:
    assert gradcheck(lambda x: (x * 2, am.exp(x)), x64(1.0))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: (x * 2, am.exp(x.detach())), x64(1.0))


def test_cotangent_is_random(op: Any) -> None:
    """With ones flowing in, a rule that transposes its gradient would pass for a sum."""
    wrong = op(lambda x: x * 1.0, x=lambda g: np.swapaxes(g, 0, 1))
    with pytest.raises(GradcheckError):
        gradcheck(wrong, am.tensor(X[:, :2], requires_grad=True))


def test_kink_is_reported_as_one() -> None:
    with pytest.raises(
        GradcheckError, match=r"kink or a jump at \[1\], where the slope is -.* from below and .* above"
    ):
        gradcheck(lambda x: am.abs(x).sum(), x64(1.0, 0.0), seed=1)
    with pytest.raises(GradcheckError, match="kink or a jump"):
        gradcheck(lambda x: am.where(x >= 0, 1.0, 0.0), x64(0.0))
    assert gradcheck(am.abs, x64(1.0, -1.0))


def test_a_function_that_is_not_the_same_twice_is_reported_as_such() -> None:
    calls = itertools.count()
    x = am.tensor([0.5, 1.5], dtype=am.float64, requires_grad=True)
    for func in (lambda x: am.nn.functional.dropout(x * x), lambda x: x * (1 + 1e-6 * next(calls))):
        with pytest.raises(GradcheckError, match="called twice, the function returns different values"):
            gradcheck(func, x)


@pytest.mark.parametrize("result", [None, 3.0, {"y": 1}])
def test_a_function_must_return_tensors(result: Any) -> None:
    with pytest.raises(ValueError, match=f"must return a Tensor or several, but returned a {type(result).__name__}"):
        gradcheck(lambda x: result, am.ones(2, dtype=am.float64, requires_grad=True))


def test_steep_curvature_is_no_kink() -> None:
    assert gradcheck(lambda x: 1 / x, x64(1e-3))
    assert gradcheck(lambda x: am.exp(20 * x), x64(1.0))


def test_second_order_mistake_is_found(op: Any) -> None:
    def detached(g: Any, x: Any) -> Any:
        return g * 3.0 * (x.detach() ** 2 if isinstance(x, am.Tensor) else x**2)

    cube = op(lambda x: x**3, x=detached)
    assert gradcheck(cube, x64(1.0, 2.0))
    with pytest.raises(GradcheckError, match="the gradient of made_up: input 0"):
        gradgradcheck(cube, x64(1.0, 2.0))


def test_nan_never_passes(op: Any) -> None:
    with pytest.raises(GradcheckError, match="nan"):
        gradcheck(op(lambda x: x * 1.0, x=lambda g: g * np.nan), x64(1.0))


def test_unused_input_has_gradient_zero() -> None:
    assert gradcheck(lambda x, y: x * 2, (x64(1.0), x64(2.0)))
    assert gradcheck(lambda x: am.tensor([1.0]), x64(1.0))


def test_unfit_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"input 0 is float32.*x.double"):
        gradcheck(am.exp, am.tensor([1.0], requires_grad=True))
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(am.exp, am.tensor([1.0]))
    with pytest.raises(ValueError, match="returned a float"):
        gradcheck(lambda x: [1.0], x64(1.0))


def test_input_is_restored_and_may_be_closed_over() -> None:
    w = x64(1.0, 2.0)
    array, before = w._array, w._array.copy()
    assert gradcheck(lambda _: (w * w * w).sum(), w)  # as with the parameters of a module
    assert w._array is array
    np.testing.assert_array_equal(array, before)
    assert w.grad is None


def test_deterministic_by_seed(op: Any) -> None:
    wrong = op(lambda x: x * 1.0, x=lambda g: 2 * g)

    def message(seed: int) -> str:
        with pytest.raises(GradcheckError) as caught:
            gradcheck(wrong, x64(1.0, 2.0), seed=seed)
        return str(caught.value)

    assert message(3) == message(3) != message(4)


def test_empty_input_passes() -> None:
    assert gradcheck(am.exp, am.zeros(0, 3, dtype=am.float64, requires_grad=True))


# -------------------------------------------------------------------------------------------------- battery


def test_battery_passes_what_is_right(op: Any) -> None:
    cube = op(lambda x: x**3, x=lambda g, x: g * 3 * x**2)
    battery(cube, [X, np.array(2.0), np.zeros((0, 2))], reference=lambda x: x**3)
    battery(lambda x, y: x / y, [(X, X + 4)], reference=np.divide, broadcasts=True)
    battery(am.argmax, [Sample(X, axis=1)], reference=np.argmax, differentiable=False)
    battery(lambda x: x.max(dim=1), [X])  # several results, one of them integer


def test_battery_needs_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        battery(am.exp, [])


def test_failure_names_operation_and_sample(op: Any) -> None:
    with pytest.raises(GradcheckError) as caught:
        battery(op(lambda x: x * 2.0, x=lambda g: g), [np.ones(3), X])
    assert "gradient of made_up, sample 1: Sample(float64 (3,))" in caught.value.__notes__


def _only_alone(x: Any, y: Any) -> Any:
    return x * y if y.requires_grad else 2 * x * y - (x * y).detach()


def _low_precision(x: Any) -> Any:
    return x * 1.0 if x.dtype == am.float64 else x.half().to(x.dtype)


def _writes_result(g: Any) -> Any:
    if isinstance(g, np.ndarray) and g.flags.writeable:
        g *= 1.5
        return g / 1.5
    return g * 1.0


WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = {
    "value": (lambda x: x * 2, (X,), {"reference": lambda x: x * 3}, "against the reference"),
    "shape": (lambda x: x[None], (X,), {"reference": lambda x: x}, "shape"),
    "lost gradient": (lambda x: x.detach() * 2, (X,), {}, "requires_grad of the result is False"),
    "surplus gradient": (am.exp, (X,), {"differentiable": False}, "requires_grad of the result is True"),
    "one input alone": (_only_alone, (X, X), {}, "gradient of input 0 alone"),
    "dtype": (lambda x: x.double(), (X,), {}, "float32 inputs made a float64 result"),
    "low precision": (_low_precision, (X,), {}, "value in float32"),
    "broadcasting": (lambda x, y: x + y.sum(), (X, X), {"broadcasts": True}, "value, input 0 0-d"),
    "kink": (am.relu, (np.array([1.0, 0.0]),), {}, "kink"),
}


@pytest.mark.parametrize("what", WRONG)
def test_battery_finds(what: str) -> None:
    function, inputs, options, message = WRONG[what]
    with pytest.raises((AssertionError, GradcheckError), match=message):
        battery(function, [inputs], **options)


def test_battery_finds_memory_order(op: Any) -> None:
    wrong = op(lambda x: x.ravel(order="K").reshape(x.shape) * 2, x=lambda g: g * 2)
    with pytest.raises(AssertionError, match="value for Fortran-ordered inputs"):
        battery(wrong, [X])


def test_battery_finds_changed_inputs(op: Any) -> None:
    def forward(x: Any) -> Any:
        result = x * 1.0
        if x.flags.writeable and x.base is None and x.flags.owndata and x.dtype == np.float64 and armed:
            x += 1
        return result

    armed = False
    wrong = op(forward, x=lambda g: g * 1.0)
    battery(wrong, [X])
    armed = True
    with pytest.raises(AssertionError):
        battery(wrong, [X.copy()])


def test_battery_finds_changed_seeds(op: Any) -> None:
    with pytest.raises(AssertionError, match="was changed by the operation"):
        battery(op(lambda x: x * 1.0, x=_writes_result), [X])


def test_battery_finds_shared_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    battery(am.add, [(X, X)])
    monkeypatch.setattr(engine, "_own", lambda result, gradient, kept: result)
    with pytest.raises(AssertionError, match="the gradient of input 0 is shared"):
        battery(am.add, [(X, X)])


def test_battery_finds_read_only_gradients(monkeypatch: pytest.MonkeyPatch, op: Any) -> None:
    total = op(lambda x: np.sum(x), x=lambda g, x_shape: np.broadcast_to(g, x_shape))
    battery(total, [X])
    monkeypatch.setattr(engine, "_own", lambda result, gradient, kept: result)
    with pytest.raises(AssertionError, match="the gradient of input 0 is read-only"):
        battery(total, [X])


def test_battery_finds_history_lost_in_second_order(op: Any) -> None:
    def detached(g: Any, x: Any) -> Any:
        return g * 3.0 * (x.detach() ** 2 if isinstance(x, am.Tensor) else x**2)

    wrong = op(lambda x: x**3, x=detached)
    battery(wrong, [X], second_order=False)
    with pytest.raises(GradcheckError, match="the gradient of made_up"):
        battery(wrong, [X])


def test_battery_finds_rules_that_differ_on_tensors(op: Any) -> None:
    wrong = op(lambda x: x * 2, x=lambda g: g * 3 if isinstance(g, am.Tensor) else g * 2)
    with pytest.raises(AssertionError, match="with create_graph"):
        battery(wrong, [X])


# -------------------------------------------------------------------------------------------- property_test


def cube(x: Any) -> Any:
    return x * x * x


def test_property_test_is_the_battery(op: Any) -> None:
    right = property_test(cube, (np.full(n, 0.5) for n in (1, 2)), reference=lambda x: x**3)
    assert right.__name__ == "test_cube"
    right()
    right()  # the samples are still there
    with pytest.raises(GradcheckError):
        property_test(op(lambda x: x**3, x=lambda g, x: 3.03 * g * x**2), [X])()
    with pytest.raises(AssertionError, match="against the reference"):
        property_test(cube, [X], reference=lambda x: x**2)()
    with pytest.raises(ValueError, match="no samples"):
        property_test(cube, [])()


def test_property_test_draws_samples(op: Any) -> None:
    property_test(lambda x, y: x / y, op_samples((-2, 2), (0.5, 2)), reference=np.divide, broadcasts=True)()
    wrong = op(lambda x: np.abs(x) ** 3, x=lambda g, x: g * 3 * x**2)  # where x < 0
    property_test(wrong, op_samples((0.1, 2)))()
    with pytest.raises(GradcheckError) as caught:
        property_test(wrong, op_samples())()
    assert "Sample(array(-0.0625))" in "\n".join(caught.value.__notes__)  # the smallest


def test_property_test_is_collected_by_plain_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import autograd_mini as am\n"
        "from autograd_mini.testing import op_samples, property_test\n"
        "from hypothesis import settings\n"
        "settings.register_profile('patient', deadline=None)\n"  # 200 ms, on a loaded machine
        "settings.load_profile('patient')\n"
        "test_exp = property_test(am.exp, op_samples(max_dims=1))\n"
        "test_abs = property_test(am.abs, [am.ones(1).double().numpy() * 0])\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--rootdir", str(tmp_path), "."]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "PASSED test_mine.py::test_exp" in done.stdout and "kink" in done.stdout


# ----------------------------------------------------------------------------------------------- strategies


@given(op_samples((-2, 2), (0.5, 1), avoid=(0, 1), shapes=[(2, 3), (3,)], axis=st.integers(0, 1)))
def test_op_samples_keep_to_what_is_asked(sample: Sample) -> None:
    x, y = sample.inputs
    assert x.shape == (2, 3) and y.shape == (3,) and x.dtype == y.dtype == np.float64
    assert (abs(x) <= 2).all() and (abs(x) > 0.01).all() and (abs(x - 1) > 0.01).all()
    assert ((y >= 0.5) & (y < 0.99)).all() and sample.options["axis"] in (0, 1)


@given(op_samples((-1, 1), (-1, 1), (3, 4)))
def test_op_samples_broadcast(sample: Sample) -> None:
    assert len(sample.inputs) == 3 and len(np.broadcast_shapes(*(x.shape for x in sample.inputs))) <= 2


def test_op_samples_reach_other_shapes_and_signs() -> None:
    quick = settings(database=None, phases=[Phase.generate])
    for wanted in (lambda x: x.ndim == 0, lambda x: x.ndim == 2 and x.size > 2, lambda x: x.size == 0, lambda x: x < 0):
        find(op_samples(), lambda s, f=wanted: bool(np.any(f(s.inputs[0]))), settings=quick)


@given(tensors(layouts=True, requires_grad=True))
def test_tensors_are_leaves_with_finite_values(x: am.Tensor) -> None:
    assert x.requires_grad and x.is_leaf and x.dtype == am.float64 and x.ndim <= 4
    assert np.isfinite(x.detach().numpy()).all()


@pytest.mark.parametrize(
    "wanted",
    [
        lambda x: x.ndim == 0,
        lambda x: x.ndim == 4,
        lambda x: x.numel() == 0,
        lambda x: not x._array.flags.writeable and x.numel() > 1,
        lambda x: min(x._array.strides, default=0) < 0,
        lambda x: x._array.flags.f_contiguous and not x._array.flags.c_contiguous,
    ],
)
def test_tensors_reach(wanted: Callable[[am.Tensor], bool]) -> None:
    find(tensors(layouts=True), wanted, settings=settings(max_examples=1000, database=None))


@given(tensors((2, 3), am.int64), tensors((1,), am.float32), tensors((2,), am.bool))
def test_tensors_have_the_shape_and_dtype_asked_for(a: am.Tensor, b: am.Tensor, c: am.Tensor) -> None:
    assert (a.shape, a.dtype, b.dtype, c.dtype) == ((2, 3), am.int64, am.float32, am.bool)


@given(broadcastable_shapes(3))
def test_shapes_broadcast(shapes: tuple[tuple[int, ...], ...]) -> None:
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


def test_shapes_differ_sometimes() -> None:
    find(broadcastable_shapes(), lambda shapes: shapes[0] != shapes[1])
    with pytest.raises(NoSuchExample):
        find(broadcastable_shapes(max_dims=1), lambda shapes: len(shapes[0]) > 1)


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_keep_the_values(name: str) -> None:
    for array in (X, np.array(1.5), np.zeros((2, 0))):
        np.testing.assert_array_equal(LAYOUTS[name](array), array)


def test_hypothesis_is_imported_only_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, autograd_mini.testing; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    monkeypatch.setitem(sys.modules, "hypothesis.extra.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_mini\[testing\]"'):
        tensors()
