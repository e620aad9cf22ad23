"""Values and gradients: shown only where they are true, and otherwise in the right one of their states."""

from __future__ import annotations

import numpy as np
import pytest
from draw.samples import SAMPLES, golden_dict, layer
from rules.samples import OPERATIONS
from rules.samples import SAMPLES as OPERATION_SAMPLES

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.draw import draw_graph, trace_backward
from autograd_mini.primitive import PRIMITIVES
from autograd_mini.testing import Sample


def states(graph) -> dict[str, str]:
    return {w.name or f"t{i}": w.grad.state for i, w in enumerate(graph.model.wires)}


def shown(reading) -> object:
    assert reading.state == "value", reading
    rows = np.array(reading.seen.rows)
    return rows.reshape(reading.seen.shape)


def test_the_five_states() -> None:
    x, w = am.tensor([1.0, 2.0]), am.tensor([3.0, 4.0], requires_grad=True)
    lost = am.tensor([5.0], requires_grad=True)
    h = w * x
    loss = h.sum()
    params, names = {"w": w, "lost": lost}, {"x": x, "h": h, "loss": loss}
    before = {"w": "not run", "x": "no grad", "h": "not run", "loss": "not run", "lost": "no path"}
    assert states(draw_graph(loss, params, names)) == before
    loss.backward()
    after = {"w": "value", "x": "no grad", "h": "value", "loss": "value", "lost": "no path"}
    assert states(draw_graph(loss, params, names)) == after
    w.grad[0] = 7.0  # clipped, say: now nothing explains what w holds
    assert states(draw_graph(loss, params, names)) == {**after, "h": "not kept", "loss": "not kept"}


def test_a_state_is_never_shown_as_a_number() -> None:
    loss, names = layer()
    text = draw_graph(loss, names=names).text()
    assert "not run" in text and "0.213" not in text
    for line in text.splitlines()[3:]:
        assert line.endswith(("not run", "no grad"))


def test_a_true_zero_is_a_value() -> None:
    x = am.tensor([-1.0, 2.0], requires_grad=True)
    y = x.relu().sum()
    y.backward()
    graph = draw_graph(y, names={"x": x})
    np.testing.assert_array_equal(shown(graph.model.wires[0].grad), [0, 1])


@pytest.mark.parametrize("name", SAMPLES)
def test_gradients_computed_again_are_those_that_were_watched(name: str) -> None:
    output, names = SAMPLES[name]()
    with trace_backward() as trace:
        output.backward()
    watched = draw_graph(output, names=names, trace=trace).model
    again = draw_graph(output, names=names).model
    assert watched == again
    assert all(w.grad.state == "value" for w in again.wires if w.kind != "input")


def test_intermediate_gradients_against_retain_grad() -> None:
    loss, names = layer()
    names["y"].retain_grad()
    loss.backward()
    expected = names["y"].grad.numpy().copy()
    names["y"].grad = None
    graph = draw_graph(loss, names=names)
    y = next(w for w in graph.model.wires if w.name == "y")
    np.testing.assert_allclose(shown(y.grad), expected)


def test_uses_add_up_to_the_gradient_of_the_tensor() -> None:
    a, b = am.tensor(3.0, requires_grad=True), am.tensor(2.0, requires_grad=True)
    d = a + a * b
    d.backward()
    model = draw_graph(d, names={}).model
    parts = [shown(model.ops[op].operands[place].grad) for op, place in model.wires[0].uses]
    assert [float(p) for p in parts] == [2.0, 1.0] and float(shown(model.wires[0].grad)) == 3.0
    assert "2 + 1 = 3" in draw_graph(d, names={}).dot


def test_accumulated_calls_are_counted() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    wire = draw_graph(y, names={}).model.wires[0]
    assert wire.grad.note == "2 backward calls"
    np.testing.assert_array_equal(shown(wire.grad), [4, 8])


def test_the_gradient_of_another_graph_is_not_taken_for_this_one() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    new = (x * 3).sum()
    model = draw_graph(new, names={}).model
    assert model.wires[0].grad.note == "of another backward" and not model.backward_ran
    assert [w.grad.state for w in model.wires[1:]] == ["not run", "not run"]


