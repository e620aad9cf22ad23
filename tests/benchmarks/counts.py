"""What does not vary with noise: nodes of a graph, bytes kept and allocated, calls of the package's functions."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import autograd_mini
from autograd_mini.engine import Node

PACKAGE = str(Path(autograd_mini.__file__).parent)


def nodes(tensor: Any) -> list[Node]:
    """Those of the operations that led to this tensor, leaves left out."""
    stack, seen = [tensor._node], {}
    while stack:
        node = stack.pop()
        if node is not None and node.primitive is not None and node not in seen:
            seen[node] = None
            stack.extend(node.parents)
    return list(seen)


def kept_bytes(tensor: Any) -> int:
    """Of the memory that the graph keeps alive for backward, parameters and inputs too; each array counts once."""
    memory = {}
    stack = [value for node in nodes(tensor) for value in node.kept or ()]
    while stack:
        value = stack.pop()
        if isinstance(value, tuple):
            stack.extend(value)
        elif hasattr(value, "nbytes"):
            while getattr(value, "base", None) is not None:
                value = value.base
            memory[id(value)] = value.nbytes
    return sum(memory.values())


def calls(function: Callable[[], Any]) -> tuple[Counter[str], Any]:
    """How often each Python function of the package is called, by name, and what `function` returns.

    Comprehensions are left out, because Python 3.12 no longer makes functions of them.
    """
    counter: Counter[str] = Counter()

    def listen(frame: FrameType, what: str, _: Any) -> None:
        code = frame.f_code
        if what == "call" and code.co_filename.startswith(PACKAGE) and not code.co_name.endswith("comp>"):
            counter[f"{Path(code.co_filename).stem}.{code.co_name}"] += 1

    return counter, listening(listen, function)


def listening(listen: Any, function: Callable[[], Any]) -> Any:
    sys.setprofile(listen)
    try:
        return function()
    finally:
        sys.setprofile(None)


def held(function: Callable[[], Any]) -> int:
    """The most bytes that Python and NumPy hold at any time of the call, beyond those before."""
    with tracing():
        before = tracemalloc.get_traced_memory()[0]
        function()
        return tracemalloc.get_traced_memory()[1] - before


def allocated(function: Callable[[], Any]) -> tuple[int, Any]:
    """All bytes that Python and NumPy ask for, however short they need them; and what `function` returns.

    It adds up by how much memory rises between one call or return of any function and the next.
    """
    total = level = 0

    def listen(*_: Any) -> None:
        nonlocal total, level
        total += tracemalloc.get_traced_memory()[1] - level
        tracemalloc.reset_peak()
        level = tracemalloc.get_traced_memory()[0]

    with tracing():
        listen()
        total = 0
        result = listening(listen, function)
    return total, result


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()
