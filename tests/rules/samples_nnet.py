"""Samples for what autograd_mini/rules/nnet.py adds to softmax and cross-entropy; merged into those of samples.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from rules.sampling import Entry, normal, positive

import autograd_mini as am
from autograd_mini.testing import Sample


def reference_standardize(x: Any, axis: Any, eps: float) -> Any:
    return (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + eps)


def probabilities(*shape: int, seed: int = 0) -> Any:
    return np.asarray(np.random.default_rng(seed).uniform(0.1, 0.9, shape))


RUNNING = am.tensor(normal(3, seed=3)), am.tensor(positive(3))  # tensors, for they are constants


def torch_batch_norm(torch: Any, *xs: Any, **options: Any) -> Any:
    xs = tuple(torch.tensor(x.numpy()) if isinstance(x, am.Tensor) else x for x in xs)
    return torch.nn.functional.batch_norm(*xs, **options)


SAMPLES: dict[str, Entry] = {
    "standardize": Entry(
        [
            Sample(normal(3, 4), axis=(-1,), eps=1e-5),
            Sample(normal(3, 2, 4), axis=(0, 2), eps=0.1),
            Sample(normal(2, 3), axis=(0, 1), eps=1e-3),
        ],
        reference_standardize,
    ),
    "scale_shift": Entry(
        [
            Sample(normal(2, 3), normal(3, seed=1), normal(3, seed=2)),
            Sample(normal(2, 3, 2), normal(3, 1, seed=1), normal(3, 1, seed=2)),
        ],
        lambda x, weight, bias: x * weight + bias,
        lambda torch, x, weight, bias: x * weight + bias,
    ),
    "binary_losses": Entry(
        [Sample(probabilities(3, 2), probabilities(3, 2, seed=1)), Sample(probabilities(2), np.array([0.001, 0.999]))],
        lambda x, t: -(t * np.log(x) + (1 - t) * np.log(1 - x)),
        lambda torch, x, t: torch.nn.functional.binary_cross_entropy(x, t, reduction="none"),
    ),
}

COMPOSED: dict[str, Entry] = {
    "layer_norm": Entry(
        [
            Sample(normal(3, 4), (4,)),
            Sample(normal(2, 3, 2), (3, 2), normal(3, 2, seed=1), normal(3, 2, seed=2), 0.1),
            Sample(normal(2, 3), (3,), normal(3, seed=1)),
        ],
        None,
        "layer_norm",
    ),
    "rms_norm": Entry(
        [Sample(normal(3, 4), (4,), None, 1e-3), Sample(normal(2, 3, 2), (3, 2), normal(3, 2, seed=1), 0.1)],
        None,
        "rms_norm",
    ),
    "batch_norm": Entry(
        [
            Sample(normal(4, 2), None, None, normal(2, seed=1), normal(2, seed=2), training=True),
            Sample(normal(2, 3, 2, 2), None, None, training=True, eps=0.1),
            Sample(normal(2, 3, 2), *RUNNING, normal(3, seed=1), normal(3, seed=2)),
        ],
        None,
        torch_batch_norm,
    ),
    "group_norm": Entry(
        [Sample(normal(2, 4, 3), 2, normal(4, seed=1), normal(4, seed=2)), Sample(normal(2, 3, 2, 2), 1)],
        None,
        "group_norm",
    ),
    "cosine_similarity": Entry(
        [Sample(normal(3, 4), normal(3, 4, seed=1)), Sample(normal(3, 4), normal(4, seed=1), dim=-1)],
        None,
        "cosine_similarity",
    ),
    "pairwise_distance": Entry(
        [Sample(normal(3, 4), normal(3, 4, seed=1)), Sample(normal(3, 4), normal(4, seed=1), p=3.0, keepdim=True)],
        None,
        "pairwise_distance",
    ),
    "pixel_shuffle": Entry([Sample(normal(2, 8, 2, 3), 2), Sample(normal(9, 1, 2), 3)], None, "pixel_shuffle"),
}
