"""One step of a transformer block, d 128, 4 heads, T 64, batch 8, causal, GELU, layer norm first, SGD."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
from steps import Step, TrainingStep, drawn, jax_sgd, start_from

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch", "jax", "numpy", "floor")
BATCH, STEPS, WIDTH, HEADS = 8, 64, 128, 4
HEAD, LR = WIDTH // HEADS, 0.01


def data() -> tuple[np.ndarray, np.ndarray]:
    """Input and target."""
    rng, shape = np.random.default_rng(0), (BATCH, STEPS, WIDTH)
    return rng.standard_normal(shape, np.float32), rng.standard_normal(shape, np.float32)


def weights() -> list[np.ndarray]:
    """Scale and shift of the two norms; weight and bias of query-key-value, of the output, of the two wide layers."""
    norms = [np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)]
    shapes = (3 * WIDTH, WIDTH), (WIDTH, WIDTH), (4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH)
    return [a.copy() for a in norms + norms] + drawn(np.random.default_rng(1), *shapes)


def stepper(library: ModuleType) -> Step:
    nn, functional = library.nn, library.nn.functional
    x, target = map(library.from_numpy, data())
    norms = [nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)]
    qkv, out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
    wide, back = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
    model = nn.ModuleList([*norms, qkv, out, wide, back])
    start_from(library, model, weights())
    optimizer = library.optim.SGD(model.parameters(), lr=LR)

    def block(x: Any) -> Any:
        heads = qkv(norms[0](x)).view(BATCH, STEPS, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=True)
        x = x + out(y.transpose(1, 2).reshape(BATCH, STEPS, WIDTH))
        return x + back(functional.gelu(wide(norms[1](x))))

    return TrainingStep(block, functional.mse_loss, optimizer, x, lambda: target)


def autograd_mini() -> Step:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Step:
    import torch

    return stepper(torch)


def jax() -> Step:
    import jax
    import jax.numpy as jnp

    causal = np.where(np.tri(STEPS, dtype=bool), 0, -np.inf).astype(np.float32)

    def norm(x: Any, weight: Any, bias: Any) -> Any:
        x = x - x.mean(-1, keepdims=True)
        return x / jnp.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * weight + bias

    def loss_fn(parameters: Any, x: Any, target: Any) -> Any:
        n1, c1, n2, c2, w1, b1, w2, b2, w3, b3, w4, b4 = parameters
        qkv = (norm(x, n1, c1) @ w1.T + b1).reshape(BATCH, STEPS, 3, HEADS, HEAD)
        q, k, v = qkv.transpose(2, 0, 3, 1, 4)
        y = jax.nn.softmax((q * HEAD**-0.5) @ k.swapaxes(-1, -2) + causal) @ v
        x = x + y.swapaxes(1, 2).reshape(x.shape) @ w2.T + b2
        x = x + jax.nn.gelu(norm(x, n2, c2) @ w3.T + b3, approximate=False) @ w4.T + b4
        return ((x - target) ** 2).mean()

    return jax_sgd(loss_fn, weights(), *data(), lr=LR)


# ------------------------------------------------------------------------------------------------------ by hand


def normed(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x - mean) / deviation of each row, and 1 / deviation."""
    out = x - x.mean(1, keepdims=True)
    scale = 1 / np.sqrt((out * out).mean(1, keepdims=True) + 1e-5)
    out *= scale
    return out, scale


def normed_backward(g: np.ndarray, out: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return (g - g.mean(1, keepdims=True) - out * (g * out).mean(1, keepdims=True)) * scale


def gelu(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x times the normal distribution function, and its derivative.

    NumPy has no erf: formula 7.1.26 of Abramowitz and Stegun, within 1.5e-7, from the exponential that the derivative
    needs anyway.
    """
    e, z = np.exp(x * x * np.float32(-0.5)), np.abs(x) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = np.full_like(t, 1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail *= t
        tail += np.float32(c)
    tail *= t
    tail *= e
    cdf = 0.5 + 0.5 * np.copysign(1 - tail, x)
    return x * cdf, cdf + x * e * np.float32(1 / math.sqrt(2 * math.pi))


def split(x: np.ndarray) -> np.ndarray:
    """(rows, heads x size) as (batch, heads, steps, size)."""
    return x.reshape(BATCH, STEPS, HEADS, HEAD).swapaxes(1, 2)


def joined(x: np.ndarray) -> np.ndarray:
    return x.swapaxes(1, 2).reshape(BATCH * STEPS, WIDTH)


def numpy() -> Step:
    """As one writes it by hand: all tokens as rows of one matrix, in place where that is easy."""
    x, target = (a.reshape(-1, WIDTH) for a in data())
    parameters = n1, c1, n2, c2, w1, b1, w2, b2, w3, b3, w4, b4 = weights()
    causal = np.where(np.tri(STEPS, dtype=bool), 0, -np.inf).astype(np.float32)
    scale = np.float32(HEAD**-0.5)

    def step() -> float:
        x1, _ = normed(x)
        y1 = x1 * n1 + c1
        q, k, v = (split(part) for part in np.split(y1 @ w1.T + b1, 3, axis=1))
        q = q * scale
        p = q @ k.swapaxes(2, 3)
        p += causal
        p -= p.max(3, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(3, keepdims=True)
        y = joined(p @ v)
        middle = x + y @ w2.T + b2
        x2, s2 = normed(middle)
        y2 = x2 * n2 + c2
        a, slope = gelu(y2 @ w3.T + b3)
        error = middle + a @ w4.T + b4 - target
        loss = float((error * error).mean())

        g = error * np.float32(2 / error.size)
        g_a = (g @ w4) * slope
        g_y2 = g_a @ w3
        g_middle = g + normed_backward(g_y2 * n2, x2, s2)
        g_y = split(g_middle @ w2)
        g_p = g_y @ v.swapaxes(2, 3)
        g_p -= (g_p * p).sum(3, keepdims=True)
        g_p *= p
        heads = (g_p @ k) * scale, g_p.swapaxes(2, 3) @ q, p.swapaxes(2, 3) @ g_y
        g_qkv = np.concatenate([joined(part) for part in heads], axis=1)
        g_y1 = g_qkv @ w1
        gradients = [
            (g_y1 * x1).sum(0), g_y1.sum(0), (g_y2 * x2).sum(0), g_y2.sum(0),
            g_qkv.T @ y1, g_qkv.sum(0), g_middle.T @ y, g_middle.sum(0), g_a.T @ y2, g_a.sum(0), g.T @ a, g.sum(0),
        ]  # fmt: skip
        for parameter, d in zip(parameters, gradients, strict=True):
            parameter -= LR * d
        return loss

    return step


def floor() -> Step:
    """The matrix products alone."""
    rng = np.random.default_rng(2)
    rows = BATCH * STEPS
    layers = [(WIDTH, 3 * WIDTH), (WIDTH, WIDTH), (WIDTH, 4 * WIDTH), (4 * WIDTH, WIDTH)]
    pairs = [[rng.random(s, dtype=np.float32) for s in ((rows, i), (i, o), (rows, o))] for i, o in layers]
    scores = rng.random((BATCH, HEADS, STEPS, STEPS), dtype=np.float32)
    head = rng.random((BATCH, HEADS, STEPS, HEAD), dtype=np.float32)

    def step() -> object:
        for x, w, g in pairs:
            x @ w, x.T @ g, g @ w.T
        for _ in range(2):  # query by key and weights by value: forward, and their two gradients each
            head @ head.swapaxes(2, 3), scores @ head, scores.swapaxes(2, 3) @ head
        return None

    return step
