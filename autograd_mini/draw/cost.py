"""What a graph costs: floating-point operations forward and backward, bytes, and on request the time."""

from __future__ import annotations

import functools
import math
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine import Node
from ..writes import owner
from .gradients import ELEMENTWISE, parameters_of, rules_of
from .model import Model, Op, Sources
from .names import described, unnamed
from .numbers import number
from .values import Known, forward_again, inputs_of

Shape = tuple[int, ...]
Flops = tuple[int, int]  # forward, backward
ROUNDS = 3  # of which the fastest counts
MAX_LINES = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What one operation costs. `exact`: by its formula; else the items of its output stand for it."""

    where: str  # "t3 = matmul(x, W) in fc1"
    forward: int  # floating-point operations: a multiplication and an addition are two
    backward: int  # for those inputs alone that get a gradient
    output: int  # bytes of the result; 0 if it is a view
    kept: int | None  # bytes for backward that no operation before it has kept and no leaf holds; None: not known
    exact: bool = True
    seconds: tuple[float, float] | None = None  # forward, backward, where they were measured


@dataclass(slots=True)
class Costs:
    """The costs of all operations in their order, and their sums; prints as a table, the dearest first."""

    ops: list[Cost] = field(default_factory=list)
    parameters: int = 0
    parameter_bytes: int = 0

    @property
    def total(self) -> Cost:
        return summed(self.ops, "total")

    def headline(self) -> str:
        """The totals in one line."""
        held = f"{self.parameters:,} parameters ({in_bytes(self.parameter_bytes)}) · " if self.parameters else ""
        return held + in_words(self.total)

    def __str__(self) -> str:
        order = sorted(self.ops, key=lambda cost: -cost.forward - cost.backward)
        lines = [f"{in_words(cost)}: {cost.where.replace(chr(10), ' ')}" for cost in order[:MAX_LINES]]
        lines += [f"… {len(order) - MAX_LINES:,} more"] if len(order) > MAX_LINES else []
        return "\n".join([self.headline(), *lines])


def summed(costs: Sequence[Cost], where: str = "") -> Cost:
    """Several as one; what is not known of one is not known of all."""
    kept = [c.kept for c in costs if c.kept is not None]
    seconds = [c.seconds for c in costs if c.seconds is not None]
    timed = bool(seconds) and len(seconds) == len(costs)
    return Cost(
        where, sum(c.forward for c in costs), sum(c.backward for c in costs), sum(c.output for c in costs),
        sum(kept) if len(kept) == len(costs) else None, all(c.exact for c in costs),
        (sum(s for s, _ in seconds), sum(s for _, s in seconds)) if timed else None,
    )  # fmt: skip


def in_words(cost: Cost) -> str:
    """`26 MFLOP forward, 26.4 MFLOP backward · 64 KiB of results, 64 KiB kept`."""
    about = "" if cost.exact else "≈ "
    text = f"{about}{in_flops(cost.forward)} forward, {in_flops(cost.backward)} backward"
    return f"{text} · {in_bytes(cost.output)} of results, {in_bytes(cost.kept)} kept{_timed(cost)}"


def in_short(cost: Cost) -> str:
    """For the box of an operation: `26 MFLOP, back 26.4 MFLOP`."""
    about = "" if cost.exact else "≈ "
    return f"{about}{in_flops(cost.forward)}, back {in_flops(cost.backward)}{_timed(cost)}"


def _timed(cost: Cost) -> str:
    return f" · {in_seconds(cost.seconds[0])} + {in_seconds(cost.seconds[1])}" if cost.seconds else ""


def in_flops(count: int) -> str:
    """
    >>> in_flops(25_690_112), in_flops(0), in_flops(999), in_flops(2 * 10**12)
    ('25.7 MFLOP', '0 FLOP', '999 FLOP', '2 TFLOP')
    """
    power = min(4, (len(str(count)) - 1) // 3)
    return f"{number(count / 1000**power)} {['', 'k', 'M', 'G', 'T'][power]}FLOP"


def in_bytes(count: int | None) -> str:
    """
    >>> in_bytes(65536), in_bytes(1_628_200), in_bytes(40), in_bytes(None)
    ('64 KiB', '1.55 MiB', '40 B', 'unknown bytes')
    """
    if count is None:
        return "unknown bytes"
    power = min(4, max(0, count.bit_length() - 1) // 10)
    return f"{number(count / 1024**power)} {['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}"


def in_seconds(seconds: float) -> str:
    return f"{number(seconds * 1e3)} ms" if seconds >= 1e-3 else f"{number(seconds * 1e6)} µs"


# ---------------------------------------------------------------------------------------------- formulas


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as its formula sees it."""

    out: Shape
    inputs: list[Shape]
    needs: list[bool]  # which inputs get a gradient
    options: dict[str, Any]

    @property
    def size(self) -> int:
        return math.prod(self.out)

    @property
    def needed(self) -> int:
        return sum(self.needs)


