"""Reductions over axes, each beside its derivative, which repeats the gradient over the axes that were reduced."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import array_from
from ..devices import beside, is_memory
from ..engine import Array, TensorCore, wrap
from ..modes import F
from ..primitive import NUMPY, ShapeError, call, composition, is_empty, primitive
from . import elementwise as ew
from .elementwise import astype, isnan, maximum, minimum, where
from .index import take_along_dim
from .shape import cat, flatten, squeeze

Axis = int | Sequence[int] | None  # an empty sequence, given as `dim`, means all axes, as None does
AxisOrNone = int | Sequence[int] | None  # of `any` and `all`, for which it means none, also in PyTorch
_SMALL = 2048  # elements: below it a copy is faster than a view that says the same
_add: Any = np.add.reduce  # what np.sum calls, without its detour through Python


def reduced_axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes as non-negative numbers; None means all of them. Raises IndexError out of range, as PyTorch does."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else _several(axis)
    limit = ndim or 1
    for a in axes:
        if not -limit <= a < limit:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {a})"
            )
    return tuple(int(a) % ndim for a in axes) if ndim else ()


def _several(axis: Any) -> tuple[int, ...]:
    """Several axes; or one, in a tensor of one number."""
    try:
        return tuple(operator.index(a) for a in ((axis,) if getattr(axis, "ndim", 1) == 0 else axis))
    except TypeError:
        raise TypeError(f"expected an axis, an integer, or several of them, but got {axis!r}") from None


def one_axis(axis: Any) -> int:
    """An axis where there can be only one. Raises TypeError for None and for several."""
    try:
        return operator.index(axis)
    except TypeError:
        raise TypeError(f"argument 'dim' must be int, not {type(axis).__name__}") from None


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


def _accumulate(ufunc: Any, x: Array, axis: Any, keepdims: bool, dtype: Any) -> Array:
    """`ufunc` (add.reduce, multiply.reduce) over axes; float16 goes through float32 and comes back."""
    total = ufunc(x, axis=axis, keepdims=keepdims, dtype=dtype or _WIDE.get(x.dtype.char))
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
    return _accumulate(_add, x, _axis(x, axis), keepdims, dtype)


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


def _extremum_backward(g: Array, x: Array, out: Array, axis: Axis, keepdims: bool) -> Array:
    ties = (x == keep_axes(out, x.shape, axis, keepdims)) | np.isnan(x)  # equal elements share the gradient evenly
    count = np.sum(ties, axis=_axis(x, axis), keepdims=True).astype(x.dtype)
    return ties * (keep_axes(g, x.shape, axis, keepdims) / count)


def _nonempty(x: Array, axis: Axis, name: str) -> None:
    if reduced_count(x.shape, axis):
        return
    if axis is None:
        kind = IndexError if name.startswith("arg") else RuntimeError  # as in PyTorch
        raise kind(f"{name}(): Expected reduction dim to be specified for a tensor without elements: {list(x.shape)}")
    raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size, but got {list(x.shape)}")


@primitive(numpy=(np.max, np.amax), x=_extremum_backward)
def amax(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element; several of them share the gradient evenly."""
    _nonempty(x, axis, "amax")
    return np.max(x, axis=_axis(x, axis), keepdims=keepdims)


