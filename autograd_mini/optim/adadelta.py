"""Adadelta."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor
from .optimizer import TIDY_EVERY, Group, Optimizer, Params, check, tidy_squares, zeros


class Adadelta(Optimizer):
    """Steps in the units of the parameter: the root of past squared steps over that of past squared gradients.

    g ← ∇f(p) + λ p                          λ: weight_decay
    v ← ρ v + (1 - ρ) g²                     ρ: rho
    d ← √(u + ε) / √(v + ε) · g              ε: eps
    u ← ρ u + (1 - ρ) d²
    p ← p - lr d

    maximize: ascend instead. u and v start at 0.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", arXiv:1212.5701, algorithm 1 (where lr is 1).

    >>> import autograd_mini as am
    >>> p = am.tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> Adadelta([p], rho=0.75, eps=0.25).step()  # d = √0.25 / √(0.25 · 2² + 0.25) · 2
    >>> round(p.item(), 4)
    0.1056
    """

    _spares = 2

    def __init__(
        self, params: Params, lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False, differentiable: bool = False
    ) -> None:
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize,
            "capturable": capturable, "foreach": foreach, "differentiable": differentiable
        }
        super().__init__(params, defaults)

    def _check(self, options: Group) -> None:
        check(options, lr="learning rate")
        if not 0.0 <= options["rho"] <= 1.0:
            raise ValueError(f"Invalid rho value: {options['rho']}")
        check(options, eps="epsilon value", weight_decay="weight_decay value")

    def _update(self, param: Tensor, group: Group) -> None:
        state = self.state[param]
        tidies = self._tick(state) % TIDY_EVERY == 0
        averages = [zeros(state, name, param) for name in ("square_avg", "acc_delta")]
        rho, eps, lr = (float(group[name]) for name in ("rho", "eps", "lr"))
        for p, g, v, u, t, d in self._blocks(param, group, *averages, weight_decay=group["weight_decay"]):
            if tidies:
                for average in (v, u):
                    tidy_squares(average, eps**0.5, t)
            v *= rho
            t = np.multiply(g, g, t)
            v += np.multiply(1 - rho, t, t)
            d = np.add(u, eps, d)
            np.sqrt(d, d)
            np.sqrt(np.add(v, eps, t), t)
            d /= t
            d *= g
            u *= rho
            np.multiply(d, d, t)
            u += np.multiply(1 - rho, t, t)
            p -= np.multiply(lr, d, d)
