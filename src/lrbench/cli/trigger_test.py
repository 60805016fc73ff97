"""``lrbench trigger-test``: when a trigger fires, and how often without a reason."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lrbench.cli.console import inert, out, put, put_json
from lrbench.cli.options import ConfigDir, Json, Overrides

if TYPE_CHECKING:
    from lrbench.workflows.trigger_test import OnCurve, TriggerTest

MOST_NAMED = 3
"""Firings on a curve that are named; the others are counted."""


def trigger_test(
    overrides: Overrides = None,
    trials: Annotated[
        int | None,
        typer.Option(
            help="Runs of noise of each kind; by default 1000, of long runs fewer.",
            min=1,
            max=1_000_000,
            metavar="N",
        ),
    ] = None,
    config_dir: ConfigDir = None,
    json: Json = False,
) -> None:
    """Try a trigger, or several, on known curves: trigger=plateau,stall train.steps=1000.

    Shows at which evaluations it fires on each, and how often it fires in a tenth of the run in
    which nothing but noise happens. Nothing is trained: the learning rate counts as low enough, and
    a restart changes nothing on a curve. Settings are those of a run; the noise follows seed.
    """
    from lrbench.workflows.trigger_test import trigger_tests

    found = trigger_tests(overrides or [], config_dir=config_dir, trials=trials)
    if json:
        put_json({"triggers": [_plain(one) for one in found]})
        return
    for index, one in enumerate(found):
        if index:
            put("")
        _show(one)


def _plain(one: TriggerTest) -> dict[str, Any]:
    from lrbench.triggers.trials import PROMISED

    return {
        **asdict(one),
        "false_fires": [asdict(fires) | {"share": fires.share} for fires in one.false_fires],
        "promised": PROMISED,
        "verdict": one.verdict,
    }


def _show(one: TriggerTest) -> None:
    width = out().width
    put(f"{one.label}, a run of {one.total_steps} steps")
    for line in textwrap.wrap(one.sentence, width):
        put(line)
    machine = ", ".join(f"{name} {_number(value)}" for name, value in one.machine.items())
    for line in textwrap.wrap(f"with {machine}", width):
        put(line)
    _show_curves(one)
    tenth = -(-one.total_steps // 10)
    put(f"false fires in a tenth of the run, {tenth} steps of stationary noise:")
    for fires in one.false_fires:
        interval = f"{100 * fires.low:.2f} to {100 * fires.high:.2f} %"
        share = f"{fires.fired} of {fires.trials}, {100 * fires.share:.2f} %"
        put(f"  {share} (95 % interval {interval}), before it {fires.before}")
    if one.needs is not None and one.needs > tenth:
        # Not by chance, then, and worth to be known of a promise that is kept.
        told = f"(a constant curve needs {one.needs} steps to fire it, longer than this tenth)"
        for line in textwrap.wrap(told, width):
            put(line)
    for line in _verdict(one):
        put(line)


def _show_curves(one: TriggerTest) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("curve", no_wrap=True)
    table.add_column("what it does", ratio=2)
    table.add_column("fires at evaluation (step)", ratio=2)
    actions = {firing.action for curve in one.curves for firing in curve.firings}
    for curve in one.curves:
        fires = _fires(curve, has_several=len(actions) > 1)
        table.add_row(inert(curve.curve), inert(curve.sentence), fires)
    out().print(table)


def _fires(curve: OnCurve, *, has_several: bool) -> str:
    named = [
        f"{f.evaluation} ({f.step}{f', {f.action}' if has_several else ''})"
        for f in curve.firings[:MOST_NAMED]
    ]
    more = len(curve.firings) - len(named)
    words = ", ".join(named) + (f" and {more} more" if more > 0 else "") or "never"
    if curve.refused_at is not None:
        words += f"; refused as divergence at step {curve.refused_at}"
    return words


def _verdict(one: TriggerTest) -> Iterator[str]:
    from lrbench.triggers.trials import PROMISED

    promise = f"at most {100 * PROMISED:g} % in a tenth of a run"
    words = {
        "holds": f"the promise holds: {promise}",
        "broken": f"the promise is broken: more than {100 * PROMISED:g} % in a tenth of the run",
        "undecided": f"not decided by so many trials: {promise}; --trials takes more",
    }
    yield words[one.verdict]
    if not one.is_default:
        yield "it is made of the default settings only, and these are not"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
