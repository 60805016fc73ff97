"""What twins say: whether a restart helped, over seeds, and where that is not known."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Literal

from lrbench.record.comparison.changes import differing_settings
from lrbench.record.reader import Record, read_record
from lrbench.spec.canonical import canonical
from lrbench.spec.run import arm_of
from lrbench.stats.paired import Paired, holm, paired
from lrbench.workflows.twin import CONTROL, Fork, Rates, TwinPlan

Metric = Literal["val_loss", "val_accuracy"]
METRICS: tuple[Metric, ...] = ("val_loss", "val_accuracy")

WHEN = ("T/4", "T/2", "end")
"""Of the cycle that the restart begins; the first two of the length it was planned for."""


@dataclass(frozen=True)
class Pair:
    """One seed, with the restart and without it.

    Parameters
    ----------
    seed : int
    parent, control, restarted : str
        Run ids; ``restarted`` is the parent's own where it does what the policy says.
    without, restart : float or None
        The metric; None of a run that had diverged.
    """

    seed: int
    parent: str
    control: str
    restarted: str
    without: float | None
    restart: float | None


@dataclass(frozen=True)
class Horizon:
    """A policy against the control, at one place of the cycle.

    Parameters
    ----------
    when : {"T/4", "T/2", "end"}
    steps : tuple of int
        Updates after the restart; more than one where parents restarted at different steps.
    pairs : tuple of Pair
    missing : int
        Seeds without an evaluation there.
    found : Paired
        Of the end adjusted for the number of policies, of the others not.
    """

    when: str
    steps: tuple[int, ...]
    pairs: tuple[Pair, ...]
    missing: int
    found: Paired


@dataclass(frozen=True)
class PolicyResult:
    """What a restart with one policy did.

    Parameters
    ----------
    policy : str
    is_own : bool
        The parents' own: they themselves are this arm.
    horizons : dict of metric to tuple of Horizon
        Of an accuracy a positive difference says the same as of a loss: better with the restart.
    diverged, control_diverged : int
        Runs that diverged before the end of the cycle.
    """

    policy: str
    is_own: bool
    horizons: dict[Metric, tuple[Horizon, ...]]
    diverged: int
    control_diverged: int

    @property
    def verdict(self) -> Paired:
        """By the log-loss at the end of the cycle, and by nothing else."""
        return self.horizons["val_loss"][-1].found


@dataclass(frozen=True)
class RestartResult:
    """What one restart of one arm did.

    Parameters
    ----------
    arm : str
        The settings that tell the arm from the others of the folder; empty where it is alone.
    restart : int
    steps : tuple of int
        Its updates; more than one where parents restarted at different steps.
    rates : Rates
        Means over the parents.
    policies : tuple of PolicyResult
    """

    arm: str
    restart: int
    steps: tuple[int, ...]
    rates: Rates
    policies: tuple[PolicyResult, ...]


def twin_results(plan: TwinPlan) -> tuple[RestartResult, ...]:
    """Hold the twins' records against each other, arm by arm and restart by restart.

    Parents some of whose twins are not finished are left out of what those twins are for.
    """
    arms: dict[str, list[Fork]] = {}
    for fork in plan.forks:
        arms.setdefault(canonical(arm_of(fork.parent.spec)), []).append(fork)
    labels = _labels([forks[0].parent.spec for forks in arms.values()])
    found = []
    for label, forks in zip(labels, arms.values(), strict=True):
        for restart in sorted({fork.restart.cycle for fork in forks}):
            of_it = [fork for fork in forks if fork.restart.cycle == restart]
            results = tuple(_policies(of_it, plan.results))
            if results:
                steps = tuple(sorted({fork.restart.step for fork in of_it}))
                rates = _mean_rates([fork.rates for fork in of_it])
                found.append(RestartResult(label, restart, steps, rates, results))
    return tuple(found)


def _mean_rates(rates: Sequence[Rates]) -> Rates:
    columns = zip(*map(astuple, rates), strict=True)
    return Rates(*(sum(column) / len(column) for column in columns))


def _policies(forks: Sequence[Fork], results: Path) -> Iterator[PolicyResult]:
    own = forks[0].own
    others = [name for name in forks[0].twins if name not in (CONTROL, own)]
    arms = [_arm(forks, name, results, is_own=name == own) for name in (own, *others)]
    arms = [arm for arm in arms if arm.horizons["val_loss"][-1].pairs]
    ends = holm([arm.verdict for arm in arms])
    for arm, end in zip(arms, ends, strict=True):
        *before, last = arm.horizons["val_loss"]
        judged = (*before, replace(last, found=end))
        yield replace(arm, horizons={**arm.horizons, "val_loss": judged})


def _arm(forks: Sequence[Fork], policy: str, results: Path, *, is_own: bool) -> PolicyResult:
    read = [
        (
            fork,
            read_record(results / fork.twins[CONTROL].spec.run_id),
            fork.parent if is_own else read_record(results / fork.twins[policy].spec.run_id),
        )
        for fork in sorted(forks, key=lambda fork: fork.seed)
    ]
    trained = [one for one in read if one[1].status.is_finished and one[2].status.is_finished]
    metrics = [metric for metric in METRICS if _has(metric, trained)]
    horizons: dict[Metric, tuple[Horizon, ...]] = {
        metric: tuple(_horizon(trained, metric, when) for when in WHEN) for metric in metrics
    }
    lost = [
        [_is_lost(record, fork.until) for fork, *records in trained for record in [records[arm]]]
        for arm in (0, 1)
    ]
    return PolicyResult(policy, is_own, horizons, sum(lost[1]), sum(lost[0]))


def _horizon(trained: Sequence[tuple[Fork, Record, Record]], metric: Metric, when: str) -> Horizon:
    pairs, after, missing = [], set(), 0
    for fork, control, restarted in trained:
        done = _updates(fork, when)
        values = [_value(record, metric, done) for record in (control, restarted)]
        after.add(done - fork.restart.step)
        if done > fork.until or any(math.isnan(value) for value in values if value is not None):
            missing += 1
            continue
        ids = (fork.parent.run_id, control.run_id, restarted.run_id)
        pairs.append(Pair(fork.seed, *ids, *values))
    found = paired(
        [pair.without for pair in pairs],
        [pair.restart for pair in pairs],
        smaller_is_better=metric == "val_loss",
    )
    return Horizon(when, tuple(sorted(after)), tuple(pairs), missing, found)


def _updates(fork: Fork, when: str) -> int:
    """Updates of the run after which is looked."""
    if when == "end":
        return fork.until
    parts = int(when.removeprefix("T/"))
    return fork.restart.step - -fork.restart.planned_length // parts


def _value(record: Record, metric: Metric, done: int) -> float | None:
    """After so many updates; None if it had diverged by then, nan if nobody looked."""
    evals = record.log("evals.csv")
    rows = dict(zip(evals.column("step"), evals.column(metric), strict=True))
    if done in rows:
        value = rows[done]
        return float(value) if isinstance(value, float) and math.isfinite(value) else None
    return None if _is_lost(record, done) else math.nan


def _is_lost(record: Record, done: int) -> bool:
    diverged_at = record.result["diverged_at"]
    return diverged_at is not None and diverged_at <= done


def _has(metric: Metric, trained: Sequence[tuple[Fork, Record, Record]]) -> bool:
    """A regression has no accuracy."""
    if metric == "val_loss":
        return True
    return any(
        isinstance(record.log("evals.csv").rows[0][-1], float)
        for _, *records in trained
        for record in records
    )


def _labels(specs: Sequence[Mapping[str, object]]) -> list[str]:
    """What tells arms apart."""
    arms = [arm_of(spec) for spec in specs]
    keys = {change.key for arm in arms for change in differing_settings(arms[0], arm)}
    keys -= {key for key in keys if key.startswith("dataset.digest")}
    # What follows from another optimizer, or another schedule, goes without saying.
    fewer = {k for k in keys if k.rpartition(".")[0] not in keys or k.endswith(".lr")}
    labels = [_label(arm, fewer) for arm in arms]
    if len(set(labels)) < len(labels):
        labels = [_label(arm, keys) for arm in arms]
    return [
        label or (f"arm {place}" if len(arms) > 1 else "")
        for place, label in enumerate(labels, start=1)
    ]


def _label(arm: Mapping[str, object], keys: Collection[str]) -> str:
    # Held against nothing, an arm tells all of its settings.
    own = {change.key: change.recorded for change in differing_settings(arm, {})}
    return " ".join(f"{key}={own.get(key)}" for key in sorted(keys))
