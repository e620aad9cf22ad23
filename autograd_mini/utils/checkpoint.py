"""`checkpoint`: compute again instead of keeping, so that a deep network trains in the memory of a shallow one.

The graph is recorded as ever, but what its nodes would keep is dropped at once. The first node that is asked for its
values in backward has the function run again, which fills all nodes of that call.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..creation import Generator, default_generator, stand_in
from ..engine import Node
from ..modes import ModeSwitch, Watcher, current_mode, is_grad_enabled
from ..writes import tick, writes

_DEFAULTS = {"context_fn": None, "debug": False, "early_stop": True}  # PyTorch's, never passed on to the function


class CheckpointError(RuntimeError):
    """The function did something else when it was run again."""


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool = False, preserve_rng_state: bool = True,
    determinism_check: str = "default", **kwargs: Any
) -> Any:
    """function(*args, **kwargs), run again in backward instead of kept in memory; same result, same gradients.

    Works for any arguments and results, for parameters that the function uses, in `grad`, with create_graph, and
    nested. With retain_graph the values that were computed again stay. The function must do the same both times; the
    default generator is set back for it, and other shapes or operations raise CheckpointError (not so with
    determinism_check="none"). Changing what it reads in between raises RuntimeError, as in-place changes do.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x.exp() * x).sum(), x).backward()
    >>> x.grad
    tensor([ 5.4366, 22.1672])
    """
    options = {name: kwargs.pop(name, default) for name, default in _DEFAULTS.items()}
    others = {"use_reentrant": True} if use_reentrant else {k: v for k, v in options.items() if v is not _DEFAULTS[k]}
    if others:
        given = ", ".join(f"{name}={value!r}" for name, value in others.items())
        raise NotImplementedError(f"checkpoint: {given} is not supported: leave it out")
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check must be 'default' or 'none', not {determinism_check!r}")
    if not is_grad_enabled():
        return function(*args, **kwargs)
    call = _Call(lambda: function(*args, **kwargs), preserve_rng_state, determinism_check == "default")
    dropper = _Dropper(call, current_mode().watch)
    with ModeSwitch(watch=dropper):
        result = function(*args, **kwargs)
    call.drawn = default_generator.get_state() if preserve_rng_state else None
    del dropper.call  # the nodes know the mode they were made in, and shall not keep the arguments after backward
    return result


class _Call:
    """One call that can be repeated. Known by what its nodes keep, and knows that only weakly."""

    def __init__(self, function: Callable[[], Any], random: bool, check: bool) -> None:
        self.function, self.check, self.start = function, check, tick()
        self.random = self.drawn = default_generator.get_state() if random else None  # before and after it ran
        self.running = threading.RLock()  # threads that read one graph shall not run it at the same time
        self.recorded: list[tuple[weakref.ref[_Lazy] | None, tuple[Any, ...]]] = []  # in the order of the nodes

    def repeat(self) -> None:
        """Run the function again and hand its values to those nodes of the first run that are still there."""
        collector = _Collector(self.start, tick())
        with ModeSwitch(grad=True, watch=collector):
            self._run()
        if self.check and [_signature(n) for n in collector.nodes] != [signature for _, signature in self.recorded]:
            raise CheckpointError(
                f"checkpoint: {len(self.recorded)} operations were recorded at first and {len(collector.nodes)} when"
                " the function was run again, or with other shapes: it must do the same both times"
            )
        for node, (reference, _) in zip(collector.nodes, self.recorded, strict=self.check):
            if (lazy := reference() if reference is not None else None) is not None:
                kept: Any = node.kept
                lazy.values = kept if isinstance(kept, _Lazy) else collector.unwritten(kept)
        collector.nodes.clear()  # they know the mode they were made in, and so the collector

    def _run(self) -> None:
        """The function, which draws the same random numbers as at first."""
        if self.random is None:
            self.function()
            return
        generator = Generator()
        generator.set_state(self.random)
        token = stand_in.set(generator)
        try:
            self.function()
        finally:
            stand_in.reset(token)
        now = generator.get_state()
        if self.check and now not in (self.random, self.drawn):  # that others drew does not matter if it draws nothing
            raise CheckpointError(
                "checkpoint: the function drew other random numbers when it was run again; if it does the same both"
                " times, another thread drew from the default generator meanwhile: give that one a Generator of its own"
            )


class _Lazy:
    """What a node keeps, computed when it is first read; counts as empty until then."""

    __slots__ = ("__weakref__", "call", "values")

    def __init__(self, call: _Call) -> None:
        self.call = call
        self.values: tuple[Any, ...] | _Lazy | None = None  # those of a nested call are lazy themselves

    def _read(self) -> tuple[Any, ...] | _Lazy:
        if self.values is None:
            with self.call.running:
                if self.values is None:
                    self.call.repeat()
        if self.values is None:
            raise CheckpointError("checkpoint: the function was run again, but did not come to this operation")
        return self.values

    def __getitem__(self, i: int) -> Any:
        return self._read()[i]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self.values or ())


class _Dropper:
    """Watches the first run: what a node has just kept goes, and a `_Lazy` comes in its place."""

    def __init__(self, call: _Call, outer: Watcher | None) -> None:
        self.call, self.outer = call, outer

    def forward(self, node: Node, out: Any, inputs: tuple[Any, ...]) -> None:
        keeps = node.primitive is not None and node.primitive.keeps_values
        lazy = _Lazy(self.call) if keeps else None
        if lazy is not None:
            node.kept = lazy  # type: ignore[assignment]
        self.call.recorded.append((weakref.ref(lazy) if lazy is not None else None, _signature(node)))
        if self.outer is not None:
            self.outer.forward(node, out, inputs)

    def backward(self, node: Node | None, i: int, gradient: Any) -> None:
        if self.outer is not None:
            self.outer.backward(node, i, gradient)


class _Collector:
    """Watches the second run, which began at `again`; nothing that was there at `start` may have changed since."""

    def __init__(self, start: int, again: int) -> None:
        self.start, self.again = start, again
        self.nodes: list[Node] = []

    def forward(self, node: Node, out: Any, inputs: tuple[Any, ...]) -> None:
        self.nodes.append(node)
        for array in inputs[0] if node.primitive is not None and node.primitive.variadic else inputs:
            if isinstance(array, np.ndarray) and self.start < writes.of(array)[0] < self.again:
                raise RuntimeError(
                    f"checkpoint: an input of {node!r} has been modified by an inplace operation between forward and"
                    " backward, so the function cannot be run again"
                )

    def backward(self, node: Node | None, i: int, gradient: Any) -> None:
        """Backward passes inside of the function are its own."""

    def unwritten(self, value: Any) -> Any:
        """A copy of what this run itself wrote in place, which the engine would take for a later change."""
        if isinstance(value, tuple):
            return tuple(self.unwritten(v) for v in value)
        return value.copy() if isinstance(value, np.ndarray) and writes.of(value)[0] > self.again else value


def _signature(node: Node) -> tuple[Any, ...]:
    return node.primitive and node.primitive.name, node.shape, node.dtype
