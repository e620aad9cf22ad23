"""Exported models: what `onnx.checker` and onnxruntime say of them, at several batch sizes, and what is refused."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini import nn
from autograd_mini.primitive import PRIMITIVES
from autograd_mini.rules import elementwise

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from autograd_mini.onnx import OnnxExportError, emitter, export  # noqa: E402
from autograd_mini.onnx_emitters import EMITTERS  # noqa: E402

F = nn.functional


def session(path: Path) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def outputs_of(result: Any) -> list[Any]:
    if isinstance(result, am.Tensor):
        return [result.detach().numpy()]
    return [] if result is None else [array for part in result for array in outputs_of(part)]


def dims(values: Any) -> list[list[Any]]:
    return [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values]


def check(
    model: Any, path: Path, *shapes: tuple[int, ...], axis: int = 0, tokens: int = 0, batches: Any = (1, 2, 5),
    tolerance: float = 1e-5,
) -> Any:
    """Export, check in full, and compare the outputs at three batch sizes; the shapes are those of one sample."""
    random = np.random.default_rng(0)

    def inputs(n: int) -> list[Any]:
        sizes = [(*shape[:axis], n, *shape[axis:]) for shape in shapes]
        if tokens:
            return [random.integers(0, tokens, size) for size in sizes]
        return [random.normal(0, 1, size).astype(np.float32) for size in sizes]

    export(model, tuple(am.tensor(array) for array in inputs(4)), path, batch_axis=axis)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    run = session(path)
    model.eval()
    for n in batches:
        arrays = inputs(n)
        expected = outputs_of(model(*map(am.tensor, arrays)))
        found = run.run(None, {value.name: array for value, array in zip(run.get_inputs(), arrays, strict=True)})
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, strict=True)
    return proto


class LeNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 5, padding=2), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3, stride=2, groups=2, bias=False), nn.BatchNorm2d(8), nn.Tanh(),
            nn.AvgPool2d(2, padding=1),
        )  # fmt: skip
        self.dropout, self.fc = nn.Dropout(0.5), nn.Linear(32, 10)

    def forward(self, image: Any) -> Any:
        x = self.features(image)
        return F.log_softmax(self.fc(self.dropout(x.view(x.shape[0], -1))), dim=1)


class Reader(nn.Module):
    """Tokens to a recurrent layer to the scores of its last state."""

    def __init__(self, kind: Any, **options: Any) -> None:
        super().__init__()
        self.embed, self.rnn = nn.Embedding(11, 6), kind(6, 5, batch_first=True, **options)
        self.head = nn.Linear(5 * (1 + self.rnn.bidirectional), 3)

    def forward(self, tokens: Any) -> Any:
        out, _ = self.rnn(self.embed(tokens))
        return self.head(out[:, -1])


class Block(nn.Module):
    """A causal transformer block as GPTs have it, written with the engine's operations."""

    def __init__(self, d: int = 8, heads: int = 2, length: int = 5) -> None:
        super().__init__()
        self.heads, self.ln1, self.ln2 = heads, nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))
        self.position = nn.Parameter(am.randn(length, d))
        self.register_buffer("mask", am.tril(am.ones(length, length)) == 0)

    def forward(self, x: Any) -> Any:
        n, t, d = x.shape
        x = x + self.position
        q, k, v = self.qkv(self.ln1(x)).split(d, dim=2)
        q, k, v = (part.view(n, t, self.heads, d // self.heads).transpose(1, 2) for part in (q, k, v))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)).masked_fill(self.mask, -math.inf)
        x = x + self.out((F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.ln2(x))


def mlp() -> Any:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 3, bias=False), nn.Softmax(dim=1))


def trained(model: Any, *shape: int) -> Any:
    """With statistics and weights that are no longer those of the start."""
    optimizer = am.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (model(am.randn(6, *shape)) ** 2).mean().backward()
        optimizer.step()
    return model


def test_an_mlp(tmp_path: Path) -> None:
    proto = check(trained(mlp(), 3, 4), tmp_path / "x.onnx", (3, 4))
    assert dims(proto.graph.input) == [["batch", 3, 4]] and dims(proto.graph.output) == [["batch", 3]]
    assert {"1.weight", "1.bias", "3.weight"} <= {array.name for array in proto.graph.initializer}
    assert [v.name for v in (*proto.graph.input, *proto.graph.output)] == ["input", "output"]


def test_lenet_with_pooling_and_batchnorm(tmp_path: Path) -> None:
    model = trained(LeNet(), 1, 14, 14)
    proto = check(model, tmp_path / "x.onnx", (1, 14, 14))
    assert {"features.1.running_mean", "features.5.weight"} <= {array.name for array in proto.graph.initializer}
    assert model.training is False and "Dropout" not in {node.op_type for node in proto.graph.node}


RECURRENT: dict[str, Callable[[], Any]] = {
    "RNN": lambda: Reader(nn.RNN, nonlinearity="relu"),
    "LSTM": lambda: Reader(nn.LSTM, num_layers=2),
    "GRU": lambda: Reader(nn.GRU, bidirectional=True),
}


@pytest.mark.parametrize("kind", RECURRENT)
def test_recurrent_networks_over_time(kind: str, tmp_path: Path) -> None:
    check(RECURRENT[kind](), tmp_path / "x.onnx", (6,), tokens=11)


def test_time_first_with_all_states_returned(tmp_path: Path) -> None:
    proto = check(nn.LSTM(3, 4, num_layers=2), tmp_path / "x.onnx", (5, 3), axis=1)
    assert dims(proto.graph.output) == [[5, "batch", 4], [2, "batch", 4], [2, "batch", 4]]
    assert [v.name for v in proto.graph.output] == ["output_0", "output_1", "output_2"]


def test_transformer_blocks(tmp_path: Path) -> None:
    check(Block(), tmp_path / "own.onnx", (5, 8))
    for first in (False, True):
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=first)
        check(nn.TransformerEncoder(layer, 2), tmp_path / "layer.onnx", (5, 8))
    check(nn.TransformerEncoderLayer(8, 2, 16), tmp_path / "time_first.onnx", (5, 8), axis=1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, query: Any, key: Any) -> Any:
        return self.attention(query, key, key)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    proto = check(Attention(), tmp_path / "x.onnx", (3, 6), (5, 6))
    assert [value.name for value in proto.graph.input] == ["query", "key"]


