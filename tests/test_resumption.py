"""Exact resumption: training that stops after any step and goes on from its file ends with the same bits.

The rest of the training is always done by new objects (model, optimizer, scheduler, loader) from another seed, so that
whatever is not in the file shows.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.optim import lr_scheduler
from autograd_mini.training import Callback, Checkpoint, EarlyStopping, Logs, Trainer, accuracy
from autograd_mini.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    Sampler,
    TensorDataset,
    WeightedRandomSampler,
)

EPOCHS, STEPS = 3, 4  # 4 batches, of which the last is shorter
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(14, 3)).astype(np.float32)
Y = RANDOM.integers(0, 3, 14)


def bits(value: Any) -> Any:
    """All that a state holds, in a form that can be compared; of arrays dtype, shape and bytes."""
    if isinstance(value, (am.Tensor, np.ndarray, np.generic)):
        array = value.detach().numpy() if isinstance(value, am.Tensor) else value
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, Mapping):
        return {key: bits(v) for key, v in value.items()}
    return [bits(v) for v in value] if isinstance(value, (list, tuple)) else value


class Run:
    """A loop as users write it, with all that it depends on."""

    def __init__(self, make_optimizer: Callable[..., Any], make_scheduler: Callable[..., Any], per_step: bool) -> None:
        self.model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        self.optimizer = make_optimizer(self.model.parameters())
        self.scheduler = make_scheduler(self.optimizer)
        self.loader = DataLoader[Any](TensorDataset(X, Y), batch_size=4, shuffle=True)
        self.per_step, self.epoch, self.total, self.losses = per_step, 0, 0.0, list[float]()

    def state(self) -> dict[str, Any]:
        parts = {name: getattr(self, name).state_dict() for name in ("model", "optimizer", "scheduler", "loader")}
        return {**parts, "generator": am.get_rng_state(), "epoch": self.epoch, "total": self.total}

    def load(self, state: dict[str, Any]) -> None:
        for name in ("model", "optimizer", "scheduler", "loader"):
            getattr(self, name).load_state_dict(state[name])
        self.epoch, self.total = state["epoch"], state["total"]
        am.set_rng_state(state["generator"])

    def train(self, after_step: Callable[[], None] = lambda: None) -> None:
        for epoch in range(self.epoch, EPOCHS):
            self.epoch = epoch
            for x, y in self.loader:
                loss = self.optimizer.step(lambda x=x, y=y: self.loss(x, y))
                self.losses.append(loss.item())
                self.total += loss.item()
                if self.per_step:
                    self.scheduler.step()
                after_step()
            if not self.per_step:
                plateau = isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau)
                self.scheduler.step(*[self.total] * plateau)
            self.total = 0.0

    def loss(self, x: am.Tensor, y: am.Tensor) -> am.Tensor:
        self.optimizer.zero_grad()
        loss: am.Tensor = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        return loss


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    "Adam": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=am.tensor(0.01)),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.1, lr_decay=0.1),
    "Adadelta": lambda p: optim.Adadelta(p),
    "LBFGS": lambda p: optim.LBFGS(p, lr=0.5, max_iter=3, history_size=4),
    "LBFGS, line search": lambda p: optim.LBFGS(p, max_iter=3, history_size=2, line_search_fn="strong_wolfe"),
}
SCHEDULERS: dict[str, tuple[Callable[..., Any], bool]] = {
    "one cycle": (lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=EPOCHS * STEPS), True),
    "restarts": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=2, T_mult=2), True),
    "plateau": (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.1), False),
    "exponential": (lambda o: lr_scheduler.ExponentialLR(o, 0.9), False),
    "sequence": (
        lambda o: lr_scheduler.SequentialLR(
            o, [lr_scheduler.LinearLR(o, total_iters=3), lr_scheduler.CosineAnnealingLR(o, 9)], milestones=[4]
        ),
        True,
    ),
}
PAIRS = [
    ("SGD", "one cycle"), ("Adam", "one cycle"), ("RMSprop", "restarts"), ("LBFGS", "plateau"), ("SGD", "plateau"),
    ("LBFGS, line search", "restarts"), ("Adam", "sequence"), ("AdamW", "exponential"), ("Adagrad", "plateau"),
    ("Adadelta", "restarts"),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "scheduler"), PAIRS)
def test_a_loop_stopped_after_any_step_goes_on_to_the_same_bits(optimizer: str, scheduler: str, tmp_path: Path) -> None:
    def new(seed: int) -> Run:
        am.manual_seed(seed)
        return Run(OPTIMIZERS[optimizer], *SCHEDULERS[scheduler])

    whole = new(1)

    def keep() -> None:
        am.save(whole.state(), tmp_path / f"{len(whole.losses)}.npz")

    whole.train(keep)
    end = bits(whole.state())
    assert len(whole.losses) == EPOCHS * STEPS and len(set(whole.losses)) == EPOCHS * STEPS
    for done in range(1, EPOCHS * STEPS + 1):
        rest = new(2)
        rest.load(am.load(tmp_path / f"{done}.npz"))
        rest.train()
        assert rest.losses == whole.losses[done:]
        assert bits(rest.state()) == end, f"stopped after {done} steps"


def test_small_momenta_are_set_to_zero_at_the_same_steps(tmp_path: Path) -> None:
    """SGD looks for what is almost denormal every 32 steps: also counted on from the file."""

    def new() -> tuple[am.Tensor, optim.SGD]:
        w = am.ones(3, requires_grad=True)
        return w, optim.SGD([w], lr=1.0, momentum=0.5)

    def steps(w: am.Tensor, sgd: optim.SGD, start: int, end: int) -> Iterator[Any]:
        for number in range(start, end):
            w.grad = am.full((3,), 1e-28 if number == 0 else 0.0)
            sgd.step()
            yield bits(sgd.state[w]["momentum_buffer"])

    w, sgd = new()
    buffers = list(steps(w, sgd, 0, 20))
    am.save({"w": w, "sgd": sgd.state_dict()}, tmp_path / "x.npz")
    buffers += steps(w, sgd, 20, 70)
    assert len(set(buffers)) == 32, "zero from the 32nd step on"
    v, other = new()
    saved = am.load(tmp_path / "x.npz")
    with am.no_grad():
        v.copy_(saved["w"])
    other.load_state_dict(saved["sgd"])
    assert list(steps(v, other, 20, 70)) == buffers[20:]


# --------------------------------------------------------------------------------------------- place in an epoch


class Noisy(Dataset[Any]):
    """Samples with noise from the default generator, as augmentation adds it; it knows what was fetched."""

    def __init__(self, n: int = 10) -> None:
        self.n, self.fetched = n, list[int]()

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        self.fetched.append(index)
        return index + am.rand(1)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(range(10))


def own(seed: int) -> am.Generator:
    return am.Generator().manual_seed(seed)


class Alternating(Sampler[int]):
    """A user's sampler, of a generator of its own."""

    def __init__(self) -> None:
        self.generator = own(5)

    def __iter__(self) -> Iterator[int]:
        first = int(am.randint(2, (1,), generator=self.generator).item())
        return iter(range(first, 10, 2))


