"""Where data is kept between runs, how it gets there whole, and how to read an .npz without trusting it."""

import math
import os
import sys
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from .. import serialization
from .idx import DataError, check_kind, read_at_most


def cache_dir() -> Path:
    """The folder for what can be had again: $AUTOGRAD_MINI_CACHE, or in this user's cache folder.

    The latter is $XDG_CACHE_HOME or ~/.cache on Linux, ~/Library/Caches on macOS and %LOCALAPPDATA% on
    Windows, with `autograd_mini` in it. The folder need not exist yet.
    """
    if own := os.environ.get("AUTOGRAD_MINI_CACHE"):
        return Path(os.path.expanduser(own))
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # the XDG specification says to ignore a relative one
        base = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base) / "autograd_mini"


def replacing(path: str | os.PathLike[str]) -> AbstractContextManager[IO[bytes]]:
    """`serialization.replacing`, in a folder that is made if need be."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return serialization.replacing(path)


def read_npz(path: str | os.PathLike[str], shapes: Mapping[str, tuple[int, ...]]) -> list[npt.NDArray[np.uint8]]:
    """Read the uint8 arrays of these names and shapes from an .npz file, or raise DataError naming the file.

    Checked before any memory is taken for the data: `np.load` would believe the header.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return [_read_member(archive, name, shape, f"{path}: {name}") for name, shape in shapes.items()]
        except DataError:
            raise
        except Exception as why:  # zipfile, zlib and NumPy have a dozen kinds of error for a damaged file
            raise DataError(f"{path}: not a sound .npz file with {', '.join(shapes)} ({why!r})") from why


def _read_member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], where: str) -> Any:
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise DataError(f"{where}: .npy version {version}, expected (1, 0)")
        found, fortran_order, dtype = np.lib.format.read_array_header_1_0(member)
        check_kind(where, found, dtype, shape, np.uint8)
        count = math.prod(shape)
        data = read_at_most(member, count + 1)
        if len(data) != count or fortran_order:
            raise DataError(f"{where}: {len(data)} bytes or more of data, expected {count} in C order")
        return np.frombuffer(data, np.uint8).reshape(shape)
