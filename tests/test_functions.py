"""`out=`, `input=` and `other=`: results in tensors that are there, and PyTorch's names of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.primitive import OPERATIONS

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")
A, B = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 3))

CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "exp": lambda lib, x, out: lib.exp(x, out=out),
    "add": lambda lib, x, out: lib.add(x, x, alpha=2, out=out),
    "mul by a number": lambda lib, x, out: lib.mul(x, 3, out=out),
    "matmul": lambda lib, x, out: lib.matmul(x, x, out=out),
    "mm": lambda lib, x, out: lib.mm(input=x, mat2=x, out=out),
    "cumsum": lambda lib, x, out: lib.cumsum(x, dim=0, out=out),
    "clamp": lambda lib, x, out: lib.clamp(x, min=1, out=out),
    "cat": lambda lib, x, out: lib.cat([x[:1], x[1:]], dim=0, out=out),
}


@pytest.mark.parametrize("name", CALLS)
def test_out_holds_the_result(name: str) -> None:
    for made in (lambda lib: lib.zeros(3, 3, dtype=lib.float64), lambda lib: lib.empty(0, dtype=lib.float64)):
        results = []
        for lib in (am, torch):
            out = made(lib)
            assert CALLS[name](lib, lib.tensor(A), out) is out
            results.append(out.numpy())
        np.testing.assert_allclose(*results, rtol=1e-14)


def test_out_is_written_in_its_memory_and_dtype() -> None:
    memory = am.zeros(2, 3)
    assert am.sum(am.tensor(A), dim=0, out=memory[1]).dtype == "float32"
    np.testing.assert_allclose(memory.numpy(), [[0, 0, 0], A.sum(0)], rtol=1e-6)
    values, places = am.zeros(3), am.zeros(3, dtype=am.int64)
    found = am.max(am.tensor(A), dim=1, out=(values, places))
    assert found[0] is values and places.tolist() == A.argmax(1).tolist()
    x = am.zeros(3, 3, requires_grad=True)
    with am.no_grad():  # how scripts write results into parameters
        am.mul(am.tensor(A), 2, out=x)
    np.testing.assert_allclose(x.detach().numpy(), 2 * A, rtol=1e-6)


@pytest.mark.parametrize("which", ["the input", "out"])
def test_out_where_a_gradient_is_required(which: str) -> None:
    for lib in (am, torch):
        x, out = (lib.ones(2, requires_grad=which == name) for name in ("the input", "out"))
        with pytest.raises(RuntimeError, match="don't support automatic differentiation, but one of the arguments"):
            lib.exp(x, out=out)


def test_out_that_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"out has shape \(2,\), and the result \(3, 3\)"):
        am.exp(am.tensor(A), out=am.zeros(2))
    with pytest.raises(RuntimeError, match="can't be cast to the desired output type int64"):
        am.exp(am.tensor(A), out=am.zeros(3, 3, dtype=am.int64))
    with pytest.raises(TypeError, match="'out' must be Tensor, not ndarray"):
        am.exp(am.tensor(A), out=np.zeros((3, 3)))


NAMED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "exp": lambda lib, x, y: lib.exp(input=x),
    "sub": lambda lib, x, y: lib.sub(input=x, other=y),
    "sub, one named": lambda lib, x, y: lib.sub(x, other=y),
    "div": lambda lib, x, y: lib.div(input=x, other=y),
    "matmul": lambda lib, x, y: lib.matmul(input=x, other=y),
    "softmax": lambda lib, x, y: lib.softmax(input=x, dim=1),
    "sum": lambda lib, x, y: lib.sum(input=x, dim=1),
    "where": lambda lib, x, y: lib.where(x > 1, input=x, other=y),
    "flatten": lambda lib, x, y: lib.flatten(input=x),
    "unsqueeze": lambda lib, x, y: lib.unsqueeze(input=x, dim=0),
    "gather": lambda lib, x, y: lib.gather(input=x, dim=0, index=lib.tensor([[0, 2, 1]])),
    "max of two": lambda lib, x, y: lib.max(input=x, other=y),
    "addmm": lambda lib, x, y: lib.addmm(input=x, mat1=x, mat2=y),
    "searchsorted": lambda lib, x, y: lib.searchsorted(sorted_sequence=lib.tensor([0.7, 1.1]), input=x.float()),
}


@pytest.mark.parametrize("name", NAMED)
def test_pytorchs_names_of_arguments(name: str) -> None:
    ours, theirs = (NAMED[name](lib, lib.tensor(A), lib.tensor(B)) for lib in (am, torch))
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-13)


def test_unknown_names_are_refused() -> None:
    for options in ({"outt": None}, {"input": am.ones(2)}, {"other": 1}):
        with pytest.raises(TypeError):
            am.exp(am.ones(2), **options)


def test_functions_show_whose_they_are() -> None:
    assert am.exp.__name__ == "exp" and am.exp.__doc__ == OPERATIONS["exp"].__doc__
    assert am.exp.primitive is OPERATIONS["exp"].primitive  # type: ignore[attr-defined]
    assert list(inspect.signature(am.flatten).parameters) == ["x", "start_dim", "end_dim"]
    assert am.Tensor.exp is OPERATIONS["exp"]  # methods cost nothing more


@pytest.mark.parametrize("name", ["exp", "squeeze", "sum", "softmax"])
def test_other_is_unknown_where_there_is_no_other(name: str) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        getattr(am, name)(input=am.ones(1, 2), other=0)
