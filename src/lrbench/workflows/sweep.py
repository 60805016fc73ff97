"""Many runs: arms times seeds, durable, and only what is missing is trained."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.config.presets import arms_of
from lrbench.config.presets import preset as preset_called
from lrbench.config.resolve import Resolved, with_seed
from lrbench.errors import ConfigError, Problem
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.files import claim_folder, read_file, replace_file
from lrbench.record.notes import checked_tags
from lrbench.record.pairing import Pairing
from lrbench.record.reader import Status, read_record
from lrbench.spec.profiles import variables_of
from lrbench.spec.sweep import Arm, SweepSpec
from lrbench.tasks.data.download import Progress as OnDownload
from lrbench.workflows.crew import Order, train_all
from lrbench.workflows.failures import failures_named
from lrbench.workflows.results import check_results, found_record
from lrbench.workflows.run import resolve_arm

SEEDS = "5"


@dataclass(frozen=True)
class Job:
    """One run of a sweep and what stands of it already.

    Parameters
    ----------
    run : Resolved
    arm : int
        Index of its arm.
    status : Status or None
        Of its record; None if there is none.
    """

    run: Resolved
    arm: int
    status: Status | None

    @property
    def is_missing(self) -> bool:
        """Whether it has to be trained; what another process is training has not."""
        return self.status is not Status.RUNNING and not self.is_finished

    @property
    def is_finished(self) -> bool:
        """Whether its record is closed."""
        return self.status is not None and self.status.is_finished


@dataclass(frozen=True)
class SweepPlan:
    """A sweep before it runs.

    Parameters
    ----------
    spec : SweepSpec
    jobs : tuple of Job
        Seed by seed, so that an interrupted sweep has whole comparisons.
    results : Path
    """

    spec: SweepSpec
    jobs: tuple[Job, ...]
    results: Path

    @property
    def path(self) -> Path:
        """The sweep's own file."""
        return self.results / layout.SWEEPS / f"{self.spec.sweep_id}.json"

    @property
    def missing(self) -> list[Job]:
        """The jobs that have to be trained."""
        return [job for job in self.jobs if job.is_missing]

    def refreshed(self) -> SweepPlan:
        """The plan with every record looked at again."""
        jobs = [
            replace(job, status=_status(self.results / job.run.spec.run_id)) for job in self.jobs
        ]
        return replace(self, jobs=tuple(jobs))


@dataclass(frozen=True)
class SweepReport:
    """What became of a sweep.

    Parameters
    ----------
    path : Path
        The sweep's own file.
    done, diverged, skipped : int
        Runs trained now, how many of them diverged, and runs that were complete before.
    failures : tuple of (run id, reason)
    mismatches : tuple of str
        Runs of a seed that do not share what they must share: their arms cannot be compared.
    """

    path: Path
    done: int
    diverged: int
    skipped: int
    failures: tuple[tuple[str, str], ...]
    mismatches: tuple[str, ...]


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"5"`` is 0 … 4; ``"3,7,11"`` is these three, ``"7,"`` the one.

    Raises
    ------
    ConfigError
        No seeds, a seed twice, a negative one, or no whole number.
    """
    key, example = "--seeds", "--seeds 5, or --seeds 3,7,11"
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    if any(not re.fullmatch(r"[0-9]{1,20}", part) for part in parts):
        relation = "must be a number of seeds or a list of whole numbers from 0"
        raise ConfigError(relation, key=key, got=text, remedy=example)
    numbers = tuple(int(part) for part in parts)
    if "," not in text:
        if not 1 <= numbers[0] <= 100_000:
            relation = "must be at least 1 and at most 100000 seeds"
            raise ConfigError(relation, key=key, got=numbers[0], remedy=example)
        return tuple(range(numbers[0]))
    doubled = [seed for seed, times in Counter(numbers).items() if times > 1]
    if doubled:
        relation = f"must not name a seed twice ({doubled[0]}): it would count as two runs"
        raise ConfigError(relation, key=key, got=text, remedy=example)
    if max(numbers) >= 2**63:
        raise ConfigError("must be below 2**63", key=key, got=max(numbers), remedy=example)
    return numbers


def seeds_of(preset: str | None) -> str:
    """How many seeds, or which, where nobody says: the preset's, or five."""
    return SEEDS if preset is None else preset_called(preset).seeds


