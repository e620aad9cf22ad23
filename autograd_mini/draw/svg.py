"""The built-in picture: the view as SVG, with the layout of `layout.py`. No fonts, scripts, links or ids."""

from __future__ import annotations

from itertools import accumulate, pairwise

from .dot import FONT
from .layout import CELL_GAP, INNER, LINE_HEIGHT, PAD, STRIP_LABEL, Place, columns, place, row_size, text_width
from .names import clean
from .view import FORWARD, GRADIENT, LINE, MUTED, Link, Matrix, Row, Run, Strip, View

MARGIN = 14.0
Point = tuple[float, float]
Cubic = tuple[Point, Point, Point, Point]


def to_svg(view: View) -> str:
    """A whole SVG file."""
    placed = place(view)
    title: list[Row] = [[Run(view.title, size=15, bold=True)]] if view.title else []
    header = [*title, *view.legend]
    head = _rows(header, MARGIN, None, MARGIN, gap=2)
    top = MARGIN + sum(row_size(line)[1] + 2 for line in header) + 8 * bool(header)
    width = 2 * MARGIN + max([placed.width, *(row_size(line)[0] for line in header)])
    height = top + placed.height + MARGIN
    name = _escape(view.title or "graph")
    ends = _ends(placed.routes, view.down)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}pt" height="{height:.0f}pt"'
        f' viewBox="0 0 {width:.1f} {height:.1f}" role="img" aria-label="{name}" font-family="{FONT}">',
        f'<title>{name}</title><rect width="{width:.1f}" height="{height:.1f}" fill="#FFFFFF"/>',
        "<g>",
        *head,
        f'<g transform="translate({MARGIN:g} {top:.1f})">',
        *(_frame(p) for p in placed.places if p.frame is not None),
        *(_link(link, route, ends[i], view.down) for i, (link, route) in enumerate(placed.routes)),
        *(_box(p, view.down) for p in placed.places if p.box is not None),
        "</g>",
        "</g></svg>\n",
    ])  # fmt: skip


def _escape(text: str) -> str:
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text.replace("\n", " ").replace("  ", " \u00a0")


def _text(line: list[Run], x: float, y: float, anchor: str) -> str:
    start = f'<text x="{x:.1f}" y="{y:.1f}"' + (f' text-anchor="{anchor}"' if anchor != "start" else "")
    if len(line) == 1:
        return f"{start}{_style(line[0])}>{_escape(line[0].text)}</text>"
    return f"{start}>{''.join(f'<tspan{_style(run)}>{_escape(run.text)}</tspan>' for run in line)}</text>"


def _style(run: Run) -> str:
    style = ' font-weight="bold"' if run.bold else ' font-style="italic"' if run.italic else ""
    return f' font-size="{run.size:g}" fill="{run.color}"{style}'


def _rows(rows: list[Row], left: float, right: float | None, top: float, gap: float = 0) -> list[str]:
    """Lines centred between left and right, or all at the left; numbers in columns; the bar across."""
    parts = []
    for row in rows:
        width, height = row_size(row)
        middle = left + width / 2 if right is None else (left + right) / 2
        if row is None:
            parts.append(f'<path d="M{left:.1f} {top + 1:.1f}H{right or left:.1f}" stroke="{LINE}" stroke-width="2"/>')
        elif isinstance(row, Strip):
            cells = [(left + STRIP_LABEL + 10 * k, color) for k, color in enumerate(row.cells)]
            at = f'y="{top + 2:.1f}" width="10" height="14"'
            parts.append(_text([row.label], left, top + 14, "start"))
            parts += [f'<rect x="{x:.1f}" {at} fill="{color}"/>' for x, color in cells]
            parts.append(_text([row.ends], left + STRIP_LABEL + 10 * len(cells) + 6, top + 14, "start"))
        elif isinstance(row, Matrix):
            parts += _matrix(row, middle - width / 2, top)
        else:
            x, anchor = (left, "start") if right is None else (middle, "middle")
            parts.append(_text(row, x, top + 0.76 * height, anchor))
        top += height + gap
    return parts


def _matrix(matrix: Matrix, left: float, top: float) -> list[str]:
    ends = [left + x for x in accumulate(width + CELL_GAP for width in columns(matrix))]  # of the columns
    bars = [f"M{x:.1f} {top + 1:.1f}V{top + row_size(matrix)[1] - 1:.1f}" for x in (left, ends[-1] + CELL_GAP)]
    tops = [top + 1 + LINE_HEIGHT * 11 * i for i in range(len(matrix.rows))]
    cells = [(cell, x, y) for row, y in zip(matrix.rows, tops, strict=True) for cell, x in zip(row, ends, strict=True)]
    parts = [f'<path d="{"".join(bars)}" stroke="{matrix.color}" fill="none"/>']
    return parts + [_text([cell], x, y + LINE_HEIGHT * 11 * 0.76, "end") for cell, x, y in cells]


def _frame(p: Place) -> str:
    frame = p.frame
    assert frame is not None
    paint = f'fill="{frame.fill}" stroke="{frame.color}" stroke-width="{frame.weight:g}"'
    top = p.y - p.above + INNER / 2
    if frame.bottom:
        top = p.y + p.below - INNER / 2 - sum(row_size(row)[1] for row in frame.rows)
    return f'<g class="cluster">{"".join([_rect(p, 12, paint), *_rows(frame.rows, p.x + p.text, None, top)])}</g>'


