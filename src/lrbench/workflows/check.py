"""Whether the results of a folder can be believed: every sanity flag that stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lrbench.errors import ConfigError, RecordError
from lrbench.record import layout
from lrbench.record.pairing import Mismatch
from lrbench.record.plans import read_plan
from lrbench.record.reader import (
    UNREADABLE,
    Record,
    Status,
    find_records,
    read_json,
    read_record,
    read_unsealed,
)
from lrbench.record.series import read_series
from lrbench.record.test_uses import occasions
from lrbench.report import notices
from lrbench.report.restarts.ledger import read_ledger
from lrbench.report.runs import COUNTED, Row, Skipped, read_runs, reason
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.flags import Besides, all_flags
from lrbench.report.sanity.study import Facts, PlannedArm, Study, Updates, study_of
from lrbench.report.traces.places import place_of
from lrbench.spec.canonical import digest
from lrbench.workflows.asked import check_folder
from lrbench.workflows.expected import expected_rates

COLUMNS = ("lr", "train_loss", "momentum", "weight_decay")

QUICK_RUNS = 2000
QUICK_UPDATES = 50_000
"""Rows of logs that are read in a few tenths of a second."""


@dataclass(frozen=True)
class Checked:
    """What ``lrbench check`` answers, as plain data.

    Parameters
    ----------
    path : Path
    runs : int
        Finished runs that were looked at.
    flags : tuple of Flag
        Serious ones first.
    notices : tuple of str
        What could not be looked at.
    skipped : tuple of Skipped
        What is in the folder and was not looked at.
    """

    path: Path
    runs: int
    flags: tuple[Flag, ...]
    notices: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def is_serious(self) -> bool:
        """Whether a serious flag stands."""
        return any(flag.is_serious for flag in self.flags)

    @property
    def has_corrupt(self) -> bool:
        """Whether anything in the folder is damaged."""
        return any(one.status == Status.CORRUPT for one in self.skipped)


def check(folder: Path) -> Checked:
    """Look for everything that speaks against believing the results in ``folder``.

    Parameters
    ----------
    folder : Path
        Results of runs and sweeps, or one record.

    Raises
    ------
    ConfigError
        There is no record in ``folder``. Damaged ones do not raise: they are in ``skipped``.
    """
    check_folder(folder, "check")
    rows, skipped, mismatches = read_runs(folder)
    if not rows and all(one.status == "foreign" for one in skipped):
        raise ConfigError("must hold records of runs", key=str(folder), remedy="lrbench run")
    facts, kept, damaged = read_facts(folder, rows, with_logs=True)
    study = _study(folder, facts, kept, skipped)
    expected, unknown = expected_rates(study)
    looked = _test_uses(folder, kept)
    flags = all_flags(study, Besides(mismatches, expected, looked))
    left_out = [*skipped, *damaged]
    said = [*notices.of_skipped(left_out)]
    if unknown:
        said.append(
            f"the rates of {len(unknown)} runs are not held against their schedule, which is code "
            f"of its own: {notices.some(unknown, ', ')}"
        )
    return Checked(folder, len(facts), flags, tuple(said), tuple(left_out))


def quick_flags(
    folder: Path,
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    mismatches: Sequence[Mismatch],
    test_uses: Mapping[str, Sequence[str]],
) -> tuple[Flag, ...] | None:
    """The flags of runs that were read already, as far as they cost next to nothing.

    Logs of updates are looked into where there are few, rates held against schedules where that
    needs no torch; None where there are so many runs that only :func:`check` is for them.
    """
    if len(rows) > QUICK_RUNS:
        return None
    with_logs = is_quick(rows)
    facts, kept, _ = read_facts(folder, rows, with_logs=with_logs)
    study = _study(folder, facts, kept, skipped)
    expected = expected_rates(study, without_torch=True)[0] if with_logs else {}
    return all_flags(study, Besides(mismatches, expected, test_uses))


def is_quick(rows: Sequence[Row]) -> bool:
    """Whether there are few enough updates to look into their logs without being asked to."""
    return sum(int(row["budget"]) for row in rows) <= QUICK_UPDATES


def _test_uses(folder: Path, rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """By run, when its test split was looked at."""
    return {row["run"]: occasions(place_of(folder, row["run"])) for row in rows}


def read_facts(
    folder: Path, rows: Sequence[Row], *, with_logs: bool
) -> tuple[list[Facts], list[Row], list[Skipped]]:
    """What flags ask of every finished run; the rows of those; and what cannot be read."""
    found, kept, damaged = [], [], []
    for row in rows:
        if row["status"] not in COUNTED:
            continue
        record = read_record(place_of(folder, row["run"]))
        try:
            found.append(_facts(record, row, with_logs=with_logs))
        except UNREADABLE as error:
            damaged.append(Skipped(record.run_id, Status.CORRUPT, reason(error)))
            continue
        kept.append(row)
    return found, kept, damaged


def _facts(record: Record, row: Row, *, with_logs: bool) -> Facts:
    evals = record.log("evals.csv")
    diverged = row["status"] == Status.DIVERGED
    facts = Facts(
        run=record.run_id,
        seed=row["seed"],
        arm=row["arm"],
        diverged=diverged,
        spec=record.spec,
        result=record.result,
        looks={name: evals.column(name) for name in ("step", "val_loss", "val_accuracy")},
    )
    if not with_logs:
        return facts
    series = read_series(record, "steps.csv", COLUMNS)
    absent = np.full(len(series["lr"]), np.nan)
    manifest = read_unsealed(record.path / layout.MANIFEST)
    slot = (manifest.get("lanes") or {}).get("slot")
    has_restarts = record.result["logs"]["restarts.csv"]["rows"] > 0
    began, ended = _times(record)
    return replace(
        facts,
        updates=Updates(
            series["lr"],
            series["train_loss"],
            series["momentum"],
            series.get("weight_decay", absent),
        ),
        restarts=read_ledger(record).restarts if has_restarts else (),
        planned_restarts=manifest["schedule"]["restarts"],
        samples=manifest["data"]["samples"]["train"],
        made_by=digest([manifest["profile"]["digest"], slot]),
        began=began,
        ended=ended,
    )


def _times(record: Record) -> tuple[str, str]:
    """When the first attempt began and the last one ended; empty where that is not known."""
    with suppress(*UNREADABLE):
        files = sorted((record.path / layout.ATTEMPTS).glob("*.json"))
        first = last = read_unsealed(files[0])
        if len(files) > 1:
            last = read_unsealed(files[-1])
        return str(first["started"]), str(last["ended"])
    return "", ""


def _study(
    folder: Path, facts: Sequence[Facts], rows: Sequence[Row], skipped: Sequence[Skipped]
) -> Study:
    names = [run.run for run in facts] + [one.name for one in skipped]
    return study_of(
        facts,
        rows,
        planned=_planned(folder),
        present=[name.rpartition("-")[2] for name in names],
        twinned=_twinned(folder),
    )


def _planned(folder: Path) -> Iterator[PlannedArm]:
    """The arms of all sweeps; a damaged plan is told of by ``summarize``."""
    for path in sorted((folder / layout.SWEEPS).glob("*.json")):
        with suppress(RecordError, OSError):
            content = read_plan(path).content
            for arm in content["arms"]:
                yield tuple((run["seed"], digest(run)) for run in arm["runs"])


def _twinned(folder: Path) -> Iterator[str]:
    """Digests of the runs that have twins in the folder that ``lrbench twin`` puts them into."""
    twins = folder / layout.TWINS
    if not twins.is_dir() or twins.is_symlink():
        return
    for path in find_records(twins):
        with suppress(*UNREADABLE):
            yield str(read_json(path / layout.SPEC)["fork"]["parent"])
