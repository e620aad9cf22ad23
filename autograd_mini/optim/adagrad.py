"""Adagrad."""

from __future__ import annotations

import numpy as np

from ..engine import wrap
from ..tensor import Tensor
from .optimizer import Group, Optimizer, Params, check


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    g ← ∇f(p) + λ p                          λ: weight_decay
    s ← s + g²                               s starts as initial_accumulator_value
    p ← p - lr / (1 + (t - 1) η) g / (√s + ε)     η: lr_decay, t: number of the step, ε: eps

    maximize: ascend instead. Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization", JMLR 12 (2011), figure 1, with the diagonal of G.

    >>> import autograd_mini as am
    >>> p = am.tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> Adagrad([p], lr=0.1).step()  # a first step of lr
    >>> round(p.item(), 4)
    0.9
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, lr_decay: float = 0, weight_decay: float = 0,
        initial_accumulator_value: float = 0, eps: float = 1e-10, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, fused: bool | None = None
    ) -> None:
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable, "fused": fused
        }
        super().__init__(params, defaults)

    def _check(self, options: Group) -> None:
        check(
            options, lr="learning rate", lr_decay="lr_decay value", weight_decay="weight_decay value",
            initial_accumulator_value="initial_accumulator_value value", eps="epsilon value"
        )

    def add_param_group(self, param_group: Group) -> None:
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for param in group["params"]:  # the sums are there from the start, as in PyTorch
            start = np.full_like(param._array, group["initial_accumulator_value"])
            self.state[param] = {"step": self._count(0), "sum": wrap(start)}

    def _update(self, param: Tensor, group: Group) -> None:
        state = self.state[param]
        step = self._tick(state)
        rate = float(group["lr"]) / (1 + (step - 1) * float(group["lr_decay"]))
        eps = float(group["eps"])
        for p, g, s, t in self._blocks(param, group, state["sum"], weight_decay=group["weight_decay"]):
            t = np.multiply(g, g, t)
            s += t
            np.sqrt(s, t)
            t += eps
            np.divide(g, t, t)
            p -= np.multiply(rate, t, t)
