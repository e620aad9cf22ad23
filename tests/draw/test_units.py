"""Folding: repeats and modules; every operation is in one box, and the strips say what the boxes do not."""

from __future__ import annotations

import math
import subprocess
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from draw.samples import needs_dot, residual
from draw.test_dot import rendered

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph
from autograd_mini.draw.model import read
from autograd_mini.draw.options import Options
from autograd_mini.draw.repeats import find_repeats, template
from autograd_mini.draw.units import plan
from autograd_mini.draw.view import Strip


def deep(layers: int = 50):
    """A loop of residual layers: 6 operations each, and a sum."""
    rng = np.random.default_rng(0)
    h = am.tensor(rng.normal(size=(2, 4)), requires_grad=True)
    names = {"h0": h}
    for i in range(layers):
        names[f"W{i}"] = am.tensor(rng.normal(size=(4, 4)) * 0.3, requires_grad=True)
        names[f"b{i}"] = am.tensor(np.zeros(4), requires_grad=True)
        h = (h @ names[f"W{i}"] + names[f"b{i}"]).tanh() * 0.9 + h * 0.1
    names["z"] = h.sum()
    return names["z"], names


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 4)

    def forward(self, x: am.Tensor) -> am.Tensor:
        return x + self.fc2(self.fc1(x).relu())


class Net(nn.Module):
    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block() for _ in range(blocks)])
        self.head = nn.Linear(4, 2)

    def forward(self, x: am.Tensor) -> am.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def net(blocks: int = 8):
    am.manual_seed(0)
    model = Net(blocks)
    x, t = am.randn(3, 4), am.tensor([0, 1, 0])
    loss = nn.functional.cross_entropy(model(x), t)
    loss.backward()
    return loss, model, {"x": x, "t": t, "loss": loss}


def texts(rows) -> str:
    return " ".join(run.text for row in rows if isinstance(row, list) for run in row).replace("\u00a0", "")


def test_301_operations_are_7_boxes() -> None:
    z, names = deep()
    z.backward()
    graph = draw_graph(z, names=names)
    assert "301 operations shown as 7" in graph.view.title and graph.model.hidden == 0
    assert [b.id for b in graph.view.boxes if b.id[0] == "u"] == [f"u{i}" for i in range(7)]
    (frame,) = graph.view.frames
    said = texts(frame.rows)
    assert "× 50" in said and "W (4, 4), b (4,) each · 1,000 parameters · 300 operations" in said
    assert {"u0", "u1", "u2", "u3", "u4", "u5"} < set(frame.boxes)
    assert "to the next, 49 times" in graph.dot
    assert "h0" in graph.dot and "301 operations" in draw_graph(z, names=names, backend="builtin").svg()


def test_the_strips_show_the_norms_of_every_layer() -> None:
    z, names = deep(10)
    z.backward()
    (frame,) = draw_graph(z, names=names).view.frames
    forward, handed, params = (row for row in frame.rows if isinstance(row, Strip))
    assert all(len(strip.cells) == 10 for strip in (forward, handed, params))
    norms = [math.hypot(*(np.linalg.norm(names[f"{k}{i}"].grad.numpy()) for k in "Wb")) for i in (0, 9)]
    assert params.ends.text == " ← ".join(f"{norm:.3g}" for norm in norms)
    assert "VANISHING  gradient shrinks by a factor of" in texts(frame.rows)
    assert handed.cells[0] < handed.cells[-1]  # darker where the gradient is smaller
    before, _ = deep(10)
    (frame,) = draw_graph(before, names={}).view.frames
    assert "‖∂L/∂h‖: not run" in texts(frame.rows)


def test_every_operation_is_in_exactly_one_unit() -> None:
    for make in (deep, residual, lambda: net()[:2]):
        model, _ = read([make()[0]])
        for fold in (True, False):
            made = plan(model, Options(fold=fold))
            ops = sorted(op for unit in made.units for copy in unit.copies for op in copy)
            assert ops == list(range(len(model.ops)))
            assert all(n in [op for copy in made.units[u].copies for op in copy] for n, u in enumerate(made.unit_of))


