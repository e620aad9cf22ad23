"""The chain of `bench_tiny_ops` on single numbers, of shape ()."""

from collections.abc import Callable

import bench_tiny_ops
from bench_tiny_ops import LIBRARIES, UNIT, UNITS

__all__ = ["LIBRARIES", "UNIT", "UNITS", "autograd_mini", "torch"]


def autograd_mini() -> Callable[[], object]:
    return bench_tiny_ops.autograd_mini(())


def torch() -> Callable[[], object]:
    return bench_tiny_ops.torch(())
