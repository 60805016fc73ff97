"""The specification of one run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from lrbench.errors import RecordError
from lrbench.spec.canonical import canonical, digest
from lrbench.spec.frozen import Frozen, Positive
from lrbench.spec.restart import CurvatureSpec, ForkSpec, RestartSpec
from lrbench.spec.version import FORMAT_VERSION as FORMAT_VERSION

RESTART_WINDOW: Final = 50
"""Updates on either side of a restart that are looked at closely, where nothing else was asked."""


def _device(name: str) -> str:
    if not re.fullmatch(r"cpu|cuda(:\d{1,4})?", name, re.ASCII):
        raise PydanticCustomError("device", "must be cpu, cuda or cuda:<number>")
    return name


Device = Annotated[str, AfterValidator(_device)]
Precision = Literal["float32", "float64", "bf16"]
Engine = Literal["loop", "lanes"]

LANES: Final = 16
"""Slots of a vectorised program, where nobody says how many."""

Profile = Literal["native", "strict", "portable"]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Component(Frozen):
    """A model, dataset, optimizer or schedule: which one, and its own settings.

    Parameters
    ----------
    name : str
        Its name in lrbench's catalogue; for an import path, the last part of it in small letters.
    target : str, optional
        The import path where it is the user's own.
    code : str, optional
        sha256 of the file an import path leads to: other code is another run. Of a schedule, of
        the factors it gives in the run, little-endian float64.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=40)]
    target: str | None = None
    code: str | None = None
    params: dict[str, JsonValue] = Field(default_factory=dict)


class DatasetSpec(Component):
    """A dataset; ``digest`` is that of its prepared samples, whatever folder they came from."""

    digest: str = ""


class OptimizerSpec(Component):
    """An optimizer and its base learning rate, the unit of every schedule.

    Parameters
    ----------
    lr : float in (0, inf)
    momentum_schedule, weight_decay_schedule : Component, optional
        Schedules whose factors multiply the momentum (or the first beta) and the weight decay.
    """

    lr: Annotated[float, Field(gt=0)]
    momentum_schedule: Component | None = None
    weight_decay_schedule: Component | None = None


class TrainSpec(Frozen):
    """How long, in what batches, and how often held-out data are looked at.

    Parameters
    ----------
    steps : int in [1, inf), updates of the run
    batch_size : int in [1, inf), samples an update; an epoch drops the samples that are left over
    eval_every : int in [1, inf), in updates; the first and last step are always evaluated
    """

    steps: Positive
    batch_size: Positive
    eval_every: Positive


class DiagnosticsSpec(Frozen):
    """What is logged besides the row of every update.

    Parameters
    ----------
    layers_every : int in [1, inf) in updates, or None for no rows per layer
    restart_window : int in [0, inf), updates
        On either side of a restart there are rows per layer of every update.
    curvature : CurvatureSpec, optional
    """

    layers_every: Positive | None = None
    restart_window: Annotated[int, Field(ge=0)] = RESTART_WINDOW
    curvature: CurvatureSpec | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return _without_defaults(handler(self), restart_window=RESTART_WINDOW, curvature=None)


class ComputeSpec(Frozen):
    """On what, and how exactly, the numbers are computed.

    Parameters
    ----------
    engine : {"loop", "lanes"}
        One run after the other, or many as one vectorised program.
    profile : {"native", "strict", "portable"}
        Which code the libraries below torch may choose; see :mod:`lrbench.engine.profiles`.
    lanes : int in [2, 256]
        Slots of the vectorised program; the loop has none.
    compile : bool
        Whether that program is compiled, which rounds otherwise.
    """

    device: Device = "cpu"
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    precision: Precision = "float32"
    engine: Engine = "loop"
    deterministic: bool = True
    profile: Profile = "native"
    lanes: Annotated[int, Field(ge=2, le=256)] = LANES
    compile: bool = True

    @model_validator(mode="after")
    def _without_effect(self) -> Self:
        if self.engine == "loop":
            # Two ways to say one thing are one specification, equal as a value too.
            vars(self).update(lanes=LANES, compile=True)
        return self

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        if self.engine == "loop":
            # They decide nothing there, and runs recorded before they could be said stay the same.
            del plain["lanes"], plain["compile"]
        return plain


