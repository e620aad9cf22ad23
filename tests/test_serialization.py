"""`save` and `load`: what comes back, what is refused, what survives a crash, and what a hostile file can do."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import autograd_mini as am
from autograd_mini import serialization
from autograd_mini.serialization import LoadError, load, save

SUFFIXES = ["model.npz", "model.pt", "model", "model.safetensors"]
DTYPES = [np.float16, np.float32, np.float64, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.bool_]


@pytest.fixture(params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param.endswith(".safetensors"):
        pytest.importorskip("safetensors")
    return Path(tmp_path, request.param)


def same(a: Any, b: Any) -> bool:
    """Same structure, types, dtypes, shapes and bits."""
    if isinstance(a, am.Tensor) or isinstance(b, am.Tensor):
        x, y = np.asarray(a._array), np.asarray(b._array)
        return x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return (
            list(a) == list(b)
            and all(type(k) is type(j) for k, j in zip(a, b, strict=True))
            and all(same(a[k], b[k]) for k in a)
        )
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


CHECKPOINT: dict[str, Any] = {
    "model": {"0.weight": am.tensor([[1.0, -2.0], [0.5, math.inf]]), "0.bias": am.tensor([], dtype=np.float32)},
    "optimizer": {
        "state": {0: {"step": am.tensor(3.0), "square_avg": am.ones(2, 2)}, 1: {}},
        "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.999), "nesterov": False, "foreach": None, "params": [0, 1]}],
    },
    "history": [0.1, 0.2, math.inf, -0.0, 2**200],
    "name": "MLP – 784/512/10 \ud800\0",
    "a/b": am.tensor(1),
    "a": {"b": am.tensor(2)},
    "__metadata__": am.tensor(3),
    "tree.json": am.tensor([True, False]),
    "": am.tensor(4.0, dtype=np.float64),
    "odd \0 name": am.tensor(5),
    "odd _ name": am.tensor(6),
    True: None,
    None: (),
    0.5: [],
}


def test_a_checkpoint_comes_back(path: Path) -> None:
    save(CHECKPOINT, path)
    assert same(load(path), CHECKPOINT)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_dtype_and_shape(path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(0).random(shape) * 100).astype(dtype)
    for given_array in (array, np.array(array, order="F"), np.stack([array, array], -1)[..., 0]):
        save({"x": am.from_numpy(np.asarray(given_array))}, path)
        assert same(load(path), {"x": am.from_numpy(np.asarray(array))})


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | npst.arrays(st.sampled_from(DTYPES), npst.array_shapes(min_dims=0, min_side=0, max_side=3)).map(am.tensor),
    lambda children: (
        st.lists(children, max_size=3)
        | st.lists(children, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers() | st.none(), children, max_size=3)
    ),
    max_leaves=8,
)


@given(trees)
def test_any_tree_comes_back_and_writes_the_same_bytes(tree: Any) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    save(tree, first)
    save(tree, second)
    first.seek(0)
    loaded = load(first)
    assert same(loaded, tree)
    third = io.BytesIO()
    save(loaded, third)
    assert first.getvalue() == second.getvalue() == third.getvalue()


def test_the_same_content_gives_the_same_bytes_in_another_process(path: Path) -> None:
    program = "import sys; from autograd_mini.serialization import *; save(load(sys.argv[1]), sys.argv[2])"
    save(CHECKPOINT, path)
    again = path.with_name("again" + path.suffix)
    subprocess.run([sys.executable, "-c", program, str(path), str(again)], check=True)
    assert again.read_bytes() == path.read_bytes()


def test_what_comes_back_is_plain_writable_and_its_own(path: Path) -> None:
    w = am.ones(2, requires_grad=True)
    save({"w": w, "doubled": w * 2, "array": np.arange(2), "number": np.float32(0.5)}, path)
    loaded = load(path)
    assert not loaded["w"].requires_grad and loaded["doubled"].is_leaf and type(loaded["w"]) is am.Tensor
    assert isinstance(loaded["array"], am.Tensor) and loaded["number"] == 0.5
    loaded["w"].add_(1)
    assert loaded["w"].tolist() == [2, 2] and w.tolist() == [1, 1]


def test_numpy_reads_our_files_and_we_read_numpys(tmp_path: Path) -> None:
    save({"fc1.weight": am.ones(2, 3)}, tmp_path / "ours.npz")
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as archive:
        assert archive["fc1.weight"].tolist() == np.ones((2, 3)).tolist()
    big_endian = np.arange(6, dtype=">f4").reshape(2, 3)
    np.savez(tmp_path / "theirs.npz", a=np.asfortranarray(big_endian), b=np.int64(3))
    loaded = load(tmp_path / "theirs.npz")
    assert same(loaded, {"a": am.tensor(big_endian.astype(np.float32)), "b": am.tensor(3)})


def test_safetensors_go_both_ways(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    save({"fc1.weight": am.ones(2, 3)}, tmp_path / "ours.safetensors")
    assert safetensors.load_file(tmp_path / "ours.safetensors")["fc1.weight"].shape == (2, 3)
    safetensors.save_file({"a": np.arange(3)}, tmp_path / "theirs.bin", {"format": "np"})
    assert same(load(tmp_path / "theirs.bin"), {"a": am.arange(3)})


def test_content_not_the_suffix_decides_how_to_read(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    for written, read in (("a.npz", "b.safetensors"), ("c.safetensors", "d.npz")):
        save(CHECKPOINT, tmp_path / written)
        os.rename(tmp_path / written, tmp_path / read)
        assert same(load(tmp_path / read, map_location="cpu", weights_only=True), CHECKPOINT)


class Odd:
    pass


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (Odd(), "cannot save this, a Odd: .* save its state_dict"),
        ({"a": [1, {2}]}, "cannot save a/1, a set"),
        ({"a": {(1, 2): 3}}, r"cannot save a: its key \(1, 2\) is a tuple"),
        ({"a": np.array(["x"])}, "cannot save a: its dtype is <U1"),
        ({"a": np.array([Odd()])}, "cannot save a: its dtype is object"),
        (1j, "cannot save this, a complex"),
        (lambda: 0, "a function"),
    ],
)
def test_what_cannot_be_saved(obj: Any, message: str, path: Path) -> None:
    save({"old": 1}, path)
    with pytest.raises(TypeError, match=message):
        save(obj, path)
    assert load(path) == {"old": 1}


def test_other_devices_and_folders_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"Parent directory .*nowhere does not exist"):
        save({}, tmp_path / "nowhere" / "x.npz")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "x.npz")
    save({}, tmp_path / "x.npz")
    with pytest.raises(RuntimeError, match=r"device cuda\S* is not available"):
        load(tmp_path / "x.npz", "cuda:0")
    with pytest.raises(NotImplementedError, match="map_location"):
        load(tmp_path / "x.npz", {"cuda:0": "cpu"})


def test_without_safetensors_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_mini\[safetensors\]"'):
        save({}, tmp_path / "x.safetensors")
    assert os.listdir(tmp_path) == []
    header = b'{"w":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "y.pt").write_bytes(bytes([len(header)]) + bytes(7) + header + b"\1\0\2\0")
    assert same(load(tmp_path / "y.pt"), {"w": am.tensor([1, 2], dtype=np.int16)})  # reading needs NumPy alone


# ------------------------------------------------------------------------------------------------------- crashes


def test_an_exception_half_way_leaves_the_old_file_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save({"old": am.ones(3)}, path)
    before = path.read_bytes()

    def fails(*args: Any, **kwargs: Any) -> Any:
        raise OSError("disk full")

    monkeypatch.setattr(serialization.os, "fsync", fails)
    with pytest.raises(OSError, match="disk full"):
        save({"new": am.zeros(1000)}, path)
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


def test_a_kill_half_way_leaves_the_old_file_whole(path: Path) -> None:
    save({"old": am.ones(3)}, path)
    before = path.read_bytes()
    program = (
        "import os, signal, sys; from autograd_mini import serialization as s; import autograd_mini as am\n"
        "s.os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)\n"
        "s.save({'new': am.zeros(100_000)}, sys.argv[1])"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert killed.returncode != 0 and path.read_bytes() == before
    (beside,) = set(os.listdir(path.parent)) - {path.name}
    assert beside.startswith(f".{path.name}.") and beside.endswith(".tmp")
    save({"new": 1}, path)
    assert load(path) == {"new": 1}


def test_a_link_is_followed_and_the_mode_is_the_users(tmp_path: Path) -> None:
    save({"a": 1}, tmp_path / "real.npz")
    (tmp_path / "link.npz").symlink_to("real.npz")
    save({"a": 2}, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink() and load(tmp_path / "real.npz") == {"a": 2}
    (tmp_path / "plain").touch()
    assert (tmp_path / "real.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


# ------------------------------------------------------------------------------------------------- hostile files


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


def foreign_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Name of a case: bytes, and what the error says was found."""
    npz, object_array, npy = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez_compressed(npz, a=np.ones(3))
    np.savez(object_array, a=np.array([Bomb()], dtype=object))
    np.save(npy, np.ones(3))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("hello.txt", "hello")
    no_directory = bytearray(other.getvalue())
    no_directory[-14:-6] = bytes(8)  # how many members the end of the directory announces, and in how many bytes
    return {
        "empty": (b"", "an empty file"),
        "no directory": (bytes(no_directory), "a directory of nothing"),
        "pickle": (pickle.dumps(Bomb()), "a bare pickle"),
        "text": (b"hello world, this is text", "a file that begins b'hello wor'"),
        "npy": (npy.getvalue(), "a single .npy array"),
        "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
        "gzip": (b"\x1f\x8b" + bytes(20), "gzip"),
        "compressed": (npz.getvalue(), "compressed members"),
        "objects": (object_array.getvalue(), "object"),
        "zip": (other.getvalue(), "members other than arrays: hello.txt"),
        "half a zip": (other.getvalue()[:30], "not a zip file"),
        "safetensors": (b"\xff\xff\xff\x00\x00\x00\x00\x00{}", "damaged"),
    }


