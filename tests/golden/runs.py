"""What some small runs come to, digest by digest: made here, and as it was written down.

``inputs.json`` holds everywhere. What training makes of them holds where its ``key`` does: one file
a numeric profile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lrbench.record import layout
from lrbench.record.reader import read_json, read_record
from lrbench.spec.profiles import VARIABLES
from lrbench.workflows.isolated import isolated
from lrbench.workflows.run import resolve_overrides, run

FOLDER = Path(__file__).parent
INPUTS = FOLDER / "inputs.json"

PROFILES = tuple(VARIABLES)

EVERY = ("train.batch_size=16", "diagnostics.layers_every=4", "train.eval_every=100")

RUNS: Mapping[str, tuple[str, ...]] = {
    "mlp_sgd": ("dataset=digits", "model=mlp", "optimizer=sgd", "train.steps=30"),
    "mlp_adamw_sgdr": (
        "dataset=wine",
        "model=mlp",
        "optimizer=adamw",
        "schedule=sgdr",
        "schedule.first_cycle=8",
        "train.steps=30",
    ),
    "mlp_dropout": ("dataset=digits", "model=mlp", "model.dropout=0.3", "train.steps=20"),
    "cnn": ("dataset=digits", "model=cnn", "schedule=cosine", "train.steps=12"),
    "resnet": ("dataset=digits", "model=resnet_small", "schedule=one_cycle", "train.steps=5"),
    "transformer": (
        "dataset=digits",
        "model=transformer_small",
        "model.dropout=0.1",
        "optimizer=adam",
        "train.steps=8",
    ),
    "full_reset": (
        "dataset=wine",
        "model=mlp",
        "optimizer=adam",
        "schedule=sgdr",
        "schedule.first_cycle=7",
        "restart=full_reset",
        "train.steps=30",
    ),
    "plateau": (
        "dataset=wine",
        "model=mlp",
        "optimizer.lr=0.3",
        "trigger=plateau",
        "trigger.patience=2",
        "trigger.every=2",
        "trigger.half_life=4",
        "trigger.refractory=4",
        "trigger.gate=null",
        "restart=reset_momentum",
        "train.steps=50",
    ),
    "curvature": (
        "dataset=digits",
        "model=mlp",
        "schedule=sgdr",
        "schedule.first_cycle=6",
        "diagnostics=curvature",
        "diagnostics.curvature.every=5",
        "diagnostics.curvature.iterations=6",
        "diagnostics.curvature.samples=64",
        "train.steps=18",
    ),
    "lanes": (
        "dataset=digits",
        "model=mlp",
        "optimizer=adamw",
        "schedule=sgdr",
        "schedule.first_cycle=7",
        "restart=full_reset",
        "compute.engine=lanes",
        "compute.lanes=4",
        "compute.compile=false",
        "train.steps=30",
    ),
}

DEPENDS_ON = {
    "native": ("machine", "cpu", "cpu_capability", "torch"),
    "strict": ("machine", "cpu", "cpu_capability", "torch"),
    "portable": ("machine", "torch"),
}
"""The facts of the profile that a golden file is of: with others, other bits are no surprise."""


def made(profile: str) -> dict[str, Any]:
    """Every run of a profile, trained in one process with its variables.

    Returns
    -------
    dict
        ``key``: what the digests depend on, here. ``runs``: by name, ``inputs`` and ``outcome``.
    """
    found: dict[str, Any] = isolated(
        train_all,
        profile,
        VARIABLES[profile],  # type: ignore[index]
        name=profile,
        on_progress=lambda progress: None,
    )
    return found


def train_all(profile: str, report: Callable[[Any], None]) -> dict[str, Any]:
    """In the worker."""
    runs: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, words in RUNS.items():
            resolved = resolve_overrides([*words, *EVERY, f"compute.profile={profile}"])
            path = run(resolved, Path(folder)).path
            facts = read_json(path / layout.MANIFEST)["profile"]
            runs[name] = _digests(read_record(path).result)
    return {"key": {fact: facts[fact] for fact in DEPENDS_ON[profile]}, "runs": runs}


def _digests(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "inputs": {**result["inputs"], "batch_chain": result["batch_chain"]},
        "outcome": {
            **{name: log["sha256"] for name, log in result["logs"].items()},
            "weights": result["weights_digest"],
            **({"events": len(result["events"])} if "events" in result else {}),
        },
    }


def golden(profile: str) -> dict[str, Any]:
    """As it was written down: ``key``, and ``runs`` with their ``outcome``."""
    found: dict[str, Any] = json.loads((FOLDER / f"{profile}.json").read_text())
    return found


def golden_inputs() -> dict[str, Any]:
    """As they were written down, by run."""
    found: dict[str, Any] = json.loads(INPUTS.read_text())
    return found


def differing(then: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two nested values differ, as dotted paths."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*then, *now]):
            yield from differing(then.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif then != now:
        yield path
