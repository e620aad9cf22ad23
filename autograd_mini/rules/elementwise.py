"""Elementwise operations, each beside its derivatives. Broadcasting is undone by the engine, never here.

Masks are multiplied with, where NaN and inf allow it: np.where is ten times slower on masks without a pattern.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

from ..arrays import array_from
from ..devices import check, copy_of, device_of, move, on_host
from ..dtypes import result_type
from ..engine import Array
from ..primitive import NUMPY, OPERATIONS, call, composition, primitive
from . import special

Number = int | float


def _zero(g: Array) -> Array:
    """The derivative of what is constant between its jumps; 0 also where g is inf or NaN."""
    return np.where(np.zeros_like(g, bool), g, 0.0)  # CuPy knows no single condition


# ------------------------------------------------------------------------------------------------ arithmetic
# The functions of `operator` do what NumPy's ufuncs do, and are ten times faster on scalars.

add = primitive(operator.add, numpy=np.add, public=False, x=lambda g: g, y=lambda g: g)
sub = primitive(operator.sub, numpy=np.subtract, public=False, x=lambda g: g, y=lambda g: -g)
mul = primitive(operator.mul, numpy=np.multiply, x=lambda g, y: g * y, y=lambda g, x: g * x)
div = primitive(
    operator.truediv,
    name="div",
    numpy=np.divide,
    public=False,
    x=lambda g, y: g / y,
    y=lambda g, out, y: -g * (out / y),
)
neg = primitive(operator.neg, numpy=np.negative, x=lambda g: -g)


def _pow_base(g: Array, x: Array, y: Array) -> Array:
    return g * (y * x ** np.where((x == 0) & (y == 0), 1.0, y - 1))  # y x^(y-1), and 0, not NaN, for 0^0


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


@composition(name="add")
def add_multiple(x: Array, other: Array, *, alpha: Number = 1) -> Array:
    """x + alpha * other."""
    return add(x, other if alpha == 1 and alpha is not True else _multiple(x, other, alpha))


@composition(name="sub")
def sub_multiple(x: Array, other: Array, *, alpha: Number = 1) -> Array:
    """x - alpha * other."""
    return sub(x, other if alpha == 1 and alpha is not True else _multiple(x, other, alpha))


def _multiple(x: Array, other: Array, alpha: Number) -> Array:
    if isinstance(alpha, bool) and result_type(x, other).kind != "b":
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, float) and not (_is_float(x) or _is_float(other)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return mul(other, alpha)


@composition(name="div")
def div_rounded(x: Array, other: Array, *, rounding_mode: str | None = None) -> Array:
    """x / other; rounding_mode "trunc" rounds the quotient towards 0, "floor" down."""
    if rounding_mode is None:
        return div(x, other)
    if rounding_mode == "floor":
        return floor_divide(x, other)
    if rounding_mode != "trunc":
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    if _is_float(x) or _is_float(other):
        return trunc(div(x, other))
    return floor_divide(sub(x, fmod(x, other)), other)  # exact for integers of any size


def _is_float(x: Array) -> bool:
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


@composition(numpy=np.square)
def square(x: Array) -> Array:
    """x^2."""
    return pow_number(x, exponent=2)


@composition(numpy=np.reciprocal)
def reciprocal(x: Array) -> Array:
    """1 / x."""
    return div(1, x)


@composition()
def addcmul(x: Array, tensor1: Array, tensor2: Array, *, value: Number = 1) -> Array:
    """x + value * tensor1 * tensor2."""
    return add_multiple(x, mul(tensor1, tensor2), alpha=value)


@composition()
def addcdiv(x: Array, tensor1: Array, tensor2: Array, *, value: Number = 1) -> Array:
    """x + value * tensor1 / tensor2."""
    return add_multiple(x, div(tensor1, tensor2), alpha=value)


@composition()
def lerp(x: Array, end: Array, weight: Array) -> Array:
    """x + weight (end - x), computed from the nearer end, so that it is exact at weights 0 and 1."""
    step = sub(end, x)
    if isinstance(weight, (int, float)):
        return x + weight * step if weight < 0.5 else end - (1 - weight) * step
    return where(weight < 0.5, x + weight * step, end - (1 - weight) * step)


# ------------------------------------------------------------------------------------- division and rounding
# Derivatives hold between the jumps; the quotient of a remainder is a constant there.


def _remainder_divisor(g: Array, out: Array, x: Array, y: Array) -> Array:
    return -g * np.rint((x - out) / y)


def _divided(ufunc: np.ufunc) -> Callable[[Array, Array], Array]:
    """`ufunc` of two numbers; integers, which have no inf, are not divided by 0."""

    def forward(x: Array, y: Array) -> Array:
        if not (_is_float(x) or _is_float(y)) and np.size(x) and not np.all(y):
            raise RuntimeError(f"ZeroDivisionError: {ufunc.__name__} of integers, and a divisor is 0")
        return ufunc(x, y)

    forward.__doc__ = f"np.{ufunc.__name__}; of integers by 0 an error."
    return forward


remainder = primitive(
    _divided(np.remainder), name="remainder", numpy=np.remainder, x=lambda g: g, y=_remainder_divisor
)
fmod = primitive(_divided(np.fmod), name="fmod", numpy=np.fmod, x=lambda g: g, y=_remainder_divisor)
floor_divide = primitive(
    _divided(np.floor_divide), name="floor_divide", numpy=np.floor_divide, x=_zero, y=_zero
)
floor = primitive(np.floor, x=_zero)
ceil = primitive(np.ceil, x=_zero)
trunc = primitive(np.trunc, numpy=np.fix, x=_zero)
sign = primitive(np.sign, x=_zero)


@primitive(numpy=(np.round, np.around, np.rint), x=_zero)
def round(x: Array, *, decimals: int = 0) -> Array:
    """The nearest multiple of 10^-decimals, of two equally near ones the even."""
    return np.round(x, decimals)


@composition()
def frac(x: Array) -> Array:
    """x - trunc(x)."""
    return sub(x, trunc(x))


# ---------------------------------------------------------------------------------- exponentials and powers

_LOG2, _LOG10 = math.log(2), math.log(10)

exp = primitive(np.exp, x=lambda g, out: g * out)
exp2 = primitive(np.exp2, x=lambda g, out: g * (out * _LOG2))
expm1 = primitive(np.expm1, x=lambda g, out: g * (out + 1.0))
log = primitive(np.log, x=lambda g, x: g / x)
log2 = primitive(np.log2, x=lambda g, x: g / (x * _LOG2))
log10 = primitive(np.log10, x=lambda g, x: g / (x * _LOG10))
log1p = primitive(np.log1p, x=lambda g, x: g / (x + 1.0))
sqrt = primitive(np.sqrt, x=lambda g, out: g * 0.5 / out)


def _share(g: Array, x: Array, y: Array) -> Array:
    same = np.isinf(x) & (x == y)  # there the share is 0, not inf - inf
    return g * call(sigmoid, np.where(same, -np.inf, x) - np.where(same, 0.0, y))  # exp(x) / (exp(x) + exp(y))


logaddexp = primitive(np.logaddexp, x=_share, y=lambda g, x, y: _share(g, y, x))


@composition(numpy=np.logaddexp2)
def logaddexp2(x: Array, other: Array) -> Array:
    """log2(2^x + 2^other)."""
    return logaddexp(mul(x, _LOG2), mul(other, _LOG2)) / _LOG2


@composition()
def rsqrt(x: Array) -> Array:
    """1 / sqrt(x)."""
    return div(1, sqrt(x))


# ------------------------------------------------------------------------------ trigonometric and hyperbolic

sin = primitive(np.sin, x=lambda g, x: g * np.cos(x))
cos = primitive(np.cos, x=lambda g, x: -g * np.sin(x))
tan = primitive(np.tan, x=lambda g, out: g * (1.0 + out * out))
asin = primitive(np.arcsin, name="asin", x=lambda g, x: g / np.sqrt((1.0 - x) * (1.0 + x)))
acos = primitive(np.arccos, name="acos", x=lambda g, x: -g / np.sqrt((1.0 - x) * (1.0 + x)))
atan = primitive(np.arctan, name="atan", x=lambda g, x: _on_circle(g, 1.0, x, 1.0))
sinh = primitive(np.sinh, x=lambda g, x: g * np.cosh(x))
cosh = primitive(np.cosh, x=lambda g, x: g * np.sinh(x))
tanh = primitive(np.tanh, x=lambda g, out: g * (1.0 - out * out))
asinh = primitive(np.arcsinh, name="asinh", x=lambda g, x: g / np.hypot(x, 1.0))
acosh = primitive(np.arccosh, name="acosh", x=lambda g, x: g / np.sqrt((x - 1.0) * (x + 1.0)))
atanh = primitive(np.arctanh, name="atanh", x=lambda g, x: g / ((1.0 - x) * (1.0 + x)))


def _on_circle(g: Array, part: Array, x: Array, y: Array) -> Array:
    """g * part / (x^2 + y^2), 0 at the origin; squaring nothing, it cannot overflow."""
    radius = np.hypot(x, y)
    radius = np.where(radius == 0, 1.0, radius)
    return g * (part / radius) / radius


def _hypot_backward(g: Array, out: Array, part: Array) -> Array:
    return g * (part / np.where(out == 0, 1.0, out))  # 0 at the origin, like that of every norm


hypot = primitive(
    np.hypot,
    x=lambda g, out, x: _hypot_backward(g, out, x),
    y=lambda g, out, y: _hypot_backward(g, out, y),
)
atan2 = primitive(
    np.arctan2,
    name="atan2",
    y=lambda g, y, x: _on_circle(g, x, x, y),
    x=lambda g, y, x: _on_circle(-g, y, x, y),
)


@composition(numpy=(np.deg2rad, np.radians))
def deg2rad(x: Array) -> Array:
    """Degrees to radians."""
    return mul(x, math.pi / 180)


@composition(numpy=(np.rad2deg, np.degrees))
def rad2deg(x: Array) -> Array:
    """Radians to degrees."""
    return mul(x, 180 / math.pi)


# ---------------------------------------------------------------------------------------- the error function


def _gauss(x: Array) -> Array:
    """The derivative of erf; beyond 30 it is 0, and its square could overflow."""
    return np.exp(-(np.clip(x, -30.0, 30.0) ** 2)) * (2 / math.sqrt(math.pi))


erf = primitive(special.erf, x=lambda g, x: g * _gauss(x))
erfc = primitive(special.erfc, x=lambda g, x: -g * _gauss(x))
normal_pdf = primitive(special.normal_pdf, public=False, x=lambda g, x, out: g * (-x * out))
ndtr = primitive(special.ndtr, public=False, x=lambda g, x: g * call(normal_pdf, x))

# ------------------------------------------------------------------------------------- sigmoids and activations


@primitive(x=lambda g, out: g * (out * (1.0 - out)))
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with an exponential that cannot overflow."""
    x = x if x.dtype.kind == "f" else x.astype(np.float64)
    e = np.exp(-np.abs(x))
    return np.maximum((x >= 0).astype(x.dtype), e) / (1.0 + e)


