"""Folders of records without training: what a quadratic bowl with noise would have left.

Every run is computed by a plain loop over its own schedule, so that what must agree between runs
agrees to the bit: the losses of one seed are equal as long as its rates are. Twenty coordinates,
curvatures from 1 to 1/20, and noise of each batch, a function of the seed and the step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from lrbench.config.defaults import default_settings
from lrbench.config.home import options
from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.restarts.metrics import loss_response
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.spec.canonical import canonical, digest, pretty, sealed
from lrbench.spec.durations import resolve
from lrbench.spec.run import RunSpec

STEPS, EVERY, BATCH = 120, 20, 64
SIZE = 20
LRS = (0.03, 0.3, 1.5)
SCHEDULES_OF_CLEAN = ("constant", "cosine", "linear", "sgdr")


@cache
def schedule_params(name: str, steps: int) -> dict[str, Any]:
    entry = SCHEDULES[name]
    lengths = {key for key, parameter in entry.parameters.items() if parameter.is_duration}
    given = default_settings(options("schedule")[name])
    return resolve(given, lengths, steps_per_epoch=steps, total_steps=steps)


def spec_of(name: str = "constant", lr: float = 0.4, seed: int = 0, **changes: Any) -> RunSpec:
    steps = changes.pop("steps", STEPS)
    plain = {
        "dataset": {"name": "digits", "digest": "0" * 64, "params": {}},
        "model": {"name": "mlp", "params": {"hidden": [8]}},
        "optimizer": {"name": "sgd", "lr": lr, "params": {"momentum": 0.0}},
        "schedule": {"name": name, "params": schedule_params(name, steps)},
        "train": {"steps": steps, "batch_size": BATCH, "eval_every": EVERY},
        "diagnostics": {},
        "compute": {},
        "seed": seed,
        "streams": {},
    }
    return RunSpec.model_validate(plain | changes)


@dataclass
class Made:
    """A run before it is written, to be changed by a test; columns as lists.

    Parameters
    ----------
    spec : RunSpec
    lr, loss : list of float
        Of every update.
    looks : list of [step, val_loss, val_accuracy]
    restarts : list of dict
        Cells of the ledger.
    inputs, result, manifest : dict
        More, or other, than what is usual.
    began, ended : str
    """

    spec: RunSpec
    lr: list[float]
    loss: list[float]
    looks: list[list[Any]]
    restarts: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    began: str = "2026-01-01T00:00:00.000+00:00"
    ended: str = "2026-01-01T01:00:00.000+00:00"


def made(spec: RunSpec) -> Made:
    """Train: gradient descent on the bowl."""
    steps, seed = spec.train.steps, spec.seed
    schedule = build_schedule(spec.schedule.name, spec.schedule.params, steps)
    lr = [schedule(step) * spec.optimizer.lr for step in range(steps)]
    curvature = 1 / np.arange(1, SIZE + 1)
    noise = np.random.default_rng([seed, *spec.model.params["hidden"]])
    weights = 2 * noise.standard_normal(SIZE)

    def loss_of(at: np.ndarray) -> float:
        return 0.3 + float((curvature * at**2).sum()) / SIZE

    losses, looks = [], []
    for step in range(steps):
        if step % spec.train.eval_every == 0:
            looks.append([step, loss_of(weights), 0.98 - loss_of(weights) / 10])
        push = noise.standard_normal(SIZE) * np.sqrt(curvature)
        losses.append(loss_of(weights) + 0.02 * float(push.mean()))
        weights = weights - lr[step] * (curvature * weights + push)
    looks.append([steps, loss_of(weights), 0.98 - loss_of(weights) / 10])
    run = Made(spec, lr, losses, looks)
    starts = schedule.restarts(steps)
    for cycle, (first, end) in enumerate(zip(starts, [*starts[1:], steps], strict=False), start=1):
        before = starts[cycle - 2] if cycle > 1 else 0
        found = loss_response(np.array(losses[before:first]), np.array(losses[first:end]), 20)
        run.restarts.append(
            {
                "step": first,
                "epoch": float(first),
                "cycle": cycle,
                "cause": "schedule",
                "lr_before": lr[first - 1],
                "lr_after": lr[first],
                "audit": "kept",
                "policy": "keep",
                "window": 20,
                "loss_before": found.level,
                "spike": found.height,
                "spike_z": found.z,
                "steps_to_peak": found.steps_to_peak,
                "recovery_steps": found.recovery_steps,
                "recovery_censored_at": found.recovery_censored_at,
                "gain": 0.01,
            }
        )
    return run


def write(folder: Path, run: Made) -> Path:
    """The record of a run as it now is, every seal fitting."""
    spec = run.spec
    path = folder / spec.run_id
    (path / layout.ATTEMPTS).mkdir(parents=True)
    (path / layout.SPEC).write_text(spec.text)
    steps = [
        (step, step / BATCH, lr, 0.0, 0.0, loss, 1.0, 1.0, 1.0, None, None, f"{step:016x}")
        for step, (lr, loss) in enumerate(zip(run.lr, run.loss, strict=True))
    ]
    evals = [(step, step / BATCH, loss, accuracy) for step, loss, accuracy in run.looks]
    ledger = [tuple(row.get(name) for name in layout.RESTART_COLUMNS) for row in run.restarts]
    logs: dict[str, Any] = {}
    rows_of = {"steps.csv": steps, "evals.csv": evals, "layers.csv": [], "restarts.csv": ledger}
    for name, rows in rows_of.items():
        data = "".join([",".join(layout.LOGS[name]) + "\n", *map(format_row, rows)]).encode()
        (path / name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        logs[name] = {"rows": len(rows), "bytes": len(data), "sha256": sha256}
    seed = str(spec.seed)
    inputs = {
        "data": "d",
        "split": "s",
        "init": digest(["init", seed]),
        "schedule": digest(run.lr),
        "first_batch": digest(["batch", seed]),
        "streams": {name: digest([name, seed]) for name in ("dropout", "augmentation")},
    }
    last = run.looks[-1]
    result = {
        "format_version": 1,
        "spec_digest": spec.digest,
        "outcome": "complete",
        "diverged_at": None,
        "final": dict(zip(layout.EVAL_COLUMNS, [last[0], 0.0, *last[1:]], strict=True)),
        "batch_chain": digest(["chain", seed]),
        "inputs": inputs | run.inputs,
        "logs": logs,
    }
    result["final"] = {
        k: v if v is None or math.isfinite(v) else None for k, v in result["final"].items()
    }
    (path / layout.RESULT).write_text(pretty(sealed(result | run.result)))
    manifest = {
        "profile": {"digest": "p"},
        "data": {"samples": {"train": 640}},
        "schedule": {"restarts": [row["step"] for row in run.restarts]},
    }
    (path / layout.MANIFEST).write_text(pretty(sealed(manifest | run.manifest)))
    attempt = {"started": run.began, "ended": run.ended, "outcome": "complete"}
    (path / layout.ATTEMPTS / "0001.json").write_text(pretty(sealed(attempt)))
    return path


Change = Callable[[Made], Made | None]


def sweep(
    folder: Path,
    change: Change = lambda run: run,
    *,
    schedules: Sequence[str] = SCHEDULES_OF_CLEAN,
    lrs: Sequence[float] = LRS,
    seeds: Sequence[int] = range(6),
    **changes: Any,
) -> Path:
    """Write a sweep, each run passed through ``change`` first; None leaves it out."""
    for schedule in schedules:
        for lr in lrs:
            for seed in seeds:
                run = change(made(spec_of(schedule, lr, seed, **changes)))
                if run is not None:
                    write(folder, run)
    return folder


def plan(folder: Path, arms: Sequence[Sequence[RunSpec]]) -> None:
    """The file of a sweep that was planned."""
    seeds = [run.seed for run in arms[0]]
    plain = [{"overrides": [], "runs": [r.model_dump(mode="json") for r in arm]} for arm in arms]
    name = f"{len(arms)}x{len(seeds)}-{digest([[r.digest for r in arm] for arm in arms])[:8]}.json"
    (folder / layout.SWEEPS).mkdir(exist_ok=True)
    text = canonical({"arms": plain, "format_version": 1, "seeds": seeds})
    (folder / layout.SWEEPS / name).write_text(text)
