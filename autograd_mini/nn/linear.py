"""Layers that multiply by a matrix, and the one that does nothing."""

from __future__ import annotations

import math
from typing import Any

from ..creation import DTypeLike
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Size
from .module import Module
from .parameter import Parameter, empty_parameter


class Linear(Module):
    """y = x Wᵀ + b, for x of shape (..., in_features) and y of shape (..., out_features).

    weight has PyTorch's shape (out_features, in_features); it and the bias start uniform on ±1/√in_features.

    >>> import autograd_mini as am
    >>> Linear(3, 2)(am.ones(5, 3)).shape
    (5, 2)
    """

    bias: Parameter | None

    def __init__(
        self, in_features: Size, out_features: Size, bias: bool = True, device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = empty_parameter(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter("bias", empty_parameter(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Identity(Module):
    """Returns its input; takes and forgets any arguments, to stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input
