"""Reductions over axes, each beside its derivative, which repeats the gradient over the axes that were reduced."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..devices import beside
from ..engine import Array, TensorCore
from ..primitive import NUMPY, call, composition, primitive
from . import elementwise as ew
from .axes import Axis, AxisOrNone, either_name, one_axis, reduced_axes
from .elementwise import astype, isnan, maximum, minimum, where
from .index import take_along_dim
from .joining import cat
from .shape import flatten, squeeze

_SMALL = 2048  # elements: below it a copy is faster than a view that says the same
_add: Any = np.add.reduce  # what np.sum calls, without its detour through Python


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
    kept = g if axis is None else keep_axes(g, shape, axis, keepdims)
    if isinstance(g, TensorCore) or math.prod(shape) > _SMALL:
        return np.broadcast_to(kept, shape)
    copies = np.empty_like(g, shape=shape)  # np.broadcast_to takes 4 µs, whatever the size
    copies[...] = kept
    return copies


# What is accumulated in another dtype, by its character: float16 in float32, unsigned and short integers in int64.
_WIDE: dict[str, Any] = {"e": np.float32, **dict.fromkeys("?bBhHiIlLqQ", np.int64)}


def _accumulate(function: Any, x: Array, dtype: Any, **axes: Any) -> Array:
    """`function` (np.add.reduce, np.cumsum, …) over axes; float16 goes through float32 and comes back."""
    total = function(x, dtype=dtype or _WIDE.get(x.dtype.char), **axes)
    return total.astype(x.dtype) if dtype is None and x.dtype.char == "e" else total


def _float32_at_least(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype.char == "e" else x


def _axis(x: Array, axis: Axis) -> Any:
    return None if axis is None else reduced_axes(x.ndim, axis)


@primitive(
    numpy=np.sum,
    x=lambda g, x_shape, axis, keepdims: repeat(g, x_shape, axis, keepdims),
)
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Array:
    """The sum over the axes."""
    return _accumulate(_add, x, dtype, axis=_axis(x, axis), keepdims=keepdims)


def _mean_backward(g: Array, x_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    count = math.prod(x_shape) // (math.prod(g.shape) or 1)
    return repeat(g / (count or 1), x_shape, axis, keepdims)


@primitive(numpy=np.mean, x=_mean_backward)
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Array:
    """The arithmetic mean over the axes; NaN over an empty axis, as in PyTorch."""
    if (dtype or x.dtype).kind != "f":
        raise RuntimeError(f"could not infer output dtype of a mean of {x.dtype}: make it float, as with x.float()")
    total = _add(x, axis=_axis(x, axis), keepdims=keepdims, dtype=dtype or _WIDE.get(x.dtype.char))
    count = x.size // (total.size or 1)
    return (total / count if count else total * np.nan).astype(dtype or x.dtype, copy=False)


def extremum_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    ties = (x == keep_axes(out, x.shape, axis, keepdims)) | np.isnan(x)  # equal elements share the gradient evenly
    count = np.sum(ties, axis=_axis(x, axis), keepdims=True).astype(x.dtype)
    return ties * (keep_axes(g, x.shape, axis, keepdims) / count)


def nonempty(x: Array, axis: Axis, name: str) -> None:
    if reduced_count(x.shape, axis):
        return
    if axis is None:
        kind = IndexError if name.startswith("arg") else RuntimeError  # as in PyTorch
        raise kind(f"{name}(): Expected reduction dim to be specified for a tensor without elements: {list(x.shape)}")
    raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size, but got {list(x.shape)}")


@primitive(numpy=(np.max, np.amax), x=extremum_backward)
def amax(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element; several of them share the gradient evenly."""
    nonempty(x, axis, "amax")
    return np.max(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=(np.min, np.amin), x=extremum_backward)