def _products(call: Call, count: int) -> Flops:
    """`count` multiplications, each with an addition; the same again for each input's gradient."""
    return 2 * count, 2 * count * call.needed


def _linear(call: Call) -> Flops:
    product, bias = 2 * call.size * call.inputs[0][-1], call.size if call.inputs[2] else 0
    return product + bias, product * sum(call.needs[:2]) + bias * call.needs[2]


def _einsum(call: Call) -> Flops:
    letters = call.options["a"] + call.options["b"]
    return _products(call, math.prod(dict(zip(letters, (*call.inputs[0], *call.inputs[1]), strict=True)).values()))


def _pooled(call: Call) -> Flops:
    taps = call.size * math.prod(window.kernel for window in call.options["windows"])
    return taps, taps


def _of_input(forward: int, backward: int) -> Callable[[Call], Flops]:
    """So many per item of the first input."""
    return lambda call: (forward * math.prod(call.inputs[0]), backward * math.prod(call.inputs[0]))


def _of_output(forward: int, backward: int) -> Callable[[Call], Flops]:
    return lambda call: (forward * call.size, backward * call.size)


def _elementwise(name: str, call: Call) -> Flops:
    """One per item, and one for each input's gradient, which + passes on; undoing a broadcast adds all items up."""
    free = {"add": (0, 1), "sub": (0,), "astype": (0,), "clone": (0,)}.get(name, ())
    each = [(i not in free) + (shape != call.out) for i, shape in enumerate(call.inputs) if call.needs[i]]
    return call.size * (name not in ("astype", "clone")), call.size * sum(each)


FORMULAS: dict[str, Callable[[Call], Flops]] = {
    **{name: functools.partial(_elementwise, name) for name in ELEMENTWISE - {"broadcast_to"}},
    **dict.fromkeys(["getitem", "reshape", "permute", "swapaxes", "cat", "stack", "flip"], _of_output(0, 0)),
    **dict.fromkeys(["roll", "put", "diagonal", "put_diagonal"], _of_output(0, 0)),
    **dict.fromkeys(["index", "take_along_dim", "embedding", "broadcast_to", "windows_of"], _of_output(0, 1)),  # adds
    "matmul": lambda call: _products(call, call.size * call.inputs[0][-1]),
    "linear": _linear,
    "einsum": _einsum,
    "convolution": lambda call: _products(call, call.size * math.prod(call.inputs[1][1:])),
    "conv_transpose": lambda call: _products(call, math.prod((*call.inputs[0], *call.inputs[1][1:]))),
    "conv_weight": lambda call: _products(call, math.prod((*call.inputs[1], *call.out[1:]))),
    "overlap_add": _of_input(1, 0),
    "sum_pool": _pooled,
    "max_pool": _pooled,
    "sum": _of_input(1, 0),
    "mean": lambda call: (math.prod(call.inputs[0]), call.size),  # backward divides before it repeats
    "amax": _of_input(1, 1),
    "amin": _of_input(1, 1),
    "cumsum": _of_input(1, 1),
    "softmax": _of_input(5, 4),  # max, −, exp, Σ, ÷; ×, Σ, −, ×
    "log_softmax": _of_input(5, 4),  # max, −, exp, Σ, −; exp, Σ, ×, −
    "softmax_cross_entropy": _of_input(5, 7),  # log_softmax; softmax, −, ×
}


