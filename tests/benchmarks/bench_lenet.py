"""One step of LeNet-5 with relu and max pooling, batch 64, cross-entropy, SGD: convolutions and their copies."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from steps import Step, TrainingStep, drawn, jax_sgd, start_from

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch", "jax", "numpy", "floor")
BATCH, LR = 64, 0.01


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((BATCH, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, BATCH)


def weights() -> list[np.ndarray]:
    return drawn(np.random.default_rng(1), (6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84))


def stepper(library: ModuleType) -> Step:
    nn = library.nn
    images, labels = map(library.from_numpy, data())
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    start_from(library, model, weights())
    loss_fn, optimizer = nn.CrossEntropyLoss(), library.optim.SGD(model.parameters(), lr=LR)
    return TrainingStep(model, loss_fn, optimizer, images, lambda: labels)


def autograd_mini() -> Step:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Step:
    import torch

    return stepper(torch)


def jax() -> Step:
    import jax
    import jax.numpy as jnp

    def layer(x: Any, weight: Any, bias: Any, padding: int) -> Any:
        x = jax.lax.conv_general_dilated(x, weight, (1, 1), [(padding, padding)] * 2) + bias[:, None, None]
        return jax.lax.reduce_window(jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def loss_fn(parameters: Any, images: Any, labels: Any) -> Any:
        w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = parameters
        x = layer(layer(images, w1, b1, 2), w2, b2, 0).reshape(BATCH, 400)
        x = jax.nn.relu(jax.nn.relu(x @ w3.T + b3) @ w4.T + b4) @ w5.T + b5
        return -jnp.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1).mean()

    return jax_sgd(loss_fn, weights(), *data(), lr=LR)


# ---------------------------------------------------------------------------------------------- by hand, im2col


class ConvolutionAndPool:
    """A 5 x 5 convolution by im2col, relu and 2 x 2 max pooling, as one writes them by hand."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray, padding: int) -> None:
        self.weight, self.bias, self.padding = weight, bias, padding

    def forward(self, x: np.ndarray) -> np.ndarray:
        p, filters = self.padding, len(self.weight)
        x = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)]) if p else x
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (2, 3))  # (N, C, H', W', 5, 5)
        n, _, h, w = windows.shape[:4]
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, -1)
        out = self.columns @ self.weight.reshape(filters, -1).T
        out += self.bias
        np.maximum(out, 0, out=out)
        self.active = out.reshape(n, h // 2, 2, w // 2, 2, filters)  # relu's zeros may tie: their gradient is 0
        self.pooled = self.active.max((2, 4))
        return self.pooled.transpose(0, 3, 1, 2)

    def backward(self, g: np.ndarray, shape: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray, Any]:
        """The gradients of weight, bias and, where its shape is given, input."""
        filters = len(self.weight)
        g = g.transpose(0, 2, 3, 1) * (self.pooled > 0)
        g = (g[:, :, None, :, None] * (self.active == self.pooled[:, :, None, :, None])).reshape(-1, filters)
        by_weight, by_bias = (g.T @ self.columns).reshape(self.weight.shape), g.sum(0)
        if shape is None:
            return by_weight, by_bias, None
        (n, c, h, w), by_input = shape, np.zeros(shape, np.float32)
        parts = (g @ self.weight.reshape(filters, -1)).reshape(n, h - 4, w - 4, c, 5, 5).transpose(4, 5, 0, 3, 1, 2)
        for i in range(5):
            for j in range(5):
                by_input[:, :, i : i + h - 4, j : j + w - 4] += parts[i, j]
        return by_weight, by_bias, by_input


def numpy() -> Step:
    images, labels = data()
    parameters = w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = weights()
    first, second, rows = ConvolutionAndPool(w1, b1, 2), ConvolutionAndPool(w2, b2, 0), np.arange(BATCH)

    def step() -> float:
        maps = first.forward(images)
        x = second.forward(maps).reshape(BATCH, 400)
        h1 = np.maximum(x @ w3.T + b3, 0)
        h2 = np.maximum(h1 @ w4.T + b4, 0)
        scores = h2 @ w5.T + b5
        scores -= scores.max(1, keepdims=True)
        e = np.exp(scores)
        total = e.sum(1, keepdims=True)
        loss = float((np.log(total)[:, 0] - scores[rows, labels]).mean())
        g = e / total
        g[rows, labels] -= 1
        g /= BATCH
        g2 = (g @ w5) * (h2 > 0)
        g1 = (g2 @ w4) * (h1 > 0)
        gw2, gb2, g_maps = second.backward((g1 @ w3).reshape(BATCH, 16, 5, 5), maps.shape)
        gw1, gb1, _ = first.backward(g_maps, None)
        gradients = [gw1, gb1, gw2, gb2, g1.T @ x, g1.sum(0), g2.T @ h1, g2.sum(0), g.T @ h2, g.sum(0)]
        for p, d in zip(parameters, gradients, strict=True):
            p -= LR * d
        return loss

    return step


def floor() -> Step:
    """The matrix products alone, of im2col's matrices as they lie in memory, the input's gradient left out."""
    rng = np.random.default_rng(2)
    layers = [(BATCH * 784, 25, 6), (BATCH * 100, 150, 16), (BATCH, 400, 120), (BATCH, 120, 84), (BATCH, 84, 10)]
    pairs = [[rng.random(s, dtype=np.float32) for s in ((n, i), (i, o), (n, o))] for n, i, o in layers]

    def step() -> object:
        forward = [x @ w for x, w, _ in pairs]
        by_weight = [x.T @ g for x, _, g in pairs]
        return forward, by_weight, [g @ w.T for _, w, g in pairs[1:]]

    return step
