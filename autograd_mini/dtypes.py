"""Dtypes: which are supported, which is the default, and which one an operation on several returns.

PyTorch's rules, where NumPy's differ: a number or a 0-d array does not widen an array of its kind, integers become the
default float dtype (not float64) where a float is called for, and float32 with int64 stays float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

FLOAT16, FLOAT32 = np.dtype(np.float16), np.dtype(np.float32)
_KINDS = {"b": 0, "i": 1, "u": 1, "f": 2}
_default = FLOAT32


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of tensors made from Python floats; float32 unless changed."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats tensors of this floating dtype from now on."""
    global _default
    wanted = np.dtype(dtype)
    if wanted.kind != "f" or wanted.itemsize > 8:
        raise TypeError(f"only floating-point types are supported as the default type, not {wanted}")
    _default = wanted


def dtype_of(dtype: Any) -> np.dtype[Any]:
    """A dtype by NumPy's or Python's name (None: the default); only floats, integers and booleans are supported."""
    if dtype is None or dtype is float:
        return _default
    found: np.dtype[Any] = np.dtype(dtype)
    if not found.isnative and found.kind in _KINDS:
        raise TypeError(f"dtype {found}: its bytes are in foreign order; convert the array by .astype({found.name!r})")
    if found.kind not in _KINDS or not found.isnative or found.itemsize > 8:
        raise TypeError(f"dtype {found} is not supported: use floats up to 64 bits, integers or booleans")
    return found


def result_type(*operands: Any) -> np.dtype[Any]:
    """The dtype of an operation on these tensors, arrays and numbers, as `torch.result_type` has it.

    >>> result_type(np.ones(2, np.float32), np.array(1.5)), result_type(np.ones(2, np.int64), 0.5)
    (dtype('float32'), dtype('float32'))
    """
    groups: list[list[np.dtype[Any]]] = [[], [], []]  # arrays, 0-d arrays, Python numbers
    for operand in operands:
        if type(operand) in (bool, int, float):
            groups[2].append(dtype_of(type(operand)))
        elif hasattr(operand, "dtype"):
            groups[0 if operand.ndim else 1].append(operand.dtype)
        else:
            raise TypeError(f"result_type(): expected tensors, arrays and numbers, but got {operand!r:.60}")
    result, owner = None, None
    for group in groups:
        for dtype in group:
            if result is None or _KINDS[dtype.kind] > _KINDS[result.kind]:
                result, owner = dtype, group
            elif owner is group and _KINDS[dtype.kind] == _KINDS[result.kind]:
                result = np.promote_types(result, dtype)
    return _default if result is None else result
