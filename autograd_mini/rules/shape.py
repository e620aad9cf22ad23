"""Operations that move elements without changing them; each derivative moves them back."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import Array
from ..primitive import composition, primitive


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


@primitive(numpy=np.swapaxes, view=True, x=lambda g, axis0, axis1: np.swapaxes(g, axis0, axis1))
def swapaxes(x: Array, *, axis0: int, axis1: int) -> Array:
    """Two axes exchanged; a matrix transpose for axis0, axis1 = -2, -1."""
    return np.swapaxes(x, axis0, axis1)


@primitive(numpy=np.broadcast_to, view=True, x=lambda g: g)  # the engine undoes every broadcast, so this one too
def broadcast_to(x: Array, *, shape: Sequence[int]) -> Array:
    """x repeated, without copying, to a shape that it broadcasts to."""
    return np.broadcast_to(x, shape)


def _cat_backward(g: Array, i: int, xs_shape: tuple[tuple[int, ...], ...], axis: int) -> Array:
    start = sum(shape[axis] for shape in xs_shape[:i])
    index = [slice(None)] * g.ndim
    index[axis] = slice(start, start + xs_shape[i][axis])
    return g[tuple(index)]


@primitive(name="cat", public=False, xs=_cat_backward)
def cat_arrays(*xs: Array, axis: int = 0) -> Array:
    """The arrays one after the other along an axis that they have."""
    return np.concatenate(xs, axis=axis)


# -------------------------------------------------------------------------------------------- compositions


def _flat(args: tuple[Any, ...]) -> tuple[int, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    items = args[0] if len(args) == 1 and isinstance(args[0], (tuple, list)) else args
    return tuple(operator.index(n) for n in items)


@composition()
def reshape(x: Array, *shape: Any) -> Array:
    """The same elements in another shape: x.reshape(2, -1) or x.reshape((2, -1)). A view where that is possible."""
    return reshape_to(x, shape=_flat(shape))


@composition()
def view(x: Array, *shape: Any) -> Array:
    """`reshape` that refuses to copy, as in PyTorch."""
    result = reshape_to(x, shape=_flat(shape))
    if result.numel() and not np.shares_memory(result.detach().numpy(), x.detach().numpy()):
        raise RuntimeError(
            f"view size is not compatible with input tensor's size {x.shape} and stride: its memory is not contiguous."
            " Use .reshape(...) instead."
        )
    return result


@composition(numpy=np.reshape, name="numpy_reshape", public=False)
def numpy_reshape(a: Array, shape: Any) -> Array:
    """np.reshape."""
    return reshape_to(a, shape=_flat((shape,)))


@composition()
def permute(x: Array, *dims: Any) -> Array:
    """The axes in another order: x.permute(2, 0, 1)."""
    return permute_axes(x, dims=_flat(dims))


@composition(numpy=np.transpose, name="numpy_transpose", public=False)
def numpy_transpose(a: Array, axes: Any = None) -> Array:
    """np.transpose: all axes reversed unless told otherwise."""
    return permute_axes(a, dims=tuple(range(a.ndim))[::-1] if axes is None else _flat((axes,)))


@composition()
def transpose(x: Array, dim0: int, dim1: int) -> Array:
    """Two axes exchanged."""
    return swapaxes(x, dim0, dim1)


@composition()
def t(x: Array) -> Array:
    """The transpose of a matrix; a vector stays itself."""
    if x.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim}D: use .mT or permute")
    return swapaxes(x, 0, 1) if x.ndim == 2 else x


@composition()
def flatten(x: Array, start_dim: int = 0, end_dim: int = -1) -> Array:
    """The axes from start_dim to end_dim as one."""
    shape = x.shape or (1,)
    first, last = start_dim % len(shape), end_dim % len(shape)
    if first > last:
        raise RuntimeError(f"flatten() has start_dim {start_dim} after end_dim {end_dim}, for the shape {x.shape}")
    return reshape_to(x, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composition()
def unsqueeze(x: Array, dim: int) -> Array:
    """A new axis of length 1 at `dim`."""
    if not -x.ndim - 1 <= dim <= x.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-x.ndim - 1}, {x.ndim}], but got {dim})"
        )
    at = dim % (x.ndim + 1)
    return reshape_to(x, shape=(*x.shape[:at], 1, *x.shape[at:]))


@composition(numpy=np.squeeze)
def squeeze(x: Array, dim: Any = None, *, axis: Any = None) -> Array:
    """Without the axes of length 1: all of them, or those named (which are left alone if longer, as in PyTorch)."""
    dim = axis if dim is None else dim
    named = range(x.ndim) if dim is None else [d % x.ndim for d in _flat((dim,))] if x.ndim else ()
    return reshape_to(x, shape=tuple(n for d, n in enumerate(x.shape) if n != 1 or d not in named))


@composition(numpy=np.expand_dims, name="numpy_expand_dims", public=False)
def numpy_expand_dims(a: Array, axis: int) -> Array:
    """np.expand_dims, with one axis."""
    return unsqueeze(a, axis)


@composition()
def expand(x: Array, *sizes: Any) -> Array:
    """Axes of length 1 repeated, without copying, to the sizes given; -1 leaves one as it is."""
    wanted = _flat(sizes)
    if len(wanted) < x.ndim:
        raise RuntimeError(f"expand: {wanted} has fewer dimensions than the tensor, which is {x.shape}")
    own = (None,) * (len(wanted) - x.ndim) + tuple(x.shape)
    return broadcast_to(x, shape=tuple(o if n == -1 and o is not None else n for n, o in zip(wanted, own, strict=True)))


def cat(tensors: Sequence[Array], dim: int = 0, *, axis: int | None = None) -> Array:
    """The tensors one after the other along an axis that they all have."""
    return cat_arrays(*_several(tensors, "cat"), axis=dim if axis is None else axis)


def stack(tensors: Sequence[Array], dim: int = 0, *, axis: int | None = None) -> Array:
    """Tensors of one shape side by side along a new axis."""
    dim = dim if axis is None else axis
    return cat_arrays(*(unsqueeze(x, dim) for x in _several(tensors, "stack")), axis=dim)


def _several(tensors: Sequence[Array], name: str) -> Sequence[Array]:
    if not len(tensors):
        raise RuntimeError(f"{name}: expected a non-empty list of tensors")
    return tensors


@composition(numpy=np.concatenate, name="numpy_concatenate", public=False)
def numpy_concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """np.concatenate."""
    return cat(arrays, axis)


@composition(numpy=np.stack, name="numpy_stack", public=False)
def numpy_stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    """np.stack."""
    return stack(arrays, axis)
