"""What several verbs are asked alike, checked once: folder, metric, level, margin, target."""

from __future__ import annotations

import math
from pathlib import Path

from lrbench.errors import ConfigError, nearest
from lrbench.report.runs import BEST, instead


def check_folder(folder: Path, verb: str) -> None:
    """Refuse what is no folder; ``verb`` is tried on the usual one instead."""
    if not folder.is_dir():
        relation = "must be a folder of results" if folder.exists() else "must exist"
        raise ConfigError(relation, key=str(folder), remedy=instead(folder, verb))


def check_metric(metric: str) -> None:
    """Refuse a name that is no metric at all; whether the runs have it is seen later."""
    if metric not in BEST:
        relation = f"must be one of {', '.join(BEST)}"
        close = nearest(metric, BEST)
        remedy = f"--metric {close}" if close else None
        raise ConfigError(relation, key="--metric", got=metric, remedy=remedy)


def check_level(level: float, above: float = 0.5) -> None:
    """Refuse a level that is none; a test of less than one half would find what is not there."""
    if not above < level < 1:
        relation = f"must be between {above:g} and 1"
        raise ConfigError(relation, key="--level", got=level, remedy="--level 0.95")


def check_margin(margin: float | None) -> None:
    """Refuse a margin within which nothing, or everything, would be equivalent."""
    if margin is not None and not 0 < margin < math.inf:
        relation = "must be positive and finite"
        raise ConfigError(relation, key="--margin", got=margin, remedy="--margin 0.01")


def check_target(target: float | None) -> None:
    """Refuse a target that no evaluation can be held against."""
    if target is not None and not math.isfinite(target):
        relation = "must be a finite number"
        raise ConfigError(relation, key="--target", got=target, remedy="--target 0.5")
