"""Paired differences with their intervals, one below the other (a forest plot)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from lrbench.report.charts.look import FAINT, MIDDLE, WIDTH, Look
from lrbench.report.charts.parts import NAMES, chosen, colour, dimmed, fixed_x, shape
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import rounded
from lrbench.report.comparison.tables import is_repeated
from lrbench.report.comparison.values import Basis, Row, Task
from lrbench.report.numbers import significant

ROW = 30
"""Height of a row, in pixels."""


def differences(
    task: Task,
    metric: str,
    looks: Sequence[Look],
    *,
    level: float,
    margin: float | None = None,
    title: str = "Paired differences",
    name: str = "differences",
) -> Picture | None:
    """A row a comparison, a panel a footing: the mean difference with its interval, every seed.

    To the right of 0 the one that is named did better than the baseline. A pair with a diverged
    run has no mean, and is a line of words. None where nothing is compared.
    """
    found = {look.label: look for look in looks}
    bases = [one for one in task.bases if one.rows and not is_repeated(one, task)]
    if not bases:
        return None
    names = dict.fromkeys(row.other for basis in bases for row in basis.rows)
    shown = [found[label] for label in names]
    rows = [row for basis in bases for row in _rows(basis)]
    ticks = [tick for basis in bases for tick in _ticks(basis)]
    panels = [_panel(basis, shown, margin, metric, is_last=basis is bases[-1]) for basis in bases]
    chart = alt.VConcatChart(vconcat=panels, spacing=18, params=[chosen()])
    return Picture(
        name=name,
        title=title,
        caption=" ".join(_caption(task, metric, level, margin)),
        chart=chart,
        data={
            "rows": rows,
            "ticks": ticks,
            "zero": [{"at": 0}],
            "margin": [] if margin is None else [{"low": -margin, "high": margin}],
        },
        looks=tuple(shown),
    )


def _panel(
    basis: Basis,
    looks: Sequence[Look],
    margin: float | None,
    metric: str,
    *,
    is_last: bool,
) -> alt.LayerChart:
    labels = [_label(basis, row) for row in basis.rows]
    baselines = {row.baseline for row in basis.rows}
    against = f", against {basis.rows[0].baseline}" if len(baselines) == 1 else ""
    scale = alt.Scale(domain=_domain(basis, margin), nice=False, zero=False)
    y = (
        alt.Y("row:N")
        .title(None)
        .scale(domain=labels)
        .axis(grid=False, ticks=False, domain=False, labelLimit=240, labelFontSize=12)
    )
    title_of_x = f"difference in {NAMES.get(metric, metric)}, to the right: better"
    axis = alt.Axis(title=title_of_x if is_last else None, tickCount=5)
    at = alt.X("mean:Q", axis=axis).scale(scale)
    here = f"datum.basis === '{basis.kind}'"
    base = alt.Chart(alt.NamedData("rows")).transform_filter(here)
    look = {"y": y, "color": colour(looks), "opacity": dimmed()}
    told = [
        alt.Tooltip("row:N", title="arm"),
        alt.Tooltip("mean:Q", title="mean difference"),
        alt.Tooltip("low:Q", title="interval from"),
        alt.Tooltip("high:Q", title="to"),
        alt.Tooltip("verdict:N", title="verdict"),
        alt.Tooltip("p:N", title="p, adjusted"),
        alt.Tooltip("n:Q", title="pairs"),
        alt.Tooltip("least:N", title="least effect that would be found"),
    ]
    layers: list[Any] = []
    if margin is not None:
        band = alt.Chart(alt.NamedData("margin"))
        layers.append(
            band.mark_rect(color=MIDDLE, opacity=0.12).encode(
                x=alt.X("low:Q", axis=axis).scale(scale), x2=alt.X2("high:Q")
            )
        )
    layers += [
        alt.Chart(alt.NamedData("zero"))
        .mark_rule(color=MIDDLE, strokeWidth=1)
        .encode(x=alt.X("at:Q", axis=axis).scale(scale)),
        alt.Chart(alt.NamedData("ticks"))
        .transform_filter(here)
        .mark_tick(orient="vertical", size=10, thickness=1, clip=True)
        .encode(
            x=alt.X("value:Q", axis=axis).scale(scale),
            tooltip=[
                *map(alt.Tooltip, ("row:N", "seed:Q")),
                alt.Tooltip("value:Q", title="difference"),
            ],
            **(look | {"opacity": dimmed(0.6)}),
        ),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=2.5, clip=True)
        .encode(
            x=alt.X("low:Q", axis=axis).scale(scale), x2=alt.X2("high:Q"), tooltip=told, **look
        ),
        base.transform_filter("isValid(datum.mean)")
        .mark_point(filled=True, size=110, clip=True)
        .encode(x=at, shape=shape(looks), tooltip=told, **look),
        base.mark_text(align="left", baseline="middle", fontSize=11, color=FAINT, dx=8).encode(
            x=fixed_x("width"), y=y, text=alt.Text("said:N")
        ),
    ]
    return alt.LayerChart(
        layer=layers,
        width=WIDTH,
        height=ROW * len(labels),
        title=alt.TitleParams(
            f"{basis.title}{against}", fontSize=12, fontWeight="normal", frame="group", offset=6
        ),
    )


def _label(basis: Basis, row: Row) -> str:
    """What tells a row from the others of its panel."""
    has_one_baseline = len({other.baseline for other in basis.rows}) == 1
    names = row.other if has_one_baseline else f"{row.other} vs {row.baseline}"
    if row.other_lr is None:
        return names
    if row.other_lr == row.baseline_lr:
        return f"{names} lr={row.other_lr:g}"
    return f"{names} lr={row.other_lr:g} vs {row.baseline_lr:g}"


def _rows(basis: Basis) -> Iterator[dict[str, Any]]:
    for row in basis.rows:
        found = row.found
        mean = found.difference
        p = None if found.p_adjusted is None else significant(found.p_adjusted)
        yield {
            "basis": basis.kind,
            "arm": row.other,
            "row": _label(basis, row),
            "mean": rounded(mean.value) if mean else None,
            "low": rounded(mean.low) if mean else None,
            "high": rounded(mean.high) if mean else None,
            "n": found.n,
            "p": p or "no test",
            "least": significant(found.least_effect),
            "verdict": found.verdict,
            "said": found.verdict if mean else f"{found.verdict} (runs diverged)",
        }


def _ticks(basis: Basis) -> Iterator[dict[str, Any]]:
    for row in basis.rows:
        for seed, value in zip(row.seeds, row.found.differences, strict=True):
            if math.isfinite(value):
                yield {
                    "basis": basis.kind,
                    "arm": row.other,
                    "row": _label(basis, row),
                    "seed": seed,
                    "value": rounded(value),
                }


def _domain(basis: Basis, margin: float | None) -> list[float]:
    every = [0.0, *([-margin, margin] if margin is not None else [])]
    every += [d for row in basis.rows for d in row.found.differences if math.isfinite(d)]
    means = [row.found.difference for row in basis.rows if row.found.difference]
    every += [end for one in means for end in (one.low, one.high) if end is not None]
    room = (max(every) - min(every)) * 0.04 or 1.0
    return [min(every) - room, max(every) + room]


def _caption(task: Task, metric: str, level: float, margin: float | None) -> Iterator[str]:
    yield (
        f"Mean difference to {task.baseline} over the same seeds, with its {100 * level:g} % t "
        f"interval (not adjusted); short lines: single seeds. To the right of 0 the one named "
        f"did better in {NAMES.get(metric, metric)}. The verdicts are adjusted (Holm) within "
        "each panel."
    )
    if margin is not None:
        yield f"Shaded: differences of no matter (margin {margin:g})."
