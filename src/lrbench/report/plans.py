"""How far the sweeps of a results folder have come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.plans import read_plan
from lrbench.record.reader import Status
from lrbench.report.runs import Skipped, reason


@dataclass(frozen=True)
class Progress:
    """What has become of the runs a sweep planned.

    Parameters
    ----------
    sweep_id : str
    planned, finished : int
        Number of runs.
    unfinished : mapping
        Number of the other runs by status, ``not started`` being one.
    """

    sweep_id: str
    planned: int
    finished: int
    unfinished: Mapping[str, int]


def read_plans(folder: Path, statuses: Mapping[str, str]) -> tuple[list[Progress], list[Skipped]]:
    """The sweeps planned in ``folder``, and the plans that are damaged.

    Parameters
    ----------
    folder : Path
        Of results.
    statuses : mapping
        Status by the start of the run's digest, with which a record's name ends: known even where
        the record is corrupt.
    """
    plans: list[Progress] = []
    skipped: list[Skipped] = []
    for path in sorted((folder / layout.SWEEPS).glob("*.json")):
        try:
            runs = [run[:8] for run in read_plan(path).runs]
        except RecordError as error:
            skipped.append(Skipped(f"{layout.SWEEPS}/{path.name}", Status.CORRUPT, reason(error)))
            continue
        found = Counter(statuses.get(run, "not started") for run in runs)
        finished = found.pop(Status.COMPLETE, 0) + found.pop(Status.DIVERGED, 0)
        plans.append(Progress(path.stem, len(runs), finished, found))
    return plans, skipped
