"""Whether a run made elsewhere is close to the one it repeats: figures, tolerances, verdicts.

Rounding differs between devices, precisions, thread counts and versions, and what differs by one
rounding drifts apart, so losses are held against each other only at the start; at the end it is the
conclusion that must hold, and its measure is how far seeds lie apart (reference/reliability.md
§3.1, level G4, and §2.1 for the drift).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lrbench.stats.aggregate import describe

FIRST_LOSS: Final = 1e-5
"""Largest relative difference of the loss of step 0: one forward pass from equal weights."""

EARLY_LOSSES: Final = 1e-3
"""Largest relative difference of the losses of the first updates."""

EARLY_UPDATES: Final = 10

LEAST_SIBLINGS: Final = 3
"""Other seeds of the arm without which nothing is said of their spread."""


@dataclass(frozen=True)
class Verdict:
    """One comparison and what was found.

    Parameters
    ----------
    what : str
        What was compared.
    tolerance : str
        What must hold, in words, with its figure.
    holds : bool or None
        None where it was not judged; ``why`` says why.
    figure, limit : float or None
        What was found, and the largest that holds; None where things are the same or are not.
    why : str
        Of what was not judged.
    """

    what: str
    tolerance: str
    holds: bool | None = None
    figure: float | None = None
    limit: float | None = None
    why: str = ""


def judge_first_loss(recorded: Sequence[float], other: Sequence[float]) -> Verdict:
    """The loss of step 0.

    Parameters
    ----------
    recorded, other : sequences of float
        Losses of the updates from step 0, of which the first is looked at.
    """
    return _judge_losses("loss of step 0", recorded[:1], other[:1], FIRST_LOSS)


def judge_early_losses(recorded: Sequence[float], other: Sequence[float]) -> Verdict:
    """The losses of the first ten updates, or of as many as both have.

    Examples
    --------
    >>> judge_early_losses([1.0, 2.0], [1.0, 2.001]).holds
    True
    >>> judge_early_losses([1.0, 2.0], [1.0, 2.004]).holds
    False
    """
    n = min(EARLY_UPDATES, len(recorded), len(other))
    what = f"losses of the first {n} updates"
    return _judge_losses(what, recorded[:n], other[:n], EARLY_LOSSES)


def judge_final(recorded: float | None, other: float | None, siblings: Sequence[float]) -> Verdict:
    """The last validation loss, against the spread over the seeds of its arm.

    Parameters
    ----------
    recorded, other : float or None
        None of a run that has none: it is unfinished, shorter, or diverged.
    siblings : sequence of float
        Those of the arm's other seeds; at least three, or nothing is judged.
    """
    what = "last val_loss"
    rule = "difference at most the standard deviation over the seeds of the arm"
    if recorded is None or other is None:
        return Verdict(what, rule, why="one of the runs has none")
    figure = abs(other - recorded)
    if len(siblings) < LEAST_SIBLINGS:
        why = f"there are {len(siblings)} other seeds of the arm, and {LEAST_SIBLINGS} are needed"
        return Verdict(what, rule, figure=figure, why=why)
    limit = describe([recorded, *siblings]).sd
    assert limit is not None
    rule = f"{rule} ({limit:.3g} over {len(siblings) + 1})"
    return Verdict(what, rule, figure <= limit, figure, limit)


def _judge_losses(
    what: str, recorded: Sequence[float], other: Sequence[float], limit: float
) -> Verdict:
    rule = f"relative difference at most {limit:g}"
    if not recorded or not other:
        return Verdict(what, rule, limit=limit, why="one of the runs has none")
    figure = max(map(_relative, recorded, other))
    return Verdict(what, rule, figure <= limit, figure, limit)


def _relative(recorded: float, other: float) -> float:
    """Distance in units of the recorded value; infinite where no number says how far it is."""
    if recorded == other or (math.isnan(recorded) and math.isnan(other)):
        return 0.0
    if recorded == 0 or not (math.isfinite(recorded) and math.isfinite(other)):
        return math.inf
    return abs(other - recorded) / abs(recorded)
