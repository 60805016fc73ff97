"""Fetching one file: under another name, verified, then put in place."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from lrbench.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called as bytes arrive, with the file's name, bytes so far and bytes in all (0 if unknown)."""

CHUNK_BYTES = 1 << 18
TIMEOUT_S = 30.0


def download(urls: Sequence[str], path: Path, md5: str, progress: Progress | None = None) -> None:
    """Fetch a file from the first address that has it intact.

    What stands at ``path`` is replaced by a verified file or not at all. Nothing is resumed.

    Parameters
    ----------
    urls : sequence of str
        Addresses to try in order; ``file://`` works as well.
    path : Path
        Where the file shall stand; folders are made.
    md5 : str
        Checksum in hex, as the data's publishers list it. It guards against damage, not malice.
    progress : Progress, optional

    Raises
    ------
    DataError
        No address had it; every address is listed with what went wrong there.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            try:
                found = _fetch(url, unfinished, path.name, progress)
            # ValueError is urllib's word for an address it cannot read.
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append(f"{url}: {error}")
                continue
            if found == md5:
                unfinished.replace(path)
                return
            failures.append(f"{url}: md5 must be {md5}, got {found}")
    except OSError as error:
        failures.append(f"{path.parent}: {error}")
    finally:
        with contextlib.suppress(OSError):  # there may be no such folder
            unfinished.unlink()
    raise DataError(
        f"file {path.name} could not be fetched; tried\n    " + "\n    ".join(failures),
        remedy="dataset.mirror=<address of a folder>, or dataset.root=<folder with the files>",
    )


def _fetch(url: str, path: Path, name: str, progress: Progress | None) -> str:
    """Copy what stands at the address; its md5 in hex."""
    digest = hashlib.md5(usedforsecurity=False)
    num_bytes = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, path.open("wb") as file:
        total_bytes = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
            num_bytes += len(chunk)
            if progress:
                progress(name, num_bytes, total_bytes)
    return digest.hexdigest()
