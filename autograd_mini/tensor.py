"""`Tensor`: the class that users hold. Operators, conversions, NumPy's and Python's protocols.

The operations themselves come from `rules/`: each public entry becomes a method at the end of this file.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from . import devices, engine, in_place
from .arrays import array_from, plain_index
from .devices import copy_of, memory_of
from .dtypes import dtype_of
from .engine import Array, TensorCore, leaf_node, memory, wrap
from .primitive import OPERATIONS
from .protocols import _array_function, _array_ufunc
from .rules import elementwise as ew
from .rules import index, joining, linalg, shape
from .writes import describe, writes


def _reflected(operation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: operation(other, self)


class Tensor(TensorCore):
    """An n-dimensional array that remembers how it was computed, so that `backward()` can differentiate it.

    Made by `tensor(data)`; `Tensor(data)` copies to the default dtype, `Tensor(2, 3)` takes sizes, as in PyTorch.

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
        if data and all(type(n) is int for n in data):
            self._array = np.empty(data, dtype_of(None))
        else:
            self._array = np.array(array_from(data[0] if data else [], dtype_of(None)))
        self._node = None

    if TYPE_CHECKING:  # the operations of rules/ are methods, too

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
        array = array_from(value)
        if self._node is not None:
            if array.dtype.kind != "f" or not (self.is_leaf or array.shape == self.shape):
                raise RuntimeError(f"data of {describe(array)} assigned to {describe(self._array)} in a graph")
            self._node.shape, self._node.dtype = array.shape, array.dtype
            writes.note(memory_of(self._array))
        self._array, self._base = array, None

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
        if dim is not None and not -self.ndim <= dim < self.ndim:
            raise IndexError(f"size: Dimension out of range: {dim}, and the shape is {self.shape}")
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        return self._array.size  # type: ignore[no-any-return]

    # ------------------------------------------------------------------------------------- values for Python

    def numpy(self) -> Array:
        """The ndarray itself (shared memory). Refused where that would cut a gradient unnoticed: detach() first.

        What was detached from a computed tensor is read-only while its graph is alive, which may need the values.
        """
        if self._node is not None:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if not devices.on_host(self._array):
            raise TypeError(
                f"can't convert {devices.device_of(self._array)} device type tensor to numpy. Use Tensor.cpu() to copy"
                " the tensor to host memory first."
            )
        array = memory(self)
        if (origin := getattr(self, "_origin", None)) is None or origin() is None:
            return array
        view = array.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(f"a Tensor with {self._array.size} elements cannot be converted to Scalar")
        return self._array.item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number for a 0-d tensor."""
        return self._array.tolist()

    def graph(self, **options: Any) -> Any:
        """A picture of how this tensor was computed, with values and gradients: see `draw.draw_graph`."""
        from .draw import draw_graph

        return draw_graph(self, **options)

    def __repr__(self) -> str:
        from .printing import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item() if self.ndim == 0 else repr(self), spec)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(joining.unbind(self)) if self._node is not None else (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous: use .any() or .all()")
        return bool(self.item())

    def __float__(self) -> builtins.float:
        return float(self.item())

    def __int__(self) -> builtins.int:
        return int(self.item())

    def __index__(self) -> builtins.int:
        if self.dtype.kind not in "iub":
            raise TypeError(f"only integer tensors of a single element can be converted to an index, not {self.dtype}")
        return int(self.item())

    def __contains__(self, value: Any) -> builtins.bool:
        return bool((self == value).any())

    __hash__ = object.__hash__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (type(self), self.__deepcopy__({})._array, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("Only Tensors created explicitly by the user support the deepcopy protocol: detach() it")
        memo[id(self)] = copied = _rebuild(type(self), copy_of(self._array), self.requires_grad)
        copied.grad = None if self.grad is None else wrap(copy_of(self.grad._array))
        copied.__dict__.update(self.__dict__)
        return copied

    # ------------------------------------------------------------------------------------- NumPy's protocols

    def __array__(self, dtype: Any = None, copy: builtins.bool | None = None) -> Any:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    __array_ufunc__, __array_function__ = _array_ufunc, _array_function

    # ------------------------------------------------------------------------------------------------ operators

    __add__, __sub__, __mul__, __truediv__ = ew.add, ew.sub, ew.mul, ew.div
    __pow__, __matmul__, __neg__, __abs__ = ew.pow, linalg.matmul, ew.neg, ew.abs
    __lt__, __le__, __gt__, __ge__ = ew.lt, ew.le, ew.gt, ew.ge
    __and__, __or__, __xor__, __invert__ = ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor, ew.bitwise_not
    __mod__, __floordiv__ = ew.remainder, ew.floor_divide
    __lshift__, __rshift__ = ew.bitwise_left_shift, ew.bitwise_right_shift
    __radd__, __rmul__, __rand__, __ror__, __rxor__ = __add__, __mul__, __and__, __or__, __xor__
    __rsub__, __rtruediv__, __rpow__ = _reflected(ew.sub), _reflected(ew.div), _reflected(ew.pow)
    __rmod__, __rfloordiv__ = _reflected(ew.remainder), _reflected(ew.floor_divide)
    __rmatmul__ = _reflected(linalg.matmul)

    def __eq__(self, other: Any) -> Any:
        return NotImplemented if other is None else ew.eq(self, other)

    def __ne__(self, other: Any) -> Any:
        return NotImplemented if other is None else ew.ne(self, other)

    def __pos__(self) -> Tensor:
        return self

    def __getitem__(self, item: Any) -> Any:
        return index.getitem(self, index=plain_index(item))

    # ------------------------------------------------------------------------------------------------- in place

    __setitem__, _write = in_place.set_item, in_place.write

    def where(self, condition: Any, other: Any) -> Any:
        """self where the condition holds, other elsewhere."""
        return ew.where(condition, self, other)

    def add_(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """self += alpha * other."""
        return self._write(ew.add_multiple(self, other, alpha=alpha))

    def sub_(self, other: Any, *, alpha: builtins.float = 1) -> Tensor:
        """self -= alpha * other."""
        return self._write(ew.sub_multiple(self, other, alpha=alpha))

    def copy_(self, source: Any) -> Tensor:
        """The values of `source`, broadcast and converted to this tensor's shape and dtype."""
        source = source if isinstance(source, Tensor) else wrap(devices.beside(array_from(source), self))
        return self._write(shape.broadcast_to(ew.astype(source, dtype=self.dtype), shape=self.shape))

    def fill_(self, value: Any) -> Tensor:
        """Every element set to one number."""
        if getattr(value, "ndim", 0):
            raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got one with {value.ndim} dimensions")
        return self.copy_(value)

    def zero_(self) -> Tensor:
        """Every element set to 0."""
        return self.copy_(0)

    # ---------------------------------------------------------------------------------------------- conversions

    def to(
        self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: builtins.bool = False,
        copy: builtins.bool = False,
    ) -> Any:  # fmt: skip
        """As another dtype, or on another device: x.to(float64), x.to("cuda"), x.to(other)."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype, device = arg.dtype, arg.device
            elif type(arg).__name__ == "device" or (isinstance(arg, str) and not hasattr(np, arg)):
                device = arg
            elif not isinstance(arg, builtins.bool):
                dtype = arg if arg is not None else dtype
        wanted = self.dtype if dtype is None else dtype_of(np.float32 if dtype is builtins.float else dtype)
        moved = self if device is None else ew.to_device(self, device)
        return ew.astype(moved, dtype=wanted) if wanted != self.dtype or (copy and moved is self) else moved

    @property
    def device(self) -> Any:
        """Where the memory lies: device("cpu"), or "cuda" for CuPy's."""
        from .compat import device

        return device(devices.device_of(self._array))

    @property
    def is_cuda(self) -> builtins.bool:
        return devices.device_of(self._array) == "cuda"

    def cuda(self, device: Any = None, **options: Any) -> Any:
        """On the GPU. Raises RuntimeError where there is none, or no CuPy."""
        return self.to("cuda" if device is None else device, **options)

    def cpu(self) -> Any:
        """In the CPU's memory."""
        return self.to("cpu")

    def contiguous(self) -> Any:
        """The tensor itself if its memory is in row-major order, else a copy that is."""
        return self if self._array.flags.c_contiguous else ew.clone(self, order="C")


def _rebuild(kind: type[Tensor], array: Array, requires_grad: builtins.bool) -> Tensor:
    made = kind.__new__(kind)
    made._array, made._node = array, None
    made._node = leaf_node(made) if requires_grad else None
    return made


_elementwise = [
    f for f in vars(ew).values() if OPERATIONS.get(getattr(f, "__name__", "")) is f and f not in ew.NO_TWIN
]
_in_place_too = [*_elementwise, *index.IN_PLACE, *shape.IN_PLACE]
for _name, _function in OPERATIONS.items():
    if not hasattr(Tensor, _name):
        setattr(Tensor, _name, _function)
    if _function in _in_place_too and not hasattr(Tensor, _name + "_"):
        setattr(Tensor, _name + "_", in_place.in_place(_function, _name + "_"))
for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Tensor, f"__i{_name}__", in_place.in_place(getattr(Tensor, f"__{_name}__"), f"__i{_name}__"))

engine.tensor_class = Tensor
