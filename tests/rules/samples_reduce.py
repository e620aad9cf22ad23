"""Samples for what autograd_mini/rules/reduce.py adds to the first reductions; merged into the tables of samples.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from rules.sampling import Entry, distinct, flags, integers, normal, positive, reductions

import autograd_mini as am
from autograd_mini.testing import Sample

ZEROS = [  # none, one, several, and all of them
    np.array([[1.5, 0.0, -2.0, 0.7], [0.0, 3.0, 0.0, -1.2], [0.4, -0.9, 1.1, 2.0]]),
    np.array([0.0, 0.0]),
    np.array([2.0, -0.5, 0.0, 1.5, 0.3]),
]
TIED = np.array([[2, 1, 2, 1], [0, 0, 3, 3]])
P_NORMS = (1, 1.5, 2, 2.5, 3, 4, 0.5, -1)


def dims(*makers: Any, **given: Any) -> list[Sample]:
    """The usual axes, by the names that PyTorch's functions give them."""
    return [
        Sample(normal(3, 4), **given),
        Sample(normal(3, 4), dim=0, **given),
        Sample(normal(3, 4), dim=-1, keepdim=True, **given),
        Sample(normal(2, 3, 2), dim=(0, -1), **given),
    ]


def selections(name: str) -> Entry:
    """Of operations that return values and indices."""
    return Entry([Sample(distinct(3, 4), 0), Sample(distinct(3, 5), -1, True), Sample(distinct(4), 0)], None, name)