def amin(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element; several of them share the gradient evenly."""
    nonempty(x, axis, "amin")
    return np.min(x, axis=_axis(x, axis), keepdims=keepdims)


def _logsumexp_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    out = keep_axes(out, x.shape, axis, keepdims)
    return keep_axes(g, x.shape, axis, keepdims) * np.exp(x - np.where(out == -np.inf, 0.0, out))


@primitive(x=_logsumexp_backward)
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), shifted by the maximum so that nothing overflows."""
    x, axes = x if x.dtype.kind == "f" else x.astype(np.float64), _axis(x, axis)
    peak = (np.max if x.size else np.sum)(x, axis=axes, keepdims=True)  # of nothing 0: CuPy has no initial=
    peak = np.where(np.isfinite(peak), peak, 0.0)
    total = _accumulate(_add, np.exp(x - peak), None, axis=axes, keepdims=True)
    with np.errstate(divide="ignore"):  # the logarithm of no probability at all is -inf
        total = np.log(total) + peak
    return total if keepdims else np.squeeze(total, axis=axes)


# ---------------------------------------------------------------------------------------- variance and norms


def _degrees(shape: tuple[int, ...], axis: Axis, correction: float) -> float:
    """Degrees of freedom: what the sum of squared deviations is divided by."""
    free = reduced_count(shape, axis) - correction
    return free if free > 0 else 0.0


def _var_backward(g: Array, x: Array, axis: Axis, keepdims: bool, correction: float) -> Array:
    deviation = x - call(mean, x, axis=axis, keepdims=True)
    free = _degrees(x.shape, axis, correction)
    return keep_axes(g, x.shape, axis, keepdims) * deviation * (2 / free if free else math.nan)


def _std_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool, correction: float) -> Array:
    g = g * (0.5 / np.where(out == 0, np.inf, out))  # 0, not NaN, where all are equal
    return _var_backward(g, x, axis, keepdims, correction)


def _variance(x: Array, axis: Axis, keepdims: bool, correction: float) -> Array:
    if x.dtype.kind != "f":
        raise RuntimeError(f"std and var only support floating point dtypes, not {x.dtype}")
    deviation = x - mean.primitive.forward(x, axis=axis, keepdims=True)
    total = _add(deviation * deviation, axis=_axis(x, axis), keepdims=keepdims)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total / x.dtype.type(_degrees(x.shape, axis, correction))


@primitive(name="var", public=False, x=_var_backward)
def var_over(x: Array, *, axis: Axis = None, keepdims: bool = False, correction: float = 1.0) -> Array:
    """sum((x - mean)^2) / (n - correction); inf or NaN where nothing is left to divide by."""
    return _variance(_float32_at_least(x), axis, keepdims, correction).astype(x.dtype, copy=False)


@primitive(name="std", public=False, x=_std_backward)
def std_over(x: Array, *, axis: Axis = None, keepdims: bool = False, correction: float = 1.0) -> Array:
    """The square root of `var`; its gradient is 0 where all elements are equal."""
    return np.sqrt(_variance(_float32_at_least(x), axis, keepdims, correction)).astype(x.dtype, copy=False)


def _norm_backward(g: Array, x: Array, out: Array, p: float, axis: Axis, keepdims: bool) -> Array:
    out = keep_axes(out, x.shape, axis, keepdims)
    unit = x / np.where(out == 0, np.inf, out)  # 0, not NaN, where the norm is 0
    g = keep_axes(g, x.shape, axis, keepdims)
    if p == 2:
        return g * unit
    size = np.abs(unit)
    return g * np.sign(unit) * np.where(size == 0, 1.0, size) ** (p - 1)


@primitive(public=False, x=_norm_backward)
def p_norm(x: Array, *, p: float, axis: Axis = None, keepdims: bool = False) -> Array:
    """sum(|x|^p)^(1/p) for a finite p that is not 0; the gradient is 0 where x or the norm is."""
    wide = _float32_at_least(x)
    powers = wide * wide if p == 2 else np.abs(wide) if p == 1 else _power(np.abs(wide), p)
    total = _add(powers, axis=_axis(x, axis), keepdims=keepdims)
    root = np.sqrt(total) if p == 2 else total if p == 1 else _power(total, 1 / p)
    return root.astype(x.dtype, copy=False)


def _power(x: Array, exponent: float) -> Array:
    with np.errstate(divide="ignore"):  # a negative p makes the norm 0 where an element is
        return x**exponent


# --------------------------------------------------------------------------------- products and running totals


@primitive(name="cumsum", x=lambda g, axis: np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis) if g.ndim else g)
def cumsum(x: Array, *, axis: int, dtype: Any = None) -> Array:
    """Each element plus all that stand before it along an axis."""
    return _running(np.cumsum, x, axis, dtype)


def _running(function: Any, x: Array, axis: int, dtype: Any) -> Array:
    axes = reduced_axes(x.ndim, one_axis(axis))
    return _accumulate(function, x, dtype, axis=axes[0] if axes else None).reshape(x.shape)


def _earlier(x: Array, steps: int) -> Array:
    """x shifted towards the start of its last axis, zeros after it."""
    gap = beside(np.zeros((*x.shape[:-1], steps), x.dtype), x)
    return np.concatenate([x[..., steps:], gap], axis=-1)


def _later(x: Array, first: float) -> Array:
    """x shifted by one towards the end of its last axis, after `first`."""
    gap = beside(np.full((*x.shape[:-1], 1), first, x.dtype), x)
    return np.concatenate([gap, x[..., :-1]], axis=-1)


