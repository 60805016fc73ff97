"""Where configuration files are, and what may be chosen there; no Hydra needed to know it."""

from __future__ import annotations

import os
from pathlib import Path

from lrbench.errors import ConfigError
from lrbench.schedules.catalog import SCHEDULES

GROUPS = (
    "dataset",
    "model",
    "optimizer",
    "schedule",
    "restart",
    "trigger",
    "compute",
    "diagnostics",
)
CUSTOM = "custom"
"""The option of a group that an import path replaces; it cannot be chosen by hand."""


ADAPTER = ("schedule", "torch_adapter")
"""The option whose settings are those of the scheduler it names, and so may be new."""


_PREFIXES = {"python:": "", "torch:": "torch.optim.lr_scheduler:"}


def import_path(choice: str) -> str | None:
    """The import path that ``python:mypkg.mod:name`` or ``torch:StepLR`` stands for, or None."""
    for prefix, module in _PREFIXES.items():
        if choice.startswith(prefix):
            return module + choice.removeprefix(prefix)
    return None


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
        raise ConfigError(
            "must be a folder", key="--config-dir", got=str(folder), remedy="--config-dir ."
        )


def options(group: str, user_folder: Path | None = None) -> dict[str, Path]:
    """The options of ``group`` and their files; the user's own win over the packaged ones."""
    found: dict[str, Path] = {}
    for folder in (packaged_folder(), user_folder):
        if folder is not None:
            files = sorted((folder / group).glob("*.yaml"))
            found |= {path.stem: path for path in files if path.stem != CUSTOM and path.is_file()}
    return found


def options_alone(group: str, user_folder: Path | None = None) -> list[str]:
    """The options of ``group`` that a pattern stands for.

    Schedules that cannot be chosen without a further setting, a file or an import path, are left
    out, and so are those of something else than the learning rate.
    """
    names = list(options(group, user_folder))
    if group != "schedule":
        return names
    known = SCHEDULES
    return [
        name
        for name in names
        if name != ADAPTER[1] and (name not in known or known[name].stands_alone)
    ]


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