@primitive(numpy=(np.min, np.amin), x=_extremum_backward)
def amin(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element; several of them share the gradient evenly."""
    _nonempty(x, axis, "amin")
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
    total = _accumulate(_add, np.exp(x - peak), axes, True, None)
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
    total = function(x, axis=axes[0] if axes else None, dtype=dtype or _WIDE.get(x.dtype.char)).reshape(x.shape)
    return total.astype(x.dtype) if dtype is None and x.dtype.char == "e" else total


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
    return _accumulate(np.multiply.reduce, x, _axis(x, axis), keepdims, dtype)


# ---------------------------------------------------------------------------------- integer results: no gradient


@primitive(numpy=np.argmax)
def argmax(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first largest element, in the flattened array if no axis is given."""
    _nonempty(x, axis, "argmax")
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(numpy=np.argmin)
def argmin(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """The index of the first smallest element, in the flattened array if no axis is given."""
    _nonempty(x, axis, "argmin")
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


@primitive(numpy=np.argsort)
def argsort(x: Array, *, axis: int = -1, descending: bool = False, stable: bool = False) -> Array:
    """The indices that sort x along an axis, NaN as the largest. Equal elements keep their order, asked or not."""
    if not x.ndim:
        return np.zeros_like(x, np.int64)
    (axis,) = reduced_axes(x.ndim, axis)
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


@primitive(name="median", public=False, x=_extremum_backward)
def median_of_all(x: Array, *, axis: None = None, keepdims: bool = False) -> Array:
    """The lower of the two middle elements; NaN if there is one. Several that are equal to it share the gradient."""
    if not x.size:
        return np.full_like(x, np.nan, shape=())
    middle = (x.size - 1) // 2
    ordered = np.partition(x, (middle, x.size - 1), axis=None)  # NaN goes last
    return ordered[middle] if ordered[-1] == ordered[-1] else ordered[-1]


# -------------------------------------------------------------------------------------------- compositions


def either_name(function: F) -> F:
    """Decorator: the function's `dim` and `keepdim` may be called axis and keepdims as well, as in PyTorch.

    Where several axes are allowed, an empty `dim` means all; an empty `axis` none, as in NumPy.
    """

    place = function.__code__.co_varnames.index("dim")
    several = function.__annotations__["dim"] == "Axis"

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        if several and is_empty(options.get("dim")):
            options["dim"] = None
        elif several and is_empty(args[place] if place < len(args) else None):
            args = (*args[:place], None, *args[place + 1 :])
        for ours, theirs in (("axis", "dim"), ("keepdims", "keepdim")):
            if ours in options:
                if theirs in options:
                    name = function.__name__
                    raise TypeError(f"{name}() got the same argument twice, by two names: {ours}, {theirs}")
                options[theirs] = options.pop(ours)
        return function(*args, **options)

    return wrapper  # type: ignore[return-value]


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


def _selected(name: str, x: Array, indices: Array, dim: int, keepdim: bool) -> Array:
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
    return _selected("max", x, argmax(x, axis=dim, keepdims=True), dim, keepdim)


@composition()
@either_name
def min(x: Array, dim: int | Array | None = None, keepdim: bool = False) -> Array:
    """The smallest element; with `dim` values and indices; with a second tensor the smaller of the two."""
    if dim is None:
        return amin(x)
    if hasattr(dim, "dtype"):
        return minimum(x, dim)
    return _selected("min", x, argmin(x, axis=dim, keepdims=True), dim, keepdim)


@composition()
@either_name
def sort(x: Array, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Array:
    """The elements in order along an axis, and the indices where they stood; NaN counts as the largest."""
    return _selected("sort", x, argsort(x, axis=dim, descending=descending), dim, True)


@composition()
@either_name
def topk(x: Array, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Array:
    """The k largest (or smallest) elements along an axis, in order, and their indices."""
    axes = reduced_axes(x.ndim, dim)
    length = x.shape[axes[0]] if axes else 1
    if not 0 <= k <= length:
        raise RuntimeError(f"selected index k out of range: k is {k}, and dimension {dim} has {length} elements")
    return _selected("topk", x, topk_indices(x, k=k, axis=axes[0], largest=largest) if axes else argsort(x), dim, True)


@composition()
@either_name
def kthvalue(x: Array, k: int, dim: int = -1, keepdim: bool = False) -> Array:
    """The k-th smallest element along an axis, counted from 1, and its index."""
    length = x.shape[reduced_axes(x.ndim, dim)[0]] if x.ndim else 1
    if not 1 <= k <= length:
        raise RuntimeError(f"selected number k out of range: k is {k}, and dimension {dim} has {length} elements")
    order = argsort(x, axis=dim)
    index = (slice(None),) * (dim % x.ndim) + (slice(k - 1, k),) if x.ndim else ()
    return _selected("kthvalue", x, order[index], dim, keepdim)


@composition()
@either_name
def median(x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The lower of the two middle elements, NaN if there is one; with `dim` values and indices."""
    if dim is None or not x.ndim:
        return median_of_all(x) if dim is None else _selected("median", x, argsort(x), dim, keepdim)
    (axis,) = reduced_axes(x.ndim, dim)
    length = x.shape[axis]
    _nonempty(x, axis, "median")
    rank = where(any(isnan(x), axis=axis, keepdims=True), length - 1, (length - 1) // 2)
    return _selected("median", x, take_along_dim(argsort(x, axis=axis), rank, axis=axis), axis, keepdim)


def _spread(x: Array, dim: Any, unbiased: bool | None, keepdim: bool, correction: float) -> tuple[Any, dict[str, Any]]:
    """The arguments of `var` and `std`, whose older form is var(unbiased) and var(dim, unbiased)."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = correction if unbiased is None else int(unbiased)
    return x, {"axis": dim, "keepdims": keepdim, "correction": correction}


@composition()
@either_name
def var(x: Array, dim: Axis = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1) -> Array:
    """The variance, sum((x - mean)^2) / (n - correction); unbiased=False is correction=0."""
    x, options = _spread(x, dim, unbiased, keepdim, correction)
    return var_over(x, **options)


@composition()
@either_name
def std(x: Array, dim: Axis = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1) -> Array:
    """The standard deviation, the square root of `var`."""
    x, options = _spread(x, dim, unbiased, keepdim, correction)
    return std_over(x, **options)


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
    axes = reduced_axes(x.ndim, dim)
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


# Where NumPy's arguments differ from PyTorch's: it divides by n unless told otherwise, and flattens without an axis.
NUMPY[np.sort] = lambda a, axis=-1: sort(a, axis).values
NUMPY[np.var] = lambda a, axis=None, *, ddof=0, keepdims=False: var(a, axis=axis, keepdim=keepdims, correction=ddof)  # type: ignore[call-arg]
NUMPY[np.std] = lambda a, axis=None, *, ddof=0, keepdims=False: std(a, axis=axis, keepdim=keepdims, correction=ddof)  # type: ignore[call-arg]
NUMPY[np.cumsum] = lambda a, axis=None: cumsum(flatten(a), axis=0) if axis is None else cumsum(a, axis=axis)
NUMPY[np.cumprod] = lambda a, axis=None: cumprod(flatten(a), axis=0) if axis is None else cumprod(a, axis=axis)

# -------------------------------------------------------------------- counts and truth: plain, never recorded


def _array(x: Array) -> Array:
    x = getattr(x, "_array", x)
    return x if is_memory(x) else array_from(x)


@composition(name="where")
def where_or_nonzero(condition: Array, input: Array = None, other: Array = None) -> Array:
    """`input` where the condition holds and `other` elsewhere; with the condition alone, the indices where it holds."""
    if input is None and other is None:
        return tuple(wrap(index) for index in np.nonzero(np.atleast_1d(_array(condition))))
    return where(condition, input, other)


def _numpys_where(condition: Array, *choices: Array) -> Array:
    """np.where, for which any number is a condition."""
    return where_or_nonzero(condition if _array(condition).dtype.kind == "b" else ew.ne(condition, 0), *choices)


NUMPY[np.where] = _numpys_where


@composition(numpy=np.bincount)
def bincount(x: Array, weights: Array = None, minlength: int = 0) -> Array:
    """How often each of 0, 1, 2, ... occurs in a vector of integers; or the sums of their weights."""
    counts, values = _array(x), None if weights is None else _array(weights)
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
    values, edges = _array(x), bins if isinstance(bins, int) else _array(bins)
    weights = None if weight is None else _array(weight)
    made = np.histogram(values, edges, range, density=density, weights=weights)
    return Histogram(*(wrap(part.astype(values.dtype)) for part in made))


@composition()
def unique(
    x: Array, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements that occur (or slices along `dim`), in order; also where x has them, and how often they occur."""
    values = _array(x)
    found = np.unique(values, return_index=True, return_inverse=True, return_counts=True, axis=dim, equal_nan=False)
    inverse = found[2].reshape(values.shape if dim is None else -1)
    extra = [part for part, asked in ((inverse, return_inverse), (found[3], return_counts)) if asked]
    return (wrap(found[0]), *map(wrap, extra)) if extra else wrap(found[0])


@composition(numpy=np.array_equal)
def equal(x: Array, other: Array) -> bool:
    """Whether shapes and all elements are the same: True or False."""
    return bool(np.array_equal(_array(x), _array(other)))


@composition(numpy=np.allclose)
def allclose(x: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |x - other| <= atol + rtol |other| everywhere: True or False."""
    try:
        return bool(np.allclose(_array(x), _array(other), rtol, atol, equal_nan))
    except ValueError as error:
        raise ShapeError(f"allclose: {x.shape} and {other.shape} could not be broadcast together") from error
