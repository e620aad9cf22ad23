"""The public API is what public_api.txt lists: each name with its signature. A change shows there, or fails here.

`PYTHONPATH=. python tests/test_public_api.py` writes the list anew: read the difference as a user would.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from autograd_mini.compat import Absent

LIST = Path(__file__).with_name("public_api.txt")
PARTS = (
    "", "autograd", "autograd.functional", "func", "linalg", "distributions", "nn", "nn.functional", "nn.init",
    "nn.utils", "optim", "optim.lr_scheduler", "utils.data", "utils.checkpoint", "serialization", "training",
    "testing", "draw", "vision", "vision.datasets", "vision.transforms", "vision.utils",
)  # fmt: skip
METHODS_OF = "Tensor", "Module", "Optimizer", "LRScheduler", "DataLoader", "Trainer", "Graph", "Generator", "Function"


def names_of(module: ModuleType) -> set[str]:
    """`__all__`, or what was defined in this very module; and what the package shows without a star."""
    made_here = {n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    names = set(getattr(module, "__all__", made_here))
    if module.__name__ == "autograd_mini":
        from autograd_mini import compat
        from autograd_mini.primitive import OPERATIONS

        constants = {n for n, v in vars(module).items() if not isinstance(v, ModuleType)}
        names |= constants | {n for n, f in OPERATIONS.items() if f.__module__.startswith("autograd_mini.")}
        names |= set(compat.__all__)
    return {n for n in names if not n.startswith("_") and n not in ("annotations", "Any")}


def described(value: Any) -> str:
    """'(x, *, axis=None)' for what is called, '= 3.14' for a number, the type for other things."""
    if isinstance(value, (bool, int, float, str)):
        return f" = {value!r}"
    if getattr(value, "__module__", "").split(".")[0] == "numpy":
        return ": NumPy's own"
    if not isinstance(value, type) and isinstance(getattr(value, "any_name_at_all", None), Absent):
        return ": what it has not, an error says"
    primitive = None if isinstance(value, Absent) else getattr(value, "primitive", None)
    if primitive is not None:
        missing, given = inspect.Parameter.empty, primitive.options.items()
        options = [name if default is missing else f"{name}={plain(default)}" for name, default in given]
        inputs = ["*" + primitive.inputs[0]] if primitive.variadic else list(primitive.inputs)
        return f"({', '.join([*inputs, *(['*'] if options and not primitive.variadic else []), *options])})"
    if not callable(value):
        return f": {type(value).__name__}"
    if typing.get_origin(value) is not None:  # a type, whose signature differs between versions of Python
        return "(…)"
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return "(…)"
    shown = [p.replace(annotation=inspect.Parameter.empty) for p in parameters if p.name != "self"]
    return plain(inspect.Signature(shown))


def plain(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", str(value) if isinstance(value, inspect.Signature) else repr(value))


def listed() -> Iterator[str]:
    for part in PARTS:
        module = importlib.import_module(f"autograd_mini.{part}".rstrip("."))
        for name in sorted(names_of(module)):
            value = getattr(module, name)
            if isinstance(value, ModuleType):
                continue
            path = ".".join(filter(None, (part, name)))
            yield f"{path}{described(value)}"
            if isinstance(value, type) and name in METHODS_OF:
                yield from methods(path, value)


def methods(path: str, kind: type) -> Iterator[str]:
    for name in sorted(n for n in dir(kind) if not n.startswith("_")):
        value = inspect.getattr_static(kind, name)
        value = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
        made_by = value.func if isinstance(value, functools.cached_property) else value  # its own module since 3.13
        if not getattr(made_by, "__module__", "autograd_mini").startswith("autograd_mini"):
            continue  # a user's operation, of a test
        yield f"{path}.{name}{described(value) if callable(value) else ''}"


def fresh() -> str:
    """The list as a process of its own makes it, without what other tests have declared or loaded."""
    run = subprocess.run([sys.executable, __file__, "--print"], capture_output=True, cwd=LIST.parent.parent, check=True)
    return run.stdout.decode()


def test_the_public_api_is_the_one_that_is_listed() -> None:
    now, then = fresh().splitlines(), LIST.read_text(encoding="utf-8").splitlines()
    added, gone = sorted(set(now) - set(then)), sorted(set(then) - set(now))
    assert not added and not gone, f"added or changed: {added}; gone or changed: {gone}"
    assert len(now) > 1000


if __name__ == "__main__":
    sys.path.insert(0, str(LIST.parent.parent))
    text = "".join(f"{line}\n" for line in dict.fromkeys(listed()))
    if "--print" in sys.argv:
        sys.stdout.buffer.write(text.encode())
    else:
        LIST.write_text(text, encoding="utf-8")
