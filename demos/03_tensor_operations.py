"""The cogs of a network, relu(dot(W, x) + b): how fast they turn, and what they do to points in the plane.

    python demos/03_tensor_operations.py

You will see relu, add and dot written as loops that anyone can follow, beside NumPy and our Tensor: the same numbers,
and the time of each. Then their geometry: adding moves, a matrix turns, stretches and shears, relu cuts off, a dot
product measures how far two arrows point the same way; and a network that unfolds two crumpled sheets of paper, layer
by layer, until a line can part them.

Pictures: the transformations, the dot product, the unfolded sheets. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

import autograd_mini as am
from autograd_mini import nn, optim

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
Floats = NDArray[np.float64]


# ------------------------------------------------------------------------------------------------------- as loops


def naive_relu(x: Floats) -> Floats:
    """max(x, 0), item by item, in a copy: the argument stays as it is."""
    x = x.copy()
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = max(x[i, j], 0)
    return x


def naive_add(x: Floats, y: Floats) -> Floats:
    """x + y, item by item."""
    x = x.copy()
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] += y[i, j]
    return x


def naive_vector_dot(x: Floats, y: Floats) -> float:
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total


def naive_matrix_vector_dot(x: Floats, y: Floats) -> Floats:
    """(n, m) with (m,): n dot products of a row each."""
    return np.array([naive_vector_dot(row, y) for row in x])


def naive_matrix_dot(x: Floats, y: Floats) -> Floats:
    """(n, m) with (m, l): item (i, j) is row i of x with column j of y."""
    out = np.zeros((x.shape[0], y.shape[1]))
    for i in range(x.shape[0]):
        for j in range(y.shape[1]):
            out[i, j] = naive_vector_dot(x[i, :], y[:, j])
    return out


def naive_dense(x: Floats, W: Floats, b: Floats) -> Floats:
    """relu(dot(x, W) + b): a layer."""
    return naive_relu(naive_add(naive_matrix_dot(x, W), np.tile(b, (len(x), 1))))


def seconds(function: Callable[[], Any], times: int) -> float:
    """For 1,000 runs, from so many: the best fifth of them, because other programs get in the way of the rest."""
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(times // 5):
            function()
        best = min(best, time.perf_counter() - start)
    return best * 5 / times * 1000


def compare_speed(times: int) -> dict[str, Any]:
    """The same results three ways, and how long 1,000 runs take. The loops of the layer run a tenth as often."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 100)), rng.standard_normal((20, 100))
    X, Y = am.from_numpy(x), am.from_numpy(y)
    W, b = rng.standard_normal((100, 10)), rng.standard_normal(10)
    layer = nn.Linear(100, 10, dtype=am.float64)
    with am.no_grad():
        layer.weight.copy_(am.from_numpy(W.T))
        layer.bias.copy_(am.from_numpy(b))
    tasks: dict[str, tuple[Callable[[], Any], ...]] = {
        "relu(x + y)": (
            lambda: naive_relu(naive_add(x, y)),
            lambda: np.maximum(x + y, 0.0),
            lambda: (X + Y).relu(),
        ),
        "relu(dot(x, W) + b)": (
            lambda: naive_dense(x, W, b),
            lambda: np.maximum(x @ W + b, 0.0),
            lambda: layer(X).relu(),
        ),
    }
    print("1. Loops, NumPy and Tensor: x and y are 20 × 100, W is 100 × 10. Seconds for 1,000 runs\n")
    print(f"   {'':<22}{'loops':>9}{'NumPy':>10}{'Tensor':>10}   loops : NumPy")
    found: dict[str, Any] = {}
    for name, (naive, numpy, tensor) in tasks.items():
        assert np.allclose(naive(), numpy(), rtol=1e-12, atol=1e-12) and np.allclose(numpy(), tensor().detach().numpy())
        loops = times if name == "relu(x + y)" else times // 10
        found[name] = taken = [seconds(naive, loops), seconds(numpy, 10 * times), seconds(tensor, 10 * times)]
        print(f"   {name:<22}{taken[0]:9.3f}{taken[1]:10.4f}{taken[2]:10.4f}   {taken[0] / taken[1]:8.0f} : 1")
    print("   One call works on all items at once, in compiled code: for a matrix product that of a BLAS library.")
    print("   The Tensor adds some microseconds per call: it notes what was done, for the way back.")
    return found


