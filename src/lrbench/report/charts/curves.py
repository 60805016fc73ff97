"""Learning rate and loss over steps, arm by arm, with the restarts and what they did."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt
import numpy as np

from lrbench.report.charts.look import MIDDLE, WIDTH, Look
from lrbench.report.charts.parts import (
    CHOSEN,
    NAMES,
    chosen,
    colour,
    dash,
    extent,
    fixed_y,
    value_axis,
    value_scale,
)
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.thinning import rounded, thin
from lrbench.report.escapes import printable
from lrbench.report.restarts.measures import SECTIONS
from lrbench.report.restarts.overview import cell
from lrbench.report.traces.bands import Band, Curve, Floats
from lrbench.report.traces.read import ArmTrace, RunTrace, Traces

MOST_RULES = 60
"""Restarts that get a line through the panels; of more, the lines would hide the curves."""

MOST_BANDS = 5
"""Arms whose intervals are drawn unasked."""

MOST_HOVERED = 4_000
"""Points of mean curves that answer the pointer; of more, a page would be slow."""

LOG_FROM = 20.0
"""Largest over smallest mean from which on a loss has a logarithmic axis."""

_SAID = {
    "step": "after updates",
    "cause": "cause",
    "length": "cycle length",
    "lr_before": "learning rate before",
    "lr_after": "learning rate after",
    "spike": "training loss, highest above before",
    "spike_relative": "… in % of it",
    "recovery_steps": "updates until back",
    "gain": "gain in validation loss by its end",
    "gradient_peak": "gradient norm, peak / before",
}
"""Columns of the ledger that the mark of a restart tells of, and how."""

_RATE_BUCKETS = 60

_LABELS = 34
"""Room for the numbers of every panel's value axis, so that their titles stand in a line."""

_HEIGHTS = {"rate": 110, "train_loss": 190, "metric": 190}
_STRONG = "rate === null ? datum.own : datum.lr === rate"
_HINT = (
    "Drag to move along the steps, Ctrl and wheel to zoom, double click for all of them. A name "
    "in the legend brings its arms to the front, with every seed of theirs."
)


def curves(
    traces: Traces,
    looks: Sequence[Look],
    *,
    rate: float | None = None,
    each_seed: bool = False,
    title: str = "Learning rate and loss",
    name: str = "curves",
) -> Picture:
    """Three panels over the same steps: learning rate, training loss, and the metric.

    Contenders at their own best learning rate are drawn strongly, with intervals; the same ones at
    other learning rates are there, faintly.

    Parameters
    ----------
    traces : Traces
    looks : sequence of Look
        Of the contenders; it may have more.
    rate : float, optional
        Draw this learning rate strongly instead.
    each_seed : bool
        Single runs too, from the beginning.
    """
    found = {look.label: look for look in looks}
    shown = [found[label] for label in dict.fromkeys(arm.contender for arm in traces.arms)]
    rates = tuple(sorted({arm.lr for arm in traces.arms}))
    panels = _Panels(traces, shown, rate)
    zoom = alt.IntervalSelectionConfig(
        type="interval", encodings=["x"], zoom="wheel![event.ctrlKey || event.metaKey]"
    )
    chart = alt.VConcatChart(
        vconcat=[
            panels.panel("rate", "learning rate"),
            panels.panel("train_loss", "training loss"),
            panels.panel("metric", NAMES.get(traces.metric, traces.metric)),
        ],
        spacing=14,
        params=[
            chosen([look.label for look in shown] if each_seed else ()),
            alt.VariableParameter(name="rate", value=rate),
            alt.TopLevelSelectionParameter(
                name="zoom", select=zoom, bind="scales", views=[f"zoomed_{k}" for k in _HEIGHTS]
            ),
        ],
    )
    return Picture(
        name=name,
        title=title,
        caption=" ".join(_caption(traces, rate, panels)),
        chart=chart,
        data=panels.data(),
        looks=tuple(shown),
        rates=rates if len(rates) > 1 else (),
        hint=_HINT,
    )


