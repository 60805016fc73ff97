import gzip
import struct

import numpy as np
import pytest

from lrbench.tasks.data import catalog


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """A cache of the test's own, and no memory of what was prepared before."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("LRBENCH_CACHE", str(folder))
    catalog.forget()
    yield folder
    catalog.forget()


@pytest.fixture
def idx_bytes():
    def encode(array):
        array = np.asarray(array, dtype=np.uint8)
        shape = struct.pack(f">{array.ndim}I", *array.shape)
        return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()

    return encode


@pytest.fixture
def write_images(idx_bytes):
    """Writes ``num_samples`` images of 4x3 pixels, labelled 0 … 9 in turn; returns both arrays."""

    def write(folder, kind, num_samples, *, zipped=True, first=0):
        folder.mkdir(parents=True, exist_ok=True)
        images = np.arange(first, first + num_samples * 12).reshape(num_samples, 4, 3) * 7 % 251
        labels = np.arange(num_samples) % 10
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{kind}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(content, mtime=0) if zipped else content)
        return images, labels

    return write
