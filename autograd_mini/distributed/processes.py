"""Which processes there are, which of them this is, and what they tell each other: `init`, `rank`, `all_reduce` …"""

from __future__ import annotations

import contextlib
import enum
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..engine import Array
from ..modes import is_grad_enabled
from ..nn import Module
from ..tensor import Tensor
from ..writes import check_writable, writes

_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS")  # what launchers tell the processes that they start
_RANKS = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS")


class ReduceOp(enum.Enum):
    """What `all_reduce` makes of the values; AVG for floating-point tensors."""

    SUM, PRODUCT, MIN, MAX, AVG = "SUM", "PROD", "MIN", "MAX", "AVG"  # but for AVG, MPI's names


class World(NamedTuple):
    """The processes that were started together; comm: MPI's communicator, None where there is one process alone."""

    comm: Any
    rank: int
    size: int


_world: World | None = None


def is_available() -> bool:
    """Whether mpi4py is installed."""
    return importlib.util.find_spec("mpi4py") is not None


def init(backend: str | None = None) -> None:
    """Find out which processes were started together; call it once, before anything else of this module.

    Under a launcher (mpiexec, mpirun, srun) or `python -m mpi4py` MPI says it; otherwise this process is the only one,
    and MPI is not loaded. backend="mpi": ask MPI in any case, for a launcher that is not recognized.
    BLAS is given this process' share of the machine's cores, by threadpoolctl if that is installed, unless the
    environment says how many threads it may have (OPENBLAS_NUM_THREADS …).

    Raises ImportError if several processes were started and mpi4py or MPI is missing, RuntimeError if they do not find
    each other.
    """
    global _world
    if backend not in (None, "mpi"):
        raise ValueError(f"backend {backend!r}: the processes talk by MPI: use 'mpi'")
    if _world is not None:
        return
    started = _started()
    if backend is None and started is None and "mpi4py" not in sys.modules:
        _world = World(None, 0, 1)
        return
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: it finds no MPI library
        raise ImportError(f'several processes need MPI: pip install "autograd_mini[mpi]" ({error})') from error
    comm = MPI.COMM_WORLD
    if comm.size == 1 and (started or 1) > 1:
        raise RuntimeError(
            f"{started} processes were started, but each finds itself alone: their launcher belongs to another MPI than"
            f" {MPI.Get_library_version().split(chr(10))[0]!r}, which mpi4py uses. Start them with the mpiexec of that"
            ' one; that of `pip install "autograd_mini[mpi]"` is in the same folder as python.'
        )
    _world = World(comm, comm.rank, comm.size)
    if comm.size > 1 and not any(os.environ.get(name) for name in _THREADS):
        _share_cores(comm.Split_type(MPI.COMM_TYPE_SHARED), MPI.MAX, MPI.IN_PLACE)


def _started() -> int | None:
    """How many processes a launcher says it started; 0 if it does not say how many, None if there is none."""
    for name in _SIZES:
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 0 if any(name in os.environ for name in _RANKS) else None


