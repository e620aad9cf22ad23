"""Lanes of higher derivatives: one per pass that recorded operations, dashed links between them."""

from __future__ import annotations

import numpy as np
from draw.samples import fan_out, needs_dot
from draw.test_dot import rendered

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph


def tanh_twice():
    x = am.tensor(0.5, requires_grad=True)
    y = x.tanh()
    (first,) = am.autograd.grad(y, x, create_graph=True)
    (second,) = am.autograd.grad(first, x, create_graph=True)
    return x, y, first, second


def graph():
    x, y, first, second = tanh_twice()
    return draw_graph([first, second], names={"x": x, "y": y, "y'": first, "y''": second})


def test_every_pass_has_a_lane_in_the_order_in_which_they_ran() -> None:
    model = graph().model
    assert model.lanes == ["forward", "backward 1, recorded by create_graph", "backward 2, recorded by create_graph"]
    assert [op.lane for op in model.ops] == [0] + [1] * 3 + [2] * 6
    values = {w.name: w.value.seen.rows[0][0] for w in model.wires if w.name}
    t = np.tanh(0.5)
    np.testing.assert_allclose([values["y'"], values["y''"]], [1 - t * t, -2 * t * (1 - t * t)], rtol=1e-6)


def test_frames_hold_every_box_once_and_links_between_them_are_dashed() -> None:
    view = graph().view
    boxes = [name for frame in view.frames for name in frame.boxes]
    assert sorted(boxes) == sorted(box.id for box in view.boxes) and len(view.frames) == 3
    assert [f.rows[0][0].text.split(": ")[1] for f in view.frames] == ["y", "y'", "y''"]
    lane = {name: i for i, frame in enumerate(view.frames) for name in frame.boxes}
    assert [link.again for link in view.links] == [lane[link.tail] != lane[link.head] for link in view.links]
    assert sum(link.again for link in view.links) == 6  # y, twice in backward 1, four times in backward 2


def test_a_second_order_loss_goes_on_forward() -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True)
    (g,) = am.autograd.grad((w * w * w).sum(), w, create_graph=True)
    penalty = (g * g).sum()
    assert draw_graph(penalty, names={}).model.lanes == ["forward", "backward 1, recorded by create_graph", "forward 2"]


def test_modules_and_plain_graphs_have_one_lane_and_no_frame() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    assert draw_graph(net(am.ones(1, 2)).sum(), names={}).model.lanes == ["forward"]
    assert draw_graph(fan_out()[0], names={}).view.frames == []


@needs_dot
def test_graphviz_draws_the_lanes() -> None:
    seen = rendered(graph())
    assert [o["name"] for o in seen["objects"]][:3] == ["cluster_l0", "cluster_l1", "cluster_l2"]
    builtin = tanh_twice()[3].graph(names={}, backend="builtin").svg()
    assert "backward 1, recorded by create_graph" in builtin and "stroke-dasharray" in builtin
