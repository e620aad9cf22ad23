"""Making tensors: from data, filled, ranged, like another, and drawn at random from a seeded generator."""

from __future__ import annotations

import contextvars
import functools
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import devices
from .arrays import array_from, tensors_expected
from .dtypes import dtype_of
from .engine import Array, wrap
from .primitive import NUMPY
from .tensor import Tensor

DTypeLike = Any


def tensor(data: Any, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `data`: numbers, nested lists, arrays or tensors.

    Python floats become the default dtype (float32), Python integers int64; an ndarray keeps its own dtype.
    Raises ValueError for ragged lists, TypeError for what is not numeric.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> tensor(0.5, requires_grad=True)
    tensor(0.5000, requires_grad=True)
    """
    array = devices.copy_of(array_from(data, dtype))
    return _made(array, array.dtype, requires_grad, device)


def as_tensor(data: Any, dtype: DTypeLike = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where it is one already, or an ndarray of that dtype."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype, device=device)  # type: ignore[no-any-return]
    array = array_from(data, dtype)
    return wrap(array if device is None else devices.move(array, device))


def from_numpy(array: Array) -> Tensor:
    """A tensor that shares the memory of an ndarray."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    return wrap(array_from(array))


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    """zeros(2, 3) and zeros((2, 3)) mean the same."""
    items = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    try:
        shape = tuple(operator.index(n) for n in items)
    except TypeError:
        raise TypeError(f"sizes must be integers, but got {items!r}") from None
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {shape}")
    return shape


def _made(array: Array, dtype: DTypeLike, requires_grad: bool, device: Any = None) -> Tensor:
    array = array_from(array, dtype_of(dtype))
    if device is not None:
        array = devices.move(array, device)
    if devices.on_host(array) and not array.ndim:
        array = array[()]  # a NumPy scalar is ten times faster than a 0-d array
    made = wrap(array)
    return made.requires_grad_() if requires_grad else made


def _filled(make: Callable[[tuple[int, ...], Any], Array], name: str, about: str) -> Callable[..., Tensor]:
    def function(
        *sizes: Any, size: Any = None, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        kind = dtype_of(dtype)
        return _made(make(_shape(sizes if size is None else (size,)), kind), kind, requires_grad, device)

    return _named(function, name, about)


def _named(function: Callable[..., Tensor], name: str, about: str) -> Callable[..., Tensor]:
    function.__name__, function.__qualname__, function.__doc__ = name, name, about
    return function


zeros = _filled(np.zeros, "zeros", "Zeros of a shape: zeros(2, 3).")
ones = _filled(np.ones, "ones", "Ones of a shape: ones(2, 3).")
empty = _filled(np.empty, "empty", "Memory of a shape with whatever it holds.")


def full(
    size: Sequence[int], fill_value: Any, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere; its kind decides the dtype (bool, int64, default float)."""
    filled = as_tensor(fill_value, dtype=dtype)
    return _made(np.full(_shape((size,)), filled._array), filled.dtype, requires_grad, device)


def _filled_like(
    make: Callable[..., Tensor], x: Any, dtype: DTypeLike, device: Any, requires_grad: bool, *args: Any
) -> Tensor:
    kind = x.dtype if dtype is None else dtype
    device = devices.device_of(x._array) if device is None and isinstance(x, Tensor) else device
    return make(tuple(x.shape), *args, dtype=kind, device=device, requires_grad=requires_grad)


def _like(make: Callable[..., Tensor], about: str) -> Callable[..., Tensor]:
    def function(x: Any, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        return _filled_like(make, x, dtype, device, requires_grad)

    about += " in the shape and dtype of x, and where x lives."
    return _named(tensors_expected(function), f"{make.__name__}_like", about)


zeros_like, ones_like, empty_like = _like(zeros, "Zeros"), _like(ones, "Ones"), _like(empty, "Memory")


@tensors_expected
def full_like(
    x: Any, fill_value: Any, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One number everywhere, in the shape and dtype of x."""
    return _filled_like(full, x, dtype, device, requires_grad, fill_value)


NUMPY.update({np.zeros_like: zeros_like, np.ones_like: ones_like, np.empty_like: empty_like, np.full_like: full_like})


def eye(
    n: int, m: int | None = None, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones on the diagonal, zeros elsewhere."""
    _shape((n, n if m is None else m))  # raises for what is no shape
    return _made(np.eye(n, m), dtype, requires_grad, device)


def arange(
    start: Any, end: Any = None, step: Any = 1, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start + step, … below end; int64 if all three are integers.

    >>> arange(3), arange(1, 2, 0.5)
    (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    start, end = (0, start) if end is None else (start, end)
    start, end, step = (n.item() if isinstance(n, Tensor) else n for n in (start, end, step))
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(f"upper bound and lower bound inconsistent with step sign: {start} to {end} by {step}")
    whole = all(isinstance(n, (int, np.integer)) for n in (start, end, step))
    return _made(np.arange(start, end, step), np.int64 if whole and dtype is None else dtype, requires_grad, device)


def linspace(
    start: float, end: float, steps: int, dtype: DTypeLike = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included, evenly spaced."""
    return _made(np.linspace(float(start), float(end), steps), dtype, requires_grad, device)


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, dtype: DTypeLike = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` numbers from base**start to base**end, whose logarithms are evenly spaced."""
    return _made(np.logspace(float(start), float(end), steps, base=base), dtype, requires_grad, device)


# --------------------------------------------------------------------------------------------------- random


class Generator:
    """A source of random numbers with a seed and a state of its own (NumPy's PCG64; PyTorch's numbers differ).

    >>> import autograd_mini as am
    >>> a = am.rand(2, generator=Generator().manual_seed(3))
    >>> b = am.rand(2, generator=Generator().manual_seed(3))
    >>> bool((a == b).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        devices.check(device)  # the numbers are drawn on the CPU and moved, so that runs on both start equal
        self._seed = 67280421310721  # PyTorch's default, though the numbers drawn from it are not
        self._numpy: np.random.Generator | None = None

    @property
    def numpy(self) -> np.random.Generator:
        """NumPy's generator underneath; made when it is first used, because loading numpy.random takes a while."""
        if self._numpy is None:
            self._numpy = np.random.Generator(np.random.PCG64(self._seed % 2**64))
        return self._numpy

    def manual_seed(self, seed: int) -> Generator:
        """Start again from this seed; returns the generator."""
        self._seed, self._numpy = operator.index(seed), None
        return self

    def seed(self) -> int:
        """Start again from a seed taken from the operating system, which is returned."""
        return self.manual_seed(int.from_bytes(os.urandom(8), "little") >> 1)._seed

    def initial_seed(self) -> int:
        return self._seed

    def get_state(self) -> dict[str, Any]:
        return dict(self.numpy.bit_generator.state)

    def set_state(self, new_state: dict[str, Any]) -> None:
        self.numpy.bit_generator.state = new_state


stand_in: contextvars.ContextVar[Generator | None] = contextvars.ContextVar("autograd_mini_stand_in", default=None)


class _DefaultGenerator(Generator):
    """What is drawn from unasked. Where `checkpoint` repeats draws, another stands in, in that thread or task."""

    @property
    def numpy(self) -> np.random.Generator:
        other = stand_in.get()
        return super().numpy if other is None else other.numpy

    def manual_seed(self, seed: int) -> Generator:
        other = stand_in.get()
        return super().manual_seed(seed) if other is None else other.manual_seed(seed)


default_generator = _DefaultGenerator()
default_generator.seed()


def manual_seed(seed: int) -> Generator:
    """Seed the generator that all draws use by default; NumPy's own global state is never touched."""
    return default_generator.manual_seed(seed)


def source_of(generator: Generator | None) -> np.random.Generator:
    """NumPy's generator behind this one, or behind the default one. Raises TypeError for what is no Generator."""
    if generator is None:
        return default_generator.numpy
    if not isinstance(generator, Generator):
        raise TypeError(
            f"generator must be an autograd_mini.Generator, not {generator!r:.40}: Generator().manual_seed(…) makes one"
        )
    return generator.numpy


def _floats(kind: str, name: str, about: str) -> Callable[..., Tensor]:
    """Uniform or normal numbers, drawn as float32 where that is what is wanted."""

    def function(
        *sizes: Any, size: Any = None, generator: Generator | None = None, dtype: DTypeLike = None, device: Any = None,
        requires_grad: bool = False
    ) -> Tensor:
        wanted, shape, source = dtype_of(dtype), _shape(sizes if size is None else (size,)), source_of(generator)
        if wanted.kind != "f":
            raise RuntimeError(f"random floats cannot be drawn as {wanted}: use randint for integers")
        if wanted.itemsize == 2 and kind == "random":  # rounding a float32 just below 1 would give 1
            return _made(source.integers(0, 2**11, shape) / 2**11, wanted, requires_grad, device)
        drawn = getattr(source, kind)(shape, dtype=np.float64 if wanted == np.float64 else np.float32)
        return _made(drawn, wanted, requires_grad, device)

    return _named(function, name, about)


rand = _floats("random", "rand", "Uniform on [0, 1).")
randn = _floats("standard_normal", "randn", "Standard normal: mean 0, variance 1.")
rand_like, randn_like = _like(rand, "Uniform on [0, 1),"), _like(randn, "Standard normal numbers")


def randint(
    low: Any = None, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: DTypeLike = np.int64, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Integers from low (or 0) up to, but without, high: randint(10, (3,)), randint(5, 10, (3,))."""
    if size is None:
        low, high, size = 0, low, high
    low = 0 if low is None else low
    try:
        low, high = operator.index(low), operator.index(high)
    except TypeError:
        raise TypeError(f"randint(): low and high must be int, not {low!r} and {high!r}") from None
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    array = source_of(generator).integers(low, high, _shape((size,)))
    return _made(array, dtype, requires_grad, device)


@tensors_expected
def randint_like(x: Any, low: Any, high: Any = None, *, dtype: DTypeLike = None, requires_grad: bool = False) -> Tensor:
    """`randint` in the shape and dtype of x."""
    low, high = (0, low) if high is None else (low, high)
    return _filled_like(functools.partial(randint, low, high), x, dtype, None, requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: DTypeLike = np.int64) -> Tensor:
    """The integers 0 to n - 1 in random order."""
    n = operator.index(n)
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, but got {n}")
    return _made(source_of(generator).permutation(n), dtype, False)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None) -> Tensor:
    """Normal numbers with this mean and standard deviation: numbers with a size, or tensors elementwise."""
    if not np.all((std._array if isinstance(std, Tensor) else np.asarray(std)) >= 0):
        raise RuntimeError(f"normal expects all std >= 0.0, but found {std}")
    if size is None:
        size = np.broadcast_shapes(np.shape(mean), np.shape(std))
    place = next((x.device for x in (mean, std) if isinstance(x, Tensor)), None)
    drawn: Tensor = (randn(tuple(size), generator=generator).to(place) * std + mean).detach()
    return drawn


@tensors_expected
def bernoulli(p: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with probability p, else 0, elementwise, in the dtype of p."""
    if not np.all((p._array >= 0) & (p._array <= 1)):
        raise RuntimeError("bernoulli: expected all p to be in [0, 1], but some are not")
    drawn = devices.beside(source_of(generator).random(p.shape), p._array)
    return wrap((drawn < p._array).astype(p.dtype))


@tensors_expected
def multinomial(
    probabilities: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Indices drawn by weight from the last axis of (n,) or (m, n): int64 (num_samples,) or (m, num_samples).

    The weights need not sum to 1. Raises RuntimeError for negative, infinite or all-zero weights, and where more
    samples are asked for, without replacement, than there are weights above 0.
    """
    if not 1 <= probabilities.ndim <= 2:
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, but got {probabilities.ndim}")
    if operator.index(num_samples) <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, but got {num_samples}")
    weights = np.atleast_2d(probabilities.detach().cpu().numpy()).astype(np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or (weights.sum(-1) == 0).any():
        raise RuntimeError("probability tensor contains either inf, nan or element < 0, or a row of zeros")
    source = source_of(generator)
    if replacement:
        edges = np.cumsum(weights, -1)
        points = source.random((len(weights), num_samples)) * edges[:, -1:]
        drawn = np.stack([np.searchsorted(e, p, side="right") for e, p in zip(edges, points, strict=True)])
    else:
        if num_samples > (weights > 0).sum(-1).min():
            raise RuntimeError(f"cannot sample {num_samples} times without replacement: too few weights above 0")
        with np.errstate(divide="ignore"):  # exponential clocks: the first to ring are a draw without replacement
            clocks = source.standard_exponential(weights.shape) / weights
        drawn = np.argsort(clocks, -1)[:, :num_samples]
    return wrap(devices.beside(drawn[0] if probabilities.ndim == 1 else drawn, probabilities))


# ------------------------------------------------------------------------------- methods of Tensor made of these


def _new(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, dtype: DTypeLike = None, **options: Any) -> Tensor:
        return make(*args, dtype=self.dtype if dtype is None else dtype, **options)

    method.__doc__ = f"`{make.__name__}` in the dtype of this tensor."
    return method


def _fill(draw: Callable[..., Array], about: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: float, generator: Generator | None = None) -> Tensor:
        return self.copy_(draw(source_of(generator), self.shape, *args))

    method.__doc__ = f"Fill with {about}, in place."
    return method


def _detach_(self: Tensor) -> Tensor:
    """Forget the history (or, of a leaf, that a gradient is required), in place."""
    self._grad, self._node = self.grad, None
    return self


def _conversion(name: str, dtype: str) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Any:
        return self.to(dtype)

    method.__name__, method.__doc__ = name, f"As {dtype}."
    return method


def _new_like(self: Tensor, *data: Any) -> Tensor:
    """PyTorch's old `new`: `x.new(2, 3)` takes sizes, `x.new([1, 2])` data; in the dtype of this tensor."""
    sizes = not data or all(type(n) is int for n in data)
    return empty(*(data or (0,)), dtype=self.dtype) if sizes else tensor(data[0], dtype=self.dtype)


def _type(self: Tensor, dtype: DTypeLike = None) -> Any:
    """As another dtype, also by an old name, "torch.LongTensor"; without one, that name."""
    from .compat import tensor_type

    return tensor_type(self.dtype).name if dtype is None else self.to(tensor_type(dtype).dtype)


@tensors_expected
def type_as(self: Tensor, other: Tensor) -> Any:
    """As the dtype of another tensor."""
    return self.to(other.dtype)


def _data_ptr(self: Tensor) -> int:
    """The address of the first element: equal for views that start there."""
    return int(self.detach().numpy().__array_interface__["data"][0])


_DTYPES = {"half": "float16", "float": "float32", "double": "float64", "int": "int32", "long": "int64", "bool": "bool"}
_METHODS: dict[str, Callable[..., Any]] = {
    **{name: _conversion(name, dtype) for name, dtype in _DTYPES.items()},
    **{f"new_{f.__name__}": _new(f) for f in (zeros, ones, empty, full, tensor)},
    "uniform_": _fill(lambda g, n, low=0.0, high=1.0: g.uniform(low, high, n), "uniform numbers on [low, high)"),
    "normal_": _fill(lambda g, n, mean=0.0, std=1.0: g.normal(mean, std, n), "normal numbers"),
    "bernoulli_": _fill(lambda g, n, p=0.5: g.random(n) < p, "1 with probability p, else 0"),
    "exponential_": _fill(lambda g, n, lambd=1.0: g.exponential(1 / lambd, n), "exponential numbers of this rate"),
    "random_": _fill(lambda g, n, low=2**24, high=None: _integers(g, n, low, high), "integers from low up to high"),
    "data_ptr": _data_ptr,
    "detach_": _detach_,
    "new": _new_like,
    "type": _type,
    "dim": lambda self: self.ndim,
    "is_contiguous": lambda self: self._array.flags.c_contiguous,
    "is_floating_point": lambda self: self.dtype.kind == "f",
    "nelement": Tensor.numel,
    "element_size": lambda self: self.dtype.itemsize,
    "stride": lambda self: tuple(n // self.dtype.itemsize for n in self.detach().numpy().strides),
    "type_as": type_as,
    "pin_memory": lambda self: self,
    "share_memory_": lambda self: self,
}
for _name, _method in _METHODS.items():
    setattr(Tensor, _name, _method)


def _integers(source: np.random.Generator, shape: tuple[int, ...], low: int, high: int | None) -> Array:
    return source.integers(0, low, shape) if high is None else source.integers(low, high, shape)
