"""How a random program grows: where the operands of its steps come from, and recipes for families of operations.

A program is decoded from a list of (operation, twelve bytes): the operation's recipe reads its choices off the bytes.
Any bytes make a valid program, and smaller ones a simpler program, so hypothesis can delete what it likes, and what is
left of a failure is its smallest form. A recipe sees the values computed so far. It moves an operand into the domain
of its operation by a sine, and takes a fresh input where an operand lies at a kink.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import autograd_mini

from ..engine import Array
from ..modes import no_grad
from .program import Program, Ref, Step, tensor_of

Shape = tuple[int, ...]
Recipe = Callable[["Builder", str], None]
GAP = 1e-2  # how near to a kink an operand may come
LARGEST = 48  # elements of a result
HUGE = 1e6  # of a value: the sine of more has lost too many digits to be compared


class Unfit(Exception):  # noqa: N818 - no error: the step is left out
    """The operands at hand do not suit the operation."""


class Builder:
    """What a recipe draws its choices and operands from, and adds its steps to."""

    def __init__(self) -> None:
        self.inputs: dict[str, Array] = {}
        self.steps: list[Step] = []
        self.values: dict[str, Array] = {}  # of every variable, in float64
        self.broken = False  # whether the last step raised, or gave NaN: there is nothing to build upon
        self._bytes: Iterator[int] = iter(())

    def add(self, recipe: Recipe, name: str, choices: bytes) -> None:
        """Add an operation, or nothing where it does not fit."""
        before = dict(self.inputs), list(self.steps), dict(self.values)
        self._bytes = iter(choices)
        try:
            recipe(self, name)
        except Unfit:
            self.inputs, self.steps, self.values = before

    def below(self, count: int) -> int:
        """A choice among so many; 0 is the simplest."""
        return next(self._bytes, 0) % count

    def pick(self, choices: Sequence[Any]) -> Any:
        """One of the choices, of which the first is the simplest."""
        return choices[self.below(len(choices))]

    def options(self, choices: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """For each option one of its values."""
        return {name: self.pick(values) for name, values in choices.items()}

    def apart(self, x: Ref, y: Ref) -> None:
        """Unfit, where the two come near to each other."""
        if np.any(np.abs(self.values[x] - self.values[y]) < GAP):
            raise Unfit

    def shape(self, low: int = 0, high: int = 3) -> Shape:
        """From `low` to `high` dimensions, of lengths 1 to 3; the simplest is (2,)."""
        dims = self.pick(sorted(range(low, high + 1), key=lambda n: abs(n - 1)))
        return tuple(self.pick((2, 3, 1)) for _ in range(dims))

    def tensor(
        self, shape: Shape | None = None, dims: tuple[int, int] = (0, 4), *, domain: tuple[float, float] = (-8.0, 8.0),
        avoid: Sequence[float] = (), distinct: bool = False
    ) -> Ref:
        """A fresh input or an earlier variable, of a shape or of so many dimensions, with its values in `domain`.

        avoid: kinks, which no element comes near to. distinct: no two elements are nearly equal.
        """

        def fits(other: Shape) -> bool:
            if shape is None:
                return dims[0] <= len(other) <= dims[1]
            count = math.prod(other)
            return count == math.prod(shape) or (count > 1 and _broadcast(other, shape) == shape)

        ref = self._earlier(fits)
        if ref is not None:
            before = list(self.steps), dict(self.values)
            if shape is not None and self.values[ref].shape != shape:
                same_size = self.values[ref].size == math.prod(shape)
                ref = self.step("reshape" if same_size else "broadcast_to", ref, shape)
            if not _inside(self.values[ref], domain):
                ref = self._moved_into(domain, ref)
            if smooth(self.values[ref], avoid, distinct):
                return ref
            self.steps, self.values = before
        return self.fresh(self.shape(dims[0], min(dims[1], 3)) if shape is None else shape, domain, avoid)

    def partner(self, *refs: Ref, domain: tuple[float, float] = (-8.0, 8.0)) -> Ref:
        """A tensor whose shape broadcasts with that of others."""
        shape = np.broadcast_shapes(*(self.values[ref].shape for ref in refs))
        other = self._earlier(lambda s: math.prod(_broadcast(s, shape) or (LARGEST + 1,)) <= LARGEST)
        if other is None:
            small = tuple(n if self.below(3) else 1 for n in shape[1:])
            wide = (2, *(1 for _ in shape)) if len(shape) < 3 else shape
            return self.fresh(self.pick((shape, small, (), wide)), domain)
        return other if _inside(self.values[other], domain) else self._moved_into(domain, other)

    def _earlier(self, fits: Callable[[Shape], bool]) -> Ref | None:
        """One of the float variables so far, the latest first, or None for a fresh input."""
        usable = [Ref(n) for n, x in self.values.items() if x.dtype.kind == "f" and fits(x.shape)]
        chosen: Ref | None = self.pick([None, *reversed(usable)])
        return chosen

    def fresh(self, shape: Shape, domain: tuple[float, float] = (-8.0, 8.0), avoid: Sequence[float] = ()) -> Ref:
        """A new input: distinct numbers of two decimals, now and then a zero among them."""
        low, high = max(domain[0], min(-2.0, domain[1] - 1)), min(domain[1], max(2.0, domain[0] + 2))
        seed, count = self.below(16), math.prod(shape)
        if not count:
            raise Unfit
        rng = np.random.default_rng((seed, len(self.inputs)))
        x = np.round(low + (high - low) * (rng.permutation(count) + rng.uniform(0.3, 0.7, count)) / count, 2)
        if seed % 4 == 3 and low < 0 < high:
            x[np.argmin(np.abs(x))] = 0.0  # the nearest, so that they stay distinct
        while not smooth(x, avoid):
            x = np.where(np.any([np.abs(x - kink) <= GAP for kink in avoid], axis=0), np.round(x + 0.03, 2), x)
        ref = Ref(f"x{len(self.inputs)}")
        self.inputs[ref] = self.values[ref] = x.reshape(shape)
        return ref

    def _moved_into(self, domain: tuple[float, float], ref: Ref) -> Ref:
        ref = self.step("mul", self.step("sin", ref), round((domain[1] - domain[0]) / 2 - 0.01, 3))
        middle = (domain[1] + domain[0]) / 2
        return self.step("add", ref, middle) if middle else ref

    def step(self, name: str, *args: Any, part: int | None = None, **options: Any) -> Ref:
        """Add a line, and compute it."""
        if self.broken:
            raise Unfit
        step = Step(Ref(f"y{len(self.steps)}"), name, args, options, part)
        variables = {n: tensor_of(x, autograd_mini) for n, x in self.values.items()}
        try:
            with no_grad(), np.errstate(all="ignore"):
                value = np.asarray(step.run(autograd_mini, variables).numpy())
            if not 0 < value.size <= LARGEST or value.ndim > 4 or HUGE < np.abs(value).max() < np.inf:
                raise Unfit
            self.broken = not np.isfinite(value).all()
        except Unfit:
            raise
        except Exception:  # left to the test, which will meet it again
            self.broken, value = True, np.zeros(())
        self.steps.append(step)
        self.values[step.target] = value
        return step.target

    def program(self) -> Program:
        used = {str(name) for step in self.steps for name in _refs(step.args)}
        inputs = {name: x for name, x in self.inputs.items() if name in used}
        outputs = tuple(str(s.target) for s in self.steps if s.target not in used)

        def weights(x: Array, start: int) -> Array:
            return np.asarray(np.round(np.random.default_rng(start).uniform(0.5, 2.0, x.shape), 1))

        cotangents = tuple(weights(self.values[name], i) for i, name in enumerate(outputs))
        directions = tuple(weights(x, 100 + i) for i, x in enumerate(inputs.values()))
        return Program(inputs, tuple(self.steps), outputs, cotangents, directions)


def _refs(arg: Any) -> Iterator[Ref]:
    if isinstance(arg, (tuple, list)):
        for part in arg:
            yield from _refs(part)
    elif isinstance(arg, Ref):
        yield arg


def _broadcast(one: Shape, other: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(one, other)
    except ValueError:
        return None


def _inside(x: Array, domain: tuple[float, float]) -> bool:
    return bool(np.all((domain[0] <= x) & (x <= domain[1])))


def smooth(x: Array, avoid: Sequence[float], distinct: bool = False) -> bool:
    """Whether no value is near to a kink, or (distinct) to another value."""
    far = all(bool(np.all(np.abs(x - kink) > GAP)) for kink in avoid)
    return far and not (distinct and np.any(np.diff(np.sort(x, axis=None)) < GAP))


# ---------------------------------------------------------------------------------------- recipes for families


def unary(
    low: float = -8.0, high: float = 8.0, *, avoid: Sequence[float] = (), **options: Sequence[Any]
) -> Recipe:
    """A function of one tensor, for values from `low` to `high`; each option with the values to choose from."""

    def recipe(b: Builder, name: str) -> None:
        b.step(name, b.tensor(domain=(low, high), avoid=avoid), **b.options(options))

    return recipe


def binary(
    left: tuple[float, float] = (-8.0, 8.0), right: tuple[float, float] = (-8.0, 8.0), *, numbers: Sequence[float] = (),
    kink: Callable[[Array, Array], Array] | None = None, **options: Sequence[Any]
) -> Recipe:
    """A function of two tensors that broadcasts; `numbers` may stand for the second; kinks are where `kink` is 0."""

    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(domain=left)
        y = b.pick((None, None, *numbers))
        y = b.partner(x, domain=right) if y is None else y
        if kink is not None and np.any(np.abs(kink(b.values[x], b.values[y])) < GAP):
            raise Unfit
        b.step(name, x, y, **b.options(options))

    return recipe


def reduction(
    low: float = -8.0, high: float = 8.0, *, axes: str = "none one several", distinct: bool = False,
    part: int | None = None, keepdim: bool = True, lengths: int = 1, **options: Sequence[Any]
) -> Recipe:
    """Over all axes, one or several; part: which of its results. lengths: the least of an axis to reduce."""

    def recipe(b: Builder, name: str) -> None:
        kind = b.pick(axes.split())
        x = b.tensor(dims=(0 if kind == "none" else 1, 4), domain=(low, high), distinct=distinct)
        shape = b.values[x].shape
        given = b.options(options)
        dim: Any = None if kind == "none" else b.below(len(shape)) - b.pick((0, len(shape)))
        if kind == "several":
            dim = tuple(d for d in range(len(shape)) if d == dim % len(shape) or b.below(2))
        over = range(len(shape)) if dim is None else dim if isinstance(dim, tuple) else (dim,)
        if math.prod(shape[d] for d in over) < lengths:
            raise Unfit
        if dim is not None:
            given = {"dim": dim, **({"keepdim": True} if keepdim and b.below(2) else {}), **given}
        b.step(name, x, part=None if dim is None else part, **given)

    return recipe


def along(
    low: float = -8.0, high: float = 8.0, *, distinct: bool = False, part: int | None = None, lengths: int = 1,
    **options: Sequence[Any]
) -> Recipe:
    """Along one axis, which must be given."""
    given: Any = {"distinct": distinct, "part": part, "lengths": lengths, **options}
    return reduction(low, high, axes="one", keepdim=False, **given)


def shaping(
    choose: Callable[[Builder, Shape], tuple[Any, ...]] = lambda b, shape: (), low: int = 0, high: int = 4,
    part: int | None = None, **drawn: Any
) -> Recipe:
    """A function of one tensor, drawn with these options of `Builder.tensor`, and of what is chosen by its shape."""

    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(dims=(low, high), **drawn)
        b.step(name, x, *choose(b, b.values[x].shape), part=part)

    return recipe