def test_zeroed_gradients_after_backward_are_not_kept_rather_than_not_run() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    x.grad = None
    graph = draw_graph(y, names={})
    assert {w.grad.state for w in graph.model.wires} == {"not kept"}
    assert "trace_backward" in graph.text()


def test_broadcast_gradients_say_over_which_axes_they_were_summed() -> None:
    x, b = am.tensor(np.ones((2, 1, 3)), requires_grad=True), am.tensor(np.ones((4, 1)), requires_grad=True)
    y = (x + b).sum()
    y.backward()
    notes = [w.grad.note for w in draw_graph(y, names={}).model.wires]
    assert notes[:2] == ["summed over axis 1", "summed over axes 0, 2"]


# -------------------------------------------------------------------------------------------------- values


def test_values_between_the_leaves_are_there_before_and_after_backward() -> None:
    loss, names = layer()
    before = draw_graph(loss, names={})
    loss.backward()
    after = draw_graph(loss, names={})
    assert [w.value for w in before.model.wires] == [w.value for w in after.model.wires]
    assert all(w.value.state == "value" for w in after.model.wires)
    np.testing.assert_array_equal(shown(after.model.wires[5].value), names["y"].detach().numpy())


def test_inputs_that_are_gone_are_not_kept() -> None:
    w = am.tensor([3.0, 4.0], requires_grad=True)
    loss = (w + am.tensor([1.0, 2.0])).sum()
    model = draw_graph(loss, names={}).model
    assert [x.value.state for x in model.wires] == ["value", "not kept", "not kept", "value"]
    assert model.wires[1].shape is None
    draw_graph(loss).svg()


def test_a_leaf_that_an_optimizer_has_changed_is_not_shown_as_what_was_read() -> None:
    w = am.tensor([3.0, 4.0], requires_grad=True)
    loss = (w * 2).sum()
    loss.backward()
    with am.no_grad():
        w -= w.grad
    model = draw_graph(loss, names={}).model
    assert [x.value.state for x in model.wires] == ["changed since", "not kept", "value"]


def test_a_replay_has_the_dtype_that_was_recorded() -> None:
    x, counts = am.tensor([0.5, 1.5], requires_grad=True), am.tensor([3, 4])
    loss = (x * counts + 1).sum()
    model = draw_graph(loss, names={}).model
    assert {w.dtype for w in model.wires if w.kind != "input"} == {"float32"}
    assert {w.value.state for w in model.wires} == {"value"}


def test_a_replay_that_disagrees_with_the_record_is_not_believed() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    data = am.tensor([3.0, 4.0])
    loss = (x * 2 + data).sum()
    data._array[:] = 100.0  # behind the engine's back
    model = draw_graph(loss, names={}).model
    assert model.wires[-2].value.state == "not kept" and model.wires[-1].value.state == "value"


def test_large_arrays_are_summed_up() -> None:
    x = am.tensor(np.linspace(-1, 1, 1000), requires_grad=True)
    text = draw_graph((x * x).mean(), names={"x": x}).text()
    assert "≈0 ± 0.578, [−1, 1]" in text
    x = am.tensor([np.nan, 1.0, np.inf] * 10, requires_grad=True)
    assert "20 of 30 nan or inf" in draw_graph(x * 1, names={}).text()


# --------------------------------------------------------------------------------------------------- trace


def test_trace_keeps_order_edges_and_seed() -> None:
    x = am.tensor(3.0, requires_grad=True)
    y = x * 2 + x
    with trace_backward() as trace:
        y.backward()
    assert [node.primitive.name for node in trace.order] == ["add", "mul"]
    assert [float(g) for g in trace.edges.values()] == [1.0, 1.0, 2.0] and float(trace.seeds[0]) == 1.0


def test_trace_sees_what_autograd_grad_computes_and_leaves_grad_alone() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with trace_backward() as trace:
        am.autograd.grad(y, x)
    model = draw_graph(y, names={}, trace=trace).model
    np.testing.assert_array_equal(shown(model.wires[0].grad), [2, 4])
    assert x.grad is None


