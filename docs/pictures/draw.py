"""Draws the pictures of this folder: `python docs/pictures/draw.py`. Needs Graphviz's `dot` and Pillow.

Runs the code of gallery.md, and saves what is called `picture` there under the name of the image that follows.
"""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from autograd_mini.draw import Graph

HERE = Path(__file__).parent
GALLERY = HERE.parent / "gallery.md"
AS_PAGE = ("modules",)


def pictures() -> Iterator[tuple[str, Graph]]:
    """Name and graph of every picture on the page that is ours."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    variables: dict[str, Any] = {"__name__": "gallery"}
    parts = re.split(r"!\[[^]]*\]\(pictures/([a-z_]+)\.\w+\)", GALLERY.read_text("utf-8"))
    for text, name in zip(parts[::2], parts[1::2], strict=False):
        test = doctest.DocTestParser().get_doctest(text, variables, name, "gallery.md", 0)
        if runner.run(test, clear_globs=False).failed:
            raise SystemExit(f"{GALLERY}: what it says is not what happens")
        variables.update(test.globs)
        if not name.startswith("peer_"):
            yield name, variables["picture"]


def screenshot(page: Path, image: Path) -> None:
    """The page in Chromium, if it is installed, in few colours."""
    if (chromium := shutil.which("chromium")) is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,700", f"--user-data-dir={folder}"]
        subprocess.run([chromium, *flags, f"--screenshot={image}", page.as_uri()], check=True, capture_output=True)
    Image.open(image).convert("RGB").quantize(64).save(image, optimize=True)


if __name__ == "__main__":
    for name, graph in pictures():
        if name == "page":
            graph.save(HERE / "neuron.html")
            screenshot(HERE / "neuron.html", HERE / "page.png")
            continue
        graph.save(HERE / f"{name}.svg", animate=name.endswith("_steps"))
        if name in AS_PAGE:
            graph.save(HERE / f"{name}.html")
