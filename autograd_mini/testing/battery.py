"""The whole proof of one operation: values, derivatives, dtypes, shapes, memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import autograd
from ..dtypes import dtype_of
from ..engine import Array, Node, below, wrap
from ..modes import no_grad
from ..tensor import Tensor
from ..writes import describe
from .gradcheck import Function, floats, gradcheck, gradgradcheck, name_of, outputs_of, pull_back

Shape = tuple[int, ...]
DTypeLike = Any
Run = tuple[list[Tensor], list[Array]]  # outputs, and gradients of the inputs that need one


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


def prove(holds: Any, message: str) -> None:
    """An `assert` that python -O does not leave out."""
    if not holds:
        raise AssertionError(message)


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
        return outputs_of(self.op(*tensors, **self.sample.options))

    def weights(self, outputs: Sequence[Tensor], dtype: DTypeLike = np.float64) -> list[Array]:
        """The same random cotangents on every call."""
        rng = np.random.default_rng(self.seed)
        return [np.asarray(rng.standard_normal(o.shape)).astype(dtype) for o in floats(outputs)]

    def run(
        self, arrays: Sequence[Any], needed: Sequence[int] | None = None, weights: list[Array] | None = None
    ) -> Run:
        tensors = self.tensors(arrays, needed)
        outputs = self.call(tensors)
        if not self.differentiable:
            return outputs, []
        weights = self.weights(outputs) if weights is None else weights
        return outputs, pull_back(floats(outputs), _differentiable(tensors), weights)


def _differentiable(inputs: Sequence[Any]) -> list[Tensor]:
    return [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]


def battery(
    op: Function, samples: Iterable[Any], *, reference: Function | None = None, broadcasts: bool = False,
    second_order: bool = True, differentiable: bool = True, dtypes: Sequence[DTypeLike] = (np.float32, np.float16),
    layouts: bool = True, seed: int = 0
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
                error.add_note(f"{check.__name__.strip('_')} of {name_of(op)}, sample {count}: {sample}")
                raise
    if not count:
        raise ValueError(f"no samples for {name_of(op)}: nothing would be proved")


def property_test(op: Function, samples: Any, **options: Any) -> Callable[[], None]:
    """A test of pytest, or to be called, that is the whole `battery` of an operation, with the battery's options.

    samples: what `battery` takes, or a strategy of hypothesis for one, such as `op_samples()`.

    >>> import autograd_mini as am
    >>> from autograd_mini.testing import op_samples
    >>> def cube(x):
    ...     return x * x * x
    >>> test_cube = property_test(cube, op_samples((-2.0, 2.0)), reference=lambda x: x**3)
    >>> test_cube()
    """
    test: Any
    if hasattr(samples, "example"):
        from hypothesis import given

        @given(samples)
        def test(sample: Any) -> None:
            battery(op, [sample], **options)

    else:
        kept = tuple(samples)

        def test() -> None:
            battery(op, kept, **options)

    test.__name__ = test.__qualname__ = f"test_{name_of(op)}"
    return test  # type: ignore[no-any-return]


def _value(case: _Case) -> None:
    """The reference's values; recorded where, and only where, there is a gradient."""
    tensors = case.tensors(case.arrays)
    outputs = case.call(tensors)
    needed = case.differentiable and bool(_differentiable(tensors))
    recorded = any(o.requires_grad for o in outputs)
    prove(recorded == needed, f"requires_grad of the result is {recorded}")
    with no_grad():
        for output, silent in zip(outputs, case.call(tensors), strict=True):
            prove(silent.is_leaf, "something was recorded under no_grad")
            assert_close(silent._array, output._array, 0.0, "under no_grad")
    if case.reference is not None:
        expected = case.reference(*case.arrays, **case.sample.options)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for output, right in zip(outputs, expected, strict=True):
            wanted = np.asarray(right).dtype
            prove(output.dtype == wanted, f"the result is {output.dtype}, the reference {wanted}")
            assert_close(output._array, right, 1e-12, "against the reference")


def _gradient(case: _Case) -> None:
    tensors = case.tensors(case.arrays)
    if case.differentiable:
        gradcheck(_fixed(case), tensors, seed=case.seed)
        if case.second_order:
            outputs, wanted = floats(case.call(tensors)), _differentiable(tensors)
            plain, recorded = (pull_back(outputs, wanted, case.weights(outputs), again) for again in (False, True))
            for one, other in zip(plain, recorded, strict=True):
                assert_close(one, other, 1e-12, "gradient against itself with create_graph")
            gradgradcheck(_fixed(case), tensors, seed=case.seed)


def _fixed(case: _Case) -> Function:
    def fixed(*tensors: Any) -> Any:
        return case.op(*tensors, **case.sample.options)

    fixed.__name__ = name_of(case.op)
    return fixed


