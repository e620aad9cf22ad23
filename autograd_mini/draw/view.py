"""From the model to what is drawn: boxes of text and links between them, with colours, but no coordinates.

Both renderers (`dot`, and the built-in layout) draw exactly this.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .cost import Cost, in_short, summed
from .formula import COMMUTATIVE, LABELS, SENTENCES, SLOTS, SUBLABELS, SYMBOLS, formula
from .health import EXPLODING, GLYPHS, VALUE, VANISHING, Problem, Problems, check
from .health import GRADIENT as BAD_GRADIENT
from .model import CHANGED, HINTS, SHOWN, Model, Op, Reading, Wire
from .numbers import Number, number, summary
from .options import Options
from .units import Plan, is_gone

FORWARD, GRADIENT, LATER = "#00568F", "#A83C00", "#7B2D8B"
INK, MUTED, ZERO, LINE, WHITE = "#1F2328", "#57606A", "#636C76", "#6E7781", "#FFFFFF"
LOOKS = {  # fill, border, dashes and weight of a tensor's box
    "output": ("#E7F4EE", "#006B4A", False, 2.4),
    "parameter": ("#FFF4D6", "#8A6100", False, 1.6),
    "input": ("#F3F5F8", LINE, True, 1.2),
    "inner": (WHITE, INK, False, 1.6),
}
MARKS = {  # colour, weight and dashes of what has a problem
    VALUE: ("#000000", 4.0, False),
    BAD_GRADIENT: ("#000000", 4.0, False),
    EXPLODING: (GRADIENT, 4.0, False),
    VANISHING: ("#1F3A6E", 2.4, True),
}
WORDS = {VALUE: "nan or inf begins here", BAD_GRADIENT: "bad gradient begins here"}
MAX_COLUMNS = 8  # of a matrix; a longer row is summed up


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one style; `size` in points."""

    text: str
    color: str = INK
    size: float = 11
    bold: bool = False
    italic: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """Numbers in columns between two vertical bars."""

    rows: list[list[Run]]
    color: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Coloured cells in a row, with a text before and after them."""

    label: Run
    cells: list[str]
    ends: Run


Line = list[Run]
Row = Line | Matrix | Strip | None  # None: the bar, the wire itself


@dataclass(slots=True)
class Box:
    """A node of the drawing. shape: "chip" (bare), "tensor" (framed), "op", "card", "circle" or "dot"."""

    id: str
    shape: str
    rows: list[Row] = field(default_factory=list)
    fill: str = WHITE
    border: str = INK
    dashed: bool = False
    weight: float = 1.6  # of the border, in points
    slots: list[str] = field(default_factory=list)
    tip: str = ""


@dataclass(slots=True)
class Link:
    """A wire from tail to head; forward and gradient say at which ends it has arrows."""

    tail: str
    head: str
    slot: int | None = None  # of the head
    place: int = 0  # which of the head's inputs this is
    forward: bool = False
    gradient: bool = False
    label: Row = None
    again: bool = False  # a value that is used again further on: drawn dashed
    active: bool = False  # the gradient flows here just now
    back: bool = False  # runs against the direction of the drawing: to the next copy of a repeat


@dataclass(slots=True)
class Frame:
    """A frame around boxes and further frames, with rows of text above."""

    id: str
    rows: list[Row]
    boxes: list[str] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    color: str = LINE
    weight: float = 1.4
    fill: str = "#F6F8FA"
    bottom: bool = False  # the text stands below


@dataclass(slots=True)
class View:
    """The whole drawing."""

    title: str
    legend: list[Line]
    boxes: list[Box] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    down: bool = False  # top to bottom instead of left to right
    stands_for: dict[str, str] = field(default_factory=dict)  # an id -> that of the box in which it is drawn


def view_of(model: Model, options: Options, plan: Plan | None = None) -> View:
    """Boxes and links for every operation and every wire; with a plan, for its units."""
    usual = _usual_dtype(model) if options.show_dtypes is None else "" if options.show_dtypes else None
    view = View(_title(model) if options.title is None else options.title, [])
    drawing = Drawing(model, options, usual, view)
    if plan is not None:
        from .cards import cards

        cards(drawing, plan)
        _leave_out_what_is_gone(model, view)
    else:
        for i in range(len(model.wires)):
            drawing.wire(i)
        for i in range(len(model.ops)):
            drawing.op(i)
        _leave_out_what_is_gone(model, view)
        view.legend = _legend(model, view, options) if options.legend else []
        if len(model.lanes) > 1:
            _draw_lanes(model, view, options.legend)
    if model.hidden:
        label = [Run(f"+ {model.hidden:,} ops", MUTED, 12, bold=True)]
        view.boxes.insert(0, Box("hidden", "tensor", [label], dashed=True, border=LINE))
        view.links += [Link("hidden", f"t{i}", gradient=True) for i, wire in enumerate(model.wires) if wire.cut]
    if model.costs is not None:
        view.legend.insert(0, [Run(model.costs.headline(), size=11)])
    if options.marks:
        _mark(view, check(model))
    if options.legend:
        view.legend += [[Run(note, MUTED, 10, italic=True)] for note in model.notes]
    return view


def _draw_lanes(model: Model, view: View, legend: bool) -> None:
    """Higher derivatives: a frame around what each pass has built; dashed links for values of an earlier one."""
    home = {f"n{i}": op.lane for i, op in enumerate(model.ops)}
    for i, wire in enumerate(model.wires):
        first = min((model.ops[op].lane for op, _ in wire.uses), default=0)
        home[f"t{i}"] = home[f"j{i}"] = first if wire.producer is None else model.ops[wire.producer].lane
    for k, name in enumerate(model.lanes):
        made = [model.wires[op.wire].name for op in model.ops if op.lane == k and model.wires[op.wire].name]
        text = name + (f": {', '.join(made[-3:])}" if made else "")
        color = (INK, FORWARD, LATER)[min(k, 2)]
        boxes = [box.id for box in view.boxes if home.get(box.id) == k]
        rows: list[Row] = [[Run(text, color, 11, bold=True)]]
        view.frames.append(Frame(f"l{k}", rows, boxes, color=color, fill="#FCFCFC", bottom=True))
    for link in view.links:
        link.again = home.get(link.tail, 0) != home.get(link.head, 0)
    if legend and any(link.again for link in view.links):
        text = "frame: which pass built it     thin dashed: a value of an earlier pass, used again"
        view.legend.append([Run(text, MUTED, 10)])


def _leave_out_what_is_gone(model: Model, view: View) -> None:
    """No box for an input of which there is nothing to say but what its slot says: without name, shape or gradient."""
    unknown = [(f"t{i}", wire) for i, wire in enumerate(model.wires) if is_gone(wire)]
    gone = {name for name, wire in unknown if all(slots_of(model.ops[op]) for op, _ in wire.uses)}
    view.boxes = [box for box in view.boxes if box.id not in gone]
    view.links = [link for link in view.links if link.tail not in gone]


def _mark(view: View, problems: Problems) -> None:
    """A word, a glyph and a border for each problem; what it is, in the legend."""
    boxes = {box.id: box for box in view.boxes}
    here: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        if (node := view.stands_for.get(problem.node, problem.node)) in boxes:
            here.setdefault((node, problem.kind), []).append(problem)
    for (node, kind), found in here.items():
        box = boxes[node]
        box.border, box.weight, box.dashed = MARKS.get(kind, (MUTED, 2.4, True))
        box.shape = "op" if box.shape == "circle" else box.shape
        word = WORDS.get(kind, kind) + (f" × {len(found)}" if len(found) > 1 else "")
        box.rows.insert(int(box.shape == "card"), [Run(f"{GLYPHS[kind]} {word}", box.border, 10, bold=True)])
        box.tip += f" · {found[0]}"
    lines = [line for text in problems.lines(2) for line in textwrap.wrap(text, 150)]
    view.legend += [[Run(line, INK, 10)] for line in lines]


def _title(model: Model) -> str:
    if model.hidden:
        return f"{len(model.ops) + model.hidden:,} operations, of which the last {len(model.ops):,} are shown"
    texts = [formula(model, wire) for wire in model.outputs] if len(model.ops) <= 200 else [""]
    return ",  ".join(texts) if len(texts) == 1 and texts[0] else f"{len(model.ops):,} operations"


def _usual_dtype(model: Model) -> str | None:
    """The dtype that most tensors have, which need not be said."""
    found = [wire.dtype for wire in model.wires if wire.dtype]
    return max(sorted(set(found)), key=found.count) if found else None


@dataclass(slots=True)
class Drawing:
    model: Model
    options: Options
    usual: str | None  # dtype that is not shown; None: no dtype is
    view: View

    def box(self, i: int) -> Box:
        wire = self.model.wires[i]
        kind = "output" if wire.output else wire.kind
        shape = "chip" if kind == "inner" else "tensor"
        box = Box(f"t{i}", shape, [self.header(wire)], *LOOKS[kind], tip=self.tip(wire))
        if self.options.show_values:
            box.rows += self.reading(wire.value, FORWARD, box.fill)
        box.rows.append(None)
        if self.options.show_grads:
            box.rows += self.total(wire) or self.reading(wire.grad, GRADIENT, box.fill)
        box.rows = [row for row in box.rows if row != []]
        if box.rows[-1] is None and box.shape == "tensor":
            box.rows.append([Run("\u00a0", size=4)])  # the bar does not lie on the frame
        return box

    def wire(self, i: int) -> None:
        """Its box, and links to the operations that read it; through a junction where gradients add."""
        wire, box = self.model.wires[i], self.box(i)
        self.view.boxes.append(box)
        needs, leaf = wire.kind != "input", wire.kind != "inner" or wire.output
        tail = box.id
        if junction := needs and len(wire.uses) > 1:
            tail = f"j{i}"
            self.view.boxes.append(Box(tail, "dot", tip="gradients add here"))
            self.view.links.append(Link(box.id, tail, gradient=leaf))
        for op, place in wire.uses:
            operand = self.model.ops[op].operands[place]
            slot = place if slots_of(self.model.ops[op]) else None
            link = Link(tail, f"n{op}", slot, place, True, needs and (leaf or junction))
            if junction and operand.grad is not None and self.options.show_grads:
                link.label = self.reading(replace(operand.grad, note=""), GRADIENT, WHITE)[0]
            self.view.links.append(link)

    def op(self, i: int) -> None:
        wire = self.model.ops[i].wire
        box = self.op_box(i)
        self.view.boxes.append(box)
        self.view.links.append(Link(box.id, f"t{wire}", forward=self.model.wires[wire].output, gradient=True))

    def op_box(self, i: int) -> Box:
        op, notes, precision = self.model.ops[i], [""], self.options.precision
        tip = op.name + (f" in {op.scope}" if op.scope else "")
        tip += f": {SENTENCES[op.name]}" if op.name in SENTENCES else ""
        box = Box(f"n{i}", "op", tip=tip, weight=1.8)
        constants = [(o.slot, number(o.constant, precision)) for o in op.operands if o.constant is not None]
        label = SYMBOLS.get(op.name) or LABELS.get(op.name, op.name)
        if op.name == "pow_number":
            label = f"^ {op.options.get('exponent', '?')}"
        elif constants and op.name in SYMBOLS and len(op.operands) == 2:
            value = constants[0][1]
            label = f"{value} {label} ·" if op.operands[0].constant is not None else f"{label} {value}"
        else:
            notes = [", ".join(f"{slot} {value}" for slot, value in constants), SUBLABELS.get(op.name, "")]
            notes += [", ".join(f"{k} {v}" for k, v in op.options.items())]
            box.slots = slots_of(op)
        if (cost := self.cost([i])) is not None:
            notes.append(in_short(cost))
        if len(label) == 1 and not any(notes) and not box.slots:
            box.shape = "circle"
        box.rows = [[Run(label, size=16 if len(label) == 1 else 14, bold=True)]]
        box.rows += [[Run(note, MUTED, 9)] for note in notes if note]
        return box

    def cost(self, ops: Iterable[int]) -> Cost | None:
        """Of these operations together, if it was asked for."""
        costs, hidden = self.model.costs, self.model.hidden
        return None if costs is None else summed([costs.ops[hidden + n] for n in ops])

    def header(self, wire: Wire, dtype: bool = False) -> Line:
        line = [Run(wire.name, size=10, bold=True)] if wire.name else []
        facts = []
        if self.options.show_shapes and wire.shape != ():
            facts.append("(unknown shape)" if wire.shape is None else str(wire.shape))
        if (self.usual is not None or dtype) and wire.dtype not in (self.usual, ""):
            facts.append(wire.dtype)
        return line + [Run("\u00a0" * len(line) + " ".join(facts), MUTED, 10)] * bool(facts)

    def reading(self, reading: Reading, color: str, fill: str) -> list[Row]:
        """The rows that show a value or a gradient, or say in which state it is."""
        note: list[Row] = [[Run(reading.note, MUTED, 9, italic=True)]] if reading.note else []
        seen, precision = reading.seen, self.options.precision
        if seen is None:
            return [[Run(reading.state, MUTED, 10, italic=True)], *note]
        if seen.rows is None or max(map(len, seen.rows), default=0) > MAX_COLUMNS:
            return [*([Run(line, color, 10.5)] for line in summary(seen, precision)), *note]
        cells = [[_cell(item, color, fill, precision) for item in row] for row in seen.rows]
        if not seen.shape:
            return [[replace(cells[0][0], size=12)], *note]
        return [Matrix(cells, color) if cells and cells[0] else [Run("empty", MUTED, 10, italic=True)], *note]

    def total(self, wire: Wire) -> list[Row]:
        """`1 + 2 = 3`: how the gradients of a number that is used several times add up."""
        readings = [wire.grad, *(self.model.ops[op].operands[i].grad for op, i in wire.uses)]
        items = [r.seen.rows[0][0] for r in readings if r is not None and r.seen is not None and r.seen.rows]
        if wire.shape != () or not 3 <= len(items) == len(readings) <= 5 or wire.grad.note:
            return []
        whole, *parts = (number(item, self.options.precision) for item in items)
        return [[Run(f"{' + '.join(parts).replace('+ −', '− ')} = {whole}", GRADIENT, 12)]]

    def tip(self, wire: Wire) -> str:
        words = [wire.name, "made by an operation" if wire.kind == "inner" else wire.kind]
        words += [str(wire.shape) if wire.shape is not None else "", wire.dtype]
        if wire.value.state == CHANGED:
            words.append(f"value {CHANGED}: {HINTS[CHANGED]}")
        elif wire.value.state != SHOWN:
            words.append(f"value {wire.value.state}")
        if wire.grad.state != SHOWN:
            words.append(f"gradient {wire.grad.state}: {HINTS[wire.grad.state]}")
        return ", ".join(filter(None, words))


def _cell(item: Number, color: str, fill: str, precision: int) -> Run:
    zero = item == 0 and color == GRADIENT
    return Run(number(item, precision), (ZERO if fill in (WHITE, "#FFF4D6") else MUTED) if zero else color)


def slots_of(op: Op) -> list[str]:
    """The labels of an operation's inputs, where it matters which is which."""
    count = len(op.operands)  # asked first: this is called for each of them
    if not 2 <= count <= 8 or op.name in COMMUTATIVE or any(operand.wire is None for operand in op.operands):
        return []
    return list(SLOTS.get(op.name, [operand.slot for operand in op.operands]))



