"""MNIST and its relatives, and digits drawn by the package itself."""

from .digits import digits
from .idx import DataError, encode_idx, read_idx
from .mnist import MNISTData, load_mnist

__all__ = ["DataError", "MNISTData", "digits", "encode_idx", "load_mnist", "read_idx"]
