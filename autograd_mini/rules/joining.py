"""Joining tensors, and cutting them into views; each derivative cuts, or puts back, the gradient."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Array
from ..primitive import NUMPY, ShapeError, composition, primitive
from .axes import dimension, either_name
from .index import along, getitem
from .shape import at_least, integers, movedim, numpy_as, reshape_to

_dimension = dimension  # where an argument has this name, by PyTorch's will


def _cat_backward(g: Array, i: int, xs_shape: tuple[tuple[int, ...], ...], axis: int) -> Array:
    global _last_cat
    last = _last_cat  # other threads may change it
    if last[0] is not xs_shape or last[1] != axis:  # else it is asked for the next input of the same operation
        _last_cat = last = xs_shape, axis, [0, *itertools.accumulate(shape[axis] for shape in xs_shape)]
    starts = last[2]
    return g[along(axis % g.ndim, slice(starts[i], starts[i + 1]))]


_last_cat: tuple[Any, int, list[int]] = (None, 0, [])  # where its inputs start, lest every input adds up all before


@primitive(name="cat", public=False, xs=_cat_backward)
def cat_arrays(*xs: Array, axis: int = 0) -> Array:
    """The arrays one after the other along an axis that they have."""
    return np.concatenate(xs, axis=axis)


def _stack_backward(g: Array, i: int, axis: int) -> Array:
    return g[along(axis % g.ndim, i)]


@primitive(name="stack", public=False, xs=_stack_backward)
def stack_arrays(*xs: Array, axis: int = 0) -> Array:
    """The arrays, of one shape, side by side along a new axis."""
    return np.stack(xs, axis=axis)


# ---------------------------------------------------------------------------------------------------- joining


@either_name
def cat(tensors: Sequence[Array], dim: int = 0) -> Array:
    """The tensors one after the other along an axis that they all have. Vectors of length 0 fit any, as in PyTorch."""
    first = next((x for x in _several(tensors, "cat") if x.shape != (0,)), tensors[0])
    dim = dimension(dim, first.ndim)
    nothing = (*first.shape[:dim], 0, *first.shape[dim + 1 :])
    return cat_arrays(*(reshape_to(x, shape=nothing) if x.shape == (0,) != nothing else x for x in tensors), axis=dim)


@either_name
def stack(tensors: Sequence[Array], dim: int = 0) -> Array:
    """Tensors of one shape side by side along a new axis."""
    shape = _several(tensors, "stack")[0].shape
    dim = dimension(dim, len(shape) + 1)
    if any(x.shape != shape for x in tensors):
        raise ShapeError(f"stack expects each tensor to be equal size, not {[tuple(x.shape) for x in tensors]}")
    return stack_arrays(*tensors, axis=dim)


def hstack(tensors: Sequence[Array]) -> Array:
    """`cat` along the columns; of vectors along their only axis."""
    several = at_least(1, (list(_several(tensors, "hstack")),))
    return cat(several, 0 if several[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Array]) -> Array:
    """`cat` of rows: vectors are rows."""
    return cat(at_least(2, (list(_several(tensors, "vstack")),)), 0)


def column_stack(tensors: Sequence[Array]) -> Array:
    """`cat` of columns: vectors are columns."""
    columns = [reshape_to(x, shape=(-1, 1)) if x.ndim < 2 else x for x in _several(tensors, "column_stack")]
    return cat(columns, 1)


def _several(tensors: Sequence[Array], name: str) -> Sequence[Array]:
    if isinstance(tensors, (str, dict)):
        raise TypeError(f"{name}: expected a list or a tuple of tensors, but got {tensors!r}")
    if not len(tensors):
        raise ShapeError(f"{name}: expected a non-empty list of tensors")
    return tensors


# ---------------------------------------------------------------------------------------------------- cutting


def _pieces(x: Array, dim: int, bounds: Sequence[int]) -> tuple[Array, ...]:
    """x cut along an axis at these places, the first and the last of which are its ends."""
    ends = itertools.pairwise(bounds)
    return tuple(getitem(x, index=along(dim, slice(start, max(stop, start)))) for start, stop in ends)


@composition()
def split(x: Array, split_size_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Views of x along an axis: of one length each (the last may be shorter), or of the lengths in a list."""
    dim = dimension(dim, x.ndim)
    length, sizes = x.shape[dim], split_size_or_sections
    if not isinstance(sizes, (list, tuple)):
        if sizes < 0 or (sizes == 0 and length):
            raise RuntimeError(f"split expects split_size be non-negative, and not 0, but got split_size={sizes}")
        return _pieces(x, dim, [*(range(0, length, sizes) if length else [0]), length])
    bounds = [0, *itertools.accumulate(sizes)]
    if bounds[-1] != length or min(sizes, default=0) < 0:
        raise RuntimeError(f"split expects split_sizes to sum exactly to {length}, the size of dim {dim}, not {sizes}")
    return _pieces(x, dim, bounds)


