"""Do runs that claim to share their inputs share them? Told from what their records state.

Arms are compared seed by seed, which says something of the schedule only if both runs of a seed had
the same data, the same split, the same first weights and the same batches in the same order. The
specification says which runs must have the same; the digests in the closing files say whether they
had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.record.reader import Record
from lrbench.spec.canonical import canonical
from lrbench.spec.run import total_steps_of

MATTERS = {
    "data": "the data",
    "split": "the split",
    "init": "the first weights",
    "first_batch": "the first batch",
    "batches": "the batches",
    "dropout": "the dropout stream",
    "augmentation": "the augmentation stream",
}
"""What runs of a seed share, in the order in which one thing follows from another."""


@dataclass(frozen=True)
class Mismatch:
    """Runs that must have had the same and had not.

    Parameters
    ----------
    what : str
        A key of :data:`MATTERS`.
    seed : int
        Of the runs.
    runs : tuple of str
        One run of each version, the commonest one first.
    """

    what: str
    seed: int
    runs: tuple[str, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: {MATTERS[self.what]} of {' and '.join(self.runs)} differ"


class Pairing:
    """The inputs of finished runs, gathered one record at a time."""

    def __init__(self) -> None:
        # What must be the same, for whom: each version of it with the runs that have it.
        self._versions: dict[tuple[str, int, str], dict[str, list[str]]] = {}

    def add(self, record: Record) -> None:
        """Take a finished run in. A record of an earlier lrbench states no inputs."""
        inputs = record.result.get("inputs")
        if inputs is None:
            return
        for what, claim, version in _claims(record.spec, record.result, inputs):
            key = (what, record.spec["seed"], claim)
            self._versions.setdefault(key, {}).setdefault(version, []).append(record.run_id)

    def mismatches(self) -> list[Mismatch]:
        """For each seed the first thing that runs must have had in common and had not."""
        found: dict[int, Mismatch] = {}
        order = {what: place for place, what in enumerate(MATTERS)}
        for what, seed, claim in sorted(self._versions, key=lambda key: (key[1], order[key[0]])):
            versions = self._versions[what, seed, claim].values()
            if len(versions) > 1 and seed not in found:
                commonest = sorted(versions, key=len, reverse=True)
                found[seed] = Mismatch(what, seed, tuple(runs[0] for runs in commonest))
        return list(found.values())


def _claims(
    spec: Mapping[str, Any], result: Mapping[str, Any], inputs: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """What is shared, the settings that all who share it have in common, and this run's version."""
    seeds = {name: spec["seed"] if root is None else root for name, root in spec["streams"].items()}
    dataset = {key: value for key, value in spec["dataset"].items() if key != "digest"}
    data = canonical([dataset, seeds["split"]])
    batches = canonical([data, seeds["order"], spec["train"]["batch_size"]])
    yield "data", data, inputs["data"]
    yield "split", data, inputs["split"]
    yield "init", canonical([data, spec["model"], seeds["init"], _type(spec)]), inputs["init"]
    yield "first_batch", batches, inputs["first_batch"]
    if result["diverged_at"] is None:
        # Of a run that stopped early there are fewer.
        yield "batches", canonical([batches, total_steps_of(spec)]), result["batch_chain"]
    for purpose in ("dropout", "augmentation"):
        root = seeds.get(purpose, spec["seed"])
        yield purpose, canonical(root), inputs["streams"][purpose]


def _type(spec: Mapping[str, Any]) -> str:
    """Digests of weights follow their type."""
    return str(spec["compute"]["precision"])
