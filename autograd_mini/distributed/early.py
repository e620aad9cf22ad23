"""Before a backward walks the graph: which parameters it will come to, and where each gradient will be complete.

The walk takes the youngest node first, and parameters are older than all that is computed from them, so it comes to
them last. For the replicas that attend, a parameter is as old as the first operation that uses it: the walk comes to it
right after that one, when its gradient is complete, and then goes on.
"""

from __future__ import annotations

import functools
import weakref
from typing import TYPE_CHECKING

from .. import autograd
from ..engine import Array, HookHandle, Node, below, extra_of, propagate

if TYPE_CHECKING:
    from .parallel import DistributedDataParallel

_replicas: weakref.WeakSet[DistributedDataParallel] = weakref.WeakSet()


def attend(replica: DistributedDataParallel) -> None:
    """From here on tell this replica, in each backward, what it asks for."""
    _replicas.add(replica)
    autograd.walk = _walk


def _walk(
    roots: list[tuple[Node, Array]], retain_graph: bool, create_graph: bool, targets: set[Node] | None = None
) -> dict[Node, Array]:
    """`propagate`, which tells replicas each gradient that is complete."""
    replicas = list(_replicas)
    if not replicas or targets is not None:
        return propagate(roots, retain_graph, create_graph, targets)
    first = _first_uses([node for node, _ in roots])
    waited: list[Node] = []
    handles: list[HookHandle] = []
    try:
        for replica in replicas:
            replica._reached = {id(extra_of(leaf).tensor()) for leaf in first}  # type: ignore[misc]
            for leaf, place in replica.awaits().items() if not create_graph else ():
                if leaf in first:
                    waited.append(leaf)
                    told = functools.partial(replica.ready, place)  # after all hooks of the user, who may change it
                    handles.append(HookHandle(extra_of(leaf).hooks, told))
        # Between two integers, for these are taken.
        ages = {leaf: first[leaf] - i / (len(waited) + 1) for i, leaf in enumerate(dict.fromkeys(waited), 1)}
        return propagate(roots, retain_graph, create_graph, None, ages)
    finally:
        for handle in handles:
            handle.remove()


def _first_uses(roots: list[Node]) -> dict[Node, int]:
    """The number of the first operation that used each leaf, of those from which these nodes were computed."""
    first: dict[Node, int] = {}
    for node in below(roots):
        for parent in node.parents:
            if parent is not None and parent.primitive is None:
                first[parent] = min(first.get(parent, node.number), node.number)
    return first
