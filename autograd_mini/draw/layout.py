"""A layered layout of its own, for where Graphviz is not installed: columns by longest path, rows by barycentres.

A frame is laid out by itself and is then one box of what is around it; wires enter and leave it through ports. All is
computed from left to right, and turned at the end where the drawing runs down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from .view import Box, Frame, Link, Matrix, Row, Run, Strip, View

GAP_X, GAP_DOWN, GAP_Y, PAD, LINE_HEIGHT, CELL_GAP = 34.0, 20.0, 14.0, 5.0, 1.35, 6.0
STRIP_LABEL = 100.0  # width of the text before a strip
INNER = 12.0  # between a frame and what is in it
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
    """A box, the label of a link, a frame, or (none of these) a point through which a long link passes."""

    box: Box | None = None
    label: Row = None
    frame: Frame | None = None
    width: float = 0.0
    above: float = 0.0  # how far it reaches above the height of its wire
    below: float = 0.0
    x: float = 0.0  # left edge
    y: float = 0.0  # of the wire
    cross: float = 0.0  # where the wire meets it, once turned: y from left to right, x downwards
    step: float = 13.0  # between its slots
    text: float = INNER  # how far right of its left edge the text of a frame begins
    rank: int = 0
    port: bool = False  # where a link enters a frame, or leaves it
    before: list[Near] = field(default_factory=list, repr=False)
    after: list[Near] = field(default_factory=list, repr=False)
    scope: Scope | None = field(default=None, repr=False)  # what is in the frame

    def offset(self, slot: int | None) -> float:
        """How far below `y` (or right of it) a link ends in this slot."""
        if slot is None or self.box is None or not self.box.slots:
            return 0.0
        return (slot - (len(self.box.slots) - 1) / 2) * self.step


@dataclass(slots=True)
class Near:
    """A neighbour: where it is, relative to oneself, when the link between runs straight; its input's number."""

    place: Place
    shift: float
    order: int


@dataclass(slots=True)
class Scope:
    """What stands side by side: in one frame, or in none."""

    places: list[Place]
    routes: dict[int, list[Place]]  # number of the link -> the places that it passes here
    ports: dict[int, Place]
    x: float = 0.0  # where its own coordinates begin
    y: float = 0.0


@dataclass(slots=True)
class Placed:
    """All places, and for each link the places that it passes, from tail to head."""

    places: list[Place]
    routes: list[tuple[Link, list[Place]]]
    width: float
    height: float


def place(view: View) -> Placed:
    """Coordinates for every box, such that no two overlap and every link runs from left to right, or downwards."""
    links = [link for link in view.links if not link.back]  # the frame's text says what goes to the next copy
    scope = _scope(view, links, [box.id for box in view.boxes], view.frames)
    everything = _gather(scope, 0.0, 0.0)
    top = min((p.y - p.above for p in everything), default=0.0)
    scopes = [scope, *(p.scope for p in everything if p.scope is not None)]
    home = {k: inner for inner in scopes for k in inner.routes if k not in inner.ports}  # where both ends are
    routes = [(link, _through(home[k], k)) for k, link in enumerate(links)]
    for p in everything:
        p.y -= top
        p.cross = p.y
        if view.down:
            half = p.width / 2
            p.x, p.width, p.y, p.above, p.below = p.y - p.above, p.above + p.below, p.x + half, half, half
    right = max((p.x + p.width for p in everything), default=0.0)
    return Placed(everything, routes, right, max((p.y + p.below for p in everything), default=0.0))


