"""`Function`: an operation with a forward and a backward of one's own, as in PyTorch.

Each call enters the graph as one operation like any other: a `Primitive` on many inputs whose rule calls `backward`,
once per visit, and hands each input its share. A call with several differentiable outputs makes a hidden vector of
blocks, of which every output is one; so the gradients of all outputs meet, and `backward` sees them together.
"""

from __future__ import annotations

import functools
import math
import operator
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engine import MANY, Array, Node, TensorCore, record, wrap
from ..modes import current_mode, is_grad_enabled, no_grad
from ..primitive import Primitive
from ..tensor import Tensor
from ..writes import owner

Shape = tuple[int, ...]


class FunctionCtx:
    """What one call of a `Function` passes on from its forward to its backward; give it attributes as you like."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad  # one per argument of `apply`
        self._to_save: tuple[Any, ...] = ()
        self._saved: dict[int, tuple[Any, ...]] = {}  # by thread, while `backward` runs
        self._constant: tuple[Any, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `saved_tensors` in backward; changed in place meanwhile, they are an error there."""
        for i, tensor in enumerate(tensors):
            if not (tensor is None or isinstance(tensor, TensorCore)):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type {type(tensor).__name__}:"
                    " keep it as an attribute, ctx.name = value"
                )
        self._to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved: inputs and outputs with their histories, so that backward can be differentiated."""
        saved = self._saved.get(threading.get_ident())
        if saved is None:
            raise RuntimeError("saved_tensors are there while backward runs; the values are freed after it")
        return saved

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs require no gradient (integers and booleans never do); backward gets zeros for them."""
        self._constant = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None, not zeros, for outputs that play no part."""
        self._materialize = bool(value)

    def mark_dirty(self, *args: Tensor) -> None:
        raise NotImplementedError("mark_dirty: a Function cannot change its inputs in place; return a new tensor")


class Function:
    """Subclass it, define `forward` and `backward` as static methods, and call `apply`.

    forward(ctx, *args), or forward(*args) with setup_context(ctx, inputs, output), returns a tensor or a tuple of them;
    nothing is recorded in it. backward(ctx, *gradients) takes one gradient per output and returns one per argument of
    `apply`, None where there is none. Written with operations on tensors it can itself be differentiated; otherwise
    mark it with `once_differentiable`.

    >>> import autograd_mini as am
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x**2
    >>> x = am.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError("You must implement the backward function for custom autograd.Function.")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run the function and record it."""
        ctx = FunctionCtx(tuple(isinstance(a, Tensor) and a.requires_grad for a in args))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        if isinstance(result, list):
            raise TypeError(f"{cls.__name__}.forward returned a list: return a tensor or a tuple of tensors")
        memory = [owner(a._array) for a in args if isinstance(a, Tensor)]
        made = [_plain(o, memory) if isinstance(o, Tensor) else o for o in outputs]
        if any(ctx.needs_input_grad) and is_grad_enabled():
            _record(cls, ctx, args, outputs, made)
        return tuple(made) if isinstance(result, tuple) else made[0]


def _plain(output: TensorCore, memory: list[Any]) -> Tensor:
    """The values of an output alone; in memory of their own, so that a write to it cannot change an input."""
    shared = any(owner(output._array) is m for m in memory)
    return wrap(np.array(output._array) if shared else output._array)


def _record(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...], made: list[Any]
) -> None:
    """Give the outputs in `made` their nodes."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    constant, saved = ctx._constant, ctx._to_save
    ctx._constant = ctx._to_save = ()  # the graph keeps arrays, and no tensor that points back to it
    live = [
        k
        for k, o in enumerate(outputs)
        if isinstance(o, Tensor) and o.dtype.kind == "f" and not any(o is c for c in constant)
    ]
    if not live:
        return
    sources = [_source(t, tensors, [outputs[k] for k in live]) for t in saved]
    call = _Call(cls, ctx, args, made, live, sources)
    arrays = tuple(None if t is None else t._array for t in saved)
    out: Any = made[live[0]]._array
    if len(live) > 1:
        out = Blocks(enumerate(made[k]._array for k in live), tuple(made[k].shape for k in live), out.dtype)
    kept = ((None,) * len(tensors), None if all(kind != "out" for kind, _ in sources) else out, arrays) if saved else ()
    env = (tuple(t._array for t in tensors), *kept)
    parents = tuple(t._node for t in tensors)
    node = record(call, parents, MANY, env, operator.itemgetter(slice(1, None)), out, current_mode(), None)._node
    for k in live:
        made[k]._node = node if len(live) == 1 else _block(node, live.index(k), out)._node


