"""Strategies for hypothesis: tensors, shapes that broadcast together, samples for an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..dtypes import dtype_of
from ..engine import Array, wrap
from ..extras import optional
from ..tensor import Tensor
from .battery import LAYOUTS, DTypeLike, Sample, Shape

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def tensors(
    shape: Any = None, dtype: DTypeLike = np.float64, requires_grad: bool = False,
    elements: SearchStrategy[Any] | None = None, layouts: bool = False
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
    st, hnp = hypothesis_or_error()
    wanted = dtype_of(dtype)
    if elements is None and wanted.kind == "f":
        elements = hnp.from_dtype(wanted, min_value=-10, max_value=10, allow_nan=False, allow_subnormal=False)
    if shape is None:
        shape = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
    relay = st.sampled_from([f for name, f in LAYOUTS.items() if name != "scalar"]) if layouts else st.just(np.array)

    def make(array: Array, lay: Callable[[Array], Array]) -> Tensor:
        return wrap(lay(array)).requires_grad_(requires_grad)

    return st.builds(make, hnp.arrays(wanted, shape, elements=elements), relay)  # type: ignore[no-any-return]


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 4, min_side: int = 0, max_side: int = 3
) -> SearchStrategy[tuple[Shape, ...]]:
    """Strategy for `count` shapes that broadcast together."""
    _, hnp = hypothesis_or_error()
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, max_dims=max_dims, min_side=min_side, max_side=max_side
    )
    return drawn.map(lambda both: tuple(both.input_shapes))  # type: ignore[no-any-return]


def op_samples(
    *domains: tuple[float, float], avoid: Sequence[float] = (),
    shapes: SearchStrategy[tuple[Shape, ...]] | Sequence[Shape] | None = None, max_dims: int = 2,
    **options: SearchStrategy[Any]
) -> SearchStrategy[Sample]:
    """Strategy for the samples of an operation: a float64 array for each (low, high) in `domains`, default one (-2, 2).

    avoid: kinks, from which all values stay away. shapes: of the arrays, or a strategy for them (default: of up to
    `max_dims` dimensions, broadcasting together). options: a strategy for each option of the operation.

    >>> from hypothesis import given
    >>> @given(op_samples((-2.0, 2.0), (0.5, 2.0)))
    ... def test_domains(sample):
    ...     x, y = sample.inputs
    ...     assert (abs(x) <= 2).all() and (y >= 0.5).all() and (x / y).ndim <= 2
    >>> test_domains()
    """
    st, hnp = hypothesis_or_error()
    ranges = domains or ((-2.0, 2.0),)

    def value(low: float, high: float) -> SearchStrategy[float]:
        grid = low + (high - low) * np.arange(1, 64) / 64
        far = [float(x) for x in grid if all(abs(x - kink) > 0.01 for kink in avoid)]
        return st.sampled_from(sorted(far, key=abs))  # type: ignore[no-any-return]

    if shapes is None:
        shapes = broadcastable_shapes(len(ranges), max_dims=max_dims)
    chosen = shapes if hasattr(shapes, "flatmap") else st.just(tuple(shapes))

    def arrays(sizes: tuple[Shape, ...]) -> Any:
        pairs = zip(sizes, ranges, strict=True)
        return st.tuples(*(hnp.arrays(np.float64, size, elements=value(*r)) for size, r in pairs))

    return st.builds(  # type: ignore[no-any-return]
        lambda inputs, keywords: Sample(*inputs, **keywords), chosen.flatmap(arrays), st.fixed_dictionaries(options)
    )


def hypothesis_or_error() -> tuple[Any, Any]:
    why = "testing", "the strategies need hypothesis"
    return optional("hypothesis.strategies", *why), optional("hypothesis.extra.numpy", *why)
