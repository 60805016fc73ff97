"""Arms as text: a table each, restarts side by side, and what their layers did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lrbench.report.escapes import printable
from lrbench.report.notices import ranges, some
from lrbench.report.numbers import ABSENT
from lrbench.report.restarts import layers as by_layer
from lrbench.report.restarts.arms import ArmLedger, RestartOfArm
from lrbench.report.restarts.grid import Line, side_by_side
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import SECTIONS, Measure, whole
from lrbench.report.restarts.story import fill
from lrbench.stats.aggregate import Estimate
from lrbench.stats.censored import TimeToTarget

LEGEND = (
    "mean (sd over seeds); counts, times and peaks: median [least, most]; one number where all "
    "runs have the same. Until back: where the loss was not back in half of the runs or more, the "
    "median lies past the end of the shortest cycle (>=)."
)
NO_VERDICT = (
    "None of this says that restarts helped: the losses might have fallen without them. Compared "
    "with the same runs without: {twin}"
)


def tell(arms: Sequence[ArmLedger], width: int, twin: str, layers: bool | None) -> Iterator[str]:
    """The whole answer on a folder, in lines of at most ``width`` characters."""
    yield f"{_counted(len(arms), 'arm')}, {_counted(sum(len(a.seeds) for a in arms), 'run')}"
    for arm in arms:
        yield ""
        yield from fill(_heading(arm), width, "  ")
        yield from (line for told in _remarks(arm) for line in fill(f"  {told}", width, "  "))
        if arm.restarts:
            heads = [f"restart {one.restart}" for one in arm.restarts]
            yield from side_by_side(heads, _lines(arm.restarts), width)
            yield from _layers(arm, width, layers)
    if any(arm.restarts for arm in arms):
        yield ""
        yield from fill(LEGEND, width)
        every = [row for arm in arms for one in arm.restarts for row in _layer_rows(one)]
        if every and layers is not False:
            for told in by_layer.legend(every, has_bands=True):
                yield from fill(told, width, "    ")
        yield from fill(NO_VERDICT.format(twin=twin), width)


def _heading(arm: ArmLedger) -> str:
    counts = [
        f"{_counted(many, 'restart')} in {_counted(runs, 'run')}"
        for many, runs in arm.counts.items()
    ]
    if len(arm.counts) == 1:
        many = next(iter(arm.counts))
        counts = [f"{_counted(many, 'restart')}{' each' if len(arm.seeds) > 1 else ''}"]
    told = f"{arm.label or 'all runs'}: {_counted(len(arm.seeds), 'complete run')}"
    if arm.seeds:
        told += f" ({ranges(sorted(set(arm.seeds)))}), {'; '.join(counts)}"
    return told


def _remarks(arm: ArmLedger) -> Iterator[str]:
    if len(arm.counts) > 1:
        yield "restarts are matched by their number: n is smaller where fewer runs have one"
    # One reason for many runs is told once.
    reasons: dict[str, list[int]] = {}
    for ledger in arm.runs:
        for remark in ledger.remarks:
            reasons.setdefault(remark, []).append(ledger.seed)
    for remark, seeds in reasons.items():
        everyone = len(seeds) == len(arm.runs)
        yield printable(remark) if everyone else f"{ranges(seeds)}: {printable(remark)}"
    earlier = [ledger.seed for ledger in arm.runs if ledger.is_earlier]
    if earlier:
        yield f"{ranges(earlier)}: made by an earlier lrbench, which did not measure restarts"
    for one in arm.restarts:
        for what, said in (("cause", one.causes), ("policy", one.policies), ("audit", one.audits)):
            if len(said) > 1:
                told = [f"{printable(name)} in {count}" for name, count in said.items()]
                yield f"restart {one.restart}, {what}: {some(told, ', ')}"


def _lines(restarts: Sequence[RestartOfArm]) -> list[Line]:
    told = [Line("  runs (n)", tuple(str(one.n) for one in restarts))]
    for section in SECTIONS:
        measures = [
            Line(f"  {measure.label}", cells)
            for measure in section.measures
            if set(cells := tuple(_cell(measure, one) for one in restarts)) != {ABSENT}
        ]
        if measures:
            told += [Line(section.title), *measures]
    return told


def _cell(measure: Measure, one: RestartOfArm) -> str:
    if measure.column == "cause":
        return " + ".join(map(printable, one.causes)) or ABSENT
    if measure.column == "recovery_steps":
        return _recovery(one.recovery)
    estimate = one.columns[measure.column]
    if not estimate.n:
        return ABSENT
    return told(estimate, measure)


def told(estimate: Estimate, measure: Measure) -> str:
    """An estimate in a cell."""
    least, most = measure.show(estimate.minimum), measure.show(estimate.maximum)
    if estimate.minimum == estimate.maximum:
        return least
    if measure.over_seeds == "median":
        return f"{measure.show(estimate.median)} [{least}, {most}]"
    return f"{measure.show(estimate.mean)} ({measure.spread(estimate.sd or 0.0)})"


def _recovery(recovery: TimeToTarget | None) -> str:
    if recovery is None:
        return ABSENT
    middle = f">= {recovery.budget}" if recovery.median is None else whole(recovery.median)
    return f"{middle} ({recovery.reached} of {recovery.n})"


def _layers(arm: ArmLedger, width: int, layers: bool | None) -> Iterator[str]:
    for one in arm.restarts:
        rows = _layer_rows(one)
        if layers is False or not rows:
            continue
        yield ""
        yield f"restart {one.restart} by depth, from input to output: medians over {one.n} runs"
        row = {"layers": rows, **_mean_trends(one.columns)}
        yield from by_layer.tell(row, width, whole_model=layers)


def _layer_rows(one: RestartOfArm) -> list[Row]:
    return [
        {
            "layer": layer.layer,
            "depth": layer.depth,
            "kind": layer.kind,
            "residual": layer.residual,
            **{column: layer.columns[column].median for column, _, _ in by_layer.SHOWN},
        }
        for layer in one.layers
    ]


def _mean_trends(columns: Mapping[str, Estimate]) -> Row:
    names = ("gradient_depth_trend", "second_moment_depth_trend")
    return {name: columns[name].mean for name in names}


def _counted(many: int, noun: str) -> str:
    return f"{many or 'no'} {noun}{'' if many == 1 else 's'}"
