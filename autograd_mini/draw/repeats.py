"""Repeats: stretches of the tape in which the same operations are wired in the same way again and again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from .model import Model, Op

MAX_PERIOD = 200  # operations of one layer
MIN_SAVED = 4  # operations


@dataclass(frozen=True, slots=True)
class Repeat:
    """`count` copies of `period` operations, the first of them beginning at operation `start`."""

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count

    def copy(self, op: int) -> int:
        return (op - self.start) // self.period


def find_repeats(model: Model, min_repeats: int = 3) -> list[Repeat]:
    """The repeats that save most operations, none overlapping another, in order.

    Operations are the same if name, shape, dtype, options, constants and module are, whatever numbers are in the
    module's path; then each copy must be wired like the others.
    """
    numbers: dict[Any, int] = {}
    tokens = np.array([numbers.setdefault(_token(model, op), len(numbers)) for op in model.ops])
    found: list[tuple[int, int, int, int]] = []
    for period in range(1, min(MAX_PERIOD, len(tokens) // min_repeats) + 1):
        equal = np.concatenate([[False], tokens[period:] == tokens[:-period], [False]])
        edges = np.flatnonzero(equal[1:] != equal[:-1])
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            saved = (stop - start) // period * period
            if saved >= max(MIN_SAVED, (min_repeats - 1) * period):
                found.append((-saved, period, start, stop + period))
    taken = np.zeros(len(tokens), bool)
    repeats = []
    for _, period, start, stop in sorted(found):
        if taken[start:stop].any():
            continue
        repeat = max((_wired_alike(model, s, period, stop) for s in range(start, start + (stop - start) % period + 1)),
                     key=lambda r: (r.count, -_crossings(model, r)))  # fmt: skip
        if repeat.count >= min_repeats and repeat.period * (repeat.count - 1) >= MIN_SAVED:
            repeats.append(repeat)
            taken[repeat.start : repeat.stop] = True
    return sorted(repeats, key=lambda r: r.start)


def template(path: str) -> str:
    """`layers.3.fc` and `layers.4.fc` are the same: `layers.#.fc`."""
    return ".".join("#" if part.isdigit() else part for part in path.split("."))


def _token(model: Model, op: Op) -> Any:
    out = model.wires[op.wire]
    constants = tuple(repr(o.constant) for o in op.operands)
    return op.name, out.shape, out.dtype, constants, tuple(sorted(op.options.items())), template(op.scope), op.lane


def _pattern(model: Model, start: int, period: int, first: int) -> list[Any]:
    """For every operand of one copy where it comes from: this copy, an earlier one, a leaf, or elsewhere."""
    ops = model.ops[start : start + period]
    read = [model.wires[operand.wire] for op in ops for operand in op.operands if operand.wire is not None]
    return [
        (wire.kind, wire.shape) if wire.producer is None else "before" if wire.producer < first
        else wire.producer - start for wire in read
    ]  # fmt: skip


def _wired_alike(model: Model, start: int, period: int, stop: int) -> Repeat:
    """The copies from `start` on that are wired alike; only the first may take from elsewhere what others hand on."""
    patterns = (_pattern(model, begin, period, start) for begin in range(start, stop - period + 1, period))
    first, second = next(patterns), next(patterns, [])
    pairs = zip(first, second, strict=False)
    if not second or any(a != b and not (isinstance(b, int) and b < 0) for a, b in pairs):
        return Repeat(start, period, 1)
    same = itertools.takewhile(lambda pattern: pattern == second, patterns)
    return Repeat(start, period, 2 + sum(1 for _ in same))


def _crossings(model: Model, repeat: Repeat) -> int:
    """How many tensors one copy hands on to the next: fewest where a layer begins."""
    pattern = _pattern(model, repeat.start + repeat.period, repeat.period, repeat.start)
    return len({source for source in pattern if isinstance(source, int) and source < 0})
