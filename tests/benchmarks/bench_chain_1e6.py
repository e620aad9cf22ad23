"""A chain of 1,000,000 operations on single numbers: is each as cheap as in one of 1,000, and what does it hold?"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench_tiny_ops import chain
from steps import resident

LIBRARIES = ("autograd_mini", "torch", "numpy")
SHORT, LONG = 1_000, 1_000_000
Pass = tuple[Callable[[int], Any], Callable[[Any], object]]  # forward through so many operations, and backward


def autograd_mini() -> Pass:
    import autograd_mini as am

    x = am.tensor(0.5, requires_grad=True)
    return (lambda n: chain(x, n)), (lambda y: y.backward())


def torch() -> Pass:
    import torch

    x = torch.tensor(0.5, requires_grad=True)
    return (lambda n: chain(x, n)), (lambda y: y.backward())


def numpy() -> Pass:
    """The tape in `tape.py`."""
    from tape import Tape, Value

    return (lambda n: chain(Value(np.float32(0.5), Tape()), n)), (lambda y: y.tape.backward(y, np.float32(1)))


def measure(library: str) -> dict[str, float]:
    forward, backward = globals()[library]()

    def once(n: int) -> tuple[float, float, int]:
        """Seconds forward, seconds backward, bytes held between them."""
        before, start = resident()[0], time.perf_counter()
        y = forward(n)
        middle, held = time.perf_counter(), resident()[0] - before
        resumed = time.perf_counter()
        backward(y)
        del y  # giving the graph back belongs to it
        return middle - start, time.perf_counter() - resumed, held

    short = statistics.median(sum(once(SHORT)[:2]) for _ in range(100)) / SHORT
    ahead, back, held = once(LONG)
    return {
        "µs/op at 1e3": short * 1e6, "µs/op at 1e6": (ahead + back) / LONG * 1e6, "forward": ahead / LONG * 1e6,
        "backward": back / LONG * 1e6, "1e6 over 1e3": (ahead + back) / LONG / short, "bytes/op": held / LONG,
    }  # fmt: skip
