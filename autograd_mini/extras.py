"""Optional packages, imported where they are used."""

import importlib
from typing import Any


def optional(module: str, extra: str, purpose: str) -> Any:
    """The module; without it an ImportError that says for what, and by which extra, it is installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f'{purpose}: pip install "autograd_mini[{extra}]"') from error
