"""Sliding windows and convolutions.

A convolution is linear in its input x and in its weight w, so with a cotangent y of its output it is one trilinear form

    T(x, w, y) = sum over windows o and taps k of  y[o] w[k] x[o * stride + k * dilation - padding]

and its three derivatives, each by one of the arguments, are three primitives that are each other's rules:
`convolution` (x, w), `conv_transpose` (y, w) and `conv_weight` (x, y). All orders follow.

Their results lie in memory as (C, H, W, N), whatever the shape says: windows that are neighbours then read runs of
W * N contiguous numbers, which NumPy moves at the speed of memory, and a BLAS call works on a whole row of all images.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..engine import Array, TensorCore
from ..primitive import ShapeError, call, composition, primitive
from .shape import permute, reshape

# ------------------------------------------------------------------------------------------------- windows


class Window(NamedTuple):
    """How a kernel slides along one axis: window `o` reads x[o * stride + k * dilation - padding] with its tap `k`."""

    kernel: int
    stride: int
    dilation: int
    padding: int  # before the first element; what is needed behind the last one follows from `number`
    number: int  # of windows

    def taps(self, size: int) -> list[tuple[slice, slice]]:
        """For each tap the part of an axis of this size that it reads, and the windows that read it: never padding."""
        pairs = []
        for k in range(self.kernel):
            shift = k * self.dilation - self.padding
            first = max(0, -(shift // self.stride))
            stop = max(first, min(self.number, (size - 1 - shift) // self.stride + 1))
            start = first * self.stride + shift
            pairs.append((slice(start, start + (stop - first) * self.stride, self.stride), slice(first, stop)))
        return pairs


Windows = tuple[Window, ...]  # one for each of the last axes


def taps(windows: Windows, sizes: Sequence[int]) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """For each tap of the whole kernel, in row-major order: the index of what it reads, and of its windows."""
    axes = (window.taps(size) for window, size in zip(windows, sizes[-len(windows) :], strict=True))
    for tap in itertools.product(*axes):
        read, windows_of_tap = zip(*tap, strict=True)
        yield (..., *read), (..., *windows_of_tap)


def over(windows: Windows, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one value per window of an array of this shape."""
    return (*shape[: -len(windows)], *(w.number for w in windows))


def laid_out_like(x: Array, count: int, shape: Sequence[int], dtype: Any) -> Array:
    """Zeros (count, *shape), each of them in the memory order of x, which has as many axes as `shape`."""
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    zeros = np.zeros_like(x, dtype, shape=(count, *(shape[axis] for axis in order)))
    return zeros.transpose(0, *(order.index(axis) + 1 for axis in range(x.ndim)))


def in_order_of(like: Array, x: Array) -> Array:
    """x in the memory order of another array of its shape: to work on mixed orders takes several times the copy."""
    if isinstance(x, TensorCore) or x.strides == like.strides:
        return x
    copy = np.empty_like(like, x.dtype)
    copy[...] = x
    return copy


def _overlap_add(x: Array, windows: Windows, shape: tuple[int, ...]) -> Array:
    return call(overlap_add, x, windows=windows, shape=shape)


@primitive(public=False, x=lambda g, x_shape, windows: _overlap_add(g, windows, x_shape))
def windows_of(x: Array, *, windows: Windows) -> Array:
    """What each tap reads: (taps, …, windows) of x (…, sizes); 0 in the padding. Known as im2col."""
    out = laid_out_like(x, math.prod(w.kernel for w in windows), over(windows, x.shape), x.dtype)
    for tap, (read, at) in enumerate(taps(windows, x.shape)):
        out[(tap, *at)] = x[read]
    return out


@primitive(public=False, x=lambda g, windows: call(windows_of, g, windows=windows))
def overlap_add(x: Array, *, windows: Windows, shape: tuple[int, ...]) -> Array:
    """The adjoint of `windows_of`: what the taps hold is added where they have read it. Known as col2im."""
    out = np.zeros_like(x[0], shape=shape)
    apart = all(w.stride > (w.kernel - 1) * w.dilation for w in windows)  # no element is read twice
    for tap, (read, at) in zip(x, taps(windows, shape), strict=True):
        if apart:
            out[read] = tap[at]
        else:
            out[read] += tap[at]
    return out


