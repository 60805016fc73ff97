"""Ledgers written by hand into records, as an engine would write them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.spec.canonical import canonical

RESPONSE: dict[str, Any] = {
    "distance": 0.212,
    "excursion": 0.3471,
    "direction_cosine": 0.3712,
    "update_cosine": 0.2213,
    "momentum_cosine": -0.0482,
    "effective_step_before": 0.01234,
    "effective_step_after": 0.02346,
    "gradient_peak": 3.214,
    "gradient_peak_at": 12,
    "second_moment_peak": 1.4567,
    "second_moment_peak_at": 31,
}
STATE: dict[str, Any] = {
    "momentum_norm_before": 0.5127,
    "momentum_norm_after": 0.0,
    "root_second_moment_before": 0.003216,
    "root_second_moment_after": 0.003216,
    "counter_before": 312,
    "counter_after": 312,
}


def restart(place: int, **changes: Any) -> dict[str, Any]:
    """A restart of the schedule after every 312 updates, 31 of them an epoch."""
    return {
        "step": 312 * place,
        "epoch": 312 * place / 31,
        "cycle": place,
        "cause": "schedule",
        "statistic": None,
        "threshold": None,
        "planned_length": 312,
        "length": 312,
        "lr_before": 3.0416e-06,
        "lr_after": 0.12,
        "lr_ratio": 0.12 / 3.0416e-06,
        "momentum": 0.9,
        "policy": "reset_momentum",
        "audit": "passed",
        **STATE,
        "weight_norm_before": 18.7312,
        "weight_norm_after": 18.7312,
        "window": 20,
        "loss_before": 0.52614,
        "loss_sd_before": 0.081234,
        "spike": 0.173004,
        "spike_relative": 0.173004 / 0.52614,
        "spike_z": 9.5242,
        "steps_to_peak": 31,
        "recovery_steps": 146,
        "recovery_censored_at": None,
        "overshoot_area": 11.8214,
        "val_loss_before": 0.31241,
        "val_loss_end": 0.29836,
        "gain": 0.31241 - 0.29836,
        **RESPONSE,
        "gradient_depth_trend": 0.07731,
        "second_moment_depth_trend": -0.1204,
        "lambda_max_before": 21.4132,
        "lambda_max_after": 19.871,
        "lambda_max_end": 23.0019,
    } | changes


def layer(
    place: int, depth: int, name: str, kind: str = "linear", **changes: Any
) -> dict[str, Any]:
    """What that restart did to one layer."""
    return {
        "step": 312 * place,
        "layer": name,
        "depth": depth,
        "kind": kind,
        "residual": 0,
        "size": 4096,
        **STATE,
        **RESPONSE,
    } | changes


def write_ledger(
    record: Path, restarts: Sequence[dict[str, Any]], layers: Sequence[dict[str, Any]] = ()
) -> Path:
    """Put a ledger into a record, finished or not."""
    logs = {
        "restarts.csv": (layout.RESTART_COLUMNS, restarts),
        "restart_layers.csv": (layout.RESTART_LAYER_COLUMNS, layers),
    }
    stated = {}
    for name, (columns, rows) in logs.items():
        assert all(set(row) == set(columns) for row in rows)
        lines = [format_row([row[column] for column in columns]) for row in rows]
        data = "".join([",".join(columns) + "\n", *lines]).encode()
        (record / name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        stated[name] = {"rows": len(rows), "bytes": len(data), "sha256": sha256}
    closing = record / layout.RESULT
    if closing.exists():
        result = json.loads(closing.read_text())
        result["logs"] |= stated
        closing.write_text(canonical(result))
    return record


def three_restarts() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """An MLP whose loss is back sooner, later, and not within the cycle."""
    restarts = [
        restart(1),
        restart(
            2,
            loss_before=0.29914,
            spike=0.25117,
            spike_relative=0.25117 / 0.29914,
            spike_z=14.12,
            steps_to_peak=24,
            recovery_steps=171,
            overshoot_area=19.336,
            val_loss_before=0.29836,
            val_loss_end=0.33127,
            gain=0.29836 - 0.33127,
            gradient_peak=4.871,
            gradient_depth_trend=-0.0213,
        ),
        restart(
            3,
            cause="plateau",
            statistic=12.0,
            threshold=10.0,
            loss_before=0.14702,
            spike=0.30119,
            spike_relative=0.30119 / 0.14702,
            spike_z=22.9,
            steps_to_peak=40,
            recovery_steps=None,
            recovery_censored_at=312,
            overshoot_area=40.17,
            val_loss_before=0.33127,
            val_loss_end=0.33127,
            gain=0.0,
            gradient_depth_trend=0.0,
        ),
    ]
    layers = [
        layer(place, depth, name, gradient_peak=2.0 + depth + place, gradient_peak_at=3 * place)
        for place in (1, 2, 3)
        for depth, name in enumerate(("layers.0", "layers.2", "layers.4"))
    ]
    return restarts, layers
