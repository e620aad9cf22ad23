"""Linear algebra by the names of torch.linalg; the operations themselves stand in `rules/linalg.py`.

>>> import autograd_mini as am
>>> inv(am.tensor([[2.0, 0.0], [0.0, 4.0]]))
tensor([[0.5000, 0.0000],
        [0.0000, 0.2500]])
"""

from .arrays import tensors_expected
from .rules.linalg import cholesky, cross, det, matmul, matrix_power, norm, slogdet, solve, solve_triangular
from .rules.linalg import inverse as inv
from .rules.reduce import vector_norm
from .rules.shape import diagonal

__all__ = [
    "cholesky", "cross", "det", "diagonal", "inv", "matmul", "matrix_power", "norm", "slogdet", "solve",
    "solve_triangular", "vector_norm",
]  # fmt: skip

for _name in __all__:  # what is given no tensor says so
    globals()[_name] = tensors_expected(globals()[_name])
