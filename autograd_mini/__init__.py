"""autograd_mini: reverse-mode automatic differentiation on NumPy, used like a mini PyTorch.

>>> import autograd_mini as am
>>> w = am.tensor([1.0, -2.0], requires_grad=True)
>>> loss = ((w * am.tensor([3.0, 1.0])).sum() - 2) ** 2
>>> loss.backward()
>>> w.grad
tensor([-6., -2.])
"""

from __future__ import annotations  # noqa: I001 - names side by side

from typing import Any

import numpy as _np

from . import autograd
from .creation import (
    Generator, arange, as_tensor, bernoulli, default_generator, empty, empty_like, eye, from_numpy, full, full_like,
    linspace, logspace, manual_seed, multinomial, normal, ones, ones_like, rand, rand_like, randint, randint_like,
    randn, randn_like, randperm, tensor, zeros, zeros_like
)
from .dtypes import get_default_dtype, result_type, set_default_dtype
from .functions import function_of as _function_of
from .modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .primitive import OPERATIONS as _OPERATIONS
from .primitive import primitive
from .rules.joining import cat, column_stack, hstack, stack, vstack
from .rules.linalg import einsum, tensordot
from .rules.shape import meshgrid, tril_indices, triu_indices
from .tensor import Tensor

__version__ = "0.1.0"

__all__ = [
    "Generator", "Tensor", "arange", "as_tensor", "autograd", "bernoulli", "cat", "column_stack",
    "default_generator", "einsum", "empty", "empty_like", "enable_grad", "eye", "from_numpy", "full",
    "full_like", "get_default_dtype", "hstack", "inference_mode", "is_grad_enabled", "linspace", "logspace",
    "manual_seed", "meshgrid", "multinomial", "no_grad", "normal", "ones", "ones_like", "primitive", "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "result_type", "set_default_dtype",
    "set_grad_enabled", "stack", "tensor", "tensordot", "tril_indices", "triu_indices", "vstack", "zeros",
    "zeros_like",
]  # fmt: skip

float16, float32, float64 = _np.dtype("float16"), _np.dtype("float32"), _np.dtype("float64")
int8, int16, int32, int64 = _np.dtype("int8"), _np.dtype("int16"), _np.dtype("int32"), _np.dtype("int64")
uint8, bool = _np.dtype("uint8"), _np.dtype("bool")
half, float, double, short, int, long = float16, float32, float64, int16, int32, int64

concat = concatenate = cat
asarray = as_tensor
row_stack = vstack
# glibc returns the memory of large arrays to the kernel and gets it back page by page, unless a block as large was
# freed before: so one is, untouched, in 10 µs. A step of LeNet then takes 28 % less; elsewhere it does nothing.
_np.empty(2**25 - 2**16, _np.uint8)

_of_several = {f.__name__: f for f in (cat, stack, hstack, vstack, column_stack, meshgrid, tensordot)}
_of_several |= {"concat": cat, "concatenate": cat, "row_stack": vstack}
for _name, _operation in {**_OPERATIONS, **_of_several}.items():
    globals()[_name] = _function_of(_operation)

inf, nan, pi, e = _np.inf, _np.nan, _np.pi, _np.e


def is_tensor(obj: object) -> Any:
    """Whether the object is a Tensor."""
    return isinstance(obj, Tensor)


_LAZY = {
    "save": "serialization", "load": "serialization", "set_printoptions": "printing", "cdist": "rules.nnet"
}  # fmt: skip
_PARTS = (
    "amp", "compat", "distributed", "distributions", "draw", "func", "linalg", "nn", "onnx", "optim", "profiler",
    "serialization", "testing", "training", "utils", "vision",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """A user's own operations as functions, and the larger parts of the package when they are first touched."""
    if name in _OPERATIONS:
        return _OPERATIONS[name]
    import importlib

    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    if name in _PARTS:
        return importlib.import_module(f"{__name__}.{name}")
    compat = importlib.import_module(f"{__name__}.compat")
    if name in compat.__all__:
        return getattr(compat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
