"""Convolutional layers; the options are those of `functional.conv2d` and `functional.conv_transpose2d`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

from ..creation import DTypeLike
from ..rules.conv import per_axis
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Size
from .module import Module
from .parameter import Parameter, register_empty


class _Conv(Module):
    """What they share: the options, one number for each of `_axes`; weight and bias, uniform on ±1/√fan_in."""

    _function: ClassVar[Callable[..., Tensor]]
    _axes: ClassVar[int]
    _transposed: ClassVar[bool] = False
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_channels: Size, out_channels: Size, kernel_size: Any, stride: Any, padding: Any, output_padding: Any,
        dilation: Any, groups: int, bias: bool, padding_mode: str, device: Any, dtype: DTypeLike
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in {"in_channels": in_channels, "out_channels": out_channels}.items():
            if channels % groups:
                raise ValueError(f"{name} must be divisible by groups")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'valid', 'same'}}")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            modes = "{'zeros', 'reflect', 'replicate', 'circular'}"
            raise ValueError(f"padding_mode must be one of {modes}, but got padding_mode='{padding_mode}'")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(kernel_size, self._axes, "kernel_size")
        self.stride = per_axis(stride, self._axes, "stride")
        self.padding = padding if isinstance(padding, str) else per_axis(padding, self._axes, "padding", 0)
        self.output_padding = per_axis(output_padding, self._axes, "output_padding", 0)
        self.dilation = per_axis(dilation, self._axes, "dilation")
        self.padding_mode = padding_mode
        if padding == "same" and set(self.stride) != {1}:
            raise ValueError("padding='same' is not supported for strided convolutions")
        first, second = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        shape = (first, second // groups, *self.kernel_size)
        register_empty(self, device, dtype, weight=shape, bias=(out_channels,) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias again."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(math.prod(self.weight.shape[1:]) or 1)
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        zeros, ones = (0,) * self._axes, (1,) * self._axes
        for name, default in {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}.items():
            if (value := getattr(self, name)) != default:
                text += f", {name}={value}"
        text += "" if self.bias is not None else ", bias=False"
        return text + ("" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}")


class _Forward(_Conv):
    def __init__(
        self, in_channels: Size, out_channels: Size, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1, bias: bool = True, padding_mode: str = "zeros", device: Any = None,
        dtype: DTypeLike = None
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias, padding_mode, device,
            dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._margins(), self.padding_mode), 0
        options = (self.stride, padding, self.dilation, self.groups)
        return type(self)._function(input, self.weight, self.bias, *options)

    def _margins(self) -> list[int]:
        """The padding as `functional.pad` wants it: the last axis first."""
        if self.padding == "valid":
            return [0, 0] * self._axes
        margins: list[int] = []
        for axis in reversed(range(self._axes)):
            total = self.dilation[axis] * (self.kernel_size[axis] - 1)
            same = (total // 2, total - total // 2)
            margins += same if self.padding == "same" else [self.padding[axis]] * 2  # type: ignore[list-item]
        return margins


class Conv1d(_Forward):
    """Cross-correlation of (N, C, L) or (C, L) with a weight (O, C/groups, k), plus a bias."""

    _function, _axes = F.conv1d, 1


class Conv2d(_Forward):
    """Cross-correlation of (N, C, H, W) or (C, H, W) with a weight (O, C/groups, kh, kw), plus a bias.

    >>> import autograd_mini as am
    >>> Conv2d(3, 8, kernel_size=5, padding=2)(am.ones(2, 3, 28, 28)).shape
    (2, 8, 28, 28)
    """

    _function, _axes = F.conv2d, 2


class _Transposed(_Conv):
    _transposed = True

    def __init__(
        self, in_channels: Size, out_channels: Size, kernel_size: Any, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, bias: bool = True, dilation: Any = 1, padding_mode: str = "zeros",
        device: Any = None, dtype: DTypeLike = None
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation, groups, bias,
            padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        options = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return type(self)._function(input, self.weight, self.bias, *options)


class ConvTranspose1d(_Transposed):
    """The adjoint of `Conv1d` with the same options: (N, C, L) to (N, O, L')."""

    _function, _axes = F.conv_transpose1d, 1


class ConvTranspose2d(_Transposed):
    """The adjoint of `Conv2d` with the same options: (N, C, H, W) to (N, O, H', W').

    >>> import autograd_mini as am
    >>> ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)(am.ones(2, 8, 7, 7)).shape
    (2, 3, 14, 14)
    """

    _function, _axes = F.conv_transpose2d, 2
