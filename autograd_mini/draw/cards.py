"""Module style: units as boxes, modules and repeats as frames around them, numbers as norms instead of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile

from .cost import in_bytes, in_short
from .formula import SYMBOLS
from .model import NO_GRAD, SHOWN, Model, Op, Reading, Wire
from .numbers import number
from .options import Options
from .repeats import Repeat
from .units import Join, Plan, Unit
from .view import FORWARD, GRADIENT, INK, MUTED, Box, Drawing, Frame, Line, Link, Row, Run, Strip, slots_of

SCALE = ("#00204C", "#213D6B", "#555B6C", "#7B7A77", "#A59C74", "#D3C064", "#FFE945")  # cividis, dark to bright
HOW_TO_OPEN = '     ⊞ folded module: open it with expand=("its.path",) or depth='
UNKNOWN_CELL = "#FFFFFF"
Key = tuple[Repeat | None, tuple[str, ...]]  # of a frame: the repeat, and in it the modules down to this one
STEEP = 1e3  # first and last gradient of a repeat differ by more: said in words


def cards(drawing: Drawing, plan: Plan) -> None:
    """Fill the view with the boxes, links and frames of the plan."""
    model, options, view = drawing.model, drawing.options, drawing.view
    view.down = any(unit.module for unit in plan.units)
    if len(plan.units) < len(model.ops):
        formula = view.title if not view.title.startswith(f"{len(model.ops):,} operations") else ""
        view.title = f"{formula} — {len(model.ops):,} operations shown as {len(plan.units):,}".removeprefix(" — ")
    for i in dict.fromkeys(join.wire for join in plan.joins if join.tail is None):
        view.boxes.append(_leaf(drawing, i))
    for i, wire in enumerate(model.wires):
        if wire.producer is None and not wire.uses:
            view.boxes.append(_leaf(drawing, i))
    for i, unit in enumerate(plan.units):
        view.boxes.append(_module(drawing, i, unit) if unit.module else _operation(drawing, i, unit))
    _links(drawing, plan)
    for i in model.outputs:
        producer = model.wires[i].producer
        if producer is not None:
            view.boxes.append(drawing.box(i))
            view.links.append(Link(f"u{plan.unit_of[producer]}", f"t{i}", forward=True, gradient=True))
    _frames(drawing, plan)
    view.stands_for = {f"n{op}": f"u{unit}" for op, unit in enumerate(plan.unit_of)}
    drawn = {box.id for box in view.boxes}
    for i, wire in enumerate(model.wires):
        if wire.uses and f"t{i}" not in drawn:
            view.stands_for[f"t{i}"] = f"u{plan.unit_of[wire.uses[0][0]]}"
    if options.legend:
        view.legend = _legend(plan, options)


def _leaf(drawing: Drawing, i: int) -> Box:
    box = drawing.box(i)
    wire = drawing.model.wires[i]
    rows: list[Row] = [drawing.header(wire, dtype=wire.kind == "input"), _sizes(wire)]
    box.rows = [row for row in rows if row]
    return box


def _sizes(wire: Wire) -> Line:
    """Typical item of the value, norm of the gradient."""
    value, grad = wire.value, wire.grad
    line = []
    if value.seen is not None and value.seen.dtype.startswith("float"):
        line.append(Run(f"rms {number(value.seen.rms)}", FORWARD, 10))
    if grad.seen is not None:
        line.append(Run(f"\u00a0 ‖g‖ {number(grad.seen.norm)}", GRADIENT, 10))
    elif grad.state != NO_GRAD:
        line.append(Run(f"\u00a0 g {grad.state}", MUTED, 10, italic=True))
    return line


def _operation(drawing: Drawing, i: int, unit: Unit) -> Box:
    """As in wire style, with the parameters that belong to it alone."""
    model = drawing.model
    op = model.ops[unit.copies[0][0]]
    box = replace(drawing.op_box(unit.copies[0][0]), id=f"u{i}")
    if unit.leaves:
        box.slots, box.shape = [], "op"
        names = [_own_name(drawing, unit, leaf) for leaf in unit.leaves]
        if op.name in SYMBOLS and len(names) == 1:
            first, symbol = op.operands[0].wire in unit.leaves, SYMBOLS[op.name]
            text = f"{names[0]} {symbol} ·" if first else f"{symbol} {names[0]}"
            box.rows[0] = [Run(text, size=14, bold=True)]
        for leaf, name in zip(unit.leaves, names, strict=True):
            sizes = _sizes(model.wires[leaf]) if unit.repeat is None else []
            box.rows += [[Run(f"{name} ", MUTED, 10), *sizes]] if sizes or len(names) > 1 else []
    out = model.wires[op.wire].value.seen
    if op.name == "relu" and out is not None and out.size and unit.repeat is None:
        box.rows.append([Run(f"{100 * out.zeros / out.size:.0f} % zeros", FORWARD, 10)])
    return box


def _own_name(drawing: Drawing, unit: Unit, leaf: int) -> str:
    """`W` for W0, W1, W2 …; without the path of a module that is named anyway."""
    name = drawing.model.wires[leaf].name.rsplit(".", 1)[-1]
    name = name.rstrip("0123456789") or name if unit.repeat is not None else name
    return name or str(drawing.model.wires[leaf].shape)


def _module(drawing: Drawing, i: int, unit: Unit) -> Box:
    model = drawing.model
    ops = [model.ops[n] for n in unit.copies[0]]
    name = unit.module if unit.repeat is None else unit.module.rsplit(".", 1)[-1]
    count = f"{len(ops):,} operations" if len(ops) > 1 else ops[0].name
    kind = model.modules.get(unit.module) or count
    head = [Run(f"⊞ {name}", size=12, bold=True), Run(f"\u00a0 {kind}", MUTED, 10)]
    box = Box(f"u{i}", "card", [head], fill="#FFF4D6" if unit.leaves else "#FFFFFF", border=INK, weight=1.4)
    if model.modules.get(unit.module) and len(ops) > 1:
        box.rows.append([Run("inside\u00a0", MUTED, 10), Run(_chain(ops), size=10)])
    if unit.leaves:
        shapes = [f"{_own_name(drawing, unit, k)} {model.wires[k].shape}" for k in unit.leaves[:4]]
        total = sum(math.prod(model.wires[k].shape or ()) for k in unit.leaves)
        text = f"{', '.join(shapes)}{' …' * (len(unit.leaves) > 4)} · {total:,}"
        box.rows.append([Run("params\u00a0", MUTED, 10), Run(text)])
        if unit.repeat is None:
            for k in unit.leaves[:4]:
                box.rows.append([Run(f"{_own_name(drawing, unit, k)}\u00a0", MUTED, 10), *_sizes(model.wires[k])])
    out = model.wires[ops[-1].wire]
    if unit.repeat is None:
        shape = Run(f"{out.shape}\u00a0", FORWARD, 10)
        box.rows.append([Run("out\u00a0", MUTED, 10), shape, *_sizes(out)])
    if (cost := drawing.cost(unit.copies[0])) is not None:
        box.rows.append([Run("cost\u00a0", MUTED, 10), Run(in_short(cost))])
        size = f"{in_bytes(cost.output)} of results, {in_bytes(cost.kept)} kept"
        box.rows.append([Run("bytes\u00a0", MUTED, 10), Run(size)])
    box.tip = f"{unit.module}: {_chain(ops)}"
    return box


def _chain(ops: list[Op]) -> str:
    names = [SYMBOLS.get(op.name, op.name) for op in ops]
    return " → ".join(names if len(names) <= 8 else [*names[:4], f"… {len(names) - 7} more …", *names[-3:]])


def _links(drawing: Drawing, plan: Plan) -> None:
    """What several boxes of a repeat take from the copy before comes in at a junction, where gradients add."""
    view = drawing.view
    takers: dict[int, list[Join]] = {}
    for join in plan.joins:
        if join.next_copy and join.tail is not None:
            takers.setdefault(join.tail, []).append(join)
    junctions = {tail: joins for tail, joins in takers.items() if len(joins) > 1}
    sources: dict[int | str, list[Join]] = {}
    for join in plan.joins:
        if not join.next_copy:
            sources.setdefault(f"t{join.wire}" if join.tail is None else f"u{join.tail}", []).append(join)
    for tail, later in junctions.items():
        heads, first = {j.head for j in later}, min(j.head for j in later)
        place = next(i for i, box in enumerate(view.boxes) if box.id == f"u{first}")
        view.boxes.insert(place, Box(f"j{tail}", "dot", tip="gradients add here"))
        for source, joins in sources.items():
            if {j.head for j in joins if j.head in heads} == heads and source != f"u{tail}":
                needs = drawing.model.wires[joins[0].wire].kind != "input"
                view.links.append(Link(str(source), f"j{tail}", forward=True, gradient=needs))
                sources[source] = [j for j in joins if j.head not in heads]
        inner = (_link(drawing, plan, j) for j in later)
        view.links += [replace(link, tail=f"j{tail}", again=False, back=False, label=None) for link in inner]
        view.links.append(replace(_link(drawing, plan, later[0]), head=f"j{tail}", slot=None))
    view.links += [_link(drawing, plan, join) for joins in sources.values() for join in joins]
    view.links += [_link(drawing, plan, j) for tail, joins in takers.items() if tail not in junctions for j in joins]


def _link(drawing: Drawing, plan: Plan, join: Join) -> Link:
    wire = drawing.model.wires[join.wire]
    tail = f"t{join.wire}" if join.tail is None else f"u{join.tail}"
    head = plan.units[join.head]
    slotted = not head.module and not head.leaves and slots_of(drawing.model.ops[head.copies[0][0]])
    link = Link(tail, f"u{join.head}", join.operand if slotted else None, join.operand, True, wire.kind != "input")
    if join.next_copy:
        count = head.repeat.count - 1 if head.repeat is not None else 0
        link.again = link.back = True
        link.label = [Run(f"to the next, {count} times", MUTED, 10)]
    elif join.tail is not None and head.repeat is None:
        link.label = [Run(f"\u00a0{wire.shape if wire.shape != () else 'scalar'} ", FORWARD, 10), *_norm(wire.grad)]
    return link


def _norm(grad: Reading) -> Line:
    return [Run(f"‖g‖ {number(grad.seen.norm)} ", GRADIENT, 10)] if grad.seen is not None else []


# ------------------------------------------------------------------------------------------------ frames


def _frames(drawing: Drawing, plan: Plan) -> None:
    """One frame per repeat, and per stretch in which a module is open: no two frames need each other's results."""
    names, count = {box.id for box in drawing.view.boxes}, 0
    around: list[tuple[Key, Frame]] = []
    for i, unit in enumerate(plan.units):
        keys = _keys(unit)
        same = sum(1 for _ in takewhile(lambda pair: pair[0][0] == pair[1], zip(around, keys, strict=False)))
        del around[same:]
        for key in keys[same:]:
            frame = Frame(f"m{count}", frame_rows(drawing, plan, key), weight=1.4 if key[1] else 3.0)
            (around[-1][1] if around else drawing.view).frames.append(frame)
            around.append((key, frame))
            count += 1
        if around:
            around[-1][1].boxes += [name for name in (f"u{i}", f"j{i}") if name in names]


