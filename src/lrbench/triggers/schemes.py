"""Momentum that leads uphill: the schemes of O'Donoghue & Candès (reference/schedules.md §3.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.rules import (
    Rules,
    make_rules,
    require,
    require_count,
    require_finite,
    require_length,
    require_room,
    require_tolerance,
)
from lrbench.triggers.smoothing import independent, mean_and_variance


@dataclass(frozen=True)
class FunctionScheme:
    """The machine of :func:`function_scheme`, everything in updates and windows."""

    every: int
    rtol: float
    margin: float
    consecutive: int
    spike_factor: float
    is_by_update: bool
    rules: Rules
    after: Aftermath
    name: str = "function_scheme"
    needs: frozenset[Need] = frozenset()

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), "before": None, "variance": 0.0, "rises": 0}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Hold the mean of a window against that of the one before."""
        require_finite(seen)
        if not seen.train_losses:
            return state, None
        if self.rules.is_settling(state, seen.step, self.every):
            # The update that led to a loss right after a reset was made before it.
            before = seen.train_losses[-1] if self.is_by_update else None
            return {**state, "before": before, "variance": 0.0, "rises": 0}, None
        before = state["before"]
        losses = self._believed(seen.train_losses, before)
        mean, variance = mean_and_variance(losses)
        limit, rises = math.inf, 0
        if before is not None:
            noise = self.margin * math.sqrt(variance + state["variance"])
            limit = before + max(self.rtol * abs(before), noise)
            rises = state["rises"] + 1 if mean > limit else 0
        state = {**state, "before": mean, "variance": variance, "rises": rises}
        if rises < self.consecutive or not self.rules.allow(state, seen, "reset"):
            return state, None
        state = {**state, **self.rules.decided(state, seen), "rises": 0}
        return state, Decision("reset", mean, limit)

    def _believed(self, losses: Sequence[float], before: float | None) -> Sequence[float]:
        """Without spikes; a window that is mostly above them is no spike but a rise."""
        if before is None or len(losses) == 1:
            return losses
        most = before + (self.spike_factor - 1) * abs(before)
        low = [loss for loss in losses if loss <= most]
        return low if 2 * len(low) > len(losses) else losses


@dataclass(frozen=True)
class GradientScheme:
    """The machine of :func:`gradient_scheme`, everything in updates and windows."""

    every: int
    margin: float
    consecutive: int
    rules: Rules
    after: Aftermath
    name: str = "gradient_scheme"
    needs: frozenset[Need] = frozenset({"cosine"})

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), "against": 0}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Hold the mean cosine of a window against what noise could make of none."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, "against": 0}, None
        cosines = [cosine for cosine in seen.cosines if cosine is not None]
        if not cosines:
            return {**state, "against": 0}, None
        mean = math.fsum(cosines) / len(cosines)
        limit = -self.margin / math.sqrt(independent([c - mean for c in cosines]))
        against = state["against"] + 1 if mean < limit else 0
        state = {**state, "against": against}
        if against < self.consecutive or not self.rules.allow(state, seen, "reset"):
            return state, None
        state = {**state, **self.rules.decided(state, seen), "against": 0}
        return state, Decision("reset", mean, limit)


