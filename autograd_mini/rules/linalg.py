"""Products of matrices, each beside its derivatives."""

from __future__ import annotations

import numpy as np

from ..engine import Array
from ..primitive import primitive


def _t(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _matmul_x(g: Array, x_shape: tuple[int, ...], y: Array) -> Array:
    if y.ndim == 1:
        return g[..., None] * y
    if len(x_shape) == 1:
        return (y @ g[..., None])[..., 0]
    return g @ _t(y)


def _matmul_y(g: Array, x: Array, y_shape: tuple[int, ...]) -> Array:
    if x.ndim == 1:
        return g * x if len(y_shape) == 1 else x[:, None] * g[..., None, :]
    if len(y_shape) == 1:
        return (_t(x) @ g[..., None])[..., 0]
    if len(y_shape) == 2 and x.ndim > 2:  # one matrix for a whole batch: one product, not a sum of many
        return _t(x.reshape((-1, x.shape[-1]))) @ g.reshape((-1, g.shape[-1]))
    return _t(x) @ g


matmul = primitive(np.matmul, x=_matmul_x, y=_matmul_y)