def _keys(unit: Unit) -> list[Key]:
    outer: list[Key] = [(unit.repeat, ())] if unit.repeat is not None else []
    return outer + [(unit.repeat, unit.frames[: k + 1]) for k in range(len(unit.frames))]


def frame_rows(drawing: Drawing, plan: Plan, key: Key) -> list[Row]:
    """What stands above the boxes of a repeat, or of an open module."""
    repeat, path = key
    if path:
        kind = drawing.model.modules.get(path[-1], "").partition("(")[0]
        name = path[-1] if repeat is None else path[-1].rsplit(".", 1)[-1]
        words = [Run(f"\u00a0 {kind}", MUTED, 10)] if kind else []
        facts: list[Row] = [[Run(fact, MUTED, 10)] for fact in _facts(drawing, plan, path, repeat)]
        return [[Run(f"⊟ {name}", size=12, bold=True), *words], *facts]
    assert repeat is not None
    return _repeat_header(drawing, plan, repeat)


def _facts(drawing: Drawing, plan: Plan, path: tuple[str, ...], repeat: Repeat | None) -> list[str]:
    """Of one copy of the module in this frame: how many parameters, what it costs."""
    model = drawing.model
    units = [u for u in plan.units if u.repeat is repeat and (*u.frames, u.module)[: len(path)] == path]
    leaves = [model.wires[k] for u in units for k in u.leaves]
    held = sum(math.prod(wire.shape or ()) for wire in leaves if wire.kind == "parameter")
    cost = drawing.cost(n for u in units for n in u.copies[0])
    return ([f"{held:,} parameters"] if held else []) + ([in_short(cost)] if cost is not None else [])


