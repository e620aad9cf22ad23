"""Folding: which operations are drawn as one box, and which boxes stand in one frame.

A unit is one operation, a folded module, or either of these in all copies of a repeat. Nothing is lost: every
operation belongs to exactly one unit, and the title says how many are shown as how many.
"""

from __future__ import annotations

import itertools
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
    inside = iter([*repeats, Repeat(len(model.ops), 1, 1)])
    repeat = next(inside)
    last: tuple[str, Repeat | None] = ("", None)
    op = 0
    while op < len(model.ops):
        while op >= repeat.stop:
            repeat = next(inside)
        here = repeat if op >= repeat.start else None
        base = _base(model, here) if here is not None else 0
        module, frames = _place(model.ops[op].scope, base, options, lists)
        copies = [op + k * here.period for k in range(here.count)] if here is not None else [op]
        if not (module and units and last == (module, here)):
            units.append(Unit([[] for _ in copies], module, here, frames))
        last = (module, here)
        for ops, copy in zip(units[-1].copies, copies, strict=True):
            ops.append(copy)
            unit_of[copy] = len(units) - 1
        op += 1
        if here is not None and op == here.start + here.period:
            op = here.stop
    return Plan(units, _joins(model, units, unit_of), repeats, unit_of)


def _base(model: Model, repeat: Repeat) -> int:
    """How many parts of the module paths the copies of a repeat consume: those that all operations share."""
    paths = [op.scope.split(".") for op in model.ops[repeat.start : repeat.start + repeat.period]]
    shared = 0
    while all(len(path) > shared and path[shared] == paths[0][shared] and path[0] for path in paths):
        shared += 1
    return shared


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
    shared = [parts[0] for parts in itertools.takewhile(lambda p: len(set(p)) == 1, zip(*scopes, strict=False))]
    module, _ = _place(".".join(shared), 0, options, lists)
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
    joins: dict[tuple[int | None, int, int, bool], Join] = {}
    for i, wire in enumerate(model.wires):
        tail = unit_of[wire.producer] if wire.producer is not None else None
        heads = {unit_of[op] for op, _ in wire.uses}
        if is_gone(wire) and all(units[head].module for head in heads):
            continue
        if tail is None and len(heads) == 1 and _is_own(model, units, i, unit_of):
            unit = units[unit_of[wire.uses[0][0]]]
            if wire.uses[0][0] in unit.copies[0]:
                unit.leaves.append(i)
            continue
        for op, place in wire.uses:
            head, repeat = unit_of[op], units[unit_of[op]].repeat
            later = False
            if tail is not None and repeat is not None and repeat is units[tail].repeat:
                later = repeat.copy(op) != repeat.copy(wire.producer or 0)
            if tail != head or later:
                joins.setdefault((i if tail is None else tail, head, place if tail is None else -1, later),
                                 Join(i, tail, head, place, later))  # fmt: skip
    return list(joins.values())


def is_gone(wire: Wire) -> bool:
    """An input of which nothing is known any more, as the mask of a dropout: a folded module keeps it to itself."""
    return wire.kind == "input" and wire.shape is None and not wire.name


def _is_own(model: Model, units: list[Unit], leaf: int, unit_of: list[int]) -> bool:
    """Is this leaf drawn inside the unit? Parameters are; inputs only where every copy has one of its own."""
    op, place = model.wires[leaf].uses[0]
    unit = units[unit_of[op]]
    repeat = unit.repeat
    if repeat is None:
        return model.wires[leaf].kind == "parameter" and not model.wires[leaf].output
    copies = {repeat.copy(use) for use, _ in model.wires[leaf].uses}
    if len(copies) > 1:
        return False
    other = op + repeat.period if copies == {0} else op - repeat.period
    there = model.ops[other].operands[place].wire
    return there is not None and there != leaf and model.wires[there].producer is None
