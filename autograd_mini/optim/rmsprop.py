"""RMSprop."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor
from .optimizer import TIDY_EVERY, Group, Optimizer, Params, check, tidy, tidy_squares, zeros


class RMSprop(Optimizer):
    """Steps divided by a running average of the gradient's size.

    g ← ∇f(p) + λ p                          λ: weight_decay
    v ← α v + (1 - α) g²                     α: alpha
    p ← p - lr g / (√v + ε)                  ε: eps

    centered: m ← α m + (1 - α) g, and √(v - m²) in place of √v. momentum μ: b ← μ b + g / (√v + ε); p ← p - lr b.
    maximize: ascend instead. All averages start at 0.

    Tieleman & Hinton, "Lecture 6.5: rmsprop", COURSERA: Neural Networks for Machine Learning (2012); centered: Graves,
    "Generating Sequences With Recurrent Neural Networks", arXiv:1308.0850, equations 38 to 41 (with ε inside the root).

    >>> import autograd_mini as am
    >>> p = am.tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> RMSprop([p], lr=0.01).step()  # a first step of lr / √(1 - α)
    >>> round(p.item(), 4)
    0.9
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False
    ) -> None:
        defaults = {
            "lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered,
            "weight_decay": weight_decay, "capturable": capturable, "foreach": foreach, "maximize": maximize,
            "differentiable": differentiable
        }
        super().__init__(params, defaults)

    def _check(self, options: Group) -> None:
        check(
            options, lr="learning rate", eps="epsilon value", momentum="momentum value",
            weight_decay="weight_decay value", alpha="alpha value"
        )

    def _update(self, param: Tensor, group: Group) -> None:
        state = self.state[param]
        momentum, centered = group["momentum"] > 0, group["centered"]
        tidies = self._tick(state) % TIDY_EVERY == 0
        names = ["square_avg", *["momentum_buffer"] * momentum, *["grad_avg"] * centered]
        averages = [zeros(state, name, param) for name in names]
        lr, alpha, eps, mu = (float(group[name]) for name in ("lr", "alpha", "eps", "momentum"))
        for p, g, v, *others, t in self._blocks(param, group, *averages, weight_decay=group["weight_decay"]):
            v *= alpha
            t = np.multiply(g, g, t)
            v += np.multiply(1 - alpha, t, t)
            if centered:
                m = others[-1]
                m += np.multiply(1 - alpha, np.subtract(g, m, t), t)
                np.subtract(v, np.multiply(m, m, t), t)
                np.sqrt(t, t)
            else:
                if tidies:
                    tidy_squares(v, eps, t)
                np.sqrt(v, t)
            t += eps
            np.divide(g, t, t)
            if momentum:
                b = others[0]
                b *= mu
                b += t
                if tidies:
                    tidy(b, t)
                np.multiply(lr, b, t)
            else:
                t *= lr
            p -= t
