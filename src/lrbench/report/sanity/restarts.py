"""What restarts did that should not go unnoticed, and what is said of them without a control."""

from __future__ import annotations

from collections.abc import Iterator

from lrbench.report.escapes import printable
from lrbench.report.numbers import significant
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.study import Arm, Facts, Floats, Study, Task
from lrbench.stats.aggregate import describe
from lrbench.stats.holm import strictest_level
from lrbench.stats.power import LEVEL

KEPT = "kept"
"""What the audit of a restart that did what its policy promised is called."""

SAME_END = 0.01
"""Of the largest rate: two schedules that end no further apart are annealed to the same rate."""

MOST_RUNS = 0.5
"""Of an arm, more than so large a share of the runs must stay high for the restart to keep them."""

LEAST_RISE = 3.0
"""Standard errors of the level before, by which a loss must rise to need recovery."""


def of_restarts(study: Study) -> Iterator[Flag]:
    """Restarts after which a loss is lost or stays high, and gains without a control."""
    for arm in study.arms:
        yield from _diverged(arm)
        yield from _not_recovered(arm)
        yield from _audits(arm)
    yield from _memorised(study)
    for task in study.tasks:
        yield from _without_control(task, study.twinned)


def _diverged(arm: Arm) -> Iterator[Flag]:
    found: list[tuple[Facts, int, int]] = []
    for run in arm.runs:
        at = run.result.get("diverged_at")
        if not run.diverged or at is None:
            continue
        before = [step for step in _starts(run) if step <= at]
        if before:
            found.append((run, before[-1], int(at)))
    if found:
        run, restart, at = found[0]
        yield Flag(
            "diverged-after-restart",
            False,
            f"{arm.name}: the loss diverges after a restart in {len(found)} of {len(arm.runs)} "
            f"runs; seed {run.seed} at step {at}, {at - restart} updates after the restart at "
            f"step {restart}",
            {"seeds": [one.seed for one, _, _ in found], "restart": restart, "diverged_at": at},
            tuple(one.run for one, _, _ in found),
        )


def _starts(run: Facts) -> list[int]:
    """Restarts, the last of which may not be in the ledger: its cycle was not over."""
    known = [int(row["step"]) for row in run.restarts]
    planned = [step for step in run.planned_restarts if step not in known]
    return sorted([*known, *planned])


def _not_recovered(arm: Arm) -> Iterator[Flag]:
    """Losses that rose clearly and were not back before the cycle was over."""
    found: dict[int, list[tuple[Facts, float, int]]] = {}
    for run in arm.runs:
        for row in run.restarts:
            at, window = row.get("recovery_censored_at"), row.get("window") or 0
            rise, z = row.get("spike"), row.get("spike_z")
            # In a cycle no longer than the window there is no time to be back in.
            if at is None or rise is None or rise <= 0 or at <= 2 * window:
                continue
            if z is not None and z > LEAST_RISE:
                found.setdefault(int(row["cycle"]), []).append((run, float(rise), int(at)))
    for cycle, runs in found.items():
        if len(runs) <= MOST_RUNS * len(arm.runs):
            continue  # noise alone keeps single runs from coming back
        rises = describe(rise for _, rise, _ in runs)
        assert rises.mean is not None
        within = min(at for _, _, at in runs)
        yield Flag(
            "not-recovered",
            False,
            f"{arm.name}: after restart {cycle} the training loss rises by "
            f"{significant(rises.mean)} and is not back within the cycle ({within} updates) in "
            f"{len(runs)} of {len(arm.runs)} runs",
            {"restart": cycle, "mean_rise": rises.mean, "censored_at": within},
            tuple(run.run for run, _, _ in runs),
        )


