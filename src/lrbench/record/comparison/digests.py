"""What a record says of its own start and end: one digest for each thing that can be equal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lrbench.record import layout
from lrbench.record.reader import Record, read_json

INPUTS = ("data", "split", "init", "schedule")
"""What is there before the first update, in the order in which one can spoil the next."""

_PLACES = {
    "data": (layout.MANIFEST, "data", "digest"),
    "split": (layout.MANIFEST, "data", "split_digest"),
    "init": (layout.MANIFEST, "init", "digest"),
    "schedule": (layout.MANIFEST, "schedule", "digest"),
    "batches": (layout.RESULT, "batch_chain"),
    "weights": (layout.RESULT, "weights_digest"),
}
_TENSORS = {"init": (layout.MANIFEST, "init", "tensors"), "weights": (layout.RESULT, "weights")}


@dataclass(frozen=True)
class Digest:
    """The digest of one thing.

    Parameters
    ----------
    file : str
        The file of the record that states it.
    value : str or None
        None where it is not recorded: of a run that is not finished or diverged, or of an lrbench
        that did not write it.
    tensors : mapping of str to str
        The digest of each tensor, in the model's order, where the thing consists of tensors.
    """

    file: str
    value: str | None = None
    tensors: dict[str, str] = field(default_factory=dict)

    def first_different_tensor(self, other: Digest) -> str | None:
        """The first tensor, in this record's order, that the other has not or has otherwise."""
        if not self.tensors or not other.tensors:
            return None
        names = dict.fromkeys([*self.tensors, *other.tensors])
        apart = (name for name in names if self.tensors.get(name) != other.tensors.get(name))
        return next(apart, None)


def manifest_of(record: Record) -> dict[str, Any]:
    """The manifest; empty for a run that was stopped before it had one.

    Raises
    ------
    RecordError
        It is damaged, or missing though the run is finished.
    """
    path = record.path / layout.MANIFEST
    if not record.status.is_finished and not path.exists():
        return {}
    return read_json(path)


def digests_of(record: Record) -> dict[str, Digest]:
    """Digests of data, split, init, schedule, batches and weights, in this order.

    Raises
    ------
    RecordError
        As :func:`manifest_of`.
    """
    files = {layout.MANIFEST: manifest_of(record), layout.RESULT: record.result}
    found = {}
    for name, (file, *keys) in _PLACES.items():
        value = _at(files[file], *keys)
        tensors = _at(files[file], *_TENSORS[name][1:]) if name in _TENSORS else None
        found[name] = Digest(
            file,
            value if isinstance(value, str) else None,
            tensors if isinstance(tensors, dict) else {},
        )
    return found


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