@primitive(x=lambda g, out: g * ~(out <= 0))
def relu(x: Array) -> Array:
    """max(x, 0); the derivative at 0 is 0."""
    large = x.size > 4096 and x.dtype.kind == "f"  # then np.clip takes a third of np.maximum's time
    return np.clip(x, 0, np.inf) if large else np.maximum(x, 0)


@primitive(x=lambda g, x, negative_slope: g * (x > 0) + (negative_slope * g) * ~(x > 0))
def leaky_relu(x: Array, *, negative_slope: float = 0.01) -> Array:
    """x, or negative_slope * x where x is not positive; the derivative at 0 is the slope."""
    return np.maximum(x, 0) + negative_slope * np.minimum(x, 0)


def _softplus_backward(g: Array, x: Array, beta: float, threshold: float) -> Array:
    return g * np.where(x * beta > threshold, 1.0, call(sigmoid, x * beta))


@primitive(x=_softplus_backward)
def softplus(x: Array, *, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """log(1 + exp(beta x)) / beta, and x itself where beta x is above the threshold."""
    z = x * beta
    return np.where(z > threshold, x, (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))) / beta)


def _elu_backward(g: Array, x: Array, alpha: float, scale: float, input_scale: float) -> Array:
    slope = np.exp(np.clip(x, None, 0.0) * input_scale) * (alpha * input_scale)
    return (g * (x > 0) + g * slope * ~(x > 0)) * scale


