"""The composed configuration as a person reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.config.compose import compose
from lrbench.config.overrides import parse
from lrbench.config.resolve import Resolved, resolve_run
from lrbench.errors import origin_of
from lrbench.workflows.outlook import outlook


@dataclass(frozen=True)
class Shown:
    """A composed configuration that was found to be right.

    Parameters
    ----------
    values : mapping
        The configuration as composed, lengths as typed.
    origins : mapping
        Where each dotted setting comes from.
    lines : sequence of (line of YAML, origin)
        The origin of a group's first line is its file; that of a setting is given where it differs
        from its group's.
    run_id : str
    spec : mapping
        The specification: lengths in updates.
    remarks : sequence of str
        What the settings come to: updates, warm restarts, what the schedule chose.
    """

    values: Mapping[str, Any]
    origins: Mapping[str, str]
    lines: Sequence[tuple[str, str]]
    run_id: str
    spec: Mapping[str, Any]
    remarks: Sequence[str]


def show(overrides: Sequence[str], *, config_dir: Path | None = None) -> Shown:
    """Compose and check, without training.

    Raises
    ------
    ConfigError
        Anything is wrong with the configuration.
    """
    (arm,) = parse(overrides)
    composed = compose(arm, config_dir)
    resolved = resolve_run(composed)
    origins = {key: origin_of(key, composed.origins) or "" for key in _leaves(composed.values)}
    return Shown(
        values=composed.values,
        origins=origins,
        lines=list(_lines(composed.values, composed.origins)),
        run_id=resolved.spec.run_id,
        spec=resolved.spec.model_dump(mode="json"),
        remarks=_remarks(resolved),
    )


def _remarks(run: Resolved) -> list[str]:
    train = run.spec.train
    return [
        f"{train.steps} updates, evaluated every {train.eval_every}",
        *outlook(run),
        *run.notes,
        *run.notices,
    ]


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _lines(values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if not isinstance(value, Mapping):
            yield f"{key}: {_yaml(value)}", _if_override(origins.get(key, ""))
            continue
        yield f"{key}:", origins.get(key, "")
        for inner, item in value.items():
            yield f"  {inner}: {_yaml(item)}", origins.get(f"{key}.{inner}", "")


def _if_override(origin: str) -> str:
    return origin if origin.startswith("override") else ""


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool | list | dict):
        return json.dumps(value)
    return str(value)
