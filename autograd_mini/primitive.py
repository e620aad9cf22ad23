"""Operations that can be differentiated: a function on arrays, and for each input the rule of its gradient.

    exp = primitive(np.exp, x=lambda g, out: g * out)

A rule says what it needs by the names of its parameters, and the graph keeps just that: `g` (the gradient of the
output), `out`, an input's name (its value), `<input>_shape`, or an option (a keyword-only parameter of the function).
It is a pure function in NumPy's terms, so it runs on arrays in a plain backward pass, and on Tensors in one that is
itself recorded.
"""

from __future__ import annotations

import functools
import inspect
import operator
import sys
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from . import engine
from .arrays import as_array, tensors_expected
from .devices import is_memory
from .dtypes import dtype_of, result_type
from .engine import MANY, Array, TensorCore, memory, record, wrap
from .modes import F, current_mode
from .writes import describe, recorded_at, tick

Rule = Callable[..., Array]
PRIMITIVES: dict[str, Primitive] = {}  # the table: tests, docs and pictures are made from it
OPERATIONS: dict[str, Callable[..., Any]] = {}  # public name -> function and Tensor method
NUMPY: dict[Any, Callable[..., Any]] = {}  # NumPy function or ufunc -> the operation that records it
MISSING = inspect.Parameter.empty  # the default of an option that must be given
_ALIASES = {"dim": "axis", "keepdim": "keepdims"}  # PyTorch's names for NumPy's options


class Primitive:
    """One entry of the table. An operation on many inputs (`*xs`) has one rule for all, told which one by `i`."""

    keeps_values = True  # does a node of it hold arrays, which backward frees, or just shapes and options?

    def __init__(self, forward: Callable[..., Array], name: str, rules: dict[str, Rule], view: bool) -> None:
        self.forward, self.name, self.view, self.__doc__ = forward, name, view, forward.__doc__
        self.inputs, self.options, self.variadic = _signature(forward, rules)
        self.rules = tuple(rules.get(name) for name in self.inputs)
        wanted = [_parameters(rule) for rule in self.rules]
        self.asked = tuple(dict.fromkeys(name for names in wanted for name in names))
        position = {name: i for i, name in enumerate((*self.inputs, "out", "", *self.options, *self.shapes))}
        for unknown in [*(set(self.asked) - position.keys()), *(rules.keys() - set(self.inputs))]:
            known = ", ".join(filter(None, position))
            raise TypeError(f"{name}: {unknown!r} in its rules is neither g, {known} nor an input")
        # Does it reduce over several axes, so that an empty `dim` means all? Then its option says "Axis".
        self.empty_is_all = getattr(inspect.unwrap(forward), "__annotations__", {}).get("axis") == "Axis"
        self.complete = MISSING not in self.options.values()  # no option must be given
        self.keeps_values = not {"out", *self.inputs}.isdisjoint(self.asked)
        self.asks_shapes = not set(self.asked).isdisjoint(self.shapes)
        # A test holds that our rules give numbers for numbers, of their dtype; those of others are looked at.
        self.ours = all(rule.__module__.startswith(f"{__package__}.") for rule in rules.values())
        self.plain = not (self.options or self.asks_shapes or self.variadic) and len(rules) in (0, len(self.inputs))
        # Each rule with what it takes out of `Node.kept`; and for each set of inputs to differentiate, what to keep.
        self.steps: tuple[tuple[int, Any, Any], ...] = tuple(
            (i, rule, self._picker(names)) for i, (rule, names) in enumerate(zip(self.rules, wanted, strict=True))
        )
        self.plans = [self._plan(mask, wanted, position) for mask in range(2 ** len(self.inputs))]

    @property
    def shapes(self) -> list[str]:
        return [f"{name}_shape" for name in self.inputs]

    def _picker(self, names: tuple[str, ...]) -> Any:
        """None, a position in `Node.kept`, or a function from `Node.kept` to several values."""
        positions = [self.asked.index(name) for name in names]
        return operator.itemgetter(*positions) if len(positions) > 1 else positions[0] if positions else None

    def _plan(self, mask: int, wanted: list[tuple[str, ...]], position: dict[str, int]) -> Callable[..., Any]:
        """A function from all that is known after the forward pass to the tuple of what shall be kept of it."""
        needed = {name for i, names in enumerate(wanted) if mask >> i & 1 for name in names}
        slots = [position[name if name in needed else ""] for name in self.asked]
        if len(slots) > 1:
            return operator.itemgetter(*slots)
        start = slots[0] if slots else 0
        return operator.itemgetter(slice(start, start + len(slots)))  # a tuple also of one value, or of none

    def bind(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inputs and options as `forward` wants them: PyTorch's names accepted, options also by position."""
        if not options and len(args) == len(self.inputs) and self.complete:
            return args, self.options
        if not self.variadic and len(args) > len(self.inputs):
            extra = args[len(self.inputs) :]
            if len(extra) > len(self.options):
                raise TypeError(f"{self.name}() got {len(extra) - len(self.options)} arguments too many")
            places = dict(zip(self.options, extra, strict=False))
            if options and (twice := places.keys() & options.keys()):
                raise TypeError(f"{self.name}() got multiple values for argument {min(twice)!r}")
            if self.empty_is_all and is_empty(places["axis"]):
                places["axis"] = None
            args, options = args[: len(self.inputs)], {**places, **options}
        given, options = options, {k if k in self.options else _ALIASES.get(k, k): v for k, v in options.items()}
        if len(options) != len(given):
            raise TypeError(f"{self.name}() got the same argument twice, by two names: {', '.join(given)}")
        if self.empty_is_all and "axis" not in given and is_empty(options.get("axis")):
            options["axis"] = None
        args += tuple(options.pop(name) for name in self.inputs[len(args) :] if name in options)
        if unknown := options.keys() - self.options.keys():
            raise TypeError(f"{self.name}() got an unexpected keyword argument {min(unknown)!r}")
        missing = [n for n, default in self.options.items() if default is MISSING and n not in options]
        if missing or (not self.variadic and len(args) != len(self.inputs)):
            raise TypeError(f"{self.name}() is missing {', '.join([*self.inputs[len(args) :], *missing])}")
        return args, {**self.options, **options}

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.inputs)})>"


