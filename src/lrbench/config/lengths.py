"""All lengths of a run in updates, once it is known how many samples train it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lrbench.config.settings import LONGEST_STEPS, Curvature, Duration, Settings
from lrbench.errors import ConfigError
from lrbench.spec.durations import to_steps
from lrbench.spec.restart import CurvatureSpec
from lrbench.spec.run import DiagnosticsSpec, TrainSpec

SAMPLES = 256
"""Of the batch that the curvature is looked at on, where nobody says it and there are so many."""


@dataclass(frozen=True)
class Lengths:
    """How long, and how often.

    Parameters
    ----------
    train : TrainSpec
    diagnostics : DiagnosticsSpec
    checkpoint_every : int or None
        Updates between two checkpoints.
    per_epoch : int in [1, inf)
        Updates of an epoch.
    """

    train: TrainSpec
    diagnostics: DiagnosticsSpec
    checkpoint_every: int | None
    per_epoch: int

    def updates(self, key: str, value: Duration, *, least: int = 1) -> int:
        """A length as typed in updates, ``least`` of them or more.

        Raises
        ------
        ConfigError
            It has none of the three forms, or is shorter.
        """
        return _updates(key, value, self.per_epoch, self.train.steps, least=least)


def run_lengths(settings: Settings, size: int) -> Lengths:
    """The lengths of a run that ``size`` samples train.

    Raises
    ------
    ConfigError
        A length comes to nothing, or the samples are too few.
    """
    train, logged = settings.train, settings.diagnostics
    if train.batch_size > size:
        raise ConfigError(
            f"must not exceed the {size} training samples",
            key="train.batch_size",
            got=train.batch_size,
            remedy=f"train.batch_size={min(size, 32)}",
        )
    per_epoch = size // train.batch_size
    total = _total(settings, per_epoch)

    def updates(key: str, value: Duration, *, least: int = 1) -> int:
        return _updates(key, value, per_epoch, total, least=least)

    def perhaps(key: str, value: Duration | None) -> int | None:
        return None if value is None else updates(key, value)

    every = None
    if logged.curvature is not None:
        every = updates("diagnostics.curvature.every", logged.curvature.every)
    return Lengths(
        TrainSpec(
            steps=total,
            batch_size=train.batch_size,
            eval_every=updates("train.eval_every", train.eval_every),
        ),
        DiagnosticsSpec(
            layers_every=perhaps("diagnostics.layers_every", logged.layers_every),
            restart_window=updates("diagnostics.restart_window", logged.restart_window, least=0),
            curvature=_curvature(logged.curvature, every, size),
        ),
        perhaps("train.checkpoint_every", train.checkpoint_every),
        per_epoch,
    )


def _total(settings: Settings, per_epoch: int) -> int:
    train = settings.train
    key, given = ("train.steps", train.steps) if train.steps else ("train.epochs", train.epochs)
    typed: Duration = train.steps or f"{Decimal(repr(train.epochs)):f}ep"
    total = to_steps(typed, steps_per_epoch=per_epoch, total_steps=None, key=key)
    if not 1 <= total <= LONGEST_STEPS:
        relation = f"must come to at least 1 and at most {LONGEST_STEPS} updates"
        raise ConfigError(relation, key=key, got=given)
    return total


def _updates(key: str, value: Duration, per_epoch: int, total: int, *, least: int) -> int:
    length = to_steps(value, steps_per_epoch=per_epoch, total_steps=total, key=key)
    if length < least:
        unit = "update" if least == 1 else "updates"
        raise ConfigError(f"must be at least {least} {unit}", key=key, got=value)
    return length


def _curvature(asked: Curvature | None, every: int | None, size: int) -> CurvatureSpec | None:
    if asked is None or every is None:
        return None
    samples = min(SAMPLES, size) if asked.samples is None else asked.samples
    if samples > size:
        raise ConfigError(
            f"must not exceed the {size} training samples",
            key="diagnostics.curvature.samples",
            got=samples,
            remedy=f"diagnostics.curvature.samples={size}",
        )
    return CurvatureSpec(
        every=every, method=asked.method, iterations=asked.iterations, samples=samples
    )
