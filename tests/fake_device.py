"""An array library that lives nowhere else but refuses to be NumPy: a stand-in for CuPy where there is no GPU.

It holds ndarrays and is as strict as CuPy 14.2 is by its signatures: no implicit copy to the host, no host arrays among
its operands or indices, only the ufunc methods, NumPy functions and keywords that CuPy has, views that are writable
however often they show an element. Copies from and to the host are counted.
"""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import numpy as np

# NumPy's functions that CuPy 14.2 lacks, as far as they take arrays
LACKING = {
    "block", "einsum_path", "histogram_bin_edges", "insert", "matvec", "nanpercentile", "nanquantile", "polyder",
    "spacing", "unstack", "vecdot", "vecmat", "linalg.diagonal", "linalg.matrix_norm", "linalg.multi_dot",
    "linalg.outer", "linalg.svdvals", "linalg.tensordot", "linalg.trace", "linalg.vecdot", "linalg.vector_norm",
}  # fmt: skip
_SPREAD = {"nanstd", "nanvar", "std", "var"}
_SUMS = {"amax", "amin", "max", "min", "nanmax", "nanmin", "nanprod", "nansum", "prod", "sum"}
LACKING_KEYWORDS = {  # … and keywords that these of its functions and methods lack
    "initial": _SUMS, "where": {*_SUMS, *_SPREAD, "all", "any", "mean", "nanmean"}, "mean": _SPREAD,
    "correction": _SPREAD, "order": {"argsort", "sort"}, "stable": {"argsort", "sort"}, "mode": {"take"},
    "kind": {"argpartition", "partition"}, "device": {"empty_like", "full_like", "ones_like", "zeros_like"},
    "subok": {"broadcast_to"}, "upper": {"cholesky"}, "hermitian": {"pinv", "svd"}, "sorted": {"unique"},
}  # fmt: skip
UFUNC_KEYWORDS = {  # … and those that its ufuncs have
    "__call__": {"dtype", "casting"}, "reduce": {"axis", "dtype", "keepdims"}, "accumulate": {"axis", "dtype"},
    "at": set[str](),
}  # fmt: skip
REDUCIBLE = {"add", "multiply"}  # CuPy: "reduce is not supported yet" for the others
METHODS = {
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "astype", "clip", "conj", "copy", "cumprod",
    "cumsum", "diagonal", "dot", "fill", "flatten", "max", "mean", "min", "nonzero", "partition", "prod", "put",
    "ravel", "repeat", "reshape", "round", "searchsorted", "sort", "squeeze", "std", "sum", "swapaxes", "take",
    "trace", "transpose", "var", "view",
}  # fmt: skip


class Pointer:
    """Two of them are never equal, though they point to one place."""

    def __init__(self, ptr: int) -> None:
        self.ptr = ptr


class Flags:
    def __init__(self, flags: Any) -> None:
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata
        self.forc = flags.forc


class FakeArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array on the device "fake"."""

    uploads: ClassVar[int] = 0
    downloads: ClassVar[int] = 0

    def __init__(self, host: Any, base: FakeArray | None = None) -> None:
        self._host, self.base = np.asarray(host), base

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    data = property(lambda self: Pointer(self._host.__array_interface__["data"][0]))
    flags = property(lambda self: Flags(self._host.flags))
    T = property(lambda self: _wrapped(self._host.T, (self,)))
    mT = property(lambda self: _wrapped(self._host.mT, (self,)))  # noqa: N815 (CuPy's name)

    def __array__(self, *args: Any, **options: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __len__(self) -> int:
        return len(self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __int__(self) -> int:
        return int(self._host)

    __index__ = __int__

    def item(self, *args: int) -> Any:
        return self._host.item(*args)

    def tolist(self) -> Any:
        return self._host.tolist()

    def __getitem__(self, index: Any) -> Any:
        return _wrapped(self._host[_bare(index)], (self,))

    def __setitem__(self, index: Any, value: Any) -> None:
        self._host[_bare(index)] = _bare(value)

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(f"{name}: a CuPy array has no such attribute")

        def method(*args: Any, **options: Any) -> Any:
            _check_keywords(name, options)
            return _wrapped(getattr(self._host, name)(*_bare(args), **_bare(options)), (self,))

        return method

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "reduce" and ufunc.__name__ not in REDUCIBLE:
            raise NotImplementedError(f"`{ufunc.__name__}.reduce` is not supported yet")
        if ufunc.__name__ in LACKING or method not in UFUNC_KEYWORDS:
            return NotImplemented
        if odd := options.keys() - UFUNC_KEYWORDS[method]:
            raise TypeError(f"Wrong arguments {odd}")
        options = _bare(options) if out is None else {**_bare(options), "out": _bare(out)}
        result = getattr(ufunc, method)(*_bare(inputs), **options)
        return out[0] if out is not None else _wrapped(result, ())

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if (name if function.__module__ == "numpy" else f"linalg.{name}") in LACKING:
            return NotImplemented
        if any(not issubclass(t, (FakeArray, np.ndarray)) for t in types):
            return NotImplemented
        _check_keywords(name, kwargs)
        if name == "where" and not isinstance(args[0], FakeArray):
            raise AttributeError(f"{type(args[0])} has no attribute 'astype'")
        if name.endswith("_like") and kwargs.get("shape") == ():  # taken for no shape at all
            kwargs = {**kwargs, "shape": None}
        result = function(*_bare(args), **_bare(kwargs))
        if function.__module__ == "numpy.linalg" and isinstance(result, tuple):
            result = tuple(result)  # without names
        return kwargs["out"] if "out" in kwargs else _wrapped(result, args)

    def __repr__(self) -> str:
        return f"FakeArray({self._host!r})"


def _check_keywords(name: str, options: Any) -> None:
    for key, value in options.items():
        if name in LACKING_KEYWORDS.get(key, ()) and value is not np._NoValue:
            raise TypeError(f"{name}() got an unexpected keyword argument {key!r}")


def _bare(value: Any) -> Any:
    """What the host library is given; arrays that live on the host already are not welcome."""
    if isinstance(value, FakeArray):
        return value._host
    if isinstance(value, np.ndarray) or (hasattr(value, "__array_ufunc__") and not isinstance(value, np.generic)):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(*map(_bare, value)) if hasattr(value, "_fields") else type(value)(map(_bare, value))
    return value


def _wrapped(result: Any, sources: Any) -> Any:
    """A result as it would lie on the device; a view knows the array whose memory it shows."""
    if isinstance(result, (np.ndarray, np.generic)):
        result = np.asarray(result)
        shown = [s for s in sources if isinstance(s, FakeArray) and np.may_share_memory(s._host, result)]
        if shown and not result.flags.writeable:
            with contextlib.suppress(ValueError):  # CuPy does not protect views that show an element several times
                result.flags.writeable = True
        return FakeArray(result, shown[0] if shown else None)
    if isinstance(result, (tuple, list)):
        items = [_wrapped(item, sources) for item in result]
        return type(result)(*items) if hasattr(result, "_fields") else type(result)(items)
    return result


def from_host(array: Any) -> FakeArray:
    FakeArray.uploads += 1
    return FakeArray(np.array(array))


def to_host(array: FakeArray) -> Any:
    FakeArray.downloads += 1
    return array._host.copy()
