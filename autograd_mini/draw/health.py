"""What is wrong with a graph: the first value that is not finite and its cause, gradients that vanish or explode."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .formula import LABELS
from .gradients import ELEMENTWISE
from .model import NO_PATH, NOT_KEPT, NOT_RUN, Model
from .names import described, unnamed
from .numbers import Preview, number
from .values import Known, inputs_of

VALUE, GRADIENT, EXPLODING, VANISHING = "bad value", "bad gradient", "exploding", "vanishing"
ZERO, DEAD, LOST = "zero gradient", "dead relu", "no path"
GLYPHS = {VALUE: "✖", GRADIENT: "✖", EXPLODING: "▲", VANISHING: "▼", ZERO: "○", DEAD: "◌", LOST: "∅"}
MIN_BATCH = 8  # samples; of fewer, a healthy relu is often 0 for all

_DOMAINS = {  # what makes an operation leave the finite numbers, and what helps
    "sqrt": ("of a negative number", "keep its input ≥ 0, as with clamp(min=0)"),
    "log": ("of a number that is not positive", "add a small number, or use log_softmax or cross_entropy"),
    "div": ("by zero", "add a small number to what it divides by"),
    "exp": ("is too large for its dtype", "subtract the maximum first, as softmax and logsumexp do"),
    "pow": ("of these inputs is no finite number", "keep the base > 0"),
    "pow_number": ("of this input is no finite number", "keep the base > 0"),
}
_SLOPES = {  # where a rule divides by zero although the value is finite
    "sqrt": "the slope of sqrt at 0 is infinite: add a small number inside",
    "pow_number": "the slope at 0 is infinite for exponents < 1: add a small number to the base",
    "norm": "the slope of a norm at 0 is not defined: add a small number inside",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `node` is the id of the box in the picture, `where` the name of the tensor or operation."""

    kind: str
    node: str
    where: str
    hint: str

    def __str__(self) -> str:
        return f"{GLYPHS[self.kind]} {self.kind}: {self.where}: {self.hint}"


class Problems(list[Problem]):
    """The findings of `Graph.check`, in the order in which to look at them; prints as text."""

    def __init__(self, found: Iterable[Problem] = (), unchecked: Iterable[str] = ()) -> None:
        super().__init__(found)
        self.unchecked = list(unchecked)  # what could not be looked at, and why

    def __str__(self) -> str:
        count = f"{len(self)} problem{'s' * (len(self) > 1)}" if self else "no problem found"
        return "\n".join([count, *self.lines(3), *(f"not checked: {what}" for what in self.unchecked)])

    def lines(self, each: int) -> list[str]:
        """At most `each` of a kind in words, the others counted."""
        shown: list[str] = []
        for kind in dict.fromkeys(p.kind for p in self):
            found = [str(p) for p in self if p.kind == kind]
            more = [f"{GLYPHS[kind]} {kind}: {len(found) - each:,} more"] if len(found) > each else []
            shown += found[:each] + more
        return shown


def check(model: Model, *, exploding: float = 1e3, vanishing: float = 1e-7, dead: float = 0.5) -> Problems:
    """Looks at every value and gradient that the model knows.

    A bad value (or gradient) is named where it arises: there the inputs were still finite. Those that follow from it
    are not repeated.
    """
    names = unnamed(model.wires)
    found = _bad_values(model, names)
    if not any(wire.value.seen is not None and wire.value.seen.nonfinite for wire in model.wires):
        found += _bad_gradients(model, names)
    found += _sizes(model, names, exploding, vanishing)
    found += _dead_relus(model, names, dead)
    hint = "the output does not depend on it: is its layer called, is there a detach() or no_grad() between?"
    found += [Problem(LOST, f"t{i}", names[i], hint) for i, w in enumerate(model.wires) if w.grad.state == NO_PATH]
    return Problems(found, _unchecked(model))


def _unchecked(model: Model) -> list[str]:
    said = [f"the first {model.hidden:,} operations, which are not in the picture"] if model.hidden else []
    unknown = sum(w.value.seen is None for w in model.wires)
    said += [f"{unknown:,} value{'s' * (unknown > 1)} that are not kept"] if unknown else []
    states = {w.grad.state for w in model.wires}
    said += ["gradients: backward has not run"] if NOT_RUN in states else []
    return said + (["gradients between the leaves: see draw.trace_backward()"] if NOT_KEPT in states else [])


def mark_causes(model: Model, known: Known) -> None:
    """Write into each operation that made something not finite of finite inputs what it was given there."""
    for op in model.ops:
        out, inputs = known[op.wire], inputs_of(op, known)
        given = [x for x in inputs if x is not None]
        if out is None or np.isfinite(out).all():
            continue
        new_nan = np.isnan(out).any() and not any(np.isnan(x).any() for x in given)
        if not (new_nan or all(np.isfinite(x).all() for x in given)):
            continue  # nan of nan, or an infinity of numbers that were not finite: the trouble begins before
        bad = np.isnan(out) if new_nan else ~np.isfinite(out)
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        made = number(float(np.asarray(out)[index])) + (f" at [{', '.join(map(str, index))}]" if index else "")
        if op.name in ELEMENTWISE:
            here = ["?" if x is None else number(float(np.broadcast_to(x, out.shape)[index])) for x in inputs]
            made = f"{op.name}({', '.join(here)}) = {made}"
        op.cause = f"{made}, {int(bad.sum()):,} of {out.size:,}" if out.size > 1 else made
        missing = [o.wire for o, x in zip(op.operands, inputs, strict=True) if x is None]
        if any(wire is not None and model.wires[wire].producer is not None for wire in missing):
            op.cause += " (or before it, where values are not kept)"


