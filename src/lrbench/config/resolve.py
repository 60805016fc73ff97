"""From a composed configuration to a run's specification: every check, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lrbench.config.components import Parts, read_parts
from lrbench.config.compose import Composed, to_yaml
from lrbench.config.findings import Findings
from lrbench.config.settings import Duration, Settings, read_settings
from lrbench.engine.device import check_device
from lrbench.engine.optimizers import OPTIMIZERS
from lrbench.engine.tables import tabulate
from lrbench.errors import ConfigError, ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.spec.durations import resolve, to_steps
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import DiagnosticsSpec, RunSpec, TrainSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.data.download import Progress
from lrbench.tasks.models.build import build_model, normalises_over_batch

if TYPE_CHECKING:
    from torch.nn import Module, Parameter

LONGEST_STEPS = 100_000_000
"""Updates of the longest run: its table of rates must fit the memory."""


@dataclass(frozen=True)
class Resolved:
    """A run ready to be trained, and what belongs to it without deciding its numbers.

    Parameters
    ----------
    spec : RunSpec
    data_settings : mapping
        Settings of the dataset with the folders its files lie in.
    note : str
    values : mapping
        The composed configuration, lengths as typed; of the arm's first seed.
    notes : tuple of str
        What the schedule chose.
    notices : tuple of str
        What a person should know of the data.
    """

    spec: RunSpec
    data_settings: Mapping[str, Any]
    note: str
    values: Mapping[str, Any]
    notes: tuple[str, ...] = field(default=())
    notices: tuple[str, ...] = field(default=())

    @property
    def config(self) -> str:
        """The configuration of this very run as YAML."""
        return to_yaml({**self.values, "seed": self.spec.seed, "note": self.note or None})


def resolve_run(composed: Composed, on_download: Progress | None = None) -> Resolved:
    """Check a configuration and turn it into a specification.

    Parameters
    ----------
    composed : Composed
    on_download : callable, optional
        Hears of files that are fetched: name, bytes so far, bytes in all (0 if unknown).

    Raises
    ------
    ConfigError
        Every problem that can be found without the data, all at once; then the data's; then those
        that need the data's size.
    """
    findings = Findings(composed.origins)
    settings = read_settings(composed, findings)
    if settings is not None:
        findings.attempt("compute", check_device, settings.compute)
    parts = read_parts(composed.values, findings)
    assert settings is not None

    streams = Streams(settings.seed, settings.streams.pinned())
    data = findings.attempt_own(
        parts.dataset.target,
        "dataset",
        prepare,
        parts.dataset.name,
        parts.data_settings,
        split_root=streams.root_of("split"),
        builder=parts.data_builder,
        progress=on_download,
    )
    findings.raise_if_any()
    assert data is not None
    train, diagnostics = findings.insist("", _lengths, settings, len(data.train))
    model = findings.attempt_own(
        parts.model.target, "model", _check_model, parts, data, streams, train.batch_size
    )
    if model is not None:
        findings.attempt_own(
            parts.optimizer.target, "optimizer", _check_optimizer, parts, list(model.parameters())
        )
    params, schedule = findings.insist("schedule", _fit_schedule, parts, train, len(data.train))
    findings.insist("", tabulate, [schedule], [parts.optimizer.lr], train.steps)
    spec = RunSpec(
        dataset=parts.dataset.model_copy(update={"digest": data.digest}),
        model=parts.model,
        optimizer=parts.optimizer,
        schedule=parts.schedule.model_copy(update={"params": params}),
        train=train,
        diagnostics=diagnostics,
        compute=settings.compute,
        seed=settings.seed,
        streams=settings.streams,
    )
    return Resolved(
        spec,
        parts.data_settings,
        settings.note or "",
        composed.values,
        schedule.notes,
        data.notices,
    )


def with_seed(run: Resolved, seed: int) -> Resolved:
    """The run of the same arm with another seed; composing once an arm is enough."""
    spec = run.spec.model_copy(update={"seed": seed})
    if spec.streams.split is None:
        builder = None
        if spec.dataset.target is not None:
            builder = resolve_import(spec.dataset.target, key="dataset._target_")
        findings = Findings({})
        data = findings.attempt_own(
            spec.dataset.target,
            "dataset",
            prepare,
            spec.dataset.name,
            run.data_settings,
            split_root=seed,
            builder=builder,
        )
        findings.raise_if_any()
        assert data is not None
        dataset = spec.dataset.model_copy(update={"digest": data.digest})
        spec = spec.model_copy(update={"dataset": dataset})
        run = replace(run, notices=data.notices)
    # Made anew, because a copy would keep the digest cached for the other seed.
    return replace(run, spec=RunSpec.model_validate(spec.model_dump()))


def _lengths(settings: Settings, size: int) -> tuple[TrainSpec, DiagnosticsSpec]:
    """All lengths of the run in updates."""
    train = settings.train
    if train.batch_size > size:
        raise ConfigError(
            f"must not exceed the {size} training samples",
            key="train.batch_size",
            got=train.batch_size,
            remedy=f"train.batch_size={min(size, 32)}",
        )
    per_epoch = size // train.batch_size
    key, given = ("train.steps", train.steps) if train.steps else ("train.epochs", train.epochs)
    typed: Duration = train.steps or f"{Decimal(repr(train.epochs)):f}ep"
    total = to_steps(typed, steps_per_epoch=per_epoch, total_steps=None, key=key)
    if not 1 <= total <= LONGEST_STEPS:
        relation = f"must come to at least 1 and at most {LONGEST_STEPS} updates"
        raise ConfigError(relation, key=key, got=given)

    def updates(key: str, value: Duration) -> int:
        length = to_steps(value, steps_per_epoch=per_epoch, total_steps=total, key=key)
        if length < 1:
            raise ConfigError("must be at least 1 update", key=key, got=value)
        return length

    every = settings.diagnostics.layers_every
    return (
        TrainSpec(
            steps=total,
            batch_size=train.batch_size,
            eval_every=updates("train.eval_every", train.eval_every),
        ),
        DiagnosticsSpec(
            layers_every=None if every is None else updates("diagnostics.layers_every", every)
        ),
    )


def _check_model(parts: Parts, data: Prepared, streams: Streams, batch_size: int) -> Module:
    """Build the model once: it must fit the data, and the batches must fit it."""
    model = build_model(
        parts.model.name, parts.model.params, data.info, streams, parts.model_target
    )
    if batch_size == 1 and normalises_over_batch(model):
        relation = "needs train.batch_size of at least 2: it normalises over the batch"
        raise ConfigError(relation, remedy="train.batch_size=32")
    return model


def _check_optimizer(parts: Parts, weights: list[Parameter]) -> None:
    """Build the optimizer once: settings may be right one by one and wrong together."""
    spec = parts.optimizer
    builder = parts.optimizer_target or OPTIMIZERS[spec.name].builder
    builder(weights, lr=spec.lr, **spec.params)


def _fit_schedule(parts: Parts, train: TrainSpec, size: int) -> tuple[dict[str, Any], Schedule]:
    """The schedule's settings with lengths in updates, and the schedule they make."""
    name = parts.schedule.name
    params = resolve(
        parts.schedule.params,
        {
            parameter.name
            for parameter in SCHEDULES[name].parameters.values()
            if parameter.is_duration
        },
        steps_per_epoch=size // train.batch_size,
        total_steps=train.steps,
    )
    if params.get("decay", 0) is None:
        # The rest of the run, said in updates: two ways to type one schedule are one run.
        params["decay"] = train.steps - (params["warmup"] or 0)
    try:
        return params, build_schedule(name, params, train.steps)
    except ScheduleError as error:
        # Lengths as they were typed, not as they came out.
        typed = [
            replace(p, got=parts.schedule.params.get(p.key or "", p.got)) for p in error.problems
        ]
        raise ScheduleError(typed) from None
