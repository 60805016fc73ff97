"""What the restarts of a run did, or of the runs of an arm, in one sentence.

It says what was measured, and never that a restart helped: that is a question to its twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lrbench.report.escapes import printable
from lrbench.report.restarts.ledger import Row
from lrbench.report.restarts.measures import Show, has_risen, share, whole
from lrbench.restarts.policy import PRESETS

_USUAL = next(iter(PRESETS))
"""What a restart does to the optimizer's state where nothing else is asked: nothing."""


def in_words(runs: Sequence[Sequence[Row]]) -> str:
    """One sentence on all restarts of these runs, without its full stop.

    Parameters
    ----------
    runs : sequence of the rows of a ledger each
        Empty ones too.

    Returns
    -------
    str
        Empty where there is no restart.
    """
    rows = [row for run in runs for row in run]
    if not rows:
        return ""
    parts = [f"{_how_many(runs)}{_how(rows)}"]
    if told := _loss(rows):
        parts.append(told)
    if told := _validation(rows):
        parts.append(told)
    return "; ".join(parts)


def _how_many(runs: Sequence[Sequence[Row]]) -> str:
    counts = sorted({len(run) for run in runs})
    many = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    told = f"{many} restart{'' if counts == [1] else 's'}"
    return told if len(runs) == 1 else f"{told} in each of {len(runs)} runs"


def _how(rows: Sequence[Row]) -> str:
    causes = sorted({str(row["cause"]) for row in rows} - {"schedule"})
    policies = sorted({str(row["policy"]) for row in rows if row.get("policy")} - {_USUAL})
    steps = sorted({row["step"] for row in rows})
    told = [f"after {_list(steps)} updates"] if len(steps) <= 4 else []
    told += [f"by {' and '.join(map(printable, causes))}"] if causes else []
    told += [f"state {' and '.join(map(printable, policies))}"] if policies else []
    return f" ({', '.join(told)})" if told else ""


def _loss(rows: Sequence[Row]) -> str:
    known = [row for row in rows if row.get("spike") is not None]
    risen = [row for row in known if has_risen(row)]
    if not known:
        return ""
    if not risen:
        return "training loss never rose above its level before"
    told = f"training loss rose after {_of(len(risen), len(known))}{_by(risen)}"
    times = [row["recovery_steps"] for row in risen if row.get("recovery_steps") is not None]
    never = len(risen) - len(times)
    if times:
        told += f", back after {_range(times, whole)} updates"
    if never:
        told += f"{',' if not times else ' and'} not back within its cycle"
        told += f" after {_of(never, len(risen))}" if times else ""
    return told


def _by(risen: Sequence[Row]) -> str:
    shares = [row["spike_relative"] for row in risen if row.get("spike_relative") is not None]
    return f" by {_range(shares, share)}" if shares else ""


def _validation(rows: Sequence[Row]) -> str:
    gains = [row["gain"] for row in rows if row.get("gain") is not None]
    if not gains:
        return ""
    lower = sum(gain > 0 for gain in gains)
    told = "validation loss at the end of the cycle lower than before"
    return f"{told} for {_of(lower, len(gains))}"


def _of(some: int, every: int) -> str:
    if every == 1:
        return "it" if some else "none"
    return f"all {every}" if some == every else f"{some or 'none'} of {every}"


def _range(values: Sequence[Any], show: Show) -> str:
    least, most = show(min(values)), show(max(values))
    return least if least == most else f"{least} to {most}"


def _list(items: Sequence[Any]) -> str:
    *first, last = map(whole, items)
    return f"{', '.join(first)} and {last}" if first else last
