"""Random programs that write in place, through views and under no_grad, in mixed dtypes, step by step beside PyTorch.

The oracle is PyTorch given a copy of whatever an operation might keep, so that it never has to refuse a gradient. Ours
may refuse a step or a gradient (then PyTorch leaves the step out, too); what it answers must be right: every value
after every step, whether it requires grad, and at the end the gradients, first and second.

AUTOGRAD_MINI_EXAMPLES=2000 runs that many programs (default 100, always the same ones).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import autograd_mini as am

torch = pytest.importorskip("torch")

COUNT = settings(max_examples=max(100, settings().max_examples))
Step = tuple[str, int, int, int, bool]  # what, on which variables, a choice, whether under no_grad
SHAPES = [(2, 3), (3,), (2, 1), (1, 3), (2, 3)]
DTYPES = ["float64", "float64", "float32"]

UNARY: list[Callable[[Any, Any], Any]] = [
    lambda lib, x: lib.sin(x),
    lambda lib, x: lib.tanh(x),
    lambda lib, x: lib.sigmoid(x),
    lambda lib, x: x * x,
    lambda lib, x: lib.exp(x * 0.1),
    lambda lib, x: lib.relu(x),
    lambda lib, x: lib.softmax(x, -1),
    lambda lib, x: x.cumsum(0),
    lambda lib, x: x / (1.5 + x * x),
    lambda lib, x: x.sum(0, keepdim=True),
]
BINARY: list[Callable[[Any, Any, Any], Any]] = [
    lambda lib, x, y: x + y,
    lambda lib, x, y: x * y,
    lambda lib, x, y: x - y,
    lambda lib, x, y: x / (y * y + 1.0),
    lambda lib, x, y: lib.maximum(x, y),
    lambda lib, x, y: lib.where(x > y, x, y * 2.0),
    lambda lib, x, y: lib.cat([x, x]) * lib.cat([y, y]) if x.shape == y.shape else x * y,
]
VIEWS: list[Callable[[Any], Any]] = [
    lambda x: x[:1],
    lambda x: x[..., 1:] if x.shape[-1] > 1 else x[..., :1],
    lambda x: x[..., ::2],
    lambda x: x.reshape(-1),
    lambda x: x.unsqueeze(0) if x.ndim < 3 else x.flatten(),
    lambda x: x.transpose(0, -1),
    lambda x: x.detach(),
    lambda x: x.view(-1) if x.ndim == 1 else x[0],
    lambda x: x.view(-1) if x.is_contiguous() else x.mT,
    lambda x: x.diagonal() if x.ndim == 2 else x.narrow(0, 0, 1),
    lambda x: x.permute(*range(x.ndim)[::-1]).squeeze(0),
    lambda x: x.split(1, -1)[0] if hasattr(x, "graph") else x[..., :1],  # of many views at once PyTorch refuses it
    lambda x: x.unbind(0)[-1] if hasattr(x, "graph") else x[-1],
]


def write(x: Any, y: Any, choice: int, copies: bool) -> None:
    """Ten ways to change x, some with y."""
    if choice == 0:
        x.mul_(1.5)
    elif choice == 1:
        x.add_(y)
    elif choice == 2:
        x *= y
    elif choice == 3:
        x[:1] = 0.5
    elif choice == 4:
        x[..., :1] = y[..., :1]
    elif choice == 5:
        x.zero_()
    elif choice == 6:
        x.copy_(y)
    elif choice == 7:
        x -= 0.25
    elif choice == 8 and copies:
        x.copy_(x.clone().tanh())  # for PyTorch's tanh_ keeps what it has written
    elif choice == 8:
        x.tanh_()
    else:
        x[-1] += 1.0


WRITES = 10


class Machine:
    """The variables of a program, in one library; copies: what operations are given is copied first."""

    def __init__(self, lib: Any, copies: bool) -> None:
        self.lib, self.copies = lib, copies
        self.variables: list[Any] = []
        self.leaves: list[Any] = []
        for number in range(3):
            self.leaf(number, number, True)

    def leaf(self, shape: int, dtype: int, requires_grad: bool) -> None:
        values = np.random.default_rng(len(self.variables)).normal(size=SHAPES[shape % len(SHAPES)])
        made = self.lib.tensor(values.round(2).tolist(), dtype=getattr(self.lib, DTYPES[dtype % len(DTYPES)]))
        if requires_grad:
            made.requires_grad_()
            self.leaves.append(made)
        self.variables.append(made)

    def run(self, step: Step) -> None:
        what, first, second, choice, silent = step
        if silent:
            with self.lib.no_grad():
                self.run((what, first, second, choice, False))
            return
        if what == "leaf":
            self.leaf(first, second, choice % 2 == 0)
            return
        x, y = (self.variables[i % len(self.variables)] for i in (first, second))
        if what == "write":
            # PyTorch makes the history of a view anew when it is looked at; before, after a recorded write to its base,
            # it takes the view for a leaf and refuses to change it, though `is_leaf`, which looks, is False
            _ = x.grad_fn
            write(x, y.clone(), choice % WRITES, self.copies)
            return
        made = self.result(what, x, y, choice)
        if made.numel() > 48:
            raise ValueError("large enough")
        self.variables.append(made)

    def result(self, what: str, x: Any, y: Any, choice: int) -> Any:
        if what == "view":
            view = VIEWS[choice % len(VIEWS)](x)
            # of a leaf's view, made under no_grad, PyTorch says that it requires grad, though none will flow
            return view if self.lib.is_grad_enabled() else view.detach()
        if what == "cast":
            return x.to(getattr(self.lib, DTYPES[choice % len(DTYPES)]))  # x itself, if it is of this dtype
        if self.copies:
            x, y = x.clone(), y.clone()
        if what == "unary":
            made = UNARY[choice % len(UNARY)](self.lib, x)
        else:
            made = BINARY[choice % len(BINARY)](self.lib, x, y)
        return made.clone() if self.copies else made  # it may keep its result, too

    def gradients(self) -> list[Any]:
        """Of the sum of all variables, first and second."""
        total = sum((v.double() ** 2).sum() for v in self.variables if v.requires_grad)
        first = self.lib.autograd.grad(total, self.leaves, create_graph=True, allow_unused=True)
        slope = sum((g.double() ** 2).sum() for g in first if g is not None)
        if not getattr(slope, "requires_grad", False):
            return list(first)
        return [*first, *self.lib.autograd.grad(slope, self.leaves, allow_unused=True)]


def array(x: Any) -> Any:
    return x.detach().numpy()


def assert_same(ours: Any, theirs: Any, what: str) -> None:
    left, right = array(ours), array(theirs)
    assert left.dtype == right.dtype and left.shape == right.shape, f"{what}: {left.dtype} {left.shape}"
    single = left.dtype == np.float32
    scale = max(1.0, float(np.abs(right).max(initial=0)))
    np.testing.assert_allclose(left, right, rtol=1e-4 if single else 1e-6, atol=(1e-4 if single else 1e-6) * scale)


REFUSALS = (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError)


def lockstep(program: list[Step], seen: Counter[str]) -> None:
    """Both libraries through the program."""
    ours, theirs = Machine(am, copies=False), Machine(torch, copies=True)
    for number, step in enumerate(program):
        try:
            ours.run(step)
        except REFUSALS as error:
            assert len(str(error)) > 10, "an error that says why"
            seen["refused steps"] += 1
            continue
        theirs.run(step)
        seen[step[0] + " under no_grad" * step[4]] += 1
        for i, (mine, other) in enumerate(zip(ours.variables, theirs.variables, strict=True)):
            assert_same(mine, other, f"variable {i} after step {number}")
            assert mine.requires_grad == other.requires_grad, f"variable {i} after step {number}"
    try:
        found = ours.gradients()
    except RuntimeError as error:
        assert "in place" in str(error) or "inplace" in str(error) or "second time" in str(error), error
        seen["refused gradients"] += 1
        return
    seen["gradients"] += 1
    for i, (mine, other) in enumerate(zip(found, theirs.gradients(), strict=True)):
        zero = (mine is None and not array(other).any()) or (other is None and not array(mine).any())
        if mine is not None and other is not None:
            assert_same(mine, other, f"gradient {i}")
        else:
            assert (mine is None and other is None) or zero, f"gradient {i}"


small = st.integers(0, 30)
steps = st.tuples(
    st.sampled_from(["unary", "binary", "write", "view", "write", "unary", "cast", "leaf"]),
    small, small, small, st.sampled_from([False, False, False, True]),
)  # fmt: skip
SEEN: Counter[str] = Counter()
# A view of a constant, which then gets a history by a write, is itself written to.
STALE_VIEW: list[Step] = [
    ("leaf", 0, 0, 1, False), ("view", 3, 0, 0, False), ("write", 3, 0, 2, False), ("write", 4, 0, 7, False),
]  # fmt: skip


@COUNT
@given(st.lists(steps, min_size=1, max_size=12))
@example(STALE_VIEW)
def test_what_is_answered_is_right(program: list[Step]) -> None:
    lockstep(program, SEEN)


def test_programs_reach_what_they_should() -> None:
    """Most steps are taken, most gradients found; some of each are refused."""
    seen: Counter[str] = Counter()
    random = np.random.default_rng(0)
    kinds = ["unary", "binary", "write", "view", "write", "cast", "leaf"]
    for _ in range(80):
        drawn = [(str(random.choice(kinds)), random.integers(0, 30, 3), random.random() < 0.2) for _ in range(8)]
        lockstep([(kind, int(i), int(j), int(k), silent) for kind, (i, j, k), silent in drawn], seen)
    assert seen["gradients"] > seen["refused gradients"] > 3
    assert min(seen[kind + tail] for kind in set(kinds) for tail in ("", " under no_grad")) > 5
    assert seen["refused steps"] < sum(seen.values()) / 2
