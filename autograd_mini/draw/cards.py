"""Module style: units as boxes, modules and repeats as frames around them, numbers as norms instead of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from .cost import in_bytes, in_short
from .formula import SYMBOLS
from .model import NO_GRAD, SHOWN, Model, Op, Reading, Wire
from .numbers import number
from .options import Options
from .repeats import Repeat
from .units import Join, Plan, Unit, shared
from .view import FORWARD, GRADIENT, MUTED, WHITE, Box, Drawing, Frame, Line, Link, Row, Run, Strip, slots_of

SCALE = ("#00204C", "#213D6B", "#555B6C", "#7B7A77", "#A59C74", "#D3C064", "#FFE945")  # cividis, dark to bright
HOW_TO_OPEN = '     ⊞ folded module: open it with expand=("its.path",) or depth='

Key = tuple[Repeat | None, tuple[str, ...]]  # of a frame: the repeat, and in it the modules down to this one
STEEP = 1e3  # first and last gradient of a repeat differ by more: said in words


def cards(drawing: Drawing, plan: Plan) -> None:
    """Fill the view with the boxes, links and frames of the plan."""
    model, options, view = drawing.model, drawing.options, drawing.view
    view.down = any(unit.module for unit in plan.units)
    if len(plan.units) < len(model.ops):
        formula = view.title if not view.title.startswith(f"{len(model.ops):,} operations") else ""
        view.title = f"{formula} — {len(model.ops):,} operations shown as {len(plan.units):,}".removeprefix(" — ")
    unused = [i for i, wire in enumerate(model.wires) if wire.producer is None and not wire.uses]
    leaves = [*dict.fromkeys(join.wire for join in plan.joins if join.tail is None), *unused]
    view.boxes += [_leaf(drawing, i) for i in leaves]
    for i, unit in enumerate(plan.units):
        view.boxes.append(_module(drawing, i, unit) if unit.module else _operation(drawing, i, unit))
    _links(drawing, plan)
    results = [(i, producer) for i in model.outputs if (producer := model.wires[i].producer) is not None]
    view.boxes += [drawing.box(i) for i, _ in results]
    view.links += [Link(f"u{plan.unit_of[op]}", f"t{i}", forward=True, gradient=True) for i, op in results]
    _frames(drawing, plan)
    drawn = {box.id for box in view.boxes}
    users = {f"t{i}": wire.uses[0][0] for i, wire in enumerate(model.wires) if wire.uses and f"t{i}" not in drawn}
    view.stands_for = {f"n{op}": f"u{unit}" for op, unit in enumerate(plan.unit_of)}
    view.stands_for |= {wire: f"u{plan.unit_of[op]}" for wire, op in users.items()}
    if options.legend:
        view.legend = _legend(plan, options)


def _leaf(drawing: Drawing, i: int) -> Box:
    wire = drawing.model.wires[i]
    rows: list[Row] = [drawing.header(wire, dtype=wire.kind == "input"), _sizes(wire)]
    return replace(drawing.box(i), rows=[row for row in rows if row])


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
    names = [_own_name(drawing, unit, leaf) for leaf in unit.leaves]
    if names:
        box.slots, box.shape = [], "op"
    if op.name in SYMBOLS and len(names) == 1:
        first, symbol = op.operands[0].wire in unit.leaves, SYMBOLS[op.name]
        box.rows[0] = [Run(f"{names[0]} {symbol} ·" if first else f"{symbol} {names[0]}", size=14, bold=True)]
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
    kind = model.modules.get(unit.module)
    count = f"{len(ops):,} operations" if len(ops) > 1 else ops[0].name
    facts: list[tuple[str, Line]] = [("inside", [Run(_chain(ops), size=10)])] if kind and len(ops) > 1 else []
    if unit.leaves:
        facts.append(("params", [Run(f"{_shapes(drawing, unit, unit.leaves)} · {_items(model, unit.leaves):,}")]))
    if unit.repeat is None:
        facts += [(_own_name(drawing, unit, k), _sizes(model.wires[k])) for k in unit.leaves[:4]]
        out = model.wires[ops[-1].wire]
        facts.append(("out", [Run(f"{out.shape}\u00a0", FORWARD, 10), *_sizes(out)]))
    if (cost := drawing.cost(unit.copies[0])) is not None:
        size = f"{in_bytes(cost.output)} of results, {in_bytes(cost.kept)} kept"
        facts += [("cost", [Run(in_short(cost))]), ("bytes", [Run(size)])]
    rows: list[Row] = [[Run(f"⊞ {name}", size=12, bold=True), Run(f"\u00a0 {kind or count}", MUTED, 10)]]
    rows += [[Run(f"{label}\u00a0", MUTED, 10), *line] for label, line in facts]
    tip, fill = f"{unit.module}: {_chain(ops)}", "#FFF4D6" if unit.leaves else WHITE
    return Box(f"u{i}", "card", rows, fill, weight=1.4, tip=tip)


def _shapes(drawing: Drawing, unit: Unit, leaves: list[int]) -> str:
    """`weight (3, 4), bias (4,)`, of at most four."""
    shapes = [f"{_own_name(drawing, unit, k)} {drawing.model.wires[k].shape}" for k in leaves[:4]]
    return ", ".join(shapes) + " …" * (len(leaves) > 4)


def _items(model: Model, leaves: Iterable[int]) -> int:
    return sum(math.prod(model.wires[k].shape or ()) for k in leaves)


def _chain(ops: list[Op]) -> str:
    names = [SYMBOLS.get(op.name, op.name) for op in ops]
    return " → ".join(names if len(names) <= 8 else [*names[:4], f"… {len(names) - 7} more …", *names[-3:]])


def _links(drawing: Drawing, plan: Plan) -> None:
    """What several boxes of a repeat take from the copy before comes in at a junction, where gradients add."""
    view = drawing.view
    sources: dict[str, list[Join]] = {}
    takers: dict[str, list[Join]] = {}  # of what the copy before hands on
    for join in plan.joins:
        (takers if join.next_copy else sources).setdefault(_tail(join), []).append(join)
    for tail, later in takers.items():
        if len(later) < 2:
            continue
        heads, junction = {j.head for j in later}, tail.replace("u", "j")
        place = next(i for i, box in enumerate(view.boxes) if box.id == f"u{min(heads)}")
        view.boxes.insert(place, Box(junction, "dot", tip="gradients add here"))
        for source, joins in sources.items():
            if heads <= {j.head for j in joins} and source != tail:
                needs = drawing.model.wires[joins[0].wire].kind != "input"
                view.links.append(Link(source, junction, forward=True, gradient=needs))
                sources[source] = [j for j in joins if j.head not in heads]
        inner = (_link(drawing, plan, j) for j in later)
        view.links += [replace(link, tail=junction, again=False, back=False, label=None) for link in inner]
        view.links.append(replace(_link(drawing, plan, later[0]), head=junction, slot=None))
        later.clear()
    view.links += [_link(drawing, plan, join) for joins in (*sources.values(), *takers.values()) for join in joins]


def _tail(join: Join) -> str:
    return f"t{join.wire}" if join.tail is None else f"u{join.tail}"


def _link(drawing: Drawing, plan: Plan, join: Join) -> Link:
    wire = drawing.model.wires[join.wire]
    head = plan.units[join.head]
    slotted = not head.module and not head.leaves and slots_of(drawing.model.ops[head.copies[0][0]])
    slot = join.operand if slotted else None
    link = Link(_tail(join), f"u{join.head}", slot, join.operand, True, wire.kind != "input")
    if join.next_copy:
        link.again = link.back = True
        link.label = [Run(f"to the next, {len(head.copies) - 1} times", MUTED, 10)]
    elif join.tail is not None and head.repeat is None:
        norm = [Run(f"‖g‖ {number(wire.grad.seen.norm)} ", GRADIENT, 10)] if wire.grad.seen is not None else []
        link.label = [Run(f"\u00a0{wire.shape if wire.shape != () else 'scalar'} ", FORWARD, 10), *norm]
    return link


# ------------------------------------------------------------------------------------------------ frames


def _frames(drawing: Drawing, plan: Plan) -> None:
    """One frame per repeat, and per stretch in which a module is open: no two frames need each other's results."""
    names, count = {box.id for box in drawing.view.boxes}, 0
    around: list[tuple[Key, Frame]] = []
    for i, unit in enumerate(plan.units):
        keys: list[Key] = [(unit.repeat, unit.frames[:k]) for k in range(unit.repeat is None, len(unit.frames) + 1)]
        same = shared([key for key, _ in around], keys)
        del around[same:]
        for key in keys[same:]:
            frame = Frame(f"m{count}", frame_rows(drawing, plan, key), weight=1.4 if key[1] else 3.0)
            (around[-1][1] if around else drawing.view).frames.append(frame)
            around.append((key, frame))
            count += 1
        if around:
            around[-1][1].boxes += [name for name in (f"u{i}", f"j{i}") if name in names]


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
    held = _items(model, (k for u in units for k in u.leaves if model.wires[k].kind == "parameter"))
    cost = drawing.cost(n for u in units for n in u.copies[0])
    return ([f"{held:,} parameters"] if held else []) + ([in_short(cost)] if cost is not None else [])


