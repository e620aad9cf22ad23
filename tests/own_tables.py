"""The tables of operations, given back as they were: for tests that register operations of a user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from autograd_mini.primitive import NUMPY, OPERATIONS, PRIMITIVES
from autograd_mini.tensor import Tensor


@contextlib.contextmanager
def own_tables() -> Iterator[None]:
    """What is registered inside is gone after it, the methods of `Tensor` too."""
    tables = (PRIMITIVES, OPERATIONS, NUMPY)
    before, methods = [dict(table) for table in tables], set(vars(Tensor))
    try:
        yield
    finally:
        for table, copy in zip(tables, before, strict=True):
            table.clear()
            table.update(copy)
        for name in set(vars(Tensor)) - methods:
            delattr(Tensor, name)
