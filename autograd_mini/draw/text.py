"""What a picture shows, in words: one line per tensor as a table, and what a page tells of a box that is clicked."""

from __future__ import annotations

from .cost import in_words
from .formula import LABELS, SENTENCES
from .health import check
from .model import HINTS, Model, Op, Reading
from .names import clean, described, inputs_in_words, unnamed
from .numbers import inline, number
from .units import Plan, Unit
from .view import View

MAX_LISTED = 12
Facts = list[tuple[str, str]]  # a label and a text each; the first names what they are about


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
    names = _in_a_line(model)
    order = sorted(range(len(model.wires)), key=lambda i: -1 if (p := model.wires[i].producer) is None else p)
    rows = [("tensor", "shape", "value", "gradient")] if order else []
    for i in order:
        wire = model.wires[i]
        made = f" ({'cut' if wire.cut else wire.kind})"
        if wire.producer is not None:
            made = f" = {_call(model.ops[wire.producer], names)}"
        shape = "?" if wire.shape is None else str(wire.shape) + (f" {wire.dtype}" if wire.kind == "input" else "")
        rows.append((names[i] + made, shape, _reading(wire.value, precision), _reading(wire.grad, precision)))
    return rows


def _in_a_line(model: Model) -> list[str]:
    """The names of all tensors."""
    return [name.replace("\n", " ") for name in unnamed(model.wires)]



def _call(op: Op, names: list[str]) -> str:
    inputs = inputs_in_words(op, names)
    if len(inputs) > 8:  # the widest line pads all of them
        inputs[4:-1] = [f"… {len(inputs) - 5:,} more …"]
    inputs += [f"{k}={v}" for k, v in op.options.items()]
    return f"{LABELS.get(op.name, op.name) if op.name.startswith('softmax') else op.name}({', '.join(inputs)})"


def _reading(reading: Reading, precision: int) -> str:
    shown = inline(reading.seen, precision) if reading.seen is not None else reading.state
    return f"{shown} ({reading.note})" if reading.note else shown


# ---------------------------------------------------------------------------------------------------- details


def details(model: Model, view: View, plan: Plan | None, precision: int) -> dict[str, Facts]:
    """For every box of the view that stands for something."""
    names = _in_a_line(model)
    known = {f"t{i}": _tensor(model, i, names, precision) for i in range(len(model.wires))}
    known |= {f"n{i}": _operation(model, i, names) for i in range(len(model.ops))}
    for i, unit in enumerate(plan.units if plan is not None else ()):
        known[f"u{i}"] = unit_details(model, unit) if unit.module else known[f"n{unit.copies[0][0]}"]
    for problem in check(model):
        node = view.stands_for.get(problem.node, problem.node)
        known.setdefault(node, [("", node)]).append((problem.kind, f"{problem.where}: {problem.hint}"))
    drawn = [box.id for box in view.boxes if box.id in known]
    return {name: [(label, clean(text, 400)) for label, text in known[name]] for name in drawn}


def _tensor(model: Model, i: int, names: list[str], precision: int) -> Facts:
    wire = model.wires[i]
    made = f"made by {described(model.ops[wire.producer], names)}" if wire.producer is not None else wire.kind
    shape = "unknown" if wire.shape is None else str(wire.shape)
    facts = [("tensor", names[i]), ("is", made), ("shape", f"{shape} {wire.dtype}")]
    facts += [("value", _in_full(wire.value, precision)), ("gradient", _in_full(wire.grad, precision))]
    for op, place in wire.uses[:MAX_LISTED]:
        grad = model.ops[op].operands[place].grad
        back = f", which passes back {inline(grad.seen, precision)}" if grad and grad.seen else ""
        facts.append(("used by", f"{described(model.ops[op], names)}{back}"))
    more = len(wire.uses) - MAX_LISTED
    return facts + ([("used by", f"{more:,} more")] if more > 0 else [])


def _operation(model: Model, i: int, names: list[str]) -> Facts:
    op = model.ops[i]
    facts = [("operation", LABELS.get(op.name, op.name)), ("computes", described(op, names))]
    facts += [("backward", SENTENCES.get(op.name, "passes the gradient on by its rule"))]
    facts += [("option", f"{key} {value}") for key, value in op.options.items()]
    facts += [("module", f"{op.scope} {model.modules.get(op.scope, '')}")] if op.scope else []
    facts += [("source", op.source)] if op.source else []
    facts += [("result", _in_full(model.wires[op.wire].value, 3))]
    if model.costs is not None:
        facts.append(("cost", in_words(model.costs.ops[model.hidden + i])))
    return facts + ([("not finite", op.cause)] if op.cause else [])


def unit_details(model: Model, unit: Unit) -> Facts:
    """What a module computes."""
    ops, names = unit.copies[0], _in_a_line(model)
    facts = [("module", unit.module), ("is", model.modules.get(unit.module) or "module")]
    facts += [("copies", f"{len(unit.copies)}, of which this shows the first")] if len(unit.copies) > 1 else []
    facts += [("computes", described(model.ops[op], names)) for op in ops[:MAX_LISTED]]
    return facts + ([("computes", f"{len(ops) - MAX_LISTED:,} more")] if len(ops) > MAX_LISTED else [])


def _in_full(reading: Reading, precision: int) -> str:
    seen = reading.seen
    if seen is None:
        return f"{reading.state}: {HINTS.get(reading.state, '')}".removesuffix(": ")
    text = inline(seen, precision)
    if seen.size > 1:
        text += f"; norm {number(seen.norm, precision)}, {seen.zeros:,} of {seen.size:,} are 0"
    return text + (f" ({reading.note})" if reading.note else "")