def is_empty(axes: Any) -> bool:
    """Whether this is a list of no axes: as `dim`, or by position, PyTorch's sums take that for all axes.

    As `axis` it is NumPy's: none, so that nothing is summed.
    """
    return isinstance(axes, (tuple, list)) and not axes


def _signature(forward: Callable[..., Array], rules: Iterable[str]) -> tuple[tuple[str, ...], dict[str, Any], bool]:
    """The names of the inputs, the options with their defaults, and whether the function takes `*xs`."""
    function = inspect.unwrap(forward)
    code = getattr(function, "__code__", None)
    if code is None:  # a ufunc, or of the module `operator`: the rules name the inputs
        names = tuple(rules)
        text = getattr(forward, "__text_signature__", None)  # "($module, a, b, /)"; inspect takes 4 ms to parse one
        count = forward.nin if isinstance(forward, np.ufunc) else text.count(",") - 1 if text else len(names)
        return names if len(names) == count else ("x", "y", "z")[:count], {}, False
    count, variadic = code.co_argcount, bool(code.co_flags & inspect.CO_VARARGS)  # ten times faster than a Signature
    last = count + code.co_kwonlyargcount
    defaults = function.__kwdefaults__ or {}
    options = {name: defaults.get(name, MISSING) for name in code.co_varnames[count:last]}
    return code.co_varnames[:count] + code.co_varnames[last : last + variadic], options, variadic


def _parameters(rule: Rule | None) -> tuple[str, ...]:
    if rule is None:
        return ()
    code = getattr(inspect.unwrap(rule), "__code__", None)
    names = inspect.signature(rule).parameters if code is None else code.co_varnames[: code.co_argcount]
    return tuple(name for name in names if name not in ("g", "i"))


# ------------------------------------------------------------------------------------------- declaring them


