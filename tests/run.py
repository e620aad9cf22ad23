"""All checks in one command, on a machine that has nothing but Python: `python3 tests/run.py`.

Makes a virtual environment beside the project (`.venv-tests`, used again the next time), installs the package with what
the tests need, PyTorch as the oracle where it can be had, and runs ruff, mypy and pytest. Arguments are pytest's:
`python3 tests/run.py tests/rules -k softmax` runs those tests alone. `--no-torch` leaves PyTorch out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("AUTOGRAD_MINI_TEST_VENV", ROOT / ".venv-tests"))
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command: str | Path) -> int:
    print("$", " ".join(map(str, command)).replace(str(PYTHON), "python"), flush=True)
    return subprocess.run(list(map(str, command)), cwd=ROOT).returncode


def install(torch: bool) -> None:
    if not PYTHON.exists():
        print(f"making a virtual environment in {HOME.name}", flush=True)
        venv.create(HOME, with_pip=True)
    if run(PYTHON, "-m", "pip", "install", "--quiet", "--editable", ".[test]"):
        sys.exit("the test requirements could not be installed")
    has_torch = subprocess.run([PYTHON, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0
    if torch and not has_torch and run(PYTHON, "-m", "pip", "install", "--quiet", ".[torch]"):
        print("PyTorch could not be installed: the tests against it will be skipped", flush=True)


def main(arguments: list[str]) -> int:
    torch = "--no-torch" not in arguments
    install(torch)
    chosen = [a for a in arguments if a != "--no-torch"]
    if chosen:
        return run(PYTHON, "-m", "pytest", *chosen)
    checks = [("ruff", "check", "."), ("mypy",), ("pytest",)]
    return max(run(PYTHON, "-m", *check) for check in checks)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
