"""Samples for products of matrices and linear algebra, as `samples.py` has them for the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
from rules.sampling import F32, Entry, Sample, normal, positive


def regular(*shape: int, seed: int = 0) -> Any:
    """Matrices with a determinant well away from 0."""
    return normal(*shape, seed=seed) * 0.3 + np.eye(shape[-1]) * 2


def definite(*shape: int, seed: int = 0) -> Any:
    """Symmetric positive definite matrices."""
    x = normal(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


def matrices() -> list[Sample]:
    return [Sample(regular(3, 3)), Sample(regular(2, 2, 2)), Sample(regular(1, 1)), Sample(regular(2, 0, 0))]


def pairs(x: Any, y: Any, *letters: str) -> list[Sample]:
    return [Sample(x, y, **dict(zip("abc", term.split(" "), strict=True))) for term in letters]


def cofactors(torch: Any, x: Any) -> Any:
    return torch.linalg.det(x)[..., None, None] * torch.linalg.inv(x).mT


def torch_slogdet(torch: Any, x: Any) -> Any:
    sign, value = torch.linalg.slogdet(x)
    return sign.detach(), value  # PyTorch sends a gradient of 0 through the sign


SAMPLES: dict[str, Entry] = {
    "einsum": Entry(
        [
            *pairs(normal(2, 3), normal(3, 4, seed=1), "ij jk ik", "ij jk ki", "ij jk ijk", "ij jk kji"),
            *pairs(normal(2, 3, 4), normal(2, 4, 2, seed=1), "bij bjk bik", "bij bjk kbi", "bij bjk ikb"),
            *pairs(normal(2, 3, 4), normal(4, 3, 5, seed=1), "xij jik kx", "xij jik xkj"),
            *pairs(normal(3), normal(3, seed=1), "i i ", "i i i", "i j ji"),
            *pairs(normal(2, 0), normal(0, 3, seed=1), "ij jk ik"),
            *pairs(normal(), normal(2, seed=1), " i i"),
        ],
        lambda x, y, a, b, c: np.einsum(f"{a},{b}->{c}", x, y),
        lambda torch, x, y, a, b, c: torch.einsum(f"{a},{b}->{c}", x, y),
    ),
    "inverse": Entry(matrices(), np.linalg.inv, "inverse", dtypes=(F32,)),
    "det": Entry(matrices(), np.linalg.det, "det", dtypes=(F32,)),
    "cofactor": Entry(
        matrices(),
        lambda x: np.linalg.det(x)[..., None, None] * np.swapaxes(np.linalg.inv(x), -1, -2),
        cofactors,
        dtypes=(F32,),
    ),
    "logabsdet": Entry(
        [*matrices(), Sample(-regular(3, 3))],
        lambda x: np.linalg.slogdet(x)[1],
        lambda torch, x: torch.linalg.slogdet(x)[1],
        dtypes=(F32,),
    ),
    "det_sign": Entry(
        [*matrices(), Sample(-regular(3, 3)), Sample(np.ones((2, 2)))],
        lambda x: np.linalg.slogdet(x)[0],
        lambda torch, x: torch.linalg.slogdet(x)[0],
        dtypes=(F32,),
    ),
    "solve": Entry(
        [
            Sample(regular(3, 3), normal(3, 2, seed=1)),
            Sample(regular(2, 3, 3), normal(2, 3, 1, seed=1)),
            Sample(regular(2, 2), normal(3, 2, 1, seed=1)),
            Sample(regular(3, 2, 2), normal(2, 2, seed=1)),
            Sample(regular(3, 3), normal(3, 0, seed=1)),
        ],
        np.linalg.solve,
        lambda torch, x, y: torch.linalg.solve(x, y),
        dtypes=(F32,),
    ),
    "cholesky": Entry(
        [Sample(definite(3, 3)), Sample(definite(2, 2, 2)), Sample(positive(1, 1)), Sample(definite(0, 0))],
        np.linalg.cholesky,
        lambda torch, x: torch.linalg.cholesky(x),
        dtypes=(F32,),
    ),
}


def added(*shapes: tuple[int, ...]) -> list[Sample]:
    """x, then the two factors; with and without the two numbers."""
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    one = np.array(arrays[0].ravel()[0])
    return [Sample(*arrays), Sample(*arrays, beta=0.5, alpha=-2), Sample(one, *arrays[1:], alpha=3.0)]


COMPOSED: dict[str, Entry] = {
    "cholesky": Entry([Sample(definite(3, 3)), Sample(definite(2, 2, 2), True)], None, "cholesky", dtypes=(F32,)),
    "dot": Entry([Sample(normal(3), normal(3, seed=1)), Sample(normal(0), normal(0))], np.dot, "dot"),
    "vdot": Entry([Sample(normal(3), normal(3, seed=1))], np.vdot, "vdot"),
    "mv": Entry([Sample(normal(2, 3), normal(3, seed=1))], np.matmul, "mv"),
    "mm": Entry([Sample(normal(2, 3), normal(3, 4, seed=1)), Sample(normal(0, 3), normal(3, 4))], np.matmul, "mm"),
    "bmm": Entry([Sample(normal(2, 2, 3), normal(2, 3, 1, seed=1))], np.matmul, "bmm"),
    "addmm": Entry(added((2, 2), (2, 3), (3, 2)), None, "addmm"),
    "addmv": Entry(added((2,), (2, 3), (3,)), None, "addmv"),
    "addbmm": Entry(added((2, 2), (4, 2, 3), (4, 3, 2)), None, "addbmm"),
    "baddbmm": Entry(added((4, 2, 2), (4, 2, 3), (4, 3, 2)), None, "baddbmm"),
    "outer": Entry([Sample(normal(2), normal(3, seed=1))], np.outer, "outer"),
    "inner": Entry(
        [
            Sample(normal(3), normal(3, seed=1)),
            Sample(normal(2, 3), normal(4, 3, seed=1)),
            Sample(normal(2, 1, 3), normal(3, seed=1)),
            Sample(normal(), normal(2, seed=1)),
        ],
        np.inner,
        "inner",
    ),
    "kron": Entry(
        [
            Sample(normal(2, 3), normal(3, 2, seed=1)),
            Sample(normal(2), normal(3, 2, seed=1)),
            Sample(normal(2, 1, 2), normal(seed=1)),
        ],
        np.kron,
        "kron",
    ),
    "cross": Entry(
        [Sample(normal(3), normal(3, seed=1)), Sample(normal(2, 3), normal(2, 3, seed=1), -1)],
        np.cross,
        lambda torch, x, y, dim=-1: torch.linalg.cross(x, y, dim=dim),
    ),
    "matrix_power": Entry(
        [Sample(regular(3, 3), n) for n in (1, 2, 3, 6)] + [Sample(regular(2, 2, 2), -2)],
        np.linalg.matrix_power,
        "matrix_power",
        dtypes=(F32,),
    ),
    "slogdet": Entry(
        [Sample(regular(3, 3)), Sample(-regular(2, 3, 3))], np.linalg.slogdet, torch_slogdet, dtypes=(F32,)
    ),
    "logdet": Entry(
        [Sample(definite(3, 3)), Sample(definite(2, 2, 2))],
        lambda x: np.log(np.linalg.det(x)),
        "logdet",
        dtypes=(F32,),
    ),
    "trace": Entry([Sample(normal(3, 3)), Sample(normal(2, 3)), Sample(normal(0, 2))], np.trace, "trace"),
}
