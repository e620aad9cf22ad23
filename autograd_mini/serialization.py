"""`save` and `load`: tensors, and the dicts, lists, numbers and strings around them, without pickle.

A file is an uncompressed .npz: each tensor one .npy member, which `numpy.load` reads too, and `tree.json`, which says
where they belong. With the suffix .safetensors it is one of those, the same tree in its metadata. What `torch.save`
wrote is read, too. Nothing that a file holds is ever executed, and the memory taken is bounded by the file's length.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import math
import mmap
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

from . import devices
from .dtypes import dtype_of
from .engine import Array, wrap
from .extras import optional
from .tensor import Tensor
from .torch_files import RefusedError, array_of, read_pickle

File = str | os.PathLike[str] | IO[bytes]
TREE = "tree.json"
DEEPEST = 250  # containers in each other; a dict is three levels of JSON
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]')  # of JSON: strings, and what nests
_SIGNATURES = {  # how foreign files begin
    b"\x80": "a bare pickle, which is not read (PyTorch before 1.6 wrote such files: save it there again)",
    b"\x93NUMPY": "a single .npy array: use numpy.load",
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"\x1f\x8b": "a gzip file: unpack it first",
}
_SAFETENSORS = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "I8": "|i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1", "BF16": "bfloat16",
}  # fmt: skip


class LoadError(RuntimeError, ValueError):
    """A file cannot be loaded; the message names it and says what was found."""


def save(obj: Any, f: File) -> None:
    """Write tensors, numbers, strings, None, bools and dicts, lists and tuples of them, as `state_dict()` returns.

    f: a path, or a file open for writing in binary. A file appears whole or not at all, and the same content gives the
    same bytes. Parameters are saved as plain tensors, arrays come back as tensors. The suffix .safetensors chooses that
    format and needs `pip install "autograd_mini[safetensors]"`; any other suffix means the package's own.
    Raises TypeError, naming the place, for what cannot be saved, ValueError for more than 250 containers in each other.

    >>> import tempfile, autograd_mini as am
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"weight": am.ones(2), "epoch": 3}, f"{folder}/model.pt")
    ...     load(f"{folder}/model.pt")
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    arrays: dict[str, Array] = {}
    tree = json.dumps(_tree(obj, "", arrays))
    if isinstance(f, (str, os.PathLike)):
        write = _write_safetensors if os.fspath(f).endswith(".safetensors") else _write_npz
        with replacing(f) as file:
            write(file, tree, arrays)
    else:
        _write_npz(f, tree, arrays)


