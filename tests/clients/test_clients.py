"""The clients of run.py, small, in float64: the same losses in both libraries, and nothing that is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clients.run import CLIENTS, HERE, Run, distance, run, save_weights
from script_port import port


def train(name: str, library: str, weights: Path) -> Run:
    return run(name, library, weights, full=False, dtype="float64")


@pytest.mark.parametrize("name", CLIENTS)
def test_losses_equal_pytorchs(name: str, tmp_path: Path) -> None:
    """From PyTorch's weights, in its own file, and the same random numbers."""
    pytest.importorskip("torch", reason="PyTorch, the oracle of this test, is not installed")
    save_weights(name, "torch", tmp_path / "weights.pt", full=False, dtype="float64")
    ours, theirs = (train(name, library, tmp_path / "weights.pt") for library in ("autograd_mini", "torch"))
    assert 20 <= len(ours.losses) == len(theirs.losses)
    assert max(distance(ours.losses, theirs.losses)) < 1e-9
    for what, value in theirs.result.items():
        assert ours.result[what] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-9)), what


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_learn(name: str, tmp_path: Path) -> None:
    """Without PyTorch, too."""
    save_weights(name, "autograd_mini", tmp_path / "weights.pt", full=False, dtype="float64")
    losses, result, _ = train(name, "autograd_mini", tmp_path / "weights.pt")
    if name == "reinforce":  # its loss is none: what should grow is the return
        assert result["mean return of 20 episodes"] > 30
    else:
        assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


@pytest.mark.parametrize("script", sorted({client.script for client in CLIENTS.values()}))
def test_nothing_is_missing(script: str) -> None:
    text, missing = port((HERE / f"{script}.py").read_text(encoding="utf-8"))
    assert missing == [] and "import torch" not in text and "from torch" not in text