@primitive(name="elu", public=False, x=_elu_backward)
def scaled_elu(x: Array, *, alpha: float, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """scale * (x if x > 0 else alpha (exp(input_scale x) - 1)): what ELU, SELU and CELU have in common."""
    return scale * (np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0) * input_scale))


@primitive(x=lambda g, x, min_val, max_val: g * ~((x <= min_val) | (x >= max_val)))
def hardtanh(x: Array, *, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """x limited to [min_val, max_val]; unlike that of `clamp`, the gradient at the bounds is 0, as in PyTorch."""
    return np.clip(x, min_val, max_val)


@composition()
def logsigmoid(x: Array) -> Array:
    """log(sigmoid(x)) = -softplus(-x), finite for every finite x."""
    return neg(softplus(neg(x), threshold=math.inf))


@composition()
def elu(x: Array, alpha: float = 1.0) -> Array:
    """x, or alpha (exp(x) - 1) where x is not positive."""
    return scaled_elu(x, alpha=alpha)


@composition()
def selu(x: Array) -> Array:
    """ELU with the constants that keep mean 0 and variance 1 (Klambauer et al., Self-Normalizing Networks, 2017)."""
    return scaled_elu(x, alpha=1.6732632423543772848170429916717, scale=1.0507009873554804934193349852946)


@composition()
def celu(x: Array, alpha: float = 1.0) -> Array:
    """x, or alpha (exp(x / alpha) - 1) where x is not positive: ELU with a continuous derivative."""
    return scaled_elu(x, alpha=alpha, input_scale=1 / alpha)


@composition()
def prelu(x: Array, weight: Array) -> Array:
    """`leaky_relu` with a slope that is learned: a weight of shape (1,) or (C,), for x of shape (N, C, ...)."""
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise RuntimeError(
            f"prelu: the weight must be a 0-d or 1-d tensor with 1 or {channels} elements (the channels of"
            f" {tuple(x.shape)}), not of shape {tuple(weight.shape)}"
        )
    if weight.ndim:
        weight = weight.reshape((-1,) + (1,) * (x.ndim - 2) if x.ndim > 1 else (1,) * x.ndim)
    return add(relu(x), mul(clamp_max(x, 0), weight))  # at 0 the derivative is the slope, as in PyTorch


@composition()
def relu6(x: Array) -> Array:
    """min(max(x, 0), 6)."""
    return hardtanh(x, min_val=0.0, max_val=6.0)


@composition()
def hardsigmoid(x: Array) -> Array:
    """relu6(x + 3) / 6."""
    return div(relu6(add(x, 3.0)), 6.0)


@composition()
def hardswish(x: Array) -> Array:
    """x relu6(x + 3) / 6 (Howard et al., Searching for MobileNetV3, 2019)."""
    return mul(x, hardsigmoid(x))


@composition()
def silu(x: Array) -> Array:
    """x sigmoid(x), also called swish."""
    return mul(x, sigmoid(x))


@composition()
def mish(x: Array) -> Array:
    """x tanh(softplus(x)) (Misra, Mish, 2019)."""
    return mul(x, tanh(softplus(x)))


@composition()
def gelu(x: Array, approximate: str = "none") -> Array:
    """x times the normal distribution function at x (Hendrycks and Gimpel, Gaussian Error Linear Units, 2016).

    approximate="tanh": x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), as GPT-2 has it.
    """
    if approximate == "none":
        return mul(x, ndtr(x))
    if approximate != "tanh":
        raise RuntimeError(f"approximate argument must be either none or tanh, not {approximate!r}")
    near = clamp(x, -10.0, 10.0)  # beyond, the tanh is 1 to the last digit, and x^3 may overflow
    inner = mul(near, near * near * (0.044715 * math.sqrt(2 / math.pi)) + math.sqrt(2 / math.pi))
    return mul(x, tanh(inner) * 0.5 + 0.5)


@composition()
def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return div(x, abs(x) + 1.0)


@composition()
def tanhshrink(x: Array) -> Array:
    """x - tanh(x)."""
    return sub(x, tanh(x))


# ---------------------------------------------------------------------------------------- kinks and extremes

abs = primitive(np.abs, name="abs", numpy=np.fabs, x=lambda g, x: g * np.sign(x))


def _maximum_backward(g: Array, x: Array, y: Array) -> Array:
    return 0.5 * (g * ~(x < y) + g * ~(x <= y))  # a tie gives half to each side, as in PyTorch


maximum = primitive(np.maximum, x=_maximum_backward, y=lambda g, x, y: _maximum_backward(g, y, x))
minimum = primitive(
    np.minimum,
    x=lambda g, x, y: 0.5 * (g * ~(x > y) + g * ~(x >= y)),
    y=lambda g, x, y: 0.5 * (g * ~(y > x) + g * ~(y >= x)),
)


@composition(numpy=np.fmax)
def fmax(x: Array, other: Array) -> Array:
    """The larger one, or the one that is not NaN; a tie gives the gradient to x, as in PyTorch."""
    return where(bitwise_or(ge(x, other), isnan(other)), x, other)


@composition(numpy=np.fmin)
def fmin(x: Array, other: Array) -> Array:
    """The smaller one, or the one that is not NaN; a tie gives the gradient to x, as in PyTorch."""
    return where(bitwise_or(le(x, other), isnan(other)), x, other)


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
    """x limited to [min, max]; the bounds may be numbers, tensors or None. At a bound the gradient is that of x."""
    if min is None and max is None:
        raise RuntimeError("clamp: at least one of min and max must not be None")
    if not (hasattr(min, "dtype") or hasattr(max, "dtype")):
        return clip_number(x, min=min, max=max)
    x = x if min is None else where(lt(x, min), min, x)
    return x if max is None else where(gt(x, max), max, x)


@composition(numpy=np.clip)
def clip(a: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None) -> Array:
    """NumPy's name for `clamp`."""
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise TypeError("clip: a bound is given twice, by two names")
    return clamp(a, a_min if min is None else min, a_max if max is None else max)


@composition()
def clamp_min(x: Array, min: Array) -> Array:
    """max(x, min)."""
    return clamp(x, min)


@composition()
def clamp_max(x: Array, max: Array) -> Array:
    """min(x, max)."""
    return clamp(x, None, max)


# ------------------------------------------------------------------------------------- choice and conversion


@primitive(
    public=False,
    x=lambda g, condition: np.where(condition, g, 0.0),
    y=lambda g, condition: np.where(condition, 0.0, g),
)
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition holds, y elsewhere."""
    if (dtype := getattr(condition, "dtype", None)) is not None and dtype.char not in "?B":
        raise RuntimeError(f"where expected condition to be a boolean tensor, but got a tensor with dtype {dtype}")
    return np.where(condition, x, y)


@composition()
def masked_fill(x: Array, mask: Array, value: Array) -> Array:
    """x with `value`, a number or a 0-d tensor, where the mask is True; of x's dtype."""
    if mask.dtype.kind != "b":
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if getattr(value, "ndim", 0):
        raise RuntimeError(f"masked_fill only supports a 0-dimensional value tensor, but got one of {value.ndim}")
    if x.dtype.kind != "f" and _is_float(value):
        raise RuntimeError(f"masked_fill: the value {value} cannot be converted to {x.dtype} without loss")
    result = where(mask, value, x)
    return result if result.dtype == x.dtype else astype(result, dtype=x.dtype)


@primitive(x=lambda g, x: np.where(np.isfinite(x), g, 0.0))
def nan_to_num(x: Array, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """x with numbers for NaN and the infinities (0 and the largest of the dtype); no gradient passes there."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


NUMPY[np.nan_to_num] = lambda x, copy=True, nan=0.0, **infinities: nan_to_num(x, nan=nan, **infinities)


@primitive(x=lambda g: g)
def astype(x: Array, *, dtype: np.dtype[np.generic]) -> Array:
    """The same values as another dtype; the engine casts the gradient back."""
    return x.astype(dtype)


def _move_back(g: Array, device: str, source: str) -> Array:
    return call(move_to, g, device=source, source=device)


@primitive(name="to_device", public=False, x=_move_back)
def move_to(x: Array, *, device: str, source: str) -> Array:
    """A copy of x in the memory of a device; the gradient goes back to where x came from."""
    return copy_of(x) if device == source else move(x, device)


def to_device(x: Array, device: object) -> Array:
    """x on the device of this name; itself if it lives there. Raises RuntimeError if there is no such device."""
    check(device)
    source, name = device_of(x._array), str(device).partition(":")[0]
    return x if source == name else move_to(x, device=name, source=source)


@primitive(x=lambda g: g)
def clone(x: Array, *, order: str = "K") -> Array:
    """The same values in memory of their own; order "C" makes it row-major, "K" keeps the order it had."""
    return np.array(x, order=order) if on_host(x) else x.copy(order=order)  # type: ignore[call-overload]


@composition(numpy=np.positive)
def positive(x: Array) -> Array:
    """x itself."""
    return x


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
bitwise_left_shift = primitive(np.left_shift, name="bitwise_left_shift")
bitwise_right_shift = primitive(np.right_shift, name="bitwise_right_shift")
isnan = primitive(np.isnan)
isinf = primitive(np.isinf)
isfinite = primitive(np.isfinite)


@primitive(numpy=np.isclose)
def isclose(x: Array, y: Array, *, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Array:
    """|x - y| <= atol + rtol |y|; infinities of one sign are close."""
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(f"rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}")
    return np.isclose(x, y, rtol=float(rtol), atol=float(atol), equal_nan=equal_nan)


@composition(numpy=np.allclose)
def allclose(x: Array, other: Array, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether |x - other| <= atol + rtol |other| everywhere: True or False."""
    return bool(isclose(x, other, rtol=rtol, atol=atol, equal_nan=equal_nan)._array.all())


@composition(numpy=np.array_equal)
def equal(x: Array, other: Array) -> bool:
    """Whether shapes and all elements are the same: True or False."""
    return bool(np.array_equal(array_from(x), array_from(other)))


# -------------------------------------------------------------------- other names, which PyTorch has as well

OPERATIONS.update(
    absolute=abs, negative=neg, subtract=sub_multiple, multiply=mul, divide=div_rounded, true_divide=div, fix=trunc,
    arcsin=asin, arccos=acos, arctan=atan, arctan2=atan2, arcsinh=asinh, arccosh=acosh, arctanh=atanh,
    greater=gt, greater_equal=ge, less=lt, less_equal=le, not_equal=ne,
)  # fmt: skip

# All of the above have a twin that works in place, named with "_", but these, as in PyTorch.
NO_TWIN = (
    allclose, astype, celu, clone, elu, equal, fmax, fmin, gelu, hardsigmoid, hardswish, hardtanh, isclose, isfinite,
    isinf, isnan, leaky_relu, logaddexp, logaddexp2, logsigmoid, maximum, minimum, mish, positive, prelu, relu6, selu,
    silu, softplus, softsign, tanhshrink,
)  # fmt: skip
