"""`Tensor`: the class that users hold. Operators, methods, NumPy's protocols; the operations come from `rules/`."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import engine
from .engine import NUMPY, OPERATIONS, Array, TensorCore, _writes, check_writable, current_mode, wrap
from .rules import elementwise as ew
from .rules import index, linalg, reduce, shape

DTypeLike = Any


def dtype_of(dtype: DTypeLike) -> np.dtype[Any]:
    """A dtype by NumPy's or Python's name; only floats, integers and booleans are supported."""
    found = np.dtype(engine.default_dtype if dtype is float else dtype)
    if found.kind not in "fiub" or not found.isnative or found.itemsize > 8:
        raise TypeError(f"dtype {found} is not supported: use floats up to 64 bits, integers or booleans")
    return found


class Tensor(TensorCore):
    """An n-dimensional array that remembers how it was computed, so that `backward()` can differentiate it.

    Made by `tensor(data)`; `Tensor(data)` makes float32, as in PyTorch.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y
    tensor(14., grad_fn=<SumBackward>)
    >>> y.backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    def __init__(self, *data: Any) -> None:
        if data and all(isinstance(n, int) and not isinstance(n, bool) for n in data):
            self._array = np.empty(data, engine.default_dtype)  # Tensor(2, 3): sizes, not values
        else:
            self._array = array_from(data[0] if data else [], engine.default_dtype)
        self._node = None

    if TYPE_CHECKING:  # the operations of rules/ become methods below

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    # ------------------------------------------------------------------------------------------- attributes

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return self._array.ndim  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        return self._array.nbytes  # type: ignore[no-any-return]

    @property
    def data(self) -> Tensor:
        """The values alone: shares the memory, knows no history. Assigning replaces the array."""
        return self.detach()

    @data.setter
    def data(self, value: Tensor | Array) -> None:
        array = value._array if isinstance(value, Tensor) else np.asarray(value)
        if self._node is not None:
            if not self.is_leaf and array.shape != self.shape:
                raise RuntimeError(f"data of shape {array.shape} assigned to a tensor of shape {self.shape} in a graph")
            self._node.shape, self._node.dtype = array.shape, array.dtype
            _writes.note(np.asanyarray(self._array))
        self._array = array

    @property
    def T(self) -> Tensor:
        """All axes reversed."""
        return shape.numpy_transpose(self)  # type: ignore[no-any-return]

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        if self.ndim < 2:
            raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D")
        return shape.swapaxes(self, -1, -2)  # type: ignore[no-any-return]

    def size(self, dim: int | None = None) -> Any:
        """The shape, or one length of it."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return self._array.size  # type: ignore[no-any-return]

    def is_floating_point(self) -> bool:
        return self.dtype.kind == "f"

    # --------------------------------------------------------------------------------------- leaving for NumPy

    def numpy(self) -> Array:
        """The ndarray itself (shared memory). Refused where that would cut a gradient unnoticed: detach() first."""
        if self._node is not None:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        self._array = np.asanyarray(self._array)
        return self._array

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a 0-d tensor."""
        return self._array.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        out = options.pop("out", None)
        operation = NUMPY.get(ufunc)
        if method == "reduce" and ufunc in _REDUCE:
            operation, options = _REDUCE[ufunc], {"axis": 0, **options}  # np.add.reduce sums the first axis only
        elif method != "__call__":
            raise TypeError(f"np.{ufunc.__name__}.{method} is not supported on Tensors: detach().numpy() first")
        if operation is None:
            raise TypeError(f"np.{ufunc.__name__} is not supported on Tensors: detach().numpy() first")
        if "where" in options:
            raise TypeError(f"np.{ufunc.__name__}(where=...) is not supported on Tensors: use autograd_mini.where")
        result = operation(*inputs, **options)
        if out is None:
            return result
        if isinstance(out[0], Tensor):
            return out[0]._write(result)
        out[0][...] = result.numpy()  # an ndarray cannot carry a gradient: numpy() says so
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in NUMPY:
            return NUMPY[function](*args, **kwargs)
        try:
            return function(*_without_tensors(args), **_without_tensors(kwargs))
        except RuntimeError as error:
            raise TypeError(
                f"np.{function.__name__} is not recorded here, and one of its arguments requires grad:"
                " detach().numpy() it, or use an operation of autograd_mini"
            ) from error

    # ---------------------------------------------------------------------------------------- Python protocols

    def __repr__(self) -> str:
        from .printing import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec and self.ndim == 0 else repr(self) if not spec else self, spec)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous: use .any() or .all()")
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub" or self.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self == value).any())

    __hash__ = object.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), self.__deepcopy__({})._array, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user support the deepcopy protocol: detach() it")
        copied = _rebuild(type(self), np.array(self._array), self.requires_grad)
        if self.grad is not None:
            copied.grad = wrap(np.array(self.grad._array))
        memo[id(self)] = copied
        return copied

    # ------------------------------------------------------------------------------------------------ operators

    __add__, __sub__, __mul__, __truediv__ = ew.add, ew.sub, ew.mul, ew.div
    __pow__, __matmul__, __neg__, __abs__ = ew.pow, linalg.matmul, ew.neg, ew.abs
    __eq__, __ne__, __lt__, __le__, __gt__, __ge__ = ew.eq, ew.ne, ew.lt, ew.le, ew.gt, ew.ge
    __and__, __or__, __xor__, __invert__ = ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor, ew.bitwise_not
    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Any) -> Tensor:
        return ew.sub(other, self)  # type: ignore[no-any-return]

    def __rtruediv__(self, other: Any) -> Tensor:
        return ew.div(other, self)  # type: ignore[no-any-return]

    def __rpow__(self, other: Any) -> Tensor:
        return ew.pow(other, self)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul(other, self)  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------------------- indexing

    def __getitem__(self, item: Any) -> Tensor:
        return index.getitem(self, index=plain_index(item))  # type: ignore[no-any-return]

    def __setitem__(self, item: Any, value: Any) -> None:
        where = plain_index(item)
        value = as_tensor(value, dtype=self.dtype) if not isinstance(value, TensorCore) else value
        recorded = current_mode().grad and (self._node is not None or value._node is not None)
        check_writable(self, recorded)
        self._array = array = np.asanyarray(self._array)
        if recorded:  # the history of x[i] = v: x keeps its gradient but at i, v gets it there
            before = wrap(_unlike(array, value._array, where), self._node)
            node = index.setitem(before, value, index=where)._node
        array[where] = value._array
        _writes.note(array, recorded)
        if recorded:
            self._explain(node)

    # ------------------------------------------------------------------------------------------------- in place

    def _write(self, result: Tensor) -> Tensor:
        """Take over the values (and, if it is recorded, the history) of `result`, in this tensor's own memory."""
        recorded = result._node is not None
        check_writable(self, recorded)
        if result.shape != self.shape:
            raise RuntimeError(
                f"output with shape {self.shape} doesn't match the broadcast shape {result.shape}: an in-place"
                " operation cannot change the shape of its tensor"
            )
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {self.dtype}")
        node = result._node
        if node is not None and result.dtype != self.dtype:
            node = ew.astype(result, dtype=self.dtype)._node
        self._array = array = np.asanyarray(self._array)
        if node is not None and node.kept:  # what the operation keeps of the old values must outlive them
            memory = engine.owner(array)
            node.kept = tuple(
                k.copy() if isinstance(k, np.ndarray) and engine.owner(k) is memory else k for k in node.kept
            )
        array[...] = result._array
        _writes.note(array, recorded)
        if node is not None:
            self._explain(node)
        return self

    def _explain(self, node: engine.Node) -> None:
        node.number = next(engine._clock)  # younger than the write whose result it explains
        self._node = node

    def __iadd__(self, other: Any) -> Tensor:
        return self._write(ew.add(self, other))

    def __isub__(self, other: Any) -> Tensor:
        return self._write(ew.sub(self, other))

    def __imul__(self, other: Any) -> Tensor:
        return self._write(ew.mul(self, other))

    def __itruediv__(self, other: Any) -> Tensor:
        return self._write(ew.div(self, other))

    def __ipow__(self, other: Any) -> Tensor:
        return self._write(ew.pow(self, other))

    def add_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """self += alpha * other."""
        return self._write(ew.add(self, other if alpha == 1 else alpha * other))

    def sub_(self, other: Any, *, alpha: float = 1) -> Tensor:
        """self -= alpha * other."""
        return self._write(ew.sub(self, other if alpha == 1 else alpha * other))

    def copy_(self, source: Any) -> Tensor:
        """The values of `source`, broadcast and converted to this tensor's shape and dtype."""
        result = ew.astype(as_tensor(source), dtype=self.dtype)
        return self._write(shape.broadcast_to(result, shape=self.shape))

    def fill_(self, value: Any) -> Tensor:
        """Every element set to one number."""
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Every element set to 0."""
        return self.copy_(0)


    # ---------------------------------------------------------------------------------------------- conversions

    def to(self, *args: Any, dtype: DTypeLike = None, device: Any = None, copy: bool = False, **ignored: Any) -> Tensor:
        """As another dtype: x.to(float64), x.to(other). The only device is the CPU."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, str) and not _is_dtype_name(arg) or hasattr(arg, "type") and hasattr(arg, "index"):
                device = arg
            elif arg is not None:
                dtype = arg
        if device is not None and str(device).split(":")[0] != "cpu":
            raise RuntimeError(f"device {device} is not available: tensors live on the CPU")
        dtype = self.dtype if dtype is None else dtype_of(dtype)
        return ew.astype(self, dtype=dtype) if copy or dtype != self.dtype else self

    def type(self, dtype: DTypeLike = None) -> Any:
        """As another dtype; without one, the name of this one."""
        return f"autograd_mini.{self.dtype}" if dtype is None else self.to(dtype)

    def float(self) -> Tensor:
        return self.to(np.float32)

    def double(self) -> Tensor:
        return self.to(np.float64)

    def half(self) -> Tensor:
        return self.to(np.float16)

    def long(self) -> Tensor:
        return self.to(np.int64)

    def int(self) -> Tensor:
        return self.to(np.int32)

    def bool(self) -> Tensor:
        return self.to(np.bool_)

    def cpu(self) -> Tensor:
        return self

    def contiguous(self) -> Tensor:
        """The tensor itself if its memory is in row-major order, a copy that is otherwise."""
        return self if self._array.flags.c_contiguous else ew.clone(self)

    def is_contiguous(self) -> builtins.bool:
        return self._array.flags.c_contiguous  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------ making tensors


