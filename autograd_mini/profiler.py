"""Where the time of a training step goes, and the memory: per operation, with PyTorch's names, table and trace file.

>>> import autograd_mini as am
>>> x = am.ones(3, requires_grad=True)
>>> with profile() as prof:
...     (x * x).sum().backward()
>>> [(event.key, event.count) for event in prof.key_averages() if event.key in ("mul", "sum", "MulBackward")]
[('mul', 1), ('sum', 1), ('MulBackward', 1)]

It listens to Python's own profiling hook, so that the engine knows nothing of it and costs nothing when it is off.
While it is on, every call of a function costs some 0.3 µs more: small operations look slower than they are.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, Self

from .engine import Node, TensorCore, propagate
from .optim import Optimizer
from .primitive import _binary, _general, _unary
from .serialization import replacing


@dataclasses.dataclass(frozen=True)
class Event:
    """One call, or several of one kind: times in µs, `self` without what it called; bytes of the tensors it made."""

    key: str
    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    cpu_memory_usage: int
    start: float = 0.0  # µs since the profile began
    shapes: tuple[tuple[int, ...], ...] = ()

    @property
    def cpu_time(self) -> float:
        """µs per call."""
        return self.cpu_time_total / self.count


class Averages(list[Event]):
    """Events by kind, as `profile.key_averages` gives them."""

    def total_average(self) -> Event:
        """All of them as one event; times are sums of self times, so nothing counts twice."""
        own = sum(e.self_cpu_time_total for e in self)
        return Event("Total", sum(e.count for e in self), own, own, sum(e.cpu_memory_usage for e in self))

    def table(self, sort_by: str | None = None, row_limit: int = 100, max_name_column_width: int = 55) -> str:
        """The events as text, largest first; sort_by: "self_cpu_time_total", "cpu_time_total", "count" …"""
        events = list(self)
        if sort_by is not None:
            names = [field.name for field in dataclasses.fields(Event)] + ["cpu_time"]
            if sort_by not in names:
                raise ValueError(f"sort_by must be one of {', '.join(names)}; not {sort_by!r}")
            events.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        total = self.total_average().self_cpu_time_total
        titles = ("Name", "Self CPU %", "Self CPU", "CPU total", "CPU time avg", "CPU Mem", "# of Calls")
        rows = [titles] + [
            (
                e.key[:max_name_column_width], f"{100 * e.self_cpu_time_total / (total or 1.0):.2f}%",
                _time(e.self_cpu_time_total), _time(e.cpu_time_total), _time(e.cpu_time), _bytes(e.cpu_memory_usage),
                str(e.count),
            )
            for e in events[:row_limit]
        ]  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        head, *lines = ("  ".join(map(str.rjust, row, widths)) for row in rows)
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([rule, head, rule, *lines, rule, f"Self CPU time total: {_time(total)}", ""])

    __str__ = table


@dataclasses.dataclass(slots=True, eq=False)
class _Call:
    """What runs now: a function, a part of the program, or a node of a backward pass, from first rule to last."""

    label: str
    frame: FrameType | None  # of the function; of a node: of the rule that runs, None between two of them
    shapes: tuple[tuple[int, ...], ...] = ()
    walk: FrameType | None = None  # of a node: of the backward pass
    node: Node | None = None
    inner: float = 0.0  # seconds of what it called
    start: float = dataclasses.field(default_factory=time.perf_counter)
    end: float = 0.0  # of a node: when the last of its rules, or of what it called, so far returned


class profile:
    """Records every operation, node of a backward pass and optimizer step of the `with` block, in this thread.

    record_shapes: keep the shapes of the operands, and let `key_averages` tell them apart. The other arguments of
    PyTorch's are refused where they would change anything.
    """

    def __init__(
        self, *, activities: Iterable[Any] | None = None, record_shapes: bool = False, profile_memory: bool = True,
        with_stack: bool = False, schedule: Callable[[int], Any] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        if with_stack or schedule is not None:
            raise NotImplementedError("profile: with_stack and schedule are not supported, leave them out")
        self._shapes, self._memory, self._ready = record_shapes, profile_memory, on_trace_ready
        self._events: list[Event] = []
        self._open: list[_Call] = []
        self._begun = 0.0

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        if self._before is not None:
            raise RuntimeError("profile: another profiler is running in this thread (cProfile, or a profile around it)")
        self._begun = time.perf_counter()
        self._events.clear()  # of the block before, if it is used again
        sys.setprofile(self._listen)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(self._before)
        self._open.clear()
        if self._ready is not None and error[0] is None:
            self._ready(self)

    def events(self) -> list[Event]:
        """Every call, in the order in which they ended."""
        return list(self._events)

    def key_averages(self, group_by_input_shape: bool = False) -> Averages:
        """The events summed by kind, in order of their first call."""
        kinds: dict[Any, list[Event]] = {}
        for e in sorted(self._events, key=lambda event: event.start):
            kinds.setdefault((e.key, e.shapes if group_by_input_shape else ()), []).append(e)
        return Averages(
            Event(
                key, len(events), sum(e.cpu_time_total for e in events), sum(e.self_cpu_time_total for e in events),
                sum(e.cpu_memory_usage for e in events), events[0].start, shapes,
            )
            for (key, shapes), events in kinds.items()
        )  # fmt: skip

    def export_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """A file for chrome://tracing or ui.perfetto.dev: every call as a bar on a line of time."""
        where = {"pid": os.getpid(), "tid": threading.get_native_id()}
        bars = [
            {
                "name": e.key, "ph": "X", "cat": "cpu_op", "ts": e.start, "dur": e.cpu_time_total, **where,
                "args": {"Input Dims": e.shapes, "Bytes": e.cpu_memory_usage},
            }
            for e in self._events
        ]  # fmt: skip
        with replacing(path) as file:
            file.write(json.dumps({"traceEvents": bars, "displayTimeUnit": "ms"}).encode())

    # ------------------------------------------------------------------------------------------------- listening

    def _listen(self, frame: FrameType, what: str, result: Any) -> None:
        if what == "call":
            walk = _walk(frame)
            if walk is not None:
                self._enter_rule(frame, walk)
            elif (label := _label(frame)) is not None:
                self._enter(_Call(label, frame, _shapes(frame) if self._shapes else ()))
        elif what == "return" and self._open:
            if self._open[-1].walk is frame:
                self._leave()  # its last node
            if self._open and (call := self._open[-1]).frame is frame:
                call.end = time.perf_counter()
                if call.node is not None:
                    call.frame = None
                else:
                    self._leave(result)

    def _enter(self, call: _Call) -> None:
        last = self._open[-1] if self._open else None
        if last and last.walk and not last.frame and last.walk.f_locals["node"] is not last.node:
            self._leave()  # the walk has gone on to another node
        self._open.append(call)

    def _enter_rule(self, frame: FrameType, walk: FrameType) -> None:
        node, gradient = walk.f_locals["node"], walk.f_locals["gradient"]
        if self._open and self._open[-1].node is node:
            self._open[-1].frame = frame
        else:
            self._enter(_Call(node.name, frame, (tuple(gradient.shape),) if self._shapes else (), walk, node))

    def _leave(self, result: Any = None) -> None:
        """The innermost call ended, at its `end`."""
        call = self._open.pop()
        took = call.end - call.start
        if self._open:
            self._open[-1].inner += took
            self._open[-1].end = call.end
        made = result._array.nbytes if self._memory and isinstance(result, TensorCore) else 0
        since = (call.start - self._begun) * 1e6
        self._events.append(Event(call.label, 1, took * 1e6, (took - call.inner) * 1e6, made, since, call.shapes))


