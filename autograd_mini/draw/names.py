"""Names of tensors: those given, else paths of parameters (`fc1.weight`), else the caller's variables."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..engine import TensorCore
from .model import NO_PATH, Model, Op, Reading, Sources, Wire, add_wire, described_module, module_of
from .numbers import number

_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_PACKAGE = str(Path(__file__).parent.parent)


def name_wires(model: Model, sources: Sources, params: Any, names: Mapping[str, Any] | None) -> None:
    """Write names into the wires. A wire keeps what the first source calls it, and an alias from the same source."""
    wire_of = {id(node): wire for wire, node in enumerate(sources.nodes) if node is not None}
    given, lost = named_tensors(params), False
    variables = dict(names) if names is not None else caller_variables()
    for root in filter(_is_own_module, [params, *variables.values()]):
        _describe_containers(model, sources, root)
    named = list(variables.items())
    weaker = [list(v.named_parameters()) for v in variables.values() if _is_own_module(v)]
    for source in [named, given, *weaker] if names is not None else [given, *weaker, named]:
        found: dict[int, list[str]] = {}
        for name, tensor in source:
            if not isinstance(tensor, TensorCore):
                continue
            inputs = sources.tensors
            wire = wire_of.get(id(tensor._node), inputs.get(id(tensor), inputs.get(id(tensor._array))))
            if wire is not None:
                found.setdefault(wire, []).append(name)
                if sources.arrays[wire] is None and tensor._node is not None:
                    sources.arrays[wire] = (tensor._array, tensor._node.number)
            elif source is given:
                lost = lost or tensor._node is not None
                _draw_alone(model, sources, name, tensor)
        for wire, called in found.items():
            if not model.wires[wire].name:
                name = called[0] if len(called) == 1 else f"{called[0]} (= {called[1]})"
                model.wires[wire].name = clean(name, 80)
    if lost:
        model.notes.append("some parameters have no path to the output")


def _describe_containers(model: Model, sources: Sources, root: Any) -> None:
    """The classes of modules that only hold others: no operation knows them, but the module at their root does."""
    inside, scopes = dict(root.named_modules()), {node.mode.scope for node in sources.operations}
    if any(scope in inside and inside[scope] is module_of(scope) for scope in scopes):
        paths = {scope[: dot.start()] for scope in scopes for dot in re.finditer(r"\.", scope)}
        for path in paths & inside.keys():
            model.modules.setdefault(path, described_module(inside[path]))


def _draw_alone(model: Model, sources: Sources, name: str, tensor: TensorCore) -> None:
    """A parameter that the output does not depend on is drawn all the same: that is what one wants to see."""
    wire = Wire("parameter", tensor._array.shape, str(tensor._array.dtype), name=clean(name, 80))
    if tensor._node is not None:
        wire.grad = Reading(NO_PATH)
    sources.arrays[add_wire(model, sources, wire, None)] = (tensor._array, 0)


def named_tensors(params: Any) -> list[tuple[str, TensorCore]]:
    """What `params` may be: a Module, a dictionary, pairs, or tensors (which have no names of their own)."""
    if params is None:
        return []
    if not isinstance(params, type) and callable(getattr(type(params), "named_parameters", None)):
        return list(params.named_parameters())
    if isinstance(params, Mapping):
        return list(params.items())
    pairs = [p if isinstance(p, tuple) else (f"params[{i}]", p) for i, p in enumerate(params)]
    for pair in pairs:
        if len(pair) != 2 or not isinstance(pair[1], TensorCore):
            raise TypeError(f"params: expected a Module, {{name: tensor}} or tensors, but one is {pair[-1]!r:.60}")
    return pairs



def _is_own_module(value: Any) -> bool:
    nn = sys.modules.get("autograd_mini.nn")
    return nn is not None and isinstance(value, nn.Module)


def caller_variables() -> dict[str, Any]:
    """Tensors and modules among the variables of the code that asked for the picture."""
    frame = sys._getframe()
    while frame.f_code.co_filename.startswith(_PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    variables = frame.f_locals
    seen = [(name, value) for name, value in variables.items() if not name.startswith("_")]
    found = {name: value for name, value in seen if isinstance(value, TensorCore) or _is_own_module(value)}
    if frame.f_code.co_flags & inspect.CO_OPTIMIZED and type(variables) is dict:
        variables.clear()  # a copy that Python would keep, with every tensor in it, as long as the function runs
    return found


def unnamed(wires: Iterable[Wire]) -> list[str]:
    """A name for every wire: its own, or t1, t2 … by position."""
    return [wire.name or f"t{i}" for i, wire in enumerate(wires)]


def described(op: Op, names: list[str]) -> str:
    """`t3 = sqrt(x)`, with the module."""
    call = f"{names[op.wire]} = {op.name}({', '.join(inputs_in_words(op, names))})"
    return call + (f" in {op.scope}" if op.scope else "")


def inputs_in_words(op: Op, names: list[str]) -> list[str]:
    return [names[o.wire] if o.wire is not None else number(o.constant or 0) for o in op.operands]


def clean(text: str, limit: int = 200) -> str:
    """No control characters but newlines, no lone surrogates; cut in the middle if it is longer than `limit`."""
    text = _UNPRINTABLE.sub("\ufffd", str(text))
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[len(text) - limit // 2 :]}"
