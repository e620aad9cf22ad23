"""A self-contained HTML page: every tensor with its steps, modules to fold and unfold, details, paths, zoom, search.

Its frame is page.html. Modules are laid out by the script; the picture of every tensor is drawn here. The page asks
nothing of any network: its policy allows this one script and this one style by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from .dot import FONT
from .folding import Foldable, Numbered
from .names import clean
from .steps import merged
from .text import Facts
from .view import FORWARD, GRADIENT, INK, LATER, LINE, MUTED, WHITE, ZERO, Row

_DARK = {  # colours of the picture by night; what was text in the colour of its background stays so
    WHITE: "#0D1117", "white": "#0D1117", INK: "#E6EDF3", "black": "#E6EDF3", "#000000": "#E6EDF3",
    FORWARD: "#79C0FF", GRADIENT: "#FFA657", LATER: "#D2A8FF", MUTED: "#9DA7B1", ZERO: "#9DA7B1", LINE: "#8B949E",
    "#FFF4D6": "#2D2205", "#F3F5F8": "#161B22", "#E7F4EE": "#0C2A20", "#F6F8FA": "#161B22", "#FCFCFC": "#11161D",
    "#FDE3D6": "#4A2410", "#8A6100": "#D9A93A", "#006B4A": "#3FCF9A", "#1F3A6E": "#8CB4FF",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Flat:
    """A picture that does not fold."""

    frames: Sequence[str]  # SVG: one, or one per step
    captions: Sequence[str]  # per step; empty if there are none
    details: dict[str, Facts]  # id of a box -> label and text, of which the first names it
    links: list[tuple[str, str]]  # ids of boxes: tail, head


def page(
    flat: Flat | None, folds: Foldable | None, flat_first: bool, title: str, header: Sequence[Row],
    table: Sequence[Sequence[str]], notes: Sequence[str], words: Numbered,
) -> str:  # fmt: skip
    """The page. `table`: the same for those who do not see, the first row its head."""
    pictures, drawings = [], []
    if folds is not None:
        drawn = {"head": folds.rows(list(header)), "styles": [*folds.styles.items], "pieces": [*folds.pieces.items]}
        pictures.append({**folds.facts, **drawn, "details": _numbers(folds.details, words)})
        drawings.append(f'<svg font-family="{FONT}"></svg>')
    if flat is not None:
        pictures.append({"captions": flat.captions, "links": flat.links, "details": _numbers(flat.details, words)})
        svg = "".join(merged(flat.frames)[:3])
        drawings.append(svg[svg.index("<svg") :])
    start = int(flat_first and folds is not None)
    data = {"start": start, "words": [*words.items], "pictures": pictures}
    script = "".join(map(_file, ("layout.js", "fold.js", "page.js")))
    text = _file("page.html").replace("$dark", _dark())
    style = text[text.index("<style>") + len("<style>") : text.index("</style>")]
    return Template(text).substitute(
        name=html.escape(clean(title or "graph")), script=script, table=_table(table, notes),
        policy=f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'",
        drawings="".join(f'<div class="level" hidden>{drawing}</div>' for drawing in drawings),
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    )  # fmt: skip


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _numbers(details: dict[str, Facts], words: Numbered) -> dict[str, list[list[int]]]:
    """The same, with the number of each text instead of it."""
    return {name: [[*map(words.add, fact)] for fact in facts] for name, facts in details.items()}


def _table(rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    texts = [[html.escape(clean(cell, 300)) for cell in row] for row in rows]
    head = "".join(f'<th scope="col">{cell}' for cell in texts[0]) if texts else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}' for cell in row)}" for row in texts[1:])
    said = "".join(f"<p>{html.escape(clean(note))}</p>" for note in notes)
    return f"<table><thead><tr>{head}<tbody>{body}</table>{said}"


def _dark() -> str:
    """The dark theme, where the system asks for it and where the button does."""

    def rules(at: str) -> str:
        pairs = [(what, *colors) for colors in _DARK.items() for what in ("fill", "stroke")]
        painted = "".join(f'{at} #stage [{what}="{old}" i]{{{what}:{new}}}' for what, old, new in pairs)
        plain = f"{at} #stage text:not([fill]){{fill:#E6EDF3}}"
        return f"{at} body,{at} aside{{color:#E6EDF3;background:#0D1117}}{plain}{painted}"

    system = rules(":root:not([data-theme=light])")
    return rules(":root[data-theme=dark]") + "@media screen and (prefers-color-scheme:dark){" + system + "}"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