@pytest.mark.parametrize("case", foreign_files(Path()))
def test_foreign_files_are_named_and_nothing_runs(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    content, found = foreign_files(tmp_path)[case]
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(LoadError, match=found) as caught:
        load(tmp_path / "x.pt")
    assert str(tmp_path / "x.pt") in str(caught.value) and os.listdir(tmp_path) == ["x.pt"]


def member(path: Path, name: str) -> tuple[int, int]:
    """Where the content of a member begins and ends."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
        with archive.open(info):
            raw = path.read_bytes()
            start = info.header_offset + 30 + int.from_bytes(raw[info.header_offset + 26 :][:2], "little")
            start += int.from_bytes(raw[info.header_offset + 28 :][:2], "little")
            return start, start + info.file_size


def test_every_flipped_bit_of_an_array_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save({"w": am.ones(16)}, path)
    content = path.read_bytes()
    start, end = member(path, "w.npy")
    assert end - start == 128 + 64
    for i in range(start, end):
        spoiled = bytearray(content)
        spoiled[i] ^= 1 << i % 8
        with pytest.raises(LoadError, match="CRC"):
            load(io.BytesIO(spoiled))


def test_every_flipped_bit_of_our_safetensors_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    save({"w": am.ones(16)}, tmp_path / "x.safetensors")
    content = (tmp_path / "x.safetensors").read_bytes()
    for i in range(len(content) - 64, len(content)):
        spoiled = bytearray(content)
        spoiled[i] ^= 1 << i % 8
        with pytest.raises(LoadError, match="checksum is wrong"):
            load(io.BytesIO(spoiled))


SMALL = {"w": am.arange(6).reshape(2, 3).float(), "n": [1, {"b": am.tensor(True)}]}


def sound(suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x" + suffix)
        save(SMALL, path)
        return path.read_bytes()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_every_truncation_is_an_error(suffix: str) -> None:
    pytest.importorskip("safetensors")
    content = sound(suffix)
    for length in range(len(content)):
        with pytest.raises(LoadError):
            load(io.BytesIO(content[:length]))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@given(data=st.data())
def test_spoiled_files_raise_nothing_but_the_clear_error(suffix: str, data: st.DataObject) -> None:
    pytest.importorskip("safetensors")
    content = bytearray(sound(suffix))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + data.draw(st.sampled_from([len(patch), 0, 3]))] = patch
    try:
        loaded = load(io.BytesIO(content))
    except LoadError as error:
        assert "the stream" in str(error)
    else:  # what was spoiled means nothing, such as a date
        assert same(loaded, SMALL) or (suffix != ".npz" and b'"autograd_mini"' not in content)


@given(st.binary(max_size=64), st.sampled_from([b"", b"PK\x03\x04", b"\x02\0\0\0\0\0\0\0{", b"PK\x05\x06"]))
def test_noise_raises_the_clear_error(noise: bytes, head: bytes) -> None:
    pytest.importorskip("safetensors")
    try:
        assert load(io.BytesIO(head + noise)) == {}  # the shortest files of either format
    except LoadError as error:
        assert "the stream" in str(error)


def lying(header: str, content: bytes = b"") -> bytes:
    """An .npz whose array has this header."""
    file = io.BytesIO()
    text = header.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content)
    return file.getvalue()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000, 100000, 100000, 100000), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 99999999999999999999), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
        "{'descr': '<c16', 'fortran_order': False, 'shape': (0,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os').mkdir('executed'), }",
        "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (0,), }",
        "(" * 110,
    ],
)
def test_a_lying_header_takes_no_memory_and_runs_nothing(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(LoadError):
            load(io.BytesIO(lying(header)))
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert os.listdir(tmp_path) == []


def test_one_piece_of_data_announced_many_times_takes_no_memory() -> None:
    """A zip file whose directory names the same megabyte a thousand times."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1048448,), }".ljust(117) + b"\n"
        archive.writestr("w.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(1048448))
        archive.filelist *= 1000
    file.seek(0)
    with pytest.raises(LoadError, match="bytes in a file of"):
        load(file)


LYING = {
    "too long": '{"w":{"dtype":"F32","shape":[99999999999],"data_offsets":[0,4]}}',
    "negative": '{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}',
    "backwards":
    '{"w":{"dtype":"F32","shape":[0],"data_offsets":[4,0]},"v":{"dtype":"I8","shape":[8],"data_offsets":[0,8]}}',
    "outside": '{"w":{"dtype":"F32","shape":[1],"data_offsets":[400,404]}}',
    "twice":
    '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"v":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}',
    "too short": '{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,4]}}',
    "half": '{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}',
    "fraction": '{"w":{"dtype":"F16","shape":[2.0],"data_offsets":[0,4]}}',
    "list": '{"w":[]}',
    "deep": '{"w":' + "[" * 10**5,
}  # fmt: skip


@pytest.mark.parametrize("case", LYING)
def test_a_lying_safetensors_header_is_an_error(case: str) -> None:
    header = LYING[case].encode()
    with pytest.raises(LoadError, match="the stream: damaged"):
        load(io.BytesIO(len(header).to_bytes(8, "little") + header + bytes(4)))


@pytest.fixture
def recursion_allowed() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("recursion_allowed")
def test_a_deep_header_does_not_overflow_the_stack() -> None:
    """Python's parser of JSON calls itself in C, and a raised limit takes its guard away."""
    test_a_lying_safetensors_header_is_an_error("deep")
    with pytest.raises(LoadError, match="nested more than 750 levels deep"):
        load(io.BytesIO(_deep_tree()))


def _deep_tree() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tree.json", '{"dict": ' + "[" * 10**5)
    return file.getvalue()


def nested(depth: int) -> Any:
    inner: Any = {"w": am.ones(2), "name": "[{" * 2_000}
    for _ in range(depth):
        inner = {"x": inner}
    return inner


def test_what_can_be_saved_can_be_loaded_however_deep() -> None:
    file = io.BytesIO()
    save(nested(serialization.DEEPEST - 1), file)
    file.seek(0)
    found = load(file)
    while "x" in found:
        found = found["x"]
    assert found["w"].tolist() == [1, 1] and found["name"] == "[{" * 2_000


@pytest.mark.usefixtures("recursion_allowed")
def test_what_is_nested_too_deeply_is_not_saved(tmp_path: Path) -> None:
    for depth in (serialization.DEEPEST + 1, 10_000):
        with pytest.raises(ValueError, match="more than 250 dicts, lists and tuples in each other"):
            save(nested(depth), tmp_path / "deep.pt")
    assert os.listdir(tmp_path) == []


def test_a_dtype_that_no_tensor_has_is_named() -> None:
    header = b'{"w":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    with pytest.raises(LoadError, match="the stream: refuses dtype F8_E4M3"):
        load(io.BytesIO(len(header).to_bytes(8, "little") + header + bytes(4)))


@pytest.mark.parametrize(
    "tree",
    ["", "{", "[" * 10**5, '{"tensor": "nowhere"}', '{"tensor": []}', '{"a": 1, "b": 2}', "{}", '{"dict": [[1]]}'],
    ids=lambda tree: tree[:20],
)
def test_a_tree_that_makes_no_sense(tree: str) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tree.json", tree)
    file.seek(0)
    with pytest.raises(LoadError, match="the stream"):
        load(file)


def test_the_tree_is_readable_json(tmp_path: Path) -> None:
    save({"a": (1, am.ones(1))}, tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert json.loads(archive.read("tree.json")) == {"dict": [["a", {"tuple": [1, {"tensor": "a/1"}]}]]}
        assert archive.namelist() == ["tree.json", "a/1.npy"]
        assert {m.date_time for m in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --------------------------------------------------------------------------------------------------------- mapped

MAPPED = [*SUFFIXES, "theirs.npz", "theirs.safetensors", "theirs.pt"]


def mapped_file(folder: Path, name: str, tensors: dict[str, am.Tensor]) -> Path:
    """A file of ours, of NumPy, of safetensors or of PyTorch."""
    path = folder / name
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    if name == "theirs.npz":
        np.savez(path, **arrays)
    elif name == "theirs.safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, path)
    elif name == "theirs.pt":
        torch = pytest.importorskip("torch")
        torch.save({key: torch.from_numpy(array) for key, array in arrays.items()}, path)
    else:
        save(tensors, path)
    return path


@pytest.mark.parametrize("name", MAPPED)
def test_mapped_tensors_are_the_same_and_writing_never_changes_the_file(name: str, tmp_path: Path) -> None:
    tensors = {"w": am.randn(3, 5), "odd": am.tensor([1, 2, 3], dtype=np.int8), "b": am.randn(2, dtype=np.float64)}
    tensors |= {"none": am.zeros(0, 2), "one": am.tensor(3)}
    path = mapped_file(tmp_path, name, tensors)
    before = path.read_bytes()
    loaded = load(path, mmap=True)
    assert loaded.keys() == tensors.keys() and all(same(loaded[key], tensors[key]) for key in tensors)
    assert all(tensor._array.flags.aligned for tensor in loaded.values())
    loaded["w"].add_(1)
    loaded["b"][0] = 7.0
    assert loaded["w"].tolist() == (tensors["w"] + 1).tolist() and path.read_bytes() == before
    assert same(load(path, mmap=True)["w"], tensors["w"])


@pytest.mark.parametrize("name", MAPPED)
def test_mapping_takes_no_memory_for_what_is_not_touched(name: str, tmp_path: Path) -> None:
    path = mapped_file(tmp_path, name, {"w": am.zeros(1000, 1000), "v": am.ones(1000)})
    peaks = []
    for mapped in (True, False):
        tracemalloc.start()
        loaded = load(path, mmap=mapped)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert loaded["v"].sum().item() == 1000
    askew = name == "theirs.npz"  # where NumPy happened to put it, so it is copied
    assert 4_000_000 * askew < peaks[0] < 4_200_000 * askew + 200_000 and 4_000_000 < peaks[1] < 13_000_000


@pytest.mark.parametrize("suffix", ["model.npz", "model.safetensors"])
def test_one_mapped_tensor_is_written_and_another_is_differentiated(suffix: str, tmp_path: Path) -> None:
    save({"a": am.ones(2), "b": am.ones(2)}, tmp_path / suffix)
    loaded = load(tmp_path / suffix, mmap=True)
    x = am.ones(2, requires_grad=True)
    y = (x * loaded["a"]).sum()
    loaded["b"].add_(1)  # other memory than what backward needs
    y.backward()
    assert x.grad is not None and x.grad.tolist() == [1, 1]


def test_a_module_is_loaded_from_a_map(tmp_path: Path) -> None:
    model, other = am.nn.Linear(3, 2), am.nn.Linear(3, 2)
    save(model.state_dict(), tmp_path / "x.npz")
    other.load_state_dict(load(tmp_path / "x.npz", mmap=True))
    assert same(other.state_dict(), model.state_dict())


def test_the_file_may_be_replaced_while_it_is_mapped(tmp_path: Path) -> None:
    save({"w": am.ones(5000)}, tmp_path / "x.npz")
    loaded = load(tmp_path / "x.npz", mmap=True)
    save({"w": am.zeros(1)}, tmp_path / "x.npz")
    assert loaded["w"].sum().item() == 5000


def test_arrays_lie_at_multiples_of_64_in_our_files(tmp_path: Path) -> None:
    save({"é" * i: am.tensor([float(i)]) for i in range(1, 70)}, tmp_path / "x.npz")
    content = (tmp_path / "x.npz").read_bytes()
    for i in range(1, 70):
        start, _ = member(tmp_path / "x.npz", f"{'é' * i}.npy")
        assert start % 64 == 0 and content[start : start + 6] == b"\x93NUMPY"


def test_streams_cannot_be_mapped() -> None:
    with pytest.raises(ValueError, match="f must be a file path in order to use the mmap argument"):
        load(io.BytesIO(sound(".npz")), mmap=True)


@pytest.mark.parametrize("name", ["x.npz", "x.safetensors", "theirs.pt"])
def test_truncated_and_spoiled_files_are_errors_also_when_mapped(name: str, tmp_path: Path) -> None:
    path = mapped_file(tmp_path, name, {"w": am.ones(16)})
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(LoadError):
            load(path, mmap=True)
    if name.startswith("x.n"):
        spoiled = content.replace(b"PK\3\4", b"PK\3\5")
        path.write_bytes(b"PK" + spoiled[2:])
        with pytest.raises(LoadError):
            load(path, mmap=True)
