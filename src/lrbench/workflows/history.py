"""Every trial of a folder: when, with what settings, what became of it, and what was said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError
from lrbench.record import layout
from lrbench.record.reader import Status, find_records
from lrbench.report.escapes import printable
from lrbench.report.history.columns import Table
from lrbench.report.history.filters import fits, parse_filters
from lrbench.report.history.index import find_trials
from lrbench.report.history.order import in_order
from lrbench.report.history.trial import Trial
from lrbench.report.settings import differing_of, equal_of

SORT = "started"


@dataclass(frozen=True)
class History:
    """What ``lrbench history`` answers.

    Parameters
    ----------
    path : Path
    total : int
        Trials in the folder.
    trials : tuple of Trial
        Those that fit the filters, in order.
    differing : tuple of str
        The settings that tell their arms apart.
    equal : dict
        The settings that they share, with their values.
    flags : dict
        Codes of what a sanity check found, by the names of runs.
    notices : tuple of str
        What must be known besides the rows.
    index : Path or None
        Where what was read is kept; it can be deleted.
    read : int
        Records that had to be read, because the index did not know them as they are.
    """

    path: Path
    total: int
    trials: tuple[Trial, ...]
    differing: tuple[str, ...]
    equal: dict[str, Any]
    flags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    index: Path | None = None
    read: int = 0

    @property
    def has_corrupt(self) -> bool:
        """Whether a record that is shown is damaged, or something beside one."""
        return any(trial.status == Status.CORRUPT or trial.remarks for trial in self.trials)


def history(
    folder: Path,
    *,
    filters: Sequence[str] = (),
    sort: str = SORT,
    use_index: bool = True,
    on_read: Callable[[int, int], None] = lambda done, total: None,
) -> History:
    """List the trials in ``folder``, finished or not.

    Parameters
    ----------
    folder : Path
        Results, or one record.
    filters : sequence of str
        ``schedule=sgdr``, ``optimizer.lr<0.1``, ``tag=pilot``, ``since=2026-11-01``; all must hold.
    sort : str
        A column, ``-`` in front to turn it round; several joined by commas.
    use_index : bool
        Else every record is read, and the index made anew.
    on_read : callable
        Hears how many records of how many have been read.

    Raises
    ------
    ConfigError
        There is no record, or a filter or column is wrong. Damaged records do not raise: they are
        among the trials.
    """
    if not folder.is_dir():
        relation = "must be a folder of results" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(folder), remedy="lrbench history results")
    found = find_trials(folder, use_index=use_index, on_read=on_read)
    if not found.trials:
        raise ConfigError("must hold records of runs", key=str(folder), remedy="lrbench run")
    flags = flags_of(folder)
    table = Table(found.trials, flags)
    conditions = parse_filters(filters, table)
    chosen = [trial for trial in found.trials if fits(trial, conditions, table)]
    ordered = in_order(chosen, sort, table)
    keys, arms = Table(chosen).settings, list({t.arm: t.settings for t in chosen if t.arm}.values())
    return History(
        folder,
        len(found.trials),
        tuple(ordered),
        differing_of(arms, keys),
        equal_of(arms, keys),
        flags,
        tuple(_notices(folder, found.foreign)),
        found.path,
        found.read,
    )


def flags_of(folder: Path) -> dict[str, tuple[str, ...]]:
    """Codes of the sanity flags that stand, by the names of the runs they are of."""
    return {}


def _notices(folder: Path, foreign: Sequence[str]) -> list[str]:
    told = []
    twins = folder / layout.TWINS
    if twins.is_dir() and (count := sum(1 for _ in find_records(twins))):
        told.append(f"{count} twins lie in {printable(str(twins))}, and are listed there")
    others = [n for n in foreign if n not in (layout.SWEEPS, layout.TWINS) and n[0] != "."]
    if others:
        # Here, because it takes most of a second to import.
        from lrbench.report.notices import some

        told.append(f"no records of lrbench: {some([*map(printable, others)], ', ')}")
    return told
