"""From a composed configuration to a run's specification: every check, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lrbench.config.components import Parts, read_parts
from lrbench.config.compose import to_yaml
from lrbench.config.composed import Composed
from lrbench.config.findings import Findings
from lrbench.config.fitting import Fitter
from lrbench.config.lengths import run_lengths
from lrbench.config.restarting import resolve_restarts
from lrbench.config.settings import read_settings
from lrbench.engine.device import check_device
from lrbench.engine.lanes.check import check_lanes
from lrbench.engine.optimizers import OPTIMIZERS, base_of, base_settings
from lrbench.engine.update_rules import rule_of
from lrbench.errors import ConfigError
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import RunSpec
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
        What the schedule chose, and what of its restarts a person should know.
    notices : tuple of str
        What a person should know of the data.
    written : str
        The configuration as YAML, of a run that comes from a record.
    keep_checkpoints : bool
        Whether the record keeps the checkpoint before every restart.
    tags : tuple of str
        Words that its record is found by.
    mismatch : str
        The multiplier of the learning rate that restarts hide, in words; empty for none.
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
    mismatch: str = ""
    tags: tuple[str, ...] = ()

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
        findings.attempt("compute", check_device, settings.compute.spec())
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
    lengths = findings.insist("", run_lengths, settings, len(data.train))
    model = findings.attempt_own(
        parts.model.target, "model", _check_model, parts, data, streams, lengths.train.batch_size
    )
    base: dict[str, float] | None = None
    if model is not None:
        base = findings.attempt_own(
            parts.optimizer.target, "optimizer", _check_optimizer, parts, list(model.parameters())
        )
    compute = settings.compute.spec()
    if compute.engine == "lanes" and model is not None:
        _attempt_lanes(findings, parts, model, data, lengths.train.batch_size, settings.seed)
    fitter = Fitter(parts.optimizer.lr, lengths, findings)
    schedule, fitted = fitter.fit(
        parts.schedule, "schedule", parts.optimizer.lr, is_rebuilt=parts.trigger is not None
    )
    optimizer = fitter.with_schedules(parts.optimizer, base or {})
    restarts = resolve_restarts(settings, parts, schedule, fitted, lengths, findings)
    findings.raise_if_any()
    spec = RunSpec(
        dataset=parts.dataset.model_copy(update={"digest": data.digest}),
        model=parts.model,
        optimizer=optimizer,
        schedule=schedule,
        train=lengths.train,
        diagnostics=lengths.diagnostics,
        compute=compute,
        seed=settings.seed,
        streams=settings.streams,
        restart=restarts.spec,
        trigger=restarts.trigger,
    )
    return Resolved(
        spec,
        parts.data_settings,
        settings.note or "",
        composed.values,
        lengths.checkpoint_every,
        (*fitted.notes, *restarts.notes),
        data.notices,
        keep_checkpoints=settings.restart.keep_checkpoints,
        mismatch=restarts.mismatch,
    )


def _attempt_lanes(
    findings: Findings,
    parts: Parts,
    model: Module,
    data: Prepared,
    batch_size: int,
    seed: int,
) -> None:
    """Find whether this can be trained by the lanes engine; lrbench's own models and data can, and
    trying it takes a second.
    """
    findings.attempt("", rule_of, parts.optimizer)
    if parts.model.target is None and parts.dataset.target is None:
        return
    other = None
    if parts.model.target is not None:
        # Of another seed, because each may have made something of its own.
        other = findings.attempt_own(
            parts.model.target,
            "model",
            build_model,
            parts.model.name,
            parts.model.params,
            data.info,
            Streams(seed + 1),
            parts.model_target,
        )
    findings.attempt("", check_lanes, model, data, batch_size, other)


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
