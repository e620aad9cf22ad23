"""The gate of the constructors: nonsense is refused where PyTorch refuses it, by the argument's name and its value."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn

NONSENSE: list[Any] = ["a", None, -1, 0, 1.5, True, [], {}, float("nan"), (1, 2, 3), ("a", "b"), object()]
SIZES = {"input_size": 3, "hidden_size": 2}
NEEDED: list[tuple[str, dict[str, Any]]] = [  # by the start of the layer's name
    ("Linear", {"in_features": 3, "out_features": 2}),
    ("Conv", {"in_channels": 2, "out_channels": 4, "kernel_size": 3}),
    ("Embedding", {"num_embeddings": 5, "embedding_dim": 3}),
    ("BatchNorm", {"num_features": 3}),
    ("LayerNorm", {"normalized_shape": 3}),
    ("RMSNorm", {"normalized_shape": 3}),
    ("GroupNorm", {"num_groups": 2, "num_channels": 4}),
    ("RNN", SIZES), ("LSTM", SIZES), ("GRU", SIZES),
    ("MultiheadAttention", {"embed_dim": 4, "num_heads": 2}),
    ("Transformer", {"d_model": 4, "nhead": 2, "dim_feedforward": 5}),
    ("MaxPool", {"kernel_size": 2}), ("AvgPool", {"kernel_size": 2}), ("Adaptive", {"output_size": 2}),
    ("Unflatten", {"dim": 1, "unflattened_size": (2, 3)}),
    ("Upsample", {"scale_factor": 2}),
]  # fmt: skip
# Where PyTorch, and so we, say what is wrong in other words.
SAID = {
    "p": "probability", "dropout": "probability", "d_model": "embed_dim", "nhead": "num_heads",
    "padding_mode": "padding mode",
}  # fmt: skip
# Not layers; or PyTorch's take a list of modules, or a mode first.
OTHERS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential", "RNNBase"}
OTHERS |= {"Transformer", "TransformerEncoder", "TransformerDecoder"}
LAYERS = [n for n in nn.__all__ if isinstance(kind := getattr(nn, n), type) and issubclass(kind, nn.Module)]


def refusal(library: Any, name: str, options: dict[str, Any]) -> Exception | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(library.nn, name)(**options)
    except Exception as error:
        return error
    return None


def needed(name: str) -> dict[str, Any]:
    return next((options for start, options in NEEDED if name.startswith(start)), {})


def cases(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for argument in inspect.signature(getattr(nn, name)).parameters:
        if argument not in ("args", "kwargs", "device", "dtype", "_weight", "proj_size"):
            for value in NONSENSE:
                yield argument, {**needed(name), argument: value}


@pytest.mark.parametrize("name", sorted(set(LAYERS) - OTHERS))
def test_what_pytorch_refuses_is_refused_by_name(name: str) -> None:
    torch = pytest.importorskip("torch")
    assert refusal(torch, name, needed(name)) is refusal(am, name, needed(name)) is None
    for argument, options in cases(name):
        ours = refusal(am, name, options)
        assert ours is not None or refusal(torch, name, options) is None, (options, ours)
        if ours is not None:
            assert isinstance(ours, (TypeError, ValueError, RuntimeError, AssertionError)), ours
            assert argument in str(ours) or SAID.get(argument, argument) in str(ours), (options, ours)


def test_a_refusal_says_which_layer_what_and_why() -> None:
    wrong: dict[str, Any] = {
        "Linear: in_features must be an integer, but got 'a'": lambda: nn.Linear("a", 3),  # type: ignore[arg-type]
        "Linear: bias must be True or False, but got 'cpu'": lambda: nn.Linear(2, 3, "cpu"),  # type: ignore[arg-type]
        "Dropout: p must be a number, but got 'x'": lambda: nn.Dropout("x"),  # type: ignore[arg-type]
        "GRU: bias must be True or False, but got 0": lambda: nn.GRU(2, 3, bias=0),  # type: ignore[arg-type]
        "LayerNorm: normalized_shape must be an integer, or a tuple of integers, but got 2.0": lambda: nn.LayerNorm(
            2.0  # type: ignore[arg-type]
        ),
        "kernel_size must be an integer, or 2, but got None": lambda: nn.Conv2d(1, 2, None),
        "kernel_size must be an integer, or 2, but got 2.0": lambda: nn.functional.max_pool2d(am.ones(1, 4, 4), 2.0),
        "TransformerEncoder: encoder_layer must be a Module, but got 3": lambda: nn.TransformerEncoder(3, 1),  # type: ignore[arg-type]
        "Bottleneck: out_features must be an integer, but got None": lambda: Bottleneck(4, None),
    }
    for message, call in wrong.items():
        with pytest.raises(TypeError) as raised:
            call()
        assert str(raised.value) == message
    for shape in (-1, (2, -1)):
        with pytest.raises(RuntimeError, match="LayerNorm: normalized_shape must not be negative, but got"):
            nn.LayerNorm(shape)
    with pytest.raises(NotImplementedError, match="RNNBase is what RNN, LSTM and GRU share"):
        nn.RNNBase(3, 2)


class Bottleneck(nn.Linear):
    """A layer of a user's own, whose constructor hands on what it is given."""

    def __init__(self, width: int, out: Any) -> None:
        super().__init__(width, out)


def test_what_pytorch_takes_is_taken() -> None:
    torch = pytest.importorskip("torch")
    number, half, found = np.int64(3), np.float32(0.5), []
    for lib in (am, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nothing to initialize
            layers = [
                lib.nn.Linear(number, number, bias=None), lib.nn.Linear(3, 2, bias=0), lib.nn.Conv2d(0, 4, number),
                lib.nn.ConvTranspose1d(2, 0, [3]), lib.nn.PReLU(init=0), lib.nn.LSTMCell(3, 0), lib.nn.Dropout(half),
                lib.nn.Embedding(number, 2, padding_idx=np.int64(-1)), lib.nn.LayerNorm([2, number]),
                lib.nn.BatchNorm1d(lib.tensor(3), eps=half, momentum=None), lib.nn.Upsample(scale_factor=(2, half)),
                lib.nn.Linear(3, 2, bias=np.int64(0)), lib.nn.GRU(3, 2, bidirectional=np.int64(1)),
                lib.nn.LayerNorm(number), lib.nn.RMSNorm(number),
            ]  # fmt: skip
        found.append([[tuple(p.shape) for p in layer.parameters()] for layer in layers])
    assert found[0] == found[1]


def test_the_gate_leaves_the_signature_as_it_is() -> None:
    assert list(inspect.signature(nn.Linear).parameters) == ["in_features", "out_features", "bias", "device", "dtype"]
    assert nn.Linear.__init__.__doc__ is None and nn.Module.__init__ is nn.Sigmoid.__mro__[-2].__init__  # type: ignore[misc]
