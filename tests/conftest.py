"""Every test starts from the same seeds; hypothesis is deterministic, and looks harder where it is told to.

AUTOGRAD_MINI_EXAMPLES=1000 draws that many examples per property (default 25), at random if it is set.
"""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import autograd_mini as am

_examples = os.environ.get("AUTOGRAD_MINI_EXAMPLES")
settings.register_profile(
    "autograd_mini",
    max_examples=int(_examples or 25),
    derandomize=_examples is None,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.differing_executors],
)
settings.load_profile("autograd_mini")


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector, which many tests call, need not look at all of PyTorch each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    am.manual_seed(0)
    np.random.seed(0)  # for tests of code that must not touch this global state
