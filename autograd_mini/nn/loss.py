"""Losses as modules; the formulas stand in `functional`."""

from __future__ import annotations

from typing import Any

from ..rules import nnet
from ..tensor import Tensor
from . import functional as F
from .stateless import Stateless


class _Loss(Stateless):
    """reduction: "mean", "sum", or "none" (one loss per element or target)."""

    def __init__(self, *, reduction: str = "mean", **options: Any) -> None:
        nnet.check_reduction(reduction)
        super().__init__(reduction=reduction, **options)

    def extra_repr(self) -> str:
        return ""

    def _add_weight(self, name: str, weight: Tensor | None) -> None:
        self.register_buffer(name, weight)
        self._options += (name,)


class CrossEntropyLoss(_Loss):
    """-log softmax(input)[target], averaged: `functional.cross_entropy`.

    >>> import autograd_mini as am
    >>> round(CrossEntropyLoss()(am.zeros(4, 10), am.tensor([1, 2, 3, 4])).item(), 4)  # log 10
    2.3026
    """

    _function = F.cross_entropy

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean",
        label_smoothing: float = 0.0
    ) -> None:
        super().__init__(ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing)
        self._add_weight("weight", weight)


class NLLLoss(_Loss):
    """-input[target], averaged, for an input of log-probabilities: `functional.nll_loss`."""

    _function = F.nll_loss

    def __init__(self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean") -> None:
        super().__init__(ignore_index=ignore_index, reduction=reduction)
        self._add_weight("weight", weight)


class _Regression(_Loss):
    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)


class MSELoss(_Regression):
    """(input - target)², averaged: `functional.mse_loss`."""

    _function = F.mse_loss


class L1Loss(_Regression):
    """|input - target|, averaged: `functional.l1_loss`."""

    _function = F.l1_loss


class SmoothL1Loss(_Loss):
    """A parabola where |input - target| < beta, straight lines beyond, averaged: `functional.smooth_l1_loss`."""

    _function = F.smooth_l1_loss

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction=reduction, beta=beta)


class HuberLoss(_Loss):
    """delta times the smooth L1 loss of beta=delta, averaged: `functional.huber_loss`."""

    _function = F.huber_loss

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction, delta=delta)


class BCELoss(_Loss):
    """-(target log input + (1 - target) log(1 - input)), averaged: `functional.binary_cross_entropy`."""

    _function = F.binary_cross_entropy

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self._add_weight("weight", weight)


class BCEWithLogitsLoss(_Loss):
    """`BCELoss` of sigmoid(input), exact for large inputs: `functional.binary_cross_entropy_with_logits`."""

    _function = F.binary_cross_entropy_with_logits

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction=reduction)
        self._add_weight("weight", weight)
        self._add_weight("pos_weight", pos_weight)


class KLDivLoss(_Loss):
    """target (log target - input), for an input of logarithms; reduction also "batchmean": `functional.kl_div`."""

    _function = F.kl_div

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction="sum" if reduction == "batchmean" else reduction, log_target=log_target)
        self.reduction = reduction
