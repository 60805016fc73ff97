"""Shell completion of overrides, from the YAML files alone; no Hydra, so a key press is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def complete_override(incomplete: str) -> list[str]:
    """What ``incomplete`` may become: a group, a group's option, or a dotted setting."""
    from lrbench.config.home import GROUPS, options

    group, has_value, _ = incomplete.partition("=")
    if has_value and group in GROUPS:
        return [
            f"{group}={name}" for name in options(group) if f"{group}={name}".startswith(incomplete)
        ]
    if has_value:
        return []
    return [name for name in _names() if name.startswith(incomplete)]


def _names() -> list[str]:
    from lrbench.config.home import CUSTOM, GROUPS, options, packaged_folder

    names = [f"{group}=" for group in GROUPS]
    for key, value in _read(packaged_folder() / "config.yaml").items():
        if isinstance(value, dict):
            names += [f"{key}.{inner}=" for inner in value]
        elif key != "defaults":
            names.append(f"{key}=")
    for group in GROUPS:
        settings = {key for path in options(group).values() for key in _read(path)}
        if (packaged_folder() / group / f"{CUSTOM}.yaml").is_file():
            settings.add("_target_")
        names += [f"{group}.{key}=" for key in sorted(settings - {"name"})]
    return names


def _read(path: Path) -> dict[str, Any]:
    import yaml

    value = yaml.safe_load(path.read_text())
    return value if isinstance(value, dict) else {}