LOADERS: dict[str, Callable[[], DataLoader[Any]]] = {
    "in order": lambda: DataLoader(Noisy(), batch_size=3),
    "shuffled": lambda: DataLoader(Noisy(), batch_size=3, shuffle=True, drop_last=True),
    "shuffled, own generator": lambda: DataLoader(Noisy(), batch_size=3, shuffle=True, generator=own(3)),
    "single samples": lambda: DataLoader(Noisy(), batch_size=None, shuffle=True),
    "round again": lambda: DataLoader(Noisy(4), batch_size=3, sampler=RandomSampler(range(4), num_samples=14)),
    "replaced": lambda: DataLoader(Noisy(4), batch_size=3, sampler=RandomSampler(range(4), True, num_samples=14)),
    "weighted": lambda: DataLoader(Noisy(), batch_size=3, sampler=WeightedRandomSampler([*range(10)], 12)),
    "a user's sampler": lambda: DataLoader(Noisy(), sampler=Alternating()),
    "batches given": lambda: DataLoader(Noisy(), batch_sampler=[[1, 2], [3], [0, 4]]),
    "stream": lambda: DataLoader(Stream(), batch_size=3),
    "threads": lambda: DataLoader(TensorDataset(np.arange(10)), batch_size=3, shuffle=True, num_workers=2),
}


