"""Derivatives of functions, under the names of torch.autograd.functional.

Inputs and outputs may be tensors or nested tuples, lists and dicts of them. All is made of backward passes: a jvp is
the derivative of a vjp, which is linear in its cotangent, with respect to that cotangent (the double-backward trick).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..devices import beside
from ..engine import Node, TensorCore, wrap
from ..modes import enable_grad, is_grad_enabled
from ..rules.joining import stack
from ..rules.shape import reshape_to
from ..tensor import Tensor
from ..writes import tick
from . import grad

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tree = Any  # a Tensor, or a tuple, list or dict of trees
Function = Callable[..., Any]


def vjp(
    func: Function, inputs: Tree, v: Tree = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tree, Tree]:
    """(func(*inputs), v^T J): the gradients of the outputs, weighted by v, as one tree like the inputs.

    inputs: one tensor, or a tuple of the arguments. v: like the outputs; may be left out for a single element.
    create_graph: both results can be differentiated in their turn. strict: independence is an error, not zeros.

    >>> import autograd_mini as am
    >>> vjp(lambda x: x**2, am.tensor([1.0, 2.0]), am.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    run = Evaluation(func, inputs, create_graph, strict, "vjp")
    seeds = run.directions(v, run.output, "the user-provided function returns")
    return run.value(), tree_like(inputs, run.pull_back(seeds))


def jvp(
    func: Function, inputs: Tree, v: Tree = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tree, Tree]:
    """(func(*inputs), J v): how the outputs change when the inputs move along v.

    >>> import autograd_mini as am
    >>> jvp(lambda x: x.sum() * x, am.tensor([1.0, 2.0]), am.tensor([1.0, 0.0]))
    (tensor([3., 6.]), tensor([4., 2.]))
    """
    run = Evaluation(func, inputs, create_graph, strict, "jvp")
    return run.value(), tree_like(run.output, run.push_forward(run.directions(v, inputs, "the input is")))


def vhp(
    func: Function, inputs: Tree, v: Tree = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tensor, Tree]:
    """(func(*inputs), v^T H) for a func that returns a single element; H is the matrix of second derivatives.

    >>> import autograd_mini as am
    >>> vhp(lambda x: (x**3).sum(), am.tensor([1.0, 2.0]), am.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Function, inputs: Tree, v: Tree = None, create_graph: bool = False, strict: bool = False
) -> tuple[Tensor, Tree]:
    """(func(*inputs), H v): the same as `vhp`, since second derivatives do not depend on their order."""
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(
    name: str, func: Function, inputs: Tree, v: Tree, create_graph: bool, strict: bool
) -> tuple[Tensor, Tree]:
    values: list[Tensor] = []

    def gradient(*xs: Any) -> Tree:
        value, slopes = vjp(_single(func, name), xs if isinstance(inputs, tuple) else xs[0], None, True, strict)
        values.append(value if create_graph else value.detach())
        return slopes

    run = Evaluation(gradient, inputs, create_graph, strict, name)
    seeds = run.directions(v, inputs, "the input is")
    return values[0], tree_like(inputs, run.pull_back(seeds))


def jacobian(
    func: Function, inputs: Tree, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode"
) -> Tree:
    """All derivatives of all outputs: a tree like the outputs of trees like the inputs, of shape (*output, *input).

    Computed by rows: one backward pass per element of the outputs.

    >>> import autograd_mini as am
    >>> jacobian(lambda x, y: x * y.sum(), (am.tensor([1.0, 2.0]), am.tensor([3.0, 4.0])))
    (tensor([[7., 0.],
            [0., 7.]]), tensor([[1., 1.],
            [2., 2.]]))
    """
    if vectorize or strategy != "reverse-mode":
        raise NotImplementedError(
            "jacobian: vectorize=True and strategy='forward-mode' are not supported: leave them out, and the rows are"
            " computed one after the other, or use func.jacfwd where there are fewer inputs than outputs"
        )
    run = Evaluation(func, inputs, create_graph, strict, "jacobian")
    return tree_like(run.output, [tree_like(inputs, row) for row in run.rows()])


def hessian(
    func: Function, inputs: Tree, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode"
) -> Tree:
    """All second derivatives of a func that returns a single element: a tree like the inputs of trees like the inputs.

    >>> import autograd_mini as am
    >>> hessian(lambda x: x[0] ** 2 * x[1], am.tensor([1.0, 2.0]))
    tensor([[4., 2.],
            [2., 0.]])
    """

    def gradient(*xs: Any) -> Tree:
        return vjp(_single(func, "hessian"), xs if isinstance(inputs, tuple) else xs[0], None, True, strict)[1]

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)


def _single(func: Function, name: str) -> Function:
    def single(*xs: Any) -> Tensor:
        output = func(*xs)
        if not isinstance(output, Tensor):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if output.numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return output

    return single


# -------------------------------------------------------------------------------------------- what they all do


class Evaluation:
    """func, called once on inputs that only this derivative knows, with the passes through its graph.

    create_graph None: the results can be differentiated if, and only if, something outside of func requires it.
    """

    def __init__(
        self, func: Function, inputs: Tree, create_graph: bool | None, strict: bool = False, name: str = ""
    ) -> None:
        start, outside = tick(), is_grad_enabled()
        self.create_graph = outside if create_graph is None else create_graph
        self.by_need, self.strict = create_graph is None, strict
        with enable_grad():
            self.xs = [_anew(x, self.create_graph) for x in tree_leaves(inputs, f"inputs given to {name}")]
            again = tree_like(inputs, self.xs)
            self.output = func(*again) if isinstance(inputs, tuple) else func(again)
        self.ys = tree_leaves(self.output, f"outputs of the user-provided function given to {name}")
        for i, y in enumerate(self.ys if strict else ()):
            if not y.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The outputs must be"
                    " computed in a differentiable manner from the input when running in strict mode."
                )
        if self.by_need:
            self.create_graph = outside and _reaches([y._node for y in self.ys if y._node is not None], start)
        self.connected = self.create_graph

    def value(self, tree: Tree = None) -> Tree:
        """The output (or what else func returned), with its history only if that was asked for."""
        tree = self.output if tree is None else tree
        return tree if self.connected else tree_map(_detached, tree)

    def directions(self, v: Tree, like: Tree, whose: str) -> list[Tensor]:
        """The tensors of v, checked against the tree that they go with."""
        tensors = tree_leaves(like, "v")
        if v is None:
            if len(tensors) != 1 or tensors[0].numel() != 1:
                raise RuntimeError(f"The vector v can only be None if {whose} a single Tensor with a single element.")
            return [wrap(np.ones_like(tensors[0]._array))]
        if isinstance(like, tuple) and len(like) == 1 and not isinstance(v, tuple):
            v = (v,)
        pairs: list[tuple[Tensor, Any]] = []
        tree_map(lambda x, direction: pairs.append((x, direction)), like, v)
        for i, (x, direction) in enumerate(pairs):
            if not isinstance(direction, Tensor):
                raise TypeError(f"v must hold tensors, but entry {i} is a {type(direction).__name__}")
            if x.shape != direction.shape:
                raise RuntimeError(f"Entry {i} in v has invalid size: should be {x.shape} but got {direction.shape}.")
        found = [direction for _, direction in pairs]
        if self.by_need:
            self.create_graph = self.connected or (is_grad_enabled() and any(d.requires_grad for d in found))
        return found if self.create_graph else [d.detach() for d in found]

    def pull_back(self, seeds: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of the outputs, weighted by seeds, for each input."""
        return self._pull(self.ys, self.xs, seeds, "input")

    def push_forward(self, directions: Sequence[Tensor]) -> list[Tensor]:
        """Changes of the outputs when the inputs move along `directions`."""
        cotangents, slopes = self._transposed()
        return self._pull(slopes, cotangents, directions, "output")

    def rows(self) -> list[list[Tensor]]:
        """The Jacobian, one pass per element of the outputs: for each output its derivatives by each input."""
        return [self._stacked(y, y, self.xs, "input") for y in self.ys]

    def columns(self) -> list[list[Tensor]]:
        """The same with one pass per element of the inputs."""
        cotangents, slopes = self._transposed()
        table = [self._stacked(s, x, cotangents, "output") for s, x in zip(slopes, self.xs, strict=True)]
        turned: list[list[Tensor]] = [[] for _ in self.ys]
        for x, column in zip(self.xs, table, strict=True):
            for row, block in zip(turned, column, strict=True):
                row.append(block.permute(*range(x.ndim, block.ndim), *range(x.ndim)))
        return turned

    def _stacked(self, y: Tensor | None, like: Tensor, xs: Sequence[Tensor], what: str) -> list[Tensor]:
        """Derivatives of y, which has the shape of `like`, by each x, of shape (*y, *x): one pass per element of y."""
        passes = [self._pull([y], xs, [unit], what) for unit in _unit_vectors(like)]
        if not passes:
            return [wrap(beside(np.zeros((*like.shape, *x.shape), x.dtype), x)) for x in xs]
        with enable_grad():
            stacks = [stack(column) for column in zip(*passes, strict=True)]
            return [s.reshape(*like.shape, *x.shape) for s, x in zip(stacks, xs, strict=True)]

    def _pull(
        self, ys: Sequence[Tensor | None], xs: Sequence[Tensor], seeds: Sequence[Tensor], what: str
    ) -> list[Tensor]:
        """Gradients of the ys by the xs; zeros where there is none, or an error if strict."""
        found = _gradients(ys, xs, seeds, self.create_graph)
        for i, gradient in enumerate(found if self.strict else ()):
            if gradient is None or (self.create_graph and not gradient.requires_grad):
                raise RuntimeError(
                    f"The user-provided function is independent of an input: {what} {i} has no gradient"
                    f"{' that depends on them' if gradient is not None else ''}. This is not allowed in strict mode."
                )
        return [wrap(np.zeros_like(x._array)) if g is None else g for g, x in zip(found, xs, strict=True)]

    def _transposed(self) -> tuple[list[Tensor], list[Tensor | None]]:
        """Cotangents u (zeros: only the slope counts) and the gradients u^T J, which are linear in them, recorded."""
        cotangents = [wrap(np.zeros_like(y._array)).requires_grad_(y.dtype.kind == "f") for y in self.ys]
        slopes = _gradients(self.ys, self.xs, cotangents, True)
        if self.strict and None in slopes:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {slopes.index(None)}."
                " This is not allowed in strict mode."
            )
        return cotangents, slopes


