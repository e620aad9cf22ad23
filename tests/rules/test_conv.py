"""Convolutions over all their options against PyTorch, as adjoints of each other, their memory, and their errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rules.against_torch import compare

import autograd_mini as am
from autograd_mini.rules import conv


def normal(*shape: int, seed: int = 0, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def functional() -> Any:
    return pytest.importorskip("torch").nn.functional


GRID_2D = [
    {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    for stride, padding, dilation, groups in itertools.product((1, (2, 1)), (0, (1, 2), "same"), (1, (2, 1)), (1, 2, 4))
    if padding != "same" or stride == 1
]


@pytest.mark.parametrize("options", GRID_2D, ids=str)
def test_conv2d(options: dict[str, Any]) -> None:
    """Kernels with an even and an odd side; one image, and enough for a matrix per row."""
    for n, kernel in ((1, (3, 2)), (9, (2, 3)), (2, (1, 1))):
        weight = normal(8, 4 // options["groups"], *kernel, seed=1)
        compare(am.conv2d, functional().conv2d, normal(n, 4, 6, 7), weight, normal(8, seed=2), **options)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [*itertools.product((1, 2, 3), (0, 2, "valid"), (1, 2)), (1, "same", 1), (1, "same", 2)],
)
def test_conv1d(stride: int, padding: Any, dilation: int) -> None:
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    for groups, size in ((1, 8), (2, 9)):
        x, weight = normal(2, 4, size), normal(6, 4 // groups, 3, seed=1)
        compare(am.conv1d, functional().conv1d, x, weight, normal(6, seed=2), groups=groups, **options)
        compare(am.conv1d, functional().conv1d, x[0], weight, groups=groups, **options)


GRID_TRANSPOSED = [
    {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, "output_padding": more}
    for stride, padding, dilation, groups, more in itertools.product(
        (1, (3, 2)), (0, (0, 1)), (1, 2), (1, 2, 4), (0, (1, 0))
    )
    if more == 0 or stride != 1 or dilation != 1
]


@pytest.mark.parametrize("options", GRID_TRANSPOSED, ids=str)
def test_conv_transpose2d(options: dict[str, Any]) -> None:
    x, weight, bias = normal(2, 4, 3, 4), normal(4, 2, 3, 2, seed=1), normal(2 * options["groups"], seed=2)
    compare(am.conv_transpose2d, functional().conv_transpose2d, x, weight, bias, **options)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "output_padding": 1, "padding": 1}, {"dilation": 2, "groups": 2}]
)
def test_conv_transpose1d(options: dict[str, Any]) -> None:
    weight = normal(4, 3, 3, seed=1)
    compare(am.conv_transpose1d, functional().conv_transpose1d, normal(2, 4, 5), weight, **options)
    compare(am.conv_transpose1d, functional().conv_transpose1d, normal(4, 5), weight, **options)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("dilation", [1, 2])
def test_unfold_and_fold(stride: int, padding: int, dilation: int) -> None:
    options = {"kernel_size": (2, 3), "stride": stride, "padding": padding, "dilation": dilation}
    x = normal(2, 3, 6, 7)
    compare(conv.unfold, functional().unfold, x, **options)
    blocks = conv.unfold(am.tensor(x), **options).numpy()
    compare(conv.fold, functional().fold, normal(*blocks.shape), output_size=(6, 7), **options)
    compare(conv.fold, functional().fold, normal(*blocks.shape[1:]), output_size=(6, 7), **options)


@st.composite
def windows(draw: Any) -> tuple[conv.Window, int]:
    """Any window, and a size: also such that taps, or whole windows, read nothing."""
    number = st.integers(1, 4)
    made = conv.Window(draw(number), draw(number), draw(number), draw(st.integers(0, 4)), draw(number))
    return made, draw(st.integers(1, 6))


@given(windows(), windows(), st.sampled_from([1, 2, 3]), st.sampled_from([1, 40]))
def test_trilinear(rows: Any, columns: Any, groups: int, n: int) -> None:
    """<conv(x, w), y> = <x, conv_transpose(y, w)> = <w, conv_weight(x, y)>, whatever the windows."""
    pair = (rows[0], columns[0])
    x = normal(n, 2 * groups, rows[1], columns[1])
    w, y = normal(groups, 2, *(v.kernel for v in pair), seed=1), normal(n, groups, *(v.number for v in pair), seed=2)
    forward, by_x, by_w = (
        f.primitive.forward
        for f in (conv.convolution, conv.conv_transpose, conv.conv_weight)  # type: ignore[attr-defined]
    )
    form = (forward(x, w, windows=pair) * y).sum()
    np.testing.assert_allclose((by_x(y, w, windows=pair, shape=x.shape) * x).sum(), form, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((by_w(x, y, windows=pair, shape=w.shape) * w).sum(), form, rtol=1e-9, atol=1e-9)


def test_large_blocks_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """conv_transpose works in blocks of rows; their size changes nothing."""
    y, weight = am.tensor(normal(2, 3, 7, 4)), am.tensor(normal(3, 2, 3, 2, seed=1))
    whole = am.conv_transpose2d(y, weight, stride=(2, 1), dilation=2)
    monkeypatch.setattr(conv, "_BLOCK", 1)
    np.testing.assert_allclose(am.conv_transpose2d(y, weight, stride=(2, 1), dilation=2), whole, rtol=1e-12)


def test_results_can_be_viewed_as_rows() -> None:
    """The batch lies last in memory, so that what many programs do next is no copy."""
    x, weight = am.tensor(normal(3, 2, 5, 5)), am.tensor(normal(4, 2, 3, 3, seed=1))
    for out in (am.conv2d(x, weight), am.max_pool2d(am.conv2d(x, weight), 2), am.conv_transpose2d(x, weight.mT[:2])):
        assert out.view(3, -1).shape == (3, out.numel() // 3)
        np.testing.assert_array_equal(out.view(3, -1).numpy(), out.numpy().reshape(3, -1))


def test_an_empty_batch() -> None:
    """Nothing comes out, and the weights get a gradient of 0, as in PyTorch."""
    x, weight = am.zeros(0, 4, 5, 5, requires_grad=True), am.ones(4, 2, 3, 3, requires_grad=True)
    out = am.conv2d(x, weight, groups=2)
    assert out.shape == (0, 4, 3, 3) and am.conv_transpose2d(x, weight, groups=2).shape == (0, 4, 7, 7)
    out.sum().backward()
    assert x.grad.shape == (0, 4, 5, 5) and not weight.grad.any()  # type: ignore[union-attr]
    assert conv.unfold(x, 2).shape == (0, 16, 16) and conv.fold(conv.unfold(x, 2), (5, 5), 2).shape == x.shape
    for pool in (am.max_pool2d, am.avg_pool2d, am.adaptive_avg_pool2d, am.adaptive_max_pool2d):
        assert pool(x, 2).shape == (0, 4, 2, 2)


def test_half_precision_sums_in_single() -> None:
    """8192 times 0.1 would come to a halt at 256 in half precision."""
    x, weight = am.full((1, 1, 8192, 1), 0.1, dtype=am.float16), am.ones(1, 1, 1, 1, dtype=am.float16)
    out = am.conv2d(x, weight.requires_grad_())
    out.sum().backward()
    assert out.dtype == weight.grad.dtype == np.float16  # type: ignore[union-attr]
    np.testing.assert_allclose(weight.grad, [[[[8192 * float(np.float16(0.1))]]]], rtol=1e-3)


@pytest.mark.parametrize(
    ("shapes", "options", "message"),
    [
        (((1, 3, 5, 5), (2, 4, 3, 3)), {}, "4 channels, but got 3 channels"),
        (((1, 4, 5, 5), (2, 4, 3, 3)), {"groups": 2}, "8 channels"),
        (((1, 4, 5, 5), (3, 2, 3, 3)), {"groups": 2}, "divisible by groups=2"),
        (((5, 5), (2, 4, 3, 3)), {}, "Expected 3D .* or 4D"),
        (((1, 4, 5, 5), (2, 4, 3)), {}, "4 dimensions"),
        (((1, 1, 2, 2), (1, 1, 3, 3)), {}, "Kernel size can't be greater"),
        (((1, 1, 5, 5), (1, 1, 3, 3)), {"stride": 0}, "stride must be at least 1"),
        (((1, 1, 5, 5), (1, 1, 3, 3)), {"padding": -1}, "padding must be at least 0"),
        (((1, 1, 5, 5), (1, 1, 3, 3)), {"padding": "full"}, "Invalid padding string"),
        (((1, 1, 5, 5), (1, 1, 3, 3)), {"padding": "same", "stride": 2}, "not supported for strided"),
        (((1, 1, 5, 5), (1, 1, 3, 3)), {"stride": (1, 1, 1)}, "one number or 2"),
        (((1, 1, 5, 5), (2, 1, 3, 3), (3,)), {}, "bias of size"),
    ],
)
def test_errors(shapes: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        am.conv2d(*(am.zeros(shape) for shape in shapes), **options)


def test_errors_of_transposed() -> None:
    x, weight = am.zeros(1, 2, 3, 3), am.zeros(2, 1, 2, 2)
    for options, message in (
        ({"output_padding": 1}, "smaller than either stride or dilation"),
        ({"padding": 3}, "too small"),
        ({"groups": 3}, "divisible by groups=3"),
    ):
        with pytest.raises(RuntimeError, match=message):
            am.conv_transpose2d(x, weight, **options)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="to have 3 channels"):
        am.conv_transpose2d(x, am.zeros(3, 1, 2, 2))
    with pytest.raises(RuntimeError, match="unfold: Kernel size can't be greater"):
        conv.unfold(x, 4)
    with pytest.raises(RuntimeError, match="4 numbers per channel"):
        conv.fold(am.zeros(1, 8, 5), (3, 3), 2)
