"""Random programs beside PyTorch, or beside central differences; and that a planted fault is found, and made small.

AUTOGRAD_MINI_EXAMPLES=2000 runs that many programs (default 100, always the same ones).
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from program_table import EVERY

import autograd_mini as am
from autograd_mini import engine
from autograd_mini.primitive import OPERATIONS, PRIMITIVES, primitive
from autograd_mini.testing import GradcheckError, Program, gradcheck, gradgradcheck, programs, unary
from autograd_mini.testing.recipes import Builder

try:
    import torch
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch, the oracle of this test, is not installed")

COUNT = settings(max_examples=max(100, settings().max_examples))
FEWER = settings(max_examples=max(40, settings().max_examples // 10))


INEXACT = {"nn.functional.hardsigmoid", "nn.functional.hardswish"}  # PyTorch rounds their 1 / 6 to float32
EXACT = {name: recipe for name, recipe in EVERY.items() if name not in INEXACT}


def array(x: Any) -> Any:
    return x.detach().numpy() if isinstance(x, am.Tensor) else x.detach().numpy(force=True)


def assert_near(ours: list[Any], theirs: list[Any], tolerance: float, what: str) -> None:
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        left, right = array(one), array(other)
        assert left.shape == right.shape and left.dtype == right.dtype, f"{what} {number}"
        assert np.isfinite(left).all(), f"{what} {number} is not finite"
        scale = max(1.0, float(np.abs(right).max(initial=0.0)))
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance * scale, err_msg=f"{what} {number}")


def check_against_torch(program: Program) -> None:
    ours = program.run()
    try:
        theirs = program.run(torch)
    except RuntimeError as error:
        if "view size is not compatible" not in str(error):  # torch.kron of a transposed matrix
            raise
        return
    assert_near(ours[0], theirs[0], 1e-10, "output")
    assert_near(ours[1], theirs[1], 1e-9, "gradient")
    assert_near(ours[2], theirs[2], 1e-8, "second derivative")


def check_against_differences(program: Program) -> None:
    assert gradcheck(program, program.tensors(), fast_mode=True)
    assert gradgradcheck(program, program.tensors(), fast_mode=True)


def check_backward(program: Program) -> None:
    """The plain backward pass gives what the recorded one gives, in arrays that belong to their tensors alone."""
    _, first, _ = program.run(order=1)
    inputs = program.tensors()
    outputs = program(*inputs)
    seeds = [am.tensor(c) for c in program.cotangents]
    am.autograd.backward(outputs, seeds)
    strangers = [array(x) for x in (*inputs, *outputs, *seeds)]
    for x, expected in zip(inputs, first, strict=True):
        if x.grad is None:
            assert not array(expected).any(), "no gradient, where the recorded pass has one"
            continue
        gradient = array(x.grad)
        assert gradient.shape == x.shape and gradient.dtype == x.dtype and gradient.flags.writeable
        np.testing.assert_allclose(gradient, array(expected), rtol=1e-12, atol=1e-12 * max(1.0, np.abs(gradient).max()))
        assert not any(np.shares_memory(gradient, other) for other in strangers), "a gradient is shared"
        strangers.append(gradient)


# ------------------------------------------------------------------------------------------------- programs


@COUNT
@given(programs(table=EXACT))
def test_programs_agree(program: Program) -> None:
    """With PyTorch, and the plain backward pass with the recorded one."""
    if torch is None:
        check_against_differences(program)
    else:
        check_against_torch(program)
    check_backward(program)


@FEWER
@given(programs(max_steps=4, table=EVERY))
def test_programs_agree_with_differences(program: Program) -> None:
    check_against_differences(program)


def program_of(name: str, choices: bytes) -> Program:
    builder = Builder()
    builder.add(EVERY[name], name, choices)
    return builder.program()


@pytest.mark.parametrize("name", EVERY)
def test_every_operation_alone(name: str) -> None:
    """Each recipe makes programs, and each of them agrees."""
    rng = np.random.default_rng(1)
    made = [program_of(name, choices) for choices in (bytes(12), *(rng.bytes(12) for _ in range(12)))]
    made = [p for p in made if p.steps]
    assert len(made) > 2 and all(p.steps[-1].name == name for p in made)
    for program in made[:3]:
        check_against_differences(program) if torch is None or name in INEXACT else check_against_torch(program)
        check_backward(program)


NO_PROGRAM = {
    "another name": "subtract multiply divide true_divide absolute negative fix arcsin arccos arctan arctan2 arcsinh"
    " arccosh arctanh clip expand expand_as repeat view view_as reshape_as",
    "several results, each tested as another operation": "broadcast_tensors atleast_1d atleast_2d",
    "ours alone": "astype softmax_cross_entropy",
    "jumps": "floor_divide",
    "no gradient": "nonzero bincount histogram unique equal allclose",
}


def test_every_operation_is_in_the_table() -> None:
    """Whoever adds an operation adds its recipe, or says here why it has none."""
    known = {name.rpartition(".")[2] for name in EVERY} | {n for names in NO_PROGRAM.values() for n in names.split()}
    constant = {name for name, prim in PRIMITIVES.items() if not any(prim.rules)}
    constant |= {n for n, f in OPERATIONS.items() if getattr(getattr(f, "primitive", None), "name", None) in constant}
    assert BEFORE - constant - known == set()
    assert {n for names in NO_PROGRAM.values() for n in names.split()} - BEFORE == set()


BEFORE = set(OPERATIONS)  # as the package makes it, before any test or doctest adds one of its own


def test_programs_reach_what_they_should() -> None:
    """Several inputs, fan-out, reuse, several outputs, broadcasting, and long ones."""
    steps: dict[str, int] = {}
    seen = {"inputs": 0, "outputs": 0, "length": 0, "reuse": 0, "0-d": 0, "4-d": 0}

    @settings(max_examples=200)
    @given(programs(table=EVERY))
    def look(program: Program) -> None:
        text = str(program)
        for step in program.steps:
            steps[step.name] = steps.get(step.name, 0) + 1
        seen["inputs"] = max(seen["inputs"], len(program.inputs))
        seen["outputs"] = max(seen["outputs"], len(program.outputs))
        seen["length"] = max(seen["length"], len(program.steps))
        seen["reuse"] += any(text.count(f"{s.target},") + text.count(f"{s.target})") > 2 for s in program.steps)
        seen["0-d"] += any(x.ndim == 0 for x in program.inputs.values())
        seen["4-d"] += any(x.ndim == 4 for x in program.inputs.values())

    look()
    assert min(seen["inputs"], seen["outputs"]) >= 4 and seen["length"] >= 12 and len(steps) > 100
    assert seen["reuse"] > 20 and seen["0-d"] and seen["4-d"]


# ------------------------------------------------------------------------------------------- planted faults


def plant(monkeypatch: pytest.MonkeyPatch, name: str, place: int) -> None:
    """Make one rule one per cent too large."""
    prim = PRIMITIVES[name]
    rule: Any = prim.rules[place]

    def wrong(*args: Any, **which: Any) -> Any:
        return rule(*args, **which) * 1.01

    steps = list(prim.steps)
    steps[place] = tuple(wrong if part is rule else part for part in steps[place])  # type: ignore[assignment]
    monkeypatch.setattr(prim, "steps", tuple(steps))


def smallest_failure(max_steps: int = 12) -> Program:
    def fails(program: Program) -> bool:
        try:
            check_against_differences(program) if torch is None else check_against_torch(program)
        except (AssertionError, GradcheckError):
            return True
        return False

    looking = settings(max_examples=2000, phases=[Phase.generate, Phase.shrink])
    return find(programs(max_steps, EXACT), fails, settings=looking, random=random.Random(0))


@pytest.mark.parametrize("name, place", [("tanh", 0), ("mul", 1), ("cumsum", 0), ("index", 0)])
def test_planted_fault_is_found_and_shrinks(name: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, name, place)
    program = smallest_failure()
    assert len(program.steps) <= 2, str(program)
    assert sum(x.size for x in program.inputs.values()) <= 16


def test_failure_prints_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "exp", 0)

    @settings(phases=[Phase.generate, Phase.shrink])
    @given(programs(table={"exp": EVERY["exp"]}))
    def test(program: Program) -> None:
        check_against_differences(program)

    with pytest.raises(GradcheckError) as caught:
        test()
    notes = "\n".join(caught.value.__notes__)
    assert "import autograd_mini as lib" in notes and "y0 = lib.exp(x0)" in notes
    assert "y1" not in notes


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What is registered in the test is forgotten after it."""
    primitives, operations = dict(PRIMITIVES), dict(OPERATIONS)
    yield
    for table, before in ((PRIMITIVES, primitives), (OPERATIONS, operations)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]
    if hasattr(am.Tensor, "cubed_wrongly"):
        del am.Tensor.cubed_wrongly


