"""Elementwise operations, each beside its derivatives. Broadcasting is undone by the engine, never here."""

from __future__ import annotations

import operator

import numpy as np

from ..engine import Array
from ..primitive import composition, primitive

# ------------------------------------------------------------------------------------------------ arithmetic
# The functions of `operator` do what NumPy's ufuncs do, and are ten times faster on scalars.

add = primitive(operator.add, numpy=np.add, x=lambda g: g, y=lambda g: g)
sub = primitive(operator.sub, numpy=np.subtract, x=lambda g: g, y=lambda g: -g)
mul = primitive(operator.mul, numpy=np.multiply, x=lambda g, y: g * y, y=lambda g, x: g * x)
div = primitive(
    operator.truediv, name="div", numpy=np.divide, x=lambda g, y: g / y, y=lambda g, out, y: -g * (out / y)
)
neg = primitive(operator.neg, numpy=np.negative, x=lambda g: -g)


def _pow_base(g: Array, x: Array, y: Array) -> Array:
    return g * (y * x ** np.where(y == 0, 1.0, y - 1))  # y x^(y-1), and 0 where y = 0, also at x = 0


def _pow_exponent(g: Array, out: Array, x: Array, y: Array) -> Array:
    zero = (x == 0) & (y >= 0)  # the limit of x^y log x from above
    return g * np.where(zero, 0.0, out * np.log(np.where(zero, 1.0, x)))


pow_tensor = primitive(operator.pow, name="pow", public=False, x=_pow_base, y=_pow_exponent)


def _pow_backward(g: Array, x: Array, exponent: float) -> Array:
    return g * (exponent * x ** (exponent - 1)) if exponent != 0 else g * 0.0


@primitive(public=False, x=_pow_backward)
def pow_number(x: Array, *, exponent: float) -> Array:
    """x ** exponent for an exponent that is a Python number: cheaper than an array, and needs no logarithm."""
    return x**exponent


@composition(numpy=np.power)
def pow(x: Array, exponent: Array) -> Array:
    """x to a power that is a number or a tensor."""
    if isinstance(exponent, (int, float)) and not isinstance(x, (int, float)):
        return pow_number(x, exponent=exponent)
    if isinstance(x, (int, float)) and exponent.dtype.kind == "f":
        x = np.asarray(x, exponent.dtype)  # a bare number would make log(x) float32
    return pow_tensor(x, exponent)


# ------------------------------------------------------------------------------------- division and rounding
# Derivatives hold between the jumps; the quotient of a remainder is a constant there.

remainder = primitive(np.remainder, x=lambda g: g, y=lambda g, x, y: -g * np.floor(x / y))
fmod = primitive(np.fmod, x=lambda g: g, y=lambda g, x, y: -g * np.trunc(x / y))
floor_divide = primitive(np.floor_divide)
floor = primitive(np.floor, x=lambda g: g * 0.0)
ceil = primitive(np.ceil, x=lambda g: g * 0.0)
trunc = primitive(np.trunc, x=lambda g: g * 0.0)
round = primitive(np.rint, name="round", numpy=np.round, x=lambda g: g * 0.0)

# ---------------------------------------------------------------------------------- exponentials and powers

exp = primitive(np.exp, x=lambda g, out: g * out)
log = primitive(np.log, x=lambda g, x: g / x)
sqrt = primitive(np.sqrt, x=lambda g, out: g * 0.5 / out)

# -------------------------------------------------------------------------------------- sigmoids and kinks


@primitive(x=lambda g, out: g * (out * (1.0 - out)))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with an exponential that cannot overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


tanh = primitive(np.tanh, x=lambda g, out: g * (1.0 - out * out))
abs = primitive(np.abs, name="abs", x=lambda g, x: g * np.sign(x))
sign = primitive(np.sign, x=lambda g: g * 0.0)


@primitive(x=lambda g, out: g * (out > 0))
def relu(x: Array) -> Array:
    """max(x, 0); the derivative at 0 is 0."""
    return np.maximum(x, 0)


# A tie gives half of the gradient to each side, as in PyTorch.
maximum = primitive(
    np.maximum,
    x=lambda g, x, y: g * np.where(x == y, 0.5, x > y),
    y=lambda g, x, y: g * np.where(x == y, 0.5, x < y),
)
minimum = primitive(
    np.minimum,
    x=lambda g, x, y: g * np.where(x == y, 0.5, x < y),
    y=lambda g, x, y: g * np.where(x == y, 0.5, x > y),
)


def _clip_backward(g: Array, x: Array, min: float | None, max: float | None) -> Array:
    if min is not None and max is not None:
        return g * ((x >= min) & (x <= max))
    return g * (x >= min) if min is not None else g * (x <= max)


@primitive(public=False, x=_clip_backward)
def clip_number(x: Array, *, min: float | None, max: float | None) -> Array:
    """x limited to [min, max]; at the bounds themselves the gradient passes."""
    return np.clip(x, min, max)


@composition()
def clamp(x: Array, min: Array = None, max: Array = None) -> Array:
    """x limited to [min, max]; the bounds may be numbers, tensors or None."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must not be None")
    if not (hasattr(min, "dtype") or hasattr(max, "dtype")):
        return clip_number(x, min=min, max=max)
    x = x if min is None else maximum(x, min)
    return x if max is None else minimum(x, max)


@composition(numpy=np.clip)
def clip(a: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None) -> Array:
    """NumPy's name for `clamp`."""
    return clamp(a, a_min if min is None else min, a_max if max is None else max)


# ------------------------------------------------------------------------------------- choice and conversion


@primitive(
    numpy=np.where,
    x=lambda g, condition: np.where(condition, g, 0.0),
    y=lambda g, condition: np.where(condition, 0.0, g),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, y elsewhere."""
    return np.where(condition, x, y)


@primitive(x=lambda g: g)
def astype(x: Array, *, dtype: np.dtype[np.generic]) -> Array:
    """The same values as another dtype; the engine casts the gradient back."""
    return x.astype(dtype)


@primitive(x=lambda g: g)
def clone(x: Array) -> Array:
    """The same values in memory of their own."""
    return np.array(x)


# ------------------------------------------------------------------------- comparisons: no rule, no gradient

eq = primitive(np.equal, name="eq")
ne = primitive(np.not_equal, name="ne")
lt = primitive(np.less, name="lt")
le = primitive(np.less_equal, name="le")
gt = primitive(np.greater, name="gt")
ge = primitive(np.greater_equal, name="ge")
logical_and = primitive(np.logical_and)
logical_or = primitive(np.logical_or)
logical_xor = primitive(np.logical_xor)
logical_not = primitive(np.logical_not)
bitwise_and = primitive(np.bitwise_and)
bitwise_or = primitive(np.bitwise_or)
bitwise_xor = primitive(np.bitwise_xor)
bitwise_not = primitive(np.invert, name="bitwise_not")
isnan = primitive(np.isnan)
isinf = primitive(np.isinf)
isfinite = primitive(np.isfinite)
