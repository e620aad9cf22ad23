"""Sorting, searching and counting: what is where in the order of the values. Gradients go to the elements chosen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import array_from
from ..devices import beside, memory_of
from ..engine import Array, wrap
from ..primitive import NUMPY, composition, primitive
from .axes import either_name, one_axis, reduced_axes
from .elementwise import isnan, where
from .index import along, take_along_dim
from .reduce import any, extremum_backward, nonempty, selected, without_axis_flat


@primitive()
def argsort(x: Array, *, axis: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that sort x along an axis, NaN as the largest. Equal elements keep their order, asked or not."""
    if not reduced_axes(x.ndim, one_axis(axis)):
        return np.zeros_like(x, np.int64)
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)


@primitive(public=False)
def topk_indices(x: Array, *, k: int, axis: int, largest: bool) -> Array:
    """The indices of the k largest (or smallest) elements along an axis, in order; NaN as the largest."""
    n, argsorted = x.shape[axis], argsort.primitive.forward
    if not 0 < k < n:
        return np.take(argsorted(x, axis=axis, descending=largest), beside(np.arange(k), x), axis=axis)
    chosen = beside(np.arange(n - k, n) if largest else np.arange(k), x)
    parted = np.argpartition(x, n - k if largest else k - 1, axis=axis)  # only what is chosen needs sorting
    found = np.sort(np.take(parted, chosen, axis=axis), axis=axis)
    order = argsorted(np.take_along_axis(x, found, axis), axis=axis, descending=largest)
    return np.take_along_axis(found, order, axis)


@primitive(name="median", public=False, x=extremum_backward)
def median_of_all(x: Array, *, axis: None = None, keepdims: bool = False) -> Array:
    """The lower of the two middle elements; NaN if there is one. Several that are equal to it share the gradient."""
    if not x.size:
        return np.full_like(x, np.nan, shape=())
    middle = (x.size - 1) // 2
    ordered = np.partition(x, (middle, x.size - 1), axis=None)  # NaN goes last
    return ordered[middle] if ordered[-1] == ordered[-1] else ordered[-1]


@composition()
@either_name
def sort(x: Array, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Array:
    """The elements in order along an axis, and the indices where they stood; NaN counts as the largest."""
    return selected("sort", x, argsort(x, axis=dim, descending=descending), dim, True)


# Without an axis NumPy flattens, and of `sort` it wants the values alone.
NUMPY[np.argsort] = without_axis_flat(argsort, -1)
NUMPY[np.sort] = without_axis_flat(lambda a, axis: sort(a, axis).values, -1)


@composition()
@either_name
def topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Array:
    """The k largest (or smallest) elements along an axis, in order, and their indices."""
    _check_rank(x, k, 0, dim)
    return selected("topk", x, topk_indices(x, k=k, axis=dim, largest=largest) if x.ndim else argsort(x), dim, True)


def _check_rank(x: Array, k: int, least: int, dim: int) -> None:
    axes = reduced_axes(x.ndim, one_axis(dim))
    length = x.shape[axes[0]] if axes else 1
    if not least <= k <= length:
        what = "number" if least else "index"  # as PyTorch has it
        raise RuntimeError(f"selected {what} k out of range: k is {k}, and dimension {dim} has {length} elements")


@composition()
@either_name
def kthvalue(x: Array, k: int, dim: int = -1, keepdim: bool = False) -> Array:
    """The k-th smallest element along an axis, counted from 1, and its index."""
    _check_rank(x, k, 1, dim)
    order = argsort(x, axis=dim)
    return selected("kthvalue", x, order[along(dim % x.ndim, slice(k - 1, k))] if x.ndim else order, dim, keepdim)


@composition()
@either_name
def median(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The lower of the two middle elements, NaN if there is one; with `dim` values and indices."""
    if dim is None or not x.ndim:
        return median_of_all(x) if dim is None else selected("median", x, argsort(x), dim, keepdim)
    nonempty(x, dim := one_axis(dim), "median")
    last = x.shape[dim] - 1
    rank = where(any(isnan(x), axis=dim, keepdims=True), last, last // 2)
    return selected("median", x, take_along_dim(argsort(x, axis=dim), rank, axis=dim), dim, keepdim)


@primitive()
def searchsorted(sorted_sequence: Array, x: Array, *, out_int32: bool = False, right: bool = False) -> Array:
    """Where in an ascending vector each element of x belongs: before its equals, or with `right` behind them."""
    if sorted_sequence.ndim != 1:
        raise NotImplementedError("searchsorted: only one sorted vector, not several: call it for each row")
    found = np.searchsorted(sorted_sequence, x, "right" if right else "left")
    return memory_of(found).astype(np.int32 if out_int32 else np.int64, copy=False)


# --------------------------------------------------------------------------- counts: plain, never recorded


@composition(numpy=np.bincount)
def bincount(x: Array, weights: Array = None, minlength: int = 0) -> Array:
    """How often each of 0, 1, 2, ... occurs in a vector of integers; or the sums of their weights."""
    counts, values = array_from(x), None if weights is None else array_from(weights)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts.size and counts.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    result = np.bincount(counts, values, minlength)
    return wrap(result.astype(np.float32) if values is not None and values.dtype == np.float32 else result)


class Histogram(NamedTuple):
    """What `histogram` returns."""

    hist: Array
    bin_edges: Array


@composition()
def histogram(
    x: Array, bins: Any, *, range: tuple[float, float] | None = None, weight: Array = None, density: bool = False
) -> Histogram:
    """Counts (or sums of weights, or densities) per bin, and the edges; bins: how many, or a tensor of their edges."""
    values, edges = array_from(x), bins if isinstance(bins, int) else array_from(bins)
    weights = None if weight is None else array_from(weight)
    made = np.histogram(values, edges, range, density=density, weights=weights)
    return Histogram(*(wrap(part.astype(values.dtype)) for part in made))


@composition()
def unique(
    x: Array, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements that occur (or slices along `dim`), in order; also where x has them, and how often they occur."""
    values = array_from(x)
    found = np.unique(values, return_index=True, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = found[2].reshape(values.shape if dim is None else -1)
    extra = [part for part, asked in ((inverse, return_inverse), (found[3], return_counts)) if asked]
    return (wrap(found[0]), *map(wrap, extra)) if extra else wrap(found[0])
