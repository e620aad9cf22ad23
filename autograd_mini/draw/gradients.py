"""Gradients in five states: shown, `no grad`, `not run`, `not kept`, `no path`; never a zero that was not computed.

The engine keeps the gradients of leaves alone. Those between are shown if `trace_backward` watched them; or they are
computed again, by the same rules on copies of nothing, and believed only if they reproduce what the leaves hold.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import rules
from ..engine import Node, unbroadcast
from .model import HINTS, NOT_KEPT, NOT_RUN, SHOWN, Model, Op, Reading, Sources
from .numbers import preview
from .trace import trace_backward
from .values import Known, inputs_of, same

ELEMENTWISE = {f.primitive.name for f in vars(rules.elementwise).values() if hasattr(f, "primitive")} | {"broadcast_to"}


@dataclass(slots=True)
class Flow:
    """The gradients of one backward pass."""

    seeds: dict[int, Any]  # wire -> what came in from above
    edges: dict[tuple[int, int], Any]  # (operation, operand) -> what this use contributes


    def at(self, model: Model, wire: int) -> Any:
        """The gradient of a wire: the sum over its uses. None if the pass did not reach it."""
        parts = [self.edges[use] for use in model.wires[wire].uses if use in self.edges]
        parts += [self.seeds[wire]] if wire in self.seeds else []
        return sum(parts[1:], parts[0]) if parts and not model.wires[wire].hidden_uses else None


def show_gradients(model: Model, sources: Sources, known: Known, trace: trace_backward | None, max_items: int) -> None:
    """Write the gradients into wires and operands, each with its state."""
    mark_broadcasts(model)
    held = {
        wire: node.extra.grad._array
        for wire, node in enumerate(sources.nodes)
        if node is not None and node.extra is not None and node.extra.grad is not None
    }
    flow, calls = Flow({}, {}), 0
    if trace is not None:
        flow = _traced(model, sources, trace)
    elif held and (again := _again(model, sources, known)) and (calls := _calls(model, again, held)):
        flow = again
    freed = any(node.kept is None for node in sources.operations)
    model.backward_ran = freed or bool(flow.seeds or flow.edges)
    for wire, node in enumerate(sources.nodes):
        if node is not None:
            model.wires[wire].grad = _gradient(model, wire, held.get(wire), flow.at(model, wire), calls, max_items)
    for (op, i), passed in flow.edges.items():
        model.ops[op].operands[i].grad = Reading(SHOWN, preview(passed, max_items))
    if any(w.grad.state == NOT_KEPT for w in model.wires):
        model.notes.append(f"gradients between the leaves were not kept: {HINTS[NOT_KEPT]}")


def _gradient(model: Model, wire: int, held: Any, passed: Any, calls: int, max_items: int) -> Reading:
    """What is known of a wire's gradient: what its `.grad` holds, else what the pass brought it."""
    note = ""
    if held is None and passed is None:
        return Reading(NOT_KEPT if model.backward_ran else NOT_RUN)
    if held is not None and not model.backward_ran:
        note = "of another backward"
    elif held is not None and calls > 1:
        note = f"{calls} backward calls"
    elif held is not None and passed is not None and not calls and not same(held, passed):
        note = ".grad holds other calls, too"
    elif axes := sorted({axis for op, i in model.wires[wire].uses for axis in model.ops[op].operands[i].summed}):
        note = f"summed over ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"
    return Reading(SHOWN, preview(passed if held is None else held, max_items), note)


def _traced(model: Model, sources: Sources, trace: trace_backward) -> Flow:
    """What was watched, in the model's terms."""
    number = {node: op for op, node in enumerate(sources.operations)}
    edges = {(number[node], i): passed for (node, i), passed in trace.edges.items() if node in number}
    alone = len(trace.seeds) == len(model.outputs) == 1
    return Flow({model.outputs[0]: trace.seeds[0]} if alone else {}, edges)


def _again(model: Model, sources: Sources, known: Known) -> Flow | None:
    """Backward from ones at the outputs, by the rules, on the values that are known; None if one is missing."""
    flow = Flow({wire: np.ones_like(known[wire]) for wire in model.outputs if sources.nodes[wire] is not None}, {})
    for number in range(len(model.ops) - 1, -1, -1):
        op, node = model.ops[number], sources.operations[number]
        gradient = flow.at(model, op.wire)
        if gradient is None:
            continue
        for i, rule in rules_of(op, node, known, gradient):
            if rule is None:
                return None
            with np.errstate(all="ignore"):
                result = rule()
            parent = node.parents[i]
            flow.edges[number, i] = unbroadcast(result, parent.shape).astype(parent.dtype)  # type: ignore[union-attr]
    return flow


@functools.cache
def parameters_of(rule: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(rule).parameters)


def rules_of(op: Op, node: Node, known: Known, gradient: Any) -> Iterator[tuple[int, Callable[[], Any] | None]]:
    """For each input that gets a gradient its rule with all that it asks for; None if some of that is not known."""
    prim = node.primitive
    assert prim is not None
    inputs = inputs_of(op, known)
    pairs = zip(inputs, node.parents, strict=True)
    shapes = [p.shape if p is not None else None if x is None else np.shape(x) for x, p in pairs]
    names: Sequence[str] = prim.inputs
    if prim.variadic:
        inputs = [None if any(x is None for x in inputs) else tuple(inputs)]
        names, shapes = names[:1], [None if None in shapes else tuple(shapes)]
    given = dict(zip(names, inputs, strict=True)) | {"out": known[op.wire]}
    given |= {f"{name}_shape": shape for name, shape in zip(names, shapes, strict=True)}
    given = {"g": gradient} | {name: x for name, x in given.items() if x is not None} | (node.options or {})
    for i, parent in enumerate(node.parents):
        rule = prim.rules[0 if prim.variadic else i]
        if parent is not None and rule is not None:
            given["i"] = i
            asked = parameters_of(rule)
            yield i, functools.partial(rule, *map(given.get, asked)) if given.keys() >= set(asked) else None


def _calls(model: Model, flow: Flow, held: dict[int, Any]) -> int:
    """How many backward calls like this one explain what all leaves hold; 0 if none does."""
    found: set[int] = set()
    checked = 0
    for wire, array in held.items():
        gradient = flow.at(model, wire)
        if gradient is None and model.wires[wire].hidden_uses:
            continue
        if gradient is None:
            return 0
        checked += 1
        length = float(np.vdot(gradient, gradient))
        count = round(float(np.vdot(array, gradient)) / length) if 0 < length < np.inf else 1
        if count < 1 or not same(array, count * gradient):
            return 0
        found |= {count} if length else set()
    return found.pop() if len(found) == 1 else int(checked > 0 and not found)  # zeros fit any number of calls


def mark_broadcasts(model: Model) -> None:
    """Note the axes over which gradients are summed because the value was repeated along them."""
    for op in model.ops:
        out = model.wires[op.wire].shape
        if op.name not in ELEMENTWISE or out is None:
            continue
        for operand in op.operands:
            wire = model.wires[operand.wire if operand.wire is not None else op.wire]
            if (shape := wire.shape) is not None and shape != out and wire.kind != "input":
                lead = len(out) - len(shape)
                operand.summed = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 != out[lead + k]))
