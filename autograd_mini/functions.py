"""Operations as functions of the package: what PyTorch's functions take and its methods do not.

`out=` writes the result into a tensor that is there; `input=` and `other=` are its names of the first two arguments.
Methods and operators stay what `rules/` made them, and cost nothing more.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from .arrays import no_tensor
from .modes import current_mode
from .tensor import Tensor


def function_of(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The operation, with `out=`, `input=` and `other=`.

    >>> import autograd_mini as am
    >>> y = am.empty(2)
    >>> am.exp(input=am.zeros(2), out=y) is y
    True
    >>> y
    tensor([1., 1.])
    """

    @functools.wraps(operation)
    def function(*args: Any, **options: Any) -> Any:
        out = options.pop("out", None) if options else None
        if "input" in options or "other" in options:
            options = _renamed(operation, options)
        try:
            result = operation(*args, **options)
        except AttributeError as error:
            raise no_tensor(operation, args, options, error) from error
        return result if out is None else _into(out, result, operation.__name__)

    return function


def _renamed(operation: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """With our names of the arguments in place of PyTorch's `input` and `other`, where they differ."""
    primitive = getattr(operation, "primitive", None)
    names = primitive.inputs if primitive else list(inspect.signature(operation).parameters)
    second = "dim" if operation.__name__ in ("max", "min") else "y"  # which take a tensor there, too
    ours = {"input": "x" if "x" in names else names[0], "other": second if second in names else "other"}
    return {key if key in names else ours.get(key, key): value for key, value in options.items()}


def _into(out: Any, result: Any, name: str) -> Any:
    """`result`, one tensor or several, in the memory of `out`, which is returned."""
    if isinstance(out, (tuple, list)):
        return tuple(_into(o, r, name) for o, r in zip(out, result, strict=True))
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if current_mode().grad and (out.requires_grad or result.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the"
            " arguments requires grad."
        )
    if out.numel() == 0:  # as in PyTorch, an empty tensor takes the shape that is needed
        out.data = np.empty(result.shape, out.dtype)
    if out.shape != result.shape:
        raise RuntimeError(f"{name}(): out has shape {out.shape}, and the result {result.shape}: give one that fits")
    return out._write(result)
