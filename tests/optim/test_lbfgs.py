"""L-BFGS against PyTorch's: every iteration on several functions, its state, and what ends it."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.optim.lbfgs import LBFGS, Trial, cubic_minimum, strong_wolfe

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")


def rosenbrock(x: Any, y: Any) -> Any:
    return ((1 - x) ** 2).sum() + 100 * ((y - x**2) ** 2).sum()


def quadratic(x: Any, y: Any) -> Any:
    return (x * x).sum() * 3 + ((y - 2) ** 2).sum() + x.sum() * y.sum() / 4


def wavy(x: Any, y: Any) -> Any:
    return (x.sin() * 3 + x * x / 5).sum() + ((y * 2).cos() + y**4 / 10).sum()


def steep(x: Any, y: Any) -> Any:
    return (x.exp() - 20 * x).sum() + (y * y + 1e-3).sqrt().sum()


FUNCTIONS: list[Callable[..., Any]] = [rosenbrock, quadratic, wavy, steep]
OPTIONS: list[dict[str, Any]] = [
    {"line_search_fn": "strong_wolfe"},
    {"line_search_fn": "strong_wolfe", "max_iter": 4, "history_size": 2, "lr": 0.01},
    {"line_search_fn": "strong_wolfe", "max_iter": 9, "max_eval": 7, "lr": 30.0},
    {"lr": 0.01, "max_iter": 5},
    {"lr": 0.1, "max_iter": 3, "history_size": 1, "tolerance_grad": 1e-2, "tolerance_change": 1e-4},
]


class Run:
    """One library's parameters, optimizer, and how often the closure was called."""

    def __init__(self, lib: Any, function: Callable[..., Any], options: dict[str, Any]) -> None:
        rng = np.random.default_rng(5)
        self.x = lib.tensor(rng.standard_normal((2, 2)), requires_grad=True)
        self.y = lib.tensor(rng.standard_normal((2, 2)), requires_grad=True)
        self.function, self.calls = function, 0
        self.optimizer = lib.optim.LBFGS([self.x, self.y], **options)

    def closure(self) -> Any:
        self.calls += 1
        self.optimizer.zero_grad()
        loss = self.function(self.x, self.y)
        loss.backward()
        return loss

    def step(self) -> list[float]:
        loss = self.optimizer.step(self.closure).item()
        return [loss, *self.x.detach().numpy().ravel(), *self.y.detach().numpy().ravel()]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("options", OPTIONS)
def test_the_same_path(function: Callable[..., Any], options: dict[str, Any]) -> None:
    ours, theirs = Run(am, function, options), Run(torch, function, options)
    for _ in range(6):
        np.testing.assert_allclose(ours.step(), theirs.step(), rtol=1e-7, atol=1e-9)
        assert ours.calls == theirs.calls
        mine, other = (run.optimizer.state[run.x] for run in (ours, theirs))
        assert (mine["n_iter"], mine["func_evals"]) == (other["n_iter"], other["func_evals"])
    assert ours.calls > 6


def test_it_finds_the_bottom_of_the_valley() -> None:
    run = Run(am, rosenbrock, {"line_search_fn": "strong_wolfe", "max_iter": 100})
    run.step()
    np.testing.assert_allclose(run.x.tolist(), np.ones((2, 2)), atol=1e-5)
    loss, calls = run.step()[0], run.calls
    assert loss < 1e-9
    run.step()
    assert run.calls <= calls + 2  # nothing left to do


@pytest.mark.parametrize("source", [am, torch])
def test_a_state_of_either_library_goes_on(source: Any) -> None:
    options = {"line_search_fn": "strong_wolfe", "max_iter": 3}
    first, whole = Run(source, rosenbrock, options), Run(torch, rosenbrock, options)
    for _ in range(2):
        first.step()
        whole.step()
    saved = first.optimizer.state_dict()
    ours = Run(am, rosenbrock, {})

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(v) for v in value]
        return am.tensor(value.numpy()) if isinstance(value, torch.Tensor) else value

    state = {key: plain(value) for key, value in saved["state"][0].items()}
    before = copy.deepcopy(state)
    ours.optimizer.load_state_dict({"state": {0: state}, "param_groups": saved["param_groups"]})
    for p, q in ((ours.x, first.x), (ours.y, first.y)):
        p.data = am.tensor(q.detach().numpy())
    for _ in range(3):
        np.testing.assert_allclose(ours.step(), whole.step(), rtol=1e-9)
    assert len(state["old_dirs"]) == len(before["old_dirs"]), "the saved state is copied, not shared"


def test_the_same_arguments() -> None:
    def signature(cls: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]

    assert signature(LBFGS) == signature(torch.optim.LBFGS)
    ours, theirs = Run(am, quadratic, {"lr": 0.5}).optimizer, Run(torch, quadratic, {"lr": 0.5}).optimizer
    assert ours.state_dict() == {**theirs.state_dict(), "steps": 0}


def test_errors() -> None:
    w, v = am.ones(1, requires_grad=True), am.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        LBFGS([{"params": [w]}, {"params": [v]}])
    with pytest.raises(ValueError, match="doesn't support per-parameter options"):
        LBFGS([w]).add_param_group({"params": [v]})
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        LBFGS([w], lr=-1)
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        LBFGS([w], line_search_fn="armijo")
    with pytest.raises(TypeError, match="needs a closure"):
        LBFGS([w]).step()


def test_a_parameter_without_a_gradient_stays() -> None:
    w, v = am.tensor([3.0], requires_grad=True), am.tensor([4.0], requires_grad=True)
    lbfgs = LBFGS([w, v], line_search_fn="strong_wolfe")

    def closure() -> Any:
        lbfgs.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with am.no_grad():
        lbfgs.step(closure)
    assert abs(w.item()) < 1e-5 and v.item() == 4.0


@pytest.mark.parametrize("f", [
    (lambda t: (t - 3) ** 2 - 9, lambda t: 2 * (t - 3)),
    (lambda t: math.cos(t) - t / 9, lambda t: -math.sin(t) - 1 / 9),
    (lambda t: t**4 - 40 * t, lambda t: 4 * t**3 - 40),
])  # fmt: skip
@pytest.mark.parametrize("start", [1e-3, 1.0, 50.0])
def test_the_line_search_ends_where_wolfe_s_conditions_hold(f: Any, start: float) -> None:
    def along(t: float) -> Trial:
        return Trial(t, f[0](t), np.array([f[1](t)]), f[1](t))

    origin = along(0.0)
    end, tried = strong_wolfe(along, origin, start, 1.0, 50)
    assert end.value <= origin.value + 1e-4 * end.t * origin.slope
    assert abs(end.slope) <= 0.9 * abs(origin.slope) and tried < 30


def test_the_cubic_through_two_points() -> None:
    def trial(t: float) -> Trial:  # t³ - 3 t has its minimum at 1
        return Trial(t, t**3 - 3 * t, np.zeros(1), 3 * t * t - 3)

    assert cubic_minimum(trial(0.2), trial(1.5), (0.0, 9.0)) == pytest.approx(1.0)
    assert cubic_minimum(trial(1.5), trial(0.2), (1.2, 9.0)) == 1.2
    line = [Trial(t, -t, np.zeros(1), -1.0) for t in (0.0, 1.0)]
    assert cubic_minimum(*line, (1.01, 10.0)) == 10.0
    assert cubic_minimum(Trial(0.0, 0.0, np.zeros(1), -1.0), Trial(1.0, math.nan, np.zeros(1), 0.0), (0.0, 1.0)) == 0.5
