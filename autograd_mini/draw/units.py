"""Folding: which operations are drawn as one box, and which boxes stand in one frame.

A unit is one operation, a folded module, or either of these in all copies of a repeat. Nothing is lost: every
operation belongs to exactly one unit, and the title says how many are shown as how many.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from .model import Model, Wire
from .options import Options
from .repeats import Repeat, find_repeats


@dataclass(slots=True)
class Unit:
    """What is drawn as one box: per copy, its operations."""

    copies: list[list[int]]
    module: str = ""  # path of the folded module; "": a single operation
    repeat: Repeat | None = None
    frames: tuple[str, ...] = ()  # the open modules around it, outermost first
    leaves: list[int] = field(default_factory=list)  # of the first copy: parameters and inputs used nowhere else


@dataclass(slots=True)
class Join:
    """A wire, or the like wires of all copies, from a unit (or a leaf) to a unit."""

    wire: int
    tail: int | None  # None: the wire is a leaf
    head: int
    operand: int  # of the operation that reads it
    next_copy: bool = False  # from one copy of a repeat to a later one


@dataclass(slots=True)
class Plan:
    """Units in the order in which they ran."""

    units: list[Unit]
    joins: list[Join]
    repeats: list[Repeat]
    unit_of: list[int]  # per operation


def plan(model: Model, options: Options, every_level: bool = False) -> Plan:
    """Fold repeats, then modules `depth` levels down; those in `expand` are opened one level further.

    A list of modules with an inside is no level of its own, unless `every_level`.
    """
    lists = set() if every_level else _lists(model)
    repeats = find_repeats(model, options.min_repeats) if options.fold else []
    repeats = [repeat for repeat in repeats if not _is_detail(model, repeat, options, lists)]
    units: list[Unit] = []
    unit_of = [0] * len(model.ops)
    bases = [(repeat, _base(model, repeat)) for repeat in repeats]
    inside = {op: (repeat, base) for repeat, base in bases for op in range(repeat.start, repeat.stop)}
    for op in range(len(model.ops)):
        repeat, base = inside.get(op, (None, 0))
        if repeat is not None and repeat.copy(op) > 0:
            continue  # with the first copy
        module, frames = _place(model.ops[op].scope, base, options, lists)
        copies = range(op, repeat.stop, repeat.period) if repeat is not None else [op]
        if not (module and units and (units[-1].module, units[-1].repeat) == (module, repeat)):
            units.append(Unit([[] for _ in copies], module, repeat, frames))
        for ops, copy in zip(units[-1].copies, copies, strict=True):
            ops.append(copy)
            unit_of[copy] = len(units) - 1
    return Plan(units, _joins(model, units, unit_of), repeats, unit_of)


def _base(model: Model, repeat: Repeat) -> int:
    """How many parts of the module paths the copies of a repeat consume: those that all operations share."""
    scopes = [op.scope for op in model.ops[repeat.start : repeat.start + repeat.period]]
    return shared(*(scope.split(".") for scope in scopes)) if all(scopes) else 0


def shared(*lists: Sequence[object]) -> int:
    """How many items, from the first on, all have in common."""
    return sum(1 for _ in itertools.takewhile(lambda x: x[:-1] == x[1:], zip(*lists, strict=False)))


def _lists(model: Model) -> set[str]:
    """Modules that hold numbered modules with an inside, as a ModuleList of blocks."""
    found: set[str] = set()
    for scope in {op.scope for op in model.ops}:
        parts = scope.split(".")
        found.update(".".join(parts[:k]) for k in range(1, len(parts) - 1) if parts[k].isdigit())
    return found


def _is_detail(model: Model, repeat: Repeat, options: Options, lists: set[str]) -> bool:
    """Is this the lesser part of a module that is folded, as the three heads of an attention are?"""
    scopes = [op.scope.split(".") for op in model.ops[repeat.start : repeat.stop]]
    module, _ = _place(".".join(scopes[0][: shared(*scopes)]), 0, options, lists)
    ops = sum(op.scope == module or op.scope.startswith(module + ".") for op in model.ops) if module else 0
    return 2 * repeat.period * repeat.count < ops


def _place(scope: str, base: int, options: Options, lists: set[str]) -> tuple[str, tuple[str, ...]]:
    """The folded module that an operation belongs to, or ""; and the open modules around it."""
    parts = scope.split(".") if scope else []
    frames: list[str] = []
    level = 0
    for k in range(base + 1, len(parts) + 1):
        path = ".".join(parts[:k])
        level += path not in lists
        if level >= options.depth and path not in options.expand and path not in lists:
            return path, tuple(frames)
        frames.append(path)
    return "", tuple(frames)


def _joins(model: Model, units: list[Unit], unit_of: list[int]) -> list[Join]:
    """One join for all wires that run alike; leaves that only one unit uses are its own."""
    joins: dict[tuple[int, int, int, bool], Join] = {}
    for i, wire in enumerate(model.wires):
        tail = unit_of[wire.producer] if wire.producer is not None else None
        heads = {unit_of[op] for op, _ in wire.uses}
        if is_gone(wire) and all(units[head].module for head in heads):
            continue
        if tail is None and len(heads) == 1 and _is_own(model, units, i, unit_of):
            unit = units[heads.pop()]
            if wire.uses[0][0] in unit.copies[0]:
                unit.leaves.append(i)
            continue
        for op, place in wire.uses:
            head, repeat = unit_of[op], units[unit_of[op]].repeat
            later = False
            if tail is not None and repeat is not None and repeat is units[tail].repeat:
                later = repeat.copy(op) != repeat.copy(wire.producer or 0)
            if tail != head or later:
                key = (i, head, place, later) if tail is None else (tail, head, -1, later)
                joins.setdefault(key, Join(i, tail, head, place, later))
    return list(joins.values())


def is_gone(wire: Wire) -> bool:
    """An input of which nothing is known any more, as the mask of a dropout: a folded module keeps it to itself."""
    return wire.kind == "input" and wire.shape is None and not wire.name


def _is_own(model: Model, units: list[Unit], leaf: int, unit_of: list[int]) -> bool:
    """Is this leaf drawn inside the unit? Parameters are; inputs only where every copy has one of its own."""
    wire = model.wires[leaf]
    op, place = wire.uses[0]
    repeat = units[unit_of[op]].repeat
    if repeat is None:
        return wire.kind == "parameter" and not wire.output
    copies = {repeat.copy(use) for use, _ in wire.uses}
    if len(copies) > 1:
        return False
    other = op + repeat.period if copies == {0} else op - repeat.period
    there = model.ops[other].operands[place].wire
    return there is not None and there != leaf and model.wires[there].producer is None