class _Panels:
    """What the panels have in common."""

    def __init__(self, traces: Traces, looks: Sequence[Look], rate: float | None) -> None:
        self.traces = traces
        self.total = traces.total_steps[-1] if traces.total_steps else 1
        self.colour, self.dash = (channel(looks, "stroke") for channel in (colour, dash))
        self.strong = [arm for arm in traces.arms if _is_strong(arm, rate)]
        strong = self.strong
        self.is_hovered = sum(len(arm.train_loss.steps) for arm in strong) <= MOST_HOVERED
        self.has_bands = len(strong) <= MOST_BANDS
        self.has_rules = sum(len(arm.restarts) for arm in strong) <= MOST_RULES
        self.restarts = [row for arm in traces.arms for row in _restart_rows(arm)]
        self.scales = {kind: self._scale(kind) for kind in _HEIGHTS}
        self.is_log = any(scale.to_dict().get("type") == "log" for scale in self.scales.values())

    def panel(self, kind: str, y_title: str) -> alt.LayerChart:
        """One of the panels; all have the same zoom."""
        is_last = kind == "metric"
        axis = alt.Axis(
            grid=False, labels=is_last, ticks=is_last, title="step" if is_last else None
        )
        x = alt.X("step:Q", axis=axis).scale(domain=[0, self.total], nice=False)
        y = {"x": x, "color": self.colour, "detail": alt.Detail("lr:N")}
        scale = self.scales[kind]
        base = alt.Chart(alt.NamedData(kind)).transform_flatten(
            ["step", "mean", "low", "high", "n"]
        )
        strong = base.transform_filter(f"({_STRONG}) && ({CHOSEN})")
        mean = (
            alt.Y("mean:Q")
            .title(y_title)
            .scale(scale)
            .axis(value_axis(scale, lines=4, minExtent=_LABELS))
        )
        # The rate holds for its step; a loss is known at its step alone.
        shape: dict[str, Any] = {
            "interpolate": "step-after" if kind == "rate" else "linear",
            "clip": True,
        }
        named = [alt.Tooltip("arm:N", title="arm"), alt.Tooltip("lr:Q", title="base rate")]
        layers = [
            *self._phases(x, has_text=is_last),
            self._banded(strong)
            .mark_area(opacity=0.16, **shape)
            .encode(
                y=alt.Y("low:Q")
                .title(y_title)
                .scale(scale)
                .axis(value_axis(scale, lines=4, minExtent=_LABELS)),
                y2=alt.Y2("high:Q"),
                **y,
            ),
            base.transform_calculate(
                strength=f"!({CHOSEN}) ? 0.1 : ({_STRONG}) ? 1 : 0.4",
                thickness=f"({_STRONG}) ? 2 : 1",
            )
            .mark_line(strokeJoin="round", **shape)
            .encode(
                y=mean,
                strokeDash=self.dash,
                opacity=alt.Opacity("strength:Q").scale(None).legend(None),
                strokeWidth=alt.StrokeWidth("thickness:Q").scale(None).legend(None),
                tooltip=named,
                **y,
            ),
        ]
        if kind != "rate":
            layers.append(self._seeds(kind, x, scale))
        if self.is_hovered:
            figures = [
                *named,
                alt.Tooltip("step:Q", title="step"),
                alt.Tooltip("mean:Q", title=f"{y_title}, mean"),
                alt.Tooltip("low:Q", title="interval from"),
                alt.Tooltip("high:Q", title="to"),
                alt.Tooltip("n:Q", title="runs"),
            ]
            layers.append(
                strong.mark_circle(size=80, opacity=0, clip=True).encode(
                    y=mean, tooltip=figures, **y
                )
            )
        layers += self._restarts(kind, x)
        layers[0] = layers[0].properties(name=f"zoomed_{kind}")
        return alt.LayerChart(layer=layers, width=WIDTH, height=_HEIGHTS[kind])

    def floor(self, kind: str) -> float:
        """The lower end of the axis."""
        plain = self.scales[kind].to_dict()
        return float(plain["domain"][0] if "domain" in plain else plain["domainMin"])

    def _banded(self, strong: Any) -> Any:
        """Arms whose intervals are drawn: many of them would hide each other and the curves."""
        if self.has_bands:
            return strong
        return strong.transform_filter("indexof(chosen, datum.arm) >= 0")

    def data(self) -> dict[str, list[dict[str, Any]]]:
        """The rows of all panels; a curve is one row, taken apart where it is drawn."""
        arms = self.traces.arms
        rows = {k: [_row(arm, k, self.floor(k)) for arm in arms] for k in _HEIGHTS}
        for kind in ("train_loss", "metric"):
            rows[f"{kind}_of_runs"] = [_run_row(arm, run, kind) for arm in arms for run in arm.runs]
        return rows | {"restarts": self.restarts}

    def _scale(self, kind: str) -> alt.Scale:
        """As far as the runs drawn strongly reach: an interval of two runs may be far wider, and a
        run that diverges much higher."""
        if kind == "rate":
            return self._scale_of_rates()
        low, high = _extent(self.strong, kind)
        is_loss = kind == "train_loss" or self.traces.metric == "val_loss"
        is_log = is_loss and low > 0 and high > LOG_FROM * low
        others = _extent(self.traces.arms, kind)
        return value_scale(*extent([low, high], others, is_log=is_log), is_log=is_log)

    def _scale_of_rates(self) -> alt.Scale:
        """From 0 to the largest rate, which on a page depends on the base rate that is chosen."""
        top = {arm.lr: 0.0 for arm in self.traces.arms}
        own = 0.0
        for arm in self.traces.arms:
            largest = max(arm.rate.mean.tolist(), default=0.0)
            top[arm.lr] = max(top[arm.lr], largest)
            own = max(own, largest) if any(arm is one for one in self.strong) else own
        factor = max((largest / lr for lr, largest in top.items()), default=1.0)
        end = f"rate === null ? {1.05 * own or 1.0!r} : {1.05 * factor or 1.0!r} * rate"
        return alt.Scale(domainMin=0, domainMax=alt.ExprRef(end), nice=False)

    def _phases(self, x: alt.X, *, has_text: bool) -> Iterator[alt.Chart]:
        if len(self.traces.total_steps) != 1:
            return
        thirds = [
            {"step": 0, "end": rounded(self.total / 3), "phase": "first third"},
            {"step": rounded(2 * self.total / 3), "end": self.total, "phase": "last third"},
        ]
        base = alt.Chart(alt.InlineData(values=thirds))
        yield base.mark_rect(color=MIDDLE, opacity=0.09, clip=True).encode(x=x, x2=alt.X2("end:Q"))
        if has_text:
            yield base.mark_text(
                align="left", baseline="bottom", dy=-2, color=MIDDLE, fontSize=10
            ).encode(x=x, y=fixed_y(0), text=alt.Text("phase:N"))

    def _seeds(self, kind: str, x: alt.X, scale: alt.Scale) -> Any:
        return (
            alt.Chart(alt.NamedData(f"{kind}_of_runs"))
            .transform_filter(f"({_STRONG}) && indexof(chosen, datum.arm) >= 0")
            .transform_flatten(["step", "value"])
            .mark_line(strokeWidth=1, opacity=0.55, clip=True)
            .encode(
                x=x,
                y=alt.Y("value:Q").scale(scale),
                color=self.colour,
                detail=alt.Detail("run:N"),
                tooltip=[
                    alt.Tooltip("arm:N", title="arm"),
                    alt.Tooltip("lr:Q", title="base rate"),
                    alt.Tooltip("seed:Q", title="seed"),
                    alt.Tooltip("run:N", title="run"),
                ],
            )
        )

    def _restarts(self, kind: str, x: alt.X) -> Iterator[alt.Chart]:
        if not self.restarts:
            return
        base = alt.Chart(alt.NamedData("restarts")).transform_filter(f"({_STRONG}) && ({CHOSEN})")
        at = {"x": x, "color": self.colour}
        told = [key for key in self.restarts[0] if key not in ("lr", "own", "step")]
        tooltip = [alt.Tooltip(field=key, type="nominal", title=key) for key in told]
        if self.has_rules:
            rules = base.mark_rule(strokeDash=[2, 3], opacity=0.55, clip=True)
            yield rules.encode(tooltip=tooltip, **at)
        if kind == "train_loss":
            marks = base.mark_point(shape="triangle-down", filled=True, opacity=1, size=90)
            yield marks.encode(y=fixed_y(6), tooltip=tooltip, **at)


