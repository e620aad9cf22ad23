"""Pooling over all its options against PyTorch: ties, NaN, padding, edges that windows reach over, and its errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from rules.against_torch import compare

import autograd_mini as am


def normal(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape)


def tied(*shape: int) -> Any:
    """Three different values: every window has ties."""
    return np.random.default_rng(0).integers(0, 3, shape) * 1.0


def functional() -> Any:
    return pytest.importorskip("torch").nn.functional


GEOMETRIES = list(itertools.product((2, 3, (3, 2)), (None, 1, (2, 3)), (0, 1), (False, True)))


@pytest.mark.parametrize(("kernel_size", "stride", "padding", "ceil_mode"), GEOMETRIES, ids=str)
def test_max_pool2d(kernel_size: Any, stride: Any, padding: int, ceil_mode: bool) -> None:
    """Also where elements are equal: values, indices, and where the gradient goes."""
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    for x, dilation in ((normal(2, 2, 8, 9), 1), (tied(2, 2, 8, 9), 1), (tied(2, 8, 9), (2, 1))):
        compare(am.max_pool2d, functional().max_pool2d, x, dilation=dilation, return_indices=True, **options)


@pytest.mark.parametrize(("kernel_size", "stride", "padding", "ceil_mode"), GEOMETRIES, ids=str)
def test_avg_pool2d(kernel_size: Any, stride: Any, padding: int, ceil_mode: bool) -> None:
    options = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    for include, divisor in ((True, None), (False, None), (True, 5)):
        given = {"count_include_pad": include, "divisor_override": divisor, **options}
        compare(am.avg_pool2d, functional().avg_pool2d, normal(2, 2, 8, 9), **given)


@pytest.mark.parametrize(("stride", "padding", "ceil_mode"), list(itertools.product((None, 2), (0, 1), (False, True))))
def test_one_dimension(stride: int | None, padding: int, ceil_mode: bool) -> None:
    options = {"kernel_size": 3, "stride": stride, "padding": padding, "ceil_mode": ceil_mode}
    for x in (tied(2, 2, 8), tied(2, 7)):
        compare(am.max_pool1d, functional().max_pool1d, x, return_indices=True, **options)
        compare(am.avg_pool1d, functional().avg_pool1d, x, **options)


@pytest.mark.parametrize("output_size", [1, 2, 3, 7, (4, None), (2, 5), 10], ids=str)
def test_adaptive_2d(output_size: Any) -> None:
    compare(am.adaptive_avg_pool2d, functional().adaptive_avg_pool2d, normal(2, 2, 6, 7), output_size=output_size)
    options = {"output_size": output_size, "return_indices": True}
    compare(am.adaptive_max_pool2d, functional().adaptive_max_pool2d, tied(2, 2, 6, 7), **options)


@pytest.mark.parametrize("output_size", [1, 2, 5])
def test_adaptive_1d(output_size: int) -> None:
    compare(am.adaptive_avg_pool1d, functional().adaptive_avg_pool1d, normal(2, 6), output_size=output_size)
    options = {"output_size": output_size, "return_indices": True}
    compare(am.adaptive_max_pool1d, functional().adaptive_max_pool1d, tied(2, 2, 6), **options)


def test_the_first_of_equal_elements_gets_the_gradient() -> None:
    x = am.zeros(1, 4, 4, requires_grad=True)
    am.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(np.argwhere(x.grad.numpy()[0]), [[0, 0], [0, 2], [2, 0], [2, 2]])  # type: ignore[union-attr]


def test_nan_is_the_largest() -> None:
    """NaN wins its window and takes the gradient, the last of several as in PyTorch; other windows are unharmed."""
    data = np.arange(16.0).reshape(1, 4, 4)
    data[0, 0, 0] = data[0, 0, 1] = np.nan
    x = am.tensor(data, requires_grad=True)
    values, indices = am.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_array_equal(values.detach().numpy(), [[[np.nan, 7], [13, 15]]])
    np.testing.assert_array_equal(indices.numpy(), [[[1, 7], [13, 15]]])
    values.sum().backward()
    np.testing.assert_array_equal(np.flatnonzero(x.grad.numpy()), [1, 7, 13, 15])  # type: ignore[union-attr]


def test_infinities_stay_in_their_windows() -> None:
    data = np.array([[np.inf, 1.0, 2.0, 3.0, 4.0]])
    for pooled in (am.avg_pool1d(am.tensor(data), 2), am.adaptive_avg_pool1d(am.tensor(data), 2)):
        assert np.isinf(pooled.numpy()[0, 0]) and np.isfinite(pooled.numpy()[0, 1])
    np.testing.assert_array_equal(am.max_pool1d(am.tensor(-data), 2), [[-1, -2]])
    np.testing.assert_array_equal(am.max_pool1d(am.full((1, 2), -np.inf), 2), [[-np.inf]])


def test_half_precision_sums_in_single() -> None:
    out = am.avg_pool1d(am.full((1, 8192), 0.1, dtype=am.float16), 8192)
    np.testing.assert_allclose(out, [[0.1]], rtol=1e-3)


def test_integers_have_maxima() -> None:
    np.testing.assert_array_equal(am.max_pool1d(am.tensor([[3, -1, -5, -2]]), 2), [[3, -2]])


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 4), {"kernel_size": 2}, "3D .* or 4D"),
        ((1, 4, 4), {"kernel_size": 5}, "no window"),
        ((1, 4, 4), {"kernel_size": 2, "padding": 2}, "at most half of kernel size"),
        ((1, 4, 4), {"kernel_size": (2, 2, 2)}, "one number or 2"),
        ((1, 4, 4), {"kernel_size": 2, "stride": 0}, "stride must be at least 1"),
    ],
)
def test_errors(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    for pool in (am.max_pool2d, am.avg_pool2d):
        with pytest.raises(RuntimeError, match=message):
            pool(am.zeros(shape), **options)


def test_other_errors() -> None:
    with pytest.raises(RuntimeError, match="divisor must be not zero"):
        am.avg_pool2d(am.zeros(1, 4, 4), 2, divisor_override=0)
    with pytest.raises(RuntimeError, match="as many sizes"):
        am.adaptive_avg_pool2d(am.zeros(1, 4, 4), (1, 2, 3))


@pytest.mark.parametrize("kernel_size", [2, 3])  # windows apart, and ones that overlap
def test_gradients_of_max_pooling_lie_in_memory_as_the_input_does(kernel_size: int) -> None:
    """What Flatten sends back has another order than what a convolution made; relu below would meet both."""
    x = am.tensor(normal(3, 8, 8, 2)).permute(3, 0, 1, 2).requires_grad_()
    out = am.max_pool2d(x, kernel_size, stride=2)
    seen: list[Any] = []
    x.register_hook(seen.append)
    out.backward(am.tensor(normal(*out.shape)))
    same = x.detach().contiguous().requires_grad_()
    am.max_pool2d(same, kernel_size, stride=2).backward(am.tensor(normal(*out.shape)))
    np.testing.assert_array_equal(seen[0].numpy(), same.grad.numpy())
    assert seen[0].numpy().strides == x.detach().numpy().strides
