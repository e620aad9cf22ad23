"""Gradients beside central differences."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import autograd
from ..engine import Array, wrap
from ..tensor import Tensor
from ..writes import describe

Function = Callable[..., Any]


class GradcheckError(RuntimeError):
    """A gradient that central differences do not confirm, or cannot: at a kink."""


def gradcheck(
    func: Function, inputs: Tensor | Sequence[Any], *, eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3,
    raise_exception: bool = True, fast_mode: bool = False, seed: int = 0
) -> bool:
    """Whether backward through `func(*inputs)` gives what central differences give: (f(x + eps) - f(x - eps)) / 2 eps.

    inputs: what func takes; tensors that require grad are checked and must be float64. What func returns, a tensor
    or several, is weighted by a random cotangent, drawn from `seed`. Every element of every input is moved in turn,
    or with fast_mode the whole input along one random direction. Where the slopes from the two sides differ, however
    small the step, the function has a kink, which is an error of its own. Raises GradcheckError (or returns False,
    without raise_exception) with the worst element; ValueError for unfit inputs.

    >>> import autograd_mini as am
    >>> gradcheck(am.exp, am.tensor([0.5, 1.0], dtype=am.float64, requires_grad=True))
    True
    """
    xs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        _gradcheck(func, xs, eps, atol, rtol, fast_mode, np.random.default_rng(seed))
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Function, inputs: Tensor | Sequence[Any], grad_outputs: Tensor | Sequence[Tensor] | None = None, *,
    eps: float = 1e-6, atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True, fast_mode: bool = False,
    seed: int = 0
) -> bool:
    """`gradcheck` of the gradient of `func`, as a function of the inputs and of `grad_outputs` (default: random).

    >>> import autograd_mini as am
    >>> gradgradcheck(lambda x: x**3, am.tensor([0.5, 1.0], dtype=am.float64, requires_grad=True))
    True
    """
    xs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        rng = np.random.default_rng(seed + 1)
        seeds = tuple(wrap(np.asarray(rng.standard_normal(o.shape))) for o in _recorded(func(*xs)))
    else:
        seeds = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    for given in seeds:
        given.requires_grad_()

    def gradient(*args: Any) -> tuple[Tensor, ...]:
        given = args[: len(xs)]
        wanted = [given[i] for i in _differentiated(given)]
        outputs = _recorded(func(*given))
        found = autograd.grad(outputs, wanted, args[len(xs) :], create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    gradient.__name__ = f"the gradient of {name_of(func)}"
    options: Any = {"raise_exception": raise_exception, "fast_mode": fast_mode, "seed": seed}
    return gradcheck(gradient, (*xs, *seeds), eps=eps, atol=atol, rtol=rtol, **options)


def _gradcheck(
    func: Function, xs: tuple[Any, ...], eps: float, atol: float, rtol: float, fast: bool, rng: np.random.Generator
) -> None:
    wanted = _differentiated(xs)
    outputs = floats(func(*xs))
    first = _joined(o._array for o in outputs)
    weights = [np.asarray(rng.standard_normal(o.shape)) for o in outputs]
    gradients = pull_back(outputs, [xs[i] for i in wanted], [w.copy() for w in weights])
    for i, analytic in zip(wanted, gradients, strict=True):
        where = f"gradcheck of {name_of(func)}: input {i} ({describe(xs[i])})"
        if analytic.shape != xs[i].shape or analytic.dtype != xs[i].dtype:
            raise GradcheckError(f"{where}: its gradient is {describe(analytic)}")
        with _own_array(xs[i]) as array:

            def value() -> Array:
                return _joined(o._array for o in floats(func(*xs)))

            flat, weight, middle = array.reshape(-1), _joined(weights), value()
            if middle.shape != first.shape or not np.allclose(middle, first, 1e-9, 1e-9, equal_nan=True):
                raise GradcheckError(
                    f"{where}: called twice, the function returns different values; if it draws random numbers, seed"
                    " them in it, and if it keeps a state, leave that alone"
                )
            directions = [rng.standard_normal(flat.size)] if fast else np.eye(flat.size)
            pairs = []
            for k, direction in enumerate(directions):
                place = "a random direction" if fast else str([int(n) for n in np.unravel_index(k, array.shape)])
                numeric, below, above = _slopes(value, middle, weight, flat, direction, eps)
                allowed = atol + rtol * max(abs(below), abs(above))
                if abs(above - below) > allowed:  # steep curvature, which a smaller step halves, or a kink?
                    _, below_2, above_2 = _slopes(value, middle, weight, flat, direction, eps / 8)
                    if abs(above_2 - below_2) > abs(above - below) / 2:
                        raise GradcheckError(
                            f"{where}: a kink or a jump at {place}, where the slope is {below_2:.6g} from below and"
                            f" {above_2:.6g} from above: there is no derivative to compare; move the input away from it"
                        )
                pairs.append((float(direction @ analytic.ravel()), numeric, place))
        _compare(where, pairs, atol, rtol)


def _joined(arrays: Iterable[Array]) -> Array:
    return np.concatenate([np.ravel(a) for a in arrays] or [np.zeros(0)])


def _slopes(
    value: Function, middle: Array, weight: Array, flat: Array, direction: Array, eps: float
) -> tuple[float, float, float]:
    """The slope of weight @ value along `direction`: across both sides, from below, from above."""
    here = flat.copy()
    flat[:] = here + eps * direction
    above = value()
    flat[:] = here - eps * direction
    below = value()
    flat[:] = here
    slopes = (above - below) / (2 * eps), (middle - below) / eps, (above - middle) / eps
    across, from_below, from_above = (float(weight @ s) for s in slopes)
    return across, from_below, from_above


def _compare(where: str, pairs: list[tuple[float, float, str]], atol: float, rtol: float) -> None:
    wrong = [p for p in pairs if not abs(p[0] - p[1]) <= atol + rtol * abs(p[1])]  # `not <=` catches NaN, too
    if wrong:
        analytic, numeric, place = max(wrong, key=lambda p: abs(p[0] - p[1]))
        raise GradcheckError(
            f"{where}: analytic {analytic:.8g}, numeric {numeric:.8g} at {place}, the worst of {len(wrong)} wrong"
            f" among {len(pairs)} (allowed: {atol:g} + {rtol:g} * |numeric|)"
        )


@contextlib.contextmanager
def _own_array(x: Tensor) -> Iterator[Array]:
    """A contiguous copy of its array, put into the tensor for the time of the block; the original is not touched."""
    original = x._array
    x._array = np.array(original, order="C")
    try:
        yield x._array
    finally:
        x._array = original


def _differentiated(xs: Sequence[Any]) -> list[int]:
    wanted = [i for i, x in enumerate(xs) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of them does")
    for i in wanted:
        if xs[i].dtype != np.float64:
            raise ValueError(f"input {i} is {xs[i].dtype}: differences of 1e-6 need float64, as with x.double()")
    return wanted


def outputs_of(result: Any) -> list[Tensor]:
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise ValueError(f"the function must return a Tensor or several, but returned a {type(output).__name__}")
    return outputs


def floats(result: Any) -> list[Tensor]:
    return [o for o in outputs_of(result) if o.dtype.kind == "f"]


def _recorded(result: Any) -> list[Tensor]:
    return [o for o in outputs_of(result) if o.requires_grad]


def pull_back(
    outputs: list[Tensor], xs: list[Tensor], weights: list[Array], create_graph: bool = False
) -> list[Array]:
    """Gradients of the weighted sum of the outputs, as arrays; zeros where an input plays no part."""
    roots = [(o, wrap(w)) for o, w in zip(outputs, weights, strict=True) if o.requires_grad]
    if not roots:
        return [np.zeros_like(x._array) for x in xs]
    tensors, seeds = zip(*roots, strict=True)
    found = autograd.grad(
        tensors, xs, seeds, retain_graph=True, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return [np.asarray(g._array) for g in found if g is not None]


def name_of(func: Function) -> str:
    return getattr(func, "__name__", None) or repr(func)