def test_traces_nest_and_pass_on_to_anomaly_detection() -> None:
    x = am.tensor([0.0], requires_grad=True)
    with am.autograd.detect_anomaly(), trace_backward(), pytest.raises(RuntimeError, match="nan"):
        (x * 0.0 / x).sum()
    with trace_backward() as outer, trace_backward() as inner:
        (x * 2).sum().backward()
    assert len(outer.edges) == len(inner.edges) == 2


def test_the_gradient_of_a_trained_module() -> None:
    am.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x, t = am.randn(5, 3), am.tensor([0, 1, 1, 0, 1])
    loss = nn.functional.cross_entropy(model(x), t)
    loss.backward()
    graph = draw_graph(loss, params=model)
    assert [w.name for w in graph.model.wires if w.kind == "parameter"] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(w.grad.state == "value" for w in graph.model.wires if w.kind != "input")
    assert {op.scope for op in graph.model.ops} >= {"0", "1", "2"}


def test_of_a_very_long_graph_only_the_end_is_read_and_nothing_is_made_up() -> None:
    y = x = am.tensor([0.5, -0.5], requires_grad=True)
    for _ in range(1_200):
        y = (y + x) * 1.0
    loss = y.sum()
    with trace_backward() as trace:
        loss.backward()
    model = draw_graph(loss, names={"x": x}, trace=trace, max_ops=20).model
    assert model.wires[0].name == "x" and model.wires[0].hidden_uses > 1_000
    np.testing.assert_array_equal(shown(model.wires[0].grad), x.grad.numpy())
    assert model.wires[0].grad.note == ""


@pytest.mark.parametrize("name", sorted(name for name in OPERATION_SAMPLES if any(PRIMITIVES[name].rules)))
def test_every_operation_is_computed_again_as_it_was(name: str) -> None:
    """Value and gradients of each primitive, with the options of its samples, from what the graph remembers."""
    for given in OPERATION_SAMPLES[name].samples:
        sample = given if isinstance(given, Sample) else Sample(*(given if isinstance(given, tuple) else (given,)))
        inputs = [
            am.tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
            for x in sample.inputs
        ]
        out = OPERATIONS[name](*inputs, **sample.options)
        after = out * 1.0  # so that the operation's own output is not at hand
        del out
        with trace_backward() as trace:
            after.backward(am.ones_like(after))
        graph = draw_graph(after, names={})
        assert golden_dict(graph) == golden_dict(draw_graph(after, names={}, trace=trace))
        assert {w.value.state for w in graph.model.wires} == {"value"}
        assert all(w.grad.state == "value" for w in graph.model.wires if w.kind != "input")


@pytest.mark.parametrize("rule", [lambda x: x.reshape(12), lambda x: x[1], lambda x: am.cat([x, x])])
def test_where_a_value_is_lost_its_shape_is_not(rule) -> None:
    w = am.ones(3, requires_grad=True)
    (w * am.arange(3.0)).sum().backward()
    graph = draw_graph(rule(am.ones(4, 3) + w).sum(), names={"w": w})  # ones and the sum are gone by now
    assert graph.model.wires[[x.name for x in graph.model.wires].index("w")].grad.note == "of another backward"


@pytest.mark.parametrize("style", ["wire", "module"])
def test_an_input_of_which_nothing_is_known_has_no_box(style: str) -> None:
    """Targets that nobody holds: before backward a rule keeps them, and their shape is told; then they are gone."""
    x = am.ones(3, 2, requires_grad=True)
    loss = am.softmax_cross_entropy(x, am.tensor([0, 1, 0])).mean()
    before = draw_graph(loss, names={"x": x, "loss": loss}, style=style)
    assert "(3,)" in before.dot and "(unknown shape)" not in before.dot
    loss.backward()
    after = draw_graph(loss, names={"x": x, "loss": loss}, style=style)
    assert len(after.view.boxes) == len(before.view.boxes) - 1 and len(after.view.links) == len(before.view.links) - 1
    assert "unknown" not in after.dot and "target" in after.dot  # the operation says that it had one
    y = x + am.ones(2)
    assert "(unknown shape)" in draw_graph(y, names={}, style=style).dot  # + tells nothing: it stays
