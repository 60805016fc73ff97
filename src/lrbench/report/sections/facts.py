"""What a report is made from, gathered beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.report.charts.look import Look
from lrbench.report.charts.picture import Picture
from lrbench.report.comparison.values import Comparison
from lrbench.report.frames import Arm
from lrbench.report.remarks import Remarks
from lrbench.report.restarts.arms import ArmLedger
from lrbench.report.restarts.timing import Association
from lrbench.report.runs import Skipped
from lrbench.report.sanity.flag import Flag


@dataclass(frozen=True)
class Origins:
    """Where the records come from.

    Parameters
    ----------
    environments : mapping
        Each different one, in words, with the number of its runs.
    notes : mapping
        Remarks given at launch, with the number of their runs.
    began, ended : str
        First start and last end, ISO 8601; empty where no record says.
    commands : tuple of str
        What trains the same again.
    unplanned : int
        Runs that are in no sweep's plan.
    """

    environments: Mapping[str, int]
    notes: Mapping[str, int]
    began: str
    ended: str
    commands: tuple[str, ...]
    unplanned: int


@dataclass(frozen=True)
class Facts:
    """Everything that is known of a folder of results.

    Parameters
    ----------
    name, path : str
        Of the folder.
    metrics : tuple of str
        The one that decides first.
    level : float
    arms : tuple of Arm
        All of them.
    equal : mapping
        Settings that all arms share.
    comparison : Comparison
        Without rows where nothing is compared.
    refusal : str
        Why nothing is compared, where it cannot be.
    ledgers : tuple of ArmLedger
    controls : tuple of str
        What twins without a restart say of it, in sentences; empty where there are none.
    associations : tuple of Association
    flags : tuple of Flag
    flag_notices : tuple of str
    notices : tuple of str
    skipped : tuple of Skipped
    origins : Origins
    remarks : Remarks
    looks : tuple of Look
    curves, sensitivities, differences, seeds, layers : mapping of task label to pictures
    layered : mapping of task label to int
        Contenders that have layers around restarts, drawn or not.
    """

    name: str
    path: str
    metrics: tuple[str, ...]
    level: float
    arms: tuple[Arm, ...]
    equal: Mapping[str, Any]
    comparison: Comparison
    refusal: str
    ledgers: tuple[ArmLedger, ...]
    controls: tuple[str, ...]
    associations: tuple[Association, ...]
    flags: tuple[Flag, ...]
    flag_notices: tuple[str, ...]
    notices: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    origins: Origins
    remarks: Remarks
    looks: tuple[Look, ...]
    curves: Mapping[str, Picture]
    sensitivities: Mapping[str, Picture]
    differences: Mapping[str, Picture]
    seeds: Mapping[str, Picture]
    layers: Mapping[str, tuple[Picture, ...]]
    layered: Mapping[str, int]

    @property
    def metric(self) -> str:
        """The one that decides."""
        return self.metrics[0]
