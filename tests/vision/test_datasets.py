"""MNIST and drawn digits as data sets."""

from __future__ import annotations

import gzip
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


@pytest.mark.parametrize("name", ["EMNIST", "CIFAR10", "ImageFolder"])
def test_other_data_sets_say_what_to_do(name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"vision.datasets.{name} is not supported .* DrawnDigits"):
        getattr(datasets, name)("data", train=True)


RELATIVES = [("FashionMNIST", "FASHION_MNIST"), ("KMNIST", "KMNIST")]


@pytest.fixture(params=RELATIVES, ids=lambda names: names[0])
def relative(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, home: Path) -> Any:
    """A relative of MNIST with 60 and 10 images, as torchvision leaves it: archives, and each file unpacked."""
    name, constant = request.param
    dataset, folder, members = getattr(module, constant), home / "root" / name / "raw", []
    for m, array in zip(dataset.members, ARRAYS, strict=True):
        packed = gzip.compress(encode_idx(array))
        members.append(m._replace(shape=array.shape, md5=hashlib.md5(packed, usedforsecurity=False).hexdigest()))
        for end, data in ((".gz", packed), ("", encode_idx(array))):
            with replacing(folder / f"{m.file}{end}") as file:
                file.write(data)
    kind = getattr(datasets, name)
    monkeypatch.setattr(kind, "_dataset", dataset._replace(members=tuple(members), mirrors=()))
    return kind, folder


@pytest.mark.parametrize("left", ["both", "archives", "unpacked"])
def test_relatives_of_mnist(relative: Any, left: str, home: Path) -> None:
    kind, folder = relative
    for path in folder.iterdir():
        if left != "both" and (path.suffix == ".gz") != (left == "archives"):
            path.unlink()
    for train, images, labels in ((True, *ARRAYS[:2]), (False, *ARRAYS[2:])):
        found = kind(home / "root", train=train, transform=transforms.ToTensor())
        np.testing.assert_array_equal(found.data.numpy(), images)
        np.testing.assert_array_equal(found.targets.numpy(), labels)
        assert found[0][0].shape == (1, 28, 28) and len(kind.classes) == 10


def test_spoiled_relatives(relative: Any, home: Path) -> None:
    kind, folder = relative
    for member, wrong, words in (
        (2, gzip.compress(encode_idx(255 - ARRAYS[2])), "spoiled: MD5 of the archive is"),
        (1, None, "missing, expected it plain or as .gz"),
    ):
        path = folder / f"{module.MNIST.members[member].file}.gz"
        before = path.read_bytes()
        with replacing(path) as file:
            file.write(wrong or b"")
        if wrong is None:
            path.unlink()
            path.with_suffix("").unlink()
        with pytest.raises(DataError, match=words):
            kind(home / "root")
        with replacing(path) as file:
            file.write(before)
    path.unlink()
    with replacing(path.with_suffix("")) as file:
        file.write(encode_idx(ARRAYS[1] + 3))
    with pytest.raises(DataError, match="labels up to 12, expected 0 to 9"):
        kind(home / "root")


def test_relatives_that_are_not_there(relative: Any) -> None:
    kind, _ = relative
    with pytest.raises(DataError, match=rf"Dataset not found in data/{kind.__name__}/raw. You can use download=True"):
        kind("data")


def test_relatives_are_downloaded(relative: Any, server: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, folder = relative
    for path in folder.glob("*.gz"):
        server.files[path.name] = path.read_bytes()
    monkeypatch.setattr(kind, "_dataset", kind._dataset._replace(mirrors=(server.mirror("fine"),)))
    assert len(kind("elsewhere", download=True)) == 60
    assert sorted(p.name for p in (home / "cache" / kind.__name__).iterdir()) == sorted(server.files)
    assert len(kind("elsewhere", train=False)) == 10  # now from the cache