def _memorised(study: Study) -> Iterator[Flag]:
    """Training losses that fall over a cycle while the validation loss surely rises."""
    cycles = [(arm, cycle, runs) for arm in study.arms for cycle, runs in _cycles(arm).items()]
    # Of many cycles of many arms some seem to do so by luck: the chance is that of any of them.
    level = strictest_level(len(cycles), LEVEL)
    for arm, cycle, runs in cycles:
        gains = describe((gain for _, _, gain in runs), level)
        if gains.high is None or gains.high >= 0 or any(fall <= 0 for _, fall, _ in runs):
            continue
        mean_fall = describe(fall for _, fall, _ in runs).mean
        assert gains.mean is not None
        yield Flag(
            "memorisation",
            False,
            f"{arm.name}: over the cycle of restart {cycle} the training loss falls by "
            f"{significant(mean_fall)} while the validation loss rises by "
            f"{significant(-gains.mean)} ({len(runs)} seeds): what it gains is memorised",
            {"restart": cycle, "train_fall": mean_fall, "val_gain": gains.mean, "n": gains.n},
            arm.ids,
        )


def _cycles(arm: Arm) -> dict[int, list[tuple[Facts, float, float]]]:
    """Of every cycle that a restart began: the runs, how far training fell, what was gained."""
    cycles: dict[int, list[tuple[Facts, float, float]]] = {}
    for run in arm.runs:
        rows = [row for row in run.restarts if row.get("loss_before") is not None]
        for place, row in enumerate(rows):
            after = (
                rows[place + 1]["loss_before"] if place + 1 < len(rows) else run.final_train_loss
            )
            if row.get("gain") is not None and after is not None:
                fall = float(row["loss_before"]) - float(after)
                cycles.setdefault(int(row["cycle"]), []).append((run, fall, float(row["gain"])))
    return cycles


def _audits(arm: Arm) -> Iterator[Flag]:
    """Restarts that did not do what they promise, or do more than they say."""
    found: dict[str, list[tuple[Facts, int]]] = {}
    for run in arm.runs:
        for row in run.restarts:
            audit = row.get("audit")
            if audit and audit != KEPT:
                found.setdefault(str(audit), []).append((run, int(row["step"])))
    for audit, places in found.items():
        run, step = places[0]
        is_kept = audit.startswith(KEPT)
        what = "do more than change the rate" if is_kept else "break the promise of their policy"
        yield Flag(
            "restart-audit",
            not is_kept,
            f"{arm.name}: {len(places)} restarts {what} (seed {run.seed}, step {step}: "
            f"{printable(audit)})",
            {"step": step, "audit": audit},
            tuple(dict.fromkeys(one.run for one, _ in places)),
        )


def _without_control(task: Task, twinned: frozenset[str]) -> Iterator[Flag]:
    """A schedule with restarts that stands first, and nothing beside it that says what they did."""
    if len(task.contenders) < 2:
        return
    winner = task.contenders[0].best
    if not winner.has_restarts or any(r.result["spec_digest"] in twinned for r in winner.runs):
        return
    end = end_of(winner)
    if end is None:
        return
    others = [c.best for c in task.contenders[1:] if not c.best.has_restarts]
    controls = [arm for arm in others if (e := end_of(arm)) is not None and abs(e - end) < SAME_END]
    if controls or not others:
        return
    yield Flag(
        "restart-without-control",
        False,
        f"{winner.name} stands first and restarts, and no schedule without restarts beside it is "
        f"annealed to the same rate ({100 * end:.3g} % of its peak): what the restarts have to do "
        "with its place, only lrbench twin tells",
        {"end": end, "ends_without_restarts": [end_of(arm) for arm in others]},
        winner.ids,
    )


def end_of(arm: Arm) -> float | None:
    """The last learning rate as a share of the largest, of the first run that came to its end."""
    rates = rates_of(arm)
    return None if rates is None else float(rates[-1] / rates.max())


def rates_of(arm: Arm) -> Floats | None:
    """The learning rates of the first run that came to its end; None where no log was read."""
    for run in arm.runs:
        if not run.diverged and run.updates is not None and run.updates.lr.max(initial=0.0) > 0:
            return run.updates.lr
    return None