def _repeat_header(drawing: Drawing, plan: Plan, repeat: Repeat) -> list[Row]:
    """How often, of what; a strip each for the values handed on, their gradients, and those of the parameters."""
    model = drawing.model
    units = [unit for unit in plan.units if unit.repeat is repeat]
    leaves = [leaf for unit in units for leaf in unit.leaves]
    params = [k for k in leaves if model.wires[k].kind == "parameter"]
    facts = [f"{_shapes(drawing, units[0], leaves)} each"] if leaves else []
    facts += [f"{total:,} parameters"] if (total := repeat.count * _items(model, params)) else []
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
    first, last = (model.ops[op].scope.split(".") for op in (repeat.start, repeat.stop - repeat.period))
    k = shared(first, last)
    where = f"{'.'.join(first[:k])}[{first[k]} … {last[k]}]" if k < min(len(first), len(last)) else first[0]
    return f"× {repeat.count}\u00a0 {where}"


def _handed_on(plan: Plan, repeat: Repeat, model: Model) -> list[int]:
    """Per copy the operation whose output the next copy reads; of a repeat that hands nothing on, its last."""
    later = [j.wire for j in plan.joins if j.next_copy and plan.units[j.head].repeat is repeat]
    producers = [p for wire in later if (p := model.wires[wire].producer) is not None]
    offset = (producers[0] - repeat.start) % repeat.period if producers else repeat.period - 1
    return [repeat.start + k * repeat.period + offset for k in range(repeat.count)]


