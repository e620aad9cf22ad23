"""`DistributedDataParallel`: each process has a replica of the model and a share of the batch; gradients are summed."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..engine import Array, Node, wrap
from ..modes import is_grad_enabled
from ..nn import Module, Parameter
from ..tensor import Tensor
from ..writes import writes
from .processes import broadcast_parameters, host, world


class DistributedDataParallel(Module):
    """A replica of `module` whose gradients, after each backward, are those of the whole batch, on every process.

    Call it like the module, under the same optimizer on each process. The loss is the mean over this process' examples,
    and it takes as many as it likes (they are counted along the axis `dim` of the first input): with n_r on process r,
    the gradient is Σ n_r g_r / Σ n_r (where all are as many, PyTorch's average). loss_reduction="sum": Σ g_r, for
    losses that are sums, or divided by something that is not the number of examples, such as a sum of weights.

    Gradients are views of one array, which travels in one in-place Allreduce and is used again in the next step:
    clone a gradient to keep it. In state dicts the names begin with "module."; `self.module` is the model itself.
    Parameters and buffers start as they are on process 0 (unless init_sync=False), and buffers follow it after each
    backward (unless broadcast_buffers=False), so no forward waits for another process.
    find_unused_parameters: not all parameters play a part in every forward; those that do nowhere get no gradient.
    Parameters may be frozen and thawed by `requires_grad_` between two steps, on all processes alike.

    Raises RuntimeError if no parameter requires grad or the processes have different models, and in forward if
    parameters got no gradient in the step before.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0,
        broadcast_buffers: bool = True, init_sync: bool = True, process_group: Any = None,
        bucket_cap_mb: float | None = None, find_unused_parameters: bool = False, *, loss_reduction: str = "mean"
    ) -> None:
        super().__init__()
        given = {"device_ids": device_ids, "output_device": output_device, "process_group": process_group}
        for name, value in {**given, "bucket_cap_mb": bucket_cap_mb}.items():
            if value is not None:
                raise NotImplementedError(f"DistributedDataParallel: {name}={value!r} is not supported: leave it out")
        if loss_reduction not in ("mean", "sum"):
            raise ValueError(f"loss_reduction must be 'mean' or 'sum', not {loss_reduction!r}")
        self.module, self.dim, self.loss_reduction = module, dim, loss_reduction
        self.broadcast_buffers, self.find_unused_parameters = broadcast_buffers, find_unused_parameters
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not named:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that require a"
                " gradient."
            )
        self._comm = world().comm if world().size > 1 else None
        self._sync, self._begun, self._examples = True, False, 0
        self._names = {id(p): name for name, p in named.items()}
        self._arrived: set[int] = set()
        self._awaited: set[int] = set()
        self._flats: list[_Flat] = []
        if self._comm is None:
            return
        _check_same(named, self._comm)
        if init_sync:
            broadcast_parameters(module)
        for dtype in sorted({p.dtype for p in named.values()}, key=str):
            self._flats.append(_Flat([p for p in named.values() if p.dtype == dtype]))
        for parameter in named.values():
            parameter.register_post_accumulate_grad_hook(self._arrive)  # type: ignore[arg-type]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module returns: tensors, or lists, tuples and dicts of them."""
        if self._comm is None or not is_grad_enabled():
            return self.module(*args, **kwargs)
        if self._arrived:
            missing = ", ".join(self._names[i] for i in self._awaited - self._arrived)
            raise RuntimeError(
                "Expected to have finished reduction in the prior iteration before starting a new one. These parameters"
                f" got no gradient: {missing}. Let them play a part in the loss, freeze them with requires_grad_(False)"
                " or pass find_unused_parameters=True"
            )
        self._begun = False
        result = self.module(*args, **kwargs)
        self._watch([t for t in _tensors(result) if t.requires_grad], self._count((args, kwargs)))
        return result

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Forwards in here only add to the gradients of this process; the next one outside sums them over all.

        What has been added up is then taken as the mean over all examples seen since the last sum: with batches of one
        size, divide each loss by their number, as on a single process.
        """
        before, self._sync = self._sync, False
        try:
            yield
        finally:
            self._sync = before

    def _count(self, inputs: Any) -> int:
        sizes = (t.shape[self.dim] for t in _tensors(inputs) if t.ndim > self.dim)
        return next(sizes, 1)

    def _watch(self, outputs: list[Tensor], examples: int) -> None:
        """Call `_begin` once when a backward comes to any of these outputs of one forward."""
        sync = self._sync
        seen = self._reached(outputs) if self.find_unused_parameters else None
        trained = [p for flat in self._flats for p in flat.parameters if p.requires_grad]
        awaited = {id(p) for p in trained if seen is None or p._node in seen}
        handles: list[Any] = []

        def begin(gradient: Tensor) -> None:
            if handles:
                for handle in handles:
                    handle.remove()
                handles.clear()
                self._begin(examples, sync, awaited)

        handles += [output.register_hook(begin) for output in outputs]

    @staticmethod
    def _reached(outputs: list[Tensor]) -> set[Node | None]:
        """The nodes that these outputs were computed from."""
        stack: list[Node | None] = [output._node for output in outputs]
        seen: set[Node | None] = {None}
        while stack:
            node = stack.pop()
            if node is not None and node not in seen:
                seen.add(node)
                stack.extend(node.parents)
        return seen

    def _begin(self, examples: int, sync: bool, awaited: set[int]) -> None:
        """A backward comes through the model: it will end with the gradients of the parameters `awaited`."""
        self._examples += examples
        if not sync:
            return
        if self.loss_reduction == "sum" and any(flat.holds_sums() for flat in self._flats):
            raise RuntimeError(
                "loss_reduction='sum': these gradients have been summed over the processes already, and would be again:"
                " call zero_grad() before the next backward, or add up gradients under no_sync()"
            )
        self._awaited = self._awaited | awaited if self._begun else awaited
        self._begun = True

    def _arrive(self, parameter: Parameter) -> None:
        if self._begun:
            self._arrived.add(id(parameter))
            if self._arrived >= self._awaited:
                self._reduce()

    def _reduce(self) -> None:
        mean = self.loss_reduction == "mean"
        for flat in self._flats:
            flat.reduce(self._examples if mean else 1, mean, self._comm)
        self._begun, self._examples = False, 0
        self._arrived.clear()
        if self.broadcast_buffers:
            broadcast_parameters(self.module.buffers())


class _Flat:
    """The gradients of all parameters of one dtype in one array; at its end, which have one, and of how many examples.

    A view has the shape and the memory order of its parameter, so that the optimizer walks through both alike.
    """

    def __init__(self, parameters: list[Parameter]) -> None:
        if (dtype := parameters[0].dtype).itemsize < 4:
            raise NotImplementedError(f"gradients of {dtype} would overflow in the sum: use float32 parameters")
        self.parameters = parameters
        size = sum(p.numel() for p in parameters)
        self.array = np.zeros(size + len(parameters) + 1, dtype)
        self.gradients, self.used = self.array[:size], self.array[size:-1]
        ends = np.cumsum([p.numel() for p in parameters])[:-1]
        self.views = [_like(part, host(p)) for part, p in zip(np.split(self.gradients, ends), parameters, strict=True)]

    def holds_sums(self) -> bool:
        """Are these still the gradients of the last sum?"""
        return any(
            p.grad is not None and p.grad._array is v for p, v in zip(self.parameters, self.views, strict=True)
        )

    def reduce(self, weight: int, mean: bool, comm: Any) -> None:
        """From the gradients of this process to those of the whole batch."""
        from mpi4py import MPI

        for i, (parameter, view) in enumerate(zip(self.parameters, self.views, strict=True)):
            grad = parameter.grad if parameter.requires_grad else None
            self.used[i] = grad is not None
            if grad is None or weight == 0:  # the mean over no examples is NaN
                view[...] = 0
            elif grad._node is not None:
                raise NotImplementedError("DistributedDataParallel: backward with create_graph=True is not supported")
            else:
                np.multiply(grad._array, weight, out=view)
        self.array[-1] = weight
        comm.Allreduce(MPI.IN_PLACE, self.array)
        if mean:
            self.gradients /= max(self.array[-1], 1)
        for parameter, view, used in zip(self.parameters, self.views, self.used, strict=True):
            if parameter.requires_grad:
                parameter.grad = wrap(view) if used else None
        writes.note(self.array)


def _order(array: Array) -> tuple[int, ...]:
    """The axes from the longest stride to the shortest."""
    return tuple(sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])))


def _like(flat: Array, array: Array) -> Array:
    """A view of flat memory in the shape and memory order of an array."""
    order = _order(array)
    return flat.reshape([array.shape[axis] for axis in order]).transpose(np.argsort(order).astype(int))


def _check_same(named: Mapping[str, Parameter], comm: Any) -> None:
    """Raise, on every process, if they do not have the same parameters."""
    from mpi4py import MPI

    described = [(name, p.shape, str(p.dtype), _order(host(p))) for name, p in named.items()]
    code = zlib.crc32(repr(described).encode())
    codes = np.array([code, -code])
    comm.Allreduce(MPI.IN_PLACE, codes, MPI.MAX)
    if codes[0] != -codes[1]:
        total = sum(math.prod(shape) for _, shape, *_ in described)
        raise RuntimeError(
            f"DDP expects same model across all ranks, but they differ in names, shapes, dtypes or memory order of the"
            f" parameters; rank {comm.rank} has {len(described)} params of {total:,} numbers"
        )


def _tensors(found: Any) -> Iterable[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, (list, tuple, Mapping)):
        for part in found.values() if isinstance(found, Mapping) else found:
            yield from _tensors(part)
    elif not (found is None or isinstance(found, (bool, int, float, str, np.ndarray, np.generic))):
        raise TypeError(
            f"DistributedDataParallel finds no tensors in a {type(found).__name__}: use tensors, or lists, tuples and"
            " dicts of them, for what goes into the module and what it returns"
        )
