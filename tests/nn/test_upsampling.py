"""`interpolate` and `Upsample` beside PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
from nn.beside_torch import LIBRARIES, check, numbers, same, same_error

import autograd_mini as am

SIZES: list[dict[str, Any]] = [
    {"size": 7}, {"size": 3}, {"size": 1}, {"scale_factor": 2}, {"scale_factor": 1.7}, {"scale_factor": 0.6},
]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "bilinear", "area"])
def test_interpolate(mode: str, size: dict[str, Any]) -> None:
    for shape in ((2, 3, 5), (2, 3, 5, 4)):
        if mode in ("linear", "bilinear") and (mode == "linear") != (len(shape) == 3):
            continue
        for corners in (None, False, True) if "linear" in mode else (None,):
            options = {**size, "mode": mode, "align_corners": corners}
            same(lambda lib, x, o=options: lib.nn.functional.interpolate(x[0], **o), numbers(shape))


def test_one_size_or_factor_for_each_axis() -> None:
    for options in ({"size": (3, 9)}, {"scale_factor": (2.0, 0.5)}):
        same(lambda lib, x, o=options: lib.nn.functional.interpolate(x[0], **o), numbers((1, 2, 5, 4)))


def test_upsample() -> None:
    check(lambda lib: lib.nn.Sequential(lib.nn.Upsample(scale_factor=2), lib.nn.Conv2d(2, 3, 3)), numbers((2, 2, 4, 5)))
    check(lambda lib: lib.nn.Upsample((3, 7), mode="bilinear", align_corners=True), numbers((2, 2, 4, 5)))
    check(lambda lib: lib.nn.Upsample(scale_factor=(2, 3)), numbers((2, 2, 4, 5)))


def test_what_is_refused() -> None:
    image = numbers((1, 1, 4, 4))
    same_error(lambda lib: lib.nn.functional.interpolate(lib.tensor(image)), "only one of size or scale_factor")
    same_error(lambda lib: lib.nn.functional.interpolate(lib.tensor(image), 2, 2.0), "only one of size or scale_factor")
    same_error(lambda lib: lib.nn.functional.interpolate(lib.tensor(image), (2, 2, 2)), "expected 2 sizes")
    same_error(lambda lib: lib.nn.functional.interpolate(lib.tensor(image), 2, align_corners=True), "align_corners")
    same_error(lambda lib: lib.nn.functional.interpolate(lib.tensor(image), 2, mode="linear"), "no mode 'linear'")
    with pytest.raises(NotImplementedError, match="no mode 'bicubic'"):
        am.nn.functional.interpolate(am.tensor(image), 2, mode="bicubic")


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear"])
def test_sizes_that_leave_nothing_are_refused(mode: str) -> None:
    for options in ({"size": 0}, {"size": -1}, {"scale_factor": 0.1}, {"scale_factor": -0.5}):
        for lib in LIBRARIES:
            with pytest.raises(RuntimeError, match="Input and output sizes should be greater than 0"):
                lib.nn.functional.interpolate(lib.ones(1, 1, 4), mode=mode, **options)
    for lib in LIBRARIES:
        with pytest.raises(RuntimeError, match="Input and output sizes should be greater than 0"):
            lib.nn.functional.interpolate(lib.ones(1, 1, 0), size=2, mode=mode)
        with pytest.raises(TypeError):
            lib.nn.functional.interpolate(lib.ones(1, 1, 4), size=2.5, mode=mode)
        assert tuple(lib.nn.functional.interpolate(lib.ones(0, 1, 4), size=2, mode=mode).shape) == (0, 1, 2)
