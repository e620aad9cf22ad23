"""A random program: steps from inputs to outputs that run, are differentiated, and print themselves as Python."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

import autograd_mini

from ..engine import Array


class Ref(str):
    """The name of a variable of a program, as an argument."""

    __repr__ = str.__str__


@dataclasses.dataclass(frozen=True)
class Step:
    """One line: target = lib.name(*args, **options), or that result's element `part`."""

    target: Ref
    name: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    part: int | None = None

    def run(self, lib: Any, variables: dict[str, Any]) -> Any:
        """The result in a library, with the values of the variables so far."""
        args = [_value(arg, lib, variables) for arg in self.args]
        if self.name == "getitem":
            return args[0][args[1]]
        if self.name == "setitem":
            result = args[0].clone()
            result[args[1]] = args[2]
            return result
        if self.name in IN_PLACE:
            return getattr(operator, self.name)(args[0].clone(), args[1])
        result = operator.attrgetter(self.name)(lib)(*args, **self.options)
        return result if self.part is None else result[self.part]

    def __str__(self) -> str:
        args = [_text(arg) for arg in self.args]
        if self.name == "getitem":
            return f"{self.target} = {args[0]}[{_index_text(self.args[1])}]"
        if self.name == "setitem":
            return f"{self.target} = {args[0]}.clone()\n{self.target}[{_index_text(self.args[1])}] = {args[2]}"
        if self.name in IN_PLACE:
            return f"{self.target} = {args[0]}.clone()\n{self.target} {IN_PLACE[self.name]} {args[1]}"
        given = ", ".join([*args, *(f"{name}={value!r}" for name, value in self.options.items())])
        return f"{self.target} = lib.{self.name}({given})" + ("" if self.part is None else f"[{self.part}]")


IN_PLACE = {"iadd": "+=", "isub": "-=", "imul": "*="}


@dataclasses.dataclass(frozen=True)
class Program:
    """Inputs and the steps from them to the outputs, which are the results that no other step uses.

    Called with tensors, it returns its outputs; `run` computes derivatives, too, in autograd_mini or PyTorch; its text
    is Python that does the same.
    """

    inputs: dict[str, Array]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    cotangents: tuple[Array, ...]  # one for each output
    directions: tuple[Array, ...]  # one for each input, of the second derivative

    def __call__(self, *inputs: Any, lib: Any = autograd_mini) -> list[Any]:
        """The outputs for these inputs, tensors of the library."""
        variables: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for step in self.steps:
            variables[step.target] = step.run(lib, variables)
        return [variables[name] for name in self.outputs]

    def tensors(self, lib: Any = autograd_mini) -> list[Any]:
        """The inputs as leaves that require grad."""
        return [tensor_of(array, lib).requires_grad_() for array in self.inputs.values()]

    def run(self, lib: Any = autograd_mini, order: int = 2) -> tuple[list[Any], list[Any], list[Any]]:
        """Outputs, gradients of the inputs for `cotangents`, and for order 2 those of the slope along `directions`."""
        inputs = self.tensors(lib)
        outputs = self(*inputs, lib=lib)
        seeds = [tensor_of(array, lib) for array in self.cotangents]
        first = lib.autograd.grad(outputs, inputs, seeds, create_graph=True, materialize_grads=True)
        slope = sum((g * tensor_of(d, lib)).sum() for g, d in zip(first, self.directions, strict=True))
        if order < 2 or not slope.requires_grad:
            return outputs, list(first), [(0 * x).detach() for x in inputs]
        second = lib.autograd.grad(slope, inputs, materialize_grads=True)
        return outputs, list(first), list(second)

    def __repr__(self) -> str:
        return f"# a program:\n{self}"  # on lines of its own, wherever it is printed

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis would show the fields

    def __str__(self) -> str:
        inputs, outputs = (", ".join(names) for names in (self.inputs, self.outputs))
        seeds, directions = (", ".join(map(_text, arrays)) for arrays in (self.cotangents, self.directions))
        lines = [
            "import autograd_mini as lib  # or: import torch as lib",
            "",
            *(f"{name} = {_text(x)[:-1]}, requires_grad=True)" for name, x in self.inputs.items()),
            *map(str, self.steps),
            f"inputs, outputs = [{inputs}], [{outputs}]",
            f"cotangents = [{seeds}]",
            "first = lib.autograd.grad(outputs, inputs, cotangents, create_graph=True, materialize_grads=True)",
            f"directions = [{directions}]",
            "slope = sum((g * d).sum() for g, d in zip(first, directions))",
            "second = lib.autograd.grad(slope, inputs, materialize_grads=True) if slope.requires_grad else ()",
            "print(outputs, first, second, sep='\\n')",
        ]
        return "\n".join(lines) + "\n"


def tensor_of(array: Array, lib: Any) -> Any:
    """The array as a tensor of the library."""
    return lib.tensor(array.tolist(), dtype=getattr(lib, array.dtype.name))


def _value(arg: Any, lib: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(arg, (tuple, list)):
        return type(arg)(_value(a, lib, variables) for a in arg)
    if isinstance(arg, np.ndarray):
        return tensor_of(arg, lib)
    return variables[arg] if isinstance(arg, Ref) else arg


def _text(arg: Any) -> str:
    if isinstance(arg, np.ndarray):
        return f"lib.tensor({arg.tolist()}, dtype=lib.{arg.dtype.name})"
    if isinstance(arg, list):
        return f"[{', '.join(map(_text, arg))}]"
    if isinstance(arg, tuple):
        return f"({', '.join(map(_text, arg))}{',' * (len(arg) == 1)})"
    return repr(arg)


def _index_text(index: Any) -> str:
    if isinstance(index, tuple) and index:
        return ", ".join(map(_index_text, index)) + "," * (len(index) == 1)
    if isinstance(index, slice):
        start, stop, step = ("" if n is None else str(n) for n in (index.start, index.stop, index.step))
        return f"{start}:{stop}" + (f":{step}" if step else "")
    return "..." if index is Ellipsis else _text(index)
