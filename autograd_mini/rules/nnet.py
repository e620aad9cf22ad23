"""What networks need beyond plain arithmetic: the linear layer, softmax and attention, norms of activations, losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..devices import beside, memory_of
from ..engine import Array
from ..primitive import ShapeError, call, composition, primitive
from ..sums import blas_sums, rows, sums_of_rows
from .axes import either_name, one_axis
from .conv import halves_as_singles
from .elementwise import astype, logsigmoid, maximum, rsqrt, square, where
from .linalg import matmul, product
from .reduce import mean, norm, var
from .reduce import sum as add_up
from .shape import permute, reshape, swapaxes, unsqueeze


@primitive(
    public=False,
    x=lambda g, weight: product(g, weight),
    weight=lambda g, x: product(rows(x).T, rows(g)).T,
    bias=lambda g: g,
)
def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x weight^T + bias, for x (..., in), weight (out, in) and bias (out) (or the number 0).

    One operation instead of three. The gradient of the weight has the memory order (in, out), which is also what BLAS
    is fastest with, and what `nn.Linear` gives its weight.
    """
    out = product(x, weight.T)
    if getattr(bias, "ndim", 0):
        out += bias  # out is fresh, so nobody sees it change
    return out


# ----------------------------------------------------------------------------------------- softmax and attention


def _total(x: Array, axis: int | tuple[int, ...], y: Array = None) -> Array:
    """The sum of x, or of x * y, over axes, which stay.

    Of short rows by BLAS or einsum: that takes a third of the time, and makes no array of products.
    """
    if axis not in (-1, (-1,)) or not blas_sums(x) or x.shape[-1] > 1024:
        return np.sum(x if y is None else x * y, axis=axis, keepdims=True)
    return (sums_of_rows(x) if y is None else np.einsum("...i,...i->...", x, y))[..., None]


@primitive(public=False, x=lambda g, out, axis: out * (g - _total(g, axis, out)))
def softmax(x: Array, *, axis: int) -> Array:
    """exp(x) / sum(exp(x)) along an axis, shifted by the maximum so that nothing overflows."""
    axis = axis if type(axis) is int else one_axis(axis)
    if not x.size:
        return x.copy()
    with np.errstate(invalid="ignore"):  # NaN where all is -inf, or something inf
        e = memory_of(x - np.max(x, axis=axis, keepdims=True))
        np.exp(e, out=e)  # in place: one array is made instead of three
        e /= _total(e, axis)
    return e


@primitive(public=False, x=lambda g, out, axis: g - np.exp(out) * np.sum(g, axis=axis, keepdims=True))
def log_softmax(x: Array, *, axis: int) -> Array:
    """log(softmax(x)), without ever taking the logarithm of 0."""
    axis = axis if type(axis) is int else one_axis(axis)
    if not x.size:
        return x.copy()
    with np.errstate(invalid="ignore"):
        shifted = memory_of(x - np.max(x, axis=axis, keepdims=True))
        shifted -= np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return shifted


@composition(name="softmax")
@either_name
def softmax_as(x: Array, dim: int, dtype: Any = None) -> Array:
    """exp(x) / sum(exp(x)) along an axis; dtype: that of the computation."""
    return softmax(x if dtype is None else astype(x, dtype=np.dtype(dtype)), axis=dim)


@composition(name="log_softmax")
@either_name
def log_softmax_as(x: Array, dim: int, dtype: Any = None) -> Array:
    """log(softmax(x)) along an axis, finite where softmax itself would be 0; dtype: that of the computation."""
    return log_softmax(x if dtype is None else astype(x, dtype=np.dtype(dtype)), axis=dim)


def _is_class(target: Array) -> bool:
    return bool(target.dtype.kind in "iub")


def _hot(target: Array, classes: int) -> Array:
    return target[..., None] == beside(np.arange(classes), target) if _is_class(target) else target


def _cross_entropy_backward(g: Array, x: Array, target: Array) -> Array:
    p = call(softmax, x, axis=-1)
    if not _is_class(target):
        p = p * np.sum(target, axis=-1, keepdims=True)  # probabilities that sum to 1 change nothing here
    return (p - _hot(target, x.shape[-1])) * g[..., None]


