"""The names of the files in a record and the columns of its logs."""

from __future__ import annotations

from typing import Final

SPEC: Final = "spec.json"
CONFIG: Final = "config.yaml"
MANIFEST: Final = "manifest.json"
ATTEMPTS: Final = "attempts"
CHECKPOINT: Final = "checkpoint"
PREVIOUS: Final = "checkpoint.previous"
HEARTBEAT: Final = "heartbeat.json"
RESULT: Final = "result.json"
LOCK: Final = "lock"
TIMING: Final = "timing.csv"
SWEEPS: Final = "sweeps"

NORMS: Final = (
    "grad_norm",
    "update_norm",
    "weight_norm",
    "momentum_norm",
    "second_moment_mean",
)
"""Of the whole model in ``steps.csv``, of one layer in ``layers.csv``; see engine/diagnostics."""

STEP_COLUMNS: Final = (
    "step",
    "epoch",
    "lr",
    "momentum",
    "weight_decay",
    "train_loss",
    *NORMS,
    "batch_digest",
)
LAYER_COLUMNS: Final = ("step", "layer", *NORMS)
EVAL_COLUMNS: Final = ("step", "epoch", "val_loss", "val_accuracy")
RESTART_COLUMNS: Final = (
    "step",
    "epoch",
    "cycle",
    "cause",
    "planned_length",
    "lr_before",
    "lr_after",
)
TIMING_COLUMNS: Final = ("step", "wall_s", "steps_per_s", "max_rss_bytes")

LOGS: Final = {
    "steps.csv": STEP_COLUMNS,
    "layers.csv": LAYER_COLUMNS,
    "evals.csv": EVAL_COLUMNS,
    "restarts.csv": RESTART_COLUMNS,
}
"""The logs inside the bit-for-bit promise; ``timing.csv`` is outside."""

EARLIER: Final = {
    "steps.csv": (tuple(name for name in STEP_COLUMNS if name != "weight_decay"),),
}
"""Columns that logs had before; records with them stay readable."""
