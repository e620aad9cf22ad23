"""Modules and parameters kept in sequences and dictionaries, so that the model that holds them knows them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from itertools import groupby
from typing import Any, Self

from ..tensor import Tensor
from .module import MODULE, PARAMETER, Module, _indent
from .parameter import Parameter


class _Sequence(Module):
    """What `Sequential`, `ModuleList` and `ParameterList` share: things in order, named by their numbers."""

    _kind = MODULE

    def _items(self) -> dict[str, Any]:
        return self._of_kind(self._kind)

    def _fit(self, item: Any) -> Any:
        """The item as it is held; TypeError if it cannot be."""
        if not isinstance(item, Module):
            hint = f": make one, {item.__name__}(…)" if isinstance(item, type) else ": give modules one by one"
            raise TypeError(f"{type(item).__name__} is not a Module subclass{hint}")
        return item

    def _key(self, index: Any) -> str:
        """The name of the item at an index, which may be negative."""
        position, count = operator.index(index), len(self)
        if not -count <= position < count:
            raise IndexError(f"index {position} is out of range")
        return list(self._items())[position]

    def _number(self, items: list[Any]) -> None:
        """Hold these items and no others, named 0, 1, 2, …"""
        items = [self._fit(item) for item in items]
        for name in self._items():
            delattr(self, name)
        for i, item in enumerate(items):
            self._register(str(i), item, self._kind)

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items().values())

    def __getitem__(self, index: Any) -> Any:
        return self._slice(index) if isinstance(index, slice) else self.__dict__[self._key(index)]

    def _slice(self, index: slice) -> Self:
        return type(self)(list(self)[index])  # type: ignore[call-arg]

    def __setitem__(self, index: int, item: Any) -> None:
        setattr(self, self._key(index), self._fit(item))

    def __delitem__(self, index: int | slice) -> None:
        items = list(self)
        del items[index]
        self._number(items)

    def append(self, item: Any) -> Self:
        """Add an item at the end; returns the container."""
        self._register(str(len(self)), self._fit(item), self._kind)
        return self

    def extend(self, items: Any) -> Self:
        """Add several items at the end; returns the container."""
        if not isinstance(items, Iterable):
            name = type(self).__name__
            raise TypeError(f"{name}.extend should be called with an iterable, but got {type(items).__name__}")
        for item in list(items):
            self.append(item)
        return self

    def insert(self, index: int, item: Any) -> Self:
        """Put an item before the one at `index`; returns the container."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        items = list(self)
        items.insert(index, item)
        self._number(items)
        return self

    def pop(self, index: int = -1) -> Any:
        """Remove an item and return it."""
        item = self[index]
        del self[index]
        return item

    __iadd__ = extend

    def __add__(self, items: Iterable[Any]) -> Self:
        return self[:].extend(items)  # type: ignore[no-any-return]


class Sequential(_Sequence):
    """Modules that run one after the other, each on the output of the one before.

    Given as arguments, or as one dict that names them. A slice is a Sequential of the same modules.

    >>> from autograd_mini import nn
    >>> Sequential(nn.Linear(784, 512), nn.ReLU())
    Sequential(
      (0): Linear(in_features=784, out_features=512, bias=True)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], Mapping) else enumerate(args)
        for name, module in named:
            self.add_module(name if isinstance(name, str) else str(name), module)

    def _slice(self, index: slice) -> Self:
        return type(self)(dict(list(self._items().items())[index]))

    def forward(self, input: Any) -> Any:
        for module in self._of_kind(MODULE).values():
            input = module(input)
        return input


class ModuleList(_Sequence):
    """A list of modules; it cannot be called.

    >>> from autograd_mini import nn
    >>> len(ModuleList([nn.Linear(2, 2) for _ in range(3)]))
    3
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __repr__(self) -> str:
        """Runs of equal modules on one line: (0-2): 3 x Linear(...)."""
        lines, start = [], 0
        for text, run in groupby(map(repr, self)):
            count = len(list(run))
            names = f"({start})" if count == 1 else f"({start}-{start + count - 1})"
            lines.append(f"\n  {names}: " + (f"{count} x " if count > 1 else "") + _indent(text))
            start += count
        return f"{self._get_name()}({''.join(lines)}\n)" if lines else f"{self._get_name()}()"


class _Dict(Module, MutableMapping[str, Any]):
    """What `ModuleDict` and `ParameterDict` share: the registered values by name, in order."""

    __eq__, __hash__ = object.__eq__, object.__hash__  # two modules are equal if they are one, whatever they hold

    def __getitem__(self, key: str) -> Any:
        return self._of_kind(self._kinds[key])[key]

    def __delitem__(self, key: str) -> None:
        self._kinds[key]  # raises KeyError
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._kinds))


class ModuleDict(_Dict):
    """Modules by name; it cannot be called.

    >>> from autograd_mini import nn
    >>> ModuleDict({"relu": nn.ReLU()})["relu"]
    ReLU()
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __setitem__(self, key: str, value: Any) -> None:
        self.add_module(key, value)


class ParameterDict(_Dict):
    """Parameters by name; tensors that are put in become parameters."""

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def __setitem__(self, key: str, value: Any) -> None:
        self.register_parameter(key, _as_parameter(value))

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): {_summary(p)}" for name, p in self.items())


class ParameterList(_Sequence):
    """A list of parameters; tensors that are put in become parameters."""

    _kind = PARAMETER

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values if values is not None else ())

    def _fit(self, item: Any) -> Any:
        return _as_parameter(item)

    def extra_repr(self) -> str:
        return "\n".join(f"({i}): {_summary(p)}" for i, p in enumerate(self))


def _as_parameter(value: Tensor) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


def _summary(parameter: Parameter) -> str:
    return f"Parameter containing: [{parameter.dtype} of size {'x'.join(map(str, parameter.shape))}]"
