"""Data sets: samples by number, or as a stream; parts and sums of them."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ...creation import Generator, as_tensor, randperm
from ...tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by number: define `__getitem__(index)` and `__len__()`.

    A data set that can fetch many samples at once may define `__getitems__(indices)` too, which returns them as a
    sequence, or, where they lie together already, as `Rows`, which no one takes apart again to make a batch.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of samples, endless if it likes: define `__iter__()`."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")


class Rows(Sequence[Any]):
    """Samples whose parts lie together: `Rows(x, y)[i]` is `(x[i], y[i])`. `default_collate` takes x and y as they are.

    >>> import autograd_mini as am
    >>> rows = Rows(am.tensor([[1, 2], [3, 4]]), am.tensor([0, 1]))
    >>> len(rows), rows[1]
    (2, (tensor([3, 4]), tensor(1)))
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(as_tensor(t) for t in tensors)

    def __getitem__(self, index: Any) -> Any:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is `(tensors[0][i], tensors[1][i], …)`: tensors (or arrays) of the same first length n.

    A batch is one gather per tensor. A batch of neighbours, as they come unshuffled, is not even copied: it is a
    read-only view, so that nobody changes the data through it. Raises AssertionError where the lengths differ.
    """

    def __init__(self, *tensors: Any) -> None:
        self.tensors = tuple(as_tensor(t) for t in tensors)
        if len({t.shape[:1] for t in self.tensors}) != 1 or not self.tensors[0].ndim:
            shapes = ", ".join(str(t.shape) for t in self.tensors) or "no tensors"
            raise AssertionError(f"Size mismatch between tensors: the first lengths of {shapes} must be the same")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        first, count = (indices[0], len(indices)) if indices else (0, 0)
        if first >= 0 and first + count <= len(self) and list(indices) == list(range(first, first + count)):
            return Rows(*(_view(t, slice(first, first + count)) for t in self.tensors))
        chosen = np.asarray(indices, np.intp)
        return Rows(*(t[chosen] for t in self.tensors))

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


def _view(tensor: Tensor, where: slice) -> Tensor:
    view: Tensor = tensor[where]
    view._array.flags.writeable = False
    return view


class Subset(Dataset[T_co]):
    """The samples of `dataset` with these numbers, in this order."""

    def __init__(self, dataset: Dataset[T_co], indices: Any) -> None:
        self.dataset = dataset
        self.indices: Sequence[int] = indices.tolist() if hasattr(indices, "tolist") else indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[T_co]:
        return fetch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def fetch(dataset: Any, indices: Sequence[int]) -> Sequence[Any]:
    """The samples with these numbers; all at once if the data set can."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)  # type: ignore[no-any-return]
    return [dataset[i] for i in indices]


class ConcatDataset(Dataset[T_co]):
    """The samples of several data sets, one after the other; `a + b` means the same."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __getitem__(self, index: int) -> T_co:
        if index < -len(self):
            raise ValueError("absolute value of index should not exceed dataset length")
        if index >= len(self):
            raise IndexError(f"index {index} is out of range: there are {len(self)} samples")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Parts of these lengths, of samples drawn without replacement; lengths are counts, or fractions that sum to 1.

    What fractions leave over by rounding goes to the parts in turn. Raises ValueError where counts do not sum to
    the length of the data set, or a fraction is outside [0, 1].

    >>> train, test = random_split(TensorDataset(np.arange(10)), [0.8, 0.2])
    >>> len(train), len(test)
    (8, 2)
    """
    n = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1):
        for i, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {i} is not between 0 and 1: {fraction}")
        counts = [math.floor(n * fraction) for fraction in lengths]
        for i in range(n - sum(counts)):
            counts[i % len(counts)] += 1
        for i in (i for i, count in enumerate(counts) if not count):
            warnings.warn(f"Length of split at index {i} is 0: an empty dataset", stacklevel=2)
    else:
        if odd := [c for c in lengths if not isinstance(c, (int, np.integer))]:
            raise TypeError(f"lengths must be counts of samples, or fractions that sum to 1, but one is {odd[0]}")
        if min(lengths, default=0) < 0:
            raise ValueError(f"lengths must not be negative, but are {list(lengths)}")
        counts = [int(count) for count in lengths]
    if sum(counts) != n:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! {counts} for {n} samples"
        )
    order = randperm(n, generator=generator).tolist()
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for count, end in zip(counts, ends, strict=True)]
