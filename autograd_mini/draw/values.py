"""Forward values: those at hand, and those that can be computed again from them without touching anything."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import Node
from ..writes import writes
from .model import CHANGED, SHOWN, Model, Op, Reading, Sources, kept_input
from .numbers import preview

MAX_REPLAY = 4_000_000  # elements that may be computed for a picture
Known = list[Any]  # per wire: its array, or None


def known_values(model: Model, sources: Sources) -> Known:
    """The value of every wire, where it can be had: from tensors that still live, from what nodes keep, by replay."""
    known: Known = [_fresh(model, wire, found) for wire, found in enumerate(sources.arrays)]
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


def inputs_of(op: Op, known: Known) -> list[Any]:
    """The inputs of an operation, as far as they are known: arrays and numbers."""
    return [known[o.wire] if o.wire is not None else o.constant for o in op.operands]


def unchanged(array: Any, number: int) -> Any:
    """The array, if nobody wrote into it since `number`."""
    return array if array is not None and writes.of(array)[0] <= number else None


def _fresh(model: Model, wire: int, found: tuple[Any, int] | None) -> Any:
    """The array of a tensor that lives, if it is what the first operation that used it saw."""
    if found is None:
        return None
    array, number = found
    target = model.wires[wire]
    limit = min((model.ops[op].number for op, _ in target.uses), default=number)
    if unchanged(array, limit) is not None and array.shape == (target.shape or array.shape):
        return array
    target.value = Reading(CHANGED)
    return None


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
        out = forward_again(node, inputs_of(op, again))
        if out is not None and known[op.wire] is not None and not same(out, known[op.wire]):
            return
        again[op.wire] = again[op.wire] if out is None else out
    known[:] = again


def forward_again(node: Node, inputs: list[Any]) -> Any:
    """The operation's function on these arrays; None if one is missing, or the result is not what was recorded."""
    prim, options = node.primitive, node.options or {}
    assert prim is not None
    if any(x is None for x in inputs) or (prim.options and node.options is None):
        return None
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
