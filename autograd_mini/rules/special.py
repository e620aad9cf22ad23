"""The error function and its relatives on arrays: NumPy has none.

Rational approximations of W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969),
631-637: within 7e-16 of erf and 9e-16 of erfc, relative, wherever that is not denormal; in single precision see below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..devices import memory_of, on_host
from ..engine import Array

_SMALL = 0.46875
# Coefficients by falling power, numerator and denominator: erf for |x| < 0.46875, erfc up to 4, and beyond.
_NEAR = (
    [1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3],
    [1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3],
)
_MIDDLE = (
    [2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1, 2.98635138197400131e2]
    + [8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3],
    [1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3]
    + [3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3],
)
_FAR = (
    [1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1]
    + [1.60837851487422766e-2, 6.58749161529837803e-4],
    [1.0, 2.56852019228982242, 1.87295284992346725, 5.27905102951428412e-1, 6.05183413124413191e-2]
    + [2.33520497626869185e-3],
)
# In single precision one odd rational function up to 4, where erf has reached 1, is within 4e-7, relative, and four
# times as fast; the coefficients are those of the C++ library Eigen.
_SINGLE = (
    [-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05]
    + [-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02],
    [-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03]
    + [-1.42647390514189e-02],
)
# erfc(y) = t exp(-y^2 + polynomial of t), t = 1 / (1 + y/2), within 1.2e-7, relative (Press et al., Numerical
# Recipes, 6.2); in single precision 5.7e-7 with rounding, and 2 to 3 times as fast as the above.
_SINGLE_TAIL = (
    [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196]
    + [1.00002368, -1.26551223]
)
# ndtr(-y) = t exp(-y^2/2) times a polynomial of t, t = 1 / (1 + 0.3 y): a minimax fit of our own, relative within
# 3e-8 (1 + y^2/3). In single precision 6e-7 with rounding up to y = 4, 5e-6 at 13, where that of y costs as much.
_SINGLE_NORMAL_TAIL = (
    [0.0363149785, -0.159479465, 0.209491176, -0.0557270417, 0.129120083, 0.0999283215, 0.120717885, 0.119634078]
)


def erf(x: Array) -> Array:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    return _in_blocks(_erf_single if x.dtype in (np.float32, np.float16) else _erf, x)


def erfc(x: Array) -> Array:
    """1 - erf(x), without the cancellation where erf is nearly 1."""
    return _in_blocks(_erfc_single if x.dtype in (np.float32, np.float16) else _erfc, x)


def ndtr(x: Array) -> Array:
    """The normal distribution function: the integral of `normal_pdf` up to x."""
    with np.errstate(over="ignore"):  # of squares: what is far out is 0 or 1
        return _in_blocks(_ndtr_single if x.dtype in (np.float32, np.float16) else _ndtr, x)


def normal_pdf(x: Array) -> Array:
    """The density of the normal distribution, exp(-x^2/2) / sqrt(2 pi)."""
    with np.errstate(over="ignore"):
        y = memory_of(np.square(x, dtype=np.result_type(x, np.float32)))
    y *= -0.5  # in place: one array is made instead of four
    np.exp(y, out=y)
    y *= 1 / math.sqrt(2 * math.pi)
    return y.astype(x.dtype if x.dtype.kind == "f" else y.dtype, copy=False)


def _in_blocks(function: Callable[[Array], Array], x: Array) -> Array:
    """The function of x, a piece at a time: what it needs meanwhile stays in the cache. float16 goes by float32."""
    given = memory_of(x)
    flat = given.astype(np.result_type(given, np.float32), order="C", copy=False).reshape(-1)
    result = np.empty_like(flat)
    block = 32768 if on_host(flat) else max(1, flat.size)
    for start in range(0, flat.size, block):
        result[start : start + block] = function(flat[start : start + block])
    return result.reshape(given.shape).astype(given.dtype if given.dtype.kind == "f" else result.dtype, copy=False)


def _erf(x: Array) -> Array:
    near, tail, inner = _parts(x)
    return near * inner + np.copysign(1.0 - tail, x) * (1.0 - inner)


def _erf_single(x: Array) -> Array:
    y = np.clip(x, -4.0, 4.0)
    return np.clip(y * _ratio(y * y, *_SINGLE), -1.0, 1.0)


def _erfc(x: Array) -> Array:
    near, tail, inner = _parts(x)
    mirrored = (x < 0).astype(x.dtype)
    return (1.0 - near) * inner + (2.0 * mirrored + np.copysign(tail, x)) * (1.0 - inner)


def _erfc_single(x: Array) -> Array:
    y = np.minimum(np.abs(x), 10.5)  # where it has long been 0
    t = 1 / (1 + 0.5 * y)
    exponent = _polynomial(t, _SINGLE_TAIL)
    head = np.trunc(y * 16) / 16  # its square is exact, so exp(-y^2) is as precise as exp itself
    exponent += (head - y) * (head + y)
    tail = np.exp(exponent, out=exponent)
    tail *= t
    tail *= np.exp(-head * head)
    return 2.0 * np.signbit(x).astype(x.dtype) + np.copysign(tail, x)


def _ndtr(x: Array) -> Array:
    return 0.5 * _erfc(x * -math.sqrt(0.5))


def _ndtr_single(x: Array) -> Array:
    y = np.abs(x)
    t = 1 / (1 + 0.3 * y)
    tail = _polynomial(t, _SINGLE_NORMAL_TAIL)
    tail *= t
    y *= y
    y *= -0.5
    tail *= np.exp(y, out=y)
    tail -= (x > 0).astype(x.dtype)  # tail - 1 or tail: but for the sign, that is it
    return np.abs(tail, out=tail)


def _parts(x: Array) -> tuple[Array, Array, Array]:
    """erf(x) for small x, erfc(|x|) for large x, and 1.0 where x is small: masks to multiply with, not to select by."""
    y = np.minimum(np.abs(x), 30.0)  # where erfc has long been 0
    limited = np.minimum(y, _SMALL)
    near = x * _ratio(limited * limited, *_NEAR)
    near = np.clip(near, -1.0, 1.0)  # finite also where it is not used
    tail = _ratio(np.clip(y, _SMALL, 4.0), *_MIDDLE)
    far = y > 4
    if far.any():
        z = 1.0 / y[far] ** 2
        tail[far] = (1 / math.sqrt(math.pi) - z * _ratio(z, *_FAR)) / y[far]
    head = np.trunc(y * 16) / 16  # its square is exact, so exp(-y^2) is as precise as exp itself
    tail *= np.exp(-head * head)
    tail *= np.exp((head - y) * (head + y))
    return near, tail, (y <= _SMALL).astype(x.dtype)


def _ratio(x: Array, over: Sequence[float], under: Sequence[float]) -> Array:
    return _polynomial(x, over) / _polynomial(x, under)


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's rule; the accumulator is our own, so it may change in place."""
    result = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        result += coefficient
        result *= x
    result += coefficients[-1]
    return result
