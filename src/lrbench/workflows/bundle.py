"""Finished runs in one file, for a stranger to repeat."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from lrbench.errors import RecordError
from lrbench.record.bundles.bundle import Bundle, write_bundle


def bundle(
    folder: Path,
    out: Path,
    *,
    checkpoints: bool = False,
    without_damaged: bool = False,
    force: bool = False,
) -> Bundle:
    """``write_bundle`` of :mod:`lrbench.record.bundles.bundle`, with the modules Python finds.

    Raises
    ------
    LrbenchError
    """
    try:
        return write_bundle(
            folder,
            out,
            roots=_own_folders(),
            checkpoints=checkpoints,
            without_damaged=without_damaged,
            force=force,
        )
    except OSError as error:
        where, reason = error.filename or out, error.strerror or str(error)
        raise RecordError(f"could not be bundled ({reason})", key=str(where)) from error


def _own_folders() -> list[Path]:
    """The folders of ``sys.path`` and the one typed in, without those of installed packages."""
    paths = sysconfig.get_paths()
    installed = [Path(paths[kind]).resolve() for kind in ("stdlib", "purelib", "platlib")]
    folders = [Path(entry).resolve() for entry in [*sys.path, ""]]
    return [
        folder
        for folder in dict.fromkeys(folders)
        if not any(folder.is_relative_to(other) for other in installed)
        and not {"site-packages", "dist-packages"} & {*folder.parts}
    ]
