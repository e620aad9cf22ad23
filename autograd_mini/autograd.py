"""Derivatives on request: `backward`, `grad`, and anomaly detection."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from .arrays import array_from
from .engine import (
    Array,
    ModeSwitch,
    Node,
    TensorCore,
    accumulate,
    current_mode,
    extra_of,
    propagate,
    wrap,
)
from .tensor import Tensor
from .writes import describe

Tensors = Tensor | Sequence[Tensor]


def backward(
    tensors: Tensors,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Add the gradients of `tensors` to `.grad` of every leaf that requires it; `Tensor.backward` for several.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], requires_grad=True)
    >>> backward([x.sum(), (x * x).sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    targets = None
    if inputs is not None:
        targets = {_node_of(t, "backward") for t in _list(inputs)}
        if not targets:
            raise RuntimeError("'inputs' argument to backward cannot be empty.")
    found = _run(_list(tensors), grad_tensors, retain_graph, create_graph, targets)
    for node, gradient in found.items():
        if node.primitive is None or targets is not None:
            accumulate(node, gradient)


@overload
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = ...,
    retain_graph: bool | None = ...,
    create_graph: bool = ...,
    *,
    materialize_grads: bool = ...,
) -> tuple[Tensor, ...]: ...
@overload
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = ...,
    retain_graph: bool | None = ...,
    create_graph: bool = ...,
    allow_unused: bool = ...,
    materialize_grads: bool = ...,
) -> tuple[Tensor | None, ...]: ...
def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d(outputs)/d(inputs), as new tensors, one per input; no `.grad` is touched.

    grad_outputs: what flows in from above, one per output; may be left out for outputs of a single element.
    create_graph: make the result differentiable in its turn. allow_unused: None for inputs that play no part, which
    is an error otherwise; materialize_grads: zeros for them.

    >>> import autograd_mini as am
    >>> x = am.tensor(2.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> (second,) = grad(first, x)
    >>> first.item(), second.item()
    (12.0, 12.0)
    """
    wanted = _list(inputs)
    nodes = [_node_of(t, "grad") for t in wanted]
    found = _run(_list(outputs), grad_outputs, retain_graph, create_graph, set(nodes))
    if not allow_unused and not materialize_grads and (missing := [i for i, n in enumerate(nodes) if n not in found]):
        raise RuntimeError(
            f"One of the differentiated Tensors (number {missing[0]}) appears to not have been used in the graph."
            " Set allow_unused=True if this is the desired behavior."
        )
    gradients: list[Tensor | None] = []
    for tensor, node in zip(wanted, nodes, strict=True):
        gradient: Any = found.get(node)
        if gradient is None and materialize_grads:
            gradient = wrap(np.zeros_like(tensor._array))
        elif gradient is not None and not isinstance(gradient, TensorCore):
            gradient = wrap(np.array(gradient))  # an array of its own, also if one input is named twice
        gradients.append(gradient)
    return tuple(gradients)


def _list(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, TensorCore) else list(tensors)


def _node_of(tensor: Tensor, function: str) -> Node:
    if tensor._node is None:
        raise RuntimeError(f"{function}: one of the inputs does not require grad: create it with requires_grad=True")
    return tensor._node


def _run(
    outputs: list[Tensor],
    seeds: Any,
    retain_graph: bool | None,
    create_graph: bool,
    targets: set[Node] | None,
) -> dict[Node, Array]:
    """Check the request, seed the outputs and walk the graph."""
    if seeds is None:
        seeds = [None] * len(outputs)
    elif not isinstance(seeds, (list, tuple)):
        seeds = [seeds]
    if len(seeds) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(seeds)} gradients")
    roots = [(_root(o), _seed(o, s, create_graph)) for o, s in zip(outputs, seeds, strict=True)]
    retain_graph = create_graph if retain_graph is None else retain_graph
    with ModeSwitch(grad=create_graph, order=current_mode().order + create_graph):
        return propagate(roots, retain_graph, create_graph, targets)


def _root(output: Tensor) -> Node:
    if output._node is None:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn: nothing that it was computed"
            " from has requires_grad=True, or it was computed under no_grad()"
        )
    return output._node


def _seed(output: Tensor, seed: Any, create_graph: bool) -> Array:
    if seed is None:
        if output.numel() != 1:
            raise RuntimeError(
                f"grad can be implicitly created only for scalar outputs, and this one has shape {output.shape}:"
                " reduce it first (as with .sum() or .mean()) or pass gradient="
            )
        array = output._array.dtype.type(1.0) if output.shape == () else np.ones_like(output._array)
        return wrap(array) if create_graph else array
    seed = seed if isinstance(seed, TensorCore) else wrap(array_from(seed, output.dtype))
    if seed.shape != output.shape:
        raise RuntimeError(f"Mismatch in shape: gradient has the shape {seed.shape} and the output {output.shape}")
    seed = seed.to(output.dtype) if seed.dtype != output.dtype else seed
    if output.is_leaf:
        seed = seed.clone()  # what a leaf is given shall be its own
    return seed if create_graph else seed._array


# -------------------------------------------------------------------------------------------------- anomaly


class detect_anomaly(ModeSwitch):
    """Inside, the first NaN or infinity is an error that names its operation and the source line that ran it.

    Checks the value of every recorded operation, and every gradient in backward; slower, so only for hunting.

    >>> import autograd_mini as am
    >>> x = am.tensor([0.0, 4.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
        ...
    RuntimeError: Function 'SqrtBackward' returned inf at index (0,) in the gradient of its input 0 ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(watch=_Anomaly() if check_nan else None)

    def __enter__(self) -> None:
        super().__enter__()
        self._errstate = np.errstate(divide="ignore", invalid="ignore", over="ignore")  # reported as our own error
        self._errstate.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._errstate.__exit__(*error)
        super().__exit__(*error)


class _Anomaly:
    """The watcher behind `detect_anomaly`."""

    def forward(self, node: Node, out: Array, inputs: tuple[Any, ...]) -> None:
        where = extra_of(node).where = _user_line()
        if bad := _first_bad(out):
            assert node.primitive is not None
            given = ", ".join(describe(x) for x in inputs[: len(node.parents)])
            raise RuntimeError(f"{node.primitive.name} returned {bad}, from inputs {given}\n  {where}")

    def backward(self, node: Node | None, i: int, gradient: Array) -> None:
        if bad := _first_bad(gradient):
            what = "backward() was given" if node is None else f"Function '{node.name}' returned"
            where = f"\n  {node.extra.where}" if node is not None and node.extra is not None else ""
            raise RuntimeError(f"{what} {bad} in the gradient of its input {i}{where}")


def _first_bad(array: Array) -> str | None:
    values = np.asarray(array._array if isinstance(array, TensorCore) else array)
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return None
    place = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
    return f"{values[place]} at index {tuple(int(i) for i in place)}"


def _user_line() -> str:
    package = str(Path(__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(package):
            return f'File "{frame.filename}", line {frame.lineno}, in {frame.name}: {frame.line}'
    return "an unknown line"
