"""Files and the worst: kill -9 while they are written, and thousands of damaged ones while they are read.

AUTOGRAD_MINI_EXAMPLES=200 kills that many times (default 20), and damages ten times as many files (default 2000).
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.serialization import LoadError, load, save
from autograd_mini.vision.files import read_npz
from autograd_mini.vision.idx import DataError, encode_idx, read_idx

EXAMPLES = os.environ.get("AUTOGRAD_MINI_EXAMPLES")
KILLS = int(EXAMPLES or 20)
MUTATIONS = 10 * int(EXAMPLES or 200)

# ------------------------------------------------------------------------------------------------------- killed

KILLER = """
import json, os, random, signal, sys, time
import autograd_mini as am

path, kills = sys.argv[1], int(sys.argv[2])
SIZE = 100_000

def saves(number, pipe):
    while True:
        number += 1
        os.write(pipe, b"%d begun\\n" % number)
        am.save({"number": number, "weights": am.full((SIZE,), float(number)), "name": str(number)}, path)
        os.write(pipe, b"%d done\\n" % number)

am.save({"number": 0, "weights": am.zeros(SIZE), "name": "0"}, path)  # also loads what saving needs
start = time.perf_counter()
am.save({"number": 0, "weights": am.zeros(SIZE), "name": "0"}, path)
takes = time.perf_counter() - start
random.seed(int(sys.argv[3]))
number = 0
for _ in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        saves(number, writing)
    os.close(writing)
    said = os.read(reading, 10)  # "1 begun": it runs
    time.sleep(random.uniform(0, 3 * takes))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while part := os.read(reading, 4096):
        said += part
    os.close(reading)
    last, what = said.decode().splitlines()[-1].split()
    beside = [name for name in os.listdir(os.path.dirname(path)) if name != os.path.basename(path)]
    for name in beside:
        os.unlink(os.path.join(os.path.dirname(path), name))
    found = am.load(path)
    weights = found["weights"].numpy()
    whole = bool((weights == found["number"]).all()) and weights.size == SIZE and found["name"] == str(found["number"])
    number = found["number"]
    print(json.dumps([what, int(last) - number, whole, beside]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 is POSIX's")
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_file_whole(suffix: str, tmp_path: Path) -> None:
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    seed = str(random.randrange(10**6) if EXAMPLES else 0)
    command = [sys.executable, "-c", KILLER, str(tmp_path / f"model{suffix}"), str(KILLS // 2), seed]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    kills = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(kills) == KILLS // 2
    for what, older, whole, beside in kills:
        assert whole
        assert older in ((0,) if what == "done" else (0, 1)), "what was saved is there; what was begun, perhaps"
        assert len(beside) <= 1 and all(name.endswith(".tmp") for name in beside)
    assert sum(bool(beside) for *_, beside in kills) >= KILLS // 8, "some came while a file was half written"


# ------------------------------------------------------------------------------------------------------- damaged

CONTENT = {"w": am.arange(6).reshape(2, 3).float(), "n": [1, {"b": am.tensor(True)}], "name": "a"}
IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def of_save(suffix: str, folder: Path) -> bytes:
    save(CONTENT, folder / f"x{suffix}")
    return (folder / f"x{suffix}").read_bytes()


def of_numpy(folder: Path) -> bytes:
    file = io.BytesIO()
    np.savez(file, w=CONTENT["w"].numpy(), b=np.bool_(True))
    return file.getvalue()


def of_torch(folder: Path) -> bytes:
    torch, file = pytest.importorskip("torch"), io.BytesIO()
    torch.save({"w": torch.arange(6.0).reshape(2, 3), "n": [1, {"b": torch.tensor(True)}], "name": "a"}, file)
    return file.getvalue()


def of_keras(folder: Path) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x_train=IMAGES, y_train=IMAGES[0, 0])
    return file.getvalue()


def from_keras(data: bytes, folder: Path) -> Any:
    (folder / "keras.npz").write_bytes(data)
    return read_npz(folder / "keras.npz", {"x_train": (2, 3, 4), "y_train": (4,)})


Reader = Callable[[bytes, Path], Any]
FILES: dict[str, tuple[Callable[[Path], bytes], Reader, type[Exception]]] = {
    ".npz": (lambda folder: of_save(".npz", folder), lambda data, _: load(io.BytesIO(data)), LoadError),
    ".safetensors": (lambda f: of_save(".safetensors", f), lambda data, _: load(io.BytesIO(data)), LoadError),
    "NumPy's": (of_numpy, lambda data, _: load(io.BytesIO(data)), LoadError),
    "PyTorch's": (of_torch, lambda data, _: load(io.BytesIO(data)), LoadError),
    "Keras'": (of_keras, from_keras, DataError),
    "IDX": (lambda folder: encode_idx(IMAGES), lambda data, _: read_idx(io.BytesIO(data), name="stream"), DataError),
}


def mutations(content: bytes, count: int) -> Iterator[bytes]:
    """Bits flipped, bytes overwritten by what hurts, pieces left out, doubled and moved, ends cut off."""
    chance = random.Random(None if EXAMPLES else 0)
    hurts = [b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"PK\3\4", b"{", b"}", b"]", b'"']
    for number in range(count):
        data = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 5])):
            at, length = chance.randrange(len(data) or 1), chance.randrange(1, 20)
            match number % 5 if data else 1:
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    patch = chance.choice(hurts)
                    data[at : at + len(patch)] = patch
                case 2:
                    data[at:at] = data[at : at + length]
                case 3:
                    del data[at : at + length]
                case 4:
                    other = chance.randrange(len(data))
                    data[at : at + length] = data[other : other + length]
        yield bytes(data[: chance.randrange(len(data) or 1)] if number % 10 == 9 else data)


