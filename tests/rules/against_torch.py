"""One function compared with PyTorch's: value, first and second derivatives, in float64, within 1e-10."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am


def compare(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: Any, **options: Any) -> None:
    """Both called with the arrays as tensors (floats require grad) and the options. Integer results must be equal."""
    torch = pytest.importorskip("torch", reason="PyTorch, the oracle of these tests, is not installed")
    sides = [(am, ours), (torch, theirs)]
    found = [_derivatives(library, function, arrays, options) for library, function in sides]
    assert len(found[0]) == len(found[1])
    for number, (one, other) in enumerate(zip(*found, strict=True)):
        if one is None and other is None:
            continue
        if one is None or other is None:  # PyTorch says None for what is 0, and so may we
            one, other = (np.zeros_like(v if w is None else w) for v, w in ((other, one), (one, other)))
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10, err_msg=f"number {number}")


def _derivatives(library: Any, function: Callable[..., Any], arrays: Any, options: Any) -> list[Any]:
    """The results, then the gradients by each input, then the second derivatives by each input and by the cotangent."""
    rng = np.random.default_rng(0)
    xs = [library.tensor(np.array(x)).requires_grad_(x.dtype.kind == "f") for x in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if library is not am else "error")
        result = function(*xs, **options)
    results = list(result) if isinstance(result, tuple) else [result]
    wanted, out = [x for x in xs if x.requires_grad], results[0]
    seed = library.tensor(rng.standard_normal(tuple(out.shape))).requires_grad_()
    first = library.autograd.grad(out, wanted, seed, create_graph=True)
    found = [*results, *first]
    weights = [library.tensor(rng.standard_normal(tuple(g.shape))) for g in first]
    again = [(g, w) for g, w in zip(first, weights, strict=True) if g.requires_grad]
    grads, weights = zip(*again, strict=True)
    found += library.autograd.grad(grads, [*wanted, seed], weights, allow_unused=True)
    force = {} if library is am else {"force": True}
    return [None if v is None else v.detach().numpy(**force) for v in found]
