"""`Trainer`: the plain loop and nothing more; its figures are exact, its callbacks are told, its output is readable."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn, optim
from autograd_mini.serialization import load
from autograd_mini.training import Callback, Checkpoint, EarlyStopping, History, Logs, Trainer, accuracy
from autograd_mini.utils.data import DataLoader, TensorDataset


def spirals(n: int = 90) -> tuple[am.Tensor, am.Tensor]:
    """Three classes of points in a plane."""
    random = np.random.default_rng(0)
    label = np.arange(n) % 3
    turn = random.random(n) * 2 + label * 2 * np.pi / 3
    points = np.stack([np.cos(turn), np.sin(turn)], 1) * turn[:, None] + random.normal(0, 0.05, (n, 2))
    return am.tensor(points.astype(np.float32)), am.tensor(label)


def model(dropout: float = 0.0) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 3))


def trainer(net: nn.Module | None = None, lr: float = 0.3) -> Trainer:
    net = model() if net is None else net
    return Trainer(net, nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=lr), {"accuracy": accuracy})


def weights(net: nn.Module) -> list[Any]:
    return [p.detach().numpy().copy() for p in net.parameters()]


def test_fit_is_the_plain_loop_to_the_last_bit() -> None:
    x, y = spirals()
    am.manual_seed(1)
    fitted = trainer(model(0.2))
    fitted.fit((x, y), epochs=3, batch_size=16, verbose=0)

    am.manual_seed(1)
    plain, loss_fn = model(0.2), nn.CrossEntropyLoss()
    optimizer = optim.SGD(plain.parameters(), lr=0.3)
    loader = DataLoader[Any](TensorDataset(x, y), batch_size=16, shuffle=True)
    for _ in range(3):
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = loss_fn(plain(xb), yb)
            loss.backward()
            optimizer.step()
    for ours, theirs in zip(weights(fitted.model), weights(plain), strict=True):
        assert np.array_equal(ours, theirs)


def test_it_learns() -> None:
    x, y = spirals()
    history = trainer().fit((x, y), epochs=60, batch_size=16, verbose=0)
    assert history["accuracy"][-1] > 0.95 > 0.85 > history["accuracy"][0] and history["loss"][-1] < 0.3


def test_figures_are_means_over_samples_whatever_the_batches() -> None:
    x, y = spirals(50)
    still = trainer(lr=0.0)
    whole = still.evaluate((x, y), batch_size=50)
    scores = still.model(x).detach()
    assert whole["accuracy"] == (scores.argmax(1) == y).double().mean().item()
    assert whole["loss"] == pytest.approx(nn.functional.cross_entropy(scores, y).item(), rel=1e-6)
    for batch_size in (1, 7, 16):
        assert still.evaluate((x, y), batch_size) == pytest.approx(whole, rel=1e-5)
        history = still.fit((x, y), epochs=2, batch_size=batch_size, validation=(x, y), verbose=0)
        assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
        for name, values in history.items():
            assert values == pytest.approx([whole[name.removeprefix("val_")]] * 2, rel=1e-5)


def test_arrays_loaders_data_sets_and_generators() -> None:
    x, y = spirals(20)
    still = trainer(lr=0.0)
    expected = still.evaluate((x, y))

    def generator() -> Iterator[tuple[am.Tensor, am.Tensor]]:
        yield x, y

    loader = DataLoader[Any](TensorDataset(x, y), 5)
    for data in ((x.numpy(), y.numpy()), TensorDataset(x, y), loader, [(x, y)], generator()):
        assert still.evaluate(data) == pytest.approx(expected, rel=1e-5)
    history = still.fit(generator(), validation=(x, y), verbose=0)
    assert history["loss"] == pytest.approx(history["val_loss"], rel=1e-5)
    with pytest.raises(ValueError, match="batch_size=8 is for arrays; a DataLoader brings batches of its own"):
        still.fit(loader, batch_size=8, verbose=0)
    still.fit((x, y), batch_size=8, validation=loader, verbose=0)
    with pytest.raises(ValueError, match="there is no batch"):
        still.fit(iter([]), verbose=0)
    with pytest.raises(ValueError, match="verbose must be"):
        still.fit(loader, verbose=3)
    with pytest.raises(ValueError, match=r"epochs must be a whole number, at least 0, but got 1\.5"):
        still.fit(loader, epochs=1.5)  # type: ignore[arg-type]
    for wrong, what in (((x,), "list of 1"), ((x, x, y), "list of 3"), ([x, y], "Tensor"), ([{"x": x}], "dict")):
        for use in (still.fit, still.evaluate):
            with pytest.raises(ValueError, match=rf"a batch must be a pair \(x, y\), but is a {what}"):
                use(wrong)


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_accuracy"])
def test_a_metric_cannot_take_the_name_of_another_figure(name: str) -> None:
    with pytest.raises(ValueError, match=f"a metric cannot be named '{name}'"):
        Trainer(net := model(), nn.CrossEntropyLoss(), optim.SGD(net.parameters(), lr=0.1), {name: accuracy})


def test_predict() -> None:
    x, y = spirals(20)
    fitted = trainer(model(0.5))
    fitted.model.eval()
    expected = fitted.model(x).detach()
    fitted.model.train()
    for given in (x, x.numpy(), TensorDataset(x, y), DataLoader[Any](TensorDataset(x, y), 7), [x[:5], x[5:]]):
        out = fitted.predict(given)
        assert np.allclose(out.numpy(), expected.numpy(), atol=1e-6) and not out.requires_grad
    assert fitted.predict(x, batch_size=3).shape == (20, 3)
    with pytest.raises(ValueError, match="there is no batch"):
        fitted.predict(x[:0])


def test_evaluation_leaves_the_modes_and_the_gradients_as_they_were() -> None:
    x, y = spirals(20)
    fitted = trainer(model(0.5))
    fitted.model.train()
    fitted.model[0].eval()
    fitted.evaluate((x, y))
    fitted.predict(x)
    assert [m.training for m in fitted.model.modules()] == [True, False, True, True, True]
    assert all(p.grad is None for p in fitted.model.parameters())
    with pytest.raises(RuntimeError):
        fitted.evaluate([(x[:, :1], y)])
    assert fitted.model.training and am.is_grad_enabled()


def test_accuracy() -> None:
    assert accuracy(am.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]]), am.tensor([1, 0, 0])) == 2 / 3
    with pytest.raises(ValueError, match=r"scores of shape \(3, 2\) need classes of shape \(3,\), not \(3, 1\)"):
        accuracy(am.zeros(3, 2), am.zeros(3, 1))


# ---------------------------------------------------------------------------------------------------- callbacks


class Watching(Callback):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_train_begin(self, trainer: Trainer) -> None:
        self.seen.append("begin")

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        self.seen.append(epoch)

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        self.seen.append({name: values[epoch] for name, values in trainer.history.items()} == logs)
        trainer.stop_training = epoch == 1

    def on_train_end(self, trainer: Trainer) -> None:
        self.seen.append("end")


def test_callbacks_are_told_in_order_and_can_stop() -> None:
    watching = Watching()
    again = trainer()
    for _ in range(2):
        watching.seen = []
        history = again.fit(spirals(20), epochs=5, callbacks=[watching], verbose=0)
        assert watching.seen == ["begin", 0, True, 1, True, "end"] and len(history["loss"]) == 2


class Scripted(Callback):
    """Puts figures of its own in the logs."""

    def __init__(self, **figures: list[float]) -> None:
        self.figures = figures

    def on_epoch_end(self, trainer: Trainer, epoch: int, logs: Logs) -> None:
        logs.update({name: values[epoch] for name, values in self.figures.items()})
        for p in trainer.model.parameters():
            p.data.fill_(epoch)


@pytest.mark.parametrize(
    ("monitor", "values", "patience", "epochs"),
    [
        ("val_loss", [3, 2, 2.5, 2.4, 1, 0], 0, 3),
        ("val_loss", [3, 2, 2.5, 2.4, 1, 0], 1, 3),
        ("val_loss", [3, 2, 2.5, 2.4, 1, 0], 2, 4),
        ("val_loss", [3, 2, 2.5, 2.4, 1, 0], 3, 6),
        ("val_accuracy", [0.1, 0.5, 0.4, 0.6, 0.7, 0.8], 0, 3),
        ("val_accuracy", [0.1, 0.5, 0.5, 0.5, 0.5, 0.5], 3, 5),
    ],
)
def test_early_stopping(monitor: str, values: list[float], patience: int, epochs: int) -> None:
    stopping = EarlyStopping(monitor, patience=patience, restore_best_weights=True)
    stopped = trainer()
    for _ in range(2):  # a callback can be used again
        history = stopped.fit(spirals(20), 6, callbacks=[Scripted(**{monitor: values}), stopping], verbose=0)
        assert len(history["loss"]) == epochs
        best = int(np.argmin(values[:epochs]) if "loss" in monitor else np.argmax(values[:epochs]))
        assert weights(stopped.model)[0].ravel()[0] == best


def test_early_stopping_needs_its_figure_and_minds_min_delta() -> None:
    with pytest.raises(ValueError, match="there is no 'val_loss' to monitor, only loss, accuracy"):
        trainer().fit(spirals(20), callbacks=[EarlyStopping()], verbose=0)
    slow = [Scripted(val_loss=[3, 2.95, 2.9, 2.85]), EarlyStopping(min_delta=0.1)]
    assert len(trainer().fit(spirals(20), 4, callbacks=slow, verbose=0)["loss"]) == 2


def test_checkpoints(tmp_path: Path) -> None:
    every = Checkpoint(tmp_path / "e{epoch:02d}-{val_loss:.1f}.npz")
    best = Checkpoint(tmp_path / "best.npz", monitor="val_loss")
    saved = trainer()
    saved.fit(spirals(20), 3, callbacks=[Scripted(val_loss=[3, 1, 2]), every, best], verbose=0)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["best.npz", "e01-3.0.npz", "e02-1.0.npz", "e03-2.0.npz"]
    assert load(tmp_path / "best.npz")["0.weight"].numpy().ravel()[0] == 1
    saved.model.load_state_dict(load(tmp_path / "e01-3.0.npz"))
    assert weights(saved.model)[0].ravel()[0] == 0


# ------------------------------------------------------------------------------------------------------- output

FIGURES = r"loss: \d+\.\d{4} - accuracy: \d\.\d{4}"


def test_a_line_per_epoch_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    trainer().fit(spirals(90), 2, 32, validation=spirals(9))
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 2
    figures = FIGURES + " - val_" + FIGURES.replace("accuracy", "val_accuracy")
    for epoch, line in enumerate(lines, 1):
        assert re.fullmatch(rf"Epoch {epoch}/2 - 3/3 - \d+\.\ds [\d.]+ms/step - {figures}", line), line


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    trainer().fit(spirals(90), 2, verbose=0)
    assert capsys.readouterr() == ("", "")


class Slow(nn.Module):
    """Slow enough that the bar is drawn at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = model()

    def forward(self, x: am.Tensor) -> am.Tensor:
        time.sleep(0.11)
        return self.inner(x)  # type: ignore[no-any-return]


