"""Transforms, image grids and PNG files, against what torchvision's documentation says and Pillow reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.vision import transforms
from autograd_mini.vision.utils import encode_png, make_grid, save_image

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("shape", "expected"), [((5, 7), (1, 5, 7)), ((5, 7, 3), (3, 5, 7)), ((5, 7, 1), (1, 5, 7))])
def test_to_tensor(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    image = RNG.integers(0, 256, shape).astype(np.uint8)
    tensor = transforms.ToTensor()(image)
    assert tensor.shape == expected and tensor.dtype == "float32"
    np.testing.assert_array_equal(np.rint(tensor.numpy() * 255).transpose(1, 2, 0).reshape(shape), image)
    assert transforms.ToTensor()(np.full((1, 1), 255, np.uint8)).item() == 1.0
    floats = transforms.ToTensor()(image.astype(np.float64))
    assert floats.dtype == "float64" and floats.numpy().max() == image.max()


def test_to_tensor_takes_a_pillow_image() -> None:
    pil = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(
        transforms.ToTensor()(pil.fromarray(image)).numpy(), transforms.ToTensor()(image).numpy()
    )


def test_to_tensor_refuses() -> None:
    with pytest.raises(ValueError, match=r"should be 2/3 dimensional. Got 1 dimensions"):
        transforms.ToTensor()(np.ones(3))
    with pytest.raises(TypeError, match="Got a Tensor"):
        transforms.ToTensor()(am.ones(1, 2, 2))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_normalize(inplace: bool, batch: tuple[int, ...]) -> None:
    image = am.tensor(RNG.random((*batch, 3, 2, 2)))
    before = image.numpy().copy()
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([1.0, 2.0, 4.0])
    result = transforms.Normalize(mean.tolist(), tuple(std), inplace=inplace)(image)
    np.testing.assert_allclose(result.numpy(), (before - mean[:, None, None]) / std[:, None, None])
    assert (result is image) == inplace
    assert inplace or np.array_equal(image.numpy(), before)


def test_normalize_refuses() -> None:
    normalize = transforms.Normalize((0.5,), (0.5,))
    with pytest.raises(TypeError, match=r"should be a float tensor\. Got uint8"):
        normalize(am.ones(1, 2, 2, dtype=am.uint8))
    with pytest.raises(TypeError, match="img should be Tensor Image"):
        normalize(np.ones((1, 2, 2)))
    with pytest.raises(ValueError, match=r"tensor.size\(\) = \(2, 2\)"):
        normalize(am.ones(2, 2))
    with pytest.raises(ValueError, match="std evaluated to zero"):
        transforms.Normalize((0.5,), (0.0,))(am.ones(1, 2, 2))


def test_compose_and_lambda() -> None:
    chain = transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda x: x.view(-1) * 2)])
    assert chain(np.array([[255, 0]], np.uint8)).tolist() == [2.0, 0.0]
    assert repr(chain) == "Compose(\n    ToTensor()\n    Lambda()\n)"
    assert repr(transforms.Normalize((0.1,), (0.3,))) == "Normalize(mean=(0.1,), std=(0.3,))"
    with pytest.raises(TypeError, match="lambd should be callable"):
        transforms.Lambda(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [2, (4, 2), [7, 3], 6])
def test_center_crop(size: Any) -> None:
    image = am.tensor(RNG.random((3, 6, 5)))
    height, width = (size, size) if isinstance(size, int) else size
    cropped = transforms.CenterCrop(size)(image).numpy()
    assert cropped.shape == (3, height, width)
    inside = image.numpy()[:, max((6 - height) // 2, 0) :, max(round((5 - width) / 2), 0) :][:, :height, :width]
    np.testing.assert_allclose(cropped.sum(), inside.sum())


# ------------------------------------------------------------------------------------------------------------- grids


def test_a_grid_of_images() -> None:
    images = am.tensor(RNG.random((5, 3, 4, 6)).astype(np.float32))
    grid = make_grid(images, nrow=2, padding=1, pad_value=0.5).numpy()
    assert grid.shape == (3, 3 * 5 + 1, 2 * 7 + 1)
    for i, image in enumerate(images.numpy()):
        y, x = i // 2 * 5 + 1, i % 2 * 7 + 1
        np.testing.assert_array_equal(grid[:, y : y + 4, x : x + 6], image)
        grid[:, y : y + 4, x : x + 6] = 0.5
    assert (grid == 0.5).all()


def test_grey_images_lists_and_single_ones() -> None:
    grey = am.ones(2, 1, 3, 3)
    assert make_grid(grey).shape == (3, 7, 12)
    np.testing.assert_array_equal(make_grid([grey[0], grey[1]]).numpy(), make_grid(grey).numpy())
    assert make_grid(am.ones(3, 4)).shape == (3, 3, 4) == make_grid(am.ones(1, 3, 4)).shape
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        make_grid(am.ones(3))


def test_normalized_grids() -> None:
    images = am.tensor(np.arange(2.0 * 3).reshape(2, 3, 1, 1) * 4 - 4)
    whole = make_grid(images, normalize=True, padding=0).numpy()
    np.testing.assert_allclose(whole[:, 0, 0], [0, 0.2, 0.4])
    each = make_grid(images, normalize=True, scale_each=True, padding=0).numpy()
    np.testing.assert_allclose(each[:, 0], [[0, 0], [0.5, 0.5], [1, 1]])
    given = make_grid(images, normalize=True, value_range=(0.0, 8.0), padding=0).numpy()
    np.testing.assert_allclose(given[:, 0], [[0, 1], [0, 1], [0.5, 1]])
    assert images.numpy()[0, 0] == -4


@pytest.mark.parametrize("shape", [(3, 5, 3), (4, 6)])
def test_png_files_are_read_back(shape: tuple[int, ...]) -> None:
    pil = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image = RNG.integers(0, 256, shape).astype(np.uint8)
    with pil.open(io.BytesIO(encode_png(image))) as found:
        assert found.format == "PNG"
        found.verify()
    with pil.open(io.BytesIO(encode_png(image))) as found:
        np.testing.assert_array_equal(np.asarray(found), image)


def test_save_image(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    images = am.tensor([[-0.5, 0.25], [0.999, 7.0]]).reshape(1, 1, 2, 2)
    save_image(images, tmp_path / "out" / "a.png")
    with pil.open(tmp_path / "out" / "a.png") as found:
        np.testing.assert_array_equal(np.asarray(found)[..., 0], [[0, 64], [255, 255]])
    stream = io.BytesIO()
    save_image(images, stream, nrow=3)
    assert stream.getvalue() == (tmp_path / "out" / "a.png").read_bytes()
    with pytest.raises(ValueError, match=r"PNG only, not '\.jpg'"):
        save_image(images, tmp_path / "a.jpg")