class Lambda(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Conv1d": (lambda: nn.Conv1d(2, 4, 3, padding=2, stride=2, dilation=2, groups=2), (2, 9)),
    "Conv2d same": (lambda: nn.Conv2d(2, 3, (2, 4), padding="same"), (2, 5, 6)),
    "Conv2d with a tail": (lambda: nn.Conv2d(2, 3, 2, stride=3), (2, 7, 6)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 3, stride=2), (2, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1, groups=2), (4, 3, 4)),
    "ConvTranspose2d with a rest": (lambda: nn.ConvTranspose2d(2, 3, 2, stride=3, output_padding=2), (2, 3, 4)),
    "MaxPool1d": (lambda: nn.MaxPool1d(3, stride=2, padding=1), (2, 8)),
    "MaxPool2d over the edge": (lambda: nn.MaxPool2d(3, stride=2, ceil_mode=True), (2, 6, 7)),
    "MaxPool2d dilated": (lambda: nn.MaxPool2d(2, stride=1, dilation=2), (2, 6, 7)),
    "AvgPool2d": (lambda: nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), (2, 6, 7)),
    "AvgPool2d over the edge": (lambda: nn.AvgPool2d(2, stride=2, ceil_mode=True), (2, 5, 7)),
    "AdaptiveAvgPool2d": (lambda: nn.AdaptiveAvgPool2d((2, 3)), (2, 4, 7)),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (4, 3)),
    "RMSNorm": (lambda: nn.RMSNorm(4), (4,)),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (4, 3)),
    "LSTMCell": (lambda: nn.LSTMCell(4, 3), (4,)),
    "PReLU": (lambda: nn.PReLU(3), (3, 2)),
    **{name: (getattr(nn, name), (3, 4)) for name in (
        "CELU", "ELU", "GELU", "SELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "Mish",
        "ReLU6", "SiLU", "Softplus", "Softsign", "Tanhshrink", "Sigmoid", "Identity", "Flatten",
    )},
    "Softplus with beta": (lambda: nn.Softplus(beta=2.0), (3, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    make, shape = LAYERS[name]
    check(make(), tmp_path / "x.onnx", shape)


ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.ELU, nn.Softplus, nn.Hardswish, nn.Mish, nn.PReLU)


def flat_layers(draw: Any, n: int) -> list[Any]:
    """From (batch, n)."""
    layers: list[Any] = []
    for _ in range(draw.integers(1, 4)):
        m = int(draw.integers(2, 8))
        norm = draw.choice([nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d, nn.Identity])
        layers += [nn.Linear(n, m, bias=bool(draw.integers(2))), draw.choice(ACTIVATIONS)(), norm(m)]
        n = m
    return layers


def plane(draw: Any, n: int) -> Any:
    """From n channels."""
    k, m, pad = (int(draw.integers(low, high)) for low, high in ((2, 4), (1, 5), (0, 2)))
    at_edges = {"stride": int(draw.integers(1, 3)), "padding": pad}
    makes = (
        lambda: nn.Conv2d(n, m, (k, 2), dilation=int(draw.integers(1, 3)), **at_edges),
        lambda: nn.ConvTranspose2d(n, m, k, stride=2, output_padding=pad),
        lambda: nn.MaxPool2d(k, ceil_mode=bool(pad), **at_edges),
        lambda: nn.AvgPool2d(k, count_include_pad=bool(draw.integers(2)), ceil_mode=bool(pad), **at_edges),
        lambda: nn.AdaptiveAvgPool2d((k, m)), lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        lambda: nn.BatchNorm2d(n), lambda: nn.GroupNorm(1, n),
    )  # fmt: skip
    return makes[draw.integers(len(makes))]()


def planes(draw: Any, shape: tuple[int, ...]) -> list[Any]:
    """From (batch, *shape) to (batch, n)."""
    layers, n = [], shape[0]
    for _ in range(draw.integers(1, 4)):
        layers += [plane(draw, n), draw.choice(ACTIVATIONS)()]
        n = getattr(layers[-2], "out_channels", n)
    return [*layers, nn.Flatten()]


class Output(nn.Module):
    """The first of what a recurrent layer returns."""

    def forward(self, pair: Any) -> Any:
        return pair[0]


def sequences(draw: Any, shape: tuple[int, ...]) -> list[Any]:
    """From (batch, *shape) to (batch, n)."""
    layers, n = [], shape[1]
    for _ in range(draw.integers(1, 3)):
        if draw.integers(3) == 0 and n % 2 == 0:
            layers.append(nn.TransformerEncoderLayer(n, 2, 5, batch_first=True, norm_first=bool(draw.integers(2))))
            continue
        m, both = int(draw.integers(1, 5)), bool(draw.integers(2))
        cell = draw.choice([nn.RNN, nn.LSTM, nn.GRU])
        layers += [cell(n, m, num_layers=int(draw.integers(1, 3)), bidirectional=both, batch_first=True), Output()]
        n = m * (1 + both)
    return [*layers, nn.Flatten()]


@pytest.mark.parametrize("seed", range(30))
def test_random_models(seed: int, tmp_path: Path) -> None:
    draw = np.random.default_rng(seed)
    am.manual_seed(seed)
    kind = (None, planes, sequences)[seed % 3]
    least = {None: (2,), planes: (2, 7, 7), sequences: (2, 2)}[kind]
    shape = tuple(int(n) for n in draw.integers(least, 11))
    front = kind(draw, shape) if kind is not None else []
    n = nn.Sequential(*front)(am.zeros(2, *shape)).shape[1]
    check(nn.Sequential(*front, *flat_layers(draw, n)), tmp_path / "x.onnx", shape)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "arithmetic": lambda x: (2 - x) / (x * x + 1.5) - (-x) ** 3 + abs(x) ** 0.5,
    "functions": lambda x: x.exp() + (x * x).log1p() + x.sin() * x.cos() + x.atan() + x.expm1() + x.erf() + am.exp2(x),
    "logs": lambda x: (x * x + 1).log2() + (x * x + 1).log10() + (x * x + 1).sqrt() + (x * x + 1).acosh(),
    "steps": lambda x: x.floor() + x.ceil() + x.round() + x.sign() + am.erfc(x),
    "bounds": lambda x: x.clamp(min=0.1) + x.clamp(-0.5, 0.5) + am.maximum(x, x * 2) - am.minimum(x, 0.3),
    "reductions": lambda x: (x.sum(), x.mean(1), x.amax(dim=(1, 2)), x.amin(-1, keepdim=True), x.prod(2)),
    "logsumexp": lambda x: ((x * 100).logsumexp(1), x.logsumexp((0, 2))),
    "norms": lambda x: (x.norm(dim=2), x.norm(1, dim=1, keepdim=True), x.var(dim=1), x.std(dim=(1, 2), unbiased=False)),
    "over the batch": lambda x: x - x.mean(0) + x.sum(dim=(0, 2), keepdim=True),
    "shapes": lambda x: x.permute(2, 0, 1).flatten(1).unsqueeze(0).swapaxes(1, 2).squeeze(0).reshape(-1, 4),
    "two sizes grow": lambda x: x.unsqueeze(0).expand(x.shape[0], -1, -1, -1).reshape(x.shape[0], x.shape[0] * 3, 4),
    "expand": lambda x: x[:, :1].expand(-1, 3, -1) + x[:, :, None, 0].expand(x.shape[0], 3, 4),
    "joined": lambda x: (am.cat([x, x * 2, am.zeros(x.shape[0], 1, 4)], dim=1), am.stack([x, -x], dim=-1)),
    "slices": lambda x: (x[:, 1:], x[..., ::2], x[:, -1, 1:3], x[:, None], x[:, :, [2, 0]], x.flip(1, 2), x[:, ::-1]),
    "cumsum": lambda x: x.cumsum(1),
    "einsum": lambda x: (am.einsum("nij,nkj->nik", x, x), am.einsum("nij,j->ni", x, am.ones(4))),
    "gathered": lambda x: am.take_along_dim(x, am.tensor([[[0, 1, 2, 2]]]).expand(x.shape[0], 1, 4), 1),
    "stacked in front": lambda x: am.stack([x, x * 2]).sum(0),
    "masks": lambda x: x.masked_fill(am.tensor([True, False, False, True]), 7.0) * am.tensor([True, False, True, True]),
    "detached": lambda x: x * x.detach() + x.data,
    "a constant beside it": lambda x: (x * 2, am.arange(3)),
    "numbers of other dtypes": lambda x: x * am.arange(4) + x.double().float() + x * am.tensor(2.0, dtype=np.float64),
    "in place": lambda x: (x * 2).add_(1).relu_(),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str, tmp_path: Path) -> None:
    check(Lambda(FUNCTIONS[name]), tmp_path / "x.onnx", (3, 4))


