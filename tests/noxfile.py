"""The suite with the oldest and the newest supported Python and NumPy: `nox -f tests/noxfile.py`.

Each session is an environment of its own. Arguments are pytest's: `nox -f tests/noxfile.py -- tests/rules -k softmax`.
PyTorch is left out here: the values do not depend on the versions, and `tests/run.py` compares them.
"""

from __future__ import annotations

import nox

nox.options.error_on_missing_interpreters = False
OLDEST, NEWEST = "3.11", "3.14"


@nox.session(python=OLDEST)
def oldest(session: nox.Session) -> None:
    """What `requires-python` and `dependencies` in pyproject.toml allow at the least."""
    run(session, "numpy==2.0.*", "graphviz==0.20")


@nox.session(python=[OLDEST, NEWEST])
def newest(session: nox.Session) -> None:
    run(session, "--upgrade", "numpy", "graphviz")


def run(session: nox.Session, *versions: str) -> None:
    session.chdir("..")
    session.install("--editable", ".[testing,vision,progress,plot,safetensors,onnx]", "pytest>=8", "hatchling>=1.24")
    session.install(*versions)
    session.run("python", "-c", "import sys, numpy; print(sys.version, numpy.__version__)")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests", "autograd_mini"]))
