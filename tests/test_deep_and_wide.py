"""Deep and wide graphs: no recursion, work in proportion to the size, nothing left for the garbage collector.

The default sizes are a tenth of what is promised; with AUTOGRAD_MINI_EXAMPLES the chains are 1,000,000 long, the sums
100,000 wide.
"""

from __future__ import annotations

import copy
import gc
import heapq
import os
import pickle
import re
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import engine, nn
from autograd_mini.autograd import anomaly
from autograd_mini.engine import Node
from autograd_mini.utils.data import DataLoader, TensorDataset

PART = 1 if os.environ.get("AUTOGRAD_MINI_EXAMPLES") else 10
DEEP, WIDE = 1_000_000 // PART, 100_000 // PART


def chain(n: int, dtype: Any = am.float64) -> tuple[am.Tensor, am.Tensor]:
    """n operations on each other, every second of which keeps a value."""
    x = am.ones(1, dtype=dtype, requires_grad=True)
    y = x
    for _ in range(n // 2):
        y = y * 1.0 + 0.5
    return x, y


def comb(n: int) -> tuple[am.Tensor, am.Tensor]:
    """One sum of n branches."""
    x = am.ones(1, dtype=am.float64, requires_grad=True)
    return x, am.stack([x * 2.0 for _ in range(n)]).sum()


def ladder(n: int) -> tuple[am.Tensor, am.Tensor]:
    """Every value is used twice: 2^n paths."""
    x = am.ones(1, dtype=am.float64, requires_grad=True)
    y = x
    for _ in range(n // 2):
        y = (y + y) * 0.5
    return x, y


GRAPHS: dict[str, Callable[[int], tuple[am.Tensor, am.Tensor]]] = {"chain": chain, "comb": comb, "ladder": ladder}


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ------------------------------------------------------------------------------------------------ no recursion


@pytest.fixture
def shallow() -> Iterator[None]:
    """Whoever recurses shall meet the limit early."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("shallow", "collector_off")
@pytest.mark.parametrize(("kind", "n"), [("chain", DEEP), ("comb", WIDE), ("ladder", DEEP)])
def test_backward_and_deletion(kind: str, n: int) -> None:
    x, y = GRAPHS[kind](n)
    assert repr(y.grad_fn).endswith("Backward>") and "grad_fn=" in repr(y)
    y.backward(retain_graph=True)
    assert x.grad is not None and x.grad.item() == (2.0 * n if kind == "comb" else 1.0)
    (again,) = am.autograd.grad(y, x)
    assert again.item() == x.grad.item()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    last = weakref.ref(y.grad_fn)
    del y
    assert last() is None


@pytest.mark.usefixtures("shallow", "collector_off")
def test_a_graph_kept_alive_then_dropped() -> None:
    """Of all that was made in between nothing is left: not after backward, not without."""
    before = sum(type(o) is Node for o in gc.get_objects())
    for differentiate in (False, True):
        x, y = chain(DEEP // 10)
        kept = [y * float(i) for i in range(100)]
        if differentiate:
            kept[3].backward(retain_graph=True)
        del y
        assert sum(type(o) is Node for o in gc.get_objects()) > DEEP // 10
        kept.clear()
        del x
        assert sum(type(o) is Node for o in gc.get_objects()) == before


@pytest.mark.usefixtures("shallow", "collector_off")
def test_second_derivatives_of_a_long_chain() -> None:
    x = am.ones(1, dtype=am.float64, requires_grad=True)
    y = x
    for _ in range(DEEP // 20):
        y = y * x
    (first,) = am.autograd.grad(y, x, create_graph=True)
    (second,) = am.autograd.grad(first, x)
    n = DEEP // 20 + 1
    assert first.item() == n and second.item() == n * (n - 1)
    parts = [weakref.ref(first.grad_fn), weakref.ref(y.grad_fn)]
    del first, second, y
    assert [part() for part in parts] == [None, None]


@pytest.mark.parametrize("kind", GRAPHS)
def test_large_graphs_are_drawn_in_part(kind: str) -> None:
    _, y = GRAPHS[kind](5_000)
    picture = y.sum().graph(max_ops=50, backend="builtin")
    assert re.match(r"<Graph: 50 of 5,00\d operations", repr(picture))
    text = picture.text()
    assert re.search(r"\(\+ 4,95\d operations before these\)$", text)
    if kind == "comb":  # the inputs of its last operation, and no more
        assert "stack(t1, t2, t3, t4, … 4,995 more …, t5000)" in text and max(map(len, text.splitlines())) < 150
    else:
        assert len(text) < 5000 and len(picture.svg()) < 100_000


def test_copies_of_deep_results(collector_off: None) -> None:
    x, y = chain(DEEP // 10)
    for copied in (copy.deepcopy, pickle.dumps, copy.copy):
        with pytest.raises(RuntimeError, match="detach"):
            copied(y)
    assert copy.deepcopy(y.detach()).item() == y.item() and copy.deepcopy({"x": x})["x"].requires_grad


# ------------------------------------------------------------------------------------------- in linear time


def work(action: Callable[[], Any]) -> int:
    """How many lines of Python it runs."""
    count = 0

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        count += event == "line"
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


class Work:
    """What is counted, for a graph of n operations."""

    def __init__(self, kind: str, n: int) -> None:
        self.n, (self.x, self.y) = n, GRAPHS[kind](n)

    def build(self) -> None:
        GRAPHS["chain"](self.n)

    def backward(self) -> None:
        self.y.backward()

    def grad(self) -> None:
        am.autograd.grad(self.y, self.x, create_graph=True)

    def draw(self) -> None:
        self.y.sum().graph(max_ops=10).text()

    def repr(self) -> None:
        repr(self.y)

    def delete(self) -> None:
        del self.y


@pytest.mark.parametrize("what", ["build", "backward", "grad", "draw", "repr", "delete"])
@pytest.mark.parametrize("kind", GRAPHS)
def test_work_grows_by_as_much_for_each_operation(kind: str, what: str) -> None:
    """Straight: twice the operations more, twice the lines more."""
    getattr(Work(kind, 30), what)()  # loads what it needs
    small, middle, large = (work(getattr(Work(kind, n), what)) for n in (250, 500, 1000))
    slack = 0.02 * (large - middle) + 20  # digits of numbers, sizes of hash tables
    assert abs((large - middle) - 2 * (middle - small)) <= slack, (small, middle, large)
    assert what in ("repr", "delete") or large > 1000


def test_the_frontier_is_all_that_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node is pushed once, and in a chain at most two wait at a time."""
    sizes: list[int] = []
    push = heapq.heappush

    def counting(heap: list[Any], item: Any) -> None:
        push(heap, item)
        sizes.append(len(heap))

    monkeypatch.setattr(engine, "heappush", counting)
    for kind, most in (("chain", 1), ("ladder", 1), ("comb", 1001)):
        sizes.clear()
        _, y = GRAPHS[kind](1000)
        y.backward()
        assert 1000 < len(sizes) <= 1003 and max(sizes) <= most, kind


# ----------------------------------------------------------------------------------------------- no garbage


def train() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    adam = am.optim.Adam(model.parameters())
    for x, y in DataLoader[Any](TensorDataset(np.ones((8, 4), np.float32), np.arange(8) % 3), 4):
        adam.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        adam.step()


def hooked() -> None:
    x, y = ladder(10)
    y.register_hook(lambda g: g * 2)
    x.register_post_accumulate_grad_hook(lambda t: None)
    y.retain_grad()
    y.backward()


def written() -> None:
    x, y = chain(10)
    y *= 2.0
    y[0] = x[0] * 3.0
    y.sum().backward()


def watched() -> None:
    with anomaly.detect_anomaly():
        chain(10)[1].backward()


def fails() -> None:
    x = am.ones(3, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()


def second_order() -> None:
    x = am.ones(3, requires_grad=True)
    (first,) = am.autograd.grad((x**3).sum(), x, create_graph=True)
    am.autograd.grad(first.sum(), x)


def checkpointed() -> None:
    x = am.ones(3, requires_grad=True)
    am.utils.checkpoint.checkpoint(lambda t: (t * 2).exp(), x, use_reentrant=False).sum().backward()


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("use", [train, hooked, written, watched, fails, second_order, checkpointed])
def test_nothing_is_left_for_the_collector(use: Callable[[], None]) -> None:
    use()  # what is made once (caches, imports) may stay
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        use()
        gc.collect()
        kinds = (Node, am.Tensor, np.ndarray, nn.Module, am.optim.Optimizer, engine.Extra)
        assert [type(o).__name__ for o in gc.garbage if isinstance(o, kinds)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
