"""IDX, the file format of MNIST, plain or packed by gzip, read strictly.

Two zero bytes, a type code, the number of dimensions, each dimension as a big-endian 32-bit integer, then the
values, big-endian (LeCun, Cortes and Burges, "The MNIST database", 1998).
"""

import gzip
import math
import os
import zlib
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
Array = npt.NDArray[Any]


class DataError(ValueError):
    """A data file is not what it should be; the message names it, what was found and what was expected."""


def read_idx(
    file: str | os.PathLike[str] | IO[bytes], shape: tuple[int, ...] | None = None, dtype: npt.DTypeLike | None = None,
    *, name: str = "stream", max_bytes: int = 2**30
) -> Array:
    """Read one IDX file, or a seekable binary stream that errors shall call `name`, into a new array.

    Raises DataError where the file is damaged, truncated or longer than its header says, holds another
    `shape` or `dtype` than asked for, or more than `max_bytes`. Takes no more memory than there is data.

    >>> import io
    >>> read_idx(io.BytesIO(encode_idx(np.arange(6).reshape(2, 3).astype(np.int16))))
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int16)
    """
    if not isinstance(file, (str, os.PathLike)):
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if packed else file
        try:
            return _parse(stream, shape, dtype, name, max_bytes)
        except (EOFError, gzip.BadGzipFile, zlib.error) as why:
            raise DataError(f"{name}: damaged gzip file ({why}), expected a whole IDX file") from why
    with open(file, "rb") as stream:
        return read_idx(stream, shape, dtype, name=os.fspath(file), max_bytes=max_bytes)


def _parse(
    stream: IO[bytes], shape: tuple[int, ...] | None, dtype: npt.DTypeLike | None, name: str, max_bytes: int
) -> Array:
    magic = bytes(read_at_most(stream, 4))
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] > 32:
        raise DataError(f"{name}: not an IDX file: begins with {magic!r}, expected 00 00, type, dimensions")
    code = np.dtype(TYPES[magic[2]])
    sizes = read_at_most(stream, 4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{name}: header truncated: {4 + len(sizes)} bytes, expected {4 + 4 * magic[3]}")
    found = tuple(np.frombuffer(sizes, ">u4").tolist())
    check_kind(name, found, code.newbyteorder("="), shape, dtype)
    # An empty dimension must not hide that NumPy cannot hold the others.
    nbytes = code.itemsize * math.prod(found)
    if code.itemsize * math.prod(max(size, 1) for size in found) > max_bytes:
        raise DataError(f"{name}: header says shape {found}, {nbytes} bytes; expected at most {max_bytes}")
    data = read_at_most(stream, nbytes + 1)
    if len(data) != nbytes:
        what = "truncated" if len(data) < nbytes else "too long"
        raise DataError(f"{name}: {what}: found {len(data)} bytes of data, expected {nbytes} for shape {found}")
    return np.frombuffer(data, code).reshape(found).astype(code.newbyteorder("="), copy=False)


def read_at_most(stream: IO[bytes], count: int) -> bytearray:
    """Up to `count` bytes, piece by piece: a header that promises too much costs no memory."""
    data = bytearray()
    while len(data) < count and (piece := stream.read(min(count - len(data), 2**20))):
        data += piece
    return data


def check_kind(
    name: str, found: tuple[int, ...], found_dtype: np.dtype[Any], shape: tuple[int, ...] | None,
    dtype: npt.DTypeLike | None
) -> None:
    """Raise DataError unless shape and dtype are those expected; None expects nothing."""
    expected = found if shape is None else shape
    expected_dtype = found_dtype if dtype is None else np.dtype(dtype)
    if found != expected or found_dtype != expected_dtype:
        raise DataError(f"{name}: holds {found_dtype} of shape {found}, expected {expected_dtype} of shape {expected}")


def encode_idx(array: Array) -> bytes:
    """The IDX file, not packed, that holds `array`; raises DataError for a dtype that IDX does not know."""
    big = np.asarray(array, dtype=array.dtype.newbyteorder(">"))
    for code, kind in TYPES.items():
        if big.dtype == np.dtype(kind):
            return bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes() + big.tobytes()
    raise DataError(f"IDX cannot hold {array.dtype}; expected uint8, int8, int16, int32, float32 or float64")
