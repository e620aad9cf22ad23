"""Samplers for several processes, each of which takes a part of the samples."""

from __future__ import annotations

from collections.abc import Iterator, Sized

from ...creation import Generator, randperm, tensor
from .sampler import BatchSampler, Sampler, batched


class DistributedSampler(Sampler[int]):
    """Every num_replicas-th sample, from number `rank` on, of an order that is the same on all processes.

    num_replicas, rank: as many processes as there are, and this one's number. shuffle: a random order, from
    seed + epoch: call `set_epoch(epoch)` before each pass, or the order is always the same.
    All get as many: without drop_last the first samples come again at the end to fill up, with it the last are left
    out. (Batches that are those of one process exactly: `DistributedBatchSampler`.)

    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
        seed: int = 0, drop_last: bool = False
    ) -> None:
        if num_replicas is None or rank is None:
            from ...distributed import get_rank, get_world_size

            num_replicas = get_world_size() if num_replicas is None else num_replicas
            rank = get_rank() if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset, self.num_replicas, self.rank, self.epoch = dataset, num_replicas, rank, 0
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        n = len(dataset)
        self.num_samples = n // num_replicas if drop_last else -(-n // num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        generator = Generator().manual_seed(self.seed + self.epoch)
        order = randperm(n, generator=generator).tolist() if self.shuffle else range(n)
        return iter([order[i % n] for i in range(self.rank, self.total_size, self.num_replicas)])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self.epoch = epoch


class DistributedBatchSampler(BatchSampler):
    """This process' share of each batch of a `BatchSampler`: all shares together are the batches of one process.

    Process 0 draws the order and tells the others; process r takes the samples r, r + world_size, … of each batch of
    batch_size samples. No sample comes twice. If the last batch has fewer samples than there are processes, some get an
    empty one, which a `TensorDataset` can make; for other data sets use drop_last.

    >>> from autograd_mini import distributed
    >>> distributed.init()
    >>> list(DistributedBatchSampler(range(5), 2, drop_last=False))  # one process has it all
    [[0, 1], [2, 3], [4]]
    >>> distributed.destroy_process_group()
    """

    def __iter__(self) -> Iterator[list[int]]:
        from ...distributed import broadcast, get_rank, get_world_size

        order = tensor(list(self.sampler))
        broadcast(order, src=0)
        for batch in batched(order.tolist(), self.batch_size, self.drop_last):
            yield batch[get_rank() :: get_world_size()]
