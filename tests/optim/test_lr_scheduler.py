"""Every learning-rate schedule against PyTorch's, step for step; saved states, warnings and errors."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")

Make = Callable[[Any, Any], Any]  # (the module lr_scheduler, an optimizer) -> a scheduler

SCHEDULES: dict[str, list[Make]] = {
    "LambdaLR": [
        lambda s, o: s.LambdaLR(o, lambda epoch: 0.9**epoch),
        lambda s, o: s.LambdaLR(o, [lambda epoch: 1 / (1 + epoch), lambda epoch: epoch]),
    ],
    "StepLR": [lambda s, o: s.StepLR(o, 3), lambda s, o: s.StepLR(o, step_size=1, gamma=0.7)],
    "MultiStepLR": [lambda s, o: s.MultiStepLR(o, [2, 5, 5, 11], gamma=0.3), lambda s, o: s.MultiStepLR(o, [])],
    "ExponentialLR": [lambda s, o: s.ExponentialLR(o, 0.9)],
    "LinearLR": [
        lambda s, o: s.LinearLR(o),
        lambda s, o: s.LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=12),
    ],
    "CosineAnnealingLR": [
        lambda s, o: s.CosineAnnealingLR(o, T_max=7),
        lambda s, o: s.CosineAnnealingLR(o, T_max=4, eta_min=0.01),
        lambda s, o: s.CosineAnnealingLR(o, T_max=50),
    ],
    "CosineAnnealingWarmRestarts": [
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 5),
        lambda s, o: s.CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.01),
    ],
    "OneCycleLR": [
        lambda s, o: s.OneCycleLR(o, max_lr=1.0, total_steps=40),
        lambda s, o: s.OneCycleLR(o, [1.0, 3.0], epochs=4, steps_per_epoch=10, anneal_strategy="linear"),
        lambda s, o: s.OneCycleLR(o, 1.0, 45, pct_start=0.4, three_phase=True, base_momentum=[0.6, 0.7], div_factor=5),
        lambda s, o: s.OneCycleLR(o, 1.0, 40, cycle_momentum=False, final_div_factor=10.0),
    ],
    "SequentialLR": [
        lambda s, o: s.SequentialLR(o, [s.LinearLR(o, 0.1), s.ExponentialLR(o, 0.9)], milestones=[5]),
        lambda s, o: s.SequentialLR(
            o, [s.LinearLR(o, 0.1), s.CosineAnnealingLR(o, 6), s.StepLR(o, 2), s.OneCycleLR(o, 1.0, 20)], [3, 9, 14]
        ),
        lambda s, o: s.SequentialLR(
            o, [s.SequentialLR(o, [s.LinearLR(o), s.StepLR(o, 2)], [4]), s.CosineAnnealingWarmRestarts(o, 4)], [8]
        ),
    ],
}
CASES = [pytest.param(make, id=f"{name}-{i}") for name, makes in SCHEDULES.items() for i, make in enumerate(makes)]
ours, theirs = am.optim.lr_scheduler, torch.optim.lr_scheduler


def optimizer(lib: Any, family: str = "SGD", **options: Any) -> Any:
    groups = [{"params": [lib.ones(2, requires_grad=True)]}, {"params": [lib.ones(3, requires_grad=True)], "lr": 0.5}]
    return getattr(lib.optim, family)(groups, lr=0.1, **options)


def pair(make: Make, family: str = "SGD") -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    mine, other = optimizer(am, family), optimizer(torch, family)
    return (mine, make(ours, mine)), (other, make(theirs, other))


def same(a: tuple[Any, Any], b: tuple[Any, Any]) -> None:
    np.testing.assert_allclose(a[1].get_last_lr(), b[1].get_last_lr(), rtol=1e-12, atol=1e-15)
    for mine, other in zip(a[0].param_groups, b[0].param_groups, strict=True):
        assert mine.keys() == other.keys()
        for key in ("lr", "momentum", "betas", "initial_lr", "min_lr", "max_lr"):
            if key in other:
                assert mine[key] == pytest.approx(other[key], rel=1e-12, abs=1e-15)


def advance(*pairs: tuple[Any, Any]) -> None:
    for optimizer, scheduler in pairs:
        optimizer.step()
        scheduler.step()


@pytest.mark.filterwarnings("ignore:Detected call")  # PyTorch, too, warns of nested sequences
@pytest.mark.parametrize("family", ["SGD", "Adam"])
@pytest.mark.parametrize("make", CASES)
def test_the_same_rates_step_for_step(make: Make, family: str) -> None:
    a, b = pair(make, family)
    same(a, b)
    seen = set()
    for _ in range(30):
        advance(a, b)
        same(a, b)
        seen.add(tuple(a[1].get_last_lr()))
    assert len(seen) > 1 or not getattr(a[1], "milestones", True)


@pytest.mark.filterwarnings("ignore:Detected call")
@pytest.mark.parametrize("make", CASES)
def test_states_are_exchanged_and_resume(make: Make) -> None:
    a, b = pair(make)
    for _ in range(4):
        advance(a, b)
    states = [copy.deepcopy((o.state_dict(), s.state_dict())) for o, s in (a, b)]
    assert states[0][1].keys() <= states[1][1].keys()
    fresh = pair(make)
    for (optimizer, scheduler), (of_optimizer, of_scheduler) in zip(fresh, reversed(states), strict=True):
        optimizer.load_state_dict(of_optimizer)
        scheduler.load_state_dict(of_scheduler)
    for _ in range(12):
        advance(a, b, *fresh)
        same(a, b)
        same(fresh[0], b)
        same(a, fresh[1])


@pytest.mark.parametrize("name", [*SCHEDULES, "ReduceLROnPlateau"])
def test_the_same_arguments(name: str) -> None:
    def signature(cls: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.default, p.kind) for p in inspect.signature(cls).parameters.values()]

    assert signature(getattr(ours, name)) == signature(getattr(theirs, name))


@pytest.mark.parametrize("options", [
    {"patience": 2},
    {"mode": "max", "patience": 0, "threshold": 0.2},
    {"threshold_mode": "abs", "patience": 1, "factor": 0.5, "cooldown": 3},
    {"mode": "max", "threshold_mode": "abs", "patience": 1, "min_lr": 0.02},
    {"patience": 0, "min_lr": [0.09999, 0.0], "eps": 1e-3},
])  # fmt: skip
def test_plateau(options: dict[str, Any]) -> None:
    a, b = pair(lambda s, o: s.ReduceLROnPlateau(o, **options))
    metrics = np.round(np.random.default_rng(0).standard_normal(60).cumsum() / 4, 1)
    metrics[20] = np.nan
    rates = set()
    for i, metric in enumerate(metrics):
        a[1].step(am.tensor(metric))
        b[1].step(torch.tensor(metric))
        same(a, b)
        rates.add(tuple(a[1].get_last_lr()))
        assert {k: v for k, v in b[1].state_dict().items() if k in a[1].state_dict()} == a[1].state_dict()
        if i == 30:
            saved = copy.deepcopy(b[1].state_dict())
            a = a[0], ours.ReduceLROnPlateau(a[0], **options)
            a[1].load_state_dict(saved)
    assert len(rates) > 1


def test_two_schedulers_multiply_and_a_rate_set_by_hand_stays() -> None:
    results = []
    for lib in (am, torch):
        sgd = optimizer(lib)
        first, second = lib.optim.lr_scheduler.ExponentialLR(sgd, 0.9), lib.optim.lr_scheduler.LinearLR(sgd, 0.5)
        for i in range(8):
            sgd.step()
            first.step()
            second.step()
            if i == 4:
                sgd.param_groups[0]["lr"] = 7.0
        results.append([group["lr"] for group in sgd.param_groups])
    np.testing.assert_allclose(*results, rtol=1e-12)
    assert results[0][0] > 1


def test_warm_restarts_take_fractions_of_an_epoch() -> None:
    for options in ({"T_0": 3}, {"T_0": 2, "T_mult": 2}):
        a, b = pair(lambda s, o, options=options: s.CosineAnnealingWarmRestarts(o, **options))  # type: ignore[misc]
        for epoch in [0, 0.5, 1.75, 2, 2.5, 6, 6.5, 13.9, 1]:
            a[1].step(epoch)
            b[1].step(epoch)
            same(a, b)


def test_warm_restarts_jump_to_where_they_step() -> None:
    """PyTorch's logarithm misses the restart at 1 + 10 + 100."""
    sgd = optimizer(am)
    walking, jumping = (ours.CosineAnnealingWarmRestarts(sgd, 1, T_mult=10) for _ in range(2))
    for epoch in range(1, 130):
        sgd.step()
        walking.step()
        jumping.step(epoch)
        assert walking.get_last_lr() == jumping.get_last_lr()


