"""What the logs of updates say against each other: rates, and losses that are too equal or not
equal enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from lrbench.report.escapes import printable
from lrbench.report.notices import some
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.study import Facts, Floats, Study
from lrbench.spec.canonical import canonical

SAME_LOSSES: Final = 10
"""Updates in a row with equal losses, though the rates before them were not, that prove one rate
to have had no effect."""

PROBES: Final = 32
"""Places of a run where such a stretch is looked for."""

LEAST_DIFFERENCE: Final = 1e-6
"""Relative, of two rates: a smaller one may be lost in rounding."""

Rates = Mapping[str, Floats]
"""Of runs by their ids: the learning rates that the specification comes to, of every update."""


def of_rates(study: Study, expected: Rates) -> Iterator[Flag]:
    """Rates in logs that are not the schedule's, a flag an arm."""
    for arm in study.arms:
        found: list[tuple[Facts, int]] = []
        for run in arm.runs:
            rates = expected.get(run.run)
            if rates is None or run.updates is None:
                continue
            logged = run.updates.lr
            n = min(len(logged), len(rates))
            differs = np.flatnonzero(logged[:n] != rates[:n])
            if len(differs):
                found.append((run, int(differs[0])))
            elif len(logged) > n:
                found.append((run, n))
        if not found:
            continue
        run, step = found[0]
        assert run.updates is not None
        logged, rates = run.updates.lr, expected[run.run]
        scheduled = float(rates[step]) if step < len(rates) else None
        yield Flag(
            "lr-unlike-schedule",
            True,
            f"{arm.name}: the learning rate in the log is not the schedule's in {len(found)} of "
            f"{len(arm.runs)} runs, first at step {step} of {printable(run.run)}: "
            f"{float(logged[step])!r} for {scheduled!r}",
            {"step": step, "logged": float(logged[step]), "scheduled": scheduled},
            tuple(one.run for one, _ in found),
        )


def of_identical_logs(study: Study) -> Iterator[Flag]:
    """Equal logs of updates in runs that are not called the same."""
    versions: dict[str, list[Facts]] = {}
    for run in study.runs:
        stated = run.result["logs"]["steps.csv"]
        if stated["rows"]:
            versions.setdefault(stated["sha256"], []).append(run)
    # Arms that go together in every seed are told once.
    groups: dict[tuple[str, ...], list[list[Facts]]] = {}
    for runs in versions.values():
        if len({_deciding(run.spec) for run in runs}) > 1 and not _lost_before_parting(runs):
            groups.setdefault(tuple(sorted({run.arm for run in runs})), []).append(runs)
    names = {run.arm: arm.name for arm in study.arms for run in arm.runs}
    for arms, found in groups.items():
        runs = [run for group in found for run in group]
        if len(arms) > 1:
            told = some([names[arm] for arm in arms], " and ")
            sentence = (
                f"{told} have the same logs to the byte, in {len(found)} "
                f"{'seeds' if len(found) > 1 else 'seed'}: they are one thing under "
                f"{len(arms)} names, and no comparison of them says anything"
            )
        else:
            seeds = sorted({run.seed for run in runs})
            sentence = (
                f"seeds {some(list(map(str, seeds)), ', ')} of {names[arms[0]]} have the same logs "
                "to the byte: they are one run, counted more than once"
            )
        yield Flag(
            "identical-logs",
            True,
            sentence,
            {"groups": [[run.run for run in group] for group in found]},
            tuple(run.run for run in runs),
        )


def _lost_before_parting(runs: Sequence[Facts]) -> bool:
    """Arms whose runs diverged have no longer log, and their rates may have parted later."""
    return all(run.diverged for run in runs) and len({run.arm for run in runs}) > 1


def of_rates_without_effect(study: Study) -> Iterator[Flag]:
    """Losses of two arms that stay equal after their rates have parted."""
    by_seed: dict[tuple[int, str], list[Facts]] = {}
    for run in study.runs:
        if run.updates is not None and len(run.updates.loss) > SAME_LOSSES:
            by_seed.setdefault((run.seed, _task_key(run)), []).append(run)
    names = {run.arm: arm.name for arm in study.arms for run in arm.runs}
    told: set[tuple[str, str]] = set()
    for runs in by_seed.values():
        for first, second, parted, step in _too_equal(runs):
            arms = (first.arm, second.arm) if first.arm < second.arm else (second.arm, first.arm)
            if arms in told:
                continue
            told.add(arms)
            yield Flag(
                "rate-without-effect",
                True,
                f"{names[first.arm]} and {names[second.arm]} have different rates from step "
                f"{parted} on, and the same losses at steps {step - SAME_LOSSES} to {step - 1} of "
                f"seed {first.seed}: a schedule was not applied",
                {"rates_part_at": parted, "same_until": step - 1, "seed": first.seed},
                (first.run, second.run),
            )


