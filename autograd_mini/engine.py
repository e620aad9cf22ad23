"""The engine: tensors that remember how they were made, and the walk back through that memory by the chain rule.

Read it from top to bottom, in one sitting:

1. `Node`    what the graph remembers of one operation, and nothing more
2. Tensor    an array and the node that made it
3. backward  the nodes in reverse order of creation, each asking its rules

An operation and its rules are declared with `primitive.py`; the derivatives themselves stand in `rules/`; whether
anything is recorded at all, `modes.py` says.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .devices import copy_of, is_memory, memory_of, on_host, shows_once
from .modes import Mode, Watcher, current_mode, run_in
from .sums import blas_sums, sum_of_rows
from .writes import check_inputs, check_kept, owner, recorded_at, tick, writes

if TYPE_CHECKING:
    from .primitive import Primitive, Rule
    from .tensor import Tensor

Array: TypeAlias = Any  # whatever speaks NumPy's protocols: an ndarray, a NumPy scalar, a CuPy array, a Tensor

# -------------------------------------------------------------------------------------------------- 1. Node


class Node:
    """One operation of the graph, or (with `primitive` None) a leaf that requires grad.

    A Tensor points to its Node and a Node to its parents, never back: there are no reference cycles, and memory
    returns at once. A node's number is larger than its parents', so sorting by it is a topological order.
    """

    __slots__ = (
        "__weakref__", "_first", "_second", "dtype", "extra", "given", "kept", "mode", "number", "numbers", "options",
        "primitive", "shape"
    )  # fmt: skip

    primitive: Primitive | None
    _first: Any  # `parents`, in two slots if they are two: a million tuples less for Python's cycle collector to walk
    _second: Any
    kept: tuple[Any, ...] | None  # values for `primitive.asked`; None: used by backward and freed
    number: int
    shape: tuple[int, ...]  # of the output
    dtype: np.dtype[Any]
    mode: Mode
    numbers: bool  # are the inputs and the output numbers of one dtype? Then gradients have no other shape or dtype
    options: dict[str, Any] | None  # how the operation was called
    given: Any  # for pictures, the inputs that have no node: numbers, or weak references; bare if there is only one
    extra: Extra | None  # what few nodes need

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """The node of each input; None: that input needs no gradient."""
        return self._first if self._second is MANY else (self._first, self._second)

    @property
    def name(self) -> str:
        if self.primitive is None:
            return "AccumulateGrad"
        return "".join(part[:1].upper() + part[1:] for part in self.primitive.name.split("_")) + "Backward"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """PyTorch's view of the graph: the nodes of the inputs, each with output number 0."""
        return tuple((parent, 0) for parent in self.parents)

    def __repr__(self) -> str:
        return f"<{self.name}>"


MANY: Any = object()  # in `Node._second`: the parents are not two, and stand in `_first` as a tuple


class Extra:
    """The gradient (of leaves, and where `retain_grad` asked for it), hooks, a leaf's tensor, marks of anomaly mode."""

    __slots__ = ("after", "grad", "hooks", "prints", "retain", "tensor", "where")

    def __init__(self) -> None:
        self.grad: Tensor | None = None
        self.hooks: dict[int, Callable[[Tensor], Tensor | None]] = {}
        self.after: dict[int, Callable[[Tensor], None]] = {}  # hooks that run once `.grad` is there
        self.retain = False
        self.tensor: weakref.ref[Any] | None = None
        self.where = ""  # the source line that ran the operation …
        self.prints: list[int] = []  # … and fingerprints of the values that it keeps


def extra_of(node: Node) -> Extra:
    if node.extra is None:
        with _commit:  # two threads that find none shall not make two
            node.extra = node.extra or Extra()
    return node.extra


def leaf_node(tensor: TensorCore) -> Node:
    array, node = tensor._array, Node()
    node.primitive, node._first, node._second, node.kept, node.options, node.given = None, (), MANY, (), None, None
    node.number, node.shape, node.dtype, node.mode = tick(), array.shape, array.dtype, current_mode()
    node.numbers, node.extra = False, Extra()
    node.extra.tensor = weakref.ref(tensor)
    return node


