"""Which memory was written when: a kept value that was overwritten must be noticed, never differentiated.

Nodes and writes are numbered by one clock. A kept value is stale if its memory was written after its node was made,
so no value carries a version, and while nothing is written all this costs one comparison per node.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .devices import is_memory

if TYPE_CHECKING:
    from .engine import Node, TensorCore

tick = itertools.count(1).__next__  # atomic in CPython


class Writes:
    """When was which memory last written? Known by the array that owns it, so views share one entry."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # else a thread could put back an older number, and a write would be missed
        self.last = 0  # number of the latest write of all
        self.recorded = 0  # number of the latest write that is itself part of a graph
        self._entries: dict[int, tuple[weakref.ref[Any], list[int]]] = {}

    def note(self, array: Any, recorded: bool = False) -> None:
        """`array` has just been written; recorded: by an operation that backward will pass through."""
        key = id(memory := owner(array))
        with self._lock:
            if (entry := self._entries.get(key)) is None:
                entries = self._entries
                entry = entries[key] = (weakref.ref(memory, lambda _: entries.pop(key, None)), [0, 0, 0])
            numbers = entry[1]
            numbers[0] = self.last = tick()
            numbers[2] += 1
            if recorded:
                numbers[1] = self.recorded = numbers[0]

    def of(self, array: Any) -> tuple[int, int, int]:
        """Number of the last write to this memory, of the last recorded one, and how many writes there were."""
        entry = self._entries.get(id(owner(array)))
        return (0, 0, 0) if entry is None else tuple(entry[1])  # type: ignore[return-value]


writes = Writes()


def owner(array: Any) -> Any:
    """The array whose memory this one shows; of what is no array, the thing itself."""
    while (base := getattr(array, "base", None)) is not None and is_memory(base):
        array = base
    return array


def seen_in(view: TensorCore) -> tuple[Any, Callable[[Any], Any]] | None:
    """Of a view: the tensor whose memory it shows, and the function that shows it again."""
    if (shown := getattr(view, "_base", None)) is None:
        return None
    base, operation, args, options = shown
    same = owner(base._array) is owner(view._array)  # else one of the two was given other data
    return (base, lambda x: operation(x, *args, **options)) if same else None


def describe(value: Any) -> str:
    """'float32 (3, 4)' for an array, the number itself for a number."""
    return f"{value.dtype} {tuple(value.shape)}" if getattr(value, "ndim", 0) else repr(value)


def recorded_at(node: Node | None) -> str:
    """To end a message: which operation made a tensor, and the line that ran it, known under anomaly detection."""
    where = node.extra.where if node is not None and node.extra is not None else ""
    return f"\n  {node!r} was recorded by {where}" if where else ""


def check_writable(tensor: TensorCore, recorded: bool, grad_enabled: bool) -> None:
    """Raise where writing into this tensor would spoil a gradient: PyTorch's rules and reasons."""
    node = tensor._node
    if isinstance(tensor._array, np.ndarray) and not tensor._array.flags.writeable:
        raise RuntimeError(
            "unsupported operation: the written-to tensor shows memory that is read-only, or one element several times"
            " (expand, a batch that is a view). Please clone() the tensor before performing the operation."
        )
    if recorded and node is None and is_memory(tensor._array.base) and getattr(tensor, "_base", None) is None:
        raise RuntimeError(
            "a view of another tensor is being used in an in-place operation with a value that requires grad: the"
            " other tensor would not know. Write through the tensor itself, as in x[i, j] = v, or clone() the view."
        )
    if node is None or not (recorded or grad_enabled):
        return
    what = "a leaf Variable"
    while node.primitive is not None and node.primitive.view and node.parents[0] is not None:
        node, what = node.parents[0], "a view of a leaf Variable"
    if node.primitive is None:
        raise RuntimeError(
            f"{what} that requires grad is being used in an in-place operation."
            " Wrap it in no_grad() to change the value itself (as an optimizer does), or compute a new tensor."
        )


def check_result(tensor: TensorCore, result: TensorCore) -> None:
    """Raise if these values do not fit into this tensor's memory: an operation in place changes no shape, no kind."""
    own, new = tensor._array, result._array
    if new.shape != own.shape:
        raise RuntimeError(
            f"output with shape {own.shape} doesn't match the broadcast shape {new.shape}: an in-place"
            " operation cannot change the shape of its tensor"
        )
    if not np.can_cast(new.dtype, own.dtype, "same_kind"):
        raise RuntimeError(f"result type {new.dtype} can't be cast to the desired output type {own.dtype}")


def check_inputs(name: str, parents: tuple[Node | None, ...], arrays: tuple[Any, ...]) -> None:
    """Raise if an input shares memory with a tensor that was changed, in the graph, after this input was made."""
    for parent, array in zip(parents, arrays, strict=False):
        if parent is not None and parent.number < writes.recorded and parent.number < writes.of(array)[1]:
            raise RuntimeError(
                f"{name}: an input shares its memory with a tensor that was changed in place since {parent!r} made"
                " it, so its history is no longer true. Take the view again after the change."
                f"{recorded_at(parent)}"
            )


def check_kept(node: Node, kept: tuple[Any, ...]) -> None:
    """Raise if a value that this node kept was written since."""
    assert node.primitive is not None
    for slot, value in zip(node.primitive.asked, kept, strict=True):
        for array in value if isinstance(value, tuple) else (value,):
            if is_memory(array) and writes.of(array)[0] > node.number:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation:"
                    f" {slot!r} ({describe(array)}) of {node!r} was written after the forward pass read it."
                    " Compute a new tensor instead (x = x + 1, not x += 1), or clone() before the change."
                    f"{recorded_at(node)}"
                )


def outlive(node: Node, array: Any) -> None:
    """Copy what the node keeps of this memory, which is about to be written."""
    if node.kept:
        memory = owner(array)
        node.kept = tuple(k.copy() if is_memory(k) and owner(k) is memory else k for k in node.kept)
