"""Gradients through training: descend on a learning rate, and find the first weights that learn fastest.

    python demos/14_meta_gradient.py

A training step w - lr * gradient is an expression like any other. Write it with gradients that are recorded
(create_graph=True), and what comes out after many steps can be differentiated by whatever went in: by the learning
rate, by the first weights. You will see that slope beside central differences; a learning rate that improves itself,
for each weight its own; and MAML (Finn, Abbeel and Levine, 2017), which trains the first weights of a network so that
*one step* on ten points of a sine that it never saw is enough, beside a network that was trained on all sines at once
and so learned their mean.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import optim

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#777777"
Weights = list[am.Tensor]
Loss = Callable[[Weights], am.Tensor]


def descend(loss: Loss, weights: Weights, rates: list[am.Tensor], steps: int) -> Weights:
    """Gradient descent as an expression: every step is recorded, rates[i] is the learning rate of weights[i]."""
    for _ in range(steps):
        gradients = am.autograd.grad(loss(weights), weights, create_graph=True)
        weights = [w - rate * g for w, rate, g in zip(weights, rates, gradients, strict=True)]
    return weights


def difference(f: Callable[[am.Tensor], am.Tensor], x: am.Tensor, along: am.Tensor, eps: float = 1e-5) -> float:
    """The slope of f at x in a direction, by a central difference."""
    up, down = f((x + eps * along).detach()), f((x - eps * along).detach())
    return ((up - down) / (2 * eps)).item()


# -------------------------------------------------------------------------------------- a learning rate that learns


def regression() -> tuple[Loss, Weights, list[float]]:
    """y = 1 x1 - 2 x2 + noise where x1 is large and x2 is small: the loss, first weights, and the curvature by each."""
    x = am.randn(200, 2, dtype=am.float64) * am.tensor([2.0, 0.5], dtype=am.float64)
    y = x[:, 0] - 2 * x[:, 1] + 0.1 * am.randn(200, dtype=am.float64)

    def loss(weights: Weights) -> am.Tensor:
        return ((x[:, 0] * weights[0] + x[:, 1] * weights[1] - y) ** 2).mean()

    first = [am.zeros((), dtype=am.float64, requires_grad=True) for _ in range(2)]
    return loss, first, (2 * (x**2).mean(0)).tolist()


def learn_rates(steps: int, meta_steps: int, pictures: common.Pictures) -> dict[str, Any]:
    """Descend on the logarithm of one learning rate, then on those of two, through all steps of training."""
    loss, first, curvature = regression()

    def after(logs: am.Tensor) -> am.Tensor:
        """The loss after training with the rates e^logs: one for both weights, or one for each."""
        return loss(descend(loss, first, [logs[0].exp(), logs[-1].exp()], steps))

    logs = am.tensor([0.02, 0.02], dtype=am.float64).log().requires_grad_()
    (slope,) = am.autograd.grad(after(logs), logs)
    by_hand = [difference(after, logs, unit) for unit in am.eye(2, dtype=am.float64)]
    gap = max(abs(a - b) for a, b in zip(slope.tolist(), by_hand, strict=True))
    print(f"Two weights, {steps} steps of descent: slope of the last loss by the log of each weight's learning rate\n")
    print(f"    back through the training: {slope[0].item():11.8f} {slope[1].item():11.8f}")
    print(f"    by central differences:    {by_hand[0]:11.8f} {by_hand[1]:11.8f}\n")

    grid = np.linspace(np.log(0.01), np.log(0.4), 60)
    curve = [after(am.tensor([g], dtype=am.float64)).item() for g in grid]
    paths = {}
    for name, count in (("one rate", 1), ("a rate for each weight", 2)):
        begin = am.tensor([0.02] * count, dtype=am.float64).log().requires_grad_()
        path = paths[name] = meta_descend(after, begin, meta_steps)
        shown = " and ".join(f"{rate:.3f}" for rate in path[-1][0])
        print(f"    {name}: 0.020 becomes {shown}; the last loss {path[0][1]:.4f} becomes {path[-1][1]:.4f}")
    print(f"    the best of {len(grid)} single rates on a grid: {np.exp(grid[np.argmin(curve)]):.3f}, {min(curve):.4f}")
    print(f"    1 / curvature, what Newton would take: {1 / curvature[0]:.3f} and {1 / curvature[1]:.3f}\n")
    pictures.draw("learning_rate.png", plot_rates, np.exp(grid), curve, paths, steps)
    one, two = (path[-1] for path in paths.values())
    return {
        "slope_gap": gap, "before": paths["one rate"][0][1], "one": one[1], "two": two[1], "grid": min(curve),
        "rates": two[0], "newton": [1 / c for c in curvature],
    }  # fmt: skip


def meta_descend(
    after: Callable[[am.Tensor], am.Tensor], logs: am.Tensor, steps: int
) -> list[tuple[list[float], float]]:
    """Adam on the logarithms of learning rates: (rates, last loss) before each of its steps, and at the end."""
    optimizer, path = optim.Adam([logs], lr=0.1), []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        end = after(logs)
        path.append((logs.exp().tolist(), end.item()))
        end.backward()
        optimizer.step()
    return path


def plot_rates(rates: Any, curve: list[float], paths: dict[str, Any], steps: int) -> Any:
    figure = common.figure(10, 4)
    left, right = figure.subplots(1, 2)
    left.plot(rates, curve, color=GRAY, label="on a grid")
    one = paths["one rate"]
    left.plot([r[0] for r, _ in one], [e for _, e in one], "o-", color=BLUE, markersize=3, label="its path")
    left.plot(one[-1][0][0], one[-1][1], "*", color=ORANGE, markersize=14, label="where it ends")
    left.set(xscale="log", xlabel="learning rate", ylabel="loss", title=f"Loss after {steps} steps, by learning rate")
    left.set_ylim(0, 1.2 * one[0][1])
    for (name, steps_taken), color, style in zip(paths.items(), (BLUE, GREEN), ("-", "--"), strict=True):
        right.plot([end for _, end in steps_taken], style, color=color, label=name)
    right.set(title="Learning to learn: the loss after training", xlabel="step of the learning rate", ylim=(0, None))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


# ----------------------------------------------------------------------------- first weights that learn in one step


def sines(tasks: int, points: int, rng: np.random.Generator) -> tuple[am.Tensor, am.Tensor]:
    """x and y, (tasks, points, 1): each task a sine of its own height, 0.5 to 3, and phase, 0 to pi."""
    height, phase = rng.uniform(0.5, 3, (tasks, 1, 1)), rng.uniform(0, np.pi, (tasks, 1, 1))
    x = rng.uniform(-5, 5, (tasks, points, 1))
    return am.tensor(x, dtype=am.float32), am.tensor(height * np.sin(x + phase), dtype=am.float32)


def network(weights: Weights, x: am.Tensor) -> am.Tensor:
    """1-40-40-1 with relu; the weights of all tasks, (tasks, in, out), in one product."""
    W1, b1, W2, b2, W3, b3 = weights
    return am.relu(am.relu(x @ W1 + b1) @ W2 + b2) @ W3 + b3


def error(weights: Weights, x: am.Tensor, y: am.Tensor) -> am.Tensor:
    """Mean squared error of each task, added up: no task sees the gradient of another."""
    return ((network(weights, x) - y) ** 2).mean((1, 2)).sum()


def first_weights(width: int) -> Weights:
    """Kaiming's, as for any network with relu."""
    made = []
    for fan_in, fan_out in ((1, width), (width, width), (width, 1)):
        made += [am.randn(fan_in, fan_out) * (2 / fan_in) ** 0.5, am.zeros(1, fan_out)]
    return [w.requires_grad_() for w in made]


