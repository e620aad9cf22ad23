"""A layered layout of its own, for where Graphviz is not installed: columns by longest path, rows by barycentres."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from .view import Box, Link, Matrix, Row, Run, Strip, View

GAP_X, GAP_Y, PAD, LINE_HEIGHT, CELL_GAP = 34.0, 14.0, 5.0, 1.35, 6.0
STRIP_LABEL = 100.0  # width of the text before a strip
RESERVE = 1.12  # fonts of other machines may be wider

_WIDTHS = {  # Helvetica's, in thousandths of the size
    "ijl'|": 222, " .,:;!/\\[]ftI\u00a0·": 278, "r-()\"": 340, "cksxyzJv": 500, "LF_TZ": 600, "+=<>~×÷−±^": 584,
    "abdeghnopqu0123456789?$#": 556, "ABEKPSVXY&": 667, "CDHNRUw": 722, "GOQ": 778, "mM": 833, "%W": 944,
    "@→←…": 1015,
}  # fmt: skip
_WIDTH = {char: width for chars, width in _WIDTHS.items() for char in chars}


def text_width(run: Run) -> float:
    """Points, with a reserve."""
    wide = sum(_WIDTH.get(char, 600 if char < "\u2e80" else 1000) for char in run.text)
    return wide / 1000 * run.size * RESERVE * (1.06 if run.bold else 1.0)


def row_size(row: Row) -> tuple[float, float]:
    """Width and height of a line, a matrix or the bar."""
    if row is None:
        return 16.0, 4.0
    if isinstance(row, Strip):
        return STRIP_LABEL + 10.0 * len(row.cells) + 6 + text_width(row.ends), 18.0
    if isinstance(row, Matrix):
        return sum(columns(row)) + CELL_GAP * (len(row.rows[0]) + 1), LINE_HEIGHT * 11 * len(row.rows) + 2
    return sum(map(text_width, row)), LINE_HEIGHT * max((run.size for run in row), default=0)


def columns(matrix: Matrix) -> list[float]:
    return [max(text_width(row[k]) for row in matrix.rows) for k in range(len(matrix.rows[0]))]


@dataclass(slots=True, eq=False)
class Place:
    """A box, the label of a link, or (both None) a point where a long link passes through a column."""

    box: Box | None = None
    label: Row = None
    width: float = 0.0
    above: float = 0.0  # how far it reaches above the height of its wire
    below: float = 0.0
    x: float = 0.0  # left edge
    y: float = 0.0  # of the wire
    rank: int = 0
    before: list[Place] = field(default_factory=list, repr=False)
    after: list[tuple[Place, float]] = field(default_factory=list, repr=False)  # with the input's number / 10

    def slot_y(self, slot: int | None) -> float:
        """The height at which a link ends in this slot."""
        if slot is None or self.box is None or not self.box.slots:
            return self.y
        return self.y + (slot - (len(self.box.slots) - 1) / 2) * 13


@dataclass(slots=True)
class Placed:
    """All places, and for each link the places that it passes, from tail to head."""

    places: list[Place]
    routes: list[tuple[Link, list[Place]]]
    width: float
    height: float


def place(view: View) -> Placed:
    """Coordinates for every box, such that no two overlap and every link runs from left to right."""
    places = {box.id: _sized(box) for box in view.boxes}
    forward = [link for link in view.links if not link.back]  # the frame's text says what goes to the next copy
    links = [(link, places[link.tail], places[link.head]) for link in forward]
    _rank(list(places.values()), links)
    routes = [(link, _route(link, tail, head)) for link, tail, head in links]
    everything = list(dict.fromkeys([*places.values(), *(p for _, route in routes for p in route)]))
    ranks: list[list[Place]] = [[] for _ in range(1 + max((p.rank for p in everything), default=-1))]
    for p in everything:
        ranks[p.rank].append(p)
    _order(ranks)
    _heights(ranks)
    x = 0.0
    for column in ranks:
        widest = max(p.width for p in column)
        for p in column:
            p.x = x + (widest - p.width) / 2
        x += widest + GAP_X
    top = min((p.y - p.above for p in everything), default=0.0)
    for p in everything:
        p.y -= top
    return Placed(everything, routes, max(x - GAP_X, 0.0), max((p.y + p.below for p in everything), default=0.0))


def _sized(box: Box) -> Place:
    if box.shape == "dot":
        return Place(box, width=9, above=4.5, below=4.5)
    if box.shape == "circle":
        return Place(box, width=30, above=15, below=15)
    sizes = [row_size(row) for row in box.rows]
    width = max((w for w, _ in sizes), default=0.0) + 2 * PAD
    if box.shape == "op" or None not in box.rows:
        slots = max((text_width(Run(name, size=9)) for name in box.slots), default=-PAD) + PAD
        half = max(sum(h for _, h in sizes) + 2 * PAD, 13.0 * len(box.slots) + 4) / 2
        return Place(box, width=width + slots + 6, above=half, below=half)
    bar = box.rows.index(None)
    above, below = (sum(h for _, h in part) + 2 for part in (sizes[:bar], sizes[bar:]))
    return Place(box, width=width, above=above, below=below)


def _rank(places: list[Place], links: list[tuple[Link, Place, Place]]) -> None:
    """Columns: as far right as the longest path to a box demands; leaves next to what uses them."""
    outgoing: dict[Place, list[tuple[Place, int]]] = {p: [] for p in places}
    missing = dict.fromkeys(places, 0)
    for link, tail, head in links:
        outgoing[tail].append((head, 2 if link.label else 1))  # a label takes a column
        missing[head] += 1
    sources = [p for p in places if not missing[p]]
    ready = list(sources)
    while ready:
        p = ready.pop()
        for head, length in outgoing[p]:
            head.rank = max(head.rank, p.rank + length)
            missing[head] -= 1
            if not missing[head]:
                ready.append(head)
    for p in sources:
        p.rank = min((head.rank - length for head, length in outgoing[p]), default=0)


def _route(link: Link, tail: Place, head: Place) -> list[Place]:
    """The places between, one per column; the label in the first of them."""
    between = [Place(rank=rank) for rank in range(tail.rank + 1, head.rank)]
    if link.label and between:
        width, height = row_size(link.label)
        between[0].label, between[0].width, between[0].above, between[0].below = link.label, width, height + 3, 3.0
    route = [tail, *between, head]
    for a, b in pairwise(route):
        a.after.append((b, link.place / 10))
        b.before.append(a)
    return route


def _order(ranks: list[list[Place]]) -> None:
    """Sort each column by the mean position of its neighbours, forth and back, to cross few links."""
    position = {p: float(i) for column in ranks for i, p in enumerate(column)}
    for sweep in range(13):
        forth = sweep % 2 == 1
        for column in ranks if forth else reversed(ranks):
            mean = {}
            for p in column:
                near = [position[q] for q in p.before] if forth else [position[q] + place for q, place in p.after]
                mean[p] = sum(near) / len(near) if near else position[p]
            column.sort(key=mean.__getitem__)
            position.update((p, float(i)) for i, p in enumerate(column))


def _heights(ranks: list[list[Place]]) -> None:
    """Every place as near to the height of its neighbours as the others in its column allow."""
    for column in ranks:
        y = 0.0
        for p in column:
            p.y, y = y + p.above, y + p.above + p.below + GAP_Y
    for sweep in range(9):  # from the left, from the right, …; the last from the left keeps chains straight
        for column in ranks if sweep % 2 == 0 else reversed(ranks):
            wanted = []
            for p in column:
                near = p.before if sweep % 2 == 0 else [q for q, _ in p.after]
                straight = [q for q in near if q.box is None] or near  # long wires do not bend, or layers would drift
                wanted.append(sum(q.y for q in straight) / len(straight) if near else p.y)
            for p, y in zip(column, _apart(column, wanted), strict=True):
                p.y = y


def _apart(column: list[Place], wanted: list[float]) -> list[float]:
    """The heights nearest to `wanted` at which the places keep their order and do not overlap: isotonic regression.

    Least squares, in which wires weigh most and leaves least.
    """
    offsets = [0.0]
    for upper, lower in pairwise(column):
        offsets.append(offsets[-1] + upper.below + GAP_Y + lower.above)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, count: pooled until the means increase
    for p, y, offset in zip(column, wanted, offsets, strict=True):
        blocks.append((y - offset, 1e4 if p.box is None else 10.0 if p.before else 1.0, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, v, m), (a, w, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * w + b * v) / (w + v), w + v, n + m))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
