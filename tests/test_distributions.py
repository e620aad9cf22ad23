"""Distributions against PyTorch's: values, gradients, shapes, errors; and draws against their own probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import distributions as ours

torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")
theirs = torch.distributions
RNG = np.random.default_rng(0)
LOC, SCALE = RNG.standard_normal((2, 3)), RNG.random((2, 3)) + 0.5
PROBS, LOGITS = RNG.random((2, 3)) * 0.8 + 0.1, RNG.standard_normal((2, 3)) * 3
# name, parameters, others of the same family, values
CASES: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = [
    ("Normal", {"loc": LOC, "scale": SCALE}, {"loc": -LOC, "scale": SCALE[::-1] * 2}, RNG.standard_normal((4, 2, 3))),
    ("Normal", {"loc": LOC[0], "scale": SCALE}, {"loc": LOC, "scale": SCALE[0]}, LOC[0, :1]),
    ("Bernoulli", {"probs": PROBS}, {"logits": LOGITS}, np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])),
    ("Bernoulli", {"logits": LOGITS * 10}, {"probs": PROBS}, np.array([1.0, 0.0, 1.0])),
    ("Bernoulli", {"probs": np.array([0.0, 1.0, 0.5])}, {"probs": np.array([0.3, 0.4, 0.5])}, np.array([0.0, 1, 1])),
    ("Categorical", {"probs": PROBS}, {"logits": LOGITS}, np.array([[0, 2], [1, 1], [2, 0]])),
    ("Categorical", {"logits": LOGITS}, {"probs": PROBS}, np.array([2, 0])),
    ("Categorical", {"probs": np.array([0.0, 1.0, 3.0])}, {"probs": np.array([1.0, 1.0, 2.0])}, np.array(1)),
]
IDS = [f"{name}-{i}" for i, (name, *_) in enumerate(CASES)]


def make(lib: Any, name: str, parameters: dict[str, Any]) -> tuple[Any, list[Any]]:
    leaves = {key: lib.tensor(value.copy(), requires_grad=True) for key, value in parameters.items()}
    module = ours if lib is am else theirs
    return getattr(module, name)(**leaves), list(leaves.values())


def same(a: Any, b: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    assert tuple(a.shape) == tuple(b.shape) and str(b.dtype) == f"torch.{a.dtype}"
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=rtol, atol=atol)


ASKED = ["log_prob", "entropy", "kl", "mean", "variance", "stddev"]


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")  # √ at probability 0
@pytest.mark.parametrize("what", [*ASKED, "of its own"])
@pytest.mark.parametrize(("name", "parameters", "others", "value"), CASES, ids=IDS)
def test_values_and_gradients(
    name: str, parameters: dict[str, Any], others: dict[str, Any], value: Any, what: str
) -> None:
    if what == "of its own":
        what = "cdf" if name == "Normal" else "logits" if "probs" in parameters else "probs"
    found = []
    for lib, module in ((am, ours), (torch, theirs)):
        p, leaves = make(lib, name, parameters)
        q, more = make(lib, name, others)
        if what in ("log_prob", "cdf"):
            result = getattr(p, what)(lib.tensor(value))
        elif what == "kl":
            result = module.kl_divergence(p, q)
        else:
            result = getattr(p, what)() if what == "entropy" else getattr(p, what)
        if result.requires_grad:
            result.sum().backward()
        found.append((result, [leaf.grad for leaf in (*leaves, *more)]))
    (a, grads), (b, expected) = found
    same(a, b)
    singular = np.isin(next(iter(parameters.values())), [0.0, 1.0]).any()  # there PyTorch's gradients are clamped, too
    for g, e in zip(grads, expected, strict=True):
        assert (g is None) == (e is None)
        if g is not None and not singular:
            same(g, e)


@pytest.mark.parametrize(("name", "parameters", "others", "value"), CASES, ids=IDS)
def test_shapes(name: str, parameters: dict[str, Any], others: dict[str, Any], value: Any) -> None:
    a, b = make(am, name, parameters)[0], make(torch, name, parameters)[0]
    assert a.batch_shape == tuple(b.batch_shape) and a.event_shape == tuple(b.event_shape)
    for shape in ((), (5,), (2, 4)):
        x, y = a.sample(shape), b.sample(shape)
        assert tuple(x.shape) == tuple(y.shape) and str(y.dtype) == f"torch.{x.dtype}" and not x.requires_grad
        assert a.log_prob(x).shape == tuple(b.log_prob(y).shape)
    assert a.has_rsample == b.has_rsample


def test_draws_follow_their_probabilities() -> None:
    am.manual_seed(1)
    n = 20_000
    drawn = ours.Normal(am.tensor(LOC), am.tensor(SCALE)).sample((n,)).numpy()
    np.testing.assert_allclose(drawn.mean(0), LOC, atol=5 * SCALE.max() / n**0.5)
    np.testing.assert_allclose(drawn.std(0), SCALE, rtol=0.05)
    drawn = ours.Bernoulli(probs=am.tensor(PROBS)).sample((n,)).numpy()
    assert set(drawn.ravel()) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(0), PROBS, atol=2.5 / n**0.5)
    categorical = ours.Categorical(logits=am.tensor(LOGITS))
    drawn = categorical.sample((n,)).numpy()
    share = np.stack([(drawn == i).mean(0) for i in range(3)], -1)
    np.testing.assert_allclose(share, categorical.probs.numpy(), atol=2.5 / n**0.5)
    assert np.abs(np.corrcoef(drawn.T)[0, 1]) < 0.05  # the rows are drawn independently


def test_gradients_through_draws() -> None:
    loc, scale = am.tensor(LOC, requires_grad=True), am.tensor(SCALE, requires_grad=True)
    am.manual_seed(2)
    x = ours.Normal(loc, scale).rsample((7,))
    x.sum().backward()
    noise = (x.detach().numpy() - LOC) / SCALE
    np.testing.assert_allclose(loc.grad.numpy(), np.full((2, 3), 7.0))  # type: ignore[union-attr]
    np.testing.assert_allclose(scale.grad.numpy(), noise.sum(0), rtol=1e-9)  # type: ignore[union-attr]
    am.manual_seed(2)
    np.testing.assert_array_equal(ours.Normal(loc, scale).sample((7,)).numpy(), x.detach().numpy())
    for discrete in (ours.Bernoulli(0.5), ours.Categorical(am.ones(3))):
        with pytest.raises(NotImplementedError, match="draws whole numbers"):
            discrete.rsample()


def test_the_policy_gradient_finds_the_better_arm() -> None:
    am.manual_seed(0)
    logits = am.zeros(3, requires_grad=True)
    adam = am.optim.Adam([logits], lr=0.1)
    for _ in range(100):
        adam.zero_grad()
        policy = ours.Categorical(logits=logits)
        action = policy.sample((16,))
        reward = (action == 1).float() - 0.5
        (-(policy.log_prob(action) * reward).mean()).backward()
        adam.step()
    assert ours.Categorical(logits=logits).probs[1].item() > 0.9 and policy.mode.item() == 1


def test_python_numbers() -> None:
    normal = ours.Normal(0, 1)
    assert normal.sample().shape == () and normal.log_prob(1).dtype == "float32"
    assert repr(normal) == repr(theirs.Normal(0, 1)) == "Normal(loc: 0.0, scale: 1.0)"
    same(normal.log_prob(0.5), theirs.Normal(0, 1).log_prob(torch.tensor(0.5)), rtol=1e-6)
    assert ours.Bernoulli(0.25).mean.item() == 0.25 == 1 - ours.Bernoulli(0.75).probs.item()


def test_infinite_divergences() -> None:
    for name, p, q in (("Bernoulli", [0.5, 1.0, 0.0], [0.0, 1.0, 1.0]), ("Categorical", [0.5, 0.5], [1.0, 0.0])):
        a = ours.kl_divergence(*(getattr(ours, name)(probs=am.tensor(x)) for x in (p, q)))
        b = theirs.kl_divergence(*(getattr(theirs, name)(probs=torch.tensor(x)) for x in (p, q)))
        same(a, b)
    with pytest.raises(NotImplementedError, match="no KL divergence of Normal from Bernoulli"):
        ours.kl_divergence(ours.Normal(0, 1), ours.Bernoulli(0.5))


@pytest.mark.parametrize("build", [
    lambda d, t: d.Normal(0.0, 0.0),
    lambda d, t: d.Normal(t([float("nan")]), 1.0),
    lambda d, t: d.Bernoulli(t([1.5])),
    lambda d, t: d.Bernoulli(),
    lambda d, t: d.Bernoulli(t([0.5]), t([0.5])),
    lambda d, t: d.Bernoulli(logits=t([float("nan")])),
    lambda d, t: d.Categorical(t([-1.0, 2.0])),
    lambda d, t: d.Categorical(),
    lambda d, t: d.Categorical(t(1.0)),
    lambda d, t: d.Categorical(t([])),
    lambda d, t: d.Categorical(t([float("inf"), 1.0])),
    lambda d, t: d.Categorical(t([[0.0, 0.0], [1.0, 0.0]])),
    lambda d, t: d.Categorical(logits=t([-float("inf"), -float("inf")])),
    lambda d, t: d.Categorical(logits=t([float("inf"), 0.0])),
    lambda d, t: d.Bernoulli(t([0.5])).log_prob(t([0.5])),
    lambda d, t: d.Categorical(t([1.0, 2.0])).log_prob(t([2])),
    lambda d, t: d.Categorical(t([1.0, 2.0])).log_prob(t([-1])),
    lambda d, t: d.Normal(0.0, 1.0).log_prob(t([float("nan")])),
])  # fmt: skip
def test_what_pytorch_refuses(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs.Distribution, "_validate_args", True)  # PyTorch's compiler, once loaded, switches it off
    with pytest.raises(ValueError):
        build(theirs, torch.tensor)
    with pytest.raises(ValueError, match=r"Expected (parameter|value)|must be (specified|at least)"):
        build(ours, am.tensor)


def test_validation_can_be_switched_off() -> None:
    assert ours.Bernoulli(am.tensor([0.5]), validate_args=False).log_prob(0.5).shape == (1,)
    with pytest.raises(NotImplementedError, match=r"distributions\.Uniform is not supported"):
        ours.Uniform(0.0, 1.0)  # type: ignore[attr-defined]
