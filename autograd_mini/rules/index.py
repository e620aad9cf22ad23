"""Reading and replacing elements by index, and the adjoint of reading: adding gradients into what was read.

Three primitives carry all of it: `getitem`, its adjoint `put`, and `setitem`. An index here is what NumPy understands,
with arrays in place of tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import array_from
from ..devices import beside, copy_of, is_memory, memory_of, on_host
from ..engine import Array, TensorCore, wrap
from ..primitive import NUMPY, ShapeError, call, composition, primitive
from .axes import dimension
from .elementwise import ne, where

Index = Any
_ALL = slice(None)
_ARRAYS = {np.ndarray, np.bool_, bool}


def along(dim: int, item: Index) -> tuple[Index, ...]:
    """The index that applies `item` to axis `dim` >= 0, and takes all of the others."""
    return (*(_ALL,) * dim, item)


def has_arrays(index: Index) -> bool:
    """Whether this is "advanced" indexing, which copies."""
    parts = index if type(index) is tuple else (index,)
    return any(type(part) in _ARRAYS or is_memory(part) for part in parts)


def may_repeat(index: Index) -> bool:
    """Whether the index holds integer arrays, which alone can name an element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(getattr(p, "ndim", 0) > 0 and p.dtype.kind in "iu" for p in parts)


def positions(shape: tuple[int, ...], index: Index, like: Array) -> Array:
    """Where in the flattened array the elements of x[index] stand, for an x of this shape; beside `like`."""
    return beside(np.arange(math.prod(shape)).reshape(shape), like)[index]


def _array(index: Any) -> Array:
    """An index as an array: a tensor's, the array itself, or a list as an array."""
    index = getattr(index, "_array", index)
    return index if is_memory(index) else np.asarray(index)


def placed(index: Index, x: Array) -> Index:
    """The index with its arrays beside x: lists were made arrays on the CPU."""
    if on_host(x):
        return index
    return tuple(placed(part, x) for part in index) if isinstance(index, tuple) else _beside(index, x)


def _beside(part: Any, x: Array) -> Any:
    return beside(part, x) if isinstance(part, np.ndarray) else part


# ------------------------------------------------------------------------------------------------ primitives


def _read(g: Array, index: Index) -> Array:
    return call(read_elements if has_arrays(index) else read_view, g, index=index)


@primitive(public=False, x=lambda g, index: _read(g, index))
def put(x: Array, *, index: Index, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with x added at `index`, where an element may be named several times."""
    index = placed(index, x)
    if not may_repeat(index):
        result = np.zeros_like(x, shape=shape or 1).reshape(shape)  # CuPy takes () for no shape
        result[index] = x
        return result
    index = index[0] if isinstance(index, tuple) and len(index) == 1 else index
    total = np.zeros_like(x, np.float32 if x.dtype == np.float16 else x.dtype, shape=shape)
    if isinstance(index, np.ndarray) and x.size >= 128 * index.size:  # long rows: a loop over them is fastest
        for row, added in zip(index.ravel().tolist(), x.reshape((index.size, *shape[1:])), strict=True):
            total[row] += added
    elif 4 * x.size >= total.size and x.dtype.kind == "f":  # sums in float64; 3 to 6 times as fast as np.add.at
        total = np.bincount(positions(shape, index, x).ravel(), x.ravel(), total.size).reshape(shape)
    else:  # few elements of a large array
        np.add.at(total, index, x)
    return total.astype(x.dtype, copy=False)


def _read_backward(g: Array, x_shape: tuple[int, ...], index: Index) -> Array:
    return call(put, g, index=index, shape=x_shape)


@primitive(name="getitem", public=False, view=True, x=_read_backward)
def read_view(x: Array, *, index: Index) -> Array:
    """x[index] for an index of numbers, slices, None and `...`: a view."""
    out = x[index]
    if isinstance(out, np.generic) and is_memory(x):  # an element is a view, too: y[0].mul_(2) changes y
        out = x[(*(index if isinstance(index, tuple) else (index,)), ...)]
    return out


@primitive(name="index", public=False, x=_read_backward)
def read_elements(x: Array, *, index: Index) -> Array:
    """x[index] for an index with arrays of integers or booleans in it: a copy."""
    return x[placed(index, x)]


@composition(public=False)
def getitem(x: Array, *, index: Index) -> Array:
    """x[index], every form that NumPy knows; where numbers and arrays mix, with the axes in PyTorch's order."""
    if has_arrays(index):
        return read_elements(x, index=numbers_first(index, x.shape))
    return read_view(x, index=index)


def numbers_first(index: Index, shape: tuple[int, ...]) -> Index:
    """NumPy's index for what PyTorch means by x[0, :, array]: numbers select first, then the arrays index the rest.

    NumPy takes such numbers for arrays, too, and moves the axis of the result to the front if slices stand between.
    """
    if not isinstance(index, tuple) or not any(_is_number(p) for p in index):
        return index
    advanced = [i for i, p in enumerate(index) if _is_number(p) or is_memory(p)]
    if advanced[-1] - advanced[0] == len(advanced) - 1 or not has_arrays(index):
        return index
    numbers = tuple(p if _is_number(p) or p is ... else _ALL for part in index for p in _axes(part))
    rest = tuple(p for p in index if not _is_number(p))
    like = next(p for p in rest if is_memory(p))
    return np.unravel_index(positions(shape, numbers, like)[rest], shape)


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, np.integer)) and not isinstance(part, bool)


