"""Every optimizer against PyTorch's: 20 steps over a grid of options, state dicts, defaults and error messages."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import optim

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

GRID: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "lr": [0.1],
        "momentum": [0, 0.9],
        "dampening": [0, 0.3],
        "weight_decay": [0, 0.1],
        "nesterov": [False, True],
        "maximize": [False, True],
    },
    "RMSprop": {
        "lr": [0.01],
        "alpha": [0.99, 0.5],
        "eps": [1e-8, 1e-2],
        "momentum": [0, 0.9],
        "centered": [False, True],
        "weight_decay": [0, 0.1],
        "maximize": [False, True],
    },
    "Adam": {
        "lr": [0.01],
        "betas": [(0.9, 0.999), (0.2, 0.5)],
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 0.1],
        "amsgrad": [False, True],
        "maximize": [False, True],
        "decoupled_weight_decay": [False, True],
    },
    "AdamW": {"lr": [0.01], "weight_decay": [0, 0.01, 0.5], "amsgrad": [False, True], "maximize": [False, True]},
    "Adagrad": {
        "lr": [0.1],
        "lr_decay": [0, 0.1],
        "weight_decay": [0, 0.1],
        "initial_accumulator_value": [0, 0.5],
        "eps": [1e-10, 1e-2],
        "maximize": [False, True],
    },
    "Adadelta": {
        "lr": [1.0, 0.1],
        "rho": [0.9, 0.5],
        "eps": [1e-6, 1e-2],
        "weight_decay": [0, 0.1],
        "maximize": [False, True],
    },
}


def cases() -> Iterator[Any]:
    for name, grid in GRID.items():
        for values in itertools.product(*grid.values()):
            options = dict(zip(grid, values, strict=True))
            if options.get("nesterov") and (options["momentum"] == 0 or options["dampening"] != 0):
                continue
            yield pytest.param(name, options, id=f"{name}-" + "-".join(map(str, values)))


class Pair:
    """The same two parameters and optimizer here and in PyTorch; the objective is a quadratic with a twist."""

    def __init__(self, name: str, options: dict[str, Any], dtype: str, order: Any = "F") -> None:
        rng = np.random.default_rng(7)
        starts = [rng.standard_normal((4, 3)), rng.standard_normal(4)]
        starts = [np.array(a, dtype, order=order) for a in starts]
        self.rng, self.dtype = rng, dtype
        self.ours = [am.from_numpy(a.copy(order="K")).requires_grad_() for a in starts]
        self.theirs = [torch.tensor(a, requires_grad=True) for a in starts]
        self.optimizers = getattr(optim, name)(self.ours, **options), getattr(torch.optim, name)(self.theirs, **options)

    def step(self) -> None:
        x = self.rng.standard_normal((5, 3)).astype(self.dtype)
        for lib, (w, b), optimizer in ((am, self.ours, self.optimizers[0]), (torch, self.theirs, self.optimizers[1])):
            optimizer.zero_grad()
            y = lib.from_numpy(x) @ w.T + b
            (y * y).mean().backward()
            optimizer.step()

    def check(self, **tolerance: float) -> None:
        for p, q in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), **tolerance)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "options"), list(cases()))
def test_twenty_steps(name: str, options: dict[str, Any]) -> None:
    pair = Pair(name, options, "float64")
    for _ in range(20):
        pair.step()
        pair.check(rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", GRID)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_defaults_in_lower_precision(name: str, dtype: str) -> None:
    pair = Pair(name, {"eps": 1e-3} if dtype == "float16" and name != "SGD" else {}, dtype)
    for _ in range(20):
        pair.step()
    assert all(p.dtype == dtype for p in pair.ours)
    pair.check(**({"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 2e-2, "atol": 2e-2}))


def _plain(value: Any) -> Any:
    """Tensors as (dtype, values), so that both libraries' states can be compared by =="""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if hasattr(value, "detach"):
        array = value.detach().numpy()
        return str(array.dtype), np.round(array.astype(float), 9).tolist()
    return value


