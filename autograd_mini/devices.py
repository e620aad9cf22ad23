"""Where arrays live: "cpu" is NumPy; "cuda" is CuPy, whose arrays speak NumPy's protocols and so obey the same rules.

A tensor's device is the type of its array: nothing is looked up when an operation runs. What makes new arrays (zeros,
ranges, random draws) makes them on the CPU, and `move` takes them over; mixing devices in an operation is an error of
the array library, never a silent copy. What CuPy does not check is not checked: an index beyond the end wraps around.

>>> import numpy as np
>>> device_of(np.zeros(3))
'cpu'
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any


class Library(NamedTuple):
    """An array library: the type of its arrays, and how they are copied from and to the CPU."""

    kind: type[Any]
    from_host: Callable[[Array], Array]
    to_host: Callable[[Array], Array]


_libraries: dict[str, Library] = {}


def register(
    device: str, kind: type[Any], from_host: Callable[[Array], Array], to_host: Callable[[Array], Array]
) -> None:
    """Make tensors able to live on `device`: another library whose arrays speak NumPy's protocols."""
    _libraries[device] = Library(kind, from_host, to_host)


def registered() -> list[str]:
    """The devices beside the CPU that tensors can live on by now."""
    return list(_libraries)


def device_of(array: Array) -> str:
    """The name of the device where this array, or number, lives."""
    if not isinstance(array, (np.ndarray, np.generic)):
        for name, library in tuple(_libraries.items()):  # another thread may load CuPy
            if isinstance(array, library.kind):
                return name
    return "cpu"


def on_host(array: Array) -> bool:
    return isinstance(array, (np.ndarray, np.generic))


def to_host(array: Array) -> Array:
    """The array itself if it lives on the CPU, else a copy there."""
    return array if on_host(array) else _libraries[device_of(array)].to_host(array)


def move(array: Array, device: Any) -> Array:
    """The array on `device`: itself if it lives there, else a copy. Raises RuntimeError if there is no such device."""
    name = str(device).partition(":")[0]
    if device_of(array) == name:
        return array
    host = to_host(array)
    return host if name == "cpu" else _library(name, device).from_host(host)


def beside(array: Array, like: Array) -> Array:
    """An array that was made on the CPU, moved to where `like` (an array, a number or a Tensor) lives."""
    like = getattr(like, "_array", like)
    return array if on_host(like) or not hasattr(like, "dtype") else move(array, device_of(like))


def check(device: Any) -> None:
    """Raise RuntimeError if no tensor can live on this device."""
    if device is not None and (name := str(device).partition(":")[0]) != "cpu":
        _library(name, device)


# ------------------------------------------------------------------------------------- arrays of any library, alike


def is_memory(value: Any) -> bool:
    """Whether this is an array that can be written: no number, also none of NumPy's."""
    return isinstance(value, np.ndarray) or (hasattr(value, "__array_function__") and hasattr(value, "base"))


def memory_of(array: Array) -> Array:
    """The array itself; of a NumPy number a 0-d array, which can be written and shared."""
    return np.asarray(array) if isinstance(array, np.generic) else array


def copy_of(array: Array) -> Array:
    """The same values in memory of their own."""
    return np.array(array) if on_host(array) else array.copy()


def place(array: Array) -> tuple[Any, ...]:
    """Which memory an array shows, in which way."""
    start = array.__array_interface__["data"][0] if on_host(array) else array.data.ptr
    return start, array.shape, array.strides, array.dtype


def shows_once(array: Array) -> bool:
    """Whether writing into this array changes one element each: a broadcast view shows some several times."""
    if on_host(array):
        return bool(array.flags.writeable)
    return array.base is None  # CuPy's flags do not tell a broadcast view from another


# ---------------------------------------------------------------------------------------------------------- CuPy


def _library(name: str, device: Any) -> Library:
    if name == "cuda" and name not in _libraries:
        _load_cupy()
    if name not in _libraries:
        raise RuntimeError(f"device {device} is not available: tensors live on {', '.join(['cpu', *registered()])}")
    return _libraries[name]


def cuda_device_count() -> int:
    """How many GPUs the driver offers. Raises RuntimeError without CuPy or without a driver."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        raise RuntimeError('CuPy is not installed: pip install "autograd_mini[gpu]"') from error
    return int(cupy.cuda.runtime.getDeviceCount())  # its CUDARuntimeError is a RuntimeError


def _load_cupy() -> None:
    try:
        count = cuda_device_count()
    except RuntimeError as error:
        raise RuntimeError(f"device cuda is not available: {error}") from error
    if not count:
        raise RuntimeError("device cuda is not available: the driver finds no GPU")
    cupy = importlib.import_module("cupy")
    register("cuda", cupy.ndarray, cupy.asarray, cupy.asnumpy)
