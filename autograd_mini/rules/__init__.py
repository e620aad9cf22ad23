"""The calculus: every primitive operation beside its derivatives. Pure NumPy; a rule never sees a Tensor class."""

from . import conv, elementwise, index, joining, linalg, nnet, pool, reduce, shape, sorting

__all__ = ["conv", "elementwise", "index", "joining", "linalg", "nnet", "pool", "reduce", "shape", "sorting"]