def load(f: File, map_location: Any = None, *, weights_only: bool = True, mmap: bool = False) -> Any:
    """What `save` wrote, or the tensors of an .npz, a .safetensors file or one of `torch.save`, whatever its suffix.

    f: a path, or a file open for reading in binary. map_location: "cpu" or None. weights_only=False finds nothing more.
    mmap: the tensors of the file at this path are mapped, and each page is read when it is first touched; a tensor can
    be written to, which changes its copy in memory and never the file. As nothing is read, no checksum is: what was
    damaged inside of a tensor goes unnoticed. What lies askew in the file, as in NumPy's own .npz, is copied. The file
    must not be changed in place meanwhile; `save` does not.
    Of PyTorch's files, bfloat16 becomes float32, parameters plain tensors, and what was on a GPU comes to the CPU; what
    is not a tensor, number, string or container is refused by name.
    Raises LoadError for a file that is damaged or something else.
    """
    if isinstance(map_location, Mapping) or callable(map_location):
        raise NotImplementedError("map_location must be None or a device: tensors live on the CPU")
    devices.check(map_location)
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as file:
            return _read(file, os.fspath(f), mmap)
    if not (hasattr(f, "read") and hasattr(f, "seek")):
        raise TypeError(f"load: expected a path, or a file open for reading in binary, but got {f!r}")
    if mmap:
        raise ValueError("f must be a file path in order to use the mmap argument")
    return _read(f, str(getattr(f, "name", "the stream")), mmap)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A new file beside `path` to write to; takes its place, safe on disk, at the end; is removed if anything fails."""
    target = os.path.realpath(path)  # the file itself, not a link to it
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    for i in itertools.count(os.getpid()):
        beside = os.path.join(folder, f".{name}.{i}.tmp")
        with contextlib.suppress(FileExistsError):
            file = open(beside, "xb")  # noqa: SIM115 - closed below, before it is renamed
            break
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise


# ---------------------------------------------------------------------------------------------------- the tree


def _tree(obj: Any, place: str, arrays: dict[str, Array], depth: int = 0) -> Any:
    """`obj` as JSON, its tensors moved to `arrays`: a list stays a list, whatever else it lacks says what it is."""
    if depth > DEEPEST:
        raise ValueError(f"cannot save {place:.40}…: more than {DEEPEST} dicts, lists and tuples in each other")
    if isinstance(obj, np.generic) and obj.dtype.kind in "fiub":
        return obj.item()
    if isinstance(obj, (Tensor, np.ndarray)):
        array = np.asarray(devices.to_host(obj._array) if isinstance(obj, Tensor) else obj, order="C")
        if array.dtype.kind not in "fiub" or not array.dtype.isnative:
            raise TypeError(f"cannot save {place or 'an array'}: its dtype is {array.dtype}")
        name = re.sub(r"[^\w./-]", "_", place) or "tensor"
        while name in arrays or name == "__metadata__":  # which safetensors keeps for itself
            name += "_"
        arrays[name] = array
        return {"tensor": name}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return obj
    if isinstance(obj, Mapping):
        if odd := [key for key in obj if not isinstance(key, (str, int, float, bool, type(None)))]:
            raise TypeError(f"cannot save {place or 'the dict'}: its key {odd[0]!r} is a {type(odd[0]).__name__}")
        return {"dict": [[key, _tree(value, _below(place, key), arrays, depth + 1)] for key, value in obj.items()]}
    if isinstance(obj, (list, tuple)):
        items = [_tree(item, _below(place, i), arrays, depth + 1) for i, item in enumerate(obj)]
        return items if isinstance(obj, list) else {"tuple": items}
    raise TypeError(
        f"cannot save {place or 'this'}, a {type(obj).__name__}: only tensors, numbers, strings, None, bools, and"
        " dicts, lists and tuples of them; of a module or an optimizer, save its state_dict()"
    )


def _shallow(text: bytes) -> bytes:
    """The same JSON text, unless it is nested so deeply that Python's parser could overflow the stack.

    It calls itself in C for each level, and where the recursion limit was raised nothing stops it.
    """
    depth = 0
    for token in _TOKENS.finditer(text):
        what = text[token.start()]
        depth += (what in b"[{") - (what in b"]}")
        if depth > 3 * DEEPEST + 3:
            raise ValueError(f"JSON that is nested more than {3 * DEEPEST} levels deep")
    return text


def _below(place: str, key: Any) -> str:
    return f"{place}/{key}" if place else str(key)


def _object(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """The inverse of `_tree`."""
    if isinstance(tree, list):
        return [_object(item, arrays) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, value),) = tree.items()
    if kind == "tensor":
        return wrap(arrays[value])
    if kind == "tuple":
        return tuple(_object(item, arrays) for item in value)
    if kind == "dict":
        return {key: _object(item, arrays) for key, item in value}
    raise ValueError(f"the tree has a {kind!r}, which is unknown")


# ------------------------------------------------------------------------------------------------- the two formats


def _write_npz(file: IO[bytes], tree: str, arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(_member(TREE), tree)
        for name, array in arrays.items():
            large = array.nbytes > 2**30  # whose sizes take 20 bytes more in front of it
            member = _member(name + ".npy", at=archive.start_dir + 20 * large)
            with archive.open(member, "w", force_zip64=large) as stream:
                np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)


def _member(name: str, at: int | None = None) -> zipfile.ZipInfo:
    """Of no particular time or system; at: where it begins, to be filled so that its content lies at a multiple of 64,
    for `mmap`, by zip's field for that (0xD935: the alignment, then zeros)."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system = 3
    if at is not None:
        fill = -(at + 30 + len(name.encode()) + 6) % 64
        info.extra = struct.pack("<HHH", 0xD935, 2 + fill, 64) + bytes(fill)
    return info


def _write_safetensors(file: IO[bytes], tree: str, arrays: Mapping[str, Array]) -> None:
    metadata = {"autograd_mini": json.dumps({"tree": tree, "crc32": _checksum(tree, arrays)})}
    library = optional("safetensors.numpy", "safetensors", "writing .safetensors needs")
    file.write(library.save(dict(arrays), metadata))


def _checksum(tree: str, arrays: Mapping[str, Array]) -> int:
    """Of everything: a .safetensors file has none of its own."""
    checksum = zlib.crc32(tree.encode())
    for name, array in sorted(arrays.items()):
        checksum = zlib.crc32(array, zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum))
    return checksum


