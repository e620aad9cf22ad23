"""The picture as plain text: one line per tensor, in the order in which they were computed."""

from __future__ import annotations

from .formula import LABELS
from .model import SHOWN, Model, Op, Reading, Wire
from .names import unnamed
from .numbers import inline, number


def to_text(model: Model, title: str, precision: int) -> str:
    """A table: tensor, shape, value, gradient; then the remarks."""
    rows = table(model, precision)
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
    padded = [[cell.ljust(n) for cell, n in zip(row, widths, strict=False)] + [row[3]] for row in rows]
    lines = ["  ".join(row).rstrip() for row in padded]
    head = [title.replace("\n", " "), ""] if title else []
    return "\n".join([*head, *lines, *remarks(model)])


def remarks(model: Model) -> list[str]:
    hidden = [f"(+ {model.hidden:,} operations before these)"] if model.hidden else []
    return [*hidden, *model.notes]


def table(model: Model, precision: int) -> list[tuple[str, str, str, str]]:
    """The head, and one row per tensor."""
    names = [name.replace("\n", " ") for name in unnamed(model.wires)]
    order = sorted(range(len(model.wires)), key=lambda i: -1 if (p := model.wires[i].producer) is None else p)
    rows = [("tensor", "shape", "value", "gradient")] if order else []
    for i in order:
        wire = model.wires[i]
        made = f" = {_call(model.ops[wire.producer], names)}" if wire.producer is not None else _kind(wire)
        shape = "?" if wire.shape is None else str(wire.shape) + (f" {wire.dtype}" if wire.kind == "input" else "")
        rows.append((names[i] + made, shape, _reading(wire.value, precision), _reading(wire.grad, precision)))
    return rows


def _kind(wire: Wire) -> str:
    return " (cut)" if wire.cut else {"parameter": " (parameter)", "input": " (input)"}.get(wire.kind, "")


def _call(op: Op, names: list[str]) -> str:
    inputs = [names[o.wire] if o.wire is not None else number(o.constant or 0) for o in op.operands]
    if len(inputs) > 8:  # the widest line pads all of them
        inputs[4:-1] = [f"… {len(inputs) - 5:,} more …"]
    inputs += [f"{k}={v}" for k, v in op.options.items()]
    return f"{LABELS.get(op.name, op.name) if op.name.startswith('softmax') else op.name}({', '.join(inputs)})"


def _reading(reading: Reading, precision: int) -> str:
    shown = inline(reading.seen, precision) if reading.state == SHOWN and reading.seen is not None else reading.state
    return f"{shown} ({reading.note})" if reading.note else shown
