"""A self-contained HTML page: the picture with steps, zoom, search and a dark theme. It asks nothing of any network.

The policy in its head allows this one script and this one style by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence

from .names import clean
from .steps import merged
from .view import FORWARD, GRADIENT, INK, LATER, LINE, MUTED, WHITE, ZERO

_DARK = {  # colours of the picture by night; what was text in the colour of its background stays so
    WHITE: "#0D1117", "white": "#0D1117", INK: "#E6EDF3", "black": "#E6EDF3", "#000000": "#E6EDF3",
    FORWARD: "#79C0FF", GRADIENT: "#FFA657", LATER: "#D2A8FF", MUTED: "#9DA7B1", ZERO: "#9DA7B1", LINE: "#8B949E",
    "#FFF4D6": "#2D2205", "#F3F5F8": "#161B22", "#E7F4EE": "#0C2A20", "#F6F8FA": "#161B22", "#FCFCFC": "#11161D",
    "#FDE3D6": "#4A2410", "#8A6100": "#D9A93A", "#006B4A": "#3FCF9A", "#1F3A6E": "#8CB4FF",
}  # fmt: skip

_STYLE = """
body{margin:0;font:15px Helvetica,Arial,sans-serif;color:#1F2328;background:#FFFFFF}
body{display:flex;flex-direction:column;height:100vh}
header{display:flex;gap:8px;align-items:center;flex-wrap:wrap;padding:8px}
button,input{min-height:38px;min-width:38px;font:inherit;color:inherit;background:inherit}
button,input{border:1px solid #6E7781;border-radius:6px}
main{flex:1;min-height:0;touch-action:none;cursor:grab}main svg{width:100%;height:100%}
:focus-visible{outline:3px solid #79C0FF}#caption{margin:0}pre{overflow:auto;max-height:40vh}details{padding:8px}
.hit{font-weight:bold;text-decoration:underline;paint-order:stroke;stroke:#F2C200;stroke-width:2px}
DARK
@media print{header,details{display:none}}
"""

_SCRIPT = """
"use strict";
const svg = document.querySelector("main svg"), caption = document.getElementById("caption");
const captions = JSON.parse(document.getElementById("captions").textContent);
const range = g => /^s(\\d+)_(\\d+)$/.exec(g.getAttribute("class") || "");
const moving = [...svg.querySelectorAll("g")].map(g => [g, range(g)]).filter(p => p[1]);
const home = svg.getAttribute("viewBox").split(/[ ,]+/).map(Number);
let view = home.slice(), step = captions.length - 1;
function show(k) {
  step = Math.max(0, Math.min(captions.length - 1, k));
  for (const [g, r] of moving) g.style.visibility = +r[1] <= step && step <= +r[2] ? "visible" : "hidden";
  if (captions.length) caption.textContent = "step " + step + " of " + (captions.length - 1) + ": " + captions[step];
}
function look() { svg.setAttribute("viewBox", view.join(" ")); }
function zoom(f, x, y) {
  x = x ?? view[0] + view[2] / 2; y = y ?? view[1] + view[3] / 2;
  view = [x - (x - view[0]) * f, y - (y - view[1]) * f, view[2] * f, view[3] * f]; look();
}
function fit() { view = home.slice(); look(); }
function point(e) {
  const p = new DOMPoint(e.clientX, e.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return [p.x, p.y];
}
function find(text) {
  let count = 0;
  for (const t of svg.querySelectorAll("text")) {
    const hit = text !== "" && t.textContent.toLowerCase().includes(text.toLowerCase());
    t.classList.toggle("hit", hit); count += hit;
  }
  caption.textContent = text ? count + " found" : caption.textContent;
}
function theme() {
  const chosen = document.documentElement.dataset;
  const dark = chosen.theme ? chosen.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  chosen.theme = dark ? "light" : "dark";
}
const does = {
  back: () => show(step - 1), next: () => show(step + 1),
  closer: () => zoom(0.8), farther: () => zoom(1.25), fit, theme,
};
for (const [id, f] of Object.entries(does)) document.getElementById(id)?.addEventListener("click", () => f());
const search = document.getElementById("search");
search.addEventListener("input", () => find(search.value));
const keys = {
  ArrowLeft: does.back, ArrowRight: does.next, "+": does.closer, "-": does.farther, "0": fit, d: theme,
  "/": () => search.focus(),
};
addEventListener("keydown", e => {
  if (e.target === search) {
    if (e.key === "Escape") { search.value = ""; find(""); search.blur(); }
    return;
  }
  if (!keys[e.key] || e.ctrlKey || e.metaKey || e.altKey) return;
  e.preventDefault(); keys[e.key]();
});
svg.addEventListener("wheel", e => {
  e.preventDefault(); zoom(e.deltaY > 0 ? 1.1 : 0.9, ...point(e));
}, {passive: false});
let held = null;
svg.addEventListener("pointerdown", e => {
  held = point(e); svg.setPointerCapture(e.pointerId); e.preventDefault();
});
svg.addEventListener("pointermove", e => {
  if (held) { const [x, y] = point(e); view[0] += held[0] - x; view[1] += held[1] - y; look(); }
});
for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => { held = null; });
show(step);
"""


def page(frames: Sequence[str], captions: Sequence[str], title: str, text: str) -> str:
    """The page of one picture (`captions` empty) or of the steps of one; `text` is the same as a table."""
    head, body, tail, _ = merged(frames)
    drawing = (head + body + tail)[head.index("<svg") :]
    style = _STYLE.replace("DARK", _dark())
    policy = f"default-src 'none'; script-src '{_hash(_SCRIPT)}'; style-src '{_hash(style)}'; base-uri 'none'"
    name = html.escape(clean(title or "graph"))
    data = json.dumps([clean(c) for c in captions]).replace("<", "\\u003c")
    steps = _button("back", "←", "step back (left arrow)") + _button("next", "→", "next step (right arrow)")
    return "\n".join([
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{style}</style></head><body><header>",
        (steps if captions else "") + _button("farther", "−", "zoom out (-)") + _button("closer", "+", "zoom in (+)"),
        _button("fit", "fit", "whole picture (0)") + _button("theme", "◐", "dark or light (d)"),
        '<input id="search" type="search" placeholder="search ( / )" aria-label="search in the picture">',
        '<p id="caption" aria-live="polite"></p></header>',
        f'<main aria-label="{name}">{drawing}</main>',
        f"<details><summary>as a table</summary><pre>{html.escape(clean(text, 40_000))}</pre></details>",
        f'<script type="application/json" id="captions">{data}</script>',
        f"<script>{_SCRIPT}</script></body></html>\n",
    ])  # fmt: skip


def _button(name: str, sign: str, label: str) -> str:
    return f'<button id="{name}" type="button" aria-label="{label}" title="{label}">{sign}</button>'


def _dark() -> str:
    """The dark theme, where the system asks for it and where the button does."""

    def rules(at: str) -> str:
        painted = "".join(
            f'{at} main [{what}="{old}" i]{{{what}:{new}}}' for old, new in _DARK.items() for what in ("fill", "stroke")
        )
        plain = f"{at} main text:not([fill]){{fill:#E6EDF3}}"
        return f"{at} body{{color:#E6EDF3;background:#0D1117}}{plain}{painted}"

    system = rules(":root:not([data-theme=light])")
    return rules(":root[data-theme=dark]") + "@media screen and (prefers-color-scheme:dark){" + system + "}"


def _hash(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
