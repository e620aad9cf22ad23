"""The drawn digits: the same for everyone, never mixed up, like MNIST, and cached without harm."""

import hashlib
import importlib

import numpy as np
import pytest

from autograd_mini.vision import digits

module = importlib.import_module("autograd_mini.vision.digits")  # the package has the function by this name


def sha256(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


@pytest.fixture(scope="module")
def train() -> tuple[np.ndarray, np.ndarray]:
    blocks = [module._block(0, True, b, 1.2) for b in range(20)]
    return np.concatenate([images for images, _ in blocks]), np.concatenate([labels for _, labels in blocks])


def test_golden():
    """If this fails after a change meant to alter the drawing, every published number on the digits changes."""
    images, labels = digits(1_000)
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((1_000, 28, 28), "u1", (1_000,), "u1")
    assert sha256(images) == "32365f713a6c2a52a8565f4e097b7b45b84ebbe550a623649c1d0e46461a2d77"
    assert sha256(labels) == "c459840b2a91a60bdbe32f484301efb48688a2b697a51f01980c67f38b3f3445"


def test_deterministic_and_prefix_stable(train):
    images, labels = train
    for n in (0, 1, 199, 200, 201, 950):
        for _ in range(2):  # drawn, then from the cache
            some_images, some_labels = digits(n)
            np.testing.assert_array_equal(some_images, images[:n], strict=True)
            np.testing.assert_array_equal(some_labels, labels[:n], strict=True)


def test_seed_split_and_hardness_matter(train):
    images, _ = train
    for other in (digits(200, train=False), digits(200, seed=1), digits(200, seed=2**64 - 1), digits(200, hard=1)):
        assert not np.array_equal(other[0], images[:200])


def test_train_and_test_share_no_image(train):
    seen = {image.tobytes() for image in train[0]}
    assert len(seen) == len(train[0])
    test, _ = digits(2_000, train=False)
    assert not seen & {image.tobytes() for image in test}


def test_pixels_are_like_mnist(train):
    images, labels = train
    assert images.mean() / 255 == pytest.approx(0.1307, abs=0.005)
    assert images.std() / 255 == pytest.approx(0.3081, abs=0.005)
    assert np.bincount(labels).tolist() == [len(labels) // 10] * 10
    rows, columns = np.indices((28, 28))
    ink = images.sum(axis=(1, 2), dtype=float)
    for centre in ((images * axis).sum(axis=(1, 2)) / ink for axis in (rows, columns)):
        assert np.abs(centre - 13.5).max() < 2.5


def test_a_label_can_be_seen_in_its_image(train):
    """The nearest class mean names 4 of 5 digits, as on MNIST (0.82)."""
    images, labels = train
    means = np.stack([images[labels == digit].mean(axis=0) for digit in range(10)]).reshape(10, -1)
    test, truth = digits(1_000, train=False)
    distance = ((test.reshape(-1, 1, 784) - means) ** 2).sum(axis=-1)
    assert 0.7 < (distance.argmin(axis=1) == truth).mean() < 0.9


def test_hard_zero_is_neat():
    images, labels = digits(200, hard=0)
    assert len({image.tobytes() for image in images}) == 200  # pen, size and place still vary
    assert sorted(set(labels.tolist())) == list(range(10))


def test_cache_is_used(home, monkeypatch):
    first = digits(450, seed=3)
    (file,) = (home / "cache").iterdir()
    drawn = []
    block = module._block
    monkeypatch.setattr(module, "_block", lambda *args: drawn.append(args) or block(*args))
    second = digits(450, seed=3)
    assert len(drawn) == 1  # the one that the cache is compared with
    assert sha256(*first) == sha256(*second)
    assert second[0].flags.writeable
    second[0][:] = 0
    assert sha256(*digits(450, seed=3)) == sha256(*first)
    assert list((home / "cache").iterdir()) == [file]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "html", "other seed", "folder", "pickle"])
def test_damaged_cache_is_drawn_anew(home, damage):
    first = digits(450)
    (file,) = (home / "cache").iterdir()
    whole = file.read_bytes()
    if damage == "other seed":
        digits(450, seed=9)
        (other,) = (path for path in file.parent.iterdir() if path != file)
        other.replace(file)
    elif damage == "folder":
        file.unlink()
        file.mkdir()
    elif damage == "pickle":
        with open(file, "wb") as out:
            np.savez(out, images=np.array([print], dtype=object), labels=first[1])
    else:
        flipped = bytearray(whole)
        flipped[len(whole) * 2 // 3] ^= 16
        file.write_bytes({"truncated": whole[:-100], "flipped": flipped, "empty": b"", "html": b"<html>"}[damage])
    assert sha256(*digits(450)) == sha256(*first)
    if damage != "folder":
        assert file.read_bytes() == whole
    assert list(file.parent.iterdir()) == [file]


def test_without_a_place_for_the_cache(home):
    (home / "cache").write_text("a file where the folder should be")
    assert len(digits(450)[0]) == 450


@pytest.mark.parametrize("bad", [{"n": -1}, {"seed": -1}, {"seed": 2**64}, {"hard": -1}, {"hard": float("nan")}])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="need n >= 0"):
        digits(**bad)
    with pytest.raises(TypeError):
        digits(1.5)
