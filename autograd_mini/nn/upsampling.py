"""A layer that changes the resolution of images, or of anything else on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .arguments import Numbers
from .module import Module


class Upsample(Module):
    """(N, C, d1, …) with other lengths d: `functional.interpolate`.

    >>> import autograd_mini as am
    >>> Upsample(scale_factor=2)(am.ones(1, 3, 4, 4)).shape
    (1, 3, 8, 8)
    """

    def __init__(
        self, size: Any = None, scale_factor: Numbers | None = None, mode: str = "nearest",
        align_corners: bool | None = None
    ) -> None:
        super().__init__()
        if scale_factor is not None:
            several = isinstance(scale_factor, Sequence)
            scale_factor = tuple(map(float, scale_factor)) if several else float(scale_factor)  # type: ignore[arg-type]
        self.size, self.scale_factor, self.mode, self.align_corners = size, scale_factor, mode, align_corners

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        how = f"size={self.size!r}" if self.scale_factor is None else f"scale_factor={self.scale_factor!r}"
        return f"{how}, mode={self.mode!r}"
