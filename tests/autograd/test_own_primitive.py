"""An operation of one's own in one entry: method, function, NumPy protocol, picture, every derivative, proved."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from own_tables import own_tables

import autograd_mini as am
from autograd_mini import func
from autograd_mini.testing import Sample, battery


@pytest.fixture
def clean_tables() -> Iterator[None]:
    with own_tables():
        yield


@pytest.mark.usefixtures("clean_tables")
def test_one_entry_makes_everything() -> None:
    """sinc, which is NumPy's and which this package does not have."""

    def sinc_backward(g, x, out):  # type: ignore[no-untyped-def]
        zero = x == 0
        safe = np.where(zero, 1.0, x)
        return g * np.where(zero, 0.0, (np.cos(np.pi * safe) - out) / safe)

    sinc = am.primitive(np.sinc, name="sinc_of_mine", numpy=np.sinc, x=sinc_backward)

    x = am.tensor(np.array([-1.25, 0.5, 2.0]), requires_grad=True)
    for y in (sinc(x), am.sinc_of_mine(x), x.sinc_of_mine(), np.sinc(x)):
        assert y.grad_fn.name == "SincOfMineBackward"
        np.testing.assert_array_equal(y.detach().numpy(), np.sinc(x.detach().numpy()))
    battery(sinc, [np.array([-1.25, 0.5, 2.0]), np.array(0.3), np.array([[0.7]])], reference=np.sinc)
    assert "sinc_of_mine" in am.draw.draw_graph(sinc(x), names={"x": x}).text()
    third = func.grad(func.grad(func.grad(lambda x: sinc(x))))(am.tensor(np.array(0.5)))
    h = 1e-3
    differences = np.sinc(0.5 + np.arange(-2, 3) * h) @ [-0.5, 1, 0, -1, 0.5] / h**3
    assert abs(third.item() - differences) < 1e-3


@pytest.mark.usefixtures("clean_tables")
def test_options_several_inputs_and_broadcasting() -> None:
    @am.primitive(x=lambda g, y, scale: g * y * scale, y=lambda g, x, scale: g * x * scale)
    def scaled_mul(x, y, *, scale=2.0):  # type: ignore[no-untyped-def]
        """x * y * scale."""
        return x * y * scale

    a, b = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[0.3, 1.5], [-2.0, 0.7]])
    samples = [Sample(a, b), Sample(a, b, scale=-0.5)]
    battery(scaled_mul, samples, reference=lambda x, y, scale=2.0: x * y * scale, broadcasts=True)
    assert am.tensor(a).scaled_mul(2.0, scale=3.0).tolist() == (a * 6).tolist()


@pytest.mark.usefixtures("clean_tables")
def test_a_wrong_rule_is_found() -> None:
    wrong = am.primitive(np.cbrt, name="cbrt_of_mine", x=lambda g, out: g / (2.0 * out * out))
    with pytest.raises(Exception, match=r"analytic .* numeric") as caught:
        battery(wrong, [np.array([0.5, 2.0])])
    assert "cbrt_of_mine" in str(caught.value)
    with pytest.raises(TypeError, match="'y' in its rules"):
        am.primitive(np.cbrt, name="unknown", x=lambda g, y: g)
