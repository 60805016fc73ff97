"""The lengths of a run where nothing is trained: data are looked at only if a length needs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrbench.config.composed import Composed
from lrbench.config.dataset import read_dataset
from lrbench.config.defaults import default_settings
from lrbench.config.findings import Findings
from lrbench.config.home import options
from lrbench.config.lengths import Lengths, run_lengths
from lrbench.config.scheduling import uses_epochs
from lrbench.config.settings import LONGEST_STEPS, Settings
from lrbench.errors import ConfigError
from lrbench.spec.run import Component, DiagnosticsSpec, TrainSpec
from lrbench.streams import Streams
from lrbench.tasks.data.catalog import prepare


def needed_lengths(
    composed: Composed,
    settings: Settings,
    findings: Findings,
    *,
    schedule: Component | None = None,
    trigger: Component | None = None,
) -> Lengths:
    """The lengths of the run, exactly those that schedule, trigger and re-warmup need.

    Where none of these is in epochs, an epoch counts as one update, and so does the evaluation
    interval if it is not in updates.

    Parameters
    ----------
    schedule, trigger : Component, optional
        Lengths as typed.

    Raises
    ------
    ConfigError
        The dataset is wrong or not there, or a length comes to nothing.
    """
    train = settings.train
    if train.steps is not None and train.steps > LONGEST_STEPS:
        relation = f"must be at most {LONGEST_STEPS} updates"
        raise ConfigError(relation, key="train.steps", got=train.steps)
    typed: list[Any] = [settings.restart.rewarm]
    typed += [component.params for component in (schedule, trigger) if component is not None]
    if trigger is not None and trigger.params.get("watch") == "val":
        typed.append(train.eval_every)
    if train.steps is None or uses_epochs(typed):
        return findings.insist("", run_lengths, settings, _samples(composed, settings, findings))
    every = train.eval_every
    spec = TrainSpec(
        steps=train.steps,
        batch_size=train.batch_size,
        eval_every=every if isinstance(every, int) and every >= 1 else 1,
    )
    lengths = Lengths(spec, DiagnosticsSpec(), None, 1)
    if trigger is None or trigger.params.get("watch") != "val":
        return lengths
    told = findings.insist("", lengths.updates, "train.eval_every", every)
    return Lengths(spec.model_copy(update={"eval_every": told}), lengths.diagnostics, None, 1)


def beta2_of(values: Mapping[str, Any]) -> float | None:
    """The optimizer's second beta, as its settings or its own file have it; None for none."""
    optimizer = values.get("optimizer")
    if not isinstance(optimizer, Mapping):
        return None
    beta2 = optimizer.get("beta2")
    file = options("optimizer").get(str(optimizer.get("name")))
    if beta2 is None and file is not None and "_target_" not in optimizer:
        beta2 = default_settings(file).get("beta2")
    return float(beta2) if isinstance(beta2, int | float) and 0 <= beta2 < 1 else None


def _samples(composed: Composed, settings: Settings, findings: Findings) -> int:
    """How many samples train the run."""
    given = composed.values.get("dataset")
    spec, builder, placed = read_dataset(given if isinstance(given, Mapping) else {}, findings)
    findings.raise_if_any()
    assert spec is not None
    streams = Streams(settings.seed, settings.streams.pinned())
    data = findings.attempt_own(
        spec.target,
        "dataset",
        prepare,
        spec.name,
        placed,
        split_root=streams.root_of("split"),
        builder=builder,
    )
    findings.raise_if_any()
    assert data is not None
    return len(data.train)
