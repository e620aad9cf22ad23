"""MNIST from where it can be had: a folder, the cache, another library's copy, a mirror; else drawn digits.

A copy is known by the SHA-256 of each of its four IDX files, unpacked, so that any honest copy is accepted,
however it was packed, and a spoiled one never is.
"""

import contextlib
import functools
import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from .digits import digits
from .download import Mirrors
from .files import cache_dir, read_npz, replacing
from .idx import DataError, encode_idx, read_idx

Bytes = npt.NDArray[np.uint8]


class MNISTData(NamedTuple):
    """Images, uint8 (n, 28, 28), white (255) on black (0); labels, uint8 (n,); and where they come from."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    source: str


class Member(NamedTuple):
    """One file of a data set: its name unpacked, its name in Keras' .npz, its shape, its SHA-256 unpacked."""

    file: str
    key: str
    shape: tuple[int, ...]
    sha256: str


class DataSet(NamedTuple):
    """What there is to know of MNIST or a relative of it; files are in the order of MNISTData."""

    name: str
    keras: str  # the file that Keras keeps it in
    mirrors: tuple[str, ...]  # a mirror is what stands before "<file>.gz" in the address
    members: tuple[Member, ...]


MNIST = DataSet(
    name="MNIST",
    keras="mnist.npz",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    members=(
        Member(
            "train-images-idx3-ubyte",
            "x_train",
            (60_000, 28, 28),
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        Member(
            "train-labels-idx1-ubyte",
            "y_train",
            (60_000,),
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        Member(
            "t10k-images-idx3-ubyte",
            "x_test",
            (10_000, 28, 28),
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Member(
            "t10k-labels-idx1-ubyte",
            "y_test",
            (10_000,),
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)


def load_mnist(
    data: str | os.PathLike[str] | None = None,
    *,
    source: str = "auto",
    download: bool = True,
    timeout: float = 5.0,
    mirrors: Sequence[str] | None = None,
) -> MNISTData:
    """Load MNIST: 60,000 images to train on and 10,000 to test on; `.source` says what was found.

    `data` (else $AUTOGRAD_MINI_DATA) is a folder with the four IDX files, plain or gzipped, or torchvision's
    `MNIST/raw`, or Keras' `mnist.npz`, or that file itself: if given, only it is read. If not, these are
    tried in turn: `cache_dir()/MNIST`, the places where torchvision and Keras keep MNIST, and, if `download`,
    each of `mirrors` (by `pooch`, from `autograd_mini[vision]`) into the cache. All mirrors at once get
    `timeout` seconds to answer at all; the one in use gets as long between two pieces of a file, and 60 times
    that for a whole file. One that fails is not asked again.

    If none has it, `source="auto"` returns the drawn digits and their `.source` the reasons; `"mnist"` raises
    DataError with them; `"digits"` draws at once. Raises DataError where `data` is not MNIST or spoiled.

    >>> train_images, train_labels, test_images, test_labels, source = load_mnist()  # doctest: +SKIP
    """
    if source not in ("auto", "mnist", "digits"):
        raise ValueError(f'source must be "auto", "mnist" or "digits", got {source!r}')
    if source == "digits":
        if data is not None:
            raise ValueError(f'give data or source="digits", not both; got data={os.fspath(data)!r}')
        return _drawn(MNIST, "drawn digits")
    given = data if data is not None else os.environ.get("AUTOGRAD_MINI_DATA") or None
    if given is not None:
        place = Path(os.path.expanduser(given))
        return _named(_read(MNIST, place), f"{MNIST.name} from {place}")

    tried: list[str] = []
    for place, label in _places(MNIST):
        try:
            return _named(_read(MNIST, place), f"{MNIST.name} ({label})")
        except (DataError, OSError) as why:
            tried.append(str(why))
    if download:
        try:
            arrays = _download(MNIST, MNIST.mirrors if mirrors is None else mirrors, timeout)
            return _named(arrays, f"{MNIST.name} (downloaded to {cache_dir() / MNIST.name})")
        except (DataError, ImportError) as why:
            tried.append(str(why))
    else:
        tried.append("download=False")
    reasons = f"{MNIST.name} could not be had: {'; '.join(tried)}"
    if source == "mnist":
        raise DataError(f"{reasons}. Give a folder that has it as data or in AUTOGRAD_MINI_DATA")
    return _drawn(MNIST, f"drawn digits ({reasons})")


def _drawn(dataset: DataSet, source: str) -> MNISTData:
    """As many drawn digits as the data set has images."""
    train, _, test, _ = dataset.members
    return _named([*digits(train.shape[0]), *digits(test.shape[0], train=False)], source)


def _named(arrays: list[Bytes], source: str) -> MNISTData:
    train_images, train_labels, test_images, test_labels = arrays
    return MNISTData(train_images, train_labels, test_images, test_labels, source)


def _places(dataset: DataSet) -> Iterator[tuple[Path, str]]:
    """Where a copy may lie already, and what to call it."""
    yield cache_dir() / dataset.name, "cache"
    for root in ("data", ".", "~/data", "~"):  # torchvision leaves its root to the user
        folder = Path(os.path.expanduser(root)) / dataset.name / "raw"
        if folder.is_dir():
            yield folder, f"torchvision's copy in {folder}"
    file = Path(os.path.expanduser(os.environ.get("KERAS_HOME", "~/.keras"))) / "datasets" / dataset.keras
    if file.is_file():
        yield file, f"Keras' copy, {file}"


def _read(dataset: DataSet, place: Path) -> list[Bytes]:
    """Read and check the members from a folder or an .npz file; DataError where they are not there."""
    if not place.is_dir():
        if not place.exists():
            raise DataError(f"{place}: does not exist, expected a folder with {dataset.name} or its .npz")
        arrays = read_npz(place, {member.key: member.shape for member in dataset.members})
        pairs = zip(arrays, dataset.members, strict=True)
        return [_check(array, member, f"{place}: {member.key}") for array, member in pairs]
    for folder in (place, place / dataset.name / "raw"):
        files = [_find(folder, member) for member in dataset.members]
        if any(files):
            return [_read_member(folder, member) for member in dataset.members]
    if (place / dataset.keras).is_file():
        return _read(dataset, place / dataset.keras)
    names = ", ".join(member.file for member in dataset.members)
    raise DataError(f"{place}: no {dataset.name} in it; expected {names} (plain or .gz), or {dataset.keras}")


def _find(folder: Path, member: Member) -> Path | None:
    """The file of a member, plain or gzipped; some copies have a dot where the original has a hyphen."""
    names = (member.file, member.file.replace("-idx", ".idx"))
    files = (folder / f"{name}{packed}" for packed in ("", ".gz") for name in names)
    return next(filter(Path.is_file, files), None)


def _read_member(folder: Path, member: Member) -> Bytes:
    file = _find(folder, member)
    if file is None:
        raise DataError(f"{folder / member.file}: missing, expected it plain or as .gz")
    with open(file, "rb") as stream:
        return _read_idx(member, stream, str(file))


def _read_idx(member: Member, stream: IO[bytes], name: str) -> Bytes:
    return _check(read_idx(stream, member.shape, np.uint8, name=name), member, name)


def _check(array: Bytes, member: Member, name: str) -> Bytes:
    """Return `array` if its IDX file has the right sum: one sum for every way of packing."""
    found = hashlib.sha256(encode_idx(array)).hexdigest()
    if found != member.sha256:
        raise DataError(f"{name}: spoiled: SHA-256 of the unpacked file is {found}, expected {member.sha256}")
    return array


def _download(dataset: DataSet, addresses: Sequence[str], timeout: float) -> list[Bytes]:
    """Fetch what the cache lacks, keeping each file when it has passed its check and not before."""
    folder = cache_dir() / dataset.name
    mirrors = Mirrors(addresses, timeout, probe=f"{dataset.members[0].file}.gz")
    arrays = []
    for member in dataset.members:
        try:
            arrays.append(_read_member(folder, member))
            continue
        except (DataError, OSError):
            pass
        read = functools.partial(_read_idx, member)
        array, packed = mirrors.fetch(f"{member.file}.gz", math.prod(member.shape) + 2**16, read)
        place = _find(folder, member) or folder / f"{member.file}.gz"
        with contextlib.suppress(OSError), replacing(place) as out:
            out.write(packed)  # a cache that cannot be written costs another download only
        arrays.append(array)
    return arrays