def _legend(model: Model, view: View, options: Options) -> list[Line]:
    """Only what occurs in this picture."""
    outputs = [model.wires[i].name or "output" for i in model.outputs]
    one = f"∂{outputs[0]} / ∂value" if len(outputs) == 1 else "gradient"
    words = [Run("above the wire: ", MUTED, 10), Run("forward value →", FORWARD, 10)] if options.show_values else []
    if options.show_grads:
        words += [Run("     below it: ", MUTED, 10), Run(f"← {one}", GRADIENT, 10)]
    kinds = {wire.kind for wire in model.wires if not wire.output}
    meanings = {
        "yellow: parameter": "parameter" in kinds, "dashed: needs no gradient": "input" in kinds,
        "green: output": True, "●: gradients add": any(box.shape == "dot" for box in view.boxes),
    }  # fmt: skip
    words += [Run(f"     {text}", MUTED, 10) for text, occurs in meanings.items() if occurs]
    used = {op.name for op in model.ops}
    sentences = [sentence for name, sentence in SENTENCES.items() if name in used]
    if not sentences or len(sentences) > 8 or not options.show_grads:
        return [words]
    lines = ["backward, g being the gradient that arrives:"]
    for sentence in sentences:
        if len(lines[-1]) + len(sentence) < min(160, 80 + 15 * len(model.ops)):
            lines[-1] += ("  " if lines[-1].endswith(":") else "  ·  ") + sentence
        else:
            lines.append(sentence)
    return [words, *([Run(line, MUTED, 10)] for line in lines)]
