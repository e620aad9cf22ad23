"""What the structure promises: sizes, directions of imports, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "autograd_mini"


def lines_of_code(path: Path) -> int:
    """Lines without blanks, comments and docstrings."""
    source = path.read_text(encoding="utf-8")
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            text = node.body[0]
            skipped |= set(range(text.lineno, text.end_lineno + 1))
    rows = enumerate(source.splitlines(), 1)
    return sum(1 for number, row in rows if row.strip() and not row.strip().startswith("#") and number not in skipped)


def imported(path: Path) -> set[str]:
    """Names of the package's own modules that a file imports when it is itself imported, relative to the package."""
    names = set()
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            targets = [node.module] if node.module else [alias.name for alias in node.names]
            names |= {".".join((*base, target)).split(".")[0] for target in targets}
    return names


def outside(path: Path) -> set[str]:
    """Top-level names that a file imports, anywhere in it, from outside the package and the standard library."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names - set(sys.stdlib_module_names)


def test_engine_and_tensor_read_in_one_sitting() -> None:
    assert lines_of_code(PACKAGE / "engine.py") + lines_of_code(PACKAGE / "tensor.py") < 650


LOW = ["engine", "modes", "primitive", "writes", "devices", "dtypes", "arrays", "sums"]
MAY_IMPORT = {
    "devices": set(),
    "sums": set(),
    "engine": {"writes", "modes", "devices", "sums"},
    "primitive": {"engine", "modes", "writes", "devices", "dtypes", "arrays"},
    "rules": {"arrays", "dtypes", "sums", "writes", "engine", "modes", "devices", "primitive", "rules"},
    "protocols": {*LOW, "rules"},
    "in_place": {*LOW, "rules"},
    "tensor": {*LOW, "rules", "protocols", "in_place"},
    "optim": {*LOW, "tensor", "creation", "autograd", "optim", "rules"},
    "nn": {*LOW, "tensor", "in_place", "creation", "autograd", "rules", "nn", "utils"},
}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_run_one_way(part: str) -> None:
    folder = PACKAGE / part
    for path in [*folder.rglob("*.py")] if folder.is_dir() else [PACKAGE / f"{part}.py"]:
        assert imported(path) <= MAY_IMPORT[part], path


def test_nobody_imports_the_drawer() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "draw" not in path.relative_to(PACKAGE).parts:
            assert "draw" not in imported(path), path


def test_the_core_needs_numpy_alone() -> None:
    for path in [
        *(PACKAGE / "rules").rglob("*.py"),
        *(PACKAGE / f"{name}.py" for name in [*LOW, "tensor", "creation"]),
    ]:
        assert outside(path) <= {"numpy"}, path


def test_importing_the_package_loads_numpy_alone() -> None:
    code = (
        "import sys, numpy, numpy.random; before = set(sys.modules); import autograd_mini;"
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["autograd_mini"]


def test_importing_the_package_does_not_load_what_is_slow_and_seldom_needed() -> None:
    code = "import sys, numpy; before = set(sys.modules); import autograd_mini; print(*(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()).isdisjoint(
        {"numpy.random", "pathlib", "json", "zipfile", "asyncio", "autograd_mini.nn"}
    )
