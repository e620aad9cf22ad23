"""Random programs over a table of operations: each with the recipe by which its step is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .program import IN_PLACE, Program, Ref
from .recipes import Builder, Recipe, Shape, along, binary, reduction, shaping, unary
from .strategies import hypothesis_or_error

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def _axis(b: Builder, shape: Shape) -> int:
    return b.below(len(shape))


def _axes(b: Builder, shape: Shape) -> tuple[int, int]:
    return b.below(len(shape)), b.below(len(shape)) - len(shape)


def _order(b: Builder, shape: Shape) -> tuple[int, ...]:
    left = list(range(len(shape)))[::-1]
    return tuple(left.pop(b.below(len(left))) for _ in shape)


def _split_shape(b: Builder, shape: Shape) -> Shape:
    count = math.prod(shape)
    chosen: Shape = b.pick([(count,), (-1, 1), *((d, -1) for d in range(2, count) if count % d == 0)])
    return chosen


def _factor(b: Builder, *shapes: Shape) -> tuple[Ref]:
    return (b.tensor(b.pick(shapes), domain=_SMALL),)


_F = "nn.functional."
_INTEGERS = tuple(np.arange(-16, 17) / 2)
_SMALL, _UNIT, _POSITIVE = (-3.0, 3.0), (-0.9, 0.9), (0.3, 4.0)

TABLE: dict[str, Recipe] = {
    # elementwise
    **dict.fromkeys(["sin", "cos", "atan", "asinh", "tanh", "sigmoid", "square", "neg"], unary()),
    **dict.fromkeys(["positive", "clone", "nan_to_num", "deg2rad"], unary()),
    **dict.fromkeys(["exp", "exp2", "expm1", "sinh", "cosh", "erf", "erfc"], unary(*_SMALL)),
    **dict.fromkeys(["log", "log2", "log10", "sqrt", "rsqrt", "reciprocal"], unary(0.3, 8.0)),
    **dict.fromkeys(["asin", "acos", "atanh"], unary(*_UNIT)),
    **dict.fromkeys(["floor", "ceil", "round", "trunc", "frac"], unary(avoid=_INTEGERS)),
    **dict.fromkeys(["abs", "relu", "sign"], unary(avoid=(0.0,))),
    "log1p": unary(-0.6, 8.0),
    "tan": unary(-1.2, 1.2),
    "acosh": unary(1.2, 8.0),
    "rad2deg": unary(-1.0, 1.0),
    **{_F + n: unary() for n in ("silu", "mish", "tanhshrink", "logsigmoid")},
    **{_F + n: unary(avoid=(0.0,)) for n in ("selu", "softsign")},
    **{_F + n: unary(avoid=(0.0,), alpha=(1.0, 0.5)) for n in ("elu", "celu")},  # PyTorch rounds 1 / alpha to float32
    **{_F + n: unary(avoid=(-3.0, 3.0)) for n in ("hardsigmoid", "hardswish")},
    _F + "leaky_relu": unary(avoid=(0.0,), negative_slope=(0.01, 0.2)),
    _F + "relu6": unary(avoid=(0.0, 6.0)),
    _F + "hardtanh": unary(avoid=(-1.0, 1.0)),
    _F + "softplus": unary(beta=(1.0, 2.0)),
    _F + "gelu": unary(approximate=("none", "tanh")),
    **dict.fromkeys(["add", "sub"], binary(numbers=(2, -0.5), alpha=(1, 3))),
    "mul": binary(numbers=(2, -0.5)),
    "div": binary(right=_POSITIVE, numbers=(2, -0.5)),
    "pow": binary((0.3, 3.0), (0.3, 2.0), numbers=(2, 3, 0.5, -1, 0)),  # at y = 0 PyTorch's mixed derivative is 0
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], binary(kink=np.subtract)),
    **dict.fromkeys(["remainder", "fmod"], binary(right=(0.5, 3.0), kink=lambda x, y: x / y - np.round(x / y))),
    **dict.fromkeys(["logaddexp", "logaddexp2"], binary()),
    "hypot": binary(_POSITIVE),
    "atan2": binary(right=_POSITIVE),
    **dict.fromkeys(IN_PLACE, shaping(lambda b, s: (b.tensor(b.pick((s, s[1:]))),))),
    # reductions
    **dict.fromkeys(["sum", "mean", "nansum", "nanmean"], reduction()),
    **dict.fromkeys(["amax", "amin"], reduction(distinct=True)),
    **dict.fromkeys(["max", "min", "median"], reduction(axes="none one", distinct=True, part=0)),
    "prod": reduction(*_SMALL, axes="none one"),
    "logsumexp": reduction(axes="one several"),
    **dict.fromkeys(["var", "std"], reduction(distinct=True, lengths=2, correction=(0, 1))),
    "linalg.vector_norm": shaping(
        lambda b, s: (b.pick((2, 1, 3, 2.5)), b.pick((None, _axis(b, s)))), 1, avoid=(0.0,)
    ),
    "norm": shaping(low=1, high=3, avoid=(0.0,)),
    "cumsum": along(),
    "cumprod": along(*_SMALL),
    "diff": along(lengths=2),
    "sort": along(distinct=True, part=0, descending=(False, True)),
    "topk": shaping(
        lambda b, s: (1 + b.below(s[(d := _axis(b, s))]), d, bool(b.below(2))), 1, part=0, distinct=True
    ),
    "kthvalue": shaping(lambda b, s: (1 + b.below(s[(d := _axis(b, s))]), d), 1, part=0, distinct=True),
    **dict.fromkeys(["softmax", "log_softmax"], along()),
    # shape
    "reshape": shaping(lambda b, s: (_split_shape(b, s),)),
    **dict.fromkeys(["flatten", "ravel"], shaping()),
    "unflatten": shaping(lambda b, s: ((d := _axis(b, s)), b.pick([(1, s[d]), (s[d], 1)])), 1, 3),
    "squeeze": shaping(lambda b, s: b.pick([(), (_axis(b, s),)]), 1),
    "unsqueeze": shaping(lambda b, s: (b.below(len(s) + 1),), 0, 3),
    "permute": shaping(lambda b, s: (_order(b, s),), 1),
    **dict.fromkeys(["transpose", "swapaxes", "swapdims", "movedim"], shaping(_axes, 1)),
    "t": shaping(high=2),
    **dict.fromkeys(["adjoint", "fliplr"], shaping(low=2)),
    "flip": shaping(lambda b, s: ((_axis(b, s),),), 1),
    "flipud": shaping(low=1),
    "roll": shaping(lambda b, s: (b.pick((1, -1, 2)), *b.pick([(_axis(b, s),), ()])), 1),
    "broadcast_to": shaping(lambda b, s: ((2, *s),), 0, 3),
    "tile": shaping(lambda b, s: (b.pick([(2,), (2, 1), (1, 2)]),), 0, 3),
    "repeat_interleave": shaping(lambda b, s: (2, *b.pick([(_axis(b, s),), ()])), 1, 3),
    **dict.fromkeys(["chunk", "tensor_split"], shaping(lambda b, s: (2, _axis(b, s)), 1, part=0)),
    "split": shaping(lambda b, s: (1, _axis(b, s)), 1, part=0),
    "unbind": shaping(lambda b, s: (_axis(b, s),), 1, part=-1),
    "select": shaping(lambda b, s: ((d := _axis(b, s)), b.below(s[d])), 1),
    "narrow": shaping(lambda b, s: ((d := _axis(b, s)), s[d] - 1, 1), 1),
    "Tensor.unfold": shaping(lambda b, s: ((d := _axis(b, s)), min(2, s[d]), 1), 1, 3),
    **dict.fromkeys(["diag", "diag_embed"], shaping(lambda b, s: (b.pick((0, 1)),), 1, 2)),
    "diagonal": shaping(lambda b, s: (b.pick((0, 1)),), 2),
    **dict.fromkeys(["tril", "triu"], shaping(lambda b, s: (b.pick((0, 1, -1)),), 2)),
    # linear algebra
    "matmul": shaping(
        lambda b, s: _factor(b, (s[-1], 2), s[-1:], (*(2,) * (len(s) < 3), s[-1], 1)), 1, 3, domain=_SMALL
    ),
}


def programs(max_steps: int = 12, table: Mapping[str, Recipe] | None = None) -> SearchStrategy[Program]:
    """Strategy for random programs of up to `max_steps` operations (and what brings operands into their domains).

    table: which operations, each with its recipe (default: `TABLE`, some hundred). An operation of your own, named as
    in `lib.cube`, joins as `{**TABLE, "cube": unary()}`.

    >>> from hypothesis import given, settings
    >>> @settings(max_examples=5, derandomize=True, database=None)
    ... @given(programs(max_steps=3))
    ... def test_gradients(program):
    ...     outputs, first, second = program.run()
    ...     assert [g.shape for g in first] == [x.shape for x in program.inputs.values()]
    >>> test_gradients()
    """
    st, _ = hypothesis_or_error()
    recipes = TABLE if table is None else table
    step = st.tuples(st.sampled_from(list(recipes)), st.binary(min_size=12, max_size=12))
    steps = st.lists(step, min_size=1, max_size=max_steps)

    def build(draw: Callable[[Any], list[tuple[str, bytes]]]) -> Program:
        builder = Builder()
        for name, choices in draw(steps):
            if not builder.broken:
                builder.add(recipes[name], name, choices)
        return builder.program()

    built = st.composite(build)()  # not map: hypothesis shall print the program, not the bytes
    return built.filter(lambda p: bool(p.inputs and p.outputs))  # type: ignore[no-any-return]
