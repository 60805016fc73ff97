"""IDX files, the format of MNIST: a header, then bytes, and nothing else.

The magic number is 00 00, a type code (08 is unsigned byte) and the number of dimensions; each
dimension follows as a big-endian 32-bit integer, then the values in C order (LeCun, "The MNIST
database of handwritten digits", file formats).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from lrbench.errors import DataError

UNSIGNED_BYTE = 0x08

MOST_GZIP_SHRINKS = 1032
"""No deflate stream is longer than this many times its file (258 bytes in 2 bits, zlib's limit)."""


def read_idx(path: Path, ndim: int) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, gzipped if its name ends in ``.gz``.

    Parameters
    ----------
    path : Path
    ndim : int
        Dimensions it must have: 3 for images (count, height, width), 1 for labels (count,).

    Raises
    ------
    DataError
        The file cannot be read, is not whole gzip, has another magic number, is shorter or longer
        than its header says, or is empty. Nothing is allocated before the size is credible.
    """
    is_gzip = path.suffix == ".gz"
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            return _read(cast("IO[bytes]", file), path, ndim, MOST_GZIP_SHRINKS if is_gzip else 1)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damaged(path, "must be a whole gzip file", str(error)) from None
    except OSError as error:
        raise damaged(path, "must be a readable file", error.strerror or str(error)) from None


def damaged(path: Path, relation: str, got: object) -> DataError:
    """The error about one data file: its name opens the sentence, its full path is the origin."""
    return DataError(
        f"file {path.name} {relation}, got {got}", origin=str(path), remedy="fetch the file again"
    )


def _read(file: IO[bytes], path: Path, ndim: int, most_per_byte: int) -> NDArray[np.uint8]:
    header_bytes = 4 + 4 * ndim
    header = file.read(header_bytes)
    magic = bytes([0, 0, UNSIGNED_BYTE, ndim])
    if header[:4] != magic:
        relation = f"must start with {magic.hex(' ')}, unsigned bytes in {ndim} dimensions"
        raise damaged(path, relation, header[:4].hex(" ") or "an empty file")
    if len(header) < header_bytes:
        raise damaged(path, f"must have a header of {header_bytes} bytes", f"{len(header)} bytes")

    shape = struct.unpack(f">{ndim}I", header[4:])
    size = math.prod(shape)
    if size == 0:
        raise damaged(path, "must hold at least one sample", f"shape {shape}")
    if size > path.stat().st_size * most_per_byte:
        raise damaged(
            path, f"must be large enough for its shape {shape}", f"{path.stat().st_size} bytes"
        )
    # One byte more is asked for: it tells trailing junk, and makes gzip check its sum at the end.
    values = file.read(size + 1)
    if len(values) != size:
        found = "more" if len(values) > size else f"{len(values)} bytes"
        raise damaged(path, f"must hold {size} bytes after its header for shape {shape}", found)
    return np.frombuffer(values, dtype=np.uint8).reshape(shape)
