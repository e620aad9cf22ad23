"""Which axes an argument means: one or several, by either name, counted from either end."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..modes import F
from ..primitive import called, is_empty

Axis = int | Sequence[int] | None  # an empty sequence, given as `dim`, means all axes, as None does
AxisOrNone = int | Sequence[int] | None  # of `any` and `all`, for which it means none, also in PyTorch


def dimension(dim: int, ndim: int) -> int:
    """`dim` as a number from 0 on; IndexError where there is no such axis (a 0-d tensor has one, as in PyTorch)."""
    limit, dim = ndim or 1, one_axis(dim)
    if not -limit <= dim < limit:
        raise _out_of_range(dim, limit, called())
    return dim % limit


def _out_of_range(dim: int, limit: int, name: str = "") -> IndexError:
    return IndexError(
        f"{name}Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
    )


def reduced_axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    """The axes as non-negative numbers; None means all of them. Raises IndexError out of range, as PyTorch does."""
    if axis is None:
        return tuple(range(ndim))
    axes = (int(axis),) if isinstance(axis, (int, np.integer)) else _several(axis)
    limit = ndim or 1
    for a in axes:
        if not -limit <= a < limit:
            raise _out_of_range(a, limit)
    return tuple([a % ndim for a in axes]) if ndim else ()


def _several(axis: Any) -> tuple[int, ...]:
    """Several axes; or one, in a tensor of one number."""
    try:
        return tuple(operator.index(a) for a in ((axis,) if getattr(axis, "ndim", 1) == 0 else axis))
    except TypeError:
        raise TypeError(f"expected an axis, an integer, or several of them, but got {axis!r}") from None


def one_axis(axis: Any) -> int:
    """An axis where there can be only one. Raises TypeError for None and for several."""
    try:
        return operator.index(axis)
    except TypeError:
        raise TypeError(f"argument 'dim' must be int, not {type(axis).__name__}") from None


def either_name(function: F) -> F:
    """Decorator: the function's `dim` and `keepdim` may be called axis and keepdims as well, as in PyTorch.

    Where several axes are allowed, an empty `dim` means all; an empty `axis` none, as in NumPy.
    """

    place = function.__code__.co_varnames.index("dim")
    several = function.__annotations__["dim"] == "Axis"

    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        if several and place < len(args) and is_empty(args[place]):
            args = (*args[:place], None, *args[place + 1 :])
        if not options:
            return function(*args)
        if several and is_empty(options.get("dim")):
            options["dim"] = None
        for ours, theirs in (("axis", "dim"), ("keepdims", "keepdim")):
            if ours in options:
                if theirs in options:
                    name = function.__name__
                    raise TypeError(f"{name}() got the same argument twice, by two names: {ours}, {theirs}")
                options[theirs] = options.pop(ours)
        return function(*args, **options)

    return wrapper  # type: ignore[return-value]
