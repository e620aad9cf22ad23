"""autograd_mini: reverse-mode automatic differentiation on NumPy, used like a mini PyTorch.

>>> import autograd_mini as am
>>> w = am.tensor([1.0, -2.0], requires_grad=True)
>>> loss = ((w * am.tensor([3.0, 1.0])).sum() - 2) ** 2
>>> loss.backward()
>>> w.grad
tensor([-6., -2.])
"""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import autograd, engine
from .creation import (
    Generator,
    arange,
    bernoulli,
    default_generator,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    manual_seed,
    multinomial,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    zeros,
    zeros_like,
)
from .engine import enable_grad, is_grad_enabled, no_grad, primitive, result_type, set_grad_enabled
from .rules.shape import cat, stack
from .tensor import Tensor, as_tensor, from_numpy, tensor

__version__ = "0.1.0"

float16, float32, float64 = _np.dtype("float16"), _np.dtype("float32"), _np.dtype("float64")
int8, int16, int32, int64 = _np.dtype("int8"), _np.dtype("int16"), _np.dtype("int32"), _np.dtype("int64")
uint8, bool = _np.dtype("uint8"), _np.dtype("bool")
half, float, double, short, int, long = float16, float32, float64, int16, int32, int64

inference_mode = no_grad
concat = concatenate = cat


def get_default_dtype() -> _np.dtype[Any]:
    """The dtype of tensors made from Python floats; float32 unless changed."""
    return engine.default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats tensors of this floating dtype from now on."""
    wanted = _np.dtype(dtype)
    if wanted.kind != "f" or wanted.itemsize > 8:
        raise TypeError(f"only floating-point types are supported as the default type, not {wanted}")
    engine.default_dtype = wanted


def is_tensor(obj: object) -> Any:
    """Whether the object is a Tensor."""
    return isinstance(obj, Tensor)


def __getattr__(name: str) -> Any:
    """The operations of `rules/` as functions, and the larger parts of the package when they are first touched."""
    import importlib

    if name in engine.OPERATIONS:
        return engine.OPERATIONS[name]
    if name in ("draw", "nn", "optim", "testing", "training", "utils", "vision"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