def _cumprod_backward(g: Array, x: Array, out: Array, axis: int) -> Array:
    """(product of what is before) * s, with s_j = g_j + x_(j+1) s_(j+1): exact at zeros, for nothing is divided.

    The recurrence is run by doubling: after each round, `total` holds the sum of twice as many of its terms.
    """
    if 0 in x.shape or not x.shape:
        return g
    g, x, out = np.swapaxes(g, axis, -1), np.swapaxes(x, axis, -1), np.swapaxes(out, axis, -1)
    total, factor, steps = g, _earlier(x, 1), 1
    while steps < x.shape[-1]:
        total = total + factor * _earlier(total, steps)
        factor, steps = factor * _earlier(factor, steps), 2 * steps
    return np.swapaxes(_later(out, 1.0) * total, axis, -1)


@primitive(x=_cumprod_backward)
def cumprod(x: Array, *, axis: int, dtype: Any = None) -> Array:
    """Each element times all that stand before it along an axis."""
    return _running(np.cumprod, x, axis, dtype)


def _prod_backward(g: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """g times the product of all others: of those before and those after, for a zero cannot be divided away."""
    axes = reduced_axes(x.ndim, axis)
    order = [*(i for i in range(x.ndim) if i not in axes), *axes]
    moved = np.transpose(x, order)
    if 0 in x.shape:
        return repeat(g, x.shape, axis, keepdims)
    rows = moved.reshape((-1, reduced_count(x.shape, axis)))
    before = np.cumprod(_later(rows, 1.0), axis=-1)
    after = np.flip(np.cumprod(_later(np.flip(rows, -1), 1.0), axis=-1), -1)
    others = np.transpose((before * after).reshape(moved.shape), [order.index(i) for i in range(x.ndim)])
    return keep_axes(g, x.shape, axis, keepdims) * others


@primitive(numpy=np.prod, x=_prod_backward)
def prod(x: Array, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> Array:
    """The product over the axes; its derivatives, of every order, are exact at zeros."""
    return _accumulate(np.multiply.reduce, x, dtype, axis=_axis(x, axis), keepdims=keepdims)


# ---------------------------------------------------------------------------------- integer results: no gradient


@primitive(numpy=np.argmax)
def argmax(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first largest element, in the flattened array if no axis is given."""
    nonempty(x, axis, "argmax")
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(numpy=np.argmin)
def argmin(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first smallest element, in the flattened array if no axis is given."""
    nonempty(x, axis, "argmin")
    return np.argmin(x, axis=axis, keepdims=keepdims)


@primitive(numpy=np.any)
def any(x: Array, *, axis: AxisOrNone = None, keepdims: bool = False) -> Array:
    """Whether any element is true (nonzero)."""
    return np.any(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=np.all)
def all(x: Array, *, axis: AxisOrNone = None, keepdims: bool = False) -> Array:
    """Whether all elements are true (nonzero)."""
    return np.all(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=np.count_nonzero)
def count_nonzero(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements are not 0."""
    return _add(x != 0, axis=_axis(x, axis), keepdims=keepdims, dtype=np.int64)


# -------------------------------------------------------------------------------------------- compositions


class ValuesIndices(NamedTuple):
    """What `max(dim)` and its like return: the values, and where along the axis they stood."""

    values: Array
    indices: Array

    def __repr__(self) -> str:
        return f"autograd_mini.return_types.{type(self).__name__}(\nvalues={self.values},\nindices={self.indices})"


_RETURN_TYPES = {
    name: type(name, (ValuesIndices,), {"__slots__": ()})
    for name in ("max", "min", "sort", "topk", "kthvalue", "median")
}


def selected(name: str, x: Array, indices: Array, dim: int, keepdim: bool) -> Array:
    """The values at indices, one along `dim`, as the return type of this name; the gradient goes to these alone."""
    values = take_along_dim(x, indices, axis=dim) if x.ndim else x
    if not keepdim and x.ndim:
        values, indices = squeeze(values, dim), squeeze(indices, dim)
    return _RETURN_TYPES[name](values, indices)


@composition()
@either_name
def max(x: Array, dim: int | Array | None = None, keepdim: bool = False) -> Array:
    """The largest element; with `dim` values and indices; with a second tensor the larger of the two, elementwise."""
    if dim is None:
        return amax(x)
    if hasattr(dim, "dtype"):
        return maximum(x, dim)
    return selected("max", x, argmax(x, axis=dim, keepdims=True), dim, keepdim)


@composition()
@either_name
def min(x: Array, dim: int | Array | None = None, keepdim: bool = False) -> Array:
    """The smallest element; with `dim` values and indices; with a second tensor the smaller of the two."""
    if dim is None:
        return amin(x)
    if hasattr(dim, "dtype"):
        return minimum(x, dim)
    return selected("min", x, argmin(x, axis=dim, keepdims=True), dim, keepdim)


def _spread(
    operation: Callable[..., Array], x: Array, dim: Any, unbiased: bool | None, keepdim: bool, correction: float
) -> Array:
    """`var` or `std`, whose older form is var(unbiased) and var(dim, unbiased)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    return operation(x, axis=dim, keepdims=keepdim, correction=correction if unbiased is None else int(unbiased))


@composition()
@either_name
def var(x: Array, dim: Axis = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1) -> Array:
    """The variance, sum((x - mean)^2) / (n - correction); unbiased=False is correction=0."""
    return _spread(var_over, x, dim, unbiased, keepdim, correction)


@composition()
@either_name
def std(x: Array, dim: Axis = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1) -> Array:
    """The standard deviation, the square root of `var`."""
    return _spread(std_over, x, dim, unbiased, keepdim, correction)


@composition(public=False)
@either_name
def vector_norm(x: Array, ord: float = 2, dim: Axis = None, keepdim: bool = False) -> Array:
    """The norm of x as a vector: sum(|x|^ord)^(1/ord); for inf and -inf the largest and smallest |x|, for 0 a count."""
    if x.dtype.kind != "f":
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point tensor as input. Got {x.dtype}")
    if ord == 0:
        return sum(astype(ew.ne(x, 0), dtype=x.dtype), axis=dim, keepdims=keepdim)
    if math.isinf(ord):
        return (amax if ord > 0 else amin)(ew.abs(x), axis=dim, keepdims=keepdim)
    return p_norm(x, p=ord, axis=dim, keepdims=keepdim)


@composition()
@either_name
def norm(x: Array, p: float | str = "fro", dim: Axis = None, keepdim: bool = False, dtype: Any = None) -> Array:
    """`vector_norm` of any order p; "fro" is the order 2."""
    if isinstance(p, str) and p != "fro":
        raise NotImplementedError(f"norm: p={p!r} needs the singular values of a matrix: use a number, inf or 'fro'")
    x = x if dtype is None else astype(x, dtype=np.dtype(dtype))
    p = 2 if isinstance(p, str) else p
    return vector_norm(x, p, axis=dim, keepdim=keepdim)  # type: ignore[call-arg]


@composition(numpy=np.nansum)
@either_name
def nansum(x: Array, dim: Axis = None, keepdim: bool = False) -> Array:
    """The sum of what is not NaN."""
    return sum(where(isnan(x), 0, x), axis=dim, keepdims=keepdim)


@composition(numpy=np.nanmean)
@either_name
def nanmean(x: Array, dim: Axis = None, keepdim: bool = False) -> Array:
    """The mean of what is not NaN."""
    count = sum(ew.logical_not(isnan(x)), axis=dim, keepdims=keepdim)
    return nansum(x, axis=dim, keepdim=keepdim) / count  # type: ignore[call-arg]


@composition(numpy=np.diff)
@either_name
def diff(x: Array, n: int = 1, dim: int = -1, prepend: Array = None, append: Array = None) -> Array:
    """x[i + 1] - x[i] along an axis, n times over; prepend and append are joined to x first."""
    axes = reduced_axes(x.ndim, one_axis(dim))
    if not axes:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    ends = [part for part in (prepend, x, append) if part is not None]
    x = cat(ends, axes[0]) if len(ends) > 1 else x
    lead = (slice(None),) * axes[0]
    for _ in range(n):
        late, early = x[(*lead, slice(1, None))], x[(*lead, slice(None, -1))]
        x = ew.ne(late, early) if x.dtype.kind == "b" else late - early
    return x


def without_axis_flat(operation: Callable[..., Array], default: int | None = None) -> Callable[..., Array]:
    """A NumPy function along one axis that flattens when told axis=None."""
    return lambda a, axis=default: operation(flatten(a), axis=0) if axis is None else operation(a, axis=axis)


# Where NumPy's arguments differ from PyTorch's: it divides by n unless told otherwise.
NUMPY[np.var] = lambda a, axis=None, *, ddof=0, keepdims=False: var(a, axis=axis, keepdim=keepdims, correction=ddof)  # type: ignore[call-arg]
NUMPY[np.std] = lambda a, axis=None, *, ddof=0, keepdims=False: std(a, axis=axis, keepdim=keepdims, correction=ddof)  # type: ignore[call-arg]
NUMPY[np.cumsum], NUMPY[np.cumprod] = without_axis_flat(cumsum), without_axis_flat(cumprod)
