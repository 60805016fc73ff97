"""MNIST and its look-alikes: images in IDX files, of which any may be at hand."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lrbench import streams
from lrbench.errors import DataError
from lrbench.tasks.data.archive import Archive, DataFile
from lrbench.tasks.data.idx import damaged, read_idx
from lrbench.tasks.data.source import Indices, Source
from lrbench.tasks.data.splits import counts_per_class

Count = Annotated[int, Field(ge=1)]

NUM_CLASSES = 10

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

MNIST = Archive(
    "mnist",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    dict(
        zip(
            FILES,
            (
                "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                "d53e105ee54ea40749a09fcbcd1e9432",
                "9fb629c4189551a2d022fa330f9573f3",
                "ec29112dd5afa0611ce80d1b7f02629c",
            ),
            strict=True,
        )
    ),
)

FASHION_MNIST = Archive(
    "fashion_mnist",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    dict(
        zip(
            FILES,
            (
                "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "25c81989df183df01b3e8a0aad5dffbe",
                "bef4ecab320f06d8554ea6380940ec79",
                "bb300cfdad3c16e7a12a480ee83cd310",
            ),
            strict=True,
        )
    ),
)


def mnist(files: Sequence[DataFile], /, *, num_samples: Count | None = None) -> Source:
    """Handwritten digits of 28x28 pixels with values 0 … 255, 10 classes.

    With files of both kinds, ``t10k`` is the test part and ``train`` is divided into training and
    validation; with one kind, its samples are divided into all three.

    Parameters
    ----------
    files : sequence of DataFile
        What was found; images need their labels.
    num_samples : int in [1, inf), optional
        Use that many, drawn once and for all with every class of both kinds in proportion; all
        of them where there are fewer.

    Raises
    ------
    DataError
        A file is damaged, lacks its counterpart or does not match it.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner 1998, Gradient-based learning applied to document recognition.
    """
    return _images(files, num_samples)


def fashion_mnist(files: Sequence[DataFile], /, *, num_samples: Count | None = None) -> Source:
    """Articles of clothing in the format of :func:`mnist`, which see.

    References
    ----------
    Xiao, Rasul & Vollgraf 2017, Fashion-MNIST (arXiv:1708.07747).
    """
    return _images(files, num_samples)


def _images(files: Sequence[DataFile], num_samples: int | None) -> Source:
    paths = {file.name: file.path for file in files}
    kinds = [_read_pair(paths, kind) for kind in ("train", "t10k") if _has(paths, kind)]
    sizes = {images.shape[1:] for images, _ in kinds}
    if len(sizes) > 1:
        raise DataError("images must all have one size", got=" and ".join(map(str, sorted(sizes))))
    inputs = np.concatenate([images for images, _ in kinds])[:, np.newaxis]
    labels = np.concatenate([labels for _, labels in kinds])
    is_test = np.zeros(len(labels), dtype=np.int64)
    if len(kinds) == 2:
        is_test[len(kinds[0][1]) :] = 1

    if num_samples is not None and num_samples < len(labels):
        chosen = _subset(labels + NUM_CLASSES * is_test, num_samples)
        inputs, labels, is_test = inputs[chosen], labels[chosen], is_test[chosen]
    return Source(
        inputs,
        labels,
        "classification",
        "pixels",
        num_classes=NUM_CLASSES,
        parts={"test": np.flatnonzero(is_test)} if len(kinds) == 2 else {},
    )


def _has(paths: dict[str, Path], kind: str) -> bool:
    return any(name.startswith(kind) for name in paths)


def _read_pair(paths: dict[str, Path], kind: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels of one kind, checked against each other."""
    names = (f"{kind}-images-idx3-ubyte", f"{kind}-labels-idx1-ubyte")
    for name, other in (names, names[::-1]):
        if name not in paths:
            beside = paths[other]
            raise DataError(
                f"file {name}.gz must stand beside {beside.name}", origin=str(beside.parent)
            )
    image_path, label_path = (paths[name] for name in names)
    images, labels = read_idx(image_path, ndim=3), read_idx(label_path, ndim=1)
    if len(images) != len(labels):
        relation = f"must hold a label for each of the {len(images)} images"
        raise damaged(label_path, relation, f"{len(labels)} labels")
    if labels.max() >= NUM_CLASSES:
        sample = int(np.argmax(labels >= NUM_CLASSES))
        relation = f"must hold labels from 0 to {NUM_CLASSES - 1}"
        raise damaged(label_path, relation, f"{labels[sample]} at sample {sample}")
    return images, labels.astype(np.int64)


def _subset(strata: NDArray[Any], num_samples: int) -> Indices:
    """Indices of a sample of all strata in proportion, ascending; the same ones every time."""
    order = streams.stream(0, "split", "subset").permutation(len(strata))
    members = [order[strata[order] == stratum] for stratum in np.unique(strata)]
    share = Fraction(num_samples, len(strata))
    sizes = [len(group) for group in members]
    counts = counts_per_class(sizes, share, most=sizes)
    return np.sort(
        np.concatenate([group[:count] for group, count in zip(members, counts, strict=True)])
    )
