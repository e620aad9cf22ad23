"""One step of LeNet-5 with relu and max pooling, batch 64, cross-entropy, SGD: convolutions and their copies."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
from steps import training_step

UNIT, UNITS = "step", 1
LIBRARIES = ("autograd_mini", "torch")
BATCH = 64


def stepper(library: ModuleType) -> Callable[[], object]:
    nn = library.nn
    rng = np.random.default_rng(0)
    images = library.from_numpy(rng.random((BATCH, 1, 28, 28), dtype=np.float32))
    labels = library.from_numpy(rng.integers(0, 10, BATCH))
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    loss_fn, optimizer = nn.CrossEntropyLoss(), library.optim.SGD(model.parameters(), lr=0.01)
    return training_step(model, loss_fn, optimizer, images, lambda: labels)


def autograd_mini() -> Callable[[], object]:
    import autograd_mini

    return stepper(autograd_mini)


def torch() -> Callable[[], object]:
    import torch

    return stepper(torch)
