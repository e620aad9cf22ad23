"""Every primitive of the table goes through the battery, with the samples declared for it in one place."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest
from samples import SAMPLES

import autograd_mini.rules
from autograd_mini.primitive import PRIMITIVES
from autograd_mini.testing import battery

NAMES = list(PRIMITIVES)  # as the package makes it, before any test or doctest adds one of its own


def operations() -> dict[str, Callable[..., Any]]:
    """Each primitive's function on tensors, by the primitive's name."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.iter_modules(autograd_mini.rules.__path__, "autograd_mini.rules.")
    ]
    functions = [f for module in modules for f in vars(module).values() if callable(f) and hasattr(f, "primitive")]
    return {f.primitive.name: f for f in functions}


OPERATIONS = operations()


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
