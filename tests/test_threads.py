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
from autograd_mini.draw import trace_backward
from autograd_mini.primitive import PRIMITIVES

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


# ------------------------------------------------------------- races: each in its one bad order, which always comes


class Overtaker:
    """Does its work in another thread when it is first called; `patience`: s that a caller waits for its end."""

    def __init__(self, work: Callable[[], Any], patience: float = 30) -> None:
        self._results: list[Any] = []
        self._thread: threading.Thread | None = None
        self._work, self._patience = work, patience

    def __call__(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=lambda: self._results.append(self._work()))
            self._thread.start()
            self._thread.join(self._patience)

    def result(self) -> Any:
        assert self._thread is not None, "nobody was overtaken"
        self._thread.join(30)
        return self._results[0]


A_MOMENT = 0.1  # for one that may have to wait until we go on, and need not if there is a race


def test_a_write_that_is_overtaken_hides_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to take its number is the last to put it down."""

    def write() -> am.Tensor:
        x = am.ones(3, requires_grad=True)
        kept = x * 2.0
        y: am.Tensor = (kept * kept).sum()
        kept.detach().add_(1)
        return y

    def overtaken() -> int:
        number = take()
        overtake()
        return number

    take, overtake = writes.tick, Overtaker(write, A_MOMENT)
    monkeypatch.setattr(writes, "tick", overtaken)
    am.ones(3).add_(1)
    y = overtake.result()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.fixture
def undeclared() -> Iterator[None]:
    """Operations that a test declares are forgotten after it."""
    before = dict(PRIMITIVES)
    yield
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


@pytest.mark.usefixtures("undeclared")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_written_while_an_operation_runs_counts_as_written_after(count: int) -> None:
    """It has computed its result, and is not recorded yet."""

    def run(x: Any) -> Any:
        result = x * x
        write()
        return result

    x = am.ones(3, requires_grad=True)
    write = Overtaker(lambda: x.detach().add_(1))
    forward: Any = [lambda x: run(x), lambda x, y: run(x), lambda x, y, z: run(x)][count - 1]
    rules: dict[str, Any] = {"x": lambda g, x: g * 2 * x, **({"y": lambda g: g} if count == 2 else {})}
    square = am.primitive(forward, name="slow_square", public=False, **rules)
    loss = square(x, *[am.ones(3)] * (count - 1)).sum()
    assert loss.item() == 3 and write.result() is not None
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_what_is_read_while_an_optimizer_steps_counts_as_read_before() -> None:
    class Slow(am.optim.Optimizer):
        _spares = 0

        def _update(self, param: am.Tensor, group: dict[str, Any]) -> None:
            for p, g in self._blocks(param, group, weight_decay=0.0):
                read()
                p -= g

    w = am.ones(3, requires_grad=True)
    w.sum().backward()
    begun, read = threading.Event(), Overtaker(lambda: (w * w).sum())
    other = threading.Thread(target=begun.wait)  # a reader is there when the step begins
    other.start()
    Slow([w], {"maximize": False}).step()
    begun.set()
    other.join()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        read.result().backward()


def test_a_gradient_that_is_read_while_it_grows_counts_as_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(array: Any, recorded: bool = False) -> None:
        note(array, recorded)
        read()

    w, v = am.ones(3, requires_grad=True), am.ones(3, requires_grad=True)
    w.sum().backward()
    note, read = writes.writes.note, Overtaker(lambda: (w.grad * v).sum())
    monkeypatch.setattr(writes.writes, "note", noted)
    w.sum().backward()
    y = read.result()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_a_gradient_that_is_taken_away_while_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `zero_grad` does in another thread: it is away afterwards."""

    def slow(old: Any, new: Any) -> Any:
        take()
        return old + new

    w = am.ones(3, requires_grad=True)
    take = Overtaker(lambda: setattr(w, "grad", None), A_MOMENT)
    monkeypatch.setattr(engine, "add", slow)
    for _ in range(2):
        (w * w).sum().backward(create_graph=True)
    take.result()
    assert w.grad is None


