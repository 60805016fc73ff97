"""Every trial of a folder: when, with what settings, what became of it, and what was said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, LrbenchError
from lrbench.record import layout
from lrbench.record.reader import Status, find_records
from lrbench.report.escapes import printable
from lrbench.report.history.columns import Table
from lrbench.report.history.filters import fits, parse_filters
from lrbench.report.history.flags import Flags, collected, read_flags, write_flags
from lrbench.report.history.index import Found, find_trials
from lrbench.report.history.order import in_order
from lrbench.report.history.trial import Trial
from lrbench.report.settings import differing_of, equal_of

SORT = "started"

AT_ONCE = 200
"""Finished runs in which flags are looked for without being asked to."""


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
    with_flags: bool | None = None,
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
    with_flags : bool, optional
        Whether to look for sanity flags; default: where they are known already of these records,
        or there are at most :data:`AT_ONCE` finished runs.
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
        # Here, because what else is there takes time to import.
        from lrbench.report.runs import instead

        relation = "must be a folder of results" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(folder), remedy=instead(folder, "history"))
    found = find_trials(folder, use_index=use_index, on_read=on_read)
    if not found.trials:
        raise ConfigError("must hold records of runs", key=str(folder), remedy="lrbench run")
    flags, said = _flags(folder, found, with_flags)
    table = Table(found.trials, dict(flags.of_runs))
    conditions = parse_filters(filters, table)
    chosen = [trial for trial in found.trials if fits(trial, conditions, table)]
    ordered = in_order(chosen, sort, table)
    keys = (table if len(chosen) == len(found.trials) else Table(chosen)).settings
    arms = list({t.arm: t.settings for t in chosen if t.arm}.values())
    return History(
        folder,
        len(found.trials),
        tuple(ordered),
        differing_of(arms, keys),
        equal_of(arms, keys),
        dict(flags.of_runs),
        (*said, *_notices(folder, found.foreign)),
        found.path,
        found.read,
    )


def _flags(folder: Path, found: Found, asked: bool | None) -> tuple[Flags, list[str]]:
    """The flags that stand, and what there is to say of them."""
    if asked is False:
        return Flags(), []
    flags = read_flags(found.path, found.state) if found.path else None
    if flags is None:
        finished = sum(Status(trial.status).is_finished for trial in found.trials)
        if not finished:
            return Flags(), []
        if asked is None and finished > AT_ONCE:
            return Flags(), ["flags were not looked for since these records changed: --flags does"]
        # Here, because it makes schedules again, which most calls have no need of.
        from lrbench.workflows.check import check

        try:
            checked = check(folder)
        except LrbenchError as error:
            told = " ".join(str(error).split())
            return Flags(), [f"flags could not be looked for ({printable(told)})"]
        flags = collected((flag.code, flag.sentence, flag.runs) for flag in checked.flags)
        if found.path:
            write_flags(found.path, found.state, flags)
    return flags, [f"flag {code}: {sentence}" for code, sentence in flags.of_folder.items()]


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
