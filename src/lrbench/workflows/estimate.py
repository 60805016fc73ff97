"""How long a sweep will take, from a few updates of each kind of run, measured now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.spec.run import Engine, RunSpec
from lrbench.workflows.failures import failures_named
from lrbench.workflows.packing import pack, recorded_slots
from lrbench.workflows.probe import seconds_of
from lrbench.workflows.sweep import SweepPlan

PROBE_UPDATES = 40


@dataclass(frozen=True)
class Estimate:
    """What the missing runs of a sweep come to with one engine.

    Parameters
    ----------
    engine : {"loop", "lanes"}
    plans : int
        Programs that are trained; with the loop one a run.
    seconds : float
        Wall clock with the workers asked for; compiling is not in it.
    """

    engine: Engine
    plans: int
    seconds: float


def estimate(plan: SweepPlan, workers: int) -> Estimate:
    """What the missing runs will take with the engines they name. Nothing is written."""
    runs = [job.run for job in plan.missing]
    engine: Engine = "lanes" if any(_is_of_lanes(run) for run in runs) else "loop"
    return _estimate(engine, runs, plan.results, workers)


def estimate_of_loop(plan: SweepPlan, workers: int) -> Estimate:
    """What they would take with the loop engine."""
    runs = [_with_loop(job.run) for job in plan.missing]
    return _estimate("loop", runs, plan.results, workers)


def _estimate(engine: Engine, runs: Sequence[Resolved], results: Path, workers: int) -> Estimate:
    """Runs of one kind share model, data, optimizer and compute settings; the schedule and the
    learning rate do not matter, and a plan takes what one run of it does, padded with copies.
    """
    packs = pack(runs, recorded_slots(runs, results))
    per_kind: dict[str, tuple[float, float]] = {}
    total = 0.0
    for one in packs:
        run = runs[one.places[0]]
        spec = run.spec
        shared = {
            "seed": 0,
            "schedule": runs[0].spec.schedule,
            "optimizer": spec.optimizer.model_copy(update={"lr": 1.0}),
        }
        # A new value from the fields: a copy would keep the text cached for the old ones.
        kind = RunSpec.model_validate(spec.model_copy(update=shared).model_dump()).text
        if kind not in per_kind:
            with failures_named(results / spec.run_id):
                per_kind[kind] = seconds_of(run, PROBE_UPDATES)
        per_step, per_look = per_kind[kind]
        looks = 2 + spec.train.steps // spec.train.eval_every
        # Every run of a plan is evaluated by itself.
        total += per_step * spec.train.steps + per_look * looks * len(one.places)
    return Estimate(engine, len(packs), total / max(1, min(workers, len(packs))))


def _is_of_lanes(run: Resolved) -> bool:
    return run.spec.compute.engine == "lanes"


def _with_loop(run: Resolved) -> Resolved:
    compute = run.spec.compute.model_copy(update={"engine": "loop"})
    spec = RunSpec.model_validate(run.spec.model_copy(update={"compute": compute}).model_dump())
    return replace(run, spec=spec)
