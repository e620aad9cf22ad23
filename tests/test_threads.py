"""Threads, asyncio tasks and generators: each has its own mode, and together they add up gradients without a loss."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import engine, modes, nn, writes
from autograd_mini.autograd import detect_anomaly

THREADS = 8


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns after a microsecond, not after five milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """The results of as many threads, which start at the same time."""
    results: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait(30)
        try:
            results[number] = work(number)
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def recorded() -> bool:
    return bool((am.ones(1, requires_grad=True) * 2).requires_grad)


# ------------------------------------------------------------------------------------------------------ gradients


@pytest.mark.usefixtures("restless")
def test_no_update_of_a_shared_parameter_is_lost() -> None:
    """From the very first gradient on, which all threads find missing."""
    for _ in range(5):
        w = am.ones(50, dtype=am.float64, requires_grad=True)
        b = am.tensor(1.0, dtype=am.float64, requires_grad=True)

        def work(number: int, w: am.Tensor = w, b: am.Tensor = b) -> None:
            for _ in range(40):
                (w * float(number + 1) * b).sum().backward()

        together(work)
        total = 40.0 * sum(range(1, THREADS + 1))
        assert w.grad is not None and b.grad is not None
        assert w.grad.tolist() == [total] * 50 and b.grad.item() == 50 * total


def test_the_first_gradient_is_not_lost_however_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding no gradient and setting one, all other threads get their turn."""

    def slow(array: Any) -> Any:
        time.sleep(0.01)
        return memory_of(array)

    memory_of = engine.__dict__["memory_of"]
    monkeypatch.setattr(engine, "memory_of", slow)
    w = am.ones(2, dtype=am.float64, requires_grad=True)
    together(lambda number: (w * 1.0).sum().backward())
    assert w.grad is not None and w.grad.tolist() == [THREADS, THREADS]


@pytest.mark.usefixtures("restless")
def test_no_update_is_lost_among_recorded_and_plain_ones() -> None:
    w = am.ones(3, dtype=am.float64, requires_grad=True)

    def work(number: int) -> None:
        for _ in range(20):
            (w * w).sum().backward(create_graph=bool(number % 2))

    together(work)
    assert w.grad is not None and w.grad.tolist() == [2.0 * 20 * THREADS] * 3
    w.grad = None


def losses(seed: int) -> list[Any]:
    """A training of its own, with dropout from a generator of its own, and second derivatives."""
    random = np.random.default_rng(seed)
    x, y = am.tensor(random.normal(size=(8, 4))), am.tensor(random.normal(size=(8, 1)))
    first, second = (am.tensor(random.normal(size=s), requires_grad=True) for s in ((4, 6), (6, 1)))
    adam, generator = am.optim.Adam([first, second], lr=0.05), am.Generator().manual_seed(seed)
    seen = []
    for _ in range(15):
        mask = am.rand(8, 6, generator=generator, dtype=am.float64) > 0.2
        loss = nn.functional.mse_loss((x @ first).tanh() * mask @ second, y)
        (slope,) = am.autograd.grad(loss, first, create_graph=True)
        adam.zero_grad()
        (loss + (slope**2).sum()).backward()
        adam.step()
        seen.append(loss.item())
    return [seen, first.tolist(), second.tolist()]


@pytest.mark.usefixtures("restless")
def test_separate_graphs_in_threads_give_the_bits_of_one_thread() -> None:
    assert together(losses) == [losses(seed) for seed in range(THREADS)]


@pytest.mark.usefixtures("restless")
def test_one_graph_read_by_all_threads() -> None:
    """Backward with retain_graph only reads it."""
    x = am.tensor(np.linspace(0, 1, 20), requires_grad=True)
    y = ((x * 3.0).sin() * x).sum()

    def work(number: int) -> Any:
        return [am.autograd.grad(y, x, retain_graph=True)[0].tolist() for _ in range(20)]

    expected = am.autograd.grad(y, x, retain_graph=True)[0].tolist()
    assert together(work) == [[expected] * 20] * THREADS


@pytest.mark.usefixtures("restless")
def test_in_place_changes_in_one_thread_do_not_hide_or_invent_those_of_another() -> None:
    def work(number: int) -> int:
        refused = 0
        for i in range(60):
            x = am.ones(3, requires_grad=True)
            kept = x * 2.0
            y = (kept * kept).sum()
            if i % 2:
                with am.no_grad():
                    kept.add_(1)
            try:
                y.backward()
            except RuntimeError:
                refused += 1
            else:
                assert x.grad is not None and x.grad.tolist() == [8, 8, 8]
        return refused

    assert together(work) == [30] * THREADS


