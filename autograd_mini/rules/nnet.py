"""What networks need beyond plain arithmetic: the linear layer, softmax and the cross-entropy that goes with it."""

from __future__ import annotations

import numpy as np

from ..engine import Array
from ..primitive import primitive


def _rows(x: Array) -> Array:
    return x.reshape((-1, x.shape[-1]))


@primitive(
    public=False,
    x=lambda g, weight: g @ weight,
    weight=lambda g, x: (_rows(x).T @ _rows(g)).T,
    bias=lambda g: g,
)
def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x weight^T + bias, for x (..., in), weight (out, in) and bias (out) (or the number 0).

    One operation instead of three. The gradient of the weight has the memory order (in, out), which is also what BLAS
    is fastest with, and what `nn.Linear` gives its weight.
    """
    out = x @ weight.T
    if getattr(bias, "ndim", 0):
        out += bias  # out is fresh, so nobody sees it change
    return out


def _softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@primitive(x=lambda g, out, axis: out * (g - np.sum(g * out, axis=axis, keepdims=True)))
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
    return _softmax(x, axis)


@primitive(x=lambda g, out, axis: g - np.exp(out) * np.sum(g, axis=axis, keepdims=True))
def log_softmax(x: Array, *, axis: int) -> Array:
    """log(softmax(x)), without ever taking the logarithm of 0."""
    return _log_softmax(x, axis)


def _is_class(target: Array) -> bool:
    return bool(target.dtype.kind in "iub")


def _hot(target: Array, classes: int) -> Array:
    return target[..., None] == np.arange(classes) if _is_class(target) else target


def _cross_entropy_backward(g: Array, x: Array, target: Array) -> Array:
    p = _softmax(x, -1)
    if not _is_class(target):
        p = p * np.sum(target, axis=-1, keepdims=True)  # probabilities that sum to 1 change nothing here
    return (p - _hot(target, x.shape[-1])) * g[..., None]


@primitive(x=_cross_entropy_backward, target=lambda g, x: -_log_softmax(x, -1) * g[..., None])
def softmax_cross_entropy(x: Array, target: Array) -> Array:
    """-log softmax(x)[target] per sample, x (..., C); target: class numbers (...), or probabilities (..., C).

    The gradient is softmax(x) - target: the reason to fuse the two.
    """
    if _is_class(target):
        if target.shape != x.shape[:-1]:
            raise ValueError(f"class targets must have the shape {x.shape[:-1]} of the scores, not {target.shape}")
        if target.size and not 0 <= target.min() <= target.max() < x.shape[-1]:
            raise IndexError(
                f"Target out of bounds: the classes are 0 to {x.shape[-1] - 1}, and the targets"
                f" {target.min()} to {target.max()}"
            )
    elif target.shape != x.shape:
        raise ValueError(f"probability targets must have the shape {x.shape} of the scores, not {target.shape}")
    log_p = _log_softmax(x, -1)
    if _is_class(target):
        return -np.take_along_axis(log_p, target[..., None], -1)[..., 0]
    return -np.sum(log_p * target, axis=-1)