def test_two_threads_make_one_memory_of_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sum returns is a number of NumPy's, and an array as soon as it is shown: the same one to all."""

    def slow(array: Any) -> Any:
        made = memory_of(array)
        show()
        return made

    memory_of = engine.__dict__["memory_of"]
    total = am.ones(3).sum()
    show = Overtaker(total.detach, A_MOMENT)
    monkeypatch.setattr(engine, "memory_of", slow)
    mine = total.detach()
    mine.add_(1)
    show.result().add_(1)
    assert total.item() == mine.item() == 5


def test_two_threads_that_hook_one_result_both_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first hook of a result makes the place for hooks."""

    class Slow(engine.Extra):
        def __init__(self) -> None:
            hook()
            super().__init__()

    calls: list[str] = []
    y = am.ones(3, requires_grad=True) * 2.0
    hook = Overtaker(lambda: y.register_hook(lambda g: calls.append("theirs")), A_MOMENT)
    monkeypatch.setattr(engine, "Extra", Slow)
    y.register_hook(lambda g: calls.append("mine"))
    hook.result()
    y.sum().backward()
    assert sorted(calls) == ["mine", "theirs"]


def test_two_views_that_two_threads_take_both_learn_of_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first view of a tensor makes the place where its views are known."""

    def slow() -> set[Any]:
        view()
        return set()

    x, w = am.zeros(2, 2), am.ones(2, 2, requires_grad=True)
    view = Overtaker(lambda: x[0], A_MOMENT)
    monkeypatch.setitem(am.primitive.__globals__, "set", slow)
    mine, theirs = x[1], view.result()
    x.add_(w)
    assert mine.requires_grad and theirs.requires_grad


