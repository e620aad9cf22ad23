"""Curves and grids hold what was given; files are whole; text pictures show every pixel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.plotting import (
    COLORS,
    RIGHT,
    WRONG,
    HistogramRecorder,
    decision_regions,
    first_layer_weights,
    image_grid,
    plot_history,
    text_images,
)
from autograd_mini.training import Trainer

HISTORY = {"loss": [0.5, 0.2, 0.1], "accuracy": [0.8, 0.9, 0.95], "val_loss": [0.6, 0.3, 0.25]}


def test_curves_hold_the_figures() -> None:
    pytest.importorskip("matplotlib")
    loss, accuracy = plot_history(HISTORY).axes
    assert (loss.get_title(), accuracy.get_title()) == ("loss", "accuracy")
    assert [list(line.get_ydata()) for line in loss.lines] == [HISTORY["loss"], HISTORY["val_loss"]]
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3]] * 2
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training", "validation"]
    assert [list(line.get_ydata()) for line in accuracy.lines] == [HISTORY["accuracy"]]


@pytest.mark.parametrize(("suffix", "head"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_files(suffix: str, head: bytes, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_history(HISTORY, tmp_path / f"curves.{suffix}")
    assert (tmp_path / f"curves.{suffix}").read_bytes().startswith(head) and len(os.listdir(tmp_path)) == 1


def test_a_wrong_suffix_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="xyz"):
        plot_history(HISTORY, tmp_path / "curves.xyz")
    assert os.listdir(tmp_path) == []


def test_no_window_and_no_global_figure() -> None:
    pytest.importorskip("matplotlib")
    plot_history(HISTORY)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


@pytest.mark.parametrize("history", [{}, {"loss": []}])
def test_an_empty_history(history: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="the history is empty"):
        plot_history(history)


def test_a_grid_shows_images_and_what_they_were_taken_for() -> None:
    pytest.importorskip("matplotlib")
    images = np.random.default_rng(0).random((3, 5, 5))
    figure = image_grid(images, [1, 2, 3], np.array([1, 7, 3]), columns=2, title="digits")
    titles = [(axes.get_title(), axes.title.get_color()) for axes in figure.axes]
    assert titles[:3] == [("1", RIGHT), ("7, is 2", WRONG), ("3", RIGHT)] and len(figure.axes) == 4
    assert np.array_equal(figure.axes[1].images[0].get_array(), images[1]) and not figure.axes[3].images


def test_grids_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="3 images, 2 labels and 3 predictions"):
        image_grid(np.zeros((3, 2, 2)), [1, 2], [1, 2, 3])


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_mini\[plot\]"'):
        plot_history(HISTORY)


def test_half_blocks_show_every_pixel() -> None:
    image = np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0]])
    assert text_images(image[None], ["abc"]) == " ▀▄█\n▀▀\nabc"


def test_shades() -> None:
    image = np.repeat(np.linspace(0, 1, 11)[None], 2, 0)
    assert text_images(image[None], ["x"], ascii_only=True) == " .:-=+*#%@@\nx"


def test_as_many_as_fit() -> None:
    images = np.ones((5, 2, 4))
    assert text_images(images, list("abcde"), width=10) == "████  ████\na     b"
    assert text_images(images, list("abcde"), width=3) == "████\na"
    assert text_images(images, list("abcde"), width=100).splitlines()[1].split() == list("abcde")
    assert text_images(np.zeros((0, 2, 4)), []) == ""


SQUARE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], "f4")


def region_colors(figure: Any) -> dict[str, float]:
    """Of each filled region its colour and its area, as a fraction of the picture."""
    from matplotlib.colors import to_hex
    from matplotlib.contour import ContourSet

    areas: dict[str, float] = {}
    for drawn in (c for c in figure.axes[0].collections if isinstance(c, ContourSet) and c.filled):
        shapes = [path.to_polygons() for path in drawn.get_paths()]
        corners = [polygon for polygons in shapes for polygon in polygons]
        area = sum(abs(np.sum(p[:-1, 0] * p[1:, 1] - p[1:, 0] * p[:-1, 1])) / 2 for p in corners)
        areas[to_hex(drawn.get_facecolor()[0]).upper()] = area / 1.24**2
    return areas


def test_regions_of_one_output() -> None:
    pytest.importorskip("matplotlib")

    def first_axis(x: am.Tensor) -> am.Tensor:
        return x[:, :1] - 0.2

    logits = decision_regions(first_axis, SQUARE, [0, 0, 1, 1], title="halves")
    areas = region_colors(logits)
    assert areas[COLORS[0]] == pytest.approx(0.32 / 1.24, abs=1e-3)
    assert areas[COLORS[1]] == pytest.approx(0.92 / 1.24, abs=1e-3) and len(areas) == 2
    (axes,) = logits.axes
    assert axes.get_title() == "halves"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["class 0", "class 1"]
    points = [np.asarray(c.get_offsets()).tolist() for c in axes.collections if len(c.get_offsets()) == 2]
    assert points == [SQUARE[:2].tolist(), SQUARE[2:].tolist()]

    probabilities = decision_regions(lambda x: first_axis(x).sigmoid(), am.tensor(SQUARE), am.tensor([0, 0, 1, 1]))
    assert region_colors(probabilities)[COLORS[0]] == pytest.approx(0.32 / 1.24, abs=1e-3)
    moved = decision_regions(first_axis, SQUARE, [0, 0, 1, 1], threshold=0.5)
    assert region_colors(moved)[COLORS[0]] == pytest.approx(0.82 / 1.24, abs=1e-3)


def test_regions_of_several_classes_leave_no_sliver_of_a_third() -> None:
    pytest.importorskip("matplotlib")

    def classes(x: am.Tensor) -> am.Tensor:  # 0 left, 2 right, 1 nowhere
        return am.stack([1 - x[:, 0], 0 * x[:, 0], x[:, 0]], 1)

    areas = region_colors(decision_regions(classes, SQUARE, [0, 0, 2, 2]))
    assert areas == {COLORS[0]: pytest.approx(0.5, abs=1e-3), COLORS[2]: pytest.approx(0.5, abs=1e-3)}


def test_regions_are_those_of_evaluation_and_leave_the_model_as_it_was() -> None:
    pytest.importorskip("matplotlib")
    model = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.9), nn.Linear(4, 3))
    model[0].eval()
    first, second = (region_colors(decision_regions(model, SQUARE, [0, 1, 2, 0])) for _ in range(2))
    assert first == second
    assert [module.training for module in model.modules()] == [True, False, True, True]
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        (np.zeros((4, 3)), [0] * 4, r"points must be \(n, 2\) with n labels, not \(4, 3\) with 4"),
        (SQUARE, [0, 1], r"not \(4, 2\) with 2"),
        (SQUARE, [0, 1, 2, -1], "labels must be from 0 to 7"),
    ],
)
def test_regions_that_cannot_be(points: Any, labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decision_regions(lambda x: x, points, labels)


def test_regions_beside_each_other() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert decision_regions(lambda x: x[:, 0], SQUARE, [0, 0, 1, 1], title="x", axes=left) is figure
    assert (left.get_title(), right.get_title()) == ("x", "") and left.collections and not right.collections


def test_weights_as_images(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    weight = np.arange(-10.0, 14.0).reshape(4, 6)
    figure = first_layer_weights(am.tensor(weight), (2, 3), tmp_path / "w.png", count=3, columns=2)
    (shown,) = figure.axes[0].images
    drawn = np.ma.filled(shown.get_array(), np.nan)
    assert drawn.shape == (5, 7) and shown.get_clim() == (-10, 10)  # the fourth is not shown and does not count
    assert np.array_equal(drawn[:2, :3].ravel(), weight[0]) and np.array_equal(drawn[:2, 4:].ravel(), weight[1])
    assert np.array_equal(drawn[3:, :3].ravel(), weight[2])
    assert np.isnan(drawn[3:, 4:]).all() and np.isnan(drawn[2]).all()
    assert figure.axes[0].get_title() == "weights of 3 of 4 units" and (tmp_path / "w.png").exists()
    with pytest.raises(ValueError, match=r"images \(28, 28\) need a weight \(n, 784\), not \(4, 6\)"):
        first_layer_weights(weight)


def test_histograms_over_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    recorder = HistogramRecorder(model)
    recorder()  # before any backward: no gradient
    trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    trainer.fit((am.ones(8, 3), am.zeros(8, 1)), epochs=14, callbacks=[recorder], verbose=0)
    assert len(recorder.steps) == 15 and recorder.steps[0]["0.weight"][1] is None
    counts, edges, bad = recorder.steps[-1]["0.weight"][0]
    weight = model[0].weight.detach().numpy()
    assert counts.sum() == 12 and bad == 0 and edges[0] <= weight.min() and edges[-1] >= weight.max()
    first = np.histogram(weight, edges)[0]
    assert np.array_equal(counts, first) and not np.array_equal(edges, recorder.steps[0]["0.weight"][0][1])

    figure = recorder.plot(tmp_path / "h.png", title="training")
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["0.weight, values", "0.weight, gradients"] and len(titles) == 8
    hills = [[p for p in axes.patches if p.get_fill()] for axes in figure.axes[:2]]
    assert [len(h) for h in hills] == [12, 11]  # at most 12 of 15; the first has no gradient
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["step 1", "step 15"]
    assert (tmp_path / "h.png").exists()


def test_histograms_of_bad_and_of_equal_numbers() -> None:
    pytest.importorskip("matplotlib")
    model = nn.Linear(2, 2)
    with am.no_grad():
        model.weight.copy_(am.tensor([[1e30, np.nan], [np.inf, 1e30]]))
        model.bias.zero_()
    recorder = HistogramRecorder(model)
    with pytest.raises(ValueError, match="nothing is recorded"):
        recorder.plot()
    recorder()
    counts, edges, bad = recorder.steps[0]["weight"][0]
    assert (counts.sum(), bad) == (2, 2) and edges[0] < 1e30 < edges[-1]
    assert np.abs(recorder.steps[0]["bias"][0][1]).max() < 1e-6
    titles = [axes.get_title() for axes in recorder.plot().axes]
    assert titles[0] == "weight, values (2 nan or infinite, not drawn)" and titles[1] == "weight, gradients: none"
