"""The columns of a ledger in words, with their units, and how their numbers are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    over_seeds : {"mean", "median", ""}
        What says something of several runs; nothing does of a name.
    """

    column: str
    label: str
    show: Show
    over_seeds: Literal["mean", "median", ""] = "mean"

    def cell(self, row: Mapping[str, Any]) -> str:
        """Of one restart; ``>= 312`` where the loss was not back within 312 updates."""
        value = row.get(self.column)
        if self.column == "recovery_steps" and value is None:
            censored = row.get("recovery_censored_at")
            return shown(censored, lambda length: f">= {whole(length)}")
        return shown(value, self.show)

    def spread(self, sd: float) -> str:
        """A standard deviation in the unit of the numbers, two significant digits."""
        factor = 100 if self.show in (percent, share) else 1
        return f"{factor * sd:.2g}"


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
            Measure("cycle", "cycle (the first is 0)", whole, "median"),
            Measure("cause", "cause", text, ""),
            Measure("statistic", "  its statistic", number),
            Measure("threshold", "  its threshold", number),
            Measure("planned_length", "updates planned in the cycle", whole, "median"),
            Measure("length", "  made", whole, "median"),
            Measure("lr_before", "learning rate before", short),
            Measure("lr_after", "  after", short),
            Measure("lr_ratio", "  after / before", times, "median"),
            Measure("momentum", "momentum after", short),
        ),
    ),
    Section(
        "state of the optimizer just before and just after",
        (
            Measure("momentum_norm_before", "norm of the momentum before", number),
            Measure("momentum_norm_after", "  after", number),
            Measure("root_second_moment_before", "mean root 2nd moment before", number),
            Measure("root_second_moment_after", "  after", number),
            Measure("counter_before", "updates it counts before", whole, "median"),
            Measure("counter_after", "  after", whole, "median"),
            Measure("weight_norm_before", "norm of the weights before", number),
            Measure("weight_norm_after", "  after", number),
        ),
    ),
    Section(
        "training loss, smoothed: mean of the last updates",
        (
            Measure("window", "updates in that mean", whole, "median"),
            Measure("loss_before", "level before", number),
            Measure("loss_sd_before", "  sd of single updates", number),
            Measure("spike", "highest, above that level", signed),
            Measure("spike_relative", "  in % of the level", percent),
            Measure("spike_z", "  z: in standard errors", three),
            Measure("steps_to_peak", "  updates until then", whole, "median"),
            Measure("recovery_steps", "updates until back at level", whole, "median"),
            Measure("overshoot_area", "area above (loss x updates)", number),
        ),
    ),
    Section(
        "validation loss at the ends of cycles",
        (
            Measure("val_loss_before", "end of the cycle before", number),
            Measure("val_loss_end", "end of this cycle", number),
            Measure("gain", "gain (+: it is lower now)", signed),
        ),
    ),
    Section(
        "where the weights went, in % of their norm before",
        (
            Measure("distance", "from cycle end to cycle end", share),
            Measure("excursion", "farthest in between", share),
            Measure("direction_cosine", "cos with the cycle before", cosine),
        ),
    ),
    Section(
        "gradients and moments, as multiples of the last update before",
        (
            Measure("gradient_peak", "norm of the gradient, peak", times, "median"),
            Measure("gradient_peak_at", "  updates until then", whole, "median"),
            Measure("second_moment_peak", "mean root 2nd moment, peak", times, "median"),
            Measure("second_moment_peak_at", "  updates until then", whole, "median"),
            Measure("momentum_cosine", "cos(momentum, gradient)", cosine),
            Measure("update_cosine", "cos(update, -gradient)", cosine),
            Measure("effective_step_before", "update per rate, before", number),
            Measure("effective_step_after", "  after", number),
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
