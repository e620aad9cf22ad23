"""MNIST and its relatives, and digits drawn by the package itself."""

from .digits import digits
from .idx import DataError

__all__ = ["DataError", "digits"]
