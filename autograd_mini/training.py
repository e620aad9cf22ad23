"""`Trainer`: fit, evaluate and predict around the five lines that train a model; what happens is in its `History`.

The five lines stand in `Trainer._train`, and whoever wants another loop writes them in their own: all else here
(averages, progress, callbacks) only looks on.
"""

from __future__ import annotations  # noqa: I001 - names side by side

import contextlib
import itertools
import math
import operator
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .arrays import tensors_expected
from .creation import default_generator, tensor
from .distributed import DistributedDataParallel, all_reduce, get_rank, get_world_size
from .extras import optional
from .nn import Module
from .nn.utils import evaluating
from .rules.joining import cat
from .serialization import load, save
from .tensor import Tensor
from .utils.data import (
    DataLoader, Dataset, DistributedBatchSampler, IterableDataset, RandomSampler, SequentialSampler, TensorDataset
)

Metric = Callable[[Tensor, Tensor], Any]
Logs = dict[str, float]


@tensors_expected
def accuracy(output: Tensor, target: Tensor) -> float:
    """The fraction of samples whose highest score, output (..., C), is at their class, target (...), as a number.

    >>> import autograd_mini as am
    >>> accuracy(am.tensor([[0.1, 0.9], [0.8, 0.2]]), am.tensor([1, 1]))
    0.5
    """
    predicted = output._array.argmax(-1)
    if predicted.shape != target.shape:
        raise ValueError(f"scores of shape {output.shape} need classes of shape {predicted.shape}, not {target.shape}")
    return float(np.count_nonzero(predicted == target._array) / predicted.size)


class History(dict[str, list[float]]):
    """A list per figure, a number per epoch: {"loss": [0.26, 0.11], "accuracy": [0.92, 0.97], "val_loss": …}."""

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """The curves as a matplotlib Figure, saved under `path` if given. Needs `autograd_mini[plot]`."""
        from .plotting import plot_history

        return plot_history(self, path)


class Callback:
    """Told what happens in `fit`: override what you need. `trainer.stop_training = True` ends it after this epoch.

    One that remembers something (a learning-rate scheduler, say) gives it to checkpoints by `state_dict()`.
    """

    def on_train_begin(self, trainer: Trainer) -> None: ...

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None: ...

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None: ...

    def on_train_end(self, trainer: Trainer) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        vars(self).update(state_dict)


