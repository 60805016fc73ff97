"""All datasets by name, and the one way to get one ready: :func:`prepare`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import version
from typing import Any

from lrbench.errors import DataError, nearest
from lrbench.tasks.base import Prepared
from lrbench.tasks.data import cache, images, tabular, toys
from lrbench.tasks.data.archive import DataFile
from lrbench.tasks.data.arrays import from_arrays
from lrbench.tasks.data.assemble import assemble
from lrbench.tasks.data.download import Progress
from lrbench.tasks.data.entry import DatasetEntry, only_of, settings_of, without_silent
from lrbench.tasks.data.source import Source
from lrbench.tasks.data.splits import divide

UCI = "CC BY 4.0"

DATASETS: Mapping[str, DatasetEntry] = {
    entry.name: entry
    for entry in (
        DatasetEntry(
            "digits",
            tabular.digits,
            summary="handwritten digits, 8x8 pixels, 10 classes",
            source="UCI Optical Recognition of Handwritten Digits, test set, by scikit-learn",
            licence=UCI,
            num_samples="1,797",
            package="scikit-learn",
            has_classes=True,
        ),
        DatasetEntry(
            "breast_cancer",
            tabular.breast_cancer,
            summary="tumours, 30 features, 2 classes",
            source="UCI Breast Cancer Wisconsin (Diagnostic), by scikit-learn",
            licence=UCI,
            num_samples="569",
            package="scikit-learn",
            has_classes=True,
        ),
        DatasetEntry(
            "wine",
            tabular.wine,
            summary="wines of three cultivars, 13 features, 3 classes",
            source="UCI Wine, by scikit-learn",
            licence=UCI,
            num_samples="178",
            package="scikit-learn",
            has_classes=True,
        ),
        DatasetEntry(
            "diabetes",
            tabular.diabetes,
            summary="progression of diabetes, 10 features, regression",
            source="Efron, Hastie, Johnstone & Tibshirani 2004, by scikit-learn",
            licence="not stated by its authors",
            num_samples="442",
            package="scikit-learn",
        ),
        DatasetEntry(
            "two_spirals",
            toys.two_spirals,
            summary="two spirals wound into each other, 2 features, 2 classes",
            source="made by formula; Lang & Witbrock 1988",
            licence="none needed",
            num_samples="num_samples",
            has_classes=True,
        ),
        DatasetEntry(
            "noisy_quadratic",
            toys.noisy_quadratic,
            summary="a quadratic bowl with noisy gradients; closed-form training",
            source="made by formula; Schaul et al. 2013, Zhang et al. 2019",
            licence="none needed",
            num_samples="num_samples",
            is_divided=False,
        ),
        DatasetEntry(
            "mnist",
            images.mnist,
            summary="handwritten digits, 28x28 pixels, 10 classes",
            source="LeCun, Cortes & Burges, the MNIST database of handwritten digits",
            licence="CC BY-SA 3.0",
            num_samples="70,000",
            archive=images.MNIST,
            has_classes=True,
        ),
        DatasetEntry(
            "fashion_mnist",
            images.fashion_mnist,
            summary="articles of clothing, 28x28 pixels, 10 classes",
            source="Xiao, Rasul & Vollgraf 2017, Fashion-MNIST",
            licence="MIT",
            num_samples="70,000",
            archive=images.FASHION_MNIST,
            has_classes=True,
        ),
    )
}


def prepare(
    name: str,
    params: Mapping[str, Any],
    *,
    split_root: int = 0,
    builder: Callable[..., Any] | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """A dataset ready for training; the same call gives the same data.

    Results are kept: on disk (not those of a user's function, whose code may change), and a few in
    this process. Arrays are shared between calls and must not be written to.

    Parameters
    ----------
    name : str
        A key of :data:`DATASETS`, or what to call the user's own.
    params : mapping of str to JSON values
        Settings that ``DATASETS[name].schema`` admits; what is left out has its default.
    split_root : int, default 0
        Root seed of the split stream.
    builder : callable, optional
        A user's function ``builder(**settings)`` that returns arrays ``(inputs, targets)``, see
        :func:`lrbench.tasks.data.arrays.from_arrays`.
    progress : Progress, optional
        Hears of downloads.

    Raises
    ------
    DataError
        Files are missing or damaged, arrays are not what they must be, or a part would be empty.
        Keys are relative to the dataset's settings.
    """
    entry = entry_of(name, builder)
    settings = entry.complete(params)
    files: tuple[DataFile, ...] = ()
    if entry.archive:
        files = entry.archive.locate(progress, **only_of(entry.archive.locate, settings))
    return _prepared(name, builder, json.dumps(settings, sort_keys=True), split_root, files)


def entry_of(name: str, builder: Callable[..., Any] | None = None) -> DatasetEntry:
    """The entry called ``name``, or one for a user's own function.

    Raises
    ------
    DataError
        There is no such dataset.
    """
    if builder:
        return DatasetEntry(name, builder)
    if name not in DATASETS:
        near = nearest(name, DATASETS)
        raise DataError(
            f"must be one of: {', '.join(DATASETS)}",
            key="name",
            got=name,
            remedy=f"dataset={near}" if near else None,
        )
    return DATASETS[name]


def forget() -> None:
    """Drop what this process keeps; the files on disk stay."""
    _prepared.cache_clear()


@lru_cache(maxsize=4)
def _prepared(
    name: str,
    builder: Callable[..., Any] | None,
    settings_text: str,  # JSON, because a dict has no hash
    split_root: int,
    files: tuple[DataFile, ...],
) -> Prepared:
    entry = entry_of(name, builder)
    settings = json.loads(settings_text)
    provenance: dict[str, Any] = {"name": name, "source": entry.source, "licence": entry.licence}
    if entry.archive:
        provenance["files"] = [
            {"name": file.path.name, "size_bytes": file.size_bytes, "sha256": file.sha256()}
            for file in files
        ]
    if entry.package:
        provenance["package"] = f"{entry.package} {version(entry.package)}"

    def build() -> Prepared:
        arguments = only_of(entry.builder, settings)
        source: Source = (
            from_arrays(entry.builder(**arguments))
            if builder
            else entry.builder(*([files] if entry.archive else []), **arguments)
        )
        parts = divide(source, split_root, **only_of(divide, settings))
        noise = settings.get("label_noise", 0.0) if entry.has_classes else 0.0
        return assemble(source, parts, provenance, split_root=split_root, label_noise=noise)

    if builder:
        return build()
    # Where the files stand does not matter, only what is in them.
    where = settings_of(entry.archive.locate) if entry.archive else {}
    deciding = without_silent(
        {setting: value for setting, value in settings.items() if setting not in where}
    )
    key = cache.cache_key(
        {"provenance": provenance, "settings": deciding, "split_root": split_root}
    )
    prepared = cache.load(key)
    if prepared is None:
        prepared = build()
        cache.store(key, prepared)
    return prepared
