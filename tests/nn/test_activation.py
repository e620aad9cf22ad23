"""Activations as modules and functions, against PyTorch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import LIBRARIES, check, numbers, same, same_error

import autograd_mini as am
from autograd_mini import nn

X = np.concatenate([numbers((3, 4), 1) * 3, [[-30.0, 30.0, 0.5, -0.5]]])  # no kinks: these are proved with the rules

MODULES: dict[str, Callable[[Any], Any]] = {
    "ReLU": lambda net: net.ReLU(),
    "ReLU6": lambda net: net.ReLU6(),
    "Sigmoid": lambda net: net.Sigmoid(),
    "Tanh": lambda net: net.Tanh(),
    "LogSigmoid": lambda net: net.LogSigmoid(),
    "Softsign": lambda net: net.Softsign(),
    "Tanhshrink": lambda net: net.Tanhshrink(),
    "SELU": lambda net: net.SELU(),
    "SiLU": lambda net: net.SiLU(),
    "Mish": lambda net: net.Mish(),
    "Hardsigmoid": lambda net: net.Hardsigmoid(),
    "Hardswish": lambda net: net.Hardswish(),
    "ELU": lambda net: net.ELU(0.7),
    "CELU": lambda net: net.CELU(alpha=0.7),
    "LeakyReLU": lambda net: net.LeakyReLU(0.2),
    "Hardtanh": lambda net: net.Hardtanh(-2.0, 0.5),
    "Softplus": lambda net: net.Softplus(2.0, 10.0),
    "GELU": lambda net: net.GELU(),
    "GELU of tanh": lambda net: net.GELU("tanh"),
    "Softmax": lambda net: net.Softmax(dim=-1),
    "LogSoftmax": lambda net: net.LogSoftmax(1),
    "PReLU": lambda net: net.PReLU(),
    "PReLU by channel": lambda net: net.PReLU(4, 0.1),
}


@pytest.mark.parametrize("name", MODULES)
def test_activation_modules(name: str) -> None:
    single = name in ("CELU", "Hardsigmoid")  # in these PyTorch computes with a constant of single precision
    check(lambda lib: MODULES[name](lib.nn), X, tolerance=1e-7 if single else 1e-10)


IN_PLACE = ["ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardsigmoid", "Hardswish", "ELU", "CELU", "LeakyReLU", "Hardtanh"]


@pytest.mark.parametrize("name", IN_PLACE)
def test_activations_in_place(name: str) -> None:
    def run(lib: Any, inputs: list[Any]) -> Any:
        fresh = inputs[0] * 1.0
        result = getattr(lib.nn, name)(inplace=True)(fresh)
        assert result.data_ptr() == fresh.data_ptr() if lib is not am else np.shares_memory(result._array, fresh._array)
        return result

    same(run, X, tolerance=1e-7 if name in ("CELU", "Hardsigmoid") else 1e-10)
    if name not in ("Hardsigmoid", "Hardswish"):  # PyTorch does not say it of these two; here all do
        assert repr(getattr(nn, name)(inplace=True)) == repr(getattr(LIBRARIES[1].nn, name)(inplace=True))


def test_functions_take_options_by_position() -> None:
    same(lambda lib, x: lib.nn.functional.leaky_relu(x[0] * 1.0, 0.3, True), X)
    same(lambda lib, x: lib.nn.functional.elu(x[0], 0.3), X)
    same(lambda lib, x: lib.nn.functional.hardtanh(x[0], -0.5, max_val=0.25), X)
    same(lambda lib, x: lib.nn.functional.softplus(x[0], 3.0), X)
    same(lambda lib, x: lib.nn.functional.prelu(x[0], x[1]), X, np.array([0.3]))
    x = am.tensor([-1.0, 1.0])
    assert np.shares_memory(nn.functional.leaky_relu(x, 0.3, True)._array, x._array) and x.tolist()[1] == 1.0
    with pytest.raises(TypeError):
        nn.Sigmoid(inplace=True)  # type: ignore[call-arg]


def test_options_are_attributes() -> None:
    layer = nn.LeakyReLU()
    layer.negative_slope = 0.5
    assert layer(am.tensor([-2.0])).item() == -1.0 and repr(layer) == "LeakyReLU(negative_slope=0.5)"
    same_error(lambda lib: lib.nn.GELU("x")(lib.ones(2)), "approximate argument must be either none or tanh")


NAMES = ["ReLU", "ELU", "CELU", "GELU", "LeakyReLU", "Softplus", "Softmax", "PReLU", "Embedding", "Conv1d",
         "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "MaxPool1d", "MaxPool2d", "AvgPool1d", "AvgPool2d",
         "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "BatchNorm1d", "BatchNorm2d", "LayerNorm", "GroupNorm", "RMSNorm",
         "Dropout1d", "Dropout2d", "SmoothL1Loss", "HuberLoss", "BCELoss", "BCEWithLogitsLoss", "KLDivLoss",
         "RNNCell", "LSTMCell", "GRUCell", "MultiheadAttention", "TransformerEncoderLayer",
         "TransformerEncoder", "TransformerDecoder", "Transformer", "MultiheadAttention.forward",
         "TransformerEncoderLayer.forward", "TransformerDecoderLayer.forward", "TransformerEncoder.forward",
         "TransformerDecoder.forward", "Transformer.forward", "functional.embedding",
         "functional.dropout2d", "functional.huber_loss", "functional.normalize",
         "functional.layer_norm", "functional.pad",
         "functional.rms_norm", "functional.group_norm", "functional.smooth_l1_loss", "functional.kl_div",
         "functional.binary_cross_entropy_with_logits", "functional.binary_cross_entropy"]  # fmt: skip
LEGACY = {"size_average", "reduce", "activation", "out"}


@pytest.mark.parametrize("path", NAMES)
def test_layers_have_the_same_arguments_and_defaults(path: str) -> None:
    def signature(lib: Any) -> dict[str, Any]:
        found = lib.nn
        for name in path.split("."):
            found = getattr(found, name)
        return {p.name: p.default for p in inspect.signature(found).parameters.values() if p.name not in LEGACY}

    ours, theirs = signature(am), signature(LIBRARIES[1])
    assert ours == theirs
