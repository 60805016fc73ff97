"""Whether a twin that does what its parent did came out as its parent."""

from __future__ import annotations

from pathlib import Path

from lrbench.engine.base import State
from lrbench.engine.state import digests_in
from lrbench.record import layout
from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.comparison.difference import Difference, first_difference
from lrbench.record.files import LOG_LIMIT, read_file
from lrbench.record.reader import Record
from lrbench.spec.run import total_steps_of


def differing_beginning(parent: Record, twin: Record, until: int) -> Difference | None:
    """The first thing in which a run's first updates, as a twin did them again, are not the same.

    Every log of the twin must be, byte for byte, how the parent's begins, and its last weights, as
    far as the parent's are known there, those of the parent.
    """
    for name in layout.ALL_LOGS:
        ours, theirs = (_bytes(one.path / name) for one in (parent, twin))
        if not ours.startswith(theirs):
            found = first_difference(parent, twin, rows=until)
            at = next(i for i in range(len(theirs)) if ours[: i + 1] != theirs[: i + 1])
            place = f"byte {at}"
            return found or Difference(name.removesuffix(".csv"), name, None, place)
    then, now = _weights_after(parent, until), twin.result.get("weights") or {}
    for name, digest in now.items():
        if then and then.get(name) != digest:
            apart = (str(then.get(name)), digest, name)
            return Difference("weights", layout.RESULT, None, None, *apart)
    return None


def _weights_after(record: Record, updates: int) -> dict[str, str] | None:
    """Digests of the weights of a run after so many updates; None where they are not known."""
    if updates == total_steps_of(record.spec):
        return record.result.get("weights")
    if (kept := record.kept().get(updates)) is None:
        return None
    checkpoint = read_checkpoint(kept)
    return digests_in(State(checkpoint.step, checkpoint.facts, checkpoint.body))


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path, LOG_LIMIT)
    except FileNotFoundError:
        return b""
