"""Gradient descent: from trying every weight to following the slope, and how six optimizers roll down one valley.

    python demos/05_gradient_descent.py

You will see the cost of one weight as a parabola, in the figures of the books; the weight learned by steps against the
slope; what a slope saves where there are a thousand weights; a step that is too small, right, and too large; a ball
that rolls through a hollow where plain descent stays; momentum in two forms, one of which is Nesterov's; and SGD,
momentum, Nesterov, Adagrad, RMSprop and Adam on one surface, as a film.

Pictures: the cost, learning rates, a hollow, the optimizers (moving, too). They need `autograd_mini[demos]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import optim

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito's
STYLES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
NOTES_COST = (
    74.66667, 54.85714, 38.09524, 24.38095, 13.71429, 6.09524, 1.52381, 0.00000,
    1.52381, 6.09524, 13.71429, 24.38095, 38.09524, 54.85714, 74.66667,
)  # fmt: skip
CURVATURE, BEST = 7.5, 5 / 3  # of the cost of W for x = (1, 2, 3, 4), y = (1, 3, 5, 7): the mean of x², and the best W
NOTES_LEARNED = {  # epoch: (cost before the step, W after it)
    0: (18332.2188, 47.398293), 10: (3855.3564, 22.638384), 20: (810.9046, 11.283927), 30: (170.6631, 6.076973),
    40: (36.0217, 3.689155), 50: (7.7069, 2.594144), 60: (1.7524, 2.091991), 70: (0.5001, 1.861713),
    80: (0.2368, 1.756112), 90: (0.1814, 1.707684), 100: (0.1698, 1.685477), 110: (0.1673, 1.675292),
    120: (0.1668, 1.670622), 130: (0.1667, 1.668481), 140: (0.1667, 1.667498), 150: (0.1667, 1.667048),
    160: (0.1667, 1.666842), 170: (0.1667, 1.666747), 180: (0.1667, 1.666703), 190: (0.1667, 1.666684),
    200: (0.1667, 1.666674), 210: (0.1667, 1.666670), 220: (0.1667, 1.666668), 230: (0.1667, 1.666667),
    240: (0.1667, 1.666667), 250: (0.1667, 1.666667), 260: (0.1667, 1.666667), 270: (0.1667, 1.666667),
    280: (0.1667, 1.666667), 290: (0.1667, 1.666667),
}  # fmt: skip


def cost_curve(pictures: common.Pictures) -> list[float]:
    """The mean of (W x - y)² over three points, for 15 weights at once: a batch along a new axis."""
    x = y = am.tensor([1.0, 2.0, 3.0], dtype=am.float64)
    W = am.linspace(-3, 5, 15, dtype=am.float64).requires_grad_()
    cost = ((W[:, None] * x - y) ** 2).mean(1)
    (slope,) = am.autograd.grad(cost.sum(), W)
    print("1. The cost of one weight, x = y = (1, 2, 3), here and in the lecture notes\n")
    print("        W |     cost |    notes |    slope")
    for w, c, notes, s in zip(W.tolist(), cost.tolist(), NOTES_COST, slope.tolist(), strict=True):
        print(f"   {w:6.3f} | {c:8.5f} | {notes:8.5f} | {s:8.3f}")
    assert np.allclose(cost.detach().numpy(), NOTES_COST, rtol=0, atol=5.1e-6)
    print("   The slope is negative left of W = 1, positive right of it: going against it is going down.")

    pictures.draw("cost.png", _draw_cost, W.detach().numpy(), cost.detach().numpy(), slope.numpy())
    return cost.tolist()


def _draw_cost(W: Any, cost: Any, slope: Any) -> Any:
    figure = common.figure(6, 4)
    axes = figure.subplots()
    axes.plot(W, cost, "o-", color=COLORS[0], label="cost")
    for w, c, s in list(zip(W, cost, slope, strict=True))[1::3]:
        side = np.array([w - 0.5, w + 0.5])
        axes.plot(side, c + s * (side - w), color=COLORS[1], linewidth=2, label="slope" if w < -2 else None)
    axes.set(title="The cost of W and its slope", xlabel="W", ylabel="cost")
    axes.legend(frameon=False)
    return figure


def learn_weight() -> dict[int, tuple[float, float]]:
    """y = 2 x - 1 cannot be W x, but W = 5/3 comes nearest; from the notes' random start, to their figures."""
    x, y = am.tensor([1.0, 2.0, 3.0, 4.0]), am.tensor([1.0, 3.0, 5.0, 7.0])
    W = am.tensor([51.106263], requires_grad=True)  # from which the notes' first step leads to 47.398293
    optimizer, learned = optim.SGD([W], lr=0.01), {}
    for epoch in range(300):
        cost = ((W * x - y) ** 2).mean()
        optimizer.zero_grad()
        (cost / 2).backward()  # of half the cost, whose slope has no factor 2
        optimizer.step()
        if epoch % 10 == 0:
            learned[epoch] = cost.item(), W.item()
    print("\n2. W learned: x = (1, 2, 3, 4), y = (1, 3, 5, 7), learning rate 0.01\n")
    print("   epoch |       cost |      notes |         W |     notes")
    for epoch, (c, w) in learned.items():
        notes_c, notes_w = NOTES_LEARNED[epoch]
        if epoch <= 100 or epoch % 50 == 0 or epoch == 290:
            print(f"   {epoch:5} | {c:10.4f} | {notes_c:10.4f} | {w:9.6f} | {notes_w:9.6f}")
        assert np.isclose(c, notes_c, rtol=1e-6, atol=5.1e-5) and np.isclose(w, notes_w, rtol=3e-7, atol=0), epoch
    print("   The least squares say Σ x y / Σ x² = 50/30 = 1.666667.")
    return learned