class Trainer:
    """Trains a model by a loss and an optimizer, and measures it.

    loss_fn(output, target): the mean loss of a batch. metrics: name to function of the same, such as
    `{"accuracy": accuracy}`; their means over all samples are reported, of validation data under "val_" and the name.

    If the model is a `DistributedDataParallel`, arrays and Datasets are shared out: each process takes a part of every
    batch, and steps and figures are those of one process. Process 0 alone prints and writes checkpoints.

    >>> import autograd_mini as am
    >>> from autograd_mini import nn, optim
    >>> x = am.tensor([[0.0], [1.0], [2.0], [3.0]])
    >>> model = nn.Linear(1, 1)
    >>> trainer = Trainer(model, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    >>> history = trainer.fit((x, 2 * x), epochs=100, batch_size=2, verbose=0)
    >>> round(trainer.predict(am.tensor([[5.0]])).item(), 1)
    10.0
    """

    def __init__(
        self, model: Module, loss_fn: Callable[[Tensor, Tensor], Tensor], optimizer: Any,
        metrics: Mapping[str, Metric] | None = None
    ) -> None:
        self.model, self.loss_fn, self.optimizer, self.metrics = model, loss_fn, optimizer, dict(metrics or {})
        if taken := [name for name in self.metrics if name == "loss" or name.startswith("val_")]:
            raise ValueError(f'a metric cannot be named {taken[0]!r}: "loss" and "val_..." are figures of their own')
        self.history, self.stop_training = History(), False
        self._epoch = self._batch = 0  # the place: in the epoch so many batches have been trained
        self._means = _Means(self.metrics)
        self._callbacks: Sequence[Callback] = ()
        self._batches: Any = None
        self._loaded: Mapping[str, Any] | None = None

    def fit(
        self, data: Any, epochs: int = 1, batch_size: int | None = None, validation: Any = None,
        callbacks: Sequence[Callback] = (), verbose: str | int = "auto",
        backup: str | os.PathLike[str] | None = None, backup_every: int | None = None
    ) -> History:
        """Train for so many epochs and return what was measured; fitting again goes on, with a new history.

        data, validation: arrays or tensors (X, y), or a Dataset of such pairs, taken in batches of batch_size (32),
        the first in a new random order each epoch; or any iterable of batches (x, y), such as a DataLoader.
        verbose, as in Keras: 0 silent, 1 a bar, 2 a line per epoch; "auto": a bar on a terminal if tqdm is there.
        backup: a file that gets all that the training depends on, after each epoch and each `backup_every` batches. If
        it is there already, `fit` goes on from it, to the same bits as if it had never stopped. It is gone at the end.
        """
        if not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise ValueError(f"epochs must be a whole number, at least 0, but got {epochs!r}")
        if backup_every is not None and (backup is None or backup_every < 1):
            raise ValueError(f"backup_every={backup_every} must be at least 1, and needs a file as backup")
        if backup is not None:
            self._check_alone()
        report = _Report(0 if self._rank else verbose)
        batches = _batches(data, batch_size, shuffle=True, shared=self._shares)
        size = batch_size if _is_data(validation) else None
        held_out = None if validation is None else _batches(validation, size, shared=self._shares)
        if backup is not None and os.path.exists(backup):
            self.load_state_dict(load(backup))
        self._begin(callbacks, batches)
        while self._epoch < epochs and not self.stop_training:
            epoch = self._epoch
            report.begin_epoch(epoch, epochs)
            _call(callbacks, "on_epoch_begin", self, epoch)
            for _ in self._train(batches, report):
                if backup_every is not None and self._batch % backup_every == 0:
                    self._save(backup)
            logs = self._means.logs(shared=self._shares)
            if held_out is not None:
                logs.update((f"val_{name}", value) for name, value in self.evaluate(held_out).items())
            for name, value in logs.items():
                self.history.setdefault(name, []).append(value)
            report.end_epoch(logs)
            _call(callbacks, "on_epoch_end", self, epoch, logs)
            self._epoch, self._batch, self._means = epoch + 1, 0, _Means(self.metrics)
            self._save(backup)
        _call(callbacks, "on_train_end", self)
        if backup is not None and not self._rank:
            with contextlib.suppress(FileNotFoundError):
                os.remove(backup)
        return self.history

    def _train(self, batches: Iterable[Any], report: _Report) -> Iterator[None]:
        """One epoch, or the rest of it, step by step."""
        self.model.train()
        if (set_epoch := getattr(getattr(batches, "sampler", None), "set_epoch", None)) is not None:
            set_epoch(self._epoch)
        if self._batch and not hasattr(batches, "load_state_dict"):
            batches = itertools.islice(batches, self._batch, None)
        for x, y in map(_pair, report.watch(batches, self._means)):
            self.optimizer.zero_grad()
            output = self.model(x)
            loss = self.loss_fn(output, y)
            loss.backward()
            self.optimizer.step()
            self._means.add(loss, output, y)
            self._batch += 1
            yield

    # -------------------------------------------------------------------------------------------- going on later

    def state_dict(self) -> dict[str, Any]:
        """All that `fit` needs to go on from here: weights, optimizer, random numbers, callbacks, the place."""
        self._check_alone()
        return {
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "generator": default_generator.get_state(), "callbacks": [c.state_dict() for c in self._callbacks],
            "batches": self._batches.state_dict() if hasattr(self._batches, "state_dict") else None,
            "place": [self._epoch, self._batch, self.stop_training], "history": dict(self.history),
            "sums": [self._means.samples, self._means.sums],
        }  # fmt: skip

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over model and optimizer, and let the next `fit`, of the same data and callbacks, go on there."""
        self.model.load_state_dict(state_dict["model"])
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._loaded = state_dict

    def _begin(self, callbacks: Sequence[Callback], batches: Any = None) -> None:
        """From the start, or from where a loaded state ends."""
        self._callbacks, self._batches, self._means = callbacks, batches, _Means(self.metrics)
        self.history, self._epoch, self._batch, self.stop_training = History(), 0, 0, False
        _call(callbacks, "on_train_begin", self)
        state, self._loaded = self._loaded, None
        if state is None:
            return
        if len(state["callbacks"]) != len(callbacks):
            raise ValueError(f"the state is of a fit with {len(state['callbacks'])} callbacks, not {len(callbacks)}")
        for callback, saved in zip(callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(saved)
        self._epoch, self._batch, self.stop_training = state["place"]
        known, places = state["batches"] is not None, hasattr(batches, "load_state_dict")
        if self._batch and known != places:
            raise ValueError(f"the state is of a fit to other data: it cannot go on with a {type(batches).__name__}")
        if known and places:
            batches.load_state_dict(state["batches"])
        self.history, (self._means.samples, self._means.sums) = History(state["history"]), state["sums"]
        default_generator.set_state(state["generator"])

    def _check_alone(self) -> None:
        if self._shares:
            raise NotImplementedError("a backup of several processes: use Checkpoint, and start from its weights")

    def _save(self, path: str | os.PathLike[str] | None) -> None:
        if path is not None:
            save(self.state_dict(), path)

    def evaluate(self, data: Any, batch_size: int | None = None) -> Logs:
        """Loss and metrics of the model as it is, in eval mode."""
        means = _Means(self.metrics)
        with evaluating(self.model):
            for x, y in map(_pair, _batches(data, batch_size, shared=self._shares)):
                output = self.model(x)
                means.add(self.loss_fn(output, y), output, y)
        return means.logs(shared=self._shares)

    def predict(self, x: Any, batch_size: int | None = None) -> Tensor:
        """The outputs for x (n, ...), or for a Dataset or loader whose samples begin with x, in eval mode."""
        data = TensorDataset(x) if isinstance(x, (Tensor, np.ndarray)) else x
        with evaluating(self.model):
            batches = _batches(data, batch_size)
            outputs = [self.model(b[0] if isinstance(b, (tuple, list)) else b) for b in batches]
        if not outputs:
            raise ValueError(_NO_BATCH)
        return cat(outputs)  # type: ignore[no-any-return]

    @property
    def _rank(self) -> int:
        return get_rank() if isinstance(self.model, DistributedDataParallel) else 0

    @property
    def _shares(self) -> bool:
        return isinstance(self.model, DistributedDataParallel) and get_world_size() > 1


class EarlyStopping(Callback):
    """Stop when `monitor` has not improved by more than min_delta for `patience` epochs (0 is as 1); as in Keras.

    Less is better if there is "loss" or "error" in its name, else more is. restore_best_weights: go back to the best.
    """

    def __init__(
        self, monitor: str = "val_loss", min_delta: float = 0.0, patience: int = 0, restore_best_weights: bool = False
    ) -> None:
        self.monitor, self.min_delta, self.patience, self.restore = monitor, min_delta, patience, restore_best_weights

    def on_train_begin(self, trainer: Trainer) -> None:
        self.best, self.waited = -math.inf, 0
        self.weights: dict[str, Any] = {}

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        score = _score(logs, self.monitor)
        if score > self.best + self.min_delta:
            self.best, self.waited = score, 0
            if self.restore:
                self.weights = {name: value.detach().clone() for name, value in trainer.model.state_dict().items()}
        else:
            self.waited += 1
            trainer.stop_training |= self.waited >= self.patience

    def on_train_end(self, trainer: Trainer) -> None:
        if self.weights:
            trainer.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "weights": self.weights}


class Checkpoint(Callback):
    """Save the model's state_dict after each epoch, or, with `monitor`, when that is better than ever before.

    path may name the epoch (from 1) and any figure: "weights-{epoch:02d}-{val_loss:.3f}.npz".
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str | None = None) -> None:
        self.path, self.monitor, self.best = os.fspath(path), monitor, -math.inf

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        score = math.inf if self.monitor is None else _score(logs, self.monitor)
        if self.monitor is None or score > self.best:
            self.best = score
            if not trainer._rank:
                save(trainer.model.state_dict(), self.path.format(epoch=epoch + 1, **logs))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}