def _axes(part: Any) -> tuple[Any, ...]:
    """One entry for each axis of x that this part of an index uses up."""
    if part is None or isinstance(part, (bool, np.bool_)):
        return ()
    return (_ALL,) * part.ndim if is_memory(part) and part.dtype.kind == "b" else (part,)


def _setitem_x(g: Array, index: Index) -> Array:
    return call(setitem, g, 0.0, index=index)


def _setitem_value(g: Array, x_shape: tuple[int, ...], index: Index) -> Array:
    picked = _read(g, index)
    return np.where(_stays(x_shape, index, picked), picked, 0.0) if may_repeat(index) else picked


def _stays(shape: tuple[int, ...], index: Index, like: Array) -> Array:
    """False for the elements that a later one overwrites, because the index names their place again."""
    places = positions(shape, index, like)
    order = beside(np.arange(places.size).reshape(places.shape), like)
    last = np.zeros_like(order, shape=math.prod(shape))
    last[places] = order
    return last[places] == order


@primitive(public=False, x=_setitem_x, value=_setitem_value)
def setitem(x: Array, value: Array, *, index: Index) -> Array:
    """A copy of x with x[index] = value: what an assignment into a recorded tensor means.

    If the index names an element twice, the last value stays, and it alone has a gradient.
    """
    result = copy_of(x)
    result[placed(index, x)] = value
    return result


def _seen(look: Any, x: Array) -> Array:
    return look(x) if isinstance(x, TensorCore) else look(wrap(x))._array


def _copy_slices_x(g: Array, look: Callable[[Any], Any]) -> Array:
    return call(copy_slices, g, 0.0, look=look)


@primitive(public=False, x=_copy_slices_x, value=lambda g, look: _seen(look, g))
def copy_slices(x: Array, value: Array, *, look: Callable[[Any], Any]) -> Array:
    """A copy of x with look(x) = value, where `look` is a view: what a change of the view means for x."""
    result = memory_of(x).copy("C")  # of memory in this order every reshape is a view
    _seen(look, result)[...] = value
    return result


# ------------------------------------------------------------------------------------- along one axis, by rows


def _take_along(shape: tuple[int, ...], indices: Array, axis: int | None) -> Index:
    if axis is None:
        return np.unravel_index(indices.ravel(), shape)
    return _grid(shape, indices, dimension(axis, len(shape)))


def _grid(lengths: tuple[int, ...], index: Array, dim: int) -> tuple[Array, ...]:
    """`index` along one axis as a full NumPy index: every other axis runs over its own range."""
    ndim = len(lengths)
    grid = [
        beside(np.arange(n).reshape([-1 if i == d else 1 for i in range(ndim)]), index) for d, n in enumerate(lengths)
    ]
    grid[dim] = index
    return tuple(grid)


@primitive(
    numpy=np.take_along_axis,
    x=lambda g, x_shape, indices, axis: call(put, g, index=_take_along(x_shape, indices, axis), shape=x_shape),
)
def take_along_dim(x: Array, indices: Array, *, axis: int | None = None) -> Array:
    """x at one index per element along an axis, as `argmax` or `argsort` return them; the other axes broadcast."""
    return x[_take_along(x.shape, indices, axis)]


def _embedding_backward(g: Array, indices: Array, weight_shape: tuple[int, ...], padding_idx: int | None) -> Array:
    if padding_idx is not None:
        g = np.where((indices == padding_idx % weight_shape[0])[..., None], 0.0, g)
    return call(put, g, index=indices, shape=weight_shape)


