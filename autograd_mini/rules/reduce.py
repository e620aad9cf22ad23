"""Reductions over axes, each beside its derivative, which repeats the gradient over the axes that were reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..engine import Array
from ..primitive import composition, primitive
from .elementwise import maximum, minimum
from .index import take_along_dim

Axis = int | Sequence[int] | None
_add: Any = np.add.reduce  # what np.sum calls, without its detour through Python


def reduced_axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes as non-negative numbers; None means all of them. Raises IndexError out of range, as PyTorch does."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else axis
    limit = ndim or 1
    for a in axes:
        if not -limit <= a < limit:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {a})"
            )
    return tuple(int(a) % ndim for a in axes) if ndim else ()


def reduced_count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many elements one element of the result stands for."""
    count = 1
    for a in reduced_axes(len(shape), axis):
        count *= shape[a]
    return count


def keep_axes(reduced: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """A reduced array with its lost axes back, of length 1, so that it broadcasts against `shape`."""
    if keepdims:
        return reduced
    axes = reduced_axes(len(shape), axis)
    return reduced.reshape(tuple(1 if i in axes else n for i, n in enumerate(shape)))


def repeat(g: Array, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """The "repeat" node: the adjoint of a sum copies the gradient to all that was summed."""
    return np.broadcast_to(keep_axes(g, shape, axis, keepdims), shape)


def _wide(x: Array) -> Any:
    return np.float32 if x.dtype == np.float16 else None  # float16 sums are accumulated in float32


def _axis(x: Array, axis: Axis) -> Any:
    return None if axis is None else reduced_axes(x.ndim, axis)


@primitive(
    numpy=np.sum,
    x=lambda g, x_shape, axis, keepdims: repeat(g, x_shape, axis, keepdims),
)
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Array:
    """The sum over the axes."""
    total = _add(x, axis=_axis(x, axis), keepdims=keepdims, dtype=dtype or _wide(x))
    return total.astype(x.dtype) if dtype is None and x.dtype == np.float16 else total


def _mean_backward(g: Array, x_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    return repeat(g / (reduced_count(x_shape, axis) or 1), x_shape, axis, keepdims)


@primitive(numpy=np.mean, x=_mean_backward)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Array:
    """The arithmetic mean over the axes; NaN over an empty axis, as in PyTorch."""
    if (dtype or x.dtype).kind != "f":
        raise TypeError(f"could not infer output dtype of a mean of {x.dtype}: convert to a float, as with x.float()")
    count = reduced_count(x.shape, axis)
    total = _add(x, axis=_axis(x, axis), keepdims=keepdims, dtype=dtype or _wide(x))
    return (total / count if count else total * np.nan).astype(dtype or x.dtype, copy=False)


def _extremum_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    ties = (x == keep_axes(out, x.shape, axis, keepdims)) * 1.0
    share = ties / np.sum(ties, axis=_axis(x, axis), keepdims=True)  # equal elements share the gradient evenly
    return share * keep_axes(g, x.shape, axis, keepdims)


@primitive(numpy=(np.max, np.amax), x=_extremum_backward)
def amax(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element; several of them share the gradient evenly."""
    return np.max(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=(np.min, np.amin), x=_extremum_backward)
def amin(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element; several of them share the gradient evenly."""
    return np.min(x, axis=_axis(x, axis), keepdims=keepdims)


def _logsumexp_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    out = keep_axes(out, x.shape, axis, keepdims)
    shift = np.where(np.isfinite(out), out, 0.0)
    return keep_axes(g, x.shape, axis, keepdims) * np.exp(x - shift)


@primitive(x=_logsumexp_backward)
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), shifted by the maximum so that nothing overflows."""
    axes = _axis(x, axis)
    peak = np.max(x, axis=axes, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    total = np.log(np.sum(np.exp(x - peak), axis=axes, keepdims=True)) + peak
    return total if keepdims else np.squeeze(total, axis=axes)


# ---------------------------------------------------------------------------------- integer results: no gradient


@primitive(numpy=np.argmax)
def argmax(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first largest element, in the flattened array if no axis is given."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(numpy=np.argmin)
def argmin(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first smallest element, in the flattened array if no axis is given."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@primitive(numpy=np.any)
def any(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element is true (nonzero)."""
    return np.any(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=np.all)
def all(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements are true (nonzero)."""
    return np.all(x, axis=_axis(x, axis), keepdims=keepdims)


# -------------------------------------------------------------------------------------------- compositions


class ValuesIndices(NamedTuple):
    """What `max(dim)` and its like return: the values, and where along the axis they stood."""

    values: Array
    indices: Array


@composition()
def max(x: Array, dim: int | Array | None = None, keepdim: bool = False, *, axis: int | None = None) -> Array:
    """The largest element; with `dim` values and indices; with a second tensor the larger of the two, elementwise."""
    return _extremum(x, dim if axis is None else axis, keepdim, amax, argmax, maximum)


@composition()
def min(x: Array, dim: int | Array | None = None, keepdim: bool = False, *, axis: int | None = None) -> Array:
    """The smallest element; with `dim` values and indices; with a second tensor the smaller of the two."""
    return _extremum(x, dim if axis is None else axis, keepdim, amin, argmin, minimum)


def _extremum(x: Array, dim: Array, keepdim: bool, reduce: Array, index: Array, pair: Array) -> Array:
    if dim is None:
        return reduce(x)
    if hasattr(dim, "dtype"):
        return pair(x, dim)
    indices = index(x, axis=dim, keepdims=True)
    values = take_along_dim(x, indices, axis=dim)  # the gradient goes to the index that is returned
    if not keepdim:
        shape = values.shape[: dim % x.ndim] + values.shape[dim % x.ndim + 1 :]
        values, indices = values.reshape(shape), indices.reshape(shape)
    return ValuesIndices(values, indices)
