"""Anomaly detection: the operation, its shapes and the user's own line, forward and backward, at every order."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.autograd import detect_anomaly, set_detect_anomaly
from autograd_mini.modes import current_mode


def line_of(marker: str) -> int:
    """The number of the line of this file that ends with this comment."""
    lines = inspect.getsource(inspect.getmodule(line_of)).splitlines()  # type: ignore[arg-type]
    return next(i for i, line in enumerate(lines, 1) if line.endswith(f"# {marker}"))


def failure(run: Callable[[], Any]) -> str:
    with detect_anomaly(), pytest.raises(RuntimeError) as caught:
        run()
    return str(caught.value)


def assert_names(message: str, marker: str) -> None:
    assert f'File "{__file__}", line {line_of(marker)}, in ' in message, message


def test_forward_names_operation_shapes_and_line() -> None:
    x = am.tensor([[1.0, -1.0, 2.0]], requires_grad=True)

    def run() -> None:
        y = x * 2
        y.log()  # forward

    message = failure(run)
    assert message.startswith("log returned nan at index (0, 1), from inputs float32 (1, 3)")
    assert_names(message, "forward")
    assert "y.log()  # forward" in message


def test_backward_names_the_line_of_the_forward_pass() -> None:
    x = am.tensor([0.0, 4.0], requires_grad=True)

    def run() -> None:
        y = x.sqrt()  # root
        (y * 3).sum().backward()

    message = failure(run)
    assert message.startswith("Function 'SqrtBackward' returned inf at index (0,) in the gradient of its input 0")
    assert "float32 (2,)" in message
    assert_names(message, "root")


def test_recorded_backward_does_not_blame_a_step_within_a_rule() -> None:
    """With create_graph the rule's own division makes the infinity first; it is still sqrt's gradient."""
    x = am.tensor([0.0, 4.0], requires_grad=True)

    def run() -> None:
        y = x.sqrt()  # root again
        am.autograd.grad(y.sum(), x, create_graph=True)

    message = failure(run)
    assert message.startswith("Function 'SqrtBackward' returned inf")
    assert_names(message, "root again")


def test_second_derivative_names_both_lines() -> None:
    """x^1.5 at 0: the first derivative is 0, the second infinite."""
    x = am.tensor([0.0, 4.0], requires_grad=True)

    def run() -> None:
        y = x**1.5  # power
        (g,) = am.autograd.grad(y.sum(), x, create_graph=True)  # first derivative
        am.autograd.grad(g.sum(), x)

    message = failure(run)
    assert "to differentiate PowNumberBackward" in message
    assert_names(message, "power")
    assert_names(message, "first derivative")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(2, 2)

    def forward(self, x: Any) -> Any:
        h = self.fc(x)
        return h.log()  # in forward


def test_inside_a_module_the_line_is_in_its_forward() -> None:
    net = nn.Sequential(nn.Linear(2, 2), Net())

    def run() -> None:
        net(am.full((1, 2), -1e30) * am.tensor([1.0, -1.0]))

    message = failure(run)
    assert message.startswith("log returned nan")
    assert_names(message, "in forward")
    assert "in Net.forward" in message and "(module 1)" in message


def test_inside_our_own_layers_the_line_is_the_call() -> None:
    layer = nn.Linear(2, 2)

    def run() -> None:
        layer(am.tensor([[np.inf, -1.0]]))  # call of the layer

    message = failure(run)
    assert message.startswith("linear returned")
    assert_names(message, "call of the layer")


def test_through_numpy_functions() -> None:
    x = am.tensor([-1.0], requires_grad=True)

    def run() -> None:
        np.log(x)  # numpy

    assert_names(failure(run), "numpy")


def test_variadic_operations_and_functions_of_several_outputs() -> None:
    x = am.tensor([1.0, np.inf], requires_grad=True)
    message = failure(lambda: am.cat([x, x]))
    assert message.startswith("cat returned inf at index (1,), from inputs float32 (2,), float32 (2,)")

    class Two(am.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.detach() * 0 + 1, x.detach() * 0 + 2

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return (g - g) / (h - h)  # zero by zero

    x = am.tensor([1.0, 2.0], requires_grad=True)
    for create_graph in (False, True):
        message = failure(lambda c=create_graph: sum(o.sum() for o in Two.apply(x)).backward(create_graph=c))
        assert message.startswith("Function 'TwoBackward' returned nan")


def test_a_bad_seed_is_blamed_on_the_caller() -> None:
    x = am.tensor([1.0], requires_grad=True)

    def run() -> None:
        (x * 2).backward(am.tensor([np.nan]))  # seed

    message = failure(run)
    assert message.startswith("backward() was given nan")
    assert_names(message, "seed")


def test_recorded_before() -> None:
    x = am.tensor([0.0], requires_grad=True)
    y = x.sqrt()
    assert "recorded before detect_anomaly was on" in failure(lambda: y.sum().backward())


def test_silent_where_all_is_finite_and_off_outside() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    with detect_anomaly():
        (x.log() * x).sum().backward(create_graph=True)
    assert current_mode().watch is None
    with np.errstate(all="ignore"):
        assert np.isnan((x - 5).log().tolist()).all()
    with detect_anomaly(check_nan=False):
        (x - 5).log()


def test_switches() -> None:
    bad = am.tensor([np.nan], requires_grad=True)
    with set_detect_anomaly(True):
        with pytest.raises(RuntimeError, match="exp returned nan"):
            bad.exp()
        with set_detect_anomaly(False):
            bad.exp()
        with pytest.raises(RuntimeError, match="exp returned nan"):
            bad.exp()
    assert current_mode().watch is None
    try:
        set_detect_anomaly(True)
        assert current_mode().watch is not None
    finally:
        set_detect_anomaly(False)
    assert current_mode().watch is None


def test_as_a_decorator_and_nested() -> None:
    @detect_anomaly()
    def run(x: Any) -> Any:
        with detect_anomaly():
            pass
        return x.log()

    for _ in range(2):
        with pytest.raises(RuntimeError, match="log returned nan"):
            run(am.tensor([-1.0], requires_grad=True))
    assert current_mode().watch is None
    with pytest.warns(RuntimeWarning):  # NumPy's warnings are back
        np.log(np.array([-1.0]))


def test_other_watchers_still_see_everything() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    with am.draw.trace_backward() as trace, detect_anomaly():
        (x.exp() * 2).sum().backward()
    assert [n.primitive.name for n in trace.order] == ["sum", "mul", "exp"]


def test_agrees_with_pytorch_on_what_is_an_anomaly_in_backward() -> None:
    torch = pytest.importorskip("torch")
    for lib in (am, torch):
        x = lib.tensor([0.0], requires_grad=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with lib.autograd.detect_anomaly(), pytest.raises(RuntimeError) as caught:
                (x.sqrt() * 0).sum().backward()
        assert re.search(r"Function 'SqrtBackward0?' returned nan", str(caught.value))
