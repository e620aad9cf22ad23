"""One training step of the MNIST network: 784-512-10, relu, cross-entropy, batch 128, RMSprop 1e-3, float32."""

from __future__ import annotations

import itertools

import numpy as np
from steps import Step, TrainingStep, start_from

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch", "jax", "numpy", "floor")
BATCH, SIZES = 128, (784, 512, 10)


def data() -> tuple[np.ndarray, list[np.ndarray]]:
    """Pixels as MNIST has them, four fifths zeros, the border always zero; and 64 sets of labels to take in turn.

    One set would be learned by heart within seconds, and gradients that vanish into denormal numbers slow everything.
    """
    rng = np.random.default_rng(0)
    images = rng.random((BATCH, 28, 28), dtype=np.float32) * (rng.random((BATCH, 28, 28)) < 0.2)
    images[:, :4] = images[:, -4:] = images[:, :, :4] = images[:, :, -4:] = 0
    return images.reshape(BATCH, 784), list(rng.integers(0, 10, (64, BATCH)))


def weights() -> list[np.ndarray]:
    """W (in, out) and b of each layer."""
    rng = np.random.default_rng(1)
    pairs = itertools.pairwise(SIZES)
    return [a for n, m in pairs for a in (rng.standard_normal((n, m), np.float32) / 28, np.zeros(m, np.float32))]


def autograd_mini() -> Step:
    import autograd_mini as am
    from autograd_mini import nn

    pixels, targets = data()
    images, labels = am.from_numpy(pixels), itertools.cycle([am.from_numpy(t) for t in targets])
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    start_from(am, model, [w.T for w in weights()])
    loss_fn, optimizer = nn.CrossEntropyLoss(), am.optim.RMSprop(model.parameters(), lr=1e-3)
    return TrainingStep(model, loss_fn, optimizer, images, labels.__next__)


def torch() -> Step:
    import torch
    from torch import nn

    pixels, targets = data()
    images, labels = torch.from_numpy(pixels), itertools.cycle([torch.from_numpy(t) for t in targets])
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    start_from(torch, model, [w.T for w in weights()])
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.RMSprop(model.parameters(), lr=1e-3)
    return TrainingStep(model, loss_fn, optimizer, images, labels.__next__)


def jax() -> Step:
    import jax
    import jax.numpy as jnp

    images, targets = data()
    labels = itertools.cycle(targets)
    parameters = [jnp.asarray(w) for w in weights()]
    squares = [jnp.zeros_like(w) for w in parameters]

    def loss_fn(parameters, images, labels):  # type: ignore[no-untyped-def]
        w1, b1, w2, b2 = parameters
        scores = jax.nn.relu(images @ w1 + b1) @ w2 + b2
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), labels[:, None], 1).mean()

    @jax.jit
    def update(parameters, squares, images, labels):  # type: ignore[no-untyped-def]
        loss, gradients = jax.value_and_grad(loss_fn)(parameters, images, labels)
        squares = [0.99 * s + 0.01 * g * g for s, g in zip(squares, gradients, strict=True)]
        moved = zip(parameters, gradients, squares, strict=True)
        return [p - 1e-3 * g / (jnp.sqrt(s) + 1e-8) for p, g, s in moved], squares, loss

    def step() -> float:
        nonlocal parameters, squares
        parameters, squares, loss = update(parameters, squares, images, next(labels))
        return float(loss)

    return step


def numpy() -> Step:
    """As one writes it by hand, with preallocated arrays and in-place updates."""
    images, targets = data()
    labels = itertools.cycle(targets)
    parameters = w1, b1, w2, b2 = weights()
    squares = [np.zeros_like(w) for w in parameters]
    scratch = [np.empty_like(w) for w in parameters]
    rows = np.arange(BATCH)

    def step() -> float:
        target = next(labels)
        hidden = images @ w1
        hidden += b1
        np.maximum(hidden, 0, out=hidden)
        scores = hidden @ w2
        scores += b2
        scores -= scores.max(1, keepdims=True)
        e = np.exp(scores)
        total = e.sum(1, keepdims=True)
        loss = float((np.log(total)[:, 0] - scores[rows, target]).mean())
        g = e / total
        g[rows, target] -= 1
        g /= BATCH
        back = g @ w2.T
        back *= hidden > 0
        gradients = [images.T @ back, back.sum(0), hidden.T @ g, g.sum(0)]
        for p, d, s, t in zip(parameters, gradients, squares, scratch, strict=True):
            s *= 0.99
            np.multiply(d, d, out=t)
            t *= 0.01
            s += t
            np.sqrt(s, out=t)
            t += 1e-8
            np.divide(d, t, out=t)
            t *= 1e-3
            p -= t
        return loss

    return step


def floor() -> Step:
    """The five matrix products alone."""
    images, _ = data()
    w1, _, w2, _ = weights()
    rng = np.random.default_rng(2)
    hidden, g = rng.random((BATCH, 512), dtype=np.float32), rng.random((BATCH, 10), dtype=np.float32)

    def step() -> object:
        return images @ w1, hidden @ w2, g @ w2.T, images.T @ hidden, hidden.T @ g

    return step
