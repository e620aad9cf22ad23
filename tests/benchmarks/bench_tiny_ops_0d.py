"""The chain of `bench_tiny_ops` on single numbers, of shape (); micrograd's are Python's floats."""

from __future__ import annotations

import functools
import sys
from typing import Any

import bench_tiny_ops
from bench_tiny_ops import UNIT, UNITS, chain
from steps import Step

__all__ = ["LIBRARIES", "UNIT", "UNITS", *bench_tiny_ops.LIBRARIES, "micrograd"]
LIBRARIES = (*bench_tiny_ops.LIBRARIES, "micrograd")

autograd_mini, torch, jax, numpy, floor, autograd, mygrad = (
    functools.partial(getattr(bench_tiny_ops, library), ()) for library in bench_tiny_ops.LIBRARIES
)


def micrograd() -> Step:
    from micrograd.engine import Value

    sys.setrecursionlimit(100_000)  # its backward calls itself for each operation

    def step() -> Any:
        x = Value(0.5)
        chain(x).backward()
        return x.grad

    return step