def _named(arm: ArmTrace) -> dict[str, Any]:
    return {"arm": printable(arm.contender), "lr": arm.lr, "own": arm.is_own}


def _row(arm: ArmTrace, kind: str, floor: float) -> dict[str, Any]:
    """One arm's mean curve. Where there is no interval, it has no width."""
    found: Band = getattr(arm, kind)
    kept: Sequence[int] = range(len(found.steps))
    if kind == "rate":
        kept = thin(found.mean.tolist(), _RATE_BUCKETS)
    places = np.asarray(kept, dtype=np.int64)
    low = np.where(np.isnan(found.low), found.mean, np.maximum(found.low, floor))
    high = np.where(np.isnan(found.high), found.mean, found.high)
    return {
        **_named(arm),
        "step": _numbers(found.steps[places]),
        "mean": _numbers(found.mean[places]),
        "low": _numbers(low[places]),
        "high": _numbers(high[places]),
        "n": found.n[places].tolist(),
    }


def _run_row(arm: ArmTrace, run: RunTrace, kind: str) -> dict[str, Any]:
    curve: Curve = getattr(run, kind)
    return {
        **_named(arm),
        "run": run.run,
        "seed": run.seed,
        "step": _numbers(curve.steps),
        "value": _numbers(curve.values),
    }


