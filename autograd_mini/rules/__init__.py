"""The calculus: every primitive operation beside its derivatives. Pure NumPy; a rule never sees a Tensor class.

elementwise (with special, the error function): arithmetic, exp, sin, comparisons, activations. reduce: sums, means,
extremes, norms, running totals. sorting: order and counts. shape: the same elements in another shape or order. joining:
cat, stack, split. index: reading and writing by index. linalg: products, inverses, decompositions. conv, pool, nnet:
networks. axes: which axes an argument means.
"""

from . import conv, elementwise, index, joining, linalg, nnet, pool, reduce, shape, sorting

__all__ = ["conv", "elementwise", "index", "joining", "linalg", "nnet", "pool", "reduce", "shape", "sorting"]
