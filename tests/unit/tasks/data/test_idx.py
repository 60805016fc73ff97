import gzip

import numpy as np
import pytest

from lrbench.errors import DataError
from lrbench.tasks.data.idx import read_idx

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("zipped", [False, True])
def test_what_was_written_is_read(tmp_path, idx_bytes, zipped):
    path = tmp_path / ("images.gz" if zipped else "images")
    content = idx_bytes(VALUES)
    path.write_bytes(gzip.compress(content) if zipped else content)
    assert np.array_equal(read_idx(path, ndim=3), VALUES)


@pytest.mark.parametrize("length", [0, 3, 4, 9, 15, 16, 17, 39])
@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_cut_short_is_refused_by_name(tmp_path, idx_bytes, length, zipped):
    path = tmp_path / ("images.gz" if zipped else "images")
    content = idx_bytes(VALUES)[:length]
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError, match=f"file {path.name} must .*, got ") as raised:
        read_idx(path, ndim=3)
    assert raised.value.problems[0].origin == str(path)


@pytest.mark.parametrize("lost", [1, 5, 8, 20])
def test_gzip_cut_short_is_refused(tmp_path, idx_bytes, lost):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx_bytes(VALUES))[:-lost])
    with pytest.raises(DataError, match=r"images\.gz must be a whole gzip file"):
        read_idx(path, ndim=3)


def test_a_wrong_gzip_checksum_is_refused(tmp_path, idx_bytes):
    path = tmp_path / "images.gz"
    content = bytearray(gzip.compress(idx_bytes(VALUES)))
    content[-8] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"must be a whole gzip file, got CRC check failed"):
        read_idx(path, ndim=3)


def header(magic, *shape):
    return bytes.fromhex(magic) + b"".join(size.to_bytes(4, "big") for size in shape)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("images", header("00000801", 24) + bytes(24), "must start with 00 00 08 03.*00 00 08 01"),
        ("images", header("00000d03", 2, 3, 4) + bytes(96), "unsigned bytes in 3 dimensions"),
        ("images", b"<html>not found</html>", "got 3c 68 74 6d"),
        ("images", header("00000803", 2, 3, 4) + bytes(25), "must hold 24 bytes .* got more"),
        ("images", header("00000803", 0, 3, 4), "must hold at least one sample"),
        ("images", header("00000803", 2**31, 2**31, 4) + bytes(9), "large enough for its shape"),
        ("images.gz", gzip.compress(header("00000803", 2**31, 2**9, 4)), "large enough"),
        ("images.gz", header("00000803", 2, 3, 4) + bytes(24), "must be a whole gzip file"),
        ("images.gz", gzip.compress(header("00000803", 1, 1, 1) + b"a") + b"junk", "whole gzip"),
        ("images.gz", gzip.compress(header("00000803", 1, 1, 1) + b"ab"), "got more"),
    ],
    ids=[
        "labels instead",
        "floats instead",
        "a page instead",
        "trailing junk",
        "no samples",
        "a shape beyond the file",
        "a shape beyond any gzip of that size",
        "not gzip",
        "junk after gzip",
        "trailing junk in gzip",
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_idx(path, ndim=3)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="must be a readable file, got No such file"):
        read_idx(tmp_path / "images", ndim=3)