# -------------------------------------------------------------------------------------------- the trilinear form


def halves_as_singles(forward: Callable[..., Array]) -> Callable[..., Array]:
    """Compute float16 in float32: BLAS knows no halves, and long sums need more digits."""

    @functools.wraps(forward)
    def wide(*inputs: Array, **options: Any) -> Array:
        if getattr(inputs[0], "dtype", None) != np.float16:
            return forward(*inputs, **options)
        singles = (x.astype(np.float32) if getattr(x, "dtype", None) == np.float16 else x for x in inputs)
        return forward(*singles, **options).astype(np.float16)

    return wide


def _batch_last(x: Array) -> Array:
    """(N, C, H, W) as contiguous (C, H, W, N): no copy of what a convolution made."""
    x = x.transpose(1, 2, 3, 0)
    return x if x.flags.c_contiguous else x.copy()


def _rows(x: Array, windows: Windows, groups: int) -> Array:
    """What the windows read, as matrices to multiply with: (groups, rows, kh * C/groups * kw, columns).

    A row is a row of windows, of all images. Only the width is unfolded by copying, kw-fold; down the height the
    matrices overlap in memory, so that the copy is kh times smaller than im2col's. (With dilated rows `reshape` must
    copy after all; and fewer than 32 columns are taken in one matrix: 1.5 times faster than many slim ones.)
    """
    high, wide = windows
    x = _batch_last(x)
    c, h, w, n = x.shape
    span = (high.number - 1) * high.stride + (high.kernel - 1) * high.dilation + 1
    unfolded = np.zeros_like(x, shape=(groups, span, c // groups, wide.kernel, wide.number, n))
    channels = x.reshape(groups, c // groups, h, w, n).swapaxes(1, 2)
    ((rows, at_rows),) = Window(1, 1, 1, high.padding, span).taps(h)
    for tap, (columns, at_columns) in enumerate(wide.taps(w)):
        unfolded[:, at_rows, :, tap, at_columns] = channels[:, rows, :, columns]
    view = sliding_window_view(unfolded, (high.kernel - 1) * high.dilation + 1, axis=1)
    view = view[:, :: high.stride, ..., :: high.dilation]  # (groups, Ho, C/groups, kw, Wo, N, kh)
    depth = high.kernel * c // groups * wide.kernel
    if wide.number * n < 32:
        return view.transpose(0, 6, 2, 3, 1, 4, 5).reshape(groups, 1, depth, high.number * wide.number * n)
    return view.transpose(0, 1, 6, 2, 3, 4, 5).reshape(groups, high.number, depth, wide.number * n)


def _by_x(y: Array, weight: Array, windows: Windows, shape: tuple[int, ...]) -> Array:
    return call(conv_transpose, y, weight, windows=windows, shape=shape)


def _by_weight(x: Array, y: Array, windows: Windows, shape: tuple[int, ...]) -> Array:
    return call(conv_weight, x, y, windows=windows, shape=shape)


@primitive(
    public=False,
    x=lambda g, weight, x_shape, windows: _by_x(g, weight, windows, x_shape),
    weight=lambda g, x, weight_shape, windows: _by_weight(x, g, windows, weight_shape),
)
@halves_as_singles
def convolution(x: Array, weight: Array, *, windows: Windows) -> Array:
    """The derivative of T by y: x (N, C, H, W) and weight (O, C/groups, kh, kw) to (N, O, Ho, Wo)."""
    (o, c, kh, kw), n = weight.shape, x.shape[0]
    groups = x.shape[1] // c
    rows = _rows(x, windows, groups)
    matrices = weight.reshape(groups, o // groups, c, kh, kw).swapaxes(2, 3).reshape(groups, 1, o // groups, -1)
    dtype = np.result_type(x.dtype, weight.dtype)
    out = np.empty_like(x, dtype, shape=(groups, o // groups, rows.shape[1], rows.shape[3]))
    np.matmul(matrices, rows, out=out.swapaxes(1, 2))
    return out.reshape(o, windows[0].number, windows[1].number, n).transpose(3, 0, 1, 2)


@primitive(
    public=False,
    x=lambda g, y, x_shape, windows: _by_x(y, g, windows, x_shape),
    y=lambda g, x, windows: call(convolution, x, g, windows=windows),
)
@halves_as_singles
def conv_weight(x: Array, y: Array, *, windows: Windows, shape: tuple[int, ...]) -> Array:
    """The derivative of T by w: x (N, C, H, W) and y (N, O, Ho, Wo) to `shape`, (O, C/groups, kh, kw)."""
    o, c, kh, kw = shape
    groups = x.shape[1] // c
    rows = _rows(x, windows, groups)
    y = _batch_last(y).reshape(groups, o // groups, rows.shape[1], rows.shape[3])
    total = np.zeros_like(x, np.result_type(x.dtype, y.dtype), shape=(groups, rows.shape[2], o // groups))
    for row in range(rows.shape[1]):  # BLAS likes the larger matrix on the left: up to 1.8 times faster
        total += rows[:, row] @ y[:, :, row].swapaxes(1, 2)
    return total.swapaxes(1, 2).reshape(groups, o // groups, kh, c, kw).swapaxes(2, 3).reshape(shape)


_BLOCK = 2**20  # numbers that `conv_transpose` makes at once: a bound on its memory, and they fit into a cache


@primitive(
    public=False,
    y=lambda g, weight, windows: call(convolution, g, weight, windows=windows),
    weight=lambda g, y, weight_shape, windows: _by_weight(g, y, windows, weight_shape),
)
@halves_as_singles
def conv_transpose(y: Array, weight: Array, *, windows: Windows, shape: tuple[int, ...]) -> Array:
    """The derivative of T by x: y (N, O, Ho, Wo) and weight (O, C/groups, kh, kw) to `shape`, (N, C, H, W).

    Each window gets weight^T y, and these are added where they overlap; a block of rows at a time.
    """
    (o, c, kh, kw), (n, channels, h, w) = weight.shape, shape
    high, wide = windows
    groups, columns = channels // c, wide.taps(w)
    matrices = weight.reshape(groups, o // groups, c * kh * kw).swapaxes(1, 2)
    y = _batch_last(y).reshape(groups, o // groups, high.number, wide.number * n)
    out = np.zeros_like(y, np.result_type(y.dtype, weight.dtype), shape=(channels, h, w, n))
    step = max(1, _BLOCK // (channels * kh * kw * wide.number * n or 1))
    for start in range(0, high.number, step):
        block = y[:, :, start : start + step]
        rows = high._replace(padding=high.padding - start * high.stride, number=block.shape[2]).taps(h)
        parts = matrices @ block.reshape(*block.shape[:2], block.shape[2] * block.shape[3])
        parts = parts.reshape(channels, kh, kw, block.shape[2], wide.number, n)
        for i, (read_rows, at_rows) in enumerate(rows):
            for j, (read_columns, at_columns) in enumerate(columns):
                out[:, read_rows, read_columns] += parts[:, i, j, at_rows, at_columns]
    return out.transpose(3, 0, 1, 2)


# ------------------------------------------------------------------------------------------- PyTorch's functions


def per_axis(value: Any, axes: int, name: str, least: int = 1) -> tuple[int, ...]:
    """An option as one number for each axis. Raises RuntimeError for a wrong count or a number below `least`,
    TypeError for what is no integer.
    """
    try:
        numbers = tuple(operator.index(n) for n in (value if isinstance(value, (tuple, list)) else (value,)))
    except TypeError:
        raise TypeError(f"{name} must be an integer, or {axes}, but got {value!r:.60}") from None
    if len(numbers) == 1:
        numbers *= axes
    if len(numbers) != axes:
        raise RuntimeError(f"{name} must be one number or {axes}, but got {value!r}")
    if min(numbers) < least:
        raise RuntimeError(f"{name} must be at least {least}, but got {value!r}")
    return numbers


def _paddings(padding: Any, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]) -> Any:
    """(before, after) for each axis."""
    if padding == "same":
        if set(stride) != {1}:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str) and padding != "valid":
        raise RuntimeError(f"Invalid padding string: {padding!r} should be one of 'valid', 'same'")
    return [(p, p) for p in per_axis(0 if padding == "valid" else padding, len(kernel), "padding", 0)]


def _windows(
    name: str, sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int], padding: Any
) -> Windows:
    """One window per axis, as many times as it fits; padding: (before, after) for each."""
    windows = []
    for size, k, s, d, (before, after) in zip(sizes, kernel, stride, dilation, padding, strict=True):
        room = size + before + after - d * (k - 1) - 1
        if room < 0:
            raise ShapeError(
                f"{name}: Kernel size can't be greater than actual input size: a kernel of {list(kernel)}, dilation"
                f" {list(dilation)}, does not fit into {list(sizes)} with padding {padding}"
            )
        windows.append(Window(k, s, d, before, room // s + 1))
    return tuple(windows)


def _check(name: str, axes: int, input: Array, weight: Array, bias: Array, channels: int, outputs: int) -> None:
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to {name}, but got input of size:"
            f" {list(input.shape)}"
        )
    if weight.ndim != axes + 2:
        raise ShapeError(f"{name} expects a weight of {axes + 2} dimensions, but got size {list(weight.shape)}")
    if input.shape[-axes - 1] != channels:
        raise ShapeError(
            f"{name}: for a weight of size {list(weight.shape)} expected input{list(input.shape)} to have {channels}"
            f" channels, but got {input.shape[-axes - 1]} channels instead"
        )
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(f"{name}: expected bias of size {[outputs]}, one per output channel, not {list(bias.shape)}")


def _in_2d(x: Array, axes: int, unbatched: bool) -> Array:
    """(N, C, L) as (N, C, 1, L), and a lonely (C, …) as (1, C, …)."""
    x = reshape(x, (1, *x.shape)) if unbatched else x
    return reshape(x, (*x.shape[:2], 1, *x.shape[2:])) if axes == 1 else x


def _from_2d(x: Array, axes: int, unbatched: bool, bias: Array) -> Array:
    if bias is not None:
        x = x + reshape(bias, (-1, 1, 1))
    x = reshape(x, (*x.shape[:2], x.shape[3])) if axes == 1 else x
    return reshape(x, x.shape[1:]) if unbatched else x


_FLAT = Window(kernel=1, stride=1, dilation=1, padding=0, number=1)  # the height of what is one-dimensional


def _conv(
    axes: int, input: Array, weight: Array, bias: Array, stride: Any, padding: Any, dilation: Any, groups: int
) -> Array:
    name = f"conv{axes}d"
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"{name}: the {weight.shape[0]} output channels must be divisible by groups={groups}")
    _check(name, axes, input, weight, bias, weight.shape[1] * groups, weight.shape[0])
    kernel, sizes = weight.shape[2:], input.shape[-axes:]
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    windows = _windows(name, sizes, kernel, stride, dilation, _paddings(padding, kernel, stride, dilation))
    unbatched = input.ndim == axes + 1
    out = convolution(
        _in_2d(input, axes, unbatched), _in_2d(weight, axes, False), windows=(*[_FLAT][axes - 1 :], *windows)
    )
    return _from_2d(out, axes, unbatched, bias)


def _conv_transpose(
    axes: int, input: Array, weight: Array, bias: Array, stride: Any, padding: Any, output_padding: Any, groups: int,
    dilation: Any
) -> Array:
    name = f"conv_transpose{axes}d"
    if groups < 1 or weight.shape[0] % groups:
        raise RuntimeError(f"{name}: the {weight.shape[0]} input channels must be divisible by groups={groups}")
    channels = weight.shape[1] * groups
    _check(name, axes, input, weight, bias, weight.shape[0], channels)
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    padding = per_axis(padding, axes, "padding", 0)
    output_padding = per_axis(output_padding, axes, "output_padding", 0)
    windows, sizes = [], []
    for count, k, s, p, more, d in zip(
        input.shape[-axes:], weight.shape[2:], stride, padding, output_padding, dilation, strict=True
    ):
        if more >= max(s, d):
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {more}")
        windows.append(Window(k, s, d, p, count))
        sizes.append((count - 1) * s - 2 * p + d * (k - 1) + more + 1)
    if min(sizes) < 1:
        raise ShapeError(f"{name}: the calculated output size {sizes} is too small: less padding, or a larger input")
    unbatched = input.ndim == axes + 1
    out = conv_transpose(
        y := _in_2d(input, axes, unbatched),
        _in_2d(weight, axes, False),
        windows=(*[_FLAT][axes - 1 :], *windows),
        shape=(y.shape[0], channels, *[1][axes - 1 :], *sizes),
    )
    return _from_2d(out, axes, unbatched, bias)


@composition()
def conv1d(
    input: Array, weight: Array, bias: Array = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1
) -> Array:
    """Cross-correlation of (N, C, L) or (C, L) with a weight (O, C/groups, k): (N, O, L'). Options as in `conv2d`."""
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@composition()
def conv2d(
    input: Array, weight: Array, bias: Array = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1
) -> Array:
    """Cross-correlation of (N, C, H, W) or (C, H, W) by a weight (O, C/groups, kh, kw), plus bias (O): (N, O, H', W').

    stride, dilation: one number, or one per axis. padding: numbers of zeros on both sides; "valid" (none); "same" (as
    many as keep the size, one more behind than before if they are odd). groups: the channels fall into as many groups,
    each convolved on its own. H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1. The result is laid out in
    memory with the batch last: `.contiguous()` makes it row-major. Raises RuntimeError for shapes that do not fit.

    >>> import autograd_mini as am
    >>> conv2d(am.ones(1, 1, 3, 3), am.ones(1, 1, 2, 2), stride=2, padding=1)
    tensor([[[[1., 2.],
              [2., 4.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@composition()
def conv_transpose1d(
    input: Array, weight: Array, bias: Array = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1
) -> Array:
    """The adjoint of `conv1d`: (N, C, L) with a weight (C, O/groups, k) to (N, O, L'); as `conv_transpose2d`."""
    return _conv_transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


@composition()
def conv_transpose2d(
    input: Array, weight: Array, bias: Array = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1
) -> Array:
    """The adjoint of `conv2d`, plus bias (O): (N, C, H, W) by a weight (C, O/groups, kh, kw) to (N, O, H', W').

    H' = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1: output_padding chooses among the sizes
    that `conv2d` with this stride would take to H. Raises RuntimeError for shapes that do not fit.

    >>> import autograd_mini as am
    >>> conv_transpose2d(am.ones(1, 1, 2, 2), am.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return _conv_transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def _unfolding(name: str, sizes: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Windows:
    options = {"kernel_size": kernel_size, "stride": stride, "dilation": dilation}
    kernel, stride, dilation = (per_axis(value, 2, option) for option, value in options.items())
    return _windows(name, sizes, kernel, stride, dilation, _paddings(padding, kernel, stride, dilation))


def unfold(input: Array, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Array:
    """The blocks that a kernel sees (im2col): (N, C, H, W) or (C, H, W) to (N, C * kh * kw, blocks)."""
    if input.ndim not in (3, 4):
        raise ShapeError(f"unfold expects (C, H, W) or (N, C, H, W), but got {list(input.shape)}")
    windows = _unfolding("unfold", input.shape[-2:], kernel_size, dilation, padding, stride)
    blocks = windows_of(input, windows=windows)  # (taps, …, C, Ho, Wo)
    *lead, c, high, wide = range(1, blocks.ndim)
    count = blocks.shape[0] * input.shape[-3]
    blocks = permute(blocks, (*lead, c, 0, high, wide))
    return reshape(blocks, (*input.shape[:-3], count, math.prod(w.number for w in windows)))


def fold(
    input: Array, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Array:
    """The adjoint of `unfold` (col2im): blocks (N, C * kh * kw, L) or (C * kh * kw, L), summed into (N, C, H, W)."""
    if input.ndim not in (2, 3):
        raise ShapeError(f"fold expects (C * taps, L) or (N, C * taps, L), but got {list(input.shape)}")
    sizes = per_axis(output_size, 2, "output_size")
    windows = _unfolding("fold", sizes, kernel_size, dilation, padding, stride)
    count, (high, wide) = math.prod(w.kernel for w in windows), (w.number for w in windows)
    channels, (*lead, taps_of_channels, blocks) = input.shape[-2] // count, input.shape
    if taps_of_channels % count or blocks != high * wide:
        raise ShapeError(
            f"fold: {list(input.shape)} must hold {count} numbers per channel, and {high} x {wide} blocks"
        )
    parts = reshape(input, (*lead, channels, count, high, wide))
    axes = range(parts.ndim)
    return overlap_add(
        permute(parts, (axes[-3], *axes[:-3], *axes[-2:])), windows=windows, shape=(*lead, channels, *sizes)
    )
