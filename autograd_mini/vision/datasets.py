"""MNIST and the drawn digits as data sets, with torchvision's arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..compat import Absent
from ..creation import from_numpy
from ..tensor import Tensor
from ..utils.data import Dataset
from .digits import digits
from .idx import DataError
from .mnist import FASHION_MNIST, DataSet, MNISTData, load_mnist, load_relative
from .mnist import KMNIST as KUZUSHIJI
from .mnist import MNIST as ORIGINAL


class _Digits(Dataset[Any]):
    """Images and labels, each seen through its transform.

    `data`: uint8 tensor (n, 28, 28), white on black; `targets`: int64 tensor (n,). Sample i is (image, label): the
    image an ndarray, uint8 (28, 28), unless `transform` makes something else of it, the label a Python int.
    """

    classes: ClassVar[tuple[str, ...]] = ("0 - zero", "1 - one", "2 - two", "3 - three", "4 - four") + (
        "5 - five", "6 - six", "7 - seven", "8 - eight", "9 - nine",
    )  # fmt: skip
    data: Tensor
    targets: Tensor

    def __init__(self, images: Any, labels: Any, train: bool, transform: Any, target_transform: Any) -> None:
        self.data, self.targets = from_numpy(images), from_numpy(labels.astype(np.int64))
        self._images, self._labels = images, labels.tolist()
        self.train, self.transform, self.target_transform = train, transform, target_transform

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image, label = self._images[index], self._labels[index]
        image = image if self.transform is None else self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __len__(self) -> int:
        return len(self._labels)


class _Relative(_Digits):
    """`root`, `train`, `transform`, `target_transform` and `download` as in `MNIST`."""

    _dataset: ClassVar[DataSet]

    def __init__(
        self, root: str | os.PathLike[str], train: bool = True, transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None, download: bool = False
    ) -> None:
        loaded = self._load(root, download)
        super().__init__(*(loaded[:2] if train else loaded[2:4]), train, transform, target_transform)

    def _load(self, root: str | os.PathLike[str], download: bool) -> MNISTData:
        return load_relative(self._dataset, root, download=download)


class MNIST(_Relative):
    """MNIST from `root`/MNIST/raw, where torchvision keeps it, or from files in `root`, or from this package's cache.

    train: the 60,000 images to learn from, or the 10,000 to test on. download: fetch it where it is not there (into
    the cache, by `pooch` from `autograd_mini[vision]`); DataError otherwise, with what was tried.
    """

    def _load(self, root: str | os.PathLike[str], download: bool) -> MNISTData:
        places = [Path(root) / ORIGINAL.name / "raw", Path(root)]
        files = {f"{member.file}{packed}" for member in ORIGINAL.members for packed in ("", ".gz")} | {ORIGINAL.keras}
        there = [place for place in places if any((place / file).is_file() for file in files)]
        try:
            return load_mnist(there[0] if there else None, source="mnist", download=download)
        except DataError as why:
            if download or there:
                raise
            raise DataError(f"Dataset not found in {root}. You can use download=True to download it ({why})") from why


class FashionMNIST(_Relative):
    """Pictures of clothes by Zalando, from `root`/FashionMNIST/raw (Xiao, Rasul & Vollgraf, arXiv:1708.07747)."""

    _dataset = FASHION_MNIST
    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


class KMNIST(_Relative):
    """Cursive Japanese letters, from `root`/KMNIST/raw (Clanuwat et al., arXiv:1812.01718)."""

    _dataset = KUZUSHIJI
    classes = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class DrawnDigits(_Digits):
    """Digits that the package draws itself, in place of MNIST where there is no network: see `vision.digits`.

    >>> images = DrawnDigits(n=100)
    >>> images[0][0].shape, images[0][1], len(images)
    ((28, 28), 8, 100)
    """

    def __init__(
        self, train: bool = True, transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None, *, n: int | None = None, seed: int = 0
    ) -> None:
        count = n if n is not None else 60_000 if train else 10_000
        super().__init__(*digits(count, train=train, seed=seed), train, transform, target_transform)


_ADVICE = "take MNIST, FashionMNIST, KMNIST or DrawnDigits, or read the files into a utils.data.TensorDataset"
for _name in ("EMNIST", "QMNIST", "CIFAR10", "CIFAR100", "ImageFolder", "FakeData", "LSUN"):
    globals()[_name] = Absent(f"vision.datasets.{_name}", _ADVICE)
