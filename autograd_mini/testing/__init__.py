"""Proofs of gradients, for the operations of the package and for your own.

`gradcheck` and `gradgradcheck` compare gradients with central differences; `battery` is the whole proof of one
operation, and `property_test` makes a test of it in one line; `tensors`, `broadcastable_shapes` and `programs` are
strategies for hypothesis:

>>> import numpy as np
>>> import autograd_mini as am
>>> def test_cube():
...     battery(lambda x: x * x * x, [np.array([[1.0, -2.0], [0.5, 3.0]])], reference=lambda x: x**3)
>>> test_cube()
"""

from .battery import LAYOUTS, Sample, battery
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .strategies import broadcastable_shapes, tensors

__all__ = [
    "LAYOUTS",
    "GradcheckError",
    "Sample",
    "battery",
    "broadcastable_shapes",
    "gradcheck",
    "gradgradcheck",
    "tensors",
]