def primitive(
    forward: Callable[..., Array] | None = None,
    /,
    *,
    name: str = "",
    numpy: Any = (),
    view: bool = False,
    public: bool = True,
    **rules: Rule,
) -> Callable[..., Any]:
    """Make a function on arrays an operation on tensors; the remaining keyword arguments are its rules, by input.

    name: PyTorch's (default: the function's own). numpy: the NumPy function, or several, that is recorded as this
    operation when it is called with a Tensor (a ufunc given as `forward` is anyway). view: the result shares the
    memory of the first input. public: make it a Tensor method and a function of the package.
    Inputs without a rule are not differentiated; keyword-only parameters are options.

    >>> import autograd_mini as am
    >>> cube = primitive(lambda x: x**3, name="cube", public=False, x=lambda g, x: g * 3 * x**2)
    >>> x = am.tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    >>> del PRIMITIVES["cube"]
    """
    if forward is None:
        return functools.partial(primitive, name=name, numpy=numpy, view=view, public=public, **rules)
    made = Primitive(forward, name or forward.__name__, rules, view)
    for input_name, rule in rules.items():
        if rule.__name__ == "<lambda>":  # tracebacks shall say whose rule failed
            rule.__name__ = rule.__qualname__ = title = f"{made.name}_backward_{input_name}"
            rule.__code__ = rule.__code__.replace(co_name=title, co_qualname=title)
    kind = _view if view else {1: _unary, 2: _binary}.get(len(made.inputs) if made.plain else 0, _general)
    apply = kind(made)
    apply.__name__ = apply.__qualname__ = made.name
    apply.__doc__, apply.primitive = made.__doc__, made  # type: ignore[attr-defined]
    PRIMITIVES[made.name] = made
    return _register(apply, [numpy, forward] if isinstance(forward, np.ufunc) else numpy, public)


def composition(*, numpy: Any = (), name: str = "", public: bool = True) -> Callable[[F], F]:
    """Decorator for an operation that is made of others, and so needs no rule of its own."""

    def enter(function: F) -> F:
        function.__name__ = function.__qualname__ = name or function.__name__
        inputs = [name for name, kind in function.__annotations__.items() if kind == "Array" and name != "return"]
        several = len(inputs) > 1  # then a method, too, can be given something else than a tensor
        return _register(tensors_expected(function) if several else function, numpy, public)

    return enter


def _register(function: F, numpy: Any, public: bool) -> F:
    if public:
        OPERATIONS[function.__name__] = function
        if engine.tensor_class is not TensorCore and not hasattr(engine.tensor_class, function.__name__):
            setattr(engine.tensor_class, function.__name__, function)  # a user's operation; `tensor.py` takes ours
    for key in numpy if isinstance(numpy, (tuple, list)) else [numpy]:
        if key != ():
            NUMPY[key] = function
    return function


def call(operation: Callable[..., Any], *inputs: Array, **options: Any) -> Array:
    """How a rule uses another primitive: recorded on Tensors, on bare arrays a bare function."""
    if any(isinstance(x, TensorCore) for x in inputs):
        return operation(*inputs, **options)
    return operation.primitive.forward(*inputs, **options)  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------- running them
# Three of a kind: one input, two inputs, and the general case. The first two are what a chain of tiny operations costs.

_NUMBERS = frozenset((np.float16, np.float32, np.float64))  # results of shape () stay numbers, which are faster
_ERRORS = (ValueError, TypeError, IndexError, AttributeError)


def _unary(prim: Primitive) -> Callable[..., Any]:
    forward, plan, differentiable, ours = prim.forward, prim.plans[1], prim.rules[0] is not None, prim.ours

    def apply(x: Any) -> Any:
        if isinstance(x, TensorCore):
            a, parent = x._array, x._node
        else:
            a, parent = _only_operand(x, prim.name), None
        since = tick() if parent is not None else 0
        try:
            out = forward(a)
        except _ERRORS as error:
            raise _explained(error, prim, (a,), {}, (x,)) from error
        numbers = type(out) is type(a) and type(a) in _NUMBERS
        if not numbers and out.dtype is not a.dtype:
            (a,), out = _promoted(prim, (a,), {}, out)
        if parent is not None and differentiable:
            mode = current_mode()
            if mode.grad:
                return record(
                    prim, (parent,), MANY, (a, out, None), plan, out, mode, None, None, numbers and ours, since
                )
        return wrap(out)

    return apply


