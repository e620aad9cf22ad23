"""What the numbered demos share: their options, their pictures, and how they end.

A story is told in text and in pictures. Where matplotlib is missing the text is told all the same, and the last line
says which pictures were not drawn and what to install. Ctrl-C, or a folder without data, ends in a sentence, too.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOUND = "where it is found, or a download"  # that is, MNIST
# The matrices are small: threads that wait for each other are slower than one where the machine has other work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read when NumPy is imported, hence here, and this file first
INSTALL = 'pip install "autograd_mini[demos]"'
try:
    from autograd_mini.vision import DataError, MNISTData, digits, load_mnist
except ModuleNotFoundError as error:
    missing = (error.name or "").partition(".")[0]
    sys.exit(f'error: {missing} is missing: pip install -e ".[demos]" in the folder of the project, or {INSTALL}')


def arguments(
    argv: list[str] | None, file: str, story: str, *, fast: str = "the same story with less work", data: str = ""
) -> argparse.Namespace:
    """--out, whose folder is made, and --fast; --data where `data` says what is read without it; and the pictures."""
    parser = argparse.ArgumentParser(description=story)
    if data:
        parser.add_argument("--data", metavar="PATH", help=f"folder with MNIST; without: {data}")
    out = Path("out", Path(file).stem)
    parser.add_argument("--out", type=Path, default=out, help="folder for the pictures (default: %(default)s)")
    parser.add_argument("--fast", action="store_true", help=fast)
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    args.pictures = Pictures(args.out)
    return args


def mnist(args: argparse.Namespace, train: int, test: int) -> MNISTData:
    """MNIST; with --fast so many digits that the package draws."""
    if not args.fast:
        return load_mnist(args.data)
    return MNISTData(*digits(train), *digits(test, train=False), "drawn digits")


def figure(width: float, height: float, title: str = "", layout: str | None = "constrained") -> Any:
    """A matplotlib Figure of so many inches."""
    from matplotlib.figure import Figure  # here, so that the story is told without it

    made = Figure(figsize=(width, height), layout=layout)
    if title:
        made.suptitle(title)
    return made


class Pictures:
    """Those of one story: figures (.png) and films (.gif) by matplotlib, if it is there; graphs (.svg) by our own."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.drawn: list[str] = []
        self.missing: list[str] = []
        self.matplotlib = importlib.util.find_spec("matplotlib") is not None

    def draw(self, name: str, make: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Save, with options, what `make(*args)` returns; it is not called where nothing could be drawn."""
        kind, file = Path(name).suffix, self.out / name
        if kind != ".svg" and not self.matplotlib:
            self.missing.append(name)
            return
        picture = make(*args)
        if kind == ".png":
            picture.savefig(file, dpi=120, **options)
        elif kind == ".gif":
            picture.save(file, writer="pillow", fps=8)
        else:
            picture.save(file, **options)
        self.drawn.append(name)

    def tell(self) -> None:
        """Where they are, and which are missing."""
        if self.drawn:
            print(f"\nPictures in {self.out}: {', '.join(self.drawn)}")
        if self.missing:
            print(f"\nNot drawn: {', '.join(self.missing)}. They need matplotlib: {INSTALL}")


def tell(main: Callable[[], Any]) -> None:
    """The story as a program: status 1 if stopped by Ctrl-C; 2, with a message, for what cannot be read or written."""
    try:
        main()
    except KeyboardInterrupt:
        print("\nstopped before its end", file=sys.stderr)
        sys.exit(1)
    except (DataError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
