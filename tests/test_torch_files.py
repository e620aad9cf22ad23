"""Files of `torch.save`: what comes back, what is refused by name, and what a hostile one can do."""

from __future__ import annotations

import collections
import io
import os
import pickle
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.serialization import LoadError, load

torch = pytest.importorskip("torch")
nn = torch.nn


def written(obj: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(obj, file, **options)
    file.seek(0)
    return file


def assert_same(ours: Any, theirs: Any) -> None:
    """The same containers, with equal numbers of the same dtypes; theirs may be ordered dicts and parameters."""
    if isinstance(theirs, torch.Tensor):
        assert type(ours) is am.Tensor and not ours.requires_grad
        array = theirs.detach().float() if theirs.dtype == torch.bfloat16 else theirs.detach()
        np.testing.assert_array_equal(ours.numpy(), array.numpy(), strict=True)
    elif isinstance(theirs, dict):
        assert type(ours) is dict and list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is (list if isinstance(theirs, list) else tuple) and len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert_same(a, b)
    else:
        assert type(ours) is type(theirs) and ours == theirs


def network() -> Any:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)
    return nn.Sequential(*layers, nn.LSTM(3, 2, bidirectional=True), nn.Embedding(5, 3), nn.MultiheadAttention(4, 2))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_state_dict(protocol: int, tmp_path: Path) -> None:
    model = network()
    torch.save(model.state_dict(), tmp_path / "weights.pt", pickle_protocol=protocol)
    loaded = load(tmp_path / "weights.pt")
    assert_same(loaded, model.state_dict())
    assert loaded["1.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Adagrad"])
def test_a_checkpoint_with_the_state_of_an_optimizer(name: str) -> None:
    model = nn.Linear(3, 2)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3)
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    checkpoint["scheduler"] = scheduler.state_dict()
    assert_same(load(written(checkpoint)), checkpoint)


def test_training_goes_on_here_from_a_checkpoint_of_torch() -> None:
    theirs = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.1)
    x = np.random.default_rng(0).normal(size=(5, 3))

    def step(model: Any, optimizer: Any, inputs: Any) -> float:
        optimizer.zero_grad()
        loss = (model(inputs) ** 2).mean()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    for _ in range(3):
        step(theirs, optimizer, torch.tensor(x))
    loaded = load(written({"model": theirs.state_dict(), "optimizer": optimizer.state_dict()}))
    layers = am.nn.Linear(3, 4), am.nn.BatchNorm1d(4), am.nn.Tanh(), am.nn.Linear(4, 1)
    model = am.nn.Sequential(*layers).double()
    model.load_state_dict(loaded["model"])
    resumed = am.optim.Adam(model.parameters(), lr=0.5)
    resumed.load_state_dict(loaded["optimizer"])
    for _ in range(3):
        np.testing.assert_allclose(
            step(model, resumed, am.tensor(x)), step(theirs, optimizer, torch.tensor(x)), rtol=1e-10
        )


DTYPES = ["float16", "float32", "float64", "bfloat16", "int8", "int16", "int32", "int64", "uint8", "bool"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 4)])
def test_every_dtype_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 100
    given_tensor = values.abs().to(getattr(torch, dtype)) if dtype == "uint8" else values.to(getattr(torch, dtype))
    assert_same(load(written({"x": given_tensor})), {"x": given_tensor})


def test_bfloat16_becomes_float32_with_the_same_values() -> None:
    """Every one of the 65,536 there are."""
    bits = torch.arange(-(2**15), 2**15).to(torch.int16)
    loaded = load(written(bits.view(torch.bfloat16)))
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded.numpy().view(np.uint32), bits.numpy().view(np.uint16).astype(np.uint32) << 16)


def test_views_and_strides() -> None:
    x = torch.arange(24.0).reshape(4, 6)
    views = {
        "t": x.t(), "slice": x[1:3, ::2], "column": x[:, 4], "last": x[-1:, -1:], "expanded": x[0].expand(3, 6),
        "bf": x.bfloat16().t(), "number": x[2, 3], "nothing": x[4:],
    }  # fmt: skip
    assert_same(load(written(views)), views)


