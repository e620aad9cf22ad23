"""Proofs of gradients, for the operations of the package and for your own.

`gradcheck` and `gradgradcheck` compare gradients with central differences; `battery` is the whole proof of one
operation, and `property_test` makes a test of it in one line; `tensors`, `broadcastable_shapes`,
`op_samples` and `programs` are strategies for hypothesis:

>>> import numpy as np
>>> test_cube = property_test(lambda x: x * x * x, [np.array([[1.0, -2.0], [0.5, 3.0]])], reference=lambda x: x**3)
>>> test_cube()
"""

from .battery import LAYOUTS, Sample, battery, property_test
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .program import Program
from .recipes import Recipe, unary
from .strategies import broadcastable_shapes, op_samples, tensors
from .table import TABLE, programs

__all__ = [
    "LAYOUTS", "TABLE", "GradcheckError", "Program", "Recipe", "Sample", "battery", "broadcastable_shapes", "gradcheck",
    "gradgradcheck", "op_samples", "programs", "property_test", "tensors", "unary",
]  # fmt: skip
