"""`sums.py`: what BLAS adds up is what NumPy adds up."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import autograd_mini as am
from autograd_mini.sums import blas_sums, rows, sum_of_rows, sums_of_rows
from autograd_mini.testing import gradcheck

matrices = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=9),
    elements=st.integers(-1000, 1000).map(float),  # whole numbers: both sums are exact
)


@given(matrices, st.sampled_from("CFTS"))
def test_the_sums_of_whole_numbers_are_exact(x: np.ndarray, layout: str) -> None:
    x = {"C": x, "F": np.asfortranarray(x), "T": x.swapaxes(0, 1), "S": x[::-1, ..., ::-2]}[layout]
    assert blas_sums(x)
    for got, expected in (
        (sum_of_rows(x), x.sum(axis=tuple(range(x.ndim - 1)))), (sums_of_rows(x), x.sum(axis=-1))
    ):
        assert got.shape == expected.shape and got.dtype == x.dtype
        assert (got == expected).all()
    assert (rows(x) == x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])).all()


def test_what_is_not_finite_stays_so() -> None:
    x = np.array([[1, np.inf, np.nan, np.inf], [2, 1, 1, -np.inf]], np.float32)
    with np.errstate(invalid="ignore"):  # inf - inf
        np.testing.assert_array_equal(sum_of_rows(x), np.array([3, np.inf, np.nan, np.nan], np.float32))
        np.testing.assert_array_equal(sums_of_rows(x), np.array([np.nan, -np.inf], np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_long_sums_lose_about_as_little_as_numpy_s(dtype: type) -> None:
    x = np.random.default_rng(0).random((50_000, 3)).astype(dtype)  # more rows than there are ones at hand
    exact = x.sum(axis=0, dtype=np.longdouble)
    assert abs(sum_of_rows(x) - exact).max() <= 4 * abs(np.add.reduce(x, axis=0) - exact).max()


@pytest.mark.parametrize("x", [np.ones(3), np.ones((2, 2), np.float16), np.ones((2, 2), int), 1.0, am.ones(2, 2)])
def test_what_is_left_to_numpy(x: object) -> None:
    assert not blas_sums(x)


@pytest.mark.parametrize("shape", [(1,), (5,)])
@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,)])
def test_a_bias_gets_the_sum_of_its_gradient(shape: tuple[int, ...], lead: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x, bias = am.tensor(rng.normal(size=(*lead, 5))), am.tensor(rng.normal(size=shape), requires_grad=True)
    upstream = rng.normal(size=(*lead, 5))
    (x + bias).backward(am.tensor(upstream))
    total = upstream.sum(axis=tuple(range(len(lead))))
    assert bias.grad is not None
    np.testing.assert_allclose(bias.grad.numpy(), total if shape == (5,) else total.sum(keepdims=True), atol=1e-12)
    assert gradcheck(lambda b: (x + b) * b, bias)
