"""Train a network of dense layers to read handwritten digits, look at what it does, save it, and load it again.

    python demos/mnist_mlp.py
    python demos/mnist_mlp.py --data folder/with/mnist --epochs 5 --optimizer rmsprop

Without --data, MNIST is looked for where other libraries keep it, then downloaded; if it cannot be had, digits that the
package draws itself take its place, and the first line says so. The training loop is in autograd_mini/training.py:

    for x, y in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()

Several processes share the work, on one machine or many (pip install "autograd_mini[mpi]"); the same script, and with
`-m mpi4py` the end of one is the end of all:

    mpiexec -n 4 python -m mpi4py demos/mnist_mlp.py
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import shutil
import sys
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini import distributed, nn, optim
from autograd_mini.draw import draw_graph
from autograd_mini.plotting import image_grid, text_images
from autograd_mini.serialization import load, save
from autograd_mini.training import Trainer, accuracy
from autograd_mini.vision import MNISTData, digits, load_mnist

OPTIMIZERS: dict[str, tuple[type[Any], dict[str, float]]] = {
    "rmsprop": (optim.RMSprop, {"lr": 1e-3, "alpha": 0.99, "eps": 1e-8}),  # as in PyTorch
    "rmsprop-keras": (optim.RMSprop, {"lr": 1e-3, "alpha": 0.9, "eps": 1e-7}),
    "adam": (optim.Adam, {"lr": 1e-3}),
    "adamw": (optim.AdamW, {"lr": 1e-3}),
    "sgd": (optim.SGD, {"lr": 0.1, "momentum": 0.9}),
}


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """What the command line says."""
    choices = "; ".join(f"{name}: {_shown(*OPTIMIZERS[name])}" for name in OPTIMIZERS)
    parser = argparse.ArgumentParser(
        description="Train a network of dense layers on MNIST.",
        epilog="Where other programs keep the machine busy, OPENBLAS_NUM_THREADS=1 can make this much faster.",
    )

    def add(name: str, *, help: str, **options: Any) -> None:
        parser.add_argument(name, help=help + " (default: %(default)s)" * ("default" in options), **options)

    add("--data", metavar="PATH", help="folder (or mnist.npz) with MNIST; without: where it is found, or a download")
    add("--source", choices=("auto", "mnist", "digits"), default="auto", help="mnist: nothing else; digits: drawn ones")
    add("--epochs", type=_at_least(0), default=5, help="times through the training images; 0 only tests")
    add("--batch-size", type=_at_least(1), default=128, help="images per step")
    add("--optimizer", choices=OPTIMIZERS, default="rmsprop", help=choices)
    add("--lr", type=float, help="learning rate, instead of the optimizer's above")
    add("--hidden", type=_at_least(1), nargs="*", default=[512], metavar="N", help="widths of the hidden layers")
    inits = "first weights: uniform on ±1/√in, biases too, as in PyTorch; or on ±√(6/(in+out)), biases 0, as in Keras"
    add("--init", choices=("pytorch", "keras"), default="pytorch", help=inits)
    add("--dtype", choices=("float32", "float64"), default="float32", help="of weights and images")
    add("--seed", type=int, default=0, help="of weights and order; the same seed gives the same run")
    add("--limit", type=_at_least(1), metavar="N", help="use only the first N training and N test images")
    add("--load", metavar="FILE", help="start from weights that an earlier run saved")
    add("--out", type=Path, default=Path("out/mnist"), help="folder for weights and pictures")
    add("--no-progress", action="store_true", help="a line per epoch instead of a bar")
    return parser.parse_args(argv)


def _at_least(least: int) -> Callable[[str], int]:
    def integer(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return int(text)

    return integer


def _shown(optimizer: type[Any], options: dict[str, float]) -> str:
    return f"{optimizer.__name__}({', '.join(f'{name}={value:g}' for name, value in options.items())})"


def read_data(args: argparse.Namespace) -> MNISTData:
    """The images and labels that were asked for."""
    if args.source == "digits" and args.data is None and args.limit:
        (images, labels), (test_images, test_labels) = digits(args.limit), digits(args.limit, train=False)
        return MNISTData(images, labels, test_images, test_labels, "drawn digits")
    data, n = load_mnist(args.data, source=args.source), args.limit
    images, labels, test_images, test_labels = data.train_images, data.train_labels, data.test_images, data.test_labels
    return MNISTData(images[:n], labels[:n], test_images[:n], test_labels[:n], data.source)


def pixels(images: Any, dtype: str) -> am.Tensor:
    """Images (n, 28, 28) from 0 to 255 as rows (n, 784) from 0 to 1."""
    return am.from_numpy(images.reshape(len(images), -1).astype(dtype) / np.dtype(dtype).type(255))


def build(hidden: list[int], init: str, dtype: str) -> nn.Sequential:
    """784 inputs, hidden layers with ReLU, 10 scores."""
    widths = [784, *hidden, 10]
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])  # no ReLU after the scores
    if init == "keras":
        for name, parameter in model.named_parameters():
            nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.xavier_uniform_(parameter)
    return model.to(dtype)


def show_digits(data: MNISTData, scores: am.Tensor, out: Path) -> None:
    """Digits with what the network takes them for: the first ones, and its surest mistakes."""
    images, labels, predicted = data.test_images, data.test_labels, scores.numpy().argmax(1)
    wrong = np.flatnonzero(predicted != labels)
    sure = scores.softmax(1).numpy()[wrong, predicted[wrong]]
    first, mistakes = np.arange(min(24, len(labels))), wrong[np.argsort(-sure, kind="stable")][:16]
    width, plain = shutil.get_terminal_size().columns, not _can_print("▀█")
    for what, chosen in (("The first test images", first[:8]), ("Its surest mistakes", mistakes[:8])):
        if len(chosen):
            captions = [f"says {predicted[i]}" + (f", is {labels[i]}" if i in mistakes else "") for i in chosen]
            print(f"\n{what}:\n")
            print(text_images(images[chosen][:, 3:25, 3:25] / 255, captions, width, plain))
    both = np.concatenate([first, mistakes])
    title = f"{len(first)} test images, and the {len(mistakes)} surest of {len(wrong)} mistakes"
    file = out / "predictions.png"
    print()
    draw("Predictions", file, lambda: image_grid(images[both], labels[both], predicted[both], file, title=title))


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def draw(what: str, file: Path, make: Callable[[], object]) -> None:
    """Make a picture and say where it is; or what is missing, without a traceback."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            make()
            print(f"{what + ':':<15}{file}")
        except ImportError as error:
            print(f"{what + ':':<15}not drawn: {error}")
    for warning in said:
        print(f"{'':<15}{warning.message}")


