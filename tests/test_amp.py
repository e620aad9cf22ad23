"""`GradScaler` beside PyTorch's: weights, scales and states over many steps, and its errors."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import LIBRARIES, same_error

import autograd_mini as am
from autograd_mini.amp import GradScaler, autocast


def history(library: Any, dtype: str, factors: list[float], **options: Any) -> list[Any]:
    """Weights, scale and state after each of many steps; a factor of inf or nan spoils the gradient of its step."""
    w = library.tensor(np.array([1.0, -2.0], dtype), requires_grad=True)
    v = library.tensor(np.array([0.5], dtype), requires_grad=True)
    optimizers = library.optim.Adam([w], lr=0.1), library.optim.SGD([v], lr=0.1, momentum=0.9)
    scaler = library.amp.GradScaler("cpu", **options)
    seen: list[Any] = []
    for i, factor in enumerate(factors):
        for optimizer in optimizers:
            optimizer.zero_grad()
        losses = [(w * w).sum() * factor, (v * v).sum() * (factor if i % 3 else 1.0)]
        for loss in scaler.scale(losses):
            loss.backward()
        if i % 2:
            scaler.unscale_(optimizers[0])
            library.nn.utils.clip_grad_norm_([w], 1.0)
        for optimizer in optimizers:
            scaler.step(optimizer)
        scaler.update()
        seen += [w.detach().numpy().copy(), v.detach().numpy().copy(), scaler.get_scale(), scaler.state_dict()]
    return seen


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [
    {"growth_interval": 3}, {"init_scale": 7.3, "growth_factor": 1.7, "backoff_factor": 0.3, "growth_interval": 2},
    {"init_scale": 2.0**126, "growth_interval": 1},
], ids=["usual", "odd", "at the end of float32"])  # fmt: skip
def test_like_torch_over_many_steps(dtype: str, options: dict[str, Any]) -> None:
    factors = [1.0, 0.5, np.inf, 1.0, 2.0, 1.0, 1.0, np.nan, np.inf, 0.1, 1.0, 1.0, 1.0, 1.0]
    with np.errstate(all="ignore"):
        ours, theirs = (history(library, dtype, factors, **options) for library in LIBRARIES)
    for a, b in zip(ours, theirs, strict=True):
        if isinstance(a, np.ndarray):
            np.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "float32" else 1e-9, strict=True)
        else:
            assert a == b
    scales = ours[2::4]
    assert any(a < b for a, b in itertools.pairwise(scales)) and any(a > b for a, b in itertools.pairwise(scales))


def test_small_gradients_survive_in_float16_with_it_and_only_with_it() -> None:
    for scaled in (False, True):
        w = am.tensor([1.0], requires_grad=True)
        scaler, sgd = GradScaler("cpu", enabled=scaled), am.optim.SGD([w], lr=1e6)
        loss = (w.half() * am.tensor([1e-4], dtype=am.float16)).float() * 1e-4  # its gradient, 1e-8, is no float16
        scaler.scale(loss.sum()).backward()
        scaler.step(sgd)
        scaler.update()
        assert abs(w.item() - (1 - 0.01 * scaled)) < 1e-4


def test_a_float16_loss_is_scaled_beyond_the_scale_that_float16_knows() -> None:
    ours, theirs = (library.amp.GradScaler("cpu").scale(library.tensor([0.25], dtype=library.float16))
                    for library in LIBRARIES)  # fmt: skip
    assert ours.tolist() == theirs.tolist() == [16384.0] and ours.dtype == "float16"


def test_a_step_with_inf_is_skipped_and_says_none() -> None:
    w = am.ones(1, requires_grad=True)
    scaler, sgd = GradScaler("cpu"), am.optim.SGD([w], lr=1.0)
    scaler.scale((w * np.inf).sum()).backward()
    assert scaler.step(sgd) is None and w.item() == 1.0
    scaler.update()
    assert scaler.get_scale() == 2.0**15


def test_a_saved_state_resumes() -> None:
    for library in LIBRARIES:
        scaler = library.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        state = {"scale": 4.0, "growth_factor": 3.0, "backoff_factor": 0.1, "growth_interval": 5, "_growth_tracker": 4}
        scaler.load_state_dict(copy.copy(state))
        assert scaler.state_dict() == state
        w = library.ones(1, requires_grad=True)
        scaler.scale(w.sum()).backward()
        scaler.step(library.optim.SGD([w], lr=1.0))
        scaler.update()
        assert scaler.get_scale() == 12.0 and w.item() == 0.0
        scaler.update(5.0)
        assert scaler.get_scale() == 5.0
        assert scaler.is_enabled()


def started(library: Any, dtype: str = "float32", backward: bool = True) -> tuple[Any, Any]:
    w = library.tensor(np.ones(1, dtype), requires_grad=True)
    scaler, sgd = library.amp.GradScaler("cpu", init_scale=1024.0), library.optim.SGD([w], lr=0.1)
    loss = scaler.scale(w.sum())
    if backward:
        loss.backward()
    return scaler, sgd


def twice(name: str, first: str = "") -> Any:
    def call(library: Any) -> None:
        scaler, sgd = started(library)
        getattr(scaler, first or name)(sgd)
        getattr(scaler, name)(sgd)

    return call


def unused(library: Any, name: str) -> None:
    scaler = library.amp.GradScaler("cpu")
    sgd = library.optim.SGD([library.ones(1, requires_grad=True)], lr=0.1)
    scaler.unscale_(sgd) if name == "unscale_" else scaler.update()


ERRORS: dict[str, Any] = {
    "unscale_ twice": twice("unscale_"),
    "unscale_ after step": twice("unscale_", "step"),
    "step twice": twice("step"),
    "unscale_ before scale": lambda lib: unused(lib, "unscale_"),
    "update before scale": lambda lib: unused(lib, "update"),
    "update before step": lambda lib: started(lib)[0].update(),
    "no gradients": lambda lib: (lambda scaler, sgd: scaler.step(sgd))(*started(lib, backward=False)),
    "closure": lambda lib: (lambda scaler, sgd: scaler.step(sgd, closure=lambda: 0))(*started(lib)),
    "float16 weights": lambda lib: (lambda scaler, sgd: scaler.step(sgd))(*started(lib, "float16")),
    "growth": lambda lib: lib.amp.GradScaler("cpu", growth_factor=1.0),
    "backoff": lambda lib: lib.amp.GradScaler("cpu", backoff_factor=1.0),
    "empty state": lambda lib: lib.amp.GradScaler("cpu").load_state_dict({}),
    "no tensor": lambda lib: lib.amp.GradScaler("cpu").scale(1.0),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_are_those_of_torch(case: str) -> None:
    same_error(ERRORS[case])


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_step_that_raised_can_be_taken_again(library: Any) -> None:
    scaler, sgd = started(library)
    step, sgd.step = sgd.step, lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        scaler.step(sgd)
    sgd.step = step
    scaler.step(sgd)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(sgd)


def test_autocast_is_off_and_says_so() -> None:
    with pytest.warns(UserWarning, match="narrow numbers are slower here"), autocast("cpu"):
        assert (am.ones(2, 2) @ am.ones(2, 2)).dtype == "float32"
    with pytest.warns(UserWarning, match="CUDA is not available"):
        assert not GradScaler().is_enabled()
