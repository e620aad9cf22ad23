"""Regularisation by chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..rules import nnet
from ..tensor import Tensor
from . import functional as F
from .module import Module


class Dropout(Module):
    """While training, each element is 0 with probability p, and 1/(1-p) times itself otherwise; nothing in eval mode.

    Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", JMLR 15 (2014), section 4.

    >>> import autograd_mini as am
    >>> sorted(set(Dropout(0.5)(am.ones(1000)).tolist()))
    [0.0, 2.0]
    """

    _function: ClassVar[Callable[..., Tensor]] = F.dropout

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        nnet.check_probability(p)
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self)._function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout1d(Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L)."""

    _function = F.dropout1d


class Dropout2d(Dropout):
    """Dropout of whole channels of (N, C, H, W) (Tompson et al., 2015)."""

    _function = F.dropout2d
