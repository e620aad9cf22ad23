"""Norms, embeddings and functions of likeness, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nn.beside_torch import check, close, numbers, same, same_error, torch, twins

import autograd_mini as am
from autograd_mini import nn

ROWS, LINE, PLANE = numbers((5, 4), 1), numbers((5, 4, 3), 2), numbers((3, 4, 5, 2), 3)


@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"momentum": 0.3, "eps": 0.1}, {"affine": False},
                                     {"bias": False}, {"track_running_stats": False}])  # fmt: skip
@pytest.mark.parametrize("train", [True, False])
def test_batch_norm_layers(options: dict[str, Any], train: bool) -> None:
    for name, x in ("BatchNorm1d", ROWS), ("BatchNorm1d", LINE), ("BatchNorm2d", PLANE):
        check(lambda lib, name=name: getattr(lib.nn, name)(4, **options), x, train=train, times=3)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_after_training(momentum: float | None) -> None:
    ours, theirs = twins(lambda lib: lib.nn.BatchNorm2d(4, momentum=momentum))
    for seed in range(4):
        x = numbers((3, 4, 5, 2), seed)
        ours(am.tensor(x)), theirs(torch.tensor(x))
        close(ours.running_mean, theirs.running_mean), close(ours.running_var, theirs.running_var)
    ours.eval(), theirs.eval()
    close(ours(am.tensor(PLANE)), theirs(torch.tensor(PLANE)))
    assert ours.num_batches_tracked.item() == 4 and ours.num_batches_tracked.dtype == am.int64
    ours.reset_parameters()
    assert ours.num_batches_tracked.item() == 0 and ours.running_var.tolist() == [1.0] * 4 == ours.weight.tolist()
    assert list(ours.state_dict()) == list(theirs.state_dict())


def test_what_norms_refuse() -> None:
    same_error(lambda lib: lib.nn.BatchNorm1d(4)(lib.ones(2, 4, 3, 2)))
    same_error(lambda lib: lib.nn.BatchNorm2d(4)(lib.ones(2, 4)))
    same_error(lambda lib: lib.nn.BatchNorm1d(4)(lib.ones(1, 4)), "Expected more than 1 value per channel")
    same_error(lambda lib: lib.nn.GroupNorm(3, 4), "must be divisible by num_groups")
    same_error(lambda lib: lib.nn.LayerNorm(3)(lib.ones(2, 4)), "normalized_shape=[3]")


def test_layer_group_and_rms_norm() -> None:
    for x in (ROWS, LINE[0].T, PLANE.transpose(0, 2, 3, 1)):
        check(lambda lib: lib.nn.LayerNorm(4), x)
        check(lambda lib: lib.nn.LayerNorm(4, eps=0.1, bias=False), x)
        check(lambda lib: lib.nn.RMSNorm(4), x)
        check(lambda lib: lib.nn.RMSNorm([4], eps=0.1, elementwise_affine=False), x)
    check(lambda lib: lib.nn.LayerNorm((5, 2), elementwise_affine=False), PLANE)
    check(lambda lib: lib.nn.LayerNorm([4, 5, 2]), PLANE)
    for x in (ROWS, LINE, PLANE):
        check(lambda lib: lib.nn.GroupNorm(2, 4), x)
        check(lambda lib: lib.nn.GroupNorm(1, 4, affine=False), x)
        check(lambda lib: lib.nn.GroupNorm(4, 4, eps=0.1, bias=False), x)


# ---------------------------------------------------------------------------------------------------- embedding


@pytest.mark.parametrize("padding", [None, 0, -1])
def test_embedding_layer(padding: int | None) -> None:
    check(lambda lib: lib.nn.Embedding(6, 3, padding), np.array([[0, 1, 5], [5, 5, 2]]))
    check(lambda lib: lib.nn.Embedding(6, 3, padding), np.array(5))


def test_embedding_starts_and_padding_row() -> None:
    layer = nn.Embedding(500, 8, padding_idx=-1)
    values = layer.weight.detach().numpy()
    assert not values[-1].any() and abs(values[:-1].std() - 1) < 0.05 and layer.padding_idx == 499
    table = am.tensor(numbers((4, 2)))
    frozen = nn.Embedding.from_pretrained(table)
    assert not frozen.weight.requires_grad and frozen(am.tensor([2])).tolist() == [table[2].tolist()]
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


def test_what_embeddings_refuse() -> None:
    same_error(lambda lib: lib.nn.Embedding(3, 2)(lib.tensor([3])), "out of range")
    same_error(lambda lib: lib.nn.Embedding(3, 2, padding_idx=3), "Padding_idx must be within num_embeddings")
    for options in ({"max_norm": 1.0}, {"sparse": True}, {"scale_grad_by_freq": True}):
        with pytest.raises(NotImplementedError, match="max_norm, scale_grad_by_freq or sparse"):
            nn.Embedding(3, 2, **options)
        with pytest.raises(NotImplementedError):
            nn.functional.embedding(am.tensor([0]), am.ones(3, 2), **options)


def test_tied_weights_of_an_embedding_and_a_linear() -> None:
    def make(lib: Any) -> Any:
        class Tied(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.table = lib.nn.Embedding(6, 3)
                self.head = lib.nn.Linear(3, 6, bias=False)
                self.head.weight = self.table.weight

            def forward(self, x: Any) -> Any:
                return self.head(self.table(x))

        return Tied()

    check(make, np.array([[0, 1], [5, 5]]))


def test_functions_of_likeness_and_padding() -> None:
    for p, dim in (2.0, 1), (1.0, 0), (3.0, -1):
        same(lambda lib, x, p=p, dim=dim: lib.nn.functional.normalize(x[0], p, dim), LINE)
    same(lambda lib, x: lib.nn.functional.cosine_similarity(x[0], x[1], dim=-1), LINE, LINE[::-1].copy())
    same(lambda lib, x: lib.nn.functional.pairwise_distance(x[0], x[1]), ROWS, ROWS[::-1].copy())
    for pad, options in ((1, 2), {}), ((2, 0, 1, 1), {"value": 3.0}), ((1, 1), {"mode": "reflect"}):
        same(lambda lib, x, pad=pad, options=options: lib.nn.functional.pad(x[0], pad, **options), LINE)
    same(lambda lib, x: lib.nn.functional.layer_norm(x[0], (3,)), LINE)
    same(lambda lib, x: lib.nn.functional.scaled_dot_product_attention(*x, is_causal=True), *[numbers((2, 3, 4))] * 3)
    same(lambda lib, x: lib.nn.functional.conv2d(x[0], x[1], padding=1), PLANE, numbers((2, 4, 3, 3)))
    same(lambda lib, x: lib.nn.functional.batch_norm(x[0], None, None, training=True), PLANE)