def test_a_repeat_begins_where_fewest_tensors_are_handed_on() -> None:
    x = am.tensor(np.ones((2, 2)), requires_grad=True)
    h = x.exp() + x  # a sum before the first layer looks like the end of one
    for _ in range(4):
        h = h * 0.5 + h.sin().tanh()
    model, _ = read([h.tanh().sum()])
    (repeat,) = find_repeats(model)
    assert (repeat.period, repeat.count) == (4, 4) and model.ops[repeat.start].name in ("mul", "sin")


@pytest.mark.parametrize("different", ["constant", "shape", "wiring", "option"])
def test_what_differs_is_not_folded(different: str) -> None:
    x = h = am.tensor(np.ones((2, 2)), requires_grad=True)
    for i in range(6):
        odd = i % 2 * (i // 2 + 1)
        h = h * (0.5 + odd if different == "constant" else 0.5)
        h = (h.sum(axis=odd % 2, keepdims=True) + x) if different == "option" else h.tanh()
        h = h + (x if different == "wiring" and i == 3 else h)
        if different == "shape":
            h = am.cat([h, x])
            x = h
    model, _ = read([h])
    covered = sum(r.period * (r.count - 1) for r in find_repeats(model))
    assert covered < len(model.ops) * 2 // 3
    for r in find_repeats(model):
        for k in range(r.period):
            same = [model.ops[r.start + k + c * r.period] for c in range(r.count)]
            assert len({(op.name, tuple(o.constant for o in op.operands), str(op.options)) for op in same}) == 1


def test_templates_of_module_paths() -> None:
    assert template("layers.3.fc1") == template("layers.12.fc1") == "layers.#.fc1" != template("layers.3.fc2")


def test_modules_are_cards_with_parameters_and_norms() -> None:
    loss, model, names = net(1)
    graph = draw_graph(loss, model, names, style="module")
    cards = {box.id: texts(box.rows) for box in graph.view.boxes if box.shape == "card"}
    assert len(cards) == 2 and graph.view.down
    blocks, head = cards.values()
    assert "⊞ blocks" in blocks and "⊞ head  Linear(in_features=4, out_features=2, bias=True)" in head
    norm = np.linalg.norm(model.head.weight.grad.numpy())
    assert "weight (2, 4), bias (2,) · 10" in head and f"‖g‖ {norm:.3g}" in head
    assert "shown as 4" in graph.view.title


def test_modules_can_be_opened() -> None:
    loss, model, names = net(1)
    deeper = draw_graph(loss, model, names, style="module", depth=2).view  # a list of modules is no level of its own
    frames = ["⊟ blocks  ModuleList 76 parameters", "⊟ head  Linear 10 parameters"]
    assert [texts(f.rows) for f in deeper.frames] == frames
    (inner,) = deeper.frames[0].frames
    assert texts(inner.rows) == "⊟ blocks.0  Block 76 parameters" and len(inner.boxes) == 4
    opened = draw_graph(loss, model, names, style="module", expand=("blocks.0", "head")).view
    assert [b.id for b in opened.boxes] == [b.id for b in deeper.boxes]
    head = draw_graph(loss, model, names, style="module", expand=("head",)).view
    assert [texts(f.rows) for f in head.frames] == frames


def test_a_network_of_modules_is_folded_sooner_than_bare_operations() -> None:
    """Fourteen boxes with all their values side by side are too wide to be read."""
    x = am.randn(2, 3)
    bare = weight = am.ones(3, requires_grad=True)
    for _ in range(7):
        bare = (bare * x).tanh()
    modules = nn.Sequential(*(layer for _ in range(7) for layer in (nn.Linear(3, 3), nn.Tanh())))
    styles = [{box.shape for box in draw_graph(y.sum(), names={}).view.boxes} for y in (bare, modules(x * weight))]
    assert ["card" in shapes for shapes in styles] == [False, True]


def test_a_model_of_blocks_is_its_blocks_and_their_details_stay_inside() -> None:
    """Not the list as one card, nor the three heads of each attention as a repeat of their own; no box for a mask."""
    am.manual_seed(0)
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2)
    loss = (model(am.randn(5, 1, 8)) ** 3).mean()
    loss.backward()
    view = draw_graph(loss, model, {"loss": loss}, style="module").view
    cards = [texts(box.rows).split()[1] for box in view.boxes if box.shape == "card"]
    assert cards == ["layers.0", "layers.1"] and not any("unknown" in texts(box.rows) for box in view.boxes)
    assert [texts(f.rows) for f in view.frames] == ["⊟ layers  ModuleList 1,200 parameters"]


