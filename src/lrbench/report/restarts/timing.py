"""Does when and how far a restart goes have to do with how rough it is: correlations over a folder.

A point is a restart of an arm, or an arm, with means over its seeds: seeds of one arm have the same
timing, so that taking each for a point of its own would make much of little. Restarts of one arm
follow from each other, so an interval here is rather too narrow; and length, place and jump of
restarts mostly go together, so that none of them is shown to be the cause.

A loss that is not back when its cycle ends was waited for as long as the cycle is. Taken as it is,
that would make waiting grow with the length of the cycle by itself; so every wait is cut at the
shortest time that any restart was looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lrbench.report.restarts.arms import ArmLedger
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import has_risen
from lrbench.stats.aggregate import describe
from lrbench.stats.correlation import Correlation, correlate
from lrbench.stats.holm import holm_adjusted

Figure = Callable[[Row], float | None]


def _jump(row: Row) -> float | None:
    before, after = row.get("lr_before"), row.get("lr_after")
    return None if before is None or after is None else float(after - before)


def _recovery(row: Row) -> float | None:
    """Updates until the loss was back, at least; none where it never rose."""
    if not has_risen(row):
        return 0.0 if row.get("spike") is not None else None
    known = row.get("recovery_steps")
    return known if known is not None else row.get("recovery_censored_at")


def _recovery_within(horizon: float) -> Figure:
    """The same, as far as every restart was looked at."""

    def figure(row: Row) -> float | None:
        known = _recovery(row)
        return None if known is None else min(known, horizon)

    return figure


def _watched(row: Row) -> float | None:
    """Updates in which it was looked whether the loss is back."""
    if row.get("spike") is None:
        return None
    censored = row.get("recovery_censored_at")
    return censored if censored is not None else row.get("length")


TIMING: dict[str, Figure] = {
    "cycle length": lambda row: row.get("length"),
    "step": lambda row: row.get("step"),
    "jump of the rate": _jump,
}
STABILITY: dict[str, Figure] = {
    "spike, relative": lambda row: row.get("spike_relative"),
}
BACK = "updates until back"
DIVERGED = "share of diverged runs"


@dataclass(frozen=True)
class Association:
    """One timing against one measure of stability.

    Parameters
    ----------
    timing, stability : str
        In words.
    points : str
        What a point is: "restart" or "arm", each the mean over seeds.
    found : Correlation
    p_adjusted : float or None
        Of Spearman's coefficient, by Holm over all associations of the folder.
    """

    timing: str
    stability: str
    points: str
    found: Correlation
    p_adjusted: float | None = None


def associations(arms: Sequence[ArmLedger], level: float = 0.95) -> tuple[Association, ...]:
    """Every timing against every measure of stability; those without variation left out.

    Parameters
    ----------
    arms : sequence of ArmLedger
    level : float in (0, 1)
    """
    restarts = [
        [ledger.restarts[place] for ledger in arm.runs if len(ledger.restarts) > place]
        for arm in arms
        for place in range(max((len(ledger.restarts) for ledger in arm.runs), default=0))
    ]
    watched = [w for rows in restarts for row in rows if (w := _watched(row)) is not None]
    measures = STABILITY | {BACK: _recovery_within(min(watched, default=0.0))}
    found = [
        Association(when, what, "restart", _correlated(restarts, timing, stability, level))
        for when, timing in TIMING.items()
        for what, stability in measures.items()
    ]
    found += [
        Association(when, DIVERGED, "arm", _with_divergence(arms, timing, level))
        for when, timing in TIMING.items()
    ]
    known = [one for one in found if one.found.spearman]
    adjusted = holm_adjusted([one.found.spearman_p for one in known])
    return tuple(replace(one, p_adjusted=p) for one, p in zip(known, adjusted, strict=True))


def tell(found: Sequence[Association], level: float = 0.95) -> Iterator[str]:
    """A line each, rank correlations with n and interval."""
    if not found:
        return
    yield "timing of restarts against stability: rank correlation over restarts or arms"
    for one in found:
        rank = one.found.spearman
        assert rank is not None
        span = ""
        if rank.low is not None and rank.high is not None:
            span = f" [{rank.low:+.2f}, {rank.high:+.2f}]"
        p = "" if one.p_adjusted is None else f", Holm p = {one.p_adjusted:.2g}"
        verdict = _verdict(one, rank.value, level)
        many = f"{one.found.n} {one.points}s"
        yield f"  {one.timing} and {one.stability}: {rank.value:+.2f}{span}, {many}{p}{verdict}"


NOTE = (
    "rank correlation: Spearman, points are means over seeds. Restarts of one arm are not "
    "independent, so intervals are rather too narrow; length, place and jump go together, so none "
    "is shown to be the cause. Updates until back are counted up to the shortest time that a "
    "restart was looked at: longer cycles would else wait longer by themselves"
)


def _verdict(one: Association, value: float, level: float) -> str:
    if one.p_adjusted is None or one.p_adjusted > 1 - level:
        return ": undecided"
    return f": {'more' if value > 0 else 'less'} with it"


def _correlated(
    restarts: Sequence[Sequence[Row]], timing: Figure, stability: Figure, level: float
) -> Correlation:
    points = [(_mean(rows, timing), _mean(rows, stability)) for rows in restarts]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    return correlate([x for x, _ in known], [y for _, y in known], level)


def _with_divergence(arms: Sequence[ArmLedger], timing: Figure, level: float) -> Correlation:
    known = []
    for arm in arms:
        finished = len(arm.seeds) + arm.diverged
        when = _mean([row for ledger in arm.runs for row in ledger.restarts], timing)
        if finished and when is not None:
            known.append((when, arm.diverged / finished))
    return correlate([x for x, _ in known], [y for _, y in known], level)


def _mean(rows: Sequence[Row], figure: Figure) -> float | None:
    return describe([value for row in rows if (value := figure(row)) is not None]).mean
