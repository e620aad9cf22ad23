"""Nonlinear functions as modules; the formulas stand in `functional` and in the rules of the calculus."""

from __future__ import annotations

from typing import Any

from .. import creation
from ..creation import DTypeLike
from ..tensor import Tensor
from . import functional as F
from .arguments import Size
from .module import Module
from .parameter import Parameter
from .stateless import Stateless


class _Plain(Stateless):
    def __init__(self) -> None:
        super().__init__()


class _InPlace(Stateless):
    """inplace: in the memory of the input."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(inplace=inplace)


class Sigmoid(_Plain):
    """1 / (1 + exp(-x)), elementwise."""

    _function = F.sigmoid


class Tanh(_Plain):
    """tanh(x), elementwise."""

    _function = F.tanh


class LogSigmoid(_Plain):
    """log(sigmoid(x)), elementwise; finite for every finite x."""

    _function = F.logsigmoid


class Softsign(_Plain):
    """x / (1 + |x|), elementwise."""

    _function = F.softsign


class Tanhshrink(_Plain):
    """x - tanh(x), elementwise."""

    _function = F.tanhshrink


class ReLU(_InPlace):
    """max(x, 0), elementwise; inplace: in the memory of x.

    >>> import autograd_mini as am
    >>> ReLU()(am.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    _function = F.relu


class ReLU6(_InPlace):
    """min(max(x, 0), 6), elementwise."""

    _function = F.relu6


class SELU(_InPlace):
    """ELU with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017)."""

    _function = F.selu


class SiLU(_InPlace):
    """x sigmoid(x), elementwise; also called swish."""

    _function = F.silu


class Mish(_InPlace):
    """x tanh(softplus(x)), elementwise."""

    _function = F.mish


class Hardsigmoid(_InPlace):
    """relu6(x + 3) / 6, elementwise."""

    _function = F.hardsigmoid


class Hardswish(_InPlace):
    """x relu6(x + 3) / 6, elementwise."""

    _function = F.hardswish


class _Alpha(Stateless):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(alpha=alpha, inplace=inplace)


class ELU(_Alpha):
    """x, or alpha (exp(x) - 1) where x is not positive."""

    _function = F.elu


class CELU(_Alpha):
    """x, or alpha (exp(x / alpha) - 1) where x is not positive."""

    _function = F.celu


class LeakyReLU(Stateless):
    """x, or negative_slope x where x is negative."""

    _function = F.leaky_relu

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(negative_slope=negative_slope, inplace=inplace)


class Hardtanh(Stateless):
    """x limited to [min_val, max_val]."""

    _function = F.hardtanh

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        if not max_val > min_val:
            raise AssertionError(f"max_val ({max_val}) must be greater than min_val ({min_val})")
        super().__init__(min_val=min_val, max_val=max_val, inplace=inplace)


class Softplus(Stateless):
    """log(1 + exp(beta x)) / beta, and x itself where beta x is beyond the threshold."""

    _function = F.softplus

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__(beta=beta, threshold=threshold)


class GELU(Stateless):
    """x times the normal distribution function at x; approximate="tanh": as GPT-2 has it."""

    _function = F.gelu

    def __init__(self, approximate: str = "none") -> None:
        super().__init__(approximate=approximate)


class _Along(Stateless):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__(dim=dim)


class Softmax(_Along):
    """exp(x) / sum(exp(x)) along `dim`: positive, and of sum 1."""

    _function = F.softmax


class LogSoftmax(_Along):
    """log(softmax(x)) along `dim`."""

    _function = F.log_softmax


class PReLU(Module):
    """max(x, 0) + weight min(x, 0), the weight learned: one for all, or one for each channel of (N, C, …)."""

    def __init__(
        self, num_parameters: Size = 1, init: float = 0.25, device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.weight = Parameter(creation.full((num_parameters,), float(init), dtype=dtype, device=device))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