def _scope(view: View, links: list[Link], boxes: list[str], frames: list[Frame]) -> Scope:
    """Lay out these boxes and frames, from left to right; links from or to anything else pass through ports."""
    inner = [(frame, _framed(view, links, frame)) for frame in frames]
    item: dict[str, Place] = {name: p for frame, p in inner for name in _inside(frame)}
    known = {box.id: box for box in view.boxes}
    item |= {name: sized(known[name], view.down) for name in boxes if name not in item}
    places = list(dict.fromkeys(item.values()))
    known_ends = {k: (item.get(link.tail), item.get(link.head)) for k, link in enumerate(links)}
    crossing = {k: ends for k, ends in known_ends.items() if ends[0] is not ends[1]}
    ports = {k: Place(port=True) for k, ends in crossing.items() if None in ends}
    ends = {k: (links[k], tail or ports[k], head or ports[k]) for k, (tail, head) in crossing.items()}
    _rank([*places, *ports.values()], [(None if k in ports else link.label, a, b) for k, (link, a, b) in ends.items()])
    routes = {k: _route(k, link, tail, head, k in ports, view.down) for k, (link, tail, head) in ends.items()}
    everything = list(dict.fromkeys([*places, *(p for route in routes.values() for p in route)]))
    by_rank: dict[int, list[Place]] = {}
    for p in everything:
        by_rank.setdefault(p.rank, []).append(p)
    ranks = [column for _, column in sorted(by_rank.items())]
    _order(ranks)
    _heights(ranks)
    x = 0.0
    for column in ranks:
        widest = max(p.width for p in column)
        for p in column:
            if not (p.box or p.frame or p.label or p.port):
                p.width = widest  # a long wire runs straight past the others
            p.x = x + (widest - p.width) / 2
        x += widest + (GAP_DOWN if view.down else GAP_X)
    return Scope(everything, routes, ports)


def _inside(frame: Frame) -> list[str]:
    """All boxes in a frame and in the frames in it."""
    return [*frame.boxes, *(name for inner in frame.frames for name in _inside(inner))]


def _framed(view: View, links: list[Link], frame: Frame) -> Place:
    """A frame with its text above what is in it, or below; where wires come from above, left or right of them."""
    scope = _scope(view, links, frame.boxes, frame.frames)
    sizes = [row_size(row) for row in frame.rows]
    wide, high = max(w for w, _ in sizes), sum(h for _, h in sizes)
    made, top = Place(frame=frame, scope=scope), min(p.y - p.above for p in scope.places)
    right, bottom = max(p.x + p.width for p in scope.places), max(p.y + p.below for p in scope.places) - top
    scope.y = -top
    if view.down:  # here, before it is turned, y is across
        entries = [p for p in scope.ports.values() if p.after]
        across = [p.y - top for p in entries] or [wide + INNER]
        beside = 0.0 if wide + INNER <= min(across) else max(across) + INNER
        for p in entries:
            p.x, p.width = -high, high
        made.width, scope.x, made.text = right + high + 2 * INNER, INNER + high, INNER + beside
        made.above, made.below = INNER, max(bottom, beside + wide) + INNER
    else:
        made.width = max(right, wide) + 2 * INNER
        scope.x = (made.width - right) / 2
        made.above, made.below = (INNER, bottom + high + INNER) if frame.bottom else (INNER + high, bottom + INNER)
    return made


def _gather(scope: Scope, x: float, y: float) -> list[Place]:
    """All places, frames before what is in them, in the coordinates of the whole."""
    found = []
    for p in scope.places:
        p.x, p.y = p.x + x, p.y + y
        found.append(p)
        if p.scope is not None:
            found += _gather(p.scope, p.x + p.scope.x, p.y + p.scope.y)
    return found


def _through(scope: Scope, k: int) -> list[Place]:
    """The route of a link in a scope, from or to the boxes in the frames where it ends."""
    first, *between, last = scope.routes[k]
    start, end = ([p] if p.scope is None else _through(p.scope, k) for p in (first, last))
    return [*start, *between, *end]


