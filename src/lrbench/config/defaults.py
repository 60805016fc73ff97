"""What lrbench's own YAML files set, and what they say beside each setting; no Hydra needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from lrbench.config.home import options
from lrbench.triggers.catalog import TRIGGERS

_SETTING = re.compile(r"(\w+):.*?(?:\s#\s(.*))?")
_NOT_THERE = object()
_CONTINUED = re.compile(r"\s+#\s(.*)")


def default_settings(path: Path) -> dict[str, Any]:
    """The settings of an option, without its name."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    found.pop("name", None)
    return found


BEST_KNOWN = {"trigger": tuple(TRIGGERS), "schedule": ("cosine", "sgdr")}
"""Options that come to mind before those that happen to have a setting too."""


def option_with(group: str, key: str) -> str | None:
    """The first of lrbench's options of ``group`` with a setting ``key``, dotted inside of it."""
    there = options(group)
    for name in [*(BEST_KNOWN.get(group, ())), *there]:
        node: Any = default_settings(there[name])
        for part in key.split("."):
            node = node.get(part, _NOT_THERE) if isinstance(node, dict) else _NOT_THERE
        if node is not _NOT_THERE:
            return name
    return None


def comments(path: Path) -> dict[str, str]:
    """The remark beside each setting of an option, and under ``""`` the one at its top."""
    found: dict[str, str] = {}
    last = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            found[""] = f"{found.get('', '')} {line[2:]}".strip()
        elif continued := _CONTINUED.fullmatch(line):
            found[last] = f"{found.get(last, '')} {continued[1]}".strip()
        elif setting := _SETTING.fullmatch(line):
            last = setting[1]
            found[last] = setting[2] or ""
    return found