def adapt(first: Weights, x: am.Tensor, y: am.Tensor, steps: int = 1, rate: float = 0.01) -> Weights:
    """Each task's own weights: the same first ones, and some steps on its own points."""
    own = [w.expand(len(x), *w.shape) for w in first]
    return descend(lambda weights: error(weights, x, y), own, [am.tensor(rate)] * len(own), steps)


def train(steps: int, tasks: int, width: int, inner: int, tell: Callable[[int, float], None]) -> Weights:
    """First weights for which the error on new points of a task, after `inner` steps on its ten, is least.

    With inner=0, first weights for which the error on all tasks is least as they are.
    """
    am.manual_seed(1)
    first, rng, recent = first_weights(width), np.random.default_rng(1), []
    optimizer = optim.Adam(first, lr=2e-3)
    for step in range(steps + 1):
        x, y = sines(tasks, 20, rng)
        loss = error(adapt(first, x[:, :10], y[:, :10], inner), x[:, 10:], y[:, 10:]) / tasks
        recent.append(loss.item())
        if step % (steps // 5) == 0:
            tell(step, float(np.mean(recent)))
            recent = []
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return first


def check_maml(width: int) -> tuple[float, float]:
    """The slope of the loss after a step, along a random change of the first weights: by backward, by difference."""
    am.manual_seed(2)
    rng = np.random.default_rng(2)
    x, y = (t.double() for t in sines(3, 20, rng))
    first = [w.detach().double().requires_grad_() for w in first_weights(width)]
    change = [am.randn_like(w) for w in first]

    def after(weights: Weights) -> am.Tensor:
        return error(adapt(weights, x[:, :10], y[:, :10]), x[:, 10:], y[:, 10:])

    def moved(t: am.Tensor) -> am.Tensor:
        return after([(w + t * c).detach().requires_grad_() for w, c in zip(first, change, strict=True)])

    gradients = am.autograd.grad(after(first), first)
    slope = sum((g * c).sum().item() for g, c in zip(gradients, change, strict=True))
    zero, one = am.tensor(0.0, dtype=am.float64), am.tensor(1.0, dtype=am.float64)
    return slope, difference(moved, zero, one, 1e-6)


def learn_first_weights(steps: int, tasks: int, width: int, pictures: common.Pictures) -> dict[str, Any]:
    slope, by_hand = check_maml(width)
    print(f"First weights of 1-{width}-{width}-1: slope of the error after one step, along a random change of them\n")
    print(f"    back through the step: {slope:.6f}; by a central difference: {by_hand:.6f}\n")
    found: dict[str, Weights] = {}
    for name, inner in (("trained on all sines at once", 0), ("trained to learn (MAML)", 1)):
        print(f"    {name}: error on new points")
        found[name] = train(steps, tasks, width, inner, lambda step, loss: print(f"        {step:>6}  {loss:.3f}"))
    am.manual_seed(1)
    found["not trained"] = first_weights(width)

    x, y = sines(200, 110, np.random.default_rng(9))
    print("\n    200 new sines, ten points of each: error after some steps of descent on the ten\n")
    print("    first weights                     0 steps    1 step  10 steps")
    errors: dict[str, list[float]] = {}
    for name, first in found.items():
        ends = [adapt(first, x[:, :10], y[:, :10], n) for n in (0, 1, 10)]
        errors[name] = [error(end, x[:, 10:], y[:, 10:]).item() / len(x) for end in ends]
        print(f"    {name:<30}" + "".join(f"{e:10.3f}" for e in errors[name]))
    pictures.draw("maml.png", plot_sines, found)
    joint, maml, plain = errors.values()
    return {"maml": maml, "joint": joint, "plain": plain, "maml_slopes": (slope, by_hand)}


def plot_sines(found: dict[str, Weights]) -> Any:
    """One new sine, its ten points, and what each network makes of them."""
    rng = np.random.default_rng(5)
    seen, line = rng.uniform(-5, 5, (1, 10, 1)), np.linspace(-5, 5, 200).reshape(1, 200, 1)
    x, y, all_x = (am.tensor(a, dtype=am.float32) for a in (seen, 2.4 * np.sin(seen + 0.9), line))
    figure = common.figure(10, 3.8, "A sine that none of them has seen, from ten of its points")
    for axes, (name, first) in zip(figure.subplots(1, 3, sharey=True), found.items(), strict=True):
        axes.plot(line[0], 2.4 * np.sin(line[0] + 0.9), color=GRAY, linewidth=4, alpha=0.5, label="the sine")
        for steps, color, style in ((0, ORANGE, ":"), (1, GREEN, "--"), (10, BLUE, "-")):
            fit = network(adapt(first, x, y, steps), all_x).detach().numpy()[0]
            axes.plot(line[0], fit, style, color=color, label=f"after {steps} step{'s' * (steps != 1)}")
        axes.plot(seen[0], y.numpy()[0], "o", color="black", label="ten points")
        axes.set(title=name, xlabel="x", ylim=(-4, 4))
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = common.arguments(argv, __file__, "Differentiate through training.", fast="fewer steps and tasks")
    am.manual_seed(0)
    figures = learn_rates(5, 80, args.pictures)
    figures |= learn_first_weights(*((150, 10, 20) if args.fast else (4000, 25, 40)), args.pictures)
    args.pictures.tell()
    return figures


if __name__ == "__main__":
    common.tell(main)