def _source(tensor: Any, inputs: list[Any], outputs: list[Any]) -> tuple[str, Any]:
    """Where the history of a saved tensor is found again: input i, output i, or its own node."""
    for kind, among in (("xs", inputs), ("out", outputs)):
        for i, t in enumerate(among):
            if t is tensor:
                return kind, i
    return "own", None if tensor is None else tensor._node


class _Call(Primitive):
    """One call of a Function as the engine sees it: an operation on many inputs. Its rule is the class's backward.

    Its node keeps the arrays that were saved; "xs" and "out" are asked for the sake of their histories alone.
    """

    def __init__(
        self, cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], made: list[Any], live: list[int],
        sources: list[tuple[str, Any]]
    ) -> None:
        vars(self).update(vars(_KEEPS_VALUES if sources else _KEEPS_NOTHING))
        self.name, self.__doc__ = cls.__name__, cls.__doc__
        self.cls, self.ctx, self.live, self.sources = cls, ctx, live, sources
        self.args = [(a.shape, a.is_leaf) if isinstance(a, Tensor) else None for a in args]
        self.outputs = [(o.shape, o.dtype) if isinstance(o, Tensor) else None for o in made]

    @property
    def rules(self) -> tuple[Any, ...]:  # type: ignore[override]
        return (self._rule(),)

    @property
    def steps(self) -> tuple[tuple[int, Any, Any], ...]:  # type: ignore[override]
        return ((0, self._rule(), operator.itemgetter(0, 1, 2) if self.asked else None),)

    def _rule(self) -> Callable[..., Array]:
        """The rule for one visit of the node: whichever input asks first has backward run, for all of them."""
        answers: list[Array] = []

        def rule(g: Array, i: int, xs: Any = (), out: Any = None, saved: tuple[Any, ...] = ()) -> Array:
            if not answers:
                answers.extend(self._backward(g, xs, out, saved))
            return answers[i]

        return rule

    def _backward(self, g: Array, xs: Any, out: Any, saved: tuple[Any, ...]) -> list[Array]:
        gradients: list[Any] = [None] * len(self.outputs)
        for block, k in enumerate(self.live):
            gradients[k] = g.get(block) if isinstance(g, Blocks) else g
        for k, like in enumerate(self.outputs):
            if gradients[k] is None and like is not None and self.ctx._materialize:
                gradients[k] = np.zeros(*like)
        thread = threading.get_ident()
        self.ctx._saved[thread] = tuple(
            self._saved(array, source, xs, out) for array, source in zip(saved, self.sources, strict=True)
        )
        own = [None if v is None else _tensor(v).clone() for v in gradients]  # it may write into what it is given
        try:
            answer = self.cls.backward(self.ctx, *own)
        finally:
            self.ctx._saved.pop(thread, None)
        return self._checked(answer if isinstance(answer, tuple) else (answer,), isinstance(_any(g), TensorCore))

    @staticmethod
    def _saved(array: Array, source: tuple[str, Any], xs: Any, out: Any) -> Tensor | None:
        """A saved value; with its history where the backward pass is recorded, and xs and out are Tensors."""
        kind, i = source
        node = i if kind == "own" else None
        if kind == "xs" and isinstance(xs[i], TensorCore):
            node = xs[i]._node
        elif kind == "out" and isinstance(out, TensorCore):
            node = _block(out._node, i, out._array)._node if isinstance(out._array, Blocks) else out._node
        return None if array is None else wrap(array, node)

    def _checked(self, answer: tuple[Any, ...], recorded: bool) -> list[Array]:
        """The gradients of the inputs that are tensors, as the engine wants them; errors as in PyTorch."""
        count = len(self.args)
        if len(answer) < count or any(extra is not None for extra in answer[count:]):
            raise RuntimeError(
                f"function {self.name}Backward returned an incorrect number of gradients (expected {count}, got"
                f" {len(answer)})"
            )
        checked: list[Array] = []
        for i, (gradient, arg) in enumerate(zip(answer, self.args, strict=False)):
            if gradient is not None and (arg is None or not isinstance(gradient, Tensor)):
                why = "the input was not a Tensor" if arg is None else f"it is a {type(gradient).__name__}"
                what = f"function {self.name}Backward returned a gradient different than None at position {i + 1}"
                raise RuntimeError(f"{what}, but {why}")
            if arg is None:
                continue
            if gradient is None:
                checked.append(None)
                continue
            shape, leaf = arg
            if gradient.shape != shape and not _expands(shape, gradient.shape):
                raise RuntimeError(
                    f"Function {self.name}Backward returned an invalid gradient at index {i} - got {gradient.shape}"
                    f" but expected shape compatible with {shape}"
                )
            array = np.array(gradient._array) if leaf else gradient._array  # what a leaf is given shall be its own
            checked.append(wrap(array, gradient._node) if recorded else array)
        return checked


def _forward(*xs: Array, saved: Any = ()) -> Array:
    raise TypeError("a Function is run by apply")


