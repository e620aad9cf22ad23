"""`DataLoader`: PyTorch's batches, lengths and errors; repeatable; nothing left behind; nothing copied per sample."""

from __future__ import annotations

import gc
import itertools
import threading
import time
import tracemalloc
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Rows,
    SequentialSampler,
    TensorDataset,
    default_collate,
    default_convert,
)


class Squares(Dataset[Any]):
    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> Any:
        return {"x": np.full(2, index, np.float32), "y": index**2, "name": f"n{index}"}


class Stream(IterableDataset[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))

    def __len__(self) -> int:
        return self.n


def plain(value: Any) -> Any:
    """What a batch holds, without tensors: types of containers, dtypes and values."""
    if hasattr(value, "numpy"):
        array = value.numpy()
        return (str(array.dtype), array.tolist())
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if hasattr(value, "_fields"):
        return type(value)(*map(plain, value))
    return type(value)(map(plain, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize(("size", "drop", "workers"), [*itertools.product([1, 3, 7, 9], [False, True], [0, 2])])
def test_unshuffled_batches_are_torchs(size: int, drop: bool, workers: int) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    ours = DataLoader[Any](Squares(), batch_size=size, drop_last=drop, num_workers=workers)
    theirs = torch_data.DataLoader(Squares(), batch_size=size, drop_last=drop)
    assert list(map(plain, ours)) == list(map(plain, theirs)) and len(ours) == len(theirs)


@pytest.mark.parametrize(("size", "drop"), [*itertools.product([1, 3, 7, 9, None], [False, True])])
def test_streams_are_torchs(size: int | None, drop: bool) -> None:
    torch_data = pytest.importorskip("torch.utils.data")

    class Theirs(torch_data.IterableDataset):  # type: ignore[name-defined, misc]
        __iter__, __len__ = Stream.__iter__, Stream.__len__
        n = 7

    if size is None and drop:
        return
    ours = DataLoader[Any](Stream(7), batch_size=size, drop_last=drop)
    theirs = torch_data.DataLoader(Theirs(), batch_size=size, drop_last=drop)
    assert list(map(plain, ours)) == list(map(plain, theirs)) and len(ours) == len(theirs)


class Point(NamedTuple):
    x: Any
    y: Any


SAMPLES: list[Any] = [
    [1, 2],
    [True, False],
    [0.5, 1.5],
    ["a", "b"],
    [b"a", b"b"],
    [(1, 2.0), (3, 4.0)],
    [[1, "a"], [2, "b"]],
    [{"a": 1, "b": (2, "x")}, {"a": 3, "b": (4, "y")}],
    [Point(1, 2.0), Point(3, 4.0)],
    [np.float32(1), np.float32(2)],
    [np.float64(1), np.float64(2)],
    [np.int8(1), np.int8(2)],
    [np.ones((2, 3)), np.zeros((2, 3))],
    [np.array(1.0), np.array(2.0)],
    [OrderedDict(z=1, a=2), OrderedDict(z=3, a=4)],
    [defaultdict(int, a=1), defaultdict(int, a=2)],
    [range(3), range(3, 6)],
]


@pytest.mark.parametrize("samples", SAMPLES, ids=lambda s: type(s[0]).__name__ + str(s[0])[:12])
def test_collate_is_torchs(samples: Any) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    ours, theirs = default_collate(samples), torch_data.default_collate(samples)
    assert plain(ours) == plain(theirs) and type(ours).__name__ == type(theirs).__name__
    for sample in samples:
        assert plain(default_convert(sample)) == plain(torch_data.default_convert(sample))


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([None, None], TypeError, "found <class 'NoneType'>"),
        ([object(), object()], TypeError, "found <class 'object'>"),
        ([np.array(["a"]), np.array(["b"])], TypeError, "str|<U1"),
        ([(1, 2), (1,)], RuntimeError, "equal size"),
        ([am.zeros(2), am.zeros(3)], RuntimeError, r"got \(2,\) at entry 0 and \(3,\) at entry 1"),
    ],
)
def test_what_cannot_be_collated(samples: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        default_collate(samples)


def test_tensors_are_stacked_with_their_gradients() -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True)
    default_collate([w * 2, w * 3]).sum().backward()
    assert w.grad is not None and w.grad.tolist() == [5, 5]


