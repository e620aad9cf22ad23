"""The engine: tensors that remember how they were made, and `backward`, which walks that memory by the chain rule.

Read it from top to bottom, in one sitting:

1. modes      is a graph being recorded at all?
2. `Node`     what the graph remembers of one operation, and nothing more
3. `Tensor`   an array and the node that made it
4. primitive  an operation: its function on arrays, and for each argument the rule of its gradient
5. writes     a kept value that is overwritten must be noticed, never differentiated
6. backward   the nodes in reverse order of creation, each asking its rules

The derivatives themselves stand in `rules/`, each beside its function.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
import itertools
import operator
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor

Array: TypeAlias = Any  # whatever speaks NumPy's protocols: an ndarray, a NumPy scalar, a CuPy array, a Tensor
F = TypeVar("F", bound=Callable[..., Any])

# ------------------------------------------------------------------------------------------------- 1. modes


class Mode:
    """What holds for the code that runs now. Immutable; one per thread and asyncio task; each node keeps its own."""

    __slots__ = ("anomaly", "grad", "order", "scope")

    def __init__(self, grad: bool = True, anomaly: bool = False, order: int = 0, scope: str = "") -> None:
        self.grad = grad  # are operations recorded?
        self.anomaly = anomaly  # is every value checked for NaN and infinity, and its source line kept?
        self.order = order  # 0 in a forward pass, 1 in a backward pass that is recorded, 2 in the next …
        self.scope = scope  # path of the nn.Module whose forward runs: "encoder.fc1"

    def replace(self, **changes: Any) -> Mode:
        return Mode(**{name: changes.get(name, getattr(self, name)) for name in self.__slots__})


_mode: contextvars.ContextVar[Mode] = contextvars.ContextVar("autograd_mini_mode", default=Mode())
current_mode = _mode.get


class ModeSwitch:
    """Changes the mode inside a `with` block or a decorated function; what was there before comes back, always."""

    def __init__(self, **changes: Any) -> None:
        self._changes = changes
        self._tokens: list[contextvars.Token[Mode]] = []

    def __enter__(self) -> None:
        self._tokens.append(_mode.set(current_mode().replace(**self._changes)))

    def __exit__(self, *error: object) -> None:
        _mode.reset(self._tokens.pop())

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with ModeSwitch(**self._changes):
                return function(*args, **kwargs)

        @functools.wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:  # a suspended generator leaves no mode behind
            steps, reply = function(*args, **kwargs), None
            while True:
                try:
                    with ModeSwitch(**self._changes):
                        item = steps.send(reply)
                except StopIteration as stop:
                    return stop.value
                reply = yield item

        return generator if inspect.isgeneratorfunction(function) else wrapper  # type: ignore[return-value]


class no_grad(ModeSwitch):
    """Nothing is recorded inside: `with no_grad(): w -= lr * w.grad`. Also a decorator, as in PyTorch."""

    def __init__(self) -> None:
        super().__init__(grad=False)


class enable_grad(ModeSwitch):
    """Recording is on inside, also within `no_grad`."""

    def __init__(self) -> None:
        super().__init__(grad=True)


class set_grad_enabled(ModeSwitch):
    """Recording on or off, from the call on; as a context manager until the block ends."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        self._tokens.append(_mode.set(current_mode().replace(**self._changes)))

    def __enter__(self) -> None:
        pass  # already done by the call


def is_grad_enabled() -> bool:
    """Whether operations are recorded for `backward` in this thread or task."""
    return current_mode().grad


# -------------------------------------------------------------------------------------------------- 2. Node

_clock = itertools.count(1)  # numbers nodes and writes in the order in which they happen; atomic in CPython


class Node:
    """One operation of the graph, or (with `primitive` None) a leaf that requires grad.

    A Tensor points to its Node and a Node to its parents, never back: there are no reference cycles, and memory
    returns at once. A node's number is larger than its parents', so sorting by it is a topological order.
    """

    __slots__ = ("dtype", "extra", "kept", "mode", "number", "parents", "primitive", "shape")

    primitive: Primitive | None
    parents: tuple[Node | None, ...]  # one per input; None: that input needs no gradient
    kept: tuple[Any, ...] | None  # values for `primitive.asked`; None: already used by backward and freed
    number: int
    shape: tuple[int, ...]  # of the output
    dtype: np.dtype[Any]
    mode: Mode
    extra: Extra | None  # rare: gradient, hooks, source line

    @property
    def name(self) -> str:
        if self.primitive is None:
            return "AccumulateGrad"
        return "".join(part.capitalize() for part in self.primitive.name.split("_")) + "Backward"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """PyTorch's view of the graph: the nodes of the inputs, each with output number 0."""
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Extra:
    """What few nodes need: the gradient (of leaves, and where `retain_grad` asked), hooks, the source line."""

    __slots__ = ("grad", "hooks", "retain", "where")

    def __init__(self) -> None:
        self.grad: Tensor | None = None
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] = {}
        self.retain = False
        self.where = ""


