"""Products of matrices, `einsum`, and linear algebra, each beside its derivatives."""

from __future__ import annotations

import functools
import math
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..devices import beside
from ..engine import Array, TensorCore
from ..primitive import NUMPY, ShapeError, call, composition, primitive
from ..sums import rows
from .elementwise import where
from .reduce import sum, vector_norm
from .shape import broadcast_to, diagonal, movedim, numpy_as, permute_axes, reshape_to, roll, swapaxes, tril, triu

Shape = tuple[int, ...]
_HALF = np.dtype(np.float16)
_SMALL = 32768  # elements


def _t(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _check_square(x: Array) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise np.linalg.LinAlgError("expected a square matrix, or a batch of them")


# ------------------------------------------------------------------------------------------------- products


def product(x: Array, y: Array) -> Array:
    """x @ y; of float16 by float32, for BLAS knows no halves, and NumPy's own loop is 200 times slower.

    Of small matrices by `dot`: it takes 0.6 µs where @ takes 1.4, and has BLAS multiply a column by a row, which @
    leaves to a slow loop. Of large ones by @, for `dot` first fills the result with zeros.
    """
    if isinstance(x, TensorCore) or isinstance(y, TensorCore):
        return x @ y
    if x.ndim > 2 and y.ndim == 2:  # one product of all rows, not one for each matrix: a quarter faster
        return product(rows(x), y).reshape((*x.shape[:-1], y.shape[1]))
    if x.dtype is not _HALF:
        small = x.size < _SMALL > y.size and 0 < x.ndim < 3 and 0 < y.ndim < 3
        return x.dot(y) if small else x @ y
    with np.errstate(over="ignore"):  # inf, as in PyTorch
        return (x.astype(np.float32) @ y.astype(np.float32)).astype(_HALF)


def _matmul_x(g: Array, x_shape: Shape, y: Array) -> Array:
    if y.ndim == 1:
        return g[..., None] * y
    if len(x_shape) == 1:
        return product(y, g[..., None])[..., 0]
    return call(matmul, g, _t(y))


def _matmul_y(g: Array, x: Array, y_shape: Shape) -> Array:
    if x.ndim == 1:
        return g * x if len(y_shape) == 1 else x[:, None] * g[..., None, :]
    if len(y_shape) == 1:
        return product(_t(x), g[..., None])[..., 0]
    if len(y_shape) == 2 and x.ndim > 2:  # one matrix for a whole batch: one product, not a sum of many
        return product(_t(rows(x)), rows(g))
    return product(_t(x), g)


@primitive(numpy=np.matmul, x=_matmul_x, y=_matmul_y)
def matmul(x: Array, y: Array) -> Array:
    """x @ y for vectors, matrices and (broadcast) batches of matrices. One matrix for a batch is one single product."""
    if x.ndim and y.ndim and x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        length = y.shape[-2 if y.ndim > 1 else 0]
        raise ValueError(f"{x.shape} and {y.shape} cannot be multiplied: {x.shape[-1]} columns meet {length} rows")
    return product(x, y)


def _aligned(x: Array, a: str, c: str) -> Array:
    """x with its axes in the order of `c`, and axes of length 1 for the letters that it has not."""
    return np.transpose(x, [a.index(k) for k in c if k in a])[tuple(slice(None) if k in a else None for k in c)]


def _einsum_x(g: Array, y: Array, a: str, b: str, c: str) -> Array:
    return call(contract, g, y, a=c, b=b, c=a)


def _einsum_y(g: Array, x: Array, a: str, b: str, c: str) -> Array:
    return call(contract, x, g, a=a, b=c, c=b)


@primitive(name="einsum", public=False, x=_einsum_x, y=_einsum_y)
def contract(x: Array, y: Array, *, a: str, b: str, c: str) -> Array:
    """einsum("a,b->c", x, y), where a letter is in two of the three at least, and in each of them once.

    So the derivative of an einsum is an einsum: output and input change places. It runs as one product of matrices.
    """
    groups, to_left, to_right, to_out = _contraction(a, b, c)
    if not groups[2]:
        return _aligned(x, a, c) * _aligned(y, b, c)
    lengths = dict(zip(a + b, x.shape + y.shape, strict=True))
    batch, rows, inner, columns = (math.prod([lengths[k] for k in group]) for group in groups)
    some = [batch] if groups[0] else []  # without a batch, BLAS is called once and takes transposed memory as it is
    left = np.transpose(x, to_left).reshape([*some, rows, inner])
    out = left @ np.transpose(y, to_right).reshape([*some, inner, columns])
    return np.transpose(out.reshape([lengths[k] for k in groups[0] + groups[1] + groups[3]]), to_out)


@functools.lru_cache(1024)
def _contraction(a: str, b: str, c: str) -> tuple[tuple[str, ...], list[int], list[int], list[int]]:
    """Letters of batch, rows, sum and columns of a product of matrices; the axes of its factors, and of its result."""
    batch, inner = "".join(k for k in a if k in b and k in c), "".join(k for k in a if k in b and k not in c)
    rows, columns = "".join(k for k in a if k not in b), "".join(k for k in b if k not in a)
    orders = ((a, batch + rows + inner), (b, batch + inner + columns), (batch + rows + columns, c))
    to_left, to_right, to_out = ([have.index(k) for k in want if k in have] for have, want in orders)
    return (batch, rows, inner, columns), to_left, to_right, to_out


# --------------------------------------------------------------------------------- einsum, made of such pairs


def einsum(equation: Any, *operands: Any) -> Array:
    """Sum of products over indices: einsum("bij,bjk->bik", x, y).

    Every form of torch.einsum and np.einsum: without "->" the output has the letters that occur once, sorted;
    "..." stands for any further axes; a letter twice in one operand takes a diagonal; lengths of 1 broadcast;
    einsum(x, [0, 1], y, [1, 2], [0, 2]) writes numbers for letters. Three and more operands are contracted two at
    a time, in the order that np.einsum_path finds.

    >>> import autograd_mini as am
    >>> einsum("ij,j", am.ones(2, 3), am.tensor([1.0, 2.0, 3.0]))
    tensor([6., 6.])
    """
    if not isinstance(equation, str):
        equation, operands = _lettered((equation, *operands))
    elif len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    terms, output, lengths = _parsed(equation, tuple(tuple(x.shape) for x in operands))
    work = [_prepared(x, term, lengths) for x, term in zip(operands, terms, strict=True)]
    for step in _path(output, tuple((a, tuple(x.shape)) for x, a in work)):
        pair = [work.pop(i) for i in sorted(step, reverse=True)][::-1]
        kept = {*output, *(k for _, a in work for k in a)}
        work.append(_pair(*pair[0], *pair[1], kept if work else output))
    ((x, a),) = work
    x, a = _summed(x, a, output)
    return x if a == output else permute_axes(x, dims=[a.index(k) for k in output])


NUMPY[np.einsum] = lambda *operands, optimize=True: einsum(*operands)


def _lettered(given: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """The equation for operands that are each followed by a list of numbers (or Ellipsis), and the operands."""

    def letters(numbers: Sequence[Any]) -> str:
        return "".join("..." if n is ... else string.ascii_letters[n] for n in numbers)

    pairs, last = len(given) // 2, given[-1] if len(given) % 2 else None
    equation = ",".join(letters(given[2 * i + 1]) for i in range(pairs))
    return equation + ("" if last is None else "->" + letters(last)), tuple(given[: 2 * pairs : 2])


@functools.lru_cache(1024)
def _parsed(equation: str, shapes: tuple[Shape, ...]) -> tuple[list[str], str, dict[str, int]]:
    """The letters of each operand and of the output, with own ones for the axes behind "...", and their lengths."""
    ndims = [len(shape) for shape in shapes]
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ShapeError(f"einsum: {equation!r} is for {len(terms)} operands, and {len(ndims)} were given")
    hidden = [n - len(t.replace("...", "")) if "..." in t else 0 for t, n in zip(terms, ndims, strict=True)]
    spare = [k for k in string.ascii_letters if k not in equation]
    dots = "".join(spare[: max(hidden, default=0)])
    if not arrow:
        right = "..." * ("..." in left) + "".join(sorted(k for k in {*left} - {*",."} if left.count(k) == 1))
    terms = [t.replace("...", dots[len(dots) - max(h, 0) :]) for t, h in zip(terms, hidden, strict=True)]
    output = right.replace("...", dots)
    if not {*output, *"".join(terms)} <= {*string.ascii_letters} or min(hidden, default=0) < 0:
        raise ShapeError(f"einsum: {equation!r} does not fit operands of {ndims} dimensions, or is not made of letters")
    if len({*output}) != len(output) or not {*output} <= {*"".join(terms)}:
        raise ShapeError(f"einsum: the output of {equation!r} must name letters of the operands, each once")
    return terms, output, _lengths(equation, terms, shapes)


def _lengths(equation: str, terms: list[str], shapes: tuple[Shape, ...]) -> dict[str, int]:
    lengths: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        if len(term) != len(shape):
            raise ShapeError(f"einsum: {equation!r} has {len(term)} letters for an operand of shape {shape}")
        for k, n in zip(term, shape, strict=True):
            if lengths.get(k, 1) != 1 != n != lengths[k]:
                raise ShapeError(f"einsum: {k!r} of {equation!r} is {lengths[k]} long, and {n} in another place")
            lengths[k] = n if lengths.get(k, 1) == 1 else lengths[k]
    return lengths


def _prepared(x: Array, term: str, lengths: dict[str, int]) -> tuple[Array, str]:
    """An operand with each of its letters once, and without the axes of length 1 that are longer elsewhere."""
    long = [n == lengths[k] for n, k in zip(x.shape, term, strict=True)]
    if not all(long):
        x = reshape_to(x, shape=[n for n, stays in zip(x.shape, long, strict=True) if stays])
        term = "".join(k for k, stays in zip(term, long, strict=True) if stays)
    for k in [k for k in dict.fromkeys(term) if term.count(k) > 1]:
        while term.count(k) > 1:
            first = term.index(k)
            second = term.index(k, first + 1)
            x = diagonal(x, dim1=first, dim2=second)
            term = term[:first] + term[first + 1 : second] + term[second + 1 :] + k
    return x, term


@functools.lru_cache(1024)
def _path(output: str, operands: tuple[tuple[str, Shape], ...]) -> list[tuple[int, int]]:
    """Which two operands to contract next; the result comes last."""
    if len(operands) < 3:
        return [(0, 1)] * (len(operands) - 1)
    equation = ",".join(a for a, _ in operands) + "->" + output
    shapes = [np.broadcast_to(np.zeros(()), shape) for _, shape in operands]
    search = "optimal" if len(operands) < 6 else "greedy", 2**62  # without a limit on the size of what is between
    found = np.einsum_path(equation, *shapes, optimize=search)[0][1:]
    steps, count = [], len(operands)
    for step in found:  # a step with more than two is taken two at a time, too
        first, *others = sorted(step, reverse=True)
        for other in others:
            steps.append((other, first))
            count -= 1
            first = count - 1
    return steps


def _summed(x: Array, a: str, kept: Any) -> tuple[Array, str]:
    """x summed over the axes whose letters are not kept."""
    lost = tuple(i for i, k in enumerate(a) if k not in kept)
    return (sum(x, axis=lost), "".join(k for k in a if k in kept)) if lost else (x, a)


def _pair(x: Array, a: str, y: Array, b: str, kept: Any) -> tuple[Array, str]:
    x, a = _summed(x, a, {*kept, *b})
    y, b = _summed(y, b, {*kept, *a})
    c = "".join(k for k in dict.fromkeys(kept if isinstance(kept, str) else a + b) if k in kept and k in a + b)
    return contract(x, y, a=a, b=b, c=c), c


def tensordot(x: Array, y: Array, dims: Any = 2) -> Array:
    """Sums of products over the last axes of x with the first of y (`dims`: how many), or over two lists of axes."""
    if isinstance(dims, int):
        dims = range(x.ndim - dims, x.ndim), range(dims)
    left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    a, b = string.ascii_letters[: x.ndim], list(string.ascii_letters[x.ndim : x.ndim + y.ndim])
    for i, j in zip(left, right, strict=True):
        if x.shape[i] != y.shape[j]:
            raise ShapeError(f"tensordot: axes {i} of {x.shape} and {j} of {y.shape} are contracted, but differ")
        b[j] = a[i % x.ndim]
    return contract(x, y, a=a, b="".join(b), c="".join(k for k in (*a, *b) if (k in a) != (k in b)))


numpy_as(np.tensordot, tensordot, a="x", b="y", axes="dims")

# ---------------------------------------------------------------------------- products with a name of their own


def _product(name: str, x: Array, y: Array, *ndims: int) -> Array:
    if (x.ndim, y.ndim) != ndims:
        raise RuntimeError(f"{name}: expected a {ndims[0]}-D and a {ndims[1]}-D tensor, but got {x.shape}, {y.shape}")
    return matmul(x, y)


@composition()
def dot(x: Array, tensor: Array) -> Array:
    """sum(x * y) of two vectors."""
    return _product("dot", x, tensor, 1, 1)


@composition(numpy=np.vdot)
def vdot(x: Array, other: Array) -> Array:
    """`dot`: there are no complex numbers here."""
    return _product("vdot", x, other, 1, 1)


@composition()
def mv(x: Array, vec: Array) -> Array:
    """A matrix times a vector."""
    return _product("mv", x, vec, 2, 1)


@composition()
def mm(x: Array, mat2: Array) -> Array:
    """A matrix times a matrix."""
    return _product("mm", x, mat2, 2, 2)


@composition()
def bmm(x: Array, mat2: Array) -> Array:
    """Matrices times matrices, (b, m, k) and (b, k, n), without broadcasting."""
    if x.shape[:1] != mat2.shape[:1]:
        raise RuntimeError(f"bmm: batches of the same size expected, but got {x.shape} and {mat2.shape}")
    return _product("bmm", x, mat2, 3, 3)


def _added(x: Array, product: Array, beta: float, alpha: float) -> Array:
    product = product if alpha == 1 else alpha * product
    if beta == 0:  # x is not even read: NaN in it does no harm
        return product
    return (x if beta == 1 else beta * x) + product


@composition()
def addmm(x: Array, mat1: Array, mat2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta x + alpha mat1 @ mat2."""
    return _added(x, mm(mat1, mat2), beta, alpha)


@composition()
def addmv(x: Array, mat: Array, vec: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta x + alpha mat @ vec."""
    return _added(x, mv(mat, vec), beta, alpha)


@composition()
def addbmm(x: Array, batch1: Array, batch2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta x + alpha sum over the batch of batch1 @ batch2."""
    return _added(x, einsum("bij,bjk->ik", batch1, batch2), beta, alpha)


@composition()
def baddbmm(x: Array, batch1: Array, batch2: Array, *, beta: float = 1, alpha: float = 1) -> Array:
    """beta x + alpha batch1 @ batch2."""
    return _added(x, bmm(batch1, batch2), beta, alpha)


@composition()
def outer(x: Array, vec2: Array) -> Array:
    """x[i] * y[j] of two vectors."""
    if x.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: expected two vectors, but got {x.shape} and {vec2.shape}")
    return contract(x, vec2, a="i", b="j", c="ij")


@composition(numpy=np.inner)
def inner(x: Array, other: Array) -> Array:
    """Sums of products over the last axis of both; a 0-d tensor is a factor."""
    return tensordot(x, other, ([-1], [-1])) if x.ndim and other.ndim else x * other


@composition(numpy=np.kron)
def kron(x: Array, other: Array) -> Array:
    """The Kronecker product: every element of x times the whole of y."""
    ndim = max(x.ndim, other.ndim)
    left, right = ((1,) * (ndim - len(shape)) + tuple(shape) for shape in (x.shape, other.shape))
    apart = reshape_to(x, shape=[k for n in left for k in (n, 1)])
    together = apart * reshape_to(other, shape=[k for n in right for k in (1, n)])
    return reshape_to(together, shape=[m * n for m, n in zip(left, right, strict=True)])


@composition()
def cross(x: Array, other: Array, dim: int = -1) -> Array:
    """The cross product of vectors of length 3 along an axis."""
    if x.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(f"cross: inputs dimension {dim} must have length 3, but they are {x.shape}, {other.shape}")
    return roll(x, -1, dim) * roll(other, -2, dim) - roll(x, -2, dim) * roll(other, -1, dim)


@composition(numpy=np.linalg.matrix_power)
def matrix_power(x: Array, n: int) -> Array:
    """x @ x @ … n times, by repeated squaring; a negative n takes the inverse."""
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power: n must be an integer, but got {n!r}")
    if n == 0:
        return broadcast_to(beside(np.eye(x.shape[-1], dtype=x.dtype), x), shape=x.shape)
    if n < 0:
        return matrix_power(inverse(x), -n)
    half = matrix_power(matmul(x, x), n // 2) if n > 1 else None
    return x if half is None else matmul(half, x) if n % 2 else half


NUMPY[np.dot] = lambda a, b: matmul(a, b) if 0 < b.ndim < 3 else inner(a, b if b.ndim < 2 else movedim(b, -2, -1))
NUMPY[np.outer] = lambda a, b: outer(a.reshape(-1), b.reshape(-1))
numpy_as(np.cross, cross, a="x", b="other", axis="dim")

# ------------------------------------------------------------------------------- inverse, systems, determinants


@primitive(numpy=np.linalg.inv, x=lambda g, out: -(_t(out) @ g @ _t(out)))
def inverse(x: Array) -> Array:
    """The inverse of a matrix, or of each of a batch."""
    return np.linalg.inv(x)


def _solve_x(g: Array, x: Array, out: Array) -> Array:
    return -(_solve_y(g, x) @ _t(out))


def _solve_y(g: Array, x: Array) -> Array:
    return call(solve_matrix, _t(x), g)


@primitive(name="solve", public=False, x=_solve_x, y=_solve_y)
def solve_matrix(x: Array, y: Array) -> Array:
    """The matrix X with x X = y."""
    return np.linalg.solve(x, y)


def solve(A: Array, B: Array, *, left: bool = True) -> Array:
    """X with A X = B (X A = B with left=False); B is a matrix, a vector, or a batch of either.

    >>> import autograd_mini as am
    >>> solve(am.tensor([[2.0, 0.0], [0.0, 4.0]]), am.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]):
        if not left:
            raise RuntimeError(f"linalg.solve: left=False needs a matrix B, but A is {A.shape} and B {B.shape}")
        return solve_matrix(A, B[..., None])[..., 0]
    return solve_matrix(A, B) if left else swapaxes(solve_matrix(swapaxes(A, -1, -2), swapaxes(B, -1, -2)), -1, -2)


numpy_as(np.linalg.solve, solve, a="A", b="B")


def solve_triangular(A: Array, B: Array, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Array:
    """`solve` that reads one triangle of A alone (with unitriangular, as if its diagonal were 1)."""
    A = triu(A, int(unitriangular)) if upper else tril(A, -int(unitriangular))
    return solve(A + beside(np.eye(A.shape[-1], dtype=A.dtype), A) if unitriangular else A, B, left=left)


def _cofactor_backward(g: Array, x: Array) -> Array:
    inverse_t = _t(call(inverse, x))
    along = np.sum(g * inverse_t, axis=(-2, -1), keepdims=True)
    return call(det, x)[..., None, None] * (along * inverse_t - inverse_t @ _t(g) @ inverse_t)


@primitive(public=False, x=_cofactor_backward)
def cofactor(x: Array) -> Array:
    """det(x) x^-T, also where x has no inverse: from the singular values, as products of all but one of them."""
    u, s, vh = np.linalg.svd(x)
    others = np.prod(np.where(beside(np.eye(s.shape[-1], dtype=bool), s), 1.0, s[..., None, :]), axis=-1, dtype=s.dtype)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return sign[..., None, None] * ((u * others[..., None, :]) @ vh)


@primitive(numpy=np.linalg.det, x=lambda g, x: g[..., None, None] * call(cofactor, x))
def det(x: Array) -> Array:
    """The determinant. Its gradient, the cofactors, exists for singular matrices too; the second one does not."""
    return np.linalg.det(x)


@primitive(public=False, x=lambda g, x: g[..., None, None] * _t(call(inverse, x)))
def logabsdet(x: Array) -> Array:
    """log |det(x)|, where det(x) itself may overflow."""
    return np.linalg.slogdet(x)[1]


@primitive(public=False)
def det_sign(x: Array) -> Array:
    """The sign of det(x): -1, 0 or 1."""
    return np.linalg.slogdet(x)[0]


class SignLogabsdet(NamedTuple):
    """What `slogdet` returns: det = sign * exp(logabsdet)."""

    sign: Array
    logabsdet: Array


@composition(numpy=np.linalg.slogdet)
def slogdet(x: Array) -> SignLogabsdet:
    """The sign of the determinant and the logarithm of its absolute value."""
    return SignLogabsdet(det_sign(x), logabsdet(x))


@composition()
def logdet(x: Array) -> Array:
    """log(det(x)): -inf for 0, NaN below."""
    sign, value = slogdet(x)
    return where(sign < 0, math.nan, value)


def _cholesky_backward(g: Array, out: Array) -> Array:
    upper, n = _t(out), out.shape[-1]
    half = np.tri(n, k=-1, dtype=out.dtype) + np.eye(n, dtype=out.dtype) / 2  # of the diagonal
    inner = (upper @ g) * beside(half, out)
    outer = call(solve_matrix, upper, _t(call(solve_matrix, upper, _t(inner))))  # L^-T inner L^-1
    return (outer + _t(outer)) / 2


@primitive(name="cholesky", public=False, x=_cholesky_backward)
def cholesky_lower(x: Array) -> Array:
    """The lower triangular L with L L^T = (x + x^T) / 2."""
    _check_square(x)
    return np.linalg.cholesky((x + _t(x)) / 2)


@composition()
def cholesky(x: Array, upper: bool = False) -> Array:
    """The lower triangular L with L L^T = x, or the upper one, for a symmetric positive definite x.

    Its gradient is symmetric (Murray 2016, Differentiation of the Cholesky decomposition).
    """
    lower = cholesky_lower(x)
    return swapaxes(lower, -1, -2) if upper else lower


numpy_as(np.linalg.cholesky, cholesky, a="x")


@composition()
def trace(x: Array) -> Array:
    """The sum of the diagonal of a matrix."""
    if x.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got {x.shape}")
    return sum(diagonal(x))


NUMPY[np.trace] = lambda a, offset=0, axis1=0, axis2=1: sum(diagonal(a, offset, axis1, axis2), axis=-1)


def norm(A: Array, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Array:
    """`vector_norm` over one axis (without `ord` over any, or all); of matrices the order "fro", which is 2."""
    axes = A.ndim if dim is None else 1 if isinstance(dim, int) else len(dim)
    if axes != 1 and ord not in (None, "fro"):
        raise NotImplementedError(f"linalg.norm: of matrices there is 'fro' alone, not ord={ord!r}; or give one dim")
    return vector_norm(A, 2 if axes != 1 or ord is None else ord, dim, keepdim)


numpy_as(np.linalg.norm, norm, x="A", axis="dim", keepdims="keepdim")
