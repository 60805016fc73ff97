"""What the restarts of a run did, or of the runs in a folder, arm by arm."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.errors import ConfigError, DamageError, RecordError
from lrbench.record.reader import Record, Status, find_records, read_record
from lrbench.report import notices
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.restarts.arms import ArmLedger, describe_arm
from lrbench.report.restarts.ledger import Ledger, read_ledger
from lrbench.report.restarts.timing import Association, associations
from lrbench.report.runs import Row, Skipped, read_runs, reason
from lrbench.report.settings import differing, label


@dataclass(frozen=True)
class Restarts:
    """What ``lrbench restarts`` answers, as plain data.

    Parameters
    ----------
    path : Path
    run : Ledger or None
        Of a single record.
    arms : tuple of ArmLedger
        Of a folder, in the order of their first runs.
    associations : tuple of Association
        Of a folder: what the timing of restarts has to do with their stability.
    notices : tuple of str
        What must be known besides the figures.
    skipped : tuple of Skipped
        What is in the folder and in no figure.
    mismatches : tuple of str
        Runs of a seed that do not share what they must share: their arms cannot be compared.
    """

    path: Path
    run: Ledger | None
    arms: tuple[ArmLedger, ...] = ()
    associations: tuple[Association, ...] = ()
    notices: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    mismatches: tuple[str, ...] = ()

    @property
    def has_corrupt(self) -> bool:
        """Whether anything in the folder is damaged."""
        return any(one.status == Status.CORRUPT for one in self.skipped)


def restarts(path: Path) -> Restarts:
    """The ledger of one record, or of a folder's runs, finished or not.

    Parameters
    ----------
    path : Path
        A record, or a folder of records.

    Raises
    ------
    ConfigError
        There is no record at ``path``.
    DamageError
        The one record asked for is damaged. Damaged ones among others are in ``skipped``.
    """
    # A record is known by its folder's name, which "." and a link to it do not show.
    folder = Path(os.path.realpath(path))
    if not folder.is_dir():
        relation = "must be a run or a folder of runs" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(path), remedy="lrbench status results")
    first = next(iter(find_records(folder)), None)
    if first is None:
        raise ConfigError("must hold records of runs", key=str(path), remedy="lrbench run")
    return Restarts(path, _of_record(folder, path)) if first == folder else _of_folder(path)


def _of_record(folder: Path, path: Path) -> Ledger:
    record = read_record(folder)
    if record.status is Status.CORRUPT:
        raise DamageError(f"is damaged: {record.reason}", key=str(path))
    if not record.spec:
        relation = "must hold more than the lock of a run that has not begun"
        raise ConfigError(relation, key=str(path))
    try:
        return read_ledger(record)
    except RecordError as error:
        raise DamageError(error.problems) from error


def _of_folder(path: Path) -> Restarts:
    rows, skipped, mismatches = read_runs(path)
    ledgers: dict[str, list[Ledger]] = {}
    kept: list[Row] = []
    for row in rows:
        record = read_record(path / row["run"])
        try:
            ledger = _counted_as(row["status"], record)
        except (RecordError, OSError, LookupError, TypeError) as error:
            skipped.append(Skipped(record.run_id, Status.CORRUPT, reason(error)))
            continue
        ledgers.setdefault(row["arm"], []).append(ledger)
        kept.append(row)
    arms = tuple(describe_arm(name, ledgers[arm]) for arm, name in _labels(kept).items())
    return Restarts(
        path,
        run=None,
        arms=arms,
        associations=associations(arms),
        notices=(*notices.of_mismatches(mismatches), *notices.of_skipped(skipped)),
        skipped=tuple(skipped),
        mismatches=tuple(map(str, mismatches)),
    )


def _counted_as(status: str, record: Record) -> Ledger:
    """A complete run whose last evaluation is not finite counts as diverged, as in a summary."""
    return replace(read_ledger(record), status=str(status))


def _labels(rows: list[Row]) -> dict[str, str]:
    """Every arm with the settings that tell it from the others."""
    if not rows:
        return {}
    arms = one_row_an_arm(runs_frame(rows))
    apart = differing(arms, settings_in(arms)) or ("schedule",)
    return {arm["arm"]: label({key: arm[key] for key in apart}) for arm in arms.to_dict("records")}
