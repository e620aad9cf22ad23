"""What the page's script needs to fold and unfold modules by itself: every box once, every wire, and what holds what.

Operations are counted by their place on the tape. A module is a stretch of them, and so is a repeat; the script lays
out what is to be seen by the rules of `layout.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from .cards import HOW_TO_OPEN, frame_rows, repeat_name
from .layout import columns, row_size, sized
from .model import Model
from .names import clean
from .options import Options
from .repeats import Repeat
from .text import Facts, details, unit_details
from .units import Plan, Unit, is_gone, plan, shared
from .view import Box, Drawing, Matrix, Row, Run, Strip, View, view_of

MAX_OPS = 600  # of which each may become a box
HOW_TO_CLICK = "     a click unfolds ⊞ and folds ⊟"
EVERYTHING = 1000  # levels of modules


@dataclass(frozen=True, slots=True)
class Module:
    """A stretch of the tape that one module has run."""

    path: tuple[str, ...]  # those around it and its own
    lo: int
    hi: int

    def fits(self, repeat: Repeat) -> bool:
        """Is it around the repeat, or outside, or in one of its copies?"""
        around = self.lo <= repeat.start and repeat.stop <= self.hi
        outside = self.hi <= repeat.start or repeat.stop <= self.lo
        return around or outside or (self.lo >= repeat.start and repeat.copy(self.lo) == repeat.copy(self.hi - 1))


@dataclass(slots=True)
class Numbered:
    """A list in which each item stands once."""

    items: dict[Any, int] = field(default_factory=dict)

    def add(self, item: Any) -> int:
        return self.items.setdefault(item, len(self.items))


@dataclass(slots=True)
class Foldable:
    """Facts for the script; its pieces are boxes, and the texts of frames and wires. They number words and styles."""

    whole: Drawing  # of everything, unfolded
    words: Numbered
    styles: Numbered = field(default_factory=Numbered)
    pieces: Numbered = field(default_factory=Numbered)
    facts: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Facts] = field(default_factory=dict)

    def box(self, box: Box) -> int:
        """Width, height, rows, then shape, colours, border and slots."""
        p = sized(box, down=True)
        look = (box.shape, box.fill, box.border, box.weight, int(box.dashed), round(p.step, 1))
        slots = tuple(self.words.add(name) for name in box.slots)
        return self._add(p.above + p.below, p.width, box.rows, self.styles.add(look), *slots)

    def rows(self, rows: list[Row]) -> int:
        sizes = [row_size(row) for row in rows]
        return self._add(max(w for w, _ in sizes), sum(h for _, h in sizes), rows)

    def _add(self, width: float, height: float, rows: list[Row], *look: int) -> int:
        return self.pieces.add((round(width, 1), round(height, 1), tuple(map(self._row, rows)), *look))

    def _row(self, row: Row) -> Any:
        """A line as words and their styles by turns; a strip and a matrix with a letter before, the bar as 0."""
        if isinstance(row, Strip):
            return "s", self._row([row.label]), tuple(row.cells), self._row([row.ends])
        if isinstance(row, Matrix):
            widths = tuple(round(w, 1) for w in columns(row))
            return "m", row.color, tuple(self._row(cells) for cells in row.rows), widths
        runs = ((clean(r.text).replace("\n", " "), (r.color, r.size, int(r.bold), int(r.italic))) for r in row or ())
        return tuple(n for text, style in runs for n in (self.words.add(text), self.styles.add(style))) or 0


def foldable(model: Model, options: Options, start: Plan | None, words: Numbered) -> Foldable | None:
    """None where there is nothing to fold, or too much to unfold. `start`: how the page is folded at first."""
    if len(model.ops) > MAX_OPS:
        return None
    options = replace(options, expand=())
    whole, folded = (plan(model, replace(options, depth=EVERYTHING, fold=fold)) for fold in (False, True))
    modules = list(_modules(whole.units))
    repeats = [r for r in folded.repeats if all(m.fits(r) for m in modules)]
    modules = [m for m in modules if not any((m.lo, m.hi) == (r.start, r.stop) for r in repeats)]
    if not modules and not repeats:
        return None
    view = view_of(model, options, whole)
    made = Foldable(Drawing(model, options, None, view), words)
    made.details = details(model, view, whole, options.precision)
    for k, m in enumerate(modules):
        made.details[f"m{k}"] = unit_details(model, Unit([[*range(m.lo, m.hi)]], m.path[-1]))
    hidden = [is_gone(wire) or (wire.kind == "parameter" and not wire.output) for wire in model.wires]
    made.facts = {
        "boxes": _boxes(made, folded),
        "links": [
            [x.tail, x.head, x.slot, x.place, x.forward + 2 * x.gradient, made.rows([x.label]) if x.label else None]
            for x in view.links
        ],
        "modules": [*_module_facts(made, modules, [whole, folded])],
        "repeats": [_repeat_facts(made, folded, k, repeat) for k, repeat in enumerate(repeats)],
        "own": [f"t{i}" for u in folded.units if u.repeat is not None for i in u.leaves],
        "inside": [f"t{i}" for i, inside in enumerate(hidden) if inside],
        "open": [k for k, m in enumerate(modules) if start is None or _is_open(m, start)],
        "unrolled": [k for k, r in enumerate(repeats) if start is None or r not in start.repeats],
    }
    return made


def _repeat_facts(made: Foldable, folded: Plan, k: int, r: Repeat) -> list[int]:
    """Where it begins and ends, its period, its text folded and unrolled; what a click tells of it."""
    name, rows = repeat_name(made.whole.model, r), frame_rows(made.whole, folded, (r, ()))
    told = ["".join(run.text for run in row) for row in rows[1:] if isinstance(row, list)]
    made.details[f"x{k}"] = [("repeat", name), *(("", text) for text in told)]
    return [r.start, r.stop, r.period, made.rows(rows), made.rows([[Run(f"⊟ {name}", size=13, bold=True)]])]


def header(view: View, start: Plan | None) -> list[Row]:
    """Title and legend of a page, on which it depends on the reader how much is shown."""
    title = view.title.removesuffix(f" shown as {len(start.units):,}" if start is not None else "")
    swapped = {HOW_TO_OPEN: HOW_TO_CLICK}
    legend = [[replace(run, text=swapped.get(run.text, run.text)) for run in line] for line in view.legend]
    return [[Run(title, size=15, bold=True)], *legend]


def _modules(units: list[Unit]) -> Iterator[Module]:
    """Every stretch in which a module is open, where all are."""
    last: tuple[str, ...] = ()
    since: list[int] = []
    frames: tuple[str, ...]
    for i, frames in enumerate([*(unit.frames for unit in units), ()]):
        same = shared(last, frames)
        yield from (Module(last[: k + 1], since[k], i) for k in range(same, len(last)))
        since[same:] = [i] * (len(frames) - same)
        last = frames


def _is_open(module: Module, start: Plan) -> bool:
    """As it is in the picture; around a repeat it must be."""
    around = any(module.lo <= r.start and r.stop <= module.hi for r in start.repeats)
    inside = (start.units[k] for k in {start.unit_of[op] for op in range(module.lo, module.hi)})
    return around or any(module.path[-1] in unit.frames for unit in inside)


def _boxes(made: Foldable, folded: Plan) -> dict[str, int]:
    """Of every operation and leaf; and, as r…, of the operations in a repeat that is folded."""
    boxes = {box.id: box for box in made.whole.view.boxes}
    inside = {box.id: box for box in view_of(made.whole.model, made.whole.options, folded).boxes}
    repeated = [(i, unit) for i, unit in enumerate(folded.units) if unit.repeat is not None]
    boxes |= {f"r{unit.copies[0][0]}": inside[f"u{i}"] for i, unit in repeated}
    return {name: made.box(box) for name, box in boxes.items()}


def _module_facts(made: Foldable, modules: list[Module], plans: list[Plan]) -> Iterator[list[int | None]]:
    """Per module where it begins and ends, its card and its headline; the same in a repeat that is folded."""
    model, options = made.whole.model, made.whole.options
    cards: dict[tuple[bool, int, str], Box] = {}
    for depth, fold in product(range(1, 1 + max((len(m.path) for m in modules), default=0)), (False, True)):
        made_so = plan(model, replace(options, depth=depth, fold=fold), every_level=True)
        boxes = {box.id: box for box in view_of(model, options, made_so).boxes}
        for i, unit in enumerate(made_so.units):
            if unit.module and fold == (unit.repeat is not None):
                cards[fold, unit.copies[0][0], unit.module] = boxes[f"u{i}"]
    for m in modules:
        looks: list[int | None] = []
        for fold, full in zip((False, True), plans, strict=True):
            unit, card = full.units[full.unit_of[m.lo]], cards.get((fold, m.lo, m.path[-1]))
            if card is None or m.path[-1] not in unit.frames:
                looks += [None, None]
            else:
                path = unit.frames[: unit.frames.index(m.path[-1]) + 1]
                looks += [made.box(card), made.rows(frame_rows(made.whole, full, (unit.repeat, path)))]
        yield [m.lo, m.hi, *looks]
