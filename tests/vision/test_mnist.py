"""Where MNIST is found, what is said when it is not, and that no fault of a mirror gets past the check."""

import gzip
import hashlib
import importlib
import io
import os
import re
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autograd_mini.vision import DataError, digits, encode_idx, load_mnist
from autograd_mini.vision.download import _brief

# `requests`, as pooch uses it, leaves it to the garbage collector to close the socket of an answer it refuses.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

module = importlib.import_module("autograd_mini.vision.mnist")
REAL = Path(os.environ.get("AUTOGRAD_MINI_DATA") or Path(__file__).parents[3] / "shared" / "mnist").absolute()
ARRAYS = [*digits(60, seed=5), *digits(10, train=False, seed=5)]
WHOLE = module.MNIST
NAMES = [member.file for member in module.MNIST.members]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """MNIST with 60 and 10 images, so that each test takes no time; nobody asks the true mirrors."""
    members = [
        module.Member(m.file, m.key, array.shape, hashlib.sha256(encode_idx(array)).hexdigest())
        for m, array in zip(module.MNIST.members, ARRAYS, strict=True)
    ]
    monkeypatch.setattr(module, "MNIST", module.MNIST._replace(members=tuple(members), mirrors=()))


@pytest.fixture
def mirrors(server):
    """From faults to addresses."""
    for name, array in zip(NAMES, ARRAYS, strict=True):
        wrong = array.copy()
        wrong.flat[-1] ^= 1
        server.files[f"{name}.gz"] = gzip.compress(encode_idx(array))
        server.files[f"wrong {name}.gz"] = gzip.compress(encode_idx(wrong))
    return lambda *faults: [server.mirror(fault) for fault in faults]


def write(folder: Path, pack=bytes, suffix="") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, ARRAYS, strict=True):
        (folder / f"{name}{suffix}").write_bytes(pack(encode_idx(array)))
    return folder


def write_npz(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **dict(zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS, strict=True)))
    return file


def assert_right(found, source: str) -> None:
    for array, expected in zip(found[:4], ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)
        assert array.flags.writeable
    assert found.source == source


def assert_drawn(*reasons: str, **options) -> None:
    """No place has it: the drawn digits, with a short word of it; and source="mnist" says why."""
    found = load_mnist(**options)
    for array, expected in zip(found[:4], [*digits(60), *digits(10, train=False)], strict=True):
        np.testing.assert_array_equal(array, expected, strict=True)
    assert found.source.startswith("drawn digits, as MNIST was neither found nor downloaded: ")
    assert len(found.source) < 100 and 'load_mnist(source="mnist") says why' in found.source
    with pytest.raises(DataError, match="MNIST could not be had") as error:
        load_mnist(source="mnist", **options)
    for reason in reasons:
        assert re.search(reason, str(error.value)), error.value
    assert "host=" not in str(error.value), "the address is said already"


def cached(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (home / "cache" / "MNIST").glob("*")}


# ---------------------------------------------------------------- a folder that is given


def test_real_mnist(monkeypatch):
    monkeypatch.setattr(module, "MNIST", WHOLE)
    if not REAL.exists():
        pytest.skip(f"no MNIST in {REAL}; give its folder in AUTOGRAD_MINI_DATA")
    train_images, train_labels, test_images, test_labels, source = load_mnist(REAL)
    assert train_images.shape == (60_000, 28, 28) and test_images.shape == (10_000, 28, 28)
    assert train_labels[:5].tolist() == [5, 0, 4, 1, 9] and test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert train_images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
    assert train_images.std() / 255 == pytest.approx(0.3081, abs=1e-4)
    assert source == f"MNIST from {REAL}"


