"""DOT text: the same bytes every time, and every name literally, whatever is in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from draw.samples import GRAPHS, SAMPLES, fan_out, golden_dict, layer, needs_dot
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.draw import Graph, draw_graph
from autograd_mini.draw.names import clean
from autograd_mini.primitive import PRIMITIVES

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = [
    'a"b', "a\\", 'W"]; evil [label="x', "\\N", "\\G\\L", "a\nb", "<b>bold</b>", "</TABLE>>]; evil", "&amp;", "a\0b",
    "\x1b[31m", "x" * 5000, "\ud800", "<script>alert(1)</script>", "", " ", "  two  ", "重み", "a\rb", "}", "//", "#",
]  # fmt: skip


def rendered(graph: Graph) -> dict[str, list[dict[str, object]]]:
    """What Graphviz itself understands of the text."""
    done = subprocess.run(["dot", "-Tjson"], input=graph.dot.encode(), capture_output=True, check=True, timeout=60)
    assert not done.stderr, done.stderr
    return json.loads(done.stdout)


def texts_of(thing: dict[str, object]) -> str:
    return "".join(step["text"] for step in thing.get("_ldraw_", []) if step["op"] == "T")


@pytest.mark.parametrize("name", ["layer", "fan_out"])
def test_golden_dot(name: str) -> None:
    output, names = SAMPLES[name]()
    output.backward()
    assert draw_graph(output, names=names).dot == (GOLDEN / f"{name}.dot").read_text()


@pytest.mark.parametrize("name", GRAPHS)
def test_golden_folds_frames_and_lanes(name: str) -> None:
    graph = GRAPHS[name]()
    assert graph.dot == (GOLDEN / f"{name}.dot").read_text()
    assert golden_dict(graph) == json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.mark.parametrize("name", SAMPLES)
def test_golden_text(name: str) -> None:
    output, names = SAMPLES[name]()
    output.backward()
    assert draw_graph(output, names=names).text() + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_two_processes_with_different_hash_seeds_write_the_same_bytes() -> None:
    code = (
        "from draw.samples import GRAPHS, SAMPLES; from autograd_mini.draw import draw_graph\n"
        "from autograd_mini.draw.svg import to_svg\n"
        "for draw in GRAPHS.values(): g = draw(); print(g.dot, g.to_json(), g.model.costs, to_svg(g.view))\n"
        "for make in SAMPLES.values():\n"
        "    output, names = make(); output.backward(); g = draw_graph(output, names=names)\n"
        "    print(g.dot, g.to_json(), g.check(), draw_graph(output, names=names, style='module').dot)\n"
        "    b = draw_graph(output, names=names, backend='builtin'); print(b.svg(), b.html())"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), str(Path(__file__).parents[2])])
    made = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8"},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert made[0] == made[1] and len(made[0]) > 10_000


@pytest.mark.parametrize("name", SAMPLES)
def test_statements_are_lines_and_no_address_of_memory_is_written(name: str) -> None:
    output, names = SAMPLES[name]()
    dot = draw_graph(output, names=names).dot
    assert "0x" not in dot and "\r" not in dot and "URL" not in dot and "HREF" not in dot
    assert all(line.endswith((";", "{", "}")) for line in dot.splitlines())


@needs_dot
@pytest.mark.parametrize("name", SAMPLES)
def test_graphviz_sees_the_boxes_and_links_of_the_view(name: str) -> None:
    output, names = SAMPLES[name]()
    output.backward()
    graph = draw_graph(output, names=names)
    seen = rendered(graph)
    assert [node["name"] for node in seen["objects"]] == [box.id for box in graph.view.boxes]
    assert len(seen["edges"]) == len(graph.view.links)
    model = graph.model
    junctions = sum(len(w.uses) > 1 and w.kind != "input" for w in model.wires)
    assert len(seen["objects"]) == len(model.ops) + len(model.wires) + junctions


@needs_dot
def test_fifty_layers_do_not_drift() -> None:
    def height(layers: int) -> float:
        h = am.tensor([1.0, 2.0], requires_grad=True)
        for _ in range(layers):
            h = h + (h * am.tensor([0.5, 0.5], requires_grad=True)).tanh()
        return float(rendered(draw_graph(h, names={}, title="", legend=False, style="wire"))["bb"].split(",")[3])

    assert height(50) < 2 * height(1)


def check_hostile(name: str) -> None:
    output, names = fan_out()
    plain = rendered(draw_graph(output, names=names))
    a = names["a"]
    seen = rendered(draw_graph(output, names={name: a}, title=name))
    assert [n["name"] for n in seen["objects"]] == [n["name"] for n in plain["objects"]]
    assert [(e["tail"], e["head"]) for e in seen["edges"]] == [(e["tail"], e["head"]) for e in plain["edges"]]
    shown = texts_of(seen["objects"][0])
    expected = clean(name, 80).replace("\n", "").replace("\u00a0", " ").strip()
    assert expected in shown.replace("\u00a0", " ")


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_literally_and_add_nothing(name: str) -> None:
    check_hostile(name)


@needs_dot
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("style", ["wire", "module"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_hostile_names_of_parameters_problems_and_lanes_add_nothing(name: str, style: str) -> None:
    w = am.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    (g,) = am.autograd.grad((w @ w).sqrt().sum(), w, create_graph=True)
    plain = rendered(draw_graph(g, names={"w": w}, style=style))
    seen = rendered(draw_graph(g, names={name: w}, params={name: am.tensor([1.0])}, style=style))
    assert len(seen["objects"]) == len(plain["objects"]) + 1 and len(seen["edges"]) == len(plain["edges"])


@needs_dot
@given(st.text(max_size=20) | st.text("\\\"<>&;[]{}\n\0NGLElT|-=/", max_size=12))
def test_no_name_changes_the_structure(name: str) -> None:
    check_hostile(name)


def test_names_of_operations_and_options_are_literal_too() -> None:
    evil = am.primitive(lambda x, *, how: x * 2, name='evil"\\N<b>', public=False, x=lambda g: g * 2)
    try:
        y = evil(am.tensor(1.0, requires_grad=True), how='"]; more [')
        graph = draw_graph(y, names={})
        assert "evil&quot;\\\\N&lt;b&gt;" in graph.dot and "&quot;]; more [" in graph.dot
        assert "<b>" not in draw_graph(y, names={}, backend="builtin").svg()
    finally:
        del PRIMITIVES['evil"\\N<b>']


def test_what_can_be_switched_off_is_off() -> None:
    loss, names = layer()
    loss.backward()
    assert "0.213" not in draw_graph(loss, names=names, show_grads=False).dot
    values = draw_graph(loss, names=names, show_values=False).dot
    assert "0.125" not in values and "0.234" in values
    assert ">(3, 2)" not in draw_graph(loss, names=names, show_shapes=False).dot.replace("&#160;", "")
    int64 = [draw_graph(loss, names=names, show_dtypes=choice).dot.count("int64") for choice in (None, False)]
    assert int64[0] == int64[1] + 1
    assert draw_graph(loss, names=names, show_dtypes=True).view.boxes[0].rows[0][-1].text.endswith("(3, 2) float32")
    bare = draw_graph(loss, names=names, legend=False, title="")
    assert "yellow" not in bare.dot and "label=\"\"" in bare.dot.splitlines()[1]
    assert "0.47" in draw_graph(loss, names=names, precision=2).dot
