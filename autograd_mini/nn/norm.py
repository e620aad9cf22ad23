"""Layers that standardize; the formulas stand in `functional`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, ClassVar

from .. import creation
from ..creation import DTypeLike
from ..modes import no_grad
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Size, Sizes
from .module import Module
from .parameter import Parameter, register_empty


class _Affine(Module):
    """What they share: a weight that starts at 1 and a bias that starts at 0, either perhaps None."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_parameters(self, shape: tuple[int, ...], weight: bool, bias: bool, device: Any, dtype: DTypeLike) -> None:
        register_empty(self, device, dtype, weight=shape if weight else None, bias=shape if weight and bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0 again."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _BatchNorm(_Affine):
    """Each channel by the statistics of the batch while training, afterwards by running ones.

    momentum: how much of the newest batch enters these; None: the mean of all batches. track_running_stats=False: by
    the statistics of the batch, always. Ioffe and Szegedy, "Batch Normalization", ICML 2015, algorithm 1.
    """

    _dims: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self, num_features: Size, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: DTypeLike = None, *, bias: bool = True
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.track_running_stats = track_running_stats
        tracked = track_running_stats
        options = {"device": device, "dtype": dtype}
        self.register_buffer("running_mean", creation.zeros(num_features, **options) if tracked else None)
        self.register_buffer("running_var", creation.ones(num_features, **options) if tracked else None)
        self.register_buffer("num_batches_tracked", creation.tensor(0) if tracked else None)
        self._add_parameters((num_features,), affine, bias, device, dtype)

    def reset_running_stats(self) -> None:
        """Forget what the batches were like."""
        if self.track_running_stats:
            with no_grad():
                for name, start in {"running_mean": 0, "running_var": 1, "num_batches_tracked": 0}.items():
                    getattr(self, name).fill_(start)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and nothing known of any batch."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in self._dims:
            dims = " or ".join(f"{n}D" for n in self._dims)
            raise ValueError(f"expected {dims} input (got {input.ndim}D input)")
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        by_batch = self.training or self.running_mean is None
        return F.batch_norm(  # type: ignore[no-any-return]
            input, self.running_mean, self.running_var, self.weight, self.bias, by_batch, momentum, self.eps
        )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine},"
            f" bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = f"`functional.batch_norm` of (N, C) or (N, C, L). {_BatchNorm.__doc__}"
    _dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = f"`functional.batch_norm` of (N, C, H, W). {_BatchNorm.__doc__}"
    _dims = (4,)


def _shape(normalized_shape: Sizes) -> tuple[int, ...]:
    return tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (operator.index(normalized_shape),)


class LayerNorm(_Affine):
    """Each sample standardized over its last axes, of this shape (Ba, Kiros, Hinton, 2016).

    >>> import autograd_mini as am
    >>> LayerNorm(2)(am.tensor([1.0, 3.0]))
    tensor([-1.0000,  1.0000], grad_fn=<ScaleShiftBackward>)
    """

    def __init__(
        self, normalized_shape: Sizes, eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self._add_parameters(self.normalized_shape, elementwise_affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(  # type: ignore[no-any-return]
            input, self.normalized_shape, self.weight, self.bias, self.eps
        )

    def extra_repr(self) -> str:
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


class RMSNorm(_Affine):
    """x / sqrt(mean(x²) + eps) over the last axes, of this shape (Zhang, Sennrich, 2019); eps: default the dtype's."""

    def __init__(
        self, normalized_shape: Sizes, eps: float | None = None, elementwise_affine: bool = True,
        device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps = _shape(normalized_shape), eps
        self.elementwise_affine = elementwise_affine
        self._add_parameters(self.normalized_shape, elementwise_affine, False, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(_Affine):
    """Groups of channels of (N, C, …), each standardized per sample (Wu and He, 2018)."""

    def __init__(
        self, num_groups: int, num_channels: Size, eps: float = 1e-5, affine: bool = True, device: Any = None,
        dtype: DTypeLike = None, *, bias: bool = True
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self._add_parameters((num_channels,), affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"