def plain(value: Any) -> Any:
    if isinstance(value, (am.Tensor, np.ndarray)):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_clear_errors_in_bounded_memory(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == ".safetensors":
        pytest.importorskip("safetensors")
    make, read, error = FILES[kind]
    content = make(tmp_path)
    expected = plain(read(content, tmp_path))
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    refused = changed = 0
    tracemalloc.start()
    try:
        for damaged in mutations(content, MUTATIONS // len(FILES) + 1):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            try:
                changed += plain(read(damaged, tmp_path)) != expected
            except error as refusal:
                refused += 1
                assert "stream" in str(refusal) or "keras.npz" in str(refusal), "the message names the file"
            assert tracemalloc.get_traced_memory()[1] - before < 3_000_000
    finally:
        tracemalloc.stop()
    assert refused > MUTATIONS // len(FILES) // 2
    if kind in (".npz", "Keras'"):
        assert not changed, "a checksum covers all that matters"
    assert os.listdir(working) == [], "nothing was executed, nothing unpacked"


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "a/../../evil", "~/evil"])
def test_path_tricks_name_a_tensor_and_touch_no_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members of a file are never unpacked, so whatever they are called is a key in a dict."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    member, file = io.BytesIO(), io.BytesIO()
    np.save(member, np.ones(2))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.npy", member.getvalue())
    (tmp_path / "x.npz").write_bytes(file.getvalue())
    assert plain(load(tmp_path / "x.npz")) == {name: [1, 1]}
    save({name: am.zeros(2)}, tmp_path / "y.npz")
    assert plain(load(tmp_path / "y.npz")) == {name: [0, 0]}
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["a", "a/b", "x.npz", "y.npz"]


def npz_of(member: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("w.npy", member)
    return file.getvalue()


OVERSIZED = {
    "npy 1.0, all of it": npz_of(b"\x93NUMPY\x01\x00\xff\xff" + b" " * 65535),
    "npy 2.0, 4 GB": npz_of(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr': '<f4', 'fortran_order': False, 'shape': ()}"),
    "npy 3.0, 4 GB": npz_of(b"\x93NUMPY\x03\x00\xff\xff\xff\xff{'descr': '<f4', 'fortran_order': False, 'shape': ()}"),
    "npy, 10^5 dimensions": npz_of(
        b"\x93NUMPY\x02\x00" + (300_100).to_bytes(4, "little") + b"{'descr': '<f4', 'fortran_order': False, 'shape': ("
        + b"1, " * 100_000 + b")}"
    ),
    "safetensors, 2^63": b"\0\0\0\0\0\0\0\x80{",
    "safetensors, 4 GB": b"\xff\xff\xff\xff\0\0\0\0{" + b" " * 100,
    "safetensors, deep": (200_002).to_bytes(8, "little") + b'{"' + b'a":{"' * 40_000,
}  # fmt: skip


@pytest.mark.parametrize("case", OVERSIZED)
def test_oversized_headers_are_errors_in_bounded_memory(case: str) -> None:
    content = OVERSIZED[case]
    tracemalloc.start()
    try:
        with pytest.raises(LoadError, match="the stream"):
            load(io.BytesIO(content))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80), st.sampled_from([b"", b"PK\3\4", b"PK\5\6"]))
def test_noise_is_no_file_of_keras(tmp_path: Path, noise: bytes, head: bytes) -> None:
    with pytest.raises(DataError, match=r"keras\.npz"):
        from_keras(head + noise, tmp_path)


def test_ctrl_c_while_saving_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys, autograd_mini as am; from autograd_mini import serialization as s\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background jobs have not
        "s.os.fsync = lambda number: os.kill(os.getpid(), signal.SIGINT)\n"
        "am.save({'new': am.zeros(100_000)}, sys.argv[1])"
    )
    save({"old": 1}, tmp_path / "x.npz")
    stopped = subprocess.run([sys.executable, "-c", program, str(tmp_path / "x.npz")], capture_output=True)
    assert stopped.returncode in (-signal.SIGINT, 1) and b"KeyboardInterrupt" in stopped.stderr
    assert load(tmp_path / "x.npz") == {"old": 1} and os.listdir(tmp_path) == ["x.npz"]