class StreamSeeds(Frozen):
    """Root seeds of single streams; ``None`` means the run's own seed."""

    split: Seed | None = 0
    init: Seed | None = None
    order: Seed | None = None
    dropout: Seed | None = None

    def pinned(self) -> dict[str, int]:
        """The streams that do not follow the run's seed."""
        return {name: root for name, root in self if root is not None}


class RunSpec(Frozen):
    """Everything that decides the numbers of one run, and nothing else.

    What restarts do, a trigger and a fork are no part of its plain form where there is nothing to
    say of them, so that a run is the same one as before they could be said.
    """

    format_version: Literal[1] = FORMAT_VERSION
    dataset: DatasetSpec
    model: Component
    optimizer: OptimizerSpec
    schedule: Component
    train: TrainSpec
    diagnostics: DiagnosticsSpec
    compute: ComputeSpec
    seed: Seed
    streams: StreamSeeds
    restart: RestartSpec = Field(default_factory=RestartSpec)
    trigger: Component | None = None
    fork: ForkSpec | None = None

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        defaults = {"restart": RestartSpec().model_dump(mode="json"), "trigger": None, "fork": None}
        return _without_defaults(handler(self), **defaults)

    @classmethod
    def of(cls, plain: Mapping[str, Any], where: str) -> Self:
        """The specification of its plain form, as read from the file ``where``.

        Raises
        ------
        RecordError
            It is none that this lrbench knows; the first thing wrong is named.
        """
        try:
            return cls.model_validate_json(canonical(plain))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            relation = f"must hold a specification of this lrbench ({place}: {first['msg']})"
            raise RecordError(relation, key=where) from None

    @cached_property
    def text(self) -> str:
        """The canonical form, as ``spec.json`` holds it."""
        return canonical(self.model_dump(mode="json"))

    @cached_property
    def digest(self) -> str:
        """sha256 of the canonical form: the run's identity."""
        return digest(self.model_dump(mode="json"))

    @property
    def total_steps(self) -> int:
        """Updates of the run; a twin ends where its parent's cycle does."""
        return self.train.steps if self.fork is None else self.fork.until

    @property
    def run_id(self) -> str:
        """The name of the run's folder."""
        parts = (self.dataset.name, self.model.name, self.schedule.name)
        return f"{'-'.join(parts)}-s{self.seed}-{self.digest[:8]}"

    @property
    def arm(self) -> dict[str, Any]:
        """All settings but those that follow the seed; equal for the runs of one arm."""
        return arm_of(self.model_dump(mode="json"))


def _without_defaults(plain: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """``plain`` without those of ``defaults`` that are as they are by default."""
    return {k: v for k, v in plain.items() if k not in defaults or v != defaults[k]}


def arm_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The arm of a specification in its plain form, as read from a record."""
    arm = {key: value for key, value in spec.items() if key != "seed"}
    if arm["streams"]["split"] is None:
        # Each seed has a split of its own, so the prepared samples follow the seed too.
        arm["dataset"] = {**arm["dataset"], "digest": ""}
    if arm.get("fork") is not None:
        # Every seed has a parent of its own.
        arm["fork"] = {**arm["fork"], "parent": ""}
    return arm


def total_steps_of(spec: Mapping[str, Any]) -> int:
    """Updates of a run, of its specification in plain form."""
    fork = spec.get("fork")
    return int(spec["train"]["steps"] if fork is None else fork["until"])


def slug(target: str) -> str:
    """The name of a component given by an import path: its last part in small letters."""
    last = re.split(r"[.:]", target)[-1]
    return re.sub(r"[^a-z0-9_]", "_", last.lower())[:40] or "custom"
