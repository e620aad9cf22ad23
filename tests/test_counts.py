"""What training costs, in figures that do not vary with noise: nodes, bytes, calls. Times are for tests/benchmarks.

Each figure may be smaller than the one recorded here, not larger. Where that is meant, record the new one:
`python tests/test_counts.py` prints them all.
"""

from __future__ import annotations

import gc
import importlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import autograd_mini as am

HERE = Path(__file__).parent / "benchmarks"
PACKAGE = Path(am.__file__).parent

# Of one step: nodes of the graph; bytes that it keeps for backward (weights and data, too); the most bytes held at any
# time, beyond those before; all bytes ever asked for; calls of the package's Python functions.
NAMES = ("nodes", "kept", "held", "allocated forward", "allocated backward", "calls forward", "calls backward")
STEPS = {
    "mnist_mlp": (5, 754_688, 1_898_683, 644_906, 2_376_068, 58, 135),
    "lenet": (18, 2_518_560, 6_776_745, 8_347_777, 15_033_438, 309, 437),
    "transformer": (33, 8_389_120, 9_991_345, 34_200_541, 21_367_769, 480, 403),
}
# Per operation of a chain of single numbers: nodes; the most bytes held; calls.
CHAIN = {"nodes": 1.0, "held": 216, "calls forward": 2.0, "calls backward": 2.03}
# What `import autograd_mini` loads: modules of its own, and others beyond NumPy's (8 to 12, by the version
# of Python); bytes of the package on disk.
IMPORT = {"own": 25, "others": 12, "bytes": 1_150_000}
# Small objects are Python's own affair, and so are NumPy's short-lived arrays.
SLACK = {"held": 1.02, "allocated forward": 1.05, "allocated backward": 1.05}


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """The benchmarks' modules, which import each other as scripts in one folder do."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(HERE))
    yield importlib.import_module
    for name in {path.stem for path in HERE.glob("*.py")} - before:
        sys.modules.pop(name, None)


Figures = dict[str, float]


def of_a_step(counts: ModuleType, step: Any) -> tuple[Figures, dict[str, Counter[str]]]:
    """The figures of a step that has been taken twice before, so that what is made once is there."""
    step(), step()
    gc.collect()
    step.optimizer.zero_grad()
    figures = {"held": counts.held(lambda: step.forward().backward())}
    step.optimizer.zero_grad()
    figures["allocated forward"], loss = counts.allocated(step.forward)
    figures["allocated backward"], _ = counts.allocated(loss.backward)
    step.optimizer.zero_grad()
    forward, loss = counts.calls(step.forward)
    figures |= {"nodes": len(counts.nodes(loss)), "kept": counts.kept_bytes(loss)}
    backward, _ = counts.calls(loss.backward)
    figures |= {"calls forward": forward.total(), "calls backward": backward.total()}
    return figures, {"forward": forward, "backward": backward}


def of_a_chain(counts: ModuleType, chain: Callable[[Any, int], Any], n: int = 1000) -> Figures:
    """The figures per operation of a chain of single numbers."""
    x = am.tensor(0.5, requires_grad=True)
    chain(x, n).backward()
    forward, y = counts.calls(lambda: chain(x, n))
    nodes = len(counts.nodes(y))
    backward, _ = counts.calls(y.backward)
    return {
        "nodes": nodes / n, "held": counts.held(lambda: chain(x, n)) / n,
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


def check(what: str, figures: Figures, recorded: Figures, how: str) -> None:
    """Every figure at most as recorded; a message says what grew, and how to see why."""
    assert figures.keys() == recorded.keys()
    grown = [
        f"{name}: {figures[name]:,} instead of {most:,}"
        for name, most in recorded.items()
        if figures[name] > most * SLACK.get(name, 1)
    ]
    assert not grown, f"{what} costs more than recorded in {Path(__file__).name}: {'; '.join(grown)}. {how}"


@pytest.mark.parametrize("workload", STEPS)
def test_a_step_costs_no_more_than_recorded(workload: str, benchmarks: Callable[[str], ModuleType]) -> None:
    figures, calls = of_a_step(benchmarks("counts"), benchmarks(f"bench_{workload}").autograd_mini())
    often = "; ".join(f"{way}: {', '.join(f'{k} {n}' for k, n in c.most_common(8))}" for way, c in calls.items())
    how = f"`python tests/benchmarks/run.py --profile {workload}` shows the operations. Called most, {often}"
    check(f"a step of {workload}", figures, dict(zip(NAMES, STEPS[workload], strict=True)), how)


def test_an_operation_costs_no_more_than_recorded(benchmarks: Callable[[str], ModuleType]) -> None:
    figures = of_a_chain(benchmarks("counts"), benchmarks("bench_tiny_ops").chain)
    how = "`python tests/benchmarks/run.py --profile tiny_ops_0d` shows it, and so do `record`, `Node` and `propagate`"
    check("an operation of a chain", figures, CHAIN, how)


def test_the_import_costs_no_more_than_recorded() -> None:
    how = "`python -X importtime -c 'import autograd_mini'` shows what is loaded"
    check("the package", of_the_import(), IMPORT, how)


def test_backward_frees_what_the_graph_keeps_as_it_goes(benchmarks: Callable[[str], ModuleType]) -> None:
    counts, held = benchmarks("counts"), []
    x = am.randn(64, 64, requires_grad=True)
    layers = [x]
    for _ in range(10):
        layers.append(layers[-1].tanh())
        layers[-1].register_hook(lambda g: held.append(counts.kept_bytes(layers[-1])))
    layers[-1].sum().backward()
    assert held == [k * x.nbytes for k in range(10, 0, -1)]
    assert counts.kept_bytes(layers[-1]) == 0


def test_the_check_names_what_grew() -> None:
    with pytest.raises(AssertionError, match=r"a walk costs more .*: steps: 1,001 instead of 1,000\. Look down"):
        check("a walk", {"steps": 1001, "rests": 0}, {"steps": 1000, "rests": 1}, "Look down")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    counts = importlib.import_module("counts")
    for workload in STEPS:
        print(workload, of_a_step(counts, importlib.import_module(f"bench_{workload}").autograd_mini())[0])
    print("chain", of_a_chain(counts, importlib.import_module("bench_tiny_ops").chain))
    print("import", of_the_import())
