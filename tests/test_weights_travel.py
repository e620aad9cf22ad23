"""Weights trained here predict the same in PyTorch, and those trained there predict the same here: for every layer."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import LIBRARIES, flat, torch

import autograd_mini as am

files = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

FLOATS, TOKENS = (4, 6), (4, 5)
LAYERS: dict[str, tuple[str, tuple[int, ...]]] = {  # how it is made, and the shape of its input
    "Linear": ("nn.Linear(6, 3)", FLOATS),
    "Linear without bias": ("nn.Linear(6, 3, bias=False)", FLOATS),
    "Conv1d": ("nn.Conv1d(2, 4, 3, padding=1, groups=2)", (4, 2, 6)),
    "Conv2d": ("nn.Conv2d(2, 3, (3, 2), stride=2, dilation=1)", (4, 2, 6, 5)),
    "ConvTranspose1d": ("nn.ConvTranspose1d(2, 3, 3, stride=2, output_padding=1)", (4, 2, 6)),
    "ConvTranspose2d": ("nn.ConvTranspose2d(2, 4, 3, groups=2)", (4, 2, 5, 6)),
    "BatchNorm1d": ("nn.BatchNorm1d(6)", FLOATS),
    "BatchNorm2d": ("nn.BatchNorm2d(2)", (4, 2, 3, 3)),
    "BatchNorm1d without statistics": ("nn.BatchNorm1d(6, track_running_stats=False)", FLOATS),
    "LayerNorm": ("nn.LayerNorm(6)", FLOATS),
    "GroupNorm": ("nn.GroupNorm(2, 6)", FLOATS),
    "RMSNorm": ("nn.RMSNorm(6)", FLOATS),
    "PReLU": ("nn.PReLU(6)", FLOATS),
    "Embedding": ("nn.Embedding(7, 4, padding_idx=1)", TOKENS),
    "RNN": ("nn.RNN(6, 3, num_layers=2, nonlinearity='relu')", (5, 4, 6)),
    "LSTM": ("nn.LSTM(6, 3, num_layers=2, bidirectional=True, batch_first=True)", (5, 4, 6)),
    "GRU": ("nn.GRU(6, 3, bidirectional=True)", (5, 4, 6)),
    "RNNCell": ("nn.RNNCell(6, 3)", FLOATS),
    "LSTMCell": ("nn.LSTMCell(6, 3)", FLOATS),
    "GRUCell": ("nn.GRUCell(6, 3)", FLOATS),
    "MultiheadAttention": ("nn.MultiheadAttention(6, 2, batch_first=True)", (4, 5, 6)),
    "MultiheadAttention of keys and values": ("nn.MultiheadAttention(6, 2, kdim=5, vdim=3)", (5, 4, 6)),
    "TransformerEncoderLayer": ("nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0)", (5, 4, 6)),
    "TransformerEncoder": (
        "nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, 0.0, norm_first=True, batch_first=True), 2,"
        " norm=nn.LayerNorm(6), enable_nested_tensor=False)",
        (4, 5, 6),
    ),
    "TransformerDecoderLayer": ("nn.TransformerDecoderLayer(6, 2, 8, dropout=0.0)", (5, 4, 6)),
    "Transformer": ("nn.Transformer(6, 2, 1, 1, 8, dropout=0.0, batch_first=True)", (4, 5, 6)),
    "ParameterList": ("nn.ParameterList([nn.Parameter(torch.ones(6)), nn.Parameter(torch.zeros(2, 3))])", FLOATS),
    "ParameterDict": ("nn.ParameterDict({'scale': nn.Parameter(torch.ones(6))})", FLOATS),
    "ModuleDict": ("nn.ModuleDict({'encode': nn.Linear(6, 3), 'decode': nn.ModuleList([nn.Linear(3, 6)])})", FLOATS),
    "LeNet": (
        "nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),"
        " nn.Linear(12, 5), nn.Dropout(0.0), nn.Linear(5, 3))",
        (4, 1, 6, 6),
    ),
}  # fmt: skip


def inputs_of(name: str, shape: tuple[int, ...]) -> list[Any]:
    random = np.random.default_rng(1)
    if shape is TOKENS:
        return [random.integers(0, 7, shape)]
    drawn = [random.standard_normal(shape).astype(np.float32) for _ in range(3)]
    if name == "MultiheadAttention of keys and values":
        return [drawn[0], drawn[1][..., :5], drawn[2][..., :3]]
    return drawn[: 3 if "Multihead" in name else 2 if "Decoder" in name or name == "Transformer" else 1]


def output(model: Any, name: str, inputs: list[Any]) -> list[Any]:
    """What it computes; of a container of parameters or modules, that without a forward of its own."""
    if name == "ParameterList":
        return [inputs[0] * model[0] + model[1].sum()]
    if name == "ParameterDict":
        return [inputs[0] * model["scale"]]
    return flat(model["decode"][0](model["encode"](inputs[0])) if name == "ModuleDict" else model(*inputs))


def trained(library: Any, name: str, seed: int = 0) -> tuple[Any, list[Any]]:
    """The model after three steps from random weights, and what it predicts in evaluation mode."""
    library.manual_seed(seed)
    random = np.random.default_rng(seed)
    code, shape = LAYERS[name]
    model = eval(code, {"nn": library.nn, "torch": library})  # noqa: S307 - of this file
    inputs = [library.tensor(array) for array in inputs_of(name, shape)]
    with library.no_grad():
        for parameter in model.parameters():  # those of a norm would be ones
            parameter += library.tensor(random.normal(0, 0.3, tuple(parameter.shape)).astype(np.float32))
    optimizer = library.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        sum((tensor**2).mean() for tensor in output(model, name, inputs)).backward()
        optimizer.step()
    return model, [tensor.detach().numpy() for tensor in output(model.eval(), name, inputs)]


def write(library: Any, model: Any, path: Path) -> None:
    if library is am:
        am.save(model.state_dict(), path)
    elif path.suffix == ".safetensors":
        files.save_file(model.state_dict(), path)
    else:
        torch.save(model.state_dict(), path)


def read(library: Any, path: Path) -> Any:
    if library is am:
        return am.load(path)
    if path.suffix == ".safetensors":
        return files.load_file(path)
    with np.load(path) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "tree.json"}


@pytest.mark.parametrize("suffix", [".safetensors", ".other"], ids=["safetensors", "own and torch.save"])
@pytest.mark.parametrize("there", [True, False], ids=["from here to PyTorch", "from PyTorch to here"])
@pytest.mark.parametrize("name", LAYERS)
def test_trained_on_one_side_predicts_the_same_on_the_other(
    name: str, there: bool, suffix: str, tmp_path: Path
) -> None:
    source, target = LIBRARIES if there else LIBRARIES[::-1]
    model, expected = trained(source, name)
    write(source, model, tmp_path / f"weights{suffix}")
    weights = read(target, tmp_path / f"weights{suffix}")
    shapes = {key: (tuple(value.shape), str(value.dtype).split(".")[-1]) for key, value in model.state_dict().items()}
    assert {key: (tuple(value.shape), str(value.dtype).split(".")[-1]) for key, value in weights.items()} == shapes
    other, before = trained(target, name, seed=1)
    other.load_state_dict(weights)  # strict: not a name more or less
    inputs = [target.tensor(array) for array in inputs_of(name, LAYERS[name][1])]
    found = [tensor.detach().numpy() for tensor in output(other.eval(), name, inputs)]
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6, strict=True)
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(before, expected, strict=True))


def test_no_layer_with_weights_is_left_out() -> None:
    """Every module class of both that holds parameters or buffers is built somewhere above."""
    built = {type(module).__name__ for code, _ in LAYERS.values() for module in
             eval(code, {"nn": am.nn, "torch": am}).modules()}  # noqa: S307 - of this file  # fmt: skip
    weightless = set()
    for name in set(am.nn.__all__) - built:
        kind = getattr(am.nn, name)
        if inspect.isclass(kind) and issubclass(kind, am.nn.Module) and hasattr(torch.nn, name):
            required = [p for p in inspect.signature(kind).parameters.values() if p.default is p.empty]
            sizes = {"kernel_size": 2, "output_size": 2, "dim": 1, "unflattened_size": (2, 2)}
            try:
                module = kind(**{p.name: sizes[p.name] for p in required if p.kind is p.POSITIONAL_OR_KEYWORD})
            except (KeyError, NotImplementedError):
                continue
            assert not module.state_dict(), name
            weightless.add(name)
    left = {n for n in set(am.nn.__all__) - built - weightless if inspect.isclass(getattr(am.nn, n))}
    assert left <= {"Module", "Parameter", "RNNBase", "Summary", "TransformerDecoder"}, left


@pytest.mark.parametrize("kind", ["safetensors", "torch"])
def test_pytorchs_files_can_be_mapped(kind: str, tmp_path: Path) -> None:
    """Numbers are as they were written; training on them leaves the file as it is."""
    theirs, path = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.BatchNorm1d(3)), tmp_path / "weights"
    (files.save_file if kind == "safetensors" else torch.save)(theirs.state_dict(), path)
    before, mapped = path.read_bytes(), am.load(path, mmap=True)
    assert mapped.keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(mapped[name].numpy(), tensor.numpy(), strict=True)
        mapped[name].fill_(7)
    assert path.read_bytes() == before
    assert am.load(path, mmap=True)["0.weight"].tolist() == theirs[0].weight.tolist()
