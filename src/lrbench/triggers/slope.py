"""A plateau by its slope: a loss that cannot be told from one that falls no more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.plateau import (
    RTOL,
    Watch,
    make_aftermath,
    make_smoother,
    needs_of,
    watch_interval,
    watched,
)
from lrbench.triggers.rules import (
    Rules,
    make_rules,
    require,
    require_count,
    require_finite,
    require_room,
    require_tolerance,
)
from lrbench.triggers.smoothing import Smoother, independent


@dataclass(frozen=True)
class PlateauSlope:
    """The machine of :func:`plateau_slope`, everything in updates and evaluations."""

    every: int
    watch: Watch
    evaluations: int
    rtol: float
    level: float
    action: Literal["restart", "decay"]
    smoother: Smoother
    rules: Rules
    after: Aftermath
    name: str = "plateau_slope"

    @property
    def needs(self) -> frozenset[Need]:
        """Held-out loss, where that is watched."""
        return needs_of(self.watch)

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), **self._anew()}

    def _anew(self) -> dict[str, object]:
        return {"smoothed": self.smoother.start(), "levels": []}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Fit a line to the last evaluations."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, **self._anew()}, None
        numbers = watched(self.watch, seen)
        if not numbers:
            return state, None
        smoothed, is_spike = self.smoother.fold(state["smoothed"], numbers)
        state = {**state, "smoothed": smoothed}
        if is_spike:
            return state, None
        levels = [*state["levels"], smoothed["value"]][-self.evaluations :]
        state = {**state, "levels": levels}
        if len(levels) < self.evaluations or not self.rules.allow(state, seen, self.action):
            return state, None
        slope, p = falls(levels)
        change, limit = slope * len(levels), -self.rtol * abs(levels[-1])
        if change < limit or p <= self.level:
            return state, None
        state = {**state, **self.rules.decided(state, seen), **self._anew()}
        return state, Decision(self.action, change, limit)


def plateau_slope(
    *,
    total_steps: int,
    eval_every: int,
    rewarm_steps: int = 0,
    watch: Watch = "train",
    on_plateau: Literal["restart", "decay"] = "restart",
    evaluations: int | None = None,
    rtol: float | None = None,
    level: float = 0.05,
    every_steps: Steps | None = None,
    half_life_steps: Steps | None = None,
    spike_factor: float = 3.0,
    gate: float | None = 0.1,
    max_restarts: int = 3,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.25,
    peak_decay: float = 0.8,
    decay_factor: float = 0.1,
) -> PlateauSlope:
    """Restart, or lower the rate, when a line through the last losses no longer falls.

    It fires when the least-squares line through the last ``evaluations`` falls by no more than
    ``rtol * abs(s)`` in their course, and a one-sided t-test does not show that it falls at all.
    The test counts ``n (1 - rho) / (1 + rho)`` independent evaluations of n, where rho is the
    correlation of neighbouring residuals. A constant loss fires as soon as there are enough, at
    evaluation ``evaluations - 1``, counted from 0. Evaluations that are mostly spikes are left out.

    Parameters
    ----------
    watch : "train" or "val"
    on_plateau : "restart" or "decay"
    evaluations : int in [5, inf) or None
        None: 10, and at least a quarter of the run, since noise hides a fall for some time.
    rtol : float in [0, inf) or None
        None: 1e-3 of the train loss, 1e-4 of the held-out one.
    level : float in (0, 1)
        Of the test: how seldom a loss that does not fall is said to.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    Notes
    -----
    The other settings are those of :func:`~lrbench.triggers.plateau.plateau`.

    References
    ----------
    reference/schedules.md §3.1.
    """
    every = watch_interval(watch, every_steps, total_steps, eval_every)
    if watch == "val":
        require(
            half_life_steps is None, "half_life", "must be null with watch=val", half_life_steps
        )
    rtol = RTOL[watch] if rtol is None else rtol
    require_tolerance("rtol", rtol)
    require(0 < level < 1, "level", "must lie in (0, 1)", level)
    smoother = make_smoother(watch, half_life_steps, every, spike_factor, total_steps)
    num_cycles = 1 if on_plateau == "decay" else max_restarts + 1
    rules = make_rules(
        total_steps=total_steps,
        num_cycles=num_cycles,
        every=every,
        window=math.ceil(smoother.half_life),
        max_restarts=max_restarts,
        gate=gate,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    if evaluations is None:
        evaluations = max(10, math.ceil(total_steps / 4 / every))
    require_count("evaluations", evaluations, 5)
    require_room("evaluations", evaluations, evaluations - 1, every, rules.reserve)
    return PlateauSlope(
        every=every,
        watch=watch,
        evaluations=evaluations,
        rtol=rtol,
        level=level,
        action=on_plateau,
        smoother=smoother,
        rules=rules,
        after=make_aftermath(peak_decay, decay_factor, num_cycles, final_fraction),
    )


def falls(levels: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line through ``levels``, one apart, and the p-value of its fall.

    Parameters
    ----------
    levels : sequence of length n >= 3

    Returns
    -------
    slope, p : float
        ``p`` of the one-sided t-test of "it does not fall"; small where it does.
    """
    n = len(levels)
    middle = (n - 1) / 2
    mean = levels[0] + math.fsum(x - levels[0] for x in levels) / n
    spread = n * (n * n - 1) / 12
    slope = math.fsum((i - middle) * (x - mean) for i, x in enumerate(levels)) / spread
    residuals = [x - mean - slope * (i - middle) for i, x in enumerate(levels)]
    squares = math.fsum(r * r for r in residuals)
    counted = independent(residuals)
    freedom = counted - 2
    if freedom <= 0:
        return slope, 1.0
    error = math.sqrt(squares / (n - 2) / spread * n / counted)
    if not error:
        return slope, 0.0 if slope < 0 else 1.0
    return slope, student_below(slope / error, freedom)


def student_below(t: float, freedom: float) -> float:
    """Probability that Student's t with ``freedom`` degrees, any number above 0, is below ``t``."""
    inside = t * t / (freedom + t * t)
    if inside < 0.5:
        # Near 0 the other side of the same function would be a difference of like numbers.
        tail = (1.0 - incomplete_beta(0.5, freedom / 2, inside)) / 2
    else:
        tail = incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return tail if t < 0 else 1.0 - tail


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularized incomplete beta function I_x(a, b), for a, b > 0 and x in [0, 1].

    By its continued fraction (NIST DLMF 8.17.22), evaluated from the front (Lentz), on the side of
    the mean where that converges fast.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(log_front + a * math.log(x) + b * math.log1p(-x)) / a
    value, top, bottom = 1.0, 1.0, 0.0
    for k in range(1, 1000):
        m = k // 2
        if k % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        bottom = 1.0 / (1.0 + term * bottom)
        top = 1.0 + term / top
        value *= top * bottom
        if abs(top * bottom - 1.0) < 1e-15:
            break
    return front / value
