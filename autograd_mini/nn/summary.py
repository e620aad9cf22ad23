"""A model as a table: its layers in the order in which they run, their output shapes and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from .. import creation
from ..creation import DTypeLike
from ..tensor import Tensor
from .module import Module
from .utils import evaluating


class Row(NamedTuple):
    """One layer: its path and class, the shape of its output (None: the batch), and its own parameters."""

    layer: str
    output_shape: tuple[int | None, ...] | None
    parameters: int


@dataclass(frozen=True)
class Summary:
    """What `summary` found out; its str is the table."""

    name: str
    rows: list[Row]
    total: int
    trainable: int

    @property
    def non_trainable(self) -> int:
        return self.total - self.trainable

    def __str__(self) -> str:
        cells = [("Layer (type)", "Output Shape", "Param #")]
        cells += [(row.layer, str(row.output_shape or "?"), f"{row.parameters:,}") for row in self.rows]
        widths = [max(len(line[i]) for line in cells) + 2 for i in range(3)]
        lines = [f"{a:<{widths[0]}}{b:<{widths[1]}}{c:>{widths[2]}}" for a, b, c in cells]
        rule = "=" * sum(widths)
        totals = {"Total": self.total, "Trainable": self.trainable, "Non-trainable": self.non_trainable}
        counts = [f"{name + ' params:':<22}{count:,}" for name, count in totals.items()]
        return "\n".join([f"Model: {self.name}", rule, lines[0], rule, *lines[1:], rule, *counts])

    __repr__ = __str__


_BATCH = 2  # how many samples are tried


def summary(model: Module, input_shape: int | tuple[int, ...], dtype: DTypeLike = None) -> Summary:
    """Run the model once on zeros and list its layers.

    input_shape: of one sample, without the batch. dtype: of the input; that of the first parameter unless given
    (class numbers for an embedding are int64). A layer that runs twice is listed twice, its parameters counted once.
    The model runs in eval mode and without gradients, and is left as it was.

    >>> from autograd_mini import nn
    >>> print(summary(nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10)), 784))
    Model: Sequential
    =====================================
    Layer (type)  Output Shape    Param #
    =====================================
    0 (Linear)    (None, 512)     401,920
    1 (ReLU)      (None, 512)           0
    2 (Linear)    (None, 10)        5,130
    =====================================
    Total params:         407,050
    Trainable params:     407,050
    Non-trainable params: 0
    """
    if not isinstance(model, Module):
        raise TypeError(f"summary(): argument 'model': expected a Module, but got {model!r}")
    shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    first = next(model.parameters(), None)
    kind = first.dtype if dtype is None and first is not None else dtype
    rows: list[Row] = []
    counted: set[int] = set()
    paths = {module: path for path, module in model.named_modules()}

    def note(module: Module, args: Any, output: Any) -> None:
        own = {id(p): p.numel() for p in module.parameters(recurse=False) if id(p) not in counted}
        counted.update(own)
        label = f"{paths[module]} ({module._get_name()})" if paths[module] else module._get_name()
        rows.append(Row(label, _output_shape(output), sum(own.values())))

    layers = [m for m in paths if not any(m.children()) or any(True for _ in m.parameters(recurse=False))]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with evaluating(model):
            model(creation.zeros(_BATCH, *shape, dtype=kind))
    finally:
        for handle in handles:
            handle.remove()
    sizes = {id(p): (p.numel(), p.requires_grad) for p in model.parameters()}
    total = sum(size for size, _ in sizes.values())
    return Summary(model._get_name(), rows, total, sum(size for size, wanted in sizes.values() if wanted))


def _output_shape(output: Any) -> tuple[int | None, ...] | None:
    if isinstance(output, (tuple, list)) and output:
        output = output[0]  # of a recurrent layer: the output, without the state
    if not isinstance(output, Tensor):
        return None
    return tuple(None if i == 0 and n == _BATCH else n for i, n in enumerate(output.shape))
