"""Proofs of gradients, for the operations of the package and for your own.

`gradcheck` and `gradgradcheck` compare gradients with central differences; `tensors` and `broadcastable_shapes` are
strategies for hypothesis; `battery` is the whole proof of one operation, in one line of a test:

>>> import numpy as np
>>> import autograd_mini as am
>>> def test_cube():
...     battery(lambda x: x * x * x, [np.array([[1.0, -2.0], [0.5, 3.0]])], reference=lambda x: x**3)
>>> test_cube()
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import autograd
from .dtypes import dtype_of
from .engine import Array, Node, no_grad, wrap
from .tensor import Tensor
from .writes import describe

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Function = Callable[..., Any]
Shape = tuple[int, ...]
DTypeLike = Any

# ------------------------------------------------------------------------------------------- central differences


class GradcheckError(RuntimeError):
    """A gradient that central differences do not confirm, or cannot: at a kink."""


def gradcheck(
    func: Function,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
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
    func: Function,
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    fast_mode: bool = False,
    seed: int = 0,
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

    gradient.__name__ = f"the gradient of {_name(func)}"
    options: Any = {"raise_exception": raise_exception, "fast_mode": fast_mode, "seed": seed}
    return gradcheck(gradient, (*xs, *seeds), eps=eps, atol=atol, rtol=rtol, **options)


def _gradcheck(
    func: Function, xs: tuple[Any, ...], eps: float, atol: float, rtol: float, fast: bool, rng: np.random.Generator
) -> None:
    wanted = _differentiated(xs)
    outputs = _floats(func(*xs))
    weights = [np.asarray(rng.standard_normal(o.shape)) for o in outputs]
    gradients = _pull_back(outputs, [xs[i] for i in wanted], [w.copy() for w in weights])
    for i, analytic in zip(wanted, gradients, strict=True):
        where = f"gradcheck of {_name(func)}: input {i} ({describe(xs[i])})"
        if analytic.shape != xs[i].shape or analytic.dtype != xs[i].dtype:
            raise GradcheckError(f"{where}: its gradient is {describe(analytic)}")
        with _own_array(xs[i]) as array:

            def value() -> Array:
                return np.concatenate([np.ravel(o._array) for o in _floats(func(*xs))] or [np.zeros(0)])

            flat, weight = array.reshape(-1), np.concatenate([np.ravel(w) for w in weights] or [np.zeros(0)])
            middle = value()
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
        raise ValueError("gradcheck expects at least one input tensor to require gradient, but none of the them do")
    for i in wanted:
        if xs[i].dtype != np.float64:
            raise ValueError(f"input {i} is {xs[i].dtype}: differences of 1e-6 need float64, as with x.double()")
    return wanted


def _outputs(result: Any) -> list[Tensor]:
    outputs = [result] if isinstance(result, Tensor) else list(result)
    for output in outputs:
        if not isinstance(output, Tensor):
            raise ValueError(f"the function must return a Tensor or several, but returned a {type(output).__name__}")
    return outputs


def _floats(result: Any) -> list[Tensor]:
    return [o for o in _outputs(result) if o.dtype.kind == "f"]


def _recorded(result: Any) -> list[Tensor]:
    return [o for o in _outputs(result) if o.requires_grad]


def _pull_back(
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


def _name(func: Function) -> str:
    return getattr(func, "__name__", None) or repr(func)


# ------------------------------------------------------------------------------------------------- the battery


class Sample:
    """One set of arguments for an operation: Sample(x, y, axis=0).

    Float arrays are differentiated; tensors, integers, booleans and numbers are passed on as constants.
    """

    def __init__(self, *inputs: Any, **options: Any) -> None:
        self.inputs = tuple(np.asarray(x) if isinstance(x, np.generic) else x for x in inputs)
        self.options = options

    def __repr__(self) -> str:
        given = [describe(x) for x in self.inputs] + [f"{k}={v!r}" for k, v in self.options.items()]
        return f"Sample({', '.join(given)})"


@dataclasses.dataclass
class _Case:
    """What the checks of one sample have in common."""

    op: Function
    sample: Sample
    reference: Function | None
    second_order: bool
    differentiable: bool
    dtypes: tuple[DTypeLike, ...]
    broadcasts: bool
    layouts: bool
    seed: int

    @property
    def arrays(self) -> list[Any]:
        return [x._array if isinstance(x, Tensor) else x for x in self.sample.inputs]

    def tensors(self, arrays: Sequence[Any], needed: Sequence[int] | None = None) -> list[Any]:
        """The arrays as tensors around that very memory; those at `needed` (default: all that can) require grad."""
        able = [i for i, x in enumerate(self.sample.inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
        wanted = able if needed is None else needed
        made = [wrap(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in arrays]
        return [x.requires_grad_() if i in wanted else x for i, x in enumerate(made)]

    def call(self, tensors: Sequence[Any]) -> list[Tensor]:
        return _outputs(self.op(*tensors, **self.sample.options))

    def weights(self, outputs: Sequence[Tensor], dtype: DTypeLike = np.float64) -> list[Array]:
        """The same random cotangents on every call."""
        rng = np.random.default_rng(self.seed)
        return [np.asarray(rng.standard_normal(o.shape)).astype(dtype) for o in outputs if o.dtype.kind == "f"]

    def run(
        self, arrays: Sequence[Any], needed: Sequence[int] | None = None, weights: list[Array] | None = None
    ) -> tuple[list[Tensor], list[Array]]:
        """Outputs and the gradients of the inputs that need one."""
        tensors = self.tensors(arrays, needed)
        outputs = self.call(tensors)
        if not self.differentiable:
            return outputs, []
        wanted = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
        weights = self.weights(outputs) if weights is None else weights
        return outputs, _pull_back([o for o in outputs if o.dtype.kind == "f"], wanted, weights)


def battery(
    op: Function,
    samples: Iterable[Any],
    *,
    reference: Function | None = None,
    broadcasts: bool = False,
    second_order: bool = True,
    differentiable: bool = True,
    dtypes: Sequence[DTypeLike] = (np.float32, np.float16),
    layouts: bool = True,
    seed: int = 0,
) -> None:
    """Prove an operation on tensors, one of ours or your own; raises AssertionError or GradcheckError where it fails.

    samples: arrays (for one input), tuples of inputs, or `Sample`s with options; float arrays in float64, at a distance
    from kinks. reference: the same function on arrays. broadcasts: shapes follow NumPy's broadcasting. dtypes: also
    computed in these, and compared. differentiable=False: an operation that shall record no gradient at all.
    layouts=False: an operation that may refuse memory that is not contiguous.

    Proves value, first and second derivative (against central differences, with a random cotangent), dtypes and
    shapes of results and gradients, broadcasting, memory layouts (Fortran, strided, reversed, read-only), that inputs
    stay as they were, and that gradients are writable and share memory with nothing.
    """
    count = 0
    for count, given in enumerate(samples, 1):
        sample = given if isinstance(given, Sample) else Sample(*(given if isinstance(given, tuple) else (given,)))
        case = _Case(op, sample, reference, second_order, differentiable, tuple(dtypes), broadcasts, layouts, seed)
        for check in _CHECKS:
            try:
                check(case)
            except Exception as error:
                error.add_note(f"{check.__name__.strip('_')} of {_name(op)}, sample {count}: {sample}")
                raise
    if not count:
        raise ValueError(f"no samples for {_name(op)}: nothing would be proved")


def _value(case: _Case) -> None:
    """The reference's values; recorded where, and only where, there is a gradient."""
    tensors = case.tensors(case.arrays)
    outputs = case.call(tensors)
    needed = any(isinstance(x, Tensor) and x.requires_grad for x in tensors)
    recorded = any(o.requires_grad for o in outputs)
    assert recorded == (needed and case.differentiable), f"requires_grad of the result is {recorded}"
    with no_grad():
        for output, silent in zip(outputs, case.call(tensors), strict=True):
            assert silent.is_leaf, "something was recorded under no_grad"
            _assert_close(silent._array, output._array, 0.0, "under no_grad")
    if case.reference is not None:
        expected = case.reference(*case.arrays, **case.sample.options)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for output, right in zip(outputs, expected, strict=True):
            assert output.dtype == np.asarray(right).dtype, f"the result is {output.dtype}, the reference {right.dtype}"
            _assert_close(output._array, right, 1e-12, "against the reference")


