"""Backward step by step: captions, what is visible when, and pictures that move without moving anything else."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from draw.samples import SAMPLES, fan_out, layer, needs_dot
from draw.test_units import deep

from autograd_mini.draw import draw_graph
from autograd_mini.draw.steps import animated
from autograd_mini.draw.view import Matrix

SVG = "{http://www.w3.org/2000/svg}"


def graph(make=layer, **options):
    output, names = make()
    output.backward()
    return draw_graph(output, names=names, **options)


def hidden(view) -> list[str]:
    """The tensors whose gradient is in the colour of what is behind it."""
    found = []
    for box in view.boxes:
        if None not in box.rows:
            continue
        below = box.rows[box.rows.index(None) + 1 :]
        lines = [line for row in below for line in (row.rows if isinstance(row, Matrix) else [row])]
        runs = [run for line in lines for run in line]
        if all(run.color == box.fill for run in runs):
            found.append(box.id)
    return found


def test_each_operation_has_a_step_in_reverse_with_its_rule_and_the_names() -> None:
    captions = [step.caption for step in graph().steps()]
    assert captions == [
        "start: g, the gradient that arrives, is 1 at loss",
        "1  mean repeats g ÷ (number of items): from loss to the result of cross_entropy",
        "2  cross_entropy passes g × (softmax(x) − onehot(target)): from the result of cross_entropy to y"
        " (t needs none)",
        "3  relu passes g where out > 0, else 0: from y to the result of +",
        "4  + passes g to both inputs: from the result of + to the result of @ and b",
        "5  @ passes g @ rightᵀ to the left, leftᵀ @ g to the right: from the result of @ to W (x needs none)",
    ]


def test_gradients_appear_one_after_the_other() -> None:
    made = graph().steps()
    assert [len(hidden(step.view)) for step in made] == [6, 5, 4, 3, 1, 0]
    assert hidden(made[0].view) == ["t0", "t1", "t3", "t4", "t5", "t7"]
    for step in made[1:]:
        (active,) = [box.id for box in step.view.boxes if box.fill == "#FDE3D6"]
        assert active == step.node
        assert {link.head if link.head != active else link.tail for link in step.view.links if link.active}


def test_a_sum_appears_only_when_all_its_parts_are_there() -> None:
    made = graph(fan_out).steps()  # d = a + a × b: first +, then ×
    assert ["t0" in hidden(step.view) for step in made] == [True, True, False]
    labels = [[link.label[0].color for link in step.view.links if link.label] for step in made]
    assert [colors.count("#FFFFFF") for colors in labels] == [2, 1, 0]


def test_the_picture_itself_stays_as_it_was() -> None:
    one = graph()
    before = one.dot
    one.steps()
    assert one.dot == before


@needs_dot
@pytest.mark.parametrize("name", SAMPLES)
def test_all_frames_have_the_same_size(name: str) -> None:
    one = graph(SAMPLES[name])
    boxes = {re.search(r'viewBox="([^"]*)"', one._svg(step.view)).group(1) for step in one.steps()}
    assert len(boxes) == 1


@pytest.mark.parametrize("backend", ["auto", "builtin"])
@pytest.mark.filterwarnings("ignore:Graphviz")
def test_the_moving_svg_has_every_frame_and_no_script(tmp_path: Path, backend: str) -> None:
    one = graph(backend=backend)
    one.save(tmp_path / "g.svg", animate=True)
    text = (tmp_path / "g.svg").read_text()
    root = ET.fromstring(text)
    assert not list(root.iter(SVG + "script")) and "href=" not in text.replace("xlink:href", "") and " id=" not in text
    ranges = {e.get("class") for e in root.iter(SVG + "g") if re.fullmatch(r"s\d+_\d+", e.get("class") or "")}
    assert all(f"@keyframes {name}{{" in text and f".{name}{{" in text for name in ranges)
    shown = [{r for r in ranges if int(r[1:].split("_")[0]) <= k <= int(r.split("_")[1])} for k in range(6)]
    assert all(a != b for a, b in pairwise(shown))  # each step looks different
    assert len(text) < 100_000 and "prefers-reduced-motion" in text


@needs_dot
def test_each_step_of_the_moving_svg_is_that_frame() -> None:
    one = graph()
    frames = [one._svg(step.view) for step in one.steps()]
    root = ET.fromstring(animated(frames))

    def texts(tree, step: int) -> list[str]:
        found, stack = [], [tree]
        while stack:
            element = stack.pop()
            name = re.fullmatch(r"s(\d+)_(\d+)", element.get("class") or "")
            if name and not int(name[1]) <= step <= int(name[2]):
                continue
            if element.tag == SVG + "text":
                found.append((element.text, element.get("fill"), element.get("x"), element.get("y")))
            stack.extend(element)
        return sorted(found, key=str)

    for k, frame in enumerate(frames):
        assert texts(root, k) == texts(ET.fromstring(frame), k)


@needs_dot
def test_gif(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    graph(fan_out).save(tmp_path / "g.gif")
    moving = image.open(io.BytesIO((tmp_path / "g.gif").read_bytes()))
    assert moving.n_frames == 3 and moving.info["duration"] == 2000


def test_where_there_are_no_steps_it_says_why(tmp_path: Path) -> None:
    output, names = layer()
    with pytest.raises(ValueError, match="call backward"):
        draw_graph(output, names=names).steps()
    with pytest.raises(ValueError, match='style="wire"'):
        graph(lambda: deep(10)).steps()
    with pytest.raises(ValueError, match="more than 40"):
        graph(lambda: deep(10), style="wire").steps()
    with pytest.raises(ValueError, match="do not move"):
        graph().save(tmp_path / "g.png", animate=True)
    assert not list(tmp_path.iterdir())
