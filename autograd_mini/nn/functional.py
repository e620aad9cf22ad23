"""The functions behind the layers: they hold no parameters. Those with a rule, or made of such, stand in `..rules`."""

from __future__ import annotations  # noqa: I001 - names side by side

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import creation
from ..arrays import tensors_expected
from ..creation import DTypeLike
from ..devices import beside, memory_of
from ..engine import Array, wrap
from ..in_place import in_place
from ..primitive import ShapeError
from ..rules import elementwise as ew
from ..rules import index as index_rules
from ..rules import nnet
from ..rules.conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d, fold, unfold
from ..rules.elementwise import gelu, logsigmoid, prelu, softplus, softsign, tanhshrink
from ..rules.index import take_along_dim
from ..rules.nnet import (
    batch_norm, binary_cross_entropy, binary_cross_entropy_with_logits, cosine_similarity, group_norm,
    kl_div, layer_norm, normalize, pairwise_distance, pixel_shuffle, rms_norm, scaled_dot_product_attention
)
from ..rules.pool import (
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, avg_pool2d,
    max_pool1d, max_pool2d
)
from ..rules.shape import pad
from ..tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool1d", "adaptive_max_pool2d", "avg_pool1d",
    "avg_pool2d", "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "conv1d", "conv2d",
    "conv_transpose1d", "conv_transpose2d", "cosine_similarity", "cross_entropy", "dropout", "dropout1d", "dropout2d",
    "elu", "embedding", "fold", "gelu", "group_norm", "hardsigmoid", "hardswish", "hardtanh",
    "huber_loss", "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "linear",
    "log_softmax", "logsigmoid", "max_pool1d", "max_pool2d", "mish", "mse_loss", "nll_loss", "normalize", "one_hot",
    "pad", "pairwise_distance", "pixel_shuffle", "prelu", "relu", "relu6", "rms_norm", "scaled_dot_product_attention",
    "selu", "sigmoid", "silu", "smooth_l1_loss", "softmax", "softplus", "softsign", "tanh", "tanhshrink", "unfold"
]

# ------------------------------------------------------------------------------------- layers without parameters


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input weightᵀ + bias: (..., in) by weight (out, in) to (..., out).

    >>> import autograd_mini as am
    >>> linear(am.tensor([1.0, 2.0]), am.tensor([[3.0, 4.0]]), am.tensor([5.0]))
    tensor([16.])
    """
    return nnet.linear(input, weight, 0.0 if bias is None else bias)  # type: ignore[no-any-return]


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), elementwise; inplace: in the memory of the input."""
    return input.relu_() if inplace else ew.relu(input)  # type: ignore[no-any-return]


def _perhaps_in_place(operation: Callable[..., Any], *options: str) -> Callable[..., Tensor]:
    """An elementwise operation, its options by position or name, with PyTorch's last one: inplace."""
    changed = in_place(operation, operation.__name__ + "_")

    def activation(input: Tensor, *args: Any, inplace: bool = False, **named: Any) -> Tensor:
        if len(args) > len(options):
            *args, inplace = args  # type: ignore[assignment]
        named.update(zip(options, args, strict=False))
        return changed(input, **named) if inplace else operation(input, **named)

    activation.__name__, activation.__doc__ = operation.__name__, operation.__doc__
    return activation


sigmoid: Callable[[Tensor], Tensor] = ew.sigmoid
tanh: Callable[[Tensor], Tensor] = ew.tanh
relu6 = _perhaps_in_place(ew.relu6)
selu = _perhaps_in_place(ew.selu)
silu = _perhaps_in_place(ew.silu)
mish = _perhaps_in_place(ew.mish)
hardsigmoid = _perhaps_in_place(ew.hardsigmoid)
hardswish = _perhaps_in_place(ew.hardswish)
elu = _perhaps_in_place(ew.elu, "alpha")
celu = _perhaps_in_place(ew.celu, "alpha")
leaky_relu = _perhaps_in_place(ew.leaky_relu, "negative_slope")
hardtanh = _perhaps_in_place(ew.hardtanh, "min_val", "max_val")


