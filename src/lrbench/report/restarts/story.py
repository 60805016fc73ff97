"""The ledger of one run as text: each restart in sentences, then all of them in a table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from lrbench.report.escapes import printable
from lrbench.report.restarts import layers as by_layer
from lrbench.report.restarts.grid import Line, side_by_side
from lrbench.report.restarts.ledger import Ledger, Row
from lrbench.report.restarts.measures import (
    SECTIONS,
    number,
    percent,
    short,
    signed,
    times,
    whole,
)

NO_VERDICT = (
    "None of this says that a restart helped: the loss might have fallen without it. "
    "Compared with the same run without it: {twin}"
)
EARLIER = (
    "an earlier lrbench made this record: its ledger says when and why it restarted, and not what "
    "that did"
)


def tell(ledger: Ledger, width: int, twin: str, *, whole_model: bool | None) -> Iterator[str]:
    """The whole answer on one run, in lines of at most ``width`` characters.

    Parameters
    ----------
    ledger : Ledger
    width : int in [60, inf)
    twin : str
        The command that compares a restart with its control.
    whole_model : bool or None
        Every layer, no layers, or as many as can be overlooked.
    """
    count = len(ledger.restarts)
    counted = f"{count or 'no'} restart{'' if count == 1 else 's'}"
    yield f"{printable(ledger.run)}: {ledger.status}, {counted} in the ledger"
    for remark in (*ledger.remarks, *([EARLIER] if ledger.is_earlier else [])):
        yield from fill(remark, width)
    if not ledger.restarts:
        return
    for place, row in enumerate(ledger.restarts, start=1):
        yield ""
        yield from fill(" ".join(sentences(place, row)), width, "    ")
    yield ""
    heads = [f"restart {place}" for place in range(1, count + 1)]
    yield from side_by_side(heads, lines(ledger.restarts), width)
    yield from _layers(ledger.restarts, width, whole_model)
    if not ledger.is_earlier:
        yield ""
        yield from fill(NO_VERDICT.format(twin=twin), width)


def sentences(place: int, row: Row) -> Iterator[str]:
    """One restart in words, with the numbers of the table."""
    yield f"Restart {place}, after {whole(row['step'])} updates (epoch {short(row['epoch'])}):"
    yield f"{_cause(row)}, and the learning rate went from {_rates(row)}."
    if row.get("policy") is not None:
        yield f"Policy {printable(row['policy'])}; audit: {printable(row['audit'] or '-')}."
    if row.get("spike") is not None:
        yield _loss(row)
    if row.get("gain") is not None:
        yield _validation(row)


def lines(restarts: Sequence[Row]) -> list[Line]:
    """The table of all restarts; no line, and no section, of what none of them has."""
    told: list[Line] = []
    for section in SECTIONS:
        measures = [
            Line(f"  {measure.label}", cells)
            for measure in section.measures
            if set(cells := tuple(map(measure.cell, restarts))) != {"-"}
        ]
        if measures:
            told += [Line(section.title), *measures]
    return told


def fill(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most ``width`` characters; a command in them can still be copied."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _cause(row: Row) -> str:
    if row["cause"] == "schedule":
        return "the schedule says so"
    told = f"the trigger {printable(row['cause'] or '-')} fired"
    if row.get("statistic") is not None and row.get("threshold") is not None:
        told += f" ({number(row['statistic'])} against {number(row['threshold'])})"
    return told


def _rates(row: Row) -> str:
    told = f"{short(row['lr_before'])} to {short(row['lr_after'])}"
    return told if row.get("lr_ratio") is None else f"{told} ({times(row['lr_ratio'])})"


def _loss(row: Row) -> str:
    level = number(row["loss_before"])
    if row["spike"] <= 0:
        return f"The training loss never rose above its level before ({level})."
    told = f"The training loss rose from {level} by {signed(row['spike'])}"
    if row["spike_relative"] is not None:
        told += f" ({percent(row['spike_relative'])})"
    told += f", highest {whole(row['steps_to_peak'])} updates on;"
    if row["recovery_steps"] is not None:
        return f"{told} it was back after {whole(row['recovery_steps'])} updates."
    censored = whole(row["recovery_censored_at"])
    return f"{told} it was not back within the cycle (>= {censored} updates)."


def _validation(row: Row) -> str:
    before, end = number(row["val_loss_before"]), number(row["val_loss_end"])
    if row["gain"] == 0:
        change = "the same"
    else:
        change = f"{number(abs(row['gain']))} {'lower' if row['gain'] > 0 else 'higher'}"
    return f"Validation loss: {before} where the cycle before ended, {end} at its end ({change})."


def _layers(restarts: Sequence[Row], width: int, whole_model: bool | None) -> Iterator[str]:
    with_layers = [(place, row) for place, row in enumerate(restarts, 1) if row["layers"]]
    if whole_model is False or not with_layers:
        return
    for place, row in with_layers:
        yield ""
        yield f"restart {place} by depth, from input to output"
        yield from by_layer.tell(row, width, whole_model=whole_model)
    yield ""
    every = [layer for _, row in with_layers for layer in row["layers"]]
    for told in by_layer.legend(every, has_bands=len(with_layers[0][1]["layers"]) > by_layer.WHOLE):
        yield from fill(told, width, "    ")