def leaf_node(array: Array) -> Node:
    node = Node()
    node.primitive, node.parents, node.kept, node.extra = None, (), (), Extra()
    node.number, node.shape, node.dtype, node.mode = next(_clock), array.shape, array.dtype, current_mode()
    return node


def extra_of(node: Node) -> Extra:
    if node.extra is None:
        node.extra = Extra()
    return node.extra


# ------------------------------------------------------------------------------------------------ 3. Tensor


class TensorCore:
    """What the engine needs of a tensor: the array, and the node that made it. `tensor.Tensor` adds the rest."""

    __slots__ = ("__dict__", "__weakref__", "_array", "_grad", "_node")

    _array: Array  # an ndarray; a NumPy scalar where an operation returned one
    _node: Node | None  # None: no gradient is required
    _grad: Tensor | None  # unset, but where `.grad` belongs to a tensor that does not require grad

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Settable on leaves."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) asking for the gradient of this leaf; returns the tensor itself."""
        if not self.is_leaf:
            if requires_grad:
                return self  # type: ignore[return-value]
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable"
                " in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if requires_grad and self._node is None:
            if self._array.dtype.kind != "f":
                raise RuntimeError(
                    f"only Tensors of floating point dtype can require gradients, and this one is {self._array.dtype}:"
                    " make it a float first, as with x.float()"
                )
            node, grad = leaf_node(self._array), self.grad
            self._node = node
            extra_of(node).grad = grad
        elif not requires_grad and self._node is not None:
            self._grad, self._node = self.grad, None
        return self  # type: ignore[return-value]

    @property
    def is_leaf(self) -> bool:
        """True for tensors that no recorded operation made; only these keep their gradient unasked."""
        return self._node is None or self._node.primitive is None

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for leaves."""
        return None if self.is_leaf else self._node

    @property
    def grad(self) -> Tensor | None:
        """d(what `backward` was called on) / d(this tensor), summed over calls; None before the first."""
        if self._node is None:
            return getattr(self, "_grad", None)
        return self._node.extra.grad if self._node.extra is not None else None

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, TensorCore):
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if value.shape != self._array.shape or value.dtype != self._array.dtype:
                raise RuntimeError(
                    f"assigned grad has {value.dtype} data of shape {value.shape}, but the tensor"
                    f" is {self._array.dtype} of shape {self._array.shape}: they must be the same"
                )
        if self._node is None:
            self._grad = value
        else:
            extra_of(self._node).grad = value

    def retain_grad(self) -> None:
        """Keep the gradient of this non-leaf tensor in `.grad`, too."""
        if self._node is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        extra_of(self._node).retain = True

    @property
    def retains_grad(self) -> bool:
        node = self._node
        return node is not None and node.primitive is not None and node.extra is not None and node.extra.retain

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call `hook(grad)` when this tensor's gradient is known; what it returns, if anything, replaces it."""
        if self._node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return HookHandle(extra_of(self._node).hooks, hook)

    def detach(self) -> Tensor:
        """The same memory without the history: nothing flows back through it."""
        self._array = np.asanyarray(self._array) if isinstance(self._array, np.generic) else self._array
        return wrap(self._array)

    def backward(
        self,
        gradient: Tensor | Array | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | None = None,
    ) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf that requires it.

        gradient: what flows in from above, of this tensor's shape; may be left out for a single element (1.0).
        retain_graph: keep the kept values, so that backward can run again (default: the value of create_graph).
        create_graph: record the backward pass itself, for higher derivatives.
        inputs: fill `.grad` of these tensors alone.
        """
        from .autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs)  # type: ignore[arg-type]


class HookHandle:
    """Takes a hook away again: `handle.remove()`."""

    _numbers = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> None:
        self._hooks, self._number = hooks, next(self._numbers)
        hooks[self._number] = hook

    def remove(self) -> None:
        self._hooks.pop(self._number, None)


tensor_class: type[Any] = TensorCore  # `tensor.py` puts the full class here
_new = object.__new__


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """A Tensor around this very array."""
    tensor = _new(tensor_class)
    tensor._array = array
    tensor._node = node
    return tensor  # type: ignore[no-any-return]


# --------------------------------------------------------------------------------------------- 4. primitives


class ShapeError(RuntimeError, ValueError):
    """Arrays that do not fit an operation: PyTorch raises a RuntimeError here and NumPy a ValueError; this is both."""


Rule = Callable[..., Array]
PRIMITIVES: dict[str, Primitive] = {}  # the table: tests, docs and pictures are made from it
OPERATIONS: dict[str, Callable[..., Any]] = {}  # public name -> function and Tensor method
NUMPY: dict[Any, Callable[..., Any]] = {}  # NumPy function or ufunc -> the operation that records it
ALIASES = {"dim": "axis", "keepdim": "keepdims"}  # PyTorch's names for NumPy's options


class Primitive:
    """An operation that the engine can differentiate: a function on arrays and one rule per differentiable input.

    A rule says what it needs by the names of its parameters, and the graph keeps just that: `g` (the gradient of
    the output), `out`, an input's name (its value), `<input>_shape`, or an option (a keyword-only parameter of
    the function). A function of `*xs` has one rule for all of them, which is told which one by `i`.
    """

    def __init__(self, forward: Callable[..., Array], name: str, rules: dict[str, Rule], view: bool) -> None:
        self.forward, self.name, self.view = forward, name, view
        self.__doc__ = forward.__doc__
        self.inputs, self.options, self.variadic = _signature(forward, rules)
        self.defaults = {o.name: o.default for o in self.options if o.default is not o.empty}
        self.rules = tuple(rules.get(name) for name in self.inputs)
        extras = ("out", "none", *(o.name for o in self.options), *(f"{i}_shape" for i in self.inputs))
        position = {name: index for index, name in enumerate((*self.inputs, *extras))}
        wanted = [_parameters(rule) if rule else () for rule in self.rules]
        self.asked = tuple(dict.fromkeys(name for names in wanted for name in names))
        for unknown in set(self.asked) - position.keys():
            raise TypeError(f"a rule of {name} asks for {unknown!r}: it may ask for g, {', '.join(position)}")
        self.asks_shapes = any(f"{i}_shape" in self.asked for i in self.inputs)
        self.simple = not self.options and not self.asks_shapes and not self.variadic
        # Each rule with what it takes out of `Node.kept`; and, for each set of inputs that need a gradient, what to keep.
        self.steps = tuple(zip(self.rules, map(self._picker, wanted), strict=True))
        self.plans = [self._plan(mask, wanted, position) for mask in range(2 ** len(self.inputs))]
        for input_name in rules.keys() - set(self.inputs):
            raise TypeError(f"{name} has a rule for {input_name!r}, but its inputs are {', '.join(self.inputs)}")

    def _picker(self, names: tuple[str, ...]) -> Any:
        """None, a position in `Node.kept`, or a function from `Node.kept` to several values."""
        positions = [self.asked.index(name) for name in names]
        return operator.itemgetter(*positions) if len(positions) > 1 else positions[0] if positions else None

    def _plan(
        self, mask: int, wanted: list[tuple[str, ...]], position: dict[str, int]
    ) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
        needed = {name for i, names in enumerate(wanted) if mask >> i & 1 for name in names}
        slots = [position[name if name in needed else "none"] for name in self.asked]
        if len(slots) < 2:
            start = slots[0] if slots else 0
            return operator.itemgetter(slice(start, start + len(slots)))  # a tuple, also of one or none
        return operator.itemgetter(*slots)

    def bind(self, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Inputs and options as `forward` wants them: PyTorch's names accepted, options also by position."""
        if not self.variadic and len(args) > len(self.inputs):
            names = [o.name for o in self.options]
            extra = args[len(self.inputs) :]
            if len(extra) > len(names):
                raise TypeError(f"{self.name}() takes {len(self.inputs) + len(names)} arguments, got {len(args)}")
            args, options = args[: len(self.inputs)], {**dict(zip(names, extra, strict=False)), **options}
        options = {ALIASES.get(key, key): value for key, value in options.items()}
        for name in self.inputs[len(args) :]:  # inputs given by keyword
            if name in options:
                args = (*args, options.pop(name))
        for key in options.keys() - {o.name for o in self.options}:
            raise TypeError(f"{self.name}() got an unexpected keyword argument {key!r}")
        if not self.variadic and len(args) != len(self.inputs):
            raise TypeError(f"{self.name}() takes the inputs {', '.join(self.inputs)}, but got {len(args)} of them")
        return args, {**self.defaults, **options}

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.inputs)})>"


