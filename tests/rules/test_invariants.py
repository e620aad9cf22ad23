"""What holds for every operation of the table: of its gradients, its inputs, the memory and the values it is given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rules.samples import OPERATIONS, SAMPLES

import autograd_mini as am
from autograd_mini.primitive import PRIMITIVES

DIFFERENTIABLE = sorted(name for name in SAMPLES if any(PRIMITIVES[name].rules))
FOREIGN = [
    np.ones(2, np.dtype("f4").newbyteorder()), np.array([1.0, None]), np.array(["1"]), np.ones(2, "complex64"),
    np.zeros(2, "datetime64[s]"), np.ones(2, np.longdouble), np.zeros(1, "f4,f4")
]  # fmt: skip


def laid_out(array: Any, layout: str) -> Any:
    """The same values in other memory."""
    if layout == "fortran":
        return np.asarray(array.copy(order="F"))
    if layout == "reversed":
        backwards = (slice(None, None, -1),) * array.ndim
        return np.asarray(np.asarray(array[backwards]).copy()[backwards])
    if layout == "strided":
        wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
        wide[(slice(None, None, 2),) * array.ndim] = array
        return np.asarray(wide[(slice(None, None, 2),) * array.ndim])
    array = array.copy()
    array.flags.writeable = layout != "read-only"
    return array


def gradients(name: str, sample: Any, arrays: list[Any], seed: Any) -> tuple[list[Any], list[am.Tensor]]:
    """Of the float inputs: the gradient that `seed`, a function of the output, sends back; and these inputs."""
    wanted = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in sample.inputs]
    made = [am.from_numpy(x) if isinstance(x, np.ndarray) else x for x in arrays]
    tensors = [x.requires_grad_() if w else x for x, w in zip(made, wanted, strict=True)]
    leaves = [t for t, w in zip(tensors, wanted, strict=True) if w]
    out = OPERATIONS[name](*tensors, **sample.options)
    found = am.autograd.grad(out, leaves, am.tensor(seed(out)), allow_unused=True) if out.requires_grad else ()
    return [g for g in found if g is not None], [x for x, g in zip(leaves, found, strict=False) if g is not None]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(max_examples=6)
@given(data=st.data())
def test_gradients(name: str, data: Any) -> None:
    sample = data.draw(st.sampled_from(SAMPLES[name].samples))
    layout = data.draw(st.sampled_from(["plain", "fortran", "reversed", "strided", "read-only"]))
    number, a, b = data.draw(st.integers(0, 99)), data.draw(st.sampled_from([-2.0, 0.5, 3.0])), -4.0
    arrays = [laid_out(x, layout) if isinstance(x, np.ndarray) else x for x in sample.inputs]
    before = [np.array(x) for x in arrays if isinstance(x, np.ndarray)]

    def drawn(offset: int, out: am.Tensor) -> Any:
        return np.asarray(np.random.default_rng(number + offset).standard_normal(out.shape))

    one, leaves = gradients(name, sample, arrays, lambda out: drawn(0, out))
    other, _ = gradients(name, sample, arrays, lambda out: drawn(100, out))
    both, _ = gradients(name, sample, arrays, lambda out: a * drawn(0, out) + b * drawn(100, out))
    for i, (gradient, x) in enumerate(zip(one, leaves, strict=True)):
        array = gradient.numpy()
        assert gradient.shape == x.shape and gradient.dtype == x.dtype
        assert array.flags.writeable and not gradient.requires_grad
        others = [y for y in arrays if isinstance(y, np.ndarray)] + [g.numpy() for g in one[:i]]
        assert not any(np.shares_memory(array, y) for y in others), "its own memory"
        expected = a * array + b * other[i].numpy()
        scale = np.abs(array).max(initial=0) + np.abs(other[i].numpy()).max(initial=0)
        np.testing.assert_allclose(both[i].numpy(), expected, rtol=1e-9, atol=1e-9 * scale, err_msg="linear in g")
    now = [x for x in arrays if isinstance(x, np.ndarray)]
    for old, new in zip(before, now, strict=True):
        np.testing.assert_array_equal(new, old, err_msg="an input was changed")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_two_paths_add(name: str) -> None:
    """d(f(x) + 2 f(x))/dx through two nodes is 3 df/dx through one."""
    sample = SAMPLES[name].samples[0]
    single, _ = gradients(name, sample, list(sample.inputs), lambda out: np.full(out.shape, 3.0))
    floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in sample.inputs]
    inputs = [am.tensor(x, requires_grad=True) if f else x for x, f in zip(sample.inputs, floats, strict=True)]
    apart = OPERATIONS[name](*inputs, **sample.options) + 2 * OPERATIONS[name](*inputs, **sample.options)
    apart.backward(am.ones(apart.shape, dtype=am.float64))
    found = [x.grad for x, f in zip(inputs, floats, strict=True) if f and x.grad is not None]
    for gradient, expected in zip(found, single, strict=True):
        np.testing.assert_allclose(gradient.numpy(), expected.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_gradients_of_numbers_are_numbers_of_their_dtype(dtype: Any) -> None:
    """Where inputs and output are numbers of one dtype, `propagate` trusts these rules and looks no more."""
    tried = set()
    for prim in (p for p in PRIMITIVES.values() if p.plain and p.ours and any(p.rules) and len(p.inputs) < 3):
        for values in ((0.5, 0.25), (1.5, 0.5), (0.0, 0.0), (2.0, np.inf)):
            numbers = tuple(dtype(v) for v in values[: len(prim.inputs)])
            with np.errstate(all="ignore"):
                try:
                    out = prim.forward(*numbers)
                except (ValueError, IndexError):  # it takes vectors, or other values
                    continue
                if type(out) is not dtype or prim.name == "softmax_cross_entropy":
                    continue
                kept = prim.plans[-1]((*numbers, out, None))
                for _, rule, pick in prim.steps:
                    picked = () if pick is None else (kept[pick],) if isinstance(pick, int) else pick(kept)
                    gradient = rule(dtype(0.7), *picked)
                    assert (gradient.shape, gradient.dtype) == ((), dtype), prim
                    tried.add(prim.name)
    assert len(tried) > 40 and {"add", "mul", "exp", "tanh", "maximum"} <= tried


@pytest.mark.parametrize("array", FOREIGN, ids=lambda a: str(a.dtype))
def test_foreign_dtypes_are_refused(array: Any) -> None:
    made = (am.tensor, am.as_tensor, am.from_numpy)  # am.Tensor(…) copies to the default dtype
    for use in (*made, am.exp, lambda x: am.ones(2) + x, lambda x: am.ones(2) * x):
        if array.dtype != np.float64:  # where long double is double
            with pytest.raises(TypeError):
                use(array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormal_numbers_are_no_zeros(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = am.tensor(np.array([tiny, -tiny, 4 * tiny], dtype), requires_grad=True)
    for function in (am.neg, am.abs, am.relu, am.tanh, am.sin, am.expm1, am.log1p, lambda t: t * 1, lambda t: t.sum(0)):
        y = function(x)
        assert y.dtype == dtype and (y.detach().abs() > 0).any()
        y.backward(am.full(y.shape, tiny, dtype=dtype))
    assert np.isfinite(x.grad.numpy()).all() and (x.grad.numpy() != 0).any()


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-300, 1e4, 1e30, 1e300])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_logits_of_any_size(scale: float, sign: float) -> None:
    """Losses are finite, their gradients sum to 0, and nothing warns (warnings are errors here)."""
    logits = am.tensor(sign * scale * np.array([[1.0, 0.5, -1.0], [0.0, 0.0, 0.0]]), requires_grad=True)
    am.nn.functional.cross_entropy(logits, am.tensor([0, 2])).backward()
    np.testing.assert_allclose(logits.grad.numpy().sum(1), 0.0, atol=1e-15)
    assert np.isfinite(logits.grad.numpy()).all()
    logits.grad = None
    loss = am.nn.functional.binary_cross_entropy_with_logits(logits, am.ones(2, 3, dtype=am.float64))
    loss.backward()
    assert np.isfinite(loss.item()) and (np.abs(logits.grad.numpy()) <= 1 / 6).all()
