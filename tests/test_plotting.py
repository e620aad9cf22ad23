"""Curves and grids hold what was given; files are whole; text pictures show every pixel."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from autograd_mini.plotting import RIGHT, WRONG, image_grid, plot_history, text_images

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
    with pytest.raises(ImportError, match=r"pip install autograd_mini\[plot\]"):
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
