"""`DistributedDataParallel`: each process has a replica of the model and a share of the batch; gradients are summed."""

from __future__ import annotations

import contextlib
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine import Array, HookHandle, Node, wrap
from ..modes import is_grad_enabled
from ..nn import Module, Parameter
from ..tensor import Tensor
from ..writes import writes
from .early import attend
from .processes import broadcast_parameters, host, world

_travelling: list[Any] = []  # messages under way, with their memory, which outlives a replica that is dropped meanwhile


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
    bucket_cap_mb: the array is cut into buckets of so many MiB, the last parameters first, and each travels by an
    Iallreduce of its own as soon as backward has its gradients, while it computes others; they are there when backward
    returns. None (PyTorch: 25): one message after backward, which is faster within one machine (docs/scaling.md). After
    a backward that an exception ended, gradients are undefined with buckets, and as before without.

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
        for name, value in given.items():
            if value is not None:
                raise NotImplementedError(f"DistributedDataParallel: {name}={value!r} is not supported: leave it out")
        if loss_reduction not in ("mean", "sum"):
            raise ValueError(f"loss_reduction must be 'mean' or 'sum', not {loss_reduction!r}")
        if bucket_cap_mb is not None and not bucket_cap_mb > 0:
            raise ValueError(f"bucket_cap_mb must be above 0, or None for one message, not {bucket_cap_mb!r}")
        self.module, self.dim, self.loss_reduction = module, dim, loss_reduction
        self.broadcast_buffers, self.find_unused_parameters = broadcast_buffers, find_unused_parameters
        named = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if not named:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters that require a"
                " gradient."
            )
        self._comm: Any = world().comm if world().size > 1 else None
        self._sync, self._arrived, self._early = True, False, bucket_cap_mb is not None
        self._examples = 0  # of backwards under no_sync since the last sum
        self._begun: list[_Forward] = []  # the forwards that this backward has come to
        self._reached: set[int] = set()  # the parameters that it will come to …
        self._missing: set[int] = set()  # … and has not yet
        self._names = {id(p): name for name, p in named.items()}
        self._of_leaves: list[HookHandle] = []
        self._flats: list[_Flat] = []
        self._complete: list[dict[int, Array]] = []  # for each bucket the gradients that are ready to travel
        self._requests: list[Any] = []  # for each bucket that travels
        if self._comm is None:
            return
        _check_same(named, self._comm)
        if init_sync:
            broadcast_parameters(module)
        self._flats = _cut(list(named.values()), bucket_cap_mb)
        for parameter in named.values():
            parameter.register_post_accumulate_grad_hook(self._arrive)  # type: ignore[arg-type]
        if self._early or find_unused_parameters:
            attend(self)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module returns: tensors, or lists, tuples and dicts of them."""
        if self._comm is None or not is_grad_enabled():
            return self.module(*args, **kwargs)
        self._abandon()
        if self._arrived:
            missing = ", ".join(self._names[i] for i in self._names if i in self._missing)
            raise RuntimeError(
                "Expected to have finished reduction in the prior iteration before starting a new one. These parameters"
                f" got no gradient: {missing}. Let them play a part in the loss, freeze them with requires_grad_(False)"
                " or pass find_unused_parameters=True"
            )
        self._begun.clear()
        self._missing.clear()
        result = self.module(*args, **kwargs)
        self._watch([t for t in _tensors(result) if t.requires_grad], _Forward(self._count((args, kwargs)), self._sync))
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

    def _watch(self, outputs: list[Tensor], forward: _Forward) -> None:
        """Call `_begin` whenever a backward comes to any of these outputs."""
        while self._of_leaves:  # other outputs end with their graph
            self._of_leaves.pop().remove()
        for output in outputs:
            handle = output.register_hook(lambda gradient: self._begin(forward))
            self._of_leaves += [handle] if output.is_leaf else []

    def _begin(self, forward: _Forward) -> None:
        """A backward comes through the model: it will end with the gradients of parameters."""
        if forward in self._begun:
            return
        if forward.sync and self.loss_reduction == "sum" and any(flat.holds_sums() for flat in self._flats):
            raise RuntimeError(
                "loss_reduction='sum': these gradients have been summed over the processes already, and would be again:"
                " call zero_grad() before the next backward, or add up gradients under no_sync()"
            )
        self._begun.append(forward)
        if forward.sync:
            trained = {id(p) for flat in self._flats for p in flat.parameters if p.requires_grad}
            self._missing |= trained & self._reached if self.find_unused_parameters else trained

    def _syncing(self) -> bool:
        return any(forward.sync for forward in self._begun)

    def _weight(self) -> int:
        """How many examples the gradients of this process are the mean over."""
        return self._examples + sum(forward.examples for forward in self._begun) if self.loss_reduction == "mean" else 1

    def _arrive(self, parameter: Parameter) -> None:
        """Backward has added to the `.grad` of this parameter; so it does, at its end, to all, one after the other."""
        if self._syncing():
            self._arrived = True
            self._missing.discard(id(parameter))
            if not self._missing:
                self._reduce()
        else:
            self._examples += sum(forward.examples for forward in self._begun)
            self._begun.clear()

    def _reduce(self) -> None:
        """From the gradients of this process to those of the whole batch."""
        from mpi4py import MPI

        if self._early:
            self._complete = []  # by now they are in `.grad`
            while len(self._requests) < len(self._flats):
                self._send()
            self._wait()
        for flat in self._flats if not self._early else ():
            flat.gather(self._weight(), {})
            self._comm.Allreduce(MPI.IN_PLACE, flat.array)
        for flat in self._flats:
            flat.scatter(self.loss_reduction == "mean")
        self._forget()
        self._begun.clear()
        self._examples, self._arrived = 0, False
        if self.broadcast_buffers:
            broadcast_parameters(self.module.buffers())

    # ------------------------------------------------------------------------------------------- sent while others come

    def awaits(self) -> dict[Node, tuple[int, int]]:
        """The parameters whose gradients shall be told to `ready` as soon as they are complete, by their place."""
        flats = self._flats if self._early else []
        places = ((k, i, p) for k, flat in enumerate(flats) for i, p in enumerate(flat.parameters))
        return {p._node: (k, i) for k, i, p in places if p._node is not None}

    def ready(self, place: tuple[int, int], gradient: Tensor) -> None:
        """A gradient is complete: send the buckets that are, in an order that is the same on all processes."""
        if not self._syncing():
            return
        self._complete = self._complete or [{} for _ in self._flats]
        self._complete[place[0]][place[1]] = gradient._array
        for flat in self._flats[len(self._requests) :]:
            if len(self._complete[len(self._requests)]) < sum(p.requires_grad for p in flat.parameters):
                break
            self._send()
        for request in self._requests:
            request.Test()  # messages move within calls of MPI

    def _send(self) -> None:
        """Let the next bucket travel."""
        from mpi4py import MPI

        flat = self._flats[len(self._requests)]
        flat.gather(self._weight(), self._complete[len(self._requests)] if self._complete else {})
        if not self._requests:
            _travelling.append(self._requests)
        self._requests.append(self._comm.Iallreduce(MPI.IN_PLACE, flat.array))

    def _abandon(self) -> None:
        """Where an exception ended a backward after the first of its buckets: the others wait for the rest, too."""
        from mpi4py import MPI

        if self._requests:
            for flat in self._flats[len(self._requests) :]:
                self._requests.append(self._comm.Iallreduce(MPI.IN_PLACE, flat.array))
            self._wait()
        self._forget()

    def _wait(self) -> None:
        for request in self._requests:
            request.Wait()

    def _forget(self) -> None:
        if self._requests:
            _travelling.remove(self._requests)
        self._requests, self._complete = [], []


@dataclass(eq=False)
class _Forward:
    """One forward: of how many examples, and whether a backward through it ends with a sum."""

    examples: int
    sync: bool


def _cut(parameters: Sequence[Parameter], cap_mb: float | None) -> list[_Flat]:
    """All parameters of one dtype share one array, in one part or in parts of at least `cap_mb`, the last first."""
    groups: list[list[Parameter]] = []
    growing: dict[Any, list[Parameter]] = {}
    for parameter in parameters if cap_mb is None else reversed(parameters):
        group = growing.setdefault(parameter.dtype, [])
        group.append(parameter)
        if cap_mb is not None and sum(p.numel() for p in group) * parameter.dtype.itemsize >= cap_mb * 2**20:
            groups.append(growing.pop(parameter.dtype))
    groups += sorted(growing.values(), key=lambda group: str(group[0].dtype))
    arrays: dict[Any, Array] = {}
    for dtype in {group[0].dtype for group in groups}:
        arrays[dtype] = np.zeros(sum(_length(group) for group in groups if group[0].dtype == dtype), dtype)
    flats = []
    for group in groups:
        dtype, length = group[0].dtype, _length(group)
        flats.append(_Flat(group, arrays[dtype][:length]))
        arrays[dtype] = arrays[dtype][length:]
    return flats


def _length(group: Sequence[Parameter]) -> int:
    return sum(p.numel() for p in group) + len(group) + 1


class _Flat:
    """The gradients of some parameters of one dtype in one array; at its end, which have one, and of how many examples.

    A view has the shape and the memory order of its parameter, so that the optimizer walks through both alike.
    """

    def __init__(self, parameters: Sequence[Parameter], array: Array) -> None:
        if array.itemsize < 4:
            raise NotImplementedError(f"gradients of {array.dtype} would overflow in the sum: use float32 parameters")
        self.parameters, self.array = parameters, array
        size = sum(p.numel() for p in parameters)
        self.gradients, self.used = array[:size], array[size:-1]
        ends = np.cumsum([p.numel() for p in parameters])[:-1]
        self.views = [_like(part, host(p)) for part, p in zip(np.split(self.gradients, ends), parameters, strict=True)]

    def holds_sums(self) -> bool:
        """Are these still the gradients of the last sum, and not zeros, whose sum is zero again?"""
        held = zip(self.parameters, self.views, strict=True)
        return any(p.grad is not None and p.grad._array is view and view.any() for p, view in held)

    def gather(self, weight: int, early: Mapping[int, Array]) -> None:
        """The gradients of this process times `weight`; early: those that backward has still to add to `.grad`."""
        for i, (parameter, view) in enumerate(zip(self.parameters, self.views, strict=True)):
            grad = parameter.grad if parameter.requires_grad else None
            self.used[i] = grad is not None or i in early
            if grad is not None and grad._node is not None:
                raise NotImplementedError("DistributedDataParallel: backward with create_graph=True is not supported")
            if not self.used[i] or weight == 0:  # the mean over no examples is NaN
                view[...] = 0
            elif grad is None:
                np.multiply(early[i], weight, out=view)
            else:
                np.multiply(grad._array + early[i] if i in early else grad._array, weight, out=view)
            if i in early:
                parameter.grad = None  # which may be the view, and what travels must not be added to
        self.array[-1] = weight

    def scatter(self, mean: bool) -> None:
        """Give the parameters the sum over all processes."""
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
