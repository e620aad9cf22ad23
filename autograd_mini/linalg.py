"""Linear algebra by the names of torch.linalg; the operations themselves stand in `rules/linalg.py`.

>>> import autograd_mini as am
>>> inv(am.tensor([[2.0, 0.0], [0.0, 4.0]]))
tensor([[0.5000, 0.0000],
        [0.0000, 0.2500]])
"""

from .rules.linalg import (
    cholesky,
    cross,
    det,
    eigh,
    eigvalsh,
    matmul,
    matrix_norm,
    matrix_power,
    multi_dot,
    norm,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
)
from .rules.linalg import inverse as inv
from .rules.linalg import pinverse as pinv
from .rules.reduce import vector_norm
from .rules.shape import diagonal

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "pinv",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vector_norm",
]
