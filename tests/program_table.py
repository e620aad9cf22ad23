"""The operations that random programs of the tests are made of: `testing.TABLE`, and all others."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_mini.engine import Array
from autograd_mini.testing import TABLE, Recipe
from autograd_mini.testing.program import Ref
from autograd_mini.testing.recipes import Builder, Shape, Unfit, shaping, smooth
from autograd_mini.testing.table import _axis, _factor


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


def shaped(*shapes: Any, distinct: bool = False, **options: Sequence[Any]) -> Recipe:
    """A function of tensors of these shapes, and of other arguments as they are."""

    def recipe(b: Builder, name: str) -> None:
        drawn: Any = {"domain": (-3.0, 3.0), "distinct": distinct}
        args = [b.tensor(s, **drawn) if isinstance(s, tuple) else s.value for s in shapes]
        b.step(name, *args, **b.options(options))

    return recipe


@dataclasses.dataclass(frozen=True)
class Fixed:
    """An argument of `shaped` that is no shape."""

    value: Any


_F = "nn.functional."
_SMALL, _POSITIVE = (-3.0, 3.0), (0.3, 4.0)
EVERY: dict[str, Recipe] = {
    **TABLE,
    "prelu": shaping(lambda b, s: (b.tensor((1,)),), 1, avoid=(0.0,)),
    "lerp": _three(),
    "addcmul": _three(value=(1, 0.5)),
    "addcdiv": _three(_POSITIVE, value=(1, 0.5)),
    **dict.fromkeys(["clamp", "clamp_min", "clamp_max"], _clamp),
    "where": _where,
    "masked_fill": shaping(lambda b, s: (_mask(b, s), 0.5)),
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
