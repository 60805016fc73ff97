"""The names of the files in a record and the columns of its logs."""

from __future__ import annotations

from typing import Final

SPEC: Final = "spec.json"
CONFIG: Final = "config.yaml"
MANIFEST: Final = "manifest.json"
ATTEMPTS: Final = "attempts"
CHECKPOINT: Final = "checkpoint"
PREVIOUS: Final = "checkpoint.previous"
KEPT: Final = "kept"
TEST_USES: Final = "test_uses"
NOTES: Final = "notes"
HEARTBEAT: Final = "heartbeat.json"
RESULT: Final = "result.json"
LOCK: Final = "lock"
TIMING: Final = "timing.csv"
SWEEPS: Final = "sweeps"
TWINS: Final = "twins"
REPORT: Final = "report.html"

OWN: Final = (SWEEPS, TWINS, REPORT)
"""What lies among records in a folder of results and is none."""

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
LAYER_COLUMNS: Final = (
    "step",
    "layer",
    *NORMS,
    "root_second_moment_mean",
    "momentum_cosine",
    "update_cosine",
)
EVAL_COLUMNS: Final = ("step", "epoch", "val_loss", "val_accuracy")

_STATE: Final = (
    "momentum_norm_before",
    "momentum_norm_after",
    "root_second_moment_before",
    "root_second_moment_after",
    "counter_before",
    "counter_after",
)
_RESPONSE: Final = (
    "distance",
    "excursion",
    "direction_cosine",
    "update_cosine",
    "momentum_cosine",
    "effective_step_before",
    "effective_step_after",
    "gradient_peak",
    "gradient_peak_at",
    "second_moment_peak",
    "second_moment_peak_at",
)
RESTART_COLUMNS: Final = (
    "step",
    "epoch",
    "cycle",
    "cause",
    "statistic",
    "threshold",
    "planned_length",
    "length",
    "lr_before",
    "lr_after",
    "lr_ratio",
    "momentum",
    "policy",
    "audit",
    *_STATE,
    "weight_norm_before",
    "weight_norm_after",
    "window",
    "loss_before",
    "loss_sd_before",
    "spike",
    "spike_relative",
    "spike_z",
    "steps_to_peak",
    "recovery_steps",
    "recovery_censored_at",
    "overshoot_area",
    "val_loss_before",
    "val_loss_end",
    "gain",
    *_RESPONSE,
    "gradient_depth_trend",
    "second_moment_depth_trend",
    "lambda_max_before",
    "lambda_max_after",
    "lambda_max_end",
)
RESTART_LAYER_COLUMNS: Final = (
    "step",
    "layer",
    "depth",
    "kind",
    "residual",
    "size",
    *_STATE,
    *_RESPONSE,
)
CURVATURE_COLUMNS: Final = (
    "step",
    "epoch",
    "occasion",
    "lambda_max",
    "residual",
    "products",
    "stability_margin",
    "directional_sharpness",
    "gradient_square",
    "gradient_trace",
    "noise_scale",
    "momentum_cosine",
    "update_ratio",
    "root_v_p05",
    "root_v_p50",
    "root_v_p95",
    "root_v_below_eps",
)
TIMING_COLUMNS: Final = ("step", "wall_s", "steps_per_s", "max_rss_bytes")

LOGS: Final = {
    "steps.csv": STEP_COLUMNS,
    "layers.csv": LAYER_COLUMNS,
    "evals.csv": EVAL_COLUMNS,
    "restarts.csv": RESTART_COLUMNS,
}
"""The logs of every record inside the bit-for-bit promise; ``timing.csv`` is outside."""

MORE_LOGS: Final = {
    "restart_layers.csv": RESTART_LAYER_COLUMNS,
    "curvature.csv": CURVATURE_COLUMNS,
}
"""Logs of the records that have something to say in them; inside the promise too."""

ALL_LOGS: Final = {**LOGS, **MORE_LOGS}

PROMISED: Final = (*ALL_LOGS, RESULT, SPEC)
"""The files that come out the same to the byte, those of them that a record has; so do the
checkpoints in :data:`KEPT`."""

EARLIER: Final = {
    "steps.csv": (tuple(name for name in STEP_COLUMNS if name != "weight_decay"),),
    "layers.csv": (("step", "layer", *NORMS),),
    "restarts.csv": (
        ("step", "epoch", "cycle", "cause", "planned_length", "lr_before", "lr_after"),
    ),
}
"""Columns that logs had before; records with them stay readable."""


def kept_name(updates: int) -> str:
    """Name inside :data:`KEPT` of the checkpoint after so many updates."""
    return f"{updates:09d}"
