"""The built-in picture: the view as SVG, with the layout of `layout.py`. No fonts, scripts, links or ids."""

from __future__ import annotations

from itertools import pairwise

from .dot import FONT
from .layout import CELL_GAP, INNER, LINE_HEIGHT, PAD, STRIP_LABEL, Place, columns, place, row_size, text_width
from .names import clean
from .view import FORWARD, GRADIENT, LINE, MUTED, Box, Link, Matrix, Row, Run, Strip, View

MARGIN = 14.0
Point = tuple[float, float]
Cubic = tuple[Point, Point, Point, Point]


def to_svg(view: View) -> str:
    """A whole SVG file."""
    placed = place(view)
    header: list[Row] = [[Run(view.title, size=15, bold=True)]] if view.title else []
    header += view.legend
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
        *(_frame(p, view.down) for p in placed.places if p.frame is not None),
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
            x = left + STRIP_LABEL
            parts.append(_text([row.label], left, top + 14, "start"))
            for color in row.cells:
                parts.append(f'<rect x="{x:.1f}" y="{top + 2:.1f}" width="10" height="14" fill="{color}"/>')
                x += 10
            parts.append(_text([row.ends], x + 6, top + 14, "start"))
        elif isinstance(row, Matrix):
            parts += _matrix(row, middle - width / 2, top)
        else:
            at = (left, "start") if right is None else (middle, "middle")
            parts.append(_text(row, at[0], top + 0.76 * height, at[1]))
        top += height + gap
    return parts


def _matrix(matrix: Matrix, left: float, top: float) -> list[str]:
    widths, (width, height) = columns(matrix), row_size(matrix)
    bars = f"M{left:.1f} {top + 1:.1f}V{top + height - 1:.1f}M{left + width:.1f} {top + 1:.1f}V{top + height - 1:.1f}"
    parts = [f'<path d="{bars}" stroke="{matrix.color}" fill="none"/>']
    for i, row in enumerate(matrix.rows):
        x = left
        for cell, column in zip(row, widths, strict=True):
            x += column + CELL_GAP
            parts.append(_text([cell], x, top + 1 + LINE_HEIGHT * 11 * (i + 0.76), "end"))
    return parts


def _frame(p: Place, down: bool) -> str:
    frame = p.frame
    assert frame is not None
    paint = f'fill="{frame.fill}" stroke="{frame.color}" stroke-width="{frame.weight:g}"'
    size = f'width="{p.width:.1f}" height="{p.above + p.below:.1f}"'
    rect = f'<rect x="{p.x:.1f}" y="{p.y - p.above:.1f}" {size} rx="12" {paint}/>'
    top = p.y - p.above + INNER / 2
    if frame.bottom and not down:
        top = p.y + p.below - INNER / 2 - sum(row_size(row)[1] for row in frame.rows)
    return f'<g class="cluster">{"".join([rect, *_rows(frame.rows, p.x + p.text, None, top)])}</g>'


def _box(p: Place, down: bool) -> str:
    box, x, y = p.box, p.x, p.y
    assert box is not None
    tip = f"<title>{_escape(box.tip)}</title>" if box.tip else ""
    paint = f'fill="{box.fill}" stroke="{box.border}" stroke-width="{box.weight:g}"'
    paint += ' stroke-dasharray="5 3"' if box.dashed else ""
    size = f'width="{p.width:.1f}" height="{p.above + p.below:.1f}"'
    frame = f'<rect x="{x:.1f}" y="{y - p.above:.1f}" {size} rx="8" {paint}/>'
    circle = f'<circle cx="{x + p.width / 2:.1f}" cy="{y:.1f}" r="{p.width / 2}"'
    if box.shape == "dot":
        return f'<g class="node" data-id="{box.id}">{tip}{circle} fill="{box.border}"/></g>'
    if box.shape == "circle":
        frame = f"{circle} {paint}/>"
    height = sum(row_size(row)[1] for row in box.rows)
    top = y - p.above + 2 if None in box.rows else y - height / 2
    names = [[Run(name, MUTED, 9)] for name in box.slots]
    left = x
    if down:
        slots = [_text(name, p.cross + p.offset(i), y - p.above + 12, "middle") for i, name in enumerate(names)]
        top += 6 * bool(slots)
    else:
        slots = [_text(name, x + PAD, y + p.offset(i) + 3, "start") for i, name in enumerate(names)]
        left += max((text_width(run) for (run,) in names), default=0.0)
    rows = _rows(box.rows, left, x + p.width, top)
    frame = "" if box.shape == "chip" else frame
    return f'<g class="node" data-id="{box.id}">{tip}{frame}{"".join([*slots, *rows])}</g>'


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
    points: list[Point] = [(spans[0][1], route[0].cross)]
    for p, (near, far) in zip(route[1:-1], spans[1:-1], strict=True):
        points += [(near, p.cross), (far, p.cross)] if far > near else [(near, p.cross)]
    head = route[-1]
    points.append((spans[-1][0] + _inset(head.box, head, end), end))
    start, stop = points[0], points[-1]
    points[0] = (start[0] + 5 * link.gradient, start[1])
    points[-1] = (stop[0] - 5 * link.forward, stop[1])
    curves: list[Cubic] = [
        (a, ((a[0] + b[0]) / 2, a[1]), ((a[0] + b[0]) / 2, b[1]), b) for a, b in pairwise(points)
    ]
    parts = []
    if link.active:
        parts.append(_stroke(curves, GRADIENT, False, down).replace('width="1.4"', 'width="2.6"'))
    elif link.forward and link.gradient:
        back, forth = _halves(curves)
        parts += [_stroke(back, GRADIENT, link.again, down), _stroke(forth, FORWARD, link.again, down)]
    else:
        color = FORWARD if link.forward else GRADIENT if link.gradient else LINE
        parts.append(_stroke(curves, color, link.again, down))
    parts += [_arrow(start, 1, GRADIENT, down)] if link.gradient else []
    parts += [_arrow(stop, -1, FORWARD, down)] if link.forward else []
    for p in route[1:-1]:
        if p.label:
            left = p.cross + 5 if down else p.x
            parts += _rows([p.label], left, left + row_size(p.label)[0], p.y - p.above)
    return f'<g class="edge" data-id="{link.tail}-&gt;{link.head}">{"".join(parts)}</g>'


def _inset(box: Box | None, head: Place, end: float) -> float:
    """How far inside its bounding box a circle begins there."""
    if box is None or box.shape not in ("circle", "dot"):
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


def _stroke(curves: list[Cubic], color: str, again: bool, down: bool) -> str:
    if not curves:
        return ""
    path = f"M{_at(curves[0][0], down)}"
    path += "".join(f"C{_at(b, down)} {_at(c, down)} {_at(d, down)}" for _, b, c, d in curves)
    style = 'stroke-width="1" stroke-dasharray="5 4"' if again else 'stroke-width="1.4"'
    return f'<path d="{path}" fill="none" stroke="{color}" {style}/>'


def _arrow(tip: Point, direction: int, color: str, down: bool) -> str:
    along, across = tip[0] + 7 * direction, tip[1]
    path = f"M{_at(tip, down)}L{_at((along, across - 3), down)}L{_at((along, across + 3), down)}Z"
    return f'<path d="{path}" fill="{color}"/>'


def _at(point: Point, down: bool) -> str:
    x, y = point[::-1] if down else point
    return f"{x:.1f} {y:.1f}"
