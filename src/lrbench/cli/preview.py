"""``lrbench preview``: what schedules do in a run, before anything is trained."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import put, put_json, say
from lrbench.cli.curve import ASCII, UNICODE, Glyphs, chart, mark
from lrbench.cli.options import ConfigDir, Overrides, tell_others
from lrbench.errors import ConfigError

if TYPE_CHECKING:
    from lrbench.report.charts.picture import Picture
    from lrbench.workflows.preview import Cycle, Preview

WIDEST = 120
"""Characters of the chart in a wide terminal."""

MOST_CYCLES = 12
"""Rows of the list of cycles; the others are counted."""

_LINES_AT_ONCE = 4096


class Format(StrEnum):
    """How the preview is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def preview(
    overrides: Overrides = None,
    form: Annotated[
        Format, typer.Option("--format", help="A chart with its facts, every step, or everything.")
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the schedules too: .png, .svg or .html.", metavar="FILE"),
    ] = None,
    config_dir: ConfigDir = None,
) -> None:
    """Show what a schedule does, or several: schedule=sgdr,cosine.

    Nothing is trained and no data are read. The values are those a run computes with; CSV and JSON
    have them exactly.
    """
    from lrbench.workflows.preview import preview as work

    if as_json and form not in (Format.TABLE, Format.JSON):
        relation = "must not be given together with --json"
        remedy = "only one of them"
        raise ConfigError(relation, key="--format", got=str(form), remedy=remedy)
    if plot is not None:
        from lrbench.report.charts import files

        files.require_ending(plot, key="--plot")
    tell_others(overrides or [])
    previews = work(overrides or [], config_dir=config_dir)
    if as_json or form is Format.JSON:
        put_json({"schedules": [_plain(one) for one in previews]})
    elif form is Format.CSV:
        lines = _csv(previews)
        while some := list(islice(lines, _LINES_AT_ONCE)):
            put("\n".join(some))
    else:
        for line in _page(previews, shutil.get_terminal_size().columns):
            put(line)
    if plot is not None:
        files.save(_drawn(previews), plot)
        say(str(plot))


def _plain(one: Preview) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "label": one.label,
        "schedule": one.name,
        "settings": dict(one.settings),
        "base_lr": one.base_lr,
        "total_steps": one.total_steps,
        "first": _at(one, 0),
        "last": _at(one, one.total_steps - 1),
        "peak": _at(one, one.peak_step),
        "area": one.area,
        "cycles": [asdict(cycle) for cycle in one.cycles],
        "restarts": [cycle.step for cycle in one.restarts],
        "conventions": list(one.conventions),
        "notes": list(one.notes),
        "factor": list(one.factor),
        "lr": list(one.lr),
        "cycle": list(one.cycle_of_each_step()),
    }


def _at(one: Preview, step: int) -> dict[str, float]:
    return {"step": step, "factor": one.factor[step], "lr": one.lr[step]}


def _csv(previews: Sequence[Preview]) -> Iterator[str]:
    """Lines of the CSV, every number as ``repr`` writes it."""
    has_several = len(previews) > 1
    yield ("schedule," if has_several else "") + "step,factor,lr,cycle"
    for one in previews:
        label = f"{_quoted(one.label)}," if has_several else ""
        values = zip(one.factor, one.lr, one.cycle_of_each_step(), strict=True)
        for step, (factor, lr, cycle) in enumerate(values):
            yield f"{label}{step},{factor!r},{lr!r},{cycle}"


def _quoted(text: str) -> str:
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([text])
    return cell.getvalue()


def _curves(previews: Sequence[Preview]) -> tuple[str, list[Sequence[float]]]:
    """What is drawn: factors if they are of the same rate, else the rates."""
    if len({one.base_lr for one in previews}) == 1:
        return f"factor of optimizer.lr {previews[0].base_lr:g}", [one.factor for one in previews]
    return "learning rate", [one.lr for one in previews]


def _drawn(previews: Sequence[Preview]) -> Picture:
    from lrbench.report.charts import steps

    title, curves = _curves(previews)
    series = [
        steps.Series(one.label, values, tuple(cycle.step for cycle in one.restarts))
        for one, values in zip(previews, curves, strict=True)
    ]
    heading = previews[0].label if len(previews) == 1 else "Learning-rate schedules"
    return steps.step_chart(series, title=heading, subtitle=_lengths(previews), y_title=title)


def _lengths(previews: Sequence[Preview]) -> str:
    lengths = {one.total_steps: None for one in previews}
    return f"{' or '.join(map(str, lengths))} steps"


def _page(previews: Sequence[Preview], width: int) -> Iterator[str]:
    """The lines of the table format: heading, chart, and the facts of each schedule."""
    title, curves = _curves(previews)
    name = previews[0].label if len(previews) == 1 else f"{len(previews)} schedules"
    yield from textwrap.wrap(f"{name}, {_lengths(previews)}, {title}", width)
    yield ""
    yield from chart(curves, width=min(width, WIDEST), glyphs=_glyphs())
    for index, one in enumerate(previews):
        yield ""
        if len(previews) > 1:
            yield f"{mark(index)} {one.label}"
        yield from _facts(one, width)


def _glyphs() -> Glyphs:
    """Those that standard output can take."""
    try:
        "⣿┤└─┴".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return ASCII
    return UNICODE


def _facts(one: Preview, width: int) -> Iterator[str]:
    yield f"  {'':<6}{'step':>10}  {'factor':<12}  learning rate"
    last, peak = one.total_steps - 1, one.peak_step
    for name, step in (("first", 0), ("last", last), ("peak", peak)):
        yield f"  {name:<6}{step:>10}  {one.factor[step]:<12.6g}  {one.lr[step]:.6g}"
    yield f"  {'area':<6}{'mean':>10}  {one.area:<12.6g}  {one.area * one.base_lr:.6g}"
    yield f"  {_count(one)}"
    if len(one.cycles) > 1:
        yield from _cycles(one)
    for sentence in (*one.conventions, *one.notes):
        yield from textwrap.wrap(sentence, width, initial_indent="  - ", subsequent_indent="    ")


def _count(one: Preview) -> str:
    if not one.knows_restarts:
        return "warm restarts: not known of a function that declares no cycles"
    restarts, cycles = len(one.restarts), len(one.cycles)
    counted = f"{restarts or 'no'} warm restart{'' if restarts == 1 else 's'}"
    return counted if cycles == 1 else f"{counted}, {cycles} cycles:"


def _cycles(one: Preview) -> Iterator[str]:
    lengths = [_length(cycle) for cycle in one.cycles[:MOST_CYCLES]]
    wide = max(map(len, [*lengths, "length"]))
    yield f"  {'cycle':<6}{'step':>10}  {'length':<{wide}}  factor before -> after"
    for cycle, length in zip(one.cycles, lengths, strict=False):
        before = "start" if cycle.before is None else f"{cycle.before:.6g}"
        jump = f"{before} -> {cycle.after:.6g}"
        if cycle.before is not None and not cycle.is_restart:
            jump += " (no restart)"
        yield f"  {cycle.index:<6}{cycle.step:>10}  {length:<{wide}}  {jump}"
    if len(one.cycles) > MOST_CYCLES:
        yield f"  and {len(one.cycles) - MOST_CYCLES} more, see --format json"


def _length(cycle: Cycle) -> str:
    is_cut = cycle.full_length is not None and cycle.full_length > cycle.length
    return f"{cycle.length} of {cycle.full_length}" if is_cut else str(cycle.length)
