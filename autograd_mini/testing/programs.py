"""Random programs: graphs of operations over the whole table, which print themselves as Python.

A program is decoded from a list of (operation, twelve bytes): the operation's recipe reads its choices off the bytes.
Any bytes make a valid program, and smaller ones a simpler program, so hypothesis can delete what it likes, and what is
left of a failure is its smallest form. A recipe sees the values computed so far. It moves an operand into the domain
of its operation by a sine, and takes a fresh input where an operand lies at a kink.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import autograd_mini

from ..engine import Array
from ..modes import no_grad
from .strategies import hypothesis_or_error

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Shape = tuple[int, ...]
Recipe = Callable[["Builder", str], None]
GAP = 1e-2  # how near to a kink an operand may come
LARGEST = 48  # elements of a result
HUGE = 1e6  # of a value: the sine of more has lost too many digits to be compared

# ------------------------------------------------------------------------------------------------ a program


class Ref(str):
    """The name of a variable of a program, as an argument."""

    __repr__ = str.__str__


@dataclasses.dataclass(frozen=True)
class Step:
    """One line: target = lib.name(*args, **options), or that result's element `part`."""

    target: Ref
    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    part: int | None = None

    def run(self, lib: Any, variables: dict[str, Any]) -> Any:
        """The result in a library, with the values of the variables so far."""
        args = [_value(arg, lib, variables) for arg in self.args]
        if self.name == "getitem":
            return args[0][args[1]]
        if self.name == "setitem":
            result = args[0].clone()
            result[args[1]] = args[2]
            return result
        if self.name in _IN_PLACE:
            return getattr(operator, self.name)(args[0].clone(), args[1])
        result = operator.attrgetter(self.name)(lib)(*args, **self.options)
        return result if self.part is None else result[self.part]

    def __str__(self) -> str:
        args = [_text(arg) for arg in self.args]
        if self.name == "getitem":
            return f"{self.target} = {args[0]}[{_index_text(self.args[1])}]"
        if self.name == "setitem":
            return f"{self.target} = {args[0]}.clone()\n{self.target}[{_index_text(self.args[1])}] = {args[2]}"
        if self.name in _IN_PLACE:
            return f"{self.target} = {args[0]}.clone()\n{self.target} {_IN_PLACE[self.name]} {args[1]}"
        given = ", ".join([*args, *(f"{name}={value!r}" for name, value in self.options.items())])
        return f"{self.target} = lib.{self.name}({given})" + ("" if self.part is None else f"[{self.part}]")


_IN_PLACE = {"iadd": "+=", "isub": "-=", "imul": "*="}


@dataclasses.dataclass(frozen=True)
class Program:
    """Inputs and the steps from them to the outputs, which are the results that no other step uses.

    Called with tensors, it returns its outputs; `run` computes derivatives, too, in autograd_mini or PyTorch; its text
    is Python that does the same.
    """

    inputs: dict[str, Array]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    cotangents: tuple[Array, ...]  # one for each output
    directions: tuple[Array, ...]  # one for each input, of the second derivative

    def __call__(self, *inputs: Any, lib: Any = autograd_mini) -> list[Any]:
        """The outputs for these inputs, tensors of the library."""
        variables: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            variables[step.target] = step.run(lib, variables)
        return [variables[name] for name in self.outputs]

    def tensors(self, lib: Any = autograd_mini) -> list[Any]:
        """The inputs as leaves that require grad."""
        return [_tensor(array, lib).requires_grad_() for array in self.inputs.values()]

    def run(self, lib: Any = autograd_mini, order: int = 2) -> tuple[list[Any], list[Any], list[Any]]:
        """Outputs, gradients of the inputs for `cotangents`, and for order 2 those of the slope along `directions`."""
        inputs = self.tensors(lib)
        outputs = self(*inputs, lib=lib)
        seeds = [_tensor(array, lib) for array in self.cotangents]
        first = lib.autograd.grad(outputs, inputs, seeds, create_graph=True, materialize_grads=True)
        slope = sum((g * _tensor(d, lib)).sum() for g, d in zip(first, self.directions, strict=True))
        if order < 2 or not slope.requires_grad:
            return outputs, list(first), [(0 * x).detach() for x in inputs]
        second = lib.autograd.grad(slope, inputs, materialize_grads=True)
        return outputs, list(first), list(second)

    def __repr__(self) -> str:
        return f"# a program:\n{self}"  # on lines of its own, wherever it is printed

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis would show the fields

    def __str__(self) -> str:
        inputs, outputs = (", ".join(names) for names in (self.inputs, self.outputs))
        seeds, directions = (", ".join(map(_text, arrays)) for arrays in (self.cotangents, self.directions))
        lines = [
            "import autograd_mini as lib  # or: import torch as lib",
            "",
            *(f"{name} = {_text(x)[:-1]}, requires_grad=True)" for name, x in self.inputs.items()),
            *map(str, self.steps),
            f"inputs, outputs = [{inputs}], [{outputs}]",
            f"cotangents = [{seeds}]",
            "first = lib.autograd.grad(outputs, inputs, cotangents, create_graph=True, materialize_grads=True)",
            f"directions = [{directions}]",
            "slope = sum((g * d).sum() for g, d in zip(first, directions))",
            "second = lib.autograd.grad(slope, inputs, materialize_grads=True) if slope.requires_grad else ()",
            "print(outputs, first, second, sep='\\n')",
        ]
        return "\n".join(lines) + "\n"


