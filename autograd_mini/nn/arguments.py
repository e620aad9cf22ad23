"""What the constructors of layers are given, held against their annotations: one gate for all of them.

It asks what kind of thing an argument is, and of a size that it is not negative; what values a layer has a meaning for,
it says itself.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import operator
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from ..tensor import Tensor
from .module import Module

# As annotations:
Size = int  # that is not negative
Sizes = Size | Sequence[Size]
Numbers = float | Sequence[float]
Flag = bool  # and nothing in its place


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except (TypeError, RuntimeError):
        return False
    return not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) or getattr(value, "ndim", None) == 0


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (tuple, list)) and all(map(fits, value))


_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("an integer", _is_integer),
    "Size": ("an integer", _is_integer),
    "Sequence[int]": ("a tuple of integers", _all(_is_integer)),
    "Sizes": ("an integer, or a tuple of integers", lambda value: _is_integer(value) or _all(_is_integer)(value)),
    "float": ("a number", _is_number),
    "Numbers": ("a number, or a tuple of numbers", lambda value: _is_number(value) or _all(_is_number)(value)),
    "bool": ("True or False", lambda value: value is None or isinstance(value, (bool, np.bool_)) or _is_integer(value)),
    "Flag": ("True or False", lambda value: isinstance(value, bool)),
    "Tensor": ("a Tensor", lambda value: isinstance(value, Tensor)),
    "Module": ("a Module", lambda value: isinstance(value, Module)),
}


def gate(layer: type[Module]) -> None:
    """Have the layer's constructor raise a TypeError that names the argument which is not what its annotation says.

    A size below 0 is a RuntimeError, as in PyTorch.

    >>> from autograd_mini import nn
    >>> nn.Linear(784.0, 10)
    Traceback (most recent call last):
        ...
    TypeError: Linear: in_features must be an integer, but got 784.0
    """
    constructor: Any = inspect.unwrap(layer.__init__)
    places = constructor.__code__.co_varnames[1 : constructor.__code__.co_argcount]
    kinds = {name: text for name, text in constructor.__annotations__.items() if text.removesuffix(" | None") in _KINDS}

    @functools.wraps(constructor)
    def checked(self: Module, *args: Any, **options: Any) -> None:
        for name, value in itertools.chain(zip(places, args, strict=False), options.items()):
            if name in kinds and not (value is None and kinds[name].endswith(" | None")):
                _check(f"{type(self).__name__}: {name}", value, kinds[name].removesuffix(" | None"))
        constructor(self, *args, **options)

    if kinds:
        layer.__init__ = checked  # type: ignore[method-assign]


def _check(name: str, value: Any, kind: str) -> None:
    text, fits = _KINDS[kind]
    if not fits(value):
        raise TypeError(f"{name} must be {text}, but got {value!r:.60}")
    if kind in ("Size", "Sizes") and min(value if isinstance(value, Sequence) else (value,), default=0) < 0:
        raise RuntimeError(f"{name} must not be negative, but got {value!r}")