def test_rows_are_not_taken_apart() -> None:
    x = am.ones(3, 2)
    assert default_collate(Rows(x))[0] is x
    seen = DataLoader[Any](TensorDataset(x), batch_size=2, collate_fn=lambda samples: [tuple(s) for s in samples])
    assert [len(batch) for batch in seen] == [2, 1]


def digits(n: int = 600) -> TensorDataset:
    return TensorDataset(am.arange(n * 4).float().reshape(n, 4), am.arange(n))


def order(loader: DataLoader[Any]) -> list[int]:
    return [i for _, y in loader for i in y.tolist()]


@pytest.mark.parametrize("workers", [0, 3])
def test_shuffling(workers: int) -> None:
    def loader(seed: int) -> DataLoader[Any]:
        generator = am.Generator().manual_seed(seed)
        return DataLoader(digits(), 32, shuffle=True, generator=generator, num_workers=workers)

    same = loader(1)
    first, second = order(same), order(same)
    assert sorted(first) == sorted(second) == list(range(600)) and first != second
    assert order(loader(1)) == first and order(loader(2)) != first
    for x, y in same:
        assert (x[:, 0] == y * 4).all()


def test_manual_seed_fixes_the_order() -> None:
    runs = []
    for _ in range(2):
        am.manual_seed(5)
        runs.append(order(DataLoader(digits(), 32, shuffle=True)))
    assert runs[0] == runs[1]


def test_two_passes_at_once_do_not_disturb_each_other() -> None:
    loader = DataLoader[Any](digits(40), 10)
    assert [(a[1][0].item(), b[1][0].item()) for a in loader for b in loader][:5] == [
        (0, 0),
        (0, 10),
        (0, 20),
        (0, 30),
        (10, 0),
    ]


def test_samplers_of_the_users_own() -> None:
    data = digits(10)
    assert order(DataLoader(data, 2, sampler=[3, 1, 2])) == [3, 1, 2]
    assert [y.tolist() for _, y in DataLoader(data, batch_sampler=[[5], [1, 2]])] == [[5], [1, 2]]
    assert [y.item() for _, y in DataLoader(data, batch_size=None, sampler=[4, 2])] == [4, 2]
    assert len(DataLoader(data, 2, sampler=[3, 1, 2])) == 2
    assert len(DataLoader(data, batch_sampler=[[5], [1, 2]])) == 2
    assert len(DataLoader(data, batch_size=None)) == 10
    assert order(DataLoader(data, batch_size=3, sampler=SequentialSampler(data))) == list(range(10))


CASES: list[tuple[dict[str, Any], str]] = [
    (dict(batch_size=0), "batch_size should be a positive integer value"),
    (dict(num_workers=-1), "num_workers option should be non-negative"),
    (dict(timeout=-1), "timeout option should be non-negative"),
    (dict(prefetch_factor=2), "prefetch_factor option could only be specified"),
    (dict(persistent_workers=True), "persistent_workers option needs num_workers > 0"),
    (dict(shuffle=True, sampler=[0]), "sampler option is mutually exclusive with shuffle"),
    (dict(batch_sampler=[[0]], batch_size=2), "batch_sampler option is mutually exclusive"),
    (dict(batch_sampler=[[0]], shuffle=True), "batch_sampler option is mutually exclusive"),
    (dict(batch_sampler=[[0]], drop_last=True), "batch_sampler option is mutually exclusive"),
    (dict(batch_sampler=[[0]], sampler=[0]), "batch_sampler option is mutually exclusive"),
    (dict(batch_size=None, drop_last=True), "batch_size=None option disables auto-batching"),
    (dict(drop_last=1), "drop_last should be a boolean value"),
]
STREAM_CASES: list[tuple[dict[str, Any], str]] = [
    (dict(shuffle=True), "expected unspecified shuffle option, but got shuffle=True"),
    (dict(sampler=[0]), "expected unspecified sampler option"),
    (dict(batch_sampler=[[0]]), "expected unspecified batch_sampler option"),
]


@pytest.mark.parametrize("options", CASES + STREAM_CASES, ids=lambda o: str(o))
def test_wrong_options_are_torchs_errors(options: tuple[dict[str, Any], str]) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    arguments, message = options

    class Theirs(torch_data.IterableDataset):  # type: ignore[name-defined, misc]
        __iter__ = Stream.__iter__

    ours, theirs = (digits(), digits()) if options in CASES else (Stream(3), Theirs())
    with pytest.raises(ValueError, match=message):
        DataLoader[Any](ours, **arguments)
    with pytest.raises(ValueError, match=message):
        torch_data.DataLoader(theirs, **arguments)


