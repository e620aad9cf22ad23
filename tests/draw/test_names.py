"""Names: whose count first, and that none can do harm."""

from __future__ import annotations

import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph
from autograd_mini.draw.names import clean


def names_of(graph) -> list[str]:
    return [w.name for w in graph.model.wires]


def test_the_callers_variables_are_the_default() -> None:
    weight = am.tensor([1.0, 2.0], requires_grad=True)
    data = am.tensor([3.0, 4.0])
    loss = (weight * data).sum()
    assert names_of(draw_graph(loss)) == ["weight", "data", "", "loss"]
    assert names_of(loss.graph()) == ["weight", "data", "", "loss"]
    assert names_of(draw_graph(loss, names={})) == ["", "", "", ""]


def test_explicit_names_come_before_parameters_and_these_before_variables() -> None:
    model = nn.Linear(2, 1)
    mine = model.weight
    loss = model(am.tensor([[1.0, 2.0]])).sum()
    assert names_of(draw_graph(loss))[:2] == ["weight", "bias"]
    assert names_of(draw_graph(loss, params={"fc.weight": mine}))[:2] == ["fc.weight", "bias"]
    assert names_of(draw_graph(loss, params=model, names={"W": mine}))[:2] == ["W", "bias"]


def test_two_names_of_one_tensor() -> None:
    W = V = am.tensor(1.0, requires_grad=True)
    assert names_of(draw_graph(W * 2))[0] == "W (= V)"
    assert V is W


def test_private_variables_are_no_names() -> None:
    _hidden = am.tensor(1.0, requires_grad=True)
    assert names_of(draw_graph(_hidden * 2))[0] == ""


@pytest.mark.parametrize("params", [[3], "ab", [("a", 1)]])
def test_what_params_may_be(params: object) -> None:
    with pytest.raises(TypeError, match="params"):
        draw_graph(am.tensor(1.0, requires_grad=True) * 2, params=params)


def test_tensors_as_params_need_no_names() -> None:
    a = am.tensor(1.0, requires_grad=True)
    assert names_of(draw_graph(a * 2, params=[a], names={}))[0] == "params[0]"


def test_clean_replaces_what_cannot_be_shown_and_cuts_in_the_middle() -> None:
    assert clean("a\0b\x1b\ud800\u2028c\nd") == "a\ufffdb\ufffd\ufffd\ufffdc\nd"
    assert clean("x" * 5000, 80) == "x" * 40 + "…" + "x" * 40


def test_one_that_needs_no_gradient_does_not_hide_that_others_have_no_path() -> None:
    a = am.tensor(1.0, requires_grad=True)
    params = {"a": a, "lost": am.tensor(2.0, requires_grad=True), "mask": am.tensor(3.0)}
    assert "some parameters have no path" in draw_graph(a * 2, params).text()
    assert "no path" not in draw_graph(a * 2, {"a": a, "mask": params["mask"]}).text()


def test_modules_that_only_hold_others_have_their_class() -> None:
    block = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net = nn.Sequential(block, nn.Linear(2, 1))
    loss = net(am.ones(1, 2)).sum()
    folded = draw_graph(loss, net, names={}, style="module")
    assert folded.model.modules["0"] == "Sequential"
    assert "⊞ 0" in folded.dot and "Sequential" in folded.dot
    assert "Sequential" in draw_graph(loss, style="module").dot  # found among the variables of the caller
    assert "0" not in draw_graph(loss, block, names={}).model.modules  # its paths begin elsewhere
