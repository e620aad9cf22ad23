"""RNN, LSTM, GRU and their cells against PyTorch; character models that learn the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from nn.beside_torch import check, numbers, same_error

import autograd_mini as am
from autograd_mini import nn

X = numbers((5, 2, 3), 1)
KINDS = ["RNN", "LSTM", "GRU"]


def start(kind: str, *shape: int) -> Any:
    return (numbers(shape, 2), numbers(shape, 3)) if kind == "LSTM" else numbers(shape, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("layers", "bidirectional", "batch_first", "bias"), [
    (1, False, False, True), (1, True, True, False), (2, False, True, True), (3, True, False, True),
])  # fmt: skip
def test_recurrent_layers(kind: str, layers: int, bidirectional: bool, batch_first: bool, bias: bool) -> None:
    options = {"bidirectional": bidirectional, "batch_first": batch_first, "bias": bias}
    batch = X.shape[0 if batch_first else 1]

    def make(lib: Any) -> Any:
        return getattr(lib.nn, kind)(3, 4, layers, **options)

    def with_state(lib: Any) -> Any:
        class Started(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.layer = make(lib)

            def forward(self, x: Any, *state: Any) -> Any:
                return self.layer(x, state if kind == "LSTM" else state[0])

        return Started()

    check(make, X)
    shape = (layers * (1 + bidirectional), batch, 4)
    check(with_state, X, *(start(kind, *shape) if kind == "LSTM" else [start(kind, *shape)]))
    check(make, X[:, 0])


def test_relu_and_dropout_between_layers() -> None:
    check(lambda lib: lib.nn.RNN(3, 4, 2, "relu"), X)
    check(lambda lib: lib.nn.GRU(3, 4, 2, dropout=0.5), X, train=False)
    check(lambda lib: lib.nn.LSTM(3, 4, 2, dropout=0.5), X, train=False)
    layer = nn.LSTM(3, 4, 2, dropout=0.5)
    x = am.tensor(X, dtype=am.float32)
    assert layer(x)[0].tolist() != layer(x)[0].tolist()
    assert layer.flatten_parameters() is None
    lone = nn.RNN(3, 4, dropout=1.0)  # no layer below it whose output could be dropped
    assert lone(x)[0].tolist() != lone(x * 7)[0].tolist()
    dead = nn.RNN(3, 4, 2, "relu", dropout=1.0)  # nothing comes through: the second layer sees its biases alone
    assert dead(x)[0].tolist() == dead(x * 7)[0].tolist() != dead(x[:4])[0].tolist()


CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {"bias": False})]


@pytest.mark.parametrize(("kind", "options"), CELLS)
def test_recurrent_cells(kind: str, options: dict[str, Any]) -> None:
    def steps(lib: Any) -> Any:
        class Unrolled(lib.nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.cell = getattr(lib.nn, kind)(3, 4, **options)

            def forward(self, x: Any) -> Any:
                state = None
                for now in x:
                    state = self.cell(now, state)
                return state

        return Unrolled()

    check(steps, X)
    check(steps, X[:, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_unrolled_cells(kind: str) -> None:
    layer, cell = getattr(nn, kind)(3, 4).double(), getattr(nn, f"{kind}Cell")(3, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    state, hidden = None, []
    for now in am.tensor(X):
        state = cell(now, state)
        hidden.append(state[0] if kind == "LSTM" else state)
    np.testing.assert_allclose(layer(am.tensor(X))[0].detach().numpy(), am.stack(hidden).detach().numpy(), rtol=1e-12)


def test_parameters_start_uniform() -> None:
    for kind, cell in itertools.product(KINDS, ["", "Cell"]):
        for parameter in getattr(nn, kind + cell)(50, 25).parameters():
            values = parameter.detach().numpy()
            assert np.abs(values).max() <= 0.2 and abs(values.std() - 0.2 / np.sqrt(3)) < 0.03


def test_what_recurrent_layers_refuse() -> None:
    for kind in KINDS:
        same_error(lambda lib, kind=kind: getattr(lib.nn, kind)(3, 4)(lib.ones(5, 2, 2)), "Expected 3, got")
        same_error(lambda lib, kind=kind: getattr(lib.nn, kind)(3, 4)(lib.ones(5, 2, 2, 3)), "to be 2D or 3D, got 4D")
        same_error(lambda lib, kind=kind: getattr(lib.nn, kind)(3, 0), "hidden_size must be greater than zero")
        same_error(lambda lib, kind=kind: getattr(lib.nn, kind)(3, 4, 0), "num_layers must be greater than zero")
        same_error(lambda lib, kind=kind: getattr(lib.nn, kind)(3, 4, dropout=2.0), "dropout should be a number")
    same_error(lambda lib: lib.nn.GRU(3, 4)(lib.ones(5, 2, 3), lib.ones(1, 3, 4)), "Expected hidden size (1, 2, 4)")
    same_error(lambda lib: lib.nn.RNN(3, 4, nonlinearity="x"))
    same_error(lambda lib: lib.nn.GRUCell(3, 4)(lib.ones(2, 3), lib.ones(3, 4)), "Expected hidden size (2, 4)")
    state, part = am.zeros(1, 2, 4), am.zeros(2, 4)
    for layer, hx, got in (
        (nn.GRU(3, 4), (state, state), "a tensor, but got tuple"), (nn.GRUCell(3, 4), [part], "a tensor, but got list"),
        (nn.LSTM(3, 4), (state,), r"two tensors, \(h, c\), but got Tensor"), (nn.LSTM(3, 4), 3, "but got int"),
        (nn.LSTMCell(3, 4), (part, None), "but got Tensor, NoneType"), (nn.RNN(3, 4), state.numpy(), "got ndarray"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=f"^{type(layer).__name__}: hx must be .*{got}"):
            layer(am.ones(2, 3) if "Cell" in type(layer).__name__ else am.ones(5, 2, 3), hx)
    with pytest.raises(NotImplementedError, match="proj_size"):
        nn.LSTM(3, 4, proj_size=2)
    with pytest.raises(NotImplementedError, match="packed sequences"):
        nn.LSTM(3, 4)([am.ones(2, 3)])
    with pytest.raises(AttributeError, match="packed sequences"):
        nn.utils.rnn  # noqa: B018
