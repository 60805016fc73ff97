"""The libraries that draw charts in a browser, as one script."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import altair as alt
import vl_convert

from lrbench.tasks.data.home import cache_home

_SNIPPET = "globalThis.vegaEmbed = vegaEmbed;"


@cache
def vega_script() -> str:
    """Vega, Vega-Lite and Vega-Embed, which set ``vegaEmbed``; they fetch nothing.

    It takes seconds to put together, and is kept in the user's cache for the next time.
    """
    if kept := _kept():
        return kept
    script: str = vl_convert.javascript_bundle(_SNIPPET, vega_lite_version())
    # It stands in a page's script as it is, which these would end, or not let end.
    script = re.sub(r"<(?=/script|!--)", r"\\x3c", script, flags=re.IGNORECASE)
    _keep(script)
    return script


def vega_lite_version() -> str:
    """The one altair writes for, as ``6.1``."""
    return ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])


def _prefix() -> str:
    return f"vega-{vega_lite_version()}-{metadata.version('vl-convert-python')}-"


def _kept() -> str:
    """What is in the cache and is what it was; a cache can only save time."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        for path in sorted(cache_home().glob(f"{_prefix()}*.js")):
            data = path.read_bytes()
            if path.stem == f"{_prefix()}{hashlib.sha256(data).hexdigest()}":
                return data.decode()
    return ""


def _keep(script: str) -> None:
    with contextlib.suppress(OSError, RuntimeError):
        data = script.encode()
        path = Path(cache_home()) / f"{_prefix()}{hashlib.sha256(data).hexdigest()}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_bytes(data)
        part.replace(path)
