"""Before anything is trained: how many seeds an effect takes, or what some seeds can show.

(What an engine needs to train a run is planned in ``plan``; here it is the experiment.)

Arms that differ only in ``optimizer.lr`` are one contender, as in ``lrbench compare``: each is
compared at its own best rate, so that a grid of rates makes no more comparisons, and differences to
rates at which hardly anything is learned are not what is planned for.
"""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from lrbench.errors import ConfigError
from lrbench.report import notices
from lrbench.report.frames import one_row_an_arm, runs_frame, settings_in
from lrbench.report.runs import BEST, COUNTED, Row, read_runs
from lrbench.report.settings import differing, label
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

Values = dict[str, dict[int, float | None]]


@dataclass(frozen=True)
class PowerPlan:
    """What ``lrbench plan`` answers.

    Parameters
    ----------
    metric : str
    arms : tuple of str
        Of the sweep asked about, as typed; empty without one.
    comparisons : int
        Judged together: those of the first contender with each other one, or as many as were asked
        for.
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
    comparisons : int in [1, inf), optional
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
    rows, said = _rows(folder) if folder.is_dir() else ([], ())
    names, wanted = _arms_of(sweep)
    values, labels = _values(rows, metric)
    spread, learned_from = _learn(values, labels, wanted, metric)
    return _plan(
        metric=metric,
        arms=names,
        comparisons=comparisons or max(1, len(_tuned(wanted)) - 1),
        level=level,
        source=str(folder),
        learned_from=learned_from,
        spread=spread,
        effect=effect,
        seeds=seeds,
        pilot=_pilot(overrides, folder),
        notices=(*said, *_on_rates(wanted), *_diverged(spread)),
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
    rows: list[Row] = []
    for job in plan.jobs:
        if job.is_finished:
            rows += read_runs(plan.results / job.run.spec.run_id)[0]
    names, wanted = _arms_of(plan)
    values, labels = _values(rows, "val_loss")
    spread, learned_from = _learn(values, labels, wanted, "val_loss")
    return _plan(
        metric="val_loss",
        arms=names,
        comparisons=len(_tuned(wanted)) - 1,
        level=LEVEL,
        source=str(plan.results),
        learned_from=learned_from,
        spread=spread,
        effect=None,
        seeds=len(plan.spec.seeds),
        pilot="",
        notices=(*_on_rates(wanted), *_diverged(spread)),
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


def _rows(folder: Path) -> tuple[list[Row], tuple[str, ...]]:
    rows, skipped, mismatches = read_runs(folder)
    counted = [row for row in rows if row["status"] in COUNTED]
    damaged = [one for one in skipped if one.status == "corrupt"]
    return counted, (*notices.of_mismatches(mismatches), *notices.of_skipped(damaged))


def _arms_of(sweep: SweepPlan | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of a sweep's arms, as typed, and their settings as records have them."""
    if sweep is None:
        return (), ()
    told = [list(arm.overrides) for arm in sweep.spec.arms]
    shared = set.intersection(*map(set, told)) if len(told) > 1 else set()
    names = [" ".join(text for text in arm if text not in shared) or "(defaults)" for arm in told]
    return tuple(names), tuple(canonical(arm.runs[0].arm) for arm in sweep.spec.arms)


def _values(rows: Sequence[Row], metric: str) -> tuple[Values, dict[str, str]]:
    """By arm and seed the last evaluation, None of a diverged run; and how the arms are called."""
    # A twin is compared with its own control, by its own command.
    rows = [row for row in rows if parse(row["arm"]).get("fork") is None]
    values: Values = {}
    for row in rows:
        value = row.get(f"final_{metric}")
        if value is None and row["status"] == "complete":
            continue  # a regression has no accuracy
        values.setdefault(row["arm"], {})[row["seed"]] = value
    if not values:
        return {}, {}
    frame = one_row_an_arm(runs_frame(rows))
    apart = differing(frame, settings_in(frame)) or ("schedule",)
    told = {row["arm"]: label({key: row.get(key) for key in apart}) for row in rows}
    return values, told


def _learn(
    values: Values, labels: Mapping[str, str], wanted: Sequence[str], metric: str
) -> tuple[Spread | None, Literal["sweep", "others", "nothing"]]:
    """From the sweep's own arms, where two of them have been trained, else from the others."""
    own = [_best(arms, values, metric) for arms in _tuned(wanted) if set(arms) & values.keys()]
    base = _tuned(wanted)[0] if wanted else ()
    found = spread_of(values, _pairs(own, first=next((arm for arm in own if arm in base), None)))
    if found:
        return _named(found, labels), "sweep"
    kinds: dict[str, list[str]] = {}
    for arm in values:
        kinds.setdefault(_kind(arm), []).append(arm)
    # Differences on another dataset, or of another model, have another size.
    alike = {kind: arms for kind, arms in kinds.items() if kind in set(map(_kind, wanted))}
    pairs = [
        pair
        for arms in (alike or kinds).values()
        for pair in _pairs([_best(one, values, metric) for one in _tuned(arms)])
    ]
    found = spread_of(values, pairs)
    return (_named(found, labels), "others") if found else (None, "nothing")


def _tuned(arms: Sequence[str]) -> list[tuple[str, ...]]:
    """The arms of every contender; each by itself where they differ in nothing but the rate."""
    contenders: dict[str, list[str]] = {}
    for arm in arms:
        plain = parse(arm)
        optimizer = {key: value for key, value in plain["optimizer"].items() if key != "lr"}
        contenders.setdefault(canonical({**plain, "optimizer": optimizer}), []).append(arm)
    if len(contenders) == 1:
        return [(arm,) for arm in arms]
    return [tuple(one) for one in contenders.values()]


def _best(arms: Sequence[str], values: Values, metric: str) -> str:
    """The arm with the best mean among those with records; one with diverged runs comes last."""
    sign = 1 if BEST[metric] is min else -1

    def key(arm: str) -> tuple[float, float]:
        known = [value for value in values[arm].values() if value is not None]
        lost = 1 - len(known) / len(values[arm])
        return lost, sign * math.fsum(known) / len(known) if known else math.inf

    return min((arm for arm in arms if arm in values), key=key)


def _on_rates(wanted: Sequence[str]) -> tuple[str, ...]:
    contenders = len(_tuned(wanted))
    if contenders == len(wanted):
        return ()
    return (
        f"{len(wanted)} arms are {contenders} contenders, each to be compared at its own best "
        "learning rate, as lrbench compare does first; at every rate alike there are more "
        "comparisons: --comparisons",
    )


def _kind(arm: str) -> str:
    plain = parse(arm)
    return canonical([plain["dataset"], plain["model"]])


def _pairs(arms: Sequence[str], first: str | None = None) -> list[tuple[str, str]]:
    if first in arms or len(arms) > MOST_ARMS:
        baseline = first if first in arms else arms[0]
        assert baseline is not None
        return [(baseline, arm) for arm in arms if arm != baseline]
    return list(itertools.combinations(arms, 2))


def _named(found: Spread, labels: Mapping[str, str]) -> Spread:
    pairs = [
        replace(pair, baseline=labels[pair.baseline], other=labels[pair.other])
        for pair in found.pairs
    ]
    return replace(found, pairs=tuple(pairs))


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
