"""Backward hooks of modules, against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import LIBRARIES, flat, numbers, twins

import autograd_mini as am


def two(lib: Any) -> Any:
    """A module of two inputs, one of which may need no gradient, and two outputs."""

    class Two(lib.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.fc = lib.nn.Linear(3, 2)

        def forward(self, x: Any, y: Any) -> Any:
            return self.fc(x) * y, self.fc(x) + y

    return Two()


CASES: list[tuple[Callable[[Any], Any], list[Any], list[bool]]] = [
    (lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.Tanh(), lib.nn.Linear(4, 2)), [(5, 3)], [True]),
    (lambda lib: lib.nn.Linear(3, 4), [(5, 3)], [False]),
    (two, [(5, 3), (5, 2)], [True, True]),
    (two, [(5, 3), (5, 2)], [True, False]),
    (two, [(5, 3), (5, 2)], [False, False]),
]


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")  # PyTorch's, where no input requires grad
@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("scale", [None, 2.0])
def test_backward_hooks_see_the_same_gradients(case: int, scale: float | None) -> None:
    make, shapes, wanted = CASES[case]
    seen: list[list[Any]] = []
    for lib, model in zip(LIBRARIES, twins(make), strict=True):
        record: list[Any] = []

        def hook(module: Any, grad_input: Any, grad_output: Any, record: Any = record) -> Any:
            for grads in (grad_input, grad_output):
                assert isinstance(grads, tuple)
                record.extend(None if g is None else g.detach().numpy().copy() for g in grads)
            if scale is None or grad_input[0] is None:
                return None
            return tuple(None if g is None else g * scale for g in grad_input)

        for module in model.modules():
            module.register_full_backward_hook(hook)
        arrays = [numbers(shape, i) for i, shape in enumerate(shapes)]
        inputs = [lib.tensor(a).requires_grad_(w) for a, w in zip(arrays, wanted, strict=True)]
        total = sum((out * out).sum() for out in flat(model(*inputs)) if out.requires_grad)
        total.backward()
        record += [None if x.grad is None else x.grad.numpy() for x in inputs]
        record += [p.grad.numpy() for p in model.parameters()]
        seen.append(record)
    assert len(seen[0]) == len(seen[1])
    for ours, theirs in zip(*seen, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_removed_hook_is_not_called() -> None:
    layer, calls = am.nn.Linear(2, 1), []
    handle = layer.register_full_backward_hook(lambda *a: calls.append(1))
    layer(am.ones(3, 2)).sum().backward()
    handle.remove()
    layer(am.ones(3, 2)).sum().backward()
    assert calls == [1]
    with am.no_grad():
        assert layer(am.ones(2)).grad_fn is None