@pytest.mark.parametrize("way", ["plain", "gz", "dots", "torchvision", "npz in folder", "npz"])
@pytest.mark.parametrize("given", ["argument", "environment"])
def test_given(home, monkeypatch, way, given):
    place = home / "mine"
    if way == "plain":
        write(place)
    elif way == "gz":
        write(place, gzip.compress, ".gz")
    elif way == "dots":
        for file in write(place).iterdir():
            file.rename(place / file.name.replace("-idx", ".idx"))
    elif way == "torchvision":
        write(place / "MNIST" / "raw")
    else:
        npz = write_npz(place / "mnist.npz")
        place = npz if way == "npz" else place
    if given == "environment":
        monkeypatch.setenv("AUTOGRAD_MINI_DATA", "~/mine" + place.as_posix().removeprefix(f"{home}/mine"))
    assert_right(load_mnist(place if given == "argument" else None), f"MNIST from {place}")
    assert not (home / "cache").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("absent", r"mine: does not exist, expected a folder with MNIST"),
        ("empty", r"mine: no MNIST in it; expected train-images-idx3-ubyte, .* \(plain or .gz\), or mnist.npz"),
        ("missing", r"t10k-labels-idx1-ubyte: missing, expected it plain or as .gz"),
        ("truncated", r"train-images-idx3-ubyte.gz: damaged gzip file"),
        ("mislabelled", r"train-images-idx3-ubyte.gz: holds uint8 of shape \(60,\), expected .* \(60, 28, 28\)"),
        ("spoiled", r"t10k-images-idx3-ubyte.gz: spoiled: SHA-256 of the unpacked file is \w{64}, expected \w{64}$"),
        ("bad npz", r"mnist.npz: not a sound .npz file with x_train"),
        ("spoiled npz", r"mnist.npz: x_test: spoiled: SHA-256"),
        ("other npz", r"mnist.npz: x_train: holds float64 of shape \(60, 28, 28\), expected uint8"),
        ("lying npz", r"mnist.npz: x_train: holds uint8 of shape \(1099511627776,\), expected uint8"),
        ("pickled npz", r"mnist.npz: x_train: holds object"),
    ],
)
def test_given_but_wrong_is_an_error(home, mirrors, damage, message):
    """No silent fall back, though a mirror has it, and a cache that is left as it is."""
    place = home / "mine"
    if damage.endswith("npz"):
        keep = dict(zip(("x_train", "y_train", "x_test", "y_test"), ARRAYS, strict=True))
        if damage == "spoiled npz":
            keep["x_test"] = keep["x_test"][::-1]
        elif damage == "other npz":
            keep["x_train"] = keep["x_train"] / 255
        elif damage == "pickled npz":
            keep["x_train"] = np.array([print], dtype=object)
        place.mkdir()
        np.savez(place / "mnist.npz", **keep)
        if damage == "lying npz":
            lie_in_npz(place / "mnist.npz", "x_train", (2**40,))
        elif damage == "bad npz":
            (place / "mnist.npz").write_bytes((place / "mnist.npz").read_bytes()[:-50])
    elif damage != "absent":
        place.mkdir()
        if damage != "empty":
            write(place, gzip.compress, ".gz")
        images, labels = place / f"{NAMES[0]}.gz", place / f"{NAMES[1]}.gz"
        if damage == "missing":
            (place / f"{NAMES[3]}.gz").unlink()
        elif damage == "truncated":
            images.write_bytes(images.read_bytes()[:-100])
        elif damage == "mislabelled":
            images.write_bytes(labels.read_bytes())
        elif damage == "spoiled":
            (place / f"{NAMES[2]}.gz").write_bytes(gzip.compress(encode_idx(ARRAYS[2][::-1])))
    with pytest.raises(DataError, match=message) as error:
        load_mnist(place, mirrors=mirrors("ok"))
    assert str(place) in str(error.value)
    assert not (home / "cache").exists()


def lie_in_npz(file: Path, name: str, shape: tuple[int, ...]) -> None:
    """Give the array a header that promises `shape` and a few bytes of data."""
    header = io.BytesIO()
    kind = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, kind)
    with zipfile.ZipFile(file) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[f"{name}.npy"] = header.getvalue() + bytes(9)
    with zipfile.ZipFile(file, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)


# ---------------------------------------------------------------- places that others know


def test_cache_is_first(home):
    write(home / "cache" / "MNIST", gzip.compress, ".gz")
    write_npz(home / ".keras" / "datasets" / "mnist.npz")
    assert_right(load_mnist(download=False), "MNIST (cache)")


def test_torchvision_and_keras(home, monkeypatch):
    file = write_npz(home / ".keras" / "datasets" / "mnist.npz")
    assert_right(load_mnist(download=False), f"MNIST (Keras' copy, {file})")
    folder = write(home / "data" / "MNIST" / "raw")
    assert_right(load_mnist(download=False), f"MNIST (torchvision's copy in {Path('data/MNIST/raw')})")
    (folder / NAMES[0]).write_bytes(b"spoiled")
    assert_right(load_mnist(download=False), f"MNIST (Keras' copy, {file})")
    file.write_bytes(b"spoiled")
    assert_drawn("not an IDX file", "not a sound .npz", "download=False", download=False)


# ---------------------------------------------------------------- mirrors and their faults


def test_download_then_cache(home, mirrors, server):
    assert_right(load_mnist(mirrors=mirrors("ok")), f"MNIST (downloaded to {home / 'cache' / 'MNIST'})")
    assert cached(home) == {name: data for name, data in server.files.items() if "wrong" not in name}
    assert server.hits == {"ok": 4}
    assert_right(load_mnist(mirrors=mirrors("ok")), "MNIST (cache)")
    assert server.hits == {"ok": 4}


