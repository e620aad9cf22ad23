"""The list of faults is up to date: each can be planted, and its tests exist. Whether they notice, run.py tries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from mutations.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number} {fault.file}" for number, fault in enumerate(FAULTS)])
def test_each_fault_can_be_planted(fault: Fault) -> None:
    text = (ROOT / "autograd_mini" / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.old) == 1, "the text that is replaced must occur once: adapt tests/mutations/faults.py"
    ast.parse(text.replace(fault.old, fault.new))
    assert fault.new != fault.old
    for test in fault.tests.split():
        assert (ROOT / test.partition("::")[0]).exists()


def test_there_are_enough() -> None:
    assert len(FAULTS) >= 100 and len(set(FAULTS)) == len(FAULTS)
