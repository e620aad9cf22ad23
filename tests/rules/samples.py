"""Sample inputs for every primitive, its reference on plain arrays, and PyTorch's function for the same.

Values keep away from kinks, of which the conventions have tests of their own. A primitive without an entry fails the
suite, and so does an entry without a primitive. Families with a file of their own are merged in at the end.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from typing import Any

import numpy as np
from rules import samples_conv, samples_linalg, samples_nnet, samples_reduce
from rules.sampling import (
    F64,
    Entry,
    above_one,
    along,
    alpha_of,
    binary,
    comparison,
    distinct,
    flags,
    functional,
    inside,
    integer_pairs,
    integers,
    logical,
    method,
    normal,
    on_tensors,
    pairs,
    positive,
    reductions,
    unary,
    values,
)

import autograd_mini as am
import autograd_mini.rules
from autograd_mini.testing import Sample


def reference_softmax(x: Any, axis: int) -> Any:
    e = np.exp(x)
    return e / e.sum(axis, keepdims=True)


def reference_cross_entropy(x: Any, target: Any) -> Any:
    log_p = np.log(reference_softmax(x, -1))
    if target.dtype.kind in "iub":
        return -np.take_along_axis(log_p, target[..., None], -1)[..., 0]
    return -(target * log_p).sum(-1)


def torch_cross_entropy(torch: Any, x: Any, target: Any) -> Any:
    classes = x.shape[-1]
    flat = target.reshape(-1) if not target.is_floating_point() else target.reshape(-1, classes)
    loss = torch.nn.functional.cross_entropy(x.reshape(-1, classes), flat, reduction="none")
    return loss.reshape(x.shape[:-1])


def reference_put(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    result = np.zeros(shape)
    np.add.at(result, index, x)
    return result


def reference_setitem(x: Any, value: Any, index: Any) -> Any:
    result = x.copy()
    result[index] = value
    return result


def torch_setitem(torch: Any, x: Any, value: Any, index: Any) -> Any:
    result = x.clone()
    result[index] = value
    return result


def _looked(x: Any, value: Any, look: Any) -> Any:
    seen = look(x)
    if isinstance(seen, np.ndarray):
        seen.flags.writeable = True  # what np.diagonal returns is not
    seen[...] = value
    return x


TWICE = np.array([0, 2, 0])  # names an element twice
MASK = np.array([[True, False, True], [False, False, True]])
INDICES: list[tuple[tuple[int, ...], Any, tuple[int, ...]]] = [  # shape, index, shape of x[index]
    ((3, 4), 1, (4,)),
    ((3, 4), (slice(None), slice(None, None, 2)), (3, 2)),
    ((3, 4), (Ellipsis, -1), (3,)),
    ((3, 4), (None, slice(1, 3)), (1, 2, 4)),
    ((3, 4), TWICE, (3, 4)),
    ((3, 4), (TWICE, np.array([1, 3, 1])), (3,)),
    ((3, 4), (slice(None), TWICE), (3, 3)),
    ((3, 4), (TWICE[:, None], np.array([1, 1])), (3, 2)),
    ((2, 3), MASK, (3,)),
    ((2, 3), (1, 2), ()),
    ((2, 3), (np.zeros((0,), int),), (0, 3)),
    ((3,), (slice(2, 0, -1),), (2,)),
    ((), (), ()),
    ((), (None,), (1,)),
]

ROWS = np.array([2, 0, 2, 1])  # of three, one of them twice
ELEMENTS = np.array([[0, 2, 1], [2, 2, 0]])  # of a (3, 4), along axis 0


def has_arrays(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(p, np.ndarray) for p in parts)


SAMPLES: dict[str, Entry] = {
    # elementwise
    "add": Entry(binary(), np.add, "add", broadcasts=True),
    "sub": Entry(binary(), np.subtract, "sub", broadcasts=True),
    "mul": Entry(binary(), np.multiply, "mul", broadcasts=True),
    "div": Entry(binary(right=positive), np.divide, "div", broadcasts=True),
    "neg": Entry(unary(), np.negative, "neg"),
    "pow": Entry(pairs(positive), np.power, "pow", broadcasts=True),
    "pow_number": Entry(
        [Sample(normal(2, 3), exponent=e) for e in (0, 1, 2, 3, -1, 2.0, -2.0)]
        + [Sample(positive(2, 3), exponent=e) for e in (0.5, -0.5, 2.5)],
        lambda x, exponent: x ** float(exponent),
        lambda torch, x, exponent: torch.pow(x, exponent),
    ),
    "remainder": Entry(binary(right=positive), np.remainder, on_tensors("remainder"), broadcasts=True),
    "fmod": Entry(binary(right=positive), np.fmod, on_tensors("fmod"), broadcasts=True),
    "floor_divide": Entry(binary(right=positive), np.floor_divide, "floor_divide", broadcasts=True),
    "floor": Entry(unary(), np.floor, "floor"),
    "ceil": Entry(unary(), np.ceil, "ceil"),
    "trunc": Entry(unary(), np.trunc, "trunc"),
    "round": Entry(unary(), np.round, "round"),
    "exp": Entry(unary(), np.exp, "exp"),
    "log": Entry(unary(positive), np.log, "log"),
    "sqrt": Entry(unary(positive), np.sqrt, "sqrt"),
    "exp2": Entry(unary(), np.exp2, "exp2"),
    "expm1": Entry(unary(), np.expm1, "expm1"),
    "log2": Entry(unary(positive), np.log2, "log2"),
    "log10": Entry(unary(positive), np.log10, "log10"),
    "log1p": Entry(unary(positive), np.log1p, "log1p"),
    "logaddexp": Entry(pairs(), np.logaddexp, "logaddexp", broadcasts=True),
    "sin": Entry(unary(), np.sin, "sin"),
    "cos": Entry(unary(), np.cos, "cos"),
    "tan": Entry(unary(inside), np.tan, "tan"),
    "asin": Entry(unary(inside), np.arcsin, "asin"),
    "acos": Entry(unary(inside), np.arccos, "acos"),
    "atan": Entry(unary(), np.arctan, "atan"),
    "atan2": Entry(pairs(), np.arctan2, "atan2", broadcasts=True),
    "hypot": Entry(pairs(), np.hypot, "hypot", broadcasts=True),
    "sinh": Entry(unary(), np.sinh, "sinh"),
    "cosh": Entry(unary(), np.cosh, "cosh"),
    "asinh": Entry(unary(), np.arcsinh, "asinh"),
    "acosh": Entry(unary(above_one), np.arccosh, "acosh"),
    "atanh": Entry(unary(inside), np.arctanh, "atanh"),
    "erf": Entry(unary(), np.vectorize(math.erf, otypes=[F64]), "erf"),
    "erfc": Entry(unary(), np.vectorize(math.erfc, otypes=[F64]), "erfc"),
    "ndtr": Entry(
        unary(), lambda x: np.vectorize(math.erfc, otypes=[F64])(-x / math.sqrt(2)) / 2,
        lambda torch, x: torch.special.ndtr(x)
    ),
    "normal_pdf": Entry(
        unary(), lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
        lambda torch, x: torch.distributions.Normal(0.0, 1.0).log_prob(x).exp()
    ),
    "leaky_relu": Entry(
        [*unary(), Sample(normal(5), negative_slope=0.2)],
        lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
        functional("leaky_relu"),
    ),
    "softplus": Entry(
        [*unary(), Sample(normal(6), beta=2.0), Sample(normal(6) * 10, beta=3.0, threshold=5.0)],
        lambda x, beta=1.0, threshold=20.0: np.where(x * beta > threshold, x, np.log(1 + np.exp(beta * x)) / beta),
        functional("softplus"),
    ),
    "elu": Entry(
        [Sample(normal(3, 4), alpha=1.0), Sample(normal(3, 4), alpha=1.5, scale=0.5, input_scale=2.0)],
        lambda x, alpha, scale=1.0, input_scale=1.0: scale * np.where(x > 0, x, alpha * (np.exp(x * input_scale) - 1)),
        lambda torch, x, alpha, scale=1.0, input_scale=1.0: torch.ops.aten.elu(x, alpha, scale, input_scale),
    ),
    "hardtanh": Entry(
        [Sample(normal(3, 4)), Sample(normal(3, 4), min_val=-0.3, max_val=0.6)],
        lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
        functional("hardtanh"),
    ),
    "nan_to_num": Entry(
        [Sample(normal(3, 4)), Sample(np.array([1.0, -2.0]), nan=3.0)],
        lambda x, nan=0.0: np.nan_to_num(x, nan=nan),
        "nan_to_num",
    ),
    "isclose": Entry(
        [
            Sample(np.array([1.0, 1.0, np.nan, np.inf]), np.array([1.0 + 1e-7, 1.1, np.nan, np.inf])),
            Sample(np.array([1.0, np.nan]), np.array([1.05, np.nan]), rtol=0.1, equal_nan=True),
        ],
        np.isclose,
        "isclose",
        dtypes=(),
    ),
    "bitwise_left_shift": Entry([Sample(integers(2, 3), integers(3, seed=1))], np.left_shift, "bitwise_left_shift"),
    "bitwise_right_shift": Entry(
        [Sample(integers(2, 3, high=99), integers(3, seed=1))], np.right_shift, "bitwise_right_shift"
    ),
    "sigmoid": Entry(unary(), lambda x: 1 / (1 + np.exp(-x)), "sigmoid"),
    "tanh": Entry(unary(), np.tanh, "tanh"),
    "abs": Entry(unary(), np.abs, "abs"),
    "sign": Entry(unary(), np.sign, "sign"),
    "relu": Entry(unary(), lambda x: np.where(x > 0, x, 0.0), "relu"),
    "maximum": Entry(binary(), np.maximum, on_tensors("maximum"), broadcasts=True),
    "minimum": Entry(binary(), np.minimum, on_tensors("minimum"), broadcasts=True),
    "clip_number": Entry(
        [
            Sample(normal(3, 4), min=-0.5, max=0.5),
            Sample(normal(5), min=None, max=0.3),
            Sample(normal(5), min=0.3, max=None),
        ],
        lambda x, min, max: np.clip(x, min, max),
        lambda torch, x, min, max: torch.clamp(x, min, max),
    ),
    "where": Entry(
        [
            Sample(flags(2, 3), normal(2, 3), normal(2, 3, seed=1)),
            Sample(flags(3), normal(2, 1), normal(seed=1)),
            Sample(flags(3), normal(3), 1.5),
            Sample(flags(3), 1.5, normal(3)),
        ],
        np.where,
        "where",
        broadcasts=True,
    ),
    "astype": Entry(
        [Sample(normal(2, 3), dtype=np.dtype(F64)), Sample(normal(), dtype=np.dtype(F64))],
        lambda x, dtype: x.astype(dtype),
        lambda torch, x, dtype: x.to(torch.float64),
        dtypes=(),
    ),
    "clone": Entry(unary(), np.array, "clone"),
    "to_device": Entry([Sample(normal(2, 3), device="cpu", source="cpu")], lambda x, device, source: np.array(x)),
    "eq": comparison(np.equal, "eq"),
    "ne": comparison(np.not_equal, "ne"),
    "lt": comparison(np.less, "lt"),
    "le": comparison(np.less_equal, "le"),
    "gt": comparison(np.greater, "gt"),
    "ge": comparison(np.greater_equal, "ge"),
    "logical_and": logical(np.logical_and, "logical_and"),
    "logical_or": logical(np.logical_or, "logical_or"),
    "logical_xor": logical(np.logical_xor, "logical_xor"),
    "logical_not": Entry([Sample(flags(3)), Sample(np.array([0.0, 2.0]))], np.logical_not, "logical_not", dtypes=()),
    "bitwise_and": Entry(integer_pairs(), np.bitwise_and, "bitwise_and"),
    "bitwise_or": Entry(integer_pairs(), np.bitwise_or, "bitwise_or"),
    "bitwise_xor": Entry(integer_pairs(), np.bitwise_xor, "bitwise_xor"),
    "bitwise_not": Entry([Sample(integers(3)), Sample(flags(3))], np.invert, "bitwise_not"),
    "isnan": Entry(values(np.array([0.0, np.nan, np.inf])), np.isnan, "isnan", dtypes=()),
    "isinf": Entry(values(np.array([0.0, np.nan, -np.inf])), np.isinf, "isinf", dtypes=()),
    "isfinite": Entry(values(np.array([0.0, np.nan, np.inf])), np.isfinite, "isfinite", dtypes=()),
    # index
    "getitem": Entry(
        [Sample(normal(*shape), index=index) for shape, index, _ in INDICES if not has_arrays(index)],
        lambda x, index: x[index],
        # PyTorch has no negative steps
        lambda torch, x, index: x[1:].flip(0) if x.shape == (3,) else x[index],
    ),
    "index": Entry(
        [Sample(normal(*shape), index=index) for shape, index, _ in INDICES if has_arrays(index)],
        lambda x, index: x[index],
        lambda torch, x, index: x[index],
    ),
    "put": Entry([Sample(normal(*out), index=index, shape=shape) for shape, index, out in INDICES], reference_put),
    "setitem": Entry(
        [
            Sample(normal(*shape), normal(*out, seed=1), index=index)
            for shape, index, out in INDICES
            if index is not TWICE
        ][:4]
        + [
            Sample(normal(2, 3), normal(seed=1), index=MASK),
            Sample(normal(3, 4), normal(4, seed=1), index=slice(0, 2)),
            Sample(normal(3, 4), normal(2, 4, seed=1), index=np.array([2, 0])),
            Sample(normal(3, 4), 2.5, index=(slice(None), 1)),
            Sample(normal(), normal(seed=1), index=()),
        ],
        reference_setitem,
        torch_setitem,
    ),
    "copy_slices": Entry(
        [
            Sample(normal(3, 4), normal(4, 3, seed=1), look=lambda x: x.T),
            Sample(normal(3, 4), normal(2, 3, seed=1), look=lambda x: x.reshape(2, 6)[:, 1:4]),
            Sample(normal(3, 4), normal(3, seed=1), look=lambda x: x.diagonal()),
            Sample(normal(), normal(1, seed=1), look=lambda x: x.reshape(1)),
            Sample(normal(2, 0), normal(0, seed=1), look=lambda x: x.reshape(-1)),
        ],
        lambda x, value, look: _looked(x.copy(), value, look),
        lambda torch, x, value, look: _looked(x.clone(), value, look),
    ),
    "embedding": Entry(
        [
            Sample(normal(3, 2), np.array([[0, 2], [2, 1]])),
            Sample(normal(3, 2), np.array(1)),
            Sample(normal(3, 2), ROWS[1:2], padding_idx=2),  # that row gets no gradient, but is not read here
            Sample(normal(3, 2), ROWS[:0]),
        ],
        lambda weight, indices, padding_idx=None: weight[indices],
        lambda torch, weight, indices, padding_idx=None: torch.nn.functional.embedding(indices, weight, padding_idx),
    ),
    "one_hot": Entry(
        [Sample(ROWS), Sample(ROWS, num_classes=5), Sample(np.array(1), num_classes=3)],
        lambda x, num_classes=3: np.eye(num_classes, dtype=int)[x],
        functional("one_hot"),
    ),
    "argwhere": Entry(
        [Sample(MASK), Sample(np.array([0.0, 2.0, -0.0])), Sample(np.zeros((2, 0)))], np.argwhere, "argwhere"
    ),
    "searchsorted": Entry(
        [Sample(np.array([0.0, 1.0, 1.0, 2.0]), np.array([[0.5, 1.0], [3.0, -1.0]]), right=r) for r in (False, True)],
        lambda a, v, right: np.searchsorted(a, v, "right" if right else "left"),
        "searchsorted",
        dtypes=(),
    ),
    "take_along_dim": Entry(
        [
            Sample(normal(3, 4), integers(3, 2), axis=1),
            Sample(normal(3, 4), integers(5, 4), axis=0),
            Sample(normal(4), integers(6), axis=-1),
            Sample(normal(2, 3, 2), integers(2, 1, 2), axis=1),
        ],
        lambda x, i, axis: np.take_along_axis(x, i, axis),
        "take_along_dim",
    ),
    # linalg
    "matmul": Entry(
        [
            Sample(normal(2, 3), normal(3, 4, seed=1)),
            Sample(normal(3), normal(3, seed=1)),
            Sample(normal(2, 3), normal(3, seed=1)),
            Sample(normal(3), normal(3, 2, seed=1)),
            Sample(normal(2, 2, 3), normal(3, 2, seed=1)),
            Sample(normal(2, 3), normal(2, 3, 2, seed=1)),
            Sample(normal(2, 1, 2, 3), normal(3, 3, 2, seed=1)),
            Sample(normal(2, 2, 3), normal(3, seed=1)),
            Sample(normal(3), normal(2, 3, 2, seed=1)),
            Sample(normal(2, 0), normal(0, 3, seed=1)),
            Sample(normal(0, 2), normal(2, 3, seed=1)),
        ],
        np.matmul,
        "matmul",
    ),
    # nnet
    "linear": Entry(
        [
            Sample(normal(4, 3), normal(2, 3, seed=1), normal(2, seed=2)),
            Sample(normal(3), normal(2, 3, seed=1), normal(2, seed=2)),
            Sample(normal(2, 2, 3), normal(2, 3, seed=1), normal(2, seed=2)),
            Sample(normal(4, 3), normal(2, 3, seed=1), 0),
            Sample(normal(0, 3), normal(2, 3, seed=1), normal(2, seed=2)),
        ],
        lambda x, weight, bias: np.einsum("...i,oi->...o", x, weight) + bias,
        lambda torch, x, weight, bias: torch.nn.functional.linear(x, weight, None if type(bias) is int else bias),
    ),
    "softmax": Entry(along(), reference_softmax, "softmax"),
    "log_softmax": Entry(along(), lambda x, axis: np.log(reference_softmax(x, axis)), "log_softmax"),
    "softmax_cross_entropy": Entry(
        [
            Sample(normal(4, 3), integers(4)),
            Sample(normal(2, 2, 3), integers(2, 2)),
            Sample(normal(3), np.array(2)),
            Sample(normal(0, 3), integers(0)),
            Sample(normal(4, 3), positive(4, 3, seed=1)),
        ],
        reference_cross_entropy,
        torch_cross_entropy,
    ),
    # reduce
    "sum": Entry(reductions(), np.sum, "sum"),
    "mean": Entry(reductions(empty=False), np.mean, "mean"),
    "amax": Entry(reductions(distinct, empty=False), np.max, "amax"),
    "amin": Entry(reductions(distinct, empty=False), np.min, "amin"),
    "logsumexp": Entry(
        reductions(empty=False),
        lambda x, axis=None, keepdims=False: np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims)),
        lambda torch, x, dim=None, keepdim=False: torch.logsumexp(
            x, tuple(range(x.ndim)) if dim is None else dim, keepdim
        ),
    ),
    "argmax": Entry(
        [Sample(distinct(3, 4)), Sample(distinct(3, 4), axis=1), Sample(distinct(3, 4), axis=0, keepdims=True)],
        np.argmax,
        "argmax",
    ),
    "argmin": Entry(
        [Sample(distinct(3, 4)), Sample(distinct(3, 4), axis=1), Sample(distinct(3, 4), axis=0, keepdims=True)],
        np.argmin,
        "argmin",
    ),
    "any": Entry(
        [Sample(flags(3, 4)), Sample(flags(3, 4), axis=1), Sample(np.array([0.0, 2.0]), keepdims=True)],
        np.any,
        "any",
        dtypes=(),
    ),
    "all": Entry(
        [Sample(flags(3, 4)), Sample(flags(3, 4), axis=1), Sample(np.array([0.0, 2.0]), keepdims=True)],
        np.all,
        "all",
        dtypes=(),
    ),
    # shape
    "reshape": Entry(
        [
            Sample(normal(2, 6), shape=(3, 4)),
            Sample(normal(2, 6), shape=(-1,)),
            Sample(normal(), shape=(1, 1)),
            Sample(normal(0, 3), shape=(3, 0)),
            Sample(normal(1), shape=()),
        ],
        lambda x, shape: x.reshape(shape),
        "reshape",
    ),
    "permute": Entry(
        [Sample(normal(2, 3, 4), dims=(2, 0, 1)), Sample(normal(2, 3), dims=(-1, 0)), Sample(normal(), dims=())],
        lambda x, dims: np.transpose(x, dims),
        "permute",
    ),
    "swapaxes": Entry(
        [Sample(normal(2, 3, 4), axis0=0, axis1=-1), Sample(normal(2, 3), axis0=1, axis1=1)],
        lambda x, axis0, axis1: np.swapaxes(x, axis0, axis1),
        lambda torch, x, axis0, axis1: torch.swapaxes(x, axis0, axis1),
    ),
    "broadcast_to": Entry(
        [
            Sample(normal(3, 1), shape=(2, 3, 4)),
            Sample(normal(), shape=(2, 2)),
            Sample(normal(2, 3), shape=(2, 3)),
            Sample(normal(1, 3), shape=(0, 3)),
        ],
        lambda x, shape: np.broadcast_to(x, shape),
        lambda torch, x, shape: torch.broadcast_to(x, shape),
    ),
    "flip": Entry(
        [Sample(normal(2, 3), dims=(0, -1)), Sample(normal(3), dims=(0,))], lambda x, dims: np.flip(x, dims), "flip"
    ),
    "roll": Entry(
        [Sample(normal(2, 3), shifts=(1, -2), dims=(0, 1)), Sample(normal(4), shifts=(3,), dims=(0,))],
        lambda x, shifts, dims: np.roll(x, shifts, dims),
        "roll",
    ),
    "diagonal": Entry(
        [Sample(normal(3, 4)), Sample(normal(3, 4), offset=-1), Sample(normal(2, 3, 3), offset=1, dim1=1, dim2=2)],
        lambda x, offset=0, dim1=0, dim2=1: np.diagonal(x, offset, dim1, dim2),
        "diagonal",
    ),
    "put_diagonal": Entry(
        [
            Sample(normal(3), shape=(3, 4), offset=0, dim1=0, dim2=1),
            Sample(normal(2, 2), shape=(2, 3, 3), offset=-1, dim1=1, dim2=2),
        ]
    ),
    "cat": Entry(
        [
            Sample(normal(2, 3), normal(1, 3, seed=1)),
            Sample(normal(2, 1), normal(2, 3, seed=1), normal(2, 0, seed=2), axis=-1),
            Sample(normal(3), axis=0),
        ],
        lambda *xs, axis=0: np.concatenate(xs, axis),
        lambda torch, *xs, dim=0: torch.cat(xs, dim),
    ),
    "stack": Entry(
        [
            Sample(normal(2, 3), normal(2, 3, seed=1)),
            Sample(normal(2, 3), normal(2, 3, seed=1), normal(2, 3, seed=2), axis=-1),
            Sample(normal(), normal(seed=1), axis=0),
            Sample(normal(2, 0), axis=1),
        ],
        lambda *xs, axis=0: np.stack(xs, axis),
        lambda torch, *xs, dim=0: torch.stack(xs, dim),
    ),
}


COMPOSED: dict[str, Entry] = {  # public operations that are made of others; called by their public names
    "pow": Entry(
        [
            *binary(positive),
            Sample(normal(3), 3),
            Sample(normal(3), -2),
            Sample(normal(3), 0),
            Sample(positive(3), 0.5),
        ],
        lambda x, y: np.power(x, float(y) if isinstance(y, int) else y),
        "pow",
    ),
    "add": Entry([*binary(), Sample(normal(2, 3), normal(3, seed=1), alpha=2)], None, alpha_of("add")),
    "sub": Entry([*binary(), Sample(normal(2, 3), normal(3, seed=1), alpha=-0.5)], None, alpha_of("sub")),
    **{
        name: Entry([Sample(normal(2, 3), 1), Sample(normal(2, 3), 0), Sample(normal(0, 3), 0)], None, name)
        for name in ("softmax", "log_softmax")
    },
    "subtract": Entry([Sample(normal(2, 3), normal(3, seed=1))], np.subtract, "subtract"),
    "div": Entry(
        [*binary(right=positive), *(Sample(normal(5) * 3, positive(5), rounding_mode=m) for m in ("trunc", "floor"))],
        None,
        lambda torch, x, y, rounding_mode=None: torch.div(
            torch.as_tensor(x), torch.as_tensor(y), rounding_mode=rounding_mode
        ),
    ),
    "divide": Entry([Sample(normal(2, 3), positive(3, seed=1))], np.divide, "divide"),
    "square": Entry(unary(), np.square, "square"),
    "reciprocal": Entry(unary(), np.reciprocal, "reciprocal"),
    "addcmul": Entry([Sample(normal(2, 3), normal(3, seed=1), normal(2, 1, seed=2), value=0.5)], None, "addcmul"),
    "addcdiv": Entry([Sample(normal(2, 3), normal(3, seed=1), positive(2, 1, seed=2), value=0.5)], None, "addcdiv"),
    "lerp": Entry(
        [Sample(normal(2, 3), normal(3, seed=1), w) for w in (0.3, 0.8)]
        + [Sample(normal(4), normal(4, seed=1), positive(4, seed=2) - 0.2)],
        lambda x, y, w: x + w * (y - x),
        "lerp",
    ),
    "frac": Entry(unary(), lambda x: x - np.trunc(x), "frac"),
    "logaddexp2": Entry(pairs(), np.logaddexp2, "logaddexp2"),
    "rsqrt": Entry(unary(positive), lambda x: 1 / np.sqrt(x), "rsqrt"),
    "deg2rad": Entry(unary(), np.deg2rad, "deg2rad"),
    "rad2deg": Entry(unary(), np.rad2deg, "rad2deg"),
    "logsigmoid": Entry(unary(), lambda x: np.log(1 / (1 + np.exp(-x))), functional("logsigmoid")),
    "elu": Entry([*unary(), Sample(normal(5), 1.5)], None, functional("elu")),
    "selu": Entry(unary(), None, functional("selu")),
    "celu": Entry([*unary(), Sample(normal(5), 1.5)], None, functional("celu")),
    "leaky_relu": Entry([*unary(), Sample(normal(5), 0.2)], None, functional("leaky_relu")),
    "prelu": Entry([Sample(normal(4, 3), positive(3)), Sample(normal(4, 3, 2), positive(1))], None, "prelu"),
    "relu6": Entry([Sample(normal(3, 4) * 5)], lambda x: np.clip(x, 0, 6), functional("relu6")),
    "hardsigmoid": Entry([Sample(normal(3, 4) * 4)], lambda x: np.clip(x + 3, 0, 6) / 6, functional("hardsigmoid")),
    "hardswish": Entry([Sample(normal(3, 4) * 4)], lambda x: x * np.clip(x + 3, 0, 6) / 6, functional("hardswish")),
    "silu": Entry(unary(), lambda x: x / (1 + np.exp(-x)), functional("silu")),
    "mish": Entry(unary(), lambda x: x * np.tanh(np.log(1 + np.exp(x))), functional("mish")),
    "gelu": Entry([*unary(), Sample(normal(3, 4), approximate="tanh")], None, functional("gelu")),
    "softsign": Entry(unary(), lambda x: x / (1 + np.abs(x)), functional("softsign")),
    "tanhshrink": Entry(unary(), lambda x: x - np.tanh(x), functional("tanhshrink")),
    "fmax": Entry(pairs(), np.fmax, "fmax"),
    "fmin": Entry(pairs(), np.fmin, "fmin"),
    "clamp_min": Entry([Sample(normal(3, 4), 0.2), Sample(normal(3, 4), normal(4, seed=1))], np.maximum, "clamp_min"),
    "clamp_max": Entry([Sample(normal(3, 4), 0.2), Sample(normal(3, 4), normal(4, seed=1))], np.minimum, "clamp_max"),
    "masked_fill": Entry([Sample(normal(2, 3), MASK, 1.5)], lambda x, m, v: np.where(m, v, x), "masked_fill"),
    "positive": Entry(unary(), np.positive, "positive"),
    # shape
    "reshape_as": Entry([Sample(normal(2, 3), am.zeros(3, 2))], None, method("reshape_as")),
    "view_as": Entry([Sample(normal(2, 3), am.zeros(3, 2))], None, method("view_as")),
    "ravel": Entry([Sample(normal(2, 3)), Sample(normal())], np.ravel, "ravel"),
    "unflatten": Entry([Sample(normal(2, 6), 1, (2, -1)), Sample(normal(4), -1, (2, 2))], None, "unflatten"),
    "atleast_1d": Entry([Sample(normal()), Sample(normal(2))], np.atleast_1d, "atleast_1d"),
    "atleast_2d": Entry([Sample(normal()), Sample(normal(2))], np.atleast_2d, "atleast_2d"),
    "swapdims": Entry([Sample(normal(2, 3, 4), 0, -1)], np.swapaxes, "swapdims"),
    "adjoint": Entry([Sample(normal(2, 3)), Sample(normal(2, 3, 2))], None, "adjoint"),
    "movedim": Entry([Sample(normal(2, 3, 4), 0, -1), Sample(normal(2, 3, 4), (0, 2), (1, 0))], np.moveaxis, "movedim"),
    "flip": Entry([Sample(normal(2, 3), (0, 1)), Sample(normal(2, 3), (-1,))], np.flip, "flip"),
    "fliplr": Entry([Sample(normal(2, 3))], np.fliplr, "fliplr"),
    "flipud": Entry([Sample(normal(2, 3))], np.flipud, "flipud"),
    "roll": Entry(
        [Sample(normal(2, 3), 4), Sample(normal(2, 3), (1, -1), (0, 1)), Sample(normal(3), 1, 0)], np.roll, "roll"
    ),
    "expand_as": Entry([Sample(normal(3), am.zeros(2, 3))], None, method("expand_as")),
    "broadcast_tensors": Entry([Sample(normal(2, 1), normal(3, seed=1))], None, "broadcast_tensors"),
    "repeat": Entry([Sample(normal(2, 3), (2, 1, 2)), Sample(normal(2), (3,))], np.tile, method("repeat")),
    "tile": Entry([Sample(normal(2, 3), (2,)), Sample(normal(2), (2, 2))], np.tile, "tile"),
    "repeat_interleave": Entry(
        [Sample(normal(2, 3), 2), Sample(normal(2, 3), 3, dim=1), Sample(normal(3, 2), np.array([2, 0, 1]), dim=0)],
        None,
        "repeat_interleave",
    ),
    "split": Entry([Sample(normal(5, 2), 2), Sample(normal(2, 5), (1, 4), dim=1)], None, "split"),
    "chunk": Entry([Sample(normal(5, 2), 2), Sample(normal(2, 5), 3, dim=-1)], None, "chunk"),
    "tensor_split": Entry([Sample(normal(5, 2), 3), Sample(normal(2, 5), (1, 3), dim=1)], None, "tensor_split"),
    "unbind": Entry([Sample(normal(2, 3)), Sample(normal(2, 3), dim=-1)], None, "unbind"),
    "select": Entry([Sample(normal(2, 3), 1, -1), Sample(normal(2, 3), 0, 1)], None, "select"),
    "narrow": Entry([Sample(normal(2, 5), 1, 1, 3), Sample(normal(3, 2), 0, -2, 2)], None, "narrow"),
    "unfold": Entry([Sample(normal(7), 0, 3, 2), Sample(normal(2, 5), -1, 2, 1)], None, method("unfold")),
    "diag_embed": Entry(
        [Sample(normal(3)), Sample(normal(2, 3), offset=-1), Sample(normal(2, 3), 1, 0, 2)], None, "diag_embed"
    ),
    "diag": Entry(
        [Sample(normal(3)), Sample(normal(3, 4)), Sample(normal(3, 4), 1), Sample(normal(2), -1)], np.diag, "diag"
    ),
    "tril": Entry([Sample(normal(3, 4)), Sample(normal(3, 4), 1), Sample(normal(2, 3, 3), -1)], np.tril, "tril"),
    "triu": Entry([Sample(normal(3, 4)), Sample(normal(3, 4), 1), Sample(normal(2, 3, 3), -1)], np.triu, "triu"),
    # index
    "gather": Entry([Sample(normal(3, 4), 0, ELEMENTS), Sample(normal(3, 4), -1, ELEMENTS.T)], None, "gather"),
    "index_select": Entry([Sample(normal(3, 2), 0, ROWS), Sample(normal(2, 3), -1, ROWS)], None, "index_select"),
    "take": Entry([Sample(normal(2, 3), ELEMENTS)], np.take, "take"),
    "masked_select": Entry([Sample(normal(2, 3), MASK), Sample(normal(3), MASK)], None, "masked_select"),
    "scatter": Entry(
        [
            Sample(normal(3, 4), 1, np.array([[0, 2], [3, 1]]), normal(2, 2, seed=1)),
            Sample(normal(3, 4), 0, ELEMENTS, value=2.0),
        ],
        None,
        "scatter",
    ),
    "scatter_add": Entry([Sample(normal(3, 4), 0, ELEMENTS, normal(2, 3, seed=1))], None, "scatter_add"),
    "index_add": Entry(
        [
            Sample(normal(3, 2), 0, ROWS, normal(4, 2, seed=1)),
            Sample(normal(2, 3), 1, ROWS, normal(2, 4, seed=1), alpha=2),
        ],
        None,
        "index_add",
    ),
    "index_copy": Entry([Sample(normal(3, 2), 0, ROWS[:2], normal(2, 2, seed=1))], None, "index_copy"),
    "index_fill": Entry([Sample(normal(3, 2), 0, ROWS[:2], 1.5)], None, "index_fill"),
    "index_put": Entry(
        [
            Sample(normal(3, 2), normal(4, 2, seed=1), indices=(ROWS,), accumulate=True),
            Sample(normal(3, 2), normal(2, 2, seed=1), indices=(ROWS[:2],)),
        ],
        None,
        lambda torch, x, v, indices, accumulate=False: torch.index_put(
            x, tuple(map(torch.tensor, indices)), v, accumulate
        ),
    ),
    "nonzero": Entry([Sample(MASK), Sample(np.array([0.0, 2.0]))], None, "nonzero", differentiable=False),
    "clamp": Entry(
        [
            Sample(normal(3, 4), -0.5, 0.5),
            Sample(normal(3, 4), min=0.2),
            Sample(normal(3, 4), max=0.2),
            Sample(normal(3, 4), normal(4, seed=1) - 1, normal(3, 1, seed=2) + 1),
            Sample(normal(4), None, normal(4, seed=1)),
        ],
        lambda x, min=None, max=None: np.clip(x, min, max),  # by name only since NumPy 2.1
        "clamp",
    ),
    "clip": Entry([Sample(normal(3, 4), -0.5, 0.5)], np.clip, "clip"),
    "reshape": Entry([Sample(normal(2, 6), (3, 4)), Sample(normal(2, 6), (-1, 2))], np.reshape, "reshape"),
    "permute": Entry([Sample(normal(2, 3, 4), (2, 0, 1)), Sample(normal(), ())], np.transpose, "permute"),
    "transpose": Entry([Sample(normal(2, 3, 4), 0, -1)], np.swapaxes, "transpose"),
    "t": Entry([Sample(normal(2, 3)), Sample(normal(3)), Sample(normal())], np.transpose, "t"),
    "flatten": Entry(
        [Sample(normal(2, 3, 4)), Sample(normal(2, 3, 4), 1), Sample(normal(2, 3, 4), 0, 1), Sample(normal())],
        None,
        "flatten",
    ),
    "unsqueeze": Entry(
        [Sample(normal(2, 3), 1), Sample(normal(2, 3), -1), Sample(normal(), 0)], np.expand_dims, "unsqueeze"
    ),
    "squeeze": Entry(
        [
            Sample(normal(2, 1, 3, 1)),
            Sample(normal(2, 1, 3, 1), 1),
            Sample(normal(2, 1), 0),
            Sample(normal(1, 1), (0, 1)),
        ],
        None,
        "squeeze",
    ),
    "expand": Entry(
        [Sample(normal(3, 1), (3, 4)), Sample(normal(3), (2, -1)), Sample(normal(), (2, 2))],
        None,
        lambda torch, x, size: x.expand(size),
    ),
    # a view of another layout is an error, which has a test of its own
    "view": Entry([Sample(normal(2, 6), (3, 4))], None, lambda torch, x, size: x.reshape(size)),
    "stack": Entry(
        [Sample(normal(2, 3), normal(2, 3, seed=1)), Sample(normal(3), normal(3, seed=1), dim=-1), Sample(normal())],
        lambda *xs, dim=0: np.stack(xs, dim),
        lambda torch, *xs, dim=0: torch.stack(xs, dim),
    ),
    "cat": Entry(
        [Sample(normal(2, 3), normal(1, 3, seed=1)), Sample(normal(3), dim=-1)],
        lambda *xs, dim=0: np.concatenate(xs, dim),
        lambda torch, *xs, dim=0: torch.cat(xs, dim),
    ),
}

for family in (samples_conv, samples_linalg, samples_nnet, samples_reduce):
    SAMPLES.update(family.SAMPLES)
    COMPOSED.update(family.COMPOSED)


def operations() -> dict[str, Callable[..., Any]]:
    """Each primitive's function on tensors, by the primitive's name."""
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.iter_modules(autograd_mini.rules.__path__, "autograd_mini.rules.")
    ]
    functions = [f for module in modules for f in vars(module).values() if callable(f) and hasattr(f, "primitive")]
    return {f.primitive.name: f for f in functions}


OPERATIONS = operations()


def composed(name: str) -> Callable[..., Any]:
    """A public operation; those on a list of tensors as functions of several."""
    function = getattr(am, name)
    if name == "index_put":
        return lambda x, v, indices, accumulate=False: function(x, indices, v, accumulate)
    return (lambda *xs, **options: function(xs, **options)) if name in ("cat", "stack") else function
