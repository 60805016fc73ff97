"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["wrong", "remark"]


@dataclass(frozen=True)
class Finding:
    """One thing to know about a schedule.

    Parameters
    ----------
    kind : {"wrong", "remark"}
        Wrong is what makes ``lrbench check-schedule`` end with exit code 3.
    check : str
        What was looked at, a short noun phrase ("past the end").
    text : str
        One sentence in plain words, with the step, the value and what it should be.
    source : str, optional
        Where others met it ("pytorch#47560").
    """

    kind: Kind
    check: str
    text: str
    source: str | None = None
