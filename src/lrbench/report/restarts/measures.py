"""The columns of a ledger in words, with their units, and how their numbers are shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lrbench.report.escapes import printable
from lrbench.report.numbers import ABSENT

Show = Callable[[Any], str]


def whole(value: float) -> str:
    """A count; half a one where it is a median."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def number(value: float) -> str:
    """Four significant digits."""
    if value == 0:
        return "0"
    if 1e4 <= abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:#.4g}".rstrip(".")


def short(value: float) -> str:
    """Four significant digits, no zeros at the end: for what a person typed."""
    return f"{value:.4g}"


def signed(value: float) -> str:
    """Four significant digits and always a sign."""
    return number(value) if value == 0 else f"{'+' if value > 0 else ''}{number(value)}"


def three(value: float) -> str:
    """Three significant digits."""
    if value == 0:
        return "0"
    if 1e3 <= abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:#.3g}".rstrip(".")


def signed_three(value: float) -> str:
    """Three significant digits and always a sign."""
    return f"{'+' if value > 0 else ''}{three(value)}"


def short_three(value: float) -> str:
    """Three significant digits, no zeros at the end."""
    return f"{value:.3g}"


def times(value: float) -> str:
    """A ratio: ``x3.21``."""
    return f"x{three(value)}"


def percent(value: float) -> str:
    """A fraction in %, with its sign."""
    return f"{'+' if value > 0 else ''}{three(100 * value)} %"


def share(value: float) -> str:
    """A fraction in % that cannot be negative."""
    return f"{three(100 * value)} %"


def cosine(value: float) -> str:
    """From -1.00 to +1.00."""
    return f"{value:+.2f}"


def text(value: str) -> str:
    """A name, inert."""
    return printable(value)


BRIEF: dict[Show, Show] = {
    number: three,
    signed: signed_three,
    short: short_three,
    times: three,
}
"""How the same is shown where there is less room."""


def shown(value: Any, show: Show) -> str:
    """``value``, or ``-`` where there is none."""
    return ABSENT if value is None else show(value)


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Parameters
    ----------
    column : str
        Of ``restarts.csv``.
    label : str
        In words; two blanks in front where it belongs to the line above.
    show : function
        Of a number that is there.
    over_seeds : {"mean", "median"} or None
        What is said of several runs; None: too little to take up a line.
    """

    column: str
    label: str
    show: Show
    over_seeds: Literal["mean", "median"] | None = "mean"

    def cell(self, row: Mapping[str, Any]) -> str:
        """Of one restart; ``>= 312`` where the loss was not back within 312 updates."""
        value = row.get(self.column)
        if self.column == "recovery_steps" and not has_risen(row):
            return ABSENT
        if self.column == "recovery_steps" and value is None:
            censored = row.get("recovery_censored_at")
            return shown(censored, lambda length: f">= {whole(length)}")
        return shown(value, self.show)

    def brief(self, value: float | None) -> str:
        """A statistic of several runs, with three significant digits."""
        return shown(value, BRIEF.get(self.show, self.show))

    def spread(self, sd: float | None) -> str:
        """A standard deviation in the unit of the numbers, two significant digits."""
        factor = 100 if self.show in (percent, share) else 1
        return shown(sd, lambda value: f"{factor * value:#.2g}".rstrip("."))


def has_risen(row: Mapping[str, Any]) -> bool:
    """Whether the smoothed loss was ever above its level before: else it cannot come back."""
    spike = row.get("spike")
    return spike is not None and spike > 0


@dataclass(frozen=True)
class Section:
    """Lines of the table that answer one question."""

    title: str
    measures: Sequence[Measure]


SECTIONS = (
    Section(
        "when and how",
        (
            Measure("step", "after updates", whole, "median"),
            Measure("epoch", "  epochs", short, "median"),
            Measure("cycle", "cycle (the first is 0)", whole, None),
            Measure("cause", "cause", text),
            Measure("statistic", "  its statistic", short),
            Measure("threshold", "  its threshold", short),
            Measure("length", "cycle length, updates", whole, "median"),
            Measure("planned_length", "  planned", whole, None),
            Measure("lr_before", "learning rate before", short),
            Measure("lr_after", "  after", short),
            Measure("lr_ratio", "  after / before", times, None),
            Measure("momentum", "momentum setting after", short, None),
        ),
    ),
    Section(
        "state of the optimizer just before and just after",
        (
            Measure("momentum_norm_before", "momentum norm before", number, None),
            Measure("momentum_norm_after", "  after", number, None),
            Measure("root_second_moment_before", "root 2nd moment before", number, None),
            Measure("root_second_moment_after", "  after", number, None),
            Measure("counter_before", "update count before", whole, None),
            Measure("counter_after", "  after", whole, None),
            Measure("weight_norm_before", "weight norm before", number, None),
            Measure("weight_norm_after", "  after", number, None),
        ),
    ),
    Section(
        "training loss, smoothed: mean of the last updates",
        (
            Measure("window", "updates in that mean", whole, None),
            Measure("loss_before", "level before", number),
            Measure("loss_sd_before", "  sd of single updates", number),
            Measure("spike", "highest above it", signed),
            Measure("spike_relative", "  in % of it", percent),
            Measure("spike_z", "  z", three),
            Measure("steps_to_peak", "  updates until then", whole, "median"),
            Measure("recovery_steps", "updates until back", whole, "median"),
            Measure("overshoot_area", "area above the level", number),
        ),
    ),
    Section(
        "validation loss at the ends of cycles",
        (
            Measure("val_loss_before", "end of cycle before", number),
            Measure("val_loss_end", "end of this cycle", number),
            Measure("gain", "gain (+: lower now)", signed),
        ),
    ),
    Section(
        "where the weights went, in % of their norm before",
        (
            Measure("distance", "end to end of cycles", share),
            Measure("excursion", "farthest in between", share),
            Measure("direction_cosine", "cos with cycle before", cosine),
        ),
    ),
    Section(
        "gradients and moments; peaks / the last update before",
        (
            Measure("gradient_peak", "gradient norm, peak", times, "median"),
            Measure("gradient_peak_at", "  updates until then", whole, "median"),
            Measure("second_moment_peak", "root 2nd moment, peak", times, "median"),
            Measure("second_moment_peak_at", "  updates until then", whole, "median"),
            Measure("momentum_cosine", "cos(momentum, grad.)", cosine),
            Measure("update_cosine", "cos(update, -grad.)", cosine),
            Measure("effective_step_before", "update/rate, before", number),
            Measure("effective_step_after", "update/rate, after", number),
        ),
    ),
    Section(
        "sharpness: largest eigenvalue of the Hessian",
        (
            Measure("lambda_max_before", "before", number),
            Measure("lambda_max_after", "after", number),
            Measure("lambda_max_end", "end of this cycle", number),
        ),
    ),
)

NOTES = {
    "loss_before": "level before: mean training loss of the last updates before the restart; "
    "after it, that mean trails over as many updates",
    "spike_z": "z: the height in standard errors of such a mean",
    "steps_to_peak": "until then: below the number of updates in that mean, it is a mean of fewer",
    "recovery_steps": "until back: until that mean, full again, is at the level again; >= N: not "
    "within the cycle, which had N updates; -: it never was above",
    "overshoot_area": "area: sum over the updates of what that mean lies above the level",
    "effective_step_after": "update/rate: norm of an update / (learning rate x root of the number "
    "of weights)",
}
"""What has to be said of a line of the table, by its column."""


def notes(columns: Collection[str]) -> Iterator[str]:
    """Those on the columns that are in the table."""
    return (told for column, told in NOTES.items() if column in columns)
