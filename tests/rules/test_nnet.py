"""Norms, attention, dropout and losses against PyTorch; statistics, masks, ends of ranges, and errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from rules.against_torch import compare

import autograd_mini as am
from autograd_mini.rules import nnet


def normal(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def probabilities(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape)


def functional() -> Any:
    return pytest.importorskip("torch").nn.functional


# -------------------------------------------------------------------------------------------- softmax and norms


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_in_another_dtype_of_nothing_and_along_one_axis(name: str) -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        x = lib.tensor([[1.0, 4.0, 9.0]], requires_grad=True)
        function = getattr(lib, name)
        for out in (function(x, 1, dtype=lib.float64), getattr(x, name)(1, lib.float64)):
            assert out.dtype == lib.float64
        out[0, 0].backward()
        assert x.grad.dtype == lib.float32
        assert function(lib.tensor([1, 2]), 0, dtype=lib.float32).dtype == lib.float32
        for shape, dim in (((0, 3), 0), ((0, 3), 1), ((3, 0), 1)):
            nothing = lib.zeros(shape, requires_grad=True)
            out = function(nothing, dim)
            assert tuple(out.shape) == shape
            out.sum().backward()
            assert tuple(nothing.grad.shape) == shape
        for wrong in (None, (), (0, 1)):
            with pytest.raises(TypeError, match=f"argument 'dim' must be int, not {type(wrong).__name__}"):
                getattr(x, name)(dim=wrong)
    right = getattr(torch, name)(torch.tensor([[1.0, 4.0, 9.0]]), 1, dtype=torch.float64).numpy()
    np.testing.assert_allclose(getattr(am, name)(am.tensor([[1.0, 4.0, 9.0]]), 1, dtype=am.float64), right, rtol=1e-15)


def test_softmax_of_nothing_but_minus_infinity_is_nan_without_a_warning() -> None:
    assert np.isnan(am.softmax(am.full((2,), -np.inf), 0).numpy()).all()
    assert np.isnan(am.log_softmax(am.full((2,), -np.inf), 0).numpy()).all()


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)])
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layer_norm(shape: tuple[int, ...], eps: float) -> None:
    x, weight, bias = normal(3, *shape), normal(*shape, seed=1), normal(*shape, seed=2)
    compare(
        lambda x, w, b: am.layer_norm(x, shape, w, b, eps),
        lambda x, w, b: functional().layer_norm(x, shape, w, b, eps),
        x,
        weight,
        bias,
    )
    compare(lambda x: am.layer_norm(x, shape, eps=eps), lambda x: functional().layer_norm(x, shape, eps=eps), x)
    compare(lambda x, w: am.rms_norm(x, shape, w), lambda x, w: functional().rms_norm(x, shape, w), x, weight)


def test_norms_far_from_zero() -> None:
    """The mean is subtracted before anything is squared."""
    x = am.tensor(np.array([[1e4, 1e4 + 1, 1e4 + 2]], np.float32))
    np.testing.assert_allclose(am.layer_norm(x, (3,), eps=0.0), [[-(1.5**0.5), 0, 1.5**0.5]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 5), (2, 3, 4, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape: tuple[int, ...], training: bool) -> None:
    """And the running statistics after it, with PyTorch's momentum."""
    torch = pytest.importorskip("torch")
    after = []

    def run(library: Any, function: Any) -> Any:
        def call(x: Any, w: Any, b: Any) -> Any:
            mean, var = library.tensor(np.arange(3.0)), library.tensor(np.arange(3.0) + 1)
            out = function(x, mean, var, w, b, training, 0.3, 1e-3)
            after.append((mean.numpy().copy(), var.numpy().copy()))
            return out

        return call

    compare(run(am, am.batch_norm), run(torch, torch.nn.functional.batch_norm), normal(*shape), *normal(2, 3, seed=1))
    np.testing.assert_allclose(after[0], after[1], rtol=1e-12)
    assert training == (after[0][0][0] != 0)


def test_running_statistics_may_be_arrays() -> None:
    mean, var = np.zeros(2, np.float32), np.ones(2, np.float32)
    am.batch_norm(am.tensor([[1.0, 2.0], [3.0, 6.0]]), mean, var, training=True, momentum=0.5)
    np.testing.assert_allclose([mean, var], [[1, 2], [1.5, 4.5]])


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm(groups: int) -> None:
    x, (weight, bias) = normal(3, 4, 3, 2), normal(2, 4, seed=1)
    theirs = functional()
    compare(
        lambda *xs: am.group_norm(xs[0], groups, *xs[1:]),
        lambda *xs: theirs.group_norm(xs[0], groups, *xs[1:]),
        x,
        weight,
        bias,
    )