_KEEPS_VALUES = Primitive(_forward, "function", {"xs": lambda g, i, xs, out, saved: None}, view=False)
_KEEPS_NOTHING = Primitive(_forward, "function", {"xs": lambda g, i: None}, view=False)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, TensorCore) else wrap(value)  # type: ignore[return-value]


def _any(g: Array) -> Array:
    return next(iter(g.values())) if isinstance(g, Blocks) else g


def _expands(shape: Shape, to: Shape) -> bool:
    pairs = zip(reversed(shape), reversed(to), strict=False)
    return len(shape) <= len(to) and all(n in (1, m) for n, m in pairs)


# ------------------------------------------------------------------------------------- calls of several outputs


class Blocks(dict[int, Array]):
    """Several arrays as the blocks of one vector; those that are missing are zero. What a hidden node stands for."""

    base = None  # it owns its memory, as an ndarray would say

    def __init__(self, blocks: Any, shapes: tuple[Shape, ...], dtype: np.dtype[Any]) -> None:
        super().__init__(blocks)
        self.shapes, self.dtype = shapes, dtype
        self.shape = (sum(map(math.prod, shapes)),)

    @property
    def _array(self) -> Blocks:
        return self

    def __add__(self, other: Blocks) -> Blocks:
        both = {k: self[k] + other[k] if k in self and k in other else (self | other)[k] for k in self | other}
        return Blocks(both, self.shapes, self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """The whole vector, for those who look on."""
        blocks = [self.get(k, np.zeros(shape)) for k, shape in enumerate(self.shapes)]
        flat = [np.ravel(b._array if isinstance(b, TensorCore) else b) for b in blocks]
        return np.concatenate(flat).astype(dtype or self.dtype)


def _output_backward(g: Array, index: int, shapes: tuple[Shape, ...], dtype: np.dtype[Any]) -> Blocks:
    return Blocks({index: g}, shapes, dtype)


def _output(outputs: Blocks, *, index: int, shapes: tuple[Shape, ...], dtype: np.dtype[Any]) -> Array:
    return outputs[index]


_OUTPUT = Primitive(_output, "output", {"outputs": _output_backward}, view=False)


def _block(node: Node | None, index: int, blocks: Blocks) -> Tensor:
    """One block of the hidden vector `node`, recorded."""
    env = (blocks, blocks[index], None, index, blocks.shapes, blocks.dtype)
    return record(_OUTPUT, (node,), MANY, env, _OUTPUT.plans[1], blocks[index], current_mode(), None, {"index": index})


# ------------------------------------------------------------------------------------------- derivatives once only


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for a `backward` that does not use operations on tensors: differentiating it again is an error."""

    @functools.wraps(backward)
    def wrapper(ctx: FunctionCtx, *gradients: Any) -> Any:
        with no_grad():
            answer = backward(ctx, *gradients)
        roots = [t for t in (*gradients, *ctx.saved_tensors) if isinstance(t, TensorCore) and t.requires_grad]
        if not (roots and is_grad_enabled()):
            return answer
        answers = answer if isinstance(answer, tuple) else (answer,)
        return tuple(a if a is None else _refusing(a, roots) for a in answers)

    return wrapper


def _refuse(g: Array, i: int) -> Array:
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_ONCE = Primitive(lambda *xs: xs[0], "once_differentiable", {"xs": _refuse}, view=False)


def _refusing(answer: TensorCore, roots: list[TensorCore]) -> Tensor:
    env = (tuple(r._array for r in roots), answer._array, None)
    return record(_ONCE, tuple(r._node for r in roots), MANY, env, _ONCE.plans[1], answer._array, current_mode(), None)


# ---------------------------------------------------------------------------------------- gradients on their way


class _Passage(Function):
    """The same tensors, whose gradients pass through a function on the way back."""

    @staticmethod
    def forward(ctx: Any, call: Callable[[tuple[Any, ...]], tuple[Any, ...]], *tensors: Tensor) -> Any:
        ctx.call = call
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.call(grads)


def through(call: Callable[[tuple[Any, ...]], tuple[Any, ...]], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values, those of them that require grad behind a `_Passage`; `call` gets 0 for other tensors, else None."""
    live = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]

    def widen(grads: tuple[Any, ...]) -> tuple[Any, ...]:
        zeros = {i: wrap(np.zeros_like(x._array)) for i, x in enumerate(values) if isinstance(x, Tensor)}
        found = zeros | dict(zip(live, grads, strict=True))
        returned = call(tuple(found.get(i) for i in range(len(values))))
        return tuple(returned[i] for i in live)

    passed = dict(zip(live, _Passage.apply(widen, *(values[i] for i in live)) if live else (), strict=True))
    return tuple(passed.get(i, value) for i, value in enumerate(values))
