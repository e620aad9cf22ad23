"""Making tensors: memory, dtypes, and random numbers that are seeded, reproducible and distributed as they claim.

That values and dtypes equal PyTorch's is tested in `test_parity.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn.functional import scaled_dot_product_attention

N = 20_000


@pytest.fixture
def default_dtype() -> Iterator[None]:
    yield
    am.set_default_dtype(am.float32)


def test_tensor_copies_and_as_tensor_does_not() -> None:
    array = np.ones(3)
    assert not np.shares_memory(am.tensor(array).numpy(), array)
    assert np.shares_memory(am.as_tensor(array).numpy(), array)
    assert np.shares_memory(am.from_numpy(array).numpy(), array)
    t = am.ones(2)
    assert am.as_tensor(t) is t and am.as_tensor(t, dtype=am.float64) is not t


def test_new_tensors_own_their_memory() -> None:
    assert all(t.numpy().flags.writeable for t in (am.zeros(3), am.full((2,), 1.0), am.eye(2), am.linspace(0, 1, 3)))
    first, second = am.zeros(3), am.zeros(3)
    first += 1
    assert second.tolist() == [0, 0, 0]


def test_list_of_tensors_makes_no_history() -> None:
    x = am.tensor(2.0, requires_grad=True)
    made = am.tensor([x.detach(), x.detach()])
    assert made.tolist() == [2, 2] and not made.requires_grad


def test_default_dtype(default_dtype: None) -> None:
    assert am.get_default_dtype() == am.float32 == am.tensor(1.5).dtype
    am.set_default_dtype(am.float64)
    assert am.float64 == am.tensor(1.5).dtype == am.zeros(2).dtype == am.rand(2).dtype == am.randn(2).dtype
    assert (am.tensor([1]) / 2).dtype == am.float64
    assert am.tensor([1]).dtype == am.int64
    with pytest.raises(TypeError, match="floating"):
        am.set_default_dtype(am.int64)


@pytest.mark.parametrize("dtype", ["complex64", "object", ">f4", "U1", "datetime64[s]"])
def test_unsupported_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(TypeError):
        am.zeros(2, dtype=np.dtype(dtype))
    with pytest.raises(TypeError):
        am.tensor(np.zeros(2, dtype))
    with pytest.raises(TypeError):
        am.from_numpy(np.zeros(2, dtype))


def test_from_numpy_wants_an_array() -> None:
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        am.from_numpy([1.0])


@pytest.mark.parametrize("make", [am.zeros, am.ones, am.empty, am.rand, am.randn])
def test_devices_other_than_the_cpu_are_refused(make: Any) -> None:
    assert make(2, device="cpu").shape == (2,)
    with pytest.raises(RuntimeError, match="cuda"):
        make(2, device="cuda")


# ---------------------------------------------------------------------------------------------------- random

DRAWS: dict[str, Any] = {
    "rand": lambda g: am.rand(5, generator=g),
    "randn": lambda g: am.randn(5, generator=g),
    "randint": lambda g: am.randint(0, 1000, (5,), generator=g),
    "randperm": lambda g: am.randperm(50, generator=g),
    "normal": lambda g: am.normal(0.0, 1.0, (5,), generator=g),
    "bernoulli": lambda g: am.bernoulli(am.full((50,), 0.5), generator=g),
    "multinomial": lambda g: am.multinomial(am.ones(50), 20, generator=g),
    "multinomial with replacement": lambda g: am.multinomial(am.ones(50), 20, True, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_seed_decides_every_draw(name: str) -> None:
    draw = DRAWS[name]
    am.manual_seed(1)
    one, two = draw(None).tolist(), draw(None).tolist()
    am.manual_seed(1)
    assert draw(None).tolist() == one != two
    generator = am.Generator().manual_seed(1)
    assert draw(generator).tolist() == one
    am.manual_seed(2)
    assert draw(None).tolist() != one


@pytest.mark.parametrize("name", DRAWS)
def test_numpy_global_state_is_never_touched(name: str) -> None:
    before = np.random.get_state()[1].copy()
    DRAWS[name](None)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_generator_state() -> None:
    generator = am.Generator().manual_seed(5)
    am.rand(3, generator=generator)
    state = generator.get_state()
    one = am.rand(3, generator=generator).tolist()
    assert am.rand(3, generator=generator).tolist() != one
    generator.set_state(state)
    assert am.rand(3, generator=generator).tolist() == one
    assert generator.initial_seed() == 5
    assert am.Generator().seed() != am.Generator().seed()


def test_uniform() -> None:
    x = am.rand(N).numpy()
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() < 1
    assert x.mean() == pytest.approx(0.5, abs=0.02) and x.var() == pytest.approx(1 / 12, abs=0.005)


def test_normal() -> None:
    x = am.randn(N).numpy()
    assert x.mean() == pytest.approx(0, abs=0.04) and x.std() == pytest.approx(1, abs=0.03)
    y = am.normal(3.0, 0.5, (N,)).numpy()
    assert y.mean() == pytest.approx(3, abs=0.02) and y.std() == pytest.approx(0.5, abs=0.02)
    means = am.normal(am.tensor([0.0, 100.0]), 0.1)
    assert means.shape == (2,) and abs(means.numpy() - [0, 100]).max() < 1


def test_randint() -> None:
    x = am.randint(2, 5, (N,)).numpy()
    assert x.dtype == np.int64 and set(x) == {2, 3, 4}
    np.testing.assert_allclose(np.bincount(x)[2:] / N, 1 / 3, atol=0.02)
    assert set(am.randint(2, (100,)).tolist()) == {0, 1}


def test_randperm() -> None:
    assert sorted(am.randperm(10).tolist()) == list(range(10))
    first = [am.randperm(3).tolist()[0] for _ in range(600)]
    np.testing.assert_allclose(np.bincount(first) / 600, 1 / 3, atol=0.08)


def test_bernoulli() -> None:
    p = am.tensor([0.0, 1.0, 0.3]).reshape(3, 1).expand(3, N)
    x = am.bernoulli(p).numpy()
    assert x.dtype == np.float32 and set(np.unique(x)) == {0.0, 1.0}
    np.testing.assert_allclose(x.mean(1), [0, 1, 0.3], atol=0.02)


def test_multinomial_with_replacement_follows_the_weights() -> None:
    drawn = am.multinomial(am.tensor([1.0, 0.0, 3.0]), N, replacement=True).numpy()
    assert drawn.dtype == np.int64
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / N, [0.25, 0, 0.75], atol=0.02)


def test_multinomial_without_replacement() -> None:
    rows = am.multinomial(am.tensor([[1.0, 1.0, 0.0, 8.0]] * 2000), 2).numpy()
    assert rows.shape == (2000, 2) and (rows[:, 0] != rows[:, 1]).all() and 2 not in rows
    assert (rows[:, 0] == 3).mean() == pytest.approx(0.8, abs=0.04)


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_multinomial_refuses_bad_weights(weights: list[float]) -> None:
    with pytest.raises(RuntimeError, match="probability"):
        am.multinomial(am.tensor(weights), 1)


@pytest.mark.parametrize("wrong", [0, False, 5, "x", np.random.default_rng(0)], ids=str)
def test_what_is_no_generator_is_refused(wrong: Any) -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        for draw in (lambda am: am.rand(2, generator=wrong), lambda am: am.randperm(3, generator=wrong),
                     lambda am: am.bernoulli(am.ones(2), generator=wrong),
                     lambda am: am.ones(2).uniform_(generator=wrong),
                     lambda am: am.multinomial(am.ones(2), 1, generator=wrong)):  # fmt: skip
            with pytest.raises(TypeError, match="enerator"):
                draw(lib)
    for fill in (am.nn.init.trunc_normal_, am.nn.init.orthogonal_, am.nn.init.uniform_):
        with pytest.raises(TypeError, match=r"generator must be an autograd_mini\.Generator"):
            fill(am.zeros(2, 2), generator=wrong)
    with pytest.raises(TypeError, match=r"generator must be an autograd_mini\.Generator"):
        am.nn.init.sparse_(am.zeros(2, 2), 0.5, generator=wrong)
    with pytest.raises(TypeError, match=r"generator must be an autograd_mini\.Generator"):
        scaled_dot_product_attention(am.ones(2, 2), am.ones(2, 2), am.ones(2, 2), dropout_p=0.5, generator=wrong)


def test_bounds_of_integers_are_integers() -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        for bounds in ((1.5, 3.5), (3.0,), ("3",), (0, 3.5)):
            with pytest.raises(TypeError, match="randint"):
                lib.randint(*bounds, (2,))
        with pytest.raises(TypeError):
            lib.randint_like(lib.ones(2), 1.5)
        with pytest.raises(TypeError):
            lib.randperm(3.5)
        assert lib.randint(lib.tensor(1), (2,)).tolist() == lib.randint(np.int64(1), (2,)).tolist() == [0, 0]


@pytest.mark.parametrize("replacement", [False, True])
def test_multinomial_refuses_what_is_no_number_of_samples_and_other_shapes(replacement: bool) -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        for count in (0, -1):
            with pytest.raises(RuntimeError, match="cannot sample n_sample <= 0 samples"):
                lib.multinomial(lib.ones(3), count, replacement)
        with pytest.raises(TypeError):
            lib.multinomial(lib.ones(3), 1.5, replacement)
        for weights in (lib.tensor(1.0), lib.ones(2, 2, 3)):
            with pytest.raises(RuntimeError, match="prob_dist must be 1 or 2 dim"):
                lib.multinomial(weights, 2, replacement)


def test_multinomial_refuses_more_than_there_are() -> None:
    with pytest.raises(RuntimeError, match="3 times"):
        am.multinomial(am.tensor([1.0, 1.0, 0.0]), 3)


def test_random_integers_are_not_random_floats() -> None:
    with pytest.raises(RuntimeError, match="randint"):
        am.rand(2, dtype=am.int64)


@pytest.mark.parametrize("dtype", [am.float16, am.float32, am.float64])
def test_random_floats_have_the_dtype_asked_for(dtype: Any) -> None:
    assert am.rand(3, dtype=dtype).dtype == am.randn(3, dtype=dtype).dtype == dtype
    assert am.rand_like(am.ones(2, dtype=dtype)).dtype == am.randn_like(am.ones(2, dtype=dtype)).dtype == dtype


def test_rand_float16_is_below_one() -> None:
    assert am.rand(N, dtype=am.float16).numpy().max() < 1


# ----------------------------------------------------------------------------------------- PyTorch's lesser names


def test_logspace_and_randint_like() -> None:
    np.testing.assert_allclose(am.logspace(0, 2, 5, dtype=am.float64).numpy(), np.logspace(0, 2, 5))
    np.testing.assert_allclose(am.logspace(-1, 3, 3, base=2).numpy(), [0.5, 2, 8])
    drawn = am.randint_like(am.zeros(50, 2), 3, 6)
    assert drawn.dtype == "float32" and set(drawn.ravel().tolist()) == {3.0, 4.0, 5.0}
    assert am.randint_like(am.zeros(9), 1, dtype=am.int64).tolist() == [0] * 9


def test_new_detach_and_data_ptr() -> None:
    x = am.ones(2, 3, dtype=am.float64)
    assert x.new(4, 1).shape == (4, 1) and x.new([1, 2]).tolist() == [1.0, 2.0] and x.new().shape == (0,)
    assert x.new([1]).dtype == x.new(2).dtype == "float64"
    assert x.data_ptr() == x.view(6).data_ptr() == x[0].data_ptr() != x[1].data_ptr() != x.clone().data_ptr()
    w = am.ones(2, requires_grad=True)
    y = w * 2
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    (w * 3).sum().backward()
    assert w.detach_().grad.tolist() == [3.0, 3.0] and not w.requires_grad
