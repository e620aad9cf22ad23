"""Forward values: those at hand, and those that can be computed again from them without touching anything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Node
from ..writes import writes
from .model import CHANGED, SHOWN, Model, Reading, Sources, kept_input
from .numbers import preview

MAX_REPLAY = 4_000_000  # elements that may be computed for a picture
Known = list[Any]  # per wire: its array, or None


def known_values(model: Model, sources: Sources) -> Known:
    """The value of every wire, where it can be had: from tensors that still live, from what nodes keep, by replay."""
    known: Known = [None] * len(model.wires)
    for wire, found in enumerate(sources.arrays):
        known[wire] = _fresh(model, wire, found)
    for wire, node in enumerate(sources.nodes):
        if node is None or known[wire] is not None:
            continue
        tensor = node.extra.tensor() if node.extra is not None and node.extra.tensor is not None else None
        if tensor is not None:
            known[wire] = _fresh(model, wire, (tensor._array, node.number))
        elif node.primitive is not None and node.kept is not None and "out" in node.primitive.asked:
            known[wire] = unchanged(node.kept[node.primitive.asked.index("out")], node.number)
    for op, node in zip(model.ops, sources.operations, strict=True):
        for i, operand in enumerate(op.operands):
            if operand.wire is not None and known[operand.wire] is None:
                known[operand.wire] = unchanged(kept_input(node, i), node.number)
    _replay(model, sources, known)
    return known


def show_values(model: Model, known: Known, max_items: int) -> None:
    """Write what is known into the wires."""
    for wire, array in zip(model.wires, known, strict=True):
        if array is not None:
            wire.value = Reading(SHOWN, preview(array, max_items))
            wire.shape, wire.dtype = array.shape, str(array.dtype)


def unchanged(array: Any, number: int) -> Any:
    """The array, if nobody wrote into it since `number`."""
    return array if array is not None and writes.of(array)[0] <= number else None


def _fresh(model: Model, wire: int, found: tuple[Any, int] | None) -> Any:
    """The array of a tensor that lives, if it is what the first operation that used it saw."""
    if found is None:
        return None
    array, number = found
    uses = model.wires[wire].uses
    limit = min((model.ops[op].number for op, _ in uses), default=number)
    changed = writes.of(array)[0] > limit or array.shape != (model.wires[wire].shape or array.shape)
    if changed:
        model.wires[wire].value = Reading(CHANGED)
        return None
    return array


def _replay(model: Model, sources: Sources, known: Known) -> None:
    """Run again, in order, what operations ran whose inputs are all known; keep it only if every check is met.

    A function that is not pure (or an input that changed unnoticed) would give another result than the one that was
    recorded, so wherever a value is known both ways the two must be equal.
    """
    todo = [math.prod(model.wires[op.wire].shape or ()) for op in model.ops if known[op.wire] is None]
    if not todo or sum(todo) > MAX_REPLAY:
        return
    again = list(known)
    for op, node in zip(model.ops, sources.operations, strict=True):
        inputs = [again[o.wire] if o.wire is not None else o.constant for o in op.operands]
        if any(x is None for x in inputs):
            continue
        out = forward_again(node, inputs)
        if out is None:
            continue
        if known[op.wire] is not None and not same(out, known[op.wire]):
            return
        again[op.wire] = out
    known[:] = again


def forward_again(node: Node, inputs: list[Any]) -> Any:
    """The operation's function on these arrays; None if the result is not of the shape that was recorded."""
    prim = node.primitive
    assert prim is not None
    if prim.options and node.options is None:
        return None
    options = node.options or {}
    with np.errstate(all="ignore"):
        try:
            out = prim.forward(*inputs, **options)
            if out.dtype != node.dtype and node.dtype.kind == "f" and options.get("dtype") is None:
                cast = [x.astype(node.dtype) if getattr(x, "dtype", node.dtype).kind == "f" else x for x in inputs]
                out = prim.forward(*cast, **options).astype(node.dtype, copy=False)
        except (ArithmeticError, ValueError, TypeError, IndexError):
            return None
    return out if out.shape == node.shape and out.dtype == node.dtype else None


def same(a: Any, b: Any) -> bool:
    """Equal but for rounding, which the order of a sum may change."""
    b = np.asarray(b)
    tolerance = 1e-3 if b.dtype == np.float16 else 1e-5
    scale = float(np.abs(b[np.isfinite(b)]).max(initial=0)) if b.dtype.kind == "f" else 0.0
    return bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * scale, equal_nan=True))
