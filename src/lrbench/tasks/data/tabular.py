"""Small real datasets that come with scikit-learn: no download, ready in a second."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrbench.tasks.data.source import Source


def digits() -> Source:
    """1,797 handwritten digits of 8x8 pixels with values 0 … 16, 10 classes.

    Inputs have shape (n, 1, 8, 8). References: Alpaydin & Kaynak 1998, UCI Optical Recognition of
    Handwritten Digits; scikit-learn carries its test set.
    """
    bunch = _load("digits")
    return Source(bunch.images[:, np.newaxis], bunch.target, "classification", "pixels")


def breast_cancer() -> Source:
    """569 tumours with 30 measurements of their cell nuclei, malignant (0) or benign (1).

    References: Wolberg, Mangasarian, Street & Street 1993, UCI Breast Cancer Wisconsin
    (Diagnostic).
    """
    bunch = _load("breast_cancer")
    return Source(bunch.data, bunch.target, "classification", "features")


def wine() -> Source:
    """178 wines of three cultivars with 13 chemical measurements.

    References: Aeberhard & Forina 1991, UCI Wine.
    """
    bunch = _load("wine")
    return Source(bunch.data, bunch.target, "classification", "features")


def diabetes() -> Source:
    """442 patients with 10 measurements, and how far the disease went within a year.

    Targets have shape (n, 1). References: Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle
    Regression.
    """
    # The scaled form was scaled over all samples, so it would tell the training part of the test.
    bunch = _load("diabetes", scaled=False)
    return Source(bunch.data, bunch.target[:, np.newaxis], "regression", "features")


def _load(name: str, **options: Any) -> Any:
    from sklearn import datasets  # takes a second, and a cached dataset does without it

    return getattr(datasets, f"load_{name}")(**options)