def _box(p: Place, down: bool) -> str:
    box, x, y = p.box, p.x, p.y
    assert box is not None
    paint = f'fill="{box.fill}" stroke="{box.border}" stroke-width="{box.weight:g}"'
    paint += ' stroke-dasharray="5 3"' if box.dashed else ""
    circle = f'<circle cx="{x + p.width / 2:.1f}" cy="{y:.1f}" r="{p.width / 2}"'
    frame = {"dot": f'{circle} fill="{box.border}"/>', "circle": f"{circle} {paint}/>", "chip": ""}.get(box.shape)
    frame = _rect(p, 8, paint) if frame is None else frame
    top = y - p.above + 2 if None in box.rows else y - sum(row_size(row)[1] for row in box.rows) / 2
    names = [[Run(name, MUTED, 9)] for name in box.slots]
    left = x
    if down:
        slots = [_text(name, p.cross + p.offset(i), y - p.above + 12, "middle") for i, name in enumerate(names)]
        top += 6 * bool(slots)
    else:
        slots = [_text(name, x + PAD, y + p.offset(i) + 3, "start") for i, name in enumerate(names)]
        left += max((text_width(run) for (run,) in names), default=0.0)
    tip = f"<title>{_escape(box.tip)}</title>" if box.tip else ""
    rows = _rows(box.rows, left, x + p.width, top)
    return f'<g class="node" data-id="{box.id}">{tip}{frame}{"".join([*slots, *rows])}</g>'


def _rect(p: Place, radius: int, paint: str) -> str:
    size = f'width="{p.width:.1f}" height="{p.above + p.below:.1f}"'
    return f'<rect x="{p.x:.1f}" y="{p.y - p.above:.1f}" {size} rx="{radius}" {paint}/>'


def _ends(routes: list[tuple[Link, list[Place]]], down: bool) -> list[float]:
    """Where across each link reaches its head: side by side where several reach the same point."""
    arriving: dict[tuple[Place, int | None], list[int]] = {}
    for i, (link, route) in enumerate(routes):
        arriving.setdefault((route[-1], link.slot), []).append(i)
    across = [0.0] * len(routes)
    for (head, slot), group in arriving.items():
        group.sort(key=lambda i: routes[i][1][-2].cross)
        step = min(10.0, 0.7 * (head.width if down else 2 * head.below) / len(group))
        for k, i in enumerate(group):
            across[i] = head.cross + head.offset(slot) + (k - (len(group) - 1) / 2) * step
    return across


def _link(link: Link, route: list[Place], end: float, down: bool) -> str:
    """The line in two colours, each half ending in its arrow head; a label beside it. Points are (along, across)."""
    spans = [(p.y - p.above, p.y + p.below) if down else (p.x, p.x + p.width) for p in route]
    points: list[Point] = []
    for p, (near, far) in zip(route, spans, strict=True):
        points += [(near, p.cross), (far, p.cross)] if far > near else [(near, p.cross)]
    start, stop = points[1], (points[-2][0] + _inset(route[-1], end), end)  # not through the boxes at its ends
    first, last = (start[0] + 5 * link.gradient, start[1]), (stop[0] - 5 * link.forward, end)
    curves: list[Cubic] = []
    for a, b in pairwise([first, *points[2:-2], last]):
        half = (a[0] + b[0]) / 2
        curves.append((a, (half, a[1]), (half, b[1]), b))
    style = 'stroke-width="1" stroke-dasharray="5 4"' if link.again else 'stroke-width="1.4"'
    if link.active:
        strokes, style = [(curves, GRADIENT)], 'stroke-width="2.6"'
    elif link.forward and link.gradient:
        strokes = list(zip(_halves(curves), (GRADIENT, FORWARD), strict=True))
    else:
        strokes = [(curves, FORWARD if link.forward else GRADIENT if link.gradient else LINE)]
    parts = [f'<path d="{_path(some, down)}" fill="none" stroke="{color}" {style}/>' for some, color in strokes]
    parts += [_arrow(start, 1, GRADIENT, down)] if link.gradient else []
    parts += [_arrow(stop, -1, FORWARD, down)] if link.forward else []
    for p in route[1:-1]:
        if p.label:
            left = p.cross + 5 if down else p.x
            parts += _rows([p.label], left, left + row_size(p.label)[0], p.y - p.above)
    return f'<g class="edge" data-id="{link.tail}-&gt;{link.head}">{"".join(parts)}</g>'


def _inset(head: Place, end: float) -> float:
    """How far inside its bounding box a circle begins there."""
    if head.box is None or head.box.shape not in ("circle", "dot"):
        return 0.0
    radius = head.width / 2
    return radius - float(max(radius**2 - (end - head.cross) ** 2, 0.0) ** 0.5)


def _halves(curves: list[Cubic]) -> tuple[list[Cubic], list[Cubic]]:
    middle = len(curves) // 2
    if len(curves) % 2 == 0:
        return curves[:middle], curves[middle:]
    a, b, c, d = curves[middle]
    ab, bc, cd = _mid(a, b), _mid(b, c), _mid(c, d)
    abc, bcd = _mid(ab, bc), _mid(bc, cd)
    whole = _mid(abc, bcd)
    return [*curves[:middle], (a, ab, abc, whole)], [(whole, bcd, cd, d), *curves[middle + 1 :]]


def _mid(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _path(curves: list[Cubic], down: bool) -> str:
    bends = (f"C{_at(b, down)} {_at(c, down)} {_at(d, down)}" for _, b, c, d in curves)
    return f"M{_at(curves[0][0], down)}{''.join(bends)}"


def _arrow(tip: Point, direction: int, color: str, down: bool) -> str:
    along, across = tip[0] + 7 * direction, tip[1]
    path = f"M{_at(tip, down)}L{_at((along, across - 3), down)}L{_at((along, across + 3), down)}Z"
    return f'<path d="{path}" fill="{color}"/>'


def _at(point: Point, down: bool) -> str:
    x, y = point[::-1] if down else point
    return f"{x:.1f} {y:.1f}"