UNARY = [name for name in EMITTERS if PRIMITIVES[name].inputs == ("x",) and not PRIMITIVES[name].options]


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_number(name: str, tmp_path: Path) -> None:
    """On 1.1 to 1.9 or 0.1 to 0.9, where all of them are defined, and not where they jump."""
    function, least = getattr(am, name, None) or getattr(elementwise, name), 1.1 if name == "acosh" else 0.1
    check(Lambda(lambda x: function(am.sigmoid(x) * 0.8 + least)), tmp_path / "x.onnx", (3, 4))


def test_every_emitter_is_of_a_primitive() -> None:
    assert EMITTERS.keys() <= PRIMITIVES.keys() and len(UNARY) > 25


def test_float64_and_a_fixed_batch(tmp_path: Path) -> None:
    model = mlp().double()
    x = am.randn(2, 3, 4, dtype=np.float64)
    export(model, x, tmp_path / "x.onnx", batch_axis=None, input_names=["image"], output_names=["p"])
    proto = onnx.load(tmp_path / "x.onnx")
    (value,) = proto.graph.input
    assert value.name == "image" and dims([value]) == [[2, 3, 4]]
    (found,) = session(tmp_path / "x.onnx").run(["p"], {"image": x.numpy()})
    np.testing.assert_allclose(found, model(x).detach().numpy(), rtol=1e-12, strict=True)


