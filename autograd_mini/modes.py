"""Is a graph being recorded, and who looks on? One answer per thread and asyncio task, restored by exceptions."""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from .engine import Array, Node

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Mode:
    """What holds for the code that runs now. Immutable; one per thread and asyncio task; each node keeps its own."""

    __slots__ = ("grad", "order", "scope", "watch")

    def __init__(self, grad: bool = True, watch: Watcher | None = None, order: int = 0, scope: str = "") -> None:
        self.grad = grad  # are operations recorded?
        self.watch = watch  # who is shown every recorded value and every gradient, if anybody
        self.order = order  # 0 in a forward pass, 1 in a backward pass that is recorded, 2 in the next …
        self.scope = scope  # path of the nn.Module whose forward runs: "encoder.fc1"

    def replace(self, **changes: Any) -> Mode:
        of = changes.get
        return Mode(of("grad", self.grad), of("watch", self.watch), of("order", self.order), of("scope", self.scope))


class Watcher(Protocol):
    """Looks on as a graph is recorded and differentiated: anomaly detection, tracing for pictures."""

    def forward(self, node: Node, out: Array, inputs: tuple[Any, ...]) -> None:
        """`node` has just been recorded: its operation made `out` of `inputs` (and what follows them)."""

    def backward(self, node: Node | None, i: int, gradient: Array) -> None:
        """A rule of `node` has returned this gradient for its input i; `node` None: it is what root i starts with."""


_mode: contextvars.ContextVar[Mode] = contextvars.ContextVar("autograd_mini_mode", default=Mode())  # noqa: B039
current_mode = _mode.get


class ModeSwitch:
    """Changes the mode inside a `with` block or a decorated function; what was there before comes back, always."""

    def __new__(cls, *args: Any, **changes: Any) -> Any:
        switch = super().__new__(cls)
        if not (args and callable(args[0])):
            return switch
        switch.__init__()  # type: ignore[misc]
        return switch(args[0])  # @no_grad without parentheses

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._entries: list[tuple[contextvars.Token[Mode], Any]] = []  # of all threads and tasks that are inside

    def clone(self) -> ModeSwitch:
        return ModeSwitch(**self._changes)

    def __enter__(self) -> None:
        self._enter(self._changes)

    def __exit__(self, *error: object) -> None:
        self._leave()

    def _enter(self, changes: dict[str, Any], remembered: Any = None) -> None:
        self._entries.append((_mode.set(current_mode().replace(**changes)), remembered))

    def _leave(self) -> Any:
        """Bring back the mode that was there before this thread or task entered last; returns what it remembered."""
        for entry in self._entries[::-1]:
            try:
                _mode.reset(entry[0])
            except (ValueError, RuntimeError):  # of another thread or task, or left already, as Ctrl-C came
                continue
            self._entries.remove(entry)
            return entry[1]
        raise RuntimeError(f"{type(self).__name__}: left in another thread or task than it was entered in")

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:  # a suspended generator leaves no mode behind
            steps = function(*args, **kwargs)
            resume, value = steps.send, None
            while True:
                try:
                    with self.clone():
                        item = resume(value)
                except StopIteration as stop:
                    return stop.value
                try:
                    resume, value = steps.send, (yield item)
                except BaseException as error:
                    resume, value = steps.throw, error

        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return await function(*args, **kwargs)

        if inspect.isasyncgenfunction(function):
            raise NotImplementedError(f"{function.__name__} is an async generator: use a with block inside of it")
        if inspect.iscoroutinefunction(function):
            return coroutine  # type: ignore[return-value]
        return generator if inspect.isgeneratorfunction(function) else wrapper  # type: ignore[return-value]


def run_in(changes: dict[str, Any], function: Callable[..., T], *args: Any) -> T:
    """`function(*args)` under a changed mode, in a context of its own.

    What a `with` block restores, it restores in Python, where Ctrl-C can come first. Here is nothing to restore.
    """
    context = contextvars.copy_context()
    context.run(_mode.set, current_mode().replace(**changes))
    return context.run(function, *args)


class no_grad(ModeSwitch):
    """Nothing is recorded inside: `with no_grad(): w -= lr * w.grad`. Also a decorator, as in PyTorch."""

    def __init__(self) -> None:
        super().__init__(grad=False)


class enable_grad(ModeSwitch):
    """Recording is on inside, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(grad=True)


class set_grad_enabled(ModeSwitch):
    """Recording on or off, from the call on; as a context manager until the block ends."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        super().__enter__()

    def __enter__(self) -> None:
        pass  # already done by the call

    def __call__(self, function: F) -> F:
        self._leave()  # as a decorator it concerns the function alone
        return super().__call__(function)


class inference_mode(ModeSwitch):
    """`no_grad` under PyTorch's other name; inference_mode(False) switches recording on."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__(grad=not mode)


def is_grad_enabled() -> bool:
    """Whether operations are recorded for `backward` in this thread or task."""
    return current_mode().grad
