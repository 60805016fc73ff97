"""Whether the results of a folder can be believed: every sanity flag that stands."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrbench.report.runs import Skipped
from lrbench.report.sanity.flag import Flag


@dataclass(frozen=True)
class Checked:
    """What ``lrbench check`` answers, as plain data.

    Parameters
    ----------
    path : Path
    runs : int
        Finished runs that were looked at.
    flags : tuple of Flag
        Serious ones first.
    notices : tuple of str
        What could not be looked at.
    skipped : tuple of Skipped
        What is in the folder and was not looked at.
    """

    path: Path
    runs: int
    flags: tuple[Flag, ...]
    notices: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def is_serious(self) -> bool:
        """Whether a serious flag stands."""
        return any(flag.is_serious for flag in self.flags)


def check(folder: Path) -> Checked:
    """Look for everything that speaks against believing the results in ``folder``."""
    raise NotImplementedError(folder)
