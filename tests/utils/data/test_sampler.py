"""Samplers: every sample once, by weight, in batches; PyTorch's errors."""

from __future__ import annotations

import itertools

import pytest

import autograd_mini as am
from autograd_mini.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)


def seeded(seed: int = 0) -> am.Generator:
    return am.Generator().manual_seed(seed)


def test_sequential() -> None:
    assert list(SequentialSampler("abc")) == [0, 1, 2] and len(SequentialSampler("abc")) == 3


def test_random_takes_each_once_and_a_new_order_each_pass() -> None:
    sampler = RandomSampler(range(50), generator=seeded())
    first, second = list(sampler), list(sampler)
    assert sorted(first) == sorted(second) == list(range(50)) and first != second
    assert list(RandomSampler(range(50), generator=seeded())) == first
    assert all(type(i) is int for i in first)


def test_the_default_generator_is_the_one_that_manual_seed_seeds() -> None:
    am.manual_seed(3)
    first = list(RandomSampler(range(50)))
    am.manual_seed(3)
    assert list(RandomSampler(range(50))) == first


@pytest.mark.parametrize("draws", [1, 9, 10, 25, 30])
def test_more_draws_than_samples_go_round_again(draws: int) -> None:
    sampler = RandomSampler(range(10), num_samples=draws, generator=seeded())
    drawn = list(sampler)
    assert len(drawn) == len(sampler) == draws
    for start in range(0, draws, 10):
        assert len(set(drawn[start : start + 10])) == len(drawn[start : start + 10])


def test_replacement_repeats() -> None:
    drawn = list(RandomSampler(range(100), replacement=True, num_samples=250, generator=seeded()))
    assert len(drawn) == 250 and len(set(drawn[:100])) < 90 and set(drawn) <= set(range(100))


def test_weights() -> None:
    drawn = list(WeightedRandomSampler([0.0, 3.0, 1.0], 4000, generator=seeded()))
    assert drawn.count(0) == 0 and 0.72 < drawn.count(1) / 4000 < 0.78
    once = WeightedRandomSampler([0.0, 3.0, 1.0], 2, replacement=False, generator=seeded())
    assert sorted(once) == [1, 2] and len(once) == 2


@pytest.mark.parametrize(("n", "size", "drop"), [*itertools.product([0, 1, 6, 7], [1, 3, 7, 10], [False, True])])
def test_batches_are_torchs(n: int, size: int, drop: bool) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    ours, theirs = BatchSampler(range(n), size, drop), torch_data.BatchSampler(range(n), size, drop)
    assert list(ours) == list(theirs) and len(ours) == len(theirs)


@pytest.mark.parametrize("value", [0, -1, True, 2.0, None])
def test_counts_must_be_positive_integers(value: object) -> None:
    with pytest.raises(ValueError, match="batch_size should be a positive integer value"):
        BatchSampler(range(3), value, False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="num_samples should be a positive integer value"):
        WeightedRandomSampler([1.0], value)  # type: ignore[arg-type]


def test_other_errors() -> None:
    with pytest.raises(ValueError, match="num_samples should be a positive integer value, but got num_samples=0"):
        RandomSampler([])
    with pytest.raises(TypeError, match="replacement should be a boolean value"):
        RandomSampler([1], replacement=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="drop_last should be a boolean value"):
        BatchSampler([1], 1, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weights should be a 1d sequence"):
        WeightedRandomSampler([[1.0]], 1)
    with pytest.raises(NotImplementedError, match="__iter__"):
        iter(Sampler())
