"""Sweeps that have a name: overrides from a file, over which what is typed wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lrbench.config.home import packaged_folder, shown
from lrbench.config.overrides import Override, parse
from lrbench.errors import ConfigError, nearest

KEYS = {"seeds", "overrides", "schedules"}


@dataclass(frozen=True)
class Preset:
    """A sweep as its file has it.

    Parameters
    ----------
    name : str
    summary : str
        One line.
    seeds : str
        As ``--seeds`` takes it.
    overrides : tuple of str
        Of every arm; axes among them.
    schedules : tuple of tuple of str
        The overrides that choose a schedule, each with its own settings.
    path : Path
    """

    name: str
    summary: str
    seeds: str
    overrides: tuple[str, ...]
    schedules: tuple[tuple[str, ...], ...]
    path: Path

    def arms(
        self, typed: Sequence[str] = (), user_folder: Path | None = None
    ) -> list[tuple[Override, ...]]:
        """The overrides of each arm, schedule by schedule.

        A setting that is typed replaces the preset's; ``schedule=…`` replaces all its schedules.

        Raises
        ------
        ConfigError
            Something typed does not parse.
        """
        keys = [text.partition("=")[0].strip() for text in typed]
        # Checked alone first, so that what is wrong with it is told once.
        parse(typed, sweep=True, user_folder=user_folder)
        common = [one for one in self.overrides if one.partition("=")[0] not in keys]
        schedules = ((),) if "schedule" in keys else self.schedules
        found: list[tuple[Override, ...]] = []
        for schedule in schedules:
            own = [one for one in schedule if one.partition("=")[0] not in keys]
            found += parse([*own, *common, *typed], sweep=True, user_folder=user_folder)
        return found


def arms_of(
    name: str | None, typed: Sequence[str], user_folder: Path | None
) -> list[tuple[Override, ...]]:
    """The overrides of each arm of a sweep; with the name of a preset, ``typed`` is what is unlike
    it.

    Raises
    ------
    ConfigError
        There is no such preset, or something typed does not parse.
    """
    if name is None:
        return parse(typed, sweep=True, user_folder=user_folder)
    return preset(name).arms(typed, user_folder)


def presets() -> dict[str, Preset]:
    """All presets by name; a name has hyphens where its file's has underscores."""
    files = sorted((packaged_folder() / "preset").glob("*.yaml"))
    return {path.stem.replace("_", "-"): _read(path) for path in files}


def preset(name: str) -> Preset:
    """The preset called ``name``.

    Raises
    ------
    ConfigError
        There is none.
    """
    known = presets()
    if name not in known:
        near = nearest(name, known)
        relation = f"must be one of: {', '.join(known)}"
        remedy = f"--preset {near}" if near else "lrbench list presets"
        raise ConfigError(relation, key="--preset", got=name, remedy=remedy)
    return known[name]


def _read(path: Path) -> Preset:
    text = path.read_text()
    content: dict[str, Any] = yaml.safe_load(text)
    if not isinstance(content, dict) or content.keys() != KEYS:
        relation = f"must have the keys {', '.join(sorted(KEYS))}"
        raise ConfigError(relation, key=shown(path))
    return Preset(
        path.stem.replace("_", "-"),
        text.partition("\n")[0].lstrip("# "),
        str(content["seeds"]),
        tuple(content["overrides"]),
        tuple(tuple(one) for one in content["schedules"]),
        path,
    )
