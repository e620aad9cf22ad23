"""A linear classifier from nothing but tensors: two clouds of points, a weight matrix, a bias, and forty steps.

    python demos/07_linear_classifier.py

You will see two clouds of 1,000 points each, stacked into one tensor; a model that is one line, x @ W + b; a loss that
is one line, the mean of the squared errors; and a training step that is four. Forty steps draw a line between the
clouds. Least squares, which solve the problem exactly, say how near forty steps came.

Pictures: prediction beside truth, the line, and the line as it moves. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini.draw import Graph, draw_graph, trace_backward
from autograd_mini.plotting import decision_regions

COLORS, MARKERS = ("#0072B2", "#D55E00"), "os"  # of class 0 and 1
LEARNING_RATE = 0.1


def clouds(samples: int) -> tuple[am.Tensor, am.Tensor]:
    """Points (2 n, 2) and targets (2 n, 1): 0 for the cloud around (0, 3), 1 for the one around (3, 0)."""
    rng = np.random.default_rng(0)
    spread = [[1, 0.5], [0.5, 1]]
    negative = rng.multivariate_normal(mean=[0, 3], cov=spread, size=samples)
    positive = rng.multivariate_normal(mean=[3, 0], cov=spread, size=samples)
    print(f"1. Two clouds, each {positive.shape}; the first positive point is {positive[0].round(3).tolist()}")
    inputs = np.vstack((negative, positive)).astype("float32")
    targets = np.vstack((np.zeros((samples, 1), "float32"), np.ones((samples, 1), "float32")))
    print(f"   stacked: inputs {inputs.shape}, targets {targets.shape}: {targets[0]}, then {targets[samples]}\n")
    return am.from_numpy(inputs), am.from_numpy(targets)


def square_loss(targets: am.Tensor, predictions: am.Tensor) -> am.Tensor:
    """The mean over the samples of the squared error."""
    return ((targets - predictions) ** 2).mean()


def train(inputs: am.Tensor, targets: am.Tensor, steps: int) -> tuple[am.Tensor, am.Tensor, list[float], list[Any]]:
    """W, b, the loss before each step, and the line (W, b) after each."""
    am.manual_seed(0)
    W, b = am.rand(2, 1).requires_grad_(), am.zeros(1).requires_grad_()
    losses, lines = [], [(*W.flatten().tolist(), b.item())]
    print(f"2. {steps} steps, learning rate {LEARNING_RATE}\n")
    for step in range(steps):
        loss = square_loss(targets, inputs @ W + b)
        grad_W, grad_b = am.autograd.grad(loss, [W, b])
        with am.no_grad():
            W -= LEARNING_RATE * grad_W
            b -= LEARNING_RATE * grad_b
        losses.append(loss.item())
        lines.append((*W.flatten().tolist(), b.item()))
        if step < 5 or (step + 1) % 5 == 0:
            print(f"   step {step + 1:2}: loss {loss.item():.4f}")
    return W, b, losses, lines


def judge(inputs: am.Tensor, targets: am.Tensor, W: am.Tensor, b: am.Tensor) -> dict[str, float]:
    """How good the line is, beside the best that a line can be."""
    with am.no_grad():
        predictions = inputs @ W + b
        accuracy = ((predictions > 0.5) == (targets > 0.5)).float().mean().item()
        loss = square_loss(targets, predictions).item()
    columns = np.column_stack([inputs.numpy(), np.ones(len(inputs))]).astype("float64")
    solution, residual, *_ = np.linalg.lstsq(columns, targets.numpy().ravel().astype("float64"), rcond=None)
    best = float(residual[0]) / len(inputs)
    (w1, w2), bias = W.flatten().tolist(), b.item()
    print(f"\n3. W = ({w1:.4f}, {w2:.4f}), b = {bias:.4f}: loss {loss:.4f}, {accuracy:.2%} of the points on their side")
    exact = "W = ({:.4f}, {:.4f}), b = {:.4f}".format(*solution)
    print(f"   Least squares, solved: {exact}: loss {best:.4f}")
    print("   The line is where the prediction is 0.5: w1 x + w2 y + b = 0.5, so y = -w1/w2 x + (0.5 - b)/w2")
    slope, height = -w1 / w2, (0.5 - bias) / w2
    print(f"   = {slope:.3f} x {'-' if height < 0 else '+'} {abs(height):.3f}")
    return {"loss": loss, "accuracy": accuracy, "best": best, "slope": slope, "height": height}


def draw_predictions(inputs: am.Tensor, targets: am.Tensor, W: am.Tensor, b: am.Tensor) -> Any:
    """Prediction beside truth."""
    with am.no_grad():
        predicted = (inputs @ W + b > 0.5).int()
    figure = common.figure(10, 4.4, "What the line makes of the points, and what they are")
    wrong = inputs.numpy()[(predicted != targets).flatten().numpy()]
    left, right = figure.subplots(1, 2)
    for axes, title, classes in ((left, "prediction", predicted), (right, "target", targets)):
        _scatter(axes, inputs, classes)
        axes.plot(*wrong.T, "o", color="black", fillstyle="none", markersize=10, label=f"the {len(wrong)} mistakes")
        axes.set_title(title)
        axes.legend(frameon=False)
    return figure


def draw_boundary(inputs: am.Tensor, targets: am.Tensor, W: am.Tensor, b: am.Tensor) -> Any:
    """The line over the regions."""
    with am.no_grad():
        title = "The line where x @ W + b = 0.5"
        figure = decision_regions(lambda x: x @ W + b, inputs, targets, title=title, threshold=0.5)
    (w1, w2), x = W.flatten().tolist(), np.linspace(-1, 4, 100)
    figure.axes[0].plot(x, -w1 / w2 * x + (0.5 - b.item()) / w2, color="black", linewidth=2)
    return figure


def _scatter(axes: Any, inputs: am.Tensor, classes: am.Tensor) -> None:
    chosen = classes.flatten().numpy() > 0.5
    for k, points in enumerate((inputs.numpy()[~chosen], inputs.numpy()[chosen])):
        axes.plot(*points.T, MARKERS[k], color=COLORS[k], markersize=3, alpha=0.6, label=f"class {k}")


def film(inputs: am.Tensor, targets: am.Tensor, lines: list[Any], losses: list[float], every: int) -> Any:
    """The line after each step."""
    from matplotlib.animation import FuncAnimation

    figure = common.figure(5.6, 4.6)
    figure.set_dpi(80)
    axes = figure.subplots()
    _scatter(axes, inputs, targets)
    axes.set(xlim=(-4, 7), ylim=(-4, 7))
    (line,) = axes.plot([], [], color="black", linewidth=2.5)
    x = np.array([-4.0, 7.0])

    def frame(step: int) -> list[Any]:
        w1, w2, b = lines[step]
        line.set_data(x, -w1 / w2 * x + (0.5 - b) / w2)
        axes.set_title(f"after step {step}: loss {losses[step]:.3f}")
        return [line]

    steps = [*range(0, len(lines), every), *[len(lines) - 1] * (8 if every == 1 else 1)]  # it rests at the end
    return FuncAnimation(figure, frame, frames=steps)


def draw_step(inputs: am.Tensor, targets: am.Tensor) -> Graph:
    """One training step on four points, as a graph."""
    x, t = inputs[[0, 1, -2, -1]].clone(), targets[[0, 1, -2, -1]].clone()
    W, b = am.tensor([[0.3], [-0.2]], requires_grad=True), am.zeros(1).requires_grad_()
    predictions = x @ W + b
    loss = square_loss(t, predictions)
    with trace_backward() as trace:
        loss.backward()
    names = {"x": x, "t": t, "W": W, "b": b, "predictions": predictions, "loss": loss}
    return draw_graph(loss, names=names, trace=trace, title="A step of the classifier, on four points")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns losses, accuracy, the least squares' loss and the line."""
    story = "A linear classifier of two clouds, from tensors alone."
    args = common.arguments(argv, __file__, story, fast="the same story with less work: a film of few frames")

    inputs, targets = clouds(1000)
    W, b, losses, lines = train(inputs, targets, 40)
    found = judge(inputs, targets, W, b)
    every = 20 if args.fast else 1  # step a frame
    args.pictures.draw("prediction_and_target.png", draw_predictions, inputs, targets, W, b)
    args.pictures.draw("boundary.png", draw_boundary, inputs, targets, W, b)
    args.pictures.draw("boundary.gif", film, inputs, targets, lines, [*losses, found["loss"]], every)
    args.pictures.draw("step.svg", draw_step, inputs, targets)
    args.pictures.tell()
    return {**found, "losses": losses, "first point": inputs[1000].tolist()}


if __name__ == "__main__":
    common.tell(main)
