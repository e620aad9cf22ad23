"""What no other test noticed when faults were planted (tests/mutations): small, and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am

HALF = np.array([1.0, 2.0, 4.0], np.float16)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (0, 2, 1)])
def test_a_permutation_that_is_not_its_own_inverse_is_undone(order: tuple[int, ...]) -> None:
    x = am.tensor(np.zeros((2, 3, 4)), requires_grad=True)
    weights = np.arange(24.0).reshape([x.shape[axis] for axis in order])
    (x.permute(order) * am.tensor(weights)).sum().backward()
    assert x.grad is not None and x.grad.permute(order).tolist() == weights.tolist()


NAMES = ["sum", "mean", "prod", "cumsum", "cumprod", "amax", "logsumexp", "norm", "nansum", "var"]


@pytest.mark.parametrize("name", NAMES)
def test_reductions_of_half_precision_stay_so(name: str) -> None:
    options: dict[str, Any] = {"dim": 0} if name in ("cumsum", "cumprod", "logsumexp") else {}
    result = getattr(am, name)(am.tensor(HALF), **options)
    assert result.dtype == np.float16
    expected: dict[str, Any] = {"nansum": 7, "sum": 7}
    expected |= {"mean": 7 / 3, "prod": 8, "amax": 4, "cumsum": [1, 3, 7], "cumprod": [1, 2, 8]}
    assert name not in expected or np.allclose(result.numpy(), expected[name], rtol=1e-3)


def test_several_axes_are_all_summed() -> None:
    x = am.tensor(np.arange(24.0).reshape(2, 3, 4), requires_grad=True)
    total = x.sum((0, 2))
    assert total.tolist() == np.arange(24.0).reshape(2, 3, 4).sum((0, 2)).tolist()
    assert x.mean((-1, 0)).shape == (3,) and x.amax((1, 2)).tolist() == [11, 23]
