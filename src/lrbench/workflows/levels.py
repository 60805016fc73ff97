"""How independent the lanes of a plan are: measured once, and then known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Plan
from lrbench.engine.device import configure, profile
from lrbench.engine.lanes.independence import Independence, Measured, Trial, measure
from lrbench.engine.surroundings import FORMAT, surroundings
from lrbench.engine.update_rules import rule_key
from lrbench.errors import ConfigError, RunError
from lrbench.record.files import claim_folder, replace_file
from lrbench.spec.canonical import digest
from lrbench.spec.profiles import variables_of
from lrbench.tasks.data.home import cache_home
from lrbench.workflows.isolated import isolated
from lrbench.workflows.plan import load_data, make_plan


def level_of(plan: Plan, profile_digest: str) -> Measured:
    """The level of a plan's lanes under the profile of this process, by a quick measurement.

    What was measured before, here or by ``lrbench doctor --lanes``, is not measured again.

    Raises
    ------
    RunError
        A lane depends on its neighbours.
    """
    path = _path(plan, profile_digest)
    found = _read(path)
    if found is None:
        found = measure(plan, is_whole=False)
        _write(path, found)
    if found.level is Independence.L0:
        broken = next(trial for trial in found.trials if not trial.is_same)
        raise RunError(
            f"must not depend on its neighbours; with {broken.name} a lane parts from itself at "
            f"update {broken.parted_at}",
            key="compute.engine=lanes",
            remedy="compute.engine=loop",
        )
    return found


def examine(run: Resolved) -> Measured:
    """The level of a run's lanes, everything tried, in a process started as the run needs it.

    Raises
    ------
    ConfigError
        It is a run of the loop engine.
    """
    if run.spec.compute.engine != "lanes":
        relation = "must be lanes: the loop engine has none"
        got, remedy = run.spec.compute.engine, "compute.engine=lanes"
        raise ConfigError(relation, key="compute.engine", got=got, remedy=remedy)
    return isolated(
        examine_job,
        run,
        variables_of(run.spec.compute),
        name="the measurement",
        on_progress=lambda progress: None,
    )


def examine_job(run: Resolved, report: Callable[[object], None]) -> Measured:
    """:func:`examine` in a worker."""
    compute = run.spec.compute
    facts = profile(compute, configure(compute))
    plan = make_plan(run.spec, load_data(run))
    found = measure(plan)
    _write(_path(plan, facts["digest"]), found)
    return found


def _path(plan: Plan, profile_digest: str) -> Path | None:
    """Of what is known of such plans; None where nothing can be kept."""
    with suppress(RuntimeError):
        key = {
            "model": plan.model_key,
            "profile": profile_digest,
            "program": surroundings() if plan.compute.compile else FORMAT,
            "compute": plan.compute.model_dump(mode="json"),
            "batch": plan.batch_size,
            "rule": list(rule_key(plan.lanes[0].optimizer)),
        }
        return cache_home() / "levels" / f"{digest(key)}.json"
    return None


def _read(path: Path | None) -> Measured | None:
    # A cache can only save time: whatever is wrong with it, it is measured again.
    with suppress(OSError, ValueError, LookupError, TypeError):
        stored: Mapping[str, Any] = json.loads(path.read_text()) if path else {}
        trials: Sequence[Mapping[str, Any]] = stored["trials"]
        return Measured(
            Independence(stored["level"]),
            tuple(Trial(str(t["name"]), t["parted_at"]) for t in trials),
            bool(stored["is_whole"]),
        )
    return None


def _write(path: Path | None, found: Measured) -> None:
    if path is None:
        return
    known = _read(path)
    if known is not None and known.is_whole and not found.is_whole:
        return
    with suppress(OSError):
        claim_folder(path.parent)
        replace_file(path, json.dumps(asdict(replace(found))).encode())
