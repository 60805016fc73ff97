"""Prepared data kept on disk. A cache can only save time: if it fails in any way, go without."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.tasks.base import DataInfo, Prepared, Split
from lrbench.tasks.data.assemble import data_digest
from lrbench.tasks.data.fingerprint import row_digests
from lrbench.tasks.data.home import cache_home

PREPARATION = 1
"""Part of every key. Raise it when the same settings would give other numbers than before."""

PARTS = ("train", "val", "test")


def cache_key(parts: Mapping[str, Any]) -> str:
    """sha256, in hex, of everything the prepared numbers follow from, as JSON values."""
    text = json.dumps({"preparation": PREPARATION, **parts}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def load(key: str) -> Prepared | None:
    """The dataset stored under ``key``, or None if there is none or it is not intact.

    Arrays are accepted only if their digest, computed anew, is the recorded one.
    """
    try:
        # Opened here, because numpy forgets to close a file that turns out to be damaged.
        with _path(key).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            train, val, test = (
                Split(stored[f"{part}_inputs"], stored[f"{part}_targets"]) for part in PARTS
            )
        info = DataInfo(**{**about["info"], "input_shape": tuple(about["info"]["input_shape"])})
        if about["key"] != key or about["digest"] != data_digest(info, (train, val, test)):
            return None
        return Prepared(
            info=info,
            train=train,
            val=val,
            test=test,
            provenance=about["provenance"],
            sample_digests=row_digests(train.inputs, train.targets),
            digest=about["digest"],
            split_digest=about["split_digest"],
            notices=tuple(about["notices"]),
        )
    except Exception:  # damage takes any shape (zip, npy header, JSON, …); all have one answer
        return None


def store(key: str, prepared: Prepared) -> None:
    """Keep a dataset under ``key``, whole or not at all."""
    about = {
        "key": key,
        "info": asdict(prepared.info),
        "provenance": dict(prepared.provenance),
        "digest": prepared.digest,
        "split_digest": prepared.split_digest,
        "notices": prepared.notices,
    }
    arrays = {"about": np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)}
    for part in PARTS:
        split: Split = getattr(prepared, part)
        arrays |= {f"{part}_inputs": split.inputs, f"{part}_targets": split.targets}
    with contextlib.suppress(OSError, RuntimeError):
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        try:
            with unfinished.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)


def _path(key: str) -> Path:
    return cache_home() / "prepared" / f"{key}.npz"
