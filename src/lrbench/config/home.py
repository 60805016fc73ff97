"""Where configuration files are, and what may be chosen there; no Hydra needed to know it."""

from __future__ import annotations

import os
from pathlib import Path

from lrbench.errors import ConfigError

GROUPS = ("dataset", "model", "optimizer", "schedule", "compute", "diagnostics")
CUSTOM = "custom"
"""The option of a group that an import path replaces; it cannot be chosen by hand."""


def packaged_folder() -> Path:
    """The configuration that comes with lrbench: beside the code in a wheel, atop a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "conf", package.parents[1] / "conf"):
        if (folder / "config.yaml").is_file():
            return folder
    raise ConfigError(f"lrbench's own configuration must lie in {package / 'conf'}")


def check_user_folder(folder: Path) -> None:
    """Refuse a ``--config-dir`` that is no folder."""
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for a name that is too long
        raise ConfigError("must be a folder", key="--config-dir", got=str(folder))


def options(group: str, user_folder: Path | None = None) -> dict[str, Path]:
    """The options of ``group`` and their files; the user's own win over the packaged ones."""
    found: dict[str, Path] = {}
    for folder in (packaged_folder(), user_folder):
        if folder is not None:
            files = sorted((folder / group).glob("*.yaml"))
            found |= {path.stem: path for path in files if path.stem != CUSTOM and path.is_file()}
    return found


def primary_file(user_folder: Path | None) -> Path:
    """The ``config.yaml`` in force."""
    if user_folder is not None and (user_folder / "config.yaml").is_file():
        return user_folder / "config.yaml"
    return packaged_folder() / "config.yaml"


def shown(path: Path) -> str:
    """A configuration file as messages name it."""
    packaged = packaged_folder()
    if path.is_relative_to(packaged):
        return f"conf/{path.relative_to(packaged)}"
    return str(path)
