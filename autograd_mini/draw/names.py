"""Names of tensors: those given, else paths of parameters (`fc1.weight`), else the caller's variables."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..engine import TensorCore
from .model import NO_PATH, Model, Op, Reading, Sources, Wire
from .numbers import number

_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_PACKAGE = str(Path(__file__).parent.parent)


def name_wires(model: Model, sources: Sources, params: Any, names: Mapping[str, Any] | None) -> None:
    """Write names into the wires. A wire keeps what the first source calls it, and an alias from the same source."""
    wire_of = {id(node): wire for wire, node in enumerate(sources.nodes) if node is not None}
    connected = True
    given = named_tensors(params)
    variables = dict(names) if names is not None else caller_variables()
    modules = [list(v.named_parameters()) for v in variables.values() if _is_own_module(v)]
    explicit = [list(variables.items())] if names is not None else []
    implicit = [list(variables.items())] if names is None else []
    for source in (*explicit, given, *modules, *implicit):
        found: dict[int, list[str]] = {}
        for name, tensor in source:
            if not isinstance(tensor, TensorCore):
                continue
            wire = wire_of.get(id(tensor._node)) if tensor._node is not None else None
            if wire is None:
                wire = sources.tensors.get(id(tensor), sources.tensors.get(id(tensor._array)))
            if wire is None:
                connected = _lost(model, sources, name, tensor) if source is given else connected
                continue
            found.setdefault(wire, []).append(name)
            if sources.arrays[wire] is None and tensor._node is not None:
                sources.arrays[wire] = (tensor._array, tensor._node.number)
        for wire, called in found.items():
            if not model.wires[wire].name:
                name = called[0] if len(called) == 1 else f"{called[0]} (= {called[1]})"
                model.wires[wire].name = clean(name, 80)
    if not connected:
        model.notes.append("some parameters have no path to the output")


def _lost(model: Model, sources: Sources, name: str, tensor: TensorCore) -> bool:
    """A parameter that the output does not depend on is drawn all the same, alone: that is what one wants to see."""
    wire = Wire("parameter", tensor._array.shape, str(tensor._array.dtype), name=clean(name, 80))
    if tensor._node is not None:
        wire.grad = Reading(NO_PATH)
    model.wires.append(wire)
    sources.nodes.append(None)
    sources.arrays.append((tensor._array, 0))
    return tensor._node is None


def named_tensors(params: Any) -> list[tuple[str, TensorCore]]:
    """What `params` may be: a Module, a dictionary, pairs, or tensors (which have no names of their own)."""
    if params is None:
        return []
    if is_module(params):
        return list(params.named_parameters())
    if isinstance(params, Mapping):
        return list(params.items())
    pairs = [p if isinstance(p, tuple) else (f"params[{i}]", p) for i, p in enumerate(params)]
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[1], TensorCore):
            raise TypeError(f"params: expected a Module, {{name: tensor}} or tensors, but one is {pair[-1]!r:.60}")
    return pairs


def is_module(value: Any) -> bool:
    return not isinstance(value, type) and callable(getattr(type(value), "named_parameters", None))


def _is_own_module(value: Any) -> bool:
    nn = sys.modules.get("autograd_mini.nn")
    return nn is not None and isinstance(value, nn.Module)


def caller_variables() -> dict[str, Any]:
    """Tensors and modules among the variables of the code that asked for the picture."""
    frame = sys._getframe()
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    variables = frame.f_locals
    found = {
        name: value
        for name, value in variables.items()
        if not name.startswith("_") and (isinstance(value, TensorCore) or _is_own_module(value))
    }
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(variables) is dict:
        variables.clear()  # a copy that Python would keep, with every tensor in it, as long as the function runs
    return found


def unnamed(wires: Iterable[Wire]) -> list[str]:
    """A name for every wire: its own, or t1, t2 … by position."""
    return [wire.name or f"t{i}" for i, wire in enumerate(wires)]


def described(op: Op, names: list[str]) -> str:
    """`t3 = sqrt(x)`, with the module."""
    inputs = [names[o.wire] if o.wire is not None else number(o.constant or 0) for o in op.operands]
    return f"{names[op.wire]} = {op.name}({', '.join(inputs)})" + (f" in {op.scope}" if op.scope else "")


def clean(text: str, limit: int = 200) -> str:
    """No control characters but newlines, no lone surrogates; cut in the middle if it is longer than `limit`."""
    text = _UNPRINTABLE.sub("\ufffd", str(text))
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - limit // 2 :]}"
