"""A value that backward needs, and that was written behind the tensors' backs: refused, or noticed by a checksum."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rules.samples import OPERATIONS, SAMPLES

import autograd_mini as am
from autograd_mini.autograd import detect_anomaly


def leaf(*values: float) -> am.Tensor:
    return am.tensor(np.array(values), requires_grad=True)


# ------------------------------------------------------------------------------- what numpy() lets one write into


def test_of_a_computed_tensor_it_is_a_read_only_view_while_the_graph_is_alive() -> None:
    y = leaf(1.0, 2.0).exp()
    for array in (y.detach().numpy(), y.data.numpy(), np.asarray(y.detach())):
        assert np.shares_memory(array, y._array) and not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5.0
    assert y._array.flags.writeable
    y.sum().backward()


def test_it_stays_read_only_where_only_a_later_node_is_alive() -> None:
    y = leaf(1.0, 2.0) * 2
    loss, detached = (y * y).sum(), y.detach()
    del y
    assert not detached.numpy().flags.writeable
    del loss
    assert detached.numpy().flags.writeable


def test_once_the_graph_is_gone_it_may_be_written() -> None:
    detached = leaf(1.0, 2.0).exp().detach()  # nothing else holds the graph
    detached.numpy()[0] = 5.0
    assert detached.tolist()[0] == 5.0


def test_of_leaves_and_of_tensors_without_gradient_it_may_be_written() -> None:
    w, x = leaf(1.0), am.ones(2)
    (w * x).sum()
    w.detach().numpy()[:] = 3.0
    x.numpy()[:] = 4.0
    assert (w.item(), x.tolist()) == (3.0, [4.0, 4.0])


def test_in_place_on_what_was_detached_is_still_allowed_and_tracked() -> None:
    y = leaf(1.0, 2.0).exp()
    y.detach().zero_()
    assert y.tolist() == [0.0, 0.0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


# ------------------------------------------------------------------------------------------------- fingerprints


def by_from_numpy(lib: Any) -> Any:
    memory, x = np.array([1.0, 2.0]), lib.tensor([3.0, 4.0], dtype=lib.float64, requires_grad=True)
    loss = (x * lib.from_numpy(memory)).sum()
    memory[0] = 100.0
    return x, loss


def by_a_leaf(lib: Any) -> Any:
    x = lib.tensor([3.0, 4.0], dtype=lib.float64, requires_grad=True)
    loss = (x * x).sum()
    x.detach().numpy()[0] = 100.0
    return x, loss


def by_a_view(lib: Any) -> Any:
    x, mask = lib.tensor([[3.0, 4.0]], dtype=lib.float64, requires_grad=True), lib.ones(1, 2, dtype=lib.float64)
    part = mask.numpy()[0, ::-1]
    loss = (x * mask).sum()
    part[:] = 100.0
    return x, loss


WRITES = [by_from_numpy, by_a_leaf, by_a_view]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_write_behind_our_back_is_noticed(write: Callable[[Any], Any], create_graph: bool) -> None:
    with detect_anomaly():
        x, loss = write(am)
        with pytest.raises(RuntimeError) as caught:
            loss.backward(create_graph=create_graph)
    assert re.search(
        rf"changed, and by no tensor: '[xy]' \(float64 .*\) of <MulBackward>.* in {write.__name__}: loss = ",
        str(caught.value),
        re.DOTALL,
    )
    assert x.grad is None


@pytest.mark.parametrize("write", WRITES)
def test_pytorch_does_not_notice(write: Callable[[Any], Any]) -> None:
    """Which is why: it returns a wrong gradient, also under its detect_anomaly."""
    torch = pytest.importorskip("torch")
    torch.autograd.set_detect_anomaly(True)
    try:
        x, loss = write(torch)
        loss.backward()
    finally:
        torch.autograd.set_detect_anomaly(False)
    assert x.grad.max() >= 100.0


def test_the_node_that_was_harmed_is_named_not_the_first() -> None:
    x, memory = leaf(1.0, 2.0), np.array([1.0, 2.0])
    with detect_anomaly(), pytest.raises(RuntimeError, match=r"'y' .* of <DivBackward> is not what it was"):
        y = x.exp() / am.from_numpy(memory)
        memory += 1
        y.tanh().sum().backward()


def test_second_derivatives_too() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        (first,) = am.autograd.grad((x**3).sum(), x, create_graph=True)
        x.detach().numpy()[0] = 3.0
        with pytest.raises(RuntimeError, match="changed, and by no tensor"):
            first.sum().backward()


def test_what_tensors_write_and_backward_does_not_need_is_no_anomaly() -> None:
    x = leaf(1.0, 2.0)
    with detect_anomaly():
        y = x * 2
        z = y.sin()
        z.mul_(3.0)  # nobody needs the sine itself
        z.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * np.cos([2.0, 4.0]))


@pytest.mark.parametrize("name", sorted(name for name in SAMPLES if SAMPLES[name].samples))
def test_no_false_alarm(name: str) -> None:
    """Rules leave what they were given as it was: each operation, differentiated twice from one graph."""
    sample = SAMPLES[name].samples[0]
    floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in sample.inputs]
    inputs = [am.tensor(x, requires_grad=True) if f else x for x, f in zip(sample.inputs, floats, strict=True)]
    with detect_anomaly():
        out = OPERATIONS[name](*inputs, **sample.options)
        if isinstance(out, am.Tensor) and out.requires_grad:
            out.sum().backward(retain_graph=True)
            out.sum().backward()
            assert any(x.grad is not None for x, f in zip(inputs, floats, strict=True) if f)