def sized(box: Box, down: bool) -> Place:
    """A place for the box, not turned yet."""
    if box.shape == "dot":
        return Place(box, width=9, above=4.5, below=4.5)
    if box.shape == "circle":
        return Place(box, width=30, above=15, below=15)
    sizes = [row_size(row) for row in box.rows]
    width, height = max((w for w, _ in sizes), default=0.0) + 2 * PAD, sum(h for _, h in sizes) + 2 * PAD
    slots = [text_width(Run(name, size=9)) for name in box.slots]
    if down:
        step = max(slots, default=0.0) + 2 * PAD
        half = max(width + 6, step * len(slots)) / 2
        return Place(box, width=height + 13.0 * bool(slots), above=half, below=half, step=step)
    if box.shape == "op" or None not in box.rows:
        half = max(height, 13.0 * len(slots) + 4) / 2
        return Place(box, width=width + max(slots, default=-PAD) + PAD + 6, above=half, below=half)
    bar = box.rows.index(None)
    above, below = (sum(h for _, h in part) + 2 for part in (sizes[:bar], sizes[bar:]))
    return Place(box, width=width, above=above, below=below)


def _rank(places: list[Place], links: list[tuple[Row, Place, Place]]) -> None:
    """Columns: as far right as the longest path to a box demands; leaves next to what uses them; ports at the ends.

    Frames are stretches of the tape, so that there are no cycles.
    """
    outgoing: dict[Place, list[tuple[Place, int]]] = {p: [] for p in places}
    missing = dict.fromkeys(places, 0)
    for label, tail, head in links:
        outgoing[tail].append((head, 2 if label else 1))  # a label takes a column
        missing[head] += 1
    sources = [p for p in places if not missing[p]]
    for p in places:
        p.rank = int(not p.port)
    ready = list(sources)
    while ready:
        p = ready.pop()
        for head, length in outgoing[p]:
            head.rank = max(head.rank, p.rank + length)
            missing[head] -= 1
            if not missing[head]:
                ready.append(head)
    for p in sources:
        if not p.port:
            p.rank = min((head.rank - length for head, length in outgoing[p]), default=1)
    last = max((p.rank for p in places if not p.port), default=0)
    for _, _, head in links:
        head.rank = last + 1 if head.port else head.rank


def _route(k: int, link: Link, tail: Place, head: Place, through: bool, down: bool) -> list[Place]:
    """The places between, one per column; the label in the first of them."""
    between = [Place(rank=rank) for rank in range(tail.rank + 1, head.rank)]
    if link.label and between and not through:
        width, height = row_size(link.label)
        size = (height, 3.0, width + 6) if down else (width, height + 3, 3.0)
        between[0] = Place(None, link.label, None, *size, rank=tail.rank + 1)
    route = [tail, *between, head]
    for a, b in pairwise(route):
        shift = _port(a, k) - _port(b, k)
        a.after.append(Near(b, -shift, link.place))
        b.before.append(Near(a, shift, 0))
    return route


def _port(p: Place, k: int) -> float:
    """How far below its `y` a frame meets this link."""
    return p.scope.ports[k].y + p.scope.y if p.scope is not None else 0.0


def _order(ranks: list[list[Place]]) -> None:
    """Sort each column by the mean position of its neighbours, forth and back, to cross few links.

    Positions are whole numbers, an input's number a tenth: rounding decides no tie.
    """
    position = {p: 10 * i for column in ranks for i, p in enumerate(column)}
    for sweep in range(13):
        forth = sweep % 2 == 1
        for column in ranks if forth else reversed(ranks):
            mean = {}
            for p in column:
                near = [position[q.place] + q.order for q in (p.before if forth else p.after)]
                mean[p] = sum(near) / len(near) if near else position[p]
            column.sort(key=mean.__getitem__)
            position.update((p, 10 * i) for i, p in enumerate(column))


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
                near = p.before if sweep % 2 == 0 else p.after
                straight = [q for q in near if q.place.box is None] or near  # long wires do not bend, or layers drift
                wanted.append(sum(q.place.y + q.shift for q in straight) / len(straight) if near else p.y)
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
        weight = 1e4 if p.box is None and p.frame is None else 10.0 if p.before else 1.0
        blocks.append((y - offset, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (b, v, m), (a, w, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * w + b * v) / (w + v), w + v, n + m))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
