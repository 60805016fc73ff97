"""Dataset, model, optimizer and schedule: from settings to checked components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrbench.config.dataset import read_dataset
from lrbench.config.findings import Findings
from lrbench.config.naming import Target, found_at, is_known, make_component, take_name
from lrbench.config.scheduling import read_other, read_schedule
from lrbench.config.triggering import read_trigger
from lrbench.engine.optimizers import OPTIMIZERS, check_own
from lrbench.spec.parameters import check
from lrbench.spec.run import Component, DatasetSpec, OptimizerSpec
from lrbench.tasks.models.catalog import MODELS


@dataclass(frozen=True)
class Parts:
    """The components of a run, lengths of the schedule still as typed.

    Parameters
    ----------
    dataset : DatasetSpec
        Without its digest, and without the settings that say only where its files lie.
    data_settings : mapping
        All its settings.
    data_builder, model_target, optimizer_target : callable or None
        What an import path leads to.
    model, schedule : Component
    optimizer : OptimizerSpec
    trigger : Component or None
        Lengths as typed too.
    """

    dataset: DatasetSpec
    data_settings: Mapping[str, Any]
    data_builder: Target | None
    model: Component
    model_target: Target | None
    optimizer: OptimizerSpec
    optimizer_target: Target | None
    schedule: Component
    trigger: Component | None


def read_parts(values: Mapping[str, Any], findings: Findings) -> Parts:
    """The components that a configuration names.

    Raises
    ------
    ConfigError
        All that is wrong with them, with whatever was found before.
    """
    raw = {
        group: dict(value) if isinstance(value := values.get(group), Mapping) else {}
        for group in ("dataset", "model", "optimizer", "schedule", "trigger")
    }
    dataset, builder, data_settings = read_dataset(raw["dataset"], findings)
    model, target = _model(raw["model"], findings)
    optimizer, own = _optimizer(raw["optimizer"], raw["schedule"], findings)
    schedule = read_schedule(raw["schedule"], findings)
    trigger = read_trigger(raw["trigger"], findings)
    findings.raise_if_any()
    assert dataset is not None
    assert model is not None
    assert optimizer is not None
    assert schedule is not None
    return Parts(dataset, data_settings, builder, model, target, optimizer, own, schedule, trigger)


def _model(raw: dict[str, Any], findings: Findings) -> tuple[Component | None, Target | None]:
    name, target = take_name("model", raw, findings)
    found = found_at("model", target, findings)
    if target is None and is_known("model", name, MODELS, findings):
        raw = findings.attempt("model", check, MODELS[name].builder, raw) or {}
    return make_component(Component, "model", findings, name, target, found, params=raw), found


def _optimizer(
    raw: dict[str, Any], schedule: Mapping[str, Any], findings: Findings
) -> tuple[OptimizerSpec | None, Target | None]:
    name, target = take_name("optimizer", raw, findings)
    found = found_at("optimizer", target, findings)
    lr = raw.pop("lr", None)
    others = {
        key: read_other(raw.pop(key, None), schedule, findings, f"optimizer.{key}")
        for key in ("momentum_schedule", "weight_decay_schedule")
    }
    if found is not None:
        findings.attempt_own(target, "optimizer", check_own, found, raw)
    elif target is None and is_known("optimizer", name, OPTIMIZERS, findings):
        raw = findings.attempt("optimizer", check, OPTIMIZERS[name].builder, raw) or {}
    if lr is None:
        findings.add("must be given", "optimizer.lr", None, "optimizer.lr=0.1")
        return None, None
    spec = make_component(
        OptimizerSpec, "optimizer", findings, name, target, found, params=raw, lr=lr, **others
    )
    return spec, found