def _signature(
    forward: Callable[..., Array], rules: dict[str, Rule]
) -> tuple[tuple[str, ...], list[inspect.Parameter], bool]:
    if not inspect.isfunction(forward):  # a ufunc or a function of the module `operator`: its rules name the inputs
        count = forward.nin if isinstance(forward, np.ufunc) else len(inspect.signature(forward).parameters)
        return tuple(rules) if len(rules) == count else ("x", "y", "z")[:count], [], False
    parameters = list(inspect.signature(forward).parameters.values())
    options = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    inputs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
    return inputs, options, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _parameters(rule: Rule) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(rule).parameters if name not in ("g", "i"))


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
    """
    if forward is None:
        return functools.partial(primitive, name=name, numpy=numpy, view=view, public=public, **rules)
    prim = Primitive(forward, name or forward.__name__, rules, view)
    for input_name, rule in rules.items():
        _name_in_tracebacks(rule, f"{prim.name}_backward_{input_name}")
    make = {1: _unary, 2: _binary}.get(len(prim.inputs), _general) if prim.simple else _general
    apply = make(prim)
    apply.__name__ = apply.__qualname__ = prim.name
    apply.__doc__, apply.primitive = prim.__doc__, prim  # type: ignore[attr-defined]
    PRIMITIVES[prim.name] = prim
    return _register(apply, (forward, numpy) if isinstance(forward, np.ufunc) else numpy, public)


def composition(*, numpy: Any = (), name: str = "", public: bool = True) -> Callable[[F], F]:
    """Decorator for an operation that is made of others, and so needs no rule of its own."""

    def enter(function: F) -> F:
        function.__name__ = name or function.__name__
        return _register(function, numpy, public)

    return enter


def _register(function: F, numpy: Any, public: bool) -> F:
    if public:
        OPERATIONS[function.__name__] = function
    for key in numpy if isinstance(numpy, tuple) else (numpy,):
        if isinstance(key, tuple):
            _register(function, key, public=False)
        else:
            NUMPY[key] = function
    return function


def call(operation: Callable[..., Any], *inputs: Array, **options: Any) -> Array:
    """How a rule uses another primitive: recorded on Tensors, on bare arrays a bare function."""
    if any(isinstance(x, TensorCore) for x in inputs):
        return operation(*inputs, **options)
    return operation.primitive.forward(*inputs, **options)  # type: ignore[attr-defined]


def _name_in_tracebacks(rule: Rule, name: str) -> None:
    if inspect.isfunction(rule) and rule.__name__ == "<lambda>":
        rule.__code__ = rule.__code__.replace(co_name=name, co_qualname=name)
        rule.__name__ = rule.__qualname__ = name


def as_array(value: Any, op: str) -> Array:
    """An operand that is no Tensor: Python numbers stay weak, lists become arrays of the default dtype."""
    if isinstance(value, (int, float, np.ndarray, np.generic)) or hasattr(value, "__array_function__"):
        if getattr(value, "dtype", _FLOAT32).kind in "fiub":
            return value
        raise TypeError(f"{op}: {value.dtype} arrays are not supported, only floats, integers and booleans")
    if isinstance(value, (list, tuple)):
        return tensor_class(value)._array
    raise TypeError(f"{op}: expected a Tensor, an array or a number, but got {type(value).__name__}")


def _unary(prim: Primitive) -> Callable[..., Any]:
    forward, plan = prim.forward, prim.plans[1]
    differentiable = prim.rules[0] is not None

    def apply(x: Any) -> Any:
        try:
            a, parent = x._array, x._node
        except AttributeError:
            a, parent = _only_operand(x, prim.name), None
        try:
            out = forward(a)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(error, prim, (a,), {}) from error
        if out.dtype is not a.dtype:
            (a,), out = _promoted(prim, (a,), {}, out)
        if parent is not None and differentiable:
            mode = current_mode()
            if mode.grad:
                return record(prim, (parent,), (a, out, None), plan, out, mode)
        return wrap(out)

    return apply


def _binary(prim: Primitive) -> Callable[..., Any]:
    forward, plans = prim.forward, prim.plans
    x_rule, y_rule = (rule is not None for rule in prim.rules)

    def apply(x: Any, y: Any) -> Any:
        try:
            a, xn = x._array, x._node
        except AttributeError:
            a, xn = as_array(x, prim.name), None
        try:
            b, yn = y._array, y._node
            y_dtype = b.dtype
        except AttributeError:
            b, yn = as_array(y, prim.name), None
            a = a if isinstance(x, TensorCore) else _only_operand(x, prim.name)
            y_dtype = getattr(b, "dtype", None)  # none: a Python number, which promotes nothing
        try:
            out = forward(a, b)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(error, prim, (a, b), {}) from error
        dtype = out.dtype
        if (y_dtype is not dtype and y_dtype is not None) or getattr(a, "dtype", dtype) is not dtype:
            (a, b), out = _promoted(prim, (a, b), {}, out)
        if xn is not None or yn is not None:
            mode = current_mode()
            if mode.grad:
                parents = (xn if x_rule else None, yn if y_rule else None)
                mask = (xn is not None and x_rule) + 2 * (yn is not None and y_rule)
                if mask:
                    return record(prim, parents, (a, b, out, None), plans[mask], out, mode)
        return wrap(out)

    return apply


def _general(prim: Primitive) -> Callable[..., Any]:
    """Any number of inputs, options, shapes."""
    forward, options_in_order = prim.forward, [o.name for o in prim.options]

    def apply(*args: Any, **options: Any) -> Any:
        args, options = prim.bind(args, options)
        arrays = tuple(a._array if isinstance(a, TensorCore) else as_array(a, prim.name) for a in args)
        try:
            out = forward(*arrays, **options)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(error, prim, arrays, options) from error
        if any(out.dtype is not getattr(a, "dtype", None) for a in arrays):
            arrays, out = _promoted(prim, arrays, options, out)
        mode = current_mode()
        if not mode.grad:
            return wrap(out)
        rules = prim.rules * len(args) if prim.variadic else prim.rules
        parents = tuple(
            a._node if rule is not None and isinstance(a, TensorCore) else None
            for a, rule in zip(args, rules, strict=True)
        )
        mask = 0
        for i, parent in enumerate(parents):
            mask |= (parent is not None) << (0 if prim.variadic else i)
        if not mask:
            return wrap(out)
        shapes = tuple(getattr(a, "shape", ()) for a in arrays) if prim.asks_shapes else ()
        inputs, shapes = ((arrays,), (shapes,)) if prim.variadic else (arrays, shapes)
        env = (*inputs, out, None, *(options[name] for name in options_in_order), *shapes)
        return record(prim, parents, env, prim.plans[mask], out, mode)

    return apply


def _only_operand(value: Any, op: str) -> Array:
    array = as_array(value, op)
    return array if hasattr(array, "dtype") else tensor_class(array)._array


def record(
    prim: Primitive,
    parents: tuple[Node | None, ...],
    env: tuple[Any, ...],
    plan: Callable[[tuple[Any, ...]], tuple[Any, ...]],
    out: Array,
    mode: Mode,
) -> Tensor:
    """The result of an operation that has just run, with its node; of `env` (inputs, output, …) keep what is planned."""
    node = Node()
    node.primitive = prim
    node.parents = parents
    node.kept = plan(env)
    node.mode = mode
    node.extra = None
    node.shape = out.shape
    node.dtype = out.dtype
    node.number = next(_clock)
    if _writes.recorded:
        _check_views(prim, parents, env[0] if prim.variadic else env)
    if mode.anomaly:
        from .autograd import watch_forward

        watch_forward(node, out, env)
    tensor = _new(tensor_class)
    tensor._array = out
    tensor._node = node
    return tensor  # type: ignore[no-any-return]


# PyTorch's promotion where NumPy's differs: a number or 0-d array does not widen an array of its kind, integers
# become the default float dtype (not float64) where a float is called for, float32 stays with int64.

_FLOAT32 = np.dtype(np.float32)
_KINDS = {"b": 0, "i": 1, "u": 1, "f": 2}
default_dtype = _FLOAT32


def result_type(*operands: Array) -> np.dtype[Any]:
    """The dtype of an operation on these operands, as `torch.result_type` has it."""
    groups: list[list[np.dtype[Any]]] = [[], [], []]  # arrays, 0-d arrays, Python numbers
    for operand in operands:
        if isinstance(operand, (int, float)):  # np.float64 is a float, too
            kind = bool if isinstance(operand, bool) else int if isinstance(operand, int) else float
            groups[2].append(default_dtype if kind is float else np.dtype(kind))
        else:
            groups[0 if operand.ndim else 1].append(operand.dtype)
    result, owner = None, None
    for group in groups:
        for dtype in group:
            if result is None or _KINDS[dtype.kind] > _KINDS[result.kind]:
                result, owner = dtype, group
            elif owner is group and _KINDS[dtype.kind] == _KINDS[result.kind]:
                result = np.promote_types(result, dtype)
    return result if result is not None else default_dtype


def _promoted(
    prim: Primitive, arrays: tuple[Array, ...], options: dict[str, Any], out: Array
) -> tuple[tuple[Array, ...], Array]:
    """Run `forward` again where NumPy chose another float dtype than PyTorch would."""
    if out.dtype.kind != "f" or options.get("dtype") is not None:
        return arrays, out
    dtype = result_type(*arrays)
    if dtype.kind != "f":
        dtype = default_dtype
    if out.dtype == dtype:
        return arrays, out
    cast = tuple(
        a.astype(dtype) if hasattr(a, "dtype") and a.dtype.kind != "b" and a.dtype != dtype else a for a in arrays
    )
    cast = tuple(float(a) if isinstance(a, float) else a for a in cast)
    return cast, prim.forward(*cast, **options).astype(dtype, copy=False)


def _explained(error: Exception, prim: Primitive, arrays: tuple[Array, ...], options: dict[str, Any]) -> Exception:
    """The same error with the operation's name, its inputs and options."""
    names = [f"x{i}" for i in range(len(arrays))] if prim.variadic else prim.inputs
    inputs = [f"{n}: {describe(a)}" for n, a in zip(names, arrays, strict=True)]
    given = [f"{n}={v!r}" for n, v in options.items() if v is not prim.defaults.get(n, inspect.Parameter.empty)]
    kind = IndexError if isinstance(error, IndexError) else ShapeError if isinstance(error, ValueError) else TypeError
    return kind(f"{prim.name}({', '.join(inputs + given)}): {error}")


