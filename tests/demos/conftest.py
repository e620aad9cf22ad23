"""Tells each numbered demo's story once per session, with --fast, and keeps what it found, printed and drew."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from own_tables import own_tables

FOLDER = Path(__file__).parents[2] / "demos"
DEMOS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
if str(FOLDER) not in sys.path:
    sys.path.append(str(FOLDER))  # where a demo that is run finds `common`


def load_demo(number: str) -> ModuleType:
    """demos/<number>_*.py as a module."""
    (file,) = (file for file in DEMOS if file.name.startswith(f"{number}_"))
    spec = importlib.util.spec_from_file_location(f"demo_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


class Story(NamedTuple):
    """What `main` returned and printed, and the folder with its pictures."""

    found: dict[str, Any]
    printed: str
    out: Path

    def pictures(self) -> set[str]:
        return {file.name for file in self.out.iterdir()}


def one_thread() -> contextlib.AbstractContextManager[object]:
    """BLAS as a demo that is run has it, if `threadpoolctl` is there to say so: on a busy machine much faster."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return contextlib.nullcontext()
    return threadpool_limits(1)


@pytest.fixture(scope="session")
def tell(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Story]:
    """tell("01"): the story of demos/01_*.py."""
    pytest.importorskip("matplotlib", reason="the demos' pictures need matplotlib")
    told: dict[str, Story] = {}

    def run(number: str) -> Story:
        if number not in told:
            out, printed = tmp_path_factory.mktemp(f"demo_{number}") / "pictures", io.StringIO()
            with contextlib.redirect_stdout(printed), own_tables(), one_thread():
                found = load_demo(number).main(["--fast", "--out", str(out)])
            told[number] = Story(found, printed.getvalue(), out)
        return told[number]

    return run