def _together(model: Model, repeat: Repeat, params: list[tuple[int, int]], copy: int) -> Reading:
    """The gradients of all parameters of one copy as one: its norm. They are operands `params` of its operations."""
    begin = repeat.start + copy * repeat.period
    wires = {wire for op, place in params if (wire := model.ops[begin + op].operands[place].wire) is not None}
    grads = [model.wires[wire].grad for wire in sorted(wires)]
    seen = [grad.seen for grad in grads if grad.seen is not None]
    if not seen or len(seen) < len(grads):
        return next(grad for grad in grads if grad.seen is None)
    return Reading(SHOWN, replace(seen[0], norm=math.hypot(*(s.norm for s in seen))))


def _strip(label: str, readings: list[Reading], color: str, arrow: str, scale: tuple[float, float]) -> Row:
    """One cell per copy, its colour the logarithm of the norm; the ends in numbers. Or the state that all are in."""
    norms = [r.seen.norm if r.seen is not None else math.nan for r in readings]
    if all(map(math.isnan, norms)):
        return [Run(f"{label}: {readings[0].state}", MUTED, 10, italic=True)]
    low, high = scale

    def cell(norm: float) -> str:
        if not 0 < norm < math.inf:
            return SCALE[0] if norm == 0 else WHITE
        return SCALE[min(6, max(0, int(7 * (math.log10(norm) - low) / (high - low))))]

    first, last = ("?" if math.isnan(norm) else number(norm) for norm in (norms[0], norms[-1]))
    return Strip(Run(label, color, 10), [cell(norm) for norm in norms], Run(f"{first} {arrow} {last}", color, 10))


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

