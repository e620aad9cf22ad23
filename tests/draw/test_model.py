"""The model: what it reads, that it reads it fast and without recursion, and that it holds and changes nothing."""

from __future__ import annotations

import gc
import inspect
import json
import weakref
from pathlib import Path

import numpy as np
import pytest
from draw.samples import SAMPLES, golden_dict, layer

import autograd_mini as am
from autograd_mini.draw import draw_graph
from autograd_mini.draw.model import option_text, read

GOLDEN = Path(__file__).parent / "golden"


def test_it_reads_operations_wires_and_operands_in_order() -> None:
    loss, _ = layer()
    model, _ = read([loss])
    assert [op.name for op in model.ops] == ["matmul", "add", "relu", "softmax_cross_entropy", "mean"]
    assert [(w.kind, w.shape) for w in model.wires] == [
        ("parameter", (3, 2)), ("parameter", (2,)), ("input", (2, 3)), ("inner", (2, 2)), ("inner", (2, 2)),
        ("inner", (2, 2)), ("input", (2,)), ("inner", (2,)), ("inner", ()),
    ]  # fmt: skip
    assert [(o.slot, model.wires[o.wire].kind) for o in model.ops[0].operands] == [("x", "input"), ("y", "parameter")]
    for number, op in enumerate(model.ops):
        assert model.wires[op.wire].producer == number
        for place, operand in enumerate(op.operands):
            assert (number, place) in model.wires[operand.wire].uses


def test_numbers_are_operands_and_arrays_are_wires() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    model, _ = read([2.5 - x * np.array([3.0, 4.0], dtype=np.float32)])
    mul, sub = model.ops
    assert model.wires[mul.operands[1].wire].kind == "input" and mul.operands[1].constant is None
    assert (sub.operands[0].constant, sub.operands[0].wire) == (2.5, None)


def test_a_tensor_that_is_used_twice_is_one_wire() -> None:
    x, c = am.tensor(3.0, requires_grad=True), am.tensor([1.0, 2.0])
    model, _ = read([x * c + x * c])
    assert [w.kind for w in model.wires].count("input") == 1
    assert len(model.wires[0].uses) == 2


def test_options_that_were_given_are_kept_as_text() -> None:
    x = am.tensor(np.ones((2, 3, 4)), requires_grad=True)
    model, _ = read([x.sum(dim=1, keepdim=True)[0, :, 1:3].reshape(-1).sum()])
    assert [op.options for op in model.ops] == [
        {"axis": "1", "keepdims": "True"}, {"index": "(0, :, 1:3)"}, {"shape": "(-1,)"}, {},
    ]  # fmt: skip
    assert option_text(np.arange(9)) == "int64 (9,)" and "0x" not in option_text(object())


def test_several_outputs_and_outputs_without_a_graph() -> None:
    x = am.tensor(2.0, requires_grad=True)
    y, z = x * 2, am.tensor([1.0])
    model = draw_graph([y, x, z], names={"x": x, "y": y, "z": z}).model
    assert [model.wires[i].name for i in model.outputs] == ["y", "x", "z"]
    assert draw_graph(z, names={"z": z}).model.wires[0].grad.state == "no grad"


@pytest.mark.parametrize("outputs", [None, [], 3, "x", [1.0]])
def test_outputs_must_be_tensors(outputs: object) -> None:
    with pytest.raises(TypeError):
        draw_graph(outputs)  # type: ignore[arg-type]


def test_a_chain_of_10_000_operations_needs_no_recursion() -> None:
    y = x = am.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(5_000):
        y = y * 1.0 + 0.0
    model, _ = read([y])
    assert len(model.ops) == 10_000 and len(draw_graph(y, names={"x": x}).model.ops) == 200
    y = x
    for _ in range(750):  # longer than Python's limit of recursion: every renderer
        y = y * 1.0 + 0.0
    whole = draw_graph(y, names={"x": x}, max_ops=2_000, style="wire")
    assert len(whole.model.ops) == 1_500 and whole.model.hidden == 0
    assert whole.dot.count("\n") > 3_000 and whole.text() and whole.to_dict() and whole.check() == []
    with pytest.raises(ValueError, match="max_ops"):
        whole.svg()


