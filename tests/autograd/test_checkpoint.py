"""checkpoint: the same gradients from less memory; counted in bytes, compared exactly."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.engine import Node
from autograd_mini.testing import gradcheck, gradgradcheck
from autograd_mini.utils.checkpoint import CheckpointError, checkpoint


def nodes_below(tensor: am.Tensor) -> Iterator[Node]:
    assert tensor._node is not None
    stack, seen = [tensor._node], {tensor._node}
    while stack:
        node = stack.pop()
        yield node
        fresh = [p for p in node.parents if p is not None and p not in seen]
        seen.update(fresh)
        stack.extend(fresh)


def kept_bytes(tensor: am.Tensor) -> int:
    """Memory of the arrays that the graph keeps for backward, each counted once."""
    arrays = {}
    for node in nodes_below(tensor):
        for value in node.kept or ():
            for array in value if isinstance(value, tuple) else (value,):
                if isinstance(array, np.ndarray):
                    owner = array if array.base is None else array.base
                    arrays[id(owner)] = owner.nbytes
    return sum(arrays.values())


def x_of(n: int = 5) -> am.Tensor:
    return am.tensor(np.linspace(-1, 2, n), requires_grad=True)


def block(x: Any, w: Any) -> Any:
    return ((x * w).tanh() * x.exp()).sigmoid()


def gradients(run: Any) -> list[Any]:
    x, w = x_of(), am.tensor(np.linspace(2, 1, 5), requires_grad=True)
    y = run(x, w)
    y.sum().backward()
    return [y.detach().numpy(), x.grad.numpy(), w.grad.numpy()]


def test_same_values_and_gradients_to_the_bit() -> None:
    plain, again = gradients(block), gradients(lambda x, w: checkpoint(block, x, w, use_reentrant=False))
    for one, other in zip(plain, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_gradients_reach_what_the_function_closes_over() -> None:
    plain, again = gradients(block), gradients(lambda x, w: checkpoint(lambda x: block(x, w), x))
    for one, other in zip(plain, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_memory_falls() -> None:
    """Ten blocks of a deep chain: what is kept is nothing, until one block at a time is computed again."""
    n, depth = 1000, 10

    def step(x: Any) -> Any:
        for _ in range(5):
            x = x.exp().tanh()
        return x

    x = x_of(n)
    kept, y = [], x
    for _ in range(depth):
        y = step(y)
    kept.append(kept_bytes(y))
    y = x
    for _ in range(depth):
        y = checkpoint(step, y)
    kept.append(kept_bytes(y))
    assert kept == [depth * 10 * n * 8, 0]

    peaks: list[int] = []
    roots = list(nodes_below(y))

    class Peak:
        def forward(self, *args: Any) -> None: ...

        def backward(self, node: Node | None, i: int, gradient: Any) -> None:
            peaks.append(sum(a.nbytes for r in roots for a in (r.kept or ()) if isinstance(a, np.ndarray)))

    from autograd_mini.modes import ModeSwitch

    with ModeSwitch(watch=Peak()):
        y.sum().backward()
    assert 0 < max(peaks) <= 10 * n * 8, "no more than one block at a time"
    assert kept_bytes(y) == 0


def test_intermediate_arrays_are_not_kept_alive() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        y = x.exp()
        seen.append(weakref.ref(y._array))
        return y * y

    gc.disable()
    try:
        z = checkpoint(f, x_of())
        assert seen[0]() is None
        z.sum().backward()
        assert len(seen) == 2 and seen[1]() is None
    finally:
        gc.enable()


def test_arguments_go_with_backward() -> None:
    gc.disable()
    try:
        h = x_of() * 1
        argument = weakref.ref(h._array)
        y = checkpoint(lambda x: x.exp(), h)
        z = y.sum()
        del h
        assert argument() is not None
        z.backward()
        assert argument() is None
    finally:
        gc.enable()


def test_runs_twice_only_and_late() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.exp() * x.tanh()

    y = checkpoint(f, x_of()).sum()
    assert len(calls) == 1
    y.backward()
    assert len(calls) == 2
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    with am.no_grad():
        assert not checkpoint(f, x_of()).requires_grad
    assert len(calls) == 3


def test_retain_graph() -> None:
    x = x_of()
    y = checkpoint(block, x, x).sum()
    y.backward(retain_graph=True)
    first = x.grad.numpy().copy()
    y.backward()
    np.testing.assert_array_equal(x.grad.numpy(), 2 * first)


def test_higher_derivatives() -> None:
    def f(x: Any, w: Any) -> Any:
        return checkpoint(block, x, w)

    inputs = [x_of(3), am.tensor(np.array([1.0, 0.5, -1.0]), requires_grad=True)]
    assert gradcheck(f, inputs) and gradgradcheck(f, inputs)
    x = x_of()
    found = []
    for run in (block, f):
        y = run(x, x)
        for _ in range(3):
            (y,) = am.autograd.grad(y.sum(), x, create_graph=True)
        found.append(y.detach().numpy())
    np.testing.assert_array_equal(*found)


def test_grad_of_chosen_inputs() -> None:
    x, w = x_of(), am.tensor(np.ones(5), requires_grad=True)
    (gw,) = am.autograd.grad(checkpoint(block, x, w).sum(), w)
    (expected,) = am.autograd.grad(block(x, w).sum(), w)
    np.testing.assert_array_equal(gw.numpy(), expected.numpy())
    assert x.grad is None


@pytest.mark.parametrize("depth", [2, 3])
def test_nested(depth: int) -> None:
    calls = []

    def inner(x: Any) -> Any:
        calls.append(1)
        return x.exp().tanh()

    def outer(x: Any, depth: int) -> Any:
        f = (lambda x: outer(x, depth - 1)) if depth > 1 else inner
        return checkpoint(f, checkpoint(f, x)) * x

    x, y = x_of(), x_of()
    z = outer(x, depth)
    first = len(calls)
    assert kept_bytes(z) == 2 * 5 * 8  # of the last product alone
    z.sum().backward()
    assert len(calls) > 2 * first
    plain = y
    monkey = lambda y, depth: (  # noqa: E731
        (inner(inner(y)) if depth == 1 else monkey(monkey(y, depth - 1), depth - 1)) * y
    )
    monkey(plain, depth).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize("preserve", [True, False])
def test_random_state(preserve: bool) -> None:
    """Dropout drops the same elements again, and the draws of the program go on as if nothing had happened."""

    def f(x: Any) -> Any:
        return (x * am.rand(5, dtype=am.float64)).exp()

    def run(use: bool) -> tuple[Any, Any]:
        am.manual_seed(3)
        x = x_of()
        y = checkpoint(f, x, preserve_rng_state=preserve) if use else f(x)
        am.rand(2)
        y.sum().backward()
        return x.grad.numpy(), am.rand(3).numpy()

    (plain, after), (again, after_2) = run(False), run(True)
    assert np.array_equal(plain, again) == preserve
    assert np.array_equal(after, after_2) == preserve


def test_network_with_dropout() -> None:
    def run(use: bool) -> list[Any]:
        am.manual_seed(1)
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
        x = am.randn(6, 4)
        y = checkpoint(net, x) if use else net(x)
        (y * y).sum().backward()
        return [p.grad.numpy() for p in net.parameters()]

    for one, other in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(one, other)


def test_any_arguments_and_results() -> None:
    def f(pair: Any, scale: float, *, shift: Any) -> Any:
        return {"a": pair[0] * scale + shift, "b": (pair[1].exp(), "text")}

    x, y = x_of(), x_of()
    out = checkpoint(f, (x, y), 2.0, shift=am.tensor(1.0, dtype=am.float64))
    assert out["b"][1] == "text"
    (out["a"] * out["b"][0]).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(y.detach().numpy()))


def test_part_of_the_results_alone() -> None:
    x = x_of()
    a, b = checkpoint(lambda x: (x.exp(), x.tanh()), x)
    del b
    a.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.exp(x.detach().numpy()))


def test_writes_within_the_function() -> None:
    def f(x: Any) -> Any:
        y = x * 2
        y += x * x
        z = y * y
        z[0] = 3.0
        return z * x

    found = []
    for run in (f, lambda x: checkpoint(f, x)):
        x = x_of()
        run(x).sum().backward()
        found.append(x.grad.numpy())
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("kept", [True, False])
def test_inputs_that_changed_in_between_are_an_error(kept: bool) -> None:
    b = am.tensor(np.ones(5))
    x = x_of()
    y = checkpoint(lambda x: (x * b).exp() if kept else (x + b).exp(), x)
    b += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_a_function_that_does_something_else_is_an_error() -> None:
    calls: list[int] = []

    def longer(x: Any) -> Any:
        calls.append(1)
        for _ in range(len(calls)):
            x = x.exp().tanh()
        return x

    y = checkpoint(longer, x_of())
    with pytest.raises(CheckpointError, match="same both times"):
        y.sum().backward()
    calls.clear()
    y = checkpoint(longer, x_of(), determinism_check="none")
    y.sum().backward()  # the first operations are the same, and those are all that is needed


def test_function_with_its_own_backward() -> None:
    class Square(am.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x, x * 3

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return 2 * g * ctx.saved_tensors[0] + 3 * h

    def f(x: Any) -> Any:
        a, b = Square.apply(x.exp())
        return (a * b).sum()

    x, y = x_of(), x_of()
    checkpoint(f, x).backward()
    f(y).backward()
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


def test_anomalies_are_found_inside() -> None:
    x = am.tensor([-1.0], requires_grad=True)
    with am.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="log returned nan"):
        checkpoint(lambda x: x.log(), x)


def test_what_is_not_supported_says_so() -> None:
    for options in ({"use_reentrant": True}, {"debug": True}, {"early_stop": False}, {"context_fn": dict}):
        with pytest.raises(NotImplementedError, match=next(iter(options))):
            checkpoint(lambda x: x, x_of(), **options)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(lambda x: x, x_of(), determinism_check="maybe")


def test_pytorchs_defaults_may_be_written_out() -> None:
    torch = pytest.importorskip("torch")
    for function, x in ((checkpoint, am.ones(2)), (torch.utils.checkpoint.checkpoint, torch.ones(2))):
        x.requires_grad_()
        function(lambda x: (x * x).sum(), x, use_reentrant=False, debug=False, early_stop=True).backward()
        assert x.grad.tolist() == [2, 2]


@given(st.data())
def test_random_nests_of_checkpoints(data: Any) -> None:
    """Any nest of calls around any part of a program gives the plain program's derivatives, first and second."""
    ops = st.sampled_from(["exp", "tanh", "times w", "square", "random", "in place"])
    nest = st.recursive(ops, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=8)
    program = data.draw(st.lists(nest, min_size=1, max_size=4))

    def run(step: Any, x: Any, w: Any, use: bool) -> Any:
        if isinstance(step, list):
            body = lambda x: functools.reduce(lambda x, s: run(s, x, w, use), step, x)  # noqa: E731
            return checkpoint(body, x) if use else body(x)
        if step == "in place":
            y = x * 1
            y += w
            return y.tanh()
        if step == "random":
            return x * am.rand(3, dtype=am.float64)
        return {"times w": x * w, "square": (x * x).tanh(), "exp": x.tanh().exp(), "tanh": x.tanh()}[step]

    found = []
    for use in (False, True):
        am.manual_seed(5)
        x, w = (am.tensor(np.array(v), requires_grad=True) for v in ([0.5, -1.0, 0.25], [1.5, 0.5, -0.75]))
        y = run(program, x, w, use)
        first = am.autograd.grad(y.sum(), (x, w), create_graph=True, allow_unused=True, materialize_grads=True)
        second = am.autograd.grad((first[0] * first[0] * x).sum(), (x, w), allow_unused=True, materialize_grads=True)
        found.append([t.detach().numpy() for t in (y, *first, *second)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