@primitive(weight=_embedding_backward)
def embedding(weight: Array, indices: Array, *, padding_idx: int | None = None) -> Array:
    """Rows of weight (rows, features) for indices of any shape; the row `padding_idx` gets no gradient."""
    return weight[_proved(indices, len(weight), "embedding")]


@primitive()
def one_hot(x: Array, *, num_classes: int = -1) -> Array:
    """int64 (..., classes): 1 at the class that x names, 0 elsewhere. -1: as many classes as x needs."""
    if x.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot is only applicable to index tensor of type LongTensor, not {x.dtype}.")
    if x.size == 0 and num_classes <= 0:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    if x.size and x.min() < 0:
        raise RuntimeError(f"Class values must be non-negative, but one is {x.min()}.")
    count = int(x.max()) + 1 if num_classes == -1 else num_classes
    if x.size and x.max() >= count:
        raise RuntimeError(f"Class values must be smaller than num_classes={count}, but one is {x.max()}.")
    return (memory_of(x)[..., None] == beside(np.arange(count), x)).astype(np.int64)


def _proved(index: Array, size: int, name: str) -> Array:
    """The index as an array of integers in [0, size): PyTorch has no negative ones here."""
    index = _array(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected an index of integers, but got {index.dtype}")
    if index.size and not 0 <= index.min() <= index.max() < size:
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(f"{name}: index {wrong} is out of range: there are {size}, numbered from 0")
    return index


def _row_index(x: Array, dim: int, index: Array, name: str) -> Index:
    dim = dimension(dim, x.ndim)
    index = _proved(index, x.shape[dim], name)
    if index.ndim > 1:
        raise IndexError(f"{name}: index is supposed to be a vector, but its shape is {index.shape}")
    return along(dim, index.reshape(-1))


def _element_index(x: Array, dim: int, index: Array, name: str) -> Index:
    dim = dimension(dim, x.ndim)
    index = _proved(index, x.shape[dim], name)
    fits = index.ndim == x.ndim and all(index.shape[d] <= n for d, n in enumerate(x.shape) if d != dim)
    if index.size and not fits:
        raise RuntimeError(
            f"{name}: the index, which is {index.shape}, must have as many axes as the input {x.shape}, none but"
            f" axis {dim} longer than the input's"
        )
    return _grid(index.shape, index, dim)


@composition()
def gather(x: Array, dim: int, index: Array) -> Array:
    """out[i][j][k] = x[index[i][j][k]][j][k] for dim 0, and so on."""
    return getitem(x, index=_element_index(x, dim, index, "gather"))


@composition()
def index_select(x: Array, dim: int, index: Array) -> Array:
    """The rows (for dim 0) that the vector `index` names, in its order."""
    return getitem(x, index=_row_index(x, dim, index, "index_select"))


@composition(numpy=np.take)
def take(x: Array, index: Array, axis: int | None = None) -> Array:
    """Elements of the flattened x, in the shape of `index`; np.take's axis: of x along that axis instead."""
    if axis is None:
        return getitem(x.reshape(-1), index=_array(index))
    return getitem(x, index=along(dimension(axis, x.ndim), _array(index)))


@composition()
def masked_select(x: Array, mask: Array) -> Array:
    """The elements where the mask is true, as a vector; x and mask are broadcast."""
    mask = _array(mask)
    try:
        shape = np.broadcast_shapes(x.shape, mask.shape)
    except ValueError as error:
        raise ShapeError(f"masked_select: the mask {mask.shape} does not fit the tensor {x.shape}") from error
    return getitem(np.broadcast_to(x, shape), index=np.broadcast_to(mask, shape))


# ------------------------------------------------------------------------------------------- writing, as copies


def _source(x: Array, source: Array, name: str) -> Array:
    if getattr(source, "dtype", x.dtype) != x.dtype:
        raise RuntimeError(f"{name}: expected a source of the input's dtype {x.dtype}, but got {source.dtype}")
    return source


def _number(value: Any, name: str) -> Any:
    if getattr(value, "ndim", 0):
        raise RuntimeError(
            f"{name} only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    return value


def _cropped(x: Array, dim: int, index: Array, source: Array, name: str) -> Array:
    """The corner of `source` that the index uses."""
    source, shape = _source(x, source, name), np.shape(index)
    given = getattr(source, "shape", shape)
    if given == shape or (not given and not np.size(index)):
        return source
    if len(given) != len(shape):
        raise RuntimeError(
            f"{name}: Index tensor must have the same number of dimensions as src tensor, but index is {list(shape)}"
            f" and src {list(given)}"
        )
    if np.size(index) and any(n > m for n, m in zip(shape, given, strict=True)):
        raise RuntimeError(
            f"{name}: Expected index {list(shape)} to be no larger than self {list(x.shape)} apart from dimension {dim}"
            f" and to be no larger size than src {list(given)}"
        )
    return getitem(source, index=tuple(slice(n) for n in shape))


@composition()
def scatter(x: Array, dim: int, index: Array, src: Array = None, *, value: float | None = None) -> Array:
    """A copy of x with out[index[i][j][k]][j][k] = src[i][j][k] for dim 0, and so on; or one number everywhere."""
    where = _element_index(x, dim, index, "scatter")
    if (src is None) == (value is None):
        raise TypeError("scatter: expected either src, a tensor, or value, a number")
    if src is None:
        return setitem(x, _number(value, "scatter"), index=where)
    return setitem(x, _cropped(x, dim, index, src, "scatter"), index=where)


@composition()
def scatter_add(x: Array, dim: int, index: Array, src: Array) -> Array:
    """`scatter` that adds, also where an element is named several times."""
    where = _element_index(x, dim, index, "scatter_add")
    return x + put(_cropped(x, dim, index, src, "scatter_add"), index=where, shape=x.shape)


@composition()
def index_add(x: Array, dim: int, index: Array, source: Array, *, alpha: float = 1) -> Array:
    """A copy of x with alpha * source[i] added to its row index[i] (for dim 0), also to one named several times."""
    where = _row_index(x, dim, index, "index_add")
    source = _source(x, source, "index_add")
    expected = tuple(np.size(index) if d == dimension(dim, x.ndim) else n for d, n in enumerate(x.shape))
    if source.shape != expected:
        raise RuntimeError(f"index_add: the source must be {expected}, but is {source.shape}")
    return x + put(source if alpha == 1 else alpha * source, index=where, shape=x.shape)


@composition()
def index_copy(x: Array, dim: int, index: Array, source: Array) -> Array:
    """A copy of x with source[i] in place of its row index[i] (for dim 0)."""
    return setitem(x, _source(x, source, "index_copy"), index=_row_index(x, dim, index, "index_copy"))


@composition()
def index_fill(x: Array, dim: int, index: Array, value: float) -> Array:
    """A copy of x with one number in the rows (for dim 0) that `index` names."""
    return setitem(x, _number(value, "index_fill"), index=_row_index(x, dim, index, "index_fill"))


@composition()
def index_put(x: Array, indices: tuple[Array, ...], values: Array, accumulate: bool = False) -> Array:
    """A copy of x with x[indices] = values, or with accumulate x[indices] += values, repeated as often as named."""
    index = tuple(i if i is None else _array(i) for i in indices)
    if not accumulate:
        return setitem(x, values, index=index)
    return x + put(np.broadcast_to(values, np.shape(positions(x.shape, index, x))), index=index, shape=x.shape)


# --------------------------------------------------------------------------------- indices as results: no gradient


argwhere = primitive(np.argwhere, name="argwhere", numpy=np.argwhere)


@composition()
def nonzero(x: Array, *, as_tuple: bool = False) -> Array:
    """The indices of the elements that are not 0: a row for each, or with as_tuple a vector for each axis."""
    if not as_tuple:
        return argwhere(x)
    found = argwhere(x if x.ndim else x.reshape(1))
    return tuple(getitem(found, index=(_ALL, d)) for d in range(x.ndim or 1))


@composition(name="where")
def where_or_nonzero(condition: Array, input: Array = None, other: Array = None) -> Array:
    """`input` where the condition holds and `other` elsewhere; with the condition alone, the indices where it holds."""
    if input is None and other is None:
        return nonzero(wrap(array_from(condition)), as_tuple=True)
    return where(condition, input, other)


def _numpys_where(condition: Array, *choices: Array) -> Array:
    """np.where, for which any number is a condition."""
    return where_or_nonzero(condition if array_from(condition).dtype.kind == "b" else ne(condition, 0), *choices)


NUMPY[np.nonzero], NUMPY[np.where] = lambda a: nonzero(a, as_tuple=True), _numpys_where


IN_PLACE = (scatter, scatter_add, index_add, index_copy, index_fill, index_put)  # have a twin with "_"
