"""LeNet reads handwritten digits: a network that looks at a picture through small windows, and 99 of 100 are right.

    python demos/10_lenet.py
    python demos/10_lenet.py --data folder/with/mnist

A dense layer sees 784 numbers and does not know which pixels are neighbours. A convolution slides a window of 5 × 5
over the picture and asks the same question everywhere; pooling keeps the strongest answer of every four. You will
see the shapes on the way through LeCun's network of 1998 (with relu and max pooling, as it is written today), its
training on a learning rate that glides to zero, which digits it still mistakes for which, what its six first
windows have learned to look for, and how a digit looks through them.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

import time
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.plotting import image_grid
from autograd_mini.training import Callback, Trainer, accuracy
from autograd_mini.vision import MNISTData


def lenet() -> nn.Sequential:
    """(N, 1, 28, 28) to ten scores (N, 10), by 61,706 weights (LeCun et al., Proceedings of the IEEE, 1998)."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def pixels(images: Any) -> am.Tensor:
    """Bytes (n, 28, 28) as one channel of numbers from 0 to 1."""
    return am.from_numpy(images[:, None].astype(np.float32) / np.float32(255))


class Glide(Callback):
    """Steps a learning rate schedule after each epoch."""

    def __init__(self, schedule: optim.lr_scheduler.LRScheduler) -> None:
        self.schedule = schedule

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: dict[str, float]) -> None:
        self.schedule.step()


def confusion(labels: Any, predicted: Any) -> Any:
    """(10, 10): how often a digit (row) was taken for a digit (column)."""
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def plot_confusion(counts: Any) -> Any:
    figure = common.figure(6, 5.4)
    axes = figure.subplots()
    wrong = counts * (1 - np.eye(10, dtype=int))
    axes.imshow(wrong, cmap="Oranges")
    for row, column in np.ndindex(10, 10):
        if counts[row, column]:
            right = row == column
            dark = not right and wrong[row, column] > 0.6 * wrong.max()
            color = "gray" if right else "white" if dark else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=color, fontsize=9)
    axes.set(xticks=range(10), yticks=range(10), xlabel="taken for", ylabel="is")
    axes.set_title(f"{wrong.sum()} mistakes in {counts.sum():,} test digits (right ones in gray)")
    return figure


def plot_windows(model: nn.Sequential, image: am.Tensor) -> Any:
    """The six windows of the first layer, and what each answers all over one digit."""
    windows = model[0].weight.detach().numpy()[:, 0]
    with am.no_grad():
        answers = model[:3](image[None]).numpy()[0]
    title = "The first convolution: its windows (5 × 5), and a digit through each, after relu and pooling"
    figure = common.figure(10, 3.8, title, layout=None)  # without ticks there is nothing to make room for
    grid = figure.subplots(2, 7, gridspec_kw={"left": 0.01, "right": 0.89, "top": 0.85, "bottom": 0.03, "wspace": 0.07})
    grid[0, 0].axis("off")
    grid[1, 0].imshow(image.numpy()[0], cmap="gray_r")
    grid[1, 0].set_title("the digit", fontsize=10)
    bound = np.abs(windows).max()
    for i in range(6):
        weights = grid[0, i + 1].imshow(windows[i], cmap="PuOr_r", vmin=-bound, vmax=bound)
        grid[0, i + 1].set_title(f"window {i + 1}", fontsize=10)
        shown = grid[1, i + 1].imshow(answers[i], cmap="gray_r", vmin=0, vmax=answers.max())
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    for shades, label, bottom in ((weights, "weight", 0.5), (shown, "answer", 0.05)):
        figure.colorbar(shades, cax=figure.add_axes((0.92, bottom, 0.01, 0.33)), label=label)
    return figure


def plot_mistakes(data: MNISTData, scores: am.Tensor, count: int) -> Any:
    """The wrong answers that it was surest of."""
    predicted = scores.numpy().argmax(1)
    wrong = np.flatnonzero(predicted != data.test_labels)
    chosen = wrong[np.argsort(-scores.softmax(1).numpy()[wrong, predicted[wrong]], kind="stable")][:count]
    title = f"Its {len(chosen)} surest mistakes of {len(wrong)}: what it says, and what it is"
    return image_grid(data.test_images[chosen], data.test_labels[chosen], predicted[chosen], title=title)


def main(argv: list[str] | None = None) -> dict[str, Any]:
    few = "1,000 drawn digits instead of MNIST, in seconds"
    args = common.arguments(argv, __file__, "Train LeNet on MNIST.", fast=few, data=common.FOUND)
    epochs = 3 if args.fast else 8

    am.manual_seed(0)
    data, model = common.mnist(args, 1000, 400), lenet()
    print(f"Data: {data.source}\n\n{nn.summary(model, (1, 28, 28))}\n")
    train = pixels(data.train_images), am.tensor(data.train_labels, dtype=am.int64)
    test = pixels(data.test_images), am.tensor(data.test_labels, dtype=am.int64)
    optimizer = optim.Adam(model.parameters(), lr=4e-3 if args.fast else 2e-3)
    glide = Glide(optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs))
    trainer = Trainer(model, nn.CrossEntropyLoss(), optimizer, {"accuracy": accuracy})
    start = time.perf_counter()
    history = trainer.fit(train, epochs, 20 if args.fast else 64, validation=test, callbacks=[glide], verbose=2)
    seconds = time.perf_counter() - start

    scores = trainer.predict(test[0], 500)
    counts = confusion(data.test_labels, scores.numpy().argmax(1))
    wrong = counts * (1 - np.eye(10, dtype=int))
    digit, taken = np.unravel_index(wrong.argmax(), wrong.shape)
    found = float(np.trace(counts) / counts.sum())
    parameters = sum(p.numel() for p in model.parameters())
    print(f"\nTest accuracy {found:.4f} after {epochs} epochs in {seconds:.0f} s, {parameters:,} weights")
    print(f"{wrong.sum()} mistakes; the commonest: a {digit} taken for a {taken}, {wrong.max()} times")

    args.pictures.draw("curves.png", history.plot)
    args.pictures.draw("confusion.png", plot_confusion, counts)
    args.pictures.draw("windows.png", plot_windows, model, test[0][0])
    args.pictures.draw("mistakes.png", plot_mistakes, data, scores, 8 if args.fast else 16)
    args.pictures.tell()
    return {
        "accuracy": found, "parameters": parameters, "loss": history["loss"], "mistakes": int(wrong.sum()),
        "windows": tuple(model[0].weight.shape), "lr": optimizer.param_groups[0]["lr"], "seconds": seconds,
    }  # fmt: skip


if __name__ == "__main__":
    common.tell(main)