def test_one_storage_stays_one_and_can_be_written_to() -> None:
    weight = nn.Parameter(torch.ones(3, 2))
    loaded = load(written({"a": weight, "b": weight.t(), "c": torch.ones(2)}))
    assert np.shares_memory(loaded["a"].numpy(), loaded["b"].numpy())
    loaded["a"][0, 1] = 5.0
    assert loaded["b"][1, 0].item() == 5.0 and loaded["c"].tolist() == [1, 1]


def test_a_write_to_one_of_two_tensors_of_a_storage_is_noticed_by_backward() -> None:
    weight = torch.ones(3)
    loaded = load(written({"a": weight, "b": weight}))
    x = am.ones(3, requires_grad=True)
    y = (x * loaded["a"]).sum()
    loaded["b"].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_containers_numbers_and_strings() -> None:
    obj = {
        "ordered": collections.OrderedDict(a=1, b=collections.OrderedDict(c=(1, [2.5, (), (None,), (1, 2, 3, 4)]))),
        "numbers": [0, 255, 65535, -1, 2**31, -(2**40), 2**200, 0.1, float("inf"), True, False],
        "text": ["", "é – 漢", "x" * 300, "\0"],
        "size": torch.ones(2, 3).shape,
        1: 2,
        None: (),
    }
    for protocol in (2, 4):
        assert_same(load(written(obj, pickle_protocol=protocol)), obj)


# -------------------------------------------------------------------------------------------------------- refused


class Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "module": (lambda: nn.Linear(1, 1), r"refuses torch\.nn\.modules\.linear\.Linear: only tensors, numbers"),
    "own class": (Bomb, r"refuses posix\.mkdir"),
    "numpy": (lambda: {"loss": np.float64(1)}, r"refuses numpy\._core\.multiarray\.scalar"),
    "array": (lambda: np.ones(2), r"refuses numpy\._core\.multiarray\._reconstruct"),
    "set": (lambda: {1}, r"refuses (__builtin__|builtins)\.set"),
    "bytes": (lambda: b"x", r"refuses _codecs\.encode"),
    "complex": (lambda: torch.zeros(2, dtype=torch.complex64), r"refuses torch\.ComplexFloatStorage"),
    "uint16": (lambda: torch.zeros(2, dtype=torch.uint16), r"refuses torch\._utils\._rebuild_tensor_v3"),
    "sparse": (lambda: torch.eye(2).to_sparse(), r"refuses torch\._utils\._rebuild_sparse_tensor"),
    "dtype": (lambda: {"dtype": torch.float32}, r"refuses torch\.float32"),
    "device": (lambda: {"device": torch.device("cpu")}, r"refuses torch\.device"),
    "type": (lambda: {"a": [collections.OrderedDict]}, r"refuses collections\.OrderedDict as a value"),
    "default": (lambda: collections.defaultdict(int), r"refuses collections\.defaultdict"),
    "key": (lambda: {(1, 2): 3}, "refuses a dict whose key is a tuple"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make, message = REFUSED[case]
    with pytest.raises(LoadError, match="the stream: " + message):
        load(written(make()))
    assert os.listdir(tmp_path) == []


def test_a_bare_pickle_is_refused() -> None:
    with pytest.raises(LoadError, match="a bare pickle"):
        load(written({"a": torch.ones(2)}, _use_new_zipfile_serialization=False))


def test_big_endian_numbers_are_refused() -> None:
    source = zipfile.ZipFile(written({"a": torch.ones(2)}))
    with pytest.raises(LoadError, match="refuses numbers in big-endian order"):
        load(packed({name: source.read(name) for name in source.namelist()} | {"archive/byteorder": b"big"}))


# -------------------------------------------------------------------------------------------------- hostile files


def packed(members: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def program(code: bytes, storage: bytes = bytes(8)) -> io.BytesIO:
    return packed({"x/data.pkl": b"\x80\x02" + code, "x/data/0": storage})


STORAGE = b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0" + b"0X\3\0\0\0cpuK%ctQ"


def long(number: int) -> bytes:
    return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)


def rebuilt(offset: bytes, size: bytes, stride: bytes, numel: bytes = b"\2") -> bytes:
    """The program that makes a tensor of the storage's two numbers."""
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE % numel + offset + size + stride + b"\x89}tR."


def test_the_hand_written_program_works_before_it_is_spoiled() -> None:
    storage = np.array([1.5, 2.5], np.float32).tobytes()
    assert load(program(rebuilt(b"K\0", b"K\2\x85", b"K\1\x85"), storage)).tolist() == [1.5, 2.5]


HUGE = rebuilt(b"K\0", b"J\0\0\0\x40\x85", b"K\0\x85")[:-1]  # one number, 2^30 times
PROGRAMS = {
    "calls by GLOBAL": b"cposix\nsystem\nX\4\0\0\0exit\x85R.",
    "calls by STACK_GLOBAL": b"\x8c\5posix\x8c\6system\x93X\4\0\0\0exit\x85R.",
    "STACK_GLOBAL of odd things": b"]}\x93.",
    "INST": b"(X\4\0\0\0exitiposix\nsystem\n.",
    "OBJ": b"(ccollections\nOrderedDict\no.",
    "NEWOBJ": b"ccollections\nOrderedDict\n)\x81.",
    "EXT1": b"\x82\1.",
    "calls a string": b"X\x17\0\0\0collections.OrderedDict)R.",
    "calls a storage type": b"ctorch\nFloatStorage\n)R.",
    "dotted": b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
    "appends to a dict": b"}K\1a.",
    "sets items of a list": b"]K\1K\2s.",
    "sets items of a tensor": rebuilt(b"K\0", b"K\2\x85", b"K\1\x85")[:-1] + b"K\0K\1s.",
    "odd number of items": b"}(K\1u.",
    "a tensor as key": b"}" + rebuilt(b"K\0", b"K\2\x85", b"K\1\x85")[:-1] + b"K\1s.",
    "keys of one hash": b"}" + b"".join(long(n * (2**61 - 1)) + b"K\1s" for n in range(1, 9)) + b".",
    "a deep tuple as key": b"})" + b"\x85" * 10**5 + b"K\1s.",
    "a storage as value": STORAGE % b"\2" + b".",
    "a storage that is missing": (STORAGE % b"\2").replace(b"\0\0\x000X", b"\0\0\x001X") + b".",
    "a storage that is shorter": rebuilt(b"K\0", b"K\1\x85", b"K\1\x85", numel=b"\1"),
    "a storage that is longer": STORAGE % b"\3" + b".",
    "an id that is a number": b"K\1Q.",
    "too many dimensions": rebuilt(b"K\0", b"(" + b"K\1" * 100 + b"t", b"(" + b"K\1" * 100 + b"t"),
    "past the end": rebuilt(b"K\1", b"K\2\x85", b"K\1\x85"),
    "before the start": rebuilt(b"J\xff\xff\xff\xff", b"K\1\x85", b"K\1\x85"),
    "backwards": rebuilt(b"K\0", b"K\2\x85", b"J\xff\xff\xff\xff\x85"),
    "strides outside": rebuilt(b"K\0", b"K\2\x85", b"K\2\x85"),
    "large strides": rebuilt(b"K\0", b"K\2\x85", b"\x8a\x0a" + b"\xff" * 9 + b"\1\x85"),
    "large": rebuilt(b"K\0", b"J\xff\xff\xff\x7f\x85", b"K\1\x85"),
    "negative": rebuilt(b"K\0", b"J\xff\xff\xff\xff\x85", b"K\1\x85"),
    "a product of 2^64 bytes": rebuilt(b"K\0", long(2**31 + 1) + b"\x85", long(2**31) + b"\x85"),
    "two of 2^63 bytes": rebuilt(b"K\0", long(2**21 + 1) * 2 + b"\x86", long(2**40) * 2 + b"\x86"),
    "sizes that are a tensor": rebuilt(b"K\0", HUGE, b"K\1\x85"),
    "strides that are a tensor": rebuilt(b"K\0", b"K\1\x85", HUGE),
    "a fraction as size": rebuilt(b"K\0", b"G?\xf0\0\0\0\0\0\0\x85", b"K\1\x85"),
    "arguments that are a tensor": b"ctorch\nSize\n" + HUGE + b"R.",
    "an id that is a tensor": HUGE + b"Q.",
    "fewer strides": rebuilt(b"K\0", b"K\1K\1\x86", b"K\1\x85"),
    "empty": b"",
    "no STOP": b"}",
    "nothing on the stack": b".",
    "no mark": b"t.",
    "memo": b"h\7.",
    "long text": b"X\xff\xff\xff\x7fa.",
    "long number": b"\x8b\xff\xff\xff\x7f.",
    "bytes": b"B\xff\xff\xff\x7fa.",
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_hostile_programs_run_nothing_and_take_no_memory(case: str) -> None:
    file = program(PROGRAMS[case])
    tracemalloc.start()
    try:
        with pytest.raises(LoadError, match=r"the stream: (refuses|damaged)"):
            load(file)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_deep_and_tangled_containers_come_back_without_recursion() -> None:
    depth = 10**5
    item = load(program(b"]" * depth + b"a" * (depth - 1) + b"."))
    for _ in range(depth - 1):
        (item,) = item
    assert item == []
    itself = load(program(b"]q\0h\0a."))
    assert itself[0] is itself
    doubled = load(program(b"]q\0" + b"h\0\x86q\0" * 60 + b"."))  # 2^60 leaves in 60 tuples
    assert doubled[0] is doubled[1]


def test_one_storage_announced_many_times_takes_no_memory() -> None:
    file = program(b"]" + HUGE + b"a.")
    tracemalloc.start()
    try:
        assert load(file)[0].shape == (2**30,)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_expanded_tensor_is_read_and_not_written_to() -> None:
    loaded = load(written(torch.ones(1).expand(3)))
    assert loaded.tolist() == [1, 1, 1]
    with pytest.raises(RuntimeError, match="one element several times"):
        loaded += am.tensor([1.0, 2.0, 3.0])


SOUND = {"w": torch.arange(6.0).reshape(2, 3), "n": [1, {"b": torch.tensor(True)}]}


def test_every_truncation_is_an_error() -> None:
    content = written(SOUND).getvalue()
    for length in range(len(content)):
        with pytest.raises(LoadError):
            load(io.BytesIO(content[:length]))


def test_every_flipped_bit_of_the_pickle_and_of_the_storages_is_noticed() -> None:
    content = written(SOUND).getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in ("archive/data.pkl", "archive/data/0", "archive/data/1"):
            start = content.index(archive.read(name))
            for i in range(start, start + archive.getinfo(name).file_size):
                spoiled = bytearray(content)
                spoiled[i] ^= 1 << i % 8
                with pytest.raises(LoadError, match="CRC"):
                    load(io.BytesIO(spoiled))


@settings(max_examples=150)
@given(st.data())
def test_spoiled_files_and_programs_raise_nothing_but_the_clear_error(data: st.DataObject) -> None:
    whole = written(SOUND).getvalue()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    spoil_program = data.draw(st.booleans())
    content = bytearray(members["archive/data.pkl"] if spoil_program else whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        patch = data.draw(st.binary(min_size=1, max_size=8))
        content[at : at + data.draw(st.sampled_from([len(patch), 0, 3]))] = patch
    file = packed(members | {"archive/data.pkl": bytes(content)}) if spoil_program else io.BytesIO(content)
    try:
        loaded = load(file)
    except LoadError as error:
        assert "the stream" in str(error)
    else:  # what was spoiled means nothing, or is another program, such as one with another key
        assert spoil_program or loaded["w"].tolist() == [[0, 1, 2], [3, 4, 5]]


trees = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3) | st.tuples(items, items),
    max_leaves=8,
)


@given(trees)
@pytest.mark.parametrize("protocol", [2, 5])
def test_any_tree_of_plain_values_is_read_as_pickle_reads_it(protocol: int, tree: Any) -> None:
    file = packed({"x/data.pkl": pickle.dumps(tree, protocol)})
    assert load(file) == tree
