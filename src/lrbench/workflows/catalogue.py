"""What there is to choose from."""

from __future__ import annotations

from typing import Any

from lrbench.config.home import options
from lrbench.errors import ConfigError, nearest

KINDS = ("models", "datasets", "optimizers", "schedules")


def catalogue(kind: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every model, dataset, optimizer and schedule: name, one sentence, settings, source.

    Parameters
    ----------
    kind : str, optional
        One of :data:`KINDS`; default all.

    Raises
    ------
    ConfigError
        There is no such kind.
    """
    if kind is not None and kind not in KINDS:
        near = nearest(kind, KINDS)
        relation = f"must be one of: {', '.join(KINDS)}"
        remedy = f"lrbench list {near}" if near else None
        raise ConfigError(relation, key="what is listed", got=kind, remedy=remedy)
    makers = {
        "models": _models,
        "datasets": _datasets,
        "optimizers": _optimizers,
        "schedules": _schedules,
    }
    return {name: makers[name]() for name in KINDS if kind in (None, name)}


def _models() -> list[dict[str, Any]]:
    from lrbench.spec.parameters import settings_of
    from lrbench.tasks.models.catalog import MODELS

    return [
        {
            "name": e.name,
            "summary": e.summary,
            "source": e.source,
            "settings": [*settings_of(e.builder)],
        }
        for e in MODELS.values()
    ]


def _datasets() -> list[dict[str, Any]]:
    from lrbench.tasks.data.catalog import DATASETS

    return [
        {
            "name": e.name,
            "summary": e.summary,
            "source": e.source,
            "licence": e.licence,
            "settings": [*e.parameters.parameters],
        }
        for e in DATASETS.values()
    ]


def _optimizers() -> list[dict[str, Any]]:
    from lrbench.engine.optimizers import OPTIMIZERS
    from lrbench.spec.parameters import settings_of

    return [
        {"name": e.name, "summary": e.summary, "settings": ["lr", *settings_of(e.builder)]}
        for e in OPTIMIZERS.values()
    ]


def _schedules() -> list[dict[str, Any]]:
    from lrbench.schedules.catalog import SCHEDULES

    there = options("schedule")
    return [
        {"name": e.name, "summary": e.summary, "settings": [*e.parameters]}
        for e in SCHEDULES.values()
        if e.name in there
    ]
