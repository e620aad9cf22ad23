"""Gradients in five states: shown, `no grad`, `not run`, `not kept`, `no path`; never a zero that was not computed.

The engine keeps the gradients of leaves alone. Those between are shown if `trace_backward` watched them; or they are
computed again, by the same rules on copies of nothing, and believed only if they reproduce what the leaves hold.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import rules
from ..engine import Node, unbroadcast
from .model import NOT_KEPT, NOT_RUN, SHOWN, Model, Op, Reading, Sources
from .numbers import preview
from .trace import trace_backward
from .values import Known, same

HINT = (
    "gradients between the leaves were not kept:"
    " with draw.trace_backward() as t: loss.backward(); then loss.graph(trace=t)"
)


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


def show_gradients(
    model: Model, sources: Sources, known: Known, trace: trace_backward | None, max_items: int
) -> None:
    """Write the gradients into wires and operands, each with its state."""
    mark_broadcasts(model)
    held = {
        wire: node.extra.grad._array
        for wire, node in enumerate(sources.nodes)
        if node is not None and node.extra is not None and node.extra.grad is not None
    }
    freed = any(node.kept is None for node in sources.operations)
    flow, calls = None, 0
    if trace is not None:
        flow = _traced(model, sources, trace)
    elif held:
        flow = _again(model, sources, known)
        calls = _calls(model, flow, held) if flow is not None else 0
        flow = flow if calls else None
    model.backward_ran = freed or flow is not None
    for wire, node in enumerate(sources.nodes):
        if node is not None:
            _show(model, wire, node, held.get(wire), flow, calls, max_items)
    for op_number, op in enumerate(model.ops if flow is not None else ()):
        for i, operand in enumerate(op.operands):
            if (op_number, i) in flow.edges:  # type: ignore[union-attr]
                operand.grad = Reading(SHOWN, preview(flow.edges[op_number, i], max_items))  # type: ignore[union-attr]
    if any(w.grad.state == NOT_KEPT for w in model.wires):
        model.notes.append(HINT)


def _show(model: Model, wire: int, node: Node, held: Any, flow: Flow | None, calls: int, max_items: int) -> None:
    target = model.wires[wire]
    passed = flow.at(model, wire) if flow is not None else None
    note = ""
    if held is None and passed is None:
        target.grad = Reading(NOT_KEPT if model.backward_ran else NOT_RUN)
        return
    if held is not None and not model.backward_ran:
        note = "of another backward"
    elif held is not None and calls > 1:
        note = f"{calls} backward calls"
    elif held is not None and passed is not None and not calls and not same(held, passed):
        note = ".grad holds other calls, too"
    elif axes := sorted({axis for op, i in target.uses for axis in model.ops[op].operands[i].summed}):
        note = f"summed over ax{'is' if len(axes) == 1 else 'es'} {', '.join(map(str, axes))}"
    target.grad = Reading(SHOWN, preview(passed if held is None else held, max_items), note)


def _traced(model: Model, sources: Sources, trace: trace_backward) -> Flow | None:
    """What was watched, in the model's terms."""
    edges = {
        (op, i): trace.edges[node, i]
        for op, node in enumerate(sources.operations)
        for i in range(len(node.parents))
        if (node, i) in trace.edges
    }
    seeds = dict(zip(model.outputs, trace.seeds, strict=False)) if len(trace.seeds) == len(model.outputs) == 1 else {}
    return Flow(seeds, edges) if edges or seeds else None


def _again(model: Model, sources: Sources, known: Known) -> Flow | None:
    """Backward from ones at the outputs, by the rules, on the values that are known; None if one is missing."""
    flow = Flow({wire: np.ones_like(known[wire]) for wire in model.outputs if sources.nodes[wire] is not None}, {})
    for number in range(len(model.ops) - 1, -1, -1):
        op, node = model.ops[number], sources.operations[number]
        gradient = flow.at(model, op.wire)
        if gradient is None:
            continue
        env = environment(op, node, known)
        for i, parent in enumerate(node.parents):
            if parent is None:
                continue
            rule = node.primitive.rules[0 if node.primitive.variadic else i]  # type: ignore[union-attr]
            given = {"g": gradient, "i": i, **env}
            names = parameters_of(rule)
            if any(name not in given for name in names):
                return None
            with np.errstate(all="ignore"):
                result = rule(*(given[name] for name in names))  # type: ignore[misc]
            flow.edges[number, i] = unbroadcast(result, parent.shape).astype(parent.dtype)
    return flow


@functools.cache
def parameters_of(rule: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(rule).parameters)


def environment(op: Op, node: Node, known: Known) -> dict[str, Any]:
    """Whatever a rule may ask for, as far as it is known."""
    prim = node.primitive
    assert prim is not None
    inputs = [known[o.wire] if o.wire is not None else o.constant for o in op.operands]
    pairs = zip(inputs, node.parents, strict=True)
    shapes = [p.shape if p is not None else None if x is None else np.shape(x) for x, p in pairs]
    if prim.variadic:
        env: dict[str, Any] = {prim.inputs[0]: None if any(x is None for x in inputs) else tuple(inputs)}
        env[f"{prim.inputs[0]}_shape"] = None if None in shapes else tuple(shapes)
    else:
        env = dict(zip(prim.inputs, inputs, strict=True))
        env |= {f"{name}_shape": shape for name, shape in zip(prim.inputs, shapes, strict=True)}
    env["out"] = known[op.wire]
    return {name: value for name, value in env.items() if value is not None} | (node.options or {})


def _calls(model: Model, flow: Flow, held: dict[int, Any]) -> int:
    """How many backward calls like this one explain what all leaves hold; 0 if none does."""
    found: set[int] = set()
    checked = 0
    for wire, array in held.items():
        gradient = flow.at(model, wire)
        if gradient is None:
            if not model.wires[wire].hidden_uses:
                return 0
            continue
        checked += 1
        length = float(np.vdot(gradient, gradient))
        count = round(float(np.vdot(array, gradient)) / length) if 0 < length < np.inf else 1
        if count < 1 or not same(array, count * gradient):
            return 0
        found |= {count} if length else set()
    return found.pop() if len(found) == 1 else int(checked > 0 and not found)  # zeros fit any number of calls


ELEMENTWISE = {
    f.primitive.name for f in vars(rules.elementwise).values() if hasattr(f, "primitive")
} | {"broadcast_to"}


def mark_broadcasts(model: Model) -> None:
    """Note the axes over which gradients are summed because the value was repeated along them."""
    for op in model.ops:
        out = model.wires[op.wire].shape
        for operand in op.operands:
            if op.name not in ELEMENTWISE or out is None:
                break
            shape = model.wires[operand.wire].shape if operand.wire is not None else out
            if shape is not None and shape != out and model.wires[operand.wire or 0].kind != "input":
                lead = len(out) - len(shape)
                operand.summed = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 != out[lead + k]))