def test_a_graph_that_another_thread_frees_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between finding the kept values and proving that they are unchanged."""

    def slow(node: Any, *kept: Any) -> None:
        free()
        check_kept(node, *kept)

    x = am.ones(1, requires_grad=True)
    y = x.exp()
    am.ones(3).add_(1)  # so that there is something to be proved
    check_kept, free = engine.__dict__["check_kept"], Overtaker(lambda: am.autograd.grad(y, x))
    monkeypatch.setattr(engine, "check_kept", slow)
    first = am.autograd.grad(y, x)[0]
    assert first.tolist() == free.result()[0].tolist()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_each_pass_over_one_graph_has_its_own_saved_tensors() -> None:
    """A plain pass, whose saved tensors have no history, comes in between in one that is recorded."""

    class Cube(am.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: am.Tensor) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: am.Tensor) -> Any:
            plain()
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = am.tensor([1.0, 2.0], requires_grad=True)
    y = Cube.apply(x).sum()
    plain = Overtaker(lambda: am.autograd.grad(y, x, retain_graph=True))
    (slope,) = am.autograd.grad(y, x, create_graph=True)
    assert plain.result()[0].tolist() == slope.tolist() == [3, 12]
    assert am.autograd.grad(slope.sum(), x)[0].tolist() == [6, 12]


@pytest.mark.usefixtures("undeclared")
def test_each_pass_over_one_graph_shows_hooks_its_own_gradients() -> None:
    def rule(g: Any) -> Any:
        other()
        return g

    slow = am.primitive(lambda x: x * 1.0, name="slow", public=False, x=rule)

    class Layer(nn.Module):
        def forward(self, x: am.Tensor) -> Any:
            return slow(x)

    seen: list[Any] = []
    layer, x = Layer(), am.ones(2, requires_grad=True)
    layer.register_full_backward_hook(lambda layer, given, got: seen.append((given[0].tolist(), got[0].tolist())))
    y = layer(x)
    other = Overtaker(lambda: am.autograd.grad(y, x, am.full((2,), 7.0), retain_graph=True))
    am.autograd.grad(y, x, am.ones(2), retain_graph=True)
    other.result()
    assert seen == [([7, 7], [7, 7]), ([1, 1], [1, 1])]


# ----------------------------------------------------------------------------------------------------- checkpoints


def noisy(x: am.Tensor) -> am.Tensor:
    return x.exp() * am.rand(4)


def test_draws_of_others_are_not_repeated_and_disturb_no_repetition() -> None:
    """The default generator stands still for them while a checkpoint draws again."""

    def function(x: am.Tensor) -> am.Tensor:
        if again:
            draw()
        return noisy(x)

    again: list[bool] = []
    x = am.ones(4, requires_grad=True)
    y = am.utils.checkpoint.checkpoint(function, x)
    next_numbers = am.Generator()
    next_numbers.set_state(am.default_generator.get_state())
    again.append(True)
    draw = Overtaker(lambda: am.rand(4).tolist())
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == y.tolist()
    assert draw.result() == am.rand(4, generator=next_numbers).tolist()


def test_draws_that_others_took_from_a_checkpoint_are_an_error() -> None:
    """What came in between cannot be repeated; without a draw of its own nothing is lost."""

    def function(x: am.Tensor) -> am.Tensor:
        draw()
        return noisy(x) if draws else x.exp()

    x = am.ones(4, requires_grad=True)
    for draws in (False, True):
        draw = Overtaker(lambda: am.rand(4))
        y = am.utils.checkpoint.checkpoint(function, x).sum()
        if draws:
            with pytest.raises(am.utils.checkpoint.CheckpointError, match="another thread drew from the default"):
                y.backward()
        else:
            y.backward()


def test_threads_that_read_a_checkpoint_run_it_again_once() -> None:
    def function(x: am.Tensor) -> am.Tensor:
        runs.append(1)
        if len(runs) == 2:
            read()
        return noisy(x)

    runs: list[int] = []
    x = am.ones(4, requires_grad=True)
    y = am.utils.checkpoint.checkpoint(function, x)
    read = Overtaker(lambda: am.autograd.grad(y.sum(), x, retain_graph=True)[0].tolist(), A_MOMENT)
    mine = am.autograd.grad(y.sum(), x, retain_graph=True)[0].tolist()
    assert read.result() == mine == y.tolist() and len(runs) == 2


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


@pytest.mark.parametrize("make", [am.no_grad, detect_anomaly, trace_backward])
def test_one_switch_may_be_used_by_several_threads_and_tasks(make: Any) -> None:
    """Each leaves with the mode that it came with, though the first to enter is the first to leave."""
    switch, inside, outside = make(), threading.Event(), threading.Event()

    def first() -> bool:
        with switch:
            inside.set()
            outside.wait(30)
        return recorded() and modes.current_mode().watch is None and np.geterr()["over"] == "warn"

    one = threading.Thread(target=lambda: results.append(first()))
    results: list[bool] = []
    one.start()
    inside.wait(30)
    with am.set_grad_enabled(make is not am.no_grad):
        before = modes.current_mode()
        with switch:
            assert recorded() is (make is not am.no_grad)
            outside.set()
            one.join(30)
        assert modes.current_mode() is before
    assert results == [True]

    async def task(steps: int) -> bool:
        with switch:
            for _ in range(steps):
                await asyncio.sleep(0)
        return recorded() and modes.current_mode().watch is None

    async def main() -> list[bool]:
        return await asyncio.gather(task(2), task(4), task(3))

    assert asyncio.run(main()) == [True] * 3


def test_a_switch_that_is_left_elsewhere_says_so() -> None:
    switch = am.no_grad()
    switch.__enter__()
    with pytest.raises(RuntimeError, match="no_grad: left in another thread or task than it was entered in"):
        asyncio.run(asyncio.to_thread(switch.__exit__))  # type: ignore[arg-type]
    switch.__exit__()
    assert recorded()


def test_a_task_may_look_on_after_the_block_that_it_began_in() -> None:
    async def work() -> None:
        await asyncio.sleep(0)
        (am.ones(2, requires_grad=True) * 2.0).sum().backward()

    async def main() -> int:
        with trace_backward() as trace:
            task = asyncio.create_task(work())
        await task
        return len(trace.edges)

    assert asyncio.run(main()) == 2


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