def brute_force(weights: int) -> dict[str, Any]:
    """Nudge each weight and look what the loss does; or ask for the gradient."""
    print(f"\n3. Brute force against the gradient: {weights:,} weights\n")
    slope = (0.6 - 0.4) / (0.35 - 0.25)
    print("   In the lecture notes' example a weight of 0.3 gives a loss of 0.5, 0.35 gives 0.6 and 0.25 gives 0.4:")
    print(f"   the slope is about (0.6 - 0.4) / (0.35 - 0.25) = {slope:.0f}, so the weight must become smaller.")
    am.manual_seed(0)
    x, y = am.randn(200, weights, dtype=am.float64), am.randn(200, dtype=am.float64)
    w = am.zeros(weights, dtype=am.float64).requires_grad_()

    def loss(w: am.Tensor) -> am.Tensor:
        return ((x @ w - y) ** 2).mean()

    start, nudged, h = time.perf_counter(), np.zeros(weights), 1e-6
    with am.no_grad():
        for i in range(weights):
            step = am.zeros(weights, dtype=am.float64)
            step[i] = h
            nudged[i] = (loss(w + step) - loss(w - step)).item() / (2 * h)
    middle = time.perf_counter()
    loss(w).backward()
    end = time.perf_counter()
    apart = np.abs(nudged - w.grad.numpy()).max()
    print(f"   brute force  {2 * weights:6,} evaluations {1000 * (middle - start):10.1f} ms")
    print(f"   backward()        1 forward, 1 back {1000 * (end - middle):8.1f} ms; greatest difference {apart:.0e}")
    return {"ratio": (middle - start) / (end - middle), "apart": apart}


def learning_rates(pictures: common.Pictures) -> dict[str, list[float]]:
    """On a parabola a step multiplies the distance to the minimum by 1 - lr × curvature."""
    x, y = am.tensor([1.0, 2.0, 3.0, 4.0]), am.tensor([1.0, 3.0, 5.0, 7.0])
    rates = {"too small": 0.004, "right": 0.05, "large": 0.25, "too large": 0.28}
    print("\n4. Learning rates: learning_rates.png\n")
    paths = {}
    for name, lr in rates.items():
        W = am.tensor(0.0, requires_grad=True)
        optimizer, path = optim.SGD([W], lr=lr), [0.0]
        for _ in range(10):
            optimizer.zero_grad()
            (((W * x - y) ** 2).mean() / 2).backward()
            optimizer.step()
            path.append(W.item())
        paths[name] = path
        factor = 1 - lr * CURVATURE
        print(f"   lr {lr:<6} {name:<10} after 10 steps W = {path[-1]:8.4f}; a step: distance × {factor:6.3f}")
    print(f"   Rates below 2 / 7.5 = {2 / CURVATURE:.3f} get there; 1 / 7.5 = {1 / CURVATURE:.3f} does in one step.")
    pictures.draw("learning_rates.png", _draw_learning_rates, {f"{n}: lr = {rates[n]}": p for n, p in paths.items()})
    return paths


