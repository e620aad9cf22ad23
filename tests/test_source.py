"""What the source promises: no code from data, no check that python -O leaves out, nothing private of NumPy's."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "autograd_mini").rglob("*.py"))


def dotted(node: ast.AST) -> list[str]:
    """a.b.c as ["a", "b", "c"]."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []


def asserts_that_check(tree: ast.AST) -> list[int]:
    """Lines of `assert`s other than `assert x is not None [and …]`, which tells mypy what the code knows."""

    def narrows(test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp):
            return isinstance(test.op, ast.And) and all(map(narrows, test.values))
        none = isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot)
        return none and isinstance(test.comparators[0], ast.Constant)  # type: ignore[attr-defined]

    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and not narrows(node.test)]


def private_numpy(tree: ast.AST) -> list[str]:
    """Names of NumPy's own insides: numpy.core, numpy._core, np.lib._x_impl, from numpy import _y."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level:
            names += [f"{node.module}.{alias.name}".split(".") for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.Attribute):
            names.append(dotted(node))
    ours = [parts for parts in names if parts and parts[0] in ("np", "_np", "numpy")]
    hidden = [p for p in ours if any(n == "core" or (n.startswith("_") and not n.startswith("__")) for n in p[1:])]
    return [".".join(parts) for parts in hidden]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_source(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert asserts_that_check(tree) == [], "raise an error instead: python -O leaves assertions out"
    assert private_numpy(tree) == []


def test_these_checks_can_fail() -> None:
    assert asserts_that_check(ast.parse("assert x is not None and y is not None")) == []
    assert asserts_that_check(ast.parse("assert x is not None\nassert x > 0\nassert f(x), 'no'")) == [2, 3]
    code = "import numpy.core\nfrom numpy._core import umath\nnp.lib._x.f\nnp.__version__\nself._x\nnp.linalg.inv"
    assert private_numpy(ast.parse(code)) == ["numpy.core", "numpy._core.umath", "np.lib._x.f", "np.lib._x"]


VIOLATIONS = {
    "S102": "exec('1')",
    "S301": "import pickle\npickle.load(open('x', 'rb'))",
    "S302": "import marshal\nmarshal.loads(b'')",
    "S307": "eval('1')",
    "S602": "import subprocess\nsubprocess.run('ls', shell=True)",
    "S604": "def f(**options: object) -> None: ...\n\n\nf(shell=True)",
    "S605": "import os\nos.system('ls')",
}


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("rule", VIOLATIONS)
def test_the_linter_catches_what_runs_code_from_data(rule: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename"]
    command += [str(ROOT / "autograd_mini" / "planted.py"), "-"]
    found = subprocess.run(command, input=VIOLATIONS[rule] + "\n", capture_output=True, text=True, cwd=ROOT).stdout
    assert f" {rule} " in found
