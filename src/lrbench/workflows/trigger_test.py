"""When a trigger fires on curves whose course is known, and how often it does without a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lrbench.config.triggers import PlannedTrigger, plan_triggers
from lrbench.stats.proportions import clopper_pearson
from lrbench.streams import stream
from lrbench.triggers.base import Decision, Trigger
from lrbench.triggers.trials import (
    CURVES,
    PROMISED,
    Curve,
    along,
    correlated,
    downhill,
    firings,
    noisy_cosines,
    observations,
    standstill,
    standstill_length,
)
from lrbench.workflows.outlook import trigger_in_words

MOST_TRIALS, FEWEST_TRIALS = 1000, 100
"""Runs of noise of each kind; so few only where each of them is long."""

NUMBERS = 1_000_000
"""Drawn in all, about: what a second or two are enough for."""

BURN_IN = 64
"""Numbers before the first one that counts, so that the noise is stationary from there on."""


@dataclass(frozen=True)
class Firing:
    """Something a trigger decided.

    Parameters
    ----------
    evaluation : int, from 0
    step : int
        Updates made.
    action : {"restart", "decay", "reset"}
    statistic, threshold : float
    """

    evaluation: int
    step: int
    action: str
    statistic: float
    threshold: float


@dataclass(frozen=True)
class OnCurve:
    """What a trigger does on a reference curve.

    Parameters
    ----------
    curve, sentence : str
        What it is called, and what it does.
    firings : tuple of Firing
    refused_at : int or None
        Step at which what it was told was no number: a run would have diverged.
    """

    curve: str
    sentence: str
    firings: tuple[Firing, ...]
    refused_at: int | None


@dataclass(frozen=True)
class FalseFires:
    """How often a trigger fires in a tenth of the run in which nothing but noise happens.

    Parameters
    ----------
    before : str
        What happens before the noise.
    fired, trials : int
    low, high : float in [0, 1]
        95 % interval of the probability (Clopper & Pearson).
    """

    before: str
    fired: int
    trials: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the trials."""
        return self.fired / self.trials


@dataclass(frozen=True)
class TriggerTest:
    """What came out for one trigger.

    Parameters
    ----------
    label : str
        What tells it from others tested.
    sentence : str
        What it watches and may do.
    total_steps, every : int in [1, inf), in updates
    settings : mapping
        As the run has them: lengths in updates, null where a rule stands.
    machine : mapping
        What those rules come to.
    curves : tuple of OnCurve
    false_fires : tuple of FalseFires
    is_default : bool
        Whether the promise is made of these settings.
    """

    label: str
    sentence: str
    total_steps: int
    every: int
    settings: Mapping[str, Any]
    machine: Mapping[str, Any]
    curves: tuple[OnCurve, ...]
    false_fires: tuple[FalseFires, ...]
    is_default: bool

    @property
    def needs(self) -> int | None:
        """Updates of a constant curve after which it fires first; None if it never does."""
        constant = next(one for one in self.curves if one.curve == "constant")
        return constant.firings[0].step if constant.firings else None

    @property
    def verdict(self) -> Literal["holds", "broken", "undecided"]:
        """Whether it fires by mistake in at most :data:`PROMISED` of the tenths of a run.

        It holds where every interval lies below that, and is broken where one lies above.
        """
        if all(one.high <= PROMISED for one in self.false_fires):
            return "holds"
        return "broken" if any(one.low > PROMISED for one in self.false_fires) else "undecided"


def trigger_tests(
    overrides: Sequence[str], *, config_dir: Path | None = None, trials: int | None = None
) -> list[TriggerTest]:
    """Test every trigger that the overrides ask for. Nothing is trained.

    Parameters
    ----------
    overrides : sequence of str
        Hydra's grammar; commas make several.
    config_dir : Path, optional
        Configuration of your own.
    trials : int in [1, inf), optional
        Runs of noise of each kind; default: as many as take little time.

    Raises
    ------
    ConfigError
        Anything is wrong with the configuration, or there is no trigger in it.
    """
    return [_test(planned, trials) for planned in plan_triggers(overrides, config_dir)]


