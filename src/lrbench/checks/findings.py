"""What a check found, and how it is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

Kind = Literal["wrong", "remark"]
S = TypeVar("S")


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


def heard(probe: Callable[[S], Iterable[Finding]], subject: S) -> list[Finding]:
    """What a probe finds; what it raises, which is the doing of the schedule, is a finding too."""
    findings: list[Finding] = []
    try:
        findings.extend(probe(subject))
    except (Exception, SystemExit) as error:
        check = probe.__name__.replace("_", " ")
        text = f"looking at {check!r} raised {type(error).__name__}: {error}"
        findings.append(Finding("wrong", check, text))
    return findings


def show(rate: float) -> str:
    """A rate as the texts give it."""
    return f"{rate:.4g}"


def show_apart(rate: float, other: float) -> tuple[str, str]:
    """Two rates that differ, with as many digits as it takes to see it."""
    pairs = ((f"{rate:.{digits}g}", f"{other:.{digits}g}") for digits in range(4, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), (repr(rate), repr(other)))