def _repeat_header(drawing: Drawing, plan: Plan, repeat: Repeat) -> list[Row]:
    """How often, of what; a strip each for the values handed on, their gradients, and those of the parameters."""
    model = drawing.model
    units = [unit for unit in plan.units if unit.repeat is repeat]
    leaves = [leaf for unit in units for leaf in unit.leaves]
    facts = [f"{_own_name(drawing, units[0], k)} {model.wires[k].shape}" for k in leaves[:4]]
    facts = [", ".join(facts) + " …" * (len(leaves) > 4) + " each"] if facts else []
    params = [k for k in leaves if model.wires[k].kind == "parameter"]
    total = repeat.count * sum(math.prod(model.wires[k].shape or ()) for k in params)
    facts += [f"{total:,} parameters"] if total else []
    facts.append(f"{repeat.count * repeat.period:,} operations")
    if (cost := drawing.cost(range(repeat.start, repeat.stop))) is not None:
        facts.append(in_short(cost))
    head: Line = [Run(f"⊞ {repeat_name(model, repeat)}", size=13, bold=True)]
    rows: list[Row] = [head, [Run(" · ".join(facts), MUTED, 10)]]
    handed = [model.ops[n].wire for n in _handed_on(plan, repeat, model)]
    name = "h" if len(handed) > 1 else "value"
    gradients = [model.wires[i].grad for i in handed]
    places = [(op - repeat.start, i) for k in params for op, i in model.wires[k].uses]
    weights = [_together(model, repeat, places, k) for k in range(repeat.count)] if places else []
    strips = [
        (f"‖{name}‖ forward", [model.wires[i].value for i in handed], FORWARD, "→"),
        (f"‖∂L/∂{name}‖", gradients, GRADIENT, "←"),
        ("‖∂L/∂params‖", weights, GRADIENT, "←"),
    ]
    norms = [r.seen.norm for _, readings, _, _ in strips for r in readings if r.seen is not None]
    known = [math.log10(n) for n in norms if 0 < n < math.inf]
    ends = (min(known), max(max(known), min(known) + 1)) if known else (0.0, 1.0)
    shown = [_strip(*strip, ends) for strip in strips[: 3 if params else 2]]
    return [*rows, *shown, *_trend(gradients, drawing.options.marks)]


