"""What the restarts did: the ledger over seeds, and the layers around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from lrbench.report.document.blocks import Block, Commands, Heading, Listing, Paragraph, Shown
from lrbench.report.escapes import printable
from lrbench.report.numbers import ABSENT
from lrbench.report.restarts import spread, timing
from lrbench.report.restarts.arms import ArmLedger, RestartOfArm
from lrbench.report.restarts.measures import SECTIONS, Measure, notes, three
from lrbench.report.restarts.overview import LEGEND, NO_VERDICT, cell
from lrbench.report.restarts.spread import Spread
from lrbench.report.sections.facts import Facts
from lrbench.report.tables import Column
from lrbench.stats.interval import Interval

SHORT = 12
"""Restarts in a table that a page shows unasked."""

_TOLD = {
    "step": "after updates",
    "cause": "cause",
    "length": "cycle",
    "lr_before": "rate before",
    "lr_after": "after",
    "loss_before": "loss before",
    "spike": "highest above",
    "spike_relative": "in %",
    "recovery_steps": "back after",
    "val_loss_before": "val_loss before",
    "val_loss_end": "end of cycle",
    "gain": "gain",
    "gradient_peak": "gradient, peak / before",
}
"""Columns of the ledger with their heads; the others are in ``lrbench restarts``."""

_MEASURES = {m.column: m for section in SECTIONS for m in section.measures}


@dataclass(frozen=True)
class _Place:
    arm: ArmLedger
    restart: RestartOfArm


def restarts(facts: Facts) -> Iterator[Block]:
    """Nothing where no run restarted."""
    places = [_Place(arm, one) for arm in facts.ledgers for one in arm.restarts]
    if not places:
        return
    yield Heading("Restarts")
    yield from _controls(facts)
    yield Listing(
        "the ledger over seeds: every arm that restarts",
        tuple(_columns(places)),
        (LEGEND, *notes({column for column in _TOLD if _is_measured(column, places)})),
        is_long=len(places) > SHORT,
    )
    spreads = [(place, one) for place in places for one in place.restart.spreads if one.found.ratio]
    if spreads:
        yield Listing(
            "variance over seeds after a restart / before it, above 1: they drifted apart",
            tuple(_spreads(spreads, facts.level)),
            (spread.NOTE,),
            is_long=len(spreads) > SHORT,
        )
    found = list(timing.tell(facts.associations, facts.level))
    if found:
        yield Listing(found[0], (), (*(line.strip() for line in found[1:]), timing.NOTE))
    yield from _layers(facts)


def _controls(facts: Facts) -> Iterator[Block]:
    """Verdicts, of restarts that were trained without as well, or how to come by one."""
    if facts.controls:
        yield Listing("restarts against the same runs without them", (), facts.controls)
        yield Paragraph("Of the others:")
    yield Paragraph(NO_VERDICT)
    yield Commands((f"lrbench twin {quote(facts.path)} --restart 1",))


def _layers(facts: Facts) -> Iterator[Block]:
    for task, pictures in facts.layers.items():
        if facts.layered[task] > len(pictures) > 0:
            which = f" --task {quote(task)}" if task else ""
            yield Paragraph(
                f"{f'{task}: ' if task else ''}layers around restarts are drawn of {len(pictures)} "
                f"of {facts.layered[task]} contenders that have them: the first ones in the order "
                "of the tables (the baseline, then by name), however they did. The others:"
            )
            yield Commands(
                (
                    f"lrbench plot {quote(facts.path)} --kind layers{which} --arm CONTENDER "
                    "-o layers.html",
                )
            )
        yield from map(Shown, pictures)


def _columns(places: Sequence[_Place]) -> Iterator[Column]:
    if any(place.arm.label for place in places):
        yield Column("arm", tuple(place.arm.label for place in places), is_label=True)
    yield Column("restart", tuple(str(place.restart.restart) for place in places))
    yield Column("n", tuple(str(place.restart.n) for place in places))
    for column, head in _TOLD.items():
        measure: Measure = _MEASURES[column]
        cells = tuple(cell(measure, place.restart) for place in places)
        if set(cells) != {ABSENT}:
            yield Column(head, cells, is_label=column == "cause")


def _is_measured(column: str, places: Sequence[_Place]) -> bool:
    return any(
        column in place.restart.columns and place.restart.columns[column].n for place in places
    )


def _spreads(found: Sequence[tuple[_Place, Spread]], level: float) -> Iterator[Column]:
    ratios = [one.found.ratio for _, one in found if one.found.ratio]
    if any(place.arm.label for place, _ in found):
        yield Column("arm", tuple(place.arm.label for place, _ in found), is_label=True)
    yield Column("restart", tuple(str(place.restart.restart) for place, _ in found))
    yield Column("of", tuple(one.what for _, one in found), is_label=True)
    layers = tuple(ABSENT if one.layer is None else printable(one.layer) for _, one in found)
    if set(layers) != {ABSENT}:
        yield Column("layer", layers, is_label=True)
    yield Column("ratio", tuple(three(ratio.value) for ratio in ratios))
    yield Column(f"{100 * level:.6g} % interval", tuple(map(_interval, ratios)))
    yield Column("n", tuple(str(one.found.n) for _, one in found))
    yield Column("variance", tuple(one.change(level) for _, one in found), is_label=True)


def _interval(ratio: Interval) -> str:
    if ratio.low is None or ratio.high is None:
        return ABSENT
    return f"[{three(ratio.low)}, {three(ratio.high)}]"
