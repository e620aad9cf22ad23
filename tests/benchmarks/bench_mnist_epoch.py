"""An epoch of MNIST (or of the drawn digits): 784-512-10, batch 128 in a new order, RMSprop 1e-3."""

from collections.abc import Callable

import numpy as np

UNIT, UNITS = "epoch", 1
LIBRARIES = ("autograd_mini", "torch")
BATCH = 128


def data() -> tuple[np.ndarray, np.ndarray]:
    from autograd_mini.vision import load_mnist

    mnist = load_mnist(download=False)
    images = mnist.train_images.reshape(-1, 784).astype(np.float32) / 255
    return images, mnist.train_labels.astype(np.int64)


def autograd_mini() -> Callable[[], object]:
    import autograd_mini as am
    from autograd_mini import nn
    from autograd_mini.utils.data import DataLoader, TensorDataset

    batches = DataLoader(TensorDataset(*map(am.from_numpy, data())), batch_size=BATCH, shuffle=True)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    loss_fn, optimizer = nn.CrossEntropyLoss(), am.optim.RMSprop(model.parameters(), lr=1e-3)

    def epoch() -> None:
        for images, labels in batches:
            loss = loss_fn(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def torch() -> Callable[[], object]:
    """Batches by one gather each; PyTorch's own DataLoader takes one sample after the other."""
    import torch
    from torch import nn

    images, labels = map(torch.from_numpy, data())
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    loss_fn, optimizer = nn.CrossEntropyLoss(), torch.optim.RMSprop(model.parameters(), lr=1e-3)

    def epoch() -> None:
        for index in torch.randperm(len(images)).split(BATCH):
            loss = loss_fn(model(images[index]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch
