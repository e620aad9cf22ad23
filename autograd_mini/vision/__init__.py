"""MNIST and its relatives, and digits drawn by the package itself."""

import importlib
from typing import Any

from .digits import digits
from .idx import DataError, encode_idx, read_idx
from .mnist import MNISTData, load_mnist

__all__ = ["DataError", "MNISTData", "digits", "encode_idx", "load_mnist", "read_idx"]


def __getattr__(name: str) -> Any:
    """`vision.datasets`, `vision.transforms` and `vision.utils`, when they are first touched."""
    if name in ("datasets", "transforms", "utils"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