def _gradient(case: _Case) -> None:
    tensors = case.tensors(case.arrays)
    if case.differentiable:
        gradcheck(_fixed(case), tensors, seed=case.seed)
        if case.second_order:
            outputs = [o for o in case.call(tensors) if o.dtype.kind == "f"]
            wanted = [x for x in tensors if isinstance(x, Tensor) and x.requires_grad]
            plain, recorded = (_pull_back(outputs, wanted, case.weights(outputs), again) for again in (False, True))
            for one, other in zip(plain, recorded, strict=True):
                _assert_close(one, other, 1e-12, "gradient against itself with create_graph")
            gradgradcheck(_fixed(case), tensors, seed=case.seed)


def _fixed(case: _Case) -> Function:
    def fixed(*tensors: Any) -> Any:
        return case.op(*tensors, **case.sample.options)

    fixed.__name__ = _name(case.op)
    return fixed


def _one_input_at_a_time(case: _Case) -> None:
    """A gradient is the same whether or not the other inputs need theirs."""
    tensors = case.tensors(case.arrays)
    able = [i for i, x in enumerate(tensors) if isinstance(x, Tensor) and x.requires_grad]
    if case.differentiable and len(able) > 1:
        _, together = case.run(case.arrays)
        for i, expected in zip(able, together, strict=True):
            _, alone = case.run(case.arrays, [i])
            _assert_close(alone[0], expected, 0.0, f"gradient of input {i} alone")


