"""Costs against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from draw.samples import layer, needs_dot
from draw.test_dot import rendered
from draw.test_units import deep, texts

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph
from autograd_mini.draw.cost import FORMULAS, Cost, flops, summed
from autograd_mini.primitive import PRIMITIVES

BATCH, IN, HIDDEN, OUT = 32, 784, 512, 10


def mlp():
    am.manual_seed(0)
    model = nn.Sequential(nn.Linear(IN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, OUT))
    images, labels = am.rand(BATCH, IN), am.tensor(np.arange(BATCH) % OUT)
    return nn.functional.cross_entropy(model(images), labels), model, images


def by_name(graph) -> dict[str, list[Cost]]:
    found: dict[str, list[Cost]] = {}
    for op, cost in zip(graph.model.ops, graph.cost().ops, strict=True):
        found.setdefault(op.name, []).append(cost)
    return found


def test_mlp_by_hand() -> None:
    loss, model, _ = mlp()
    graph = draw_graph(loss, params=model, cost=True)
    costs = by_name(graph)
    first, second = costs["linear"]
    product = 2 * BATCH * IN * HIDDEN
    assert first.forward == product + BATCH * HIDDEN == 25_706_496
    assert first.backward == product + BATCH * HIDDEN  # the images need no gradient
    product = 2 * BATCH * HIDDEN * OUT
    assert (second.forward, second.backward) == (product + BATCH * OUT, 2 * product + BATCH * OUT)
    (relu,) = costs["relu"]
    assert (relu.forward, relu.backward, relu.output) == (BATCH * HIDDEN, BATCH * HIDDEN, BATCH * HIDDEN * 4)
    (ce,), (mean,) = costs["softmax_cross_entropy"], costs["mean"]
    assert (ce.forward, ce.backward, ce.output) == (5 * BATCH * OUT, 7 * BATCH * OUT, BATCH * 4)
    assert (mean.forward, mean.backward, mean.output) == (BATCH, 1, 4)
    # The first layer keeps the images, a leaf; relu its result, which is what the second layer keeps; the loss scores.
    assert [c.kept for c in (first, relu, second, ce, mean)] == [0, BATCH * HIDDEN * 4, 0, BATCH * OUT * 4, 0]
    total = graph.cost().total
    assert total.forward == first.forward + relu.forward + second.forward + ce.forward + mean.forward
    assert total.kept == (BATCH * HIDDEN + BATCH * OUT) * 4 and total.exact and total.seconds is None
    assert (graph.cost().parameters, graph.cost().parameter_bytes) == (407_050, 4 * 407_050)


def test_what_backward_has_freed_is_known_all_the_same() -> None:
    loss, model, images = mlp()
    before = draw_graph(loss, params=model, cost=True).cost()
    loss.backward()
    after = draw_graph(loss, params=model, cost=True).cost()
    assert [c.kept for c in after.ops] == [c.kept for c in before.ops]
    images *= 2  # now nothing between can be computed again
    assert draw_graph(loss, params=model, cost=True).cost().total.kept is None


@pytest.mark.parametrize("groups", [1, 2])
def test_convolution_by_hand(groups: int) -> None:
    x, weight = am.rand(5, 4, 9, 8), am.rand(6, 4 // groups, 3, 2, requires_grad=True)
    bias = am.rand(6, requires_grad=True)
    out = nn.functional.conv2d(x, weight, bias, stride=2, padding=1, groups=groups)
    assert out.shape == (5, 6, 5, 5)
    costs = by_name(draw_graph(out, cost=True))
    (conv,) = costs["convolution"]
    by_hand = 2 * (5 * 6 * 5 * 5) * (4 // groups * 3 * 2)
    assert (conv.forward, conv.backward, conv.exact) == (by_hand, by_hand, True)
    (add,) = costs["add"]
    assert (add.forward, add.backward) == (750, 750)  # the gradient of the bias is a sum over batch and pixels
    x.requires_grad_()
    again = nn.functional.conv2d(x, weight, bias, stride=2, padding=1, groups=groups)
    assert by_name(draw_graph(again, cost=True))["convolution"][0].backward == 2 * by_hand


def test_its_transpose_costs_the_same_and_pools_cost_their_taps() -> None:
    y, weight = am.rand(5, 6, 4, 4, requires_grad=True), am.rand(6, 3, 2, 2, requires_grad=True)
    out = nn.functional.conv_transpose2d(y, weight, stride=2)
    (cost,) = by_name(draw_graph(out, cost=True))["conv_transpose"]
    by_hand = 2 * (5 * 6 * 4 * 4) * (3 * 2 * 2)
    assert (cost.forward, cost.backward) == (by_hand, 2 * by_hand)
    pooled = nn.functional.max_pool2d(y, 2)
    assert by_name(draw_graph(pooled, cost=True))["max_pool"][0].forward == 5 * 6 * 2 * 2 * 4


@pytest.mark.parametrize(
    ("x", "y", "by_hand"),
    [((2, 3), (3, 5), 60), ((3,), (3,), 6), ((2, 3), (3,), 12), ((7, 2, 3), (3, 5), 420), ((4, 2, 3), (4, 3, 5), 240)],
)
def test_matmul(x: tuple[int, ...], y: tuple[int, ...], by_hand: int) -> None:
    a, b = am.rand(x, requires_grad=True), am.rand(y, requires_grad=True)
    (cost,) = draw_graph(a @ b, cost=True).cost().ops
    assert (cost.forward, cost.backward) == (by_hand, 2 * by_hand)


def test_elementwise_broadcasts_views_and_einsum() -> None:
    a, b = am.rand(4, 5, requires_grad=True), am.rand(5, requires_grad=True)

    def of(tensor) -> tuple[int, int, int]:
        cost = draw_graph(tensor, cost=True).cost().ops[-1]
        return cost.forward, cost.backward, cost.output

    assert of(a + b) == (20, 20, 80)  # nothing to compute but the sum over the batch
    assert of(a * b) == (20, 60, 80)  # two products and that sum
    assert of(a * 2) == (20, 20, 80) and of(a - a.detach()) == (20, 0, 80) and of(1 - a) == (20, 20, 80)
    assert of(a.exp()) == (20, 20, 80)
    assert of(a.reshape(2, 10)) == (0, 0, 0) and of(a.T) == (0, 0, 0)
    assert of(a.sum()) == (20, 0, 4) and of(a.mean(dim=0)) == (20, 5, 20)
    assert of(am.softmax(a, dim=1)) == (100, 80, 80)
    assert of(am.einsum("ij,kj->ik", a, am.rand(3, 5))) == (2 * 4 * 3 * 5, 2 * 4 * 3 * 5, 48)


def test_a_view_keeps_the_whole_memory_that_it_shows_and_it_counts_once() -> None:
    base = am.rand(10, 10, requires_grad=True).exp()  # keeps its result: 400 bytes
    y = base[0] * base[1]  # keeps two views of it
    assert [c.kept for c in draw_graph(y, cost=True).cost().ops] == [400, 0, 0, 0]


def test_an_operation_without_a_formula_says_so() -> None:
    x = am.rand(3, 4, requires_grad=True)
    graph = draw_graph(x.var(dim=1), cost=True)
    (cost,) = graph.cost().ops
    assert (cost.forward, cost.backward, cost.exact) == (3, 3, False)
    assert "≈ 3 FLOP" in str(graph.cost()).splitlines()[1] and "≈ 3 FLOP, back 3 FLOP" in graph.dot
    assert flops("matmul", (2, 2), [None, (3, 2)], [False, True], {}) == (4, 4, False)


def test_formulas_are_of_primitives_and_run() -> None:
    assert FORMULAS.keys() <= PRIMITIVES.keys()


def test_time_is_measured_only_when_asked_for() -> None:
    loss, names = layer()
    costs = draw_graph(loss, names=names, cost="time").cost()
    assert all(c.seconds is not None and c.seconds[0] > 0 for c in costs.ops)
    assert sum(c.seconds[1] > 0 for c in costs.ops) == len(costs.ops)
    total = costs.total.seconds
    assert total is not None and total[0] == sum(c.seconds[0] for c in costs.ops)
    assert " µs" in costs.headline() or " ms" in costs.headline()
    assert summed([*costs.ops, Cost("?", 0, 0, 0, 0)]).seconds is None
    with pytest.raises(ValueError, match="cost=True"):
        draw_graph(loss, names=names).cost()
    with pytest.raises(ValueError, match="cost must be"):
        draw_graph(loss, names=names, cost="flops")


def test_the_time_of_rules_that_take_their_inputs_by_position() -> None:
    x = am.tensor([[1.0, 2.0, 4.0]], requires_grad=True)
    loss = nn.LayerNorm(3)(x)
    (first, *_) = draw_graph(loss, names={}, cost="time").cost().ops
    assert first.seconds is not None and first.seconds[1] > 0


@needs_dot
@pytest.mark.parametrize("style", ["wire", "module"])
def test_it_is_in_the_picture(style: str) -> None:
    loss, model, images = mlp()
    graph = draw_graph(loss, params=model, names={"images": images}, style=style, cost=True)
    said = texts(graph.view.legend)
    assert "407,050 parameters (1.55 MiB) · 26.1 MFLOP forward, 26.4 MFLOP backward" in said
    boxes = " ".join(texts(box.rows) for box in graph.view.boxes)
    assert "25.7 MFLOP, back 25.7 MFLOP" in boxes
    assert len(rendered(graph)["edges"]) == len(graph.view.links)
    assert "MFLOP" not in draw_graph(loss, params=model, names={}, style=style).dot


def test_of_a_graph_that_is_folded_or_cropped_all_is_counted() -> None:
    z, names = deep(50)
    folded = draw_graph(z, names=names, cost=True)
    plain = draw_graph(z, names=names, cost=True, fold=False, style="wire", max_ops=10)
    assert folded.cost().total == plain.cost().total and len(plain.cost().ops) == 301
    assert "300 operations · " in texts(folded.view.frames[0].rows)
    small = draw_graph(am.ones(1000, requires_grad=True).exp().sum().tanh(), names={}, cost=True, max_ops=1)
    (tanh,) = [box for box in small.view.boxes if box.id == "n0"]
    assert "1 FLOP, back 1 FLOP" in texts(tanh.rows)  # its own, not those of the first operation
    h = am.ones(2, requires_grad=True)
    for _ in range(2100):
        h = h.tanh()
    assert draw_graph(h, cost=True, max_ops=5).cost().total.forward == 4200
