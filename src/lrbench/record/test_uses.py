"""How often the test split of a run was looked at: a file each time, added and never changed.

Test data tell the truth once. Whoever looks, chooses by what was seen and looks again, has made
validation data of them; so every look is written down before it is shown. These files are outside
of the bit-for-bit promise. Each is sealed and named by its time and its seal: writers need no lock,
and a damaged one still counts.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.files import claim_folder, replace_file
from lrbench.record.reader import UNREADABLE, read_json
from lrbench.spec.canonical import pretty, sealed

USE_FILE: Final = r"\d{8}T\d{9}Z-[0-9a-f]{8}\.json"
"""The name of a use, as a regular expression: UTC to the millisecond, start of its digest."""


@dataclass(frozen=True)
class TestUse:
    """One look at the test split with the final weights of a run.

    Parameters
    ----------
    occasion : str
        When the command was given that looked: UTC, ISO 8601. Runs looked at together share it.
    loss : float or None
        Mean over the test samples; None where it is not finite.
    accuracy : float or None
        None where it is no classification.
    samples : int
    weights_digest : str
        Of the weights that were evaluated.
    """

    __test__ = False  # no test of pytest's

    occasion: str
    loss: float | None
    accuracy: float | None
    samples: int
    weights_digest: str


def now() -> str:
    """This moment, as an occasion states it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def add_test_use(record: Path, use: TestUse) -> Path:
    """Write down a look, beside whatever the record in ``record`` holds; returns its file.

    Raises
    ------
    RecordError
        The folder of looks is none, or leads elsewhere.
    """
    folder = record / layout.TEST_USES
    if folder.is_symlink():
        raise RecordError("must be a folder, not a link", key=str(folder))
    claim_folder(folder)
    content: dict[str, Any] = sealed(dict(vars(use)))
    moment = datetime.fromisoformat(use.occasion).astimezone(UTC)
    stamp = f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"
    path = folder / f"{stamp}-{content['digest'][:8]}.json"
    replace_file(path, pretty(content).encode())
    return path


def occasions(record: Path) -> tuple[str, ...]:
    """When the test split was looked at with the run in ``record``; never raises.

    One whose file is damaged is known by the name of it.
    """
    folder = f"{record}/{layout.TEST_USES}"
    if not os.path.isdir(folder):  # noqa: PTH112 - thousands of records are asked
        return ()
    found = set()
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        if re.fullmatch(USE_FILE, name, re.ASCII):
            moment = name
            with suppress(*UNREADABLE):
                moment = str(read_json(Path(folder, name))["occasion"])
            found.add(moment)
    return tuple(sorted(found))
