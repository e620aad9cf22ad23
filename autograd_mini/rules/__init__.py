"""The calculus: every primitive operation beside its derivatives. Pure NumPy; a rule never sees a Tensor class."""

from . import conv, elementwise, index, linalg, nnet, pool, reduce, shape

__all__ = ["conv", "elementwise", "index", "linalg", "nnet", "pool", "reduce", "shape"]
