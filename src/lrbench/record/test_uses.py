"""How often the test split of a run was looked at: a file each time, added and never changed.

Test data tell the truth once. Whoever looks, chooses by what was seen and looks again, has made
validation data of them; so every look is written down before it is shown. These files are outside
of the bit-for-bit promise, and a damaged one still counts.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lrbench.record import layout
from lrbench.record.additions import ADDITION, add
from lrbench.record.reader import UNREADABLE, read_json


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


def add_test_use(record: Path, use: TestUse) -> Path:
    """Write down a look, beside whatever the record in ``record`` holds; returns its file.

    Raises
    ------
    RecordError
        The folder of looks is none, or leads elsewhere.
    """
    return add(record / layout.TEST_USES, use.occasion, vars(use))


def occasions(record: Path) -> tuple[str, ...]:
    """When the test split was looked at with the run in ``record``; never raises.

    One whose file is damaged is known by the name of it; a folder that cannot be read is one look.
    """
    folder = f"{record}/{layout.TEST_USES}"
    if not os.path.isdir(folder):  # noqa: PTH112 - thousands of records are asked
        return ()
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return (layout.TEST_USES,)
    found = set()
    for name in names:
        if re.fullmatch(ADDITION, name, re.ASCII):
            moment = name
            with suppress(*UNREADABLE):
                moment = str(read_json(Path(folder, name))["occasion"])
            found.add(moment)
    return tuple(sorted(found))
