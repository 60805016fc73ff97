"""Twins: a run once more from one of its restarts on, with another policy or with no restart.

A twin is an ordinary run that names its parent and where they part. It may be trained from its
first update by anybody; here it begins with what the parent had so far, to the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Course, Restart
from lrbench.engine.tables import control_rates
from lrbench.errors import ConfigError, LrbenchError, nearest
from lrbench.record import layout
from lrbench.record.reader import Record, read_record
from lrbench.restarts.policy import PRESETS, policy_name
from lrbench.spec.restart import EventSpec, ForkSpec
from lrbench.spec.run import RunSpec
from lrbench.workflows.recorded import check_data, find_runs, named
from lrbench.workflows.results import check_results
from lrbench.workflows.twin_parents import (
    course_of_record,
    events_of,
    parent_of,
    policy_of,
    refuse_elsewhere,
)

CONTROL = "none"
"""The arm that does not restart."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of a restart's cycle.

    Parameters
    ----------
    before, end : float
        Of the last update before the restart, and of the cycle's last one: between these two the
        control's is a straight line.
    control, restarted : float
        Means over the cycle: without the restart, and with it as the run has it.
    """

    before: float
    end: float
    control: float
    restarted: float


@dataclass(frozen=True)
class Fork:
    """Where the twins of one run part from it.

    Parameters
    ----------
    parent : Record
    restart : Restart
        Of the parent: its policy is the parent's own.
    until : int in updates
    twins : dict of str to Resolved
        By the name of the policy; ``none`` is the control.
    own : str
        Name of the parent's own policy.
    rates : Rates
    """

    parent: Record
    restart: Restart
    until: int
    twins: dict[str, Resolved]
    own: str
    rates: Rates

    @property
    def seed(self) -> int:
        """Of the parent and its twins."""
        return int(self.parent.spec["seed"])


@dataclass(frozen=True)
class TwinPlan:
    """Twins before they are trained; nothing is written yet.

    Parameters
    ----------
    results : Path
        Folder of their records.
    policies : tuple of str
        In the order asked for; the control is always among them.
    forks : tuple of Fork
    skipped : tuple of (run id, reason)
        Runs of the folder that have no twins.
    """

    results: Path
    policies: tuple[str, ...]
    forks: tuple[Fork, ...]
    skipped: tuple[tuple[str, str], ...]


def parse_policies(text: str) -> tuple[str, ...]:
    """``"keep,none"`` as names of policies, the control among them whether named or not.

    Raises
    ------
    ConfigError
        One is unknown, or named twice.
    """
    key, known = "--policies", (*PRESETS, CONTROL)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            close = nearest(name, known)
            relation = f"must be among {', '.join(known)}"
            raise ConfigError(relation, key=key, got=name, remedy=f"{key} {close or CONTROL}")
        if names.count(name) > 1:
            once = ",".join(dict.fromkeys(names))
            relation = "must not name a policy twice"
            raise ConfigError(relation, key=key, got=name, remedy=f"{key} {once}")
    return (*(name for name in names if name != CONTROL), CONTROL)


def parse_restart(text: str) -> int | None:
    """``"2"`` as the number of a restart; ``"all"`` is None.

    Raises
    ------
    ConfigError
    """
    if text == "all":
        return None
    if not (text.isdecimal() and text.isascii() and int(text[:9]) >= 1 and len(text) < 10):
        relation = "must be the number of a restart, from 1, or all"
        raise ConfigError(relation, key="--restart", got=text, remedy="--restart 1")
    return int(text)


def plan_twins(
    path: Path,
    *,
    restart: int | None = 1,
    policies: Sequence[str] = (CONTROL,),
    results: Path | None = None,
    force: bool = False,
    trust: bool = False,
    data_root: Path | None = None,
) -> TwinPlan:
    """Every twin of a run, or of the runs of a folder, checked; nothing is written.

    Parameters
    ----------
    path : Path
        A record, or a folder of them.
    restart : int in [1, inf), optional
        Which restart; None: all of them.
    policies : sequence of str
        Of :func:`parse_policies`.
    results : Path, optional
        Where their records go; default: ``twins`` beside their parents.
    force : bool
        Plan them although versions or the machine are not as they were.
    trust, data_root
        As in :func:`lrbench.workflows.recorded.resolved_of`.

    Raises
    ------
    ConfigError
        There is no run with such a restart, it is not finished or a twin itself, its optimizer has
        not the state that a policy changes, or it was trained elsewhere.
    RecordError
        The one run that was named is damaged.
    """
    check_data(data_root)
    paths = find_runs(path)
    place = named(path)
    is_one = paths == [place]
    folder = results or (place.absolute().parent if is_one else place) / layout.TWINS
    check_results(folder)
    remedy = None
    forks: list[Fork] = []
    skipped: list[tuple[str, str]] = []
    counts: list[int] = []
    for record in (read_record(one, every_byte=True) for one in paths):
        try:
            run = parent_of(record, trust=trust, data_root=data_root)
            if not force:
                refuse_elsewhere(record, run.spec)
            counts.append(len(record.log("restarts.csv").rows))
            forks += _forks(record, run, restart, policies)
        except LrbenchError as error:
            if is_one:
                raise
            skipped.append((record.run_id, _told(error)))
            remedy = error.problems[0].remedy
    if not forks:
        # Runs that have it were refused for another reason.
        if counts and len(counts) == len(skipped) and max(counts) < (restart or 1):
            raise _too_few(path, restart, counts)
        told = "; ".join(sorted({reason for _, reason in skipped}))
        relation = f"must hold a run to make twins of ({told})"
        raise ConfigError(relation, key=str(path), remedy=remedy)
    return TwinPlan(folder, tuple(policies), tuple(forks), tuple(skipped))


def _too_few(path: Path, restart: int | None, counts: Sequence[int]) -> ConfigError:
    """No run of a folder has the restart asked for: how many those have that have any."""
    some = sorted({count for count in counts if count})
    if not some:
        told = "no run there has a restart"
    else:
        many = sum(count > 0 for count in counts)
        each = f"{some[0]}" if len(some) == 1 else f"{some[0]} to {some[-1]}"
        told = (
            f"{many} of its {len(counts)} runs {'has' if many == 1 else 'have'} {each} "
            f"restart{'' if some[-1] == 1 else 's'}, the others none"
            if many < len(counts)
            else f"its runs have {each} restart{'' if some[-1] == 1 else 's'}"
        )
    return ConfigError(
        f"must be the number of a restart that a run in {path} has ({told})",
        key="--restart",
        got=restart or "all",
        remedy=f"--restart {some[-1]}" if some else None,
    )


def _told(error: LrbenchError) -> str:
    """Why a run of a folder is left out, behind its name."""
    problem = error.problems[0]
    subject = f"{problem.key} " if problem.key and problem.key.startswith("--") else ""
    return " ".join(f"{subject}{problem.relation}".split())


def _forks(record: Record, run: Resolved, index: int | None, policies: Sequence[str]) -> list[Fork]:
    course = course_of_record(record, run.spec)
    count = len(record.log("restarts.csv").rows)
    if not count or (index is not None and index > count):
        known = f"{count or 'no'} restart{'' if count == 1 else 's'}"
        diverged_at = record.result["diverged_at"]
        before = "" if diverged_at is None else f" before it diverged at step {diverged_at}"
        raise ConfigError(
            f"must be the number of a restart ({record.run_id} has {known}{before})",
            key="--restart",
            got=index or "all",
            remedy=f"--restart {count}" if count else None,
        )
    return [
        _fork(record, run, course, place, policies)
        for place in range(count)
        if index in (None, place + 1)
    ]


def _fork(
    record: Record, run: Resolved, course: Course, place: int, policies: Sequence[str]
) -> Fork:
    spec, restart = run.spec, course.restarts[place]
    ends = [*(one.step for one in course.restarts[1:]), spec.train.steps]
    step, until = restart.step, ends[place]
    twins, own = {}, policy_name(spec.restart)
    for name in policies:
        policy = None if name == CONTROL else policy_of(name, spec, course)
        fork = ForkSpec(
            parent=spec.digest,
            restart=restart.cycle,
            step=step,
            until=until,
            policy=policy,
            events=tuple(
                EventSpec(**vars(event)) for event in events_of(record) if event.step <= until
            ),
        )
        # Made anew, because a copy would keep the digest cached for the parent.
        twin = RunSpec.model_validate({**spec.model_dump(), "fork": fork.model_dump()})
        head = f"# of the parent {record.run_id}; this is its twin from update {step} on\n"
        twins[name] = replace(run, spec=twin, keep_checkpoints=False, written=head + run.config)
        if policy == spec.restart:
            own = name
    rates = course.rates.tolist()
    control, restarted = (
        sum(line[step:until]) / (until - step)
        for line in (control_rates(rates, step, until), rates)
    )
    cycle = Rates(rates[step - 1], rates[until - 1], control, restarted)
    return Fork(record, restart, until, twins, own, cycle)