def _restart_rows(arm: ArmTrace) -> Iterator[dict[str, Any]]:
    for one in arm.restarts:
        step = one.columns["step"].median
        if step is None:
            continue
        yield {
            **_named(arm),
            "step": step,
            "restart": f"{one.restart} (of {one.n} run{'' if one.n == 1 else 's'})",
            **{
                _SAID[measure.column]: cell(measure, one)
                for section in SECTIONS
                for measure in section.measures
                if measure.column in _SAID
            },
        }


def _is_strong(arm: ArmTrace, rate: float | None) -> bool:
    return arm.is_own if rate is None else arm.lr == rate


def _extent(arms: Sequence[ArmTrace], kind: str) -> tuple[float, float]:
    """Of single runs."""
    parts = [getattr(run, kind).values for arm in arms for run in arm.runs]
    every = np.concatenate([*parts, np.zeros(0)])
    return (float(every.min()), float(every.max())) if len(every) else (0.1, 1.0)


def _numbers(values: Floats) -> list[float | None]:
    return [rounded(value) for value in values.tolist()]


def _caption(traces: Traces, rate: float | None, panels: _Panels) -> Iterator[str]:
    counts = sorted({len(arm.runs) for arm in traces.arms})
    if counts[-1:] == [1]:
        yield "One run of each arm."
    else:
        seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        yield f"Means over {seeds} seeds of each arm, with {100 * traces.level:g} % t intervals."
    if not panels.has_bands:
        yield "Intervals only of those chosen in the legend: so many would hide each other."
    if any(not arm.is_own for arm in traces.arms):
        which = "its own best learning rate" if rate is None else f"learning rate {rate:g}"
        yield f"Strong: each at {which}; faint: the same at the other rates that were run."
    if traces.is_geometric and counts[-1:] != [1]:
        yield "Training loss: geometric means."
    if traces.bin_width > 1:
        yield (
            f"To be drawn, {traces.bin_width} updates are one point: of the losses their mean, of "
            "the learning rate the first, last, smallest and largest of longer parts (M4)."
        )
    if panels.is_log:
        yield "Losses on a logarithmic axis."
    if len(panels.strong) < len(traces.arms):
        yield "What lies far beyond those drawn strongly is cut off."
    if any(arm.restarts for arm in traces.arms):
        marks = "Triangles and dotted lines" if panels.has_rules else "Triangles"
        yield f"{marks}: warm restarts, at the median step over seeds."
    if len(traces.total_steps) == 1:
        yield "Shaded: the first and the last third of the updates."
    else:
        yield "Runs have different lengths, so no phases are shaded."
    if traces.skipped:
        yield f"Not drawn, since their logs cannot be read: {len(traces.skipped)} runs."