def record(
    primitive: Primitive,
    first: Any,
    second: Any,
    env: tuple[Any, ...],
    plan: Callable[[tuple[Any, ...]], tuple[Any, ...]],
    out: Array,
    mode: Mode,
    given: Any,
    options: dict[str, Any] | None = None,
    numbers: bool = False,
    since: int = 0,
) -> Tensor:
    """The result of an operation that has just run, with its node, which keeps what is planned of `env`.

    first, second: the nodes of two inputs; or of any number of them as a tuple, and MANY.
    since: its number, taken before the inputs were read, so that what another thread writes meanwhile counts as later.
    """
    node = Node()
    node.primitive = primitive
    node._first = first
    node._second = second
    node.kept = plan(env)
    node.mode = mode
    node.numbers = numbers
    node.options = options
    node.given = given
    node.extra = None
    node.shape = out.shape
    node.dtype = out.dtype
    node.number = since or tick()
    if writes.recorded:
        check_inputs(primitive.name, node.parents, env[0] if primitive.variadic else env)
    if mode.watch is not None:
        mode.watch.forward(node, out, env)
    tensor = _new(tensor_class)
    tensor._array = out
    tensor._node = node
    return tensor  # type: ignore[no-any-return]


# ------------------------------------------------------------------------------------------------ 2. Tensor


