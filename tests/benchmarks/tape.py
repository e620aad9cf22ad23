"""The smallest tape that differentiates these chains, as one writes it by hand: no modes, no checks, two operations.

It is what an engine in Python cannot go below: a value, a closure per operation, a list walked backward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Tape:
    """Remembers what to do on the way back, one closure for each operation."""

    def __init__(self) -> None:
        self.backward_steps: list[Callable[[], None]] = []

    def backward(self, last: Value, gradient: Any) -> None:
        last.grad = gradient
        while self.backward_steps:
            self.backward_steps.pop()()


class Value:
    """A number or an array, and the sum of the gradients that reached it."""

    __slots__ = ("data", "grad", "tape")

    def __init__(self, data: Any, tape: Tape) -> None:
        self.data, self.tape, self.grad = data, tape, None

    def __add__(self, other: Value) -> Value:
        out = Value(self.data + other.data, self.tape)

        def back() -> None:
            g = out.grad
            self.grad = g if self.grad is None else self.grad + g
            other.grad = g if other.grad is None else other.grad + g
            out.grad = None

        self.tape.backward_steps.append(back)
        return out

    def __mul__(self, other: Value) -> Value:
        out = Value(self.data * other.data, self.tape)

        def back() -> None:
            g = out.grad
            to_self, to_other = g * other.data, g * self.data
            self.grad = to_self if self.grad is None else self.grad + to_self
            other.grad = to_other if other.grad is None else other.grad + to_other
            out.grad = None

        self.tape.backward_steps.append(back)
        return out
