"""Pooling layers: the largest, or the mean, of what a window sees."""

from __future__ import annotations

from typing import Any, ClassVar

from . import functional as F
from .stateless import Stateless


class _Pool(Stateless):
    _shown: ClassVar[tuple[str, ...]] = ("kernel_size", "stride", "padding")

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={self.__dict__[name]!r}" for name in self._shown)


class _MaxPool(_Pool):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, return_indices: bool = False,
        ceil_mode: bool = False
    ) -> None:
        super().__init__(
            kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding,
            dilation=dilation, return_indices=return_indices, ceil_mode=ceil_mode
        )


class MaxPool1d(_MaxPool):
    """The maxima over windows of (N, C, L) or (C, L): `functional.max_pool1d`."""

    _function = F.max_pool1d


class MaxPool2d(_MaxPool):
    """The maxima over windows of (N, C, H, W) or (C, H, W): `functional.max_pool2d`.

    >>> import autograd_mini as am
    >>> MaxPool2d(2)(am.ones(5, 3, 8, 6)).shape
    (5, 3, 4, 3)
    """

    _function = F.max_pool2d


class AvgPool1d(_Pool):
    """The means over windows of (N, C, L) or (C, L): `functional.avg_pool1d`."""

    _function = F.avg_pool1d

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True
    ) -> None:
        stride = kernel_size if stride is None else stride
        kernel_size, stride, padding = (n if isinstance(n, tuple) else (n,) for n in (kernel_size, stride, padding))
        super().__init__(
            kernel_size=kernel_size, stride=stride, padding=padding, ceil_mode=ceil_mode,
            count_include_pad=count_include_pad
        )


class AvgPool2d(_Pool):
    """The means over windows of (N, C, H, W) or (C, H, W): `functional.avg_pool2d`."""

    _function = F.avg_pool2d

    def __init__(
        self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
        count_include_pad: bool = True, divisor_override: int | None = None
    ) -> None:
        super().__init__(
            kernel_size=kernel_size, stride=kernel_size if stride is None else stride, padding=padding,
            ceil_mode=ceil_mode, count_include_pad=count_include_pad, divisor_override=divisor_override
        )


class _AdaptiveAvgPool(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: Any) -> None:
        super().__init__(output_size=output_size)


class _AdaptiveMaxPool(_Pool):
    _shown = ("output_size",)

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size=output_size, return_indices=return_indices)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of output_size bins along (N, C, L) or (C, L)."""

    _function = F.adaptive_avg_pool1d


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of a grid of bins over (N, C, H, W) or (C, H, W): `functional.adaptive_avg_pool2d`."""

    _function = F.adaptive_avg_pool2d


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The maxima of output_size bins along (N, C, L) or (C, L)."""

    _function = F.adaptive_max_pool1d


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The maxima of a grid of bins over (N, C, H, W) or (C, H, W)."""

    _function = F.adaptive_max_pool2d