def test_errors_of_norms() -> None:
    x = am.zeros(2, 4)
    for call, message in (
        (lambda: am.layer_norm(x, (3,)), r"normalized_shape=\[3\]"),
        (lambda: am.layer_norm(x, (4,), am.zeros(3)), r"but got \[\[2, 4\], \[3\]\]"),
        (lambda: am.group_norm(x, 3), "divisible by num_groups"),
        (lambda: am.batch_norm(x), "when training=False"),
    ):
        with pytest.raises(RuntimeError, match=message):
            call()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        am.batch_norm(x[:1], training=True)


# ------------------------------------------------------------------------------------------ attention and dropout

SEEN = np.random.default_rng(3).random((5, 6)) < 0.6
SEEN[:, 0], SEEN[2] = True, False  # the third query sees nothing
MASKS = [None, SEEN, normal(5, 6), np.where(SEEN, normal(5, 6), -np.inf), SEEN[None, None]]


def attend(library: Any, function: Any, **options: Any) -> Any:
    given = {k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
    return lambda *xs: function(*xs, **given)


@pytest.mark.parametrize("number", range(len(MASKS) + 2))
def test_attention(number: int) -> None:
    torch = pytest.importorskip("torch")
    options = [*({"attn_mask": mask} for mask in MASKS), {"is_causal": True}, {"scale": 0.3}][number]
    ours = attend(am, nnet.scaled_dot_product_attention, **options)
    theirs = attend(torch, torch.nn.functional.scaled_dot_product_attention, **options)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):  # the one with second derivatives
        compare(ours, theirs, normal(2, 3, 5, 4), normal(2, 3, 6, 4, seed=1), normal(2, 3, 6, 3, seed=2))


def test_attention_of_shared_heads_and_by_a_learned_mask() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.functional.scaled_dot_product_attention
    x, y = normal(2, 6, 5, 4), normal(2, 3, 6, 4, seed=1)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        compare(
            attend(am, nnet.scaled_dot_product_attention, enable_gqa=True),
            attend(torch, theirs, enable_gqa=True),
            x,
            y,
            normal(2, 3, 6, 4, seed=2),
        )
        compare(nnet.scaled_dot_product_attention, theirs, x[0, 0], y[0, 0], y[1, 0], normal(5, 6))


def test_attention_errors() -> None:
    x = am.zeros(2, 3)
    with pytest.raises(RuntimeError, match="is_causal=True"):
        nnet.scaled_dot_product_attention(x, x, x, am.zeros(2, 2), is_causal=True)


def test_dropout() -> None:
    """A seeded generator decides; what is kept is scaled, and so is its gradient."""
    x = am.ones(1000, requires_grad=True)
    out = nnet.dropout(x, 0.25, generator=am.Generator().manual_seed(3))
    again = nnet.dropout(x, 0.25, generator=am.Generator().manual_seed(3))
    np.testing.assert_array_equal(out.detach().numpy(), again.detach().numpy())
    assert set(np.unique(out.detach().numpy())) == {np.float32(0), np.float32(4 / 3)}
    assert 700 < np.count_nonzero(out.detach().numpy()) < 800
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, out.detach())
    assert nnet.dropout(x, 0.5, training=False) is x and nnet.dropout(x, 0.0) is x
    assert not nnet.dropout(x, 1.0).any()
    with pytest.raises(ValueError, match="between 0 and 1"):
        nnet.dropout(x, 1.5)


def test_dropout_of_attention_draws_from_the_generator() -> None:
    q = am.tensor(normal(4, 3))

    def attended(seed: int) -> Any:
        generator = am.Generator().manual_seed(seed)
        return nnet.scaled_dot_product_attention(q, q, q, dropout_p=0.5, generator=generator).numpy()

    np.testing.assert_array_equal(attended(1), attended(1))
    assert not np.array_equal(attended(1), attended(2))