@primitive(x=_cross_entropy_backward, target=lambda g, x: -call(log_softmax, x, axis=-1) * g[..., None])
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
    log_p = call(log_softmax, x, axis=-1)
    if _is_class(target) and target.ndim == 1:
        return -log_p[beside(np.arange(len(target)), target), target]
    if _is_class(target):
        return -np.take_along_axis(log_p, target[..., None], -1)[..., 0]
    return -np.sum(log_p * target, axis=-1)


def check_probability(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def dropout(
    input: Array, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Any = None
) -> Array:
    """Each element 0 with probability p, otherwise 1/(1-p) times itself; the input itself if not training.

    generator: the `Generator` that draws; default: the one that `manual_seed` seeds.
    """
    check_probability(p)
    if not training or p == 0:
        return input
    from ..creation import source_of

    kept = beside(source_of(generator).random(input.shape, dtype=np.float32) >= p, input)
    mask = np.multiply(kept, 1 / (1 - p) if p < 1 else 0.0, dtype=input.dtype)
    return input.mul_(mask) if inplace else input * mask


def scaled_dot_product_attention(
    query: Array, key: Array, value: Array, attn_mask: Array = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False, *, generator: Any = None
) -> Array:
    """softmax(query key^T * scale + mask) value ("Attention Is All You Need", eq. 1); of any leading shape.

    query (..., L, E), key (..., S, E) and value (..., S, V) to (..., L, V). attn_mask, broadcast to (..., L, S):
    booleans (True: takes part), or numbers to add to the scores. is_causal: no query sees keys behind its own position.
    A query that sees no key at all gets 0. scale: default 1 / sqrt(E). dropout_p: of the weights, whenever it is given.
    enable_gqa: groups of query heads, at axis -3, share the heads of key and value.

    >>> import autograd_mini as am
    >>> x = am.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    tensor([1., 0.])
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError("Explicit attn_mask should not be set when is_causal=True")
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    if is_causal:
        attn_mask = beside(np.tri(query.shape[-2], key.shape[-2], dtype=bool), query)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query * scale, swapaxes(key, -1, -2))  # the query is smaller than the scores
    seen = None
    if attn_mask is not None:
        if attn_mask.dtype.kind == "b":  # added, because it is many times faster than np.where
            blind = memory_of(getattr(attn_mask, "_array", attn_mask))
            attn_mask = np.where(blind, 0.0, -np.inf).astype(query.dtype)
        values = memory_of(getattr(attn_mask, "_array", attn_mask))
        seen = np.any(values > -np.inf, axis=-1, keepdims=True)
        scores = scores + (attn_mask if seen.all() else where(seen, attn_mask, 0.0))
    weights = softmax(scores, axis=-1)
    if seen is not None and not seen.all():
        weights = weights * seen
    return matmul(dropout(weights, dropout_p, generator=generator), value)


# ---------------------------------------------------------------------------------------------- norms of activations


def _mean(x: Array, axis: tuple[int, ...], y: Array = None) -> Array:
    return _total(x, axis, y) / math.prod(x.shape[k] for k in axis)


@halves_as_singles
def _standardize_backward(g: Array, x: Array, out: Array, axis: tuple[int, ...], eps: float) -> Array:
    centred = x - _mean(x, axis)
    deviation = (_mean(centred, axis, centred) + eps) ** 0.5  # found again: cheaper than a second output
    along = _mean(g, axis, out)
    return (g - _mean(g, axis) - out * along) / deviation


@primitive(public=False, x=_standardize_backward)
@halves_as_singles
def standardize(x: Array, *, axis: tuple[int, ...], eps: float) -> Array:
    """(x - mean) / sqrt(var + eps) over the axes, the variance with n in the denominator: what all these norms share.

    Its gradient is g without its mean and without its part along the result, over the same deviation.
    """
    out = x - _mean(x, axis)
    out /= np.sqrt(_mean(out, axis, out) + eps)
    return out


@primitive(public=False, x=lambda g, weight: g * weight, weight=lambda g, x: g * x, bias=lambda g: g)
def scale_shift(x: Array, weight: Array, bias: Array) -> Array:
    """x weight + bias, one array made instead of two."""
    out = memory_of(x * weight)
    out += bias
    return out


def _affine(x: Array, weight: Array, bias: Array, shape: tuple[int, ...]) -> Array:
    """x weight + bias, the two reshaped, and either perhaps None."""
    weight, bias = (p if p is None or p.shape == shape else reshape(p, shape) for p in (weight, bias))
    if weight is not None and bias is not None:
        return scale_shift(x, weight, bias)
    return x * weight if weight is not None else x if bias is None else x + bias


def _last_axes(name: str, x: Array, normalized_shape: int | Sequence[int], *parameters: Array) -> tuple[Any, Any]:
    """The axes, counted from the end, that `normalized_shape` stands for, and that shape."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or x.shape[-len(shape) :] != shape or any(p is not None and p.shape != shape for p in parameters):
        raise ShapeError(
            f"{name}: given normalized_shape={list(shape)}, expected input with shape [*, {str(list(shape))[1:-1]}] and"
            f" parameters of that shape, but got {[list(p.shape) for p in (x, *parameters) if p is not None]}"
        )
    return tuple(range(-len(shape), 0)), shape


@composition()
def layer_norm(
    input: Array, normalized_shape: int | Sequence[int], weight: Array = None, bias: Array = None, eps: float = 1e-5
) -> Array:
    """Each sample standardized over its last axes, times weight, plus bias, of that shape (Ba et al., 2016)."""
    axes, shape = _last_axes("layer_norm", input, normalized_shape, weight, bias)
    return _affine(standardize(input, axis=axes, eps=eps), weight, bias, shape)


@composition()
def rms_norm(
    input: Array, normalized_shape: int | Sequence[int], weight: Array = None, eps: float | None = None
) -> Array:
    """x / sqrt(mean(x^2) + eps) over the last axes, times weight; eps: default the dtype's (Zhang, Sennrich 2019)."""
    axes, shape = _last_axes("rms_norm", input, normalized_shape, weight)
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    return _affine(input * rsqrt(mean(square(input), axis=axes, keepdims=True) + eps), weight, None, shape)


@composition()
def batch_norm(
    input: Array, running_mean: Array = None, running_var: Array = None, weight: Array = None, bias: Array = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5
) -> Array:
    """Each channel of (N, C, ...) standardized, times weight (C), plus bias (C) (Ioffe and Szegedy, 2015).

    training: by the batch's own statistics; the running ones, if given, move towards them in place:
    (1 - momentum) running + momentum batch, the variance without bias. Otherwise by the running ones.
    Raises ValueError where a channel has a single value to train with.
    """
    channel = (-1, *[1] * (input.ndim - 2))
    sizes = [tuple(p.shape) for p in (running_mean, running_var, weight, bias) if p is not None]
    if sizes and any(size != input.shape[1:2] for size in sizes):
        raise ShapeError(
            f"batch_norm: an input of size {list(input.shape)} has {input.shape[1]} channels, but the parameters and"
            f" running statistics have the shapes {sizes}"
        )
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        centred = input - reshape(running_mean, channel)
        return _affine(centred / (reshape(running_var, channel) + eps) ** 0.5, weight, bias, channel)
    axes = (0, *range(2, input.ndim))
    if math.prod(input.shape[axis] for axis in axes) <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(input.shape)}")
    if running_mean is not None and running_var is not None:
        batch_var, batch_mean = var(input.detach(), axes), mean(input.detach(), axis=axes)
        for running, batch in ((running_mean, batch_mean), (running_var, batch_var)):
            running[...] = (1 - momentum) * running + momentum * batch
    return _affine(standardize(input, axis=axes, eps=eps), weight, bias, channel)