class TensorCore:
    """What the engine needs of a tensor: the array, and the node that made it. `tensor.Tensor` adds the rest."""

    __slots__ = ("__dict__", "__weakref__", "_array", "_base", "_frozen", "_grad", "_node", "_origin", "_views")

    _array: Array  # an ndarray; a NumPy scalar where an operation returned one
    _node: Node | None  # None: no gradient is required
    _base: tuple[Any, ...] | None  # unset, but where this is a view of a tensor: that, and the call that shows it
    _frozen: tuple[Any, Any]  # unset, but where this leaf ceased to require grad: its hooks, should it do so again
    _grad: Tensor | None  # unset, but where `.grad` belongs to a tensor that does not require grad
    _origin: weakref.ref[Node]  # unset, but where this was detached from the result of a recorded operation
    _views: set[weakref.ref[Tensor]]  # unset, but where there are views of this

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. Settable on leaves."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Start (or stop) asking for the gradient of this leaf; returns the tensor itself."""
        if not (requires_grad or self.is_leaf):
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
            grad, self._node = self.grad, leaf_node(self)
            self.grad, extra = grad, extra_of(self._node)
            extra.hooks, extra.after = getattr(self, "_frozen", ({}, {}))
        elif not requires_grad and self._node is not None:
            extra = extra_of(self._node)
            self._grad, self._frozen, self._node = self.grad, (extra.hooks, extra.after), None
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
        if value is not None and not isinstance(value, TensorCore):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
        if value is not None and (value.shape, value.dtype) != (self._array.shape, self._array.dtype):
            raise RuntimeError(
                f"assigned grad has data of a different size or type: {value.dtype} {value.shape}, and the tensor"
                f" is {self._array.dtype} {self._array.shape}"
            )
        with _commit:  # not while another thread adds to it
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
        return not self.is_leaf and self._node.extra is not None and self._node.extra.retain  # type: ignore[union-attr]

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
        """Call `hook(grad)` when this tensor's gradient is known; what it returns, if anything, replaces it."""
        if self._node is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return HookHandle(extra_of(self._node).hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> HookHandle:
        """Call `hook(tensor)` when `backward` has added to the `.grad` of this leaf."""
        if self._node is None or not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks need a leaf tensor that requires gradient")
        return HookHandle(extra_of(self._node).after, hook)

    def detach(self) -> Tensor:
        """The same memory without the history: nothing flows back through it."""
        detached = wrap(memory(self))
        if self._node is not None and self._node.primitive is not None:
            detached._origin = weakref.ref(self._node)
        return detached

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
        run_backward(self, gradient, retain_graph, create_graph, inputs)


class HookHandle:
    """Takes a hook away again: `handle.remove()`."""

    _numbers = itertools.count()

    def __init__(self, hooks: dict[int, Any], hook: Callable[..., Any]) -> None:
        self._hooks, self._number = hooks, next(self._numbers)
        hooks[self._number] = hook

    def remove(self) -> None:
        self._hooks.pop(self._number, None)


tensor_class: type[Any] = TensorCore  # `tensor.py` puts the full class here
run_backward: Any = None  # `autograd` puts its `backward` here
_new = object.__new__


def wrap(array: Array, node: Node | None = None) -> Tensor:
    """A Tensor around this very array."""
    tensor = _new(tensor_class)
    tensor._array = array
    tensor._node = node
    return tensor  # type: ignore[no-any-return]


def memory(tensor: TensorCore) -> Array:
    """The array of a tensor, to be shown or written; of a NumPy number one that is made now."""
    if isinstance(tensor._array, np.generic):
        with _commit:  # two threads shall not make two
            tensor._array = memory_of(tensor._array)
    return tensor._array


# ---------------------------------------------------------------------------------------------- 3. backward


def propagate(
    roots: Iterable[tuple[Node, Array]], retain_graph: bool, create_graph: bool, targets: set[Node] | None = None,
    ages: dict[Node, float] | None = None,
) -> dict[Node, Array]:  # fmt: skip
    """The chain rule: from the gradients of `roots` to those of `targets` (default: all leaves that are reached).

    Always takes the youngest node whose gradient is still to be passed on: all that was computed from it is younger
    still, so its gradient is complete. No recursion, and only the frontier is held. With create_graph the gradients
    are Tensors, so the rules, unchanged, are recorded in their turn. ages: other numbers for some nodes, to come to
    them sooner.
    """
    roots = list(roots)
    useful = None if targets is None else _leading_to(targets, roots)
    watch = current_mode().watch
    in_place = watch is None and not create_graph
    pending, frontier = _seeded(roots, watch)
    found: dict[Node, Array] = {}
    while frontier:
        node = heappop(frontier)[1]
        gradient = pending.pop(node)
        primitive = node.primitive
        extra = node.extra
        if extra is not None and (extra.hooks or extra.retain):
            gradient = _run_hooks(node, gradient)
        if primitive is None if targets is None else node in targets:
            found[node] = gradient
        if primitive is None:
            continue
        kept = node.kept
        if create_graph or kept is None or node.number < writes.last:
            kept = _usable(node, create_graph)
        steps = _steps(node) if primitive.variadic else primitive.steps
        numbers, second = node.numbers, node._second
        parents = node._first if second is MANY else (node._first, second)  # as the property says, but faster
        for parent, (i, rule, pick) in zip(parents, steps):  # noqa: B905 (the keyword costs 3 %)
            if parent is None or (useful is not None and parent not in useful):
                continue
            if pick is None:
                result = rule(gradient)
            elif type(pick) is int:
                result = rule(gradient, kept[pick])
            else:
                result = rule(gradient, *pick(kept))
            if result is None:  # a custom backward may say: no gradient here
                continue
            if not numbers:
                if result.shape != parent.shape:
                    result = unbroadcast(result, parent.shape)
                if result.dtype is not parent.dtype:
                    result = _cast(result, parent.dtype)
            if watch is not None:
                watch.backward(node, i, result)
            so_far = pending.get(parent)
            if so_far is None:
                pending[parent] = result if parent.primitive is not None else _own(result, gradient, kept)
                heappush(frontier, (-(parent.number if ages is None else ages.get(parent, parent.number)), parent))
            elif in_place and parent.primitive is None:  # a leaf's own, as of a weight that is used many times
                so_far += result
                pending[parent] = so_far
            else:
                pending[parent] = so_far + result
        if not retain_graph and primitive.keeps_values:
            node.kept = None
    return found


def _seeded(
    roots: list[tuple[Node, Array]], watch: Watcher | None
) -> tuple[dict[Node, Array], list[tuple[float, Node]]]:
    """What the walk starts with: the gradients so far of the nodes on the frontier, and these, the youngest first."""
    pending: dict[Node, Array] = {}
    frontier: list[tuple[float, Node]] = []
    for i, (node, gradient) in enumerate(roots):
        if watch is not None:
            watch.backward(None, i, gradient)
        if node not in pending:
            heappush(frontier, (-node.number, node))
        pending[node] = pending[node] + gradient if node in pending else gradient
    return pending, frontier


def _leading_to(targets: set[Node], roots: list[tuple[Node, Array]]) -> set[Node]:
    """The nodes under `roots` from which a target can be reached."""
    found = below([node for node, _ in roots], min((t.number for t in targets), default=0))
    useful = set(targets)
    for node in sorted(found, key=lambda node: node.number):
        if not useful.isdisjoint(node.parents):
            useful.add(node)
    return useful


def below(nodes: Iterable[Node], oldest: int = 0) -> set[Node]:
    """These nodes and all that they were computed from, down to the number `oldest`."""
    stack, seen = list(nodes), set[Node]()
    while stack:
        node = stack.pop()
        if node not in seen and node.number >= oldest:
            seen.add(node)
            stack.extend(parent for parent in node.parents if parent is not None)
    return seen


def _run_hooks(node: Node, gradient: Array) -> Array:
    extra = extra_of(node)
    for hook in tuple(extra.hooks.values()):
        answer = hook(_given(gradient))
        if answer is not None:
            if not isinstance(answer, TensorCore):
                raise TypeError(f"a hook must return a Tensor or None, not {type(answer).__name__}")
            if answer.shape != node.shape:
                raise RuntimeError(f"a hook returned a gradient of shape {answer.shape} for a tensor of {node.shape}")
            gradient = answer if isinstance(gradient, TensorCore) else answer._array.astype(node.dtype)
    if extra.retain and node.primitive is not None:
        accumulate(node, copied(gradient))
    return gradient


def _given(gradient: Array) -> Tensor:
    """For a hook: it may write into what it is given, and nobody else shall see that."""
    own = copied(gradient)
    return own if isinstance(own, TensorCore) else wrap(own)  # type: ignore[return-value]


def copied(gradient: Array) -> Array:
    """The same values, and the same history, in memory of their own."""
    if isinstance(gradient, TensorCore):
        return wrap(copy_of(gradient._array), gradient._node)
    return copy_of(gradient)


def _usable(node: Node, create_graph: bool) -> tuple[Any, ...]:
    """The kept values, proved to be there and unchanged; as Tensors if the backward pass is recorded."""
    if (kept := node.kept) is None:
        raise RuntimeError(
            f"Trying to backward through the graph a second time: the values kept by {node!r} were freed by the"
            " first. Specify retain_graph=True if you need to backward through the graph again."
            f"{recorded_at(node)}"
        )
    if node.number < writes.last:
        check_kept(node, kept)
    return _as_tensors(node, kept) if create_graph else kept


def _as_tensors(node: Node, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The kept values with their histories, so that what is computed from them can be differentiated again."""
    assert node.primitive is not None
    primitive, kept = node.primitive, []
    for name, value in zip(primitive.asked, values, strict=True):
        if name == "out" and value is not None:
            value = wrap(value, node)
        elif name in primitive.inputs and value is not None:
            if primitive.variadic:
                value = tuple(wrap(v, p) if p is not None else v for v, p in zip(value, node.parents, strict=True))
            elif (parent := node.parents[primitive.inputs.index(name)]) is not None:
                value = wrap(value, parent)
            elif is_memory(value) and not on_host(value) and value.dtype.kind == "f":  # for CuPy knows no Tensors
                value = wrap(value)
        kept.append(value)
    return tuple(kept)


def _steps(node: Node) -> Iterable[tuple[int, Rule, Any]]:
    """The one rule of an operation on many inputs, told for each of them which one it is."""
    assert node.primitive is not None
    _, rule, pick = node.primitive.steps[0]
    return [(i, lambda g, *kept, i=i: rule(g, i, *kept), pick) for i in range(len(node.parents))]


def unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum `gradient` over the axes along which an input of this shape was broadcast."""
    lead = len(gradient.shape) - len(shape)
    if lead > 0 and len(shape) == 1 and gradient.shape[-1:] == shape != (1,) and blas_sums(gradient):
        return sum_of_rows(gradient)  # a bias
    if lead < 0:
        return np.broadcast_to(gradient, shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 != gradient.shape[lead + k]))
    summed = np.add.reduce(gradient, axis=axes, keepdims=True) if axes else gradient
    summed = summed.reshape(summed.shape[lead:])
    return summed if summed.shape == shape else np.broadcast_to(summed, shape)


def _cast(gradient: Array, dtype: np.dtype[Any]) -> Array:
    with np.errstate(over="ignore"):  # a float16 becomes inf without a warning, as in PyTorch
        return gradient.astype(dtype)


def _own(result: Array, gradient: Array, kept: tuple[Any, ...]) -> Array:
    """What a leaf is given shall be its own: a copy if it is, or shows, memory that others see as well."""
    if isinstance(result, TensorCore):
        given = tuple(k._array if isinstance(k, TensorCore) else k for k in kept)
        return wrap(_own(result._array, gradient._array, given), result._node)
    if not shows_once(result):
        return result.copy()
    memory = owner(result)
    for other in (gradient, *kept):
        if owner(other) is memory:
            return result.copy()
    return result


_commit = threading.RLock()  # gradients of shared leaves are added by one thread at a time


def accumulate(node: Node, gradient: Array) -> None:
    """Add to the `.grad` that this node holds; `gradient` is the node's to keep."""
    extra = node.extra or extra_of(node)
    with _commit:
        if isinstance(gradient, TensorCore):  # create_graph: the sum is recorded, too
            extra.grad = gradient if extra.grad is None else run_in({"grad": True}, add, extra.grad, gradient)  # type: ignore[assignment]
        elif extra.grad is None:
            extra.grad = wrap(memory_of(gradient))
        elif extra.grad._node is None and is_memory(extra.grad._array):
            writes.note(extra.grad._array)  # first: Ctrl-C may come in between
            extra.grad._array += gradient
            writes.note(extra.grad._array)  # and last: another thread may have read it in between
        else:
            extra.grad = extra.grad + wrap(gradient)
