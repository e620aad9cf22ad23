"""Are the tests able to fail? Plants one fault after the other in a copy of the package and runs the tests it names.

`python tests/mutations/run.py` takes half an hour; `--only 3 17` plants these, `--file optim/` those in such files.
Prints for each fault whether it was caught, and at the end the survivors; exits with 1 if that is less than 95 %.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from mutations.faults import FAULTS, Fault  # noqa: E402

LIMIT = 300  # seconds for the tests of one fault; a fault that makes them hang is caught
PASSED, FAILED = 0, 1  # exit codes of pytest
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".git", ".venv*", ".*_cache", "*.egg-info", "build", "dist", "shared")


def run_tests(tree: Path, tests: str, output: Path) -> None:
    """In a process of its own, forked from one that has loaded all but the package."""
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    sys.dont_write_bytecode = True
    import pytest

    with output.open("w") as stream, contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--no-header", "--tb=line", *tests.split()])
    os._exit(int(code))


def outcome(tree: Path, tests: str, limit: float = LIMIT) -> str:
    output = tree / "output.txt"
    process = multiprocessing.get_context("forkserver").Process(target=run_tests, args=(tree, tests, output))
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
        process.join()
        return "caught (hangs)"
    if process.exitcode == PASSED:
        return "SURVIVED"
    text = output.read_text() if output.exists() else ""
    died = (process.exitcode or 0) < 0  # of a signal, such as a bus error where a mapped file was cut
    if process.exitcode == FAILED or died or "errors during collection" in text or "error in " in text:
        return "caught"
    return f"BROKEN: pytest ended with {process.exitcode}:\n{text}"  # no such test, say


def plant(tree: Path, fault: Fault) -> str:
    path = tree / "autograd_mini" / fault.file
    sound = path.read_text(encoding="utf-8")
    if sound.count(fault.old) != 1:
        return f"BROKEN: {fault.old!r} occurs {sound.count(fault.old)} times in {fault.file}"
    path.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
    try:
        return outcome(tree, fault.tests)
    finally:
        path.write_text(sound, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of faults")
    parser.add_argument("--file", default="", help="only faults in files whose name begins so")
    parser.add_argument("--unproved", action="store_true", help="do not first run the tests on the sound package")
    options = parser.parse_args()
    chosen = [n for n in options.only or range(len(FAULTS)) if FAULTS[n].file.startswith(options.file)]
    os.environ.update(OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    multiprocessing.get_context("forkserver").set_forkserver_preload(["numpy", "torch"])
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutations") as folder:
        tree = Path(folder, "tree")
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        tests = " ".join(sorted({test for n in chosen for test in FAULTS[n].tests.split()}))
        if not options.unproved and (sound := outcome(tree, tests, 10 * LIMIT)) != "SURVIVED":
            print(f"without a fault the tests fail, so nothing would be proved: {sound}")
            print((tree / "output.txt").read_text())
            return 1
        for number in chosen:
            start = time.monotonic()
            what = plant(tree, FAULTS[number])
            print(f"{number:3} {what:10} {time.monotonic() - start:5.1f} s  {FAULTS[number].file}: "
                  f"{FAULTS[number].new.strip()[:90]!r}", flush=True)  # fmt: skip
            survivors += [] if what.startswith("caught") else [number]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught; not: {survivors}")
    return int(len(survivors) > 0.05 * len(chosen))


if __name__ == "__main__":
    sys.exit(main())
