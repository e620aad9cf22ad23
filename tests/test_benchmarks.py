"""The benchmarks compare the same work: two steps of every library from the same weights give the same losses."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent / "benchmarks"
WORKLOADS = ("mnist_mlp", "lenet", "transformer", "moons", "tiny_ops", "tiny_ops_0d")


@pytest.fixture(autouse=True)
def beside_each_other(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The benchmarks import each other as scripts in one folder do; afterwards nothing of that is left."""
    before, limit = set(sys.modules), sys.getrecursionlimit()
    monkeypatch.syspath_prepend(str(HERE))
    yield
    sys.setrecursionlimit(limit)
    for name in {path.stem for path in HERE.glob("*.py")} - before:
        sys.modules.pop(name, None)


PEERS = ("torch", "jax", "numpy", "autograd", "mygrad", "micrograd")


def answers(workload: str, library: str) -> list[float]:
    """What two steps return: losses, or the gradient of a chain."""
    importlib.import_module("bench_tiny_ops").UNITS = 40  # compiling a chain takes longer than this test should
    module = importlib.import_module(f"bench_{workload}")
    if hasattr(module, "LR"):
        module.LR = 5.0  # so large that the second loss shows every gradient
    step = getattr(module, library)()
    return [float(np.ravel(np.asarray(step()))[0]) for _ in range(2)]


def libraries(workload: str) -> list[str]:
    """Those of the workload that do the whole of it, as the source says it: nothing is imported here."""
    text = (HERE / f"bench_{workload}.py").read_text(encoding="utf-8")
    return [name for name in PEERS if f"def {name}(" in text or "bench_tiny_ops.LIBRARIES" in text]


@pytest.mark.parametrize(("workload", "library"), [(w, library) for w in WORKLOADS for library in libraries(w)])
def test_every_library_does_the_same_work(workload: str, library: str) -> None:
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:  # tests/autograd looks like a package of that name
        pytest.skip(f"{library} is not installed")
    own, theirs = answers(workload, "autograd_mini"), answers(workload, library)
    assert own == pytest.approx(theirs, rel=1e-4)
    if not workload.startswith("tiny"):  # the gradients are the same, so a step changes the loss by as much
        assert own[0] - own[1] == pytest.approx(theirs[0] - theirs[1], rel=5e-5, abs=0)
        assert abs(own[0] - own[1]) > 0.01, "a step must change the loss, or this compares nothing"