def _anew(x: Tensor, connected: bool) -> Tensor:
    """The same values as a tensor of which no other part of the program knows."""
    if connected and x.requires_grad:
        return reshape_to(x, shape=x.shape)  # type: ignore[no-any-return]
    return x.detach().requires_grad_()


def _gradients(
    ys: Sequence[Tensor | None], xs: Sequence[Tensor], seeds: Sequence[Tensor], create_graph: bool
) -> list[Tensor | None]:
    """`grad`, where outputs may be missing or constant."""
    live = [(y, seed) for y, seed in zip(ys, seeds, strict=True) if y is not None and y.requires_grad]
    wanted = [x for x in xs if x.requires_grad]
    if not live or not wanted:
        return [None] * len(xs)
    outputs, given = zip(*live, strict=True)
    found = iter(grad(outputs, wanted, given, retain_graph=True, create_graph=create_graph, allow_unused=True))
    return [next(found) if x.requires_grad else None for x in xs]


def _unit_vectors(like: Tensor) -> Iterable[Tensor]:
    for k in range(like.numel()):
        unit = np.zeros(like.numel(), like.dtype)
        unit[k] = 1.0
        yield wrap(beside(unit.reshape(like.shape), like))


def _reaches(nodes: list[Node], start: int) -> bool:
    """Whether something that was there before `start` lies below these nodes."""
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        if node.number < start:
            return True
        fresh = [p for p in node.parents if p is not None and p not in seen]
        seen.update(fresh)
        nodes += fresh
    return False