def _draw_learning_rates(paths: dict[str, list[float]]) -> Any:
    figure = common.figure(9, 6, "Ten steps with four learning rates")
    for axes, (name, path) in zip(figure.subplots(2, 2).ravel(), paths.items(), strict=True):
        span = max(2.0, 1.1 * max(abs(w - BEST) for w in path))
        w, at = np.linspace(BEST - span, BEST + span, 200), np.array(path)
        axes.plot(w, CURVATURE / 2 * (w - BEST) ** 2 + 1 / 12, color="#999999")
        axes.plot(at, CURVATURE / 2 * (at - BEST) ** 2 + 1 / 12, "o-", color=COLORS[1], markersize=4, linewidth=1)
        start = at[0], CURVATURE / 2 * (at[0] - BEST) ** 2 + 1 / 12
        axes.annotate("start", start, (-6, 0), textcoords="offset points", ha="right", va="center")
        axes.set(title=name, xlabel="W", ylabel="cost")
    return figure


def hollow(x: am.Tensor) -> am.Tensor:
    """A slope down to the right with a hollow on the way."""
    return 0.05 * (x - 4) ** 2 - 0.7 * (-((x + 1) ** 2) / 0.3).exp()


def roll(momentum: float, steps: int) -> list[float]:
    """From x = -4."""
    x = am.tensor(-4.0, requires_grad=True)
    optimizer, path = optim.SGD([x], lr=0.1, momentum=momentum), [-4.0]
    for _ in range(steps):
        optimizer.zero_grad()
        hollow(x).backward()
        optimizer.step()
        path.append(x.item())
    return path


def local_minimum(pictures: common.Pictures) -> dict[str, float]:
    """A ball with speed rolls through a hollow in which plain descent stays."""
    paths = {f"momentum {m:g}": roll(m, 200) for m in (0.0, 0.9)}
    print("\n5. A hollow on the way down: hollow.png\n")
    for name, path in paths.items():
        print(f"   {name:<13} from -4 ends at {path[-1]:6.3f}")
    print("   Without memory it stays where the slope is 0; with speed it rolls through, to the minimum at 4.")
    pictures.draw("hollow.png", _draw_hollow, paths)
    return {name: path[-1] for name, path in paths.items()}


def _draw_hollow(paths: dict[str, list[float]]) -> Any:
    x = am.linspace(-5, 9, 400)
    figure = common.figure(7, 3.8)
    axes = figure.subplots()
    axes.plot(x.numpy(), hollow(x).numpy(), color="#555555")
    for i, (name, path) in enumerate(paths.items()):
        at = am.tensor(path[::3])
        axes.plot(at.numpy(), hollow(at).numpy() + 0.06 * (1 + i), "os"[i], color=COLORS[i], markersize=5, label=name)
        axes.plot(at[-1].item(), hollow(at)[-1].item() + 0.06 * (1 + i), "os"[i], color=COLORS[i], markersize=13)
    axes.set(title="Descent with and without momentum (large: where it ends)", xlabel="x", ylabel="f(x)")
    axes.legend(frameon=False)
    return figure


def notes_momentum(steps: int, lr: float = 0.05, momentum: float = 0.9) -> dict[str, float]:
    """The notes' loop: v = m v - lr g, then w += m v - lr g, which is Nesterov's momentum."""
    start = [-7.0, 2.0]
    w, velocity = am.tensor(start, requires_grad=True), am.zeros(2)
    for _ in range(steps):
        (gradient,) = am.autograd.grad(valley(w), w)
        velocity = momentum * velocity - lr * gradient
        with am.no_grad():
            w += momentum * velocity - lr * gradient
    ours = am.tensor(start, requires_grad=True)
    optimizer = optim.SGD([ours], lr=lr, momentum=momentum, nesterov=True)
    for _ in range(steps):
        optimizer.zero_grad()
        valley(ours).backward()
        optimizer.step()
    w1, past, count, loss = am.tensor(5.0, requires_grad=True), 0.0, 0, 12.5
    while loss > 0.01:  # as in the notes, with their momentum of 0.1
        value = w1**2 / 2
        (slope,) = am.autograd.grad(value, w1)
        past = 0.1 * past - 0.1 * slope.item()
        with am.no_grad():
            w1 += 0.1 * past - 0.1 * slope
        loss, count = value.item(), count + 1
    apart = (w - ours).abs().max().item()
    print("\n6. Momentum in the lecture notes' form: v = m v - lr g, then w += m v - lr g\n")
    print(f"   after {steps} steps in the valley: w = ({w[0].item():.6f}, {w[1].item():.6f})")
    print(f"   SGD(nesterov=True) differs by {apart:.0e}: it is Nesterov's form, which looks ahead; plain is w += v.")
    print(f"   Their loop `while loss > 0.01`, on w²/2 from 5 with momentum 0.1 and lr 0.1: {count} steps")
    return {"apart": apart, "steps": count}


def valley(w: am.Tensor) -> am.Tensor:
    """x²/20 + y²: twenty times as steep across as along."""
    return w[0] ** 2 / 20 + w[1] ** 2