def _tensor(array: Array, lib: Any) -> Any:
    return lib.tensor(array.tolist(), dtype=getattr(lib, array.dtype.name))


def _value(arg: Any, lib: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(arg, (tuple, list)):
        return type(arg)(_value(a, lib, variables) for a in arg)
    if isinstance(arg, np.ndarray):
        return _tensor(arg, lib)
    return variables[arg] if isinstance(arg, Ref) else arg


def _text(arg: Any) -> str:
    if isinstance(arg, np.ndarray):
        return f"lib.tensor({arg.tolist()}, dtype=lib.{arg.dtype.name})"
    if isinstance(arg, list):
        return f"[{', '.join(map(_text, arg))}]"
    if isinstance(arg, tuple):
        return f"({', '.join(map(_text, arg))}{',' * (len(arg) == 1)})"
    return repr(arg)


def _index_text(index: Any) -> str:
    if isinstance(index, tuple) and index:
        return ", ".join(map(_index_text, index)) + "," * (len(index) == 1)
    if isinstance(index, slice):
        start, stop, step = ("" if n is None else str(n) for n in (index.start, index.stop, index.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if index is Ellipsis else _text(index)


# ----------------------------------------------------------------------------------------------- building one


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
            if _smooth(self.values[ref], avoid, distinct):
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
        while not _smooth(x, avoid):
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
        variables = {n: _tensor(x, autograd_mini) for n, x in self.values.items()}
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


def _smooth(x: Array, avoid: Sequence[float], distinct: bool = False) -> bool:
    far = all(bool(np.all(np.abs(x - kink) > GAP)) for kink in avoid)
    return far and not (distinct and np.any(np.diff(np.sort(x, axis=None)) < GAP))


# ---------------------------------------------------------------------------------------- recipes for families


def unary(
    low: float = -8.0, high: float = 8.0, *, avoid: Sequence[float] = (), **options: Sequence[Any]
) -> Recipe:
    """A function of one tensor, for values from `low` to `high`; each option with the values to choose from."""

    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(domain=(low, high), avoid=avoid)
        b.step(name, x, **{key: b.pick(values) for key, values in options.items()})

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
        b.step(name, x, y, **{key: b.pick(values) for key, values in options.items()})

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
        given: dict[str, Any] = {key: b.pick(values) for key, values in options.items()}
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
    choose: Callable[[Builder, Shape], tuple[Any, ...]], low: int = 0, high: int = 4, part: int | None = None,
    **drawn: Any
) -> Recipe:
    """A function of one tensor, drawn with these options of `Builder.tensor`, and of what is chosen by its shape."""

    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(dims=(low, high), **drawn)
        b.step(name, x, *choose(b, b.values[x].shape), part=part)

    return recipe


def shaped(*makers: Any, part: int | None = None, distinct: bool = False, **options: Sequence[Any]) -> Recipe:
    """A function of tensors of these shapes, and of other arguments as they are."""

    def recipe(b: Builder, name: str) -> None:
        args = [
            b.tensor(a, domain=(-3.0, 3.0), distinct=distinct) if isinstance(a, tuple) else a.value for a in makers
        ]
        b.step(name, *args, part=part, **{key: b.pick(values) for key, values in options.items()})

    return recipe


@dataclasses.dataclass(frozen=True)
class Fixed:
    """An argument of `shaped` that is no shape."""

    value: Any


# -------------------------------------------------------------------------------------- recipes of their own


def _axis(b: Builder, shape: Shape) -> int:
    return b.below(len(shape))


def _axes(b: Builder, shape: Shape) -> tuple[int, int]:
    return b.below(len(shape)), b.below(len(shape)) - len(shape)


def _order(b: Builder, shape: Shape) -> tuple[int, ...]:
    left = list(range(len(shape)))[::-1]
    return tuple(left.pop(b.below(len(left))) for _ in shape)


def _split_shape(b: Builder, shape: Shape) -> Shape:
    count = math.prod(shape)
    chosen: Shape = b.pick([(count,), (-1, 1), *((d, -1) for d in range(2, count) if count % d == 0)])
    return chosen


def _whole(b: Builder, high: int, *shape: int) -> Array:
    """An integer array below `high`."""
    return np.array([b.below(high) for _ in range(math.prod(shape))], np.int64).reshape(shape)


def _mask(b: Builder, shape: Shape) -> Array:
    bits = b.below(256) or 1  # not empty
    return np.array([bool(bits >> (i * 3 % 8) & 1) for i in range(math.prod(shape))], bool).reshape(shape)


def _index(b: Builder, shape: Shape, repeats: bool = True) -> Any:
    """Any kind of index for the shape."""
    if not shape:
        return b.pick((None, Ellipsis, (), (None, Ellipsis)))
    n = shape[0]
    last = b.below(shape[-1])
    kinds: list[Any] = [
        b.below(n), slice(b.below(n), None), (Ellipsis, last), (Ellipsis, None, slice(None, None, 2)),
        slice(None, last + 1), _mask(b, shape), _mask(b, shape[:1]), np.array([n - 1]), -1,
    ]  # fmt: skip
    if repeats:
        picks = _whole(b, n, 3)
        kinds += [picks, (picks[:2, None], Ellipsis), (Ellipsis, np.array([0, last, last]))]
        if len(shape) > 1:
            columns = _whole(b, shape[1], 3)
            kinds += [(picks, columns), (picks, slice(None, None, 2)), (slice(1), columns[:2])]
        if len(shape) > 2:
            kinds += [(_whole(b, n, 2), slice(None), np.array([last, 0])), (slice(None), 0, np.array([last, last]))]
    return b.pick(kinds)


def _assigned(b: Builder, shape: Shape) -> tuple[Any, Any]:
    """An index, and what to write there."""
    index = _index(b, shape, repeats=False)
    place = np.empty(shape)[index].shape
    return index, b.pick((None, 0.5)) or b.tensor(b.pick((place, place[1:], ())))


def _places(b: Builder, shape: Shape, each: bool = False, once: bool = False) -> tuple[int, Array, Shape]:
    """An axis, indices into it, and the shape of what they pick: rows, or `each` element; perhaps none twice."""
    d = _axis(b, shape)
    n, before, after = shape[d], shape[:d], shape[d + 1 :]
    if once:
        at = b.below(n)
        index = np.full((*before, 1, *after), at) if each else np.array([at])
    else:
        index = _whole(b, n, *before, 2, *after) if each else _whole(b, n, 3)
    return d, index, index.shape if each else (*before, len(index), *after)


def _sourced(b: Builder, shape: Shape, each: bool = False, once: bool = False) -> tuple[int, Array, Ref]:
    """The same, with a tensor to be put there."""
    d, index, picked = _places(b, shape, each, once)
    return d, index, b.tensor(picked)


def _where(b: Builder, name: str) -> None:
    x = b.tensor()
    y = b.partner(x)
    z = b.partner(x, y)
    if np.any(np.abs(b.values[x] - b.values[y]) < GAP):
        raise Unfit
    b.step(name, b.step(b.pick(("gt", "le")), x, y), b.pick((x, z)), b.pick((y, z)))


def _clamp(b: Builder, name: str) -> None:
    """By numbers, or by a tensor."""
    x = b.tensor(avoid=(-0.5, 1.0))
    bound = b.partner(x) if name != "clamp" and b.below(2) else None
    if bound is None:
        b.step(name, x, *{"clamp": (-0.5, 1.0), "clamp_min": (-0.5,), "clamp_max": (1.0,)}[name])
    elif np.any(np.abs(b.values[x] - b.values[bound]) < GAP):
        raise Unfit
    else:
        b.step(name, x, bound)


def _three(domain: tuple[float, float] = (-4.0, 4.0), **options: Sequence[Any]) -> Recipe:
    def recipe(b: Builder, name: str) -> None:
        x = b.tensor()
        y = b.partner(x)
        z = b.partner(x, y, domain=domain)
        b.step(name, x, y, z, **{key: b.pick(values) for key, values in options.items()})

    return recipe


def _joined(b: Builder, name: str) -> None:
    x = b.tensor(dims=(0 if name == "stack" else 1, 3))
    shape = b.values[x].shape
    others = [b.tensor(shape) for _ in range(b.below(3))]
    b.step(name, b.pick(([x, *others], [*others, x, x])), dim=b.below(len(shape) or 1))


def _pad(b: Builder, name: str) -> None:
    mode = b.pick(("constant", "reflect", "replicate", "circular"))
    x = b.tensor((2, 2, 3)) if mode != "constant" else b.tensor(dims=(1, 3))
    b.step(name, x, b.pick(((1, 1), (0, 2), (2, 0))), mode=mode)


def _factor(b: Builder, *shapes: Shape) -> tuple[Ref]:
    return (b.tensor(b.pick(shapes), domain=_SMALL),)


_EINSUMS = ("ij,jk->ik", "ij,ij->i", "ij,kj->", "ij,jk->ijk", "ii,ij->j", "ij,ij,ij->j", "ij->ji", "ii->i", "ij,k->kj")


def _einsum(b: Builder, name: str) -> None:
    spec = b.pick(_EINSUMS)
    sizes = dict.fromkeys("ijk", 2)
    parts = spec.split("->")[0].split(",")
    b.step(name, spec, *(b.tensor(tuple(sizes[c] for c in part), domain=(-3.0, 3.0)) for part in parts))


def _matrix(b: Builder, name: str) -> None:
    """Functions of a matrix that is far from singular; of a symmetric positive definite one."""
    n = b.pick((2, 3))
    x = b.tensor((n, n), domain=(-1.0, 1.0))
    if name.endswith(("cholesky", "logdet", "slogdet")):
        x = b.step("matmul", x, b.step("transpose", x, 0, 1))
    x = b.step("add", x, np.eye(n) * 3.0)
    more = {"linalg.solve": ((n, 2),), "matrix_power": (2,)}.get(name, ())
    args = [b.tensor(a) if isinstance(a, tuple) else a for a in more]
    b.step(name, x, *args, part=1 if name.endswith("slogdet") else None)


def _pairwise(b: Builder, name: str) -> None:
    shape = (2, b.pick((2, 3)))
    x, y = b.tensor(shape, avoid=(0.0,)), b.tensor(shape, avoid=(0.0,))
    if np.any(np.abs(b.values[x] - b.values[y]) < GAP):
        raise Unfit
    b.step(name, x, y)


def _cross_entropy(b: Builder, name: str) -> None:
    x = b.tensor((2, 3))
    target = _whole(b, 3, 2)
    if name.endswith("nll_loss"):
        x = b.step("log_softmax", x, dim=1)
    b.step(name, x, target, reduction=b.pick(("mean", "sum", "none")))


def _loss(kinks: Sequence[float] = (), left: Any = (-8.0, 8.0), right: Any = (-8.0, 8.0)) -> Recipe:
    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(dims=(1, 3), domain=left)
        y = b.tensor(b.values[x].shape, domain=right)
        if not _smooth(b.values[x] - b.values[y], kinks):
            raise Unfit
        b.step(name, x, y, reduction=b.pick(("mean", "sum", "none")))

    return recipe


def _embedding(b: Builder, name: str) -> None:
    x = b.tensor(dims=(2, 2))
    b.step(name, _whole(b, b.values[x].shape[0], 2), x)


# ------------------------------------------------------------------------------------------------- the table

_F = "nn.functional."
_INTEGERS = tuple(np.arange(-16, 17) / 2)
_SMALL, _UNIT, _POSITIVE = (-3.0, 3.0), (-0.9, 0.9), (0.3, 4.0)


def _minus(x: Array, y: Array) -> Array:
    return x - y


def _from_multiple(x: Array, y: Array) -> Array:
    return x / y - np.round(x / y)


TABLE: dict[str, Recipe] = {
    # elementwise
    **dict.fromkeys(["sin", "cos", "atan", "asinh", "tanh", "sigmoid", "square", "neg"], unary()),
    **dict.fromkeys(["positive", "clone", "nan_to_num", "deg2rad"], unary()),
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh", "erf", "erfc"], unary(*_SMALL)),
    **dict.fromkeys(["log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"], unary(0.3, 8.0)),
    **dict.fromkeys(["asin", "acos", "atanh"], unary(*_UNIT)),
    **dict.fromkeys(["floor", "ceil", "round", "trunc", "frac"], unary(avoid=_INTEGERS)),
    **dict.fromkeys(["abs", "relu", "sign"], unary(avoid=(0.0,))),
    "log1p": unary(-0.6, 8.0),
    "tan": unary(-1.2, 1.2),
    "acosh": unary(1.2, 8.0),
    "rad2deg": unary(-1.0, 1.0),
    **{_F + n: unary() for n in ("silu", "mish", "tanhshrink", "logsigmoid")},
    **{_F + n: unary(avoid=(0.0,)) for n in ("selu", "softsign")},
    **{_F + n: unary(avoid=(0.0,), alpha=(1.0, 0.5)) for n in ("elu", "celu")},  # PyTorch rounds 1 / alpha to float32
    **{_F + n: unary(avoid=(-3.0, 3.0)) for n in ("hardsigmoid", "hardswish")},
    _F + "leaky_relu": unary(avoid=(0.0,), negative_slope=(0.01, 0.2)),
    _F + "relu6": unary(avoid=(0.0, 6.0)),
    _F + "hardtanh": unary(avoid=(-1.0, 1.0)),
    _F + "softplus": unary(beta=(1.0, 2.0)),
    _F + "gelu": unary(approximate=("none", "tanh")),
    "prelu": shaping(lambda b, s: (b.tensor((1,)),), 1, avoid=(0.0,)),
    **dict.fromkeys(["add", "sub"], binary(numbers=(2, -0.5), alpha=(1, 3))),
    "mul": binary(numbers=(2, -0.5)),
    "div": binary(right=_POSITIVE, numbers=(2, -0.5)),
    "pow": binary((0.3, 3.0), (0.3, 2.0), numbers=(2, 3, 0.5, -1, 0)),  # at y = 0 PyTorch's mixed derivative is 0
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], binary(kink=_minus)),
    **dict.fromkeys(["remainder", "fmod"], binary(right=(0.5, 3.0), kink=_from_multiple)),
    **dict.fromkeys(["logaddexp", "logaddexp2"], binary()),
    "hypot": binary(_POSITIVE),
    "atan2": binary(right=_POSITIVE),
    "lerp": _three(),
    "addcmul": _three(value=(1, 0.5)),
    "addcdiv": _three(_POSITIVE, value=(1, 0.5)),
    **dict.fromkeys(["clamp", "clamp_min", "clamp_max"], _clamp),
    "where": _where,
    "masked_fill": shaping(lambda b, s: (_mask(b, s), 0.5)),
    **dict.fromkeys(_IN_PLACE, shaping(lambda b, s: (b.tensor(b.pick((s, s[1:]))),))),
    # reductions
    **dict.fromkeys(["sum", "mean", "nansum", "nanmean"], reduction()),
    **dict.fromkeys(["amax", "amin"], reduction(distinct=True)),
    **dict.fromkeys(["max", "min", "median"], reduction(axes="none one", distinct=True, part=0)),
    "prod": reduction(*_SMALL, axes="none one"),
    "logsumexp": reduction(axes="one several"),
    **dict.fromkeys(["var", "std"], reduction(distinct=True, lengths=2, correction=(0, 1))),
    "linalg.vector_norm": shaping(
        lambda b, s: (b.pick((2, 1, 3, 2.5)), b.pick((None, _axis(b, s)))), 1, avoid=(0.0,)
    ),
    "norm": shaping(lambda b, s: (), 1, 3, avoid=(0.0,)),
    "cumsum": along(),
    "cumprod": along(*_SMALL),
    "diff": along(lengths=2),
    "sort": along(distinct=True, part=0, descending=(False, True)),
    "topk": shaping(
        lambda b, s: (1 + b.below(s[(d := _axis(b, s))]), d, bool(b.below(2))), 1, part=0, distinct=True
    ),
    "kthvalue": shaping(lambda b, s: (1 + b.below(s[(d := _axis(b, s))]), d), 1, part=0, distinct=True),
    **dict.fromkeys(["softmax", "log_softmax"], along()),
    # shape
    "reshape": shaping(lambda b, s: (_split_shape(b, s),)),
    "flatten": shaping(lambda b, s: ()),
    "ravel": shaping(lambda b, s: ()),
    "unflatten": shaping(lambda b, s: ((d := _axis(b, s)), b.pick([(1, s[d]), (s[d], 1)])), 1, 3),
    "squeeze": shaping(lambda b, s: b.pick([(), (_axis(b, s),)]), 1),
    "unsqueeze": shaping(lambda b, s: (b.below(len(s) + 1),), 0, 3),
    "permute": shaping(lambda b, s: (_order(b, s),), 1),
    **dict.fromkeys(["transpose", "swapaxes", "swapdims", "movedim"], shaping(_axes, 1)),
    "t": shaping(lambda b, s: (), 0, 2),
    "adjoint": shaping(lambda b, s: (), 2),
    "flip": shaping(lambda b, s: ((_axis(b, s),),), 1),
    "fliplr": shaping(lambda b, s: (), 2),
    "flipud": shaping(lambda b, s: (), 1),
    "roll": shaping(lambda b, s: (b.pick((1, -1, 2)), *b.pick([(_axis(b, s),), ()])), 1),
    "broadcast_to": shaping(lambda b, s: ((2, *s),), 0, 3),
    "tile": shaping(lambda b, s: (b.pick([(2,), (2, 1), (1, 2)]),), 0, 3),
    "repeat_interleave": shaping(lambda b, s: (2, *b.pick([(_axis(b, s),), ()])), 1, 3),
    "chunk": shaping(lambda b, s: (2, _axis(b, s)), 1, part=0),
    "split": shaping(lambda b, s: (1, _axis(b, s)), 1, part=0),
    "tensor_split": shaping(lambda b, s: (2, _axis(b, s)), 1, part=0),
    "unbind": shaping(lambda b, s: (_axis(b, s),), 1, part=-1),
    "select": shaping(lambda b, s: ((d := _axis(b, s)), b.below(s[d])), 1),
    "narrow": shaping(lambda b, s: ((d := _axis(b, s)), s[d] - 1, 1), 1),
    "Tensor.unfold": shaping(lambda b, s: ((d := _axis(b, s)), min(2, s[d]), 1), 1, 3),
    "diag": shaping(lambda b, s: (b.pick((0, 1)),), 1, 2),
    "diag_embed": shaping(lambda b, s: (b.pick((0, 1)),), 1, 2),
    "diagonal": shaping(lambda b, s: (b.pick((0, 1)),), 2),
    **dict.fromkeys(["tril", "triu"], shaping(lambda b, s: (b.pick((0, 1, -1)),), 2)),
    **dict.fromkeys(["cat", "stack"], _joined),
    _F + "pad": _pad,
    # index
    "getitem": shaping(lambda b, s: (_index(b, s),)),
    "setitem": shaping(_assigned),
    "gather": shaping(lambda b, s: _places(b, s, each=True)[:2], 1, 3),
    "take_along_dim": shaping(lambda b, s: _places(b, s, each=True)[1::-1], 1, 3),
    "index_select": shaping(lambda b, s: _places(b, s)[:2], 1, 3),
    "index_add": shaping(_sourced, 1, 3),
    "index_copy": shaping(lambda b, s: _sourced(b, s, once=True), 1, 3),
    "index_fill": shaping(lambda b, s: (*_places(b, s, once=True)[:2], 0.5), 1, 3),
    "scatter": shaping(lambda b, s: _sourced(b, s, each=True, once=True), 1, 3),
    "scatter_add": shaping(lambda b, s: _sourced(b, s, each=True), 1, 3),
    "index_put": shaping(lambda b, s: ((_whole(b, s[0], 2),), b.tensor((2, *s[1:])), True), 1, 3),
    "take": shaping(lambda b, s: (_whole(b, math.prod(s), 2),)),
    "masked_select": shaping(lambda b, s: (_mask(b, s),)),
    _F + "embedding": _embedding,
    # linear algebra
    "matmul": shaping(
        lambda b, s: _factor(b, (s[-1], 2), s[-1:], (*(2,) * (len(s) < 3), s[-1], 1)), 1, 3, domain=_SMALL
    ),
    "inner": shaping(lambda b, s: _factor(b, s[-1:], (2, s[-1])), 1, 3, domain=_SMALL),
    "kron": shaping(lambda b, s: _factor(b, (2,)), 1, 2, domain=_SMALL),
    "tensordot": shaping(lambda b, s: (*_factor(b, (s[-1], 2)), 1), 1, 2, domain=_SMALL),
    "einsum": _einsum,
    **dict.fromkeys(["dot", "vdot", "outer"], shaped((3,), (3,))),
    "cross": shaped((2, 3), (2, 3), dim=(-1,)),
    "mv": shaped((2, 3), (3,)),
    "mm": shaped((2, 3), (3, 2)),
    "bmm": shaped((2, 2, 3), (2, 3, 1)),
    "addmm": shaped((2, 2), (2, 3), (3, 2), alpha=(1, 0.5), beta=(1, 2)),
    "addmv": shaped((2,), (2, 3), (3,), alpha=(1, 0.5), beta=(1, 2)),
    "addbmm": shaped((2, 2), (2, 2, 3), (2, 3, 2), alpha=(1, 0.5)),
    "baddbmm": shaped((2, 2, 2), (2, 2, 3), (2, 3, 2), beta=(1, 2)),
    "trace": shaped((3, 3)),
    **dict.fromkeys(["inverse", "det", "slogdet", "logdet", "matrix_power"], _matrix),
    **dict.fromkeys(["linalg.solve", "linalg.cholesky"], _matrix),
    # networks
    _F + "layer_norm": shaped((2, 4), Fixed((4,)), (4,), (4,), Fixed(0.1), distinct=True),
    _F + "rms_norm": shaped((2, 4), Fixed((4,)), (4,), Fixed(0.1), distinct=True),
    _F + "group_norm": shaped((2, 4), Fixed(2), (4,), (4,), Fixed(0.1), distinct=True),
    _F + "batch_norm": shaped(
        (2, 4), Fixed(None), Fixed(None), (4,), (4,), Fixed(True), Fixed(0.1), Fixed(0.1), distinct=True
    ),
    **{_F + n: _cross_entropy for n in ("cross_entropy", "nll_loss")},
    _F + "mse_loss": _loss(),
    _F + "l1_loss": _loss((0.0,)),
    **{_F + n: _loss((-1.0, 0.0, 1.0)) for n in ("huber_loss", "smooth_l1_loss")},
    _F + "binary_cross_entropy": _loss((), (0.1, 0.9), (0.1, 0.9)),
    _F + "binary_cross_entropy_with_logits": _loss((), (-8.0, 8.0), (0.1, 0.9)),
    **{_F + n: _pairwise for n in ("cosine_similarity", "pairwise_distance")},
    _F + "linear": shaped((2, 3), (2, 3), (2,)),
    _F + "scaled_dot_product_attention": shaped((2, 2, 3), (2, 2, 3), (2, 2, 2), is_causal=(False, True)),
    _F + "conv1d": shaped((2, 2, 4), (2, 2, 2), (2,), stride=(1, 2), padding=(0, 1), dilation=(1, 2)),
    _F + "conv2d": shaped((1, 2, 3, 4), (2, 1, 2, 2), (2,), stride=(1, 2), padding=(0, 1), groups=(2,)),
    _F + "conv_transpose1d": shaped((2, 2, 3), (2, 1, 2), (1,), stride=(1, 2), padding=(0, 1)),
    _F + "conv_transpose2d": shaped((1, 2, 2, 3), (2, 1, 2, 2), (1,), stride=(1, 2), padding=(0, 1)),
    _F + "max_pool1d": shaped((2, 1, 4), Fixed(2), stride=(1, 2), padding=(0, 1), distinct=True),
    _F + "max_pool2d": shaped((1, 2, 3, 4), Fixed(2), stride=(1, 2), padding=(0, 1), distinct=True),
    _F + "avg_pool1d": shaped((2, 1, 4), Fixed(2), stride=(1, 2), padding=(0, 1)),
    _F + "avg_pool2d": shaped((1, 2, 3, 4), Fixed(2), stride=(1, 2), padding=(0, 1)),
    _F + "adaptive_avg_pool1d": shaped((2, 2, 4), Fixed(3)),
    _F + "adaptive_avg_pool2d": shaped((1, 2, 3, 4), Fixed((2, 3))),
    _F + "adaptive_max_pool1d": shaped((2, 2, 4), Fixed(3), distinct=True),
    _F + "adaptive_max_pool2d": shaped((1, 2, 3, 4), Fixed((2, 3)), distinct=True),
    _F + "pixel_shuffle": shaped((1, 4, 2, 2), Fixed(2)),
}


