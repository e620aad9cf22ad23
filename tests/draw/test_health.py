"""`Graph.check`: every kind of problem is found where it arises, and a healthy graph has none."""

from __future__ import annotations

import numpy as np
import pytest
from draw.samples import SAMPLES

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
INFINITE = am.tensor([float("inf"), -float("inf")])


def leaf(*values: float) -> am.Tensor:
    return am.tensor(list(values), requires_grad=True)


def kinds(graph) -> list[tuple[str, str]]:
    return [(p.kind, p.node) for p in graph.check()]


@pytest.mark.parametrize("name", SAMPLES)
def test_healthy_graphs_have_no_problem(name: str) -> None:
    output, names = SAMPLES[name]()
    assert "backward has not run" in str(draw_graph(output, names=names).check())
    output.backward()
    found = draw_graph(output, names=names).check()
    assert list(found) == [] and str(found) == "no problem found"


def test_the_first_nan_is_named_with_its_cause_and_followers_are_not() -> None:
    x = leaf(4.0, 1.0, 3.0, 2.5)
    loss = (x - 2).sqrt().sqrt().sum()
    loss.backward()
    graph = draw_graph(loss, names={"x": x})
    (problem,) = graph.check()
    assert (problem.kind, problem.node, problem.where) == ("bad value", "n1", "t2 = sqrt(t1)")
    assert "sqrt(−1) = nan at [1], 1 of 4: sqrt of a negative number" in problem.hint
    assert "2 tensors after it follow" in problem.hint
    marked = [box.id for box in graph.view.boxes if box.weight == 4.0]
    assert marked == ["n1"] and "nan or inf begins here" in graph.dot and "sqrt(−1) = nan at [1]" in graph.dot
    assert "begins here" not in draw_graph(loss, names={}, marks=False).dot


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x / (x - 2), "div(2, 0) = inf at [1]"),
        (lambda x: (x - 2).log(), "log(−1) = nan at [0]"),
        (lambda x: (x * 1000).exp(), "exp(1000) = inf at [0], 2 of 2: exp is too large for its dtype"),
        (lambda x: (x / 0.0) - (x / 0.0), "div(1, 0) = inf at [0]"),
        (lambda x: x @ INFINITE, "nan: matmul made it of inputs that were none"),
    ],
)
def test_causes(function, said: str) -> None:
    x = leaf(1.0, 2.0)
    found = draw_graph(function(x), names={}).check()
    assert found[0].kind == "bad value" and said in found[0].hint


def test_a_cause_that_is_not_kept_is_not_made_up() -> None:
    (problem,) = draw_graph((leaf(1.0, 2.0) * 1000).exp(), names={}).check()
    assert "exp(?) = inf at [0], 2 of 2 (or before it, where values are not kept)" in problem.hint


def test_an_infinity_that_was_given_is_no_problem_until_it_becomes_nan() -> None:
    x, mask = leaf(1.0, 2.0), am.tensor([0.0, -float("inf")])
    assert kinds(draw_graph((x + mask).softmax(0).sum(), names={})) == []
    assert kinds(draw_graph((x + mask) * 0.0, names={})) == [("bad value", "n1")]


def test_a_nan_in_a_leaf_is_blamed_on_the_leaf() -> None:
    x = leaf(1.0, float("nan"))
    (problem,) = draw_graph((x * 2).sum(), names={"x": x}).check()
    assert (problem.kind, problem.where) == ("bad value", "x") and "1 of 2 items are nan already" in problem.hint


def test_a_bad_gradient_of_good_values_is_named_at_its_rule() -> None:
    x = leaf(0.0, 4.0)
    loss = (x * 1.0).sqrt().sum()
    loss.backward()
    (problem,) = draw_graph(loss, names={"x": x}).check()
    assert (problem.kind, problem.node) == ("bad gradient", "n1")
    assert "1 of 2 items of the gradient of t1" in problem.hint and "slope of sqrt at 0 is infinite" in problem.hint
    x.grad = am.tensor([float("nan"), 7.0])  # nothing explains it: the leaf is named
    (problem,) = draw_graph(loss, names={"x": x}).check()
    assert (problem.kind, problem.where) == ("bad gradient", "x") and "trace_backward" in problem.hint


def test_vanishing_exploding_zero_and_unconnected() -> None:
    small, large, zero, lost, usual = (leaf(1.0, 2.0) for _ in range(5))
    mask = am.tensor([0.0, 0.0])
    masked = (zero * 3.0) * mask
    loss = (small * 1e-9 + large * 1e5 + masked + usual).sum()
    loss.backward()
    names = {"small": small, "large": large, "zero": zero, "usual": usual}
    graph = draw_graph(loss, {"lost": lost}, names)
    found = {p.where: p for p in graph.check()}
    assert {k: p.kind for k, p in found.items()} == {
        "small": "vanishing", "large": "exploding", "zero": "zero gradient", "lost": "no path",
    }  # fmt: skip
    assert "= mul(" in found["zero"].hint and "passes on zeros only" in found["zero"].hint
    dot = graph.dot
    assert all(word in dot for word in ("▼ vanishing", "▲ exploding", "○ zero gradient", "∅ no path"))
    assert {p.kind for p in graph.check(vanishing=0, exploding=1e9)} == {"zero gradient", "no path"}


def test_gradients_that_cancel_are_blamed_on_no_operation() -> None:
    x = leaf(1.0, 2.0)
    loss = (x * 2 - x * 2).sum()
    loss.backward()
    (problem,) = draw_graph(loss, names={"x": x}).check()
    assert (problem.kind, problem.hint) == ("zero gradient", "all 2 items are exactly 0")


def test_dead_relus() -> None:
    am.manual_seed(0)
    layer = nn.Linear(3, 4)
    with am.no_grad():
        layer.bias[:3] = -100.0
    x = am.randn(16, 3)
    loss = layer(x).relu().sum()
    loss.backward()
    (problem,) = draw_graph(loss, params=layer, names={}).check()
    assert problem.kind == "dead relu" and "3 of 4 units are 0 for all 16 samples" in problem.hint
    assert draw_graph(loss, params=layer, names={}).check(dead=0.8) == []
    few = layer(x[:4]).relu().sum()
    assert draw_graph(few, names={}).check() == []  # of 4 samples nobody can tell


def test_what_could_not_be_looked_at_is_said() -> None:
    y = leaf(1.0)
    for _ in range(30):
        y = y * 1.0
    text = str(draw_graph(y, names={}, max_ops=10, style="wire").check())
    assert "not checked: the first 20 operations" in text and "backward has not run" in text


def test_looking_changes_nothing() -> None:
    x = leaf(4.0, -1.0)
    loss = x.sqrt().sum()
    loss.backward()
    before = x.grad.numpy().copy()
    with np.errstate(all="raise"):  # and warns of nothing
        draw_graph(loss, names={}).check()
    np.testing.assert_array_equal(x.grad.numpy(), before)