def test_the_model_is_left_as_it_was_and_the_file_is_the_same_again(tmp_path: Path) -> None:
    model = LeNet()
    model.fc.weight.requires_grad_(False)
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    for name in "ab":
        export(model, am.ones(1, 1, 14, 14), tmp_path / name)
    assert model.training and not model.fc.weight.requires_grad and model.fc.bias.grad is None
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_shared_weights_are_one_initializer(tmp_path: Path) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(7, 4), nn.Linear(4, 7, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, tokens: Any) -> Any:
            return self.head(self.embed(tokens))

    proto = check(Tied(), tmp_path / "x.onnx", (3,), tokens=7)
    assert [list(array.dims) for array in proto.graph.initializer] == [[7, 4]]


# --------------------------------------------------------------------------------------------------------- refused


class Named(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.body = Lambda(function)

    def forward(self, x: Any) -> Any:
        return self.body(x) + 1


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no emitter": (lambda x: am.atan2(x, x), "atan2 in body cannot be exported: there is no emitter for it"),
    "a mask of the input": (lambda x: am.where(x > 0, x, 0.0), r"where in body .*bool \(2, 3, 4\), follows from the"),
    "a number of the input": (lambda x: x * x.max().item(), "mul in body .*in a way that is not recorded"),
    "the number of samples": (lambda x: x / x.shape[0], "div in body .*by the number of samples"),
    "control flow": (lambda x: x * 2 if x.shape[0] > 2 else x + 2, "runs other operations"),
    "one sample less": (lambda x: x[1:].flatten().reshape(-1, 2), "index .* is another one for another batch"),
    "a variance over the batch": (lambda x: x.var(dim=0), "var in body .*a variance over the batch"),
    "a p-norm": (lambda x: x.norm(3, dim=1), "p must be 1 or 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_named(name: str, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    with pytest.raises(OnnxExportError, match=message):
        export(Named(function), am.randn(4, 3, 4), tmp_path / "x.onnx")
    assert os.listdir(tmp_path) == []


def test_what_follows_from_the_values_is_noticed_with_a_fixed_batch_too(tmp_path: Path) -> None:
    weight = am.randn(11, 4, requires_grad=True)

    def masked(tokens: Any) -> Any:
        return F.embedding(tokens, weight) * (tokens != 0).unsqueeze(-1)

    examples = am.randn(2, 3), am.tensor([[0, 1, 2], [3, 4, 5]])
    for function, example in zip((lambda x: x * x.max().item(), masked), examples, strict=True):
        with pytest.raises(OnnxExportError, match=r"mul in the model .*in a way that is not recorded"):
            export(Lambda(function), example, tmp_path / "x.onnx", batch_axis=None)


def test_outputs_that_are_no_tensors_are_named(tmp_path: Path) -> None:
    with pytest.raises(OnnxExportError, match="the model returns a dict"):
        export(Lambda(lambda x: {"y": x}), am.ones(1, 2), tmp_path / "x.onnx")
    with pytest.raises(ValueError, match="2 output_names for 1 outputs"):
        export(nn.Linear(2, 2), am.ones(1, 2), tmp_path / "x.onnx", output_names=["a", "b"])
    with pytest.raises(ValueError, match="2 input_names for 1 inputs"):
        export(nn.Linear(2, 2), am.ones(1, 2), tmp_path / "x.onnx", input_names=["a", "b"])
    names: Any
    for names in ({"input_names": ["weight"]}, {"input_names": ["x"], "output_names": ["x"]}):
        with pytest.raises(ValueError, match="one is there twice, or is that of a parameter, buffer or input"):
            export(nn.Linear(2, 2), am.ones(1, 2), tmp_path / "x.onnx", **names)
    export(nn.Linear(2, 2), am.ones(1, 2), tmp_path / "x.onnx", output_names=["Gemm"])  # an operator's own gives way


def test_a_weight_that_the_model_does_not_own_is_a_constant(tmp_path: Path) -> None:
    weight = am.randn(4, 3, requires_grad=True)
    doubled = weight * 2
    check(Lambda(lambda x: F.linear(x, weight.T) + doubled[0]), tmp_path / "x.onnx", (4,))


def test_what_no_output_needs_is_not_exported(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        am.atan2(x, x)
        return x * 2

    check(Lambda(function), tmp_path / "x.onnx", (3,))


def test_a_users_primitive_gets_an_emitter(tmp_path: Path) -> None:
    cube = am.primitive(lambda x: x**3, name="cube", public=False, x=lambda g, x: g * 3 * x**2)
    try:
        with pytest.raises(OnnxExportError, match=r"write one, under @onnx\.emitter\('cube'\)"):
            export(Lambda(cube), am.ones(1, 2), tmp_path / "x.onnx")

        @emitter("cube")
        def emit(graph: Any, call: Any) -> str:
            return graph.add("Pow", call.inputs[0], graph.constant(3.0, np.float32))

        check(Lambda(cube), tmp_path / "x.onnx", (2,))
    finally:
        EMITTERS.pop("cube", None)
        PRIMITIVES.pop("cube")


def test_without_onnx_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "autograd_mini\[onnx\]"'):
        export(nn.Linear(2, 2), am.ones(1, 2), tmp_path / "x.onnx")