def check_loops() -> dict[str, Any]:
    """The loops against the library, on the notes' fifty pairs of numbers, too."""
    x = am.tensor([int(digit) for digit in "33215498858714734922495664292516651631893579836327"])
    y = am.tensor([int(digit) for digit in "79312661468693281992642721189265256755861819587253"])
    z = (x + y).relu()
    print("\n2. Loops against the library\n")
    print(f"   relu(x + y) of fifty numbers: {z[:10].tolist()} …, in all {z.sum().item()}")
    print("   the lecture notes' figures    [10, 12, 5, 2, 7, 10, 15, 9, 12, 11] …, in all 494")
    rng = np.random.default_rng(1)
    A, B, v, w = rng.standard_normal((4, 3)), rng.standard_normal((3, 5)), *rng.standard_normal((2, 3))
    a, b, p, q = map(am.from_numpy, (A, B, v, w))
    apart = {
        "vector · vector": abs(naive_vector_dot(v, w) - (p @ q).item()),
        "matrix · vector": np.abs(naive_matrix_vector_dot(A, v) - (a @ p).numpy()).max(),
        "matrix · matrix": np.abs(naive_matrix_dot(A, B) - (a @ b).numpy()).max(),
    }
    for name, difference in apart.items():
        print(f"   {name}: the loops and @ differ by {difference:.0e}")
    return {"z": z.tolist(), "apart": max(apart.values())}


# ------------------------------------------------------------------------------------------------------- geometry


def cloud() -> am.Tensor:
    """Points (n, 2) of a letter F, which shows turns and mirrors."""
    strokes = (((0, 0), (0, 2)), ((0, 2), (1.2, 2)), ((0, 1.1), (0.9, 1.1)))
    ends = am.tensor([[list(map(float, p)) for p in stroke] for stroke in strokes])
    t = am.linspace(0, 1, 40).reshape(1, 40, 1)
    return (ends[:, :1] * (1 - t) + ends[:, 1:] * t).reshape(-1, 2) - am.tensor([0.5, 1.0])


def transformations(pictures: common.Pictures) -> dict[str, float]:
    """What each operation does to the plane; a matrix multiplies areas by its determinant."""
    turn = math.radians(30)
    rotation = am.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    matrices = {
        "rotation by 30°": rotation,
        "scaling by 1.5 and 0.5": am.tensor([[1.5, 0.0], [0.0, 0.5]]),
        "shear": am.tensor([[1.0, 0.8], [0.0, 1.0]]),
        "linear: W x": am.tensor([[1.0, 0.6], [-0.4, 0.9]]),
    }
    W, b = matrices["linear: W x"], am.tensor([0.8, -0.5])
    maps: dict[str, Callable[[am.Tensor], am.Tensor]] = {"translation: x + b": lambda x: x + b}
    maps |= {name: (lambda x, M=M: x @ M.T) for name, M in matrices.items()}
    maps["affine: W x + b"] = lambda x: x @ W.T + b
    maps["relu(x)"] = lambda x: x.relu()
    maps["a layer: relu(W x + b)"] = lambda x: (x @ W.T + b).relu()

    print("\n3. Geometry: transformations.png\n")
    determinants = {name: am.linalg.det(M).item() for name, M in matrices.items()}
    for name, determinant in determinants.items():
        print(f"   {name:<24} areas times {determinant:.2f}")
    print("   Adding a vector moves, a matrix keeps lines straight and the origin in place; both together are affine.")
    print("   Affine after affine is affine again: relu, which presses the plane onto a quarter, makes depth useful.")
    pictures.draw("transformations.png", _draw_maps, maps)
    return determinants


