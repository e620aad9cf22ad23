"""The IDX reader takes what is an IDX file, and answers everything else with one clear error."""

import gzip
import io
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograd_mini.vision import DataError, encode_idx, read_idx

IMAGES = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
PLAIN = encode_idx(IMAGES)
PACKED = gzip.compress(PLAIN, mtime=0)


def read(data: bytes, **expected: object) -> np.ndarray:
    return read_idx(io.BytesIO(data), name="some.idx", **expected)


def test_header_bytes():
    assert PLAIN[:16] == bytes([0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 4, 0, 0, 0, 3])
    assert encode_idx(np.array([1, -2], np.int16)) == bytes([0, 0, 0x0B, 1, 0, 0, 0, 2, 0, 1, 0xFF, 0xFE])


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 0, 3), (2, 3, 4)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_round_trip(tmp_path: Path, dtype, shape, pack):
    array = (np.arange(math.prod(shape)) - 3).reshape(shape).astype(dtype)
    file = tmp_path / "a.idx"
    file.write_bytes(pack(encode_idx(array)))
    found = read_idx(file, shape, dtype)
    np.testing.assert_array_equal(found, array, strict=True)
    assert found.dtype.isnative and found.flags.writeable


def test_encode_refuses_what_idx_cannot_hold():
    with pytest.raises(DataError, match="cannot hold int64"):
        encode_idx(np.arange(3))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "some.idx: not an IDX file: begins with b''"),
        (b"<html>", "not an IDX file: begins with b'<htm'"),
        (bytes([0, 0, 7, 1]) + bytes(8), "not an IDX file"),
        (PLAIN[:10], "header truncated: 10 bytes, expected 16"),
        (PLAIN[:-1], r"truncated: found 59 bytes of data, expected 60 for shape \(5, 4, 3\)"),
        (PLAIN + b"x", "too long: found 61 bytes of data, expected 60"),
        (PACKED[:-9], "damaged gzip file"),
        (PACKED[:-8] + bytes(8), "damaged gzip file"),
        (PACKED + b"junk", "damaged gzip file"),
        (gzip.compress(PLAIN[:-1]), "truncated"),
    ],
)
def test_damage_is_named(data, message):
    with pytest.raises(DataError, match=message):
        read(data)


def test_another_kind_than_expected_is_named(tmp_path: Path):
    labels = tmp_path / "train-images-idx3-ubyte"
    labels.write_bytes(encode_idx(np.zeros(5, np.uint8)))
    message = r"train-images-idx3-ubyte: holds uint8 of shape \(5,\), expected uint8 of shape \(5, 28, 28\)"
    with pytest.raises(DataError, match=message):
        read_idx(labels, (5, 28, 28), np.uint8)
    with pytest.raises(DataError, match=r"holds uint8 .* expected int16"):
        read(PLAIN, dtype=np.int16)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_lying_header_costs_no_memory(pack):
    huge = pack(bytes([0, 0, 8, 3]) + b"\0\0\xff\xff" * 2 + b"\0\0\0\4" + bytes(100))  # 16 GiB promised
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expected at most 1073741824"):
            read(huge)
        with pytest.raises(DataError, match="truncated: found 100 bytes"):
            read(huge, max_bytes=2**40)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_an_empty_dimension_hides_no_lie():
    with pytest.raises(DataError, match="expected at most"):
        read(bytes([0, 0, 8, 4]) + b"\xff" * 12 + bytes(4))


def test_a_gzip_bomb_stops_at_the_promised_length():
    bomb = gzip.compress(PLAIN + bytes(2**25))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="too long"):
            read(bomb)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([PLAIN, PACKED]), st.data())
def test_any_truncation_is_refused(whole, data):
    with pytest.raises(DataError, match=r"some\.idx"):
        read(whole[: data.draw(st.integers(0, len(whole) - 1))])


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_flipped_bits_in_gzip_are_refused_or_harmless(data):
    flipped = bytearray(PACKED)
    for place in data.draw(st.lists(st.integers(0, 8 * len(PACKED) - 1), min_size=1, max_size=3)):
        flipped[place // 8] ^= 1 << place % 8
    try:
        found = read(bytes(flipped))
    except DataError as why:
        assert "some.idx" in str(why)
    else:  # gzip's time stamp and the like
        np.testing.assert_array_equal(found, IMAGES)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\0\0", b"\0\0\x08\1", b"\0\0\x0d\2", b"\x1f\x8b\x08"]))
def test_random_bytes_give_an_array_of_just_these_bytes_or_the_error(data, start):
    try:
        found = read(start + data)
    except DataError as why:
        assert "some.idx" in str(why)
    else:
        assert encode_idx(found) == start + data


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 6), max_size=40), st.sampled_from([8, 9, 11, 12, 13, 14]))
def test_lying_headers(sizes, code):
    header = bytes([0, 0, code, len(sizes)]) + np.array(sizes, ">u4").tobytes()
    try:
        found = read(header + bytes(60))
    except DataError as why:
        assert "some.idx" in str(why)
    else:
        assert found.shape == tuple(sizes) and found.nbytes == 60
