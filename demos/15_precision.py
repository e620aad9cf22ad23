"""Precision: what the width of a number does to speed, memory and accuracy, on MNIST.

    python demos/15_precision.py --data folder/with/mnist

You will see what 16, 32 and 64 bits can hold, and what NumPy makes of them on a CPU; then one network trained five
times: in float64, in float32, with weights and all else in float16, and with float32 weights but float16 between the
layers ("mixed", Micikevicius et al., 2018), without and with a scaled loss, which keeps small gradients from
becoming 0.

bfloat16, the other 16 bits, is left out: NumPy has none, and to it that of `ml_dtypes` is no float (its kind is "V").

Pictures: the sizes of gradients beside what float16 can hold, and the losses. They need `autograd_mini[demos]`.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import common
import numpy as np

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.amp import GradScaler
from autograd_mini.nn import functional as F
from autograd_mini.vision import MNISTData

HALF, SINGLE, DOUBLE = am.float16, am.float32, am.float64
WAYS: dict[str, tuple[Any, Any, bool]] = {  # dtype of the weights, dtype between the layers, a scaled loss
    "float64": (DOUBLE, DOUBLE, False),
    "float32": (SINGLE, SINGLE, False),
    "float16": (HALF, HALF, False),
    "mixed": (SINGLE, HALF, False),
    "mixed, scaled": (SINGLE, HALF, True),
}
COLORS = ["#000000", "#0072B2", "#D55E00", "#E69F00", "#009E73"]


def what_fits() -> dict[str, tuple[float, ...]]:
    """The same four numbers in each width."""
    print("1. What fits\n\n   dtype     bytes  digits        0.1            2049      70000   1e-8")
    found = {}
    for dtype in (HALF, SINGLE, DOUBLE):
        with np.errstate(over="ignore"):
            kept = [float(np.array(number).astype(dtype)) for number in (0.1, 2049.0, 70000.0, 1e-8)]
        found[str(dtype)] = tuple(kept)
        shown = f"{kept[0]:<22.20g}"[:18]
        print(f"   {dtype!s:<9} {dtype.itemsize:>5} {np.finfo(dtype).precision:>7}  {shown:<18}"
              f"{kept[1]:>6g} {kept[2]:>10g} {kept[3]:>6.2g}")  # fmt: skip
    print("\n   float16 counts to 2048 in ones, ends at 65504, and below 6e-8 there is only 0.")
    return found


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """The best of several runs."""
    times = []
    call()  # the first is slower
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def how_fast(rows: int, repeats: int) -> dict[str, dict[str, float]]:
    """A layer's product, and a sum of as many numbers as MNIST has pixels in 1000 images, in milliseconds."""
    print(f"\n2. How fast NumPy is with them, in ms\n\n   dtype            ({rows}, 784) @ (784, 512)   784,000 sums")
    random, found = np.random.default_rng(0), {}
    x, w, v = random.random((rows, 784)), random.random((784, 512)), random.random(784_000)

    def cast(a: Any, b: Any) -> Any:
        return (a.astype(SINGLE) @ b.astype(SINGLE)).astype(HALF)

    for name, dtype, product in (
        ("float16", HALF, np.matmul), ("float16 → 32 → 16", HALF, cast), ("float32", SINGLE, np.matmul),
        ("float64", DOUBLE, np.matmul),
    ):  # fmt: skip
        a, b, c = (array.astype(dtype) for array in (x, w, v))
        times = seconds(lambda a=a, b=b, f=product: f(a, b), repeats), seconds(lambda c=c: c + c, repeats)  # type: ignore[misc]
        found[name] = {"product": times[0] * 1000, "sum": times[1] * 1000}
        print(f"   {name:<18} {times[0] * 1000:>22.2f} {times[1] * 1000:>14.2f}")
    print("\n   BLAS, which multiplies matrices fast, knows 32 and 64 bits. float16 is for storing; products are cast.")
    return found


class Network(nn.Module):
    """784 - hidden - 10 with relu; its layers pass on numbers of dtype `between`, and multiply in float32 at least."""

    def __init__(self, hidden: int, weights: Any, between: Any) -> None:
        super().__init__()
        self.hidden, self.out = nn.Linear(784, hidden), nn.Linear(hidden, 10)
        self.between = between
        self.to(weights)

    def product(self, x: am.Tensor, layer: nn.Linear) -> am.Tensor:
        weight, bias = layer.weight.to(self.between), layer.bias.to(self.between)
        if self.between != HALF:
            return F.linear(x, weight, bias)
        return F.linear(x.float(), weight.float(), bias.float()).to(HALF)

    def forward(self, x: am.Tensor) -> am.Tensor:
        x = F.relu(self.product(x.to(self.between), self.hidden))
        scores = self.product(x, self.out)
        return scores.float() if self.between == HALF else scores  # the loss is computed in float32


def pixels(images: Any) -> am.Tensor:
    return am.from_numpy(images.reshape(len(images), -1).astype(np.float32) / 255)


