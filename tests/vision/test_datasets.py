"""MNIST and drawn digits as data sets."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_mini.utils.data import DataLoader
from autograd_mini.vision import DataError, datasets, digits, encode_idx, transforms
from autograd_mini.vision.files import replacing

module = importlib.import_module("autograd_mini.vision.mnist")
ARRAYS = [*digits(60, seed=5), *digits(10, train=False, seed=5)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """MNIST with 60 and 10 images; nobody asks the true mirrors."""
    members = [
        module.Member(m.file, m.key, array.shape, hashlib.sha256(encode_idx(array)).hexdigest())
        for m, array in zip(module.MNIST.members, ARRAYS, strict=True)
    ]
    monkeypatch.setattr(module, "MNIST", module.MNIST._replace(members=tuple(members), mirrors=()))


def write(folder: Path) -> None:
    for member, array in zip(module.MNIST.members, ARRAYS, strict=True):
        with replacing(folder / member.file) as file:
            file.write(encode_idx(array))


@pytest.mark.parametrize("below", ["", "MNIST/raw"])
@pytest.mark.parametrize("train", [True, False])
def test_mnist_from_its_root(home: Path, below: str, train: bool) -> None:
    write(home / "root" / below)
    mnist = datasets.MNIST(str(home / "root"), train=train)
    images, labels = ARRAYS[:2] if train else ARRAYS[2:]
    assert len(mnist) == len(images) and mnist.data.dtype == "uint8" and mnist.targets.dtype == "int64"
    np.testing.assert_array_equal(mnist.data.numpy(), images)
    np.testing.assert_array_equal(mnist.targets.numpy(), labels)
    image, label = mnist[3]
    np.testing.assert_array_equal(image, images[3])
    assert label == labels[3] and type(label) is int and mnist.classes[label].startswith(str(label))


def test_transforms_and_a_loader(home: Path) -> None:
    write(home)
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    mnist = datasets.MNIST(home, transform=chain, target_transform=lambda label: label + 100)
    batches: list[Any] = list(DataLoader(mnist, batch_size=25))
    assert [tuple(x.shape) for x, _ in batches] == [(25, 1, 28, 28)] * 2 + [(10, 1, 28, 28)]
    expected = (ARRAYS[0][:25, None] / 255 - 0.1307) / 0.3081
    np.testing.assert_allclose(batches[0][0].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert batches[0][1].tolist() == (ARRAYS[1][:25].astype(int) + 100).tolist()


def test_mnist_that_is_not_there(home: Path) -> None:
    with pytest.raises(DataError, match=r"Dataset not found in data\. You can use download=True"):
        datasets.MNIST("data")
    with pytest.raises(DataError, match="MNIST could not be had"):
        datasets.MNIST("data", download=True)
    write(home / "root")
    with replacing(home / "root" / module.MNIST.members[0].file) as file:
        file.write(encode_idx(255 - ARRAYS[0]))
    with pytest.raises(DataError, match="spoiled"):
        datasets.MNIST(home / "root", download=True)


def test_mnist_from_the_cache(home: Path) -> None:
    write(home / "cache" / "MNIST")
    assert len(datasets.MNIST("nowhere", train=False)) == 10


def test_drawn_digits() -> None:
    drawn = datasets.DrawnDigits(train=False, n=30, seed=5, transform=transforms.ToTensor())
    np.testing.assert_array_equal(drawn.data.numpy()[:10], ARRAYS[2])
    image, label = drawn[-1]
    assert image.shape == (1, 28, 28) and label == drawn.targets[-1].item() and len(drawn) == 30


@pytest.mark.parametrize("name", ["FashionMNIST", "KMNIST", "CIFAR10", "ImageFolder"])
def test_other_data_sets_say_what_to_do(name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"vision.datasets.{name} is not supported .* DrawnDigits"):
        getattr(datasets, name)("data", train=True)
