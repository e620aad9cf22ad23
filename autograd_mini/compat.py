"""Honest answers for what PyTorch scripts ask and configure: devices, compiling, mixed precision, threads, old names.

There is one device, the CPU; nothing is compiled; every operation computes in the dtype of its inputs. What a script
asks is answered so; what cannot be done here says so when it is used, and what to do instead. The package looks here
for the names in `__all__` that it has not itself, so nothing of this is loaded before it is asked for.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from . import amp, devices
from .amp import GradScaler, autocast
from .arrays import tensors_expected
from .creation import as_tensor, default_generator, empty, tensor
from .dtypes import dtype_of, set_default_dtype
from .tensor import Tensor

# ---------------------------------------------------------------------------------------------------------- devices


class device:
    """Where a tensor lives: `device("cpu")`. Others can be named, as in PyTorch, but no tensor can be put there.

    >>> device("cpu").type, device("cuda", 1), device("cpu") == device("cpu:0")
    ('cpu', device(type='cuda', index=1), False)
    """

    def __init__(self, type: Any, index: int | None = None) -> None:
        name, _, number = str(type).partition(":")
        known = name in ("cpu", "cuda", "mps", "meta", "xpu", *devices.registered())
        if not known or (number and (index is not None or not number.isdigit())):
            raise RuntimeError(f"Invalid device string: {str(type)!r}: use 'cpu'")
        self.type, self.index = name, int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type={self.type!r}" + (")" if self.index is None else f", index={self.index})")


def set_default_device(device: Any) -> None:
    """Accepts the CPU alone."""
    devices.check(device)
    if device is not None and str(device).split(":")[0] != "cpu":
        raise NotImplementedError(f"set_default_device: give device={str(device)!r} to what makes tensors instead")


class _Nothing:
    """A part of PyTorch that has nothing to offer here: it answers what its class says, and nothing else."""

    def __init__(self, name: str) -> None:
        self._name = name

    def is_available(self) -> bool:
        return False

    is_built = is_bf16_supported = is_initialized = is_available

    def device_count(self) -> int:
        return 0

    def current_accelerator(self, check_available: bool = False) -> None:
        return None

    def manual_seed(self, seed: int) -> None:
        """There are no generators but the CPU's; `autograd_mini.manual_seed` seeds that."""

    manual_seed_all = manual_seed

    def empty_cache(self) -> None:
        """There is no cache to be emptied."""

    def memory_allocated(self, device: Any = None) -> int:
        return 0

    max_memory_allocated = memory_reserved = memory_allocated

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}", "there is no device but the CPU: ask is_available() first")


class _Cudnn(_Nothing):
    enabled = benchmark = deterministic = False  # settings of what is not there


class Absent:
    """A name of PyTorch's that is not here, and neither is what belongs to it; calling it says what to do instead."""

    def __init__(self, name: str, advice: str) -> None:
        self._name, self._advice = name, advice

    def __call__(self, *args: Any, **options: Any) -> Any:
        raise NotImplementedError(f"{self._name} is not supported by autograd_mini: {self._advice}")

    def __getattr__(self, name: str) -> Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}", self._advice)

    def __repr__(self) -> str:
        return f"<{self._name}: not supported>"


class _Cuda(_Nothing):
    amp, matmul = amp, _Cudnn("backends.cuda.matmul")

    def device_count(self) -> int:
        """The GPUs that the driver offers to CuPy; 0 without either."""
        try:
            return devices.cuda_device_count()
        except RuntimeError:
            return 0

    def is_available(self) -> bool:
        return self.device_count() > 0


cuda, mps, accelerator = _Cuda("cuda"), _Nothing("mps"), _Nothing("accelerator")


class backends:
    """Libraries that PyTorch runs on; none is here."""

    mps, cuda, cudnn = mps, cuda, _Cudnn("backends.cudnn")


# --------------------------------------------------------------------------------------- compiling, threads, settings


def compile(model: Any = None, **options: Any) -> Any:
    """The model or function itself: NumPy runs it as it is. Also as a decorator, with options or without."""
    return model if model is not None else (lambda function: function)


def set_num_threads(n: int) -> None:
    """BLAS takes the number of its threads from the environment when NumPy is loaded; a warning says so."""
    if n != get_num_threads():
        warnings.warn(
            f"set_num_threads({n}) changes nothing: start Python with OPENBLAS_NUM_THREADS={n} (or MKL_NUM_THREADS)",
            UserWarning, stacklevel=2,
        )  # fmt: skip


def get_num_threads() -> int:
    """As many as the environment says, else one per core: what BLAS does."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return os.cpu_count() or 1


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepts either: they are deterministic in any case."""


def set_float32_matmul_precision(precision: str) -> None:
    """Accepts PyTorch's three names: on a CPU all mean full precision."""
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"precision must be 'highest', 'high' or 'medium', but got {precision!r}")


