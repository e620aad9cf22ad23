"""The layout stands twice, in Python for files and in JavaScript for pages that fold: both must give the same."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np
import pytest
from draw.browser import CHROMIUM, Browser, browser

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph
from autograd_mini.draw.layout import place, row_size, sized
from autograd_mini.draw.svg import _ends, _link
from autograd_mini.draw.view import Box, Frame, View

BOTH = """(({boxes, frames, links}) => {
  for (const link of links) if (link.label) link.label.draw = () => element("g", {});
  const {places, routes, width, height} = layOut(boxes, frames, links);
  const across = ends(links.map((link, i) => ({link, route: routes[i]})));
  const name = p => p.box ? p.box.id : p.frame ? p.frame.id : p.label ? "label" : p.port ? "port" : "";
  return {
    what: places.map(p => [name(p), p.rank]),
    where: places.map(p => [p.x - p.left, p.y, p.left + p.right, p.h]),
    text: places.filter(p => p.frame).map(p => p.frame.at),
    routes: routes.map(route => route.map(p => places.indexOf(p))),
    size: [width, height],
    wires: links.map((link, i) => drawn(link, routes[i], across[i]).outerHTML),
  };
})"""


class Tangle(nn.Module):
    """Layers and further tangles, each of which reads one or two of the results before it."""

    def __init__(self, rng: np.random.Generator, depth: int) -> None:
        super().__init__()
        count = int(rng.integers(1, 5))
        kinds = rng.random(count) < 0.5
        self.parts = nn.ModuleList(
            [Tangle(rng, depth - 1) if deep and depth else nn.Linear(3, 3, bias=bool(deep)) for deep in kinds]
        )
        self.reads = [rng.integers(0, k + 1, 2).tolist() for k in range(count + 1)]
        self.scale = nn.Parameter(am.ones(3))

    def forward(self, x: am.Tensor) -> am.Tensor:
        known = [x]
        for part, (a, b) in zip(self.parts, self.reads, strict=False):
            known.append(part(known[a] if a == b else known[a].relu() + known[b]))
        a, b = self.reads[-1]
        return known[-1] * self.scale - am.cat([known[a], known[b]], 1)[:, :3]


@functools.cache
def tangled(seed: int) -> View:
    rng = np.random.default_rng(seed)
    am.manual_seed(seed)
    model, x = Tangle(rng, 2), am.ones(2, 3, requires_grad=bool(seed % 2))
    loss = model(model(x) if seed % 5 == 4 else x).sum()
    if seed % 3:
        loss.backward()
    paths = [name for name, _ in model.named_modules() if name and rng.random() < 0.4]
    depth = int(rng.integers(1, 5))
    view = draw_graph(loss, model, {"x": x, "loss": loss}, style="module", depth=depth, expand=paths).view
    view.down = True  # pages run down even where nothing is folded
    return view


def for_the_script(view: View) -> dict[str, Any]:
    """What the script makes of a page's facts, with sizes that are not rounded."""

    def size(rows: list[Any]) -> dict[str, float]:
        sizes = [row_size(row) for row in rows]
        return {"w": max(w for w, _ in sizes), "h": sum(h for _, h in sizes)}

    def plain(box: Box) -> dict[str, Any]:
        p, ring = sized(box, down=True), box.shape in ("circle", "dot")
        size = {"w": p.above + p.below, "h": p.width}
        return {"id": box.id, **size, "slots": len(box.slots), "step": p.step, "round": ring}

    def scope(boxes: list[str], frames: list[Frame]) -> dict[str, Any]:
        inner = [{"id": f.id, "text": size(f.rows), **scope(f.boxes, f.frames)} for f in frames]
        return {"boxes": [known[name] for name in boxes], "frames": inner}

    known = {box.id: plain(box) for box in view.boxes}
    held, stack = set(), list(view.frames)
    while stack:
        frame = stack.pop()
        held |= set(frame.boxes)
        stack += frame.frames
    links = [
        {"tail": x.tail, "head": x.head, "slot": x.slot, "place": x.place, "forward": x.forward, "gradient": x.gradient,
         "label": size([x.label]) if x.label else None}
        for x in view.links if not x.back
    ]  # fmt: skip
    return {**scope([name for name in known if name not in held], view.frames), "links": links}


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as found:
        found.run(resources.files("autograd_mini.draw").joinpath("layout.js").read_text("utf-8"))
        yield found


def numbers(wire: str) -> list[float]:
    paths = re.findall(r' d="([^"]*)"', wire)
    return [float(number) for path in paths for number in re.findall(r"-?[\d.]+", path)]


@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize("seed", range(30))
def test_both_layouts_give_the_same(tab: Browser, seed: int) -> None:
    view = tangled(seed)
    placed = place(view)
    theirs = tab.run(f"{BOTH}({json.dumps(for_the_script(view))})")
    number_of = {p: i for i, p in enumerate(placed.places)}
    names = [
        p.box.id if p.box else p.frame.id if p.frame else "label" if p.label else "port" if p.port else ""
        for p in placed.places
    ]
    assert len(placed.places) > 8
    assert theirs["what"] == [[name, p.rank] for name, p in zip(names, placed.places, strict=True)]
    assert theirs["routes"] == [[number_of[p] for p in route] for _, route in placed.routes]
    ours = [[p.x, p.y - p.above, p.width, p.above + p.below] for p in placed.places]
    np.testing.assert_allclose(theirs["where"], ours, rtol=0, atol=0.1)
    np.testing.assert_allclose(theirs["text"], [p.text for p in placed.places if p.frame], rtol=0, atol=0.1)
    np.testing.assert_allclose(theirs["size"], [placed.width, placed.height], rtol=0, atol=0.1)
    ends = _ends(placed.routes, down=True)
    for i, (link, route) in enumerate(placed.routes):
        wire = _link(link, route, ends[i], down=True)
        np.testing.assert_allclose(numbers(theirs["wires"][i]), numbers(wire), rtol=0, atol=0.11)  # both rounded


def test_the_graphs_of_this_comparison_differ() -> None:
    """Among them are frames in frames, labels, long wires, texts left and right of the wires that come in."""
    views = [tangled(seed) for seed in range(30)]
    places = [p for view in views for p in place(view).places]
    assert sum(any(frame.frames for frame in view.frames) for view in views) > 9
    assert any(p.label for p in places) and any(not (p.box or p.frame or p.label or p.port) for p in places)
    assert len({p.text > 12 for p in places if p.frame}) == 2
