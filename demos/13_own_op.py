"""An operation of your own: write it with its derivative in one entry, have it proved, look at it, use it.

    python demos/13_own_op.py

An operation is a function on arrays and, for each input, the rule of its gradient. You will see `log_cosh`, a loss that
is x²/2 near 0 and |x| far out, become a Tensor method with derivatives of every order; a rule with a slip, and how the
proof finds it; `smooth_max`, with two inputs and an option, proved on hundreds of random arrays, with broadcasting, in
three precisions; the graph of one of them; and a line through points of which some are far off, where the new loss does
what the squared error cannot.

Its pictures need `autograd_mini[demos]`, as its proof does.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import optim
from autograd_mini.testing import GradcheckError, gradcheck, gradgradcheck, op_samples, property_test

BLUE, ORANGE, GREEN, GRAY = "#0072B2", "#D55E00", "#009E73", "#777777"


# A function on arrays, and its derivative times g, the gradient of the output. cosh(x) overflows at 90 in float32;
# logaddexp does not.


@am.primitive(x=lambda g, x: g * np.tanh(x))
def log_cosh(x):  # type: ignore[no-untyped-def]
    """log(cosh(x)): x² / 2 near 0, |x| - log 2 far out."""
    return np.logaddexp(x, -x) - 0.6931471805599453


# Two inputs have two rules, and a keyword is an option. A rule asks for what it needs by name, here also for `out`;
# since out >= x and out >= y, no exp of these can overflow.


@am.primitive(
    x=lambda g, x, out, sharpness: g * np.exp(sharpness * (x - out)),
    y=lambda g, y, out, sharpness: g * np.exp(sharpness * (y - out)),
)
def smooth_max(x, y, *, sharpness=1.0):  # type: ignore[no-untyped-def]
    """log(exp(s x) + exp(s y)) / s: a maximum without its kink, closer with greater sharpness s."""
    return np.logaddexp(sharpness * x, sharpness * y) / sharpness


def derivatives(f: Callable[[am.Tensor], am.Tensor], x: float, order: int) -> list[float]:
    """f(x), f'(x), f''(x), …"""
    t = am.tensor(x, dtype=am.float64, requires_grad=True)
    values = [f(t)]
    for _ in range(order):
        values += am.autograd.grad(values[-1], t, create_graph=True)
    return [v.item() for v in values]


def show_derivatives() -> dict[str, Any]:
    """A method of every tensor, and third derivatives from a rule for the first."""
    x = am.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    y = x.log_cosh()
    y.sum().backward()
    assert x.grad is not None
    print("One entry, and log_cosh is an operation like any other\n")
    print(f"    x.log_cosh()          {y}\n    x.grad                {x.grad}")
    found = derivatives(log_cosh, 0.5, 3)
    tanh = np.tanh(0.5)
    right = [np.log(np.cosh(0.5)), tanh, 1 - tanh**2, -2 * tanh * (1 - tanh**2)]
    print("\n    at x = 0.5                 by the engine      by the formula")
    names = "log(cosh x)", "tanh x", "1 - tanh² x", "-2 tanh x (1 - tanh² x)"
    for name, a, b in zip(names, found, right, strict=True):
        print(f"    {name:<24}{a:16.12f}    {b:16.12f}")
    return {"found": found, "right": [float(r) for r in right], "gradient": x.grad.tolist()}


def prove(examples: int) -> dict[str, Any]:
    """gradcheck and gradgradcheck at some points, and of a rule with a slip; then on drawn arrays."""
    x = am.tensor([-2.0, -0.3, 0.0, 1.5], dtype=am.float64, requires_grad=True)
    first, second = gradcheck(log_cosh, x), gradgradcheck(log_cosh, x)
    print(f"\ngradcheck(log_cosh): {first}; gradgradcheck(log_cosh): {second}")

    slipped = am.primitive(log_cosh.primitive.forward, name="slipped", public=False, x=lambda g, x: g * np.sinh(x))
    try:
        gradcheck(slipped, x)
        found = ""
    except GradcheckError as error:
        found = str(error)
    print(f"The same with a slip, sinh for tanh:\n    {found}")

    calls = {}
    if find_spec("hypothesis") is None:
        print(f"\nNot proved on drawn samples: that needs hypothesis: {common.INSTALL}")
    else:
        calls = prove_on_samples(examples)
    return {"checked": first and second, "slip": found, "calls": calls}