FAULTS = {
    "404": "404 Client Error",
    "500": "500 Server Error",
    "trunc": "Connection broken|IncompleteRead|damaged gzip",
    "wrong": "spoiled: SHA-256 of the unpacked file is",
    "html": "not an IDX file: begins with b'<htm'",
    "endless": "more than the 112576 bytes",
    "hang": "no answer in 0.5 s|timed out",
    "drip_head": "no answer in 0.5 s",
    "hang_get": "Read timed out|TimeoutError",
    "stall": "Read timed out|TimeoutError",
    "drip": "TimeoutError",
}


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(importlib.import_module("autograd_mini.vision.download"), "PATIENCE", 2)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_next_mirror_is_used(home, mirrors, server, impatient, fault):
    started = time.monotonic()
    slow = re.search("no answer|TimeoutError", FAULTS[fault])
    found = load_mnist(mirrors=mirrors(fault, "ok"), timeout=0.5 if slow else 10)  # the good one needs time, too
    assert time.monotonic() - started < 20  # a hang of 30 s was cut short
    assert_right(found, f"MNIST (downloaded to {home / 'cache' / 'MNIST'})")
    assert server.hits.get(fault, 0) <= 1 and server.hits["ok"] == 4


@pytest.mark.parametrize("fault", FAULTS)
def test_without_a_good_mirror(home, mirrors, impatient, fault):
    """One message lists all that was tried, and nothing bad enters the cache."""
    started = time.monotonic()
    refused = "http://127.0.0.1:9/"
    reasons = (re.escape(mirrors(fault)[0]) + ": .*(" + FAULTS[fault] + ")", refused + ": .*refused")
    assert_drawn("cache.*does not exist", *reasons, mirrors=[*mirrors(fault), refused], timeout=0.5)
    assert cached(home) == {}
    assert time.monotonic() - started < 20


def test_dead_mirrors_are_asked_all_at_once(mirrors):
    """None is answered before all are asked."""
    assert_drawn("(404.*){20}", mirrors=mirrors(*["together"] * 20), timeout=60)


def test_a_mirror_that_dies_half_way(home, mirrors, server):
    """What came is kept; the rest comes from the next mirror, now or another day."""
    assert_drawn("404 Client Error", mirrors=mirrors("dies"))
    assert sorted(cached(home)) == sorted(f"{name}.gz" for name in NAMES[:2])
    assert_right(load_mnist(mirrors=mirrors("404", "ok")), f"MNIST (downloaded to {home / 'cache' / 'MNIST'})")
    assert server.hits["ok"] == 2


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_cache_is_mended(home, mirrors, server, suffix):
    folder = write(home / "cache" / "MNIST", gzip.compress if suffix else bytes, suffix)
    (folder / f"{NAMES[2]}{suffix}").write_bytes(b"\x1f\x8bspoiled")
    assert_drawn("t10k-images-idx3-ubyte.*: damaged gzip file", download=False)
    assert_drawn("spoiled", mirrors=mirrors("wrong"))
    assert (folder / f"{NAMES[2]}{suffix}").read_bytes() == b"\x1f\x8bspoiled"
    assert "downloaded" in load_mnist(mirrors=mirrors("ok")).source
    assert server.hits == {"wrong": 2, "ok": 1}  # asked for the digits, and for the reason
    assert_right(load_mnist(download=False), "MNIST (cache)")


def test_without_a_place_for_the_cache(home, mirrors):
    (home / "cache").write_text("a file where the folder should be")
    assert_right(load_mnist(mirrors=mirrors("ok")), f"MNIST (downloaded to {home / 'cache' / 'MNIST'})")


def test_without_pooch(mirrors, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    reason = r'downloading needs pooch: pip install "autograd_mini\[vision\]"'
    assert_drawn(reason, mirrors=mirrors("ok"))


def test_without_threads(mirrors, monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    addresses = mirrors("ok")
    monkeypatch.setattr("threading.Thread.start", start)
    assert_drawn("can't start new thread", mirrors=addresses)


# ---------------------------------------------------------------- digits by choice


def test_digits_by_choice(home, mirrors, server, monkeypatch):
    write(home / "cache" / "MNIST")
    monkeypatch.setenv("AUTOGRAD_MINI_DATA", "/nowhere")
    found = load_mnist(source="digits", mirrors=mirrors("ok"))
    assert found.source == "drawn digits" and server.hits == {}
    np.testing.assert_array_equal(found.train_images, digits(60)[0])
    np.testing.assert_array_equal(found.test_labels, digits(10, train=False)[1])


def test_bad_arguments(home):
    with pytest.raises(ValueError, match='source must be "auto", "mnist" or "digits", got \'mnits\''):
        load_mnist(source="mnits")
    with pytest.raises(ValueError, match="not both"):
        load_mnist(home, source="digits")


def test_the_reason_is_said_without_the_connection():
    """urllib3 hands on a time-out to connect as (connection, message), other troubles as one text."""
    for inner in (OSError(object(), "timed out"), OSError("HTTPConnectionPool(host='127.0.0.1', port=9): timed out")):
        assert _brief(OSError(SimpleNamespace(reason=inner))) == "timed out"
    assert _brief(OSError("plain")) == "plain" and _brief(OSError()) == "OSError"
