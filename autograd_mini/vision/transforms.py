"""From an image to a tensor: transforms that are called one after the other.

An image is uint8, (height, width) or (height, width, channels), as an ndarray or anything that NumPy takes for one (a
Pillow image, for one); a tensor is (…, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..creation import as_tensor, tensor
from ..dtypes import get_default_dtype
from ..rules.shape import pad
from ..tensor import Tensor


class Compose:
    """One transform after the other.

    >>> Compose([ToTensor(), Normalize(0.5, 0.5)])(np.array([[0, 255]], np.uint8))
    tensor([[[-1.,  1.]]])
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "Compose(\n" + "".join(f"    {transform}\n" for transform in self.transforms) + ")"


class ToTensor:
    """An image as a tensor, channels first; uint8 0 to 255 becomes 0.0 to 1.0, other dtypes keep their values."""

    def __call__(self, pic: Any) -> Tensor:
        if isinstance(pic, Tensor):
            raise TypeError("pic should be PIL Image or ndarray. Got a Tensor")
        array = np.asarray(pic)
        if array.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
        array = array.transpose(2, 0, 1) if array.ndim == 3 else array[None]
        if array.dtype != np.uint8:
            return as_tensor(np.ascontiguousarray(array))
        return as_tensor(np.divide(array, 255, dtype=get_default_dtype()))

    def __repr__(self) -> str:
        return "ToTensor()"


class Normalize:
    """(x - mean) / std, one mean and std per channel, or one for all.

    Raises ValueError where a std is 0, TypeError for integers.
    """

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        self.mean, self.std, self.inplace = mean, std, inplace
        self._tensors: dict[Any, tuple[Tensor, Tensor]] = {}  # mean and std by dtype: made once, not for each image

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor):
            raise TypeError(f"img should be Tensor Image. Got {type(img)}")
        if img.dtype.kind != "f":
            raise TypeError(f"Input tensor should be a float tensor. Got {img.dtype}.")
        if img.ndim < 3:
            raise ValueError(
                f"Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = {img.shape}"
            )
        if img.dtype.char not in self._tensors:
            mean, std = (tensor(np.reshape(values, (-1, 1, 1)), dtype=img.dtype) for values in (self.mean, self.std))
            if not std.all():
                raise ValueError(f"std evaluated to zero after conversion to {img.dtype}, leading to division by zero.")
            self._tensors[img.dtype.char] = mean, std
        mean, std = self._tensors[img.dtype.char]
        if self.inplace:
            return img.sub_(mean).div_(std)  # type: ignore[no-any-return]
        return (img - mean) / std  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"Normalize(mean={self.mean}, std={self.std})"


class Lambda:
    """Any function as a transform."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class CenterCrop:
    """The middle of a tensor image, (height, width) or a square; zeros around an image that is smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        sizes = [size] if isinstance(size, int) else list(size)
        self.size = (sizes[0], sizes[-1])

    def __call__(self, img: Tensor) -> Tensor:
        if not isinstance(img, Tensor):
            raise TypeError(f"CenterCrop takes tensors here: put ToTensor() before it. Got {type(img)}")
        padded = [max(want - have, 0) for want, have in zip(self.size, img.shape[-2:], strict=True)]
        if any(padded):
            (top, left), (bottom, right) = ([n // 2 for n in padded], [(n + 1) // 2 for n in padded])
            img = pad(img, (left, right, top, bottom))
        y, x = (round((have - want) / 2) for want, have in zip(self.size, img.shape[-2:], strict=True))
        return img[..., y : y + self.size[0], x : x + self.size[1]]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"CenterCrop(size={self.size})"
