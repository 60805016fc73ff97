"""Digests of data: sha256 over little-endian bytes in C order, so every machine agrees."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEME = "lrbench/data/v1"
"""Part of every digest of a whole; changing what is hashed means a new scheme."""


def row_digests(*arrays: NDArray[Any]) -> NDArray[np.uint8]:
    """sha256 of each sample: its bytes in the first array, then those in the next, and so on.

    Parameters
    ----------
    arrays : ndarrays of equal length n, of any shape and dtype

    Returns
    -------
    ndarray of shape (n, 32), uint8
    """
    rows = np.concatenate([_rows(array) for array in arrays], axis=1)
    digests = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(digests, dtype=np.uint8).reshape(len(rows), 32).copy()


def whole_digest(about: object, arrays: Iterable[NDArray[Any]]) -> str:
    """sha256, in hex, of what is said of arrays, their dtypes and shapes, and their bytes in order.

    Parameters
    ----------
    about : JSON value
        Hashed in canonical form: sorted keys, no spaces.
    arrays : iterable of ndarray
    """
    arrays = [_canonical(array) for array in arrays]
    layout = [(array.dtype.str, array.shape) for array in arrays]
    header = json.dumps([SCHEME, about, layout], sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(header.encode())
    for array in arrays:
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _canonical(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _rows(array: NDArray[Any]) -> NDArray[np.uint8]:
    return _canonical(array).reshape(len(array), -1).view(np.uint8)
