"""Attention with heads and the transformer against PyTorch; a GPT block and a word model that learn the same."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import LIBRARIES, check, losses_equal, numbers, same_error

import autograd_mini as am
from autograd_mini import nn

Q, K, V = numbers((5, 2, 8), 1), numbers((6, 2, 8), 2), numbers((6, 2, 8), 3)
CAUSAL = np.triu(np.ones((5, 5), bool), 1)
PADDED = np.array([[False] * 4 + [True], [False] * 5])


def masks(lib: Any, **arrays: Any) -> dict[str, Any]:
    return {name: lib.tensor(array) if isinstance(array, np.ndarray) else array for name, array in arrays.items()}


def with_masks(make: Any, **options: Any) -> Any:
    """A layer of either library, called with masks that are given as arrays."""

    def made(lib: Any) -> Any:
        class Masked(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer = make(lib.nn)

            def forward(self, *inputs: Any) -> Any:
                return self.layer(*inputs, **masks(lib, **options))

        return Masked()

    return made


@pytest.mark.parametrize("need", [{}, {"need_weights": False}, {"average_attn_weights": False}])
@pytest.mark.parametrize("batch_first", [False, True])
def test_multihead_attention(need: dict[str, Any], batch_first: bool) -> None:
    def make(net: Any) -> Any:
        return net.MultiheadAttention(8, 2, batch_first=batch_first)

    inputs = [x.transpose(1, 0, 2) for x in (Q, K, V)] if batch_first else [Q, K, V]
    check(with_masks(make, **need), *inputs)
    check(with_masks(make, **need), Q[:, 0], K[:, 0], V[:, 0])
    by_head = np.random.default_rng(0).random((4, 5, 6)) < 0.3
    by_head[..., 0] = False
    scores = numbers((5, 6), 5)
    check(with_masks(make, attn_mask=by_head, **need), *inputs)
    padded = np.repeat(PADDED, [1, 1, 1, 1, 2], axis=1)
    check(with_masks(make, attn_mask=scores, key_padding_mask=np.where(padded, -np.inf, 0.0), **need), *inputs)


def test_self_attention_other_sizes_and_no_bias() -> None:
    def itself(lib: Any) -> Any:
        class Itself(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.attention = lib.nn.MultiheadAttention(8, 4, bias=False)

            def forward(self, x: Any) -> Any:
                return self.attention(x, x, x, **masks(lib, attn_mask=CAUSAL, key_padding_mask=PADDED, is_causal=True))

        return Itself()

    check(itself, Q)
    check(lambda lib: lib.nn.MultiheadAttention(8, 2, kdim=3, vdim=5), Q, K[..., :3].copy(), V[..., :5].copy())


def test_attention_drops_weights_while_training() -> None:
    layer, x = nn.MultiheadAttention(8, 2, dropout=0.5), am.randn(6, 3, 8)
    weights = layer(x, x, x, average_attn_weights=False)[1].detach().numpy()
    assert 0.2 < (weights == 0).mean() < 0.8
    np.testing.assert_allclose(layer.eval()(x, x, x)[1].sum(-1).detach().numpy(), 1.0, rtol=1e-5)


def test_a_wider_mask_does_not_widen_the_result() -> None:
    x = am.ones(4, 1, 8)
    mask = am.zeros(4, 4, dtype=am.float64)
    assert [part.dtype for part in nn.MultiheadAttention(8, 2)(x, x, x, attn_mask=mask)] == [am.float32] * 2


def test_what_attention_refuses() -> None:
    same_error(lambda lib: lib.nn.MultiheadAttention(8, 3))
    same_error(lambda lib: lib.nn.MultiheadAttention(0, 3))
    x = {lib: lib.ones(5, 2, 8) for lib in LIBRARIES}
    same_error(lambda lib: lib.nn.MultiheadAttention(8, 2)(x[lib], x[lib], x[lib], is_causal=True), "Need attn_mask")
    same_error(lambda lib: lib.nn.MultiheadAttention(8, 2)(x[lib], x[lib], x[lib], attn_mask=lib.zeros(3, 3)),
               "attn_mask is [3, 3], but should be (5, 5)")  # fmt: skip
    for options in ({"add_bias_kv": True}, {"add_zero_attn": True}):
        with pytest.raises(NotImplementedError, match="not supported"):
            nn.MultiheadAttention(8, 2, **options)


LAYER_OPTIONS: list[dict[str, Any]] = [
    {}, {"norm_first": True, "activation": "gelu"}, {"batch_first": True, "layer_norm_eps": 0.1}, {"bias": False},
]  # fmt: skip


@pytest.mark.parametrize("options", LAYER_OPTIONS)
def test_transformer_layers(options: dict[str, Any]) -> None:
    sizes = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0, **options}
    x = Q.transpose(1, 0, 2) if options.get("batch_first") else Q
    memory = K.transpose(1, 0, 2) if options.get("batch_first") else K

    def encoder(net: Any) -> Any:
        return net.TransformerEncoderLayer(**sizes)

    def decoder(net: Any) -> Any:
        return net.TransformerDecoderLayer(**sizes)

    check(with_masks(encoder, src_mask=CAUSAL, src_key_padding_mask=PADDED), x)
    check(with_masks(decoder, tgt_mask=CAUSAL, tgt_key_padding_mask=PADDED, memory_mask=numbers((5, 6))), x, memory)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("norm_first", [False, True])
def test_transformer_whole(norm_first: bool) -> None:
    sizes = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0, "norm_first": norm_first}

    def make(net: Any) -> Any:
        return net.Transformer(num_encoder_layers=2, num_decoder_layers=2, **sizes)

    check(with_masks(make, tgt_mask=CAUSAL, src_key_padding_mask=np.repeat(PADDED, [1, 1, 1, 1, 2], axis=1)), K, Q)
    check(with_masks(lambda net: net.TransformerEncoder(net.TransformerEncoderLayer(**sizes), 2, net.LayerNorm(8))), Q)
    check(with_masks(lambda net: net.TransformerDecoder(net.TransformerDecoderLayer(**sizes), 2)), Q, K)


def test_masks_copies_and_starts() -> None:
    for options in ({}, {"dtype": "float64"}):
        ours, theirs = (
            lib.nn.Transformer.generate_square_subsequent_mask(4, **{k: getattr(lib, v) for k, v in options.items()})
            for lib in LIBRARIES
        )
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert str(theirs.dtype).endswith(str(ours.dtype))
    layer = nn.TransformerEncoderLayer(8, 2, 16)
    first, second = nn.TransformerEncoder(layer, 2).layers
    assert first.linear1.weight is not second.linear1.weight is not layer.linear1.weight
    assert first.linear1.weight.tolist() == second.linear1.weight.tolist() == layer.linear1.weight.tolist()
    bound = math.sqrt(6 / (32 + 128))
    wide = nn.Transformer(32, 2, 1, 1, 128).encoder.layers[0].linear1.weight.detach().numpy()
    assert bound * 0.98 < np.abs(wide).max() <= bound


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_what_transformers_refuse() -> None:
    same_error(lambda lib: lib.nn.TransformerEncoderLayer(8, 2, activation="tanh"))
    small = {"d_model": 8, "nhead": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dim_feedforward": 4}
    same_error(lambda lib: lib.nn.Transformer(**small)(lib.ones(4, 2, 8), lib.ones(4, 3, 8)))
    same_error(lambda lib: lib.nn.Transformer(**small)(lib.ones(4, 2, 8), lib.ones(4, 2, 6)))


CAUSAL_CALLS = [  # the layer, how many inputs it takes, the name of a mask and that of its hint
    ("TransformerEncoderLayer", 1, "src_mask", "is_causal"),
    ("TransformerDecoderLayer", 2, "tgt_mask", "tgt_is_causal"),
    ("TransformerDecoderLayer", 2, "memory_mask", "memory_is_causal"), ("TransformerEncoder", 1, "mask", "is_causal"),
    ("TransformerDecoder", 2, "tgt_mask", "tgt_is_causal"),
    ("TransformerDecoder", 2, "memory_mask", "memory_is_causal"), ("Transformer", 2, "src_mask", "src_is_causal"),
    ("Transformer", 2, "tgt_mask", "tgt_is_causal"), ("Transformer", 2, "memory_mask", "memory_is_causal"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(("name", "inputs", "mask", "hint"), CAUSAL_CALLS)
def test_the_causal_hint_needs_a_mask_and_changes_nothing(name: str, inputs: int, mask: str, hint: str) -> None:
    sizes = {"d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0}

    def make(net: Any) -> Any:
        if name == "Transformer":
            return net.Transformer(num_encoder_layers=1, num_decoder_layers=1, **sizes)
        layer = getattr(net, name.removesuffix("Layer") + "Layer")(**sizes)
        return layer if name.endswith("Layer") else getattr(net, name)(layer, 2)

    x = {lib: lib.tensor(Q) for lib in LIBRARIES}
    same_error(lambda lib: make(lib.nn).double()(*[x[lib]] * inputs, **{hint: True}), "Need attn_mask")
    for causal in (CAUSAL, np.where(CAUSAL, -np.inf, 0.0)):  # booleans, and numbers to add
        check(with_masks(make, **{mask: causal, hint: True}), *[Q] * inputs)
        layer, given = make(nn), {mask: am.tensor(causal)}
        layer(*[am.tensor(Q, dtype=am.float32)] * inputs)  # without a mask nothing is asked
        asked, unasked = (
            layer(*[am.tensor(Q, dtype=am.float32)] * inputs, **given, **{hint: flag}) for flag in (True, False)
        )
        np.testing.assert_array_equal(asked.detach().numpy(), unasked.detach().numpy())


WORDS = np.random.default_rng(7).integers(0, 11, (6, 3))


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.filterwarnings("ignore:divide by zero encountered in log")  # that the mask wants
def test_a_word_model_learns_as_in_pytorch() -> None:
    def make(lib: Any) -> Any:
        class Words(lib.nn.Transformer):  # type: ignore[misc, name-defined]
            """As in PyTorch's example: the encoder of a Transformer, its decoder replaced by a Linear."""

            def __init__(self) -> None:
                super().__init__(d_model=8, nhead=2, dim_feedforward=12, num_encoder_layers=2, dropout=0.0)
                self.input_emb = lib.nn.Embedding(11, 8)
                self.decoder = lib.nn.Linear(8, 11)

            def forward(self, src: Any) -> Any:
                mask = lib.log(lib.tril(lib.ones(len(src), len(src)))).to(self.decoder.weight.dtype)
                output = self.encoder(self.input_emb(src) * math.sqrt(8), mask=mask)
                return lib.nn.functional.log_softmax(self.decoder(output), dim=-1).view(-1, 11)

        return Words()

    target = np.roll(WORDS, -1, 0).reshape(-1)
    losses_equal(make, WORDS, target, lambda lib, y, t: lib.nn.functional.nll_loss(y, t), lr=0.01)