def test_a_bar_moves_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    trainer(Slow()).fit(spirals(96), 1, 32, validation=[spirals(3)])
    out, err = capsys.readouterr()
    held_out = FIGURES.replace("accuracy", "val_accuracy")
    assert out.startswith("Epoch 1/1\n")
    frames = [frame.strip() for frame in out.split("\r")]
    assert any(re.fullmatch(rf"2/3 ━+ +\d\.\ds [\d.]+ms/step - {FIGURES}", frame) for frame in frames), frames
    assert re.fullmatch(rf"3/3 ━{{16}} \d\.\ds [\d.]+ms/step - {FIGURES}\n {{21}}val_{held_out}", frames[-1]), frames
    assert err == ""


def test_an_unknown_number_of_steps(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)
    trainer().fit(iter([spirals(9)] * 4), verbose=1)
    assert "\r4/4 ━" in capsys.readouterr().out


def test_without_tqdm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    trainer().fit(spirals(9))
    assert capsys.readouterr().out.startswith("Epoch 1/1 - 1/1 - ")
    with pytest.raises(ImportError, match=r'pip install "autograd_mini\[progress\]"'):
        trainer().fit(spirals(9), verbose=1)


def test_a_history_is_a_dict_that_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = trainer().fit(spirals(9), 2, verbose=0)
    assert isinstance(history, History) and set(history) == {"loss", "accuracy"}
    history.plot(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
