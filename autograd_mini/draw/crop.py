"""A graph too large to draw: keep the operations nearest to the output, and say how many are missing."""

from __future__ import annotations

from dataclasses import replace

from .model import Model, Sources


def crop(model: Model, sources: Sources, max_ops: int) -> tuple[Model, Sources]:
    """The last `max_ops` operations. Every use of their outputs is among them, so their gradients are complete."""
    hidden = len(model.ops) - max_ops
    if hidden <= 0:
        return model, sources
    ops = [replace(op, operands=[replace(o) for o in op.operands]) for op in model.ops[hidden:]]
    touched = {o.wire for op in ops for o in op.operands if o.wire is not None} | {op.wire for op in ops}
    lost = {i for i, wire in enumerate(model.wires) if not wire.uses and wire.producer is None}
    kept = sorted(touched | set(model.outputs) | lost)
    place = {old: new for new, old in enumerate(kept)}
    wires = []
    for old in kept:
        wire = model.wires[old]
        uses = [(op - hidden, i) for op, i in wire.uses if op >= hidden]
        cut = wire.producer is not None and wire.producer < hidden
        producer = None if cut or wire.producer is None else wire.producer - hidden
        hidden_uses = len(wire.uses) - len(uses)
        wires.append(replace(wire, uses=uses, producer=producer, cut=cut, hidden_uses=hidden_uses))
    for op in ops:
        op.wire = place[op.wire]
        for operand in op.operands:
            operand.wire = None if operand.wire is None else place[operand.wire]
    outputs = [place[wire] for wire in model.outputs]
    small = replace(model, ops=ops, wires=wires, outputs=outputs, hidden=hidden)
    tensors = {key: place[wire] for key, wire in sources.tensors.items() if wire in place}
    nodes, arrays = [sources.nodes[i] for i in kept], [sources.arrays[i] for i in kept]
    return small, Sources(nodes, arrays, tensors, sources.operations[hidden:])