def reference_norm(x: Any, p: float, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sum(np.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p)


def torch_norm(torch: Any, x: Any, p: float, dim: Any = None, keepdim: bool = False) -> Any:
    return torch.linalg.vector_norm(x, p, dim, keepdim)


def spread(name: str) -> Callable[..., Any]:
    def function(torch: Any, x: Any, dim: Any = None, keepdim: bool = False, correction: float = 1.0) -> Any:
        return getattr(torch, name)(x, dim, keepdim=keepdim, correction=correction)

    return function


def product(torch: Any, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """torch.prod takes one dimension only: one after the other, from the last."""
    given = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    for d in sorted((d % x.ndim for d in given), reverse=True):
        x = torch.prod(x, d, keepdim)
    return x


def plain(name: str, *samples: Sample) -> Entry:
    """Of operations that are never recorded."""
    return Entry(list(samples), None, name, differentiable=False, dtypes=())


SAMPLES: dict[str, Entry] = {
    "prod": Entry(
        [
            *reductions(),
            *(Sample(x) for x in ZEROS),
            Sample(ZEROS[0], axis=0),
            Sample(ZEROS[0], axis=-1, keepdims=True),
        ],
        np.prod,
        product,
    ),
    "cumsum": Entry(
        [
            Sample(normal(3, 4), axis=0),
            Sample(normal(2, 3), axis=-1),
            Sample(normal(0), axis=0),
            Sample(normal(2, 0), axis=1),
        ],
        np.cumsum,
        "cumsum",
    ),
    "cumprod": Entry(
        [
            Sample(normal(3, 4), axis=0),
            Sample(normal(2, 5), axis=-1),
            Sample(normal(2, 0), axis=1),
            Sample(normal(0), axis=0),
        ]
        + [Sample(ZEROS[0], axis=0), Sample(ZEROS[0], axis=1), Sample(ZEROS[2], axis=0)],
        np.cumprod,
        "cumprod",
    ),
    "var": Entry(
        [*reductions(empty=False)[:4], Sample(normal(3, 4), axis=1, correction=0), Sample(normal(5), correction=2.5)],
        lambda x, axis=None, keepdims=False, correction=1: np.var(x, axis, keepdims=keepdims, ddof=correction),
        spread("var"),
    ),
    "std": Entry(
        [*reductions(empty=False)[:4], Sample(normal(3, 4), axis=1, correction=0), Sample(normal(5), correction=2.5)],
        lambda x, axis=None, keepdims=False, correction=1: np.std(x, axis, keepdims=keepdims, ddof=correction),
        spread("std"),
    ),
    "p_norm": Entry(
        [Sample(normal(3, 4), p=p) for p in P_NORMS]
        + [Sample(normal(2, 3, 2), p=p, axis=(0, -1)) for p in (1, 2, 3)]
        + [Sample(normal(3, 4), p=p, axis=1, keepdims=True) for p in (2, 2.5)]
        + [Sample(normal(), p=2), Sample(normal(), p=3)],
        reference_norm,
        torch_norm,
    ),
    "median": Entry([Sample(distinct(3, 4)), Sample(distinct(3, 3)), Sample(distinct())], None, "median"),
    "argsort": Entry(
        [
            Sample(distinct(3, 4)),
            Sample(distinct(3, 4), axis=0),
            Sample(TIED, stable=True),
            Sample(flags(3, 4), stable=True),
        ],
        lambda x, axis=-1, stable=True: np.argsort(x, axis, kind="stable"),
        "argsort",
    ),
    "topk_indices": Entry(
        [Sample(distinct(3, 5), k=k, axis=a, largest=b) for k in (1, 2, 3) for a in (0, 1) for b in (True, False)],
        lambda x, k, axis, largest: np.take(np.argsort(-x if largest else x, axis), range(k), axis),
    ),
    "count_nonzero": Entry(
        [Sample(integers(3, 4)), Sample(integers(3, 4), axis=1), Sample(flags(2, 3, 2), axis=(0, 2)), Sample(flags(0))],
        np.count_nonzero,
        "count_nonzero",
    ),
}

COMPOSED: dict[str, Entry] = {
    "max": Entry(
        [*selections("max").samples, Sample(distinct(3, 4)), Sample(normal(2, 3), normal(3, seed=1))], None, "max"
    ),
    "min": Entry(
        [*selections("min").samples, Sample(distinct(3, 4)), Sample(normal(2, 3), normal(3, seed=1))], None, "min"
    ),
    "sort": Entry([Sample(distinct(3, 4)), Sample(distinct(3, 4), 0), Sample(distinct(4), 0, True)], None, "sort"),
    "topk": Entry(
        [Sample(distinct(3, 4), 2), Sample(distinct(4, 3), 3, 0), Sample(distinct(5), 2, -1, False)], None, "topk"
    ),
    "kthvalue": Entry([Sample(distinct(3, 4), 2), Sample(distinct(4, 3), 1, 0, True)], None, "kthvalue"),
    "median": Entry([*selections("median").samples, Sample(distinct(3, 4))], None, "median"),
    "var": Entry([*dims(), *dims(correction=0), Sample(normal(3, 4), 0, False)], None, "var"),
    "std": Entry([*dims(), *dims(correction=0), Sample(normal(3, 4), 0, False)], None, "std"),
    "norm": Entry(
        dims() + dims(p=1) + dims(p=3) + dims(p=float("inf")) + dims(p=-float("inf")) + dims(p=0.5), None, "norm"
    ),
    "nansum": Entry(dims(), None, "nansum"),
    "nanmean": Entry([*dims()], None, "nanmean"),
    "diff": Entry(
        [
            Sample(normal(5)),
            Sample(normal(3, 4), 2, 0),
            Sample(normal(3, 4), 1, -1, normal(3, 1, seed=1)),
        ],
        None,
        "diff",
    ),
    "where": Entry(
        [Sample(flags(2, 3), normal(2, 3), normal(3, seed=1)), Sample(flags(3), 1.5, normal(2, 3))], np.where, "where"
    ),
    "bincount": plain(
        "bincount",
        Sample(integers(7)),
        Sample(integers(7), minlength=5),
        Sample(integers(3), am.tensor(positive(3))),
        Sample(np.zeros(0, int)),
    ),
    "histogram": plain(
        "histogram",
        Sample(am.tensor(normal(20)), 4),
        Sample(am.tensor(normal(20)), 3, range=(-1.0, 1.0), density=True),
        Sample(am.tensor(normal(20)), am.tensor(np.array([-1.0, 0.0, 0.5, 2.0]))),
    ),
    "unique": plain(
        "unique", Sample(TIED), Sample(TIED, return_inverse=True, return_counts=True), Sample(am.tensor(normal(4)))
    ),
}
