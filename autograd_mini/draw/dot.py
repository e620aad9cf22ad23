"""DOT text for Graphviz. Names come from users, so every text passes through `quote` or `html_label`."""

from __future__ import annotations

import re

from .names import clean
from .view import FORWARD, GRADIENT, INK, LINE, MUTED, Box, Frame, Line, Link, Matrix, Row, Run, Strip, View

FONT = "Helvetica,Arial,sans-serif"
BARE = 'BORDER="0"'


def quote(text: str) -> str:
    """A DOT string: literal, whatever is in it.

    >>> print(quote('a "b" ' + chr(92) + "N"))
    "a \\"b\\" \\\\N"
    """
    text = clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def html_label(text: str) -> str:
    """Text inside an HTML-like label: literal (the backslash doubled: Graphviz expands \\N in there, too)."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    text = text.replace("\\", "\\\\").replace("  ", "&#160;&#160;").replace("\n", "<BR/>")
    return text if text.strip() else "&#160;"


def to_dot(view: View) -> str:
    """The drawing as DOT, one statement per line."""
    lines = ["digraph autograd {", f"  graph [{_graph_attributes(view)}];"]
    lines.append(f'  node [fontname="{FONT}" fontsize=11 fontcolor="{INK}" shape=plain];')
    lines.append(f'  edge [fontname="{FONT}" fontsize=10 arrowsize=0.65 penwidth=1.4];')
    boxes = {box.id: f"  {box.id} [{_box(box, view.down)}];" for box in view.boxes}
    inside = [line for frame in view.frames for line in _frame(frame, boxes, view.down)]
    lines += [*boxes.values(), *inside]
    framed = {box.id for box in view.boxes if box.shape in ("tensor", "chip") and None in box.rows}
    slotted = {box.id for box in view.boxes if box.slots}
    lines += [f"  {_ends(link, framed, slotted, view.down)} [{_link(link)}];" for link in view.links]
    return "\n".join([*lines, "}", ""])


def slim(svg: str) -> str:
    """What `dot` made, without what says nothing: empty texts, and the one font again and again."""
    svg = re.sub(r"<text [^>]*>(?:\s|&#160;)*</text>\n", "", svg)
    svg = re.sub(r'(?<= font-size="\d\d)\.00(?=")', "", svg)
    svg = svg.replace('<text text-anchor="start"', "<text").replace(f' font-family="{FONT}"', "")
    return svg.replace("<svg ", f'<svg font-family="{FONT}" ', 1)


def _frame(frame: Frame, boxes: dict[str, str], down: bool) -> list[str]:
    """A cluster; takes its boxes out of `boxes`.

    Arrows that come from above would cross its label, so there a box of its own, which they avoid, holds the text.
    """
    parts = [_content(row) for row in frame.rows if not isinstance(row, Strip)]
    if strips := [row for row in frame.rows if isinstance(row, Strip)]:
        parts.insert(2, _strips(strips))
    label = _label(parts)
    style = f'style="rounded,filled" color="{frame.color}" penwidth={frame.weight:g} fillcolor="{frame.fill}"'
    lines = [f"  subgraph cluster_{frame.id} {{"]
    shown = '""' if down else label
    place = f"labelloc={'b' if frame.bottom else 't'} labeljust=l label={shown}"
    lines.append(f"    graph [{style} margin=12 {place}];")
    lines += [f"  {boxes.pop(name)}" for name in frame.boxes]
    lines += [f"  {line}" for inner in frame.frames for line in _frame(inner, boxes, down)]
    if down:
        first, header = _first(frame), f"h{frame.id}"
        lines.append(f'    {header} [label={label} tooltip=" "];')
        lines.append(f"    {header} -> {first} [style=invis];" if strips else f"    {{rank=same; {header}; {first};}}")
    return [*lines, "  }"]


def _label(lines: list[str]) -> str:
    rows = "".join(f"<TR>{_left(line)}</TR>" for line in lines)
    return f"<{_table(rows, 2, 1)}>" if rows else '""'


def _first(frame: Frame) -> str:
    """Where the wires come into this frame: a junction, or the first box or the header of an inner frame."""
    junctions = [name for name in frame.boxes if name.startswith("j")]
    return f"h{frame.frames[0].id}" if frame.frames else (junctions or frame.boxes)[0]


def _content(row: Row) -> str:
    return _matrix(row) if isinstance(row, Matrix) else _strips([row]) if isinstance(row, Strip) else _line(row or [])


def _strips(strips: list[Strip]) -> str:
    """Strips below each other, in columns: text, cells, text."""
    rows = ""
    for strip in strips:
        size = f'FIXEDSIZE="TRUE" WIDTH="{max(2, 420 // len(strip.cells))}" HEIGHT="14"'
        cells = "".join(f'<TD {size} BGCOLOR="{color}"></TD>' for color in strip.cells)
        label, ends = (_left(_line([run])) for run in (strip.label, strip.ends))
        rows += f"<TR>{label}<TD>{_table(f'<TR>{cells}</TR>', 0, 0)}</TD>{ends}</TR>"
    return _table(rows, 4, 0)


def _graph_attributes(view: View) -> str:
    rows = [[Run(view.title, INK, 15, bold=True)]] if view.title else []
    label = _label([_line(row) for row in [*rows, *view.legend]])
    look = f'bgcolor=white fontname="{FONT}" nodesep=0.22 ranksep=0.28 pad=0.2 splines=true'
    return f"rankdir={'TB' if view.down else 'LR'} {look} labelloc=t labeljust=l label={label}"


def _box(box: Box, down: bool = False) -> str:
    tip = f"tooltip={quote(box.tip)}"
    frame = f'color="{box.border}" penwidth={box.weight:g} fillcolor="{box.fill}"'
    if box.shape == "dot":
        return f'shape=circle style=filled fixedsize=true width=0.12 label="" fillcolor="{INK}" {tip}'
    if box.shape == "circle":
        label = _line(next(row for row in box.rows if isinstance(row, list)))
        return f"shape=circle style=filled fixedsize=true width=0.42 {frame} label=<{label}> {tip}"
    if box.shape == "op" and not box.slots:
        return f'shape=box style="rounded,filled" margin="0.1,0.06" {frame} label=<{_stack(box)}> {tip}'
    count = len(box.slots)
    if box.shape == "card":
        rows = _card(box)
    elif box.shape == "op" and down:
        ports = "".join(f'<TD PORT="s{i}">{_line([Run(name, MUTED, 9)])}</TD>' for i, name in enumerate(box.slots))
        rows = f'<TR>{ports}</TR><TR><TD COLSPAN="{count}" CELLPADDING="8">{_stack(box)}</TD></TR>'
    elif box.shape == "op":
        names = [_line([Run(f"\u00a0{name}", MUTED, 9)]) for name in box.slots]
        rest = [f'<TD ROWSPAN="{count}" CELLPADDING="8">{_stack(box)}</TD>'] + [""] * (count - 1)
        cells = [f'<TD PORT="s{i}" ALIGN="LEFT">{name}</TD>{rest[i]}' for i, name in enumerate(names)]
        rows = "".join(f"<TR>{cell}</TR>" for cell in cells)
    else:
        rows = "".join(map(_row, box.rows))
    style = "ROUNDED,DASHED" if box.dashed else "ROUNDED"
    border = f'BORDER="{max(1, round(box.weight))}" STYLE="{style}" COLOR="{box.border}" BGCOLOR="{box.fill}"'
    return f"label=<{_table(rows, 0, 2, BARE if box.shape == 'chip' else border)}> {tip}"  # wires end at its frame


def _card(box: Box) -> str:
    """A headline, then rows of two columns."""
    head, *lines = [row for row in box.rows if isinstance(row, list)]
    top = f"<TR>{_left(f'{_line(head)}&#160;&#160;&#160;')}</TR>"  # other fonts may be wider
    pairs = [(_line(line[:1]), _line(line[1:])) for line in lines]
    cells = [_left(first) + _left(rest) if rest else _left(first, ' COLSPAN="2"') for first, rest in pairs]
    body = "".join(f"<TR>{row}</TR>" for row in cells)
    return f"{top}<HR/><TR>{_left(_table(body, 0, 1))}</TR>" if body else top


def _table(rows: str, spacing: int, padding: int, border: str = BARE) -> str:
    return f'<TABLE {border} CELLBORDER="0" CELLSPACING="{spacing}" CELLPADDING="{padding}">{rows}</TABLE>'


def _left(content: str, more: str = "") -> str:
    return f'<TD{more} ALIGN="LEFT">{content}</TD>'


def _stack(box: Box) -> str:
    return "<BR/>".join(_line(row) for row in box.rows if isinstance(row, list))


def _row(row: Row) -> str:
    if row is None:
        return f'<TR><TD PORT="w" HEIGHT="2" CELLPADDING="0" BGCOLOR="{LINE}"></TD></TR>'
    return f"<TR><TD>{f'&#160;{_line(row)}&#160;' if isinstance(row, list) else _content(row)}</TD></TR>"


def _matrix(matrix: Matrix) -> str:
    cells = ["".join(f'<TD ALIGN="RIGHT">{_line([cell])}</TD>' for cell in row) for row in matrix.rows]
    rows = "".join(f"<TR>{row}</TR>" for row in cells)
    return _table(rows, 4, 0, f'BORDER="1" SIDES="LR" COLOR="{matrix.color}"')


def _line(line: Line) -> str:
    return "".join(_run(run) for run in line)


def _run(run: Run) -> str:
    text = html_label(run.text)
    text = f"<B>{text}</B>" if run.bold else f"<I>{text}</I>" if run.italic else text
    return f'<FONT POINT-SIZE="{run.size:g}" COLOR="{run.color}">{text}</FONT>'


def _ends(link: Link, framed: set[str], slotted: set[str], down: bool) -> str:
    tail = f"{link.tail}:w:e" if link.tail in framed and not down else link.tail
    head = f"{link.head}:w:w" if link.head in framed and not down else link.head
    side = "n" if down else "w"
    return f"{tail} -> {head}" + (f":s{link.slot}:{side}" if link.slot is not None and link.head in slotted else "")


def _link(link: Link) -> str:
    """An arrow forward in the colour of values, one back in the colour of gradients, each on its half of the line."""
    # Uses of one tensor are kept short and straight: without it a long chain of skips drifts across the page.
    weight = " weight=4" if link.tail.startswith("j") else ""
    if link.active:
        text = f'dir={"both" if link.forward else "back"} color="{GRADIENT}" penwidth=2.6'
    elif link.forward and link.gradient:
        text = f'dir=both color="{GRADIENT};0.5:{FORWARD}"'
    elif link.forward or link.gradient:
        text = f'dir={"forward" if link.forward else "back"} color="{FORWARD if link.forward else GRADIENT}"'
    else:
        text = f'dir=none color="{LINE}"'
    text += weight + (" style=dashed penwidth=1" if link.again else "")
    text += " constraint=false" if link.back else ""
    return f"{text} label=<{_content(link.label)}>" if link.label else text
