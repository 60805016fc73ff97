"""How often flags are raised by chance: sweeps of few seeds, drawn from one of many.

    lrbench sweep schedule=constant,cosine,sgdr optimizer.lr=0.03,0.1,0.3 --seeds 32 --results aa
    python scripts/simulate_flags.py aa --seeds 5

prints, for each code that hangs on the luck of seeds, the share of folders in which it stands. In
*healthy* ones the schedules are as they were trained, on some of the seeds. In *A/A* ones every
contender is the same schedule on seeds of its own, called alike: whatever is flagged there is luck.
Codes that do not hang on luck (inputs, rates, digests) are not looked at.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lrbench.report.runs import read_runs
from lrbench.report.sanity.effects import of_effects
from lrbench.report.sanity.effort import of_effort
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.floors import of_floors
from lrbench.report.sanity.restarts import of_restarts
from lrbench.report.sanity.study import Arm, Contender, Study, Task, study_of
from lrbench.workflows.check import read_facts

CONTENDERS = 3
"""Names of one schedule in an A/A folder."""


def chosen(arm: Arm, seeds: list[int]) -> Arm:
    """The arm with these seeds, called 0, 1, 2, …"""
    by_seed = {run.seed: run for run in arm.runs}
    return replace(
        arm,
        runs=tuple(replace(by_seed[seed], seed=place) for place, seed in enumerate(seeds)),
    )


def study(tasks: list[Task]) -> Study:
    """A study of contenders that were put together here."""
    ranked = tuple(
        replace(task, contenders=tuple(sorted(task.contenders, key=lambda c: c.best.rank)))
        for task in tasks
    )
    arms = tuple(arm for task in ranked for arm in task.arms)
    return Study(tuple(run for arm in arms for run in arm.runs), arms, ranked)


def healthy(whole: Study, seeds: list[int]) -> Study:
    """All contenders on the same few seeds."""
    return study(
        [
            replace(
                task,
                contenders=tuple(
                    Contender(one.name, tuple(chosen(arm, seeds) for arm in one.arms))
                    for one in task.contenders
                ),
            )
            for task in whole.tasks
        ]
    )


def alike(whole: Study, seeds: list[list[int]], schedule: int) -> Study:
    """One contender under several names, each on seeds of its own."""
    (task,) = whole.tasks
    one = task.contenders[schedule]
    names = [
        Contender(f"{one.name} {place}", tuple(chosen(arm, some) for arm in one.arms))
        for place, some in enumerate(seeds)
    ]
    return study([replace(task, contenders=tuple(names))])


def flags(of: Study) -> Iterator[Flag]:
    """Those that hang on luck."""
    yield from of_effects(of)
    yield from of_effort(of)
    yield from of_floors(of)
    yield from of_restarts(of)


def main() -> None:
    """Print the shares."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--folders", type=int, default=400)
    given = asked.parse_args()
    rows, _, _ = read_runs(given.folder)
    facts, kept, _ = read_facts(given.folder, rows, with_logs=True)
    whole = study_of(facts, kept)
    known = sorted(set.intersection(*(set(arm.seeds) for arm in whole.arms)))
    draw = np.random.default_rng(0)
    for kind in ("healthy", "A/A"):
        counts: Counter[str] = Counter()
        for place in range(given.folders):
            order = draw.permutation(known).tolist()
            some = [order[k :: len(order) // given.seeds] for k in range(len(order))]
            some = [one[: given.seeds] for one in some if len(one) >= given.seeds]
            if kind == "healthy":
                found = healthy(whole, sorted(some[0]))
            else:
                schedule = place % len(whole.tasks[0].contenders)
                found = alike(whole, some[:CONTENDERS], schedule)
            counts.update({flag.code for flag in flags(found)})
        print(f"{kind}, {given.seeds} seeds, {given.folders} folders")
        for code, many in counts.most_common():
            print(f"  {code:<26}{100 * many / given.folders:6.1f} %")


if __name__ == "__main__":
    main()
