"""How a tensor shows itself: `tensor([1., 2.], grad_fn=<MulBackward>)`, in PyTorch's layout.

Four decimals; whole floats as "1."; scientific where the largest is over 1,000 times the smallest; of a long axis only
the ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .devices import device_of, to_host
from .dtypes import get_default_dtype

if TYPE_CHECKING:
    from .tensor import Tensor

WIDTH, EDGE, THRESHOLD = 80, 3, 1000  # characters a line; elements at each end; elements until the middle is left out
PRECISION = 4  # decimals
SCIENTIFIC: bool | None = None  # None: where the elements call for it
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"PRECISION": 4, "THRESHOLD": 1000, "EDGE": 3, "WIDTH": 80},
    "short": {"PRECISION": 2, "THRESHOLD": 1000, "EDGE": 2, "WIDTH": 80},
    "full": {"PRECISION": 4, "THRESHOLD": math.inf, "EDGE": 3, "WIDTH": 80},
}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """How tensors show themselves from now on; what is not given stays, but sci_mode: None leaves it to the values.

    profile: "default", "short" or "full", before the others count. precision: decimals. threshold: how many elements
    are shown in full; of longer axes, edgeitems at each end. linewidth: characters.
    """
    if profile is not None and profile not in _PROFILES:
        raise ValueError(f"profile must be one of {', '.join(_PROFILES)}, but got {profile!r}")
    given = {"PRECISION": precision, "THRESHOLD": threshold, "EDGE": edgeitems, "WIDTH": linewidth}
    chosen = _PROFILES[profile] if profile else {}
    globals().update(chosen | {k: v for k, v in given.items() if v is not None} | {"SCIENTIFIC": sci_mode})


def tensor_repr(tensor: Tensor) -> str:
    """The values, then what is not obvious: size of an empty tensor, dtype, history."""
    array = np.asarray(to_host(tensor._array))
    prefix = "tensor("
    usual = (get_default_dtype(),) if array.size == 0 else (get_default_dtype(), np.int64, np.bool_)
    notes = [f"size={array.shape}"] if array.size == 0 and array.ndim != 1 else []
    if (device := device_of(tensor._array)) != "cpu":
        notes.append(f"device={device!r}")
    notes += [f"dtype={array.dtype}"] if array.dtype not in usual else []
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    text = prefix + (_nested(array, len(prefix), array.size > THRESHOLD, *_format(array)) if array.size else "[]")
    for note in notes:
        last = len(text) - (text.rfind("\n") + 1)
        text += (", " if last + len(note) + 2 < WIDTH else ",\n" + " " * len(prefix)) + note
    name = type(tensor).__name__
    return ("" if name == "Tensor" else f"{name} containing:\n") + text + ")"


def _nested(array: Any, indent: int, summarize: bool, show: Callable[[Any], str], width: int) -> str:
    """Brackets in brackets, one line a row, a blank line between matrices."""
    if array.ndim == 0:
        return show(array[()])
    rows = _ends(array, summarize)
    if array.ndim > 1:
        parts = [row if isinstance(row, str) else _nested(row, indent + 1, summarize, show, width) for row in rows]
        return "[" + (",".ljust(array.ndim, "\n") + " " * (indent + 1)).join(parts) + "]"
    cells = [" ..." if isinstance(cell, str) else show(cell) for cell in rows]
    a_line = max(1, (WIDTH - indent) // (width + 2))
    lines = [", ".join(cells[i : i + a_line]) for i in range(0, len(cells), a_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _ends(array: Any, summarize: bool) -> list[Any]:
    """The elements along the first axis, or only those at its ends."""
    short = not summarize or len(array) <= 2 * EDGE
    return list(array) if short else [*array[:EDGE], "...", *array[-EDGE:]]


def _format(array: Any) -> tuple[Callable[[Any], str], int]:
    """A function from an element to its text, and the width that all of them have."""
    if array.dtype.kind != "f":
        width = max(len(str(x)) for x in _visible(array)) if array.ndim else 0
        return (lambda x: str(x).rjust(width)), width
    shown = _visible(array).astype(np.float64)
    finite = shown[np.isfinite(shown) & (shown != 0)]
    high, low = (np.abs(finite).max(), np.abs(finite).min()) if finite.size else (1.0, 1.0)
    whole = bool((finite == np.ceil(finite)).all())
    scientific = high / low > 1000 or high > 1e8 or (low < 1e-4 and not whole)
    if SCIENTIFIC if SCIENTIFIC is not None else scientific:
        spec = f".{PRECISION}e"
    else:
        spec = ".0f" if whole else f".{PRECISION}f"

    def text(x: Any) -> str:
        return f"{x:{spec}}" + ("." if spec == ".0f" and np.isfinite(x) else "")

    width = max((len(text(x)) for x in finite), default=1) if array.ndim else 0
    return (lambda x: text(float(x)).rjust(width)), width


def _visible(array: Any) -> Any:
    """The elements that will be printed."""
    if array.size > THRESHOLD:
        for axis, n in enumerate(array.shape):
            if n > 2 * EDGE:
                array = np.take(array, [*range(EDGE), *range(n - EDGE, n)], axis)
    return array.ravel()
