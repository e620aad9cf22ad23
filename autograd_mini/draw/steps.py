"""Backward step by step: the same picture again and again, in which one gradient after the other appears."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import groupby

from .formula import LABELS, SENTENCES, SYMBOLS
from .model import SHOWN, Model, Op
from .view import GRADIENT, INK, MUTED, WHITE, Matrix, Row, Run, View

MAX_STEPS = 40
ACTIVE = "#FDE3D6"
SECONDS = 2.0  # per step


@dataclass(frozen=True, slots=True)
class Step:
    """One operation's rule: what it says, the id of its box, and the picture just after it has run."""

    caption: str
    node: str
    view: View


def steps(model: Model, view: View) -> list[Step]:
    """From the output back to the leaves: first what flows in from above, then one step per operation."""
    order = [n for n in range(len(model.ops) - 1, -1, -1) if any(o.grad is not None for o in model.ops[n].operands)]
    if not order or any(model.wires[model.ops[n].wire].grad.state != SHOWN for n in order):
        how = "call backward() before, best under trace_backward()"
        raise ValueError(f"steps: the gradients between the leaves are not known: {how}")
    if len(order) > MAX_STEPS:
        raise ValueError(f"steps: {len(order)} are more than {MAX_STEPS}: pass max_ops=")
    top = " and ".join(_called(model, i) for i in model.outputs)
    captions = [f"start: g, the gradient that arrives, is 1 at {top}"]
    captions += [f"{k}  {_caption(model, model.ops[n])}" for k, n in enumerate(order, 1)]
    nodes = ["", *(f"n{n}" for n in order)]
    return [Step(captions[k], nodes[k], _frame(model, view, order[:k], captions)) for k in range(len(captions))]


def _caption(model: Model, op: Op) -> str:
    """The rule; from which tensor to which; and who needs no gradient."""
    sentence = SENTENCES.get(op.name, f"{LABELS.get(op.name, op.name)} passes g on by its rule")
    inputs = [(_called(model, o.wire), o.grad) for o in op.operands if o.wire is not None]
    given, skipped = ([name for name, grad in inputs if (grad is None) == none] for none in (False, True))
    way = f"from {_called(model, op.wire)} to {' and '.join(dict.fromkeys(given))}"
    return f"{sentence}: {way}" + (f" ({' and '.join(skipped)} needs none)" if skipped else "")


def _called(model: Model, wire: int) -> str:
    """The name of a tensor, or what made it."""
    named = model.wires[wire]
    if named.name or named.producer is None:
        return named.name or f"the {named.kind}"
    op = model.ops[named.producer]
    return f"the result of {SYMBOLS.get(op.name) or LABELS.get(op.name, op.name)}"


def _frame(model: Model, view: View, done: list[int], captions: list[str]) -> View:
    """The view with the gradients that are not computed yet in the colour of what is behind them: nothing moves."""
    frame = deepcopy(view)
    boxes = {box.id: box for box in frame.boxes}
    waiting = {f"n{n}" for n in range(len(model.ops)) if n not in done}
    for i, wire in enumerate(model.wires):
        ready = not any(f"n{op}" in waiting for op, _ in wire.uses)
        if wire.grad.state == SHOWN and not ready and (box := boxes.get(f"t{i}")) is not None:
            below = box.rows.index(None) + 1
            box.rows[below:] = [_painted(row, box.fill) for row in box.rows[below:]]
    active = f"n{done[-1]}" if done else None
    for link in frame.links:
        if link.label is not None and link.head in waiting:
            link.label = _painted(link.label, WHITE)
        link.active = link.gradient and active in (link.tail, link.head)
    if active is not None:
        boxes[active].fill, boxes[active].border = ACTIVE, GRADIENT
    title = [line for line in frame.legend if not line[0].text.startswith("backward, g being")]
    colors = [INK] * len(done) + [GRADIENT] + [MUTED] * (len(captions) - len(done) - 1)
    frame.legend = title[:1] + [[Run(*said, 10)] for said in zip(captions, colors, strict=True)]
    return frame


