"""The plain model of a picture: operations, the wires (tensors) between them, and what is known of each.

`read` makes it from the engine's graph, which it never changes. The model itself holds no array, tensor or node, only
text, numbers and positions in its own lists; passes (names, values, gradients, crop) fill or narrow it; renderers
read it. `Sources` is where the passes look things up, and is dropped when the picture is done.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Node, TensorCore
from ..modes import Mode
from .numbers import Number, Preview

if TYPE_CHECKING:
    from .cost import Costs

_dtype_name = functools.cache(str)

# What is known of a value or a gradient. Never a zero that was not computed.
SHOWN, NOT_KEPT, CHANGED = "value", "not kept", "changed since"
NO_GRAD, NOT_RUN, NO_PATH = "no grad", "not run", "no path"
HINTS = {
    NOT_KEPT: "with draw.trace_backward() as t: loss.backward(); then loss.graph(trace=t)",
    NOT_RUN: "backward() has not been called on this graph",
    NO_GRAD: "does not require grad",
    NO_PATH: "requires grad, but the output does not depend on it",
    CHANGED: "was written in place after the operation had read it",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A value or a gradient: its state, what there is to see of it, and a remark."""

    state: str
    seen: Preview | None = None
    note: str = ""


UNKNOWN = Reading(NOT_KEPT)


@dataclass(slots=True)
class Operand:
    """One input of an operation: a wire, or a number written into the operation itself."""

    slot: str  # the name of the input in the operation's signature
    wire: int | None
    constant: Number | None = None
    summed: tuple[int, ...] = ()  # axes over which its gradient is summed, because it was broadcast
    grad: Reading | None = None  # what this use of the wire alone contributes to the gradient


@dataclass(slots=True)
class Op:
    """One operation that was recorded."""

    name: str
    operands: list[Operand]
    wire: int  # its output
    number: int  # position on the tape
    scope: str = ""  # path of the module that ran it
    lane: int = 0  # which pass recorded it: position in `Model.lanes`
    options: dict[str, str] = field(default_factory=dict)
    cause: str = ""  # what made its output nan or infinite, if that begins here
    source: str = ""  # the user's line that ran it, if it ran under detect_anomaly


@dataclass(slots=True)
class Wire:
    """A tensor."""

    kind: str  # "parameter" (a leaf that requires grad), "input" (no gradient), "inner" (made by an operation)
    shape: tuple[int, ...] | None  # None: no longer known
    dtype: str
    producer: int | None = None
    uses: list[tuple[int, int]] = field(default_factory=list)  # (operation, operand) that read it
    name: str = ""
    output: bool = False
    value: Reading = UNKNOWN
    grad: Reading = UNKNOWN
    hidden_uses: int = 0  # by operations that were cropped
    cut: bool = False  # the operation that made it was cropped


@dataclass(slots=True)
class Model:
    """A graph to be drawn. `ops` are in the order in which they ran."""

    ops: list[Op]
    wires: list[Wire]
    outputs: list[int]
    hidden: int = 0  # operations that were cropped
    backward_ran: bool = False
    lanes: list[str] = field(default_factory=list)  # the passes that recorded it: "forward", "backward 1" …
    modules: dict[str, str] = field(default_factory=dict)  # path -> "Linear(in_features=2, out_features=3)"
    notes: list[str] = field(default_factory=list)
    costs: Costs | None = None  # of all operations, the hidden ones first


@dataclass(slots=True)
class Sources:
    """Where the facts come from while a model is being filled; never part of the result."""

    nodes: list[Node | None]  # per wire
    arrays: list[tuple[Any, int] | None]  # per wire: an array and the tape number since which it must be unchanged
    tensors: dict[int, int]  # id of an input's Tensor or array -> wire
    operations: list[Node]  # per operation


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing that is made while a graph is read is garbage; looking for some takes two thirds of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_collection()
def read(outputs: list[TensorCore]) -> tuple[Model, Sources]:
    """The whole graph below `outputs`, without recursion and in a time proportional to its size."""
    model, sources = Model([], [], []), Sources([], [], {}, [])
    ops, wires = model.ops, model.wires
    wire_of: dict[Node, int] = {}
    for node in reachable([t._node for t in outputs if t._node is not None]):
        prim = node.primitive
        if prim is None:
            wire_of[node] = add_wire(model, sources, Wire("parameter", node.shape, _dtype_name(node.dtype)), node)
            continue
        operands = []
        for i, parent in enumerate(node.parents):
            slot = f"x{i}" if prim.variadic else prim.inputs[i]
            operand = _given(model, sources, node, i, slot) if parent is None else Operand(slot, wire_of[parent])
            if operand.wire is not None:
                wires[operand.wire].uses.append((len(ops), i))
            operands.append(operand)
        made = Wire("inner", node.shape, _dtype_name(node.dtype), len(ops))
        wire_of[node] = add_wire(model, sources, made, node)
        scope = node.mode.scope
        op = Op(prim.name, operands, wire_of[node], node.number, scope)
        if node.options:
            op.options = {k: option_text(v) for k, v in node.options.items() if v is not prim.options.get(k)}
        if node.extra is not None and node.extra.where:
            op.source = _without_folders(node.extra.where)
        if scope and scope not in model.modules:
            model.modules[scope] = described_module(module_of(scope))
        ops.append(op)
        sources.operations.append(node)
    numbers, model.lanes = lanes(node.mode for node in sources.operations)
    for op, number in zip(ops, numbers, strict=True):
        op.lane = number
    for tensor in outputs:
        root, array = tensor._node, tensor._array
        wire = wire_of[root] if root is not None else _input_wire(model, sources, tensor, array, 0)
        model.outputs.append(wire)
        wires[wire].output = True
        sources.arrays[wire] = (array, root.number if root is not None else 0)
    return model, sources


