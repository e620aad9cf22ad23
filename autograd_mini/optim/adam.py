"""Adam, and AdamW, whose weight decay does not pass through the averages."""

from __future__ import annotations

import math

import numpy as np

from ..tensor import Tensor
from .optimizer import TIDY_EVERY, Group, Optimizer, Params, check, tidy, tidy_squares, zeros


class Adam(Optimizer):
    """Adaptive moment estimation.

    g ← ∇f(p) + λ p                          λ: weight_decay
    m ← β₁ m + (1 - β₁) g                    β₁, β₂: betas
    v ← β₂ v + (1 - β₂) g²
    m̂, v̂ = m / (1 - β₁ᵗ), v / (1 - β₂ᵗ)      t: number of the step
    p ← p - lr m̂ / (√v̂ + ε)                  ε: eps

    decoupled_weight_decay: p ← p - lr λ p first, and no λ p in g. amsgrad: the largest v so far in place of v.
    maximize: ascend instead.

    Kingma & Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1; amsgrad: Reddi et al., "On the
    Convergence of Adam and Beyond", ICLR 2018, algorithm 2.

    >>> import autograd_mini as am
    >>> p = am.tensor([1.0], requires_grad=True)
    >>> (p * p).sum().backward()
    >>> Adam([p], lr=0.1).step()  # a first step of lr
    >>> round(p.item(), 4)
    0.9
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None,
        decoupled_weight_decay: bool = False
    ) -> None:
        defaults = {
            "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad,
            "maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable,
            "fused": fused, "decoupled_weight_decay": decoupled_weight_decay
        }
        super().__init__(params, defaults)

    def _check(self, options: Group) -> None:
        check(options, lr="learning rate", eps="epsilon value")
        if not isinstance(options["betas"], (tuple, list)) or len(options["betas"]) != 2:
            raise ValueError(f"Invalid betas: expected two numbers, but got {options['betas']!r}")
        for i, beta in enumerate(options["betas"]):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        check(options, weight_decay="weight_decay value")

    def _update(self, param: Tensor, group: Group) -> None:
        state, (beta1, beta2) = self.state[param], map(float, group["betas"])
        lr, decay, decoupled = float(group["lr"]), float(group["weight_decay"]), group["decoupled_weight_decay"]
        step = self._tick(state)
        names = ["exp_avg", "exp_avg_sq", *["max_exp_avg_sq"] * group["amsgrad"]]
        averages = [zeros(state, name, param) for name in names]
        # lr m̂ / (√v̂ + ε), with the scalars gathered: size m / (√v + ε')
        root = math.sqrt(1 - beta2**step)
        size, eps = lr / (1 - beta1**step) * root, float(group["eps"]) * root
        for p, g, m, v, *largest, t in self._blocks(param, group, *averages, weight_decay=0 if decoupled else decay):
            if decoupled and decay:
                p *= 1 - lr * decay
            t = np.subtract(g, m, t)
            m += np.multiply(1 - beta1, t, t)
            v *= beta2
            np.multiply(g, g, t)
            v += np.multiply(1 - beta2, t, t)
            if step % TIDY_EVERY == 0:
                tidy(m, t)
                tidy_squares(v, eps, t)
            np.sqrt(np.maximum(largest[0], v, out=largest[0]) if largest else v, t)
            t += eps
            np.divide(m, t, t)
            p -= np.multiply(size, t, t)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← p - lr λ p, then Adam's step without λ.

    Loshchilov & Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2.
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False, foreach: bool | None = None,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True
        )
