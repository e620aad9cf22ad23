"""Pictures of training, by matplotlib: curves, digits with what the model takes them for (in plain text, too), the
regions of classes, the weights of the first layer, and how weights and gradients spread over time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .creation import from_numpy
from .engine import Array
from .extras import optional
from .modes import no_grad
from .nn import Module
from .nn.utils import evaluating
from .serialization import replacing
from .tensor import Tensor
from .training import Callback, Logs, Trainer

RIGHT, WRONG = "#1a7f37", "#cf222e"
# Okabe and Ito's colours, which the colour-blind tell apart, too; and a marker for each class, as a second sign.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
MARKERS = "os^DvP*X"


def _figure(width: float, height: float) -> Any:
    """A matplotlib Figure that no window and no global state knows of."""
    library = optional("matplotlib.figure", "plot", "plots need matplotlib")
    return library.Figure(figsize=(width, height), layout="constrained")


def _saved(figure: Any, path: str | os.PathLike[str] | None) -> Any:
    if path is not None:
        kind = os.path.splitext(path)[1][1:] or "png"
        with replacing(path) as file:
            figure.savefig(file, format=kind, dpi=150)
    return figure


def _array(values: Any) -> Array:
    return values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)


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
    images: Array, labels: Sequence[int] | Array, predictions: Sequence[int] | Array,
    path: str | os.PathLike[str] | None = None, *, columns: int = 8, title: str = ""
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


def decision_regions(
    model: Callable[[Tensor], Any], points: Tensor | Array, labels: Tensor | Array | Sequence[int],
    path: str | os.PathLike[str] | None = None, *, title: str = "", threshold: float | None = None,
    resolution: int = 200, axes: Any = None
) -> Any:
    """Points (n, 2) with their classes, labels (n,) or (n, 1) from 0 on, over the regions that the model gives to each.

    model: any function of a Tensor (m, 2); a Module runs as in evaluation. Of outputs (m, C) the highest is the class;
    one output, (m, 1) or (m,), is class 1 above `threshold`: None takes 0.5 where all outputs lie in 0…1, as those of
    a sigmoid do, and else 0, as for logits. axes: draw there instead of in a new figure.

    Returns the matplotlib Figure; saved under `path` if given. Raises ValueError for points that are not (n, 2).
    """
    xy, classes = _array(points), _array(labels).reshape(-1).astype(int)
    if xy.ndim != 2 or xy.shape[1] != 2 or len(xy) != len(classes) or not len(xy):
        raise ValueError(f"decision_regions: points must be (n, 2) with n labels, not {xy.shape} with {len(classes)}")
    if classes.min() < 0 or classes.max() >= len(COLORS):
        raise ValueError(f"decision_regions: labels must be from 0 to {len(COLORS) - 1}, the colours that there are")
    low, high = xy.min(0), xy.max(0)
    margin = np.where(high > low, 0.12 * (high - low), 1.0)
    sides = [np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True)]
    grid = np.stack([side.ravel() for side in np.meshgrid(*sides)], 1)
    with evaluating(model) if isinstance(model, Module) else no_grad():
        output = _array(model(from_numpy(grid.astype(xy.dtype if xy.dtype.kind == "f" else "f4"))))
    scores = _scores(output, threshold)
    if scores.shape[1] > len(COLORS):
        raise ValueError(f"decision_regions: the model tells {scores.shape[1]} classes, drawn are {len(COLORS)}")
    figure = _figure(5.2, 4.4) if axes is None else axes.figure
    axes = figure.subplots() if axes is None else axes
    for k, color in enumerate(COLORS[: scores.shape[1]]):
        lead = (scores[:, k] - np.delete(scores, k, 1).max(1)).reshape(resolution, resolution)
        if lead.max() > 0:
            axes.contourf(*sides, lead, levels=[0, lead.max()], colors=color, alpha=0.25)
        if lead.min() < 0 < lead.max():
            axes.contour(*sides, lead, levels=[0], colors="#333333", linewidths=1)
    for k in np.unique(classes):
        chosen, style = xy[classes == k], {"c": COLORS[k], "marker": MARKERS[k], "s": 380 / len(xy) ** 0.5 + 8}
        axes.scatter(*chosen.T, **style, edgecolors="white", linewidths=0.3, label=f"class {k}", zorder=2)
    axes.set_title(title)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=4, frameon=False, columnspacing=1)
    return _saved(figure, path)


def _scores(output: Array, threshold: float | None) -> Array:
    """A column per class, the highest of which wins."""
    if output.ndim == 2 and output.shape[1] > 1:
        return output
    if threshold is None:
        threshold = 0.5 if output.min() >= 0 and output.max() <= 1 else 0.0
    return np.stack([-(ahead := output.reshape(-1) - threshold), ahead], 1)


def first_layer_weights(
    weight: Tensor | Array, shape: tuple[int, int] = (28, 28), path: str | os.PathLike[str] | None = None, *,
    count: int = 64, columns: int = 16, title: str | None = None
) -> Any:
    """The rows of a weight (out, height × width), such as `nn.Linear`'s, as images: what each unit looks for.

    The first `count` of them on one scale: blue is negative, red positive, white zero.

    Returns the matplotlib Figure; saved under `path` if given. Raises ValueError if a row does not have that shape.
    """
    values, (height, width) = _array(weight), shape
    if values.ndim != 2 or values.shape[1] != height * width:
        raise ValueError(f"first_layer_weights: images {shape} need a weight (n, {height * width}), not {values.shape}")
    images = values[:count].reshape(-1, height, width)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    canvas = np.full((rows, columns, height + 1, width + 1), np.nan)  # with a gap of a pixel, which stays grey
    canvas.reshape(-1, height + 1, width + 1)[: len(images), :-1, :-1] = images
    figure = _figure(0.62 * columns + 1.4, 0.62 * rows * height / width + 0.7)
    axes = figure.subplots()
    largest = float(np.abs(images).max()) or 1.0
    mosaic = canvas.swapaxes(1, 2).reshape(rows * (height + 1), -1)[:-1, :-1]
    shown = axes.imshow(mosaic, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest")
    axes.set_facecolor("#777777")
    axes.set(xticks=[], yticks=[])
    axes.set_title(f"weights of {len(images)} of {len(values)} units" if title is None else title)
    figure.colorbar(shown, cax=axes.inset_axes((1.01, 0, 0.015, 1)))
    return _saved(figure, path)


class HistogramRecorder(Callback):
    """Histograms of a model's parameters and their gradients over time: call it after each backward(), then `plot`.

    As a callback of `Trainer.fit` it is called at the end of each epoch. It keeps counts alone, no arrays: `steps`
    holds for each call {parameter's name: (of the weights, of the gradients)}, each (counts, edges, how many are nan
    or infinite), the second None where there is no gradient.

    >>> from autograd_mini import nn, optim
    >>> model = nn.Linear(3, 2)
    >>> recorder = HistogramRecorder(model, bins=10)  # at most; fewer where there are few numbers
    >>> for step in range(5):
    ...     loss = (model(from_numpy(np.ones((4, 3), "f4"))) ** 2).mean()
    ...     model.zero_grad()
    ...     loss.backward()
    ...     recorder()
    >>> counts, edges, bad = recorder.steps[0]["weight"][1]
    >>> len(recorder.steps), int(counts.sum()), len(edges)
    (5, 6, 7)
    """

    def __init__(self, model: Module, bins: int = 50) -> None:
        self.model, self.bins = model, bins
        self.steps: list[dict[str, tuple[Any, Any]]] = []

    def __call__(self) -> None:
        """Note what the parameters and gradients are now."""
        named = dict(self.model.named_parameters())
        self.steps.append({name: (self._counts(p), self._counts(p.grad)) for name, p in named.items()})

    def _counts(self, values: Tensor | None) -> tuple[Array, Array, int] | None:
        if values is None:
            return None
        array = _array(values).astype("f8").ravel()
        finite = array[np.isfinite(array)]
        low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
        least = max(abs(low) * 1e-6, 1e-9)  # that equal numbers become a line, not NumPy's hill from -½ to +½
        counts, edges = np.histogram(finite, min(self.bins, 5 + len(finite) // 4), (low - least, high + least))
        return counts, edges, len(array) - len(finite)

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        self()

    def plot(self, path: str | os.PathLike[str] | None = None, *, title: str = "", lines: int = 12) -> Any:
        """A row per parameter, weights left and gradients right: a curve per call (at most `lines` of them), the first
        at the back, each scaled to its own height, so that its width tells. Raises ValueError if never called."""
        if not self.steps:
            raise ValueError("nothing is recorded: call the recorder after backward() before plotting it")
        names = list(self.steps[-1])
        figure = _figure(8.4, 1.9 * len(names) + 0.5)
        figure.suptitle(title)
        chosen = np.unique(np.linspace(0, len(self.steps) - 1, min(lines, len(self.steps))).round().astype(int))
        for name, pair in zip(names, figure.subplots(len(names), 2, squeeze=False), strict=True):
            for kind, axes in enumerate(pair):
                _ridges(axes, {i: self.steps[i][name][kind] for i in chosen if name in self.steps[i]})
                axes.set_title(f"{name}, {('values', 'gradients')[kind]}{axes.get_title()}", fontsize=10)
        return _saved(figure, path)


def _ridges(axes: Any, histograms: Mapping[int, tuple[Array, Array, int] | None]) -> None:
    """Histograms as hills, one before the other: the first is at the back and dark."""
    from matplotlib import colormaps

    known = {i: h for i, h in histograms.items() if h is not None}
    for line, (counts, edges, _) in enumerate(known.values()):
        hill, base = 2.5 * counts / max(1, counts.max()), -float(line)
        color = colormaps["viridis"](line / max(1, len(known) - 1))
        axes.stairs(hill + base, edges, baseline=base, fill=True, color=color, alpha=0.75, zorder=line)
        axes.stairs(hill + base, edges, baseline=base, color="#333333", linewidth=0.5, zorder=line)
    bad = sum(h[2] for h in known.values())
    axes.set_title(f" ({bad:,} nan or infinite, not drawn)" if bad else "" if known else ": none")
    ends = sorted({0, len(known) - 1} if known else ())
    axes.set_yticks([-float(line) for line in ends], [f"step {list(known)[line] + 1}" for line in ends])
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.spines[["top", "right", "left"]].set_visible(False)


def text_images(images: Array, captions: Sequence[str], width: int = 80, ascii_only: bool = False) -> str:
    """Images (n, height, width) with values from 0 to 1, side by side as text: as many as fit into `width` columns.

    A character shows two pixels, one above the other, as half blocks; with ascii_only as one of 10 shades.

    >>> print(text_images(np.eye(4)[None], ["eye"], ascii_only=True))
    ++
      ++
    eye
    """
    arts = [_art(image, ascii_only) for image in np.asarray(images)]
    room = max(1, (width + 2) // (len(arts[0][0]) + 2)) if arts else 0
    size = len(arts[0][0]) if arts else 0
    blocks = [[*art, caption[:size]] for art, caption in zip(arts, captions, strict=False)][:room]
    return "\n".join("  ".join(line.ljust(size) for line in lines).rstrip() for lines in zip(*blocks, strict=True))


def _art(image: Array, ascii_only: bool) -> list[str]:
    rows = np.pad(image, ((0, len(image) % 2), (0, 0)))
    upper, lower = rows[::2], rows[1::2]
    if ascii_only:
        marks, shades = " .:-=+*#%@", np.clip((upper + lower) * 5, 0, 9).astype(int)
    else:
        marks, shades = " ▄▀█", 2 * (upper > 0.4).astype(int) + (lower > 0.4)
    return ["".join(line) for line in np.array(list(marks))[shades]]