def lanes(modes: Iterable[Mode]) -> tuple[list[int], list[str]]:
    """For every operation, given the mode in which it was recorded, its lane; and the names of the lanes.

    A backward pass records all its operations in one mode, which is its own.
    """
    numbers: list[int] = []
    names: list[str] = []
    forward = backward = 0
    for owner, run in itertools.groupby(modes, lambda mode: mode if mode.order else None):
        numbers += [len(names)] * len(list(run))
        if owner is None:
            forward += 1
            names.append(f"forward {forward}" if forward > 1 else "forward")
        else:
            backward += 1
            names.append(f"backward {backward}, recorded by create_graph")
    return numbers, names


def _without_folders(where: str) -> str:
    """`train.py, line 3, in step: y = x.exp()`: pictures are shown around, and paths tell of whose machine it was."""
    return re.sub(r'File "(?:[^"]*[/\\])?([^"]*)"', r"\1", where)


def module_of(scope: str) -> Any:
    """The module whose path this is; None if it no longer lives."""
    return scope.module() if hasattr(scope, "module") else None


def described_module(module: Any) -> str:
    """Its class and options."""
    if module is None:
        return ""
    options = ""
    with contextlib.suppress(Exception):  # extra_repr is the user's
        options = f"({module.extra_repr()})"
    return type(module).__name__ + options.removesuffix("()")


def reachable(roots: Iterable[Node]) -> list[Node]:
    """Every node below the roots, oldest first."""
    stack = list(roots)
    seen = set(stack)
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=attrgetter("number"))


def add_wire(model: Model, sources: Sources, wire: Wire, node: Node | None) -> int:
    model.wires.append(wire)
    sources.nodes.append(node)
    sources.arrays.append(None)
    return len(model.wires) - 1


def _given(model: Model, sources: Sources, node: Node, i: int, slot: str) -> Operand:
    """An input without a gradient: from what the node was given, or from what it keeps for its rules."""
    given = node.given[i] if isinstance(node.given, tuple) else node.given
    given = given() if callable(given) else given  # a weak reference
    array = given._array if isinstance(given, TensorCore) else kept_input(node, i) if given is None else given
    if isinstance(array, (bool, int, float)) or (isinstance(array, np.generic) and given is not None):
        return Operand(slot, None, array.item() if isinstance(array, np.generic) else array)
    owner = array if given is None else given
    return Operand(slot, _input_wire(model, sources, owner, array, node.number))


def _input_wire(model: Model, sources: Sources, owner: Any, array: Any, number: int) -> int:
    if owner is not None and (known := sources.tensors.get(id(owner))) is not None:
        return known
    shape, dtype = (None, "") if array is None else (array.shape, str(array.dtype))
    wire = add_wire(model, sources, Wire("input", shape, dtype, grad=Reading(NO_GRAD)), None)
    if array is not None:
        sources.arrays[wire] = (array, number)
        sources.tensors[id(owner)] = sources.tensors[id(array)] = wire
    return wire


def kept_input(node: Node, i: int) -> Any:
    """The value of input i if the node keeps it for backward, else None."""
    prim = node.primitive
    if prim is None or node.kept is None:
        return None
    name = prim.inputs[0 if prim.variadic else i]
    value = node.kept[prim.asked.index(name)] if name in prim.asked else None
    return value[i] if prim.variadic and value is not None else value


def option_text(value: Any) -> str:
    """An option of an operation as short text: no addresses, no long arrays."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    if isinstance(value, tuple):
        return "(" + ", ".join(option_text(v) for v in value) + (",)" if len(value) == 1 else ")")
    if isinstance(value, slice):
        ends = [value.start, value.stop] + ([value.step] if value.step is not None else [])
        return ":".join("" if v is None else str(v) for v in ends)
    if isinstance(value, (bool, int, float, str, np.dtype, np.generic)):
        return str(value)
    return {type(None): "None", type(Ellipsis): "..."}.get(type(value), type(value).__name__)
