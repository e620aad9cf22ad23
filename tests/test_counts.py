"""What training costs, in figures that do not vary with noise: nodes, bytes, calls. Times are for tests/benchmarks.

Each figure may be smaller than the one recorded here, not larger. Where that is meant, record the new one:
`python tests/benchmarks/counts.py` prints them all.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import autograd_mini as am

SCRIPT = Path(__file__).parent / "benchmarks" / "counts.py"
Figures = dict[str, float]

# Of one step: nodes of the graph; bytes that it keeps for backward (weights and data, too); the most bytes held at any
# time, beyond those before; all bytes ever asked for; calls of the package's Python functions.
NAMES = ("nodes", "kept", "held", "allocated forward", "allocated backward", "calls forward", "calls backward")
STEPS = {
    "mnist_mlp": (5, 754_688, 1_898_339, 644_634, 2_374_938, 64, 133),
    "lenet": (18, 2_518_560, 6_368_001, 8_361_126, 13_763_232, 326, 435),
    "transformer": (27, 7_340_544, 8_935_579, 15_301_831, 15_821_298, 363, 363),
}
RECORDED: dict[str, Figures] = {name: dict(zip(NAMES, values, strict=True)) for name, values in STEPS.items()}
# Per operation of a chain of single numbers: nodes; the most bytes held; calls.
RECORDED["chain"] = {"nodes": 1.0, "held": 224, "calls forward": 2.0, "calls backward": 2.03}
# What `import autograd_mini` loads: modules of its own, and others beyond NumPy's (8 to 18, by the versions of both);
# bytes of the package on disk.
RECORDED["import"] = {"own": 31, "others": 18, "bytes": 1_168_000}
# Small objects are Python's own affair, and so are NumPy's short-lived arrays.
SLACK = {"held": 1.02, "allocated forward": 1.05, "allocated backward": 1.05}
# NumPy reuses the memory of a temporary only where it finds the interpreter's main loop on the stack by its name,
# which some builds of Python do not show (Debian's 3.14), nor does Windows. The largest of the steps grows by 10.6 %.
SLACK_WITHOUT_ELISION = {"held": 1.02, "allocated forward": 1.11, "allocated backward": 1.11}
HOW = {
    "chain": "Look at `record`, `Node` and `propagate`, and at `python tests/benchmarks/run.py --profile tiny_ops_0d`.",
    "import": "`python -X importtime -c 'import autograd_mini'` shows what is loaded.",
}


@pytest.fixture(scope="module")
def counted() -> dict[str, Any]:
    """Counted in a process of its own: what other tests leave behind costs calls."""
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def check(what: str, figures: Figures, recorded: Figures, how: str, slack: Figures = SLACK) -> None:
    """Every figure at most as recorded; a message says what grew, and how to see why."""
    assert figures.keys() == recorded.keys()
    grown = [
        f"{name}: {figures[name]:,} instead of {most:,}"
        for name, most in recorded.items()
        if figures[name] > most * slack.get(name, 1)
    ]
    assert not grown, f"{what} costs more than recorded in {Path(__file__).name}: {'; '.join(grown)}. {how}"


@pytest.mark.parametrize("what", RECORDED)
def test_it_costs_no_more_than_recorded(what: str, counted: dict[str, Any]) -> None:
    how = f"`python tests/benchmarks/run.py --profile {what}` shows the operations."
    often = f" Called most: {counted['called most'][what]}" if what in STEPS else ""
    slack = SLACK if counted["elides"] else SLACK_WITHOUT_ELISION
    check(what, counted[what], RECORDED[what], HOW.get(what, how) + often, slack)


def test_backward_frees_what_the_graph_keeps_as_it_goes() -> None:
    spec = importlib.util.spec_from_file_location("counts", SCRIPT)
    assert spec is not None and spec.loader is not None
    counts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(counts)
    held: list[int] = []
    layers = [am.randn(64, 64, requires_grad=True)]
    for _ in range(10):
        layers.append(layers[-1].tanh())
        layers[-1].register_hook(lambda g: held.append(counts.kept_bytes(layers[-1])))
    layers[-1].sum().backward()
    assert held == [k * layers[0].nbytes for k in range(10, 0, -1)]
    assert counts.kept_bytes(layers[-1]) == 0


def test_the_check_names_what_grew() -> None:
    with pytest.raises(AssertionError, match=r"a walk costs more .*: steps: 1,001 instead of 1,000\. Look down"):
        check("a walk", {"steps": 1001, "rests": 0}, {"steps": 1000, "rests": 1}, "Look down")
