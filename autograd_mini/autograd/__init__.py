"""Derivatives on request: `backward` and `grad` here; `functional`, `Function` and anomaly detection beside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..arrays import array_from
from ..devices import on_host
from ..engine import Array, Node, TensorCore, accumulate, copied, extra_of, propagate, wrap
from ..modes import current_mode, enable_grad, inference_mode, no_grad, run_in, set_grad_enabled
from ..tensor import Tensor

Tensors = Tensor | Sequence[Tensor]
walk: Any = propagate  # `distributed.early` puts a walk here that also says which gradients are complete


def backward(
    tensors: Tensors, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    inputs: Tensors | None = None
) -> None:
    """Add the gradients of `tensors` to `.grad` of every leaf that requires it; `Tensor.backward` for several.

    inputs: fill `.grad` of these alone; they need not be leaves.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], requires_grad=True)
    >>> backward([x.sum(), (x * x).sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    targets = None
    if inputs is not None:
        targets = {_node_of(t) for t in _list(inputs)}
        if not targets:
            raise RuntimeError("'inputs' argument to backward cannot be empty.")
    found = _run(_list(tensors), grad_tensors, retain_graph, create_graph, targets)
    for node, gradient in found.items():
        accumulate(node, gradient if node.primitive is None else copied(gradient))
        if (extra := extra_of(node)).after and extra.tensor is not None and (leaf := extra.tensor()) is not None:
            for hook in tuple(extra.after.values()):
                run_in({"grad": create_graph}, hook, leaf)


engine.run_backward = backward


def grad(
    outputs: Tensors, inputs: Tensors, grad_outputs: Any = None, retain_graph: bool | None = None,
    create_graph: bool = False, only_inputs: bool = True, allow_unused: bool | None = None,
    is_grads_batched: bool = False, materialize_grads: bool = False
) -> tuple[Tensor, ...]:
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
    if is_grads_batched or not only_inputs:
        raise NotImplementedError("grad: is_grads_batched=True and only_inputs=False are not supported: loop over grad")
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    wanted = _list(inputs)
    nodes = [_node_of(t) for t in wanted]
    if not nodes:
        raise RuntimeError("grad requires non-empty inputs.")
    found = _run(_list(outputs), grad_outputs, retain_graph, create_graph, set(nodes))
    if not allow_unused and not materialize_grads and (missing := [i for i, n in enumerate(nodes) if n not in found]):
        raise RuntimeError(
            f"One of the differentiated Tensors (number {missing[0]}) appears to not have been used in the graph."
            " Set allow_unused=True if this is the desired behavior."
        )
    gradients: list[Tensor] = []
    for i, (tensor, node) in enumerate(zip(wanted, nodes, strict=True)):
        gradient: Any = found.get(node)
        if gradient is None and materialize_grads:
            gradient = wrap(np.zeros_like(tensor._array))
        elif gradient is not None:
            own = node.primitive is None and node not in nodes[:i]  # what a leaf is given is its own already
            gradient = gradient if own else copied(gradient)
            gradient = gradient if isinstance(gradient, TensorCore) else wrap(gradient)
        gradients.append(gradient)
    return tuple(gradients)


def clear_gradients(tensors: Iterable[Tensor], set_to_none: bool = True) -> None:
    """Forget the `.grad` of each; or, as PyTorch does, write zeros into it, and forget only how it was computed."""
    for tensor in tensors:
        if (gradient := tensor.grad) is None:
            continue
        if set_to_none:
            tensor.grad = None
        else:
            gradient._node = None
            gradient.zero_()


def _list(tensors: Tensors) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, TensorCore) else list(tensors)
    if odd := [t for t in found if not isinstance(t, TensorCore)]:
        raise TypeError(f"expected a Tensor, or a sequence of Tensors, but got {odd[0]!r:.40} among them")
    return found


def _node_of(tensor: Tensor) -> Node:
    if tensor._node is None:
        raise RuntimeError(
            "One of the differentiated Tensors does not require grad: create it with requires_grad=True, and do not"
            " detach it"
        )
    return tensor._node


def _run(
    outputs: list[Tensor], seeds: Any, retain_graph: bool | None, create_graph: bool, targets: set[Node] | None
) -> dict[Node, Array]:
    """Check the request, seed the outputs and walk the graph."""
    if seeds is None:
        seeds = [None] * len(outputs)
    elif not isinstance(seeds, (list, tuple)):
        seeds = [seeds]
    if len(seeds) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(seeds)} gradients")
    pairs = enumerate(zip(outputs, seeds, strict=True))
    roots = [(_root(o, i), _seed(o, s, create_graph)) for i, (o, s) in pairs]
    retain_graph = create_graph if retain_graph is None else retain_graph
    order = 1 + max((root.mode.order for root, _ in roots), default=0) if create_graph else current_mode().order
    return run_in({"grad": create_graph, "order": order}, walk, roots, retain_graph, create_graph, targets)


def _root(output: Tensor, i: int) -> Node:
    if output._node is None:
        raise RuntimeError(
            f"element {i} of tensors does not require grad and does not have a grad_fn: nothing that it was computed"
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
        array = output._array  # the gradient of a number is a number, which is ten times faster
        array = array.dtype.type(1) if on_host(array) and array.ndim == 0 else np.ones_like(array)
        return wrap(array) if create_graph else array
    seed = seed if isinstance(seed, TensorCore) else wrap(array_from(seed, output.dtype))
    if seed.shape != output.shape:
        raise RuntimeError(f"Mismatch in shape: gradient has the shape {seed.shape} and the output {output.shape}")
    seed = seed.to(output.dtype) if seed.dtype != output.dtype else seed
    if output.is_leaf:
        seed = seed.clone()  # what a leaf is given shall be its own
    return seed if create_graph else seed._array


from . import functional  # noqa: E402  (they differentiate with what stands above)
from .anomaly import detect_anomaly, set_detect_anomaly  # noqa: E402
from .function import Function  # noqa: E402

__all__ = [
    "Function", "backward", "detect_anomaly", "enable_grad", "functional", "grad", "inference_mode", "no_grad",
    "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "Variable":  # PyTorch's old name for a tensor
        from ..compat import Variable

        return Variable
    if name in ("gradcheck", "gradgradcheck"):  # PyTorch has them here; `testing` is loaded when they are asked for
        from .. import testing

        return getattr(testing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
