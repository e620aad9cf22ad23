"""A long run: 20,000 steps of a small network must not take more memory at the end than at the start, nor more time.

`python tests/benchmarks/long_run.py` trains 4-32-32-3 with batch norm and dropout by Adam with a schedule, all batches
from a shuffled DataLoader, and prints for each thousand steps the median time of a step and the resident memory. Exits
with 1 where memory grew by more than 1 MiB after the warm-up, or the last thousand were more than 5 % slower.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.utils.data import DataLoader, TensorDataset

BLOCK = 1000
MIB = 2**20


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Block(NamedTuple):
    """A thousand steps: microseconds of one (a list of all would be memory that grows), and bytes at the end."""

    median: float
    mean: float
    fast: float  # the fastest tenth is below
    resident: int


def summary(seconds: list[float]) -> Block:
    in_order = [1e6 * s for s in sorted(seconds)]
    size = len(in_order)
    return Block(in_order[size // 2], sum(in_order) / size, in_order[size // 10], resident())


def run(steps: int) -> list[Block]:
    am.manual_seed(0)
    random = np.random.default_rng(0)
    data = TensorDataset(random.normal(size=(512, 4)).astype(np.float32), random.integers(0, 3, 512))
    loader = DataLoader[list[am.Tensor]](data, batch_size=32, shuffle=True)
    model = nn.Sequential(
        nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.Dropout(0.1), nn.Tanh(), nn.Linear(32, 3)
    )
    adam = optim.Adam(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.CosineAnnealingWarmRestarts(adam, T_0=1000)
    blocks: list[Block] = []
    seconds: list[float] = []
    done = 0
    while done < steps:
        for x, y in loader:
            start = time.perf_counter()
            loss = nn.functional.cross_entropy(model(x), y)
            adam.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            scheduler.step()
            seconds.append(time.perf_counter() - start)
            done += 1
            if done % BLOCK == 0:
                blocks.append(summary(seconds))
                seconds.clear()
    return blocks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20_000)
    blocks = run(parser.parse_args().steps)
    print("thousand   median of a step, µs   mean, µs   resident, MiB")
    for number, block in enumerate(blocks, 1):
        print(f"{number:8} {block.median:22.1f} {block.mean:10.1f} {block.resident / MIB:15.2f}")
    first, last = blocks[0], blocks[-1]
    growth, slower = (last.resident - first.resident) / MIB, last.median / first.median - 1
    print(f"memory after the first thousand: {growth:+.2f} MiB (at most 1)")
    print(f"the last thousand against the first: {slower:+.1%} by medians (at most 5 %),"
          f" {last.fast / first.fast - 1:+.1%} by the fastest tenth")  # fmt: skip
    return int(growth > 1 or slower > 0.05)


if __name__ == "__main__":
    sys.exit(main())
