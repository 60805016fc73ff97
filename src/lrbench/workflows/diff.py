"""Two records side by side: settings, environments, digests, and what differs first in the logs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import ConfigError, DamageError, RecordError, nearest
from lrbench.record import layout
from lrbench.record.comparison.changes import Change, differing_environment, differing_settings
from lrbench.record.comparison.difference import Difference, first_difference_in_logs
from lrbench.record.comparison.digests import digests_of, manifest_of
from lrbench.record.comparison.parting import columns_of, parting
from lrbench.record.files import digest_file
from lrbench.record.reader import Record, Status, find_records, read_record


@dataclass(frozen=True)
class Compared:
    """The digest of one thing in both records.

    Parameters
    ----------
    name : str
        ``data``, ``split``, ``init``, ``schedule``, ``batches``, ``weights``, or the name of a log.
    first, second : str or None
        None where it is not recorded. Of a log of a run that is not finished, of its bytes so far.
    is_same : bool or None
        None where one or both are not recorded.
    tensor : str or None
        The first tensor that differs, where one is known.
    """

    name: str
    first: str | None
    second: str | None
    is_same: bool | None
    tensor: str | None = None


@dataclass(frozen=True)
class Comparison:
    """What ``lrbench diff`` answers, as plain data.

    Parameters
    ----------
    first, second : Record
    settings, environment : tuple of Change
    digests : tuple of Compared
    difference : Difference or None
        The first one in the logs.
    absent : tuple of str
        What cannot be compared because it is not there, in words.
    """

    first: Record
    second: Record
    settings: tuple[Change, ...]
    environment: tuple[Change, ...]
    digests: tuple[Compared, ...]
    difference: Difference | None
    absent: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether settings and all that is promised are the same; environments may differ."""
        return not self.settings and all(
            one.is_same or one.first is one.second is None for one in self.digests
        )


def diff(first: Path, second: Path) -> Comparison:
    """Compare two records, finished or not; nothing in them is run or imported.

    Parameters
    ----------
    first, second : Path
        Folders of records.

    Raises
    ------
    ConfigError
        One of them is no record, or holds nothing yet.
    DamageError
        A file of one of them is not as it was written.
    """
    records = _read(first), _read(second)
    try:
        return _compare(*records)
    except RecordError as error:
        raise DamageError(error.problems) from error
    except OSError as error:
        relation = f"must be readable ({error.strerror})"
        raise DamageError(relation, key=str(error.filename)) from error
    except RecursionError:
        relation = "must not be nested this deeply in one of the records"
        raise DamageError(relation, key=layout.MANIFEST) from None


def _compare(first: Record, second: Record) -> Comparison:
    manifests = manifest_of(first), manifest_of(second)
    absent = [
        f"{which} has no {layout.MANIFEST} yet"
        for which, manifest in zip(("the first", "the second"), manifests, strict=True)
        if not manifest
    ]
    # The bytes of the logs are checked here, before any line of them is read.
    digests = (*_compare_digests(first, second), *_compare_logs(first, second))
    return Comparison(
        first,
        second,
        settings=differing_settings(first.spec, second.spec),
        environment=() if absent else differing_environment(*manifests),
        digests=digests,
        difference=first_difference_in_logs(first, second),
        absent=tuple(absent),
    )


def _compare_digests(first: Record, second: Record) -> list[Compared]:
    ours, theirs = digests_of(first), digests_of(second)
    rows = []
    for name, one in ours.items():
        other = theirs[name]
        is_known = one.value is not None and other.value is not None
        is_same = one.value == other.value if is_known else None
        tensor = one.first_different_tensor(other) if is_same is False else None
        rows.append(Compared(name, one.value, other.value, is_same, tensor))
    return rows


def _compare_logs(first: Record, second: Record) -> list[Compared]:
    rows = []
    for log in layout.ALL_LOGS:
        ours, theirs = _digest_of_log(first, log), _digest_of_log(second, log)
        if log in layout.MORE_LOGS and ours is None and theirs is None:
            continue
        is_same: bool | None = None
        if ours is not None and theirs is not None:
            # Where a run was killed, half a line may follow that is no part of the log.
            is_same = ours == theirs or _is_same_log(first.path / log, second.path / log)
        rows.append(Compared(log, ours, theirs, is_same))
    return rows


def _is_same_log(first: Path, second: Path) -> bool:
    return columns_of(first) == columns_of(second) and parting(first, second) is None


def _digest_of_log(record: Record, log: str) -> str | None:
    path = record.path / log
    if not record.status.is_finished:
        return digest_file(path) if path.exists() else None
    stated = record.result["logs"].get(log)
    if stated is None:  # a run with nothing to say in it
        return None
    digest = digest_file(path)
    if digest != stated.get("sha256"):
        raise RecordError("must have the digest its closing file states", key=str(path))
    return digest


def _read(path: Path) -> Record:
    # A record is known by its folder's name, which "." and a link to it do not show.
    folder = Path(os.path.realpath(path))
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir() raises for a name that is too long
        relation = "must be the folder of a record" if os.path.exists(folder) else "must exist"  # noqa: PTH110
        raise ConfigError(relation, key=str(path), remedy=_remedy(folder))
    try:
        is_record = next(iter(find_records(folder)), None) == folder
    except OSError as error:
        relation = f"must be readable ({error.strerror})"
        raise ConfigError(relation, key=str(path)) from None
    if not is_record:
        raise ConfigError("must be the folder of a record", key=str(path), remedy=_remedy(folder))
    record = read_record(folder)
    if record.status is Status.CORRUPT:
        raise DamageError(f"is damaged: {record.reason}", key=str(path))
    if not record.spec:
        relation = "must hold more than the lock of a run that has not begun"
        raise ConfigError(relation, key=str(path))
    return record


def _remedy(folder: Path) -> str:
    """Records that are there, for one that is not."""
    around = folder if os.path.isdir(folder) else folder.parent  # noqa: PTH112
    names: list[str] = []
    if os.path.isdir(around):  # noqa: PTH112
        names = [path.name for path in find_records(around) if path != folder]
    if len(names) == 1 and around == folder.parent and folder.is_file():
        return f"lrbench diff {os.path.relpath(around)} RUN"
    close = nearest(folder.name, names)
    if close:
        return f"lrbench diff {os.path.relpath(around / close)} RUN"
    if len(names) > 1:
        return " ".join(["lrbench diff", *(os.path.relpath(around / n) for n in names[:2])])
    return "lrbench diff results/RUN results/RUN, with the folders that lrbench run named"
