"""Pictures as files: PNG, SVG, or a page that works without a network."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import vl_convert

from lrbench.errors import ConfigError
from lrbench.report.charts.picture import Picture
from lrbench.report.page.bundle import vega_lite_version
from lrbench.report.page.frame import picture_page

ENDINGS = (".png", ".svg", ".html")

_PNG_SCALE = 2.0


def require_ending(path: Path, key: str, endings: tuple[str, ...] = ENDINGS) -> None:
    """A file can be written to ``path``, as far as its name and its folder tell.

    Raises
    ------
    ConfigError
        About ``key``: the ending is none of ``endings``, or there is no such folder.
    """
    if path.suffix.lower() not in endings:
        *others, last = endings
        several = f"{', '.join(others)} or " if others else ""
        relation = f"must end in {several}{last}"
        remedy = f"{key} {quote(str(path.with_suffix(endings[0])))}" if path.name else None
        raise ConfigError(relation, key=key, got=str(path), remedy=remedy)
    if not path.parent.is_dir():
        relation = "must lie in a folder that exists"
        raise ConfigError(
            relation, key=key, got=str(path), remedy=f"mkdir -p {quote(str(path.parent))}"
        )
    if path.is_dir():
        raise ConfigError("must be a file, not a folder", key=key, got=str(path))


def save(picture: Picture, path: Path) -> None:
    """Write a picture as the ending of ``path`` says, over what was there.

    Raises
    ------
    ConfigError
        As :func:`require_ending` says, or the file cannot be written.
    """
    require_ending(path, key="the chart's file")
    match path.suffix.lower():
        case ".png":
            data = vl_convert.vegalite_to_png(
                picture.static(), vl_version=vega_lite_version(), scale=_PNG_SCALE
            )
        case ".svg":
            svg = vl_convert.vegalite_to_svg(picture.static(), vl_version=vega_lite_version())
            data = svg.encode()
        case _:
            data = picture_page(picture).encode()
    write(path, data, "the chart's file")


def write(path: Path, data: bytes, key: str) -> None:
    """Bytes into a file.

    Raises
    ------
    ConfigError
        About ``key``: the file cannot be written.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        relation = f"must be a file that can be written ({error.strerror})"
        raise ConfigError(relation, key=key, got=str(path)) from None
