"""A gradient that has vanished (reference/schedules.md §3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.plateau import make_aftermath, usual_half_life
from lrbench.triggers.rules import (
    Rules,
    interval,
    make_rules,
    require,
    require_count,
    require_finite,
    require_length,
    require_room,
)
from lrbench.triggers.smoothing import Smoother


@dataclass(frozen=True)
class GradNorm:
    """The machine of :func:`grad_norm`, everything in updates and evaluations."""

    every: int
    fraction: float
    patience: int
    reference_evaluations: int
    times_root_rate: bool
    smoother: Smoother
    rules: Rules
    after: Aftermath
    name: str = "grad_norm"
    needs: frozenset[Need] = frozenset()

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), **self._anew()}

    def _anew(self) -> dict[str, object]:
        return {"smoothed": self.smoother.start(), "levels": [], "low": 0, "heat": None}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Take the reference first, then count evaluations far below it."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, **self._anew()}, None
        if not seen.grad_norms:
            return state, None
        is_full = len(state["levels"]) == self.reference_evaluations
        if not is_full and state["heat"] is not None and seen.heat > state["heat"]:
            # The rate still rises: the reference is that of the cycle after its warmup.
            state = {**state, **self._anew()}
        factor = math.sqrt(seen.heat) if self.times_root_rate else 1.0
        norms = [norm * factor for norm in seen.grad_norms]
        smoothed, is_spike = self.smoother.fold(state["smoothed"], norms)
        state = {**state, "smoothed": smoothed, "heat": seen.heat}
        if is_spike:
            return state, None
        level, levels = smoothed["value"], state["levels"]
        if not is_full:
            return {**state, "levels": [*levels, level]}, None
        limit = self.fraction * median(levels)
        low = state["low"] + 1 if level <= limit else 0
        state = {**state, "low": low}
        if low < self.patience or not self.rules.allow(state, seen, "restart"):
            return state, None
        state = {**state, **self.rules.decided(state, seen), **self._anew()}
        return state, Decision("restart", level, limit)


def grad_norm(
    *,
    total_steps: int,
    rewarm_steps: int = 0,
    fraction: float = 0.1,
    patience: int = 5,
    reference_fraction: float = 0.1,
    times_root_rate: bool = False,
    every_steps: Steps | None = None,
    half_life_steps: Steps | None = None,
    spike_factor: float = 10.0,
    gate: float | None = 0.25,
    max_restarts: int = 3,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.25,
    peak_decay: float = 0.8,
) -> GradNorm:
    """Restart when the gradient has vanished.

    It fires at the ``patience``-th evaluation in a row at which the smoothed norm of the gradient,
    before clipping, is at most ``fraction`` times its reference: the median over the first part of
    the cycle that is looked at, once the rate no longer rises. Evaluations that are mostly spikes
    count neither way.

    With weight decay the norm settles at a multiple of ``1 / sqrt(rate)``, so that it rises while
    the rate goes to 0 and this may never fire (Defazio 2025, arXiv:2506.02285).
    ``times_root_rate`` takes that rise out, and ``snr`` does not depend on it.

    Parameters
    ----------
    fraction : float in (0, 1)
    patience : int in [1, inf), in evaluations
    reference_fraction : float in (0, 1)
        Part of the first planned cycle over which the reference is taken, in every cycle; after a
        restart it begins once the refractory period, and so the re-warmup, is over.
    times_root_rate : bool
        Whether the norm is taken times the root of the rate. Without weight decay a falling rate
        alone then makes it small: a hundredth of the peak is a tenth of the norm.
    every_steps : int or None, in updates
        Between two evaluations; None: 1/200 of the run.
    half_life_steps : int or None, in updates
        Of the average of the norm; None: 1/50 of the run, and at least one interval.
    spike_factor : float in (1, inf)
        A norm above this multiple of the average is a spike.
    gate : float in (0, 1] or None
        Restart only where the rate is at most this fraction of its cycle's peak.
    max_restarts : int in [1, inf)
    refractory_steps : int or None, in updates
    final_fraction : float in [0, 1)
        Part of the run kept for the final anneal.
    peak_decay : float in (0, 1]
        What a restart multiplies the peak by.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    References
    ----------
    reference/schedules.md §3.2; that the gradient vanishes at the end of a budget: Li, Yumer &
    Ramanan 2020 (arXiv:1905.04753).
    """
    every = interval(every_steps, total_steps)
    require(0 < fraction < 1, "fraction", "must lie in (0, 1)", fraction)
    is_part = 0 < reference_fraction < 1
    require(is_part, "reference_fraction", "must lie in (0, 1)", reference_fraction)
    require_count("patience", patience)
    require(1 < spike_factor < math.inf, "spike_factor", "must be finite and above 1", spike_factor)
    half_life = usual_half_life(every, total_steps) if half_life_steps is None else half_life_steps
    require_length("half_life", half_life, max(total_steps, 2))
    rules = make_rules(
        total_steps=total_steps,
        num_cycles=max_restarts + 1,
        every=every,
        window=half_life,
        max_restarts=max_restarts,
        gate=gate,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    reference = math.ceil(reference_fraction * (total_steps // (max_restarts + 1)) / every)
    reference = max(1, reference)
    require_room("patience", patience, reference + patience - 1, every, rules.reserve)
    return GradNorm(
        every=every,
        fraction=fraction,
        patience=patience,
        reference_evaluations=reference,
        times_root_rate=times_root_rate,
        smoother=Smoother(half_life, spike_factor, max(2 * every, half_life)),
        rules=rules,
        after=make_aftermath(peak_decay, 1.0, max_restarts + 1, final_fraction),
    )
