"""How a tensor shows itself: `tensor([1., 2.], grad_fn=<MulBackward>)`, PyTorch's layout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import get_default_dtype

if TYPE_CHECKING:
    from .tensor import Tensor


def tensor_repr(tensor: Tensor) -> str:
    """The values in four decimals (1. for whole numbers, 1.0e+05 for a wide range), dtype and history if any."""
    array = np.asarray(tensor._array)
    name = type(tensor).__name__
    prefix = "tensor(" if name == "Tensor" else f"{name} containing:\ntensor("
    with np.errstate(all="ignore"):
        options: Any = {"separator": ", ", "prefix": "tensor(", "threshold": 1000, "edgeitems": 3, "max_line_width": 80}
        body = np.array2string(array, formatter=_formatter(array), **options)
    notes = [body]
    if 0 in array.shape:
        notes = ["[]"] + ([f"size={array.shape}"] if array.shape != (0,) else [])
    if array.dtype not in (get_default_dtype(), np.int64, np.bool_):
        notes.append(f"dtype={array.dtype}")
    if tensor.grad_fn is not None:
        notes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return prefix + ", ".join(notes) + ")"


def _formatter(array: Any) -> Any:
    """One format for all shown numbers, padded to one width."""
    if array.dtype.kind == "b":
        return {"bool": lambda x: f"{x!s:>5}" if array.ndim and not array.all() else str(x)}
    shown = _shown(array)
    if array.dtype.kind in "iu":
        width = max((len(str(n)) for n in shown), default=1)
        return {"int_kind": lambda n: f"{n:>{width}d}"}
    spec = _float_spec(shown[np.isfinite(shown)])
    width = max((len(_float_text(x, spec)) for x in shown), default=1) if array.ndim else 0
    return {"float_kind": lambda x: f"{_float_text(x, spec):>{width}}"}


def _shown(array: Any) -> Any:
    """The elements that will be printed: of a long axis, three at each end."""
    if array.size > 1000:
        for axis, n in enumerate(array.shape):
            if n > 6:
                array = np.take(array, [0, 1, 2, -3, -2, -1], axis)
    return array.ravel()


def _float_spec(finite: Any) -> str:
    values = np.abs(finite[finite != 0].astype(np.float64))
    if not values.size:
        return ".0f"
    high, low = values.max(), values.min()
    if (values == np.floor(values)).all():
        return ".4e" if (high / low > 1000 and high >= 1e8) or high > 1e8 else ".0f"
    return ".4e" if high / low > 1000 or high > 1e8 or low < 1e-4 else ".4f"


def _float_text(x: float, spec: str) -> str:
    if not np.isfinite(x):
        return str(float(x))
    return f"{x:{spec}}" + ("." if spec == ".0f" else "")
