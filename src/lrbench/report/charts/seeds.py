"""Where the seeds of every arm ended up: their distribution, mean and interval."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from lrbench.report.charts.look import MIDDLE, WIDTH, Look
from lrbench.report.charts.parts import (
    NAMES,
    chosen,
    colour,
    dimmed,
    extent,
    fixed_x,
    shape,
    value_axis,
    value_scale,
)
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import rounded
from lrbench.report.comparison.values import ArmResult, Contender, Task

ROW = 26
"""Height of a row, in pixels."""

MOST = 60
"""Arms that all have a row; of more, each contender's best one alone has."""

LOG_FROM = 4.0
"""Largest over smallest loss from which on the axis is logarithmic."""


def seeds(
    task: Task,
    metric: str,
    looks: Sequence[Look],
    *,
    level: float,
    title: str = "Every seed",
    name: str = "seeds",
) -> Picture:
    """A row an arm, a mark a seed; the mean with its interval, and diverged runs counted.

    On a page the pointer on a seed shows the same seed in every other arm.
    """
    found = {look.label: look for look in looks}
    shown = [found[contender.label] for contender in task.contenders]
    every = [(contender, arm) for contender in task.contenders for arm in contender.arms]
    has_all = len(every) <= MOST
    arms = [(c, arm) for c, arm in every if has_all or arm is c.own]
    has_diverged = any(arm.diverged for _, arm in arms)
    has_rates = any(len(contender.arms) > 1 for contender in task.contenders)
    marks = [row for contender, arm in arms for row in _marks(contender, arm, metric)]
    values = [mark["value"] for mark in marks]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    is_log = metric == "val_loss" and low > 0 and high > LOG_FROM * low
    estimates = [arm.estimates[metric] for _, arm in arms]
    ends = [end for one in estimates for end in (one.low, one.high)]
    scale = value_scale(*extent(values, ends, is_log=is_log), is_log=is_log)
    y = (
        alt.Y("row:N")
        .title(None)
        .scale(domain=[_label(*pair) for pair in arms])
        .axis(grid=True, ticks=False, domain=False, labelLimit=240, labelFontSize=12)
    )
    title_of_x = f"{NAMES.get(metric, metric)}, last evaluation"

    def x(name: str) -> alt.X:
        return alt.X(f"{name}:Q").title(title_of_x).scale(scale).axis(value_axis(scale))

    look = {"y": y, "color": colour(shown)}
    base = alt.Chart(alt.NamedData("arms"))
    told = [
        alt.Tooltip("row:N", title="arm"),
        alt.Tooltip("mean:Q", title="mean"),
        alt.Tooltip("low:Q", title="interval from"),
        alt.Tooltip("high:Q", title="to"),
        alt.Tooltip("n:Q", title="runs"),
        alt.Tooltip("diverged:Q", title="diverged"),
    ]
    same = alt.selection_point(
        name="same", on="pointerover", clear="pointerout", fields=["seed"], empty=False
    )
    chart = alt.LayerChart(
        layer=[
            base.mark_rule(strokeWidth=7, clip=True).encode(
                x=x("low"), x2=alt.X2("high:Q"), opacity=dimmed(0.28), tooltip=told, **look
            ),
            base.mark_tick(orient="vertical", size=18, thickness=2.5, clip=True).encode(
                x=x("mean"), opacity=dimmed(), tooltip=told, **look
            ),
            alt.Chart(alt.NamedData("seeds"))
            .mark_point(size=45, strokeWidth=1.3, clip=True)
            .encode(
                x=x("value"),
                shape=shape(shown),
                opacity=dimmed(0.9),
                size=alt.SizeValue(
                    45, condition={"param": same.name, "value": 170, "empty": False}
                ),
                tooltip=[
                    alt.Tooltip("row:N", title="arm"),
                    alt.Tooltip("seed:Q", title="seed"),
                    alt.Tooltip("value:Q", title=NAMES.get(metric, metric)),
                    alt.Tooltip("run:N", title="run"),
                ],
                **look,
            )
            .add_params(same),
            base.transform_filter("datum.diverged > 0")
            .mark_text(align="right", baseline="middle", fontSize=11, color=MIDDLE)
            .encode(x=fixed_x("width"), y=y, text=alt.Text("said:N")),
        ],
        width=WIDTH,
        height=ROW * len(arms),
        params=[chosen()],
    )
    return Picture(
        name=name,
        title=title,
        caption=" ".join(
            (
                *_caption(len(every) - len(arms), level, is_log=is_log, has_rates=has_rates),
                *(["Means are of the runs that did not diverge."] if has_diverged else []),
            )
        ),
        chart=chart,
        data={"arms": [_row(*pair, metric) for pair in arms], "seeds": marks},
        looks=tuple(shown),
        hint="Put the pointer on a seed to see the same seed in every arm.",
    )


def _label(contender: Contender, arm: ArmResult) -> str:
    if len(contender.arms) == 1:
        return contender.label
    return f"{contender.label} lr={arm.lr:g}{' *' if arm is contender.own else ''}"


def _row(contender: Contender, arm: ArmResult, metric: str) -> dict[str, Any]:
    estimate = arm.estimates[metric]
    return {
        "arm": contender.label,
        "row": _label(contender, arm),
        "mean": rounded(estimate.mean),
        "low": rounded(estimate.low),
        "high": rounded(estimate.high),
        "n": estimate.n,
        "diverged": arm.diverged,
        "said": f"{arm.diverged} of {len(arm.seeds)} diverged",
    }


def _marks(contender: Contender, arm: ArmResult, metric: str) -> Iterator[dict[str, Any]]:
    for seed, run, value in zip(arm.seeds, arm.runs, arm.finals[metric], strict=True):
        if value is not None and math.isfinite(value):
            yield {
                "arm": contender.label,
                "row": _label(contender, arm),
                "seed": seed,
                "run": run,
                "value": rounded(value),
            }


def _caption(left_out: int, level: float, *, is_log: bool, has_rates: bool) -> Iterator[str]:
    yield (
        f"Every seed's last evaluation; upright line: mean; bar: its {100 * level:g} % t interval."
    )
    if is_log:
        yield "Logarithmic axis."
    if has_rates:
        yield "*: each one's own best learning rate, by its mean."
    if left_out:
        yield (
            f"Each at its own best learning rate; {left_out} arms at other rates are in the table "
            "and in the sensitivity to the learning rate."
        )