def tensor(data: Any, dtype: DTypeLike = None, *, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested lists, arrays or tensors.

    Python floats become the default dtype (float32), Python integers int64; an ndarray keeps its own dtype.
    Raises ValueError for ragged lists, TypeError for what is not numeric.

    >>> import autograd_mini as am
    >>> am.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> am.tensor(0.5, requires_grad=True)
    tensor(0.5000, requires_grad=True)
    """
    made = wrap(np.array(array_from(data, dtype), copy=True))
    return made.requires_grad_() if requires_grad else made


def as_tensor(data: Any, dtype: DTypeLike = None) -> Tensor:
    """`data` as a tensor, without a copy where it is one already, or an ndarray of that dtype."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return wrap(array_from(data, dtype))


def from_numpy(array: Array) -> Tensor:
    """A tensor that shares the memory of an ndarray."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtype_of(array.dtype)
    return wrap(array)


def array_from(data: Any, dtype: DTypeLike = None) -> Array:
    """An ndarray with what `data` holds; shared memory where it is an array already."""
    if isinstance(data, Tensor):
        data = data._array
    wanted = None if dtype is None else dtype_of(dtype)
    if not isinstance(data, (np.ndarray, np.generic)) or isinstance(data, builtins.float):
        weak = not hasattr(data, "__array__")  # numbers and lists of numbers have no dtype of their own
        try:
            array = np.asarray(_nested(data))
        except ValueError as error:
            raise ValueError(f"expected a sequence of equal lengths at every level: {error}") from error
        if weak and wanted is None and array.dtype == np.float64 and not _holds_arrays(data):
            wanted = engine.default_dtype
        data = array
    if data.dtype.kind not in "fiub":
        raise TypeError(f"a tensor cannot be made of {data.dtype} data: use floats, integers or booleans")
    return np.asarray(data, dtype=wanted if wanted is not None else dtype_of(data.dtype))


def _nested(data: Any) -> Any:
    """Lists with tensors inside as lists of numbers and arrays."""
    if isinstance(data, (list, tuple)):
        return [_nested(item) for item in data]
    return data.detach()._array if isinstance(data, Tensor) else data


def _holds_arrays(data: Any) -> bool:
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return hasattr(data, "dtype") and not isinstance(data, builtins.float)


def _is_dtype_name(name: str) -> bool:
    try:
        np.dtype(name)
    except TypeError:
        return False
    return True


# ----------------------------------------------------------------------------------------------------- helpers

_REDUCE = {np.add: reduce.sum, np.maximum: reduce.amax, np.minimum: reduce.amin}


def plain_index(item: Any) -> Any:
    """An index with tensors, lists and ranges as arrays, as NumPy wants it."""
    if isinstance(item, tuple):
        return tuple(_plain_part(part) for part in item)
    return _plain_part(item)


def _plain_part(part: Any) -> Any:
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        return slice(*(operator.index(e) if isinstance(e, Tensor) else e for e in ends))
    if isinstance(part, Tensor):
        if part.dtype.kind == "f":
            raise IndexError("tensors used as indices must be integer or bool tensors, not " + str(part.dtype))
        return part._array if part.ndim or part.dtype.kind == "b" else int(part._array)
    if isinstance(part, (list, range)):
        array = np.asarray(_nested(list(part)))
        return array.astype(np.intp) if array.size == 0 else array
    return part


def _unlike(array: Array, value: Array, where: Any) -> Array:
    """`array`, or a copy of it for x[i] += v, where Python assigns the already changed view x[i] to itself."""
    if not isinstance(value, np.ndarray) or engine.owner(value) is not engine.owner(array):
        return array
    target = array[where]
    same = isinstance(target, np.ndarray) and target.__array_interface__ == value.__array_interface__
    return np.array(array) if same else array


def _without_tensors(value: Any) -> Any:
    """Arguments of a NumPy function with arrays in place of tensors; RuntimeError if one requires grad."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, (list, tuple)):
        return type(value)(_without_tensors(v) for v in value)
    return {k: _without_tensors(v) for k, v in value.items()} if isinstance(value, dict) else value


def _rebuild(kind: type[Tensor], array: Array, requires_grad: bool) -> Tensor:
    made = kind.__new__(kind)
    made._array, made._node = array, engine.leaf_node(array) if requires_grad else None
    return made


def _in_place(operation: Callable[..., Any]) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return self._write(operation(self, *args, **options))

    method.__name__ = operation.__name__ + "_"
    method.__doc__ = f"`{operation.__name__}`, in place."
    return method


_ELEMENTWISE = {f for f in vars(ew).values() if callable(f) and getattr(f, "__name__", "") in OPERATIONS}
for _name, _operation in OPERATIONS.items():
    if not hasattr(Tensor, _name):
        setattr(Tensor, _name, _operation)
    if _operation in _ELEMENTWISE and not hasattr(Tensor, _name + "_"):
        setattr(Tensor, _name + "_", _in_place(_operation))

NUMPY.update({np.shape: lambda a: a.shape, np.ndim: lambda a: a.ndim, np.size: lambda a: a.numel()})
engine.tensor_class = Tensor