def passes(loader: DataLoader[Any], count: int) -> Iterator[tuple[Any, Any]]:
    """Batches of so many passes, with random numbers in between, and the state after each."""
    for _ in range(count):
        for batch in loader:
            seen = bits(batch), am.rand(1).item()
            yield seen, {"loader": loader.state_dict(), "generator": am.get_rng_state()}


@pytest.mark.parametrize("kind", LOADERS)
def test_a_loader_goes_on_in_the_middle_of_a_pass(kind: str, tmp_path: Path) -> None:
    seen, states = zip(*passes(LOADERS[kind](), 2), strict=True)
    length = len(seen) // 2
    if kind not in ("in order", "batches given", "stream"):
        assert seen[:length] != seen[length:]
    for done, state in enumerate(states[:length], 1):
        am.save(state, tmp_path / "x.npz")
        am.manual_seed(99)
        loader = LOADERS[kind]()
        saved = am.load(tmp_path / "x.npz")
        loader.load_state_dict(saved["loader"])
        am.set_rng_state(saved["generator"])
        assert loader.state_dict() == state["loader"]
        rest = [s for s, _ in passes(loader, 2)]
        assert rest == list(seen[done:])
        if isinstance(loader.dataset, Noisy):
            assert len(loader.dataset.fetched) < 2 * 14 and state["loader"]["batches"] == done


def test_between_two_passes_a_generator_of_its_own_is_part_of_the_state() -> None:
    loader, again = (LOADERS["shuffled, own generator"]() for _ in range(2))
    first = list(loader.batch_sampler or ())
    again.load_state_dict(loader.state_dict())
    assert list(again.batch_sampler or ()) == list(loader.batch_sampler or ()) != first


def test_what_was_trained_is_not_fetched_again() -> None:
    loader = DataLoader[Any](Noisy(), batch_size=3)
    loader.load_state_dict({"batches": 3, "generator": None, "own_generator": None})
    assert len(list(loader)) == 1 and loader.dataset.fetched == [9]
    assert loader.state_dict() == {"batches": 0, "generator": None, "own_generator": None} and len(list(loader)) == 4


def test_a_new_pass_begins_at_the_start_and_foreign_states_are_refused() -> None:
    loader = DataLoader[Any](Noisy(), batch_size=5)
    next(iter(loader))
    assert loader.state_dict()["batches"] == 1 and len(list(loader)) == 2
    with pytest.raises(ValueError, match=r"expected the state_dict\(\) of a DataLoader, but got a dict of \['epoch'\]"):
        loader.load_state_dict({"epoch": 3})
    with pytest.raises(ValueError, match="of a DataLoader without a generator of its own"):
        LOADERS["shuffled, own generator"]().load_state_dict(loader.state_dict())


# ------------------------------------------------------------------------------------------------- the Trainer


class Stopped(Exception):  # noqa: N818
    """The power fails."""


class Rate(Callback):
    """A scheduler; and, at a step, the end."""

    def __init__(self, optimizer: optim.Optimizer) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.scheduler = lr_scheduler.ExponentialLR(optimizer, 0.8)

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.scheduler.load_state_dict(dict(state_dict))


class Fit:
    """A script that trains by the Trainer, with a power cut after so many steps."""

    def __init__(self, folder: Path, seed: int, steps: int = 10**9) -> None:
        am.manual_seed(seed)
        self.left, self.folder = steps, folder
        model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
        adam = optim.Adam(model.parameters(), lr=0.02)
        self.trainer = Trainer(model, self.loss, adam, {"accuracy": accuracy})

    def loss(self, output: am.Tensor, y: am.Tensor) -> am.Tensor:
        if self.trainer.model.training:
            if not self.left:
                raise Stopped
            self.left -= 1
        return nn.functional.cross_entropy(output, y)

    def run(self, every: int | None, data: Any = (X, Y)) -> Any:
        callbacks = [
            EarlyStopping("loss", patience=1, min_delta=0.05, restore_best_weights=True),
            Rate(self.trainer.optimizer),
            Checkpoint(self.folder / "best.npz", monitor="val_loss"),
        ]
        size = 4 if isinstance(data, tuple) else None
        return self.trainer.fit(
            data, 6, size, (X, Y), callbacks, verbose=0, backup=self.folder / "backup.npz", backup_every=every
        )

    def end(self) -> Any:
        best = am.load(self.folder / "best.npz")
        return bits([self.trainer.model.state_dict(), self.trainer.optimizer.state_dict(), best])


