"""Pictures of training: its curves, and digits with what the model takes them for; by matplotlib, or in plain text."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .engine import Array
from .serialization import replacing

RIGHT, WRONG = "#1a7f37", "#cf222e"


def _figure(width: float, height: float) -> Any:
    """A matplotlib Figure that no window and no global state knows of."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install autograd_mini[plot]") from error
    return Figure(figsize=(width, height), layout="constrained")


def _saved(figure: Any, path: str | os.PathLike[str] | None) -> Any:
    if path is not None:
        kind = os.path.splitext(path)[1][1:] or "png"
        with replacing(path) as file:
            figure.savefig(file, format=kind, dpi=150)
    return figure


def plot_history(history: Mapping[str, Sequence[float]], path: str | os.PathLike[str] | None = None) -> Any:
    """Each figure of a `History` over the epochs, with the validation's beside it; saved under `path` if given.

    Returns the matplotlib Figure. Raises ValueError for an empty history.
    """
    names = [name for name in history if not name.startswith("val_")]
    if not names or not history[names[0]]:
        raise ValueError("the history is empty: fit at least one epoch before plotting it")
    figure = _figure(4.8 * len(names), 3.6)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, style, label in ((name, "o-", "training"), (f"val_{name}", "s--", "validation")):
            if key in history:
                axes.plot(range(1, len(history[key]) + 1), history[key], style, label=label, markersize=4)
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return _saved(figure, path)


def image_grid(
    images: Array,
    labels: Sequence[int] | Array,
    predictions: Sequence[int] | Array,
    path: str | os.PathLike[str] | None = None,
    *,
    columns: int = 8,
    title: str = "",
) -> Any:
    """Images (n, height, width) in a grid, each under what it was taken for: green if right, red with the truth if not.

    Returns the matplotlib Figure; saved under `path` if given. Raises ValueError where the lengths differ.
    """
    if not len(images) == len(labels) == len(predictions) or not len(images):
        raise ValueError(f"{len(images)} images, {len(labels)} labels and {len(predictions)} predictions: give as many")
    rows = -(-len(images) // columns)
    figure = _figure(1.15 * columns, 1.4 * rows + 0.4)
    figure.suptitle(title)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for axes, image, label, predicted in zip(grid, images, labels, predictions, strict=False):
        axes.imshow(image, cmap="gray_r", interpolation="nearest")
        text, color = (f"{predicted}", RIGHT) if predicted == label else (f"{predicted}, is {label}", WRONG)
        axes.set_title(text, color=color, fontsize=12, pad=3)
    return _saved(figure, path)


def text_images(images: Array, captions: Sequence[str], width: int = 80, ascii_only: bool = False) -> str:
    """Images (n, height, width) with values from 0 to 1, side by side as text: as many as fit into `width` columns.

    A character shows two pixels, one above the other, as half blocks; with ascii_only as one of 10 shades.

    >>> print(text_images(np.eye(4)[None], ["eye"], ascii_only=True))
    ++
      ++
    eye
    """
    arts = [_shades(image) if ascii_only else _half_blocks(image) for image in np.asarray(images)]
    room = max(1, (width + 2) // (len(arts[0][0]) + 2)) if arts else 0
    size = len(arts[0][0]) if arts else 0
    blocks = [[*art, caption[:size]] for art, caption in zip(arts, captions, strict=False)][:room]
    return "\n".join("  ".join(line.ljust(size) for line in lines).rstrip() for lines in zip(*blocks, strict=True))


def _pairs(image: Array) -> tuple[Array, Array]:
    """The even and the odd rows."""
    rows = np.pad(image, ((0, len(image) % 2), (0, 0)))
    return rows[::2], rows[1::2]


def _half_blocks(image: Array) -> list[str]:
    upper, lower = _pairs(image)
    marks = np.array(list(" ▄▀█"))
    return ["".join(marks[line]) for line in 2 * (upper > 0.4).astype(int) + (lower > 0.4)]


def _shades(image: Array) -> list[str]:
    upper, lower = _pairs(image)
    marks = np.array(list(" .:-=+*#%@"))
    return ["".join(marks[line]) for line in np.clip((upper + lower) * 5, 0, 9).astype(int)]
