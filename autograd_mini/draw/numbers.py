"""Numbers in pictures: a preview instead of an array, three significant digits instead of seventeen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Number = float | int | bool


@dataclass(frozen=True, slots=True)
class Preview:
    """What a picture remembers of an array: every item of a small one, the statistics of a large one."""

    shape: tuple[int, ...]
    dtype: str
    rows: tuple[tuple[Number, ...], ...] | None  # the items, last axis across; None if there are too many
    mean: float = math.nan  # the statistics are those of the finite items
    std: float = math.nan
    min: float = math.nan
    max: float = math.nan
    norm: float = math.nan  # Euclidean, of all items
    nonfinite: int = 0  # items that are nan or infinite
    nan: int = 0  # items that are nan
    zeros: int = 0
    dead: int = 0  # items of a sample that are 0 in every sample of the batch (axis 0)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def rms(self) -> float:
        """The size of a typical item."""
        return self.norm / math.sqrt(self.size) if self.size else math.nan


def preview(array: Any, max_items: int) -> Preview:
    """Copies what the picture shall show; `array` itself is not kept."""
    array = np.asarray(array)
    shape, dtype = array.shape, str(array.dtype)
    if array.size == 0:
        return Preview(shape, dtype, ())
    small = array.reshape(-1, shape[-1] if shape else 1) if array.size <= max_items else None
    rows = None if small is None else tuple(tuple(row) for row in small.tolist())
    wide = array.astype(np.float64)
    finite = wide if (all_finite := bool(np.isfinite(wide).all())) else wide[np.isfinite(wide)]
    nonfinite = 0 if all_finite else array.size - finite.size
    norm = float(np.linalg.norm(wide.reshape(-1)))
    batch = array.ndim > 1 and len(array) > 1
    dead = int((array == 0).all(axis=0).sum()) if batch else 0
    counts = (nonfinite, int(np.isnan(wide).sum()) if nonfinite else 0, array.size - int(np.count_nonzero(array)), dead)
    if not finite.size:
        return Preview(shape, dtype, rows, math.nan, math.nan, math.nan, math.nan, norm, *counts)
    stats = (float(finite.mean()), float(finite.std()), float(finite.min()), float(finite.max()))
    return Preview(shape, dtype, rows, *stats, norm, *counts)


def number(value: Number, precision: int = 3) -> str:
    """Significant digits, without trailing zeros or a negative zero; a real minus sign; nan and inf as words.

    >>> number(0.123456), number(-0.0), number(1234.5), number(1e-7), number(True), number(float("nan"))
    ('0.123', '0', '1234', '1e−7', 'True', 'nan')
    """
    if isinstance(value, bool):
        return str(value)
    if not math.isfinite(value):
        text = str(float(value))
    elif (isinstance(value, int) and abs(value) < 1_000_000) or 10**precision <= abs(value) + 0.5 < 100_000:
        text = f"{value:.0f}"
    else:
        text = f"{value:.{precision}g}"
        if "e" in text:
            digits, exponent = text.split("e")
            text = f"{digits}e{int(exponent)}"
    return "0" if text in ("-0", "0") else text.replace("-", "−")


def summary(seen: Preview, precision: int) -> list[str]:
    """A large array in one line or two: mean ± standard deviation, [smallest, largest]; what is not finite."""
    if math.isnan(seen.mean):
        lines = []
    elif seen.min == seen.max:
        lines = [f"all {number(seen.min, precision)}"]
    else:
        ends = f"[{number(seen.min, precision)}, {number(seen.max, precision)}]"
        mean = "≈0" if abs(seen.mean) < 1e-3 * seen.std else number(seen.mean, precision)
        spread = f"{mean} ± {number(seen.std, precision)}"
        lines = [spread, ends] if seen.dtype.startswith("float") else [f"in {ends}"]
    if seen.nonfinite:
        lines.append(f"{seen.nonfinite:,} of {math.prod(seen.shape):,} nan or inf")
    return lines


def inline(seen: Preview, precision: int) -> str:
    """The same as a single line of text: a number, a nested list, or the summary."""
    if seen.rows is None:
        return ", ".join(summary(seen, precision))
    rows = ["[" + ", ".join(number(item, precision) for item in row) + "]" for row in seen.rows]
    if not seen.shape:
        return rows[0][1:-1]
    return rows[0] if len(seen.shape) == 1 and rows else "[" + ", ".join(rows) + "]"
