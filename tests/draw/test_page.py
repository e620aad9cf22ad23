"""The HTML page: safe, small, self-contained; and, where Chromium is installed, tried in it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from draw.samples import fan_out, layer

from autograd_mini.draw import draw_graph

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=3000", "--enable-logging=stderr",
]  # fmt: skip


def page(make=layer, **options) -> str:
    output, names = make()
    output.backward()
    return draw_graph(output, names=names, backend="builtin", **options).html()


def run(text: str, script: str, folder: Path) -> tuple[dict[str, object], str]:
    """What `script` puts into `found` when the page has loaded, and what the browser complained of."""
    script = f"{{ const found = {{}}; {script}; document.body.dataset.found = JSON.stringify(found); }}"
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = text.replace("script-src '", f"script-src 'sha256-{allowed}' '", 1)
    text = text.replace("</body>", f"<script>{script}</script></body>")
    (folder / "page.html").write_text(text)
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'data'}", "--dump-dom", str(folder / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = re.search(r'data-found="([^"]*)"', done.stdout)
    assert found, done.stderr
    return json.loads(html.unescape(found[1])), "\n".join(x for x in done.stderr.splitlines() if "CONSOLE" in x)


def test_it_is_small_and_asks_for_nothing() -> None:
    text = page()
    assert len(text.encode()) < 100_000 and "default-src 'none'" in text
    assert not re.search(r'(src|href)="|@import|url\(', text)
    hashes = re.findall(r"'sha256-([^']+)'", text)
    blocks = re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)
    made = {base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in blocks}
    assert len(hashes) == 2 and set(hashes) == made and " style=" not in text


def test_hostile_names_are_text() -> None:
    output, names = fan_out()
    output.backward()
    evil = "</script><script>alert(1)</script>"
    text = draw_graph(output, names={evil: names["a"]}, title=evil, backend="builtin").html()
    assert "<script>alert" not in text and text.count("<script") == 2


def test_without_gradients_it_is_one_picture() -> None:
    output, names = layer()
    text = draw_graph(output, names=names, backend="builtin").html()
    assert 'id="next"' not in text and "s0_" not in text and 'id="captions">[]<' in text


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
def test_every_control_in_a_browser(tmp_path: Path) -> None:
    script = """
    const press = key => dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    const click = id => document.getElementById(id).click();
    const box = () => document.querySelector("main svg").getAttribute("viewBox");
    const lit = () => [...document.querySelectorAll("main g")].filter(g => g.style.visibility === "visible").length;
    const words = () => document.getElementById("caption").textContent;
    found.start = words(); press("ArrowLeft"); found.left = words(); click("back"); click("next"); found.same = words();
    for (let i = 0; i < 9; i++) press("ArrowLeft");
    found.first = words(); found.litFirst = lit(); press("ArrowRight"); found.second = words();
    const home = box(); press("+"); found.zoomed = box() !== home; press("0"); found.fit = box() === home;
    click("farther"); found.out = box() !== home; click("fit");
    document.querySelector("main svg").dispatchEvent(new WheelEvent("wheel", {deltaY: -1, cancelable: true}));
    found.wheel = box() !== home; press("0");
    const color = () => getComputedStyle(document.body).backgroundColor;
    const chip = () => getComputedStyle(document.querySelector('main [fill="#00568F" i]')).fill;
    found.light = [color(), chip()]; press("d"); found.dark = [color(), chip()]; click("theme"); found.again = color();
    const search = document.getElementById("search");
    press("/"); found.focus = document.activeElement === search;
    search.value = "RELU"; search.dispatchEvent(new Event("input"));
    search.blur();
    found.hits = document.querySelectorAll(".hit").length; found.said = words();
    const small = b => b.offsetHeight < 36 || b.offsetWidth < 36;
    found.small = [...document.querySelectorAll("button")].filter(small).length;
    found.unnamed = [...document.querySelectorAll("button,input")].filter(b => !b.ariaLabel).length;
    """
    found, complaints = run(page(), script, tmp_path)
    assert complaints == ""
    assert found["start"].startswith("step 5 of 5: 5  @ passes") and found["left"].startswith("step 4 of 5")
    assert found["same"] == found["left"]
    assert found["first"].startswith("step 0 of 5: start") and found["second"].startswith("step 1 of 5: 1  mean")
    assert found["litFirst"] > 5
    assert all(found[key] is True for key in ("zoomed", "fit", "out", "wheel", "focus"))
    assert found["light"] == ["rgb(255, 255, 255)", "rgb(0, 86, 143)"] and found["again"] == found["light"][0]
    assert found["dark"] == ["rgb(13, 17, 23)", "rgb(121, 192, 255)"]
    assert found["hits"] >= 2 and found["said"] == f"{found['hits']} found"
    assert (found["small"], found["unnamed"]) == (0, 0)