def _draw_maps(maps: dict[str, Callable[[am.Tensor], am.Tensor]]) -> Any:
    points = cloud()
    side = am.linspace(-2, 2, 9)
    grid = am.stack(am.meshgrid(side, side, indexing="ij"), 2)  # (9, 9, 2)
    figure = common.figure(10, 5.6, "What tensor operations do to points: grey before, coloured after")
    for axes, (name, function) in zip(figure.subplots(2, 4).ravel(), maps.items(), strict=True):
        moved, lines = function(points).numpy(), function(grid).numpy()
        for line in (*lines, *lines.swapaxes(0, 1)):
            axes.plot(*line.T, color=BLUE, linewidth=0.5, alpha=0.6)
        axes.plot(*points.numpy().T, ".", color=GREY, markersize=3)
        axes.plot(*moved.T, ".", color=VERMILION, markersize=4)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set(title=name, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    return figure


def dot_product(pictures: common.Pictures) -> dict[str, float]:
    """a · b = |a| |b| cos θ: the shadow of one on the other, times the other's length."""
    a, b = am.tensor([3.0, 0.0]), am.tensor([2.0, 1.5])
    dot, product = (a @ b).item(), (a.norm() * b.norm()).item()
    angle = math.degrees(math.acos(dot / product))
    shadow = a * (dot / (a @ a).item())
    print("\n4. The dot product: dot_product.png\n")
    print(f"   a = {a.tolist()}, b = {b.tolist()}: a · b = {dot:.2f} = |a| |b| cos({angle:.1f}°)")
    print(f"   = |a| times the shadow of b on a: {a.norm().item():.2f} × {shadow.norm().item():.2f}")
    pictures.draw("dot_product.png", _draw_dot_product, a, b, shadow)
    return {"dot": dot, "angle": angle, "shadow": shadow.norm().item()}


def _draw_dot_product(a: am.Tensor, b: am.Tensor, shadow: am.Tensor) -> Any:
    figure = common.figure(10, 3, "The dot product tells how far two arrows agree in direction")
    axes, *others = figure.subplots(1, 4)
    arrows = {"a": (a, BLUE), "b": (b, VERMILION)}
    _arrows(axes, arrows, f"a · b = {(a @ b).item():.1f}: the length\nof a times b's shadow")
    axes.plot([0, shadow[0].item()], [-0.12, -0.12], color=GREEN, linewidth=5)
    axes.plot([b[0].item(), shadow[0].item()], [b[1].item(), 0], "--", color=GREY)
    for axes, degrees in zip(others, (30, 90, 150), strict=True):
        c = am.tensor([2.5 * math.cos(math.radians(degrees)), 2.5 * math.sin(math.radians(degrees))])
        _arrows(axes, {"a": (a, BLUE), "b": (c, VERMILION)}, f"{degrees}°: a · b = {(a @ c).item() + 0.0:.1f}")
    return figure


def _arrows(axes: Any, arrows: dict[str, tuple[am.Tensor, str]], title: str) -> None:
    for name, (v, color) in arrows.items():
        x, y = v.tolist()
        axes.annotate("", (x, y), (0, 0), arrowprops={"color": color, "width": 2, "headwidth": 9, "shrink": 0})
        axes.text(x, y + 0.15, name, color=color, fontsize=14, ha="center")
    axes.set(xlim=(-2.6, 3.4), ylim=(-0.5, 3), aspect="equal", title=title)
    axes.axis("off")


# ---------------------------------------------------------------------------------------- two crumpled sheets of paper


def sheets(n: int) -> tuple[am.Tensor, am.Tensor]:
    """Two classes rolled into each other: points (2 n, 2) and their class, 0 or 1."""
    turn = am.linspace(0.5, 3 * math.pi, n)
    one = am.stack([turn * turn.cos(), turn * turn.sin()], 1) / 5
    return am.cat([one, -one]), am.cat([am.zeros(n), am.ones(n)]).reshape(-1, 1)


def unfold(steps: int, pictures: common.Pictures) -> dict[str, float]:
    """Train layers whose last two numbers per point a straight line can part; draw where the points are on the way."""
    am.manual_seed(0)
    x, target = sheets(200)
    layers = [nn.Sequential(nn.Linear(i, o), nn.Tanh()) for i, o in ((2, 24), (24, 24), (24, 2))]
    model = nn.Sequential(*layers, nn.Linear(2, 1))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right = ((model(x) > 0) == (target > 0)).float().mean().item()
    straight = _best_line(x, target)
    print("\n5. Two sheets of paper, rolled up together: unfolded.png\n")
    print(f"   As they lie, the best straight line has {straight:.0%} of the points on their side. After {steps} steps")
    print(f"   the layers move the points so that it is {right:.0%}. Each layer does a little: turn, shift, bend.")
    pictures.draw("unfolded.png", _draw_unfolded, model, x, target)
    return {"straight": straight, "unfolded": right}


def _draw_unfolded(model: nn.Sequential, x: am.Tensor, target: am.Tensor) -> Any:
    figure = common.figure(9, 4.6, "A network unfolds its data")
    places = {"the input": x, "two numbers per point, before the last layer": model[:3](x).detach()}
    (w1, w2), b = model[3].weight[0].tolist(), model[3].bias.item()
    for axes, (title, place) in zip(figure.subplots(1, 2), places.items(), strict=True):
        for k, (color, marker) in enumerate(((BLUE, "o"), (VERMILION, "s"))):
            chosen = place.numpy()[target[:, 0].numpy() == k]
            axes.plot(*chosen.T, marker, color=color, markersize=4, label=f"sheet {k}")
        axes.set_title(title)
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=2)
    low, high = axes.get_ylim()
    ends = np.array([low, high])
    axes.plot(-(w2 * ends + b) / w1, ends, color="black", label="the last layer's line")
    axes.set(ylim=(low, high), xlim=(-1.15, 1.15))
    return figure


def _best_line(x: am.Tensor, target: am.Tensor) -> float:
    """The largest share of points on the right side of any of 90 directions × 81 positions."""
    angles = am.linspace(0, 2 * math.pi, 91)[:-1]
    along = x @ am.stack([angles.cos(), angles.sin()])  # (points, directions)
    sides = along[:, :, None] > am.linspace(-2, 2, 81)
    return float((sides == (target > 0)[:, :, None]).float().mean(0).max().item())


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns times, differences and what the geometry measured."""
    args = common.arguments(argv, __file__, "Tensor operations: their speed and their geometry.")

    found = {
        "seconds": compare_speed(50 if args.fast else 1000),
        "loops": check_loops(),
        "determinants": transformations(args.pictures),
        "dot_product": dot_product(args.pictures),
        "unfold": unfold(400 if args.fast else 2000, args.pictures),
    }
    args.pictures.tell()
    return found


if __name__ == "__main__":
    common.tell(main)