@pytest.mark.filterwarnings("ignore:Detected call")
def test_a_jump_takes_the_closed_form() -> None:
    for name in SCHEDULES.keys() - {"SequentialLR", "CosineAnnealingWarmRestarts"}:
        a, b = pair(SCHEDULES[name][0])
        for epoch in (4, 9, 2):
            for _, scheduler in (a, b):
                with pytest.warns(UserWarning, match="The epoch parameter"):
                    scheduler.step(epoch)
            same(a, b)
        with pytest.raises(TypeError, match="float"):
            a[1].step(2.5)
        same(a, b)


@pytest.mark.parametrize("make", [
    lambda s, o: s.CosineAnnealingLR(o, 7, last_epoch=3),
    lambda s, o: s.LinearLR(o, last_epoch=2),
    lambda s, o: s.ExponentialLR(o, 0.5, last_epoch=2),
    lambda s, o: s.StepLR(o, 2, last_epoch=2),
])  # fmt: skip
def test_going_on_from_an_epoch(make: Make) -> None:
    pairs = []
    for lib, schedulers in ((am, ours), (torch, theirs)):
        sgd = optimizer(lib)
        with pytest.raises(KeyError, match="param 'initial_lr' is not specified in param_groups"):
            make(schedulers, sgd)
        for group in sgd.param_groups:
            group["initial_lr"] = 0.8
        pairs.append((sgd, make(schedulers, sgd)))
    for _ in range(5):
        same(*pairs)
        advance(*pairs)


