"""What holds for every trigger: when it may decide, and what it refuses to look at.

After a decision there is a refractory period: what lies in it, the transient of a restart, is not
looked at, and every statistic begins anew behind it. Restarts are counted against a cap, are
decided only where the rate is low (at a high one a plateau asks for a decay), and never in the part
of the run that is kept for the final anneal (reference/schedules.md §3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from lrbench.errors import TriggerError
from lrbench.triggers.base import Action, Observation, State

EVALUATIONS = 200
"""Observations of the train statistics in a run, where nothing else is asked for."""

SHORTEST_SETTLING = 20
"""Updates; a restart's transient is looked at for as long as its smoothing window is (§2.4)."""

_ROUNDING = 1 + 1e-9
"""A rate decayed to the gate is at it, whatever the last bits of the product say."""


@dataclass(frozen=True)
class Rules:
    """When a decision is allowed.

    Parameters
    ----------
    refractory : int in [0, inf), in updates
        From a decision to where the trigger looks again.
    max_restarts : int in [1, inf)
        Most decisions of the kind that is counted.
    gate : float in (0, 1] or None
        Restarts only where the rate is at most this fraction of its cycle's peak; None: anywhere.
    reserve : int
        First update of the final anneal: no decision from there on.
    total_steps : int
        Length of the run, in which every later cycle must find room too.
    """

    refractory: int
    max_restarts: int
    gate: float | None
    reserve: int
    total_steps: int

    def start(self) -> dict[str, int | None]:
        """No decision yet."""
        return {"fired": 0, "last": None}

    def is_settling(self, state: State, step: int, every: int) -> bool:
        """Whether some of the ``every`` updates before ``step`` lie in the refractory period."""
        last = state["last"]
        return last is not None and step - every < last + self.refractory

    def allow(
        self, state: State, seen: Observation, action: Action, *, counts: bool = True
    ) -> bool:
        """Whether ``action`` may be decided now; ``counts`` says whether the cap is for it."""
        if seen.step >= self.reserve or (counts and state["fired"] >= self.max_restarts):
            return False
        if action != "restart":
            return True
        has_room = self.total_steps - seen.step >= self.max_restarts - state["fired"]
        return has_room and (self.gate is None or seen.heat <= self.gate * _ROUNDING)

    def decided(self, state: State, seen: Observation, *, counts: bool = True) -> dict[str, int]:
        """The part of the state that remembers decisions, after one."""
        return {"fired": state["fired"] + int(counts), "last": seen.step}


def make_rules(
    *,
    total_steps: int,
    num_cycles: int,
    every: int,
    window: int,
    max_restarts: int,
    gate: float | None,
    refractory_steps: int | None,
    rewarm_steps: int,
    final_fraction: float,
) -> Rules:
    """The rules of a run.

    Parameters
    ----------
    window : int in [0, inf), in updates
        What the trigger smooths over, which must not reach back over a decision.
    refractory_steps : int or None
        None: the re-warmup, and behind it two observations or the smoothing window of the restart's
        own metrics, whichever is longest.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or the refractory period is too short or too long.
    """
    require(max_restarts >= 1, "max_restarts", "must be at least 1", max_restarts)
    require(0 <= final_fraction < 1, "final_fraction", "must lie in [0, 1)", final_fraction)
    if gate is not None:
        require(0 < gate <= 1, "gate", "must lie in (0, 1], or be null", gate)
    relation = f"must leave every cycle an update of the run ({total_steps} steps)"
    require(num_cycles <= total_steps, "max_restarts", relation, max_restarts)
    # The fraction is taken for the decimal it is written as, as the schedule does.
    reserve = math.ceil((1 - Fraction(str(final_fraction))) * total_steps)
    shortest = rewarm_steps + window
    if refractory_steps is None:
        transient = max(SHORTEST_SETTLING, math.ceil(total_steps / num_cycles / 20))
        refractory_steps = rewarm_steps + max(window, 2 * every, transient)
    else:
        relation = f"must be at least the re-warmup and the window ({shortest} steps)"
        remedy = f".refractory={shortest}"
        require(refractory_steps >= shortest, "refractory", relation, refractory_steps, remedy)
        relation = f"must be shorter than the run before its final anneal ({reserve} steps)"
        require(refractory_steps < reserve, "refractory", relation, refractory_steps)
    return Rules(refractory_steps, max_restarts, gate, reserve, total_steps)


def interval(every_steps: int | None, total_steps: int) -> int:
    """Updates between two observations of train statistics."""
    if every_steps is None:
        return max(1, total_steps // EVALUATIONS)
    require_length("every", every_steps, total_steps)
    return every_steps


def require(holds: bool, key: str, relation: str, got: object, remedy: str | None = None) -> None:
    """Raise :class:`TriggerError` unless the relation holds. Nothing is ever clamped."""
    if not holds:
        raise TriggerError(relation, key=key, got=got, remedy=remedy)


def require_length(key: str, steps: int, total_steps: int) -> None:
    """A length in updates must be at least one, and shorter than the run."""
    require(steps >= 1, key, "must be at least 1 step", steps)
    relation = f"must be shorter than the run ({total_steps} steps)"
    require(steps < total_steps, key, relation, steps, f".{key}=5%")


def require_room(key: str, count: int, last: int, every: int, reserve: int) -> None:
    """``count`` evaluations, the last of them with index ``last``, must fit before the reserve."""
    step = (last + 1) * every
    relation = (
        f"must end before the final anneal at step {reserve}: it ends at step {step}, "
        f"an evaluation every {every} step{'s' if every > 1 else ''}"
    )
    most = (reserve - 1) // every - 1 + count - last
    require(step < reserve, key, relation, count, f".{key}={most}" if most >= 1 else None)


def require_factor(key: str, value: float) -> None:
    """A multiplier of rates must lie in (0, 1]."""
    require(0 < value <= 1, key, "must lie in (0, 1]", value)


def require_tolerance(key: str, value: float) -> None:
    """A tolerance must be finite and not negative."""
    require(0 <= value < math.inf, key, "must be finite and not negative", value)


def require_positive(key: str, value: float) -> None:
    """A number must be finite and above 0."""
    require(0 < value < math.inf, key, "must be finite and above 0", value)


def require_count(key: str, value: int, least: int = 1) -> None:
    """A number of evaluations must be at least ``least``."""
    require(value >= least, key, f"must be at least {least}", value)


def require_finite(seen: Observation) -> None:
    """Refuse a run that has diverged.

    Raises
    ------
    ValueError
        Something observed is not finite.
    """
    for name, value in _numbers(seen):
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} is {value} before step {seen.step}: the run has diverged")


def _numbers(seen: Observation) -> Iterator[tuple[str, float | None]]:
    yield "heat", seen.heat
    for name in ("train_losses", "grad_norms", "cosines"):
        for value in getattr(seen, name):
            yield name, value
    for name in ("val_loss", "displacement", "path", "gradient_square", "gradient_trace"):
        yield name, getattr(seen, name)
