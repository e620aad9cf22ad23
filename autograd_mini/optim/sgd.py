"""Stochastic gradient descent, with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import TIDY_EVERY, Group, Optimizer, Params, check, tidy, zeros


class SGD(Optimizer):
    """Stochastic gradient descent.

    g ← ∇f(p) + λ p                          λ: weight_decay
    b ← μ b + (1 - τ) g                      μ: momentum, τ: dampening; b starts as the first g
    p ← p - lr b                             without momentum: p - lr g
    p ← p - lr (g + μ b)                     with nesterov

    Momentum: Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013,
    equations 1 to 4, but with PyTorch's place for lr. maximize: ascend instead.

    >>> import autograd_mini as am
    >>> p = am.tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> SGD([p], lr=0.1).step()
    >>> p.item()
    0.800000011920929
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, momentum: float = 0, dampening: float = 0,
        weight_decay: float = 0, nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        differentiable: bool = False, fused: bool | None = None
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay, "nesterov": nesterov,
            "maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused
        }
        super().__init__(params, defaults)

    def _check(self, options: Group) -> None:
        check(options, lr="learning rate", momentum="momentum value", weight_decay="weight_decay value")
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")

    def _update(self, param: Tensor, group: Group) -> None:
        lr, decay = float(group["lr"]), group["weight_decay"]
        mu, rest = float(group["momentum"]), 1 - float(group["dampening"])
        if not mu:
            for p, g, t in self._blocks(param, group, weight_decay=decay):
                p -= np.multiply(lr, g, t)
            return
        state = self.state[param]
        start = state.get("momentum_buffer") is None
        buffer = zeros(state, "momentum_buffer", param)
        damped: Any = group["dampening"] != 0 and not start
        for p, g, b, t in self._blocks(param, group, buffer, weight_decay=decay):
            b *= mu
            b += np.multiply(rest, g, t) if damped else g
            if self._steps % TIDY_EVERY == 0:
                tidy(b, t)
            t = np.multiply(lr if not group["nesterov"] else mu, b, t)
            if group["nesterov"]:
                t += g
                t *= lr
            p -= t
