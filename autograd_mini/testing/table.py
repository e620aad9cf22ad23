"""Random programs over the whole table of operations: each with the recipe by which its step is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array
from .program import IN_PLACE, Program, Ref
from .recipes import Builder, Fixed, Recipe, Shape, Unfit, along, binary, reduction, shaped, shaping, smooth, unary
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


def _whole(b: Builder, high: int, *shape: int) -> Array:
    """An integer array below `high`."""
    return np.array([b.below(high) for _ in range(math.prod(shape))], np.int64).reshape(shape)


def _mask(b: Builder, shape: Shape) -> Array:
    bits = b.below(256) or 1  # not empty
    return np.array([bool(bits >> (i * 3 % 8) & 1) for i in range(math.prod(shape))], bool).reshape(shape)


def _index(b: Builder, shape: Shape, repeats: bool = True) -> Any:
    """Any kind of index for the shape."""
    if not shape:
        return b.pick((None, Ellipsis, (), (None, Ellipsis)))
    n = shape[0]
    last = b.below(shape[-1])
    kinds: list[Any] = [
        b.below(n), slice(b.below(n), None), (Ellipsis, last), (Ellipsis, None, slice(None, None, 2)),
        slice(None, last + 1), _mask(b, shape), _mask(b, shape[:1]), np.array([n - 1]), -1,
    ]  # fmt: skip
    if repeats:
        picks = _whole(b, n, 3)
        kinds += [picks, (picks[:2, None], Ellipsis), (Ellipsis, np.array([0, last, last]))]
        if len(shape) > 1:
            columns = _whole(b, shape[1], 3)
            kinds += [(picks, columns), (picks, slice(None, None, 2)), (slice(1), columns[:2])]
        if len(shape) > 2:
            kinds += [(_whole(b, n, 2), slice(None), np.array([last, 0])), (slice(None), 0, np.array([last, last]))]
    return b.pick(kinds)


def _assigned(b: Builder, shape: Shape) -> tuple[Any, Any]:
    """An index, and what to write there."""
    index = _index(b, shape, repeats=False)
    place = np.empty(shape)[index].shape
    return index, b.pick((None, 0.5)) or b.tensor(b.pick((place, place[1:], ())))


def _places(b: Builder, shape: Shape, each: bool = False, once: bool = False) -> tuple[int, Array, Shape]:
    """An axis, indices into it, and the shape of what they pick: rows, or `each` element; perhaps none twice."""
    d = _axis(b, shape)
    n, before, after = shape[d], shape[:d], shape[d + 1 :]
    if once:
        at = b.below(n)
        index = np.full((*before, 1, *after), at) if each else np.array([at])
    else:
        index = _whole(b, n, *before, 2, *after) if each else _whole(b, n, 3)
    return d, index, index.shape if each else (*before, len(index), *after)


def _sourced(b: Builder, shape: Shape, each: bool = False, once: bool = False) -> tuple[int, Array, Ref]:
    """The same, with a tensor to be put there."""
    d, index, picked = _places(b, shape, each, once)
    return d, index, b.tensor(picked)


def _where(b: Builder, name: str) -> None:
    x = b.tensor()
    y = b.partner(x)
    z = b.partner(x, y)
    b.apart(x, y)
    b.step(name, b.step(b.pick(("gt", "le")), x, y), b.pick((x, z)), b.pick((y, z)))


def _clamp(b: Builder, name: str) -> None:
    """By numbers, or by a tensor."""
    x = b.tensor(avoid=(-0.5, 1.0))
    bound = b.partner(x) if name != "clamp" and b.below(2) else None
    if bound is None:
        b.step(name, x, *{"clamp": (-0.5, 1.0), "clamp_min": (-0.5,), "clamp_max": (1.0,)}[name])
    else:
        b.apart(x, bound)
        b.step(name, x, bound)


def _three(domain: tuple[float, float] = (-4.0, 4.0), **options: Sequence[Any]) -> Recipe:
    def recipe(b: Builder, name: str) -> None:
        x = b.tensor()
        y = b.partner(x)
        z = b.partner(x, y, domain=domain)
        b.step(name, x, y, z, **b.options(options))

    return recipe


def _joined(b: Builder, name: str) -> None:
    x = b.tensor(dims=(0 if name == "stack" else 1, 3))
    shape = b.values[x].shape
    others = [b.tensor(shape) for _ in range(b.below(3))]
    b.step(name, b.pick(([x, *others], [*others, x, x])), dim=b.below(len(shape) or 1))


def _pad(b: Builder, name: str) -> None:
    mode = b.pick(("constant", "reflect", "replicate", "circular"))
    x = b.tensor((2, 2, 3)) if mode != "constant" else b.tensor(dims=(1, 3))
    b.step(name, x, b.pick(((1, 1), (0, 2), (2, 0))), mode=mode)


def _factor(b: Builder, *shapes: Shape) -> tuple[Ref]:
    return (b.tensor(b.pick(shapes), domain=_SMALL),)


_EINSUMS = ("ij,jk->ik", "ij,ij->i", "ij,kj->", "ij,jk->ijk", "ii,ij->j", "ij,ij,ij->j", "ij->ji", "ii->i", "ij,k->kj")


def _einsum(b: Builder, name: str) -> None:
    spec = b.pick(_EINSUMS)
    sizes = dict.fromkeys("ijk", 2)
    parts = spec.split("->")[0].split(",")
    b.step(name, spec, *(b.tensor(tuple(sizes[c] for c in part), domain=(-3.0, 3.0)) for part in parts))


def _matrix(b: Builder, name: str) -> None:
    """Functions of a matrix that is far from singular; of a symmetric positive definite one."""
    n = b.pick((2, 3))
    x = b.tensor((n, n), domain=(-1.0, 1.0))
    if name.endswith(("cholesky", "logdet", "slogdet")):
        x = b.step("matmul", x, b.step("transpose", x, 0, 1))
    x = b.step("add", x, np.eye(n) * 3.0)
    more = {"linalg.solve": ((n, 2),), "matrix_power": (2,)}.get(name, ())
    args = [b.tensor(a) if isinstance(a, tuple) else a for a in more]
    b.step(name, x, *args, part=1 if name.endswith("slogdet") else None)


def _pairwise(b: Builder, name: str) -> None:
    shape = (2, b.pick((2, 3)))
    x, y = b.tensor(shape, avoid=(0.0,)), b.tensor(shape, avoid=(0.0,))
    b.apart(x, y)
    b.step(name, x, y)


def _cross_entropy(b: Builder, name: str) -> None:
    x = b.tensor((2, 3))
    target = _whole(b, 3, 2)
    if name.endswith("nll_loss"):
        x = b.step("log_softmax", x, dim=1)
    b.step(name, x, target, reduction=b.pick(("mean", "sum", "none")))


def _loss(kinks: Sequence[float] = (), left: Any = (-8.0, 8.0), right: Any = (-8.0, 8.0)) -> Recipe:
    def recipe(b: Builder, name: str) -> None:
        x = b.tensor(dims=(1, 3), domain=left)
        y = b.tensor(b.values[x].shape, domain=right)
        if not smooth(b.values[x] - b.values[y], kinks):
            raise Unfit
        b.step(name, x, y, reduction=b.pick(("mean", "sum", "none")))

    return recipe


def _embedding(b: Builder, name: str) -> None:
    x = b.tensor(dims=(2, 2))
    b.step(name, _whole(b, b.values[x].shape[0], 2), x)


_F = "nn.functional."
_INTEGERS = tuple(np.arange(-16, 17) / 2)
_SMALL, _UNIT, _POSITIVE = (-3.0, 3.0), (-0.9, 0.9), (0.3, 4.0)


def _minus(x: Array, y: Array) -> Array:
    return x - y


def _from_multiple(x: Array, y: Array) -> Array:
    return x / y - np.round(x / y)


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
    "prelu": shaping(lambda b, s: (b.tensor((1,)),), 1, avoid=(0.0,)),
    **dict.fromkeys(["add", "sub"], binary(numbers=(2, -0.5), alpha=(1, 3))),
    "mul": binary(numbers=(2, -0.5)),
    "div": binary(right=_POSITIVE, numbers=(2, -0.5)),
    "pow": binary((0.3, 3.0), (0.3, 2.0), numbers=(2, 3, 0.5, -1, 0)),  # at y = 0 PyTorch's mixed derivative is 0
    **dict.fromkeys(["maximum", "minimum", "fmax", "fmin"], binary(kink=_minus)),
    **dict.fromkeys(["remainder", "fmod"], binary(right=(0.5, 3.0), kink=_from_multiple)),
    **dict.fromkeys(["logaddexp", "logaddexp2"], binary()),
    "hypot": binary(_POSITIVE),
    "atan2": binary(right=_POSITIVE),
    "lerp": _three(),
    "addcmul": _three(value=(1, 0.5)),
    "addcdiv": _three(_POSITIVE, value=(1, 0.5)),
    **dict.fromkeys(["clamp", "clamp_min", "clamp_max"], _clamp),
    "where": _where,
    "masked_fill": shaping(lambda b, s: (_mask(b, s), 0.5)),
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
    **dict.fromkeys(["cat", "stack"], _joined),
    _F + "pad": _pad,
    # index
    "getitem": shaping(lambda b, s: (_index(b, s),)),
    "setitem": shaping(_assigned),
    "gather": shaping(lambda b, s: _places(b, s, each=True)[:2], 1, 3),
    "take_along_dim": shaping(lambda b, s: _places(b, s, each=True)[1::-1], 1, 3),
    "index_select": shaping(lambda b, s: _places(b, s)[:2], 1, 3),
    "index_add": shaping(_sourced, 1, 3),
    "index_copy": shaping(lambda b, s: _sourced(b, s, once=True), 1, 3),
    "index_fill": shaping(lambda b, s: (*_places(b, s, once=True)[:2], 0.5), 1, 3),
    "scatter": shaping(lambda b, s: _sourced(b, s, each=True, once=True), 1, 3),
    "scatter_add": shaping(lambda b, s: _sourced(b, s, each=True), 1, 3),
    "index_put": shaping(lambda b, s: ((_whole(b, s[0], 2),), b.tensor((2, *s[1:])), True), 1, 3),
    "take": shaping(lambda b, s: (_whole(b, math.prod(s), 2),)),
    "masked_select": shaping(lambda b, s: (_mask(b, s),)),
    _F + "embedding": _embedding,
    # linear algebra
    "matmul": shaping(
        lambda b, s: _factor(b, (s[-1], 2), s[-1:], (*(2,) * (len(s) < 3), s[-1], 1)), 1, 3, domain=_SMALL
    ),
    "inner": shaping(lambda b, s: _factor(b, s[-1:], (2, s[-1])), 1, 3, domain=_SMALL),
    "kron": shaping(lambda b, s: _factor(b, (2,)), 1, 2, domain=_SMALL),
    "tensordot": shaping(lambda b, s: (*_factor(b, (s[-1], 2)), 1), 1, 2, domain=_SMALL),
    "einsum": _einsum,
    **dict.fromkeys(["dot", "vdot", "outer"], shaped((3,), (3,))),
    "cross": shaped((2, 3), (2, 3), dim=(-1,)),
    "mv": shaped((2, 3), (3,)),
    "mm": shaped((2, 3), (3, 2)),
    "bmm": shaped((2, 2, 3), (2, 3, 1)),
    "addmm": shaped((2, 2), (2, 3), (3, 2), alpha=(1, 0.5), beta=(1, 2)),
    "addmv": shaped((2,), (2, 3), (3,), alpha=(1, 0.5), beta=(1, 2)),
    "addbmm": shaped((2, 2), (2, 2, 3), (2, 3, 2), alpha=(1, 0.5)),
    "baddbmm": shaped((2, 2, 2), (2, 2, 3), (2, 3, 2), beta=(1, 2)),
    "trace": shaped((3, 3)),
    **dict.fromkeys(["inverse", "det", "slogdet", "logdet", "matrix_power"], _matrix),
    **dict.fromkeys(["linalg.solve", "linalg.cholesky"], _matrix),
    # networks
    _F + "layer_norm": shaped((2, 4), Fixed((4,)), (4,), (4,), Fixed(0.1), distinct=True),
    _F + "rms_norm": shaped((2, 4), Fixed((4,)), (4,), Fixed(0.1), distinct=True),
    _F + "group_norm": shaped((2, 4), Fixed(2), (4,), (4,), Fixed(0.1), distinct=True),
    _F + "batch_norm": shaped(
        (2, 4), Fixed(None), Fixed(None), (4,), (4,), Fixed(True), Fixed(0.1), Fixed(0.1), distinct=True
    ),
    **{_F + n: _cross_entropy for n in ("cross_entropy", "nll_loss")},
    _F + "mse_loss": _loss(),
    _F + "l1_loss": _loss((0.0,)),
    **{_F + n: _loss((-1.0, 0.0, 1.0)) for n in ("huber_loss", "smooth_l1_loss")},
    _F + "binary_cross_entropy": _loss((), (0.1, 0.9), (0.1, 0.9)),
    _F + "binary_cross_entropy_with_logits": _loss((), (-8.0, 8.0), (0.1, 0.9)),
    **{_F + n: _pairwise for n in ("cosine_similarity", "pairwise_distance")},
    _F + "linear": shaped((2, 3), (2, 3), (2,)),
    _F + "scaled_dot_product_attention": shaped((2, 2, 3), (2, 2, 3), (2, 2, 2), is_causal=(False, True)),
    _F + "conv1d": shaped((2, 2, 4), (2, 2, 2), (2,), stride=(1, 2), padding=(0, 1), dilation=(1, 2)),
    _F + "conv2d": shaped((1, 2, 3, 4), (2, 1, 2, 2), (2,), stride=(1, 2), padding=(0, 1), groups=(2,)),
    _F + "conv_transpose1d": shaped((2, 2, 3), (2, 1, 2), (1,), stride=(1, 2), padding=(0, 1)),
    _F + "conv_transpose2d": shaped((1, 2, 2, 3), (2, 1, 2, 2), (1,), stride=(1, 2), padding=(0, 1)),
    _F + "max_pool1d": shaped((2, 1, 4), Fixed(2), stride=(1, 2), padding=(0, 1), distinct=True),
    _F + "max_pool2d": shaped((1, 2, 3, 4), Fixed(2), stride=(1, 2), padding=(0, 1), distinct=True),
    _F + "avg_pool1d": shaped((2, 1, 4), Fixed(2), stride=(1, 2), padding=(0, 1)),
    _F + "avg_pool2d": shaped((1, 2, 3, 4), Fixed(2), stride=(1, 2), padding=(0, 1)),
    _F + "adaptive_avg_pool1d": shaped((2, 2, 4), Fixed(3)),
    _F + "adaptive_avg_pool2d": shaped((1, 2, 3, 4), Fixed((2, 3))),
    _F + "adaptive_max_pool1d": shaped((2, 2, 4), Fixed(3), distinct=True),
    _F + "adaptive_max_pool2d": shaped((1, 2, 3, 4), Fixed((2, 3)), distinct=True),
    _F + "pixel_shuffle": shaped((1, 4, 2, 2), Fixed(2)),
}


def programs(max_steps: int = 12, table: Mapping[str, Recipe] | None = None) -> SearchStrategy[Program]:
    """Strategy for random programs of up to `max_steps` operations (and what brings operands into their domains).

    table: which operations, each with its recipe (default: `TABLE`, all of them). An operation of your own, named as
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
