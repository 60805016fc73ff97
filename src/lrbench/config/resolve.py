"""From a composed configuration to a run's specification: every check, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lrbench.adapters.build import schedule_of
from lrbench.config.components import Parts, read_parts
from lrbench.config.compose import to_yaml
from lrbench.config.composed import Composed
from lrbench.config.findings import Findings
from lrbench.config.scheduling import fit_schedule
from lrbench.config.settings import LONGEST_STEPS, Duration, Settings, read_settings
from lrbench.engine.device import check_device
from lrbench.engine.optimizers import OPTIMIZERS, base_of, base_settings
from lrbench.engine.tables import table_digest, tabulate
from lrbench.errors import ConfigError, ScheduleError
from lrbench.schedules.base import Schedule
from lrbench.spec.durations import to_steps
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import Component, DiagnosticsSpec, OptimizerSpec, RunSpec, TrainSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.data.download import Progress
from lrbench.tasks.models.build import build_model, normalises_over_batch

if TYPE_CHECKING:
    from torch.nn import Module, Parameter


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
    checkpoint_every : int or None
        Updates between two checkpoints; None for about every 10 s of work.
    notes : tuple of str
        What the schedule chose.
    notices : tuple of str
        What a person should know of the data.
    written : str
        The configuration as YAML, of a run that comes from a record.
    keep_checkpoints : bool
        Keep the state at the end of every cycle in the record.
    """

    spec: RunSpec
    data_settings: Mapping[str, Any]
    note: str
    values: Mapping[str, Any]
    checkpoint_every: int | None = None
    notes: tuple[str, ...] = field(default=())
    notices: tuple[str, ...] = field(default=())
    written: str = ""
    keep_checkpoints: bool = False

    @property
    def config(self) -> str:
        """The configuration of this very run as YAML."""
        if self.written:
            return self.written
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
    findings = Findings(composed.origins, composed.replaced)
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
    train, diagnostics, checkpoint_every = findings.insist("", _lengths, settings, len(data.train))
    model = findings.attempt_own(
        parts.model.target, "model", _check_model, parts, data, streams, train.batch_size
    )
    base: dict[str, float] | None = None
    if model is not None:
        base = findings.attempt_own(
            parts.optimizer.target, "optimizer", _check_optimizer, parts, list(model.parameters())
        )
    fit = partial(_fit, lr=parts.optimizer.lr, train=train, size=len(data.train), findings=findings)
    schedule, fitted = fit(parts.schedule, "schedule", parts.optimizer.lr)
    optimizer = _with_schedules(parts, base or {}, fit)
    findings.raise_if_any()
    spec = RunSpec(
        dataset=parts.dataset.model_copy(update={"digest": data.digest}),
        model=parts.model,
        optimizer=optimizer,
        schedule=schedule,
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
        checkpoint_every,
        fitted.notes,
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


def _lengths(settings: Settings, size: int) -> tuple[TrainSpec, DiagnosticsSpec, int | None]:
    """All lengths of the run in updates; the last one is that between two checkpoints."""
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

    def perhaps(key: str, value: Duration | None) -> int | None:
        return None if value is None else updates(key, value)

    return (
        TrainSpec(
            steps=total,
            batch_size=train.batch_size,
            eval_every=updates("train.eval_every", train.eval_every),
        ),
        DiagnosticsSpec(
            layers_every=perhaps("diagnostics.layers_every", settings.diagnostics.layers_every)
        ),
        perhaps("train.checkpoint_every", train.checkpoint_every),
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


def _check_optimizer(parts: Parts, weights: list[Parameter]) -> dict[str, float]:
    """Build the optimizer once: settings may be right one by one and wrong together.

    Returns
    -------
    dict
        What a schedule may multiply: the momentum and weight decay that it has for the model's
        parameters as well as for any others.
    """
    spec = parts.optimizer
    builder = parts.optimizer_target or OPTIMIZERS[spec.name].builder
    optimizer = builder(weights, lr=spec.lr, **spec.params)
    if others := {float(group["lr"]) for group in optimizer.param_groups} - {spec.lr}:
        relation = f"must give all its parameter groups optimizer.lr ({spec.lr:g})"
        raise ConfigError(relation, key="_target_", got=sorted(others))
    if spec.momentum_schedule is None and spec.weight_decay_schedule is None:
        return {}
    alike = base_settings(spec, parts.optimizer_target)
    return {what: value for what, value in base_of(optimizer).items() if alike.get(what) == value}


def _fit(
    component: Component,
    group: str,
    base: float,
    *,
    is_momentum: bool = False,
    lr: float,
    train: TrainSpec,
    size: int,
    findings: Findings,
) -> tuple[Component, Schedule]:
    """A schedule with its lengths in updates, tried at every step of the run.

    Parameters
    ----------
    base : float
        What its factors multiply.
    """
    target, per_epoch = component.target, size // train.batch_size
    fitted = findings.attempt_own(
        target,
        group,
        fit_schedule,
        component,
        lr=lr,
        total_steps=train.steps,
        steps_per_epoch=per_epoch,
    )
    if fitted is not None:
        findings.attempt_own(
            target, group, _check_values, fitted[1], base, train.steps, is_momentum
        )
    findings.raise_if_any()
    assert fitted is not None
    if target is None:
        return fitted
    component, schedule = fitted
    code = findings.attempt_own(target, group, _code_of, component, schedule, lr, train.steps)
    findings.raise_if_any()
    return component.model_copy(update={"code": code}), schedule


def _code_of(component: Component, schedule: Schedule, lr: float, total_steps: int) -> str:
    """Digest of a user's schedule: of its factors, whatever file its code may lie in.

    Raises
    ------
    ScheduleError
        Made anew, it gives other factors.
    """
    factors = tabulate([schedule], [1.0], total_steps)
    again = tabulate([schedule_of(component, lr=lr, total_steps=total_steps)], [1.0], total_steps)
    if (wrong := np.flatnonzero(factors[:, 0] != again[:, 0])).size:
        step = int(wrong[0])
        relation = f"must be a function of the step alone; step {step} gave {factors[step, 0]}"
        remedy = f"lrbench check-schedule schedule=python:{component.target}"
        key = "_target_"
        raise ScheduleError(f"{relation} and then {again[step, 0]}", key=key, remedy=remedy)
    return table_digest(factors[:, 0])


def _check_values(schedule: Schedule, base: float, total_steps: int, is_momentum: bool) -> None:
    values = tabulate([schedule], [base], total_steps)[:, 0]
    # At 0 torch's SGD leaves its buffer as it was, and goes on from there afterwards.
    wrong = np.flatnonzero((values <= 0) | (values >= 1)).tolist() if is_momentum else []
    if wrong:
        relation = f"must keep the momentum between 0 and 1; step {wrong[0]} does not"
        raise ScheduleError(relation, got=float(values[wrong[0]]))


def _with_schedules(
    parts: Parts, base: Mapping[str, float], fit: Callable[..., tuple[Component, Schedule]]
) -> OptimizerSpec:
    """The optimizer with the schedules of its momentum and weight decay fitted to the run."""
    spec = parts.optimizer
    fitted = {}
    for what, component in (
        ("momentum", spec.momentum_schedule),
        ("weight_decay", spec.weight_decay_schedule),
    ):
        if component is None:
            continue
        key = f"{what}_schedule"
        if not base.get(what):
            raise ConfigError(
                f"needs an optimizer with one {what} above 0 in all its parameter groups",
                key=f"optimizer.{key}",
                got=component.name,
                remedy=f"{'' if what in base else 'optimizer=sgd '}optimizer.{what}=…",
            )
        is_momentum = what == "momentum"
        fitted[key], _ = fit(component, f"optimizer.{key}", base[what], is_momentum=is_momentum)
    return spec.model_copy(update=fitted)
