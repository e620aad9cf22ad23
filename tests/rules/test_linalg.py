"""Products in all their shapes, einsum's whole language, and linear algebra where samples do not reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini import linalg
from autograd_mini.rules import linalg as rules
from autograd_mini.testing import gradcheck, gradgradcheck

F16, F32, F64 = np.float16, np.float32, np.float64


def normal(*shape: int, seed: int = 0, dtype: Any = F64) -> Any:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def leaf(array: Any) -> am.Tensor:
    return am.tensor(np.array(array), requires_grad=True)


def assert_close(one: Any, other: Any, tolerance: float = 1e-10) -> None:
    one, other = (v.detach().numpy() if hasattr(v, "detach") else np.asarray(v) for v in (one, other))
    assert one.shape == other.shape
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


# --------------------------------------------------------------------------------------------------- matmul


@st.composite
def factors(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes that matmul takes: vectors, matrices, broadcast batches, lengths of 0 and 1 among them."""
    m, k, n = (draw(st.integers(0, 3)) for _ in range(3))
    batch = draw(st.lists(st.integers(0, 3), max_size=2))
    left = (k,) if draw(st.booleans()) and draw(st.booleans()) else (*batch, m, k)
    some = batch[draw(st.integers(0, len(batch))) :]
    some = [draw(st.sampled_from([1, b])) for b in some]
    right = (k,) if draw(st.booleans()) and draw(st.booleans()) else (*some, k, n)
    return left, right


@given(factors())
def test_matmul(shapes: Any) -> None:
    x, y = (leaf(normal(*shape, seed=i)) for i, shape in enumerate(shapes))
    out = x @ y
    assert_close(out, np.matmul(x.detach().numpy(), y.detach().numpy()))
    assert gradcheck(am.matmul, (x, y), fast_mode=True)
    assert gradgradcheck(am.matmul, (x, y), fast_mode=True)


def test_one_matrix_for_a_batch_needs_no_contiguous_batch() -> None:
    x, y = normal(4, 3, 2, 5).transpose(2, 0, 1, 3), normal(6, 5, seed=1).T
    assert_close(am.tensor(x) @ am.tensor(y), np.matmul(x, y))


def test_matmul_in_half_precision_sums_wider() -> None:
    x = np.full((2, 4096), 0.1, F16)
    assert_close(am.tensor(x) @ am.tensor(x.T.copy()), x.astype(F32) @ x.T.astype(F32), 1e-3)


# --------------------------------------------------------------------------------------------------- einsum

EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba,bc", (2, 3), (2, 4)),
    ("ij->ji", (2, 3)),
    ("ij", (2, 3)),
    ("ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->ji", (3, 3, 2)),
    ("iii->i", (3, 3, 3)),
    ("iijj->ij", (2, 2, 3, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("ii,jj->ij", (3, 3), (2, 2)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    ("ij,kl->", (2, 3), (4, 2)),
    ("ij,k->i", (2, 3), (4,)),
    (",i->i", (), (3,)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("bhqk,bhkd->bqhd", (2, 2, 3, 4), (2, 2, 4, 5)),
    ("bij,bjk,bkl->bil", (2, 3, 4), (2, 4, 2), (2, 2, 3)),
    ("ab,bc,cd,de->ae", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("ab,bc,cd,de,ef,fa", *((2, 2),) * 6),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 2), (2, 2)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("i,j,k,i->kji", (2,), (3,), (4,), (2,)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("...ij,jk", (2, 3, 4), (4, 2)),
    ("i...,i...->...", (3, 2), (3, 2)),
    ("...,...->...", (2, 3), (3,)),
    ("a...b->...ab", (2, 3, 4, 5)),
    ("...ii->...i", (2, 3, 3)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ij,jk->ik", (1, 3), (3, 4)),
    ("ij,ij->ij", (1, 3), (2, 1)),
    ("ij,ij->", (1, 3), (2, 1)),
    ("ij,jk->ik", (2, 1), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("Ab,bA->A", (2, 3), (3, 2)),
]


@pytest.mark.parametrize("case", EQUATIONS, ids=str)
def test_einsum(case: Any) -> None:
    torch = pytest.importorskip("torch")
    equation, *shapes = case
    arrays = [normal(*shape, seed=i) for i, shape in enumerate(shapes)]
    xs = [leaf(x) for x in arrays]
    theirs = [torch.tensor(x, requires_grad=True) for x in arrays]
    out, right = rules.einsum(equation, *xs), torch.einsum(equation, *theirs)
    assert_close(out, right)
    weight = normal(*out.shape, seed=9)
    for one, other in zip(
        am.autograd.grad(out, xs, am.tensor(weight)),
        torch.autograd.grad(right, theirs, torch.tensor(weight)),
        strict=True,
    ):
        assert_close(one, other)
    assert gradgradcheck(lambda *xs: rules.einsum(equation, *xs), xs, fast_mode=True)


@st.composite
def equations(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    """Random equations, of one to four operands, over few letters so that they repeat; some axes have length 1."""
    lengths = {k: draw(st.integers(1, 3)) for k in "abcd"}
    terms = [draw(st.text("abcd", max_size=3)) for _ in range(draw(st.integers(1, 4)))]
    shapes = []
    for term in terms:
        single = {k for k in term if draw(st.integers(0, 4)) == 0}
        shapes.append(tuple(1 if k in single else lengths[k] for k in term))
    equation = ",".join(terms)
    if draw(st.booleans()):
        letters = draw(st.permutations(sorted({*"".join(terms)})))
        equation += "->" + "".join(letters[: draw(st.integers(0, len(letters)))])
    return equation, shapes


@given(equations())
def test_random_einsums(case: Any) -> None:
    equation, shapes = case
    xs = [leaf(normal(*shape, seed=i)) for i, shape in enumerate(shapes)]
    lengths: dict[str, int] = {}
    for term, shape in zip(equation.partition("->")[0].split(","), shapes, strict=True):
        for k, n in zip(term, shape, strict=True):
            lengths[k] = max(n, lengths.get(k, 1))
    wide = []  # NumPy wants repeated letters of one operand to be equally long, and so do we: broadcast by hand
    for term, x in zip(equation.partition("->")[0].split(","), xs, strict=True):
        wide.append(np.broadcast_to(x.detach().numpy(), [lengths[k] for k in term]))
    assert_close(rules.einsum(equation, *xs), np.einsum(equation, *wide))
    assert gradcheck(lambda *xs: rules.einsum(equation, *xs), xs, fast_mode=True)


def test_einsum_with_lists_of_numbers() -> None:
    x, y = normal(2, 3), normal(3, 4)
    assert_close(rules.einsum(am.tensor(x), [0, 1], am.tensor(y), [1, 2], [0, 2]), x @ y)
    assert_close(rules.einsum(am.tensor(x), [0, 1], am.tensor(y), [1, 2]), x @ y)
    assert_close(rules.einsum(am.tensor(x), [..., 0], [0, ...]), x.T)
    assert_close(rules.einsum("ij,jk", [am.tensor(x), am.tensor(y)]), x @ y)


def test_einsum_of_two_is_one_operation() -> None:
    x, y = leaf(normal(2, 3, 4)), leaf(normal(2, 4, 5))
    out = rules.einsum("bij,bjk->kbi", x, y)
    assert out.grad_fn.name == "EinsumBackward"
    assert [parent for parent, _ in out.grad_fn.next_functions] == [x._node, y._node]


def product_of(chain: list[Any]) -> str:
    """The equation of a product of matrices."""
    letters = "abcdef"
    return ",".join(letters[i : i + 2] for i in range(len(chain))) + f"->a{letters[len(chain)]}"


def test_a_chain_is_contracted_in_the_cheapest_order() -> None:
    column, row = leaf(normal(50, 1)), leaf(normal(1, 50))
    for chain in ([row, column, row], [column, row, column], [row, column, row, column, row]):
        sizes, stack = [], [rules.einsum(product_of(chain), *chain).grad_fn]
        while stack:
            node = stack.pop()
            sizes.append(math.prod(node.shape))
            stack += [parent for parent in node.parents if parent is not None and parent.primitive is not None]
        assert max(sizes) == 50  # never the 50 x 50 of column @ row


BAD_EQUATIONS = {
    "ij,jk->ik": [(2, 3), (4, 5)],
    "ij->ik": [(2, 3)],
    "ij->ii": [(2, 3)],
    "i": [(2, 3)],
    "ij": [(2,)],
    "i,j": [(2,)],
    "i1->i": [(2, 3)],
    "ii": [(2, 3)],
    "...ijk": [(2, 3)],
    "ij,j->i->j": [(2, 3), (3,)],
}


@pytest.mark.parametrize("equation", BAD_EQUATIONS)
def test_bad_equations(equation: str) -> None:
    with pytest.raises((RuntimeError, ValueError)) as error:
        rules.einsum(equation, *(am.tensor(normal(*shape)) for shape in BAD_EQUATIONS[equation]))
    assert isinstance(error.value, RuntimeError) and "einsum" in str(error.value)


@pytest.mark.parametrize("dims", [0, 1, 2, ([0], [1]), ([2, 0], [0, 1]), ((-1,), (-1,))], ids=str)
def test_tensordot(dims: Any) -> None:
    shapes = {
        0: ((2, 3), (2,)),
        1: ((2, 3, 4), (4, 2)),
        2: ((2, 3, 4), (3, 4, 2)),
        "([0], [1])": ((2, 3), (4, 2)),
        "([2, 0], [0, 1])": ((2, 3, 4), (4, 2, 5)),
        "((-1,), (-1,))": ((2, 3), (4, 3)),
    }[dims if isinstance(dims, int) else str(dims)]
    x, y = (normal(*shape, seed=i) for i, shape in enumerate(shapes))
    assert_close(rules.tensordot(am.tensor(x), am.tensor(y), dims), np.tensordot(x, y, dims))
    assert gradcheck(lambda a, b: rules.tensordot(a, b, dims), (leaf(x), leaf(y)), fast_mode=True)


# ------------------------------------------------------------------------------------------ systems, determinants


SYSTEMS = [((3, 3), (3,)), ((2, 3, 3), (2, 3)), ((2, 3, 3), (3,)), ((3, 3), (2, 3, 2)), ((2, 3, 3), (3, 3))]


@pytest.mark.parametrize("shapes", SYSTEMS, ids=str)
@pytest.mark.parametrize("left", [True, False])
def test_solve(shapes: Any, left: bool) -> None:
    torch = pytest.importorskip("torch")
    a, b = normal(*shapes[0]) + 2 * np.eye(3), normal(*shapes[1], seed=1)
    vector = b.ndim == 1 or shapes == ((2, 3, 3), (2, 3))
    if not left:
        if vector:
            with pytest.raises(RuntimeError, match="left=False"):
                linalg.solve(am.tensor(a), am.tensor(b), left=False)
            return
        b = np.swapaxes(b, -1, -2)
    right = torch.linalg.solve(torch.tensor(a), torch.tensor(b), left=left)
    assert_close(linalg.solve(am.tensor(a), am.tensor(b), left=left), right)
    assert gradcheck(lambda a, b: linalg.solve(a, b, left=left), (leaf(a), leaf(b)), fast_mode=True)


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_solve_triangular_reads_one_triangle(upper: bool, unit: bool) -> None:
    torch = pytest.importorskip("torch")
    a, b = normal(3, 3) + 2 * np.eye(3), normal(3, 2, seed=1)
    options = {"upper": upper, "unitriangular": unit}
    right = torch.linalg.solve_triangular(torch.tensor(a), torch.tensor(b), **options)
    assert_close(linalg.solve_triangular(am.tensor(a), am.tensor(b), **options), right)
    assert gradcheck(lambda a, b: linalg.solve_triangular(a, b, **options), (leaf(a), leaf(b)), fast_mode=True)


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_gradient_of_a_determinant_exists_where_there_is_no_inverse(rank: int) -> None:
    x = normal(3, rank) @ normal(rank, 3, seed=1)
    minors = np.empty((3, 3))
    for i, j in np.ndindex(3, 3):
        minors[i, j] = (-1) ** (i + j) * np.linalg.det(np.delete(np.delete(x, i, 0), j, 1))
    tensor = leaf(x)
    am.det(tensor).backward()
    assert_close(tensor.grad, minors)


def test_logdet_of_what_has_none() -> None:
    assert math.isnan(am.logdet(am.tensor(np.diag([1.0, -1.0]))).item())
    assert am.logdet(am.zeros(2, 2)).item() == -math.inf
    assert am.slogdet(am.tensor(np.eye(200) * 100)).logabsdet.item() == pytest.approx(200 * math.log(100))


def test_singular_matrices_are_an_error() -> None:
    for call in (am.inverse, lambda x: linalg.solve(x, x)):
        with pytest.raises(RuntimeError, match="Singular"):
            call(am.zeros(2, 2))
    with pytest.raises(RuntimeError, match="positive definite"):
        am.cholesky(-am.eye(2))


def test_cholesky_upper_and_its_symmetric_gradient() -> None:
    torch = pytest.importorskip("torch")
    x = normal(3, 3)
    x = x @ x.T + np.eye(3)
    ours, theirs = leaf(x), torch.tensor(x, requires_grad=True)
    out, right = am.cholesky(ours, upper=True), torch.linalg.cholesky(theirs, upper=True)
    assert_close(out, right)
    (out**3).sum().backward()
    (right**3).sum().backward()
    assert_close(ours.grad, theirs.grad)


# ---------------------------------------------------------------------------------------------------- norms


@pytest.mark.parametrize("args", [(), (3,), ("fro",), ("fro", (0, 1)), (None, 1), (3, 0), (-math.inf, (1,))], ids=str)
def test_norm(args: Any) -> None:
    torch = pytest.importorskip("torch")
    x = normal(3) if args == (3,) else normal(3, 4)
    assert_close(linalg.norm(am.tensor(x), *args), torch.linalg.norm(torch.tensor(x), *args))


def test_norms_that_need_singular_values_are_refused() -> None:
    for ord in (2, "nuc", 1):
        with pytest.raises(NotImplementedError, match="'fro' alone"):
            linalg.norm(am.ones(2, 3), ord)


# -------------------------------------------------------------------------------------------- the smaller ones


def test_addmm_does_not_read_what_beta_0_leaves_out() -> None:
    out = am.addmm(am.full((2, 2), math.nan), am.ones(2, 3), am.ones(3, 2), beta=0)
    assert out.tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_matrix_power_0() -> None:
    assert_close(am.matrix_power(am.tensor(normal(2, 3, 3)), 0), np.broadcast_to(np.eye(3), (2, 3, 3)))


NUMPY_CALLS: dict[str, Any] = {
    "matmul": lambda np, x, y, q: np.matmul(x, y),
    "dot": lambda np, x, y, q: np.dot(x, y),
    "dot of vectors": lambda np, x, y, q: np.dot(x[0], x[1]),
    "dot of batches": lambda np, x, y, q: np.dot(x, q),
    "inner": lambda np, x, y, q: np.inner(x, x),
    "outer": lambda np, x, y, q: np.outer(x, y),
    "kron": lambda np, x, y, q: np.kron(x, y),
    "cross": lambda np, x, y, q: np.cross(x, x[::-1]),
    "einsum": lambda np, x, y, q: np.einsum("ij,jk->ki", x, y),
    "einsum optimize": lambda np, x, y, q: np.einsum("ij,jk,kl", x, y, x, optimize=True),
    "tensordot": lambda np, x, y, q: np.tensordot(x, y, axes=1),
    "trace": lambda np, x, y, q: np.trace(q, axis1=1, axis2=2),
    "inv": lambda np, x, y, q: np.linalg.inv(x @ y),
    "solve": lambda np, x, y, q: np.linalg.solve(x @ y, x[:, 0]),
    "det": lambda np, x, y, q: np.linalg.det(q),
    "slogdet": lambda np, x, y, q: np.linalg.slogdet(q)[1],
    "matrix_power": lambda np, x, y, q: np.linalg.matrix_power(q, 3),
    "cholesky": lambda np, x, y, q: np.linalg.cholesky(x @ x.T),
    "norm": lambda np, x, y, q: np.linalg.norm(x),
    "norm of rows": lambda np, x, y, q: np.linalg.norm(x, axis=1, keepdims=True),
}


@pytest.mark.parametrize("name", NUMPY_CALLS)
def test_numpy_functions_are_recorded(name: str) -> None:
    arrays = normal(2, 3), normal(3, 2, seed=1), normal(2, 3, 3, seed=2)
    out = NUMPY_CALLS[name](np, *(leaf(x) for x in arrays))
    assert isinstance(out, am.Tensor) and out.requires_grad
    assert_close(out, NUMPY_CALLS[name](np, *arrays))


WRONG = {
    "mm": lambda x: am.mm(x, x[0]),
    "mv": lambda x: am.mv(x, x),
    "bmm": lambda x: am.bmm(x[None], am.ones(2, 3, 3)),
    "dot": lambda x: am.dot(x, x),
    "outer": lambda x: am.outer(x, x),
    "matmul": lambda x: x @ x,
    "matmul of a batch": lambda x: x[None] @ x,
    "trace": lambda x: am.trace(x[0]),
    "cross": lambda x: am.cross(x[:, :2], x[:, :2]),
    "det": lambda x: am.det(x),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes(name: str) -> None:
    with pytest.raises(RuntimeError):
        WRONG[name](am.ones(2, 3))


@pytest.mark.parametrize(("left", "right"), [((2, 3), (2, 3)), ((3,), (2,)), ((4, 2, 3), (2, 5)), ((2, 3), (4,))])
def test_matrices_that_do_not_fit(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """The most common mistake of a beginner gets a sentence, not NumPy's gufunc signature."""
    rows = right[-2] if len(right) > 1 else right[0]
    with pytest.raises(RuntimeError, match=f"cannot be multiplied: {left[-1]} columns meet {rows} rows"):
        am.zeros(left) @ am.zeros(right)


def test_products_of_halves_are_sums_of_singles() -> None:
    """BLAS has none for float16; what is rounded is the result, not each sum on the way, and too much is inf."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(np.float16) for shape in ((7, 90), (5, 90)))
    xs, ws = am.tensor(x, requires_grad=True), am.tensor(w, requires_grad=True)
    seed = rng.standard_normal((7, 5)).astype(np.float16)
    for out in (am.nn.functional.linear(xs, ws), xs @ ws.T):
        xs.grad = ws.grad = None
        out.backward(am.tensor(seed))
        wide = [a.astype(np.float32) for a in (x, w, seed)]
        exact = (wide[0] @ wide[1].T, wide[2] @ wide[1], wide[2].T @ wide[0])
        for found, expected in zip((out, xs.grad, ws.grad), exact, strict=True):
            assert found.dtype == np.float16
            assert np.array_equal(found.detach().numpy(), expected.astype(np.float16))
    huge = am.full((2, 2), 6e4, dtype=am.float16)
    assert (huge @ huge).tolist() == [[np.inf] * 2] * 2
    x = am.tensor([1.0], dtype=am.float16, requires_grad=True)
    (x.float() * 1e6).backward()
    assert x.grad.tolist() == [np.inf]


SHAPES = [  # on both sides of the size from which on products are made by another of NumPy's functions
    ((3,), (3,)), ((3,), (3, 4)), ((4, 3), (3,)), ((100, 1), (1, 16)), ((16, 100), (100, 1)), ((0, 3), (3, 2)),
    ((3, 0), (0, 2)), ((200, 200), (200, 3)), ((200, 200), (200, 200)), ((40000, 1), (1, 3)), ((20, 2000), (2000,))
]


@pytest.mark.parametrize(("left", "right"), SHAPES)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.bool_])
def test_products_of_all_sizes_are_numpys(left: tuple[int, ...], right: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 2, shape).astype(dtype) for shape in (left, right))  # exact, whatever the order
    wide = np.int64 if dtype != np.bool_ else np.bool_
    for a, b in ((x, y), (np.flip(x), np.flip(y)), (np.repeat(x, 2, -1)[..., ::2], np.asfortranarray(y))):
        found, expected = rules.product(a, b), a.astype(wide) @ b.astype(wide)
        assert found.dtype == dtype and np.shape(found) == np.shape(expected)
        np.testing.assert_array_equal(found, expected)


def test_products_that_do_not_fit_say_so_whatever_the_size() -> None:
    for n in (2, 300):
        with pytest.raises(RuntimeError, match=f"linear.*float32 \\({n}, {n}\\).*differ in length"):
            am.nn.functional.linear(am.ones(n, n), am.ones(n, n + 1))