def repeat_name(model: Model, repeat: Repeat) -> str:
    """`× 50  layers[0 … 49]`: how often, and what differs in the module paths of the first and the last copy."""
    first = model.ops[repeat.start].scope.split(".")
    last = model.ops[repeat.stop - repeat.period].scope.split(".")
    for k, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b:
            return f"× {repeat.count}\u00a0 {'.'.join(first[:k])}[{a} … {b}]"
    return f"× {repeat.count}\u00a0 {first[0]}"


def _handed_on(plan: Plan, repeat: Repeat, model: Model) -> list[int]:
    """Per copy the operation whose output the next copy reads; of a repeat that hands nothing on, its last."""
    later = [j.wire for j in plan.joins if j.next_copy and plan.units[j.head].repeat is repeat]
    producers = [p for wire in later if (p := model.wires[wire].producer) is not None]
    offset = (producers[0] - repeat.start) % repeat.period if producers else repeat.period - 1
    return [repeat.start + k * repeat.period + offset for k in range(repeat.count)]


def _together(model: Model, repeat: Repeat, params: list[tuple[int, int]], copy: int) -> Reading:
    """The gradients of all parameters of one copy as one: its norm. They are operands `params` of its operations."""
    ops = model.ops[repeat.start + copy * repeat.period :]
    wires = {wire for op, place in params if (wire := ops[op].operands[place].wire) is not None}
    grads = [model.wires[wire].grad for wire in sorted(wires)]
    seen = [grad.seen for grad in grads if grad.seen is not None]
    if not seen or len(seen) < len(grads):
        return next(grad for grad in grads if grad.seen is None)
    return Reading(SHOWN, replace(seen[0], norm=math.hypot(*(s.norm for s in seen))))