def _dtypes(case: _Case) -> None:
    """In another float dtype: results and gradients have it, and the values of float64 within its precision."""
    for dtype in map(dtype_of, case.dtypes):
        low = [x.astype(dtype) if getattr(x, "dtype", np.dtype(bool)).kind == "f" else x for x in case.arrays]
        wide = [x.astype(np.float64) if getattr(x, "dtype", None) == dtype else x for x in low]
        outputs, _ = case.run(wide)
        weights = case.weights(outputs, dtype)
        outputs, gradients = case.run(wide, None, [w.astype(np.float64) for w in weights])
        low_outputs, low_gradients = case.run(low, None, weights)
        tolerance = 32 * float(np.finfo(dtype).eps)
        for output, expected in zip(low_outputs, outputs, strict=True):
            if expected.dtype.kind == "f":
                assert output.dtype == dtype, f"{dtype} inputs made a {output.dtype} result"
            _assert_close(output._array, expected._array, tolerance, f"value in {dtype}")
        for gradient, expected_gradient in zip(low_gradients, gradients, strict=True):
            assert gradient.dtype == dtype, f"{dtype} inputs got a {gradient.dtype} gradient"
            _assert_close(gradient, expected_gradient, tolerance, f"gradient in {dtype}")


def _layouts(case: _Case) -> None:
    """Values and gradients do not depend on how arrays, or the incoming gradients, lie in memory."""
    outputs, gradients = case.run(case.arrays)
    for name, relay in LAYOUTS.items() if case.layouts else ():
        arrays = [relay(x) if isinstance(x, np.ndarray) else x for x in case.arrays]
        other_outputs, other_gradients = case.run(arrays, None, [relay(w) for w in case.weights(outputs)])
        for output, expected in zip(other_outputs, outputs, strict=True):
            _assert_close(output._array, expected._array, 1e-12, f"value for {name} inputs")
        for gradient, expected_gradient in zip(other_gradients, gradients, strict=True):
            _assert_close(gradient, expected_gradient, 1e-12, f"gradient for {name} inputs")


def _reversed(x: Array) -> Array:
    return np.flip(np.flip(x).copy())


def _strided(x: Array) -> Array:
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy()


def _read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {  # the same values, laid out differently
    "contiguous": np.array,
    "Fortran-ordered": lambda x: np.array(x, order="F"),
    "reversed": _reversed,
    "strided": _strided,
    "read-only": _read_only,
    "scalar": lambda x: x[()],  # a 0-d array as the NumPy scalar that operations return
}


def _memory(case: _Case) -> None:
    """Nothing that was passed in is written, and the gradients belong to their tensors alone."""
    tensors = case.tensors([np.array(x) if isinstance(x, np.ndarray) else x for x in case.arrays])
    given = [x for x in tensors if isinstance(x, Tensor)]
    outputs = case.call(tensors)
    seeds = case.weights(outputs)
    watched = [np.asarray(x._array) for x in (*given, *outputs)] + seeds
    before = [x.copy() for x in watched]
    if case.differentiable:
        roots = [o for o in outputs if o.dtype.kind == "f"]
        live = [(o, wrap(s)) for o, s in zip(roots, seeds, strict=True) if o.requires_grad]
        autograd.backward([o for o, _ in live], [s for _, s in live], retain_graph=True)
    for array, copy in zip(watched, before, strict=True):
        assert np.array_equal(array, copy, equal_nan=True), f"{describe(array)} was changed by the operation"
    strangers = [*watched, *(a for o in outputs if o._node is not None for a in _kept(o._node))]
    for i, x in enumerate(given):
        if x.grad is None:
            continue
        gradient = x.grad._array
        assert isinstance(gradient, np.ndarray) and gradient.flags.writeable, f"the gradient of input {i} is read-only"
        assert gradient.shape == x.shape and gradient.dtype == x.dtype, f"input {i} has a {describe(gradient)} gradient"
        others = strangers + [y.grad._array for y in given if y is not x and y.grad is not None]
        assert not any(np.shares_memory(gradient, other) for other in others), f"the gradient of input {i} is shared"


def _kept(node: Node) -> Iterator[Array]:
    """Every array that the graph below a node keeps."""
    stack, seen = [node], {node}
    while stack:
        node = stack.pop()
        for value in node.kept or ():
            yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, np.ndarray))
        fresh = [p for p in node.parents if p is not None and p not in seen]
        seen.update(fresh)
        stack.extend(fresh)


