"""Do seeds lie further apart after a restart than before it: ratios of variances, with intervals.

Of the losses and, layer by layer, of what the optimizer does. The same seeds are measured before
and after, so the two samples belong together; of positive figures the logarithms are compared, for
a loss that falls to a half has half the spread without having changed its relative one. The spread
changes in the course of training without a restart too: what a restart is to blame for, only its
twin can say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lrbench.report.escapes import printable
from lrbench.report.notices import SHOWN
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import times
from lrbench.stats.holm import holm_adjusted
from lrbench.stats.variances import VarianceRatio, variance_ratio

FEWEST = 3
"""Seeds without which nothing is said of a spread."""

LAYER_PAIRS = {
    "update/rate": ("effective_step_before", "effective_step_after"),
    "root 2nd moment": ("root_second_moment_before", "root_second_moment_after"),
}
"""What is known of a layer just before a restart and just after it, by the columns."""


@dataclass(frozen=True)
class Spread:
    """One figure over the seeds of an arm, after a restart and before it.

    Parameters
    ----------
    what : str
        In words.
    layer : str or None
        None of the whole run.
    is_log : bool
        Compared as logarithms: all values were positive.
    found : VarianceRatio
        After over before: above 1 the seeds drifted apart.
    p_adjusted : float or None
        By Holm over all such figures of the arm.
    """

    what: str
    layer: str | None
    is_log: bool
    found: VarianceRatio
    p_adjusted: float | None = None

    def change(self, level: float = 0.95) -> Literal["raised", "lowered", "undecided"]:
        """What became of the variance, as far as its adjusted p says so."""
        ratio = self.found.ratio
        if ratio is None or self.p_adjusted is None or self.p_adjusted > 1 - level:
            return "undecided"
        return "raised" if ratio.value > 1 else "lowered"


def spreads(rows: Sequence[Row], level: float = 0.95) -> tuple[Spread, ...]:
    """Of the restarts with one number, a row a seed; not yet adjusted.

    Parameters
    ----------
    rows : sequence of Row
        With ``layers``.
    """
    peaks = [pair for row in rows if (pair := _peak(row))]
    ends = _pairs(rows, "val_loss_before", "val_loss_end")
    figures: list[tuple[str, str | None, list[tuple[float, float]]]] = [
        ("val. loss, ends of cycles", None, ends),
        ("training loss, peak / before", None, peaks),
    ]
    by_layer: dict[str, list[Row]] = {}
    for row in rows:
        for layer in row["layers"]:
            by_layer.setdefault(layer["layer"], []).append(layer)
    figures += [
        (what, name, _pairs(layers, *columns))
        for name, layers in by_layer.items()
        for what, columns in LAYER_PAIRS.items()
    ]
    return tuple(_spread(*figure, level) for figure in figures if len(figure[-1]) >= FEWEST)


def adjusted(restarts: Sequence[Sequence[Spread]]) -> list[tuple[Spread, ...]]:
    """The spreads of all restarts of an arm, as one family."""
    every = [one for spreads in restarts for one in spreads]
    values = iter(holm_adjusted([one.found.p for one in every]))
    return [tuple(replace(one, p_adjusted=next(values)) for one in spreads) for spreads in restarts]


def tell(restart: int, found: Sequence[Spread], level: float = 0.95) -> Iterator[str]:
    """Lines on one restart; nothing where no ratio is known."""
    known = [(one, one.found.ratio) for one in found if one.found.ratio]
    if not known:
        return
    yield f"restart {restart}, variance over seeds after / before (above 1: they drifted apart)"
    layers = sum(one.layer is not None for one, _ in known)
    is_short = layers <= SHOWN
    for one, ratio in known:
        if one.layer is not None and not is_short:
            continue
        name = one.what if one.layer is None else f"{one.what}, {printable(one.layer)}"
        span = "" if ratio.low is None or ratio.high is None else _span(ratio.low, ratio.high)
        told = "" if one.change(level) == "undecided" else f"  {one.change(level)}"
        yield f"  {name}: {times(ratio.value)}{span}, n = {one.found.n}{told}"
    if not is_short:
        changes = [one.change(level) for one, _ in known if one.layer is not None]
        yield (
            f"  of {layers} figures of layers {changes.count('raised')} raised, "
            f"{changes.count('lowered')} lowered, the others undecided; --json has each"
        )


NOTE = (
    "variance ratios: of logarithms where all values are positive, so of relative spread; "
    "intervals of single ones at 95 % (Pitman, Morgan), raised and lowered by Holm over all of the "
    "arm. Over training spreads change without a restart too: a twin tells which is which"
)


def _span(low: float, high: float) -> str:
    return f" [{times(low).removeprefix('x')}, {times(high).removeprefix('x')}]"


def _spread(
    what: str, layer: str | None, pairs: Sequence[tuple[float, float]], level: float
) -> Spread:
    is_log = all(min(pair) > 0 for pair in pairs)
    before, after = (
        [math.log(pair[side]) if is_log else pair[side] for pair in pairs] for side in (0, 1)
    )
    return Spread(what, layer, is_log, variance_ratio(before, after, level))


def _pairs(rows: Sequence[Row], before: str, after: str) -> list[tuple[float, float]]:
    pairs = [(row.get(before), row.get(after)) for row in rows]
    return [
        (float(one), float(two))
        for one, two in pairs
        if one is not None and two is not None and math.isfinite(one) and math.isfinite(two)
    ]


def _peak(row: Row) -> tuple[float, float] | None:
    """The smoothed training loss before a restart, and the highest after it."""
    level, spike = row.get("loss_before"), row.get("spike")
    if level is None or spike is None or not math.isfinite(level + spike):
        return None
    return float(level), float(level + spike)
