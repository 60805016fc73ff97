"""A gradient that is lost in its noise (reference/schedules.md §3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.plateau import make_aftermath
from lrbench.triggers.rules import (
    Rules,
    interval,
    make_rules,
    require_count,
    require_finite,
    require_length,
    require_positive,
    require_room,
)
from lrbench.triggers.smoothing import Smoother


@dataclass(frozen=True)
class Snr:
    """The machine of :func:`snr`, everything in updates and evaluations."""

    every: int
    batch_size: int
    noise_ratio: float
    patience: int
    warmup: int
    action: Literal["restart", "decay"]
    smoother: Smoother
    rules: Rules
    after: Aftermath
    name: str = "snr"
    needs: frozenset[Need] = frozenset({"noise"})

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), **self._anew()}

    def _anew(self) -> dict[str, object]:
        empty = self.smoother.start()
        return {"square": empty, "trace": empty, "seen": 0, "low": 0}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Average signal and noise apart, and count evaluations at which noise is all there is."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, **self._anew()}, None
        if seen.gradient_square is None or seen.gradient_trace is None:
            return state, None
        # The ratio of the averages: an average of ratios would be ruled by the smallest divisors.
        square, high_square = self.smoother.fold(state["square"], [seen.gradient_square])
        trace, high_trace = self.smoother.fold(state["trace"], [seen.gradient_trace])
        state = {**state, "square": square, "trace": trace, "seen": state["seen"] + 1}
        noise = trace["value"]
        if high_square or high_trace or state["seen"] < self.warmup or noise <= 0:
            return state, None
        ratio, limit = self.batch_size * square["value"] / noise, 1.0 / self.noise_ratio
        low = state["low"] + 1 if ratio < limit else 0
        state = {**state, "low": low}
        if low < self.patience or not self.rules.allow(state, seen, self.action):
            return state, None
        state = {**state, **self.rules.decided(state, seen), **self._anew()}
        return state, Decision(self.action, ratio, limit)


def snr(
    *,
    total_steps: int,
    batch_size: int,
    rewarm_steps: int = 0,
    on_noise: Literal["restart", "decay"] = "decay",
    noise_ratio: float = 20.0,
    patience: int = 5,
    every_steps: Steps | None = None,
    half_life_steps: Steps | None = None,
    spike_factor: float = 10.0,
    gate: float | None = 0.1,
    max_restarts: int = 3,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.25,
    peak_decay: float = 0.8,
    decay_factor: float = 0.1,
) -> Snr:
    """Lower the rate, or restart, when the gradient is lost in the noise of the batch.

    The statistic is ``batch_size * G2 / S``, where G2 is the smoothed estimate of the squared norm
    of the true gradient and S that of the trace of one sample's covariance: the batch size over the
    noise scale. It fires at the ``patience``-th evaluation in a row at which that is below
    ``1 / noise_ratio``: the noise scale is more than ``noise_ratio`` batches. An evaluation with an
    outlier counts neither way.

    Parameters
    ----------
    on_noise : "restart" or "decay"
        A lower rate averages over more samples, as a larger batch does.
    noise_ratio : float in (0, inf)
    patience : int in [1, inf), in evaluations
    every_steps : int or None, in updates
        Between two evaluations; None: 1/200 of the run.
    half_life_steps : int or None, in updates
        Of both averages; None: five intervals. Nothing is decided before so long.
    spike_factor : float in (1, inf)
        An estimate above this multiple of its average is an outlier.
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
    reference/schedules.md §3.2 and §6; McCandlish et al. 2018 (arXiv:1812.06162), appendix A.
    """
    every = interval(every_steps, total_steps)
    require_positive("noise_ratio", noise_ratio)
    require_count("patience", patience)
    half_life = 5 * every if half_life_steps is None else half_life_steps
    if half_life_steps is not None:
        require_length("half_life", half_life, max(total_steps, 2))
    evaluations = half_life / every
    num_cycles = 1 if on_noise == "decay" else max_restarts + 1
    rules = make_rules(
        total_steps=total_steps,
        num_cycles=num_cycles,
        every=every,
        window=half_life,
        max_restarts=max_restarts,
        gate=gate,
        refractory_steps=refractory_steps,
        rewarm_steps=rewarm_steps,
        final_fraction=final_fraction,
    )
    warmup = math.ceil(evaluations)
    require_room("patience", patience, warmup + patience - 2, every, rules.reserve)
    return Snr(
        every=every,
        batch_size=batch_size,
        noise_ratio=noise_ratio,
        patience=patience,
        warmup=warmup,
        action=on_noise,
        smoother=Smoother(evaluations, spike_factor, 2),
        rules=rules,
        after=make_aftermath(peak_decay, decay_factor, num_cycles, final_fraction),
    )
