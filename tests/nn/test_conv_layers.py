"""Convolution, pooling and dropout layers against PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import check, losses_equal, numbers, same, same_error, torch

import autograd_mini as am
from autograd_mini import nn

LINE, PLANE = numbers((2, 4, 9), 1), numbers((2, 4, 7, 6), 2)

CONVOLUTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "1d": (lambda net: net.Conv1d(4, 6, 3), LINE),
    "1d same": (lambda net: net.Conv1d(4, 6, 4, padding="same", dilation=2, bias=False), LINE),
    "1d circular": (lambda net: net.Conv1d(4, 6, 3, padding=2, padding_mode="circular"), LINE),
    "1d unbatched": (lambda net: net.Conv1d(4, 6, 3), LINE[0]),
    "2d": (lambda net: net.Conv2d(4, 6, 3), PLANE),
    "2d options": (lambda net: net.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2), PLANE),
    "2d valid": (lambda net: net.Conv2d(4, 2, 3, padding="valid", padding_mode="reflect"), PLANE),
    "2d reflect": (lambda net: net.Conv2d(4, 2, (3, 2), padding=(2, 1), padding_mode="reflect"), PLANE),
    "2d replicate same": (lambda net: net.Conv2d(4, 2, (4, 3), padding="same", padding_mode="replicate"), PLANE),
    "2d by channel": (lambda net: net.Conv2d(4, 8, 3, groups=4, bias=False), PLANE),
    "1d transposed": (lambda net: net.ConvTranspose1d(4, 6, 3, 2, 1, 1), LINE),
    "2d transposed": (lambda net: net.ConvTranspose2d(4, 6, 4, 2, 1, bias=False), PLANE),
    "2d transposed options": (lambda net: net.ConvTranspose2d(4, 6, (3, 2), (2, 3), (1, 0), (1, 2), 2, True, 2), PLANE),
    "2d transposed unbatched": (lambda net: net.ConvTranspose2d(4, 2, 3), PLANE[0]),
}


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolution_layers(case: str) -> None:
    make, x = CONVOLUTIONS[case]
    check(lambda lib: make(lib.nn), x)


@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"])
def test_convolutions_start_as_in_pytorch(name: str) -> None:
    layers = [getattr(lib.nn, name)(12, 24, 5) for lib in (am, torch)]
    for ours, theirs in zip(*(layer.parameters() for layer in layers), strict=True):
        a, b = ours.detach().numpy(), theirs.detach().numpy()
        assert 0.8 < np.abs(a).max() / np.abs(b).max() < 1.25 and abs(a.mean()) < 0.3 * np.abs(a).max()
    big = getattr(nn, name)(32, 16, 3)
    fan_in = big.weight.numel() // big.weight.shape[0]
    values = big.weight.detach().numpy()
    assert np.abs(values).max() <= 1 / np.sqrt(fan_in) and values.std() > 0.5 / np.sqrt(fan_in)


POOLS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "max 1d": (lambda net: net.MaxPool1d(3, 2, 1), LINE),
    "max 1d dilated": (lambda net: net.MaxPool1d(3, dilation=2, ceil_mode=True), LINE),
    "max 2d": (lambda net: net.MaxPool2d(2), PLANE),
    "max 2d options": (lambda net: net.MaxPool2d((3, 2), (2, 1), (1, 0), ceil_mode=True), PLANE),
    "max 2d unbatched": (lambda net: net.MaxPool2d(2), PLANE[0]),
    "avg 1d": (lambda net: net.AvgPool1d(3, 2, 1), LINE),
    "avg 1d options": (lambda net: net.AvgPool1d(3, 2, 1, True, False), LINE),
    "avg 2d": (lambda net: net.AvgPool2d(2), PLANE),
    "avg 2d options": (lambda net: net.AvgPool2d((3, 2), 2, (1, 0), True, False, 5), PLANE),
    "adaptive avg 1d": (lambda net: net.AdaptiveAvgPool1d(4), LINE),
    "adaptive avg 2d": (lambda net: net.AdaptiveAvgPool2d((1, 1)), PLANE),
    "adaptive avg 2d none": (lambda net: net.AdaptiveAvgPool2d((3, None)), PLANE),
    "adaptive max 1d": (lambda net: net.AdaptiveMaxPool1d(4), LINE),
    "adaptive max 2d": (lambda net: net.AdaptiveMaxPool2d(3), PLANE),
}


@pytest.mark.parametrize("case", POOLS)
def test_pooling_layers(case: str) -> None:
    make, x = POOLS[case]
    same(lambda lib, inputs: make(lib.nn)(inputs[0]), x)
    assert repr(make(nn)) == repr(make(torch.nn))


def test_pooling_returns_indices() -> None:
    for make in (lambda net: net.MaxPool2d(2, return_indices=True), lambda net: net.AdaptiveMaxPool2d(3, True)):
        ours, theirs = make(nn)(am.tensor(PLANE)), make(torch.nn)(torch.tensor(PLANE))
        np.testing.assert_array_equal(ours[1].numpy(), theirs[1].numpy())


def test_dropout_of_channels() -> None:
    x = am.ones(50, 8, 3, 2, requires_grad=True)
    y = nn.Dropout2d(0.25)(x)
    kept = y.detach().numpy().reshape(400, 6)
    assert np.ptp(kept, axis=1).max() == 0 and 0.6 < (kept[:, 0] > 0).mean() < 0.9
    assert sorted(set(np.round(kept[:, 0], 4))) == [0.0, 1.3333]
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy().reshape(400, 6), kept)
    kept = nn.Dropout1d(0.5)(am.ones(60, 5)).numpy()  # (C, L)
    assert np.ptp(kept, axis=1).max() == 0 and set(kept[:, 0]) == {0.0, 2.0}
    assert nn.Dropout2d(0.5).eval()(x).tolist() == x.tolist()
    fresh = am.ones(30, 5, 2)
    assert nn.Dropout1d(0.5, inplace=True)(fresh) is fresh and fresh.sum().item() not in (0, 300)
    for name in ("Dropout1d", "Dropout2d"):
        assert repr(getattr(nn, name)(0.3)) == repr(getattr(torch.nn, name)(0.3))
    with pytest.warns(UserWarning, match="3-D input"):
        nn.Dropout2d()(am.ones(2, 3, 4))


def test_what_convolutions_refuse() -> None:
    same_error(lambda lib: lib.nn.Conv2d(3, 4, 3, groups=2))
    same_error(lambda lib: lib.nn.Conv2d(4, 3, 3, groups=2))
    same_error(lambda lib: lib.nn.Conv2d(4, 3, 3, groups=0))
    same_error(lambda lib: lib.nn.Conv2d(4, 4, 3, stride=2, padding="same"))
    same_error(lambda lib: lib.nn.Conv2d(4, 4, 3, padding="all"), "Invalid padding string 'all'")
    same_error(lambda lib: lib.nn.Conv1d(4, 4, 3, padding_mode="no"), "padding_mode must be one of")
    same_error(lambda lib: lib.nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"))
    same_error(lambda lib: lib.nn.Conv2d(4, 4, 3)(lib.ones(1, 3, 5, 5)), "to have 4 channels, but got 3")
    same_error(lambda lib: lib.nn.Dropout1d()(lib.ones(1, 2, 3, 4)), "Expected 2D or 3D input")


def test_a_small_cnn_learns_as_in_pytorch() -> None:
    def make(lib: Any) -> Any:
        net = lib.nn
        return net.Sequential(
            net.Conv2d(1, 4, 3, padding=1), net.BatchNorm2d(4), net.ReLU(), net.MaxPool2d(2), net.Conv2d(4, 8, 3),
            net.GroupNorm(2, 8), net.GELU(), net.AvgPool2d(2), net.Flatten(), net.Linear(32, 10),
            net.LogSoftmax(dim=1)
        )

    losses_equal(make, numbers((6, 1, 12, 12), 3), np.arange(6), lambda lib, y, t: lib.nn.functional.nll_loss(y, t))


def test_a_small_generator_learns_as_in_pytorch() -> None:
    def make(lib: Any) -> Any:
        net = lib.nn
        return net.Sequential(
            net.ConvTranspose2d(5, 6, 3, bias=False), net.BatchNorm2d(6), net.ReLU(True),
            net.ConvTranspose2d(6, 1, 4, 2, 1, bias=False), net.Tanh(), net.Conv2d(1, 1, 6), net.LeakyReLU(0.2, True),
            net.Flatten(0), net.Sigmoid()
        )

    target = np.array([0.0, 1.0, 1.0, 0.0])
    losses_equal(make, numbers((4, 5, 1, 1), 4), target, lambda lib, y, t: lib.nn.BCELoss()(y, t))
