"""What is released: the wheel holds the package alone, the sdist what builds and tests it; the wheel works anywhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import autograd_mini as am

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built without the network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def package_files() -> set[str]:
    files = (p for p in (ROOT / "autograd_mini").rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {p.relative_to(ROOT).as_posix() for p in files}


def test_the_wheel_holds_the_package_and_its_licence_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert wheel.name == f"autograd_mini-{am.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = f"autograd_mini-{am.__version__}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
    assert {n for n in names if not n.startswith(info)} == package_files()
    assert f"{info}/licenses/LICENSE" in names and "autograd_mini/py.typed" in names
    assert "Requires-Python: >=3.11" in metadata and "Requires-Dist: numpy>=2.0\n" in metadata
    assert "# autograd_mini" in metadata  # the README, for the index


def test_the_sdist_holds_what_builds_and_tests_it(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert package_files() <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "tests/run.py", "PKG-INFO"} <= names
    folders = {name.split("/")[0] for name in names if "/" in name}
    assert folders == {"autograd_mini", "tests", "demos", "docs"}
    assert not [n for n in names if n.endswith((".pyc", ".pyo", ".so")) or "__pycache__" in n or ".hypothesis" in n]


PROGRAM = """
import autograd_mini as am
x = am.tensor([1.0, 2.0], requires_grad=True)
(am.nn.functional.softplus(x) * x).sum().backward()
print(am.__file__)
print(*x.grad.tolist())
"""


def test_the_wheel_works_in_an_environment_of_its_own(built: Path, tmp_path: Path) -> None:
    """Far from the project, beside the NumPy of this environment, under -I: no path of the caller's is used."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True, cwd=tmp_path)
    ask = "import site; print(site.getsitepackages()[-1])"
    where = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    site = Path(where.stdout.strip())
    (site / "beside.pth").write_text(str(Path(np.__file__).parent.parent))  # NumPy; an editable install is not followed
    run = subprocess.run([python, "-I", "-c", PROGRAM], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    file, gradient = run.stdout.splitlines()
    assert Path(file) == site / "autograd_mini" / "__init__.py"
    expected = [np.log1p(np.exp(x)) + x / (1 + np.exp(-x)) for x in (1.0, 2.0)]
    np.testing.assert_allclose([float(g) for g in gradient.split()], expected, rtol=1e-6)
