"""`set_printoptions`: what is printed is what PyTorch prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")
RNG = np.random.default_rng(0)
ARRAYS = [RNG.standard_normal((3, 4)), RNG.standard_normal((40, 30)), RNG.standard_normal(5) * 1e6, np.arange(2000.0)]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    for lib in (am, torch):
        lib.set_printoptions(profile="default")


@pytest.mark.parametrize("options", [
    {"precision": 2},
    {"sci_mode": True},
    {"sci_mode": False, "precision": 6},
    {"profile": "short"},
    {"profile": "full"},
    {"profile": "short", "precision": 3},
    {"edgeitems": 2, "threshold": 10, "linewidth": 60},
], ids=str)  # fmt: skip
def test_tensors_print_as_in_pytorch(options: dict[str, Any]) -> None:
    before = [repr(am.tensor(a.astype(np.float32))) for a in ARRAYS]
    for lib in (am, torch):
        lib.set_printoptions(**options)
    after = [repr(am.tensor(a.astype(np.float32))) for a in ARRAYS]
    assert after == [repr(torch.tensor(a.astype(np.float32))) for a in ARRAYS] and after != before


def test_unknown_profile() -> None:
    with pytest.raises(ValueError, match="profile must be one of default, short, full"):
        am.set_printoptions(profile="long")