def _too_equal(runs: Sequence[Facts]) -> Iterator[tuple[Facts, Facts, int, int]]:
    """Pairs with equal losses in the window that ends before ``step``, and where they parted."""
    longest = max(len(run.updates.loss) for run in runs if run.updates)
    places = np.unique(np.linspace(SAME_LOSSES, longest, PROBES).astype(int))
    for step in places.tolist():
        alike: dict[bytes, list[Facts]] = {}
        for run in runs:
            assert run.updates is not None
            window = run.updates.loss[step - SAME_LOSSES : step]
            if len(window) == SAME_LOSSES:
                alike.setdefault(window.tobytes(), []).append(run)
        for group in alike.values():
            if len(group) < 2 or _stands_still(group[0], step):
                continue
            for first, second in pairwise(group):
                parted = _parting(first, second, LEAST_DIFFERENCE)
                # The update with the first other rate shows in the loss after it.
                if parted is not None and parted < step - SAME_LOSSES and first.arm != second.arm:
                    yield first, second, parted, step


def _stands_still(run: Facts, step: int) -> bool:
    """Losses that say nothing: those of a model that is done, or lost."""
    window = _losses(run)[step - SAME_LOSSES : step]
    return not (np.isfinite(window).all() and np.ptp(window) > 0)


def of_reproduction(study: Study) -> Iterator[Flag]:
    """Losses of one seed that differ before anything else does: before a restart, or any change."""
    alike: dict[tuple[int, str], list[Facts]] = {}
    for run in study.runs:
        if run.updates is not None and run.made_by:
            key = canonical([run.made_by, _before_any_rate(run)])
            alike.setdefault((run.seed, key), []).append(run)
    names = {run.arm: arm.name for arm in study.arms for run in arm.runs}
    told: set[tuple[str, str]] = set()
    for runs in alike.values():
        # In the order of their rates, those with the longest beginning in common are neighbours.
        # (Numbers of one sign: their bytes, the highest first, are in their order.)
        in_order = sorted(runs, key=lambda run: _rates(run).astype(">f8").tobytes())
        for first, second in pairwise(in_order):
            shared = _shared(first, second)
            a, b = _losses(first)[:shared], _losses(second)[:shared]
            differs = np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))
            arms = (first.arm, second.arm)
            if not len(differs) or arms in told:
                continue
            told.add(arms)
            step = int(differs[0])
            restart = _first_restart(first, second)
            before = (
                f"the loss before the restart at step {restart} is not reproduced"
                if restart is not None and step < restart
                else "losses are not reproduced"
            )
            yield Flag(
                "loss-not-reproduced",
                True,
                f"{before}: {names[first.arm]} and {names[second.arm]} have the same rates up to "
                f"step {shared - 1} of seed {first.seed}, and at step {step} the losses "
                f"{float(a[step])!r} and {float(b[step])!r}",
                {"step": step, "losses": [float(a[step]), float(b[step])], "same_until": shared},
                (first.run, second.run),
            )


def _deciding(spec: Mapping[str, Any]) -> str:
    """A specification without what is only looked at."""
    train = {key: value for key, value in spec["train"].items() if key != "eval_every"}
    return canonical({**spec, "train": train, "diagnostics": None})


def _task_key(run: Facts) -> str:
    spec = run.spec
    return canonical([spec["dataset"], spec["model"], spec["train"]["batch_size"], spec["streams"]])


def _before_any_rate(run: Facts) -> list[Any]:
    """What two runs must share for their losses to be equal as long as their rates are."""
    optimizer = {key: v for key, v in run.spec["optimizer"].items() if key != "lr"}
    for name in ("momentum_schedule", "weight_decay_schedule"):
        optimizer[name] = None  # what they come to stands in the log
    inputs = run.result.get("inputs") or {}
    batches = [inputs.get("init"), inputs.get("first_batch"), inputs.get("streams")]
    return [_task_key(run), optimizer, run.spec["compute"], batches]


def _losses(run: Facts) -> Floats:
    assert run.updates is not None
    return run.updates.loss


def _rates(run: Facts) -> Floats:
    assert run.updates is not None
    return run.updates.rates


def _parting(first: Facts, second: Facts, tolerance: float = 0.0) -> int | None:
    """The first update with other rates; None where one is the beginning of the other."""
    a, b = _rates(first), _rates(second)
    n = min(len(a), len(b))
    apart = np.abs(a[:n] - b[:n]) > tolerance * np.maximum(np.abs(a[:n]), np.abs(b[:n]))
    places = np.flatnonzero(apart.any(axis=1))
    return int(places[0]) if len(places) else None


def _shared(first: Facts, second: Facts) -> int:
    """Updates at which the losses must be equal: up to the first one with another rate."""
    n = min(len(_losses(first)), len(_losses(second)))
    parted = _parting(first, second)
    shared = n if parted is None else parted + 1
    restart = _first_restart(first, second)
    if restart is not None:
        # What it does to weights or state shows at once, and may not be the same in both.
        shared = min(shared, restart)
    return shared


def _first_restart(*runs: Facts) -> int | None:
    return min((int(row["step"]) for run in runs for row in run.restarts), default=None)