def test_a_write_that_is_overtaken_hides_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to take its number is the last to put it down; 0.1 s is for an overtaker that need not wait."""
    threads: list[threading.Thread] = []
    results: list[Any] = []

    def overtaker() -> None:
        x = am.ones(3, requires_grad=True)
        kept = x * 2.0
        results.append((kept * kept).sum())
        kept.detach().add_(1)

    def overtaken() -> int:
        number = tick()
        if not threads:
            threads.append(threading.Thread(target=overtaker))
            threads[0].start()
            threads[0].join(0.1)
        return number

    tick = writes.tick
    monkeypatch.setattr(writes, "tick", overtaken)
    am.ones(3).add_(1)
    threads[0].join(30)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        results[0].backward()


# ---------------------------------------------------------------------------------------------------------- modes


@pytest.mark.usefixtures("restless")
def test_each_thread_has_modes_of_its_own() -> None:
    def work(number: int) -> bool:
        wanted = bool(number % 2)
        for _ in range(100):
            with am.set_grad_enabled(wanted), detect_anomaly(number < 4):
                assert recorded() is wanted and (modes.current_mode().watch is not None) is (number < 4)
        return recorded()

    with am.no_grad():
        assert together(work) == [True] * THREADS, "a new thread starts from the default"
        assert not recorded()


def test_overlapping_tasks_keep_theirs_in_any_order_of_ending() -> None:
    """The one that began first ends first: where modes belong to the thread, the second leaves its own behind."""
    ended: list[str] = []

    async def task(name: str, steps: int, switch: Any, expected: bool) -> None:
        with switch:
            for _ in range(steps):
                await asyncio.sleep(0)
                assert recorded() is expected
        assert recorded()
        ended.append(name)

    async def main() -> None:
        await asyncio.gather(
            task("first", 2, am.no_grad(), False),
            task("second", 5, am.inference_mode(), False),
            task("third", 3, am.enable_grad(), True),
            task("fourth", 4, detect_anomaly(), True),
        )
        assert recorded() and modes.current_mode().watch is None

    asyncio.run(main())
    assert ended == ["first", "third", "fourth", "second"] and recorded()


def test_a_task_inherits_the_mode_it_was_made_in() -> None:
    async def look() -> bool:
        await asyncio.sleep(0)
        return recorded()

    async def main() -> list[bool]:
        with am.no_grad():
            inside = asyncio.create_task(look())
        return [await inside, await asyncio.create_task(look()), await asyncio.to_thread(recorded)]

    assert asyncio.run(main()) == [False, True, True]


def test_a_decorated_coroutine_runs_in_its_mode_to_its_end() -> None:
    @am.no_grad()
    async def silent() -> list[bool]:
        seen = [recorded()]
        await asyncio.sleep(0)
        return [*seen, recorded()]

    async def main() -> None:
        running = asyncio.create_task(silent())
        await asyncio.sleep(0)
        assert recorded()
        assert await running == [False, False] == await silent()
        assert recorded()

    asyncio.run(main())
    with pytest.raises(NotImplementedError, match="stream is an async generator: use a with block inside of it"):

        @am.no_grad()
        async def stream() -> AsyncIterator[int]:
            yield 1


def test_suspended_generators_leave_no_mode() -> None:
    """Of decorated ones; a bare `with` in a generator is Python's own trap: it lasts while the generator waits."""

    @am.no_grad()
    def silent() -> Iterator[bool]:
        while True:
            yield recorded()

    @detect_anomaly()
    def watched() -> Iterator[bool]:
        while True:
            yield modes.current_mode().watch is not None

    mode = modes.current_mode()
    one, other = silent(), watched()
    for _ in range(3):
        assert not next(one) and modes.current_mode() is mode
        assert next(other) and modes.current_mode() is mode
    del one, other
    assert modes.current_mode() is mode and recorded()


@pytest.mark.usefixtures("restless")
def test_generators_that_travel_between_threads() -> None:
    @am.no_grad()
    def silent() -> Iterator[bool]:
        for _ in range(THREADS):
            yield recorded()

    shared, lock = silent(), threading.Lock()

    def work(number: int) -> tuple[bool, bool]:
        with lock:
            inside = next(shared)
        return inside, recorded()

    assert together(work) == [(False, True)] * THREADS