def test_a_tensor_as_the_rate_is_filled_in_place() -> None:
    lr = am.tensor(0.5)
    sgd = am.optim.SGD([am.ones(1, requires_grad=True)], lr=lr)
    scheduler = ours.ExponentialLR(sgd, 0.5)
    advance((sgd, scheduler))
    assert lr.item() == 0.25 and sgd.param_groups[0]["lr"] is lr and scheduler.get_last_lr() == [0.25]


def test_the_order_of_the_two_steps() -> None:
    sgd = optimizer(am)
    scheduler = ours.StepLR(sgd, 3)
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_a_schedule_of_one_s_own() -> None:
    class Halving(ours.LRScheduler):  # type: ignore[name-defined, misc]
        def get_lr(self) -> list[float]:
            return [lr / 2**self.last_epoch for lr in self.base_lrs]

    sgd = optimizer(am)
    scheduler = Halving(sgd)
    advance((sgd, scheduler))
    assert scheduler.get_last_lr() == [0.05, 0.25]
    with pytest.raises(NotImplementedError, match=r"must define get_lr\(\)"):
        ours.LRScheduler(sgd)


def test_callables_keep_their_attributes_in_the_state() -> None:
    class Decay:
        def __init__(self, rate: float) -> None:
            self.rate = rate

        def __call__(self, epoch: int) -> float:
            return self.rate**epoch

    saved = ours.LambdaLR(optimizer(am), [Decay(0.5), lambda epoch: 1.0]).state_dict()
    assert saved["lr_lambdas"] == [{"rate": 0.5}, None]
    other = ours.LambdaLR(optimizer(am), [Decay(0.9), lambda epoch: 2.0])
    other.load_state_dict(saved)
    assert [f(1) for f in other.lr_lambdas] == [0.5, 2.0]