seed, initial_seed = default_generator.seed, default_generator.initial_seed
get_rng_state, set_rng_state = default_generator.get_state, default_generator.set_state


# -------------------------------------------------------------------------------------------------- old names, dtypes


@tensors_expected
def numel(input: Tensor) -> int:
    """How many elements a tensor has."""
    return input.numel()


def Variable(data: Any, requires_grad: bool = False) -> Tensor:
    """A tensor, which is what PyTorch's Variable has been since 2018: shares the memory of `data`."""
    made = as_tensor(data).detach()
    return made.requires_grad_() if requires_grad else made


class TensorType:
    """`LongTensor([1, 2])`, `FloatTensor(2, 3)`: a tensor of one dtype, from data or of sizes; also names that dtype.

    >>> LongTensor([1.5, 2]), isinstance(tensor([1.0]), FloatTensor)
    (tensor([1, 2]), True)
    """

    def __init__(self, name: str, dtype: str) -> None:
        self.__name__, self.name, self.dtype = name, f"torch.{name}", np.dtype(dtype)

    def __call__(self, *data: Any) -> Tensor:
        if len(data) > 1 or (data and isinstance(data[0], int)):
            return empty(*data, dtype=self.dtype)
        return tensor(data[0] if data else [], dtype=self.dtype)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype == self.dtype

    def __repr__(self) -> str:
        return f"autograd_mini.{self.__name__}"


_KINDS = {"Half": "f2", "Float": "f4", "Double": "f8", "Byte": "u1", "Char": "i1", "Short": "i2", "Int": "i4"}
_TYPES = [TensorType(f"{kind}Tensor", dtype) for kind, dtype in {**_KINDS, "Long": "i8", "Bool": "?"}.items()]
HalfTensor, FloatTensor, DoubleTensor, ByteTensor, CharTensor, ShortTensor, IntTensor, LongTensor, BoolTensor = _TYPES


def tensor_type(dtype: Any) -> TensorType:
    """The old type of a dtype, or of its own name, with any library's in front: "torch.FloatTensor"."""
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        found = [t for t in _TYPES if t.__name__ == dtype.rpartition(".")[2] and ".cuda" not in dtype]
        if not found:
            raise ValueError(f"invalid type: {dtype!r}: use one of {', '.join(t.name for t in _TYPES)}")
        return found[0]
    wanted = dtype_of(dtype)
    return next((t for t in _TYPES if t.dtype == wanted), TensorType(f"{wanted}", wanted.str))


def set_default_tensor_type(t: Any) -> None:
    """`set_default_dtype` by an old name, DoubleTensor or "torch.DoubleTensor"."""
    set_default_dtype(tensor_type(t).dtype)


class _Bfloat16:
    """A dtype that can be named, as in a table of names, but that no tensor can have."""

    @property
    def dtype(self) -> Any:
        raise TypeError("bfloat16 is not supported: NumPy has no such dtype; use float32, or float16")

    def __repr__(self) -> str:
        return "bfloat16"


bfloat16 = _Bfloat16()
dtype, finfo, iinfo, Size = np.dtype, np.finfo, np.iinfo, tuple


@tensors_expected
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float."""
    return dtype_of(input.dtype).kind == "f"


# ------------------------------------------------------------------------------------------------------------ absent

_ABSENT = {
    "tensors are dense: use a dense one, for a graph its dense adjacency matrix": (
        "sparse", "sparse_coo_tensor", "sparse_csr_tensor", "sparse_compressed_tensor", "spmm",
    ),
    "models run as they are, no compiler: leave it out": ("jit", "fx", "export", "_dynamo"),
    "weights stay floats: for smaller files save them as float16": ("quantization", "ao", "quantize_per_tensor"),
    "real numbers only: keep real and imaginary parts in two tensors": (
        "complex", "complex64", "complex128", "view_as_complex", "view_as_real", "polar",
    ),
    "use np.fft on x.detach().numpy(), which records no gradient": ("fft", "stft", "istft"),
    "there are no pretrained models: train one, or load a state_dict from a file": ("hub",),
    "processes share nothing here: use DataLoader(num_workers=…) for threads": ("multiprocessing",),
}  # fmt: skip
for _advice, _names in _ABSENT.items():
    for _name in _names:
        globals()[_name] = Absent(_name, _advice)

__all__ = [
    "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor", "GradScaler", "HalfTensor", "IntTensor",
    "LongTensor", "ShortTensor", "Size", "Variable", "accelerator", "amp", "autocast", "backends", "bfloat16",
    "compile", "cuda", "device", "dtype", "finfo", "get_num_threads", "get_rng_state", "iinfo", "initial_seed",
    "is_floating_point", "mps", "numel", "seed", "set_default_device", "set_default_tensor_type",
    "set_float32_matmul_precision", "set_num_threads", "set_rng_state", "use_deterministic_algorithms",
    *(name for names in _ABSENT.values() for name in names),
]  # fmt: skip
