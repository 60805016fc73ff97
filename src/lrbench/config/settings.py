"""The shape of a configuration: every setting that is no component's own, lengths as typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from lrbench.config.composed import Composed
from lrbench.config.findings import Findings
from lrbench.errors import Problem, nearest
from lrbench.spec.durations import FORMS, is_duration
from lrbench.spec.frozen import Frozen, Positive
from lrbench.spec.parameters import problems
from lrbench.spec.restart import RestartSpec
from lrbench.spec.run import RESTART_WINDOW, ComputeSpec, Profile, Seed, StreamSeeds


def _duration(value: Any) -> int | str:
    if not is_duration(value):
        raise PydanticCustomError("duration", FORMS)
    return value  # type: ignore[no-any-return]


LONGEST_STEPS = 100_000_000
"""Updates of the longest run: its table of rates must fit the memory."""

MOMENTS = ("momentum", "first_moment", "second_moment")
"""Switches of a restart that may be a number."""

Duration = Annotated[int | str, PlainValidator(_duration)]


class Train(Frozen):
    """How long, in what batches; one of ``steps`` and ``epochs`` is given."""

    steps: Positive | None
    epochs: Annotated[float, Field(gt=0, le=1e8)] | None
    batch_size: Positive
    eval_every: Duration
    checkpoint_every: Duration | None = None


class Curvature(Frozen):
    """How often and how closely the curvature is looked at; as in its specification."""

    every: Duration
    method: Literal["lanczos", "power"] = "lanczos"
    iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    samples: Positive | None = None


class Diagnostics(Frozen):
    """What is logged besides the row of every update."""

    layers_every: Duration | None
    restart_window: Duration = RESTART_WINDOW
    curvature: Curvature | None = None


class Restart(RestartSpec):
    """What a restart does to the state of the run, and what decides no number.

    Parameters
    ----------
    rewarm : length or None
        None stands for the rule.
    state_names : mapping or None
    allow_mismatch : bool
        Whether it may hide a multiplier of the learning rate.
    keep_checkpoints : bool
        Whether the record keeps the checkpoint before every restart.
    """

    rewarm: Duration | None = 0  # type: ignore[assignment]
    state_names: dict[str, str] | None = None  # type: ignore[assignment]
    allow_mismatch: bool = False
    keep_checkpoints: bool = False


class Compute(ComputeSpec):
    """On what the numbers are computed; a profile of None stands for the usual one."""

    profile: Profile | None = None  # type: ignore[assignment]

    @property
    def usual_profile(self) -> Profile:
        """As asked for; else, because lanes lie anywhere in memory, strict for them."""
        if self.profile is not None:
            return self.profile
        is_held = self.engine == "lanes" and self.device == "cpu" and self.threads == 1
        return "strict" if is_held else "native"

    def spec(self) -> ComputeSpec:
        """As the run has it: the usual profile, where it can be had."""
        # Here, because it loads torch, which a schedule's preview has no need of.
        from lrbench.engine.profiles import lacking

        profile = self.usual_profile
        if self.profile is None and profile != "native" and lacking():
            profile = "native"
        return ComputeSpec.model_validate(dict(self) | {"profile": profile})


class Settings(Frozen):
    """A whole configuration; the four components are checked against their own signatures."""

    dataset: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    restart: Restart
    trigger: dict[str, Any]
    compute: Compute
    diagnostics: Diagnostics
    train: Train
    seed: Seed
    streams: StreamSeeds
    note: str | None


_GROUPS: dict[str, type[BaseModel]] = {
    "train": Train,
    "compute": Compute,
    "diagnostics": Diagnostics,
    "restart": Restart,
    "streams": StreamSeeds,
}


def read_settings(composed: Composed, findings: Findings) -> Settings | None:
    """The configuration as checked values; None, and findings, where it has not the shape."""
    values = {k: dict(v) if isinstance(v, Mapping) else v for k, v in composed.values.items()}
    for group in ("compute", "diagnostics", "restart"):
        if isinstance(values.get(group), dict):
            # Under which name an option was chosen decides no number.
            values[group].pop("name", None)
    if isinstance(values.get("train"), dict):
        _check_length(values["train"], findings)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        findings.extend([_or_scale(_with_neighbour(problem)) for problem in problems(error)])
        return None


def _check_length(train: Mapping[str, Any], findings: Findings) -> None:
    """One of steps and epochs; both are left only where both were given with the same weight."""
    steps, epochs = train.get("steps"), train.get("epochs")
    if steps is None and epochs is None:
        findings.add("must be given, or train.steps", "train.epochs", None, "train.epochs=20")
    elif steps is not None and epochs is not None:
        relation = f"cannot be given together with train.epochs ({epochs})"
        findings.add(relation, "train.steps", steps, "only one of them")


def _or_scale(problem: Problem) -> Problem:
    """Of a moment any scale is as good as the names."""
    is_moment = (problem.key or "") in {f"restart.{name}" for name in MOMENTS}
    relation = f"{problem.relation}, or a scale between 0 and 1"
    return replace(problem, relation=relation) if is_moment else problem


def _with_neighbour(problem: Problem) -> Problem:
    """An unknown key of a user's own YAML, with the nearest valid name."""
    if "not a setting" not in problem.relation:
        return problem
    group, _, leaf = (problem.key or "").partition(".")
    known = _GROUPS[group].model_fields if group in _GROUPS else Settings.model_fields
    near = nearest(leaf or group, known)
    remedy = f"{group}.{near}" if leaf else near
    return Problem(problem.relation, problem.key, problem.got, remedy=remedy if near else None)
