"""Modules and parameters kept in sequences and dictionaries, so that the model that holds them knows them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Self, TypeVar, overload

from ..tensor import Tensor
from .module import MODULE, Module, _indent
from .parameter import Parameter

V = TypeVar("V")


class _Sequence(Module):
    """What `Sequential` and `ModuleList` share: modules in order, named by their numbers."""

    def _children(self) -> list[Module]:
        return list(self._of_kind(MODULE).values())

    def _key(self, index: Any) -> str:
        """The name of the module at an index, which may be negative."""
        position, count = operator.index(index), len(self)
        if not -count <= position < count:
            raise IndexError(f"index {position} is out of range")
        return list(self._of_kind(MODULE))[position]

    def _number(self, modules: Iterable[Any]) -> None:
        """Hold these modules and no others, named 0, 1, 2, …"""
        modules = list(modules)
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(f"{type(module).__name__} is not a Module subclass")
        for name in list(self._of_kind(MODULE)):
            delattr(self, name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._of_kind(MODULE))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._children())

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self._slice(index)
        return self.__dict__[self._key(index)]

    def _slice(self, index: slice) -> Self:
        return type(self)(self._children()[index])  # type: ignore[call-arg]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        children = self._children()
        del children[index]
        self._number(children)

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Any) -> Self:
        """Add several modules at the end; returns the container."""
        if not isinstance(modules, Iterable):
            name = type(self).__name__
            raise TypeError(f"{name}.extend should be called with an iterable, but got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at `index`; returns the container."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        children = self._children()
        children.insert(index, module)
        self._number(children)
        return self

    def pop(self, index: int = -1) -> Module:
        """Remove a module and return it."""
        module = self[index]
        del self[index]
        return module

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, modules: Iterable[Module]) -> Self:
        return self[:].extend(modules)


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
        return type(self)(dict(list(self._of_kind(MODULE).items())[index]))

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


class _Dict(Module):
    """What `ModuleDict` and `ParameterDict` share: the registered values by name, in order."""

    def _values(self) -> dict[str, Any]:
        return self._of_kind(*set(self._kinds.values()))

    def __getitem__(self, key: str) -> Any:
        return self._values()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._put(key, value)

    def _put(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str) -> None:
        self._values()[key]  # raises KeyError
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __contains__(self, key: object) -> bool:
        return key in self._kinds

    def keys(self) -> Any:
        return self._values().keys()

    def values(self) -> Any:
        return self._values().values()

    def items(self) -> Any:
        return self._values().items()

    def update(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> None:
        """Add or replace by name, from a mapping or pairs."""
        for key, value in dict(values).items():
            self[key] = value

    def pop(self, key: str) -> Any:
        """Remove a value and return it."""
        value = self[key]
        del self[key]
        return value

    def clear(self) -> None:
        """Remove all."""
        for key in list(self):
            del self[key]


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

    def _put(self, key: str, value: Any) -> None:
        self.add_module(key, value)


class ParameterDict(_Dict):
    """Parameters by name; tensors that are put in become parameters."""

    def __init__(self, parameters: Mapping[str, Tensor] | Iterable[tuple[str, Tensor]] | None = None) -> None:
        super().__init__()
        if parameters is not None:
            self.update(parameters)

    def _put(self, key: str, value: Any) -> None:
        self.register_parameter(key, _as_parameter(value))

    def extra_repr(self) -> str:
        return "\n".join(f"({name}): {_summary(p)}" for name, p in self.items())


class ParameterList(Module):
    """A list of parameters; tensors that are put in become parameters."""

    def __init__(self, values: Iterable[Tensor] | None = None) -> None:
        super().__init__()
        self.extend(values if values is not None else ())

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[Parameter]:
        return iter([self.__dict__[name] for name in self._kinds])

    @overload
    def __getitem__(self, index: int) -> Parameter: ...
    @overload
    def __getitem__(self, index: slice) -> ParameterList: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        if not -len(self) <= operator.index(index) < len(self):
            raise IndexError(f"index {index} is out of range")
        return self.__dict__[str(operator.index(index) % len(self))]

    def __setitem__(self, index: int, value: Tensor) -> None:
        self[index]  # raises IndexError
        self.register_parameter(str(operator.index(index) % len(self)), _as_parameter(value))

    def append(self, value: Tensor) -> Self:
        """Add a parameter at the end; returns the list."""
        self.register_parameter(str(len(self)), _as_parameter(value))
        return self

    def extend(self, values: Iterable[Tensor]) -> Self:
        """Add several parameters at the end; returns the list."""
        for value in list(values):
            self.append(value)
        return self

    __iadd__ = extend

    def extra_repr(self) -> str:
        return "\n".join(f"({i}): {_summary(p)}" for i, p in enumerate(self))


def _as_parameter(value: Tensor) -> Parameter:
    return value if isinstance(value, Parameter) else Parameter(value)


def _summary(parameter: Parameter) -> str:
    return f"Parameter containing: [{parameter.dtype} of size {'x'.join(map(str, parameter.shape))}]"
