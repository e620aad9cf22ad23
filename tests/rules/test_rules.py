"""Every primitive of the table goes through the battery, with the samples declared for it in one place."""

from __future__ import annotations

from typing import Any

import pytest
from rules.samples import COMPOSED, OPERATIONS, SAMPLES, composed

import autograd_mini as am
from autograd_mini.primitive import OPERATIONS as PUBLIC
from autograd_mini.primitive import PRIMITIVES
from autograd_mini.testing import GradcheckError, battery

NAMES = list(PRIMITIVES)  # as the package makes it, before any test or doctest adds one of its own


def test_every_primitive_has_samples() -> None:
    assert set(NAMES) - SAMPLES.keys() == set(), "declare samples for these in tests/rules/samples.py"


def test_every_sample_has_a_primitive() -> None:
    assert SAMPLES.keys() - set(NAMES) == set(), "no primitive has this name any more"


def test_every_primitive_can_be_called() -> None:
    assert set(NAMES) - OPERATIONS.keys() == set(), "a primitive is registered outside of rules/"


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_battery(name: str) -> None:
    entry, prim = SAMPLES[name], PRIMITIVES[name]
    battery(
        OPERATIONS[name],
        entry.samples,
        reference=entry.reference,
        broadcasts=entry.broadcasts,
        second_order=entry.second_order,
        differentiable=any(prim.rules),
        dtypes=entry.dtypes,
    )


@pytest.mark.parametrize(
    "name, place", [(n, i) for n in sorted(SAMPLES) for i, r in enumerate(PRIMITIVES[n].rules) if r]
)
def test_battery_finds_a_wrong_rule(name: str, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One per cent too much in any one rule is noticed: the samples reach every rule."""
    entry, prim = SAMPLES[name], PRIMITIVES[name]
    rule: Any = prim.rules[place]

    def wrong(*args: Any, **which: Any) -> Any:
        return rule(*args, **which) * 1.01 + 0.01

    steps = [*prim.steps]
    steps[place] = tuple(wrong if part is rule else part for part in steps[place])
    monkeypatch.setattr(prim, "steps", tuple(steps))
    with pytest.raises((AssertionError, GradcheckError)):
        battery(OPERATIONS[name], entry.samples, dtypes=())


def test_every_composition_has_samples() -> None:
    answers = {"allclose", "equal"}  # True or False, no tensor; tested below
    made_of_others = {name for name, function in PUBLIC.items() if not hasattr(function, "primitive")} - answers
    assert made_of_others - COMPOSED.keys() == set(), "declare samples for these in tests/rules/samples.py"


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_battery_of_composition(name: str) -> None:
    entry = COMPOSED[name]
    battery(
        composed(name),
        entry.samples,
        reference=entry.reference,
        dtypes=entry.dtypes,
        differentiable=entry.differentiable,
        layouts=name not in ("view", "view_as"),
    )


def test_answers_about_two_tensors() -> None:
    x, y = am.tensor([1.0, 2.0]), am.tensor([1.0, 2.0 + 1e-6])
    assert am.allclose(x, y) is True and am.allclose(x, y, rtol=1e-9) is False
    assert am.equal(x, x + 0) is True and am.equal(x, y) is False and am.equal(x, am.ones(3)) is False
