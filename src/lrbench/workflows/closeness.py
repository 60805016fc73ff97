"""The close comparison: what must be exact everywhere, and what must only be near."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lrbench.record.comparison.difference import RATES, STEPS
from lrbench.record.comparison.digests import INPUTS, digests_of
from lrbench.record.comparison.parting import LINE_LIMIT, columns_of, parting
from lrbench.record.files import open_file
from lrbench.record.logs import parse_log
from lrbench.record.reader import Record, Status, find_records, read_record
from lrbench.spec.canonical import canonical
from lrbench.spec.run import arm_of
from lrbench.stats.closeness import (
    EARLY_UPDATES,
    Verdict,
    judge_early_losses,
    judge_final,
    judge_first_loss,
)

EXACT = "exact"


@dataclass(frozen=True)
class Closeness:
    """How close a run made elsewhere is to the one it repeats.

    Parameters
    ----------
    verdicts : tuple of Verdict
        What must be exact in front, then the losses, then the end of the run.
    """

    verdicts: tuple[Verdict, ...]

    @property
    def is_close(self) -> bool:
        """Whether everything that was judged holds."""
        return all(verdict.holds is not False for verdict in self.verdicts)


def closeness(recorded: Record, other: Record, siblings: Sequence[float]) -> Closeness:
    """Hold a repetition on another device, precision, thread count or version against its record.

    Parameters
    ----------
    recorded, other : Record
        ``other`` may be shorter; then it is held against as many updates.
    siblings : sequence of float
        Last validation losses of the other seeds of the record's arm (:func:`losses_of_siblings`).

    Raises
    ------
    RecordError
        A file that had to be read is malformed or missing.
    """
    losses = _early_losses(recorded), _early_losses(other)
    is_whole = recorded.spec.get("train") == other.spec.get("train")
    finals = _final(recorded), _final(other) if is_whole else None
    return Closeness(
        (
            *_judge_inputs(recorded, other),
            _judge_outcome(recorded, other),
            _judge_columns("batches and their order", ("batch_digest",), recorded, other),
            _judge_columns("rates of the updates", RATES, recorded, other),
            judge_first_loss(*losses),
            judge_early_losses(*losses),
            judge_final(*finals, siblings),
        )
    )


def losses_of_siblings(record: Record) -> list[float]:
    """Last validation losses of the complete runs beside ``record`` that differ only by seed."""
    arm, losses = canonical(arm_of(record.spec)), []
    for path in find_records(record.path.parent):
        one = read_record(path)
        is_other = one.spec.get("seed") != record.spec.get("seed")
        if one.status is Status.COMPLETE and is_other and canonical(arm_of(one.spec)) == arm:
            loss = _final(one)
            losses += [loss] if loss is not None else []
    return losses


def _judge_outcome(recorded: Record, other: Record) -> Verdict:
    """A run that diverges is no repetition of one that does not."""
    what = "outcome of the run"
    if not (recorded.status.is_finished and other.status.is_finished):
        return Verdict(what, EXACT, why="one of the runs is not finished")
    return Verdict(what, EXACT, recorded.status is other.status)


def _judge_inputs(recorded: Record, other: Record) -> Iterator[Verdict]:
    ours, theirs = digests_of(recorded), digests_of(other)
    for name in INPUTS:
        a, b = ours[name].value, theirs[name].value
        if a is None or b is None:
            yield Verdict(name, EXACT, why="one of the records does not have it")
        else:
            yield Verdict(name, EXACT, a == b)


def _judge_columns(what: str, columns: tuple[str, ...], recorded: Record, other: Record) -> Verdict:
    """Whether columns are the same over the updates that both runs made."""
    paths = recorded.path / STEPS, other.path / STEPS
    if not all(set(columns_of(path)) & set(columns) for path in paths):
        return Verdict(what, EXACT, why="one of the records does not have it")
    parted = parting(*paths, only=columns)
    return Verdict(what, EXACT, parted is None or not (parted.recorded and parted.other))


def _early_losses(record: Record) -> list[float]:
    path = record.path / STEPS
    columns = columns_of(path)
    if not columns:
        return []
    with open_file(path) as file:
        lines = [file.readline(LINE_LIMIT) for _ in range(1 + EARLY_UPDATES)]
    whole = b"".join(line for line in lines if line.endswith(b"\n"))
    losses = parse_log(whole, columns, path).column("train_loss")
    return [loss for loss in losses if isinstance(loss, float)]


def _final(record: Record) -> float | None:
    """The last validation loss, if training came to its end and it is a number."""
    final = record.result.get("final")
    loss = final.get("val_loss") if isinstance(final, dict) else None
    if record.status is not Status.COMPLETE or not isinstance(loss, int | float):
        return None
    return float(loss)