@composition()
def chunk(x: Array, chunks: int, dim: int = 0) -> tuple[Array, ...]:
    """At most so many views of x, of one length but for the last."""
    if chunks < 1:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    length = x.shape[dimension(dim, x.ndim)]
    return split(x, -(-length // chunks) or 1, dim) if length else split(x, [0] * chunks, dim)


@composition()
def tensor_split(x: Array, indices_or_sections: Any, dim: int = 0) -> tuple[Array, ...]:
    """Exactly so many views, the first ones longer by 1 where needed; or cut before each index of a list."""
    dim, cuts = dimension(dim, x.ndim), indices_or_sections
    length = x.shape[dim]
    if isinstance(cuts, int):
        if cuts < 1:
            raise RuntimeError(f"number of sections must be larger than 0, got {cuts}")
        short, longer = divmod(length, cuts)
        return _pieces(x, dim, [i * short + min(i, longer) for i in range(cuts + 1)])
    inside = [slice(cut).indices(length)[1] for cut in integers((cuts,))]
    return _pieces(x, dim, [0, *inside, length])


@composition(numpy=np.unstack if hasattr(np, "unstack") else ())
@either_name
def unbind(x: Array, dim: int = 0) -> tuple[Array, ...]:
    """Views of all rows (for dim 0), without that axis."""
    return tuple(_rows(x, dimension(dim, x.ndim)))


def _rows(x: Array, dim: int) -> list[Array]:
    """x[0], x[1], … Where gradients flow, cut from blocks of blocks: each row's gradient is put into zeros as large as
    its block, so that of T rows backward adds up some 3 log T arrays as large as x, instead of T."""
    length = x.shape[dim]
    if length <= 8 or not getattr(x, "requires_grad", False):
        return [getitem(x, index=along(dim, i)) for i in range(length)]
    blocks = _pieces(x, dim, [*range(0, length, -(-length // 8)), length])
    return [row for block in blocks for row in _rows(block, dim)]


@composition()
def select(x: Array, dim: int, index: int) -> Array:
    """The view x[index] along an axis."""
    return getitem(x, index=along(dimension(dim, x.ndim), operator.index(index)))


@composition()
def narrow(x: Array, dim: int, start: int, length: int) -> Array:
    """The view x[start : start + length] along an axis; none of it may lie outside."""
    dim = dimension(dim, x.ndim)
    start = operator.index(start) + (x.shape[dim] if start < 0 else 0)
    if length < 0 or not 0 <= start <= x.shape[dim] - length:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({x.shape[dim]})")
    return getitem(x, index=along(dim, slice(start, start + length)))


@composition()
def unfold(x: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of `size` elements along an axis, `step` apart: so many in that axis, their elements in a new last."""
    dim = _dimension(dimension, x.ndim)
    length = x.shape[dim] if x.ndim else 1
    if size > length or size < 0 or step < 1:
        raise RuntimeError(f"unfold: windows of size {size}, step {step} do not fit dimension {dim}, of size {length}")
    windows = np.arange(0, length - size + 1, step)[:, None] + np.arange(size)
    return movedim(getitem(x if x.ndim else x.reshape(1), index=along(dim, windows)), dim + 1, -1)


NUMPY[np.concatenate] = lambda arrays, axis=0: (  # without an axis: all that is in them
    cat([reshape_to(x, shape=(-1,)) for x in arrays]) if axis is None else cat(arrays, axis)
)
numpy_as(np.stack, stack, arrays="tensors", axis="dim")
numpy_as(np.hstack, hstack)
numpy_as(np.vstack, vstack)
numpy_as(np.column_stack, column_stack)
numpy_as(np.array_split, tensor_split, ary="x", axis="dim")
