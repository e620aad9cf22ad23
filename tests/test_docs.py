"""The pages that are made from the code are up to date, and an operation that is declared once appears everywhere."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.primitive import NUMPY, OPERATIONS, PRIMITIVES
from autograd_mini.testing import gradcheck, gradgradcheck

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_calculus", DOCS / "make_calculus.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_the_calculus_is_up_to_date(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run: python docs/make_calculus.py"


def test_every_rule_has_its_formula_in_the_table(maker: ModuleType) -> None:
    page = maker.PAGE.read_text(encoding="utf-8")
    assert "| `mul(x, y)` | `mul` | `a * b` | x | `g * y` | y | |" in page.replace("|  |", "| |")
    assert "| `relu(x)` | `relu` |" in page and "| 0 at 0 |" in page
    assert all(f"| `{primitive.name}(" in page for primitive in maker.ours())
    assert (maker.TORCH.keys() | maker.KINKS.keys()) <= PRIMITIVES.keys()


def test_the_names_in_the_table_are_pytorchs(maker: ModuleType) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    homes = (torch, torch.Tensor, torch.nn.functional, torch.linalg, torch.special)
    named = [primitive.name for primitive in maker.ours() if primitive.name not in maker.TORCH]
    assert [name for name in named if not any(hasattr(home, name) for home in homes)] == []


def test_an_operation_declared_once_appears_everywhere(maker: ModuleType) -> None:
    """One entry makes the function, the method, NumPy's protocol, the proof, the row in the docs and the picture."""
    try:
        am.primitive(np.heaviside, name="step_of_mine", x=lambda g: g * 0.0, y=lambda g, x: g * (x == 0))
        x = am.tensor(np.array([-1.0, 0.0, 2.0]), requires_grad=True)
        y = am.tensor(np.array([0.5, 0.5, 0.5]), requires_grad=True)
        for result in (am.step_of_mine(x, y), x.step_of_mine(y), np.heaviside(x, y)):
            assert result.tolist() == [0.0, 0.5, 1.0]
            assert repr(result.grad_fn) == "<StepOfMineBackward>"
        away = am.tensor(np.array([-1.0, 3.0, 2.0]), requires_grad=True)
        assert gradcheck(am.step_of_mine, (away, y)) and gradgradcheck(am.step_of_mine, (away, y))
        rows = list(maker.primitive_rows(PRIMITIVES["step_of_mine"]))
        assert rows[0] == "| `step_of_mine(x, y)` | `step_of_mine` | `np.heaviside` | x | `g * 0.0` | – |  |"
        assert "step_of_mine" in result.sum().graph().dot
    finally:
        PRIMITIVES.pop("step_of_mine", None)
        OPERATIONS.pop("step_of_mine", None)
        NUMPY.pop(np.heaviside, None)
        if hasattr(am.Tensor, "step_of_mine"):
            del am.Tensor.step_of_mine
