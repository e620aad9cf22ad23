"""What several processes cost: the sum of the gradients of the MNIST network, and its step on one process and on all.

    OPENBLAS_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py tests/benchmarks/mpi.py [rounds]
    OPENBLAS_NUM_THREADS=1 mpiexec -n 2 python -m mpi4py tests/benchmarks/mpi.py buckets [rounds]

The second one compares one message a step with buckets that travel during backward, within this machine and over
simulated networks (see `Network`, `Pause`). In each round every workload has its turn; where one process works alone,
the others sleep. The figures in docs/scaling.md are the quantiles that this prints, in ms.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable
from math import ceil, log2
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


def stepper(share: int, together: bool = False, wait: bool = False, cap_mb: float | None = None) -> Callable[[], None]:
    """A step of the MNIST network on `share` examples, whose labels change from step to step."""
    am.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    replica: nn.Module = model
    if together:
        replica = distributed.DistributedDataParallel(model, bucket_cap_mb=cap_mb)
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


class Network:
    """A communicator whose sums take as long as over a network, though they are made in this machine's memory.

    A network card moves the bytes while the process computes, one message after the other: a message of n bytes is
    there 2 ⌈log₂ p⌉ α + (p - 1)/p 2 n β after it was started, or after the one before, as between p = 64 processes.
    Until then a process that waits for it sleeps.
    """

    def __init__(self, alpha: float, beta: float) -> None:
        self.alpha, self.beta, self.free = alpha, beta, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(COMM, name)

    def Iallreduce(self, in_place: Any, array: Any) -> Any:
        seconds = 2 * ceil(log2(64)) * self.alpha + 63 / 64 * array.nbytes * 2 * self.beta
        self.free = max(self.free, time.perf_counter()) + seconds
        return Message(COMM.Iallreduce(in_place, array), self.free)

    def Allreduce(self, in_place: Any, array: Any) -> None:
        self.Iallreduce(in_place, array).Wait()


class Message:
    """A sum under way."""

    def __init__(self, request: Any, end: float) -> None:
        self.request, self.end = request, end

    def Test(self) -> bool:
        return bool(self.request.Test()) and time.perf_counter() >= self.end

    def Wait(self) -> None:
        while not self.Test():
            time.sleep(0.0001)


class Pause(am.autograd.Function):
    """Computes as long as a layer of 1,024 x 1,024 does for so many examples, at 50 GFlop/s: it sleeps."""

    @staticmethod
    def forward(ctx: Any, x: am.Tensor, examples: int) -> am.Tensor:
        ctx.seconds = 2 * examples * 1024**2 / 50e9
        time.sleep(ctx.seconds)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: am.Tensor) -> tuple[am.Tensor, None]:
        time.sleep(2 * ctx.seconds)
        return gradient, None


class Sleepy(nn.Module):
    """Ten such layers, of which 32 x 32 numbers are really there."""

    def __init__(self, examples: int) -> None:
        super().__init__()
        am.manual_seed(0)
        self.examples, self.layers = examples, nn.ModuleList(nn.Linear(32, 32, bias=False) for _ in range(10))

    def forward(self, x: am.Tensor) -> am.Tensor:
        for layer in self.layers:
            x = Pause.apply(layer(x), self.examples)
        return x


def pretended(examples: int, cap_mb: float | None, network: Network) -> Callable[[], None]:
    """A step of ten layers with 42 MB of gradients: computing and network are simulated, the order of all is not."""
    model = Sleepy(examples)
    replica = distributed.DistributedDataParallel(model, bucket_cap_mb=cap_mb and cap_mb / 1024)
    replica._comm = network
    x = am.ones(1, 32)

    def step() -> None:
        model.zero_grad()
        replica(x).mean().backward()

    return step


def deep(share: int, cap_mb: float | None) -> Callable[[], None]:
    """A real step of ten layers of 1,024 x 1,024."""
    am.manual_seed(0)
    model = nn.Sequential(*(layer for _ in range(10) for layer in (nn.Linear(1024, 1024), nn.ReLU())))
    replica = distributed.DistributedDataParallel(model, bucket_cap_mb=cap_mb)
    optimizer = optim.SGD(model.parameters(), lr=1e-3)
    x = am.tensor(np.random.default_rng(RANK).random((share, 1024), np.float32))

    def step() -> None:
        optimizer.zero_grad()
        replica(x).square().mean().backward()
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


def all_workloads() -> dict[str, tuple[Callable[[], Any], bool]]:
    """What is timed, and whether by all processes together."""
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
    return workloads


def bucket_workloads() -> dict[str, tuple[Callable[[], Any], bool]]:
    """Steps with one message, and with buckets."""
    workloads: dict[str, tuple[Callable[[], Any], bool]] = {}
    for cap in (None, 0.01):
        workloads[f"MNIST, {BATCH // SIZE} each, {said(cap)}"] = stepper(BATCH // SIZE, True, cap_mb=cap), True
    for cap in (None, 25, 4):
        workloads[f"10 layers, 32 examples each, {said(cap)}"] = deep(32, cap), True
    for name, alpha, beta in (("10 Gbit/s", 30e-6, 8 / 10e9), ("100 Gbit/s", 2e-6, 8 / 100e9)):
        for examples in (32, 128, 512):
            for cap in (None, 25, 4):
                network = Network(alpha, 1024 * beta)  # for a thousandth of the bytes is there
                work = pretended(examples, cap, network)
                workloads[f"pretended, {examples} examples each, {name}, {said(cap)}"] = work, True
    return workloads


def said(cap: float | None) -> str:
    return f"buckets of {cap} MiB" if cap else "one message"


def main(workloads: dict[str, tuple[Callable[[], Any], bool]], rounds: int, repeat: int) -> None:
    for _ in range(rounds):
        for name, (work, together) in workloads.items():
            sleep_until_all_are_here()
            for _ in range(repeat if together or RANK == 0 else 0):
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
    if sys.argv[1:2] == ["buckets"]:
        main(bucket_workloads(), int(sys.argv[2]) if len(sys.argv) > 2 else 20, 2)
    else:
        main(all_workloads(), int(sys.argv[1]) if len(sys.argv) > 1 else 20, REPEAT)
