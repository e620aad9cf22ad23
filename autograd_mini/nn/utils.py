"""Clipping of gradients, parameters as one vector, and a model as it predicts."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..arrays import tensors_expected
from ..devices import beside
from ..engine import Array, memory, wrap
from ..modes import no_grad
from ..rules.joining import cat
from ..tensor import Tensor
from ..writes import writes
from .module import Module

Tensors = Tensor | Iterable[Tensor]


def _gradients(parameters: Tensors) -> list[Array]:
    """The gradients that there are, as arrays to write into."""
    tensors = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    grads = [tensor.grad for tensor in tensors if tensor.grad is not None]
    return [memory(grad) for grad in grads]


def _norm(array: Array, norm_type: float) -> float:
    flat = array.ravel(order="K").astype(np.float32 if array.dtype == np.float16 else array.dtype, copy=False)
    if norm_type == 2.0:
        return math.sqrt(np.dot(flat, flat))
    return float(np.linalg.norm(flat, norm_type)) if flat.size else 0.0


def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False
) -> Tensor:
    """Scale all gradients, in place, so that the norm of all of them together is at most max_norm.

    Returns that norm as it was before. Raises RuntimeError, if asked to, where it is infinite or NaN.
    Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013, algorithm 1.

    >>> import autograd_mini as am
    >>> w = am.tensor([0.0, 0.0], requires_grad=True)
    >>> (w * am.tensor([3.0, 4.0])).sum().backward()
    >>> clip_grad_norm_(w, 1.0), w.grad
    (tensor(5.), tensor([0.6000, 0.8000]))
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm must be at least 0, but got {max_norm}: a negative one would turn gradients around")
    grads, norm_type = _gradients(parameters), float(norm_type)
    total = _norm(np.array([_norm(grad, norm_type) for grad in grads]), norm_type)
    if error_if_nonfinite and not math.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be"
            " clipped. To disable this error and scale the gradients by the non-finite norm anyway, set"
            " `error_if_nonfinite=False`"
        )
    scale = max_norm / (total + 1e-6)
    for grad in grads if not scale >= 1 else ():
        grad *= scale
        writes.note(grad)
    return wrap(beside(np.array(total, grads[0].dtype), grads[0]) if grads else np.array(total, np.float32))


def clip_grad_value_(parameters: Tensors, clip_value: float) -> None:
    """Limit every element of the gradients, in place, to ±clip_value."""
    if not clip_value >= 0:
        raise ValueError(f"clip_value must be at least 0, but got {clip_value}")
    for grad in _gradients(parameters):
        np.clip(grad, -float(clip_value), float(clip_value), out=grad)
        writes.note(grad)


@tensors_expected
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, each in row-major order, one after the other, as one vector; differentiable."""
    return cat([parameter.reshape(-1) for parameter in parameters])  # type: ignore[no-any-return]


@tensors_expected
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the pieces of a vector into the parameters: the inverse of `parameters_to_vector`.

    Raises ValueError, before anything is written, if their sizes do not add up to the vector's.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected a Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    sizes = [parameter.numel() for parameter in parameters]
    if vec.shape != (sum(sizes),):
        raise ValueError(f"the parameters have {sum(sizes)} elements, but the vector has the shape {vec.shape}")
    pieces = np.split(vec._array, np.cumsum(sizes)[:-1]) if sizes else []
    for parameter, piece in zip(parameters, pieces, strict=True):
        memory(parameter)[...] = piece.reshape(parameter.shape)
        writes.note(parameter._array)


@contextlib.contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Within the block the model is in eval mode and nothing is recorded; then each module trains as it did before.

    >>> import autograd_mini as am
    >>> model = am.nn.Dropout(0.5)
    >>> with evaluating(model):
    ...     model(am.ones(3))
    tensor([1., 1., 1.])
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def __getattr__(name: str) -> Any:
    if name == "rnn":
        raise AttributeError("nn.utils.rnn: there are no packed sequences here; pad the batch to one length instead")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
