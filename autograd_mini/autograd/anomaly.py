"""Anomaly detection: the first NaN or infinity, and a kept value that was overwritten, name where they were made."""

from __future__ import annotations

import linecache
import os
import sys
import zlib
from types import FrameType
from typing import Any

import numpy as np

from ..engine import Array, Extra, Node, TensorCore, extra_of
from ..modes import ModeSwitch, Watcher, current_mode
from ..writes import describe, recorded_at

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class detect_anomaly(ModeSwitch):
    """Inside, the first NaN or infinity is an error that names its operation and the user's source line that ran it.

    Checks the value of every recorded operation, and every gradient in backward, also in one that is recorded in its
    turn; slower, so only for hunting. A checksum of every value that is kept for backward notices, too, when it was
    changed through an ndarray that shares its memory, which no tensor knows of.
    NumPy's own warnings are silent meanwhile. check_nan=False checks nothing.

    >>> import autograd_mini as am
    >>> x = am.tensor([0.0, 4.0], requires_grad=True)
    >>> with detect_anomaly():
    ...     x.sqrt().sum().backward()
    Traceback (most recent call last):
        ...
    RuntimeError: Function 'SqrtBackward' returned inf at index (0,) in the gradient of its input 0 ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__()
        self._check_nan = check_nan

    def clone(self) -> detect_anomaly:
        """Another one like it, as each call of a decorated function needs."""
        return detect_anomaly(self._check_nan)

    def __enter__(self) -> None:
        silence = np.errstate(divide="ignore", invalid="ignore", over="ignore")
        self._enter({"watch": _watch(self._check_nan)}, silence)
        silence.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._leave().__exit__(*error)


class set_detect_anomaly(ModeSwitch):
    """Anomaly detection on or off, from the call on; as a context manager until the block ends.

    >>> with set_detect_anomaly(True):
    ...     pass
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(watch=_watch(mode and check_nan))
        super().__enter__()

    def __enter__(self) -> None:
        pass  # already done by the call


def _watch(check: bool) -> Watcher | None:
    outer = current_mode().watch
    outer = outer.outer if isinstance(outer, _Anomaly) else outer
    return _Anomaly(outer) if check else outer


class _Anomaly:
    """The watcher behind `detect_anomaly`; shows what it sees to the watcher that was there before, too."""

    def __init__(self, outer: Watcher | None) -> None:
        self.outer = outer
        self.unclaimed: list[Extra] = []  # of nodes recorded by a rule that has not returned yet

    def forward(self, node: Node, out: Array, inputs: tuple[Any, ...]) -> None:
        if self.outer is not None:
            self.outer.forward(node, out, inputs)
        extra = extra_of(node)
        extra.where = f"{_user_line()}{f' (module {node.mode.scope})' if node.mode.scope else ''}"
        extra.prints = _fingerprints(node)
        assert node.primitive is not None
        if node.mode.order:  # a step within a rule, whose result `backward` will be shown
            self.unclaimed.append(extra)
        elif bad := _first_bad(out):
            arrays = inputs[0] if node.primitive.variadic else inputs[: len(node.parents)]
            given = ", ".join(describe(x) for x in arrays)
            raise RuntimeError(f"{node.primitive.name} returned {bad}, from inputs {given}\n  {_where(node)}")

    def backward(self, node: Node | None, i: int, gradient: Array) -> None:
        if self.outer is not None:
            self.outer.backward(node, i, gradient)
        if node is not None:
            _check_fingerprints(node)
        if bad := _first_bad(gradient):
            what = "backward() was given" if node is None else f"Function '{node.name}' returned"
            shape = f" ({describe(gradient)})" if node is not None else ""
            raise RuntimeError(f"{what} {bad} in the gradient of its input {i}{shape}\n  {_where(node)}")
        for step in self.unclaimed if node is not None else ():
            step.where += f"\n  to differentiate {node.name}, of\n  {_where(node)}"  # type: ignore[union-attr]
        self.unclaimed.clear()


def _kept_arrays(node: Node) -> list[tuple[str, Array]]:
    """What this node keeps for its rules, by the names that they ask for."""
    assert node.primitive is not None
    pairs = zip(node.primitive.asked, node.kept, strict=True) if type(node.kept) is tuple else ()
    lists = [(name, value if isinstance(value, tuple) else (value,)) for name, value in pairs]
    return [(name, array) for name, arrays in lists for array in arrays if isinstance(array, np.ndarray)]


def _fingerprints(node: Node) -> list[int]:
    return [zlib.crc32(np.ascontiguousarray(array).data) for _, array in _kept_arrays(node)]


def _check_fingerprints(node: Node) -> None:
    """Raise if a value that this node keeps is another now than it was when the operation ran."""
    then = node.extra.prints if node.extra is not None else []
    for (name, array), old, new in zip(_kept_arrays(node), then, _fingerprints(node) if then else (), strict=False):
        if old != new:
            raise RuntimeError(
                f"a value needed for gradient computation was changed, and by no tensor: {name!r} ({describe(array)})"
                f" of {node!r} is not what it was in the forward pass. An ndarray that shares its memory was written,"
                f" one that came from .numpy() or that a tensor was made of: write into a copy.{recorded_at(node)}"
            )


def _where(node: Node | None) -> str:
    if node is None:
        return _user_line()
    return (node.extra.where if node.extra is not None else "") or "recorded before detect_anomaly was on"


def _first_bad(array: Array) -> str | None:
    values = np.asarray(array._array if isinstance(array, TensorCore) else array)
    if values.dtype.kind != "f" or np.isfinite(values).all():
        return None
    place = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
    return f"{values[place]} at index {tuple(int(i) for i in place)}"


def _user_line() -> str:
    """The innermost line that runs now and is not this package's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is None:
        return "an unknown line"
    file, number, code = frame.f_code.co_filename, frame.f_lineno, frame.f_code
    line = linecache.getline(file, number, frame.f_globals).strip()
    return f'File "{file}", line {number}, in {code.co_qualname}: {line}'
