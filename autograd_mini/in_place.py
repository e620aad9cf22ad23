"""Changes in place: what writing into a tensor means for its history, and for that of the tensors it is a view of.

Whether it may be written at all, and how a value that backward needs is guarded, stands in `writes.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import devices
from .arrays import array_from, plain_index
from .devices import copy_of
from .engine import Array, Node, TensorCore, memory, wrap
from .modes import current_mode
from .primitive import ShapeError
from .rules import elementwise as ew
from .rules import index
from .writes import check_result, check_writable, describe, outlive, owner, seen_in, tick, writes

if TYPE_CHECKING:
    from .tensor import Tensor


def set_item(tensor: Tensor, item: Any, value: Any) -> None:
    """tensor[item] = value."""
    where, mode = index.numbers_first(plain_index(item), tensor.shape), current_mode()
    value = value if isinstance(value, TensorCore) else wrap(devices.beside(array_from(value, tensor.dtype), tensor))
    where = index.placed(where, tensor._array)
    recorded = mode.grad and (tensor._node is not None or value._node is not None)
    if recorded and seen_in(tensor):
        write(tensor, index.setitem(wrap(copy_of(tensor._array), tensor._node), value, index=where))
        return
    check_writable(tensor, recorded, mode.grad)
    array = memory(tensor)
    if recorded:  # the history of x[i] = v: x keeps its gradient but at i, v gets it there
        before = wrap(_unlike(array, value._array, where), tensor._node)
        node = index.setitem(before, value, index=where)._node
    try:
        array[where] = value._array
    except (ValueError, IndexError) as error:
        kind = ShapeError if isinstance(error, ValueError) else IndexError
        raise kind(f"x[...] = value, x: {describe(array)}: {error}") from error
    writes.note(array, recorded)
    if recorded:
        _explain(tensor, node)


def write(tensor: Tensor, result: Tensor) -> Tensor:
    """Let the tensor take over the values (and, if it is recorded, the history) of `result`, in its own memory."""
    grad_enabled = current_mode().grad
    check_writable(tensor, result._node is not None, grad_enabled)
    check_result(tensor, result)
    if result._node is not None and result.dtype != tensor.dtype:
        result = ew.astype(result, dtype=tensor.dtype)
    elif result._node is None and tensor._node is not None and grad_enabled:  # a constant cuts the history off
        result = index.setitem(wrap(copy_of(tensor._array), tensor._node), result, index=...)
    node = result._node
    if node is not None and (seen := seen_in(tensor)):  # x[i] += v is part of the history of x, and of all its views
        outlive(node, tensor._array)
        base, look = seen
        write(base, index.copy_slices(base, result, look=look))
        return tensor
    if isinstance(tensor._array, np.generic):  # immutable, so nobody shares it
        tensor._array, tensor._node = result._array.astype(tensor.dtype), node if node is not None else tensor._node
        return tensor
    if node is not None:
        outlive(node, tensor._array)
    tensor._array[...] = result._array
    writes.note(tensor._array, node is not None)
    if node is not None:
        _explain(tensor, node)
    return tensor


def _explain(tensor: TensorCore, node: Node | None) -> None:
    """What the tensor now holds was made by this node; its views are looked at again."""
    assert node is not None
    node.number = tick()  # younger than the write whose result it explains
    tensor._node = node
    for reference in tuple(getattr(tensor, "_views", ())):
        view = reference()
        if view is not None and not (view.is_leaf and view.requires_grad) and (seen := seen_in(view)):
            _explain(view, seen[1](tensor)._node)


def _unlike(array: Array, value: Array, where: Any) -> Array:
    """`array`, or a copy of it for x[i] += v, where Python assigns the already changed view x[i] to itself."""
    if devices.is_memory(value) and owner(value) is owner(array):
        target = index.read_view.primitive.forward(array, index=where)
        if devices.is_memory(target) and devices.place(target) == devices.place(value):
            return copy_of(array)
    return array


def in_place(operation: Callable[..., Any], name: str) -> Callable[..., Tensor]:
    """A method of this name that writes the result of an operation into its first operand."""
    whole = hasattr(operation, "primitive")

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        before = self if whole or self._node is None else wrap(copy_of(self._array), self._node)
        return write(self, operation(before, *args, **options))  # of a composition, inner nodes may keep `before`

    method.__name__, method.__doc__ = name, f"`{operation.__name__}`, in place."
    return method
