"""Ctrl-C and other exceptions at every line of backward: modes, gradients and the graph stay in a defined state.

The tracing function raises at the n-th line that the engine runs, for every n (every fifth, unless
AUTOGRAD_MINI_EXAMPLES is set). What holds then:
the mode is the caller's; each `.grad` is what it was, or has the whole new gradient; a second backward gives the right
gradients, or says that values were freed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import engine, modes, writes
from autograd_mini.autograd import detect_anomaly

PACKAGE = str(Path(engine.__file__).parent)
LOCKS = {  # the lines that take a lock, and let it go
    (str(file), n)
    for file in Path(PACKAGE).rglob("*.py")
    for n, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    if re.match(r"\s*with [\w.]*(_commit|_lock|running):", line)
}
EVERY = 1 if os.environ.get("AUTOGRAD_MINI_EXAMPLES") else 5  # lines
FIRST: dict[type[BaseException], int] = {KeyboardInterrupt: 1, MemoryError: 3}


def interrupted(action: Callable[[], Any], at: int, kind: type[BaseException]) -> bool:
    """Run it, and raise at the line of that number; False if there are fewer lines.

    Nothing is raised where a lock is let go: CPython looks for signals after it, not before.
    """
    left = at

    def tracer(frame: Any, event: str, arg: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line" and (frame.f_code.co_filename, frame.f_lineno) not in LOCKS:
            left -= 1
            if left == 0:
                sys.settrace(None)
                raise kind("at a line")
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        action()
    except kind as error:
        if "at a line" not in str(error):
            raise
        return True
    finally:
        sys.settrace(before)
        assert not held(engine._commit) and not held(writes.writes._lock), "other threads would wait for ever"
    return False


def held(lock: threading.RLock) -> bool:
    return repr(lock).startswith("<locked")


class Net:
    """A small graph of everything: a shared leaf, several leaves, a variadic operation, hooks, a view, a sum of old
    and new gradients."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.leaves = [am.tensor(random.normal(size=s), requires_grad=True) for s in ((3, 2), (2,), ())]
        w, b, s = self.leaves
        hidden = (am.ones(4, 3, dtype=am.float64) @ w + b).tanh()
        hidden.register_hook(lambda g: g * 1.0)
        self.seen: list[int] = []
        w.register_post_accumulate_grad_hook(lambda leaf: self.seen.append(1))
        self.loss = (am.cat([hidden, hidden * s])[1:] ** 2).sum() * s + (w * w).sum()
        for leaf in self.leaves:
            leaf.grad = am.ones_like(leaf)

    def grads(self) -> list[Any]:
        return [leaf.grad.detach().numpy().copy() for leaf in self.leaves if leaf.grad is not None]

    def restart(self) -> None:
        for leaf in self.leaves:
            leaf.grad = None


def right_gradients() -> list[Any]:
    net = Net()
    net.restart()
    net.loss.backward()
    return net.grads()


RIGHT = right_gradients()
SETTINGS: dict[str, tuple[dict[str, Any], bool]] = {
    "plain": ({}, False),
    "retained": ({"retain_graph": True}, False),
    "recorded": ({"create_graph": True}, False),
    "watched": ({}, True),
}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("setting", SETTINGS)
def test_an_exception_at_any_line_leaves_a_defined_state(setting: str, kind: type[BaseException]) -> None:
    options, watched = SETTINGS[setting]
    with detect_anomaly(watched), am.no_grad():
        with am.enable_grad():
            net = Net()
        lines, freed, again, partly, mode = FIRST[kind], 0, 0, 0, modes.current_mode()
        while interrupted(lambda: net.loss.backward(**options), lines, kind):  # noqa: B023 - called at once
            lines += EVERY
            assert modes.current_mode() is mode
            grads = net.grads()
            changed = [not np.array_equal(g, np.ones_like(g)) for g in grads]
            for grad, right, new in zip(grads, RIGHT, changed, strict=True):
                assert not new or np.allclose(grad, 1 + right, rtol=1e-12), "all of it or nothing"
            partly += any(changed)
            net.restart()
            try:
                net.loss.backward()
            except RuntimeError as error:
                assert "second time" in str(error) and not options
                freed += 1
            else:
                again += 1
                assert all(np.allclose(g, r, rtol=1e-12) for g, r in zip(net.grads(), RIGHT, strict=True))
            with am.enable_grad():
                net = Net()
    assert lines > 150 and partly > 2 and again > 10 and (freed > 10) == (not options)


@pytest.mark.parametrize("create_graph", [False, True])
def test_grad_touches_nothing_when_it_is_interrupted(create_graph: bool) -> None:
    lines, net = 1, Net()
    while interrupted(lambda: am.autograd.grad(net.loss, net.leaves, create_graph=create_graph), lines, Exception):  # noqa: B023
        lines += EVERY
        assert am.is_grad_enabled() and all(np.array_equal(g, np.ones_like(g)) for g in net.grads())
        net = Net()
    assert lines > 150


def test_a_gradient_that_grew_before_the_exception_counts_as_changed() -> None:
    """Somebody has computed with the old one: right, or an error."""
    lines, right, refused, going_on = 0, 0, 0, True
    while going_on:
        lines += 1
        w, v = am.ones(3, requires_grad=True), am.ones(3, requires_grad=True)
        w.sum().backward()
        loss, read = w.sum(), (w.grad * v).sum()
        going_on = interrupted(loss.backward, lines, KeyboardInterrupt)  # the last time it is not
        try:
            (slope,) = am.autograd.grad(read, v)
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)
            refused += 1
        else:
            assert slope.tolist() == [1, 1, 1]
            right += 1
    assert right > 10 and refused > 2


def test_a_failing_hook_and_a_failing_rule() -> None:
    class Fails(am.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: am.Tensor) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: am.Tensor) -> Any:
            raise ZeroDivisionError

    def hook(g: am.Tensor) -> am.Tensor:
        raise ZeroDivisionError

    spoilers: list[Callable[[am.Tensor], Any]] = [Fails.apply, lambda x: (x.register_hook(hook), x)[1]]
    for spoil in spoilers:
        x = am.ones(2, requires_grad=True)
        y = spoil(x * 2.0)
        mode = modes.current_mode()
        with pytest.raises(ZeroDivisionError):
            (y + x).sum().backward()
        assert x.grad is None and modes.current_mode() is mode


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers are POSIX's")
def test_real_signals_at_random_moments() -> None:
    """The true Ctrl-C, from the operating system, during some milliseconds of backward."""

    def raises(*_: Any) -> None:
        raise KeyboardInterrupt

    assert threading.current_thread() is threading.main_thread()
    x = am.ones(2, dtype=am.float64, requires_grad=True)
    y = x
    for _ in range(300):
        y = y * 1.5 - y * 0.5
    loss, mode, random, hits = y.sum(), modes.current_mode(), np.random.default_rng(0), 0
    loss.backward(retain_graph=True)
    x.grad = None
    before = signal.signal(signal.SIGALRM, raises)
    start = time.perf_counter()
    am.autograd.grad(loss, x, retain_graph=True)
    takes = time.perf_counter() - start
    try:
        for _ in range(200):
            try:
                signal.setitimer(signal.ITIMER_REAL, max(1e-5, random.uniform(0, 1.2 * takes)))
                loss.backward(retain_graph=True)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                hits += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert modes.current_mode() is mode
            assert getattr(x.grad, "tolist", lambda: [1, 1])() == [1, 1]
            x.grad = None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits > 20
    loss.backward()
    assert getattr(x.grad, "tolist", lambda: None)() == [1, 1]
