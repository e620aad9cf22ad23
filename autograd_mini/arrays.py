"""What users hand in, as arrays: operands of an operation, data of a new tensor, indices.

Tensors are known here by their attribute `_array`.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from .devices import is_memory, on_host
from .dtypes import FLOAT32, dtype_of

F = TypeVar("F", bound=Callable[..., Any])


def as_array(value: Any, op: str) -> Any:
    """An operand that is no Tensor: Python numbers stay weak, lists become arrays of the default dtype."""
    if isinstance(value, float):
        return float(value)  # np.float64 is a Python float, too, and as weak
    if isinstance(value, (int, np.ndarray, np.generic)) or hasattr(value, "__array_function__"):
        dtype = getattr(value, "dtype", FLOAT32)
        if dtype.kind in "fiub" and dtype.isnative and dtype.itemsize <= 8:
            return value
        if dtype.kind in "fiub":
            dtype_of(dtype)  # raises for foreign bytes, and for long doubles
        raise TypeError(f"{op}: {value.dtype} arrays are not supported, only floats, integers and booleans")
    if isinstance(value, (list, tuple)):
        return array_from(value)
    raise TypeError(f"{op}: expected a Tensor, an array or a number, but got {type(value).__name__}")


def tensors_expected(function: F) -> F:
    """Decorator: a TypeError names the argument that is no tensor, where a bare AttributeError would miss its shape."""
    if hasattr(function, "primitive") or hasattr(function, "says_so"):  # it does so already
        return function

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except AttributeError as error:
            raise no_tensor(wrapper, args, options, error) from error

    wrapper.says_so = True  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


def no_tensor(function: Any, args: Any, options: Any, error: AttributeError) -> Exception:
    """What to raise for an AttributeError: itself, unless an argument, or a part of one, is what had no attribute."""
    wrong = error.obj
    try:
        given = inspect.signature(function).bind_partial(*args, **options).arguments.items()
    except TypeError:
        return error
    each = [(n, v) for n, several in given for v in (several if n in ("args", "tensors") else (several,))]
    for name, value in each:
        parts = value if isinstance(value, (list, tuple, str, dict)) else ()
        if hasattr(wrong, "_array") or not (value is wrong or any(part is wrong for part in parts)):
            continue
        article = "a Tensor" if value is wrong else "tensors"
        kind = type(wrong).__name__
        return TypeError(f"{function.__name__}(): argument {name!r}: expected {article}, but got {kind}")
    if any(hasattr(value, "_array") for value in (*args, *options.values())):
        return error
    return TypeError(f"{function.__name__}(): expected a Tensor, but got {', '.join(type(a).__name__ for a in args)}")


def array_from(data: Any, dtype: Any = None) -> Any:
    """An ndarray with what `data` holds; shared memory where it is an array already."""
    data = data._array if hasattr(data, "_array") else data
    if not (isinstance(data, np.generic) or is_memory(data)):
        weak = not _holds_arrays(data)  # numbers, and lists of them, have no dtype of their own
        try:
            data = np.asarray(without_tensors(data, detach=True))
        except ValueError as error:
            raise ValueError(f"expected a sequence of equal lengths at every level: {error}") from error
        if dtype is None and weak and (data.dtype == np.float64):
            dtype = dtype_of(None)
    if data.dtype.kind not in "fiub":
        raise TypeError(f"a tensor cannot be made of {data.dtype} data: use floats, integers or booleans")
    wanted = dtype_of(data.dtype if dtype is None else dtype)
    return np.asarray(data, dtype=wanted) if on_host(data) else data.astype(wanted, copy=False)


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return hasattr(data, "dtype")


def plain_index(item: Any) -> Any:
    """An index with tensors, lists and ranges as arrays, as NumPy wants it."""
    return tuple(_plain_part(part) for part in item) if isinstance(item, tuple) else _plain_part(item)


def _plain_part(part: Any) -> Any:
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        return slice(*(operator.index(end) if hasattr(end, "_array") else end for end in ends))
    if hasattr(part, "_array"):
        if part.dtype.kind == "f":
            raise IndexError(f"tensors used as indices must be long, int, uint8 or bool tensors, not {part.dtype}")
        return int(part._array) if part.ndim == 0 and part.dtype.kind != "b" else part._array
    if isinstance(part, (list, range)):
        array = np.asarray(without_tensors(list(part)))
        return array if array.size else array.astype(np.intp)
    return part


def without_tensors(value: Any, detach: bool = False) -> Any:
    """Nested containers with arrays in place of tensors; RuntimeError if one requires grad, unless detached."""
    if hasattr(value, "_array"):
        return value._array if detach else value.numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(without_tensors(v, detach) for v in value)
    return {k: without_tensors(v, detach) for k, v in value.items()} if isinstance(value, dict) else value