OPTIMIZERS: dict[str, Callable[[list[am.Tensor]], optim.Optimizer]] = {
    "SGD, lr 0.95": lambda p: optim.SGD(p, lr=0.95),
    "momentum 0.9, lr 0.1": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "Nesterov 0.9, lr 0.1": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adagrad, lr 1.5": lambda p: optim.Adagrad(p, lr=1.5),
    "RMSprop, lr 0.3": lambda p: optim.RMSprop(p, lr=0.3, alpha=0.9),
    "Adam, lr 0.3": lambda p: optim.Adam(p, lr=0.3),
}


def race(steps: int, frames: int, pictures: common.Pictures) -> dict[str, float]:
    """Six optimizers from one start; how far each is from the minimum after so many steps."""
    print(f"\n7. Six optimizers in a valley, x²/20 + y² from (-7, 2), {steps} steps: optimizers.png, optimizers.gif\n")
    paths = {}
    for name, make in OPTIMIZERS.items():
        w = am.tensor([-7.0, 2.0], requires_grad=True)
        optimizer, path = make([w]), [w.tolist()]
        for _ in range(steps):
            optimizer.zero_grad()
            valley(w).backward()
            optimizer.step()
            path.append(w.tolist())
        paths[name] = np.array(path)
        value = valley(w).item()
        print(f"   {name:<21} ends at ({w[0].item():7.3f}, {w[1].item():7.3f}), loss {value:.6f}")
    print("   SGD jumps from side to side; momentum adds up along the valley; the others scale each axis for itself.")
    pictures.draw("optimizers.png", _draw_race, paths)
    pictures.draw("optimizers.gif", _film, list(paths), list(paths.values()), frames)
    return {name: float(path[-1][0] ** 2 / 20 + path[-1][1] ** 2) for name, path in paths.items()}


def _draw_race(paths: dict[str, Any]) -> Any:
    steps = len(paths["Adam, lr 0.3"]) - 1
    figure = common.figure(10, 5, f"Six optimizers in the valley x²/20 + y², {steps} steps")
    for axes, (name, path), color in zip(figure.subplots(2, 3).ravel(), paths.items(), COLORS, strict=True):
        _contours(axes)
        axes.plot(*path.T, "o-", color=color, markersize=3, linewidth=1.2)
        axes.set_title(name)
    return figure


def _contours(axes: Any) -> None:
    x, y = np.meshgrid(np.linspace(-8, 5, 120), np.linspace(-3.2, 3.2, 80))
    axes.contour(x, y, x**2 / 20 + y**2, levels=[0.02, 0.1, 0.3, 0.7, 1.5, 3, 5, 8], colors="#bbbbbb", linewidths=0.8)
    axes.plot(0, 0, "+", color="black", markersize=12)


def _film(names: Sequence[str], paths: Sequence[Any], frames: int) -> Any:
    """All six at once, a step per frame."""
    from matplotlib.animation import FuncAnimation

    figure = common.figure(7.6, 4.4, layout=None)
    figure.set_dpi(80)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.07, right=0.98, top=0.92, bottom=0.26)
    _contours(axes)
    looks = [{"label": n, "color": c, "linestyle": s} for n, c, s in zip(names, COLORS, STYLES, strict=True)]
    trails = [axes.plot([], [], linewidth=1.8, **look)[0] for look in looks]
    balls = [axes.plot([], [], "o", color=c, markersize=8, markeredgecolor="white")[0] for c in COLORS]
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False, fontsize=9, handlelength=3)
    shown = np.linspace(0, len(paths[0]) - 1, frames).round().astype(int)

    def draw(step: int) -> list[Any]:
        for trail, ball, path in zip(trails, balls, paths, strict=True):
            trail.set_data(*path[: step + 1].T)
            ball.set_data(*path[step : step + 1].T)
        axes.set_title(f"Six optimizers in a valley: step {step}")
        return [*trails, *balls]

    rest = [shown[-1].item()] * (frames // 5)  # at the end
    return FuncAnimation(figure, draw, frames=[*shown.tolist(), *rest])


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns costs, weights, paths and where each optimizer ends."""
    args = common.arguments(argv, __file__, "Gradient descent, learning rates, momentum and six optimizers.")

    found = {
        "cost": cost_curve(args.pictures),
        "learned": learn_weight(),
        "brute force": brute_force(100 if args.fast else 1000),
        "learning rates": learning_rates(args.pictures),
        "hollow": local_minimum(args.pictures),
        "notes' momentum": notes_momentum(100),
        "race": race(40, 3 if args.fast else 41, args.pictures),
    }
    args.pictures.tell()
    return found


if __name__ == "__main__":
    common.tell(main)