def programs(max_steps: int = 12, table: Mapping[str, Recipe] | None = None) -> SearchStrategy[Program]:
    """Strategy for random programs of up to `max_steps` operations (and what brings operands into their domains).

    table: which operations, each with its recipe (default: `TABLE`, all of them). An operation of your own, named as
    in `lib.cube`, joins as `{**TABLE, "cube": unary()}`.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, derandomize=True, database=None)
    ... @given(programs(max_steps=3))
    ... def test_gradients(program):
    ...     outputs, first, second = program.run()
    ...     assert [g.shape for g in first] == [x.shape for x in program.inputs.values()]
    >>> test_gradients()
    """
    st, _ = hypothesis_or_error()
    recipes = TABLE if table is None else table
    step = st.tuples(st.sampled_from(list(recipes)), st.binary(min_size=12, max_size=12))

    steps = st.lists(step, min_size=1, max_size=max_steps)

    def build(draw: Callable[[Any], list[tuple[str, bytes]]]) -> Program:
        builder = Builder()
        for name, choices in draw(steps):
            if not builder.broken:
                builder.add(recipes[name], name, choices)
        return builder.program()

    built: SearchStrategy[Program] = st.composite(build)()  # not map: hypothesis shall print the program, not the bytes
    return built.filter(lambda program: bool(program.inputs and program.outputs))
