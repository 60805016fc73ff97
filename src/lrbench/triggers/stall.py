"""Weights that move and get nowhere (reference/schedules.md §3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.plateau import make_aftermath
from lrbench.triggers.rules import (
    Rules,
    make_rules,
    require,
    require_count,
    require_finite,
    require_length,
    require_room,
)


@dataclass(frozen=True)
class Stall:
    """The machine of :func:`stall`, everything in updates and evaluations."""

    every: int
    threshold: float
    patience: int
    action: Literal["restart", "decay"]
    rules: Rules
    after: Aftermath
    name: str = "stall"
    needs: frozenset[Need] = frozenset({"path"})

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), "low": 0}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Hold the straight way against the one walked."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, "low": 0}, None
        if seen.displacement is None or not seen.path:
            # Weights that did not move at all had no rate to move with.
            return state, None
        ratio = seen.displacement / seen.path
        low = state["low"] + 1 if ratio < self.threshold else 0
        state = {**state, "low": low}
        if low < self.patience or not self.rules.allow(state, seen, self.action):
            return state, None
        return {**state, **self.rules.decided(state, seen), "low": 0}, Decision(
            self.action, ratio, self.threshold
        )


def stall(
    *,
    total_steps: int,
    rewarm_steps: int = 0,
    on_stall: Literal["restart", "decay"] = "restart",
    threshold: float | None = None,
    patience: int = 2,
    window_steps: Steps | None = None,
    gate: float | None = 0.1,
    max_restarts: int = 3,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.25,
    peak_decay: float = 0.8,
    decay_factor: float = 0.1,
) -> Stall:
    """Restart, or lower the rate, when the weights walk far and get nowhere.

    The statistic is the straight distance over the length of the way in a window: 1 on a straight
    line, about ``1 / sqrt(n)`` for n independent updates, less where they take each other back. It
    fires at the ``patience``-th window in a row that is below ``threshold``; the length of the way
    is in it, so a large update alone is no stall.

    Momentum makes neighbouring updates alike: with m of it even noise alone comes to about
    ``sqrt((1 + m) / ((1 - m) * n))``, 4.4 times as much for 0.9, and the trigger fires only where
    windows are long, where weights are driven back, or with a threshold of that size.

    Parameters
    ----------
    on_stall : "restart" or "decay"
    threshold : float in (0, 1) or None
        None: 0.05, and in windows of fewer than 400 updates ``1 / sqrt(n)``, since no number of
        independent updates is below 0.05 there.
    patience : int in [1, inf), in windows
    window_steps : int or None, in updates
        None: 1/20 of the run.
    gate : float in (0, 1] or None
        Restart only where the rate is at most this fraction of its cycle's peak.
    max_restarts : int in [1, inf)
        Where there are decays only, of those.
    refractory_steps : int or None, in updates
    final_fraction : float in [0, 1)
        Part of the run kept for the final anneal.
    peak_decay, decay_factor : float in (0, 1]
        What a restart multiplies the peak by, and a decay the rate.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    References
    ----------
    reference/schedules.md §3.2.
    """
    every = max(2, total_steps // 20) if window_steps is None else window_steps
    require(every >= 2, "window", "must be at least 2 steps", every)
    require_length("window", every, total_steps)
    threshold = usual_threshold(every) if threshold is None else threshold
    require(0 < threshold < 1, "threshold", "must lie in (0, 1)", threshold)
    require_count("patience", patience)
    num_cycles = 1 if on_stall == "decay" else max_restarts + 1
    rules = make_rules(
        total_steps=total_steps,
        num_cycles=num_cycles,
        every=every,
        window=every,
        max_restarts=max_restarts,
        gate=gate,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    require_room("patience", patience, patience - 1, every, rules.reserve)
    return Stall(
        every=every,
        threshold=threshold,
        patience=patience,
        action=on_stall,
        rules=rules,
        after=make_aftermath(peak_decay, decay_factor, num_cycles, final_fraction),
    )


def usual_threshold(window: int) -> float:
    """What a straight distance over a way of ``window`` updates is below in a stall."""
    return max(0.05, 1 / math.sqrt(window))
