"""Activations: the bend between two layers, and softmax, which turns scores into probabilities.

    python demos/04_activations.py

You will see step, sigmoid, relu and identity with their gradients, which the engine computes; why a network without a
bend is one layer, however deep it is (superposition holds for it); and softmax: what it does to scores, why e¹⁰⁰⁰ is no
trouble if the largest score is taken off first, and its gradient, which says that probabilities compete.

Pictures: the activations with their gradients, softmax with its Jacobian. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini.autograd.functional import jacobian

BLUE, VERMILION = "#0072B2", "#D55E00"
Function = Callable[[am.Tensor], am.Tensor]


def step(x: am.Tensor) -> am.Tensor:
    """The perceptron's: 1 above 0, else 0. A comparison has no gradient, so the engine is told that it is 0 · x."""
    return (x > 0).float() + 0 * x


def sigmoid(x: am.Tensor) -> am.Tensor:
    """1 / (1 + e⁻ˣ); `am.sigmoid` is the same, and safe far from 0."""
    return 1 / (1 + (-x).exp())


def relu(x: am.Tensor) -> am.Tensor:
    return am.maximum(am.tensor(0.0), x)


ACTIVATIONS: dict[str, tuple[Function, str]] = {
    "step": (step, "0 wherever there is one: nothing to learn from"),
    "sigmoid": (sigmoid, "σ (1 − σ): at most ¼, and almost 0 far out"),
    "relu": (relu, "1 or 0; at 0 itself maximum(0, x), as here, shares ½, and am.relu says 0"),
    "identity": (lambda x: x * 1, "1"),
}


def curves(pictures: common.Pictures) -> dict[str, list[float]]:
    """Values and gradients, in numbers and as a picture."""
    print("1. Activations and their gradients\n")
    at = am.tensor([-10.0, -1.0, 0.0, 1.0, 9.0])
    print(f"   {'x':<19}{''.join(f'{x:>10g}' for x in at.tolist())}")
    found = {}
    for name, (function, says) in ACTIVATIONS.items():
        x = at.clone().requires_grad_()
        y = function(x)
        (gradient,) = am.autograd.grad(y.sum(), x)
        found[name], found[f"{name}'"] = y.tolist(), gradient.tolist()
        print(f"   {name:<19}{''.join(f'{v:>10.4f}' for v in y.tolist())}")
        print(f"     gradient         {''.join(f'{v:>10.4f}' for v in gradient.tolist())}   {says}")
    z = am.linspace(-20, 20, 101)
    assert am.allclose(sigmoid(z), z.sigmoid()) and (relu(z) == z.relu()).all()

    pictures.draw("activations.png", _draw_curves)
    return found


def _draw_curves() -> Any:
    figure = common.figure(9, 6.4, "Activations and their gradients")
    for axes, (name, (function, _)) in zip(figure.subplots(2, 2).ravel(), ACTIVATIONS.items(), strict=True):
        x = am.linspace(-10, 10, 1001).requires_grad_()
        y = function(x)
        (gradient,) = am.autograd.grad(y.sum(), x)
        axes.plot(x.detach().numpy(), y.detach().numpy(), color=BLUE, linewidth=2, label=name)
        axes.plot(x.detach().numpy(), gradient.numpy(), "--", color=VERMILION, linewidth=2, label="gradient")
        coarse = am.arange(-10, 10, 1).float()
        axes.plot(coarse.numpy(), function(coarse).numpy(), "o", color=BLUE, markersize=3, label="at -10, -9 … 9")
        high = 1.1 if name in ("step", "sigmoid") else 10.5
        axes.set(title=name, xlabel="x", ylim=(-0.1 * high if name != "identity" else -10.5, high))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, loc="upper left" if name != "step" else "center left", fontsize=9)
    return figure


def superposition() -> dict[str, Any]:
    """Linear: f(x + y) = f(x) + f(y). Layers of such functions make one such function."""
    print("\n2. Why a bend is needed: superposition\n")
    a, b = 3.0, -2.0
    first, second = am.tensor([1.0, 2.0]), am.tensor([5.0, 10.0])
    weights = am.tensor([a, b])
    apart, together = ((first @ weights) + (second @ weights)).item(), ((first + second) @ weights).item()
    print(f"   y = a x1 + b x2 with a = {a:g}, b = {b:g}: at (1, 2) plus at (5, 10) is 6a + 12b = {apart:g}")
    print(f"   and at (1 + 5, 2 + 10) it is {together:g}: the same, so it is linear.")
    x, y = am.tensor(2.0), am.tensor(-3.0)
    sums: dict[str, Any] = {"linear": apart == together}
    for name, (function, _) in ACTIVATIONS.items():
        left, right = function(x + y).item(), (function(x) + function(y)).item()
        sums[name] = math.isclose(left, right)
        says = "linear" if sums[name] else "not linear"
        print(f"   {name:<9} f(2 + (-3)) = {left:7.4f}   f(2) + f(-3) = {right:7.4f}   {says}")
    a = 0.5
    x = am.tensor(4.0, requires_grad=True)
    y = a * (a * (a * x))
    y.backward()
    value, slope = y.item(), x.grad.item()
    print(f"   Three layers of f(x) = a x are a·a·a·x, one layer: at 4 with a = ½ it is {value:g}, slope {slope:g}.")
    sums["three layers"] = value, slope
    return sums