def softmax(input: Tensor, dim: int | None = None, dtype: DTypeLike = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`; dtype: that of the computation."""
    input = input if dtype is None else input.to(dtype)
    return nnet.softmax(input, axis=_dim(input, dim, "softmax"))  # type: ignore[no-any-return]


def log_softmax(input: Tensor, dim: int | None = None, dtype: DTypeLike = None) -> Tensor:
    """log(softmax(x)) along `dim`, finite where softmax itself would be 0; dtype: that of the computation."""
    input = input if dtype is None else input.to(dtype)
    return nnet.log_softmax(input, axis=_dim(input, dim, "log_softmax"))  # type: ignore[no-any-return]


def _dim(input: Tensor, dim: int | None, name: str) -> int:
    if dim is None:
        warnings.warn(
            f"Implicit dimension choice for {name} has been deprecated."
            " Change the call to include dim=X as an argument.",
            stacklevel=3,
        )
        return 0 if input.ndim in (0, 1, 3) else 1
    return dim


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element 0 with probability p, otherwise 1/(1-p) times itself; the input itself if not training.

    The choices are drawn from `default_generator`, as `manual_seed` seeds it.
    """
    return nnet.dropout(input, p, training, inplace)  # type: ignore[no-any-return]


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (N, C, L) or (C, L)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input.")
    return _dropout_of_channels(input, input.ndim - 1, p, training, inplace)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels of (N, C, H, W); a 3-d input is (N, C, L), as in PyTorch, and gets a warning."""
    if input.ndim != 4:
        warnings.warn(
            f"dropout2d: Received a {input.ndim}-D input, and expects (N, C, H, W); the first two axes are taken for"
            " batch and channels.", stacklevel=2
        )
    return _dropout_of_channels(input, 2, p, training, inplace)


def _dropout_of_channels(input: Tensor, leading: int, p: float, training: bool, inplace: bool) -> Tensor:
    shape = (*input.shape[:leading], *[1] * (input.ndim - leading))
    mask = dropout(creation.ones(*shape, dtype=input.dtype, device=input.device), p, training)
    return input.mul_(mask) if inplace else input * mask  # type: ignore[no-any-return]


_LENGTHS = {  # how many each mode of `interpolate` can change
    "nearest": (1, 2, 3), "nearest-exact": (1, 2, 3), "area": (1, 2), "linear": (1,), "bilinear": (2,),
    "trilinear": (3,),
}  # fmt: skip


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None
) -> Tensor:
    """(N, C, d1, …) with other lengths d: `size`, or `scale_factor` times what they are; one for all, or one each.

    mode: "nearest" (element ⌊i d / d'⌋ of the old ones), "nearest-exact" (⌊(i + ½) d / d'⌋), "area" (means), or
    "linear", "bilinear", "trilinear" for one, two, three lengths: between neighbours, the elements being unit cells
    or, with align_corners, points, the outermost of which stay. Other modes raise NotImplementedError.

    >>> import autograd_mini as am
    >>> interpolate(am.tensor([[[0.0, 4.0]]]), scale_factor=2, mode="linear")
    tensor([[[0., 1., 3., 4.]]])
    """
    count = input.ndim - 2
    if count not in _LENGTHS.get(mode, ()):
        raise NotImplementedError(f"interpolate: no mode {mode!r} for an input of {input.ndim} dimensions")
    if align_corners is not None and not mode.endswith("linear"):
        raise ValueError("align_corners option can only be set with the interpolating modes: linear | bilinear")
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined, and one must be")
    given = size if scale_factor is None else scale_factor
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * count
    if len(each) != count:
        raise ValueError(f"interpolate: expected {count} sizes or factors for {tuple(input.shape)}, but got {each}")
    old = input.shape[2:]
    if scale_factor is None:
        new = tuple(operator.index(n) for n in each)
    else:
        new = tuple(math.floor(n * factor) for n, factor in zip(old, each, strict=True))
    if any(n <= 0 for n in (*old, *new)):
        raise ShapeError(f"Input and output sizes should be greater than 0, but got input {old} and output {new}")
    if mode == "area":
        pools = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d}
        return pools[count](input, new)  # type: ignore[no-any-return]
    for dim, (n, m, factor) in enumerate(zip(old, new, each, strict=True), 2):
        step = n / m if scale_factor is None else 1 / factor  # old elements for each new one
        input = _resample(input, dim, m, step, mode, bool(align_corners))
    return input


def _resample(x: Tensor, dim: int, count: int, step: float, mode: str, align_corners: bool) -> Tensor:
    """One axis with `count` elements, `step` apart, in place of those that it has."""
    last, i = x.shape[dim] - 1, np.arange(count)
    if mode.startswith("nearest"):
        at = np.floor((i + 0.5 * (mode == "nearest-exact")) * step).astype(np.int64)
        return index_rules.index_select(x, dim, np.minimum(at, last))  # type: ignore[no-any-return]
    at = i * (last / (count - 1) if count > 1 else 0.0) if align_corners else np.maximum((i + 0.5) * step - 0.5, 0.0)
    low = np.minimum(at.astype(np.int64), last)
    weight = beside((at - low).astype(x.dtype).reshape(-1, *[1] * (x.ndim - dim - 1)), x)
    below, above = (index_rules.index_select(x, dim, j) for j in (low, np.minimum(low + 1, last)))
    return below * (1 - weight) + above * weight  # type: ignore[no-any-return]


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """Rows of weight (rows, features) for numbers (…): (…, features). The row padding_idx gets no gradient.

    max_norm, scale_grad_by_freq and sparse raise NotImplementedError.
    """
    check_embedding_options(weight.shape[0], padding_idx, max_norm, scale_grad_by_freq, sparse)
    return index_rules.embedding(weight, input, padding_idx=padding_idx)  # type: ignore[no-any-return]


def check_embedding_options(
    rows: int, padding_idx: int | None, max_norm: float | None, scale_grad_by_freq: bool, sparse: bool
) -> None:
    if padding_idx is not None and not -rows <= operator.index(padding_idx) < rows:
        raise AssertionError(f"Padding_idx must be within num_embeddings, but is {padding_idx} of {rows}")
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embeddings have no max_norm, scale_grad_by_freq or sparse gradients here")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers (...) as int64 rows (..., num_classes) with a single 1; -1: as many classes as occur.

    >>> import autograd_mini as am
    >>> one_hot(am.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    return index_rules.one_hot(tensor, num_classes=num_classes)  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------------- losses


reduced: Callable[..., Tensor] = nnet.reduced


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean",
    label_smoothing: float = 0.0
) -> Tensor:
    """-log softmax(input)[target]: the negative log-likelihood of the target classes.

    input: scores (C), (N, C) or (N, C, d1, …). target: class numbers of the same shape without C, or probabilities of
    the same shape. weight (C): of each class; the mean is then the weighted one. ignore_index: targets with this
    number count nowhere. label_smoothing ε: the target becomes (1 - ε) target + ε / C.
    reduction: "mean", "sum" or "none" (one loss per target).

    >>> import autograd_mini as am
    >>> cross_entropy(am.tensor([[0.0, 0.0]]), am.tensor([1]))  # log 2
    tensor(0.6931)
    """
    if weight is None and not label_smoothing and ignore_index < 0 and input.ndim <= 2:
        try:
            return reduced(nnet.softmax_cross_entropy(input, target), reduction)  # the usual case
        except (IndexError, ValueError):  # perhaps targets to ignore; if not, the longer way says what is wrong
            pass
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    scores, weights = _classes_last(input), _class_weights(weight, input)
    if target.is_floating_point():
        return _soft_cross_entropy(scores, target, weights, ignore_index, reduction, label_smoothing)
    classes, counts = _class_targets(scores, target, weights, ignore_index)
    if label_smoothing:
        count = scores.shape[-1]
        hot = classes[..., None] == beside(np.arange(count), classes)
        hot = (1 - label_smoothing) * hot + label_smoothing / count
        soft = hot * (weights if weights is not None else 1.0) * (classes != _IGNORED)[..., None]
        losses = nnet.softmax_cross_entropy(scores, wrap(soft.astype(input.dtype)))
    else:
        losses = nnet.softmax_cross_entropy(scores, np.maximum(classes, 0)) * counts
    return reduced(losses, reduction, float(counts.sum()))


def _soft_cross_entropy(
    scores: Tensor, target: Tensor, weights: Array | None, ignore_index: int, reduction: str, label_smoothing: float
) -> Tensor:
    """Targets that are probabilities; the mean is over the targets, whatever the weights."""
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    soft = _classes_last(target)
    if soft.shape != scores.shape:
        raise ShapeError(
            f"targets of floating point dtype are probabilities, of the shape of the scores; got, with the classes"
            f" moved last, {soft.shape} for {scores.shape}. Class numbers must be integers."
        )
    if label_smoothing:
        soft = soft * (1 - label_smoothing) + label_smoothing / scores.shape[-1]
    return reduced(nnet.softmax_cross_entropy(scores, soft if weights is None else soft * weights), reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Tensor:
    """-input[target] for log-probabilities (C), (N, C) or (N, C, d1, …); the rest as in `cross_entropy`."""
    log_p = _classes_last(input)
    classes, counts = _class_targets(log_p, target, _class_weights(weight, input), ignore_index)
    picked = take_along_dim(log_p, np.maximum(classes, 0)[..., None], axis=-1).squeeze(-1)
    return reduced(picked * -counts, reduction, float(counts.sum()))


_IGNORED = -1  # how a target to be ignored is marked below


def _classes_last(input: Tensor) -> Tensor:
    """(N, C, d1, …) as (N, d1, …, C)."""
    if not input.ndim:
        raise ShapeError("expected scores of shape (C) or (N, C, …) for C classes, but got a single number")
    if input.ndim <= 2:
        return input
    return input.permute(0, *range(2, input.ndim), 1)  # type: ignore[no-any-return]


def _class_weights(weight: Tensor | None, input: Tensor) -> Array | None:
    if weight is None:
        return None
    count = input.shape[min(1, input.ndim - 1)]
    if weight.shape != (count,):
        raise ShapeError(
            f"weight tensor should be defined either for all {count} classes or no classes but got weight tensor of"
            f" shape: {list(weight.shape)}"
        )
    return weight._array


def _class_targets(scores: Tensor, target: Tensor, weights: Array | None, ignore_index: int) -> tuple[Array, Array]:
    """Class numbers, -1 where they are to be ignored, and how much each counts: its class's weight, 1 or 0."""
    if target.dtype.kind not in "iu":
        raise TypeError(f"targets must be class numbers of an integer dtype, and these are {target.dtype}")
    if target.shape != scores.shape[:-1]:
        raise ShapeError(
            f"Expected input batch_size {scores.shape[:-1]} to match target batch_size {target.shape}:"
            " one class number for each row of scores"
        )
    classes = memory_of(target._array).astype(np.int64, copy=False)
    valid = classes != operator.index(ignore_index)
    wrong = valid & ((classes < 0) | (classes >= scores.shape[-1]))
    if wrong.any():
        raise IndexError(f"Target {classes[wrong].flat[0]} is out of bounds: classes are 0 to {scores.shape[-1] - 1}.")
    classes = np.where(valid, classes, _IGNORED)
    counts = valid if weights is None else np.where(valid, weights[np.maximum(classes, 0)], 0)
    return classes, counts.astype(scores.dtype)


def mse_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """(input - target)², elementwise, then reduced."""
    difference = _difference(input, target)
    return reduced(difference * difference, reduction)


def l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """|input - target|, elementwise, then reduced."""
    return reduced(_difference(input, target).abs(), reduction)


def smooth_l1_loss(input: Tensor, target: Tensor, *, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """d²/(2 beta) where d = |input - target| < beta, d - beta/2 beyond; then reduced (Girshick, Fast R-CNN, eq. 3)."""
    if not beta >= 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return reduced(_parabola_and_lines(input, target, beta) / beta, reduction)


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d²/2 where d = |input - target| < delta, delta (d - delta/2) beyond; times weight, then reduced."""
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    losses = _parabola_and_lines(input, target, delta)
    return reduced(losses if weight is None else losses * weight, reduction)


def _parabola_and_lines(input: Tensor, target: Tensor, bound: float) -> Tensor:
    distance = _difference(input, target).abs()
    near = distance.clamp(max=bound)
    return near * (distance - near * 0.5)  # type: ignore[no-any-return]


def _difference(input: Tensor, target: Tensor) -> Tensor:
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape})."
            " This will likely lead to incorrect results due to broadcasting."
            " Please ensure they have the same size.",
            stacklevel=3,
        )
    return ew.sub(input, target)  # type: ignore[no-any-return]


for _name in __all__:  # what is given no tensor says so
    globals()[_name] = tensors_expected(globals()[_name])
