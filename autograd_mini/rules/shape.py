"""Operations that move elements without changing them; each derivative moves them back."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import tensors_expected
from ..devices import beside, on_host
from ..engine import Array
from ..primitive import NUMPY, OPERATIONS, ShapeError, call, composition, primitive
from .axes import dimension, either_name
from .elementwise import clone, where
from .index import along, argwhere, getitem, index_select, put, setitem

_dimension = dimension  # where an argument has this name, by PyTorch's will
Shape = tuple[int, ...]


@primitive(name="reshape", public=False, view=True, x=lambda g, x_shape: g.reshape(x_shape))
def reshape_to(x: Array, *, shape: Sequence[int]) -> Array:
    """The same elements, in row-major order, in another shape; one length may be -1."""
    return x.reshape(shape)


def _permute_backward(g: Array, dims: Sequence[int]) -> Array:
    order = [d % len(dims) for d in dims]
    return np.transpose(g, [order.index(i) for i in range(len(order))])


@primitive(name="permute", public=False, view=True, x=_permute_backward)
def permute_axes(x: Array, *, dims: Sequence[int]) -> Array:
    """The axes in another order: axis i of the result is axis dims[i] of x."""
    return np.transpose(x, dims)


@primitive(view=True, x=lambda g, axis0, axis1: np.swapaxes(g, axis0, axis1))
def swapaxes(x: Array, *, axis0: int, axis1: int) -> Array:
    """Two axes exchanged; a matrix transpose for axis0, axis1 = -2, -1."""
    return np.swapaxes(x, axis0, axis1)


@primitive(numpy=np.broadcast_to, view=True, x=lambda g: g)  # the engine undoes every broadcast, so this one too
def broadcast_to(x: Array, *, shape: Sequence[int]) -> Array:
    """x repeated, without copying, to a shape that it broadcasts to."""
    return np.broadcast_to(x, shape)


def _all_axes(dims: Any, ndim: int) -> Shape:
    return tuple(range(ndim)) if dims is None else integers((dims,))


@primitive(public=False, name="flip", x=lambda g, dims: np.flip(g, dims))
def flip_axes(x: Array, *, dims: Shape) -> Array:
    """The elements in reverse order along the axes."""
    return np.flip(x, dims).copy()


@primitive(public=False, name="roll", x=lambda g, shifts, dims: np.roll(g, [-n for n in shifts], dims))
def roll_axes(x: Array, *, shifts: Sequence[int], dims: Sequence[int]) -> Array:
    """The elements moved along the axes; what falls off at the end comes back at the start."""
    return np.roll(x, shifts, dims)


def _diagonal_backward(g: Array, x_shape: Shape, offset: int, dim1: int, dim2: int) -> Array:
    return call(put_diagonal, g, shape=x_shape, offset=offset, dim1=dim1, dim2=dim2)


@primitive(view=True, x=_diagonal_backward)
def diagonal(x: Array, *, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The elements with equal indices along two axes (dim2's larger by `offset`), as a new last axis."""
    result = np.diagonal(x, offset, dim1, dim2)
    if on_host(x) and x.flags.writeable:
        result.flags.writeable = True  # NumPy's is read-only, for a reason that it has since given up
    return result


@primitive(public=False, x=lambda g, offset, dim1, dim2: call(diagonal, g, offset=offset, dim1=dim1, dim2=dim2))
def put_diagonal(x: Array, *, shape: Shape, offset: int, dim1: int, dim2: int) -> Array:
    """Zeros of `shape` with x on a diagonal."""
    result = np.zeros_like(x, shape=shape)
    target = np.diagonal(result, offset, dim1, dim2)
    if on_host(target):
        target.flags.writeable = True
    target[...] = x
    return result


# ------------------------------------------------------------------------------------------- another shape


def integers(args: tuple[Any, ...]) -> Shape:
    """f(2, 3) and f((2, 3)) mean the same."""
    items = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    return tuple(operator.index(n) for n in items)


@composition()
def reshape(x: Array, *sizes: Any, shape: Any = ()) -> Array:
    """The same elements in another shape: x.reshape(2, -1) or x.reshape((2, -1)). A view where that is possible."""
    return reshape_to(x, shape=integers(sizes or (shape,)))


@composition()
def reshape_as(x: Array, other: Array) -> Array:
    """The same elements in the shape of `other`."""
    return reshape_to(x, shape=other.shape)


