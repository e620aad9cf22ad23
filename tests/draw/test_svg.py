"""The built-in layout: well-formed, nothing overlaps, links run from left to right."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
from draw.samples import SAMPLES, fan_out
from draw.test_units import deep, net, texts
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph
from autograd_mini.draw.layout import INNER, Place, place, row_size
from autograd_mini.draw.svg import to_svg

SVG = "{http://www.w3.org/2000/svg}"


def wide():
    """Many tensors into one sum, some of them used again later."""
    xs = [am.tensor([float(i)], requires_grad=True) for i in range(9)]
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    out = (am.cat([*xs, total]) * total * xs[0]).sum()
    return out, {f"x{i}": x for i, x in enumerate(xs)}


def overlap(a: Place, b: Place) -> bool:
    return (
        a.x < b.x + b.width and b.x < a.x + a.width and a.y - a.above < b.y + b.below and b.y - b.above < a.y + a.below
    )


@pytest.mark.parametrize("make", [*SAMPLES.values(), wide])
@pytest.mark.parametrize("backward", [False, True])
def test_no_two_boxes_or_labels_overlap_and_links_run_to_the_right(make, backward: bool) -> None:
    output, names = make()
    if backward:
        output.backward()
    placed = place(draw_graph(output, names=names).view)
    solid = [p for p in placed.places if p.box is not None or p.label]
    assert len(solid) > 5
    for a, b in itertools.combinations(solid, 2):
        assert not overlap(a, b), (a.box, b.box)
    for _, route in placed.routes:
        assert all(a.x + a.width < b.x for a, b in itertools.pairwise(route))
    assert all(p.x >= 0 and p.x + p.width <= placed.width + 1e-6 for p in placed.places)
    assert all(p.y - p.above >= -1e-6 and p.y + p.below <= placed.height + 1e-6 for p in placed.places)


@pytest.mark.parametrize("make", [*SAMPLES.values(), wide])
def test_it_is_well_formed_and_shows_every_text(make) -> None:
    output, names = make()
    output.backward()
    view = draw_graph(output, names=names).view
    root = ET.fromstring(to_svg(view))
    assert root.tag == SVG + "svg" and root.get("role") == "img" and root.find(SVG + "title").text == view.title
    texts = {"".join(t.itertext()) for t in root.iter(SVG + "text")}
    for box in view.boxes:
        for row in box.rows:
            if isinstance(row, list):
                assert "".join(run.text for run in row) in texts
    for link in view.links:
        if isinstance(link.label, list) and link.label:
            assert link.label[0].text in texts
    assert not list(root.iter(SVG + "script")) and not list(root.iter(SVG + "a"))


def test_an_empty_legend_and_title() -> None:
    output, names = fan_out()
    ET.fromstring(draw_graph(output, names=names, title="", legend=False, backend="builtin").svg())


@given(st.text(max_size=30))
def test_any_name_is_shown_and_is_no_markup(name: str) -> None:
    output, names = fan_out()
    plain = ET.fromstring(draw_graph(output, names=names, title="t", backend="builtin").svg())
    root = ET.fromstring(draw_graph(output, names={**names, name: names["a"]}, title=name, backend="builtin").svg())
    assert len(list(root.iter())) - len(list(plain.iter())) in (0, -2, -1)  # without a title two elements are missing


def test_chains_are_straight() -> None:
    y = x = am.tensor([1.0], requires_grad=True)
    for _ in range(5):
        y = y.exp().tanh()
    placed = place(draw_graph(y, names={"x": x}).view)
    assert len({round(p.y, 6) for p in placed.places}) == 1


def lanes():
    x = am.tensor(0.5, requires_grad=True)
    (first,) = am.autograd.grad(x.tanh(), x, create_graph=True)
    (second,) = am.autograd.grad(first, x, create_graph=True)
    return draw_graph([first, second], names={"x": x})


FRAMED = {
    "repeat": lambda: draw_graph(deep(9)[0], names={}),
    "down": lambda: draw_graph(net()[0], names={}, style="module"),
    "open": lambda: draw_graph(net(2)[0], names={}, style="module", depth=2),
    "lanes": lanes,
}


@pytest.mark.parametrize("name", FRAMED)
def test_frames_hold_their_boxes_and_nothing_else(name: str) -> None:
    view = FRAMED[name]().view
    placed = place(view)
    assert view.down == (name in ("down", "open"))
    frames = [p for p in placed.places if p.frame is not None]
    boxes = [p for p in placed.places if p.box is not None]
    assert len(boxes) == len(view.boxes) and len(frames) >= 1
    for f in frames:
        inside, stack = set(), [f.frame]
        while stack:
            inner = stack.pop()
            inside |= set(inner.boxes)
            stack += inner.frames
        for p in boxes:
            within = (
                f.x < p.x and p.x + p.width < f.x + f.width and f.y - f.above < p.y - p.above
                and p.y + p.below < f.y + f.below
            )  # fmt: skip
            assert within == (p.box.id in inside) and (within or not overlap(f, p)), (f.frame.id, p.box.id)
    for a, b in itertools.combinations(boxes, 2):
        assert not overlap(a, b), (a.box, b.box)
    for link, route in placed.routes:
        assert (route[0].box.id, route[-1].box.id) == (link.tail, link.head)
        for a, b in itertools.pairwise(route):
            assert (a.y + a.below <= b.y - b.above + 1e-6) if view.down else (a.x + a.width <= b.x + 1e-6)
    root = ET.fromstring(to_svg(view))
    assert sum(g.get("class") == "cluster" for g in root.iter(SVG + "g")) == len(frames)


def test_wires_that_come_in_do_not_cross_the_text_of_a_frame() -> None:
    entries = 0
    for p in (p for p in place(FRAMED["open"]().view).places if p.frame is not None):
        sizes = [row_size(row) for row in p.frame.rows]
        left, bottom = p.x + p.text, p.y - p.above + INNER / 2 + sum(height for _, height in sizes)
        right = left + max(width for width, _ in sizes)
        for q in p.scope.places:
            assert q.box is None or q.y - q.above > bottom
            if q.port and q.after:
                assert q.cross < left or q.cross > right
                entries += 1
        assert p.x < left and right < p.x + p.width
    assert entries >= 2


def test_wires_run_straight_through_frames_and_downwards() -> None:
    layers = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3))
    x = am.ones(1, 3, requires_grad=True)
    view = draw_graph(layers(x), layers, {"x": x}, style="module", expand=("0", "2")).view
    placed = place(view)
    assert len(view.frames) == 2 and view.down
    assert len({round(p.cross, 6) for _, route in placed.routes for p in route}) == 1
    edges = [g for g in ET.fromstring(to_svg(view)).iter(SVG + "g") if g.get("class") == "edge"]
    assert len(edges) == len(view.links)
    for edge in edges:
        lines = [p.get("d") for p in edge.iter(SVG + "path") if p.get("fill") == "none"]
        points = [tuple(map(float, at)) for at in re.findall(r"(-?[\d.]+) (-?[\d.]+)", "".join(lines))]
        assert {x for x, _ in points} == {points[0][0]} and points[0][1] < points[-1][1]


def test_a_module_that_is_used_twice_has_a_frame_for_each_use() -> None:
    """One frame around both would need the results of what stands between them."""
    am.manual_seed(0)
    shared, other = nn.Linear(3, 3), nn.Linear(3, 3)
    net = nn.Sequential(shared, other, shared)
    view = draw_graph(net(am.ones(1, 3)).sum(), params=net, names={}, style="module", depth=2).view
    assert [texts(frame.rows).split()[1] for frame in view.frames] == ["0", "1", "0"]
    frames = [p for p in place(view).places if p.frame is not None]
    assert len(frames) == 3 and not any(overlap(a, b) for a, b in itertools.combinations(frames, 2))


def test_fifty_layers_do_not_drift() -> None:
    """Height stays that of a few boxes, however long the graph is."""
    h = am.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(50):
        h = h + (h * am.tensor([0.5, 0.5], requires_grad=True)).tanh()
    one = am.tensor([1.0, 2.0], requires_grad=True)
    short = one + (one * am.tensor([0.5, 0.5], requires_grad=True)).tanh()
    assert place(draw_graph(h, names={}, style="wire").view).height < 3 * place(draw_graph(short, names={}).view).height
