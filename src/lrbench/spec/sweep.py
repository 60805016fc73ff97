"""The specification of a sweep: a frozen list of runs."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from lrbench.spec.canonical import canonical, digest
from lrbench.spec.frozen import Frozen
from lrbench.spec.run import FORMAT_VERSION, RunSpec, Seed


class Arm(Frozen):
    """The runs that differ only by seed.

    Parameters
    ----------
    overrides : tuple of str
        What was typed for this arm, for people.
    runs : tuple of RunSpec
        One a seed, in the order of the seeds.
    """

    overrides: tuple[str, ...]
    runs: tuple[RunSpec, ...]


class SweepSpec(Frozen):
    """A set of arms, each with the same seeds."""

    format_version: Literal[1] = FORMAT_VERSION
    arms: tuple[Arm, ...]
    seeds: tuple[Seed, ...]

    @cached_property
    def text(self) -> str:
        """The canonical form."""
        return canonical(self.model_dump(mode="json"))

    @property
    def sweep_id(self) -> str:
        """The name of the sweep's file."""
        content = [[run.digest for run in arm.runs] for arm in self.arms]
        return f"{len(self.arms)}x{len(self.seeds)}-{digest(content)[:8]}"

    @property
    def runs(self) -> tuple[RunSpec, ...]:
        """Every run, seed by seed, so that an interrupted sweep has whole comparisons."""
        return tuple(arm.runs[index] for index in range(len(self.seeds)) for arm in self.arms)