def test_what_is_not_offered_says_so() -> None:
    for arguments in (dict(persistent_workers=True), dict(multiprocessing_context="fork")):
        with pytest.raises(NotImplementedError, match="workers are threads"):
            DataLoader[Any](digits(), num_workers=1, **arguments)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="num_workers=0"):
        DataLoader[Any](Stream(3), num_workers=1)
    with pytest.warns(UserWarning, match="pin_memory"):
        DataLoader[Any](digits(), pin_memory=True)
    with pytest.raises(ValueError, match="timeout option could only be specified with workers"):
        DataLoader[Any](digits(), timeout=1)
    with pytest.raises(TypeError, match=r"generator must be an autograd_mini\.Generator, not Generator\(PCG64"):
        DataLoader[Any](digits(), shuffle=True, generator=np.random.default_rng(0))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_samples=0"):
        DataLoader[Any]([], shuffle=True)
    loader = DataLoader[Any](digits())
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 3


def test_an_abandoned_pass_leaves_no_thread_and_no_memory() -> None:
    before = set(threading.enumerate())
    loader = DataLoader[Any](digits(), 16, shuffle=True, num_workers=2)
    for _ in range(3):
        next(iter(loader))
    unfinished = iter(loader)
    next(unfinished)
    assert len(set(threading.enumerate()) - before) == 2
    del unfinished
    gc.collect()
    assert set(threading.enumerate()) == before


def test_an_error_in_a_worker_is_the_error_itself() -> None:
    class Broken(Squares):
        def __getitem__(self, index: int) -> Any:
            if index == 4:
                raise KeyError("sample 4 is missing")
            return index

    before = set(threading.enumerate())
    loader = DataLoader[Any](Broken(), 2, num_workers=2)
    with pytest.raises(KeyError, match="sample 4 is missing"):
        list(loader)
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("broken", [0, 1])
def test_an_error_in_worker_init_fn_is_the_error_itself(broken: int) -> None:
    raised, before = threading.Event(), set(threading.enumerate())

    def refuse(number: int) -> None:
        if number == broken:
            raised.set()
            raise ValueError(f"worker {number} has no camera")

    class Waiting(Squares):
        def __getitem__(self, index: int) -> Any:
            assert raised.wait(30)  # so that both workers start
            return index

    with pytest.raises(ValueError, match=f"worker {broken} has no camera"):
        list(DataLoader[Any](Waiting(), num_workers=2, worker_init_fn=refuse))
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stop_iteration_of_the_data_does_not_end_the_pass(workers: int) -> None:
    class Exhausted(Squares):
        def __getitem__(self, index: int) -> Any:
            return next(iter(()))

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader[Any](Exhausted(), num_workers=workers))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader[Any](Stream(3), collate_fn=lambda batch: next(iter(()))))


def test_a_worker_that_hangs_is_reported() -> None:
    release, released, before = threading.Event(), list[bool](), set(threading.enumerate())

    class Hanging(Squares):
        def __getitem__(self, index: int) -> Any:
            released.append(release.wait(30))
            return index

    loader = DataLoader[Any](Hanging(), num_workers=1, timeout=0.05)
    with pytest.raises(RuntimeError, match=r"timed out after 0\.05 seconds"):
        next(iter(loader))
    release.set()
    for thread in set(threading.enumerate()) - before:
        thread.join()
    assert released == [True]  # the error did not wait for the worker


def test_workers_work_ahead_start_with_their_number_and_see_no_grad() -> None:
    started: list[int] = []
    fetched: list[int] = []

    class Watched(Squares):
        def __getitem__(self, index: int) -> Any:
            fetched.append(index)
            return int(am.is_grad_enabled())

    loader = DataLoader[Any](Watched(), num_workers=1, prefetch_factor=3, worker_init_fn=started.append)
    with am.no_grad():
        batches = iter(loader)
        assert next(batches).tolist() == [0]
    deadline = time.monotonic() + 10
    while len(fetched) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert fetched == [0, 1, 2] and started == [0]


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_is_left_from_epoch_to_epoch(workers: int) -> None:
    loader = DataLoader[Any](digits(2000), 50, shuffle=True, num_workers=workers)

    def epoch() -> int:
        for _ in loader:
            pass
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        sizes = [epoch() for _ in range(6)]
    finally:
        tracemalloc.stop()
    assert max(sizes[2:]) - sizes[1] < 2_000, sizes
