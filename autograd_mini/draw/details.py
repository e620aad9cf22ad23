"""What a page tells of a box when it is clicked: pairs of a label and a text, the first of them its name."""

from __future__ import annotations

from .cost import in_words
from .formula import LABELS, SENTENCES
from .health import check
from .model import SHOWN, Model, Reading
from .names import clean, described, unnamed
from .numbers import inline, number
from .units import Plan, Unit
from .view import HINTS, View

MAX_LISTED = 12
Facts = list[tuple[str, str]]


def details(model: Model, view: View, plan: Plan | None, precision: int) -> dict[str, Facts]:
    """For every box of the view that stands for something."""
    names = [name.replace("\n", " ") for name in unnamed(model.wires)]
    known: dict[str, Facts] = {}
    for i in range(len(model.wires)):
        known[f"t{i}"] = _tensor(model, i, names, precision)
    for i in range(len(model.ops)):
        known[f"n{i}"] = _operation(model, i, names)
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
    facts += [("value", _reading(wire.value, precision)), ("gradient", _reading(wire.grad, precision))]
    uses = []
    for op, place in wire.uses[:MAX_LISTED]:
        grad = model.ops[op].operands[place].grad
        seen = grad.seen if grad is not None else None
        part = f", which passes back {inline(seen, precision)}" if seen is not None else ""
        uses.append(("used by", f"{described(model.ops[op], names)}{part}"))
    more = len(wire.uses) - len(uses)
    return facts + uses + ([("used by", f"{more:,} more")] if more > 0 else [])


def _operation(model: Model, i: int, names: list[str]) -> Facts:
    op = model.ops[i]
    facts = [("operation", LABELS.get(op.name, op.name)), ("computes", described(op, names))]
    facts += [("backward", SENTENCES.get(op.name, "passes the gradient on by its rule"))]
    facts += [("option", f"{key} {value}") for key, value in op.options.items()]
    facts += [("module", f"{op.scope} {model.modules.get(op.scope, '')}")] if op.scope else []
    facts += [("source", op.source)] if op.source else []
    facts += [("result", _reading(model.wires[op.wire].value, 3))]
    if model.costs is not None:
        facts.append(("cost", in_words(model.costs.ops[model.hidden + i])))
    return facts + ([("not finite", op.cause)] if op.cause else [])


def unit_details(model: Model, unit: Unit) -> Facts:
    """What a module computes."""
    ops, names = unit.copies[0], [name.replace("\n", " ") for name in unnamed(model.wires)]
    facts = [("module", unit.module), ("is", model.modules.get(unit.module) or "module")]
    facts += [("copies", f"{len(unit.copies)}, of which this shows the first")] if len(unit.copies) > 1 else []
    facts += [("computes", described(model.ops[op], names)) for op in ops[:MAX_LISTED]]
    return facts + ([("computes", f"{len(ops) - MAX_LISTED:,} more")] if len(ops) > MAX_LISTED else [])


def _reading(reading: Reading, precision: int) -> str:
    seen = reading.seen
    if reading.state != SHOWN or seen is None:
        return f"{reading.state}: {HINTS.get(reading.state, '')}".removesuffix(": ")
    text = inline(seen, precision)
    if seen.size > 1:
        text += f"; norm {number(seen.norm, precision)}, {seen.zeros:,} of {seen.size:,} are 0"
    return text + (f" ({reading.note})" if reading.note else "")
