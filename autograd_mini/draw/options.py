"""What can be chosen about a picture, checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller of `draw_graph` chose."""

    style: str = "auto"
    depth: int = 1
    expand: Collection[str] = ()
    fold: bool = True
    min_repeats: int = 3
    show_values: bool = True
    show_grads: bool = True
    show_shapes: bool = True
    show_dtypes: bool | None = None  # None: only where they differ
    max_ops: int = 200
    precision: int = 3
    max_items: int = 12
    title: str | None = None
    legend: bool = True
    marks: bool = True
    backend: str = "auto"

    def __post_init__(self) -> None:
        least = {"max_ops": 1, "precision": 1, "max_items": 0, "depth": 1, "min_repeats": 2}
        for name, smallest in least.items():
            if getattr(self, name) < smallest:
                raise ValueError(f"draw_graph: {name} must be {smallest} or more, not {getattr(self, name)}")
        for name, choices in {"style": ("wire", "module"), "backend": ("dot", "builtin")}.items():
            if getattr(self, name) not in ("auto", *choices):
                given = getattr(self, name)
                raise ValueError(f'draw_graph: {name} must be "auto", "{choices[0]}" or "{choices[1]}", not {given!r}')
