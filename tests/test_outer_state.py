"""What belongs to the caller stays as it is: NumPy's error state and random state, warning filters; and python -O."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rules.samples import COMPOSED, OPERATIONS, SAMPLES, composed

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.nn import functional as F

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(am.__file__).parent.parent)}


@contextmanager
def untouched() -> Iterator[None]:
    """Fails if the block changes, or leaves changed, what is set up here in an unusual way."""
    with np.errstate(all="print", under="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("once", message="an unusual filter")
        np.random.seed(5)
        filters, errors = list(warnings.filters), np.geterr()
        state, printing, handler = np.random.get_state(), np.get_printoptions(), np.geterrcall()
        yield
        assert np.geterr() == errors and np.geterrcall() is handler
        assert warnings.filters == filters
        assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), state, strict=True))
        assert np.get_printoptions() == printing


def differentiate(function: Callable[..., Any], sample: Any) -> None:
    inputs = [
        am.tensor(x, requires_grad=True) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x
        for x in sample.inputs
    ]
    out = function(*inputs, **sample.options)
    for result in out if isinstance(out, tuple) else (out,):
        if isinstance(result, am.Tensor) and result.requires_grad:
            result.sum().backward(retain_graph=True)
            result.sum().backward(create_graph=True)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_by_every_operation(name: str) -> None:
    for sample in SAMPLES[name].samples:
        with untouched():
            differentiate(OPERATIONS[name], sample)


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_by_every_composition(name: str) -> None:
    with untouched():
        differentiate(composed(name), COMPOSED[name].samples[0])


def train() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5), nn.ReLU(), nn.Linear(3, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    data = am.utils.data.TensorDataset(am.randn(8, 4), am.randint(2, (8,)))
    for x, y in am.utils.data.DataLoader(data, batch_size=4, shuffle=True):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def draw() -> None:
    x = am.randn(2, 2, requires_grad=True)
    (x @ x).sum().graph(backend="builtin").svg()


def hunt() -> None:
    x = am.tensor([0.0], requires_grad=True)
    with am.autograd.detect_anomaly(), pytest.raises(RuntimeError):
        x.log()


def prove() -> None:
    x = am.tensor(np.array([1.0, 2.0]), requires_grad=True)
    am.testing.gradcheck(am.exp, x)
    am.testing.battery(am.tanh, [np.array([0.5, 1.0])])


def fail() -> None:
    with pytest.raises(ValueError):
        am.ones(2) + am.ones(3)
    with pytest.raises(RuntimeError):
        am.ones(2).backward()
    with pytest.raises(np.linalg.LinAlgError):
        am.linalg.inv(am.zeros(2, 2))


def initialise() -> None:
    for fill in (nn.init.xavier_uniform_, nn.init.kaiming_normal_, nn.init.orthogonal_, nn.init.trunc_normal_):
        fill(am.empty(3, 4))
    am.distributions.Normal(0.0, 1.0).sample((3,))
    am.multinomial(am.ones(3), 2)
    am.manual_seed(3)
    am.randperm(5)


def print_them() -> None:
    repr(am.tensor([np.nan, np.inf, 1e-320, 1.5]))
    repr(nn.LSTM(2, 3))


def digits() -> None:
    am.vision.digits(3)


@pytest.mark.parametrize("work", [train, draw, hunt, prove, fail, initialise, print_them, digits])
def test_by_the_larger_parts(work: Callable[[], None]) -> None:
    with np.errstate(all="ignore"):
        work()  # what is loaded for the first time is no matter
    with untouched():
        work()


# ------------------------------------------------------------------------------------------------- python -O


def test_checks_hold_without_assertions(tmp_path: Path) -> None:
    """A sample of each kind of check, and of the checks that prove an operation, under python -O."""
    code = """
import numpy as np, autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.nn import functional as F
assert False, "this must be left out"
x = am.tensor([1.0, 2.0], requires_grad=True)
def stale():
    y = x.exp(); z = y.sum(); y.detach().zero_(); z.backward()
def second():
    y = x.exp().sum(); y.backward(); y.backward()
wrong = am.primitive(lambda x: x * 3.0, name="wrong", public=False, x=lambda g: g * 2.0)
narrow = lambda x: am.tensor((x * 3.0).detach().numpy())
for mistake in (
    stale, second, lambda: x.backward(), lambda: x.add_(1), lambda: am.ones(2) + am.ones(3),
    lambda: F.cross_entropy(am.zeros(1, 2), am.tensor([2])), lambda: optim.SGD([x], lr=float("nan")),
    lambda: nn.Linear(2, 1).load_state_dict({}), lambda: nn.MultiheadAttention(5, 2), lambda: nn.Embedding(3, 2, 7),
    lambda: am.utils.data.TensorDataset(am.ones(1), am.ones(2)), lambda: nn.Dropout(2.0), lambda: am.load("nothing"),
    lambda: am.testing.battery(wrong, [np.array([1.0])]), lambda: am.testing.battery(narrow, [np.array([1.0])]),
    lambda: am.testing.battery(am.exp, [np.array([1.0])], reference=np.exp2),
):
    try:
        mistake()
    except Exception as error:
        print(type(error).__name__)
    else:
        print("nothing was said")
"""
    command = [sys.executable, "-O", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.stdout.split("\n")[:-1] == [
        *["RuntimeError"] * 4, "ShapeError", "IndexError", "ValueError", "RuntimeError", *["AssertionError"] * 3,
        "ValueError", "FileNotFoundError", "GradcheckError", *["AssertionError"] * 2
    ]  # fmt: skip


