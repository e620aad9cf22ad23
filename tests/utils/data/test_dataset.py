"""Data sets by number: one gather per tensor, views where nothing moves, parts that cover the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Rows,
    Subset,
    TensorDataset,
    random_split,
)


class Counting(Dataset[int]):
    """Squares, counting how samples are asked for."""

    def __init__(self, n: int) -> None:
        self.n, self.single = n, 0

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> int:
        self.single += 1
        return index**2


class Batched(Counting):
    together = 0

    def __getitems__(self, indices: Sequence[int]) -> Any:
        self.together += 1
        return Rows(np.asarray(indices) ** 2)


def pairs(n: int = 10) -> TensorDataset:
    return TensorDataset(am.arange(2 * n).float().reshape(n, 2), am.arange(n))


def test_a_sample_is_a_tuple_of_rows() -> None:
    x, y = pairs()[3]
    assert x.tolist() == [6, 7] and y.item() == 3
    assert len(pairs()) == 10 and pairs()[-1][1].item() == 9
    with pytest.raises(IndexError):
        pairs()[10]


@pytest.mark.parametrize(
    "tensors", [(am.zeros(3), am.zeros(4)), (), (am.tensor(1.0),)], ids=["lengths", "none", "no first axis"]
)
def test_lengths_must_agree(tensors: tuple[am.Tensor, ...]) -> None:
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(*tensors)


def test_neighbours_are_a_read_only_view_and_others_a_copy() -> None:
    data = pairs()
    whole = data.tensors[0].numpy()
    view = data.__getitems__([2, 3, 4]).tensors[0]
    assert np.shares_memory(view.numpy(), whole) and view.tolist() == whole[2:5].tolist()
    with pytest.raises(RuntimeError, match="read-only"):
        view.add_(1)
    copy = data.__getitems__([2, 4, 3]).tensors[0]
    assert not np.shares_memory(copy.numpy(), whole) and copy.tolist() == whole[[2, 4, 3]].tolist()
    copy.add_(1)
    assert whole.tolist() == pairs().tensors[0].tolist()


@pytest.mark.parametrize("indices", [[-2, -1], [-1, 0, 1], [], [5], [0, 0, 1], [9, 8]])
def test_a_batch_is_what_single_samples_are(indices: list[int]) -> None:
    data = pairs()
    batch = data.__getitems__(indices)
    assert len(batch) == len(indices)
    for i, index in enumerate(indices):
        assert [t.tolist() for t in batch[i]] == [t.tolist() for t in data[index]]


def test_neighbours_beyond_the_end_are_an_error() -> None:
    with pytest.raises(IndexError):
        pairs().__getitems__([8, 9, 10])


def test_gradients_flow_through_a_batch_of_either_kind() -> None:
    w = am.ones(4, 2, requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(w), batch_sampler=[[0, 1], [3, 0]]):
        batch.sum().backward()
    assert w.grad is not None and w.grad[:, 0].tolist() == [2, 1, 0, 1]


def test_who_can_fetch_many_is_asked_once_per_batch() -> None:
    for data in (Batched(10), Subset(batched := Batched(20), range(10)), Subset(Subset(batched, range(15)), range(10))):
        batched.together = 0
        out = [i for (x,) in DataLoader(data, batch_size=4) for i in x.tolist()]
        assert out == [i * i for i in range(10)]
        source = data if isinstance(data, Batched) else batched
        assert (source.together, source.single) == (3, 0)


def test_who_cannot_is_asked_for_each() -> None:
    data = Counting(10)
    out = [x.tolist() for x in DataLoader(Subset(data, [1, 3, 5]), batch_size=2)]
    assert out == [[1, 9], [25]] and data.single == 3


def test_subset_takes_numbers_from_a_tensor() -> None:
    part = Subset(Counting(10), am.tensor([4, 2]))
    assert [part[i] for i in range(2)] == [16, 4] and len(part) == 2
    assert Subset(pairs(), [4, 2, 9])[[0, 2]][1].tolist() == [4, 9]


def test_concatenation() -> None:
    both = Counting(3) + Counting(4)
    assert isinstance(both, ConcatDataset) and both.cumulative_sizes == [3, 7]
    assert [both[i] for i in range(-7, 7)] == [0, 1, 4, 0, 1, 4, 9] * 2
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        both[-8]
    with pytest.raises(IndexError, match="out of range"):
        both[7]
    with pytest.raises(AssertionError, match="empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([IterableDataset()])
    assert list(both) == [0, 1, 4, 0, 1, 4, 9]


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [([7, 3], [7, 3]), ([0.7, 0.3], [7, 3]), ([0.33, 0.33, 0.34], [4, 3, 3]), ([1.0], [10])],
)
def test_a_split_covers_everything_once(lengths: list[float], expected: list[int]) -> None:
    parts = random_split(pairs(), lengths, generator=am.Generator().manual_seed(1))
    assert [len(p) for p in parts] == expected
    seen = [p[i][1].item() for p in parts for i in range(len(p))]
    assert sorted(seen) == list(range(10)) and seen != list(range(10))
    again = random_split(pairs(), lengths, generator=am.Generator().manual_seed(1))
    assert [p.indices for p in parts] == [p.indices for p in again]


def test_splits_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="Sum of input lengths does not equal the length"):
        random_split(pairs(), [7, 4])
    with pytest.raises(ValueError, match="Fraction at index 0 is not between 0 and 1"):
        random_split(pairs(), [1.5, -0.5])
    with pytest.raises(TypeError):
        random_split(pairs(), [7.5, 2.5])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        assert [len(p) for p in random_split(pairs(3), [0.9, 0.1])] == [3, 0]


def test_what_subclasses_must_define() -> None:
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(IterableDataset())
