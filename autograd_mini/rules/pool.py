"""Pooling: the largest, or the mean, of what a window sees. Compositions of sliding windows and reductions."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..devices import beside
from ..engine import Array
from ..primitive import ShapeError, call, composition, primitive
from .conv import Window, Windows, halves_as_singles, in_order_of, laid_out_like, over, overlap_add, per_axis, taps
from .index import take_along_dim
from .joining import stack
from .reduce import ValuesIndices, mean
from .shape import reshape


def _sum_pool_backward(g: Array, x_shape: tuple[int, ...], windows: Windows) -> Array:
    count = math.prod(w.kernel for w in windows)
    return call(overlap_add, np.broadcast_to(g, (count, *g.shape)), windows=windows, shape=x_shape)


@primitive(public=False, x=_sum_pool_backward)
@halves_as_singles
def sum_pool(x: Array, *, windows: Windows) -> Array:
    """The sum of each window; padding counts as 0."""
    out = np.zeros_like(x, shape=over(windows, x.shape))
    for read, at in taps(windows, x.shape):
        out[at] += x[read]
    return out


@primitive(public=False)
def first_hits(x: Array, out: Array, *, windows: Windows) -> Array:
    """(taps, …, windows): True at the one tap of each window where its maximum `out` was found: the first, if equal."""
    hits = laid_out_like(x, math.prod(w.kernel for w in windows), out.shape, bool)
    free = np.ones_like(out, bool)
    for hit, (read, at) in zip(hits, taps(windows, x.shape), strict=True):
        np.equal(x[read], out[at], out=hit[at])
        hit &= free
        free ^= hit
    if free.any():  # only NaN equals nothing, not itself either
        for hit, (read, at) in zip(reversed(hits), reversed([*taps(windows, x.shape)]), strict=True):
            hit[at] |= np.isnan(x[read]) & free[at]
            free &= ~hit
    return hits


def _max_pool_backward(g: Array, x: Array, out: Array, windows: Windows) -> Array:
    hits = call(first_hits, x, out, windows=windows)
    return call(overlap_add, hits * in_order_of(out, g), windows=windows, shape=x.shape)


@primitive(public=False, x=_max_pool_backward)
def max_pool(x: Array, *, windows: Windows) -> Array:
    """The largest element of each window, padding aside; the first of equal ones gets the gradient.

    The graph keeps x and the result, which its neighbours keep anyway; the indices are found when they are asked for.
    """
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    out = np.full_like(x, least, shape=over(windows, x.shape))
    for read, at in taps(windows, x.shape):
        np.maximum(out[at], x[read], out=out[at])
    return out


# ------------------------------------------------------------------------------------------- PyTorch's functions


def _windows(
    name: str, input: Array, axes: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Windows:
    """One window per axis, with PyTorch's rules for sizes: with ceil_mode, a last window may reach over the edge."""
    if input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{name} expects {axes + 1}D (unbatched) or {axes + 2}D (batched) input, but got {list(input.shape)}"
        )
    kernel, paddings = per_axis(kernel_size, axes, "kernel_size"), per_axis(padding, axes, "padding", 0)
    strides = kernel if stride is None or stride in ([], ()) else per_axis(stride, axes, "stride")
    windows = []
    for size, k, s, d, p in zip(
        input.shape[-axes:], kernel, strides, per_axis(dilation, axes, "dilation"), paddings, strict=True
    ):
        if p > k // 2:
            raise RuntimeError(f"pad should be at most half of kernel size, but got padding={p} and kernel_size={k}")
        room = size + 2 * p - d * (k - 1) - 1
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= size + p:
            count -= 1  # it would start in the padding behind
        if room < 0 or count < 1:
            raise ShapeError(f"{name}: no window of kernel_size {kernel_size} fits into {list(input.shape)}")
        windows.append(Window(k, s, d, p, count))
    return tuple(windows)


def _positions(windows: Windows, sizes: tuple[int, ...]) -> Array:
    """(taps, windows): where in the flattened plane each tap of each window reads."""
    position: Array = np.zeros((1,) * (2 * len(windows)), np.int64)
    for axis, (w, size) in enumerate(zip(windows, sizes, strict=True)):
        along = np.arange(w.kernel)[:, None] * w.dilation + np.arange(w.number) * w.stride - w.padding
        shape = [1] * position.ndim
        shape[axis], shape[axis + len(windows)] = along.shape
        position = position * size + along.reshape(shape)
    return position.reshape(-1, *(w.number for w in windows))


def _max(
    axes: int, input: Array, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool,
    return_indices: bool
) -> Array:
    windows = _windows(f"max_pool{axes}d", input, axes, kernel_size, stride, padding, dilation, ceil_mode)
    out = max_pool(input, windows=windows)
    if not return_indices:
        return out
    positions = _positions(windows, input.shape[-axes:])
    positions = positions.reshape(len(positions), *[1] * (input.ndim - axes), *positions.shape[1:])
    return ValuesIndices(out, (first_hits(input, out, windows=windows) * positions).sum(0))