def plan_sweep(
    overrides: Sequence[str],
    seeds: Sequence[int],
    results: Path,
    *,
    config_dir: Path | None = None,
    note: str | None = None,
    tags: Sequence[str] = (),
    preset: str | None = None,
    on_download: OnDownload | None = None,
) -> SweepPlan:
    """Every run of the sweep, checked; nothing is written.

    With a ``preset`` the overrides are what is unlike it.

    Raises
    ------
    ConfigError
        Anything is wrong with any arm.
    """
    check_results(results)
    arms = arms_of(preset, overrides, config_dir)
    if any(override.key == "seed" for override in arms[0]):
        relation = "cannot be an override of a sweep: every arm gets the same seeds"
        raise ConfigError(relation, key="seed", remedy="--seeds 3,7,11")
    words = checked_tags(tags, "--tag")
    runs: list[list[Resolved]] = []
    problems: list[Problem] = []
    for arm in arms:
        try:
            first = resolve_arm(
                arm, config_dir=config_dir, note=note, tags=words, on_download=on_download
            )
        except ConfigError as error:
            # By their text: a nan is not equal to itself.
            told = set(map(str, problems))
            problems += [p for p in error.problems if str(p) not in told]
            continue
        runs.append([with_seed(first, seed) for seed in seeds])
    if problems:
        raise ConfigError(problems)
    _refuse_equal_arms([[o.text for o in arm] for arm in arms], runs)
    spec = SweepSpec(
        arms=tuple(
            Arm(overrides=tuple(o.text for o in arm), runs=tuple(run.spec for run in of_arm))
            for arm, of_arm in zip(arms, runs, strict=True)
        ),
        seeds=tuple(seeds),
    )
    jobs = [
        Job(runs[arm][index], arm, _status(results / runs[arm][index].spec.run_id))
        for index in range(len(seeds))
        for arm in range(len(arms))
    ]
    return SweepPlan(spec, tuple(jobs), results)


def run_sweep(
    plan: SweepPlan,
    *,
    workers: int,
    force_damaged: bool = False,
    on_event: Callable[[Job, Event], None] = lambda job, event: None,
) -> SweepReport:
    """Train what is missing; one failed run never stops the others.

    Parameters
    ----------
    plan : SweepPlan
    workers : int in [1, inf)
        Worker processes.
    force_damaged : bool
        Train runs with a damaged record again, in its place; otherwise they fail.
    on_event : callable
        Hears of every start, progress and end.

    Raises
    ------
    KeyboardInterrupt
        Passed on after the workers have stopped; what is complete stays.
    """
    with failures_named(plan.path):
        claim_folder(plan.path.parent)
        text = plan.spec.text.encode()
        if not plan.path.exists() or read_file(plan.path) != text:
            replace_file(plan.path, text)
    missing = plan.missing
    orders = [
        Order(
            job.run,
            plan.results,
            "sweep",
            variables_of(job.run.spec.compute),
            # One that was interrupted is not damaged: it goes on.
            force=force_damaged and job.status is Status.CORRUPT,
        )
        for job in missing
    ]
    tally = train_all(
        orders, workers=workers, on_event=lambda place, event: on_event(missing[place], event)
    )
    return SweepReport(
        plan.path,
        tally.done,
        tally.diverged,
        sum(job.is_finished for job in plan.jobs),
        tally.failures,
        _mismatches(plan),
    )


def _mismatches(plan: SweepPlan) -> tuple[str, ...]:
    pairing = Pairing()
    for job in plan.jobs:
        record = read_record(plan.results / job.run.spec.run_id)
        if record.status.is_finished:
            pairing.add(record)
    return tuple(map(str, pairing.mismatches()))


def default_workers(plan: SweepPlan) -> int:
    """One a core this process may use; on a GPU one, as each would take memory of the card."""
    if any(run.compute.device != "cpu" for run in plan.spec.runs):
        return 1
    return usable_cores()


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _status(path: Path) -> Status | None:
    found = found_record(path)
    return None if found is None else found.status


def _refuse_equal_arms(texts: Sequence[Sequence[str]], runs: Sequence[Sequence[Resolved]]) -> None:
    seen: dict[str, Sequence[str]] = {}
    for text, of_arm in zip(texts, runs, strict=True):
        first = of_arm[0].spec.digest
        if first in seen:
            relation = "must differ from the other arms: two come to the same run"
            got = f"{' '.join(seen[first])} and {' '.join(text)}"
            raise ConfigError(relation, key="the sweep", got=got, remedy="only one of them")
        seen[first] = text
