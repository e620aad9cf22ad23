"""What does not vary with noise: nodes of a graph, bytes kept and allocated, calls of the package's functions.

`python tests/benchmarks/counts.py` prints these of a step of some workloads, of a chain and of the import, as JSON;
tests/test_counts.py holds them against what is recorded there.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import autograd_mini
from autograd_mini.engine import Node

PACKAGE = Path(autograd_mini.__file__).parent
WORKLOADS = ("mnist_mlp", "lenet", "transformer")
Figures = dict[str, float]


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
        if what == "call" and code.co_filename.startswith(str(PACKAGE)) and not code.co_name.endswith("comp>"):
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


def elides() -> bool:
    """Whether NumPy writes x * (x + x) into the memory of the sum, which nobody needs any more."""
    x = np.ones(1 << 17)
    return held(lambda: x * (x + x)) < 1.5 * x.nbytes


# ------------------------------------------------------------------------------------------------ what they count


def of_a_step(step: Any) -> tuple[Figures, dict[str, Counter[str]]]:
    """The figures of a step that has been taken twice before, so that what is made once is there."""
    step(), step()
    gc.collect()
    step.optimizer.zero_grad()
    figures = {"held": held(lambda: step.forward().backward())}
    step.optimizer.zero_grad()
    figures["allocated forward"], loss = allocated(step.forward)
    figures["allocated backward"], _ = allocated(loss.backward)
    step.optimizer.zero_grad()
    forward, loss = calls(step.forward)
    figures |= {"nodes": len(nodes(loss)), "kept": kept_bytes(loss)}
    backward, _ = calls(loss.backward)
    figures |= {"calls forward": forward.total(), "calls backward": backward.total()}
    return figures, {"forward": forward, "backward": backward}


def of_a_chain(chain: Callable[[Any, int], Any], n: int = 1000) -> Figures:
    """The figures per operation of a chain of single numbers."""
    x = autograd_mini.tensor(0.5, requires_grad=True)
    chain(x, n).backward()
    forward, y = calls(lambda: chain(x, n))
    count = len(nodes(y))
    backward, _ = calls(y.backward)
    return {
        "nodes": count / n, "held": held(lambda: chain(x, n)) / n,
        "calls forward": forward.total() / n, "calls backward": backward.total() / n,
    }  # fmt: skip


def of_the_import() -> Figures:
    code = (
        "import sys, json, numpy; before = set(sys.modules); import autograd_mini; new = set(sys.modules) - before;"
        "own = {name for name in new if name.startswith('autograd_mini')};"
        "print(json.dumps({'own': len(own), 'others': sorted(new - own)}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = json.loads(run.stdout)
    size = sum(path.stat().st_size for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {"own": loaded["own"], "others": len(loaded["others"]), "bytes": size}


def main() -> None:
    steps = {name: of_a_step(importlib.import_module(f"bench_{name}").autograd_mini()) for name in WORKLOADS}
    figures = {name: figures for name, (figures, _) in steps.items()}
    chain = of_a_chain(importlib.import_module("bench_tiny_ops").chain)
    often = {name: {way: dict(c.most_common(8)) for way, c in calls.items()} for name, (_, calls) in steps.items()}
    figures |= {"chain": chain, "import": of_the_import()}
    print(json.dumps(figures | {"called most": often, "elides": elides()}, indent=1))


if __name__ == "__main__":
    main()