def _detached(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, TensorCore) else leaf


# ------------------------------------------------------------------------------------------------------- trees


def tree_map(function: Function, tree: Tree, *others: Tree) -> Tree:
    """function of every leaf (and of the leaves at its place in other trees), in the same nest."""
    if isinstance(tree, dict):
        if any(not isinstance(o, dict) or o.keys() != tree.keys() for o in others):
            raise ValueError(f"expected a dict with the keys {list(tree)}, but got {others!r:.80}")
        made = copy.copy(tree)
        made.update({k: tree_map(function, x, *(o[k] for o in others)) for k, x in tree.items()})
        return made
    if isinstance(tree, (tuple, list)):
        if any(not isinstance(o, (tuple, list)) or len(o) != len(tree) for o in others):
            raise ValueError(f"expected a {type(tree).__name__} of {len(tree)}, but got {others!r:.80}")
        items = [tree_map(function, *xs) for xs in zip(tree, *others, strict=True)]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return function(tree, *others)


def tree_leaves(tree: Tree, what: str) -> list[Tensor]:
    """The tensors of a tree, in order; TypeError if it holds anything else."""
    leaves: list[Any] = []
    tree_map(leaves.append, tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise TypeError(
                f"The {what} must be a Tensor, or tuples, lists and dicts of Tensors, but one is a"
                f" {type(leaf).__name__}"
            )
    return leaves


def tree_like(tree: Tree, leaves: Iterable[Any]) -> Tree:
    """The same nest with other leaves."""
    values = iter(leaves)
    return tree_map(lambda _: next(values), tree)
