from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.spec.canonical import canonical, digest
from lrbench.spec.run import RunSpec


def spec_of(
    schedule: str = "constant",
    *,
    seed: int = 0,
    lr: float = 0.1,
    steps: int = 100,
    params: dict[str, Any] | None = None,
    **changes: Any,
) -> RunSpec:
    plain = {
        "dataset": {"name": "digits", "digest": "0" * 64},
        "model": {"name": "mlp", "params": {"widths": [8]}},
        "optimizer": {"name": "sgd", "lr": lr, "params": {"momentum": 0.9}},
        "schedule": {"name": schedule, "params": params or {}},
        "train": {"steps": steps, "batch_size": 64, "eval_every": 50},
        "diagnostics": {},
        "compute": {},
        "seed": seed,
        "streams": {},
    }
    return RunSpec.model_validate(plain | changes)


class Results:
    """A results folder that records are put into without training anything."""

    spec = staticmethod(spec_of)

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()

    def add(
        self,
        spec: RunSpec,
        losses: list[float] | None = None,
        accuracies: list[float | None] | None = None,
        outcome: str | None = "complete",
        at: list[int] | None = None,
    ) -> Path:
        """A record; unfinished if ``outcome`` is None. One evaluation each ``eval_every`` steps,
        or ``at`` those updates."""
        path = self.path / spec.run_id
        path.mkdir()
        (path / layout.SPEC).write_text(spec.text)
        if outcome is None:
            return path
        losses = [2.0, 1.0, 0.5] if losses is None else losses
        accuracies = [1 - loss / 4 for loss in losses] if accuracies is None else accuracies
        every = spec.train.eval_every
        evals = [
            (at[index] if at else index * every, float(index), loss, accuracy)
            for index, (loss, accuracy) in enumerate(zip(losses, accuracies, strict=True))
        ]
        logs = {}
        for name, columns in layout.LOGS.items():
            rows = evals if name == "evals.csv" else []
            data = "".join([",".join(columns) + "\n", *map(format_row, rows)]).encode()
            (path / name).write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()
            logs[name] = {"rows": len(rows), "bytes": len(data), "sha256": sha256}
        # What a summary shows comes from the log; this only has to be there.
        final = dict.fromkeys(layout.EVAL_COLUMNS, 0.0)
        result = {"spec_digest": spec.digest, "outcome": outcome, "final": final, "logs": logs}
        (path / layout.RESULT).write_text(canonical(result))
        return path

    def add_arm(self, schedule: str, finals: list[float], **settings: Any) -> None:
        """A complete run for each of ``finals``, seeds from 0."""
        for seed, final in enumerate(finals):
            self.add(spec_of(schedule, seed=seed, **settings), [2.0, 1.0, final])

    def plan(self, arms: list[list[RunSpec]]) -> None:
        """The file of a sweep."""
        folder = self.path / layout.SWEEPS
        folder.mkdir()
        plain = [
            {"overrides": [], "runs": [r.model_dump(mode="json") for r in arm]} for arm in arms
        ]
        name = f"{len(arms)}x2-{digest([[r.digest for r in arm] for arm in arms])[:8]}.json"
        text = canonical({"arms": plain, "format_version": 1, "seeds": [0, 1]})
        (folder / name).write_text(text)


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


@pytest.fixture
def lock() -> Callable[[Path], Any]:
    from lrbench.record.lock import Lock

    held = []

    def hold(path: Path) -> None:
        held.append(Lock(path / layout.LOCK))
        assert held[-1].acquire()

    yield hold
    for one in held:
        one.release()
