"""From a source to a dataset ready for training, and the digests that identify it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from lrbench.tasks.base import DataInfo, Prepared, Split
from lrbench.tasks.data.fingerprint import row_digests, whole_digest
from lrbench.tasks.data.noise import relabelled
from lrbench.tasks.data.overlap import notices
from lrbench.tasks.data.scaling import standardised
from lrbench.tasks.data.source import Source
from lrbench.tasks.data.splits import Parts

Splits = tuple[Split, Split, Split]


def assemble(
    source: Source,
    parts: Parts,
    provenance: Mapping[str, Any],
    *,
    split_root: int = 0,
    label_noise: float = 0.0,
) -> Prepared:
    """Standardise, split and fingerprint a source.

    Parameters
    ----------
    source : Source
    parts : Parts
        Which samples train, which select, which are quarantined.
    provenance : mapping
        What the catalogue knows; the source's own provenance is added to it.
    split_root : int
        Root seed of the split stream; the noise in the labels goes with the split.
    label_noise : float in [0, 1)
        See :func:`lrbench.tasks.data.noise.relabelled`.
    """
    clean = source.targets
    if label_noise:
        source = replace(
            source, targets=relabelled(source, parts.train, split_root, label_noise=label_noise)
        )
    inputs, targets = standardised(source, parts.train)
    train, val, test = (Split(inputs[part], targets[part]) for part in parts)
    info = DataInfo(source.kind, inputs.shape[1:], source.num_outputs, source.vocab_size)
    provenance = {**provenance, **source.provenance}
    said: tuple[str, ...] = ()
    if label_noise:
        wrong = int((source.targets != clean).sum())
        provenance["label_noise"] = {"part": "train", "wrong_labels": wrong}
        said = (f"{wrong} of {len(train)} training labels are wrong on purpose (label_noise)",)
    # The samples of an objective are draws of noise around the same point: repeats mean nothing.
    is_objective = source.kind == "objective"
    return Prepared(
        info=info,
        train=train,
        val=val,
        test=test,
        provenance=provenance,
        sample_digests=row_digests(train.inputs, train.targets),
        digest=data_digest(info, (train, val, test)),
        split_digest=whole_digest("split", parts),
        notices=()
        if is_objective
        else (*said, *notices(train, val, test, labelled=source.kind == "classification")),
    )


def data_digest(info: DataInfo, splits: Splits) -> str:
    """sha256, in hex, of all that decides the numbers: kind, shapes, every sample in order."""
    arrays = [array for split in splits for array in (split.inputs, split.targets)]
    return whole_digest(asdict(info), arrays)