def describe(value: Any) -> str:
    """'float32 (3, 4)' for an array, the number itself for a number."""
    return f"{value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") and value.ndim else repr(value)


# ------------------------------------------------------------------------------------------------- 5. writes


class Writes:
    """When was which memory last written? By the clock that numbers the nodes, so no value needs a version.

    A kept value is stale if its memory was written after its node was made. Memory is known by the array that owns
    it, so that a tensor and all its views share one entry. While nothing is written this costs one comparison.
    """

    def __init__(self) -> None:
        self.last = 0  # number of the latest write of all
        self.recorded = 0  # number of the latest write that was itself recorded in a graph
        self._entries: dict[int, tuple[weakref.ref[Any], list[int]]] = {}

    def note(self, array: Array, recorded: bool = False) -> None:
        """`array` has just been written; recorded: by an operation that backward will pass through."""
        self.last = number = next(_clock)
        key = id(memory := owner(array))
        if key not in self._entries:
            gone = weakref.ref(memory, lambda _: self._entries.pop(key, None))
            self._entries[key] = (gone, [0, 0, 0])
        entry = self._entries[key][1]
        entry[0], entry[2] = number, entry[2] + 1
        if recorded:
            self.recorded = entry[1] = number

    def of(self, array: Array) -> tuple[int, int, int]:
        """Number of the last write to this memory, of the last recorded one, and how many there were."""
        entry = self._entries.get(id(owner(array)))
        return (0, 0, 0) if entry is None else (entry[1][0], entry[1][1], entry[1][2])