def test_nothing_is_cropped_silently() -> None:
    y = x = am.tensor(1.0, requires_grad=True)
    for _ in range(30):
        y = (y * x).tanh()
    graph = draw_graph(y, names={"x": x, "y": y}, max_ops=10, style="wire")
    assert (len(graph.model.ops), graph.model.hidden) == (10, 50)
    assert sum(w.cut for w in graph.model.wires) == 1
    assert graph.model.wires[0].name == "x" and graph.model.wires[0].hidden_uses == 26
    assert "60 operations, of which the last 10 are shown" in graph.text() and "+ 50 operations" in graph.text()
    assert "+ 50 ops" in graph.dot


def test_a_cropped_graph_shows_the_same_gradients() -> None:
    y = am.tensor([0.5, -1.0], requires_grad=True)
    for i in range(20):
        y = (y * (1.0 + i / 50)).tanh()
    y.sum().backward(retain_graph=True)
    whole = draw_graph(y.sum(), names={}).model
    part = draw_graph(y.sum(), names={}, max_ops=6).model
    assert [w.grad for w in part.wires[1:]] == [w.grad for w in whole.wires[-6:]]


def test_a_picture_keeps_no_tensor_and_no_array_alive() -> None:
    loss, names = layer()
    loss.backward()
    graph = draw_graph(loss, names=names)
    assert graph.view.boxes and graph.dot
    gone = [weakref.ref(t) for t in names.values()] + [weakref.ref(t._array) for t in names.values() if t.ndim]
    gone += [weakref.ref(t.grad._array) for t in (names["W"], names["b"])]
    del loss, names
    gc.collect()
    assert all(ref() is None for ref in gone)
    assert "0.5" in graph.text()


def test_looking_for_names_leaves_nothing_in_the_frame_of_the_caller() -> None:
    x = am.tensor([1.0], requires_grad=True)
    draw_graph(x * 2)
    gone = weakref.ref(x)
    del x
    assert gone() is None


def test_drawing_changes_neither_graph_nor_values_nor_gradients() -> None:
    loss, names = layer()
    before = {k: v.detach().numpy().copy() for k, v in names.items()}
    draw_graph(loss, names=names)
    assert all(v.grad is None for v in names.values())
    loss.backward(retain_graph=True)
    grads = {k: names[k].grad.numpy().copy() for k in "Wb"}
    kept = loss._node.kept
    draw_graph(loss, names=names).svg()
    assert loss._node.kept is kept and loss._node.extra is None
    for k, v in names.items():
        np.testing.assert_array_equal(v.detach().numpy(), before[k])
    for k, g in grads.items():
        np.testing.assert_array_equal(names[k].grad.numpy(), g)
    loss.backward()
    np.testing.assert_allclose(names["W"].grad.numpy(), 2 * grads["W"])


@pytest.mark.parametrize("name", ["layer", "fan_out"])
def test_golden_json(name: str) -> None:
    output, names = SAMPLES[name]()
    output.backward()
    assert golden_dict(draw_graph(output, names=names)) == json.loads((GOLDEN / f"{name}.json").read_text())


def test_json_knows_no_nan() -> None:
    x = am.tensor([0.0, 1.0], requires_grad=True)
    with np.errstate(all="ignore"):
        y = (x / 0.0).log()
    text = draw_graph(y, names={}).to_json()
    assert '"nan"' in text and '"inf"' in text and "NaN" not in text
    json.loads(text, parse_constant=pytest.fail)


@pytest.mark.parametrize("enabled", [True, False])
def test_reading_leaves_the_garbage_collector_as_it_was(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        read([am.ones(2, requires_grad=True) * 2])
        assert gc.isenabled() == enabled
        with pytest.raises(AttributeError):
            read([None])
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_the_source_line_is_known_where_it_was_asked_for() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    with am.autograd.detect_anomaly():
        y = x.exp()
    graph = draw_graph((y * 2).sum(), names={"x": x})
    exp, double, total = graph.model.ops
    line = inspect.currentframe().f_lineno - 3
    here = "test_the_source_line_is_known_where_it_was_asked_for"
    assert exp.source == f"test_model.py, line {line}, in {here}: y = x.exp()"
    assert double.source == total.source == ""
    text = graph.html()
    assert "y = x.exp()" in text and text.count('"source"') == 1 and str(Path(__file__).parent) not in text