def flops(name: str, out: Shape, inputs: list[Shape | None], needs: list[bool], options: dict[str, Any]) -> Any:
    """(forward, backward, exact). Without a formula, or with an unknown shape: an item of the output counts as one.

    Constant work per row (the final ÷ n of a mean, a logarithm per row) is not counted.
    """
    shapes = [shape for shape in inputs if shape is not None]
    call = Call(out, shapes, needs, options)
    if name in FORMULAS and len(shapes) == len(inputs):
        return *FORMULAS[name](call), True
    return call.size, call.size * call.needed, False


# -------------------------------------------------------------------------------------------- the pass


def cost(model: Model, sources: Sources, known: Known, measure: bool) -> Costs:
    """The costs of every operation; with `measure` each is run again, three times, to see how long it takes."""
    leaves = [known[i] for i, wire in enumerate(model.wires) if wire.producer is None]
    leaves += [found[0] for i, found in enumerate(sources.arrays) if found and model.wires[i].producer is None]
    counted = {id(owner(array)) for array in leaves if isinstance(array, np.ndarray)}
    names, costs = unnamed(model.wires), Costs()
    for op, node in zip(model.ops, sources.operations, strict=True):
        shapes = [() if o.wire is None else model.wires[o.wire].shape for o in op.operands]
        needs = [parent is not None for parent in node.parents]
        forward, backward, exact = flops(op.name, node.shape, shapes, needs, node.options or {})
        view = node.primitive is not None and node.primitive.view
        output = 0 if view else math.prod(node.shape) * node.dtype.itemsize
        kept = _new_bytes(_kept(model, op, node, known), counted)
        seconds = _seconds(op, node, known) if measure else None
        costs.ops.append(Cost(described(op, names), forward, backward, output, kept, exact, seconds))
    held = [(math.prod(wire.shape or ()), wire.dtype) for wire in model.wires if wire.kind == "parameter"]
    costs.parameters = sum(count for count, _ in held)
    costs.parameter_bytes = sum(count * np.dtype(dtype).itemsize for count, dtype in held)
    return costs


def _kept(model: Model, op: Op, node: Node, known: Known) -> list[Any] | None:
    """What the node keeps for backward; if backward has freed it, the same without leaves, as far as it is known."""
    if node.kept is not None:
        return [part for value in node.kept for part in (value if isinstance(value, tuple) else (value,))]
    prim = node.primitive
    assert prim is not None
    places = [0 if prim.variadic else i for i in range(len(node.parents))]
    rules = [prim.rules[i] for i, parent in zip(places, node.parents, strict=True) if parent is not None]
    wanted = {name for rule in rules if rule is not None for name in parameters_of(rule)}
    wires = [o.wire for i, o in zip(places, op.operands, strict=True) if prim.inputs[i] in wanted]
    wires += [op.wire] if "out" in wanted else []
    arrays = [known[wire] for wire in wires if wire is not None and model.wires[wire].producer is not None]
    return None if any(array is None for array in arrays) else arrays


def _new_bytes(arrays: list[Any] | None, counted: set[int]) -> int | None:
    """The bytes of memory that was not counted before: of what owns it, since that is what cannot be freed."""
    if arrays is None:
        return None
    memories = [owner(a) if isinstance(a, np.ndarray) else a for a in arrays if isinstance(a, (np.ndarray, np.generic))]
    new = {id(memory): memory.nbytes for memory in memories if id(memory) not in counted}
    counted.update(new)
    return sum(new.values())


def _seconds(op: Op, node: Node, known: Known) -> tuple[float, float] | None:
    """How long the operation's function takes on these values, and its rules."""
    inputs, out = inputs_of(op, known), known[op.wire]
    if out is None or any(x is None for x in inputs):
        return None
    rules = [rule for _, rule in rules_of(op, node, known, np.ones_like(out))]
    return _fastest(lambda: forward_again(node, inputs)), sum(_fastest(rule) for rule in rules if rule is not None)


def _fastest(call: Callable[[], Any]) -> float:
    with np.errstate(all="ignore"):
        return min(timeit.repeat(call, number=1, repeat=ROUNDS))
