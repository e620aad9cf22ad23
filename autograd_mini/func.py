"""Functions made from functions by differentiation, under the names of torch.func; they compose: grad(grad(f)).

    slope = func.grad(f)                # d f / d (first argument)
    loss, slopes = func.value_and_grad(f)(params, x)

Arguments may be tensors or nested tuples, lists and dicts of them. What is returned can be differentiated if, and only
if, something that flows in from outside requires grad.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NoReturn

from .autograd.functional import Evaluation, Tree, tree_like, tree_map
from .tensor import Tensor

Function = Callable[..., Any]
Argnums = int | tuple[int, ...]


def stop_gradient(x: Tree) -> Tree:
    """The same values without a history, so that no gradient flows back through them: `detach`, on a tree."""
    return tree_map(lambda leaf: leaf.detach() if isinstance(leaf, Tensor) else leaf, x)


def grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """The function that returns the gradient of `func`, a function with a 0-d result, by its arguments `argnums`.

    has_aux: func returns (result, anything else), and the gradient comes as (gradient, anything else).

    >>> import autograd_mini as am
    >>> grad(grad(lambda x: x**3))(am.tensor(2.0))
    tensor(12.)
    """

    both = value_and_grad(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, slopes = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient


def value_and_grad(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """The function that returns (value, gradient), or ((value, aux), gradient): JAX's order.

    >>> import autograd_mini as am
    >>> value_and_grad(lambda p: p["w"] * p["b"])({"w": am.tensor(2.0), "b": am.tensor(3.0)})
    (tensor(6.), {'w': tensor(3.), 'b': tensor(2.)})
    """

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        of_chosen, primals = _of_chosen(func, argnums, args, kwargs)
        run, aux = _evaluate(of_chosen, primals, has_aux, "grad")
        if not isinstance(run.output, Tensor) or run.output.ndim:
            what = f"shape {run.output.shape}" if isinstance(run.output, Tensor) else f"a {type(run.output).__name__}"
            raise RuntimeError(
                f"Expected f(*args) to return a scalar tensor, got {what}: did you forget to call .sum() or .mean()?"
            )
        slopes = tree_like(primals, run.pull_back(run.directions(None, run.output, "the output is")))
        value = (run.value(), *aux) if has_aux else run.value()
        return value, slopes if isinstance(argnums, tuple) else slopes[0]

    return both


def grad_and_value(func: Function, argnums: Argnums = 0, has_aux: bool = False) -> Function:
    """The function that returns (gradient, value), or (gradient, (value, aux)): PyTorch's order."""

    both = value_and_grad(func, argnums, has_aux)
    return functools.wraps(func)(lambda *args, **kwargs: both(*args, **kwargs)[::-1])


def vjp(func: Function, *primals: Tree, has_aux: bool = False) -> Any:
    """(func(*primals), a function from cotangents to gradients), with has_aux also what else func returned.

    The function returns a tuple with one tree per primal, and can be called again and again.

    >>> import autograd_mini as am
    >>> value, pull_back = vjp(lambda x, y: x * y, am.tensor(2.0), am.tensor(3.0))
    >>> value, pull_back(am.tensor(1.0))
    (tensor(6.), (tensor(3.), tensor(2.)))
    """
    run, aux = _evaluate(func, primals, has_aux, "vjp")

    def pull_back(cotangents: Tree) -> Tree:
        return tree_like(primals, run.pull_back(run.directions(cotangents, run.output, "the output is")))

    return run.value(), pull_back, *aux


def jvp(func: Function, primals: Tree, tangents: Tree, *, strict: bool = False, has_aux: bool = False) -> Any:
    """(func(*primals), its change when the primals move along the tangents); has_aux: and what else func returned.

    >>> import autograd_mini as am
    >>> jvp(lambda x: x**2, (am.tensor(3.0),), (am.tensor(1.0),))
    (tensor(9.), tensor(6.))
    """
    if not isinstance(primals, tuple) or not isinstance(tangents, tuple):
        raise RuntimeError("jvp: expected primals and tangents to be tuples, one entry per argument: (x,)")
    run, aux = _evaluate(func, primals, has_aux, "jvp", strict)
    changes = run.push_forward(run.directions(tangents, primals, "the input is"))
    return run.value(), tree_like(run.output, changes), *aux


def jacrev(func: Function, argnums: Argnums = 0, *, has_aux: bool = False, chunk_size: int | None = None) -> Function:
    """The function that returns the Jacobian of `func` by rows: one backward pass per element of its output.

    >>> import autograd_mini as am
    >>> jacrev(lambda x: x * x)(am.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size not in (None, 1):
        raise NotImplementedError("jacrev: rows are computed one at a time; leave chunk_size out")
    return _jacobian(func, argnums, has_aux, Evaluation.rows)


def jacfwd(func: Function, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error") -> Function:
    """`jacrev` by columns: one pass per element of the inputs, where these are fewer than the outputs.

    Each column is a derivative of a derivative (there is no forward mode), so it costs about twice a row.
    """
    if randomness != "error":
        raise NotImplementedError("jacfwd: func is called once, so its random draws need no rule; leave randomness out")
    return _jacobian(func, argnums, has_aux, Evaluation.columns)


def hessian(func: Function, argnums: Argnums = 0) -> Function:
    """The function that returns all second derivatives of `func`, a function with a single result."""
    return jacrev(jacrev(func, argnums), argnums)


def vmap(func: Function, *args: Any, **kwargs: Any) -> NoReturn:
    """Not there: raises NotImplementedError."""
    raise NotImplementedError(
        "vmap: write func for a whole batch (operations broadcast over leading axes), or loop:"
        " stack([func(x) for x in xs])"
    )


# ------------------------------------------------------------------------------------------------- what they share


def _evaluate(
    func: Function, primals: tuple[Tree, ...], has_aux: bool, name: str, strict: bool = False
) -> tuple[Evaluation, tuple[Any, ...]]:
    """The evaluation of func, and what else it returned, as a tuple of one or none."""
    others: list[Any] = []

    def without_aux(*xs: Any) -> Tree:
        output = func(*xs)
        if not has_aux:
            return output
        if not (isinstance(output, tuple) and len(output) == 2):
            raise RuntimeError(f"{name}: func must return (output, aux) with has_aux=True, but returned {output!r:.80}")
        others.append(output[1])
        return output[0]

    run = Evaluation(without_aux, primals, None, strict, name)
    return run, tuple(run.value(aux) for aux in others)


def _of_chosen(
    func: Function, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Function, tuple[Tree, ...]]:
    """func as a function of the arguments to differentiate by alone, and these arguments."""
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(isinstance(number, int) for number in numbers):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums!r}")
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
    numbers = tuple(number % len(args) for number in numbers)
    if len(set(numbers)) < len(numbers):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")

    def of_chosen(*xs: Any) -> Any:
        replaced = dict(zip(numbers, xs, strict=True))
        return func(*(replaced.get(i, a) for i, a in enumerate(args)), **kwargs)

    return of_chosen, tuple(args[i] for i in numbers)


def _jacobian(
    func: Function, argnums: Argnums, has_aux: bool, blocks: Callable[[Evaluation], list[list[Tensor]]]
) -> Function:
    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        of_chosen, primals = _of_chosen(func, argnums, args, kwargs)
        run, aux = _evaluate(of_chosen, primals, has_aux, "jacobian")
        by_input = [tree_like(primals, row) for row in blocks(run)]
        found = tree_like(run.output, by_input if isinstance(argnums, tuple) else [row[0] for row in by_input])
        return (found, *aux) if has_aux else found

    return jacobian