def _broadcasting(case: _Case) -> None:
    """A broadcast input gives the value of the repeated one, and its gradient summed over the repetition."""
    if not case.broadcasts:
        return
    shape = np.broadcast_shapes(*(np.shape(x) for x in case.arrays))
    full = [np.broadcast_to(x, shape) if isinstance(x, np.ndarray) else x for x in case.arrays]
    for name, shrink in _SHRINK.items():
        for i in (i for i, x in enumerate(full) if isinstance(x, np.ndarray) and x.size):
            small = [shrink(x) if i == k else x for k, x in enumerate(full)]
            result = np.broadcast_shapes(*(np.shape(x) for x in small))
            repeated = [np.broadcast_to(x, result) if isinstance(x, np.ndarray) else x for x in small]
            outputs, gradients = case.run(small)
            expected, full_gradients = case.run(repeated)
            for output, right in zip(outputs, expected, strict=True):
                _assert_close(output._array, right._array, 1e-12, f"value, input {i} {name}")
            for k, (gradient, wide) in enumerate(zip(gradients, full_gradients, strict=True)):
                _assert_close(gradient, _summed_to(wide, gradient.shape), 1e-10, f"gradient {k}, input {i} {name}")


_SHRINK: dict[str, Callable[[Array], Array]] = {
    "0-d": lambda x: np.array(x.flat[0]),
    "without its first axis": lambda x: np.array(x[0] if x.ndim else x),
    "of length 1 in its first axis": lambda x: np.array(x[:1] if x.ndim else x),
    "of length 1 in its last axis": lambda x: np.array(x[..., :1] if x.ndim else x),
}


def _summed_to(x: Array, shape: Shape) -> Array:
    x = x.sum(axis=tuple(range(x.ndim - len(shape))))
    return x.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True).reshape(shape)


_CHECKS = (_value, _gradient, _one_input_at_a_time, _dtypes, _layouts, _memory, _broadcasting)


def _assert_close(actual: Array, expected: Array, tolerance: float, what: str) -> None:
    """Equal shapes; values within `tolerance` of themselves and of the largest; NaN and inf in the same places."""
    one, other = np.asarray(actual), np.asarray(expected)
    assert one.shape == other.shape, f"{what}: shape {one.shape}, expected {other.shape}"
    finite = np.abs(other[np.isfinite(other)].astype(np.float64))
    scale = max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * scale, err_msg=what)


# ---------------------------------------------------------------------------------------- hypothesis strategies


def tensors(
    shape: Any = None,
    dtype: DTypeLike = np.float64,
    requires_grad: bool = False,
    elements: SearchStrategy[Any] | None = None,
    layouts: bool = False,
) -> SearchStrategy[Tensor]:
    """Strategy for tensors.

    shape: a tuple, or a strategy for one (default: 0-d to 4-D, lengths 0 to 3). elements: a strategy for the values
    (default: -10 to 10 for floats). layouts: also Fortran-ordered, strided, reversed and read-only memory.

    >>> from hypothesis import given
    >>> @given(tensors(requires_grad=True))
    ... def test_sum(x):
    ...     x.sum().backward()
    ...     assert (x.grad == 1).all()
    >>> test_sum()
    """
    st, hnp = _hypothesis()
    wanted = dtype_of(dtype)
    if elements is None and wanted.kind == "f":
        elements = hnp.from_dtype(wanted, min_value=-10, max_value=10, allow_nan=False, allow_subnormal=False)
    if shape is None:
        shape = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
    relay = st.sampled_from([f for name, f in LAYOUTS.items() if name != "scalar"]) if layouts else st.just(np.array)

    def make(array: Array, lay: Callable[[Array], Array]) -> Tensor:
        return wrap(lay(array)).requires_grad_(requires_grad)

    made: SearchStrategy[Tensor] = st.builds(make, hnp.arrays(wanted, shape, elements=elements), relay)
    return made


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 4, min_side: int = 0, max_side: int = 3
) -> SearchStrategy[tuple[Shape, ...]]:
    """Strategy for `count` shapes that broadcast together."""
    _, hnp = _hypothesis()
    sides: Any = {"max_dims": max_dims, "min_side": min_side, "max_side": max_side}
    drawn = hnp.mutually_broadcastable_shapes(num_shapes=count, **sides)
    shapes: SearchStrategy[tuple[Shape, ...]] = drawn.map(lambda both: tuple(both.input_shapes))
    return shapes


def _hypothesis() -> tuple[Any, Any]:
    try:
        import hypothesis.extra.numpy
        import hypothesis.strategies
    except ImportError as error:
        raise ImportError("the strategies need hypothesis: pip install autograd_mini[testing]") from error
    return hypothesis.strategies, hypothesis.extra.numpy
