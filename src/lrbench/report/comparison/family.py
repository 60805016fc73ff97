"""Who is held against whom: what a comparison judges together, and a plan counts beforehand.

One function for both, so that no sweep is planned for other comparisons than are made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from lrbench.errors import ConfigError
from lrbench.report.comparison.contenders import Entrant, Group, choose_baseline, group
from lrbench.report.comparison.runs import LR, Run
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.settings import differing

Member = TypeVar("Member")


@dataclass(frozen=True)
class Lineup:
    """The contenders of one task.

    Parameters
    ----------
    group : Group
    entrants : tuple of Entrant
        The baseline first.
    why : str
        Why this is the baseline, where nobody asked for it.
    """

    group: Group
    entrants: tuple[Entrant, ...]
    why: str

    @property
    def pairs(self) -> list[tuple[Entrant, Entrant]]:
        """All against the baseline."""
        return pairs_of(self.entrants, all_pairs=False)


def lineup(one: Group, entrants: Sequence[Entrant], baseline: str | None) -> Lineup | None:
    """Those of the ``entrants`` of a group that are compared; None without a baseline or a second.

    Parameters
    ----------
    entrants : sequence of Entrant
        Those that have something to show: with a finished run, or in a plan all of them.
    baseline : str, optional
        As for :func:`~lrbench.report.comparison.contenders.choose_baseline`.
    """
    first, why = choose_baseline(entrants, baseline) if entrants else (None, "")
    if first is None or len(entrants) < 2:
        return None
    return Lineup(one, (first, *(other for other in entrants if other is not first)), why)


def pairs_of(contenders: Sequence[Member], *, all_pairs: bool) -> list[tuple[Member, Member]]:
    """Who is held against whom: all against the first, or each against each."""
    if all_pairs:
        return list(combinations(contenders, 2))
    return [(contenders[0], other) for other in contenders[1:]]


def lineups_of(
    runs: Sequence[Run], by: str = "schedule", baseline: str | None = None
) -> list[Lineup]:
    """The comparisons that ``lrbench compare`` would make of these runs, were all of them finished.

    Where ``by`` tells nothing apart, by what does: the settings that were varied, and the learning
    rates where nothing else was. Empty where nothing was.
    """
    try:
        _, groups = group(runs, by)
    except ConfigError:
        groups = _by_what_differs(runs)
    found = (lineup(one, one.entrants, baseline) for one in groups)
    return [one for one in found if one is not None]


def _by_what_differs(runs: Sequence[Run]) -> list[Group]:
    if not runs:
        return []
    arms = one_row_an_arm(runs_frame([run.row for run in runs]))
    apart = differing(arms, settings_in(arms))
    varied = [key for key in apart if key != LR and key.partition(".")[0] != "dataset"]
    for by in filter(None, (",".join(varied), LR)):
        try:
            return group(runs, by)[1]
        except ConfigError:
            continue
    return []