def _score(logs: Logs, monitor: str) -> float:
    """The figure, negative if less is better."""
    if monitor not in logs:
        raise ValueError(f"there is no {monitor!r} to monitor, only {', '.join(logs)}")
    return -logs[monitor] if "loss" in monitor or "error" in monitor else logs[monitor]


def _call(callbacks: Sequence[Callback], event: str, *args: Any) -> None:
    for callback in callbacks:
        getattr(callback, event)(*args)


def _is_data(data: Any) -> bool:
    return isinstance(data, (Dataset, tuple))


def _batches(data: Any, batch_size: int | None, shuffle: bool = False, shared: bool = False) -> Iterable[Any]:
    """The batches; shared: of each only what this process has to do."""
    if isinstance(data, tuple):
        data = TensorDataset(*data)
    if isinstance(data, Dataset):
        size, shuffle = 32 if batch_size is None else batch_size, shuffle and not isinstance(data, IterableDataset)
        if shared and not isinstance(data, IterableDataset):
            order = RandomSampler(data) if shuffle else SequentialSampler(data)  # type: ignore[arg-type]
            return DataLoader(data, batch_sampler=DistributedBatchSampler(order, size, drop_last=False))
        return DataLoader(data, size, shuffle=shuffle)
    if batch_size is not None:
        raise ValueError(f"batch_size={batch_size} is for arrays; a {type(data).__name__} brings batches of its own")
    return data  # type: ignore[no-any-return]


