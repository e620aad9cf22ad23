"""`DataLoader`: samples into batches, in this thread or a few ahead in others."""

from __future__ import annotations

import concurrent.futures
import contextvars
import copy
import itertools
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ...creation import Generator, as_tensor, default_generator, tensor
from ...engine import wrap
from ...rules.joining import stack
from ...tensor import Tensor
from .dataset import IterableDataset, Rows, fetch
from .sampler import BatchSampler, RandomSampler, SequentialSampler, batched, count_batches

T = TypeVar("T")


class DataLoader(Generic[T]):
    """Batches of a data set, as often as it is iterated over; PyTorch's arguments and defaults.

    shuffle: a new order for each pass, from `generator` or the default one that `manual_seed` seeds.
    sampler, batch_sampler: another order, or other batches, instead. batch_size=None: single samples, not batched.
    collate_fn: makes a batch of a sequence of samples (default: `default_collate`). drop_last: whole batches only.
    num_workers: threads, not processes, which prepare `prefetch_factor` (2) batches each ahead, in the same order;
    worth it where samples come from files. `timeout`: seconds to wait for one of their batches.
    worker_init_fn: called in each thread with its number, at the start of each pass.
    `state_dict` and `load_state_dict` (as in torchdata's StatefulDataLoader) go on in the middle of a pass.

    >>> from autograd_mini.utils.data import TensorDataset
    >>> loader = DataLoader(TensorDataset(np.eye(5)), batch_size=2)
    >>> len(loader), [x.shape for (x,) in loader]
    (3, [(2, 5), (2, 5), (1, 5)])
    """

    def __init__(
        self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None, batch_sampler: Iterable[Sequence[Any]] | None = None,
        num_workers: int = 0, collate_fn: Callable[[Any], Any] | None = None, pin_memory: bool = False,
        drop_last: bool = False, timeout: float = 0, worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None, generator: Generator | None = None, *,
        prefetch_factor: int | None = None, persistent_workers: bool = False
    ) -> None:
        streams = isinstance(dataset, IterableDataset)
        if not streams and not hasattr(dataset, "__getitem__"):
            raise TypeError(f"DataLoader: expected a data set, which has __getitem__, not {type(dataset).__name__}")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(f"DataLoader: generator must be an autograd_mini.Generator, not {generator!r:.40}")
        _check_batching(streams, batch_size, shuffle, sampler, batch_sampler, drop_last)
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if streams and num_workers:
            raise NotImplementedError("an IterableDataset is read in this thread: use num_workers=0")
        if persistent_workers or multiprocessing_context is not None:
            advice = "leave out persistent_workers and multiprocessing_context"
            raise NotImplementedError(f"workers are threads that start anew for each pass: {advice}")
        if pin_memory:
            warnings.warn("pin_memory=True has no effect: there is no accelerator to copy to", stacklevel=2)
        if sampler is None and not streams:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(() if sampler is None else sampler, batch_size, drop_last)
        self.dataset, self.batch_size, self.drop_last, self.generator = dataset, batch_size, drop_last, generator
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self.num_workers, self.timeout, self.worker_init_fn = num_workers, timeout, worker_init_fn
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self._place, self._loaded = dict(_START), False
        self.collate_fn = collate_fn or (default_convert if batch_sampler is None else default_collate)

    def __iter__(self) -> Iterator[T]:
        place, self._loaded = self._place if self._loaded else _START, False
        return self._pass(place)

    def _pass(self, place: Mapping[str, Any]) -> Iterator[T]:
        """The batches from a place on, which is kept up to date."""
        generator, done = self._generator(), place["batches"]
        now: Any = None if generator is None else generator.get_state()
        start = now if place["generator"] is None else place["generator"]
        self._place = {"batches": done, "generator": start}
        if generator is not None and done:  # draw the same order again, then go on drawing where we are
            generator.set_state(start)
            batches = self._batches(done)
            generator.set_state(now)
        else:
            batches = self._batches(done)
        for batch in batches:
            self._place["batches"] += 1
            yield batch
        self._place = dict(_START)

    def _batches(self, done: int) -> Iterator[T]:
        if isinstance(self.dataset, IterableDataset):
            size = self.batch_size
            samples = iter(self.dataset if size is None else batched(self.dataset, size, self.drop_last))
            _skip(samples, done)
            return (self.collate_fn(sample) for sample in samples)  # map would take a StopIteration for the end
        requests = iter(self._requests())
        _skip(requests, done)
        return self._ahead(requests) if self.num_workers else (self._fetch(request) for request in requests)

    def _generator(self) -> Generator | None:
        """What the order is drawn from; None if there is nothing to draw."""
        source: Any = self._requests()
        while hasattr(source, "sampler"):  # a BatchSampler's own
            source = source.sampler
        if isinstance(source, SequentialSampler):
            return None
        return getattr(source, "generator", None) or default_generator

    def _own_generator(self) -> Generator | None:
        return None if (generator := self._generator()) is default_generator else generator

    def state_dict(self) -> dict[str, Any]:
        """The place in the present (or last) pass, which the next one starts from after `load_state_dict`.

        A generator of the loader's, or sampler's, own is part of it; save it with the state of the default one
        (`get_rng_state`), from which orders, dropout and so on are drawn. The samples before the place are not fetched
        again; only a stream has to be read up to it. A sampler of your own must give the same order again, from the
        same state of its `generator`, if it has one.

        >>> from autograd_mini.utils.data import TensorDataset
        >>> loader = DataLoader(TensorDataset(np.arange(6)), batch_size=2)
        >>> next(iter(loader)), loader.state_dict()
        ([tensor([0, 1])], {'batches': 1, 'generator': None, 'own_generator': None})
        >>> loader.load_state_dict({"batches": 1, "generator": None, "own_generator": None})
        >>> list(loader)
        [[tensor([2, 3])], [tensor([4, 5])]]
        """
        own = self._own_generator()
        return {**self._place, "own_generator": None if own is None else own.get_state()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Let the next pass start from this place: from behind the batches that it counts."""
        if state_dict.keys() != {*_START, "own_generator"}:
            raise ValueError(f"expected the state_dict() of a DataLoader, but got a dict of {list(state_dict)!r:.80}")
        own, saved = self._own_generator(), state_dict["own_generator"]
        if (own is None) != (saved is None):
            raise ValueError(f"the state is of a DataLoader with{'out' * (saved is None)} a generator of its own")
        if own is not None:
            own.set_state(saved)
        self._place, self._loaded = {name: state_dict[name] for name in _START}, True

    def __len__(self) -> int:
        if isinstance(self.dataset, IterableDataset):
            n = len(self.dataset)  # type: ignore[arg-type]
            return n if self.batch_size is None else count_batches(n, self.batch_size, self.drop_last)
        return len(self._requests())  # type: ignore[arg-type]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset") and hasattr(self, "collate_fn"):
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        super().__setattr__(name, value)

    def _requests(self) -> Iterable[Any]:
        return self.batch_sampler if self.batch_sampler is not None else self.sampler or ()

    def _fetch(self, request: Any) -> T:
        samples = self.dataset[request] if self.batch_sampler is None else fetch(self.dataset, request)
        return self.collate_fn(samples)  # type: ignore[no-any-return]

    def _ahead(self, requests: Iterator[Any]) -> Iterator[T]:
        """The same batches from threads; however the pass ends, none of them outlives it."""
        numbers, failures = itertools.count(), list[BaseException]()

        def start() -> None:
            try:
                if self.worker_init_fn is not None:
                    self.worker_init_fn(next(numbers))
            except BaseException as error:  # the pool would log it, and perhaps go on without this thread
                failures.append(error)

        pool = concurrent.futures.ThreadPoolExecutor(self.num_workers, initializer=start)
        pending: deque[concurrent.futures.Future[T]] = deque()
        patient = True
        try:
            while True:
                for request in itertools.islice(requests, self.num_workers * self.prefetch_factor - len(pending)):  # type: ignore[operator]
                    pending.append(pool.submit(contextvars.copy_context().run, self._fetch, request))
                if failures or not pending:
                    break
                patient = bool(concurrent.futures.wait([pending[0]], self.timeout or None).done)
                if not patient:
                    raise RuntimeError(f"DataLoader timed out after {self.timeout} seconds")
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=patient, cancel_futures=True)
        if failures:
            raise failures[0]


_START: Mapping[str, Any] = {"batches": 0, "generator": None}


def _check_batching(
    streams: bool, batch_size: int | None, shuffle: bool | None, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    """Raise ValueError where options contradict each other, or the data set."""
    unspecified = "DataLoader with IterableDataset: expected unspecified {0} option, but got {0}={1}"
    _refuse(
        (streams and shuffle, unspecified.format("shuffle", shuffle)),
        (streams and sampler is not None, unspecified.format("sampler", sampler)),
        (streams and batch_sampler is not None, unspecified.format("batch_sampler", batch_sampler)),
        (sampler is not None and shuffle, "sampler option is mutually exclusive with shuffle"),
        (batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last),
         "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"),
        (batch_size is None and drop_last,
         "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"),
    )  # fmt: skip


def _check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    _refuse(
        (num_workers < 0, "num_workers option should be non-negative; use num_workers=0 to load in this thread."),
        (timeout < 0, "timeout option should be non-negative"),
        (timeout and not num_workers, "timeout option could only be specified with workers, it waits for them"),
        (prefetch_factor and not num_workers, "prefetch_factor option could only be specified with workers"),
        (prefetch_factor is not None and prefetch_factor < 1, "prefetch_factor option should be positive"),
        (persistent_workers and not num_workers, "persistent_workers option needs num_workers > 0"),
    )


def _refuse(*cases: tuple[Any, str]) -> None:
    for wrong, reason in cases:
        if wrong:
            raise ValueError(reason)


def _skip(items: Iterator[Any], count: int) -> None:
    next(itertools.islice(items, count, count), None)


def default_convert(data: Any) -> Any:
    """Arrays, wherever they stand in `data`, as tensors; all else as it is.

    >>> default_convert({"x": np.ones(2), "name": "a"})
    {'x': tensor([1., 1.], dtype=float64), 'name': 'a'}
    """
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind in "fiub":
        return as_tensor(data)
    return _rebuilt(data, default_convert) if _is_container(data) else data


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch of a sequence of samples: whatever stands at the same place in all of them is stacked.

    Tensors, arrays and numbers become tensors (Python floats float64, integers int64), tuples lists; strings stay.
    Raises TypeError for other types, RuntimeError where samples differ in length or shape.

    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    if isinstance(batch, Rows):
        return list(batch.tensors)
    if not len(batch):
        raise ValueError("default_collate: the batch is empty")
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        return _stacked([as_tensor(item) for item in batch])
    if isinstance(first, np.generic) and first.dtype.kind in "fiub":
        return tensor(np.array(batch))
    if isinstance(first, (int, float)):
        return tensor(batch, dtype=np.float64 if isinstance(first, float) else None)
    if isinstance(first, (str, bytes)):
        return batch
    if not _is_container(first):
        raise TypeError(
            f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
        )
    if isinstance(first, Mapping):
        return _rebuilt(first, default_collate, {key: [item[key] for item in batch] for key in first})
    if any(len(item) != len(first) for item in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    return _rebuilt(first, default_collate, list(zip(*batch, strict=True)))


def _stacked(tensors: list[Tensor]) -> Tensor:
    for i, other in enumerate(tensors):
        if other.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {tensors[0].shape} at entry 0"
                f" and {other.shape} at entry {i}: pad them in a collate_fn of your own"
            )
    if any(t.requires_grad for t in tensors):
        return stack(tensors)  # type: ignore[no-any-return]
    return wrap(np.stack([t._array for t in tensors]))


def _is_container(data: Any) -> bool:
    return isinstance(data, (Mapping, Sequence)) and not isinstance(data, (str, bytes))


def _rebuilt(like: Any, function: Callable[[Any], Any], parts: Any = None) -> Any:
    """A container like `like` of `function(part)`; a list for a tuple that has no names."""
    parts = like if parts is None else parts
    if isinstance(like, MutableMapping):  # a defaultdict keeps its default
        made: Any = copy.copy(like)
        made.update({key: function(parts[key]) for key in parts})
        return made
    if isinstance(like, Mapping):
        made = {key: function(parts[key]) for key in parts}
    elif hasattr(like, "_fields"):
        return type(like)(*map(function, parts))
    else:
        made = list(map(function, parts))
    return made if isinstance(like, (tuple, range)) else type(like)(made)
