"""The profiler: what it counts is exact, times nest, the trace opens, and it leaves nothing behind."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.profiler import profile, record_function
from autograd_mini.utils.checkpoint import checkpoint


def step(model: Any, optimizer: Any, x: am.Tensor, y: am.Tensor) -> None:
    with record_function("forward"):
        loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@pytest.fixture
def profiled() -> profile:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    optimizer = am.optim.Adam(model.parameters())
    x, y = am.rand(4, 6), am.tensor([0, 1, 2, 0])
    with profile(record_shapes=True) as prof:
        for _ in range(3):
            step(model, optimizer, x, y)
    return prof


def test_every_call_is_counted(profiled: profile) -> None:
    counts = {event.key: event.count for event in profiled.key_averages()}
    assert counts == {
        "forward": 3, "linear": 6, "relu": 3, "softmax_cross_entropy": 3, "mean": 3, "backward": 3, "MeanBackward": 3,
        "SoftmaxCrossEntropyBackward": 3, "ReluBackward": 3, "Optimizer.step#Adam.step": 3,
        "LinearBackward": 6,  # as in PyTorch a node counts once, however many of its inputs need gradients
    }  # fmt: skip


def test_a_node_counts_once_also_where_other_operations_run_between_its_rules() -> None:
    x, y = am.rand(2, requires_grad=True), am.rand(2, requires_grad=True)
    with profile() as prof:
        checkpoint(am.fmod, x, y).sum().backward()  # the rule of y, the second, asks for values: fmod runs again
    assert [e.key for e in prof.events()] == ["fmod", "sum", "SumBackward", "fmod", "FmodBackward", "backward"]
    assert all(event.self_cpu_time_total > 0 for event in prof.events())


def test_operations_of_a_recorded_backward_pass_stand_within_its_nodes() -> None:
    x = am.rand(2, requires_grad=True)
    with profile() as prof:
        am.autograd.grad((x * x).sum(), x, create_graph=True)
    events = prof.events()
    assert [e.key for e in events] == [
        "mul", "sum", "broadcast_to", "SumBackward", "mul", "mul", "add", "MulBackward", "backward"
    ]  # fmt: skip
    inner = sum(e.cpu_time_total for e in events[4:7])  # one product for each rule, and their sum
    assert events[7].self_cpu_time_total == pytest.approx(events[7].cpu_time_total - inner, rel=1e-6)
    assert all(event.self_cpu_time_total > 0 for event in events)


def test_an_error_in_a_backward_pass_ends_its_calls() -> None:
    x = am.rand(3, requires_grad=True)
    middle = x * x
    middle.register_hook(lambda g: 1 / 0)
    with profile() as prof:
        with pytest.raises(ZeroDivisionError):
            middle.sum().backward()
        x + 1
    assert [event.key for event in prof.events()] == ["sum", "SumBackward", "backward", "add"]


def test_a_profile_may_begin_within_a_backward_pass() -> None:
    x = am.rand(3, requires_grad=True)
    middle, prof = x * x, profile()
    middle.register_hook(lambda g: prof.__enter__() and None)
    middle.sum().backward()
    x + 1
    prof.__exit__()
    assert [event.key for event in prof.events()] == ["MulBackward", "add"]


def test_times_nest_and_add_up(profiled: profile) -> None:
    events = {event.key: event for event in profiled.key_averages()}
    inner = [e for key, e in events.items() if key in ("linear", "relu", "softmax_cross_entropy", "mean")]
    forward = events["forward"]
    assert all(0 < e.self_cpu_time_total <= e.cpu_time_total for e in events.values())
    assert forward.self_cpu_time_total == pytest.approx(
        forward.cpu_time_total - sum(e.cpu_time_total for e in inner), rel=1e-6
    )
    roots = sum(events[key].cpu_time_total for key in ("forward", "backward", "Optimizer.step#Adam.step"))
    assert profiled.key_averages().total_average().self_cpu_time_total == pytest.approx(roots, rel=1e-6)


def test_memory_is_what_the_results_hold(profiled: profile) -> None:
    events = {event.key: event for event in profiled.key_averages()}
    assert events["linear"].cpu_memory_usage == 3 * 4 * (5 + 3) * 4
    assert events["relu"].cpu_memory_usage == 3 * 4 * 5 * 4


def test_kinds_can_be_told_apart_by_shape(profiled: profile) -> None:
    linear = [e for e in profiled.key_averages(group_by_input_shape=True) if e.key == "linear"]
    assert [(e.count, e.shapes) for e in linear] == [(3, ((4, 6), (5, 6), (5,))), (3, ((4, 5), (3, 5), (3,)))]


def test_the_table_reads_like_pytorchs(profiled: profile) -> None:
    lines = profiled.key_averages().table(sort_by="count", row_limit=2).splitlines()
    assert " ".join(lines[1].split()) == "Name Self CPU % Self CPU CPU total CPU time avg CPU Mem # of Calls"
    assert [row.split()[0] for row in lines[3:5]] == ["linear", "LinearBackward"]
    assert lines[-1].startswith("Self CPU time total: ") and len(lines) == 7
    with pytest.raises(ValueError, match="sort_by must be one of key, count"):
        profiled.key_averages().table(sort_by="cuda_time")


def test_the_trace_holds_every_call_and_they_nest(profiled: profile, tmp_path: Path) -> None:
    profiled.export_chrome_trace(tmp_path / "trace.json")
    bars = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(bars) == len(profiled.events()) and {bar["ph"] for bar in bars} == {"X"}
    spans = sorted((bar["ts"], bar["ts"] + bar["dur"]) for bar in bars)
    for (_, end), (start, other) in itertools.pairwise(spans):
        assert start >= end or other <= end + 1e-3, "two calls overlap and neither holds the other"


def test_what_it_changes_nothing_about() -> None:
    x = am.rand(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="stop"), profile() as prof:
        (x * x).sum().backward()
        raise RuntimeError("stop")
    assert sys.getprofile() is None and [e.key for e in prof.events()].count("mul") == 1
    assert (x.grad == 2 * x).all()
    with record_function("outside of any profile"):
        assert (x * 2).shape == (3,)


def test_nothing_profiled_took_no_time_and_a_profile_can_be_used_again() -> None:
    with profile() as prof:
        pass
    assert prof.key_averages().table().splitlines()[-1] == "Self CPU time total: 0.000us"
    for _ in range(2):
        with prof:
            am.ones(2) + 1
        assert [event.key for event in prof.events()] == ["add"]


def test_what_cannot_be_done_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="with_stack"):
        profile(with_stack=True)
    sys.setprofile(lambda *event: None)  # as cProfile does up to Python 3.11
    try:
        with pytest.raises(RuntimeError, match="another profiler"), profile():
            pass
    finally:
        sys.setprofile(None)


def test_on_trace_ready_and_the_decorator() -> None:
    seen: list[profile] = []

    @record_function("mine")
    def mine(x: am.Tensor) -> am.Tensor:
        return x + 1

    with profile(on_trace_ready=seen.append) as prof:
        mine(am.ones(2))
    assert seen == [prof] and [e.key for e in prof.events()] == ["add", "mine"]


def test_only_optimizers_make_optimizer_steps_whatever_the_program_calls_its_own_functions() -> None:
    def step(closure: Any = None) -> int:  # has no self
        return 1

    class Machine:
        def step(me, closure: Any = None) -> int:  # noqa: N805
            return 2

    with profile() as prof:
        assert (step(), Machine().step()) == (1, 2)
        am.ones(2) + 1
    assert [event.key for event in prof.events()] == ["add"]


def test_one_name_may_be_used_inside_of_itself_and_a_decorated_function_keeps_its_own() -> None:
    part = record_function("part")

    @part
    def recursive(n: int) -> int:
        with part:
            return recursive(n - 1) if n else 0

    with profile() as prof:
        recursive(2)
    assert [event.key for event in prof.events()] == ["part"] * 6
    assert recursive.__name__ == "recursive"
    with part, profile() as prof, part:
        pass
    assert [event.key for event in prof.events()] == ["part"]
