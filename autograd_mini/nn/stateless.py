"""What layers without parameters share: each is a function and the options to call it with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .module import Module


class Stateless(Module):
    """Calls `_function` with its options, which are attributes and may be changed at any time."""

    _function: ClassVar[Callable[..., Any]]

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.__dict__.update(options)
        self._options = tuple(options)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return type(self)._function(*args, **kwargs, **{name: self.__dict__[name] for name in self._options})

    def extra_repr(self) -> str:
        shown = (name for name in self._options if name != "inplace" or self.__dict__[name])
        return ", ".join(f"{name}={self.__dict__[name]!r}" for name in shown)