_writes = Writes()


def owner(array: Array) -> Array:
    """The array whose memory this one shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def check_writable(tensor: TensorCore, recorded: bool) -> None:
    """Raise where writing into this tensor would spoil a gradient; PyTorch's rules and reasons."""
    node = tensor._node
    if recorded and node is None and isinstance(tensor._array.base, np.ndarray):
        raise RuntimeError(
            "a view of another tensor is being used in an in-place operation with a value that requires grad: the"
            " other tensor would not know. Write through the tensor itself, as in x[i, j] = v, or clone() the view."
        )
    if node is None or not (recorded or current_mode().grad):
        return
    steps = 0
    while node.primitive is not None and node.primitive.view and node.parents[0] is not None:
        node, steps = node.parents[0], steps + 1
    if node.primitive is None:
        what = "a view of a leaf Variable" if steps else "a leaf Variable"
        raise RuntimeError(
            f"{what} that requires grad is being used in an in-place operation."
            " Wrap it in no_grad() to change the value itself (as an optimizer does), or compute a new tensor."
        )


def _check_views(prim: Primitive, parents: tuple[Node | None, ...], arrays: tuple[Any, ...]) -> None:
    for parent, array in zip(parents, arrays, strict=False):
        if parent is not None and parent.number < _writes.recorded and parent.number < _writes.of(array)[1]:
            raise RuntimeError(
                f"{prim.name}: an input shares its memory with a tensor that was changed in place since"
                f" {parent!r} made it, so its history is no longer true. Take the view again after the change."
            )


