"""Watching backward passes: the gradient on every wire, in the order in which they were computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Node, TensorCore
from ..modes import ModeSwitch, Watcher, current_mode


class trace_backward(ModeSwitch):
    """Keeps a copy of every gradient that the backward passes inside compute, so that pictures can show them.

    Holds the nodes of the graph (not its tensors) until it is dropped itself. Several passes add up, as in `.grad`.

    >>> import autograd_mini as am
    >>> x = am.tensor(3.0, requires_grad=True)
    >>> y = x * 2 + x
    >>> with trace_backward() as trace:
    ...     y.backward()
    >>> [node.primitive.name for node in trace.order]
    ['add', 'mul']
    >>> print(y.graph(trace=trace).text())
    y = x × 2 + x
    <BLANKLINE>
    tensor          shape  value  gradient
    x (parameter)   ()     3      3
    t1 = mul(x, 2)  ()     6      1
    y = add(t1, x)  ()     9      1
    """

    def __init__(self) -> None:
        super().__init__()
        self.order: list[Node] = []  # operations, in the order in which their rules ran
        self.edges: dict[tuple[Node, int], Any] = {}  # (operation, number of the input) -> gradient
        self.seeds: list[Any] = []  # what came in from above, per output

    def __enter__(self) -> trace_backward:  # type: ignore[override]
        self._enter({"watch": _Look(self, current_mode().watch)})
        return self

    def _keep(self, node: Node | None, i: int, gradient: Any) -> None:
        """The gradient that flows into input i of `node`; None: into output i."""
        array = np.array(gradient._array if isinstance(gradient, TensorCore) else gradient)
        if node is None:
            self.seeds[i : i + 1] = [self.seeds[i] + array if i < len(self.seeds) else array]
            return
        if not self.order or self.order[-1] is not node:
            self.order.append(node)
        self.edges[node, i] = self.edges[node, i] + array if (node, i) in self.edges else array


class _Look:
    """The watcher of one `with` block; tasks that begin in the block may look on after its end."""

    def __init__(self, trace: trace_backward, outer: Watcher | None) -> None:
        self.trace, self.outer = trace, outer

    def forward(self, node: Node, out: Any, inputs: tuple[Any, ...]) -> None:
        if self.outer is not None:
            self.outer.forward(node, out, inputs)

    def backward(self, node: Node | None, i: int, gradient: Any) -> None:
        if self.outer is not None:
            self.outer.backward(node, i, gradient)
        self.trace._keep(node, i, gradient)
