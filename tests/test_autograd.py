"""Derivatives on request: `grad`, higher orders, several outputs, anomaly detection; small cases by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import autograd


def leaf(*values: float) -> am.Tensor:
    return am.tensor(values[0] if len(values) == 1 else list(values), dtype=am.float64, requires_grad=True)


# ---------------------------------------------------------------------------------------------------- grad


def test_grad_returns_and_touches_nothing() -> None:
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = autograd.grad(x * x * y, (x, y))
    assert (gx.item(), gy.item()) == (12.0, 4.0)
    assert x.grad is None and y.grad is None
    assert not gx.requires_grad


def test_grad_of_a_result_in_the_middle() -> None:
    x = leaf(2.0)
    y = x * 3
    z = y * y
    (g,) = autograd.grad(z, y)
    assert g.item() == 12.0


def test_grad_of_a_tensor_by_itself_is_one() -> None:
    x = leaf(2.0)
    y = x * 3
    assert autograd.grad(y, y)[0].item() == 1.0
    assert autograd.grad(x, x)[0].item() == 1.0


def test_several_outputs_are_summed() -> None:
    x = leaf(2.0)
    (g,) = autograd.grad([x * x, 3 * x], x)
    assert g.item() == 7.0


def test_grad_outputs_weigh_them() -> None:
    x = leaf(1.0, 2.0)
    seeds = [am.tensor(np.array([1.0, 10.0])), am.tensor(np.array([100.0, 1000.0]))]
    (g,) = autograd.grad([x * x, 3 * x], [x], seeds)
    np.testing.assert_array_equal(g.numpy(), [2 + 300, 40 + 3000])
    (g,) = autograd.grad([x * x], [x], [seeds[0]])
    np.testing.assert_array_equal(g.numpy(), [2, 40])
    (g,) = autograd.grad(x * x, x, seeds[0])
    np.testing.assert_array_equal(g.numpy(), [2, 40])


def test_the_same_input_twice_gets_its_gradient_twice() -> None:
    x = leaf(1.0, 2.0)
    one, other = autograd.grad((x * x).sum(), [x, x])
    np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert not np.shares_memory(one.numpy(), other.numpy())


def test_unused_input() -> None:
    x, y = leaf(1.0), leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        autograd.grad(x * 2, [x, y])
    gx, gy = autograd.grad(x * 2, [x, y], allow_unused=True)
    assert gx.item() == 2.0 and gy is None
    _, gy = autograd.grad(x * 2, [x, y], materialize_grads=True)
    np.testing.assert_array_equal(gy.numpy(), [0, 0])


def test_grad_frees_the_graph_unless_told() -> None:
    x = leaf(2.0)
    y = x.exp()
    autograd.grad(y, x, retain_graph=True)
    autograd.grad(y, x)
    with pytest.raises(RuntimeError, match="second time"):
        autograd.grad(y, x)


@pytest.mark.parametrize("count", [1, 3])
def test_wrong_number_of_seeds(count: int) -> None:
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match=f"2.* and {count}"):
        autograd.grad([x * 1, x * 2], x, [am.tensor(1.0)] * count)


def test_backward_of_several() -> None:
    x = leaf(1.0, 2.0)
    autograd.backward([x.sum(), x * x], [None, am.tensor(np.array([1.0, 10.0]))])
    np.testing.assert_array_equal(x.grad.numpy(), [3, 41])


def test_seed_is_cast_to_the_dtype_of_the_output() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).backward(am.tensor(np.array([1.0, 2.0])))
    assert x.grad.dtype == am.float32


# ------------------------------------------------------------------------------------------- higher orders


def test_third_derivative_by_hand() -> None:
    """x⁴: 4x³, 12x², 24x, 24."""
    x = leaf(2.0)
    y = x**4
    found = []
    for _ in range(4):
        (y,) = autograd.grad(y, x, create_graph=True)
        found.append(y.item())
    assert found == [32.0, 48.0, 48.0, 24.0]


def test_mixed_derivative_by_hand() -> None:
    """f = x² y³: d²f/dx dy = 6 x y²."""
    x, y = leaf(2.0), leaf(3.0)
    (gx,) = autograd.grad(x**2 * y**3, x, create_graph=True)
    (gxy,) = autograd.grad(gx, y)
    assert gxy.item() == 108.0


@pytest.mark.parametrize(
    ("name", "derivatives"),
    [
        ("exp", [np.exp] * 4),
        ("log", [lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3, lambda x: -6 / x**4]),
        ("sqrt", [lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5, lambda x: 0.375 * x**-2.5]),
        ("tanh", [lambda x: 1 - np.tanh(x) ** 2, lambda x: -2 * np.tanh(x) * (1 - np.tanh(x) ** 2)]),
    ],
)
def test_derivatives_known_in_closed_form(name: str, derivatives: list[Any]) -> None:
    x = leaf(0.7, 1.3)
    y = getattr(am, name)(x)
    for expected in derivatives:
        (y,) = autograd.grad(y.sum(), x, create_graph=True)
        np.testing.assert_allclose(y.detach().numpy(), expected(x.detach().numpy()), rtol=1e-12)


def test_gradient_penalty() -> None:
    """loss = (d(w²x)/dx)² = w⁴: by w, 4 w³."""
    w, x = leaf(3.0), leaf(5.0)
    (gx,) = autograd.grad(w * w * x, x, create_graph=True)
    (gx * gx).backward()
    assert w.grad.item() == 108.0


def test_backward_with_create_graph_accumulates_tensors_with_history() -> None:
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.item() == 12.0 and x.grad.requires_grad
    (second,) = autograd.grad(x.grad, x)
    assert second.item() == 12.0
    x.grad = None


def test_derivative_of_the_seed() -> None:
    """The gradient is linear in what flows in, and differentiable by it: forward mode by two backward passes."""
    x, v = leaf(2.0, 3.0), am.tensor(np.array([1.0, 1.0]), requires_grad=True)
    (g,) = autograd.grad(x * x, x, v, create_graph=True)
    (jvp,) = autograd.grad(g, v, am.tensor(np.array([1.0, 10.0])))
    np.testing.assert_array_equal(jvp.numpy(), [4, 60])


def test_mode_of_the_caller_decides_nothing_in_backward() -> None:
    x = leaf(2.0)
    y = x * x
    with am.no_grad():
        (g,) = autograd.grad(y, x, create_graph=True)
    assert g.item() == 4.0 and g.requires_grad
    assert am.is_grad_enabled()


# --------------------------------------------------------------------------------------------------- anomaly


def test_anomaly_in_forward_names_operation_input_and_line() -> None:
    x = leaf(1.0, 0.0)
    with np.errstate(all="ignore"), autograd.detect_anomaly(), pytest.raises(RuntimeError) as caught:
        am.log(x - x)  # this line
    message = str(caught.value)
    assert "log returned -inf at index (0,)" in message and "this line" in message and "test_autograd.py" in message


def test_anomaly_in_backward_names_rule_and_line() -> None:
    x = leaf(4.0, 0.0)
    with np.errstate(all="ignore"), autograd.detect_anomaly():
        y = am.sqrt(x)  # the root
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
    message = str(caught.value)
    assert "SqrtBackward" in message and "inf at index (1,)" in message and "the root" in message


def test_anomaly_names_the_right_input() -> None:
    x, y = leaf(1.0), leaf(0.0)
    with np.errstate(all="ignore"), autograd.detect_anomaly():
        z = x * y.detach() * 1.0
        with pytest.raises(RuntimeError, match="div returned inf"):
            x / y
        z.backward()
    assert x.grad.item() == 0.0


def test_no_anomaly_no_error() -> None:
    x = leaf(1.0)
    with autograd.detect_anomaly():
        (x * 2).exp().backward()
    assert x.grad.item() == pytest.approx(2 * np.exp(2))


def test_anomaly_detection_ends_with_its_block_and_can_be_off() -> None:
    x = leaf(0.0)
    with np.errstate(all="ignore"):
        with autograd.detect_anomaly():
            pass
        assert am.log(x).item() == -np.inf
        with autograd.detect_anomaly(False):
            assert am.log(x).item() == -np.inf


def test_the_same_output_twice_counts_twice() -> None:
    x = leaf(2.0)
    y = x * x
    (g,) = autograd.grad([y, y], x)
    assert g.item() == 8.0
    z = x * x
    autograd.backward([z, z, x])
    assert x.grad.item() == 9.0


def test_recorded_gradients_accumulate_with_their_histories() -> None:
    """x³ twice: 6 x², of which the derivative is 12 x; then a plain backward on top."""
    x = leaf(2.0)
    for _ in range(2):
        (x**3).backward(create_graph=True)
    assert x.grad.item() == 24.0
    assert autograd.grad(x.grad, x, retain_graph=True)[0].item() == 24.0
    (x * 5).backward()
    assert x.grad.item() == 29.0
    x.grad = None
