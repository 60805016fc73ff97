"""What one contender was given and another was not: tuning, updates, looks, seeds, an end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator

from lrbench.report.notices import ranges, some
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.restarts import end_of, rates_of
from lrbench.report.sanity.study import Arm, Contender, Facts, Study, Task
from lrbench.spec.run import total_steps_of
from lrbench.stats.holm import strictest_level
from lrbench.stats.paired import paired
from lrbench.stats.power import LEVEL

HALF = 0.5
"""Of its largest rate: a schedule that was below, and ends above, is cut off in a cycle."""

GIVEN: dict[str, tuple[str, Callable[[Facts], Hashable]]] = {
    "steps": ("updates", lambda run: total_steps_of(run.spec)),
    "samples": (
        "training samples seen",
        lambda run: total_steps_of(run.spec) * int(run.spec["train"]["batch_size"]),
    ),
    "eval_every": ("updates between two looks", lambda run: int(run.spec["train"]["eval_every"])),
    "engine": ("engine", lambda run: str(run.spec["compute"]["engine"])),
    "precision": ("precision", lambda run: str(run.spec["compute"]["precision"])),
}
"""What arms must have in equal amounts to be compared, and how it is told."""


def of_effort(study: Study) -> Iterator[Flag]:
    """Unequal chances, and seeds that somebody may have picked."""
    for task in study.tasks:
        if len(task.contenders) > 1:
            yield from _edge_of_grid(task)
            yield from _unequal(task)
            yield from _cut_off(task)
    yield from _picked_seeds(study)


def _edge_of_grid(task: Task) -> Iterator[Flag]:
    """Losers whose best rate is the least or largest one tried: they may have lost by that.

    Only where the edge is surely better than the rate next to it, so that there is more to be had
    beyond: on a flat top luck puts the best rate at the edge as often as anywhere.
    """
    losers = task.contenders[1:]
    for contender in losers:
        rates = sorted({arm.lr for arm in contender.arms})
        best = contender.best
        if len(rates) < 2 or best.lr not in (rates[0], rates[-1]):
            continue
        next_to_it = rates[1] if best.lr == rates[0] else rates[-2]
        inner = next(arm for arm in contender.arms if arm.lr == next_to_it)
        if not _is_surely_better(best, inner, strictest_level(len(losers), LEVEL)):
            continue
        side = "lowest" if best.lr == rates[0] else "highest"
        yield Flag(
            "grid-edge",
            False,
            f"{contender.name} does best at lr={best.lr:g}, the {side} of the {len(rates)} "
            f"tried, and surely better than at {next_to_it:g}: it is not tuned, and may lose to "
            f"{task.contenders[0].name} only by that",
            {"best_lr": best.lr, "tried": rates},
            best.ids,
        )


def _is_surely_better(arm: Arm, other: Arm, level: float) -> bool:
    if arm.rank[0] != other.rank[0]:
        return arm.rank[0] < other.rank[0]  # fewer of its runs diverged
    ours, theirs = arm.finals(), other.finals()
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return False
    found = paired([theirs[s] for s in seeds], [ours[s] for s in seeds], level=level)
    if found.p is None:
        # One seed, or the same difference on each: then there is no luck to reckon with.
        return found.n > 1 and found.mean is not None and found.mean > 0
    return found.judgement == "helped"


def _unequal(task: Task) -> Iterator[Flag]:
    best = [contender.best for contender in task.contenders]
    unequal = [
        name
        for name, (_, value) in GIVEN.items()
        if len({value(run) for arm in best for run in arm.runs}) > 1
    ]
    if "steps" in unequal and "samples" in unequal:
        unequal.remove("samples")
    for name in unequal:
        what, value = GIVEN[name]
        had: dict[Hashable, list[Arm]] = {}
        for arm in best:
            for amount in {value(run) for run in arm.runs}:
                had.setdefault(amount, []).append(arm)
        if _is_varied_alike(list(had.values())):
            continue
        told = some(
            [
                f"{amount} ({some([arm.name for arm in arms], ', ')})"
                for amount, arms in had.items()
            ],
            "; ",
        )
        yield Flag(
            "unequal-effort",
            False,
            f"schedules on {task.name} do not have the same {what}: {told}",
            {"what": name, "had": {str(k): [arm.name for arm in arms] for k, arms in had.items()}},
            tuple(run for arm in best for run in arm.ids),
        )
    trials = Counter({contender.name: len(contender.arms) for contender in task.contenders})
    if len(set(trials.values())) > 1:
        least, most = min(trials.values()), max(trials.values())
        told = some([f"{name} {count}" for name, count in trials.items()], ", ")
        yield Flag(
            "unequal-effort",
            False,
            f"schedules on {task.name} were tuned over {least} to {most} learning rates ({told}): "
            "the best of more looks better",
            {"what": "learning rates tried", "had": dict(trials)},
            (),
        )


def _is_varied_alike(groups: list[list[Arm]]) -> bool:
    """Whether each amount was given to the same several schedules: that is a task of its own."""
    schedules = {frozenset(arm.schedule for arm in arms) for arms in groups}
    return len(schedules) == 1 and len(next(iter(schedules))) > 1


def _cut_off(task: Task) -> Iterator[Flag]:
    """A schedule that ends in the middle of a cycle beside ones that are annealed."""
    ends: list[tuple[Contender, float]] = []
    is_cut: list[tuple[Contender, float]] = []
    for contender in task.contenders:
        end, lowest = end_of(contender.best), _lowest(contender.best)
        if end is None or lowest is None or lowest >= HALF:
            continue  # never annealed, by design
        (is_cut if end > HALF else ends).append((contender, end))
    for contender, end in is_cut:
        if ends:
            other, its_end = ends[0]
            yield Flag(
                "unequal-end",
                False,
                f"{contender.name} ends at {100 * end:.3g} % of its largest rate, in the middle of "
                f"a cycle, and {other.name} at {100 * its_end:.3g} %: one is compared before it "
                "has come down",
                {"end": end, "other_end": its_end},
                contender.best.ids,
            )


def _lowest(arm: Arm) -> float | None:
    """The lowest rate after the largest one, as a share of it."""
    rates = rates_of(arm)
    return None if rates is None else float(rates[int(rates.argmax()) :].min() / rates.max())


def _picked_seeds(study: Study) -> Iterator[Flag]:
    """Seeds that are neither a row of numbers nor those a sweep was planned with."""
    found: dict[tuple[int, ...], list[Arm]] = {}
    for arm in study.arms:
        if arm.runs[0].spec.get("fork") is None and _may_be_picked(arm, study):
            found.setdefault(tuple(sorted(set(arm.seeds))), []).append(arm)
    for seeds, arms in found.items():
        yield Flag(
            "picked-seeds",
            False,
            f"{some([arm.name for arm in arms], '; ')}: {ranges(seeds)}, neither an unbroken row "
            "nor those that a sweep was planned with: seeds may have been picked by their results",
            {"seeds": list(seeds)},
            tuple(run for arm in arms for run in arm.ids),
        )


def _may_be_picked(arm: Arm, study: Study) -> bool:
    digests = {str(run.result["spec_digest"]) for run in arm.runs}
    declared: set[int] = set()
    there = set(arm.seeds)
    for planned in study.planned:
        if not digests & {digest for _, digest in planned}:
            continue
        # One that failed or is damaged is told of elsewhere: it is there, not taken away.
        is_there = [digest[:8] in study.present for _, digest in planned]
        last = max(place for place, one in enumerate(is_there) if one)
        if not all(is_there[:last]):
            return True
        declared |= {seed for seed, _ in planned}
        there |= {seed for (seed, _), one in zip(planned, is_there, strict=True) if one}
    if there <= declared:
        return False
    return sorted(there) != list(range(min(there), min(there) + len(there)))