def _check_kept(node: Node) -> None:
    assert node.primitive is not None and node.kept is not None
    for slot, value in zip(node.primitive.asked, node.kept, strict=True):
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray) and _writes.of(array)[0] > node.number:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation:"
                    f" {slot!r} ({describe(array)}) of {node!r} was written after the forward pass read it."
                    " Compute a new tensor instead (x = x + 1, not x += 1), or clone() before the change."
                )


# ----------------------------------------------------------------------------------------------- 6. backward

_commit = threading.Lock()  # gradients of shared leaves are added one thread at a time


def propagate(
    roots: Iterable[tuple[Node, Array]],
    retain_graph: bool,
    create_graph: bool,
    targets: set[Node] | None = None,
) -> dict[Node, Array]:
    """The chain rule: from the gradients of `roots` to those of `targets` (default: all leaves that are reached).

    Always takes the youngest node whose gradient is still to be passed on: all that was computed from it is younger
    still, so its gradient is complete. No recursion, and only the frontier is held. With create_graph the gradients
    are Tensors, so the rules, unchanged, are recorded in their turn.
    """
    roots = list(roots)
    useful = None if targets is None else _leading_to(targets, roots)
    anomaly = current_mode().anomaly
    pending: dict[Node, Array] = {}
    frontier: list[tuple[int, Node]] = []
    found: dict[Node, Array] = {}
    for node, gradient in roots:
        if node not in pending:
            heappush(frontier, (-node.number, node))
        pending[node] = pending[node] + gradient if node in pending else gradient
    while frontier:
        node = heappop(frontier)[1]
        gradient = pending.pop(node)
        prim = node.primitive
        if node.extra is not None:
            gradient = _run_hooks(node, gradient)
        if prim is None if targets is None else node in targets:
            found[node] = gradient
        if prim is None:
            continue
        kept = _usable(node, create_graph)
        for parent, (rule, pick) in zip(node.parents, _steps(node) if prim.variadic else prim.steps):
            if parent is None or (useful is not None and parent not in useful):
                continue
            if pick is None:
                result = rule(gradient)
            elif type(pick) is int:
                result = rule(gradient, kept[pick])
            else:
                result = rule(gradient, *pick(kept))
            if result.shape != parent.shape:
                result = unbroadcast(result, parent.shape)
            if result.dtype is not parent.dtype:
                result = result.astype(parent.dtype)
            if anomaly:
                _watch(node, parent, result)
            if parent in pending:
                pending[parent] = pending[parent] + result
            else:
                pending[parent] = result if parent.primitive is not None else _own(result, gradient, kept)
                heappush(frontier, (-parent.number, parent))
        if not retain_graph and node.kept:
            node.kept = None
    return found


