"""Draws the pictures of the tutorial: `python docs/pictures/stories.py`, or with numbers, those of these demos alone.

Runs each demo in full (some minutes in all; MNIST is looked for as in `load_mnist`), and keeps the pictures that its
page shows, `![…](../pictures/tutorial/01_learned.png)`, in 128 colours, which makes them small. The build of the
documentation does it for those that are not there. Needs `autograd_mini[demos]`.

Each picture holds the `stamp` of the code that drew it, and a test compares: who changes a demo draws it again.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent.parent
DEMOS = DOCS.parent / "demos"
FOLDER = Path(__file__).parent / "tutorial"
SHOWN = re.compile(r"!\[[^]]*\]\(\.\./pictures/tutorial/((\d\d)_(\w+\.png))\)")


def shown() -> dict[str, dict[str, str]]:
    """For each demo's number its pictures that the pages show: name here, name that the demo gives it."""
    found: dict[str, dict[str, str]] = {}
    for page in sorted((DOCS / "tutorial").glob("*.md")):
        for here, number, name in SHOWN.findall(page.read_text(encoding="utf-8")):
            found.setdefault(number, {})[here] = name
    return found


def demo_of(number: str) -> Path:
    (demo,) = DEMOS.glob(f"{number}_*.py")
    return demo


def code(text: str) -> str:
    """A program without what draws nothing: comments, docstrings, prints and empty lines."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant | ast.Call):
            function = getattr(node.value, "func", None)
            if function is None or (isinstance(function, ast.Name) and function.id == "print"):
                lines[node.lineno - 1 : node.end_lineno] = [""] * ((node.end_lineno or node.lineno) - node.lineno + 1)
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def stamp(number: str) -> str:
    """A hash of the demo's code, and of the two functions in `common.py` that draw."""
    common = (DEMOS / "common.py").read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(common)) if isinstance(node, ast.FunctionDef)]
    drawing = [ast.get_source_segment(common, node) or "" for node in functions if node.name in ("figure", "draw")]
    parts = [demo_of(number).read_text(encoding="utf-8"), *drawing]
    return hashlib.sha256("\n".join(map(code, parts)).encode()).hexdigest()[:32]


def keep(picture: Path, here: Path, stamped: str) -> None:
    """The picture in few colours, a third of its size, with its stamp."""
    from PIL import Image, PngImagePlugin  # matplotlib brings it

    here.parent.mkdir(exist_ok=True)
    note = PngImagePlugin.PngInfo()
    note.add_text("stamp", stamped)
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(here, optimize=True, pnginfo=note)


def draw(number: str, names: dict[str, str]) -> None:
    """Tell the demo's story and keep its pictures."""
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(DOCS.parent)}
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(demo_of(number)), "--out", out]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        for here, name in names.items():
            keep(Path(out) / name, FOLDER / here, stamp(number))


def draw_missing() -> None:
    """Those that a page shows and that are not there."""
    for number, names in shown().items():
        if missing := {here: name for here, name in names.items() if not (FOLDER / here).exists()}:
            draw(number, missing)


if __name__ == "__main__":
    for number, names in shown().items():
        if number in sys.argv[1:] or not sys.argv[1:]:
            draw(number, names)