def train(name: str, data: MNISTData, hidden: int, epochs: int, batch: int) -> dict[str, Any]:
    """One network, its way: what a step costs, what it keeps, and what it has learned."""
    weights, between, scaled = WAYS[name]
    am.manual_seed(0)
    model = Network(hidden, weights, between)
    optimizer = am.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = GradScaler("cpu", enabled=scaled)
    images, labels = pixels(data.train_images).to(between), am.tensor(data.train_labels, dtype=am.int64)
    order, losses, times = np.random.default_rng(0), [], []
    with np.errstate(over="ignore", invalid="ignore"):  # a step with inf in it is skipped by the scaler
        for _ in range(epochs):
            for at in np.array_split(order.permutation(len(images)), len(images) // batch):
                start = time.perf_counter()
                loss = F.cross_entropy(model(images[at]), labels[at])
                optimizer.zero_grad()
                scaler.scale(loss).backward()
                scaler.step(optimizer)
                scaler.update()
                losses.append(loss.item())
                times.append(time.perf_counter() - start)
    tracemalloc.start()
    loss = F.cross_entropy(model(images[:batch]), labels[:batch])
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    with am.no_grad():
        scores = model(pixels(data.test_images).to(between))
    return {
        "accuracy": float((scores.numpy().argmax(1) == data.test_labels).mean()), "losses": losses,
        "step": float(np.median(times)) * 1000, "graph": kept / 1e6, "scale": scaler.get_scale(),
        "weights": sum(p.numel() * p.dtype.itemsize for p in model.parameters()) / 1e6,
        "gradients": gradients(model, images[:batch], labels[:batch]), "loss": float(np.mean(losses[-20:])),
    }  # fmt: skip


def gradients(model: Network, x: am.Tensor, y: am.Tensor) -> Any:
    """|gradient| of what is between the layers, exact: the same network with the same weights in float64."""
    exact = Network(model.hidden.out_features, DOUBLE, DOUBLE)
    exact.load_state_dict(model.state_dict())
    between = F.relu(exact.product(x.double(), exact.hidden)).detach().requires_grad_()
    F.cross_entropy(exact.product(between, exact.out), y).backward()
    assert between.grad is not None
    return np.abs(between.grad.numpy()).ravel()


def lost(sizes: Any, scale: float = 1.0) -> float:
    """The share of gradients that become 0 in float16."""
    return float(((sizes * scale).astype(np.float16) == 0)[sizes > 0].mean())


def plot_gradients(found: dict[str, Any]) -> Any:
    figure = common.figure(7.6, 3.8, "Gradients left of the line would be 0, and the loss scale moves the line")
    axes = figure.subplots()
    sizes = found["float32"]["gradients"]
    axes.hist(np.log2(sizes[sizes > 0]), bins=60, color="#0072B2")
    axes.axvline(-24, color="#D55E00", linewidth=2)
    axes.axvline(-24 - 16, color="#009E73", linewidth=2)
    top = axes.get_ylim()[1]
    axes.text(-24.3, top * 0.97, "below: 0 in float16", ha="right", va="top", color="#D55E00")
    axes.text(-39.7, top * 0.97, "… with a loss\nscaled by 2¹⁶", ha="left", va="top", color="#009E73")
    axes.set_xlabel("log₂ |gradient| between the layers, after training")
    axes.set_ylabel("how many")
    return figure


def plot_losses(found: dict[str, Any]) -> Any:
    figure = common.figure(7.6, 3.8, "The same network, trained with each kind of number")
    axes = figure.subplots()
    window = max(1, len(found["float32"]["losses"]) // 40)
    for (name, way), color in zip(found.items(), COLORS, strict=True):
        means = np.convolve(way["losses"], np.ones(window) / window, "valid")
        axes.semilogy(means, label=name, color=color, linewidth=1.3)
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss, mean of {window} steps")
    axes.legend(frameon=False)
    return figure


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The whole story; returns what fits, the times, and for each way its costs and what it learned."""
    few = "1,500 drawn digits instead of MNIST, in seconds"
    args = common.arguments(argv, __file__, "float16, float32 and float64 on MNIST.", fast=few, data=common.FOUND)
    data, ways = common.mnist(args, 1500, 500), {}
    fits, times = what_fits(), how_fast(8 if args.fast else 128, repeats=5)

    hidden, epochs, batch = (32, 3, 50) if args.fast else (128, 5, 128)
    print(f"\n3. 784-{hidden}-10 with relu, {epochs} epochs, SGD 0.1 with momentum 0.9, batches of {batch}")
    print(f"   {data.source}: {len(data.train_images):,} training and {len(data.test_images):,} test images\n")
    print("   way            ms/step   weights MB   graph MB   loss     test accuracy   gradients lost")
    for name in WAYS:
        way = ways[name] = train(name, data, hidden, epochs, batch)
        between = WAYS[name][1]
        way["lost"] = lost(way["gradients"], way["scale"]) if between == HALF else 0.0
        print(f"   {name:<14} {way['step']:>7.2f} {way['weights']:>12.2f} {way['graph']:>10.2f}   {way['loss']:.4f}"
              f" {way['accuracy']:>15.4f} {way['lost']:>15.1%}")  # fmt: skip
    print("\n   graph: what a forward pass keeps; products need float32, whose copies cost more than float16 saves")
    print("   gradients lost: those between the layers that are not 0, and would be in float16, times the scale")
    args.pictures.draw("gradients.png", plot_gradients, ways)
    args.pictures.draw("losses.png", plot_losses, ways)
    args.pictures.tell()
    return {"fits": fits, "times": times, "ways": ways}


if __name__ == "__main__":
    common.tell(main)