def _share_cores(neighbours: Any, maximum: Any, in_place: Any) -> None:
    """Divide the cores of this machine among the BLAS of its processes: with more threads they wait for each other."""
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    cores = np.zeros(65536, np.uint8)
    cores[mine] = 1
    neighbours.Allreduce(in_place, cores, maximum)  # a launcher may have given each process cores of its own
    threads = max(1, min(len(mine), int(cores.sum(dtype=np.int64)) // neighbours.size))
    try:
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
    except ImportError:
        if neighbours.rank == 0 and threads < len(mine):
            warnings.warn(
                f"{neighbours.size} processes share the cores, and each uses {len(mine)} BLAS threads: start them with"
                f' OPENBLAS_NUM_THREADS={threads} (or MKL_…, OMP_…), or pip install "autograd_mini[mpi]"',
                stacklevel=3,
            )
    neighbours.Free()


def init_process_group(backend: str | None = None) -> None:
    """PyTorch's name for `init`; raises ValueError the second time, as there."""
    if _world is not None:
        raise ValueError("trying to initialize the default process group twice!")
    init(backend)


def destroy_process_group() -> None:
    """Forget what `init` found."""
    global _world
    world()
    _world = None


def is_initialized() -> bool:
    """Whether `init` has been called."""
    return _world is not None


def world() -> World:
    """What `init` found. Raises ValueError before it."""
    if _world is None:
        raise ValueError("Default process group has not been initialized: call autograd_mini.distributed.init() first")
    return _world


def get_rank() -> int:
    """The number of this process, from 0. Raises ValueError before `init`."""
    return world().rank


def get_world_size() -> int:
    """How many processes there are. Raises ValueError before `init`."""
    return world().size


rank, world_size = get_rank, get_world_size


def barrier() -> None:
    """Wait until every process is here."""
    if world().comm is not None:
        world().comm.Barrier()


def broadcast(tensor: Tensor, src: int) -> None:
    """Give this tensor, in place, the values that it has on process `src`; shape and dtype are the same on all."""
    comm = world().comm
    _check_source(src)
    with _written(tensor) as array:
        if comm is not None:
            comm.Bcast(array, src)


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM) -> None:
    """Give this tensor, in place, the sum (or what `op` says) of its values on all processes, the same on all.

    >>> import autograd_mini as am
    >>> from autograd_mini import distributed
    >>> distributed.init()
    >>> count = am.tensor([32.0])
    >>> distributed.all_reduce(count)
    >>> count  # so many in all, on one process
    tensor([32.])
    >>> distributed.destroy_process_group()
    """
    comm = world().comm
    if not isinstance(op, ReduceOp):
        raise TypeError(f"all_reduce: op must be a ReduceOp, as ReduceOp.SUM, not {op!r}")
    kind = host(tensor).dtype.kind
    if kind == "b" or (op is ReduceOp.AVG and kind != "f"):
        raise TypeError(f"all_reduce: there is no {op.name} of {tensor.dtype}: convert the tensor to numbers first")
    with _written(tensor) as array:
        if comm is not None:
            from mpi4py import MPI

            average = op is ReduceOp.AVG
            comm.Allreduce(MPI.IN_PLACE, array, MPI.SUM if average else getattr(MPI, op.value))
            if average:
                array /= comm.size


def broadcast_parameters(params: Module | Mapping[str, Tensor] | Iterable[Tensor], src: int = 0) -> None:
    """Give these tensors the values that they have on process `src`; of a module, its parameters and buffers.

    All that are of one dtype travel as one message.
    """
    comm = world().comm
    _check_source(src)
    if isinstance(params, Module):
        tensors = [*params.parameters(), *params.buffers()]
    else:
        tensors = list(params.values() if isinstance(params, Mapping) else params)
    dtypes = sorted({host(t).dtype for t in tensors}, key=str)
    for dtype in dtypes if comm is not None else ():
        group = [t for t in tensors if t.dtype == dtype]
        arrays = [np.ravel(host(t)) for t in group]
        message = np.concatenate(arrays)
        comm.Bcast(message, src)
        parts = np.split(message, np.cumsum([a.size for a in arrays])[:-1])
        for tensor, old, new in zip(group, arrays, parts, strict=True):
            if old.tobytes() != new.tobytes():  # what is not written stays good for a backward to come
                tensor._array = np.asanyarray(tensor._array)
                tensor._array[...] = new.reshape(tensor.shape)
                writes.note(tensor._array)


def host(tensor: Tensor) -> Array:
    """The array of a tensor, which must be in the memory that MPI sees."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"processes exchange tensors, not {type(tensor).__name__}")
    array = tensor._array
    if not isinstance(array, (np.ndarray, np.generic)):
        raise NotImplementedError(f"processes exchange tensors on the CPU, and this one is a {type(array)}: use .cpu()")
    return np.asanyarray(array)


@contextlib.contextmanager
def _written(tensor: Tensor) -> Iterator[Array]:
    """The values of a tensor in one piece of memory, to be changed, and in the tensor afterwards."""
    tensor_array = host(tensor)
    check_writable(tensor, False, is_grad_enabled())
    array = np.ascontiguousarray(tensor_array).reshape(tensor_array.shape)
    yield array
    if array.base is not tensor_array and array is not tensor_array:
        tensor_array[...] = array
    tensor._array = tensor_array
    writes.note(tensor_array)


def _check_source(src: int) -> None:
    if not 0 <= src < world().size:
        raise ValueError(f"src={src} is no process: they are numbered from 0 to {world().size - 1}")
