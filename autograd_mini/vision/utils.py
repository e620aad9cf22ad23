"""Many images as one, and images as PNG files."""

from __future__ import annotations

import math
import os
import struct
import zlib
from typing import IO, Any

import numpy as np

from ..creation import as_tensor
from ..tensor import Tensor
from .files import replacing


def make_grid(
    tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
    value_range: tuple[float, float] | None = None, scale_each: bool = False, pad_value: float = 0.0
) -> Tensor:
    """Images side by side, `nrow` in a row: (n, channels, height, width), or a list of images, to (3, rows, columns).

    Grey images get three equal channels. padding: pixels of `pad_value` around each. normalize: the range, found or
    `value_range`, is stretched to 0 to 1, image by image if `scale_each`. Raises ValueError for other shapes.

    >>> make_grid(np.ones((5, 1, 4, 4), np.float32), nrow=3).shape
    (3, 14, 20)
    """
    if value_range is not None and not isinstance(value_range, tuple):
        raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
    several = isinstance(tensor, (list, tuple))
    arrays = [t.detach().numpy() if isinstance(t, Tensor) else np.asarray(t) for t in (tensor if several else [tensor])]
    images = np.stack(arrays) if several else arrays[0]
    if images.ndim not in (2, 3, 4):
        raise ValueError(f"images must be (n, channels, height, width), got shape {images.shape}")
    if images.ndim < 4:
        images = images.reshape(1, -1, *images.shape[-2:])
    if images.shape[1] == 1:
        images = images.repeat(3, 1)
    if normalize:
        images = np.stack([_stretch(i, value_range) for i in images]) if scale_each else _stretch(images, value_range)
    n, channels, height, width = images.shape
    if n == 1:
        return as_tensor(images[0])
    columns = min(nrow, n)
    rows, height, width = math.ceil(n / columns), height + padding, width + padding
    grid = np.full((channels, rows * height + padding, columns * width + padding), pad_value, images.dtype)
    for i, image in enumerate(images):
        y, x = i // columns * height + padding, i % columns * width + padding
        grid[:, y : y + height - padding, x : x + width - padding] = image
    return as_tensor(grid)


def _stretch(images: Any, value_range: tuple[float, float] | None) -> Any:
    low, high = value_range or (float(images.min()), float(images.max()))
    return (images.clip(low, high) - low) / max(high - low, 1e-5)


def save_image(tensor: Any, fp: str | os.PathLike[str] | IO[bytes], format: str | None = None, **options: Any) -> None:
    """Write images, values 0.0 to 1.0, as one PNG file; the options are those of `make_grid`.

    Raises ValueError for formats other than PNG.
    """
    kind = format or (os.path.splitext(os.fspath(fp))[1] if isinstance(fp, (str, os.PathLike)) else "png")
    if kind.lower().lstrip(".") != "png":
        raise ValueError(f"save_image writes PNG only, not {kind!r}: name the file .png")
    grid = make_grid(tensor, **options).numpy()
    data = encode_png((grid * 255 + 0.5).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    if isinstance(fp, (str, os.PathLike)):
        with replacing(fp) as file:
            file.write(data)
    else:
        fp.write(data)


def encode_png(image: Any) -> bytes:
    """A PNG file of an image, uint8 (height, width, 3) or (height, width): W3C, "PNG specification", 5 and 11.2."""
    height, width = image.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if image.ndim == 3 else 0, 0, 0, 0)  # 8 bits; RGB or grey
    rows = np.zeros((height, 1 + image[0].size), np.uint8)  # each begins with its filter: 0, none
    rows[:, 1:] = image.reshape(height, -1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
