"""Every numbered demo tells its story and draws it; the first seven find the figures that the books print."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .conftest import DEMOS, Story

Tell = Callable[[str], Story]
HEADS = {".png": b"\x89PNG", ".gif": b"GIF8", ".svg": b"<?xml"}


def test_the_path_has_no_gap() -> None:
    assert [int(file.name[:2]) for file in DEMOS] == list(range(1, len(DEMOS) + 1)) and len(DEMOS) >= 7


@pytest.mark.parametrize("file", DEMOS, ids=lambda file: file.stem)
def test_a_demo_tells_and_draws(file: Path, tell: Tell) -> None:
    story = tell(file.name[:2])
    named = set(re.findall(r"[\w-]+\.(?:png|gif|svg)", story.printed))
    assert named and named <= story.pictures(), "each picture that it names is there"
    for name in named:
        picture = story.out / name
        assert picture.stat().st_size > 1000 and picture.read_bytes().startswith(HEADS[picture.suffix]), name
    assert story.found and len(story.printed.splitlines()) >= 5
    assert f"python demos/{file.name}" in file.read_text(encoding="utf-8"), "the docstring says how to run it"


def test_listed_demos_exist() -> None:
    root = DEMOS[0].parents[1]
    listed = {n for page in (root / "README.md", *(root / "docs").glob("**/*.md"))
              for n in re.findall(r"demos/(\d\d_\w+\.py)", page.read_text(encoding="utf-8"))}  # fmt: skip
    assert listed <= {file.name for file in DEMOS}


def test_01_gates(tell: Tell) -> None:
    found = tell("01").found
    truth = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "NAND": [1, 1, 1, 0], "XOR": [0, 1, 1, 0]}
    assert found["tables"] == truth
    learned = found["learned"]
    assert {name: learned[name] for name in ("AND", "OR", "NAND")} == {n: truth[n] for n in ("AND", "OR", "NAND")}
    assert learned["XOR"] != truth["XOR"] and learned["XOR, two layers"] == truth["XOR"]
    assert 0 < found["starts"] < 200  # luck is needed, and enough
    assert "none gets more than 3 of the 4" in tell("01").printed


def test_02_tensors(tell: Tell) -> None:
    found = tell("02").found
    assert found["ranks"]["scalar"] == () and found["ranks"]["vector"] == (5,) and found["ranks"]["matrix"] == (3, 5)
    assert found["ranks"]["3-D"] == (3, 3, 5) and len(found["ranks"]["5-D"]) == 5
    slices = found["slices"]
    assert slices["[:, 7:-7, 7:-7]"][1:] == slices["[:, :14, :14]"][1:] == (14, 14)
    assert slices["[10:100]"] == slices["[10:100, :28, :28]"] == (90, 28, 28)
    assert slices["[128 * n : 128 * (n + 1)]"] == (128, 28, 28)
    assert found["shapes"] == {
        "reshaped": [[0, 1, 2], [3, 4, 5]], "column": [[0], [1], [2], [3], [4], [5]], "transposed": (20, 300),
    }  # fmt: skip
    assert [row.index(1) for row in found["one-hot"]] == [5, 0, 4] and np.shape(found["one-hot"]) == (3, 10)
    assert np.sum(found["one-hot"]) == 3
    broadcast = found["broadcasting"]
    assert broadcast["W + X"] == [[1, 3, 5], [7, 9, 11]] and broadcast["W * X"] == [[0, 2, 6], [12, 20, 30]]
    assert broadcast["A * 10"] == [[10, 20], [30, 40]] and broadcast["A * b"] == [[10, 40], [30, 80], [50, 120]]
    assert broadcast["n * m"] == [[[1, 4], [3, 8]]] and "broadcast" in broadcast["refused"]
    assert found["memory"] == {"a": [4, 5, 6], "foo": [9, 2, 3], "is": (True, False)}


def test_02_dot_and_matmul(tell: Tell) -> None:
    products = tell("02").found["products"]
    assert products["(1, 2, 3) · (4, 5, 6)"] == 32
    assert products["[[1, 2], [3, 4]] @ [[5, 6], [7, 8]]"] == [[19, 22], [43, 50]]
    assert products["[[1, 2], [1, 2]] @ (2, 3)"] == [8, 8]
    assert products["column (1, 2, 3) @ row (1, 2, 3)"] == [[1, 2, 3], [2, 4, 6], [3, 6, 9]]
    assert products["matmul"] == [
        [[42, 48, 54], [114, 136, 158], [186, 224, 262]],
        [[906, 960, 1014], [1170, 1240, 1310], [1434, 1520, 1606]],
    ]
    assert products["dot"] == [
        [[[42, 48, 54], [114, 120, 126]], [[114, 136, 158], [378, 400, 422]], [[186, 224, 262], [642, 680, 718]]],
        [[[258, 312, 366], [906, 960, 1014]], [[330, 400, 470], [1170, 1240, 1310]],
         [[402, 488, 574], [1434, 1520, 1606]]],
    ]  # fmt: skip


def test_03_tensor_operations(tell: Tell) -> None:
    found = tell("03").found
    z = found["loops"]["z"]
    assert z == [
        10, 12, 5, 2, 7, 10, 15, 9, 12, 11, 16, 13, 10, 7, 9, 11, 5, 18, 11, 4, 10, 13, 7, 13, 8,
        5, 3, 17, 11, 7, 7, 11, 8, 10, 7, 13, 8, 6, 16, 15, 4, 13, 8, 18, 13, 11, 13, 5, 7, 10,
    ]  # fmt: skip
    assert found["loops"]["apart"] < 1e-14
    assert list(found["seconds"]) == ["relu(x + y)", "relu(dot(x, W) + b)"]
    assert all(len(times) == 3 and min(times) > 0 for times in found["seconds"].values())
    determinants = found["determinants"]
    assert determinants["rotation by 30°"] == pytest.approx(1) and determinants["shear"] == pytest.approx(1)
    assert determinants["scaling by 1.5 and 0.5"] == pytest.approx(0.75)
    assert found["dot_product"]["angle"] == pytest.approx(math.degrees(math.atan2(1.5, 2)), abs=1e-4)
    assert found["unfold"]["straight"] < 0.75 and found["unfold"]["unfolded"] == 1.0


def test_04_activations(tell: Tell) -> None:
    found = tell("04").found
    curves = found["curves"]  # at -10, -1, 0, 1, 9
    s = [1 / (1 + math.exp(-x)) for x in (-10, -1, 0, 1, 9)]
    assert curves["step"] == [0, 0, 0, 1, 1] and curves["step'"] == [0] * 5
    assert curves["sigmoid"] == pytest.approx(s)
    assert curves["sigmoid'"] == pytest.approx([y * (1 - y) for y in s], rel=1e-3)
    assert curves["relu"] == [0, 0, 0, 1, 9] and curves["relu'"] == [0, 0, 0.5, 1, 1]
    assert curves["identity"] == [-10, -1, 0, 1, 9] and curves["identity'"] == [1] * 5
    linear = found["linear"]
    assert linear["linear"] and linear["identity"] and not (linear["step"] or linear["sigmoid"] or linear["relu"])
    assert linear["three layers"] == (0.5, 0.125)


def test_04_softmax(tell: Tell) -> None:
    found = tell("04").found["softmax"]
    assert found["softmax"] == pytest.approx([0.01821127, 0.24519181, 0.73659691], rel=1e-5)  # of (0.3, 2.9, 4.0)
    assert found["far"] == pytest.approx([0.9999546, 4.539787e-05, 2.061060e-09], rel=1e-5)  # of (1010, 1000, 990)
    assert found["shifted"] == pytest.approx(found["far"]) and found["apart"] == [1, 0, 0]
    assert all(math.isnan(p) for p in found["broken"])
    assert found["limits"][0] > 8e307 and found["limits"][1] == math.inf
    assert found["jacobian error"] < 1e-6 and found["column sums"] < 1e-6


def test_05_cost_and_weight(tell: Tell) -> None:
    found = tell("05").found
    printed = ["74.66667", "54.85714", "38.09524", "24.38095", "13.71429", "6.09524", "1.52381", "0.00000"]
    assert [f"{c:.5f}" for c in found["cost"]] == [*printed, *printed[-2::-1]]
    learned = found["learned"]
    assert learned[0] == pytest.approx((18332.2188, 47.398293), rel=1e-6)
    assert learned[100] == pytest.approx((0.1698, 1.685477), rel=5e-4)
    assert learned[230][1] == learned[290][1] == pytest.approx(5 / 3, abs=1e-6) and len(learned) == 30


def test_05_descent(tell: Tell) -> None:
    found = tell("05").found
    rates = found["learning rates"]
    assert rates["right"][-1] == pytest.approx(5 / 3 * (1 - 0.625**10), rel=1e-5)  # a step: distance × (1 - 7.5 lr)
    assert rates["too large"][-1] == pytest.approx(5 / 3 * (1 - (-1.1) ** 10), rel=1e-4)
    assert rates["too small"][-1] < 0.5 and rates["large"][1] > 3
    assert found["brute force"]["apart"] < 1e-7
    hollow = found["hollow"]
    assert hollow["momentum 0.9"] == pytest.approx(4, abs=0.01) and -1.2 < hollow["momentum 0"] < -0.5
    assert found["notes' momentum"]["apart"] < 1e-6
    race = found["race"]
    assert len(race) == 6 and max(race.values()) < 0.2  # from 6.45
    assert race["SGD, lr 0.95"] == pytest.approx((7 * 0.905**40) ** 2 / 20 + (2 * 0.9**40) ** 2, rel=1e-3)


def test_05_film_moves(tell: Tell) -> None:
    from PIL import Image

    with Image.open(tell("05").out / "optimizers.gif") as film:
        frames = [np.asarray(film.convert("L")) for i in range(film.n_frames) if not film.seek(i)]
    assert len(frames) >= 3 and (frames[0] != frames[-1]).any()


def test_06_nodes(tell: Tell) -> None:
    story = tell("06")
    nodes = story.found["nodes"]
    assert nodes["+"] == [1.3, 1.3] and nodes["×"] == [6.5, 13.0] and nodes["branch"] == [14.0]
    sigmoid = [1 / (1 + math.exp(-x)) for x in (-2, 0, 3)]
    assert nodes["sigmoid"][0] == pytest.approx([y * (1 - y) for y in sigmoid])
    (softmax,) = nodes["softmax with loss"]
    assert softmax[0] == pytest.approx([0.00910563, -0.37740410, 0.36829846], abs=1e-7)
    assert softmax[1] == pytest.approx([-1 / 3, 1 / 6, 1 / 6])
    shapes: dict[str, Any] = {name: [np.shape(g) for g in gradients] for name, gradients in nodes.items()}
    assert shapes["repeat"] == [(1, 4)] and shapes["sum"] == [(3, 4)] and shapes["matmul"] == [(3, 2), (2, 4)]
    assert shapes["affine"] == [(3, 2), (2, 4), (4,)] and len(nodes) == 9
    assert story.found["repeat and sum"] == {"repeat": 0, "sum": 0}
    drawn = (story.out / "multiply.svg").read_text()
    assert {"10", "5", "50", "6.5", "13", "1.3"} <= set(re.findall(r">([\d.]+)<", drawn)), "values and gradients"


def test_06_chain_and_layers(tell: Tell) -> None:
    story = tell("06")
    y = 1 / (1 + math.exp(-0.7))
    assert story.found["chain"]["hand"] == pytest.approx(2 * (y - 1) * y * (1 - y) * 2, rel=1e-12)
    assert story.found["chain"]["engine"] == pytest.approx(story.found["chain"]["hand"], rel=1e-12)
    assert story.found["chain"]["nudged"] == pytest.approx(story.found["chain"]["hand"], rel=1e-6)
    layers = story.found["layers"]
    assert layers["apart"] < 1e-14 and layers["last"] == pytest.approx(layers["engine"], rel=1e-12)
    assert layers["last"] < layers["first"]
    assert "3  sigmoid passes g × out × (1 − out): from y to a" in story.printed


def test_07_linear_classifier(tell: Tell) -> None:
    found = tell("07").found
    losses = found["losses"]
    assert len(losses) == 40 and all(later < earlier for earlier, later in itertools.pairwise(losses))
    assert found["accuracy"] > 0.99 and found["best"] < found["loss"] < 1.3 * found["best"]
    assert found["slope"] > 0  # from below left to above right, between (0, 3) and (3, 0)
    assert found["slope"] * 0 + found["height"] < 3 and found["slope"] * 3 + found["height"] > 0
