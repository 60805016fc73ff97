"""The folder of all caches."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """Where lrbench keeps what it can make again: ``$LRBENCH_CACHE`` or the user's cache folder.

    Raises
    ------
    RuntimeError
        Nobody says where, and the user has no home folder.
    """
    if own := os.environ.get("LRBENCH_CACHE"):
        return Path(own)
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared) / "lrbench"
    return Path.home() / ".cache" / "lrbench"
