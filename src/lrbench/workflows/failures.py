"""What goes wrong while a run is trained, as an error of this run."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrbench.errors import LrbenchError, RecordError, RunError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def failures_named(path: Path) -> Iterator[None]:
    """A full disk or a model that raises, as an error of this run."""
    try:
        yield
    except LrbenchError:
        raise
    except OSError as error:
        where, reason = error.filename or path, error.strerror or str(error)
        raise RecordError(
            f"could not be written ({reason})",
            key=str(where),
            remedy=_remedy(error.errno),
        ) from error
    except Exception as error:
        message = " ".join(str(error).split())
        raise RunError(
            f"failed: {type(error).__name__}: {message}",
            key=path.name,
            origin=_place_of(error),
            remedy="lrbench --debug run … shows the whole traceback",
        ) from error


def _remedy(number: int | None) -> str | None:
    if number in FULL:
        return "free some space; the same command goes on"
    if number in (errno.EMFILE, errno.ENFILE):
        return "ulimit -n 4096, or a smaller compute.lanes; the same command goes on"
    return None


def _place_of(error: Exception) -> str | None:
    """The last line outside of lrbench and installed packages that ``error`` came through."""
    ours = str(Path(__file__).parents[1])
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = (f for f in frames if "site-packages" not in f.filename and ours not in f.filename)
    return next((f"{frame.filename}:{frame.lineno}" for frame in own), None)
