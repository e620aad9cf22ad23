"""What `torch.save` wrote: a zip file with the bytes of each storage, and a pickle that says what is made of them.

A pickle is a program for a small stack machine, and Python's own machine imports and calls whatever the program names.
This one has the instructions that containers, numbers, strings and tensors need, calls four functions of its own, and
refuses everything else by name: it has no way to import, and none to call what it was not written with.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

from .engine import Array, wrap

Read = Callable[[str], memoryview]  # from the name of a storage to its bytes
_STORAGES = {
    "torch.FloatStorage": "<f4", "torch.DoubleStorage": "<f8", "torch.HalfStorage": "<f2",
    "torch.LongStorage": "<i8", "torch.IntStorage": "<i4", "torch.ShortStorage": "<i2", "torch.CharStorage": "|i1",
    "torch.ByteStorage": "|u1", "torch.BoolStorage": "|b1", "torch.BFloat16Storage": "bfloat16",
}  # fmt: skip


class RefusedError(ValueError):
    """The pickle names something that is not read; the message says what."""


class _Name(str):
    """What an instruction imports, which here is just its name."""


def read_pickle(program: bytes, read: Read) -> Any:
    """The dicts, lists, tuples, numbers, strings and tensors that the pickle describes; RefusedError for the rest.

    Tensors of one storage share memory, as in PyTorch. Ordered dicts become dicts, parameters plain tensors, and
    bfloat16, which NumPy lacks, becomes float32 with the same values.
    """
    storages: dict[str, Array] = {}

    def storage(kind: str, dtype: str, key: str, location: str, numel: int) -> Array:
        if kind != "storage" or not isinstance(dtype, _Name) or dtype not in _STORAGES:
            raise RefusedError(f"refuses {dtype}: no such storage is known")
        if key not in storages:
            storages[key] = array_of(read(key), _STORAGES[dtype], (numel,))
        if storages[key].size != numel or storages[key].dtype != wide(_STORAGES[dtype]):
            raise ValueError(f"storage {key} is {storages[key].size} numbers, not {numel} of {dtype}")
        return storages[key]

    result = _run(program, storage)
    _check(result)
    return result


def array_of(data: memoryview, dtype: str, shape: tuple[int, ...]) -> Array:
    """All these bytes as an array, which shares their memory; of bfloat16 as float32, of which it is the upper half."""
    if dtype == "bfloat16":
        upper = array_of(data, "<u2", shape).astype("<u4")
        return np.left_shift(upper, 16, dtype="<u4").view("<f4")
    array = np.ndarray(shape, dtype, data)
    if array.shape != shape or array.nbytes != len(data):  # NumPy takes a shape of -1 for "whatever fits"
        raise ValueError(f"{dtype} {shape} announced for {len(data)} bytes")
    return array


def wide(dtype: str) -> np.dtype[Any]:
    return np.dtype("<f4" if dtype == "bfloat16" else dtype)


# --------------------------------------------------------------------------------------------- what may be called


def _tensor(storage: Array, offset: int, size: Any, stride: Any, *rest: Any) -> Any:
    """`_rebuild_tensor_v2`, inside of its storage; proved here, for the products that NumPy compares can overflow."""
    places = [offset, *_arguments(size), *_arguments(stride)]
    if not isinstance(storage, np.ndarray) or any(type(n) is not int or n < 0 for n in places):
        raise RefusedError("refuses a tensor whose storage, offset, sizes and strides are not a storage and counts")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= storage.size:
        raise ValueError(f"a tensor that ends at {last + 1} in a storage of {storage.size} numbers")
    item = storage.itemsize
    array = np.ndarray(size, storage.dtype, storage, offset * item, tuple(step * item for step in stride))
    array.flags.writeable = all(step or n < 2 for n, step in zip(size, stride, strict=True))  # else as after expand
    return wrap(array)


_CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "collections.OrderedDict": lambda: {},
    "torch.Size": lambda sizes: sizes,
}


def _named(name: str) -> _Name:
    if name not in _CALLS and name not in _STORAGES:
        raise RefusedError(
            f"refuses {name}: only tensors, numbers, strings and containers are read;"
            " of a module or an optimizer, save its state_dict()"
        )
    return _Name(name)


# ------------------------------------------------------------------------------------------------- the machine

_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}


def _run(program: bytes, storage: Callable[..., Array]) -> Any:
    """Interpret a pickle of protocol 2 to 5. What it pushes are plain values, arrays (storages), Tensors and names."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def pop(start: int) -> list[Any]:
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(program):
        match name := opcode.name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                marks.append(len(stack))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case _ if name in _VALUES:
                stack.append(argument)
            case _ if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(pop(len(stack) - int(name[-1]))))
            case "TUPLE":
                stack.append(tuple(pop(marks.pop())))
            case "APPEND" | "APPENDS":
                items = pop(marks.pop() if name == "APPENDS" else len(stack) - 1)
                _extend(stack[-1], items)
            case "SETITEM" | "SETITEMS":
                items = pop(marks.pop() if name == "SETITEMS" else len(stack) - 2)
                _update(stack[-1], items)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "GLOBAL":
                stack.append(_named(argument.replace(" ", ".")))
            case "STACK_GLOBAL":
                stack.append(_named(".".join(map(str, pop(len(stack) - 2)))))
            case "BINPERSID":
                stack.append(storage(*_arguments(stack.pop())))
            case "REDUCE":
                function, arguments = pop(len(stack) - 2)
                stack.append(_call(function, arguments))
            case "BUILD":  # attributes of an ordered dict: the `_metadata` of a state_dict, which no tensor needs
                pop(len(stack) - 1)
            case "STOP":
                return stack[-1]
            case _:
                raise RefusedError(f"refuses the pickle instruction {name}, which no state_dict needs")


def _call(function: Any, arguments: Any) -> Any:
    if not isinstance(function, _Name) or function not in _CALLS:
        raise RefusedError(f"refuses a call of {str(function)[:80]}, which is no function")
    return _CALLS[function](*_arguments(arguments))


def _arguments(found: Any) -> tuple[Any, ...]:
    """A tuple as it is; anything else could be a tensor of one number, 2^60 times."""
    if type(found) is not tuple:
        raise RefusedError(f"refuses a {type(found).__name__} in place of a tuple")
    return found


def _extend(target: Any, items: list[Any]) -> None:
    if type(target) is not list:
        raise RefusedError(f"refuses to append to a {type(target).__name__}")
    target += items


def _update(target: Any, items: list[Any]) -> None:
    """Keys as in our own files; none takes long to be hashed, and few can be made to have the same hash."""
    if type(target) is not dict:
        raise RefusedError(f"refuses to set items of a {type(target).__name__}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if type(key) not in (str, int, float, bool, type(None)):
            raise RefusedError(f"refuses a dict whose key is a {type(key).__name__}")
        if type(key) is int and key.bit_length() > 60:  # 2^61 - 1 and its multiples have the hash 0
            raise RefusedError(f"refuses a dict whose key is a number of {key.bit_length()} bits")
        target[key] = value


def _check(result: Any) -> None:
    """Raise if a name or a storage, rather than a tensor, is part of the result; not recursive, as it may be deep."""
    todo, seen = [result], set()
    while todo:
        item = todo.pop()
        if isinstance(item, (_Name, np.ndarray)):
            found = item if isinstance(item, _Name) else "a storage"
            raise RefusedError(f"refuses {found} as a value: only tensors, numbers, strings and containers are read")
        if isinstance(item, (dict, list, tuple)) and id(item) not in seen:
            seen.add(id(item))
            todo += item.values() if isinstance(item, dict) else item
