"""`Optimizer`: the base of all optimizers. Parameter groups, saved state, and how a step walks through memory."""

from __future__ import annotations

import itertools
import math
import threading
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..autograd import clear_gradients
from ..devices import memory_of, on_host
from ..dtypes import get_default_dtype
from ..engine import Array, memory, wrap
from ..modes import enable_grad
from ..tensor import Tensor
from ..writes import writes

Group = dict[str, Any]
State = dict[str, Any]
Params = Iterable[Tensor] | Iterable[Group] | Iterable[tuple[str, Tensor]]


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required: Any = _Required()  # a default that each group must give itself

BLOCK = 65536  # elements per block: with its buffers it stays in a cache of 1 MB per core
SMALL = 2048  # elements: below it the time goes to Python, not to memory
TIDY_EVERY = 32  # steps
_UNORDERED = (
    "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will change"
    " between runs. Please use a list instead."
)
_FLAGS = {
    "foreach": "all parameters are stepped by the same code here",
    "fused": "all parameters are stepped by the same code here",
    "capturable": "there are no CUDA graphs here",
    "differentiable": "a step is not recorded here",
}


class Optimizer:
    """Holds parameters in groups, each with its options, and a state per parameter; subclasses define `_update`.

    params: tensors, (name, tensor) pairs, or dicts {"params": …, option: …}, whose options override `defaults`.
    Raises ValueError for no parameters, duplicates or non-leaves, TypeError for what is not a tensor.
    """

    param_groups: list[Group]
    state: defaultdict[Any, State]
    _spares = 1  # scratches that an update needs

    def __init__(self, params: Params, defaults: Group) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor"
            )
        if isinstance(params, (set, frozenset)):
            raise TypeError(_UNORDERED)
        self._check(defaults)
        self.defaults, self.param_groups, self.state = defaults, [], defaultdict(dict)
        self._steps = 0
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _check(self, options: Group) -> None:
        """Raise ValueError for options out of range, of the defaults and of each group."""

    def add_param_group(self, param_group: Group) -> None:
        """Optimize these parameters, too: {"params": …, and options other than the defaults}."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if "params" not in param_group:
            raise ValueError(f"a parameter group needs 'params', but has {', '.join(map(repr, param_group))}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError(_UNORDERED)
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [item[0] for item in params if isinstance(item, tuple)]
        params = [item[1] if isinstance(item, tuple) else item for item in params]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
        group = {**param_group, "params": params, **({"param_names": names} if names else {})}
        group = {**group, **{name: default for name, default in self.defaults.items() if name not in group}}
        self._check_group(group)
        self.param_groups.append(group)

    def _check_group(self, group: Group) -> None:
        params = group["params"]
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
            if not (param.is_leaf or param.retains_grad):
                raise ValueError("can't optimize a non-leaf Tensor")
        if len(set(params)) != len(params):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=4)
        if any(not set(params).isdisjoint(other["params"]) for other in self.param_groups):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in other) != ("param_names" in group) for other in self.param_groups):
            what = "with names" if "param_names" in group else "without names"
            raise ValueError(
                "all optimizer param groups should be with/without names."
                f" cannot add param group {what} to the optimizer"
            )
        self._check_options(group)

    def _check_options(self, group: Group) -> None:
        for flag, reason in _FLAGS.items():
            if group.get(flag):
                raise NotImplementedError(f"{flag}=True is not supported, {reason}: leave it out")
        self._check(group)

    # ------------------------------------------------------------------------------------------------- stepping

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        clear_gradients((param for group in self.param_groups for param in group["params"]), set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Change every parameter that has a gradient, in place; returns what the closure, if any, returns.

        closure: computes the loss again, with its gradients, before the step.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._steps += 1
        watched = threading.active_count() > 1
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param, group)
                    if watched:  # another thread may have read it while it was written
                        writes.note(param._array)
        return loss

    def _update(self, param: Tensor, group: Group) -> None:
        """One step of one parameter."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step() nor _update()")

    def _blocks(
        self, param: Tensor, group: Group, *buffers: Tensor, weight_decay: float
    ) -> Iterable[tuple[Array, ...]]:
        """Piece by piece: (p, g, a piece of each buffer, `_spares` scratches), to be changed in place, but for g.

        g is the gradient, its sign turned if `maximize`, plus weight_decay * p. A formula that runs over a block
        of memory in several passes finds it in the cache, and needs a scratch of the block's size, not the parameter's.
        A small parameter is one piece, and its scratches are None: as `out` of a ufunc they let NumPy make an array.
        """
        p, g, maximize = memory(param), memory_of(param.grad._array), group["maximize"]  # type: ignore[union-attr]
        averages = [b._array for b in buffers]
        writes.note(p)
        if not p.ndim:  # of numbers NumPy makes numbers, which no `out` can be
            p, g, *averages = (a.reshape(1) for a in (p, g, *averages))
        if p.size > SMALL and on_host(p):
            return self._large([p, g, *averages], maximize, weight_decay)
        g = _direction(p, g, maximize, weight_decay) if maximize or weight_decay else g
        return ((p, g, *averages, *[None] * self._spares),)

    def _large(self, arrays: list[Array], maximize: bool, weight_decay: float) -> Iterator[tuple[Array, ...]]:
        shape = None
        for p, g, *pieces in _pieces(arrays):
            if shape != p.shape:  # the last piece may be shorter
                shape, (own, *spares) = p.shape, self._scratch(p)
            if maximize or weight_decay:
                g = _direction(p, g, maximize, weight_decay, own)
            elif not g.flags.forc:  # in another memory order than p: copied once rather than read askew several times
                g = np.positive(g, own)
            yield (p, g, *pieces, *spares)

    def _scratch(self, p: Array) -> list[Array]:
        """1 + `_spares` arrays like this piece."""
        kept: dict[Any, Array] = self.__dict__.setdefault("_scratches", {})
        if p.dtype not in kept:
            kept[p.dtype] = np.empty((1 + self._spares, BLOCK), p.dtype)
        return [row[: p.size].reshape(p.shape) for row in kept[p.dtype]]

    @staticmethod
    def _count(step: int) -> Tensor:
        """The number of a parameter's step as PyTorch keeps it: a float in a 0-d tensor."""
        return wrap(get_default_dtype().type(step))

    def _tick(self, state: State) -> int:
        """One more step of this parameter."""
        step = int(state["step"]._array) + 1 if "step" in state else 1
        state["step"] = self._count(step)
        return step

    # ---------------------------------------------------------------------------------------------- saved state

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number of the parameter: its state}, "param_groups": options, with those numbers, "steps": count}.

        The tensors in it are the optimizer's own: copy.deepcopy it to keep it while training goes on.
        """
        numbers: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, param in enumerate(group["params"], start):
                numbers.setdefault(id(param), i)
            start += len(group["params"])
            groups.append({**group, "params": [numbers[id(param)] for param in group["params"]]})
        state = {numbers[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        return {"state": state, "param_groups": [_last(group, "params") for group in groups], "steps": self._steps}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state: options and states are copied. Raises ValueError if the groups do not fit."""
        if not {"state", "param_groups"} <= state_dict.keys():
            raise ValueError(f"expected the state_dict() of an optimizer, but got a dict of {list(state_dict)!r:.80}")
        saved = [dict(group) for group in state_dict["param_groups"]]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, not"
                f" {len(self.param_groups)}"
            )
        if any(len(new["params"]) != len(old["params"]) for new, old in zip(saved, self.param_groups, strict=True)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        for group in saved:
            self._check_options({**self.defaults, **group})
        ids = itertools.chain.from_iterable(group["params"] for group in saved)
        params = itertools.chain.from_iterable(group["params"] for group in self.param_groups)
        by_id = dict(zip(ids, params, strict=True))
        self._steps = state_dict.get("steps", self._steps)  # PyTorch's have none
        self.state = defaultdict(dict)
        for key, state in state_dict["state"].items():
            param = by_id.get(key, key)
            self.state[param] = {name: _copied(name, value, param) for name, value in state.items()}
        for i, (new, old) in enumerate(zip(saved, self.param_groups, strict=True)):
            kept = {name: old[name] for name in ("param_names",) if name in old}
            self.param_groups[i] = {**self.defaults, **kept, **new, "params": old["params"]}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_scratches"}

    def __repr__(self) -> str:
        text = type(self).__name__ + " ("
        for i, group in enumerate(self.param_groups):
            options = "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {i}\n{options}"
        return text + ")"


# --------------------------------------------------------------------------------------- for the families of optimizers


def check(options: Group, **names: str) -> None:
    """Raise ValueError for the first of these options that is negative, infinite or NaN; names: what to call them."""
    for name, what in names.items():
        value = options[name]
        if value is required:
            continue
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
        try:
            number = float(+value)  # the sign refuses a string, which float would read
        except (TypeError, ValueError):
            raise TypeError(f"Invalid {what}: {value!r} is not a number") from None
        if not 0.0 <= number < math.inf:
            raise ValueError(f"Invalid {what}: {value}")


def zeros(state: State, name: str, param: Tensor) -> Tensor:
    """The entry of this name in a state; the first time zeros, in the parameter's shape, dtype and memory order."""
    if state.get(name) is None:
        state[name] = wrap(np.zeros_like(param._array))
    return state[name]  # type: ignore[no-any-return]


def tidy(average: Array, scratch: Array | None) -> None:
    """Set to 0 what has become tiny in a decaying average, before it gets denormal.

    Averages of what has become 0 (the gradients of pixels at the edge) decay by a constant factor per step until they
    are denormal numbers, on which processors are slower: a square root took 3.6 times as long on an AMD EPYC. It is
    enough to look every 32 steps: above the limit, 2^20 times the smallest normal number, no factor of 0.65 or more
    reaches the denormal ones in between.
    """
    np.copyto(average, 0, where=np.abs(average, scratch) < _tiny(average.dtype))


def tidy_squares(average: Array, eps: float, scratch: Array | None) -> None:
    """The same for an average v of squares that is used as √v + eps.

    In float32 the limit is 1.2e-32, and its root 1.1e-16 is lost in rounding where it is added to eps = 1e-8: so the
    step is the same number. Where eps is too small for that, nothing is set to 0.
    """
    if math.sqrt(_tiny(average.dtype)) < eps * np.finfo(average.dtype).eps:
        tidy(average, scratch)


def _tiny(dtype: np.dtype[Any]) -> float:
    return float(np.finfo(dtype).tiny) * 2.0**20 if dtype.itemsize > 2 else 0.0


# ------------------------------------------------------------------------------------------------------------- helpers


def _direction(p: Array, g: Array, maximize: bool, weight_decay: float, out: Array | None = None) -> Array:
    """±g + weight_decay p."""
    if not weight_decay:
        return np.negative(g, out)
    out = np.multiply(p, float(weight_decay), out)
    return np.subtract(out, g, out) if maximize else np.add(out, g, out)


def _pieces(arrays: list[Array]) -> Iterator[list[Array]]:
    """The same part of each array, block after block, in the memory order of the first."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    arrays = [a.transpose(order) for a in arrays]
    if all(a.flags.c_contiguous for a in arrays):
        arrays = [a.reshape(-1) for a in arrays]
    return _cut(arrays)


def _cut(arrays: list[Array]) -> Iterator[list[Array]]:
    size = arrays[0].size
    if size <= BLOCK:
        yield arrays
        return
    length = len(arrays[0])
    rows = BLOCK * length // size
    if rows:
        for i in range(0, length, rows):
            yield [a[i : i + rows] for a in arrays]
    else:  # a single row is longer than a block
        for row in zip(*arrays, strict=True):
            yield from _cut(list(row))


def _copied(name: str, value: Any, param: Any) -> Any:
    """A copy of a saved state; tensors of the parameter's shape get its dtype and memory order."""
    if isinstance(value, list):
        return [_copied(name, item, param) for item in value]
    if not isinstance(value, Tensor):
        return value
    if name == "step" or not isinstance(param, Tensor) or value.shape != param.shape:
        return wrap(np.array(value._array))
    copied = np.empty_like(param._array)
    copied[...] = value._array
    return wrap(copied)


def _last(group: Group, key: str) -> Group:
    return {**{k: v for k, v in group.items() if k != key}, key: group[key]}