BATCHES = [(am.tensor(X[i : i + 4]), am.tensor(Y[i : i + 4])) for i in range(0, 14, 4)]


@pytest.mark.parametrize(("data", "every"), [((X, Y), None), ((X, Y), 1), ((X, Y), 3), (BATCHES, 3)])
def test_a_fit_that_was_cut_goes_on_to_the_same_bits(every: int | None, data: Any, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = Fit(tmp_path / "whole", 1)
    history = whole.run(every, data)
    epochs = len(history["loss"])
    assert 2 <= epochs <= 6 and not (tmp_path / "whole" / "backup.npz").exists()
    for cut in range(1, 4 * epochs):
        folder = tmp_path / str(cut)
        folder.mkdir()
        with pytest.raises(Stopped):
            Fit(folder, 1, cut).run(every, data)
        resumed = Fit(folder, 1 if cut < (every or 4) else 2)  # before the first backup it is begun anew
        assert resumed.run(every, data) == history and resumed.end() == whole.end(), f"cut after {cut} steps"
        redone = (10**9 - resumed.left) - (4 * epochs - cut)
        assert 0 <= redone < min(every or 4, 4), "steps that were done again"
        assert not (folder / "backup.npz").exists()


def test_a_state_taken_by_hand(tmp_path: Path) -> None:
    whole = Fit(tmp_path, 1).trainer
    whole.fit((X, Y), 2, 4, verbose=0)
    state = whole.state_dict()
    am.save(state, tmp_path / "x.npz")
    whole_again, other = Fit(tmp_path, 2).trainer, Fit(tmp_path, 3).trainer
    for trainer in (whole_again, other):
        trainer.load_state_dict(am.load(tmp_path / "x.npz"))
        assert bits(trainer.model.state_dict()) == bits(whole.model.state_dict())
        assert len(trainer.fit((X, Y), 4, 4, verbose=0)["loss"]) == 4
    assert bits(whole_again.state_dict()) == bits(other.state_dict()) != bits(state)
    assert other.history["loss"][:2] == whole.history["loss"]
    other.load_state_dict(state)
    with pytest.raises(ValueError, match="the state is of a fit with 0 callbacks, not 1"):
        other.fit((X, Y), 4, 4, callbacks=[Callback()], verbose=0)
    for wrong in ({"backup_every": 3}, {"backup_every": 0, "backup": tmp_path / "y.npz"}):
        with pytest.raises(ValueError, match="backup_every"):
            other.fit((X, Y), verbose=0, **wrong)


@pytest.mark.parametrize(("data", "other"), [((X, Y), BATCHES), (BATCHES, (X, Y))])
def test_in_the_middle_of_an_epoch_data_of_another_kind_are_refused(data: Any, other: Any, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        Fit(tmp_path, 1, steps=3).run(1, data)
    with pytest.raises(ValueError, match=r"a fit to other data: it cannot go on with a (list|DataLoader)"):
        Fit(tmp_path, 1).run(1, other)


def test_a_backup_of_several_processes_is_refused_before_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = Fit(tmp_path, 1, steps=0)
    monkeypatch.setattr(Trainer, "_shares", True)
    with pytest.raises(NotImplementedError, match="a backup of several processes: use Checkpoint"):
        fit.run(None)


def test_the_last_batch_of_an_epoch_may_be_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(data: Any) -> Logs:
        raise Stopped

    fit, again = Fit(tmp_path, 1), Fit(tmp_path, 2)
    fit.trainer.evaluate = fails  # type: ignore[assignment, method-assign]
    with pytest.raises(Stopped):
        fit.run(2)
    again.trainer.fit((X, Y), 1, 4, (X, Y), [Callback()] * 3, verbose=2, backup=tmp_path / "backup.npz")
    assert "Epoch 1/1 - 0/0 - 0.0s" in capsys.readouterr().out and again.left == 10**9
    assert bits(again.trainer.model.state_dict()) == bits(fit.trainer.model.state_dict())
