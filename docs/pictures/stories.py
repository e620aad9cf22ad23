"""Draws the pictures of the tutorial: `python docs/pictures/stories.py`, or with numbers, those of these demos alone.

Runs each demo in full (some minutes in all; MNIST is looked for as in `load_mnist`), and keeps the pictures that its
page shows, `![…](../pictures/tutorial/01_learned.png)`, in 128 colours, which makes them small. The build of the
documentation does it for those that are not there. Needs `autograd_mini[demos]`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "tutorial"
SHOWN = re.compile(r"!\[[^]]*\]\(\.\./pictures/tutorial/((\d\d)_(\w+\.png))\)")


def shown() -> dict[str, dict[str, str]]:
    """For each demo's number its pictures that the pages show: name here, name that the demo gives it."""
    found: dict[str, dict[str, str]] = {}
    for page in sorted((DOCS / "tutorial").glob("*.md")):
        for here, number, name in SHOWN.findall(page.read_text(encoding="utf-8")):
            found.setdefault(number, {})[here] = name
    return found


def keep(picture: Path, here: Path) -> None:
    """The picture in few colours: a third of its size."""
    from PIL import Image  # matplotlib brings it

    here.parent.mkdir(exist_ok=True)
    with Image.open(picture) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(here, optimize=True)


def draw(number: str, names: dict[str, str]) -> None:
    """Tell the demo's story and keep its pictures."""
    (demo,) = (DOCS.parent / "demos").glob(f"{number}_*.py")
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(DOCS.parent)}
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, str(demo), "--out", out]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        for here, name in names.items():
            keep(Path(out) / name, FOLDER / here)


def draw_missing() -> None:
    """Those that a page shows and that are not there."""
    for number, names in shown().items():
        if missing := {here: name for here, name in names.items() if not (FOLDER / here).exists()}:
            draw(number, missing)


if __name__ == "__main__":
    for number, names in shown().items():
        if number in sys.argv[1:] or not sys.argv[1:]:
            draw(number, names)