@pytest.mark.parametrize(("name", "options"), [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adagrad", {}),
    ("Adadelta", {}),
])  # fmt: skip
def test_state_dicts_have_the_same_structure_and_values(name: str, options: dict[str, Any]) -> None:
    pair = Pair(name, options, "float64")
    for steps in range(3):
        ours, theirs = (optimizer.state_dict() for optimizer in pair.optimizers)
        assert ours.pop("steps") == steps  # ours alone: SGD's small averages are set to 0 every so many
        assert _plain(ours) == _plain(theirs), f"after {steps} steps"
        assert [list(s) for s in ours["state"].values()] == [list(s) for s in theirs["state"].values()]
        assert list(ours["param_groups"][0]) == list(theirs["param_groups"][0])
        pair.step()


@pytest.mark.parametrize("name", GRID)
def test_a_state_of_pytorch_is_taken_over(name: str) -> None:
    pair = Pair(name, {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}, "float64")
    for _ in range(3):
        pair.step()
    saved = copy.deepcopy(pair.optimizers[1].state_dict())
    for state in saved["state"].values():
        state.update({key: am.tensor(value.numpy()) for key, value in state.items()})
    fresh = getattr(optim, name)(pair.ours)
    fresh.load_state_dict(saved)
    pair.optimizers = fresh, pair.optimizers[1]
    for _ in range(5):
        pair.step()
    pair.check(rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", GRID)
def test_same_arguments_in_the_same_order_with_the_same_defaults(name: str) -> None:
    def signature(cls: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]

    assert signature(getattr(optim, name)) == signature(getattr(torch.optim, name))


@pytest.mark.parametrize("name", GRID)
def test_the_same_error_for_a_bad_option(name: str) -> None:
    ours, theirs = am.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    known = inspect.signature(getattr(optim, name)).parameters
    numbers = [
        k for k in known if k in (*GRID[name], "eps", "weight_decay") and isinstance(known[k].default, float | int)
    ]
    tried = [
        (key, value) for key in numbers for value in (-0.1, float("nan")) if not isinstance(known[key].default, bool)
    ]
    tried += [("rho", 1.1)] if "rho" in known else []
    tried += [("betas", (1.0, 0.9)), ("betas", (0.9, -0.1))] if "betas" in known else []
    assert len(tried) >= 6
    for key, value in tried:
        if key == "dampening" or (name == "SGD" and value != value):
            continue  # PyTorch does not look at these
        with pytest.raises(ValueError, match="Invalid") as expected:
            getattr(torch.optim, name)([theirs], **{key: value})
        with pytest.raises(ValueError, match="Invalid") as found:
            getattr(optim, name)([ours], **{key: value})
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop", "Adadelta", "LBFGS"])
@pytest.mark.parametrize("wrong", ["0.1", b"1", None, [0.1]], ids=str)
def test_a_text_is_no_learning_rate(name: str, wrong: Any) -> None:
    for lib in (torch, am):
        with pytest.raises(TypeError):
            getattr(lib.optim, name)([lib.ones(1, requires_grad=True)], lr=wrong)
    if name == "SGD":
        with pytest.raises(TypeError, match=r"Invalid momentum value: '0.9' is not a number"):
            optim.SGD([am.ones(1, requires_grad=True)], lr=0.1, momentum="0.9")


def test_nan_is_no_learning_rate_for_sgd_either() -> None:
    with pytest.raises(ValueError, match="Invalid learning rate: nan"):
        optim.SGD([am.ones(1, requires_grad=True)], lr=float("nan"))
    with pytest.raises(ValueError, match="Nesterov momentum requires a momentum and zero dampening"):
        optim.SGD([am.ones(1, requires_grad=True)], nesterov=True)
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        optim.SGD([am.ones(1, requires_grad=True)], lr=am.ones(2))


def test_the_learning_rate_may_be_a_tensor() -> None:
    w = am.ones(1, requires_grad=True)
    w.grad = am.ones(1)
    optim.SGD([w], lr=am.tensor(0.25)).step()
    assert w.item() == 0.75


def test_repr_like_pytorch() -> None:
    ours, theirs = am.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    assert repr(optim.RMSprop([ours])) == repr(torch.optim.RMSprop([theirs]))