def naive_softmax(x: am.Tensor) -> am.Tensor:
    """As the formula stands: right, until e to the x is too large for the number type."""
    powers = x.exp()
    return powers / powers.sum()


def shifted_softmax(x: am.Tensor) -> am.Tensor:
    """With the largest score taken off: the factor cancels, and no power is above 1."""
    return naive_softmax(x - x.max())


def softmax(pictures: common.Pictures) -> dict[str, Any]:
    """Without overflow, and its gradient."""
    print("\n3. Softmax\n")
    scores = am.tensor([0.3, 2.9, 4.0])
    p = am.softmax(scores, 0)
    print(f"   scores {_short(scores)} -> {_short(p)}, in all {p.sum().item():.4f}")
    print(f"   the answer of a classifier is the likeliest, item {p.argmax().item()}")
    far = am.tensor([1010.0, 1000.0, 990.0])
    with np.errstate(over="ignore", invalid="ignore"):
        broken = naive_softmax(far)
        limits = np.exp(np.array([709.0, 710.0]))
    safe, ours = shifted_softmax(far), am.softmax(far, 0)
    print(f"   scores {_short(far)}: by the formula {broken.tolist()}, because e^1010 is infinite,")
    print(f"   with the largest taken off {_short(safe)}, and `am.softmax` does that: {_short(ours)}")
    apart = shifted_softmax(am.tensor([1000.0, 0.0, -1000.0]))  # the largest must go, not the smallest
    print(f"   scores (1000, 0, -1000), with the largest taken off: {_short(apart)}")
    print(f"   64 bits hold e^709 = {limits[0]:.3g}, and e^710 = {limits[1]}; 32 bits end at e^88.")
    assert am.allclose(safe, ours) and am.allclose(am.softmax(scores + 1000, 0), p, atol=1e-5)
    J = jacobian(lambda x: am.softmax(x, 0), scores)
    by_hand = am.diag(p) - am.outer(p, p)
    print("\n   The gradient of each probability for each score (row, column), diag(p) − p pᵀ:")
    for row in J.tolist():
        print("      " + "".join(f"{v:9.4f}" for v in row))
    print("   A score that rises lifts its own probability and lowers the others: columns sum to 0.")
    pictures.draw("softmax.png", _draw_softmax, scores, p, J)
    return {
        "softmax": p.tolist(), "far": ours.tolist(), "shifted": safe.tolist(), "apart": apart.tolist(),
        "broken": broken.tolist(), "limits": limits.tolist(),
        "jacobian error": (J - by_hand).abs().max().item(), "column sums": J.sum(0).abs().max().item(),
    }  # fmt: skip


def _short(t: am.Tensor) -> str:
    return "(" + ", ".join(f"{v:.4g}" for v in t.tolist()) + ")"


def _draw_softmax(scores: am.Tensor, p: am.Tensor, J: am.Tensor) -> Any:
    figure = common.figure(10, 3.2, "Softmax turns scores into shares of 1, and only their differences count")
    left, middle, right = figure.subplots(1, 3)
    names = ["class 0", "class 1", "class 2"]
    for bar in (left.bar(names, scores.tolist(), color=BLUE), middle.bar(names, p.tolist(), color=VERMILION)):
        bar[0].axes.bar_label(bar, fmt="%.3g", padding=2)
    left.set(title="scores x", ylim=(0, 4.6))
    middle.set(title="softmax(x) = softmax(x + 1000)", ylim=(0, 1))
    right.imshow(J.numpy(), cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    for (i, k), v in np.ndenumerate(J.numpy()):
        right.text(k, i, f"{v:.3f}", ha="center", va="center")
    right.set(title="gradient of each probability (row)\nfor each score (column)", xticks=range(3), yticks=range(3))
    right.set_xticklabels([f"x{k}" for k in range(3)])
    right.set_yticklabels([f"p{k}" for k in range(3)])
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns values and gradients, what is linear, and softmax's figures."""
    story = "Activations and softmax, with their gradients."
    args = common.arguments(argv, __file__, story, fast="changes nothing: this story is short")

    found = {"curves": curves(args.pictures), "linear": superposition(), "softmax": softmax(args.pictures)}
    args.pictures.tell()
    return found


if __name__ == "__main__":
    common.tell(main)
