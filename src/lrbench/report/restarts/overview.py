"""Arms as text: a table each, restarts side by side, and what their layers did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrbench.report.escapes import printable
from lrbench.report.notices import SHOWN, ranges, some
from lrbench.report.numbers import ABSENT
from lrbench.report.restarts import layers as by_layer
from lrbench.report.restarts import spread, timing
from lrbench.report.restarts.arms import ArmLedger, RestartOfArm
from lrbench.report.restarts.grid import Line, fill, side_by_side
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import SECTIONS, Measure, notes, signed_three, whole
from lrbench.stats.aggregate import Estimate
from lrbench.stats.censored import TimeToTarget

LEGEND = (
    "Cells: mean (sd over the runs); of counts and peaks median [least-most]; one number where all "
    "runs have the same. Until back: median of the runs where the loss rose (how many of them came "
    "back); >= N: past the shortest cycle."
)
NO_VERDICT = (
    "None of this says that restarts helped: the losses might have fallen without them. Compare "
    "with the same runs without one:"
)
MOST = 6
"""Restarts of all arms whose layers are shown without being asked for."""


def tell(
    arms: Sequence[ArmLedger], width: int, twin: str, *, whole_model: bool | None
) -> Iterator[str]:
    """The whole answer on a folder, in lines of at most ``width`` characters.

    Parameters
    ----------
    arms : sequence of ArmLedger
    width : int in [60, inf)
    twin : str
        The command that compares restarts with their controls.
    whole_model : bool or None
        Every layer, no layers, or as many as can be overlooked.
    """
    yield f"{_counted(len(arms), 'arm')}, {_counted(sum(len(a.seeds) for a in arms), 'run')}"
    with_layers = sum(bool(one.layers) for arm in arms for one in arm.restarts)
    is_short = with_layers <= MOST
    has_layers = bool(with_layers) and (whole_model or (whole_model is None and is_short))
    for arm in arms:
        yield ""
        yield from fill(_heading(arm), width, "  ")
        for remark in _remarks(arm):
            yield from fill(f"  {remark}", width, "    ")
        if arm.restarts:
            heads = [f"restart {one.restart}" for one in arm.restarts]
            yield from side_by_side(heads, lines(arm.restarts), width)
        if has_layers:
            yield from _layers(arm, width, whole_model)
        yield from _spreads(arm, width)
    if not any(arm.restarts for arm in arms):
        return
    yield ""
    if whole_model is None and not is_short:
        yield f"by depth: {with_layers} tables, which --layers shows"
    yield from fill(LEGEND, width)
    if any(one.found.ratio for arm in arms for each in arm.restarts for one in each.spreads):
        yield from fill(spread.NOTE, width, "    ")
    measured = {c for arm in arms for one in arm.restarts for c, e in one.columns.items() if e.n}
    for note in notes(measured):
        yield from fill(note, width, "    ")
    if has_layers:
        every = [row for arm in arms for one in arm.restarts for row in _layer_rows(one)]
        for told in by_layer.legend(every, whole_model=whole_model):
            yield from fill(told, width, "    ")
    found = timing.associations(arms)
    if found:
        yield ""
        yield from (line for told in timing.tell(found) for line in fill(told, width, "    "))
        yield from fill(timing.NOTE, width, "    ")
    if "spike" in measured:
        yield ""
        yield from fill(NO_VERDICT, width)
        yield f"    {twin}"


def _heading(arm: ArmLedger) -> str:
    if len(arm.counts) == 1:
        each = " each" if len(arm.seeds) > 1 else ""
        counts = [_counted(many, "restart") + each for many in arm.counts]
    else:
        counts = [
            f"{_counted(many, 'restart')} in {_counted(runs, 'run')}"
            for many, runs in arm.counts.items()
        ]
    seeds = f" ({ranges(sorted(set(arm.seeds)))})" if arm.seeds else ""
    others = [
        f"{count} {what}"
        for what, count in (("diverged", arm.diverged), ("unfinished", arm.unfinished))
        if count
    ]
    told = [f"{arm.label}: {_counted(len(arm.seeds), 'complete run')}{seeds}"]
    if any(arm.counts):
        told.append(", ".join(counts))
    if others:
        told.append(f"in no figure: {', '.join(others)}")
    return "; ".join(told)


def _remarks(arm: ArmLedger) -> Iterator[str]:
    if len(arm.counts) > 1:
        yield "restarts are matched by their number: n is smaller where fewer runs have one"
    # One reason for many runs is told once.
    reasons: dict[str, list[int]] = {}
    for ledger in arm.runs:
        for remark in ledger.remarks:
            reasons.setdefault(printable(remark), []).append(ledger.seed)
    for remark, seeds in list(reasons.items())[:SHOWN]:
        yield remark if len(seeds) == len(arm.runs) else f"{ranges(seeds)}: {remark}"
    if len(reasons) > SHOWN:
        yield f"and {len(reasons) - SHOWN} more remarks on single runs, which --json lists"
    earlier = [ledger.seed for ledger in arm.runs if ledger.is_earlier]
    if earlier:
        yield f"{ranges(earlier)}: made by an earlier lrbench, which did not measure restarts"
    for one in arm.restarts:
        for what, said in (("cause", one.causes), ("policy", one.policies), ("audit", one.audits)):
            if len(said) > 1:
                told = [f"{printable(name)} in {count}" for name, count in said.items()]
                yield f"restart {one.restart}, {what}: {some(told, ', ')}"


def lines(restarts: Sequence[RestartOfArm]) -> list[Line]:
    """The table of all restarts of an arm; no line of what none of them has."""
    told = [Line("  runs (n)", tuple(str(one.n) for one in restarts))]
    for section in SECTIONS:
        measures = [
            Line(f"  {measure.label}", cells)
            for measure in section.measures
            if measure.over_seeds
            and set(cells := tuple(cell(measure, one) for one in restarts)) != {ABSENT}
        ]
        if measures:
            told += [Line(section.title), *measures]
    return told


def cell(measure: Measure, one: RestartOfArm) -> str:
    """One line of the table, of one restart over seeds."""
    if measure.column == "cause":
        return " + ".join(map(printable, one.causes)) or ABSENT
    if measure.column == "recovery_steps":
        return _recovery(one.recovery)
    return told(one.columns[measure.column], measure)


def told(estimate: Estimate, measure: Measure) -> str:
    """An estimate in a cell."""
    least, most = measure.brief(estimate.minimum), measure.brief(estimate.maximum)
    if estimate.minimum == estimate.maximum:
        return least
    if measure.over_seeds == "median":
        return f"{measure.brief(estimate.median)} [{least}-{most}]"
    return f"{measure.brief(estimate.mean)} ({measure.spread(estimate.sd)})"


def _recovery(recovery: TimeToTarget | None) -> str:
    if recovery is None:
        return ABSENT
    middle = f">= {recovery.budget}" if recovery.median is None else whole(recovery.median)
    return f"{middle} ({recovery.reached} of {recovery.n})"


def _layers(arm: ArmLedger, width: int, whole_model: bool | None) -> Iterator[str]:
    for one in arm.restarts:
        if not one.layers:
            continue
        yield ""
        yield f"restart {one.restart} by depth, from input to output: medians over {one.n} runs"
        row = {"layers": _layer_rows(one)}
        yield from by_layer.tell(row, width, whole_model=whole_model)
        yield from (line for told in _trends(one) for line in fill(told, width, "    "))


def _spreads(arm: ArmLedger, width: int) -> Iterator[str]:
    for one in arm.restarts:
        told = list(spread.tell(one.restart, one.spreads))
        if told:
            yield ""
        yield from (line for each in told for line in fill(each, width, "    "))


def _layer_rows(one: RestartOfArm) -> list[Row]:
    return [
        {
            "layer": layer.layer,
            "depth": layer.depth,
            "kind": layer.kind,
            "residual": layer.residual,
            **{column: estimate.median for column, estimate in layer.columns.items()},
        }
        for layer in one.layers
    ]


def _trends(one: RestartOfArm) -> Iterator[str]:
    depths = [layer.depth for layer in one.layers]
    for column, whose in by_layer.TRENDS.items():
        slope = one.columns[column]
        if slope.mean is None or slope.minimum is None or slope.maximum is None:
            continue
        told = by_layer.grows(slope.minimum, slope.maximum, max(depths) - min(depths))
        if not told:
            yield f"The {whose} response {by_layer.EVEN}."
            continue
        middle = by_layer.of_slope(slope.mean)
        if slope.n > 1:
            told += " in every run" if slope.minimum * slope.maximum > 0 else " in common"
            least, most = signed_three(slope.minimum), signed_three(slope.maximum)
            middle += f" in the mean, from {least} to {most}"
        yield f"The {whose} response {told}{middle}."


def _counted(many: int, noun: str) -> str:
    return f"{many or 'no'} {noun}{'' if many == 1 else 's'}"
