"""Tells each numbered demo's story once per session, with --fast, and keeps what it found, printed and drew."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from own_tables import own_tables

DEMOS = sorted((Path(__file__).parents[2] / "demos").glob("[0-9][0-9]_*.py"))


class Story(NamedTuple):
    """What `main` returned and printed, and the folder with its pictures."""

    found: dict[str, Any]
    printed: str
    out: Path

    def pictures(self) -> set[str]:
        return {file.name for file in self.out.iterdir()}


@pytest.fixture(scope="session")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    """tell("01"): the story of demos/01_*.py."""
    pytest.importorskip("matplotlib", reason="the demos' pictures need matplotlib")
    told: dict[str, Story] = {}

    def run(number: str) -> Story:
        if number not in told:
            (file,) = (file for file in DEMOS if file.name.startswith(f"{number}_"))
            spec = importlib.util.spec_from_file_location(f"demo_{file.stem}", file)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # where dataclasses look
            out, printed = tmp_path_factory.mktemp(file.stem) / "pictures", io.StringIO()
            with contextlib.redirect_stdout(printed), own_tables():
                spec.loader.exec_module(module)
                found = module.main(["--fast", "--out", str(out)])
            told[number] = Story(found, printed.getvalue(), out)
        return told[number]

    return run
