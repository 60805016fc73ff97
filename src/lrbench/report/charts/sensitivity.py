"""The metric against the base learning rate: how far each contender can be trusted untuned."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import altair as alt

from lrbench.report.charts.look import WIDTH, Look
from lrbench.report.charts.parts import (
    NAMES,
    chosen,
    colour,
    dash,
    dimmed,
    extent,
    fixed_y,
    shape,
    value_axis,
    value_scale,
)
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import rounded
from lrbench.report.comparison.values import ArmResult, Contender, Task

LOG_FROM = 4.0
"""Largest over smallest loss from which on its axis is logarithmic."""

HEIGHT = 320


def sensitivity(
    task: Task,
    metric: str,
    looks: Sequence[Look],
    *,
    level: float,
    title: str = "Sensitivity to the learning rate",
    name: str = "lr-sensitivity",
) -> Picture:
    """A curve a contender over the learning rates it was run with, with intervals and every seed.

    The own best learning rate of each is ringed. Rates at which runs diverged have a cross at the
    top, whatever the survivors say.
    """
    found = {look.label: look for look in looks}
    shown = [found[contender.label] for contender in task.contenders]
    arms = [(contender, arm) for contender in task.contenders for arm in contender.arms]
    finals = [
        value
        for _, arm in arms
        for value in arm.finals.get(metric, ())
        if value is not None and math.isfinite(value)
    ]
    low, high = (min(finals), max(finals)) if finals else (0.0, 1.0)
    is_log = low > 0 and high > LOG_FROM * low and metric == "val_loss"
    estimates = [arm.estimates[metric] for _, arm in arms]
    ends = [end for one in estimates for end in (one.low, one.high)]
    scale = value_scale(*extent(finals, ends, is_log=is_log), is_log=is_log)
    rates = sorted({arm.lr for _, arm in arms})
    beyond = max(1.1, (rates[-1] / rates[0]) ** 0.08)
    aside = _aside(rates, [look.label for look in shown])
    x = (
        alt.X("at:Q")
        .title("base learning rate (optimizer.lr)")
        .scale(type="log", domain=[rates[0] / beyond, rates[-1] * beyond], nice=False)
        .axis(values=rates, format="~g", grid=False, labelOverlap=True)
    )
    title_of_y = NAMES.get(metric, metric)
    y_title, y_axis = f"{title_of_y}, last evaluation", value_axis(scale)

    def y_of(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q").title(y_title).scale(scale).axis(y_axis)

    y = y_of("mean")
    base = alt.Chart(alt.NamedData("arms"))
    look = {"x": x, "color": colour(shown)}
    told = [
        alt.Tooltip("arm:N", title="arm"),
        alt.Tooltip("lr:Q", title="learning rate"),
        alt.Tooltip("mean:Q", title=f"{title_of_y}, mean"),
        alt.Tooltip("from:Q", title="interval from"),
        alt.Tooltip("to:Q", title="to"),
        alt.Tooltip("n:Q", title="runs"),
        alt.Tooltip("diverged:Q", title="diverged"),
    ]
    chart = alt.LayerChart(
        layer=[
            alt.Chart(alt.NamedData("seeds"))
            .mark_tick(orient="horizontal", size=9, thickness=1, clip=True)
            .encode(
                y=y_of("value"),
                opacity=dimmed(0.6),
                tooltip=[
                    *map(alt.Tooltip, ("arm:N", "lr:Q", "seed:Q")),
                    alt.Tooltip("value:Q", title=title_of_y),
                ],
                **look,
            ),
            base.mark_rule(strokeWidth=2, clip=True).encode(
                y=y_of("low"), y2=alt.Y2("high:Q"), opacity=dimmed(), tooltip=told, **look
            ),
            base.mark_line(strokeWidth=2, clip=True).encode(
                y=y, strokeDash=dash(shown), opacity=dimmed(), **look
            ),
            base.mark_point(filled=True, size=70, clip=True).encode(
                y=y, shape=shape(shown), opacity=dimmed(), tooltip=told, **look
            ),
            base.transform_filter("datum.own")
            .mark_point(size=260, strokeWidth=1.5, shape="circle", clip=True)
            .encode(y=y, opacity=dimmed(), tooltip=told, **look),
            base.transform_filter("datum.diverged > 0")
            .mark_text(text="×", fontSize=18, dy=4)
            .encode(y=fixed_y(0), opacity=dimmed(), tooltip=told, **look),
        ],
        width=WIDTH,
        height=HEIGHT,
        params=[chosen()],
    )
    return Picture(
        name=name,
        title=title,
        caption=" ".join(_caption(task, metric, level, is_log=is_log)),
        chart=chart,
        data={
            "arms": [_row(c, arm, metric) | {"at": arm.lr * aside[c.label]} for c, arm in arms],
            "seeds": [
                row | {"at": arm.lr * aside[c.label]}
                for c, arm in arms
                for row in _seed_rows(c, arm, metric)
            ],
        },
        looks=tuple(shown),
        hint="A name in the legend brings it to the front.",
    )


def _aside(rates: Sequence[float], labels: Sequence[str]) -> dict[str, float]:
    """By what factor each contender is drawn beside its rate, so that none hides another."""
    ratios = [math.log(after / before) for before, after in pairwise(rates)]
    room = min(0.3 * min(ratios), 0.012 * len(labels) * sum(ratios)) if ratios else 0.0
    middle = (len(labels) - 1) / 2
    return {
        label: math.exp(room * (place - middle) / max(1, len(labels)))
        for place, label in enumerate(labels)
    }


def _row(contender: Contender, arm: ArmResult, metric: str) -> dict[str, Any]:
    estimate = arm.estimates[metric]
    return {
        "arm": contender.label,
        "lr": arm.lr,
        "own": arm is contender.own,
        "n": estimate.n,
        "diverged": arm.diverged,
        "mean": rounded(estimate.mean),
        "low": rounded(estimate.low if estimate.low is not None else estimate.mean),
        "high": rounded(estimate.high if estimate.high is not None else estimate.mean),
        "from": rounded(estimate.low),
        "to": rounded(estimate.high),
    }


def _seed_rows(contender: Contender, arm: ArmResult, metric: str) -> Iterator[dict[str, Any]]:
    for seed, value in zip(arm.seeds, arm.finals[metric], strict=True):
        if value is not None:
            yield {
                "arm": contender.label,
                "lr": arm.lr,
                "own": arm is contender.own,
                "seed": seed,
                "value": rounded(value),
            }


def _caption(task: Task, metric: str, level: float, *, is_log: bool) -> Iterator[str]:
    yield (
        f"Last evaluation at each base learning rate: means with {100 * level:g} % t intervals; "
        "short lines: single seeds; ringed: each one's own best rate."
    )
    if is_log:
        yield "Both axes are logarithmic."
    if any(arm.diverged for contender in task.contenders for arm in contender.arms):
        yield "Cross at the top: runs diverged at this rate, and are in no mean."
    edges = [contender.label for contender in task.contenders if contender.edge]
    if edges:
        yield (
            f"The best rate of {', '.join(edges)} lies on the edge of the grid: the optimum may "
            "lie beyond it."
        )
