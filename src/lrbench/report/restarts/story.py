"""The ledger of one run as text: each restart in sentences, then all of them in a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lrbench.report.escapes import printable
from lrbench.report.restarts import layers as by_layer
from lrbench.report.restarts.grid import Line, fill, side_by_side
from lrbench.report.restarts.ledger import Ledger, Row
from lrbench.report.restarts.measures import (
    SECTIONS,
    Show,
    has_risen,
    notes,
    number,
    share,
    short,
    shown,
    times,
    whole,
)

NO_VERDICT = (
    "None of this says that a restart helped: the loss might have fallen without it. Compare a "
    "restart with the same run without it:"
)
MOST = 6
"""Restarts whose layers are shown without being asked for."""

CLEAR = 2.0
"""Standard errors from which on a rise of the smoothed loss is told as one."""

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
    if not ledger.is_earlier:
        for note in notes(
            {column for row in ledger.restarts for column in row if row[column] is not None}
        ):
            yield from fill(note, width, "    ")
    yield from _layers(ledger.restarts, width, whole_model)
    if not ledger.is_earlier:
        yield ""
        yield from fill(NO_VERDICT, width)
        yield f"    {twin}"


def sentences(place: int, row: Row) -> Iterator[str]:
    """One restart in words, with the numbers of the table."""
    when = f"after {whole(row['step'])} updates (epoch {short(row['epoch'])})"
    yield f"Restart {place} came {when}, {_cause(row)}."
    ratio = "" if row.get("lr_ratio") is None else f" ({times(row['lr_ratio'])})"
    if row["lr_before"] == 0:
        ratio = " (from 0, so there is no ratio)"
    yield f"Learning rate: {short(row['lr_before'])} before, {short(row['lr_after'])} after{ratio}."
    if row.get("policy") is not None:
        yield f"State policy: {printable(row['policy'])}; audit: {printable(row['audit'] or '-')}."
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


def _cause(row: Row) -> str:
    if row["cause"] == "schedule":
        return "as the schedule says"
    told = f"when the trigger {printable(row['cause'])} fired"
    if row.get("statistic") is None:
        return told
    return f"{told} (statistic {short(row['statistic'])}, threshold {_of(row, 'threshold', short)})"


def _loss(row: Row) -> str:
    level, window = _of(row, "loss_before"), row["window"]
    if not has_risen(row):
        told = f"The training loss never rose above its level before, {level}"
        reach = min(window or 0, row["step"] or 0)
        if reach >= (row["length"] or 0):
            # A level from so far back lies above whatever a restart does to a loss that falls.
            return (
                f"{told}, a mean of {whole(reach)} updates, as many as the cycle has: that says "
                "little of the restart."
            )
        return f"{told}."
    told = (
        f"The training loss rose from {level} by {number(row['spike'])} "
        f"({_of(row, 'spike_relative', share)}{_noise(row)}), was highest "
        f"{_of(row, 'steps_to_peak', whole)} updates on and"
    )
    if row["recovery_steps"] is not None:
        return f"{told} back after {whole(row['recovery_steps'])}."
    censored = row["recovery_censored_at"]
    if window is not None and censored is not None and censored <= window:
        return (
            f"{told} cannot be seen to come back in a cycle of {whole(censored)} updates, which is "
            f"no longer than the mean of {whole(window)} that is looked at."
        )
    return f"{told} was not back within the cycle (>= {shown(censored, whole)} updates)."


def _noise(row: Row) -> str:
    """What is said of a height that single batches make."""
    z = row.get("spike_z")
    return "" if z is None or z >= CLEAR else ", no more than batches differ"


def _validation(row: Row) -> str:
    change = f"{number(abs(row['gain']))} {'lower' if row['gain'] > 0 else 'higher'}"
    return (
        f"Validation loss: {_of(row, 'val_loss_before')} at the end of the cycle before, "
        f"{_of(row, 'val_loss_end')} at the end of this one "
        f"({change if row['gain'] else 'the same'})."
    )


def _of(row: Row, column: str, show: Show = number) -> str:
    return shown(row[column], show)


def _layers(restarts: Sequence[Row], width: int, whole_model: bool | None) -> Iterator[str]:
    with_layers = [(place, row) for place, row in enumerate(restarts, 1) if row["layers"]]
    if whole_model is False or not with_layers:
        return
    if whole_model is None and len(with_layers) > MOST:
        yield f"by depth: {len(with_layers)} tables, which --layers shows"
        return
    for place, row in with_layers:
        yield ""
        yield f"restart {place} by depth, from input to output"
        yield from by_layer.tell(row, width, whole_model=whole_model)
        yield from (line for told in by_layer.trends(row) for line in fill(told, width, "    "))
    yield ""
    every = [layer for _, row in with_layers for layer in row["layers"]]
    for told in by_layer.legend(every, whole_model=whole_model):
        yield from fill(told, width, "    ")