@composition()
def max_pool1d(
    input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False
) -> Array:
    """The maxima over windows of (N, C, L) or (C, L); as `max_pool2d`."""
    return _max(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@composition()
def max_pool2d(
    input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False
) -> Array:
    """The maxima over windows of (N, C, H, W) or (C, H, W); the first of equal elements gets the gradient.

    stride: default kernel_size. padding: at most half the kernel, never chosen. ceil_mode: a window that reaches over
    the edge counts, too. return_indices: also where in the flattened H * W plane each maximum stood.

    >>> import autograd_mini as am
    >>> max_pool2d(am.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    return _max(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _divisor(windows: Windows, sizes: tuple[int, ...], count_include_pad: bool) -> Any:
    """How many elements each window has, with PyTorch's meaning of padding; one number if all have as many."""
    total: Any = 1
    for axis, (w, size) in enumerate(zip(windows, sizes, strict=True)):
        start = np.arange(w.number) * w.stride - w.padding
        end = np.minimum(start + w.kernel, size + w.padding)
        counts = end - start if count_include_pad else np.minimum(end, size) - np.maximum(start, 0)
        total = total * counts.reshape(-1, *[1] * (len(windows) - 1 - axis))
    return float(total.flat[0]) if total.min() == total.max() else total


def _avg(
    axes: int, input: Array, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool,
    divisor_override: int | None
) -> Array:
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    windows = _windows(f"avg_pool{axes}d", input, axes, kernel_size, stride, padding, 1, ceil_mode)
    divisor = divisor_override or _divisor(windows, input.shape[-axes:], count_include_pad)
    total = sum_pool(input, windows=windows)
    return total / (divisor if isinstance(divisor, (int, float)) else divisor.astype(total.dtype))


@composition()
def avg_pool1d(
    input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True
) -> Array:
    """The means over windows of (N, C, L) or (C, L); as `avg_pool2d`."""
    return _avg(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@composition()
def avg_pool2d(
    input: Array, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None
) -> Array:
    """The means over windows of (N, C, H, W) or (C, H, W).

    stride: default kernel_size. padding: zeros, at most half the kernel, counted as elements with count_include_pad.
    ceil_mode: a window that reaches over the edge counts, too. divisor_override: divide by this instead.
    """
    return _avg(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ---------------------------------------------------------------------------------------------------- adaptive


def _sizes(output_size: Any, input: Array, axes: int) -> list[int]:
    """The sizes wanted, None meaning that of the input."""
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * axes
    if len(given) != axes or input.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"adaptive pooling over {axes} axes takes as many sizes, and {axes + 1} or {axes + 2} dimensions,"
            f" but got output_size={output_size!r} and an input of size {list(input.shape)}"
        )
    if any(n is not None and n < 1 for n in given):
        raise RuntimeError(f"adaptive pooling: output sizes must be at least 1, but got output_size={output_size!r}")
    sizes = zip(given, input.shape[-axes:], strict=True)
    return [n if wanted is None else operator.index(wanted) for wanted, n in sizes]


def _bins(size: int, count: int) -> list[slice]:
    """`count` bins that cover an axis evenly; they overlap where count does not divide size."""
    return [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _adaptive_avg(axes: int, input: Array, output_size: Any) -> Array:
    for axis, count in enumerate(_sizes(output_size, input, axes), input.ndim - axes):
        size, lead = input.shape[axis], (slice(None),) * axis
        if size % count == 0:
            bins = reshape(input, (*input.shape[:axis], count, size // count, *input.shape[axis + 1 :]))
            input = mean(bins, axis=axis + 1)
        else:
            input = stack([mean(input[(*lead, at)], axis=axis) for at in _bins(size, count)], axis)
    return input


@primitive(public=False)
def adaptive_max_indices(x: Array, *, sizes: tuple[int, ...]) -> Array:
    """Where in the flattened plane the first maximum of each bin stands: (…, bins) for x (…, plane)."""
    plane = x.shape[-len(sizes) :]
    numbers = np.arange(math.prod(plane)).reshape(plane)
    numbers = beside(numbers, x)
    out = np.empty_like(x, np.int64, shape=(*x.shape[: -len(sizes)], *sizes))
    for at in np.ndindex(*sizes):
        index = tuple(_bins(n, count)[i] for n, count, i in zip(plane, sizes, at, strict=True))
        part = x[(..., *index)]
        first = np.argmax(part.reshape(*out.shape[: -len(sizes)], numbers[index].size), axis=-1)
        out[(..., *at)] = numbers[index].reshape(-1)[first]
    return out


def _adaptive_max(axes: int, input: Array, output_size: Any, return_indices: bool) -> Array:
    sizes = _sizes(output_size, input, axes)
    lead = input.shape[:-axes]
    indices = adaptive_max_indices(input, sizes=tuple(sizes))
    planes = reshape(input, (*lead, math.prod(input.shape[-axes:])))
    flat = take_along_dim(planes, reshape(indices, (*lead, math.prod(sizes))), axis=-1)
    out = reshape(flat, indices.shape)
    return ValuesIndices(out, indices) if return_indices else out


@composition()
def adaptive_avg_pool1d(input: Array, output_size: Any) -> Array:
    """The means of `output_size` bins along (N, C, L) or (C, L); as `adaptive_avg_pool2d`."""
    return _adaptive_avg(1, input, output_size)


@composition()
def adaptive_avg_pool2d(input: Array, output_size: Any) -> Array:
    """The means of a grid of bins over (N, C, H, W) or (C, H, W): bin i covers floor(i H / n) to ceil((i + 1) H / n).

    output_size: one number, or one per axis; None keeps the size of the input.
    """
    return _adaptive_avg(2, input, output_size)


@composition()
def adaptive_max_pool1d(input: Array, output_size: Any, return_indices: bool = False) -> Array:
    """The maxima of `output_size` bins along (N, C, L) or (C, L); as `adaptive_max_pool2d`."""
    return _adaptive_max(1, input, output_size, return_indices)


@composition()
def adaptive_max_pool2d(input: Array, output_size: Any, return_indices: bool = False) -> Array:
    """The maxima of the bins of `adaptive_avg_pool2d`; gradient and index go to the first of equal elements."""
    return _adaptive_max(2, input, output_size, return_indices)
