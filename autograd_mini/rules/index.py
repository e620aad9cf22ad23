"""Reading elements by index, and its adjoint: adding gradients into the places that were read."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Array
from ..primitive import call, primitive


@primitive(public=False, x=lambda g, index: g[index])
def put(x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with x added at `index`, where an element may be named several times."""
    result = np.zeros_like(x, shape=shape)
    if may_repeat(index):
        np.add.at(result, index, x)  # slow, so only where an index can occur twice
    else:
        result[index] = x
    return result


@primitive(public=False, view=True, x=lambda g, x_shape, index: call(put, g, index=index, shape=x_shape))
def getitem(x: Array, *, index: Any) -> Array:
    """x[index], every form that NumPy knows."""
    return x[index]


def may_repeat(index: Any) -> bool:
    """Whether the index holds integer arrays, which alone can name an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(getattr(p, "ndim", 0) > 0 and p.dtype.kind in "iu" for p in parts)


@primitive(
    public=False,
    x=lambda g, index: np.where(mask_of(g.shape, index), 0.0, g),
    value=lambda g, index: g[index],
)
def setitem(x: Array, value: Array, *, index: Any) -> Array:
    """A copy of x with x[index] = value: what an assignment into a recorded tensor means."""
    result = np.array(x)
    result[index] = value
    return result


def mask_of(shape: tuple[int, ...], index: Any) -> Array:
    """True where x[index] is in an x of this shape."""
    mask = np.zeros(shape, bool)
    mask[index] = True
    return mask


def _along(shape: tuple[int, ...], index: Array, axis: int) -> tuple[Array, ...]:
    """`index` along one axis as a full NumPy index: every other axis runs over its own range."""
    grid = [np.arange(n).reshape([-1 if i == d else 1 for i in range(len(shape))]) for d, n in enumerate(index.shape)]
    grid[axis] = index
    return tuple(grid)


@primitive(
    numpy=np.take_along_axis,
    x=lambda g, x_shape, indices, axis: call(put, g, index=_along(x_shape, indices, axis), shape=x_shape),
)
def take_along_dim(x: Array, indices: Array, *, axis: int) -> Array:
    """x at one index per element along an axis, as `argmax` or `argsort` return them."""
    return x[_along(x.shape, indices, axis)]
