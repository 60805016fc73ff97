"""Runs that were not given, or not judged by, what they claim to share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lrbench.record.pairing import MATTERS, Mismatch
from lrbench.report.escapes import printable
from lrbench.report.notices import some
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.study import Facts, Study
from lrbench.spec.canonical import canonical
from lrbench.stats.closeness import FIRST_LOSS

DATA: Final = ("data", "split")
"""Of what runs of a seed share: what they are evaluated on."""


def of_inputs(study: Study, mismatches: Sequence[Mismatch]) -> Iterator[Flag]:
    """Inputs that differ within a seed, data that changed between seeds, and other evaluations."""
    kinds: dict[str, list[Mismatch]] = {}
    for one in mismatches:
        kinds.setdefault(one.what, []).append(one)
    for what, found in kinds.items():
        code = "changed-data" if what in DATA else "unequal-inputs"
        told = some([f"seed {one.seed}: {_versions(one)}" for one in found], "; ")
        yield Flag(
            code,
            True,
            f"{MATTERS[what]} of runs with one seed differ, though their settings are the same "
            f"({told}): they cannot be compared",
            {"what": what, "seeds": [one.seed for one in found]},
            tuple(run for one in found for run in one.runs),
        )
    yield from _changed_between_seeds(study)
    yield from _other_evaluation(study)


def _versions(one: Mismatch) -> str:
    return some([printable(run) for run in one.runs], " and ")


def _changed_between_seeds(study: Study) -> Iterator[Flag]:
    """A dataset with the same settings and other samples, where the split does not follow seeds."""
    versions: dict[str, dict[str, list[Facts]]] = {}
    for run in study.runs:
        if run.spec["streams"]["split"] is None:
            continue
        dataset = {key: value for key, value in run.spec["dataset"].items() if key != "digest"}
        key = canonical([dataset, run.spec["streams"]["split"]])
        digest = str(run.spec["dataset"]["digest"])
        versions.setdefault(key, {}).setdefault(digest, []).append(run)
    for found in versions.values():
        if len(found) > 1:
            groups = sorted(found.values(), key=len, reverse=True)
            name = str(groups[0][0].spec["dataset"]["name"])
            told = some(
                [f"{len(group)} runs as {printable(group[0].run)}" for group in groups], "; "
            )
            yield Flag(
                "changed-data",
                True,
                f"{name} has changed between runs with the same settings of it ({told}): they are "
                "trained and evaluated on other samples",
                {"digests": {digest: len(runs) for digest, runs in found.items()}},
                tuple(run.run for group in groups[1:] for run in group),
            )


def _other_evaluation(study: Study) -> Iterator[Flag]:
    """Untrained models with equal weights and equal data that are evaluated otherwise."""
    alike: dict[str, list[Facts]] = {}
    for run in study.runs:
        inputs, looks = run.result.get("inputs"), run.looks
        if not inputs or not looks["step"] or looks["step"][0] != 0 or looks["val_loss"][0] is None:
            continue
        spec = run.spec
        key = canonical(
            [inputs["init"], inputs["data"], inputs["split"], spec["model"], spec["compute"]]
        )
        alike.setdefault(key, []).append(run)
    for runs in alike.values():
        first = runs[0]
        reference = float(first.looks["val_loss"][0])
        others = [
            run
            for run in runs[1:]
            if not abs(float(run.looks["val_loss"][0]) - reference) <= FIRST_LOSS * abs(reference)
        ]
        if others:
            other = others[0]
            yield Flag(
                "changed-data",
                True,
                f"before the first update {printable(first.run)} has the validation loss "
                f"{reference!r} and {printable(other.run)} {float(other.looks['val_loss'][0])!r}, "
                "with equal weights and data by their digests: they are not evaluated on the same "
                "samples",
                {"val_loss": [reference, float(other.looks["val_loss"][0])]},
                (first.run, *(run.run for run in others)),
            )