def _strip(label: str, readings: list[Reading], color: str, arrow: str, scale: tuple[float, float]) -> Row:
    """One cell per copy, its colour the logarithm of the norm; the ends in numbers. Or the state that all are in."""
    norms = [r.seen.norm if r.seen is not None else math.nan for r in readings]
    if not any(n == n for n in norms):
        return [Run(f"{label}: {readings[0].state}", MUTED, 10, italic=True)]
    low, high = scale
    cells = [SCALE[min(6, max(0, int(7 * (math.log10(n) - low) / (high - low))))] if 0 < n < math.inf
             else SCALE[0] if n == 0 else UNKNOWN_CELL for n in norms]  # fmt: skip
    text = f"{_known(norms[0])} {arrow} {_known(norms[-1])}"
    return Strip(Run(label, color, 10), cells, Run(text, color, 10))


def _known(norm: float) -> str:
    return number(norm) if norm == norm else "?"


def _trend(gradients: Iterable[Reading], marks: bool) -> list[Row]:
    """In words, if the gradient shrinks or grows by orders of magnitude on its way back."""
    norms = [g.seen.norm for g in gradients if g.seen is not None]
    if not marks or len(norms) < 2 or not (0 < norms[0] < math.inf and 0 < norms[-1] < math.inf):
        return []
    factor = norms[0] / norms[-1]
    if 1 / STEEP < factor < STEEP:
        return []
    each = number(factor ** (1 / (len(norms) - 1)), 2)
    glyph, word = ("▼", "shrinks") if factor < 1 else ("▲", "grows")
    times = number(max(factor, 1 / factor), 1)
    text = f" gradient {word} by a factor of {times} on its way back (× {each} per copy)"
    head = "VANISHING" if factor < 1 else "EXPLODING"
    return [[Run(f"{glyph} {head}", GRADIENT, bold=True), Run(text, GRADIENT)]]


def _legend(plan: Plan, options: Options) -> list[Line]:
    words = [Run("forward: rms, the size of a typical item", FORWARD, 10), Run("   gradient: norm ‖g‖", GRADIENT, 10)]
    if any(unit.module for unit in plan.units):
        words.append(Run(HOW_TO_OPEN, MUTED, 10))
    lines = [words]
    if plan.repeats:
        text = "equal consecutive layers are folded; a strip has one cell per copy, the first at the left: dark is the"
        lines.append([Run(f"{text} smallest norm, bright the largest, on one logarithmic scale", MUTED, 10)])
    return lines

