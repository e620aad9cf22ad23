"""What several processes cost: the sum of the gradients of the MNIST network, and its step on one process and on all.

    OPENBLAS_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py tests/benchmarks/mpi.py [rounds]

In each round every workload has its turn; where one process works alone, the others sleep. The figures in
docs/scaling.md are the quantiles that this prints, in ms.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

import autograd_mini as am
from autograd_mini import distributed, nn, optim
from autograd_mini.nn import functional

distributed.init()
COMM, RANK, SIZE = MPI.COMM_WORLD, distributed.get_rank(), distributed.get_world_size()
BATCH, REPEAT = 128, 10
times: defaultdict[str, list[float]] = defaultdict(list)


def sleep_until_all_are_here() -> None:
    """MPI itself would spin, and take a core from those who work."""
    request = COMM.Ibarrier()
    while not request.Test():
        time.sleep(0.001)


def stepper(share: int, together: bool = False, wait: bool = False) -> Callable[[], None]:
    """A step of the MNIST network on `share` examples, whose labels change from step to step."""
    am.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    replica: nn.Module = model
    if together:
        replica = distributed.DistributedDataParallel(model)
        if wait:
            replica._reduce = timed("sum within that step, without waiting", replica._reduce)
    optimizer = optim.RMSprop(model.parameters())
    draw = np.random.default_rng(RANK)
    x = am.tensor(draw.random((share, 784), np.float32))
    labels = [am.tensor(draw.integers(0, 10, share)) for _ in range(50)]

    def step() -> None:
        optimizer.zero_grad()
        labels.append(labels.pop(0))
        functional.cross_entropy(replica(x), labels[0]).backward()
        optimizer.step()

    return step


def timed(name: str, reduce: Callable[[], None]) -> Callable[[], None]:
    """Without the time that is spent waiting for others."""

    def call() -> None:
        COMM.Barrier()
        start = time.perf_counter()
        reduce()
        times[name].append(1000 * (time.perf_counter() - start))

    return call


def adder(count: int) -> Callable[[], None]:
    a, b = np.ones(count, np.float32), np.ones(count, np.float32)

    def add() -> None:
        np.add(a, b, out=b)

    return add


def summer(count: int) -> Callable[[], None]:
    array = np.zeros(count, np.float32)
    return lambda: COMM.Allreduce(MPI.IN_PLACE, array)


def main(rounds: int) -> None:
    share = BATCH // SIZE
    workloads: dict[str, tuple[Callable[[], Any], bool]] = {
        f"step of one process, {BATCH} examples": (stepper(BATCH), False),
        f"step of one process, {share} examples": (stepper(share), False),
        f"step of {SIZE} processes, {share} examples each, not summed": (stepper(share), True),
        f"step of {SIZE} processes, {share} examples each": (stepper(share, True), True),
        "the same, waiting before the sum": (stepper(share, True, wait=True), True),
        "add 407,055 float32": (adder(407_055), False),
    }
    for count in (1, 1024, 65_536, 407_055, 4_000_000):
        workloads[f"Allreduce of {count:,} float32"] = summer(count), True
    for _ in range(rounds):
        for name, (work, together) in workloads.items():
            sleep_until_all_are_here()
            for _ in range(REPEAT if together or RANK == 0 else 0):
                if together:
                    COMM.Barrier()
                start = time.perf_counter()
                work()
                times[name].append(1000 * (time.perf_counter() - start))
    if RANK == 0:
        print(f"{'':56} median  tenth  least, ms")
        for name, measured in times.items():
            median, tenth, least = np.quantile(measured, (0.5, 0.1, 0))
            print(f"{name:56} {median:6.3f} {tenth:6.3f} {least:6.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
