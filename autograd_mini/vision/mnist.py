"""MNIST from where it can be had: a folder, the cache, another library's copy, a mirror; else drawn digits.

A copy is known by the SHA-256 of each of its four IDX files, unpacked, so that any honest copy is accepted,
however it was packed, and a spoiled one never is.
"""

import contextlib
import functools
import hashlib
import io
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
from .idx import DataError, encode_idx, read_at_most, read_idx

Bytes = npt.NDArray[np.uint8]
GZIP = b"\x1f\x8b"  # how a gzipped file starts


class MNISTData(NamedTuple):
    """Images, uint8 (n, 28, 28), white (255) on black (0); labels, uint8 (n,); and where they come from."""

    train_images: Bytes
    train_labels: Bytes
    test_images: Bytes
    test_labels: Bytes
    source: str


class Member(NamedTuple):
    """One file of a data set: its name unpacked, its name in Keras' .npz, its shape, its SHA-256 unpacked.

    Of the relatives of MNIST the MD5 of the archive is known instead: that which torchvision expects.
    """

    file: str
    key: str
    shape: tuple[int, ...]
    sha256: str = ""
    md5: str = ""


class DataSet(NamedTuple):
    """What there is to know of MNIST or a relative of it; files are in the order of MNISTData."""

    name: str
    keras: str  # the file that Keras keeps it in
    mirrors: tuple[str, ...]  # a mirror is what stands before "<file>.gz" in the address
    members: tuple[Member, ...]


INSTEAD = 'drawn digits, as MNIST was neither found nor downloaded: load_mnist(source="mnist") says why'
_FILES = (
    Member("train-images-idx3-ubyte", "x_train", (60_000, 28, 28)),
    Member("train-labels-idx1-ubyte", "y_train", (60_000,)),
    Member("t10k-images-idx3-ubyte", "x_test", (10_000, 28, 28)),
    Member("t10k-labels-idx1-ubyte", "y_test", (10_000,)),
)
_SHA256 = (
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
MNIST = DataSet(
    "MNIST", "mnist.npz",
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
    tuple(member._replace(sha256=s) for member, s in zip(_FILES, _SHA256, strict=True)),
)  # fmt: skip


def _relative(name: str, mirror: str, *md5: str) -> DataSet:
    """Files of the same names and shapes as MNIST's."""
    return DataSet(name, "", (mirror,), tuple(m._replace(md5=s) for m, s in zip(_FILES, md5, strict=True)))


FASHION_MNIST = _relative(
    "FashionMNIST", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
    "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
)  # fmt: skip
KMNIST = _relative(
    "KMNIST", "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    "bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344",
    "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134",
)  # fmt: skip


def load_relative(
    dataset: DataSet, root: str | os.PathLike[str], *, download: bool = False, timeout: float = 5.0
) -> MNISTData:
    """A relative of MNIST from `root`/<its name>/raw, where torchvision keeps it, from the cache, or from its mirror.

    An archive (.gz) is proved by its MD5. Of a file that somebody unpacked only the shape and the labels' range can
    be checked; the archive, where it lies beside it, is read instead. Raises DataError.
    """
    folder = Path(root) / dataset.name / "raw"
    if any(_find(folder, member) for member in dataset.members):
        return _named([_read_member(folder, member) for member in dataset.members], f"{dataset.name} from {folder}")
    cache = cache_dir() / dataset.name
    with contextlib.suppress(DataError, OSError):
        return _named([_read_member(cache, member) for member in dataset.members], f"{dataset.name} (cache)")
    if not download:
        raise DataError(f"Dataset not found in {folder}. You can use download=True to download it")
    return _named(_download(dataset, dataset.mirrors, timeout), f"{dataset.name} (downloaded to {cache})")


def load_mnist(
    data: str | os.PathLike[str] | None = None, *, source: str = "auto", download: bool = True, timeout: float = 5.0,
    mirrors: Sequence[str] | None = None
) -> MNISTData:
    """Load MNIST: 60,000 images to train on and 10,000 to test on; `.source` says what was found.

    `data` (else $AUTOGRAD_MINI_DATA) is a folder with the four IDX files, plain or gzipped, or torchvision's
    `MNIST/raw`, or Keras' `mnist.npz`, or that file itself: if given, only it is read. If not, these are
    tried in turn: `cache_dir()/MNIST`, the places where torchvision and Keras keep MNIST, and, if `download`,
    each of `mirrors` (by `pooch`, from `autograd_mini[vision]`) into the cache. All mirrors at once get
    `timeout` seconds to answer at all; the one in use gets as long between two pieces of a file, and 60 times
    that for a whole file. One that fails is not asked again.

    If none has it, `source="auto"` returns the drawn digits, as their `.source` says; `"mnist"` raises DataError
    with the reasons; `"digits"` draws at once. Raises DataError where `data` is not MNIST or spoiled.

    >>> train_images, train_labels, test_images, test_labels, source = load_mnist()  # doctest: +SKIP
    """
    if source not in ("auto", "mnist", "digits"):
        raise ValueError(f'source must be "auto", "mnist" or "digits", got {source!r}')
    if source == "digits":
        if data is not None:
            raise ValueError(f'give data or source="digits", not both; got data={os.fspath(data)!r}')
        return _drawn("drawn digits")
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
    if source == "mnist":
        reasons = f"{MNIST.name} could not be had: {'; '.join(tried)}"
        raise DataError(f"{reasons}. Give a folder that has it as data or in AUTOGRAD_MINI_DATA")
    return _drawn(INSTEAD)


def _drawn(source: str) -> MNISTData:
    """As many drawn digits as MNIST has images."""
    train, _, test, _ = MNIST.members
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
        if any(_find(folder, member) for member in dataset.members):
            return [_read_member(folder, member) for member in dataset.members]
    if (place / dataset.keras).is_file():
        return _read(dataset, place / dataset.keras)
    names = ", ".join(member.file for member in dataset.members)
    raise DataError(f"{place}: no {dataset.name} in it; expected {names} (plain or .gz), or {dataset.keras}")


def _find(folder: Path, member: Member) -> Path | None:
    """The file of a member, plain or gzipped; some copies have a dot where the original has a hyphen."""
    names = (member.file, member.file.replace("-idx", ".idx"))
    ways = (".gz", "") if member.md5 else ("", ".gz")
    files = (folder / f"{name}{packed}" for packed in ways for name in names)
    return next(filter(Path.is_file, files), None)


def _read_member(folder: Path, member: Member) -> Bytes:
    file = _find(folder, member)
    if file is None:
        raise DataError(f"{folder / member.file}: missing, expected it plain or as .gz")
    with open(file, "rb") as stream:
        return _read_idx(member, stream, str(file))


def _read_idx(member: Member, stream: IO[bytes], name: str) -> Bytes:
    if member.md5:
        packed = read_at_most(stream, math.prod(member.shape) + 2**16)
        found = hashlib.md5(packed, usedforsecurity=False).hexdigest()
        if packed[:2] == GZIP and found != member.md5:
            raise DataError(f"{name}: spoiled: MD5 of the archive is {found}, expected {member.md5}")
        stream = io.BytesIO(packed)
    return _check(read_idx(stream, member.shape, np.uint8, name=name), member, name)


def _check(array: Bytes, member: Member, name: str) -> Bytes:
    """Return `array` if its IDX file has the right sum: one sum for every way of packing."""
    if not member.sha256:
        if array.ndim == 1 and array.max(initial=0) > 9:
            raise DataError(f"{name}: labels up to {array.max()}, expected 0 to 9")
        return array
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