@composition()
def view(x: Array, *shape: Any) -> Array:
    """`reshape` that refuses to copy, as in PyTorch."""
    result = reshape_to(x, shape=integers(shape))
    shown, memory = result._array.base, (x._array, x._array.base)
    if x.ndim and result.numel() and (shown is None or all(shown is not array for array in memory)):
        raise RuntimeError(
            f"view size is not compatible with input tensor's size {x.shape} and stride: its memory is not contiguous."
            " Use .reshape(...) instead."
        )
    return result


@composition()
def view_as(x: Array, other: Array) -> Array:
    """`view` in the shape of `other`."""
    return view(x, other.shape)


@composition()
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The axes from start_dim to end_dim as one."""
    shape = x.shape or (1,)
    first, last = dimension(start_dim, len(shape)), dimension(end_dim, len(shape))
    if first > last:
        raise RuntimeError(f"flatten() has start_dim {start_dim} after end_dim {end_dim}, for the shape {x.shape}")
    return reshape_to(x, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composition(numpy=np.ravel)
def ravel(x: Array) -> Array:
    """All elements as a vector."""
    return reshape_to(x, shape=(math.prod(x.shape),))


@composition()
def unflatten(x: Array, dim: int, sizes: Sequence[int]) -> Array:
    """One axis as several, of these lengths; one may be -1."""
    dim, sizes = dimension(dim, x.ndim), integers((sizes,))
    rest = math.prod(n for n in sizes if n != -1)
    sizes = tuple(x.shape[dim] // (rest or 1) if n == -1 else n for n in sizes)
    if math.prod(sizes) != x.shape[dim] or min(sizes, default=0) < 0:
        raise ShapeError(f"unflatten: {sizes} don't multiply up to the size of dim {dim} ({x.shape[dim]})")
    return reshape_to(x, shape=(*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


@composition()
def unsqueeze(x: Array, dim: int) -> Array:
    """A new axis of length 1 at `dim`."""
    at = dimension(dim, x.ndim + 1)
    return reshape_to(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


@composition(numpy=np.squeeze)
@either_name
def squeeze(x: Array, dim: Any = None) -> Array:
    """Without the axes of length 1: all of them, or those named (which are left alone if longer, as in PyTorch)."""
    named = [dimension(d, x.ndim) for d in _all_axes(dim, x.ndim)]
    return reshape_to(x, shape=tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in named))


def at_least(ndim: int, tensors: tuple[Any, ...]) -> Any:
    """One tensor, or several as a tuple, with axes of length 1 in front."""
    if len(tensors) != 1 or isinstance(tensors[0], (list, tuple)):
        return tuple(at_least(ndim, (x,)) for x in (tensors if len(tensors) != 1 else tensors[0]))
    x = tensors[0]
    if not hasattr(x, "ndim"):
        raise TypeError(f"expected a tensor, or a list or tuple of tensors, but got {x!r:.60}")
    return x if x.ndim >= ndim else reshape_to(x, shape=(*(1,) * (ndim - x.ndim), *x.shape))


@composition(numpy=np.atleast_1d)
def atleast_1d(*tensors: Any) -> Any:
    """A 0-d tensor as a vector."""
    return at_least(1, tensors)


@composition(numpy=np.atleast_2d)
def atleast_2d(*tensors: Any) -> Any:
    """A vector as the row of a matrix."""
    return at_least(2, tensors)


# ----------------------------------------------------------------------------------------- another order


@composition()
def permute(x: Array, *order: Any, dims: Any = ()) -> Array:
    """The axes in another order: x.permute(2, 0, 1)."""
    return permute_axes(x, dims=integers(order or (dims,)))


@composition(numpy=np.transpose, name="numpy_transpose", public=False)
def numpy_transpose(a: Array, axes: Any = None) -> Array:
    """np.transpose: all axes reversed unless told otherwise."""
    return permute_axes(a, dims=tuple(range(a.ndim))[::-1] if axes is None else integers((axes,)))


@composition()
def transpose(x: Array, dim0: int, dim1: int) -> Array:
    """Two axes exchanged."""
    dims = dimension(dim0, x.ndim), dimension(dim1, x.ndim)
    return swapaxes(x, *dims) if x.ndim else x


OPERATIONS["swapdims"] = transpose  # by another name


@composition()
def t(x: Array) -> Array:
    """The transpose of a matrix; a vector stays itself."""
    if x.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D: use .mT or permute")
    return swapaxes(x, 0, 1) if x.ndim == 2 else x


@composition()
def adjoint(x: Array) -> Array:
    """The transpose of a matrix, or of each matrix of a batch."""
    return swapaxes(x, -2, -1)


@composition()
def movedim(x: Array, source: Any, destination: Any) -> Array:
    """Axes moved to other places; those that are not named keep their order."""
    source, destination = ([dimension(d, x.ndim) for d in integers((dims,))] for dims in (source, destination))
    if len(set(source)) != len(source) or len({*destination}) != len(destination) or len(source) != len(destination):
        raise RuntimeError(f"movedim: as many different destinations as sources, not {source} and {destination}")
    order = [d for d in range(x.ndim) if d not in source]
    for to, d in sorted(zip(destination, source, strict=True)):
        order.insert(to, d)
    return permute_axes(x, dims=order)


@composition()
def flip(x: Array, *axes: Any, dims: Any = None) -> Array:
    """The elements in reverse order along the axes, which must be named."""
    if not axes and dims is None:
        raise TypeError('flip() missing 1 required positional arguments: "dims"')
    dims = _all_axes(integers(axes) if axes else dims, x.ndim)
    return flip_axes(x, dims=() if x.ndim == 0 and set(dims) <= {0, -1} else dims)  # a number has one axis for PyTorch


@composition()
def fliplr(x: Array) -> Array:
    """The columns of a matrix in reverse order."""
    return flip_axes(x, dims=(1,))


@composition()
def flipud(x: Array) -> Array:
    """The rows in reverse order."""
    return flip_axes(x, dims=(0,))


@composition()
def roll(x: Array, shifts: Any, dims: Any = None) -> Array:
    """The elements moved along the axes, end to start; without axes, the flattened x."""
    shifts = integers((shifts,))
    if dims is None:
        return reshape_to(roll_axes(ravel(x), shifts=shifts, dims=(0,) * len(shifts)), shape=x.shape)
    dims = integers((dims,))
    if len(shifts) != len(dims):
        raise RuntimeError(f"roll: shifts and dims must align, not {shifts} and {dims}")
    return roll_axes(x, shifts=shifts, dims=dims)


# --------------------------------------------------------------------------------------------- repetition


@composition()
def expand(x: Array, *sizes: Any) -> Array:
    """Axes of length 1 repeated, without copying, to the sizes given; -1 leaves one as it is."""
    wanted = integers(sizes)
    if len(wanted) < x.ndim:
        raise RuntimeError(f"expand: {wanted} has fewer dimensions than the tensor, which is {x.shape}")
    own = (None,) * (len(wanted) - x.ndim) + tuple(x.shape)
    return broadcast_to(x, shape=tuple(o if n == -1 and o is not None else n for n, o in zip(wanted, own, strict=True)))


@composition()
def expand_as(x: Array, other: Array) -> Array:
    """`expand` to the shape of `other`."""
    return expand(x, other.shape)


@composition(numpy=np.broadcast_arrays)
@tensors_expected
def broadcast_tensors(*tensors: Array) -> tuple[Array, ...]:
    """All tensors in the one shape that they broadcast to."""
    try:
        shape = np.broadcast_shapes(*(x.shape for x in tensors))
    except ValueError as error:
        raise ShapeError(f"broadcast_tensors: {error}") from error
    return tuple(broadcast_to(x, shape=shape) for x in tensors)


@composition()
def repeat(x: Array, *sizes: Any) -> Array:
    """Copies of x side by side: so many along each axis."""
    times = integers(sizes)
    if len(times) < x.ndim:
        raise RuntimeError(f"repeat: {times} has fewer numbers than the tensor {x.shape} has axes: use tile")
    shape = (1,) * (len(times) - x.ndim) + tuple(x.shape)
    apart = reshape_to(x, shape=[k for n in shape for k in (1, n)])
    copies = broadcast_to(apart, shape=[k for r, n in zip(times, shape, strict=True) for k in (r, n)])
    return reshape_to(clone(copies), shape=[r * n for r, n in zip(times, shape, strict=True)])


@composition()
def tile(x: Array, *repeats: Any, dims: Any = ()) -> Array:
    """`repeat`, where axes in front may be left out."""
    times = integers(repeats or (dims,))
    return repeat(x, (1,) * (x.ndim - len(times)) + times)


@composition()
def repeat_interleave(x: Array, repeats: Any, dim: int | None = None) -> Array:
    """Each row (for dim 0; without dim, each element) `repeats` times in a row: a number for all, or one for each."""
    if dim is None:
        x, dim = ravel(x), 0
    repeats = np.asarray(repeats)
    if repeats.size and repeats.min() < 0:
        raise RuntimeError(f"repeat_interleave: repeats can not be negative, but got {repeats.min()}")
    return index_select(x, dim, np.repeat(np.arange(x.shape[dim]), repeats))


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Array, ...]:
    """Coordinates of a grid: for vectors of lengths m and n two (m, n) tensors; (n, m) with indexing="xy"."""
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", not {indexing!r}')
    vectors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    vectors = [at_least(1, (v,)) for v in vectors]
    if odd := [tuple(v.shape) for v in vectors if v.ndim > 1]:
        raise ShapeError(f"meshgrid: expected vectors, one for each axis, but got a tensor of shape {odd[0]}")
    order = list(range(len(vectors)))
    order[:2] = order[:2][:: -1 if indexing == "xy" else 1]
    shape = [vectors[at].shape[0] for at in order]  # to exchange two axes is its own inverse
    own = [[-1 if d == at else 1 for d in range(len(order))] for at in order]
    return tuple(broadcast_to(reshape_to(v, shape=s), shape=shape) for v, s in zip(vectors, own, strict=True))


# --------------------------------------------------------------------------- diagonals, triangles, borders


@composition()
def diag_embed(x: Array, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Array:
    """Square matrices, in the axes dim1 and dim2 of the result, with the last axis of x on a diagonal."""
    ndim, size = x.ndim + 1, x.shape[-1] + abs(offset)
    dims = dimension(dim1, ndim), dimension(dim2, ndim)
    shape = list(x.shape[:-1])
    for d in sorted(dims):
        shape.insert(d, size)
    return put_diagonal(x, shape=tuple(shape), offset=offset, dim1=dims[0], dim2=dims[1])


_diagonal_of = diagonal  # in `diag` the name is an argument


@composition()
def diag(x: Array, diagonal: int = 0) -> Array:
    """The diagonal of a matrix; of a vector the matrix with it on its diagonal."""
    if x.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {x.ndim}D: use diagonal or diag_embed")
    return diag_embed(x, diagonal) if x.ndim == 1 else _diagonal_of(x, offset=diagonal)


@composition()
def tril(x: Array, diagonal: int = 0) -> Array:
    """The lower triangle of a matrix (or of each of a batch), up to a diagonal; 0 above it."""
    return where(_lower(x, diagonal, "tril"), x, beside(np.zeros((), x.dtype), x))


@composition()
def triu(x: Array, diagonal: int = 0) -> Array:
    """The upper triangle of a matrix (or of each of a batch), from a diagonal on; 0 below it."""
    return where(_lower(x, diagonal - 1, "triu"), beside(np.zeros((), x.dtype), x), x)


def _lower(x: Array, diagonal: int, name: str) -> Array:
    if x.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, not {x.ndim}")
    return beside(_triangle(x.shape[-2], x.shape[-1], diagonal), x)


def _triangle(rows: int, columns: int, diagonal: int) -> Array:
    """True in the lower triangle."""
    sizes = operator.index(rows), operator.index(columns)
    if min(sizes) < 0:
        raise RuntimeError(f"rows and columns must be non-negative, but got {rows} and {columns}")
    return np.tri(*sizes, operator.index(diagonal), dtype=bool)


def tril_indices(row: int, col: int, offset: int = 0) -> Array:
    """Rows and columns (2, n) of the lower triangle of a (row, col) matrix."""
    return t(argwhere(_triangle(row, col, offset)))


def triu_indices(row: int, col: int, offset: int = 0) -> Array:
    """Rows and columns (2, n) of the upper triangle of a (row, col) matrix."""
    return t(argwhere(~_triangle(row, col, offset - 1)))


_PAD_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(input: Array, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Array:
    """A border around x: `pad` is (left, right) of the last axis, then of the one before it, and so on.

    mode: "constant" (`value`, default 0), "reflect", "replicate" or "circular". Negative widths cut off.
    """
    widths = integers((pad,))
    if mode not in _PAD_MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}: use one of {', '.join(_PAD_MODES)}")
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise RuntimeError(f"pad: expected up to {2 * input.ndim} widths, two for each axis, but got {widths}")
    if mode != "constant" and value is not None:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2) + list(zip(widths[::2], widths[1::2], strict=True))[::-1]
    if min(widths, default=0) < 0:
        inside = [slice(max(-lo, 0), n - max(-hi, 0)) for (lo, hi), n in zip(pairs, input.shape, strict=True)]
        input, pairs = getitem(input, index=tuple(inside)), [(max(lo, 0), max(hi, 0)) for lo, hi in pairs]
    return _pad_constant(input, pairs, value or 0) if mode == "constant" else _pad_indexed(input, pairs, mode)


def _pad_constant(x: Array, pairs: Sequence[tuple[int, int]], value: float) -> Array:
    shape = tuple(lo + n + hi for (lo, hi), n in zip(pairs, x.shape, strict=True))
    inside = tuple(slice(lo, lo + n) for (lo, _), n in zip(pairs, x.shape, strict=True))
    if not value:
        return put(x, index=inside, shape=shape)
    return setitem(beside(np.full(shape, value, x.dtype), x), x, index=inside)


def _pad_indexed(x: Array, pairs: Sequence[tuple[int, int]], mode: str) -> Array:
    """The modes that repeat elements of x: the padded numbers 0 to n - 1 are the index, axis by axis."""
    for dim, (lo, hi) in enumerate(pairs):
        n = x.shape[dim]
        limit = {"reflect": n - 1, "circular": n}.get(mode, max(lo, hi) * (n > 0))
        if max(lo, hi) > limit:
            raise RuntimeError(f"pad: {mode} padding by {lo, hi} needs more than the {n} elements of axis {dim}")
        if lo or hi:
            x = getitem(x, index=along(dim, np.pad(np.arange(n), (lo, hi), _PAD_MODES[mode])))  # type: ignore[call-overload]
    return x


# ------------------------------------------------------------------------- NumPy's names, with its keywords


def numpy_as(function: Any, operation: Any, **renamed: str) -> None:
    """Record a NumPy function as `operation`, which takes the same arguments with these keywords renamed."""

    def adapter(*args: Any, **options: Any) -> Any:
        return operation(*args, **{renamed.get(k, k): v for k, v in options.items()})

    NUMPY[function] = adapter


numpy_as(np.reshape, reshape, a="x")
numpy_as(np.swapaxes, swapaxes, a="x", axis1="axis0", axis2="axis1")
numpy_as(np.moveaxis, movedim, a="x")
NUMPY[np.flip] = lambda m, axis=None: flip_axes(m, dims=_all_axes(axis, m.ndim))  # without an axis: along all
numpy_as(np.fliplr, fliplr, m="x")
numpy_as(np.flipud, flipud, m="x")
numpy_as(np.roll, roll, a="x", shift="shifts", axis="dims")
numpy_as(np.tile, tile, A="x", reps="dims")
numpy_as(np.repeat, repeat_interleave, a="x", axis="dim")
numpy_as(np.diagonal, diagonal, a="x", axis1="dim1", axis2="dim2")
numpy_as(np.diag, diag, v="x", k="diagonal")
numpy_as(np.tril, tril, m="x", k="diagonal")
numpy_as(np.triu, triu, m="x", k="diagonal")
numpy_as(np.meshgrid, functools.partial(meshgrid, indexing="xy"))
numpy_as(np.expand_dims, unsqueeze, a="x", axis="dim")  # with one axis


@composition(numpy=np.pad, name="numpy_pad", public=False)
def numpy_pad(array: Array, pad_width: Any, mode: str = "constant", *, constant_values: float = 0) -> Array:
    """np.pad: widths from the first axis on; NumPy's names of the modes."""
    widths = np.broadcast_to(pad_width, (array.ndim, 2))[::-1].ravel().tolist()
    names = {theirs: ours for ours, theirs in _PAD_MODES.items()}
    if mode not in names:
        raise TypeError(f"np.pad with mode={mode!r} is not recorded here: use one of {', '.join(names)}")
    return pad(array, widths, names[mode], constant_values if mode == "constant" else None)


IN_PLACE = (tril, triu)  # have a twin with "_"