@pytest.mark.parametrize("make", [
    lambda s, o: s.StepLR([], 3),
    lambda s, o: s.LambdaLR(o, [abs]),
    lambda s, o: s.LinearLR(o, start_factor=0),
    lambda s, o: s.LinearLR(o, end_factor=-1),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=0),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, eta_min="0"),
    lambda s, o: s.CosineAnnealingWarmRestarts(o, 3).step(-1),
    lambda s, o: s.OneCycleLR(o, 1.0),
    lambda s, o: s.OneCycleLR(o, 1.0, total_steps=0),
    lambda s, o: s.OneCycleLR(o, 1.0, epochs=1.5, steps_per_epoch=2),
    lambda s, o: s.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=-2),
    lambda s, o: s.OneCycleLR(o, 1.0, 5, pct_start=2),
    lambda s, o: s.OneCycleLR(o, 1.0, 5, anneal_strategy="exp"),
    lambda s, o: s.OneCycleLR(o, [1.0], 5),
    lambda s, o: [s.OneCycleLR(o, 1.0, 2)] + [scheduler.step() for scheduler in [s.OneCycleLR(o, 1.0, 2)] * 4],
    lambda s, o: s.ReduceLROnPlateau(o, factor=1.0),
    lambda s, o: s.ReduceLROnPlateau(o, mode="least"),
    lambda s, o: s.ReduceLROnPlateau(o, threshold_mode="none"),
    lambda s, o: s.ReduceLROnPlateau(o, min_lr=[0.1]),
    lambda s, o: s.ReduceLROnPlateau([]),
    lambda s, o: s.SequentialLR(o, [], []),
    lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Detected call")
def test_the_same_errors(make: Make) -> None:
    with pytest.raises((ValueError, TypeError)) as expected:
        make(theirs, optimizer(torch))
    with pytest.raises(expected.type) as found:
        make(ours, optimizer(am))
    assert str(found.value) == str(expected.value)


@pytest.mark.filterwarnings("ignore:Detected call")
def test_a_sequence_that_is_a_later_part() -> None:
    """PyTorch raises a NotImplementedError at its milestone."""

    def parts(sgd: Any) -> Any:
        return ours.SequentialLR(sgd, [ours.LinearLR(sgd, 0.5, total_iters=2), ours.ExponentialLR(sgd, 0.5)], [3])

    first, second = optimizer(am), optimizer(am)
    alone, later = parts(first), ours.SequentialLR(second, [ours.StepLR(second, 3), parts(second)], [4])
    for _ in range(4):
        later.step()
    for _ in range(8):
        assert later.get_last_lr() == alone.get_last_lr() == [group["lr"] for group in second.param_groups]
        alone.step()
        later.step()


def test_errors_of_sequences_and_of_optimizers_without_momentum() -> None:
    sgd, other = optimizer(am), optimizer(am)
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        ours.SequentialLR(sgd, [ours.ReduceLROnPlateau(sgd)], [])
    with pytest.raises(ValueError, match="belong to the same optimizer, but got scheduler StepLR at index 1"):
        ours.SequentialLR(sgd, [ours.StepLR(sgd, 1), ours.StepLR(other, 1)], [3])
    with pytest.raises(TypeError, match="index 0 should have `optimizer`"):
        ours.SequentialLR(sgd, [3], [])
    with pytest.raises(ValueError, match="must support momentum or beta1"):
        ours.OneCycleLR(optimizer(am, "Adagrad"), 1.0, 5)
    plateau = ours.ReduceLROnPlateau(sgd, min_lr=[0.0, 0.0], patience=0)
    sgd.add_param_group({"params": am.ones(1, requires_grad=True)})
    plateau.step(1.0)
    with pytest.raises(RuntimeError, match=r"The number of param groups in the `optimizer` \(3\) differs"):
        plateau.step(2.0)
