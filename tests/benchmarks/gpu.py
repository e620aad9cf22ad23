"""All that has to be tried on a GPU, in one command: the tests of devices, and the MNIST step beside PyTorch's.

    pip install -e ".[gpu]" pytest torch && python tests/benchmarks/gpu.py

It runs `tests/test_devices.py` on CuPy's arrays, and then times the step of 784-512-10 (relu, cross-entropy, RMSprop,
float32) on the CPU and on the GPU, with several batch sizes: medians in ms. Each step ends with the loss as a number,
so that it has ended on the GPU, too.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bench_mnist_mlp
import numpy as np
from steps import TrainingStep, start_from

import autograd_mini as am

TESTS = Path(__file__).resolve().parents[1] / "test_devices.py"
BATCHES = 128, 1024, 8192


def stepper(library: Any, device: str, batch: int) -> TrainingStep:
    """A training step of autograd_mini or PyTorch, which have the same names, on this device."""
    nn, rng = library.nn, np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    start_from(library, model, [w.T for w in bench_mnist_mlp.weights()])
    model = model.to(device)
    images = library.from_numpy(rng.random((batch, 784), np.float32)).to(device)
    labels = [library.from_numpy(rng.integers(0, 10, batch)).to(device) for _ in range(16)]
    optimizer = library.optim.RMSprop(model.parameters(), lr=1e-3)
    return TrainingStep(model, nn.CrossEntropyLoss(), optimizer, images, itertools.cycle(labels).__next__)


def median(step: TrainingStep, seconds: float) -> float:
    """Of a step, in ms."""
    for _ in range(3):
        step()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        step()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def compare(device: str, seconds: float, batches: Sequence[int]) -> None:
    """Print a table: a row for each library and place, a column for each batch size."""
    places: list[tuple[Any, str]] = [(am, "cpu"), (am, device)]
    if importlib.util.find_spec("torch") is not None:
        torch = importlib.import_module("torch")
        places += [(torch, "cpu"), *([(torch, device)] if device == "cuda" and torch.cuda.is_available() else [])]
    print(f"{'ms per step, batch of':28}", *(f"{batch:>8,}" for batch in batches))
    for library, place in places:
        figures = (f"{median(stepper(library, place, batch), seconds):8.3f}" for batch in batches)
        print(f"{library.__name__ + ' on ' + place:28}", *figures, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure (default 3)")
    options = parser.parse_args()
    try:
        am.zeros(1, device="cuda")
    except RuntimeError as error:
        print(error)
        return 1
    tests = [sys.executable, "-m", "pytest", "-q", str(TESTS)]
    failed = subprocess.run(tests, env={**os.environ, "AUTOGRAD_MINI_DEVICE": "cuda"}, check=False).returncode
    compare("cuda", options.seconds, BATCHES)
    return failed


if __name__ == "__main__":
    sys.exit(main())
