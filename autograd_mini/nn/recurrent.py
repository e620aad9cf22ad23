"""Recurrent layers: one loop over time for three cells, each of which is a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import creation
from ..creation import DTypeLike
from ..primitive import ShapeError
from ..rules.joining import cat, stack
from ..tensor import Tensor
from . import functional as F
from . import init
from .arguments import Flag, Size
from .module import Module
from .parameter import register_empty

State = tuple[Tensor, ...]
# One step of a cell: from W_ih x + b_ih, the state, and the function W_hh h + b_hh of its hidden part to the new state.
Step = Callable[[Tensor, State, Callable[[Tensor], Tensor]], State]


def _tanh_step(x: Tensor, state: State, recur: Callable[[Tensor], Tensor]) -> State:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) (Elman, 1990)."""
    return (F.tanh(x + recur(state[0])),)


def _relu_step(x: Tensor, state: State, recur: Callable[[Tensor], Tensor]) -> State:
    """The same with relu."""
    return (F.relu(x + recur(state[0])),)


def _lstm_step(x: Tensor, state: State, recur: Callable[[Tensor], Tensor]) -> State:
    """c' = f c + i g, h' = o tanh(c'): input, forget and output gate (Hochreiter, Schmidhuber 1997; Gers 2000)."""
    h, c = state
    i, f, g, o = (x + recur(h)).chunk(4, -1)
    c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(c), c


def _gru_step(x: Tensor, state: State, recur: Callable[[Tensor], Tensor]) -> State:
    """h' = (1 - z) n + z h with n = tanh(x_n + r h_n): reset and update gate (Cho et al., 2014)."""
    (h,) = state
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), recur(h).chunk(3, -1)
    r, z = F.sigmoid(x_r + h_r), F.sigmoid(x_z + h_z)
    n = F.tanh(x_n + r * h_n)
    return (n + z * (h - n),)


_STEPS: dict[str, tuple[Step, int, int]] = {  # the step, how many gates it has, and how many parts its state
    "tanh": (_tanh_step, 1, 1), "relu": (_relu_step, 1, 1), "LSTM": (_lstm_step, 4, 2), "GRU": (_gru_step, 3, 1)
}


