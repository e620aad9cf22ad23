"""Networks of two and three layers: first with weights that are given, then with weights that are learned.

    python demos/08_networks.py

A network is a chain of layers, each a matrix product, a bias and an activation. You will see a point go through three
layers of given weights, number by number, to (0.3168, 0.6963); what becomes of the same layers without their sigmoids
(one layer: a chain of linear maps is a linear map); the shapes in a network of two layers that takes ten points at
once; and then three arms of a spiral that no straight lines can part, learned by a network of 2-10-3: its loss from
epoch to epoch, and the regions that it draws, beside those of a single layer.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.plotting import decision_regions
from autograd_mini.training import Callback, History, Trainer, accuracy

WEIGHTS = [
    am.tensor([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]),
    am.tensor([[0.1, 0.4], [0.2, 0.5], [0.3, 0.6]]),
    am.tensor([[0.1, 0.3], [0.2, 0.4]]),
]
BIASES = [am.tensor([0.1, 0.2, 0.3]), am.tensor([0.1, 0.2]), am.tensor([0.1, 0.2])]
PRINTED = 0.3168, 0.6963  # for x = (1.0, 0.5)


# --------------------------------------------------------------------------------------------------- given weights


def three_layers() -> am.Tensor:
    """The given network of 2-3-2-2 on one point, layer by layer."""
    print("Three layers with given weights, sigmoids between them\n")
    z = am.tensor([1.0, 0.5])
    print(f"    x                        {shown(z)}")
    for layer, (W, b) in enumerate(zip(WEIGHTS, BIASES, strict=True), 1):
        a = z @ W + b
        last = layer == len(WEIGHTS)
        z = a if last else am.sigmoid(a)
        print(f"    layer {layer}: a = z W{layer} + b{layer}   {shown(a)}")
        print(f"             {'y = a         ' if last else 'z = sigmoid(a)'}  {shown(z)}")
    print(f"\n    The books print          {PRINTED}\n")
    return z


def without_sigmoids() -> float:
    """How far the three layers without sigmoids are from the one layer that they amount to, at random points."""
    x = am.randn(1000, 2)
    (W1, W2, W3), (b1, b2, b3) = WEIGHTS, BIASES
    three = ((x @ W1 + b1) @ W2 + b2) @ W3 + b3
    W, b = W1 @ W2 @ W3, (b1 @ W2 + b2) @ W3 + b3
    apart = (three - (x @ W + b)).abs().max().item()
    print("Leave the sigmoids out, and x W1 W2 W3 is x times a single matrix: one layer would do the same")
    print(f"    W = W1 W2 W3 = ({shown(W[0])}, {shown(W[1])}), b = {shown(b)}")
    print(f"    greatest difference at 1,000 random points: {apart:.0e}\n")
    x, rng = am.tensor([0.1, 0.5]), np.random.default_rng(0)
    W1, b1, W2, b2, W3, b3 = (am.tensor(rng.random(s)) for s in ((2, 3), 3, (3, 2), 2, (2, 2), 2))
    L1 = x @ W1 + b1
    L2, slipped = am.sigmoid(L1) @ W2 + b2, L1 @ W2 + b2
    print("The same slip in a program, random weights: L1 and L2 are passed on where z = sigmoid(L) was meant")
    print(f"    x = {shown(x)}: meant {shown(am.sigmoid(L2) @ W3 + b3)}, slipped {shown(slipped @ W3 + b3)}\n")
    return apart


def two_layers() -> dict[str, tuple[int, ...]]:
    """Ten points at once through a network of 2-4-3: the shape of everything on the way."""
    x, model = am.randn(10, 2), nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 3))
    with am.no_grad():
        h = model[0](x)
        z = model[1](h)
        scores = model[2](z)
    shapes = {"x": x.shape, "h = x W1 + b1": h.shape, "z = sigmoid(h)": z.shape, "scores = z W2 + b2": scores.shape}
    print("Two layers, ten points at once")
    for name, shape in shapes.items():
        print(f"    {name:<20}{shape}")
    assert (scores == model(x)).all()
    return shapes


def shown(x: am.Tensor) -> str:
    return "(" + ", ".join(f"{v:.4f}" for v in x.tolist()) + ")"


# ------------------------------------------------------------------------------------------------------ the spiral


def spiral(per_class: int, seed: int = 1984) -> tuple[am.Tensor, am.Tensor]:
    """Three arms that wind around the origin: points (3 n, 2), classes (3 n,)."""
    rng = np.random.default_rng(seed)
    arm = np.repeat([0, 1, 2], per_class)
    radius = np.tile(np.arange(per_class) / per_class, 3)
    angle = 4 * (arm + radius) + rng.normal(0, 0.2, len(arm))
    points = np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1)
    return am.from_numpy(points.astype(np.float32)), am.from_numpy(arm)


class Every(Callback):
    """Prints the figures of every n-th epoch."""

    def __init__(self, n: int) -> None:
        self.n = n

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: dict[str, float]) -> None:
        if (epoch + 1) % self.n == 0:
            print(f"    epoch {epoch + 1:>4}: loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.3f}")


def learn(model: nn.Module, x: am.Tensor, y: am.Tensor, epochs: int) -> History:
    """Batches of 30, learning rate 1, as the books have it."""
    sgd = optim.SGD(model.parameters(), lr=1.0)
    trainer = Trainer(model, nn.CrossEntropyLoss(), sgd, metrics={"accuracy": accuracy})
    return trainer.fit((x, y), epochs, batch_size=30, callbacks=[Every(max(1, epochs // 10))], verbose=0)


def plot_losses(histories: dict[str, History]) -> Any:
    figure = common.figure(9, 3.8)
    for axes, what in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for (name, history), color, style in zip(histories.items(), ("#D55E00", "#0072B2"), ("--", "-"), strict=True):
            axes.plot(range(1, len(history[what]) + 1), history[what], style, color=color, label=name)
        axes.set(title=f"{what} on the spiral", xlabel="epoch", ylim=(0, None))
        axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    return figure


def plot_regions(models: dict[str, nn.Module], points: am.Tensor, arms: am.Tensor, right: dict[str, float]) -> Any:
    figure = common.figure(10, 5)
    for (name, model), axes in zip(models.items(), figure.subplots(1, 2), strict=True):
        decision_regions(model, points, arms, title=f"{name}: {right[name]:.0%} right", axes=axes)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    args = common.arguments(argv, __file__, "Networks of two and three layers, and the spiral.", fast="fewer epochs")
    am.manual_seed(0)

    y = three_layers()
    assert np.allclose(y.numpy(), PRINTED, atol=5e-5)
    apart, shapes = without_sigmoids(), two_layers()

    points, arms = spiral(100)
    epochs = 120 if args.fast else 300
    models = {
        "one layer, 2-3": nn.Linear(2, 3),
        "two layers, 2-10-3": nn.Sequential(nn.Linear(2, 10), nn.Sigmoid(), nn.Linear(10, 3)),
    }
    histories: dict[str, History] = {}
    right: dict[str, float] = {}
    for name, model in models.items():
        print(f"\nThe spiral, 300 points, by {name}")
        histories[name] = learn(model, points, arms, epochs)
        right[name] = accuracy(model(points), arms)
        print(f"    {right[name]:.1%} of the points are in their region")
    args.pictures.draw("regions.png", plot_regions, models, points, arms, right)
    args.pictures.draw("losses.png", plot_losses, histories)
    args.pictures.tell()
    one, two = models
    return {
        "y": y.tolist(), "apart": apart, "shapes": list(shapes.values()), "one": right[one], "two": right[two],
        "losses": histories[two]["loss"], "losses_one": histories[one]["loss"],
    }  # fmt: skip


if __name__ == "__main__":
    common.tell(main)