def _usable(node: Node, create_graph: bool) -> tuple[Any, ...]:
    """The kept values, proved to be there and unchanged; as Tensors if the backward pass is recorded."""
    if node.kept is None:
        raise RuntimeError(
            f"Trying to backward through the graph a second time: the values kept by {node!r} were freed by the"
            " first. Specify retain_graph=True if you need to backward through the graph again."
        )
    if node.number < _writes.last:
        _check_kept(node)
    return _as_tensors(node) if create_graph else node.kept


def _steps(node: Node) -> Iterable[tuple[Rule, Any]]:
    """The one rule of an operation on many inputs, told for each of them which one it is."""
    assert node.primitive is not None
    rule, pick = node.primitive.steps[0]
    return [(functools.partial(rule, i=i), pick) for i in range(len(node.parents))]  # type: ignore[arg-type]


def _watch(node: Node, parent: Node, gradient: Array) -> None:
    from .autograd import watch_backward

    watch_backward(node, node.parents.index(parent), gradient)


def _own(result: Array, gradient: Array, kept: tuple[Any, ...]) -> Array:
    """What a leaf is given shall be its own: a copy if it is, or shows, memory that others see as well."""
    if isinstance(result, TensorCore):
        given = tuple(k._array if isinstance(k, TensorCore) else k for k in kept)
        return wrap(_own(result._array, gradient._array, given), result._node)
    if not result.flags.writeable:
        return result.copy()
    memory = owner(result)
    shared = memory is owner(gradient) or any(isinstance(k, np.ndarray) and owner(k) is memory for k in kept)
    return result.copy() if shared else result


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum `gradient` over the axes along which an input of this shape was broadcast."""
    lead = len(gradient.shape) - len(shape)
    if lead < 0:
        return np.broadcast_to(gradient, shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 != gradient.shape[lead + k]))
    summed = np.sum(gradient, axis=axes, keepdims=True) if axes else gradient
    return np.broadcast_to(summed.reshape(summed.shape[lead:]), shape)


def _as_tensors(node: Node) -> tuple[Any, ...]:
    """The kept values with their histories, so that what is computed from them can be differentiated again."""
    assert node.primitive is not None and node.kept is not None
    prim, kept = node.primitive, []
    for name, value in zip(prim.asked, node.kept, strict=True):
        if name == "out" and value is not None:
            value = wrap(value, node)
        elif name in prim.inputs and value is not None:
            if prim.variadic:
                value = tuple(wrap(v, p) if p is not None else v for v, p in zip(value, node.parents, strict=True))
            elif (parent := node.parents[prim.inputs.index(name)]) is not None:
                value = wrap(value, parent)
        kept.append(value)
    return tuple(kept)


def _run_hooks(node: Node, gradient: Array) -> Array:
    extra = extra_of(node)
    for hook in tuple(extra.hooks.values()):
        given = gradient if isinstance(gradient, TensorCore) else wrap(np.array(gradient))
        answer = hook(given)  # type: ignore[arg-type]
        if answer is not None:
            if answer.shape != node.shape:
                raise RuntimeError(f"a hook returned a gradient of shape {answer.shape} for a tensor of {node.shape}")
            gradient = answer if isinstance(gradient, TensorCore) else answer._array.astype(node.dtype)
    if extra.retain and node.primitive is not None:
        accumulate(node, gradient if isinstance(gradient, TensorCore) else np.array(gradient))
    return gradient


def _leading_to(targets: set[Node], roots: list[tuple[Node, Array]]) -> set[Node]:
    """The nodes under `roots` from which a target can be reached."""
    oldest = min((t.number for t in targets), default=0)
    stack, seen = [node for node, _ in roots], set()
    while stack:
        node = stack.pop()
        if node not in seen and node.number >= oldest:
            seen.add(node)
            stack.extend(parent for parent in node.parents if parent is not None)
    useful = set(targets)
    for node in sorted(seen, key=lambda node: node.number):
        if not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def accumulate(node: Node, gradient: Array) -> None:
    """Add to the `.grad` that this node holds; `gradient` is the node's to keep."""
    extra = extra_of(node)
    with _commit:
        if isinstance(gradient, TensorCore):  # create_graph
            extra.grad = gradient if extra.grad is None else extra.grad + gradient  # type: ignore[assignment]
        elif extra.grad is None:
            extra.grad = wrap(np.asanyarray(gradient))
        elif extra.grad._node is None and isinstance(extra.grad._array, np.ndarray):
            extra.grad._array += gradient
            _writes.note(extra.grad._array)
        else:
            extra.grad = extra.grad + wrap(gradient)
