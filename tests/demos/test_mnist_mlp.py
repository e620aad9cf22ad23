"""The demo as people run it, on a few drawn digits: it repeats to the last bit, and degrades with a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini as am
from autograd_mini.serialization import load

DEMO = Path(__file__).parents[2] / "demos" / "mnist_mlp.py"
SMALL = ["--source", "digits", "--limit", "300", "--epochs", "2", "--hidden", "32", "--seed", "3"]

PLOTS = "matplotlib matplotlib.figure "
FEWER = (  # digits in MNIST: 70,000 take seconds to be drawn
    "from importlib import import_module; mnist = import_module('autograd_mini.vision.mnist'); mnist.MNIST ="
    " mnist.MNIST._replace(members=tuple(m._replace(shape=(400, *m.shape[1:])) for m in mnist.MNIST.members));"
)


def run(
    folder: Path, *options: str, missing: str = "", path: str | None = None, first: str = ""
) -> subprocess.CompletedProcess[str]:
    """The demo in a process of its own, in `folder`, as if the modules in `missing` and programs were not there."""
    program = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({missing.split()!r})); {first}"
        f" sys.argv[0] = {str(DEMO)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(DEMO.parents[1]),
        "AUTOGRAD_MINI_CACHE": str(folder / "cache"),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "80",
        "PATH": os.environ["PATH"] if path is None else path,
    }
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *options],
        cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def untimed(text: str) -> str:
    """Without times, and without the two lines on plots."""
    return re.sub(r"\d+\.\ds [\d.]+ms/step|^(Predictions|Curves):.*\n", "", text, flags=re.M)


def test_two_runs_are_the_same_to_the_last_bit(tmp_path: Path) -> None:
    """Also where one of them cannot plot."""
    pytest.importorskip("safetensors")
    first, second = run(tmp_path, *SMALL, "--out", "a"), run(tmp_path, *SMALL, "--out", "b", missing=PLOTS)
    assert (first.returncode, first.stderr) == (0, ""), first.stderr
    assert untimed(first.stdout) == untimed(second.stdout).replace("b/", "a/")
    weights = (tmp_path / "a/weights.safetensors").read_bytes()
    assert weights == (tmp_path / "b/weights.safetensors").read_bytes()
    other = run(tmp_path, *SMALL, "--out", "c", "--seed", "4", missing=PLOTS)
    assert weights != (tmp_path / "c/weights.safetensors").read_bytes() and other.returncode == 0

    out = first.stdout
    assert out.startswith("Data: drawn digits\n300 training and 300 test images of 28 × 28\n")
    assert "Total params:         25,450" in out and "RMSprop(lr=0.001, alpha=0.99, eps=1e-08)" in out
    losses = [float(loss) for loss in re.findall(r"- loss: (\d\.\d+)", out)]
    assert len(losses) == 2 and losses[1] < losses[0]
    assert "█" in out and re.search(r"Test accuracy 0\.\d{4}, loss \d\.\d{4}\n", out)
    assert "Loaded again:  300 of 300 predictions are the same, to the last bit" in out
    for name in ("predictions.png", "curves.png", "step.svg", "weights.safetensors"):
        assert f"a/{name}\n" in out and (tmp_path / "a" / name).stat().st_size > 1000


def test_what_is_missing_costs_a_sentence_each(tmp_path: Path) -> None:
    done = run(tmp_path, *SMALL, missing=PLOTS + "safetensors safetensors.numpy tqdm pooch", path="")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    for line in (
        'Predictions:   not drawn: plots need matplotlib: pip install "autograd_mini[plot]"',
        'Curves:        not drawn: plots need matplotlib: pip install "autograd_mini[plot]"',
        "Graph:         out/mnist/step.svg",
        'Weights go into an .npz: writing .safetensors needs: pip install "autograd_mini[safetensors]"',
        "Weights:       out/mnist/weights.npz",
        "Loaded again:  300 of 300 predictions are the same, to the last bit",
    ):
        assert line + "\n" in done.stdout
    assert "`dot` was not found" in done.stdout and done.stdout.count("pip install") == 3
    assert load(tmp_path / "out/mnist/weights.npz")["0.weight"].shape == (32, 784)


def test_going_on_from_saved_weights(tmp_path: Path) -> None:
    first = run(tmp_path, *SMALL, "--out", "a", missing=PLOTS + "safetensors safetensors.numpy")
    accuracy = re.search(r"Test accuracy .*", first.stdout)
    assert accuracy is not None
    again = run(tmp_path, *SMALL, "--out", "b", "--epochs", "0", "--load", "a/weights.npz", missing=PLOTS)
    assert again.returncode == 0 and accuracy[0] in again.stdout
    assert "Curves" in first.stdout and "Curves" not in again.stdout


def test_other_options(tmp_path: Path) -> None:
    options = ["--hidden", "--optimizer", "sgd", "--lr", "0.5", "--dtype", "float64", "--init", "keras"]
    done = run(tmp_path, *SMALL, *options, missing=PLOTS)
    assert "SGD(lr=0.5, momentum=0.9)\nfirst weights as in keras, batches of 128, float64, seed 3" in done.stdout
    assert "Total params:         7,850" in done.stdout and done.returncode == 0, done.stderr
    (weights,) = (tmp_path / "out/mnist").glob("weights.*")
    assert load(weights)["0.weight"].dtype == am.float64


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "nowhere: does not exist"),
        (["--data", "empty"], "empty: no MNIST in it"),
        (["--load", "nowhere.npz"], "No such file or directory: 'nowhere.npz'"),
        (["--load", "text"], "text: expected what save() wrote, found a file that begins b'hello wor'"),
        (["--batch-size", "0"], "argument --batch-size: 0 is less than 1"),
        (["--epochs", "-1"], "argument --epochs: -1 is less than 0"),
        (["--optimizer", "magic"], "invalid choice: 'magic'"),
        (["--lr", "-1"], "learning rate"),
        (["--out", "text"], "text"),
    ],
    ids=lambda o: " ".join(o) if isinstance(o, list) else "",
)
def test_wrong_options_are_a_message_and_status_2(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello world")
    done = run(tmp_path, *([] if "--data" in options else SMALL), *options)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert done.stdout == "", "before the data are read"


def test_without_mnist_one_sentence_says_so_and_source_mnist_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AUTOGRAD_MINI_DATA", raising=False)
    for home in ("HOME", "USERPROFILE", "KERAS_HOME"):  # where other libraries keep MNIST
        monkeypatch.setenv(home, str(tmp_path))
    small = ["--limit", "300", "--epochs", "0", "--hidden"]
    done = run(tmp_path, *small, missing=PLOTS + "pooch", first=FEWER)
    assert done.returncode == 0, done.stderr
    said = "Data: drawn digits, as MNIST was neither found nor downloaded: --source mnist says why"
    assert " ".join(done.stdout.split()).startswith(said + " 300 training and 300 test images")
    refused = run(tmp_path, "--source", "mnist", missing="pooch")
    assert refused.returncode == 2 and 'pip install "autograd_mini[vision]"' in refused.stderr


def test_help_names_the_defaults_that_there_are(tmp_path: Path) -> None:
    said = " ".join(run(tmp_path, "--help").stdout.split())
    assert "(default: 128)" in said and "None" not in said and "False" not in said


def real_mnist() -> Path:
    """The folder with the real MNIST, from the environment or beside the project."""
    beside = DEMO.parents[2] / "shared" / "mnist"
    return Path(os.environ.get("AUTOGRAD_MINI_DATA", beside))


@pytest.mark.skipif(not real_mnist().exists(), reason="no real MNIST: set AUTOGRAD_MINI_DATA to its folder")
def test_one_epoch_on_the_real_mnist(tmp_path: Path) -> None:
    """The main job on the real thing: after one epoch 95 of 100 test digits are read; saved weights read the same."""
    done = run(tmp_path, "--data", str(real_mnist()), "--epochs", "1", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "407,050" in done.stdout and "469/469" in done.stdout
    found = re.search(r"Test accuracy (0\.\d+)", done.stdout)
    assert found is not None and float(found[1]) >= 0.95
    assert "10,000 of 10,000 predictions are the same" in done.stdout
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"weights.safetensors", "step.svg", "predictions.png"} <= made
    assert "curves.png" not in made and "Curves" not in done.stdout, "one epoch is no curve"