def _test(planned: PlannedTrigger, trials: int | None) -> TriggerTest:
    trigger = planned.fitted.trigger
    return TriggerTest(
        label=planned.label,
        sentence=trigger_in_words(planned.fitted, planned.total_steps),
        total_steps=planned.total_steps,
        every=trigger.every,
        settings=planned.fitted.component.params,
        machine=_machine(trigger),
        curves=tuple(_on_curve(planned, curve) for curve in CURVES),
        false_fires=tuple(
            _false_fires(planned, after_a_fall=after, trials=trials) for after in (False, True)
        ),
        is_default=planned.is_default,
    )


def _machine(trigger: Trigger) -> dict[str, Any]:
    """The numbers that a trigger works with."""
    fields: dict[str, Any] = asdict(trigger)  # type: ignore[call-overload]
    rules, smoother = fields.pop("rules"), fields.pop("smoother", None)
    found = {
        name: value
        for name, value in fields.items()
        if isinstance(value, int | float | str) and name not in ("name", "every")
    }
    if smoother is not None:
        found["half_life"] = smoother["half_life"]
    return found | {"refractory": rules["refractory"]}


def _on_curve(planned: PlannedTrigger, curve: Curve) -> OnCurve:
    total = planned.total_steps
    noise = next(_rows(planned.seed, "curve", 1, total)) if curve.has_noise else []
    values = along(curve, total, noise)
    cosines = noisy_cosines(noise) if curve.has_noise else downhill(values)
    trigger = planned.fitted.trigger
    found: list[tuple[int, Decision]] = []
    refused_at = None
    try:
        found = firings(
            trigger, observations(trigger, values, cosines, batch_size=planned.batch_size)
        )
    except ValueError:
        # What it decided before that counts, and is asked for by itself.
        finite = next(step for step, value in enumerate(values) if value != value)
        refused_at = finite - finite % trigger.every + trigger.every
        told = observations(
            trigger, values[:finite], cosines[:finite], batch_size=planned.batch_size
        )
        found = firings(trigger, told)
    return OnCurve(
        curve.name,
        curve.sentence,
        tuple(
            Firing(
                index,
                (index + 1) * trigger.every,
                decision.action,
                decision.statistic,
                decision.threshold,
            )
            for index, decision in found
        ),
        refused_at,
    )


def _false_fires(planned: PlannedTrigger, *, after_a_fall: bool, trials: int | None) -> FalseFires:
    total, trigger = planned.total_steps, planned.fitted.trigger
    length = standstill_length(total, after_a_fall=after_a_fall)
    count = trials or min(max(NUMBERS // length, FEWEST_TRIALS), MOST_TRIALS)
    kind = "after" if after_a_fall else "start"
    noise = _rows(planned.seed, kind, count, length)
    has_cosine = "cosine" in trigger.needs
    others = _rows(planned.seed, f"{kind} cosine", count if has_cosine else 0, length)
    nothing = [0.0] * length
    fired = 0
    for row in noise:
        values = standstill(total, row, after_a_fall=after_a_fall)
        cosines = noisy_cosines(next(others)) if has_cosine else nothing
        told = observations(trigger, values, cosines, batch_size=planned.batch_size)
        fired += bool(firings(trigger, told, most=1))
    before = "a fall to half in a quarter of the run" if after_a_fall else "nothing"
    return FalseFires(before, fired, count, *clopper_pearson(fired, count))


def _rows(seed: int, kind: str, count: int, length: int) -> Iterator[list[float]]:
    """Rows of stationary noise of variance 1; the same for every trigger, to compare them by."""
    size = length + BURN_IN
    normal = stream(seed, "noise", "trigger-test", kind).normal(count * size).reshape(count, size)
    return (correlated(row.tolist())[BURN_IN:] for row in normal)