def _pair(batch: Any) -> tuple[Any, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        got = f"a {type(batch).__name__}" + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else "")
        raise ValueError(f"a batch must be a pair (x, y), but is {got}")
    return batch[0], batch[1]


class _Means:
    """Means of the loss and the metrics over the samples so far."""

    def __init__(self, metrics: Mapping[str, Metric]) -> None:
        self.metrics, self.samples = metrics, 0
        self.sums = dict.fromkeys(["loss", *metrics], 0.0)

    def add(self, loss: Tensor, output: Tensor, target: Tensor) -> None:
        count = len(target)
        if not count:  # the mean over nothing is NaN
            return
        self.samples += count
        self.sums["loss"] += loss.item() * count
        for name, metric in self.metrics.items():
            self.sums[name] += float(metric(output.detach(), target)) * count

    def logs(self, shared: bool = False) -> Logs:
        """shared: over the samples of all processes."""
        sums = tensor([float(self.samples), *self.sums.values()], dtype=np.float64)
        if shared:
            all_reduce(sums)
        samples, *totals = sums.tolist()
        if not samples:
            raise ValueError(_NO_BATCH)
        return {name: total / samples for name, total in zip(self.sums, totals, strict=True)}


_NO_BATCH = "there is no batch: the data are empty, or a generator that has been used up"
_BAR = 16  # columns


class _Report:
    """What `fit` prints on standard output while it runs."""

    def __init__(self, verbose: str | int) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise ValueError(f'verbose must be "auto", 0 (silent), 1 (a bar) or 2 (a line per epoch), not {verbose!r}')
        self.bar_class: Any = None
        if verbose == 1 or (verbose == "auto" and sys.stdout.isatty()):
            with contextlib.suppress(*(() if verbose == 1 else (ImportError,))):
                self.bar_class = optional("tqdm", "progress", "a progress bar needs").tqdm
        self.silent = verbose == 0
        self.seconds = 0.0

    def watch(self, batches: Iterable[Any], means: _Means) -> Iterator[Any]:
        """The batches, one by one, with the bar moving behind them."""
        self.steps, start, bar = 0, time.perf_counter(), None
        if self.bar_class is not None:
            shape = f"{{n_fmt}}/{{total_fmt}} {{bar:{_BAR}}} {{desc}}"
            total = operator.length_hint(batches) or None
            bar = self.bar_class(total=total, bar_format=shape, ascii=" ━", file=sys.stdout, leave=False)
        try:
            for batch in batches:
                yield batch
                self.steps += 1
                self.seconds = time.perf_counter() - start
                if bar is not None and bar.update():  # it was time to draw it: some figures for the next time
                    bar.set_description_str(self._speed(means.logs()), refresh=False)
        finally:
            if bar is not None:
                bar.close()

    def begin_epoch(self, epoch: int, epochs: int) -> None:
        if not self.silent:
            print(f"Epoch {epoch + 1}/{epochs}", end="\n" if self.bar_class else " - ", flush=True)

    def end_epoch(self, logs: Logs) -> None:
        held_out = {name: value for name, value in logs.items() if name.startswith("val_")}
        trained = {name: value for name, value in logs.items() if name not in held_out}
        steps, space = f"{self.steps}/{self.steps} - ", " - "
        if self.bar_class:  # Keras' lines, in a terminal of 80 columns
            steps = f"{self.steps}/{self.steps} {'━' * _BAR} "
            space = "\n" + " " * len(steps)
        if not self.silent:
            print(steps + self._speed(trained) + (space + _figures(held_out) if held_out else ""), flush=True)

    def _speed(self, logs: Logs) -> str:
        step = 1000 * self.seconds / max(self.steps, 1)
        return f"{self.seconds:.1f}s {step:.{0 if step > 10 else 1}f}ms/step - {_figures(logs)}"


def _figures(logs: Logs) -> str:
    return " - ".join(f"{name}: {value:.4f}" for name, value in logs.items())
