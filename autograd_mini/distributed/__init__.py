"""Several processes that train one model: PyTorch's names, on MPI (`pip install "autograd_mini[mpi]"`).

    mpiexec -n 4 python -m mpi4py train.py

starts the same script four times; each takes its share of the data, and `DistributedDataParallel` sums the gradients.
With `-m mpi4py` a process that dies ends the others, too; without it they would wait for it forever. Started as
`python train.py`, the script is the only process, and MPI is neither needed nor loaded.

>>> from autograd_mini import distributed, nn
>>> distributed.init()
>>> model = distributed.DistributedDataParallel(nn.Linear(3, 2))  # the same on every process from here on
>>> if distributed.rank() == 0:
...     print(distributed.world_size(), *model.state_dict())
1 module.weight module.bias
>>> distributed.destroy_process_group()
"""

from .parallel import DistributedDataParallel  # noqa: I001 - names side by side
from .processes import (
    ReduceOp, all_reduce, barrier, broadcast, broadcast_parameters, destroy_process_group, get_rank, get_world_size,
    init, init_process_group, is_available, is_initialized, rank, world_size
)

__all__ = [
    "DistributedDataParallel", "ReduceOp", "all_reduce", "barrier", "broadcast", "broadcast_parameters",
    "destroy_process_group", "get_rank", "get_world_size", "init", "init_process_group", "is_available",
    "is_initialized", "rank", "world_size",
]  # fmt: skip
