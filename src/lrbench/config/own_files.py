"""A user's own YAML, looked at before Hydra loads it: small, and not small only by its aliases."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import yaml

from lrbench.config.home import GROUPS, shown
from lrbench.errors import ConfigError

LARGEST = 1_000_000
"""Bytes of a file of settings; more are something else."""

MOST_VALUES = 100_000
"""Of a file, every alias counted as what it stands for: nine of nine of nine… fill any memory."""


def check_files(folder: Path) -> None:
    """Refuse files of settings in ``folder`` that are no settings by their size.

    Raises
    ------
    ConfigError
    """
    for path in (folder / "config.yaml", *(f for g in GROUPS for f in (folder / g).glob("*.yaml"))):
        if not path.is_file():
            continue
        if (size := path.stat().st_size) > LARGEST:
            raise ConfigError(f"must have at most {LARGEST} bytes", key=shown(path), got=size)
        # What is no YAML, or nested too deeply, is told by the one who reads it.
        with suppress(OSError, ValueError, RecursionError, yaml.YAMLError):
            text = path.read_bytes()
            if b"*" in text and _values(yaml.compose(text, Loader=yaml.SafeLoader), {}) > (
                MOST_VALUES
            ):
                relation = f"must come to at most {MOST_VALUES} values with all its aliases"
                raise ConfigError(relation, key=shown(path))


def _values(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many values a node stands for; ``known`` are those counted before, by identity."""
    if id(node) not in known:
        known[id(node)] = 1  # of one that holds itself
        inside = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = (part for item in inside for part in (item if isinstance(item, tuple) else [item]))
        known[id(node)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(node)]