class _Recurrent(Module):
    """What layers and cells share: the kind of step, the sizes, and parameters uniform on ±1/√hidden_size."""

    _kind: str

    def __init__(self, input_size: Size, hidden_size: Size, bias: bool) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias

    def _add(self, input_size: int, suffix: str, device: Any, dtype: DTypeLike) -> None:
        rows = _STEPS[self._kind][1] * self.hidden_size
        shapes: dict[str, Any] = {"weight_ih": (rows, input_size), "weight_hh": (rows, self.hidden_size)}
        shapes["bias_ih"] = shapes["bias_hh"] = (rows,) if self.bias else None
        register_empty(self, device, dtype, **{name + suffix: shape for name, shape in shapes.items()})

    def reset_parameters(self) -> None:
        """Draw all parameters again."""
        bound = 1 / math.sqrt(self.hidden_size or 1)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def _scan(self, x: Tensor, state: State, suffix: str, backwards: bool = False) -> tuple[list[Tensor], State]:
        """The hidden states at all times of x (T, N, features), and the last state."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_ih, w_hh, b_ih, b_hh = (self.__dict__[name + suffix] for name in names)
        step, hidden = _STEPS[self._kind][0], []
        times = F.linear(x, w_ih, b_ih).unbind(0)
        for now in reversed(times) if backwards else times:
            state = step(now, state, lambda h: F.linear(h, w_hh, b_hh))
            hidden.append(state[0])
        return hidden[::-1] if backwards else hidden, state

    def _states(self, hx: Any, shape: tuple[int, ...], like: Tensor) -> State:
        """The state that is given, in its parts, each of this shape; by default 0."""
        count = _STEPS[self._kind][2]
        if hx is None:
            return (creation.zeros(*shape, dtype=like.dtype, device=like.device),) * count
        parts = tuple(hx) if count > 1 and isinstance(hx, (tuple, list, Tensor)) else (hx,)
        if len(parts) != count or not all(isinstance(part, Tensor) for part in parts):
            wanted = "a tensor" if count == 1 else "two tensors, (h, c)"
            got = ", ".join(type(part).__name__ for part in parts)
            raise TypeError(f"{self._get_name()}: hx must be {wanted}, but got {got or 'nothing'}")
        for part in parts:
            if part.shape != shape:
                raise ShapeError(f"{self._get_name()}: Expected hidden size {shape}, got {list(part.shape)}")
        return parts

    def _check_features(self, input: Tensor) -> None:
        if not isinstance(input, Tensor):
            raise NotImplementedError(
                f"{self._get_name()} takes a Tensor, not {type(input).__name__}; there are no packed sequences here:"
                " pad them to one length"
            )
        if input.shape[-1:] != (self.input_size,):
            raise ShapeError(
                f"{self._get_name()}: the last axis of the input must be input_size. Expected {self.input_size}, got"
                f" {list(input.shape)}"
            )


class RNNBase(_Recurrent):
    """Layers of a recurrent cell, one above the other: what `RNN`, `LSTM` and `GRU` are.

    input: (T, N, input_size), with batch_first (N, T, input_size), or (T, input_size). The initial state (of an LSTM
    two: h and c) is (directions * num_layers, N, hidden_size), by default 0. Returns the hidden states of the last
    layer at all times, (T, N, directions * hidden_size), and the final state. bidirectional: each layer also runs
    backwards in time, and both results are joined. dropout: between the layers.
    """

    def __init__(
        self, input_size: Size, hidden_size: Size, num_layers: int = 1, bias: Flag = True, batch_first: Flag = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None,
        dtype: DTypeLike = None
    ) -> None:
        if type(self) is RNNBase:
            raise NotImplementedError("RNNBase is what RNN, LSTM and GRU share: make one of these")
        if proj_size:
            raise NotImplementedError("proj_size is not supported: put a Linear behind the layer")
        for name, size in {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}.items():
            if size <= 0:
                raise ValueError(f"{name} must be greater than zero, but is {size}")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                f"dropout should be a number in range [0, 1], the probability of an element being zeroed, not {dropout}"
            )
        super().__init__(input_size, hidden_size, bias)
        self.num_layers, self.batch_first, self.dropout = num_layers, batch_first, float(dropout)
        self.bidirectional = bool(bidirectional)
        for layer in range(num_layers):
            for suffix in self._suffixes(layer):
                self._add(hidden_size * (1 + self.bidirectional) if layer else input_size, suffix, device, dtype)
        self.reset_parameters()

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: 1 + self.bidirectional]

    def flatten_parameters(self) -> None:
        """Nothing: there is no other memory to put them into."""

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        self._check_features(input)
        if input.ndim not in (2, 3):
            raise ValueError(f"{self._get_name()}: Expected input to be 2D or 3D, got {input.ndim}D instead")
        single = input.ndim == 2
        x = input.unsqueeze(1) if single else input.transpose(0, 1) if self.batch_first else input
        states = self._initial(hx, x, single)
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            directions = []
            for backwards, suffix in enumerate(self._suffixes(layer)):
                hidden, state = self._scan(x, states[len(last)], suffix, bool(backwards))
                directions.append(stack(hidden))
                last.append(state)
            x = cat(directions, -1) if self.bidirectional else directions[0]
        final = tuple(stack(part) for part in zip(*last, strict=True))
        if single:
            x, final = x.squeeze(1), tuple(part.squeeze(1) for part in final)
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, final if len(final) > 1 else final[0]

    def _initial(self, hx: Any, x: Tensor, single: bool) -> list[State]:
        """The initial state of each layer and direction."""
        count, batch = self.num_layers * (1 + self.bidirectional), () if single else (x.shape[1],)
        parts = self._states(hx, (count, *batch, self.hidden_size), x)
        return list(zip(*((part.unsqueeze(1) if single else part).unbind(0) for part in parts), strict=True))

    def extra_repr(self) -> str:
        defaults = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        changed = [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


class RNN(RNNBase):
    __doc__ = f"h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu: {RNNBase.__doc__}"
    _kind = "tanh"

    def __init__(
        self, input_size: Size, hidden_size: Size, num_layers: int = 1, nonlinearity: str = "tanh", *args: Any,
        **kwargs: Any
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = self._kind = nonlinearity


class LSTM(RNNBase):
    __doc__ = f"""Long short-term memory: gates i, f, g, o; c' = f c + i g; h' = o tanh(c'). {RNNBase.__doc__}
    >>> import autograd_mini as am
    >>> output, (h, c) = LSTM(10, 20)(am.ones(5, 3, 10))
    >>> output.shape, h.shape
    ((5, 3, 20), (1, 3, 20))
    """
    _kind = "LSTM"


class GRU(RNNBase):
    __doc__ = f"Gated recurrent unit: h' = (1 - z) n + z h with n = tanh(x_n + r h_n). {RNNBase.__doc__}"
    _kind = "GRU"


class _Cell(_Recurrent):
    """One step: input (N, input_size) or (input_size), state (N, hidden_size) or (hidden_size), by default 0."""

    def __init__(
        self, input_size: Size, hidden_size: Size, bias: bool = True, device: Any = None, dtype: DTypeLike = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias)
        self._add(input_size, "", device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        self._check_features(input)
        if input.ndim not in (1, 2):
            raise ValueError(f"{self._get_name()}: Expected input to be 1D or 2D, got {input.ndim}D instead")
        state = self._states(hx, (*input.shape[:-1], self.hidden_size), input)
        state = self._scan(input.unsqueeze(0), state, "")[1]
        return state if len(state) > 1 else state[0]

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else f", bias={self.bias}")


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu: one step of `RNN`."""

    _kind = "tanh"

    def __init__(
        self, input_size: Size, hidden_size: Size, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: DTypeLike = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {nonlinearity}")
        self.nonlinearity = self._kind = nonlinearity

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):
    """One step of `LSTM`: from (h, c) to the new (h, c)."""

    _kind = "LSTM"


class GRUCell(_Cell):
    """One step of `GRU`."""

    _kind = "GRU"
