"""The regression, binary and divergence losses against PyTorch, over their options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nn.beside_torch import numbers, same, same_error, torch

import autograd_mini as am
from autograd_mini import nn

X, Y = numbers((4, 3), 1) * 2, numbers((4, 3), 2)
REDUCTIONS = ["mean", "sum", "none"]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("width", [0.3, 1.0, 2.0])
def test_smooth_l1_and_huber(reduction: str, width: float) -> None:
    at_the_bound = Y + np.array([[width, -width, 0.0]] + [[0.1, 5.0, -5.0]] * 3)
    for x in (X, at_the_bound):
        same(lambda lib, t: lib.nn.SmoothL1Loss(reduction=reduction, beta=width)(*t), x, Y)
        same(lambda lib, t: lib.nn.HuberLoss(reduction, width)(*t), x, Y)
    same(lambda lib, t: lib.nn.functional.smooth_l1_loss(*t, reduction=reduction, beta=0.0), X, Y)
    weight = np.abs(numbers((4, 3), 5))
    same(lambda lib, t: lib.nn.functional.huber_loss(t[0], t[1], "none", 1.0, t[2].detach()), X, Y, weight)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_losses(reduction: str, weighted: bool) -> None:
    p, target = 1 / (1 + np.exp(-X)), np.array([[0.0, 1.0, 0.3]] * 4)
    w, positive = np.array([0.5, 1.0, 2.0]), np.array([2.0, 0.5, 1.0])

    def weights(lib: Any, **named: Any) -> dict[str, Any]:
        return {name: lib.tensor(value) for name, value in named.items()} if weighted else {}

    same(lambda lib, t: lib.nn.BCELoss(**weights(lib, weight=w), reduction=reduction)(t[0], lib.tensor(target)), p)
    options = {"weight": w, "pos_weight": positive}
    same(lambda lib, t: lib.nn.BCEWithLogitsLoss(**weights(lib, **options), reduction=reduction)(*t), X, target)
    assert list(nn.BCEWithLogitsLoss(**weights(am, **options)).state_dict()) == list(
        torch.nn.BCEWithLogitsLoss(**weights(torch, **options)).state_dict()
    )


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "batchmean"])
def test_kl_divergence(reduction: str) -> None:
    log_p = X - np.log(np.exp(X).sum(-1, keepdims=True))
    q = np.exp(Y) / np.exp(Y).sum(-1, keepdims=True)
    same(lambda lib, t: lib.nn.KLDivLoss(reduction=reduction)(*t), log_p, q)
    same(lambda lib, t: lib.nn.KLDivLoss(reduction=reduction, log_target=True)(*t), log_p, np.log(q))


NAMES = ["SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss", "KLDivLoss"]


@pytest.mark.parametrize("name", NAMES)
def test_losses_print_as_in_pytorch(name: str) -> None:
    ours, theirs = (getattr(lib.nn, name)() for lib in (am, torch))
    assert repr(ours) == repr(theirs) and ours.reduction == theirs.reduction


def test_what_losses_refuse() -> None:
    functional = "functional"
    same_error(lambda lib: getattr(lib.nn, functional).huber_loss(lib.ones(2), lib.ones(2), delta=0.0))
    same_error(lambda lib: lib.nn.SmoothL1Loss(beta=-1.0)(lib.ones(2), lib.ones(2)))
    same_error(lambda lib: lib.nn.BCELoss()(lib.ones(2), lib.ones(3)), "Target size")
    same_error(lambda lib: lib.nn.BCEWithLogitsLoss()(lib.ones(2), lib.ones(3)), "Target size")
    same_error(lambda lib: lib.nn.BCELoss()(lib.ones(2) * 2, lib.ones(2)), "should be between 0 and 1")
    with pytest.raises(ValueError, match="average is not a valid value for reduction"):
        nn.HuberLoss("average")
