"""The dataset of a run: from settings to a checked component. Torch is not needed for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrbench.config.findings import Findings
from lrbench.config.naming import Target, found_at, is_known, make_component, take_name
from lrbench.spec.parameters import check, settings_of
from lrbench.spec.run import DatasetSpec
from lrbench.tasks.data.catalog import DATASETS, entry_of
from lrbench.tasks.data.entry import DatasetEntry, without_silent


def read_dataset(
    given: Mapping[str, Any], findings: Findings
) -> tuple[DatasetSpec | None, Target | None, dict[str, Any]]:
    """The dataset that the settings name, what its import path leads to, and all its settings.

    The specification has neither its digest nor the settings that say only where its files lie.
    """
    raw = dict(given)
    name, target = take_name("dataset", raw, findings)
    builder = found_at("dataset", target, findings)
    deciding: dict[str, Any] = {}
    if builder is not None or (target is None and is_known("dataset", name, DATASETS, findings)):
        entry = entry_of(name, builder)
        raw = findings.attempt_own(target, "dataset", _checked, entry, raw) or {}
        # Where files lie decides no number; what is in them is in the digest.
        placing = settings_of(entry.archive.locate) if entry.archive else {}
        deciding = {key: value for key, value in raw.items() if key not in placing}
        if builder is None:
            deciding = without_silent(deciding)
    spec = make_component(DatasetSpec, "dataset", findings, name, target, builder, params=deciding)
    return spec, builder, raw


def _checked(entry: DatasetEntry, raw: dict[str, Any]) -> dict[str, Any]:
    # The schema is made from the function's signature, which a user's may not have.
    return check(entry.schema, raw)