def function_scheme(
    *,
    total_steps: int,
    rewarm_steps: int = 0,
    deterministic: bool = False,
    window_steps: Steps | None = None,
    rtol: float = 1e-3,
    margin: float = 2.0,
    consecutive: int = 2,
    spike_factor: float = 3.0,
    max_restarts: int = 20,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.0,
) -> FunctionScheme:
    """Reset the momentum when the loss has risen; the rate goes on as it would.

    The mean train loss of a window is held against that of the window before. A rise is one by more
    than ``rtol`` of it and by more than ``margin`` standard errors of the difference, since half of
    all windows of a loss that does not change lie above the one before. It fires at the
    ``consecutive``-th rise in a row. Single losses above ``spike_factor`` times the mean before are
    left out.

    Parameters
    ----------
    deterministic : bool
        For full batches: every update is a window, and any rise of the loss fires; the loss after a
        reset is only what the next is held against, as the update that led there was made before
        it. The settings of windows and margins then have no effect.
    window_steps : int or None, in updates
        None: 1/20 of the run; an epoch is a good choice too.
    rtol : float in [0, inf)
    margin : float in [0, inf), in standard errors
        Neighbouring losses that are alike count as fewer.
    consecutive : int in [1, inf), in windows
    spike_factor : float in (1, inf)
    max_restarts : int in [1, inf)
        Most resets.
    refractory_steps : int or None, in updates
    final_fraction : float in [0, 1)
        Part of the run without resets, in which the rate is annealed to 0; 0 leaves the schedule as
        it is.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    References
    ----------
    O'Donoghue & Candès 2015 (arXiv:1204.3982), §3.2; windows: reference/schedules.md §3.3.
    """
    require_tolerance("rtol", rtol)
    require(1 < spike_factor < math.inf, "spike_factor", "must be finite and above 1", spike_factor)
    every, rules = _windows(
        1 if deterministic else None,
        window_steps,
        max(1, total_steps // 20),
        1,
        margin,
        consecutive,
        total_steps=total_steps,
        max_restarts=max_restarts,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    return FunctionScheme(
        every=every,
        rtol=0.0 if deterministic else rtol,
        margin=0.0 if deterministic else margin,
        consecutive=1 if deterministic else consecutive,
        spike_factor=spike_factor,
        is_by_update=deterministic,
        rules=rules,
        after=Aftermath(1.0, 1.0, 1, final_fraction, only_resets=True),
    )


def gradient_scheme(
    *,
    total_steps: int,
    rewarm_steps: int = 0,
    deterministic: bool = False,
    window_steps: Steps | None = None,
    margin: float = 2.0,
    consecutive: int = 2,
    max_restarts: int = 20,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.0,
) -> GradientScheme:
    """Reset the momentum when it leads uphill; the rate goes on as it would.

    The statistic is the mean cosine between gradient and momentum buffer, before each update of a
    window; above 0 the momentum leads downhill. It fires at the ``consecutive``-th window in a row
    below ``-margin / sqrt(n)``, where n counts the independent cosines of the window: in the noise
    of a plateau the mean is a little below 0 by itself. A single cosine moves the mean by no more
    than 2 / n, so there are no spikes to leave out.

    Parameters
    ----------
    deterministic : bool
        For full batches: every update is a window, and any cosine below 0 fires. The settings of
        windows and margins then have no effect.
    window_steps : int or None, in updates
        More than ``margin**2``. None: 1/50 of the run, at least 20.
    margin : float in [0, inf)
    consecutive : int in [1, inf), in windows
    max_restarts : int in [1, inf)
        Most resets.
    refractory_steps : int or None, in updates
    final_fraction : float in [0, 1)
        Part of the run without resets, in which the rate is annealed to 0; 0 leaves the schedule as
        it is.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    References
    ----------
    O'Donoghue & Candès 2015 (arXiv:1204.3982), §3.2; windows: reference/schedules.md §3.3.
    """
    every, rules = _windows(
        0 if deterministic else None,
        window_steps,
        max(20, total_steps // 50),
        0,
        margin,
        consecutive,
        total_steps=total_steps,
        max_restarts=max_restarts,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    if not deterministic:
        least = math.floor(margin**2) + 1
        relation = f"must be longer than margin**2 ({least} steps or more): no cosine is below -1"
        require(margin**2 < every, "window", relation, every, f".window={least}")
    return GradientScheme(
        every=every,
        margin=0.0 if deterministic else margin,
        consecutive=1 if deterministic else consecutive,
        rules=rules,
        after=Aftermath(1.0, 1.0, 1, final_fraction, only_resets=True),
    )


def _windows(
    settling: int | None,
    window_steps: int | None,
    usual_window: int,
    unjudged: int,
    margin: float,
    consecutive: int,
    *,
    total_steps: int,
    max_restarts: int,
    refractory_steps: int | None,
    rewarm_steps: int,
    final_fraction: float,
) -> tuple[int, Rules]:
    """The interval and the rules of both schemes; ``unjudged`` windows come before the first.

    ``settling`` updates after a reset are not looked at where every update is a window; None: there
    are windows of several.
    """
    require_tolerance("margin", margin)
    require_count("consecutive", consecutive)
    if settling is not None:
        relation = "must be null with deterministic=true"
        require(window_steps is None, "window", relation, window_steps)
        require(refractory_steps is None, "refractory", relation, refractory_steps)
        window, refractory_steps = 1, settling
    else:
        window = usual_window if window_steps is None else window_steps
        require_length("window", window, total_steps)
    rules = make_rules(
        total_steps=total_steps,
        num_cycles=1,
        every=window,
        window=window if settling is None else 0,
        max_restarts=max_restarts,
        gate=None,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps if settling is None else 0,
        final_fraction=final_fraction,
    )
    if settling is None:
        last = consecutive - 1 + unjudged
        require_room("consecutive", consecutive, last, window, rules.reserve)
    return window, rules