def draw_step(model: nn.Module, loss_fn: nn.Module, x: am.Tensor, y: am.Tensor, file: Path) -> None:
    """The graph of one training step, with values and gradients."""
    model.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()
    graph = draw_graph(loss, params=model, names={"x": x, "y": y, "loss": loss})
    draw("Graph", file, lambda: graph.save(file))
    if shutil.which("dot") is None:  # for a machine that has Graphviz: `dot -Tpdf step.dot -o step.pdf`
        draw("Graph as DOT", file.with_suffix(".dot"), lambda: graph.save(file.with_suffix(".dot")))


def save_weights(model: nn.Module, out: Path) -> Path:
    """As .safetensors if that is installed, else as .npz."""
    for suffix in (".safetensors", ".npz"):
        file = out / f"weights{suffix}"
        try:
            save(model.state_dict(), file)
            break
        except ImportError as error:
            print(f"Weights go into an .npz: {error}")
    print(f"{'Weights:':<15}{file}")
    return file


def run(args: argparse.Namespace) -> None:
    """The whole story."""
    args.out.mkdir(parents=True, exist_ok=True)
    distributed.init()
    with contextlib.redirect_stdout(io.StringIO()) if distributed.rank() else contextlib.nullcontext():
        train_and_show(args)


def train_and_show(args: argparse.Namespace) -> None:
    """As process 0 or the only one; the others train with it, print nothing and write nothing."""
    am.manual_seed(args.seed)
    model, loss_fn = build(args.hidden, args.init, args.dtype), nn.CrossEntropyLoss()
    if args.load:
        model.load_state_dict(load(args.load))
    kind, options = OPTIMIZERS[args.optimizer]
    options = options if args.lr is None else {**options, "lr": args.lr}
    optimizer = kind(model.parameters(), **options)  # before the data: an error comes at once
    if distributed.rank():
        distributed.barrier()  # until process 0 has read, and perhaps downloaded, the data
    data = read_data(args)
    if not distributed.rank():
        distributed.barrier()
    said = f"Data: {data.source}".replace('load_mnist(source="mnist")', "--source mnist")
    print(textwrap.fill(said, shutil.get_terminal_size().columns, break_on_hyphens=False, break_long_words=False))
    print(f"{len(data.train_images):,} training and {len(data.test_images):,} test images of 28 × 28")
    train = pixels(data.train_images, args.dtype), am.tensor(data.train_labels, dtype=am.int64)
    test = pixels(data.test_images, args.dtype), am.tensor(data.test_labels, dtype=am.int64)

    begin = f"weights from {args.load}" if args.load else f"first weights as in {args.init}"
    print(f"\n{nn.summary(model, 784)}\n")
    if distributed.world_size() > 1:
        print(f"{distributed.world_size()} processes, each with a part of every batch")
    print(f"{_shown(kind, options)}\n{begin}, batches of {args.batch_size}, {args.dtype}, seed {args.seed}\n")

    replica = distributed.DistributedDataParallel(model)
    trainer = Trainer(replica, loss_fn, optimizer, metrics={"accuracy": accuracy})
    verbose = 2 if args.no_progress else "auto"
    history = trainer.fit(train, args.epochs, args.batch_size, validation=test, verbose=verbose)
    result = trainer.evaluate(test, 1000)
    print(f"\nTest accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}")
    if distributed.rank():
        return

    scores = trainer.predict(test[0], 1000)
    show_digits(data, scores, args.out)
    if args.epochs > 1:  # one epoch is one dot
        draw("Curves", args.out / "curves.png", lambda: history.plot(args.out / "curves.png"))
    draw_step(model, loss_fn, train[0][: args.batch_size], train[1][: args.batch_size], args.out / "step.svg")
    file = save_weights(model, args.out)

    trainer.model = build(args.hidden, args.init, args.dtype)  # with other weights
    trainer.model.load_state_dict(load(file))
    same = (trainer.predict(test[0], 1000) == scores).numpy().all(1).sum()
    print(f"{'Loaded again:':<15}{same:,} of {len(scores):,} predictions are the same, to the last bit")


def main(argv: list[str] | None = None) -> int:
    """0; 1 if stopped by Ctrl-C; 2, with a message, for what cannot be read or written."""
    args = arguments(argv)
    try:
        run(args)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped; nothing was saved", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
