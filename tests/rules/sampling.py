"""What the tables of samples are made of: the entry of an operation, arrays that keep away from kinks, usual sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_mini.testing import Sample

F16, F32, F64 = np.float16, np.float32, np.float64


@dataclasses.dataclass
class Entry:
    """What the battery needs to know of one primitive."""

    samples: list[Sample]
    reference: Callable[..., Any] | None = None
    torch: str | Callable[..., Any] | None = None  # a name in torch, or a function (torch, *tensors, **options)
    broadcasts: bool = False
    dtypes: tuple[Any, ...] = (F32, F16)
    second_order: bool = True
    differentiable: bool = True  # of compositions; primitives say it themselves


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(*shape: int, seed: int = 0) -> Any:
    """Normal numbers, none nearer than 0.1 to 0."""
    x = rng(seed).standard_normal(shape)
    return np.asarray(x + np.where(x < 0, -0.1, 0.1))


def positive(*shape: int, seed: int = 0) -> Any:
    return np.asarray(rng(seed).uniform(0.5, 2.0, shape))


def above_one(*shape: int, seed: int = 0) -> Any:
    return np.asarray(positive(*shape, seed=seed) + 1)


def inside(*shape: int, seed: int = 0) -> Any:
    """Numbers in (-0.9, 0.9) at a distance from 0."""
    x = rng(seed).uniform(-0.8, 0.8, shape)
    return np.asarray(x + np.where(x < 0, -0.1, 0.1))


def distinct(*shape: int, seed: int = 0) -> Any:
    """No two elements nearer than 0.25: for maxima, sorting and the like."""
    n = int(np.prod(shape))
    return np.asarray((rng(seed).permutation(n) - n / 2 + 0.3) * 0.25).reshape(shape)


def integers(*shape: int, high: int = 3, seed: int = 0) -> Any:
    return rng(seed).integers(0, high, shape)


def flags(*shape: int, seed: int = 0) -> Any:
    return rng(seed).random(shape) < 0.5


def unary(make: Callable[..., Any] = normal) -> list[Sample]:
    return [Sample(make(3, 4)), Sample(make()), Sample(make(1)), Sample(make(2, 0)), Sample(make(2, 1, 2, 2))]


def pairs(left: Callable[..., Any] = normal, right: Callable[..., Any] = normal) -> list[Sample]:
    """Equal shapes, two broadcasts, 0-d arrays, nothing at all."""
    return [
        Sample(left(2, 3), right(2, 3, seed=1)),
        Sample(left(2, 1, 3), right(4, 1, seed=1)),
        Sample(left(), right(2, 3, seed=1)),
        Sample(left(3), right(seed=1)),
        Sample(left(), right(seed=1)),
        Sample(left(0, 3), right(1, 3, seed=1)),
    ]


def binary(left: Callable[..., Any] = normal, right: Callable[..., Any] = normal) -> list[Sample]:
    """And a number on each side."""
    return [*pairs(left, right), Sample(left(2, 2), 1.5), Sample(0.5, right(2, 2, seed=1))]


def reductions(make: Callable[..., Any] = normal, empty: bool = True) -> list[Sample]:
    samples = [
        Sample(make(3, 4)),
        Sample(make(3, 4), axis=0),
        Sample(make(3, 4), axis=-1, keepdims=True),
        Sample(make(2, 3, 2), axis=(0, -1)),
        Sample(make(2, 1, 3), axis=1),
        Sample(make(2, 3), axis=(), keepdims=True),
        Sample(make()),
        Sample(make(3, 0), axis=0),
    ]
    return [*samples, Sample(make(3, 0), axis=1), Sample(make(0))] if empty else samples


def along(make: Callable[..., Any] = normal) -> list[Sample]:
    return [
        Sample(make(3, 4), axis=-1),
        Sample(make(3, 4), axis=0),
        Sample(make(2, 3, 2), axis=1),
        Sample(make(4), axis=0),
    ]


def values(*arrays: Any) -> list[Sample]:
    return [Sample(*arrays)]


def integer_pairs() -> list[Sample]:
    return [Sample(integers(2, 3, high=9), integers(3, high=9, seed=1)), Sample(flags(4), flags(4, seed=1))]


def comparison(reference: Any, name: str) -> Entry:
    tied = np.array([[1.0, 2.0, np.nan], [np.inf, -0.0, 3.0]]), np.array([[1.0, 3.0, np.nan], [np.inf, 0.0, -3.0]])
    return Entry(
        [Sample(*tied), Sample(normal(2, 3), 0.5), *integer_pairs(), Sample(normal(0, 3), normal(3))],
        reference,
        name,
        broadcasts=False,
        dtypes=(),
    )


def logical(reference: Any, name: str) -> Entry:
    return Entry([*integer_pairs(), Sample(np.array([0.0, 1.5]), np.array([2.0, 0.0]))], reference, name, dtypes=())


def on_tensors(name: str) -> Callable[..., Any]:
    """PyTorch's function, where that refuses numbers."""
    return lambda torch, x, y: getattr(torch, name)(torch.as_tensor(x), torch.as_tensor(y))


def functional(name: str) -> Callable[..., Any]:
    """PyTorch's function of this name in torch.nn.functional."""
    return lambda torch, *xs, **options: getattr(torch.nn.functional, name)(*xs, **options)


def method(name: str) -> Callable[..., Any]:
    return lambda torch, x, *args: getattr(x, name)(*args)


def alpha_of(name: str) -> Callable[..., Any]:
    return lambda torch, x, y, alpha=1: getattr(torch, name)(torch.as_tensor(x), y, alpha=alpha)
