"""The ledgers of the runs of one arm, restart by restart, described over seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lrbench.record import layout
from lrbench.report.restarts.ledger import Ledger, Row
from lrbench.report.restarts.measures import has_risen
from lrbench.report.restarts.spread import Spread, adjusted, spreads
from lrbench.stats.aggregate import Estimate, describe
from lrbench.stats.censored import TimeToTarget, time_to_target

_NAMES = {"cause", "policy", "audit", "layer", "kind", "residual"}


@dataclass(frozen=True)
class LayerOfArm:
    """One layer after the same restart of several runs."""

    layer: str
    depth: int
    kind: str
    residual: bool | None
    columns: dict[str, Estimate]


@dataclass(frozen=True)
class RestartOfArm:
    """The restarts with one number, of all runs of an arm that have one.

    Parameters
    ----------
    restart : int in [1, inf)
    n : int
        Runs that have it.
    causes, policies, audits : dict
        How many of them say what.
    columns : dict
        By the columns of ``restarts.csv`` that hold numbers. Those of ``recovery_steps`` are of
        the runs that recovered alone: ``recovery`` is of all where the loss rose.
    recovery : TimeToTarget or None
        Updates until the loss was back, of the runs where it rose; those where it did not come back
        are censored at the cycle's length. None where it rose in no run.
    layers : tuple of LayerOfArm
    spreads : tuple of Spread
        How the variance over seeds after it compares with that before; of three runs and more.
    """

    restart: int
    n: int
    causes: dict[str, int]
    policies: dict[str, int]
    audits: dict[str, int]
    columns: dict[str, Estimate]
    recovery: TimeToTarget | None
    layers: tuple[LayerOfArm, ...]
    spreads: tuple[Spread, ...] = ()


@dataclass(frozen=True)
class ArmLedger:
    """An arm: the runs that differ only by seed.

    Parameters
    ----------
    label : str
        What tells it from the others; empty of a single arm.
    seeds : tuple of int
        Of the runs in the figures: complete ones, with restarts or without.
    counts : dict
        How many of these runs have how many restarts.
    diverged, unfinished : int
        Runs that are in no figure.
    restarts : tuple of RestartOfArm
    runs : tuple of Ledger
        All that were read, those in no figure too.
    """

    label: str
    seeds: tuple[int, ...]
    counts: dict[int, int]
    diverged: int
    unfinished: int
    restarts: tuple[RestartOfArm, ...]
    runs: tuple[Ledger, ...]


def describe_arm(label: str, ledgers: Sequence[Ledger], level: float = 0.95) -> ArmLedger:
    """The complete runs of ``ledgers`` described; the others counted."""
    complete = [ledger for ledger in ledgers if ledger.status == "complete"]
    most = max((len(ledger.restarts) for ledger in complete), default=0)
    diverged = sum(ledger.status == "diverged" for ledger in ledgers)
    restarts = [
        _describe(
            place + 1,
            [ledger.restarts[place] for ledger in complete if len(ledger.restarts) > place],
            level,
        )
        for place in range(most)
    ]
    families = adjusted([one.spreads for one in restarts])
    return ArmLedger(
        label=label,
        seeds=tuple(sorted(ledger.seed for ledger in complete)),
        counts=_counted(len(ledger.restarts) for ledger in complete),
        diverged=diverged,
        unfinished=len(ledgers) - len(complete) - diverged,
        restarts=tuple(
            replace(one, spreads=family) for one, family in zip(restarts, families, strict=True)
        ),
        runs=tuple(sorted(ledgers, key=lambda ledger: ledger.seed)),
    )


def _describe(restart: int, rows: Sequence[Row], level: float) -> RestartOfArm:
    return RestartOfArm(
        restart=restart,
        n=len(rows),
        causes=_counted(row["cause"] for row in rows),
        policies=_counted(row.get("policy") for row in rows),
        audits=_counted(row.get("audit") for row in rows),
        columns=_estimates(rows, layout.RESTART_COLUMNS, level),
        recovery=_recovery(rows),
        layers=tuple(_layers(rows, level)),
        spreads=spreads(rows, level),
    )


def _layers(rows: Sequence[Row], level: float) -> Iterable[LayerOfArm]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        for layer in row["layers"]:
            groups.setdefault(layer["layer"], []).append(layer)
    for name, layers in groups.items():
        first = layers[0]
        yield LayerOfArm(
            layer=name,
            depth=first["depth"],
            kind=first["kind"],
            residual=first["residual"],
            columns=_estimates(layers, layout.RESTART_LAYER_COLUMNS, level),
        )


def _estimates(rows: Sequence[Row], columns: Iterable[str], level: float) -> dict[str, Estimate]:
    return {
        column: describe((x for row in rows if (x := row.get(column)) is not None), level)
        for column in columns
        if column not in _NAMES
    }


def _recovery(rows: Sequence[Row]) -> TimeToTarget | None:
    known = [row for row in rows if has_risen(row)]
    if not known:
        return None
    return time_to_target([row["recovery_steps"] for row in known], [_until(row) for row in known])


def _until(row: Row) -> int:
    """How long it was looked whether the loss is back."""
    censored: Any = row["recovery_censored_at"]
    return int(row["length"] if censored is None else censored)


def _counted(values: Iterable[Any]) -> dict[Any, int]:
    return dict(sorted(Counter(value for value in values if value is not None).items()))
