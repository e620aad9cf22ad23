"""The calculus: every primitive operation beside its derivatives. Pure NumPy; a rule never sees a Tensor class."""

from . import elementwise, index, linalg, nnet, reduce, shape

__all__ = ["elementwise", "index", "linalg", "nnet", "reduce", "shape"]
