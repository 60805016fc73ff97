"""The plans of sweeps, believed only where they are what their names say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrbench.errors import LrbenchError, RecordError
from lrbench.record.files import read_file
from lrbench.record.reader import read_json
from lrbench.spec.canonical import canonical, digest
from lrbench.spec.sweep import SweepSpec


@dataclass(frozen=True)
class Plan:
    """The file of a sweep.

    Parameters
    ----------
    path : Path
    content : dict
        As it stands there. A specification made of it has a default for every setting that was
        unknown when it was written, and with it other digests.
    runs : tuple of str
        The digest of every run, arm by arm.
    """

    path: Path
    content: dict[str, Any]
    runs: tuple[str, ...]

    @property
    def spec(self) -> SweepSpec:
        """The specification of the sweep.

        Raises
        ------
        RecordError
            Its name is right, and it is not of the form of a plan.
        """
        try:
            return SweepSpec.model_validate_json(canonical(self.content))
        except (LrbenchError, ValueError, RecursionError) as error:
            told = str(error).partition("\n")[0]
            raise RecordError(f"must be a plan ({told})", key=str(self.path)) from error


def read_plan(path: Path) -> Plan:
    """The plan of a sweep, held against its name.

    The name has the digest of the runs; what was typed for them, which it has not, is only for
    people, or composed and compared with the runs.

    Raises
    ------
    RecordError
        It cannot be read, or is another plan than its name says.
    """
    content = read_json(path)
    try:
        arms, seeds = content["arms"], content["seeds"]
        runs = [[digest(run) for run in arm["runs"]] for arm in arms]
        name = f"{len(arms)}x{len(seeds)}-{digest(runs)[:8]}"
        is_whole = (
            content.keys() == {"format_version", "arms", "seeds"}
            and content["format_version"] == 1
            and all([run["seed"] for run in arm["runs"]] == seeds for arm in arms)
            and read_file(path) == canonical(content).encode()
        )
    except (LookupError, TypeError, ValueError, AttributeError, OSError):
        is_whole = False
    if not is_whole or name != path.stem:
        raise RecordError("must be the plan its name says", key=str(path))
    return Plan(path, content, tuple(run for of_arm in runs for run in of_arm))