def prove_on_samples(examples: int) -> dict[str, int]:
    """The whole battery on drawn arrays; how often it called each operation."""
    from hypothesis import settings
    from hypothesis import strategies as st

    def counted(op: Callable[..., am.Tensor]) -> Callable[..., am.Tensor]:
        def call(*args: Any, **options: Any) -> am.Tensor:
            counts[op.__name__] = counts.get(op.__name__, 0) + 1
            return op(*args, **options)

        call.__name__ = op.__name__
        return call

    counts: dict[str, int] = {}
    quiet = settings(max_examples=examples, deadline=None, database=None, derandomize=True)
    proofs = (
        property_test(counted(log_cosh), op_samples((-3.0, 3.0)), reference=lambda x: np.log(np.cosh(x))),
        property_test(
            counted(smooth_max),
            op_samples((-2.0, 2.0), (-2.0, 2.0), sharpness=st.sampled_from([0.5, 1.0, 4.0])),
            reference=lambda x, y, sharpness: np.log(np.exp(sharpness * x) + np.exp(sharpness * y)) / sharpness,
            broadcasts=True,
        ),
    )
    for proof in proofs:
        quiet(proof)()
    print(f"\nProved on {examples} drawn samples each: values, first and second derivatives, float32 and float16,")
    print("broadcasting, memory layouts, and that nothing is written that belongs to others")
    print(*(f"    {name}: {count:,} calls" for name, count in counts.items()), sep="\n")
    return counts


def draw(pictures: common.Pictures) -> dict[str, float]:
    """The graph of an expression of both operations, with values and gradients."""
    a = am.tensor(1.0, requires_grad=True)
    b = am.tensor(0.5, requires_grad=True)
    y = smooth_max(a * b, b, sharpness=2.0).log_cosh()
    y.backward()
    assert a.grad is not None and b.grad is not None
    pictures.draw("graph.svg", lambda: y.graph(names={"a": a, "b": b, "y": y}))
    return {"a": a.grad.item(), "b": b.grad.item()}


def fit_line(loss: Callable[[am.Tensor], am.Tensor], x: am.Tensor, y: am.Tensor) -> tuple[float, float]:
    """Slope and intercept for which the mean loss of the residuals is least, by L-BFGS."""
    p = am.zeros(2, dtype=am.float64, requires_grad=True)
    optimizer = optim.LBFGS([p], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> am.Tensor:
        optimizer.zero_grad()
        value = loss(p[0] * x + p[1] - y).mean()
        value.backward()
        return value

    optimizer.step(closure)
    return p[0].item(), p[1].item()


def line(pictures: common.Pictures) -> dict[str, tuple[float, float]]:
    """y = 2 x + 1 with a little noise, and six points of thirty that have gone astray."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 4, 30)
    y = 2 * x + 1 + rng.normal(0, 0.2, 30)
    y[[3, 8, 13, 18, 23, 28]] += [12, 9, -2, -5, -9, -14]
    xs, ys = am.tensor(x), am.tensor(y)
    lines = {"x²": fit_line(lambda r: r**2, xs, ys), "log_cosh": fit_line(lambda r: log_cosh(4 * r), xs, ys)}
    print("\nA line through thirty points of y = 2 x + 1, six of them astray\n")
    for name, (slope, intercept) in lines.items():
        print(f"    least {name:<10} y = {slope:.3f} x + {intercept:.3f}")

    pictures.draw("line.png", plot_lines, x, y, lines)
    return lines


def plot_lines(x: Any, y: Any, lines: dict[str, tuple[float, float]]) -> Any:
    """The two losses with their gradients, and the lines that they find."""
    figure = common.figure(10, 4.2)
    shapes, fits = figure.subplots(1, 2)
    t = am.linspace(-3, 3, 301, dtype=am.float64, requires_grad=True)
    for name, f, color in (("x² / 2", lambda t: t**2 / 2, ORANGE), ("log_cosh", log_cosh, BLUE)):
        value = f(t)
        (slope_of,) = am.autograd.grad(value.sum(), t)
        shapes.plot(t.detach().numpy(), value.detach().numpy(), color=color, label=name)
        shapes.plot(t.detach().numpy(), slope_of.numpy(), "--", color=color, label=f"gradient of {name}")
    shapes.set(title="log_cosh: a pull that does not grow without end", xlabel="x", ylim=(-3, 4))
    fits.plot(x, y, "o", color=GRAY, markersize=4, label="points, six astray")
    fits.plot(x, 2 * x + 1, color=GREEN, linewidth=6, alpha=0.3, label="the line they came from")
    for (name, (slope, intercept)), color, style in zip(lines.items(), (ORANGE, BLUE), ("--", "-"), strict=True):
        fits.plot(x, slope * x + intercept, style, color=color, label=f"least {name}")
    fits.set(title="A line through points, some astray", xlabel="x", ylabel="y")
    for axes in (shapes, fits):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = common.arguments(argv, __file__, "An operation of one's own, proved.", fast="fewer samples to prove it on")
    figures = show_derivatives() | prove(10 if args.fast else 200)
    figures["drawn"] = draw(args.pictures)
    figures["lines"] = line(args.pictures)
    args.pictures.tell()
    return figures


if __name__ == "__main__":
    common.tell(main)
