"""NumPy's protocols: what its functions do with a Tensor. `Tensor` takes these two as methods.

`NUMPY` says which operation records which function of NumPy's; the others run on tensors without a gradient alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import without_tensors
from .engine import TensorCore
from .primitive import NUMPY, is_empty
from .rules import reduce

_REDUCE = {np.add: reduce.sum, np.maximum: reduce.amax, np.minimum: reduce.amin}


def _array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """What a ufunc does with a Tensor: the operation of its name, recorded."""
    out, operation = options.pop("out", None), NUMPY.get(ufunc)
    if method == "reduce" and ufunc in _REDUCE:
        operation, options = _REDUCE[ufunc], {"axis": 0, **options}  # np.add.reduce sums the first axis only
    elif method != "__call__" or operation is None or "where" in options:
        call = ufunc.__name__ + {"__call__": ""}.get(method, f".{method}") + "(where=…)" * ("where" in options)
        raise TypeError(f"np.{call} is not supported on Tensors: use an operation of autograd_mini, or detach()")
    result = operation(*inputs, **options)
    if out is None:
        return result
    if isinstance(out[0], TensorCore):
        return out[0]._write(result)  # type: ignore[attr-defined]
    out[0][...] = result.numpy()  # an ndarray cannot carry a gradient: numpy() says so
    return out[0]


def _array_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """What any other function of NumPy's does with a Tensor."""
    if function in NUMPY:
        prim = getattr(NUMPY[function], "primitive", None)
        if len(args) == 2 and is_empty(args[1]) and prim is not None and prim.empty_is_all:
            args, kwargs = args[:1], {"axis": args[1], **kwargs}  # by position it would be PyTorch's: all axes
        return NUMPY[function](*args, **kwargs)
    try:
        return function(*without_tensors(args), **without_tensors(kwargs))
    except RuntimeError as error:
        raise TypeError(
            f"{function.__module__.replace('numpy', 'np', 1)}.{function.__name__} is not recorded here, and one of"
            " its arguments requires grad:"
            " use an operation of autograd_mini, or detach()"
        ) from error


NUMPY.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: lambda a: a.numel()})
