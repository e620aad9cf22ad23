"""Sums of rows by BLAS: a product with ones takes a fifth to a half of the time of NumPy's own sums."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_ONES = {np.dtype(kind): np.ones(4096, kind) for kind in (np.float32, np.float64)}


def blas_sums(x: Any) -> bool:
    """Whether the two functions below take this: an array of single or double floats, with two axes or more."""
    return type(x) is np.ndarray and x.ndim > 1 and x.dtype in _ONES


def sum_of_rows(x: Any) -> Any:
    """(..., n) to (n): all rows, added up."""
    matrix = rows(x)
    return _ones(len(matrix), x.dtype).dot(matrix)


def sums_of_rows(x: Any) -> Any:
    """(..., n) to (...): each row, summed."""
    return rows(x).dot(_ones(x.shape[-1], x.dtype)).reshape(x.shape[:-1])


def rows(x: Any) -> Any:
    """All rows of a batch of matrices as one matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _ones(n: int, dtype: np.dtype[Any]) -> Any:
    ones = _ONES[dtype]
    return ones[:n] if n <= len(ones) else np.ones(n, dtype)
