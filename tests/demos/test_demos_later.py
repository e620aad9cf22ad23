"""Demos 8 to 14, each told once with --fast: what they find is what their stories claim."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

Tell = Callable[[str], Any]


def test_networks(tell: Tell) -> None:
    story = tell("08")
    assert np.round(story.found["y"], 4).tolist() == [0.3168, 0.6963]
    assert "(0.3000, 0.7000, 1.1000)" in story.printed and "(0.5744, 0.6682, 0.7503)" in story.printed
    assert story.found["apart"] < 1e-6  # layers without activations are one layer
    assert story.found["shapes"] == [(10, 2), (10, 4), (10, 4), (10, 3)]
    assert story.found["one"] < 0.6 and story.found["two"] > 0.85  # the spiral needs a hidden layer
    assert story.found["losses"][-1] < 0.35 < 0.7 < story.found["losses_one"][-1]
    assert story.pictures() == {"regions.png", "losses.png"}


def test_mnist_from_scratch(tell: Tell) -> None:
    story = tell("09")
    found, losses = story.found, story.found["losses"]
    assert story.printed.startswith("Data: drawn digits\n")
    assert "0.4260   0.8750    0.4331   0.8743" in story.printed  # both runs of the books
    assert "4 epochs of 16 batches: the weights were updated 64 times" in story.printed
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) / 2
    assert found["scratch"] > 0.6 and found["nn"] > 0.75
    assert found["accuracy_1"] == found["accuracy_100"] > 0.75
    assert story.pictures() == {"learning.png", "weights.npz"}
    shapes = {name: value.shape for name, value in am.load(story.out / "weights.npz").items()}
    assert shapes["0.weight"] == (50, 784) and shapes["4.weight"] == (10, 100)


def test_lenet(tell: Tell) -> None:
    story = tell("10")
    assert story.found["parameters"] == 61_706 and "61,706" in story.printed
    assert story.found["accuracy"] > 0.8 and story.found["loss"][-1] < story.found["loss"][0] / 2
    assert story.found["mistakes"] == round(400 * (1 - story.found["accuracy"]))
    assert story.found["windows"] == (6, 1, 5, 5) and story.found["lr"] == pytest.approx(0, abs=1e-12)
    assert story.pictures() == {"curves.png", "confusion.png", "windows.png", "mistakes.png"}


def test_char_gpt(tell: Tell) -> None:
    story = tell("11")
    first, *_, last = story.found["losses"]
    assert 0.25 < story.found["floor"] < last < story.found["bigram"] < first  # it looks further back than one letter
    assert last < 0.95 and 3.0 < first < 3.8
    assert story.found["spelled"] > 0.2
    text = (story.out / "text.txt").read_text().splitlines()
    assert len(text) == 60 and sum(line.startswith("the ") for line in text) > 50
    assert story.pictures() == {"losses.png", "attention.png", "text.txt"}


def test_the_grammar_knows_its_own_sentences(tell: Tell) -> None:
    tell("11")
    demo = sys.modules["demo_11_char_gpt"]
    rule, rng = re.compile(demo.pattern("sentence")), np.random.default_rng(0)
    drawn = [demo.draw("sentence", rng) for _ in range(300)]
    assert all(rule.fullmatch(text) for text, _ in drawn)
    for wrong in ("the cat that the geese see sleep.", "the cats sleeps.", "the cat sleeps", "the red the cat runs."):
        assert not rule.fullmatch(wrong)
    assert rule.fullmatch("the cat that the geese see sleeps.")
    probabilities = {text: log_p for text, log_p in drawn}
    short = next(text for text in probabilities if re.fullmatch(r"the \w+ (sleeps|runs|sings|swims)\.", text))
    assert np.exp(probabilities[short]) == pytest.approx(1 / 2 / 3 / 6 / 2 / 4)  # one, plain, of 6 animals, of 4 verbs


def test_physics(tell: Tell) -> None:
    found = tell("12").found
    assert found["error"] < 0.02 and found["last_loss"] < found["first_loss"] / 1e4
    assert found["gap"] < 1e-6  # back through the simulation, and by central differences
    for name, truth, error in zip(("length", "friction"), (1.3, 0.25), found["errors"], strict=True):
        assert abs(found[name] - truth) < 3 * error < 0.05
    assert found["misfit"] <= found["noise"]  # nothing fits better than the best fit
    assert found["small"] == pytest.approx(2 * np.pi * np.sqrt(found["length"] / 9.81))
    assert found["period"] > 1.15 * found["small"]
    assert tell("12").pictures() == {"spring.png", "pendulum.png"}


def test_own_op(tell: Tell) -> None:
    story = tell("13")
    printed = story.printed
    assert story.found["checked"] is True
    assert "gradcheck of slipped" in printed and "analytic -0.45600596, numeric -0.1212074 at [0]" in printed
    for formula in (np.log(np.cosh(0.5)), np.tanh(0.5), 1 - np.tanh(0.5) ** 2):
        assert printed.count(f"{formula:.12f}") == 2  # by the engine, and by the formula
    slopes = [float(slope) for slope in re.findall(r"y = (\S+) x \+ \S+\n", printed)]
    assert len(slopes) == 2 and abs(slopes[1] - 2) < 0.15 < 1 < abs(slopes[0] - 2)
    assert story.pictures() == {"graph.svg", "line.png"}
    assert "smooth_max" in (story.out / "graph.svg").read_text()


def test_meta_gradient(tell: Tell) -> None:
    story = tell("14")
    found = story.found
    assert found["slope_gap"] < 1e-7
    assert abs(found["one"] - found["grid"]) < 0.01 and found["one"] < found["before"] / 4
    assert 0.005 < found["two"] < 0.02 < found["one"]  # down to the noise, 0.1²
    for rate, newton in zip(found["rates"], found["newton"], strict=True):
        assert rate == pytest.approx(newton, rel=0.1)
    slope, by_hand = found["maml_slopes"]
    assert slope == pytest.approx(by_hand, rel=1e-6)
    (_, joint_1, _), (maml_0, maml_1, _), (plain_0, *_) = found["joint"], found["maml"], found["plain"]
    assert maml_1 < 0.9 * joint_1 and maml_0 < plain_0 / 2
    assert story.pictures() == {"learning_rate.png", "maml.png"}