@composition()
def group_norm(
    input: Array, num_groups: int, weight: Array = None, bias: Array = None, eps: float = 1e-5
) -> Array:
    """Groups of channels of (N, C, ...) standardized per sample, times weight (C), plus bias (C) (Wu, He 2018)."""
    n, channels = input.shape[:2]
    if num_groups < 1 or channels % num_groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape"
            f" {list(input.shape)} and num_groups={num_groups}"
        )
    grouped = reshape(input, (n, num_groups, math.prod(input.shape[1:]) // num_groups))
    out = reshape(standardize(grouped, axis=(-1,), eps=eps), input.shape)
    return _affine(out, weight, bias, (-1, *[1] * (input.ndim - 2)))


# ------------------------------------------------------------------------------------- losses, and likenesses


def check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction: use 'mean', 'sum' or 'none'")


def reduced(losses: Array, reduction: str, total_weight: float | None = None) -> Array:
    """The mean (for weighted losses: their sum over the total weight), the sum, or the losses themselves."""
    check_reduction(reduction)
    if reduction == "none":
        return losses
    if reduction == "mean" and total_weight is None:
        return mean(losses)
    total = add_up(losses)
    if reduction == "sum":
        return total
    return total / total_weight if total_weight else total * 0.0 + float("nan")


def _weighted(losses: Array, weight: Array) -> Array:
    return losses if weight is None else losses * weight


def _same_size(input: Array, target: Array) -> None:
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")


def _log_from_minus_100(x: Array) -> Array:
    """log(x), bounded as PyTorch does in its binary cross-entropy, so that 0 * log(0) is 0."""
    return np.where(x > 0, np.maximum(np.log(np.where(x > 0, x, 1.0)), -100.0), -100.0)


@primitive(
    public=False,
    x=lambda g, x, target: g * (x - target) / np.maximum(x * (1.0 - x), 1e-12),
    target=lambda g, x: g * (_log_from_minus_100(1.0 - x) - _log_from_minus_100(x)),
)
def binary_losses(x: Array, target: Array) -> Array:
    """-(target log x + (1 - target) log(1 - x)) for probabilities x, elementwise; no logarithm is below -100."""
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError("all elements of input should be between 0 and 1")
    if target.size and not (target.min() >= 0 and target.max() <= 1):
        raise ValueError("all elements of target should be between 0 and 1")
    return (target - 1) * _log_from_minus_100(1 - x) - target * _log_from_minus_100(x)


def binary_cross_entropy(input: Array, target: Array, weight: Array = None, reduction: str = "mean") -> Array:
    """-(target log input + (1 - target) log(1 - input)) for probabilities, weighted and reduced."""
    _same_size(input, target)
    return reduced(_weighted(binary_losses(input, target), weight), reduction)


def binary_cross_entropy_with_logits(
    input: Array, target: Array, weight: Array = None, reduction: str = "mean", pos_weight: Array = None
) -> Array:
    """`binary_cross_entropy` of sigmoid(input), exact however large the logits: (1 - t) x - w logsigmoid(x).

    pos_weight: of the positive class, broadcast; w = 1 + (pos_weight - 1) t.
    """
    _same_size(input, target)
    log_p = logsigmoid(input)
    log_p = log_p if pos_weight is None else log_p * ((pos_weight - 1) * target + 1)
    return reduced(_weighted((1 - target) * input - log_p, weight), reduction)


def kl_div(input: Array, target: Array, reduction: str = "mean", log_target: bool = False) -> Array:
    """target (log target - input), elementwise, then reduced; input holds logarithms, and with log_target target, too.

    reduction: "batchmean" (the sum over the first axis's length) is the divergence; "mean" divides by all elements.
    """
    if log_target:
        losses = np.exp(target) * (target - input)
    else:
        losses = target * (np.log(where(target > 0, target, 1.0)) - input)
    if reduction == "batchmean":
        return reduced(losses, "sum") / input.shape[0]
    return reduced(losses, reduction)


@composition()
def cosine_similarity(x1: Array, x2: Array, dim: int = 1, eps: float = 1e-8) -> Array:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`."""
    size_1, size_2 = (maximum(norm(x, 2, dim, keepdim=True), eps) for x in (x1, x2))
    return add_up((x1 / size_1) * (x2 / size_2), axis=dim)


def normalize(input: Array, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Array:
    """x / max(|x|_p, eps) along `dim`."""
    return input / maximum(norm(input, p, dim, keepdim=True), eps)


@composition()
def pairwise_distance(x1: Array, x2: Array, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Array:
    """|x1 - x2 + eps|_p along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cdist(x1: Array, x2: Array, p: float = 2.0) -> Array:
    """The distances |a - b|_p of every row of x1 (..., m, d) from every row of x2 (..., n, d): (..., m, n)."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: expected (..., m, d) and (..., n, d), but got {x1.shape} and {x2.shape}")
    return norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


@composition()
def pixel_shuffle(input: Array, upscale_factor: int) -> Array:
    """(..., C r^2, H, W) to (..., C, H r, W r): channels become pixels (Shi et al., 2016)."""
    (*lead, channels, h, w), r = input.shape, upscale_factor
    if channels % (r * r):
        raise RuntimeError(f"pixel_shuffle: {channels} channels are not divisible by the square of upscale_factor={r}")
    blocks = reshape(input, (*lead, channels // (r * r), r, r, h, w))
    n = len(lead)
    return reshape(permute(blocks, (*range(n + 1), n + 3, n + 1, n + 4, n + 2)), (*lead, -1, h * r, w * r))