def _binary(prim: Primitive) -> Callable[..., Any]:
    forward, (_, plan_x, plan_y, plan_both) = prim.forward, prim.plans
    differentiable, ours, ndarray = prim.rules[0] is not None, prim.ours, np.ndarray

    def apply(x: Any, y: Any) -> Any:
        if isinstance(x, TensorCore):
            a, xn = x._array, x._node
        else:
            a, xn = as_array(x, prim.name), None
        if isinstance(y, TensorCore):
            b, yn = y._array, y._node
        else:
            b, yn = as_array(y, prim.name), None
            if type(a) is not ndarray and not hasattr(a, "dtype"):
                a = _only_operand(x, prim.name)
        since = tick() if xn is not None or yn is not None else 0
        try:
            out = forward(a, b)
        except _ERRORS as error:
            raise _explained(error, prim, (a, b), {}, (x, y)) from error
        kind = type(out)
        numbers = kind is not ndarray and kind is type(a) is type(b) and kind in _NUMBERS
        if not numbers:  # a Python number has no dtype, and promotes nothing
            dtype = out.dtype
            x_dtype = a.dtype if type(a) is ndarray else getattr(a, "dtype", dtype)
            y_dtype = b.dtype if type(b) is ndarray else getattr(b, "dtype", dtype)
            if x_dtype is not dtype or y_dtype is not dtype:
                (a, b), out = _promoted(prim, (a, b), {}, out)
        if (xn is not None or yn is not None) and differentiable:
            mode = current_mode()
            if mode.grad:
                if xn is None:
                    plan, given = plan_y, _remembered(x)
                elif yn is None:
                    plan, given = plan_x, _remembered(y)
                else:
                    plan, given = plan_both, None
                return record(prim, xn, yn, (a, b, out, None), plan, out, mode, given, None, numbers and ours, since)
        return wrap(out)

    return apply


def _general(prim: Primitive) -> Callable[..., Any]:
    """Any number of inputs, options, shapes."""

    variadic, rules, plans, count, defaults = prim.variadic, prim.rules, prim.plans, len(prim.inputs), prim.options
    complete, view = prim.complete and not variadic, prim.view

    def apply(*args: Any, **options: Any) -> Any:
        if complete and not options and len(args) == count:
            options = defaults
        else:
            args, options = prim.bind(args, options)
        parents: list[Any] = []
        arrays: Any = []
        needed = 0
        for i, x in enumerate(args):
            parent = None
            if isinstance(x, TensorCore):
                arrays.append(memory(x) if view else x._array)  # a number owns no memory to be shown
                if x._node is not None and (variadic or rules[i] is not None):
                    parent, needed = x._node, needed | 1 << i
            else:
                arrays.append(as_array(x, prim.name))
            parents.append(parent)
        since = tick() if needed else 0
        try:
            out = prim.forward(*arrays, **options)
        except _ERRORS as error:
            raise _explained(error, prim, arrays, options, args) from error
        dtype = out.dtype
        for a in arrays:
            if dtype is not getattr(a, "dtype", None):
                arrays, out = _promoted(prim, arrays, options, out)
                break
        if not needed or out.dtype.kind != "f" or not (mode := current_mode()).grad:
            return wrap(out)
        shapes = [getattr(a, "shape", ()) for a in arrays] if prim.asks_shapes else []
        inputs, shapes = ([tuple(arrays)], [tuple(shapes)]) if variadic else (arrays, shapes)
        env = (*inputs, out, None, *(options[name] for name in prim.options), *shapes)
        given: Any = None
        if None in parents:
            given = tuple(None if p is not None else _remembered(x) for x, p in zip(args, parents, strict=True))
            given = given if len(given) != 2 else given[parents.index(None)]
        plan = plans[1 if variadic else needed]
        first, second = parents if len(parents) == 2 else (tuple(parents), MANY)
        return record(prim, first, second, env, plan, out, mode, given, options or None, False, since)

    return apply


def _view(prim: Primitive) -> Callable[..., Any]:
    """The result shows memory of the first input: each knows of the other, for changes in place."""
    operation = _general(prim)

    def apply(*args: Any, **options: Any) -> Any:
        view, x = operation(*args, **options), args[0] if args else None
        if isinstance(x, TensorCore) and (view._node is not None or x._node is None):
            memory, whole = view._array.base, x._array
            if memory is not None and (memory is whole or memory is whole.base):  # else reshape had to copy
                view._base = x, apply, args[1:], options
                views = getattr(x, "_views", None)
                if views is None:
                    with engine._commit:  # two threads shall not make two
                        if not hasattr(x, "_views"):
                            x._views = set()
                    views = x._views
                views.add(weakref.ref(view, views.discard))
        return view

    return apply


