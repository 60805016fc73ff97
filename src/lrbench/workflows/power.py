"""Before anything is trained: how many seeds an effect takes, or what some seeds can show.

(What an engine needs to train a run is planned in ``plan``; here it is the experiment.)

The comparisons are those of ``lrbench compare``, found by the same function: each contender at its
own best learning rate against the baseline, so that a grid of rates makes no more comparisons, and
differences to rates at which hardly anything is learned are not what is planned for.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from lrbench.errors import ConfigError
from lrbench.report import notices
from lrbench.report.comparison.arms import contender, outcomes_of
from lrbench.report.comparison.contenders import Entrant
from lrbench.report.comparison.family import Lineup, lineups_of, pairs_of
from lrbench.report.comparison.runs import Run, gather, planned
from lrbench.spec.canonical import canonical, parse
from lrbench.stats.holm import strictest_level
from lrbench.stats.pilot import Spread, spread_of
from lrbench.stats.power import LEVEL, POWER, least_effect, noether_seeds, power_at, seeds_for
from lrbench.workflows.asked import check_level, check_metric
from lrbench.workflows.sweep import SweepPlan, plan_sweep

PILOT_SEEDS: Final = 5

EFFECTS: Final = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
"""In standard deviations of the differences, where that is all that can be said."""

MOST_ARMS: Final = 40
"""Arms of which all pairs are looked at; of more, each against the first."""


@dataclass(frozen=True)
class PowerPlan:
    """What ``lrbench plan`` answers.

    Parameters
    ----------
    metric : str
    arms : tuple of str
        Of the sweep asked about, as typed; empty without one.
    comparisons : int
        Judged together: those that ``lrbench compare`` makes of the sweep, over all its tasks, or
        as many as were asked for.
    level, judged_at : float
        Of the family, and of each comparison before any other is found (Holm's first step).
    power : float
    source : str
        The folder that was looked into.
    learned_from : {"sweep", "others", "nothing"}
        Arms of this very sweep, other arms there, or no records.
    spread : Spread or None
    effect, seeds : float or int, or None
        What was asked about.
    seeds_needed, seeds_by_estimate : int or None
        For ``effect``, by the upper bound of the standard deviation and by itself.
    least_effect, least_by_estimate : float or None
        Minimum detectable difference with ``seeds``, in the unit of the metric.
    least_d : float or None
        The same in standard deviations of the differences, which needs no records.
    chance, chance_by_estimate : float or None
        Of finding ``effect`` with ``seeds``, where both are given.
    table : tuple of (effect, seeds for 80 %, seeds for 90 %)
        In standard deviations of the differences.
    seeds_for_three_in_four : int
        To tell that an arm is better on 75 % of seeds, not 50 % (Noether, 80 % power, one-sided).
    pilot : str
        The command that trains a pilot; empty where the sweep itself is about to be trained.
    notices : tuple of str
    """

    metric: str
    arms: tuple[str, ...]
    comparisons: int
    level: float
    judged_at: float
    power: float
    source: str
    learned_from: Literal["sweep", "others", "nothing"]
    spread: Spread | None
    effect: float | None
    seeds: int | None
    seeds_needed: int | None
    seeds_by_estimate: int | None
    least_effect: float | None
    least_by_estimate: float | None
    least_d: float | None
    chance: float | None
    chance_by_estimate: float | None
    table: tuple[tuple[float, int, int], ...]
    seeds_for_three_in_four: int
    pilot: str
    notices: tuple[str, ...] = ()


def plan_power(
    overrides: Sequence[str],
    *,
    effect: float | None = None,
    seeds: int | None = None,
    source: Path | None = None,
    metric: str = "val_loss",
    by: str = "schedule",
    baseline: str | None = None,
    comparisons: int | None = None,
    level: float = LEVEL,
    config_dir: Path | None = None,
) -> PowerPlan:
    """Plan the number of seeds of a sweep from records of a pilot or of earlier sweeps.

    Parameters
    ----------
    overrides : sequence of str
        Of the sweep; without any, the arms in ``source`` are all that is looked at.
    effect : float in (0, inf), optional
        The difference that is to be found, in the unit of the metric.
    seeds : int in [2, inf), optional
    source : Path, optional
        Records to learn from; by default ``results``, if there is such a folder.
    metric : {"val_loss", "val_accuracy"}
    by, baseline : str, optional
        As for :func:`lrbench.workflows.compare.compare`, whose comparisons are planned.
    comparisons : int in [1, inf), optional
        That many instead.
    level : float in (0.5, 1)
    config_dir : Path, optional

    Raises
    ------
    ConfigError
        Neither effect nor seeds, one of them out of its range, no such folder or metric, or
        anything is wrong with the sweep.
    """
    _check(overrides, effect, seeds, source, metric, level)
    folder = source or Path("results")
    # What stands of the sweep already does not matter: only its arms do.
    sweep = plan_sweep(overrides, (0,), Path(), config_dir=config_dir) if overrides else None
    runs, said = _runs(folder, metric) if folder.is_dir() else ([], ())
    wanted = _members(sweep, runs)
    held = lineups_of(wanted, by, baseline)
    if baseline is not None and not held:
        relation = "must name one contender of what is planned"
        raise ConfigError(relation, key="--baseline", got=baseline)
    spread, learned_from = _learn(held, runs, metric, by)
    return _plan(
        metric=metric,
        arms=_names(sweep),
        comparisons=comparisons or family_size(held),
        level=level,
        source=str(folder),
        learned_from=learned_from if sweep or not spread else "others",
        spread=spread,
        effect=effect,
        seeds=seeds,
        pilot=_pilot(overrides, folder),
        notices=(*said, *(_on_rates(wanted, held) if sweep else ()), *_diverged(spread)),
    )


def power_of_sweep(plan: SweepPlan) -> PowerPlan | None:
    """What a sweep can show with its seeds, learned from those of its runs that are finished.

    Returns
    -------
    PowerPlan or None
        None of one arm, or of one seed, which show no difference whatever it is.
    """
    if len(plan.spec.arms) < 2 or len(plan.spec.seeds) < 2:
        return None
    runs: list[Run] = []
    for job in plan.jobs:
        if job.is_finished:
            runs += _runs(plan.results / job.run.spec.run_id, "val_loss")[0]
    wanted = _members(plan, runs)
    held = lineups_of(wanted)
    spread, learned_from = _learn(held, runs, "val_loss", "schedule")
    return _plan(
        metric="val_loss",
        arms=_names(plan),
        comparisons=family_size(held),
        level=LEVEL,
        source=str(plan.results),
        learned_from=learned_from,
        spread=spread,
        effect=None,
        seeds=len(plan.spec.seeds),
        pilot="",
        notices=(*_on_rates(wanted, held), *_diverged(spread)),
    )


def _check(
    overrides: Sequence[str],
    effect: float | None,
    seeds: int | None,
    source: Path | None,
    metric: str,
    level: float,
) -> None:
    if any(text.startswith("seed=") for text in overrides):
        relation = "cannot be an override here: how many seeds is what is planned"
        raise ConfigError(relation, key="seed", remedy="--seeds 10")
    if effect is None and seeds is None:
        relation = "or --seeds must be given: the difference to find, or the seeds there will be"
        raise ConfigError(relation, key="--effect", remedy="--effect 0.01, or --seeds 10")
    if effect is not None and not (math.isfinite(effect) and effect > 0):
        relation = "must be a positive number, in the unit of the metric"
        raise ConfigError(relation, key="--effect", got=effect, remedy="--effect 0.01")
    if seeds is not None and seeds < 2:
        relation = "must be at least 2: one seed has no interval"
        raise ConfigError(relation, key="--seeds", got=seeds, remedy="--seeds 10")
    check_level(level)
    check_metric(metric)
    if source is not None and not source.is_dir():
        relation = "must be a folder of results" if source.exists() else "must exist"
        raise ConfigError(relation, key="--from", got=str(source), remedy="--from results")


def family_size(held: Sequence[Lineup]) -> int:
    """Comparisons that Holm corrects for; where nothing is compared, one that somebody may make."""
    return max(1, sum(len(one.pairs) for one in held))


def _runs(folder: Path, metric: str) -> tuple[list[Run], tuple[str, ...]]:
    runs, skipped, mismatches = gather(folder)
    finished = [
        run
        for run in runs
        # A twin is compared with its own control, by its own command; a regression has no accuracy.
        if run.is_finished
        and parse(run.arm).get("fork") is None
        and not (run.is_complete and run.final(metric) is None)
    ]
    damaged = [one for one in skipped if one.status == "corrupt"]
    return finished, (*notices.of_mismatches(mismatches), *notices.of_skipped(damaged))


def _names(sweep: SweepPlan | None) -> tuple[str, ...]:
    """Names of a sweep's arms, as typed."""
    if sweep is None:
        return ()
    told = [list(arm.overrides) for arm in sweep.spec.arms]
    shared = set.intersection(*map(set, told)) if len(told) > 1 else set()
    return tuple(
        " ".join(text for text in arm if text not in shared) or "(defaults)" for arm in told
    )


def _members(sweep: SweepPlan | None, runs: Sequence[Run]) -> list[Run]:
    """Who will be compared: a sweep's arms, with those of their runs that are there; or all."""
    if sweep is None:
        return list(runs)
    arms = [planned(arm.runs[0]) for arm in sweep.spec.arms]
    own = {arm.arm for arm in arms}
    return [*arms, *(run for run in runs if run.arm in own)]


def _learn(
    held: Sequence[Lineup], runs: Sequence[Run], metric: str, by: str
) -> tuple[Spread | None, Literal["sweep", "others", "nothing"]]:
    """From the comparisons to be made, as far as both sides were trained, else from others."""
    found = _spread(held, metric, with_all=False) or _spread(held, metric, with_all=True)
    if found:
        return found, "sweep"
    others = lineups_of(runs, by)
    kinds = {_kind(run) for one in held for run in one.entrants[0].runs}
    # Differences on another dataset, or of another model, have another size.
    alike = [one for one in others if _kind(one.entrants[0].runs[0]) in kinds]
    found = _spread(alike or others, metric, with_all=True)
    return (found, "others") if found else (None, "nothing")


def _spread(held: Sequence[Lineup], metric: str, *, with_all: bool) -> Spread | None:
    """Of the pairs that are compared; ``with_all``: of each with each, to learn from more."""
    values: dict[str, dict[int, float | None]] = {}
    pairs: list[tuple[str, str]] = []
    for one in held:
        trained = [e for e in one.entrants if any(run.is_finished for run in e.runs)]
        names = [_trained(entrant, one, metric, values) for entrant in trained]
        if with_all:
            pairs += pairs_of(names, all_pairs=len(names) <= MOST_ARMS)
        elif trained and trained[0] is one.entrants[0]:
            pairs += pairs_of(names, all_pairs=False)
    return spread_of(values, pairs)


def _trained(
    entrant: Entrant, one: Lineup, metric: str, values: dict[str, dict[int, float | None]]
) -> str:
    """The name under which what a contender has at its own best learning rate is put down."""
    found = contender(entrant, (metric,))
    rate = f"lr={found.own.lr:g}" if len(found.arms) > 1 else ""
    name = " ".join(filter(None, (one.group.label, found.label, rate)))
    values[name] = outcomes_of(found.own, metric)
    return name


def _on_rates(wanted: Sequence[Run], held: Sequence[Lineup]) -> tuple[str, ...]:
    arms = len({run.arm for run in wanted})
    contenders = sum(len(one.entrants) for one in held)
    if not held or contenders == arms:
        return ()
    tasks = f" in {len(held)} tasks" if len(held) > 1 else ""
    return (
        f"{arms} arms are {contenders} contenders{tasks}, each to be compared at its own best "
        "learning rate, as lrbench compare does first; at every rate alike there are more "
        "comparisons: --comparisons",
    )


def _kind(run: Run) -> str:
    plain = parse(run.arm)
    return canonical([plain["dataset"], plain["model"]])


def _diverged(spread: Spread | None) -> tuple[str, ...]:
    if spread is None or not (lost := sum(pair.diverged for pair in spread.pairs)):
        return ()
    return (
        f"on {lost} pair{'s' if lost > 1 else ''} of runs one diverged: they are in no difference, "
        "and a sweep in which runs diverge is judged by signs, which takes more seeds",
    )


def _pilot(overrides: Iterable[str], folder: Path) -> str:
    words = list(overrides) or ["schedule=constant,cosine"]
    where = [] if folder == Path("results") else ["--results", str(folder)]
    return shlex.join(["lrbench", "sweep", *words, "--seeds", str(PILOT_SEEDS), *where])


def _plan(
    *,
    metric: str,
    arms: tuple[str, ...],
    comparisons: int,
    level: float,
    source: str,
    learned_from: Literal["sweep", "others", "nothing"],
    spread: Spread | None,
    effect: float | None,
    seeds: int | None,
    pilot: str,
    notices: tuple[str, ...],
) -> PowerPlan:
    judged_at = strictest_level(comparisons, level)
    by_bound = by_estimate = chance = chance_by_estimate = None
    least_d = least_effect(seeds, level=judged_at) if seeds else None
    if spread and effect:
        by_bound = seeds_for(effect / spread.bound, level=judged_at)
        by_estimate = seeds_for(effect / spread.sd, level=judged_at)
        if seeds:
            chance = power_at(effect / spread.bound, seeds, level=judged_at)
            chance_by_estimate = power_at(effect / spread.sd, seeds, level=judged_at)
    return PowerPlan(
        metric=metric,
        arms=arms,
        comparisons=comparisons,
        level=level,
        judged_at=judged_at,
        power=POWER,
        source=source,
        learned_from=learned_from,
        spread=spread,
        effect=effect,
        seeds=seeds,
        seeds_needed=by_bound,
        seeds_by_estimate=by_estimate,
        least_effect=least_d * spread.bound if spread and least_d else None,
        least_by_estimate=least_d * spread.sd if spread and least_d else None,
        least_d=least_d,
        chance=chance,
        chance_by_estimate=chance_by_estimate,
        table=tuple(
            (d, seeds_for(d, level=judged_at), seeds_for(d, power=0.9, level=judged_at))
            for d in EFFECTS
        ),
        seeds_for_three_in_four=noether_seeds(0.75, power=POWER, level=judged_at),
        pilot=pilot,
        notices=notices,
    )
