"""MNIST from scratch: layers, batches and descent in thirty lines on bare tensors; then the same by `nn`.

    python demos/09_mnist_from_scratch.py
    python demos/09_mnist_from_scratch.py --data folder/with/mnist

You will see that a framework is no magic: `Dense`, `Sequential`, `batches` and `fit` below are all that it takes for a
network of 784-512-10 to learn, with a step of 1e-3 down the bare gradient. It learns slowly, and the same network by
`nn` with RMSprop says what a better optimizer is worth. Last, a network of 784-50-100-10 is trained, saved and loaded
again, and reads the test digits one by one, then a hundred at a time: the same answers, in a fraction of the time.

Its pictures need `autograd_mini[demos]`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.training import Callback, Trainer, accuracy

KERAS = [(0.4260, 0.8750), (0.1066, 0.9680), (0.0719, 0.9781), (0.0503, 0.9847), (0.0344, 0.9897)]
AGAIN = [(0.4331, 0.8743), (0.1065, 0.9678), (0.0721, 0.9770), (0.0502, 0.9848), (0.0339, 0.9899)]  # from other weights
KERAS_TEST = 0.0720, 0.9789  # printed with Keras' RMSprop: loss and accuracy of five epochs, then on the test digits
Pair = tuple[am.Tensor, am.Tensor]

# ------------------------------------------------------------------------------------------- thirty lines of our own


class Dense:
    def __init__(self, inputs: int, outputs: int, activation: Callable[[am.Tensor], am.Tensor]) -> None:
        self.W = (am.rand(inputs, outputs) * 0.1).requires_grad_()
        self.b = am.zeros(outputs, requires_grad=True)
        self.activation = activation

    def __call__(self, x: am.Tensor) -> am.Tensor:
        return self.activation(x @ self.W + self.b)


class Sequential:
    def __init__(self, *layers: Dense) -> None:
        self.layers = layers
        self.weights = [w for layer in layers for w in (layer.W, layer.b)]

    def __call__(self, x: am.Tensor) -> am.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


def batches(images: am.Tensor, labels: am.Tensor, size: int = 128) -> Iterator[Pair]:
    for start in range(0, len(images), size):
        yield images[start : start + size], labels[start : start + size]


def fit(model: Sequential, images: am.Tensor, labels: am.Tensor, size: int = 128, lr: float = 1e-3) -> list[float]:
    losses = []
    for x, y in batches(images, labels, size):
        log_p = model(x)  # of each class; of the right one, the less negative the better:
        loss = -log_p[am.arange(len(y)), y].mean()
        gradients = am.autograd.grad(loss, model.weights)
        with am.no_grad():
            for w, g in zip(model.weights, gradients, strict=True):
                w -= lr * g
        losses.append(loss.item())
    return losses


# -------------------------------------------------------------------------------------------------------- the stories


def from_scratch(
    train: Pair, test: Pair, epochs: int, size: int, width: int, lr: float
) -> tuple[list[float], list[float]]:
    """The losses of all steps, and the test accuracy after each epoch."""
    model = Sequential(Dense(784, width, am.relu), Dense(width, 10, lambda x: x.log_softmax(1)))
    losses, accuracies = [], []
    print(f"Our own layers, 784-{width}-10, SGD of {lr:g}, batches of {size}")
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        losses += fit(model, *train, size, lr)
        with am.no_grad():
            accuracies.append(accuracy(model(test[0]), test[1]))
        seconds = time.perf_counter() - start
        print(f"    epoch {epoch:>2}: loss {losses[-1]:.4f}, test accuracy {accuracies[-1]:.4f}, {seconds:.1f} s")
    return losses, accuracies


class Beside(Callback):
    """Prints each epoch beside what Keras printed for the same network."""

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: dict[str, float]) -> None:
        theirs = "   ".join(f"{loss:7.4f}  {right:7.4f}" for loss, right in (KERAS[epoch], AGAIN[epoch]))
        print(f"    {epoch + 1:>5}   {logs['loss']:7.4f}  {logs['accuracy']:7.4f}     {theirs}")


def with_nn(train: Pair, test: Pair, epochs: int) -> tuple[list[float], dict[str, float]]:
    """The same network by `nn`, with RMSprop as Keras has it: test accuracies, and the last figures."""
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    rmsprop = optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    trainer = Trainer(model, nn.CrossEntropyLoss(), rmsprop, {"accuracy": accuracy})
    print("\nThe same by nn, RMSprop, beside what Keras printed on MNIST\n")
    print("    epoch      loss  accuracy   Keras:  loss  accuracy   its second run")
    history = trainer.fit(train, epochs, 128, validation=test, callbacks=[Beside()], verbose=0)
    last = trainer.evaluate(test, 1000)
    print(f"     test   {last['loss']:7.4f}  {last['accuracy']:7.4f}     {KERAS_TEST[0]:7.4f}  {KERAS_TEST[1]:7.4f}")
    batches = -(-len(train[0]) // 128)
    print(f"    {epochs} epochs of {batches} batches: the weights were updated {epochs * batches:,} times")
    return history["val_accuracy"], last


def reader() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(784, 50), nn.Sigmoid(), nn.Linear(50, 100), nn.Sigmoid(), nn.Linear(100, 10), nn.Softmax(1)
    )


def inference(train: Pair, test: Pair, epochs: int, file: Path) -> dict[str, float]:
    """Train 784-50-100-10, save it, load it, and read the test digits by 1 and by 100: seconds and accuracies."""
    scores = reader()[:-1]  # the loss takes the softmax with it
    trainer = Trainer(scores, nn.CrossEntropyLoss(), optim.Adam(scores.parameters(), lr=3e-3))
    trainer.fit(train, epochs, 100, verbose=0)
    am.save(scores.state_dict(), file)

    model = reader().eval()
    model.load_state_dict(am.load(file))
    images, labels = test
    print(f"\nA network of 784-50-100-10, trained for {epochs} epochs, saved, and loaded from {file}\n")
    print("    images   input        hidden layers          output       all test digits   accuracy")
    found: dict[str, float] = {}
    for size in (1, 100):
        start = time.perf_counter()
        right = 0
        with am.no_grad():
            for x, y in batches(images, labels, size):
                right += int((model(x).argmax(1) == y).sum())
        seconds, share = time.perf_counter() - start, right / len(images)
        shapes = f"({size}, 784)".ljust(12), f"({size}, 50) ({size}, 100)".ljust(22), f"({size}, 10)".ljust(12)
        print(f"    {size:>6}   {' '.join(shapes)} {seconds:12.3f} s    {share:.4f}")
        found |= {f"seconds_{size}": seconds, f"accuracy_{size}": share}
    print(f"    a hundred at once: {found['seconds_1'] / found['seconds_100']:.0f} times as fast")
    return found


def plot(losses: list[float], ours: list[float], theirs: list[float], read: dict[str, float]) -> Any:
    figure = common.figure(10, 3.4)
    loss, right, speed = figure.subplots(1, 3, width_ratios=(1, 1, 0.7))
    loss.plot(losses, color="#0072B2", linewidth=0.7)
    loss.set(title="From scratch: loss of each batch", xlabel="step", ylim=(0, None))
    right.plot(range(1, len(ours) + 1), ours, "o-", color="#0072B2", label="from scratch, SGD")
    right.plot(range(1, len(theirs) + 1), theirs, "s--", color="#D55E00", label="nn, RMSprop")
    right.set(title="Test accuracy", xlabel="epoch", ylim=(None, 1))
    right.xaxis.get_major_locator().set_params(integer=True)
    right.legend(frameon=False, loc="best")
    bars = speed.bar(["one by one", "100 at once"], [read["seconds_1"], read["seconds_100"]], color="#009E73")
    speed.bar_label(bars, fmt="%.3f s")
    speed.set(title="Reading all test digits", ylabel="seconds")
    speed.margins(y=0.15)
    for axes in (loss, right):
        axes.grid(alpha=0.3)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    story, few = "MNIST from scratch, then by nn.", "a few drawn digits instead of MNIST, in seconds"
    args = common.arguments(argv, __file__, story, fast=few, data=common.FOUND)
    fast, data = args.fast, common.mnist(args, 2000, 500)
    print(f"Data: {data.source}\n")
    am.manual_seed(0)

    def pair(images: Any, labels: Any) -> Pair:
        rows = images.reshape(len(images), 784).astype(np.float32) / np.float32(255)
        return am.from_numpy(rows), am.tensor(labels, dtype=am.int64)

    train, test = pair(data.train_images, data.train_labels), pair(data.test_images, data.test_labels)
    options = (6, 16, 32, 1e-2) if fast else (10, 128, 512, 1e-3)
    losses, ours = from_scratch(train, test, *options)
    theirs, last = with_nn(train, test, 4 if fast else 5)
    read = inference(train, test, 10 if fast else 5, args.out / "weights.npz")
    args.pictures.draw("learning.png", plot, losses, ours, theirs, read)
    args.pictures.tell()
    return {"losses": losses, "scratch": ours[-1], "nn": last["accuracy"], "nn_loss": last["loss"], **read}


if __name__ == "__main__":
    common.tell(main)
