"""Numbers in pictures: a preview instead of an array, three significant digits instead of seventeen."""

from __future__ import annotations

import math
import re
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
    table = array.reshape(-1, shape[-1] if shape else 1)
    rows = tuple(map(tuple, table.tolist())) if array.size <= max_items else None
    wide = array.astype(np.float64)
    finite = wide if np.isfinite(wide).all() else wide[np.isfinite(wide)]
    stats = (finite.mean(), finite.std(), finite.min(), finite.max()) if finite.size else [math.nan] * 4
    mean, std, least, most = map(float, stats)
    batch = array.ndim > 1 and len(array) > 1
    return Preview(
        shape, dtype, rows, mean, std, least, most, norm=float(np.linalg.norm(wide.reshape(-1))),
        nonfinite=array.size - finite.size, nan=int(np.isnan(wide).sum()), zeros=int((array == 0).sum()),
        dead=int((array == 0).all(axis=0).sum()) if batch else 0,
    )  # fmt: skip


def number(value: Number, precision: int = 3) -> str:
    """Significant digits, without trailing zeros or a negative zero; a real minus sign; nan and inf as words.

    >>> number(0.123456), number(-0.0), number(1234.5), number(1e-7), number(True), number(float("nan"))
    ('0.123', '0', '1234', '1e−7', 'True', 'nan')
    """
    if isinstance(value, bool):
        return str(value)
    whole = (isinstance(value, int) and abs(value) < 1_000_000) or 10**precision <= abs(value) + 0.5 < 100_000
    text = f"{value:.0f}" if whole else re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.{precision}g}")
    return "0" if text == "-0" else text.replace("-", "−")


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
