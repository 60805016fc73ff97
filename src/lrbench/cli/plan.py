"""``lrbench plan``: how many seeds, before anything is trained."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lrbench.cli.console import out, put, put_json, say
from lrbench.cli.options import Baseline, By, ConfigDir, Json, Metric, Overrides

if TYPE_CHECKING:
    from lrbench.stats.pilot import Spread
    from lrbench.workflows.power import PowerPlan

MOST_PAIRS = 12
"""Pairs of the pilot that are shown; the others are counted."""


def plan(
    overrides: Overrides = None,
    effect: Annotated[
        float | None,
        typer.Option(
            help="The difference to be found, in the unit of the metric.", metavar="NUMBER"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="How many seeds there will be: what can they show?", metavar="N"),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Records to learn from, of a pilot or of earlier sweeps; results by default.",
            metavar="DIR",
        ),
    ] = None,
    metric: Metric = "val_loss",
    by: By = "schedule",
    baseline: Baseline = None,
    comparisons: Annotated[
        int | None,
        typer.Option(
            help="Comparisons judged together; by default those that lrbench compare would make.",
            min=1,
            max=100_000,
            metavar="N",
        ),
    ] = None,
    level: Annotated[
        float, typer.Option(help="1 minus the chance of any false verdict.", metavar="NUMBER")
    ] = 0.95,
    config_dir: ConfigDir = None,
    json: Json = False,
) -> None:
    """Plan the seeds of a sweep: those that find --effect, or what --seeds can show.

    The answer is for arms compared on the same seeds by a paired t test with 80 % power. It takes
    the standard deviation of the differences from records, at its upper 80 % bound: of the sweep's
    own arms if they are there, else of the other arms; of several learning rates, at the best one.
    Without records it is told in units of that standard deviation, and how to train a pilot.

    Keep to the number: adding seeds until something is found finds something that is not there.
    """
    from lrbench.workflows.power import plan_power

    found = plan_power(
        overrides or [],
        effect=effect,
        seeds=seeds,
        source=source,
        metric=metric,
        by=by,
        baseline=baseline,
        comparisons=comparisons,
        level=level,
        config_dir=config_dir,
    )
    if json:
        put_json(asdict(found))
    else:
        _show(found)
    for notice in found.notices:
        say(f"note: {notice}")


def lines(found: PowerPlan) -> Iterator[str]:
    """The answer in sentences; those that ``sweep --dry-run`` says too."""
    metric, power = found.metric, f"{100 * found.power:.0f} %"
    if found.spread is None:
        yield from _without_records(found)
        return
    spread = found.spread
    if found.effect is not None:
        yield (
            f"{_seeds(found.seeds_needed)} find a difference of {found.effect:g} in {metric} in "
            f"{power} of such experiments ({found.seeds_by_estimate} if its standard deviation is "
            "as in the records)"
        )
    if found.seeds is not None:
        yield (
            f"with {_seeds(found.seeds)} the minimum detectable difference in {metric} is "
            f"{found.least_effect:.3g} at {power} power ({found.least_by_estimate:.3g} if its "
            "standard deviation is as in the records)"
        )
    if found.chance is not None:
        assert found.chance_by_estimate is not None
        yield (
            f"with {_seeds(found.seeds)} a difference of {found.effect:g} is found in "
            f"{100 * found.chance:.0f} % ({100 * found.chance_by_estimate:.0f} %) of such "
            "experiments"
        )
    yield (
        f"standard deviation of the differences: {spread.sd:.3g}, planned with its upper 80 % "
        f"bound {spread.bound:.3g}; {_origin(found, spread)}"
    )
    yield _judged(found)


def _without_records(found: PowerPlan) -> Iterator[str]:
    where = (
        f"in {found.source} no two arms{'' if found.pilot else ' of this sweep'} share two seeds"
    )
    yield (
        f"{where}, so how far differences spread is not known: effects are in units of their "
        f"standard deviation, d{'' if found.pilot else ' (lrbench plan learns from other arms)'}"
    )
    if found.effect is not None:
        yield (
            f"how many seeds a difference of {found.effect:g} in {found.metric} takes depends on "
            "what it is in that unit:"
        )
    if found.seeds is not None:
        yield (
            f"with {_seeds(found.seeds)} the minimum detectable effect is d = {found.least_d:.3g} "
            f"at {100 * found.power:.0f} % power"
        )
    yield _judged(found)


def _origin(found: PowerPlan, spread: Spread) -> str:
    counts = sorted({pair.n for pair in spread.pairs})
    seeds = f"{counts[0]} to {counts[-1]} seeds" if len(counts) > 1 else _seeds(counts[0])
    pairs = f"{len(spread.pairs)} pair{'s' if len(spread.pairs) > 1 else ''} of arms"
    whose = "of this sweep" if found.learned_from == "sweep" else "that are not this sweep's"
    whose = whose if found.arms else "that stand there"
    return f"from {seeds} of {pairs} {whose} in {found.source}"


def _judged(found: PowerPlan) -> str:
    if found.comparisons == 1:
        return f"one comparison on shared seeds, judged at {100 * found.level:g} %"
    return (
        f"{found.comparisons} comparisons on shared seeds, judged together at "
        f"{100 * found.level:g} % (Holm), so each at {100 * found.judged_at:.4g} %"
    )


def _show(found: PowerPlan) -> None:
    width = out().width
    told = list(lines(found))
    for line in told:
        for part in textwrap.wrap(line, width, subsequent_indent="  "):
            put(part)
    if found.spread is None:
        _show_table(found)
        put("a pilot tells, after which the same command knows more:")
        put(f"  {found.pilot}")
        return
    if len(found.spread.pairs) > 1:
        _show_pairs(found.spread)


def _show_table(found: PowerPlan) -> None:
    rows = [("d", *(f"{effect:g}" for effect, *_ in found.table))]
    for power, place in (("80 %", 1), ("90 %", 2)):
        rows.append((f"seeds for {power}", *(str(row[place]) for row in found.table)))
    for name, *cells in rows:
        put(f"  {name:<15}" + "".join(f"{cell:>7}" for cell in cells))


def _show_pairs(spread: Spread) -> None:
    from rich import box
    from rich.table import Table

    from lrbench.cli.console import inert

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("arm", "and"):
        table.add_column(name, overflow="fold")
    for name in ("seeds", "sd of difference", "correlation"):
        table.add_column(name, justify="right")
    for pair in spread.pairs[:MOST_PAIRS]:
        correlation = "-" if pair.correlation is None else f"{pair.correlation:.2f}"
        cells = (pair.baseline, pair.other, str(pair.n), f"{pair.sd:.3g}", correlation)
        table.add_row(*map(inert, cells))
    out().print(table)
    if len(spread.pairs) > MOST_PAIRS:
        put(f"and {len(spread.pairs) - MOST_PAIRS} pairs more: --json")


def _seeds(number: int | None) -> str:
    return f"{number} seed{'' if number == 1 else 's'}"