@pytest.mark.usefixtures("forgotten")
def test_own_operation_joins() -> None:
    primitive(lambda x: x**3, name="cubed_wrongly", x=lambda g, x: g * 3.03 * x**2)
    table = {"Tensor.cubed_wrongly": unary(-2, 2), "sin": unary()}

    @given(programs(table=table))
    def test(program: Program) -> None:
        check_against_differences(program)

    with pytest.raises(GradcheckError):
        test()


# --------------------------------------------------------------------------------------------------- as text

PASTED = ["exp", "getitem", "setitem", "iadd", "cat", "sort", "einsum", "gather", "Tensor.unfold", "nn.functional.pad"]


@pytest.mark.parametrize("library", ["autograd_mini", pytest.param("torch", marks=needs_torch)])
def test_text_is_python_that_does_the_same(library: str) -> None:
    rng = np.random.default_rng(4)
    made = [p for p in (program_of(name, rng.bytes(12)) for name in PASTED for _ in range(3)) if p.steps]
    source = "\n".join(map(str, made)).replace("import autograd_mini as lib", f"import {library} as lib")
    printed = subprocess.run([sys.executable, "-W", "ignore", "-c", source], capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    results = (p.run(am if library == "autograd_mini" else torch) for p in made)
    expected = "".join(f"{outputs}\n{tuple(first)}\n{second}\n" for outputs, first, second in results)
    assert len(made) > 20 and len(_numbers(expected)) > 200
    assert _numbers(printed.stdout) == _numbers(expected)


def _numbers(text: str) -> list[str]:
    """What was printed of numbers, in order; without zeros, for second derivatives that are all zero print as ()."""
    return [number for number in re.findall(r"-?\d+\.\d*", text) if float(number)]


def test_shared_gradient_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    program = program_of("sub", bytes(12))
    check_backward(program)
    monkeypatch.setattr(engine, "_own", lambda result, gradient, kept: result)
    with pytest.raises(AssertionError, match="is shared"):
        check_backward(program)