def _painted(row: Row, color: str) -> Row:
    if isinstance(row, Matrix):
        return Matrix([[replace(run, color=color) for run in line] for line in row.rows], color)
    return [replace(run, color=color) for run in row] if isinstance(row, list) else row


# ----------------------------------------------------------------------------------------------- moving


def animated(frames: Sequence[str], seconds: float = SECONDS) -> str:
    """SVG files of the same picture as one that moves, by CSS alone: what is the same in all is there once.

    Who prefers reduced motion, and who sees no CSS, gets the last frame.
    """
    head, body, tail, ranges = merged(frames)
    return head + _style(ranges, len(frames), len(frames) * seconds) + body + tail


def merged(frames: Sequence[str]) -> tuple[str, str, str, list[tuple[int, int]]]:
    """All frames in one drawing: what is before it, the drawing, what is after it, and the ranges that occur.

    What differs stands in groups of class `s2_4`: to be seen from frame 2 to frame 4.
    """
    parts = [_parts(svg) for svg in frames]
    if len({len(chunks) for _, chunks, _ in parts}) > 1:
        raise ValueError("the steps of this picture differ in more than colour")
    ranges: set[tuple[int, int]] = set()
    body = "".join(_together(same, ranges) for same in zip(*(chunks for _, chunks, _ in parts), strict=True))
    return parts[-1][0], body, parts[-1][2], sorted(ranges)


_ELEMENT = re.compile(r"(?=<(?:text|path|rect|circle|ellipse|polygon|polyline|/?g|/?a)\b)")


def _together(versions: Sequence[str], ranges: set[tuple[int, int]]) -> str:
    """All versions of a piece, one per frame. Where they have the same elements, only those twice that differ."""
    split = [_ELEMENT.split(version) for version in versions]
    groups = {tuple(x if x.startswith(("<g", "</", "<a")) else "" for x in elements) for elements in split}
    return "".join(_variants(same, ranges) for same in (zip(*split, strict=True) if len(groups) == 1 else [versions]))


def _variants(versions: Sequence[str], ranges: set[tuple[int, int]]) -> str:
    if len(set(versions)) == 1:
        return versions[0]
    body, first = "", 0
    for text, same in groupby(versions):
        last = first + len(list(same)) - 1
        ranges.add((first, last))
        body += f'<g class="s{first}_{last}">\n{text}</g>\n'
        first = last + 1
    return body


def _parts(svg: str) -> tuple[str, list[str], str]:
    """What is before the drawing, the drawing in pieces, and what is after it. Without ids, which would clash."""
    svg = re.sub(r' id="[^"]*"', "", svg)
    start = svg.index("\n", svg.index("<g ")) + 1
    end = svg.rindex("</g>")
    pieces = re.split(r"(?=<!-- )", svg[start:end])  # Graphviz: a comment before each node and edge; else lines
    return svg[:start], [*pieces[0].splitlines(keepends=True), *pieces[1:]], svg[end:]


def _style(ranges: list[tuple[int, int]], count: int, total: float) -> str:
    rules = []
    for first, last in ranges:
        name = f"s{first}_{last}"
        rest = "visible" if last == count - 1 else "hidden"
        stops = [f"0%{{visibility:{'visible' if first == 0 else 'hidden'}}}"]
        stops += [f"{100 * first / count:.3f}%{{visibility:visible}}"] if first else []
        stops += [f"{100 * (last + 1) / count:.3f}%{{visibility:hidden}}"] if last < count - 1 else []
        rules.append(f"@keyframes {name}{{{''.join(stops)}}}")
        rules.append(f".{name}{{visibility:{rest};animation:{name} {total:g}s step-end infinite}}")
    still = "@media (prefers-reduced-motion:reduce){g{animation:none!important}}"
    return "<style>" + "\n".join([*rules, still]) + "</style>\n"


def gif(frames: Sequence[bytes], seconds: float = SECONDS) -> bytes:
    """PNG files as one that moves. Needs Pillow."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("GIF needs Pillow (pip install pillow); .svg with animate=True needs nothing") from error
    images = [Image.open(io.BytesIO(png)).convert("RGB").quantize(64) for png in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=int(1000 * seconds), loop=0)
    return file.getvalue()
