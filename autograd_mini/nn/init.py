"""Starting values of parameters, written in place; each function returns its tensor.

`generator` is a `Generator`; without one, `default_generator` is drawn from, which `manual_seed` seeds.
"""

from __future__ import annotations

import math
import warnings
from statistics import NormalDist

import numpy as np

from .. import creation
from ..arrays import tensors_expected
from ..creation import Generator
from ..devices import beside
from ..engine import Array, memory
from ..tensor import Tensor
from ..writes import writes


def _fill(tensor: Tensor, values: Array) -> Tensor:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"nn.init functions write into a Tensor, but got {type(tensor).__name__}")
    array = memory(tensor)
    array[...] = beside(np.asarray(values), array)
    writes.note(array)
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on [a, b)."""
    if not a <= b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}")
    drawn = creation.rand(tensor.shape, dtype=tensor.dtype, generator=generator)._array
    return _fill(tensor, drawn * (b - a) + a)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with this mean and standard deviation."""
    if not std >= 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    drawn = creation.randn(tensor.shape, dtype=tensor.dtype, generator=generator)._array
    return _fill(tensor, drawn * std + mean)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
    generator: Generator | None = None
) -> Tensor:
    """Normal with this mean and standard deviation, but never outside [a, b]."""
    if not a < b or std <= 0:
        raise ValueError(f"trunc_normal_ needs a < b and std > 0, but got a={a}, b={b}, std={std}")
    source, normal = creation.source_of(generator), NormalDist(mean, std)
    low, high = normal.cdf(a), normal.cdf(b)
    if high - low < 0.1:  # draws would seldom fall inside: invert the distribution function, number by number
        quantiles = np.clip(source.uniform(low, high, tensor.shape), 1e-300, 1 - 2.0**-53)
        drawn = np.vectorize(normal.inv_cdf, otypes=[float])(quantiles)
        return _fill(tensor, np.clip(drawn, a, b))
    drawn = source.normal(mean, std, tensor.shape)
    while (outside := (drawn < a) | (drawn > b)).any():
        drawn[outside] = source.normal(mean, std, int(outside.sum()))
    return _fill(tensor, drawn)


def constant_(tensor: Tensor, val: float) -> Tensor:
    """The same number everywhere."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return _fill(tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return _fill(tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight (out, in, ...) that passes its input channels on unchanged, in each of the groups."""
    if not 3 <= tensor.ndim <= 5:
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.shape[0] % groups:
        raise ValueError("dim 0 must be divisible by groups")
    out = tensor.shape[0] // groups
    values = np.zeros(tensor.shape)
    middle = tuple(n // 2 for n in tensor.shape[2:])
    for g in range(groups):
        for d in range(min(out, tensor.shape[1])):
            values[(g * out + d, d, *middle)] = 1
    return _fill(tensor, values)


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """A normal matrix of which a fraction `sparsity` of each column is 0 (Martens, ICML 2010, section 5)."""
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity is the fraction of zeros, between 0 and 1, but got {sparsity}")
    normal_(tensor, 0, std, generator)
    source = creation.source_of(generator)
    values = tensor.detach().numpy()
    for column in range(tensor.shape[1]):
        values[source.permutation(tensor.shape[0])[: math.ceil(sparsity * tensor.shape[0])], column] = 0
    return tensor


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A random (semi-)orthogonal matrix times `gain`, uniform over all of them; further axes are flattened.

    Saxe et al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks" (2013).
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    shape = (max(rows, columns), min(rows, columns))
    q, r = np.linalg.qr(creation.source_of(generator).standard_normal(shape))
    q = q * np.where(np.diagonal(r) < 0, -1, 1)  # without the signs, Q would not be uniform
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


# ----------------------------------------------------------------------------------------- scaled by the layer's size


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the weights before a nonlinearity are enlarged to keep the variance.

    linear, conv…: 1; sigmoid: 1; tanh: 5/3; relu: √2; leaky_relu: √(2 / (1 + slope²)), slope `param`, default 0.01;
    selu: 3/4.

    >>> calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity in ("linear", "sigmoid") or str(nonlinearity).startswith("conv"):
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    if str(nonlinearity) not in gains:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


def _fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs one output has, and how many outputs one input, of a weight (out, in, ...)."""
    if tensor.ndim < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _xavier_std(tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = _fans(tensor)
    return gain * math.sqrt(2.0 / ((fan_in + fan_out) or 1))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Uniform on ±gain √(6 / (fan_in + fan_out)): Glorot & Bengio, AISTATS 2010, equation 16."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal of standard deviation gain √(2 / (fan_in + fan_out)): Glorot & Bengio, AISTATS 2010, equation 12."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    modes = ["fan_in", "fan_out"]
    if str(mode).lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    if tensor.numel() == 0:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return 0.0
    return calculate_gain(nonlinearity, a) / math.sqrt(_fans(tensor)[modes.index(mode.lower())])


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None
) -> Tensor:
    """Uniform on ±gain √(3 / fan): He et al., "Delving Deep into Rectifiers", ICCV 2015, equations 10 and 14.

    a: the slope of the leaky ReLU. mode: "fan_in" keeps the variance forward, "fan_out" backward.
    """
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
    generator: Generator | None = None
) -> Tensor:
    """Normal of standard deviation gain / √fan; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


# What is given no tensor says so.
for _name in [name for name in globals() if name.endswith("_") and not name.startswith("_")]:
    globals()[_name] = tensors_expected(globals()[_name])
