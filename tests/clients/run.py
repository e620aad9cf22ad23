"""Six kinds of PyTorch script, trained by PyTorch and by autograd_mini: the same source, but for its import lines.

    python tests/clients/run.py                  every client in full, in float32, by both: some minutes each
    python tests/clients/run.py gpt cnn --only autograd_mini --data DIR

Both start from the same weights, in a file that PyTorch wrote, and take their random numbers (order of samples,
dropout, noise, actions) from NumPy generators of one seed. DIR has the real MNIST (or $AUTOGRAD_MINI_DATA); without it,
digits are drawn. The text is the Python manual, as `pydoc_data.topics` has it.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.abc
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

from script_port import port  # noqa: E402

from autograd_mini.vision import digits, load_mnist  # noqa: E402


class Script(importlib.abc.InspectLoader):
    """Loads a script as it stands, or with its imports swapped."""

    def __init__(self, path: Path, library: str) -> None:
        self.path, self.library = path, library

    def get_source(self, fullname: str) -> str:
        source = self.path.read_text(encoding="utf-8")
        return source if self.library == "torch" else port(source)[0]


def load(script: str, library: str) -> ModuleType:
    """The script as a module for "torch" or "autograd_mini"."""
    name = f"{script}_with_{library}"
    spec = importlib.util.spec_from_loader(name, Script(HERE / f"{script}.py", library), is_package=False)
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)  # dataclasses look there
    spec.loader.exec_module(module)
    return module


# -------------------------------------------------------------------------------------------------- the clients


def images(full: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """To train on, and to test on."""
    if full:
        found = load_mnist(download=False)
        print(f"images: {found.source}")
        return found[:2], found[2:4]
    return digits(640), digits(100, train=False)


def text(full: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    from pydoc_data.topics import topics  # type: ignore[import-untyped]

    codes = load("char_rnn", "autograd_mini").codes_of("\n\n".join(topics[name] for name in sorted(topics)))
    edge = len(codes) * 9 // 10
    return ((codes[:edge],), (codes[edge:],)) if full else ((codes[:4000],), (codes[edge : edge + 1500],))


def nothing(full: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return (), ()


class Client(NamedTuple):
    script: str
    data: Callable[[bool], tuple[tuple[Any, ...], tuple[Any, ...]]]
    make: dict[str, Any]  # options in full …
    train: dict[str, Any]
    small_make: dict[str, Any]  # … and for the tests
    small_train: dict[str, Any]


CLIENTS = {
    "cnn": Client("cnn", images, {}, {"epochs": 3}, {"channels": 4}, {"batch_size": 32, "epochs": 2}),
    "vae": Client("vae", images, {}, {"epochs": 10}, {"hidden": 60, "latent": 5}, {"batch_size": 32, "epochs": 2}),
    **{
        cell.lower(): Client(
            "char_rnn", text, {"cell": cell}, {"epochs": 2},
            {"cell": cell, "embedding": 12, "hidden": 16, "layers": 2},
            {"batch_size": 8, "bptt": 16, "lr": 1e-2},
        )
        for cell in ("RNN", "LSTM", "GRU")
    },
    "gpt": Client(
        "gpt", text, {}, {"steps": 600},
        {"block_size": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}, {"steps": 40, "batch_size": 4},
    ),
    "reinforce": Client("reinforce", nothing, {}, {"episodes": 200}, {}, {"episodes": 25}),
    "gcn": Client(
        "gcn", nothing, {}, {"epochs": 200}, {"words": 100}, {"nodes": 200, "words": 100, "epochs": 40}
    ),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------- running them


class Run(NamedTuple):
    losses: list[float]
    result: dict[str, Any]
    seconds: float


@contextlib.contextmanager
def default_dtype(lib: Any, dtype: str) -> Iterator[None]:
    before = lib.get_default_dtype()
    lib.set_default_dtype(getattr(lib, dtype))
    try:
        yield
    finally:
        lib.set_default_dtype(before)


def library_of(module: ModuleType) -> Any:
    return importlib.import_module(module.__name__.partition("_with_")[2])


def save_weights(name: str, library: str, path: Path, full: bool, dtype: str) -> None:
    """A file with the state dict that a run starts from."""
    client = CLIENTS[name]
    module = load(client.script, library)
    lib = library_of(module)
    with default_dtype(lib, dtype):
        lib.manual_seed(0)
        model = module.make(None, **(client.make if full else client.small_make))
        lib.save(model.state_dict(), str(path))


def run(name: str, library: str, weights: Path, full: bool, dtype: str, report: bool = False) -> Run:
    """Train a client from these weights; its losses, what came out of it, and how long that took."""
    client = CLIENTS[name]
    module = load(client.script, library)
    lib, rng = library_of(module), np.random.default_rng(1)
    learn, test = client.data(full)
    make, train = (client.make, client.train) if full else (client.small_make, client.small_train)
    with default_dtype(lib, dtype):
        model = module.make(rng, **make)
        model.load_state_dict(lib.load(str(weights)))
        start, losses = time.perf_counter(), []
        for loss in module.train(model, rng, *learn, **train):
            losses.append(loss)
            if report and len(losses) % 100 == 0:
                seconds = time.perf_counter() - start
                print(f"{name} {library} {len(losses)} {np.mean(losses[-100:]):.4f} {seconds:.0f} s", flush=True)
        seconds = time.perf_counter() - start
        graph = {key: train[key] for key in ("nodes", "words") if key in train}
        return Run(losses, module.result(model, rng, *test, **graph), seconds)


def distance(ours: list[float], theirs: list[float]) -> Any:
    """Relative difference of the losses, step by step."""
    a, b = np.array(ours), np.array(theirs)
    return np.abs(a - b) / np.maximum(np.abs(b), 1e-3)


def compare(name: str, libraries: list[str], dtype: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        save_weights(name, "torch" if "torch" in libraries else libraries[0], weights, True, dtype)
        runs = {library: run(name, library, weights, True, dtype, report=True) for library in libraries}
    for library, (losses, result, seconds) in runs.items():
        found = ", ".join(f"{what} {value:.4f}" for what, value in result.items() if isinstance(value, float))
        print(f"{name} by {library}: {len(losses)} losses, {losses[0]:.4f} first, {seconds:.0f} s; {found}")
        print("".join(f"{value}\n" for value in result.values() if isinstance(value, str)), end="")
    if len(runs) == 2:
        apart = distance(*(r.losses for r in runs.values()))
        marks = [n for n in (1, 10, 100, 1000) if n <= len(apart)] + [len(apart)]
        print(f"{name}: losses apart, at most, in the first " + ", ".join(f"{n}: {max(apart[:n]):.1e}" for n in marks))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clients", nargs="*", help=f"of {', '.join(CLIENTS)} (default: all)")
    parser.add_argument("--only", choices=["torch", "autograd_mini"], help="run this library alone")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--data", help="the folder with MNIST")
    options = parser.parse_args()
    if options.data:
        import os

        os.environ["AUTOGRAD_MINI_DATA"] = options.data
    for name in options.clients or CLIENTS:
        compare(name, [options.only] if options.only else ["autograd_mini", "torch"], options.dtype)


if __name__ == "__main__":
    main()
