"""A self-contained HTML page: every tensor with its steps, modules to fold and unfold, details, paths, zoom, search.

Modules are laid out by the script; the picture of every tensor is drawn here. The page asks nothing of any network: the
policy in its head allows this one script and this one style by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

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

_STYLE = """
body{margin:0;font:15px Helvetica,Arial,sans-serif;color:#1F2328;background:#FFFFFF}
body{display:flex;flex-direction:column;height:100vh;height:100dvh}
header{display:flex;gap:8px;align-items:center;flex-wrap:wrap;padding:8px}
button,input{min-height:38px;min-width:38px;font:inherit;color:inherit;background:inherit}
button,input{border:1px solid #6E7781;border-radius:6px}[hidden]{display:none!important}button:disabled{opacity:.45}
main{flex:1;min-height:0;position:relative}
#stage{width:100%;height:100%;min-width:0;overflow:hidden;touch-action:none;cursor:grab;user-select:none;-webkit-user-select:none}
#stage svg,.level{width:100%;height:100%}.node{cursor:pointer}#stage text{white-space:pre}
:focus-visible{outline:3px solid #79C0FF}#caption{margin:0}
.path .node,.path .edge{opacity:.25}.path .on{opacity:1}
aside{position:absolute;right:0;top:0;max-height:100%;width:22em;max-width:45vw;box-sizing:border-box;overflow:auto}
aside{padding:0 12px 12px;border:1px solid #6E7781;background:#FFFFFF}
@media(max-width:700px){aside{top:auto;bottom:0;width:100%;max-width:100%;max-height:45%}header{gap:4px;padding:4px}}
aside h2{font-size:1.1em;overflow-wrap:anywhere}dt{color:#6E7781;margin-top:8px}dd{margin:0;overflow-wrap:anywhere}
footer{padding:8px;overflow:auto;max-height:45vh}
footer details{display:inline-block;vertical-align:top;margin-right:24px}summary{padding:8px 0}
td,th{text-align:left;padding:1px 12px 1px 0;vertical-align:top}
.hit{font-weight:bold;text-decoration:underline;paint-order:stroke;stroke:#F2C200;stroke-width:2px}
DARK
@media print{header,footer,aside{display:none}}
"""
_KEYS = "← → step · f fold · u unfold · + − zoom · 0 fit · shift with arrows pan · / search, enter next"
_KEYS += " · tab to the boxes, enter: details, or fold and unfold, with shift details alone · escape close"
_KEYS += " · d dark or light"


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
    style, script = _STYLE.replace("DARK", _dark()), _script()
    policy = f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'"
    name = html.escape(clean(title or "graph"))
    pictures, drawings = [], []
    if folds is not None:
        drawn = {"head": folds.rows(list(header)), "styles": [*folds.styles.items], "pieces": [*folds.pieces.items]}
        pictures.append({**folds.facts, **drawn, "details": _numbers(folds.details, words)})
        drawings.append(f'<div class="level" hidden><svg font-family="{FONT}"></svg></div>')
    if flat is not None:
        pictures.append({"captions": flat.captions, "links": flat.links, "details": _numbers(flat.details, words)})
        drawings.append(_drawing(flat))
    start = int(flat_first and folds is not None)
    data = _json({"start": start, "words": [*words.items], "pictures": pictures})
    buttons = [
        ("back", "← back", "step back (left arrow)"), ("next", "next →", "next step (right arrow)"),
        ("fold", "⊟ fold", "fold (f)"), ("unfold", "⊞ unfold", "unfold (u)"), ("farther", "− smaller", "zoom out (-)"),
        ("closer", "+ larger", "zoom in (+)"), ("fit", "fit", "whole picture (0)"),
        ("theme", "◐ dark, light", "dark or light (d)"),
    ]  # fmt: skip
    return "\n".join([
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{style}</style></head><body><header>",
        *(_button(*button) for button in buttons),
        '<input id="search" type="search" placeholder="search ( / )" aria-label="search in the picture">',
        '<p id="caption" aria-live="polite"></p></header>',
        f'<main aria-label="{name}"><div id="stage">{"".join(drawings)}</div>',
        f'<aside id="panel" aria-live="polite" aria-label="details" hidden>{_button("close", "✕", "close (escape)")}',
        '<h2 id="what"></h2><dl id="facts"></dl></aside></main>',
        f"<footer><details><summary>as a table</summary>{_table(table, notes)}</details>",
        f"<details><summary>keys</summary><p>{_KEYS}</p></details></footer>",
        f'<script type="application/json" id="data">{data}</script>',
        f"<script>{script}</script></body></html>\n",
    ])  # fmt: skip


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _script() -> str:
    files = resources.files(__package__)
    return "".join(files.joinpath(name).read_text("utf-8") for name in ("layout.js", "fold.js", "page.js"))


def _drawing(flat: Flat) -> str:
    head, body, tail, _ = merged(flat.frames)
    whole = head + body + tail
    return f'<div class="level" hidden>{whole[whole.index("<svg") :]}</div>'


def _numbers(details: dict[str, Facts], words: Numbered) -> dict[str, list[list[int]]]:
    """The same, with the number of each text instead of it."""
    return {name: [[*map(words.add, fact)] for fact in facts] for name, facts in details.items()}


def _table(rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    texts = [[html.escape(clean(cell, 300)) for cell in row] for row in rows]
    head = "".join(f'<th scope="col">{cell}' for cell in texts[0]) if texts else ""
    body = "".join(f"<tr>{''.join(f'<td>{cell}' for cell in row)}" for row in texts[1:])
    said = "".join(f"<p>{html.escape(clean(note))}</p>" for note in notes)
    return f"<table><thead><tr>{head}<tbody>{body}</table>{said}"


def _button(name: str, sign: str, label: str) -> str:
    return f'<button id="{name}" type="button" aria-label="{label}" title="{label}">{sign}</button>'


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