# ------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(reduction: str, weighted: bool) -> None:
    torch = pytest.importorskip("torch")
    scale = positive = probabilities(4, 3, seed=5) + 1

    def options(library: Any, *names: str) -> dict[str, Any]:
        return {name: library.tensor(scale if name == "weight" else positive) for name in names if weighted}

    for name, given, x in (
        ("binary_cross_entropy", ("weight",), probabilities(4, 3)),
        ("binary_cross_entropy_with_logits", ("weight", "pos_weight"), normal(4, 3)),
    ):
        ours, theirs = getattr(nnet, name), getattr(torch.nn.functional, name)
        compare(
            lambda x, t, f=ours, n=given: f(x, t, reduction=reduction, **options(am, *n)),
            lambda x, t, f=theirs, n=given: f(x, t, reduction=reduction, **options(torch, *n)),
            x,
            probabilities(4, 3, seed=1),
        )


def test_binary_cross_entropy_at_the_ends() -> None:
    """As in PyTorch: no logarithm is below -100, and no gradient divides by 0."""
    x, t = np.array([0.0, 1.0, 0.0, 1.0]), am.tensor(np.array([0.0, 1.0, 1.0, 0.0]))
    p = am.tensor(x, requires_grad=True)
    losses = nnet.binary_cross_entropy(p, t, reduction="none")
    np.testing.assert_array_equal(losses.detach().numpy(), [0, 0, 100, 100])
    losses.sum().backward()
    np.testing.assert_allclose(p.grad, [0, 0, -1e12, 1e12])
    with pytest.raises(RuntimeError, match="between 0 and 1"):
        nnet.binary_cross_entropy(am.tensor([1.5]), am.tensor([1.0]))


def test_logits_far_out() -> None:
    x = am.tensor([1e4, -1e4, 0.0], requires_grad=True)
    losses = nnet.binary_cross_entropy_with_logits(x, am.tensor([0.0, 1.0, 1.0]), reduction="none")
    np.testing.assert_allclose(losses.detach().numpy(), [1e4, 1e4, np.log(2)], rtol=1e-6)
    losses.sum().backward()
    np.testing.assert_allclose(x.grad, [1, -1, -0.5])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none", "batchmean"])
@pytest.mark.parametrize("log_target", [False, True])
def test_kl_div(reduction: str, log_target: bool) -> None:
    options = {"reduction": reduction, "log_target": log_target}
    compare(nnet.kl_div, functional().kl_div, normal(4, 3), probabilities(4, 3, seed=1), **options)
    zero = am.tensor([0.0, 1.0])
    assert nnet.kl_div(am.tensor([-3.0, 0.0]), zero, reduction="sum").item() == 0


def test_likenesses() -> None:
    x, y = normal(3, 4), normal(3, 4, seed=1)
    for p, dim in itertools.product((1, 2.0, 3.0), (0, 1)):
        compare(nnet.normalize, functional().normalize, x, p=p, dim=dim)
        compare(am.cosine_similarity, functional().cosine_similarity, x, y, dim=dim)
    zero = am.zeros(2, requires_grad=True)
    for out in (nnet.normalize(zero, dim=0), am.cosine_similarity(zero, zero, dim=0)):
        out.sum().backward()
        assert np.isfinite(zero.grad.numpy()).all() and not out.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("wrong", [2.0, -0.1, float("nan")])
def test_targets_are_probabilities(wrong: float) -> None:
    torch = pytest.importorskip("torch")
    for lib in (torch, am):
        x, target = lib.tensor([0.5, 0.5]), lib.tensor([wrong, 0.5])
        with pytest.raises(RuntimeError, match="all elements of target should be between 0 and 1"):
            lib.nn.functional.binary_cross_entropy(x, target)
        ends = lib.nn.functional.binary_cross_entropy(x, lib.tensor([0.0, 1.0]))
        assert ends.item() == pytest.approx(np.log(2))


def test_errors_of_losses() -> None:
    for loss in (nnet.binary_cross_entropy, nnet.binary_cross_entropy_with_logits):
        with pytest.raises(ValueError, match="must be the same as input size"):
            loss(am.zeros(2), am.zeros(2, 1))
        with pytest.raises(ValueError, match="not a valid value for reduction"):
            loss(am.zeros(2), am.zeros(2), reduction="median")
    with pytest.raises(RuntimeError, match="not divisible by the square"):
        am.pixel_shuffle(am.zeros(3, 2, 2), 2)
