"""`Parameter`: a tensor that a `Module` lists among what it learns."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import creation, devices
from ..creation import DTypeLike
from ..dtypes import get_default_dtype
from ..engine import wrap
from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that requires grad and, assigned to an attribute of a `Module`, becomes one of its parameters.

    It shares the memory of `data`, a Tensor. Raises RuntimeError for integers, which cannot require grad.

    >>> import autograd_mini as am
    >>> Parameter(am.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        if data is not None and not isinstance(data, Tensor):
            raise TypeError(f"Parameter expects a Tensor, but got {type(data).__name__}: wrap it in tensor(...) first")
        self._array = np.empty(0, get_default_dtype()) if data is None else data.detach()._array
        self._node = None
        if requires_grad:
            self.requires_grad_()


def empty_parameter(*shape: int, device: Any = None, dtype: DTypeLike = None) -> Parameter:
    """A parameter yet to be initialised, its memory in column-major order.

    A weight of PyTorch's shape (out, in) that lies in memory as (in, out) is multiplied, and its gradient computed,
    without a transposed operand; so is the step of the optimizer, which walks memory as it lies.
    """
    made = np.asfortranarray(creation.empty(*shape, dtype=dtype)._array)
    return Parameter(wrap(made if device is None else devices.move(made, device)))


def register_empty(module: Any, device: Any, dtype: DTypeLike, **shapes: tuple[int, ...] | None) -> None:
    """Register parameters of these shapes, yet to be initialised; None reserves the name."""
    for name, shape in shapes.items():
        empty = None if shape is None else Parameter(creation.empty(*shape, device=device, dtype=dtype))
        module.register_parameter(name, empty)