def test_repeated_modules_are_one_frame_with_their_path() -> None:
    loss, model, names = net(8)
    graph = draw_graph(loss, model, names)  # 35 operations: auto folds
    (frame,) = graph.view.frames
    assert "× 8 blocks[0 … 7]" in texts(frame.rows) and "608 parameters" in texts(frame.rows)
    inside = [texts(b.rows) for b in graph.view.boxes if b.id in frame.boxes and b.shape == "card"]
    assert [text.split()[1] for text in inside] == ["fc1", "fc2"]


def test_auto_shows_every_tensor_of_small_graphs_and_of_what_does_not_fold() -> None:
    small, names = residual()
    assert not draw_graph(small, names=names).view.frames
    y = am.tensor(1.5, requires_grad=True)
    for i in range(40):
        y = y * (1 + i / 100)
    assert len(draw_graph(y, names={}).view.boxes) == 81
    assert len(draw_graph(deep(10)[0], names={}, style="wire").model.ops) == 61


def test_problems_inside_a_repeat_are_counted_at_its_box() -> None:
    z, names = deep()
    z.backward()
    graph = draw_graph(z, names=names)
    small = sum(p.where.startswith("W") for p in graph.check())
    assert small > 5 and f"vanishing × {small}" in graph.dot


def test_too_much_even_folded_is_cropped_and_said() -> None:
    z, names = deep(10)
    graph = draw_graph(z, names=names, max_ops=5)
    assert graph.model.hidden == 56 and "+ 56 ops" in graph.dot


@needs_dot
@pytest.mark.parametrize("make", [deep, lambda: net()[::2], lambda: net(2)[::2]])
def test_graphviz_sees_every_box_link_and_frame(make) -> None:
    output, names = make()
    graph = draw_graph(output, names=names, style="module")
    seen = rendered(graph)
    nodes = [o["name"] for o in seen["objects"] if not o["name"].startswith(("cluster", "%"))]
    headers = [f"h{frame.id}" for frame in graph.view.frames if graph.view.down]  # in boxes of their own
    assert sorted(nodes) == sorted([box.id for box in graph.view.boxes] + headers)
    assert sum(o["name"].startswith("cluster") for o in seen["objects"]) == len(graph.view.frames)
    drawn = [edge for edge in seen["edges"] if edge.get("style") != "invis"]
    assert len(drawn) == len(graph.view.links)
    assert subprocess.run(["dot", "-Tsvg"], input=graph.dot.encode(), capture_output=True, check=True).stderr == b""


@pytest.mark.parametrize("make", [deep, lambda: net()[::2]])
def test_the_builtin_layout_draws_it_too(make) -> None:
    output, names = make()
    graph = draw_graph(output, names=names, style="module", backend="builtin")
    root = ET.fromstring(graph.svg())
    shown = " ".join("".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text"))
    assert "shown as" in shown and "×" in shown and ("tanh" in shown or "fc1" in shown)


@pytest.mark.parametrize("wrong", [{"style": "card"}, {"depth": 0}, {"min_repeats": 1}])
def test_options_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        draw_graph(residual()[0], names={}, **wrong)