def _bad_values(model: Model, names: list[str]) -> list[Problem]:
    found = []
    for i, wire in enumerate(model.wires):
        if wire.producer is None and (seen := wire.value.seen) is not None and seen.nan:
            hint = f"{seen.nan:,} of {seen.size:,} items are nan already here: look at where it comes from"
            found.append(Problem(VALUE, f"t{i}", names[i], hint))
    for n, op in enumerate(model.ops):
        if op.cause:
            reason, advice = _DOMAINS.get(op.name, ("made it of inputs that were none", ""))
            hint = f"{op.cause}: {LABELS.get(op.name, op.name)} {reason}"
            found.append(Problem(VALUE, f"n{n}", described(op, names), hint + (f"; {advice}" if advice else "")))
    if found:
        rest = sum(w.value.seen is not None and w.value.seen.nonfinite > 0 for w in model.wires) - len(found)
        more = f" ({rest} tensor{'s' * (rest > 1)} after it follow{'s' * (rest == 1)})" if rest > 0 else ""
        found[0] = replace(found[0], hint=found[0].hint + more)
    return found


def _bad_gradients(model: Model, names: list[str]) -> list[Problem]:
    """The rules whose gradient is not finite although what they were given is; else the leaves that hold such."""
    found = []
    for n, op in reversed(list(enumerate(model.ops))):
        given = model.wires[op.wire].grad.seen
        passed = [(o.wire or 0, o.grad.seen) for o in op.operands if o.grad is not None]
        bad = [(wire, seen) for wire, seen in passed if seen is not None and seen.nonfinite]
        if bad and given is not None and not given.nonfinite:
            wire, seen = bad[0]
            hint = f"its rule makes {seen.nonfinite:,} of {seen.size:,} items of the gradient of {names[wire]} nan or"
            hint += f" inf; {_SLOPES.get(op.name, 'its inputs are where the derivative is not finite')}"
            found.append(Problem(GRADIENT, f"n{n}", described(op, names), hint))
    for i, leaf in enumerate(model.wires if not found else ()):
        if leaf.kind == "parameter" and (held := leaf.grad.seen) is not None and held.nonfinite:
            hint = f"{held.nonfinite:,} of {held.size:,} items are nan or inf; run backward"
            found.append(Problem(GRADIENT, f"t{i}", names[i], hint + " under trace_backward() to see where it begins"))
    return found


def _sizes(model: Model, names: list[str], exploding: float, vanishing: float) -> list[Problem]:
    """Gradients of parameters that are far too large, far too small, or nothing at all."""
    seen = [(i, wire, wire.grad.seen) for i, wire in enumerate(model.wires) if wire.kind == "parameter"]
    known = [(i, w, g) for i, w, g in seen if g is not None and g.size and not g.nonfinite]
    usual = statistics.median([scale for _, w, _ in known if (scale := _rms(w.value.seen))] or [0.0])
    found = []
    for i, wire, g in known:
        own = _rms(wire.value.seen) or usual  # a bias that is all 0 is compared with the others
        size = f"its typical item is {number(g.rms)}"
        if g.norm == 0:
            kind, hint = ZERO, f"all {g.size:,} items are exactly 0{_dies(model, i, names)}"
        elif 0 < exploding * own < g.rms:
            times = f"{number(g.rms / own)} times that of the tensor"
            kind, hint = EXPLODING, f"{size}, {times}: clip gradients, or scale the inputs down"
        elif g.rms < vanishing:
            advice = "skip connections or larger first weights help"
            kind, hint = VANISHING, f"{size}: many small factors lie between it and the output; {advice}"
        else:
            continue
        found.append(Problem(kind, f"t{i}", names[i], hint))
    return found


def _rms(seen: Preview | None) -> float:
    return seen.rms if seen is not None and not seen.nonfinite else 0.0


def _dies(model: Model, wire: int, names: list[str]) -> str:
    """The first operation above a tensor that is given a gradient and passes on zeros."""
    stack, visited = [wire], {wire}
    while stack:
        for n, place in model.wires[stack.pop()].uses:
            op = model.ops[n]
            out, passed = model.wires[op.wire].grad.seen, op.operands[place].grad
            if out is None or passed is None or passed.seen is None:
                continue
            if out.norm > 0 == passed.seen.norm:
                return f": {described(op, names)} passes on zeros only"
            if op.wire not in visited:
                visited.add(op.wire)
                stack.append(op.wire)
    return ""


def _dead_relus(model: Model, names: list[str], share: float) -> list[Problem]:
    found = []
    for n, op in enumerate(model.ops):
        out = model.wires[op.wire].value.seen
        if op.name == "relu" and out is not None and out.dead and out.shape[0] >= MIN_BATCH:
            samples = out.shape[0]
            units = out.size // samples
            if out.dead >= share * units:
                hint = f"{out.dead:,} of {units:,} units are 0 for all {samples:,} samples: nothing flows back"
                found.append(Problem(DEAD, f"n{n}", described(op, names), f"{hint}; a lower learning rate helps"))
    return found
