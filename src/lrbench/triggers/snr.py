"""A gradient that is lost in its noise (reference/schedules.md §3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lrbench.triggers.base import Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.plateau import make_aftermath
from lrbench.triggers.rules import (
    Rules,
    interval,
    make_rules,
    require,
    require_count,
    require_finite,
    require_length,
    require_positive,
    require_room,
    require_tolerance,
)
from lrbench.triggers.smoothing import Smoother

SCALE = 5.0
"""Evaluations after which the weight of a trace in the unit of the next ones is halved."""


@dataclass(frozen=True)
class Snr:
    """The machine of :func:`snr`, everything in updates and evaluations."""

    every: int
    batch_size: int
    noise_ratio: float
    margin: float
    patience: int
    warmup: int
    action: Literal["restart", "decay"]
    gain: float
    scale: Smoother
    rules: Rules
    after: Aftermath
    name: str = "snr"
    needs: frozenset[Need] = frozenset({"noise"})

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), **self._anew()}

    def _anew(self) -> dict[str, object]:
        return {
            "scale": self.scale.start(),
            "pair": [0.0, 0.0],
            "sums": [0.0] * 8,
            "seen": 0,
            "low": 0,
        }

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Average signal and noise apart, and count evaluations at which noise is all there is."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, **self._anew()}, None
        square, trace = seen.gradient_square, seen.gradient_trace
        if square is None or trace is None:
            return state, None
        unit = state["scale"]["value"] or trace
        scale, is_outlier = self.scale.fold(state["scale"], [trace])
        state = {**state, "scale": scale}
        if is_outlier or unit <= 0:
            return state, None
        pair = [self.batch_size * square / unit, trace / unit]
        sums = self._added(state["sums"], pair, state["pair"])
        state = {**state, "sums": sums, "pair": pair, "seen": state["seen"] + 1}
        if state["seen"] < self.warmup or sums[1] <= 0:
            return state, None
        ratio, error = _ratio(sums)
        limit = 1.0 / self.noise_ratio
        highest = ratio + self.margin * error
        low = state["low"] + 1 if highest < limit else 0
        state = {**state, "low": low}
        if low < self.patience or not self.rules.allow(state, seen, self.action):
            return state, None
        state = {**state, **self.rules.decided(state, seen), **self._anew()}
        return state, Decision(self.action, highest, limit)

    def _added(
        self, sums: Sequence[float], pair: Sequence[float], last: Sequence[float]
    ) -> list[float]:
        """Sums of signal and noise, with weights that fall with age, and of their products.

        The weight of the last is ``gain``, so that they fade as averages do; products have it
        squared. The first three products are those of a pair with itself, the others with the one
        before.
        """
        (x, y), (u, v) = pair, last
        keep, gain = 1.0 - self.gain, self.gain
        products = (x * x, 2 * x * y, y * y, x * u, x * v + y * u, y * v)
        return [
            keep * sums[0] + gain * x,
            keep * sums[1] + gain * y,
            *(keep**2 * old + gain**2 * new for old, new in zip(sums[2:], products, strict=True)),
        ]


def _ratio(sums: Sequence[float]) -> tuple[float, float]:
    """Signal over noise, and its standard error.

    With weights w, ``r = sum(w x) / sum(w y)`` has ``sum(w**2 (x - r y)**2) / sum(w y)**2`` as its
    variance, the usual one of a ratio of means, and ``(1 + rho) / (1 - rho)`` times that where
    neighbours have the correlation rho. An average of ratios would be ruled by the smallest
    divisors.
    """
    ratio = sums[0] / sums[1]
    squares, products = (a - ratio * b + ratio * ratio * c for a, b, c in (sums[2:5], sums[5:]))
    if squares <= 0:
        return ratio, 0.0
    rho = min(max(products / squares, 0.0), 0.99)
    return ratio, math.sqrt(squares * (1 + rho) / (1 - rho)) / sums[1]


def snr(
    *,
    total_steps: int,
    batch_size: int,
    rewarm_steps: int = 0,
    on_noise: Literal["restart", "decay"] = "decay",
    noise_ratio: float = 20.0,
    margin: float = 2.5,
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

    The signal is ``r = batch_size * G2 / S``, where G2 is the average of the estimates of the
    squared norm of the true gradient and S that of the trace of one sample's covariance: the batch
    size over the noise scale. The statistic is r plus ``margin`` standard errors, since a single
    estimate of G2 is off by several times what is looked for; where neighbouring ones are alike
    they count as fewer. It fires at the ``patience``-th
    evaluation in a row at which that is below ``1 / noise_ratio``: the noise scale is more than
    ``noise_ratio`` batches, and that is no accident.

    Both averages are taken in units of the trace as it has been of late; early gradients, a
    thousand times as large, would rule them for long else. An evaluation whose trace is an outlier
    counts neither way.

    Parameters
    ----------
    on_noise : "restart" or "decay"
        A lower rate averages over more samples, as a larger batch does.
    noise_ratio : float in (0, inf)
    margin : float in [0, inf), in standard errors
    patience : int in [1, inf), in evaluations
    every_steps : int or None, in updates
        Between two evaluations; None: 1/200 of the run.
    half_life_steps : int or None, in updates
        Of both averages; None: 1/12 of the run, and at least five intervals. Nothing is decided
        before so long.
    spike_factor : float in (1, inf)
        A trace above this multiple of what it has been of late is an outlier.
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
    require_tolerance("margin", margin)
    require(1 < spike_factor < math.inf, "spike_factor", "must be finite and above 1", spike_factor)
    usual = max(5 * every, total_steps // 12)
    half_life = usual if half_life_steps is None else half_life_steps
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
        margin=margin,
        patience=patience,
        warmup=warmup,
        action=on_noise,
        gain=1.0 - 0.5 ** (1.0 / evaluations),
        scale=Smoother(min(SCALE, evaluations), spike_factor, 2),
        rules=rules,
        after=make_aftermath(peak_decay, decay_factor, num_cycles, final_fraction),
    )