def _read(file: IO[bytes], name: str, mapped: bool) -> Any:
    """Find out what the file is, read all of it, check it, and put the tensors where they belong."""
    start = file.tell()
    head = file.read(9)
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)
    if not head.startswith(b"PK") and head[8:] != b"{":
        found = [what for begin, what in _SIGNATURES.items() if head.startswith(begin)]
        found.append(f"a file that begins {head!r}" if head else "an empty file")
        raise LoadError(f"{name}: expected what save() wrote, found {found[0]}")
    try:
        pages = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)) if mapped else None
        if head.startswith(b"PK"):
            return _read_zip(file, size, pages)
        return _read_safetensors(memoryview(file.read()) if pages is None else pages, copy=pages is None)
    except RefusedError as error:
        raise LoadError(f"{name}: {error}") from error
    except Exception as error:  # zipfile, struct, json and NumPy have a dozen kinds for damage
        raise LoadError(f"{name}: damaged, or not what save() writes: {error or type(error).__name__}") from error


def _read_zip(file: IO[bytes], size: int, pages: memoryview | None) -> Any:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if not members and size > 22:  # an archive of nothing ends there
            raise ValueError("a directory of nothing in front of its end")
        if any(m.compress_type != zipfile.ZIP_STORED for m in members):
            raise ValueError("compressed members; save() and numpy.savez write none")
        if sum(m.file_size for m in members) > size:
            raise ValueError(f"members of {sum(m.file_size for m in members)} bytes in a file of {size}")
        if programs := [name for name in archive.namelist() if name.endswith("/data.pkl")]:
            folder = programs[0].removesuffix("data.pkl")
            order = folder + "byteorder"
            if order in archive.namelist() and archive.read(order) != b"little":
                raise RefusedError("refuses numbers in big-endian order: save them on a machine of the usual order")
            return read_pickle(archive.read(programs[0]), lambda key: _content(archive, f"{folder}data/{key}", pages))
        names = [m.filename for m in members if m.filename.endswith(".npy")]
        if len(names) + (TREE in archive.namelist()) != len(members):
            raise ValueError(f"members other than arrays: {', '.join(archive.namelist()[:5])}")
        arrays = {name[:-4]: _array(_content(archive, name, pages)) for name in names}
        if TREE not in archive.namelist():
            return {name: wrap(array) for name, array in arrays.items()}
        return _object(json.loads(_shallow(archive.read(TREE))), arrays)


def _content(archive: zipfile.ZipFile, name: str, pages: memoryview | None) -> memoryview:
    """The bytes of a member, to be written to: read and checked, or a part of the pages of the file."""
    if pages is None:
        return memoryview(bytearray(archive.read(name)))
    member = archive.getinfo(name)
    signature, *_, name_size, extra_size = struct.unpack_from("<4s22xHH", pages, member.header_offset)
    start = member.header_offset + 30 + name_size + extra_size
    if signature != b"PK\3\4" or start + member.file_size > len(pages):
        raise ValueError(f"{name} is not where the directory says")
    return pages[start : start + member.file_size]


def _array(data: memoryview) -> Array:
    """The array in the bytes of an .npy file: those very bytes, unless their order or place is not as usual."""
    stream = io.BytesIO(data[: 2**16])  # a header is shorter, or refused by NumPy
    major, _ = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream)
    native = dtype_of(dtype.newbyteorder("="))
    if math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"{dtype} {shape} announced for {len(data) - stream.tell()} bytes")
    array: Array = np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran else "C")
    return array.astype(native, order="C", copy=not array.flags.aligned)


def _read_safetensors(data: memoryview, copy: bool) -> Any:
    """Eight bytes with the length of a JSON text, that text, and the arrays, one after the other."""
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError(f"a header of {start} bytes in a file of {len(data)}")
    header = json.loads(_shallow(bytes(data[8:start])))
    metadata = header.pop("__metadata__", {})
    if unknown := {entry["dtype"] for entry in header.values()} - _SAFETENSORS.keys():
        raise RefusedError(f"refuses dtype {min(unknown)}, of which there are no tensors here")
    if sum(end - begin for begin, end in (entry["data_offsets"] for entry in header.values())) != len(data) - start:
        raise ValueError("the arrays do not fill the file")
    arrays: dict[str, Array] = {}
    for name, entry in sorted(header.items()):
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end:
            raise ValueError(f"{name} is at {begin} to {end}")
        array = array_of(data[start + begin : start + end], _SAFETENSORS[entry["dtype"]], tuple(entry["shape"]))
        arrays[name] = array.copy() if copy or not array.flags.aligned else array
    if "autograd_mini" not in metadata:
        return {name: wrap(array) for name, array in arrays.items()}
    known = json.loads(_shallow(metadata["autograd_mini"].encode()))
    if copy and _checksum(known["tree"], arrays) != known["crc32"]:
        raise ValueError("its checksum is wrong")
    return _object(json.loads(_shallow(known["tree"].encode())), arrays)