def _one_input_at_a_time(case: _Case) -> None:
    """A gradient is the same whether or not the other inputs need theirs."""
    tensors = case.tensors(case.arrays)
    able = [i for i, x in enumerate(tensors) if isinstance(x, Tensor) and x.requires_grad]
    if case.differentiable and len(able) > 1:
        _, together = case.run(case.arrays)
        for i, expected in zip(able, together, strict=True):
            _, alone = case.run(case.arrays, [i])
            assert_close(alone[0], expected, 0.0, f"gradient of input {i} alone")


def _dtypes(case: _Case) -> None:
    """In another float dtype: results and gradients have it, and the values of float64 within its precision."""
    for dtype in map(dtype_of, case.dtypes):
        low = [x.astype(dtype) if getattr(x, "dtype", np.dtype(bool)).kind == "f" else x for x in case.arrays]
        wide = [x.astype(np.float64) if getattr(x, "dtype", None) == dtype else x for x in low]
        outputs, _ = case.run(wide)
        weights = case.weights(outputs, dtype)
        outputs, gradients = case.run(wide, None, [w.astype(np.float64) for w in weights])
        found = case.run(low, None, weights)
        for output, expected in zip(found[0], outputs, strict=True):
            if expected.dtype.kind == "f":
                prove(output.dtype == dtype, f"{dtype} inputs made a {output.dtype} result")
        for gradient in found[1]:
            prove(gradient.dtype == dtype, f"{dtype} inputs got a {gradient.dtype} gradient")
        _same(found, (outputs, gradients), 32 * float(np.finfo(dtype).eps), f"in {dtype}")


def _same(found: Run, expected: Run, tolerance: float, where: str) -> None:
    for output, right in zip(found[0], expected[0], strict=True):
        assert_close(output._array, right._array, tolerance, f"value {where}")
    for gradient, array in zip(found[1], expected[1], strict=True):
        assert_close(gradient, array, tolerance, f"gradient {where}")


def _layouts(case: _Case) -> None:
    """Values and gradients do not depend on how arrays, or the incoming gradients, lie in memory."""
    expected = case.run(case.arrays)
    for name, relay in LAYOUTS.items() if case.layouts else ():
        arrays = [relay(x) if isinstance(x, np.ndarray) else x for x in case.arrays]
        found = case.run(arrays, None, [relay(w) for w in case.weights(expected[0])])
        _same(found, expected, 1e-12, f"for {name} inputs")


def _read_only(x: Array) -> Array:
    copy = x.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {  # the same values, laid out differently
    "contiguous": np.array,
    "Fortran-ordered": lambda x: np.array(x, order="F"),
    "reversed": lambda x: np.flip(np.flip(x).copy()),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x.copy(),
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
        live = [(o, wrap(s)) for o, s in zip(floats(outputs), seeds, strict=True) if o.requires_grad]
        autograd.backward([o for o, _ in live], [s for _, s in live], retain_graph=True)
    for array, copy in zip(watched, before, strict=True):
        prove(np.array_equal(array, copy, equal_nan=True), f"{describe(array)} was changed by the operation")
    strangers = [*watched, *(a for o in outputs if o._node is not None for a in _kept(o._node))]
    for i, x in enumerate(given):
        if x.grad is None:
            continue
        gradient = x.grad._array
        prove(isinstance(gradient, np.ndarray) and gradient.flags.writeable, f"the gradient of input {i} is read-only")
        prove(gradient.shape == x.shape and gradient.dtype == x.dtype, f"input {i} has a {describe(gradient)} gradient")
        others = strangers + [y.grad._array for y in given if y is not x and y.grad is not None]
        prove(not any(np.shares_memory(gradient, other) for other in others), f"the gradient of input {i} is shared")


def _kept(root: Node) -> Iterator[Array]:
    """Every array that the graph below a node keeps."""
    for value in (value for node in below([root]) for value in node.kept or ()):
        yield from (v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, np.ndarray))


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
                assert_close(output._array, right._array, 1e-12, f"value, input {i} {name}")
            for k, (gradient, wide) in enumerate(zip(gradients, full_gradients, strict=True)):
                assert_close(gradient, _summed_to(wide, gradient.shape), 1e-10, f"gradient {k}, input {i} {name}")


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


def assert_close(actual: Array, expected: Array, tolerance: float, what: str) -> None:
    """Equal shapes; values within `tolerance` of themselves and of the largest; NaN and inf in the same places."""
    one, other = np.asarray(actual), np.asarray(expected)
    prove(one.shape == other.shape, f"{what}: shape {one.shape}, expected {other.shape}")
    finite = np.abs(other[np.isfinite(other)].astype(np.float64))
    scale = max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance * scale, err_msg=what)