def _remembered(value: Any) -> Any:
    """An input without a node, for pictures: a number as it is, of an array a weak reference."""
    if isinstance(value, TensorCore) or is_memory(value):
        return weakref.ref(value)
    return value if isinstance(value, (int, float, np.generic)) else None


def _only_operand(value: Any, op: str) -> Array:
    array = as_array(value, op)
    return array if hasattr(array, "dtype") else np.asarray(array, dtype_of(type(array)))


def _promoted(
    prim: Primitive, arrays: Sequence[Array], options: dict[str, Any], out: Array
) -> tuple[Sequence[Array], Array]:
    """Run `forward` again where NumPy chose another dtype than PyTorch would."""
    if out.dtype.kind == "b" or options.get("dtype") is not None or (
        out.dtype.kind != "f" and not (prim.plain and len(arrays) == 2)
    ):
        return arrays, out
    dtype = result_type(*arrays)
    dtype = dtype_of(None) if dtype.kind != "f" == out.dtype.kind else dtype
    if out.dtype == dtype or (out.dtype.kind == "f") != (dtype.kind == "f"):
        return arrays, out
    arrays = [a.astype(dtype) if getattr(a, "dtype", np.dtype(bool)).kind != "b" else a for a in arrays]
    return arrays, prim.forward(*arrays, **options).astype(dtype, copy=False)


class DtypeError(TypeError, RuntimeError):
    """Values of a kind that an operation has no meaning for: a TypeError in NumPy, a RuntimeError in PyTorch."""


class LinAlgError(np.linalg.LinAlgError, RuntimeError):
    """A matrix that has no inverse, no Cholesky factor …"""


class ShapeError(RuntimeError, ValueError):
    """Arrays that do not fit an operation: PyTorch raises a RuntimeError here and NumPy a ValueError; this is both."""


_BROADCAST = "from the right, lengths must be equal, or one of them 1; reshape, unsqueeze or transpose one of them"
_PROSE = {  # what NumPy says: what that means here
    "requested shape": "it could not be broadcast to that shape: only missing axes, and those of length 1, can grow",
    "not be broadcast together": f"the shapes could not be broadcast together: {_BROADCAST}",
    "all the input array": "tensors to be joined must have equal lengths on all axes but the one they are joined along",
    "not aligned": "the axes that are multiplied with each other differ in length; transpose or reshape one of them",
    "core dimension": "the axes that are multiplied with each other differ in length; transpose or reshape one of them",
    "enough dimensions": "expected a vector or a matrix, not a single number; use * or reshape it",
    "supported for the input types": "only integers and booleans have bits; a mask of x is, say, x > 0",
}


_KINDS = {np.linalg.LinAlgError: LinAlgError, IndexError: IndexError, ValueError: ShapeError, TypeError: DtypeError}


def called() -> str:
    """The public operation that the user called and that raises in one of its steps: 'median: '; or ''."""
    name, frame = "", sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(__package__ + "."):
        code = frame.f_code
        known: Any = frame.f_globals.get(code.co_name)
        function = inspect.unwrap(known)
        if getattr(function, "__code__", None) is code and not code.co_name.startswith("_"):
            name = "" if frame.f_globals is globals() else f"{known.__name__}: "
        frame = frame.f_back  # type: ignore[assignment]
    return name


def _explained(
    error: Exception, prim: Primitive, arrays: Sequence[Array], options: dict[str, Any], args: Sequence[Any]
) -> Exception:
    """The same error with the operation's name, its inputs and options, and, if known, the lines that made these."""
    names = [f"x{i}" for i in range(len(arrays))] if prim.variadic else prim.inputs
    given = [f"{name}: {describe(a)}" for name, a in zip(names, arrays, strict=True)]
    given += [f"{name}={value!r}" for name, value in options.items() if value is not prim.options[name]]
    text = next((ours for part, ours in _PROSE.items() if part in str(error)), str(error))
    if isinstance(error, AttributeError) and (numbers := [a for a in arrays if not hasattr(a, "dtype")]):
        error, text = TypeError(), f"expected a tensor or an array, not the number {numbers[0]}"
    kind = next((ours for theirs, ours in _KINDS.items() if isinstance(error, theirs)), type(error))
    name, lines = called(), "".join(recorded_at(x._node) for x in args if isinstance(x, TensorCore))
    name = prim.name if name in ("", f"{prim.name}: ") else name + prim.name
    return kind(f"{name}({', '.join(given)}): {text}{lines}")