class record_function:
    """A part of the program under a name of its own: `with record_function("forward"): …`. Also a decorator."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._entries: list[_Call] = []  # one for each block of it that runs now

    def __enter__(self) -> Self:
        self._entries.append(_Call(self.name, None))
        if isinstance(owner := getattr(sys.getprofile(), "__self__", None), profile):
            owner._enter(self._entries[-1])
        return self

    def __exit__(self, *error: object) -> None:
        owner, call = getattr(sys.getprofile(), "__self__", None), self._entries.pop()
        if isinstance(owner, profile) and owner._open and owner._open[-1] is call:
            call.end = time.perf_counter()
            owner._leave()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return wrapper


# ------------------------------------------------------------------------------------------------ what is worth a name


def _code(function: Any) -> CodeType:
    return function.__code__  # type: ignore[no-any-return]


_OPERATIONS = {
    code
    for make in (_unary, _binary, _general)
    for code in _code(make).co_consts
    if isinstance(code, CodeType) and code.co_name == "apply"
}
_PROPAGATE = _code(propagate)


def _walk(frame: FrameType) -> FrameType | None:
    """The backward pass, if it is one of the rules of its present node that begins here."""
    caller = frame.f_back
    if caller is None or caller.f_code is not _PROPAGATE:
        return None
    return caller if getattr(caller.f_locals.get("rule"), "__code__", None) is frame.f_code else None


def _label(frame: FrameType) -> str | None:
    """The name of the operation, pass or step whose Python function begins here; None for any other function."""
    code = frame.f_code
    if code in _OPERATIONS:
        return str(frame.f_locals["prim"].name)
    if code is _PROPAGATE:
        return "backward"
    if code.co_name == "step" and isinstance(optimizer := frame.f_locals.get("self"), Optimizer):
        return f"Optimizer.step#{type(optimizer).__name__}.step"
    return None


def _shapes(frame: FrameType) -> tuple[tuple[int, ...], ...]:
    given = frame.f_locals
    values = given["args"] if "args" in given else [given[name] for name in ("x", "y") if name in given]
    return tuple(tuple(value.shape) for value in values if hasattr(value, "shape"))


def _time(micros: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if micros >= size:
            return f"{micros / size:.3f}{unit}"
    return f"{micros:.3f}us"


def _bytes(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"
