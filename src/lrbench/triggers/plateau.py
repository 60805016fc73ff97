"""A plateau: a loss that has not got better for some time (reference/schedules.md §3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lrbench.triggers.base import Action, Aftermath, Decision, Need, Observation, State, Steps
from lrbench.triggers.rules import (
    Rules,
    interval,
    make_rules,
    require,
    require_count,
    require_factor,
    require_finite,
    require_room,
    require_tolerance,
)
from lrbench.triggers.smoothing import Smoother, is_half_full

Watch = Literal["train", "val"]
OnPlateau = Literal["restart", "decay", "decay_then_restart"]

RTOL = {"train": 1e-3, "val": 1e-4}
"""What counts as better, relative to the best so far."""


@dataclass(frozen=True)
class Plateau:
    """The machine of :func:`plateau`, everything in updates and evaluations."""

    every: int
    watch: Watch
    patience: int
    rtol: float
    atol: float
    on_plateau: OnPlateau
    decays: int
    smoother: Smoother
    rules: Rules
    after: Aftermath
    name: str = "plateau"

    @property
    def needs(self) -> frozenset[Need]:
        """Held-out loss, where that is watched."""
        return needs_of(self.watch)

    def start(self) -> State:
        """Nothing seen."""
        return {**self.rules.start(), "decays": 0, **self._anew()}

    def _anew(self) -> dict[str, object]:
        return {"smoothed": self.smoother.start(), "best": None, "bad": 0, "is_sure": False}

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """Count evaluations since the last one that was better."""
        require_finite(seen)
        if self.rules.is_settling(state, seen.step, self.every):
            return {**state, **self._anew()}, None
        numbers = watched(self.watch, seen)
        if not numbers:
            return state, None
        smoothed, is_spike = self.smoother.fold(state["smoothed"], numbers)
        level, best, bad = smoothed["value"], state["best"], state["bad"]
        limit = math.inf if best is None else best - max(self.atol, self.rtol * abs(best))
        if level < limit:
            best, bad = level, 0
        else:
            bad += not is_spike
            # The first averages are of few numbers: a lucky one must not be what all have to beat.
            best = best if state["is_sure"] else level
        is_sure = state["is_sure"] or is_half_full(smoothed)
        state = {**state, "smoothed": smoothed, "best": best, "bad": bad, "is_sure": is_sure}
        return self._decide(state, seen, level, limit) if bad >= self.patience else (state, None)

    def _decide(
        self, state: State, seen: Observation, level: float, limit: float
    ) -> tuple[State, Decision | None]:
        action: Action = "decay" if self.on_plateau == "decay" else "restart"
        if self.on_plateau == "decay_then_restart" and state["decays"] < self.decays:
            action = "decay"
        counts = action == "restart" or self.on_plateau == "decay"
        if not self.rules.allow(state, seen, action, counts=counts):
            return state, None
        decays = 0 if action == "restart" else state["decays"] + 1
        decided = self.rules.decided(state, seen, counts=counts)
        return {**state, **decided, "decays": decays, **self._anew()}, Decision(
            action, level, limit
        )


def plateau(
    *,
    total_steps: int,
    eval_every: int,
    rewarm_steps: int = 0,
    watch: Watch = "train",
    on_plateau: OnPlateau = "restart",
    decays: int = 1,
    patience: int | None = None,
    rtol: float | None = None,
    atol: float = 0.0,
    every_steps: Steps | None = None,
    half_life_steps: Steps | None = None,
    spike_factor: float = 3.0,
    gate: float | None = 0.1,
    max_restarts: int = 3,
    refractory_steps: Steps | None = None,
    final_fraction: float = 0.25,
    peak_decay: float = 0.8,
    decay_factor: float = 0.1,
) -> Plateau:
    """Restart, or lower the rate, when a loss has stopped getting better.

    An evaluation is better if ``s < best - max(atol, rtol * abs(best))``, where s is the smoothed
    train loss or the held-out loss as it is. The trigger fires at the ``patience``-th evaluation in
    a row that is not better: on a constant loss at evaluation ``patience``, counted from 0. Then,
    once the refractory period is over, it begins anew. Evaluations that are mostly spikes count
    neither way. Until the average has seen one half-life of losses, so that it is one of many, the
    best is the last, and not the lowest.

    Parameters
    ----------
    watch : "train" or "val"
    on_plateau : "restart", "decay" or "decay_then_restart"
        The last: ``decays`` times lower, and then a restart.
    decays : int in [1, inf)
        Decays of each cycle before its restart.
    patience : int in [1, inf) or None, in evaluations
        None: 10, and at least a seventh of the run, since noise hides a fall for about so long.
    rtol, atol : float in [0, inf)
        What a loss must improve by; ``rtol`` None: 1e-3 of the train loss, 1e-4 of the held-out
        one.
    every_steps : int or None, in updates
        Between two evaluations; None: 1/200 of the run, or the evaluation interval of the run.
    half_life_steps : int or None, in updates
        Of the average of the train loss; None: 1/50 of the run, and at least one interval. A
        held-out loss is not smoothed.
    spike_factor : float in (1, inf)
        A loss above this multiple of the average is a spike.
    gate : float in (0, 1] or None
        Restart only where the rate is at most this fraction of its cycle's peak.
    max_restarts : int in [1, inf)
        Where there are decays only, of those.
    refractory_steps : int or None, in updates
    final_fraction : float in [0, 1)
        Part of the run kept for the final anneal.
    peak_decay, decay_factor : float in (0, 1]
        What a restart multiplies the peak by, and a decay the rate: by default one decay of a
        constant rate opens the default gate.

    Raises
    ------
    TriggerError
        A setting is outside its interval, or does not fit the run.

    References
    ----------
    reference/schedules.md §3.1; the decay is that of torch's ReduceLROnPlateau but fires one
    evaluation earlier.
    """
    every = watch_interval(watch, every_steps, total_steps, eval_every)
    if watch == "val":
        require(
            half_life_steps is None, "half_life", "must be null with watch=val", half_life_steps
        )
    rtol = RTOL[watch] if rtol is None else rtol
    require_tolerance("rtol", rtol)
    require_tolerance("atol", atol)
    require_count("decays", decays)
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
    if patience is None:
        patience = max(10, math.ceil(total_steps / 7 / every))
    require_count("patience", patience)
    require_room("patience", patience, patience, every, rules.reserve)
    return Plateau(
        every=every,
        watch=watch,
        patience=patience,
        rtol=rtol,
        atol=atol,
        on_plateau=on_plateau,
        decays=decays,
        smoother=smoother,
        rules=rules,
        after=make_aftermath(peak_decay, decay_factor, num_cycles, final_fraction),
    )


def needs_of(watch: Watch) -> frozenset[Need]:
    """What must be measured to watch a loss."""
    return frozenset({"val_loss"} if watch == "val" else ())


def watched(watch: Watch, seen: Observation) -> tuple[float, ...]:
    """The losses that are watched; none where there was no evaluation."""
    if watch == "train":
        return seen.train_losses
    return () if seen.val_loss is None else (seen.val_loss,)


def watch_interval(watch: Watch, every_steps: int | None, total_steps: int, eval_every: int) -> int:
    """Updates between two looks at a loss; a held-out one is there only at evaluations."""
    if watch == "train":
        return interval(every_steps, total_steps)
    every = eval_every if every_steps is None else every_steps
    relation = f"must be a multiple of train.eval_every ({eval_every} steps) with watch=val"
    require(every >= 1 and every % eval_every == 0, "every", relation, every, ".every=null")
    return every


def make_smoother(
    watch: Watch, half_life_steps: int | None, every: int, spike_factor: float, total_steps: int
) -> Smoother:
    """The average of a loss; a spike lasts two intervals, or its half-life, at most."""
    require(1 < spike_factor < math.inf, "spike_factor", "must be finite and above 1", spike_factor)
    if watch == "val":
        return Smoother(0.0, spike_factor, 2)
    half_life = usual_half_life(every, total_steps) if half_life_steps is None else half_life_steps
    relation = f"must be at least 1 step and shorter than the run ({total_steps} steps)"
    require(1 <= half_life < max(total_steps, 2), "half_life", relation, half_life)
    return Smoother(half_life, spike_factor, max(2 * every, half_life))


def usual_half_life(every: int, total_steps: int) -> int:
    """Updates after which a number's weight in an average is halved, if nothing else is asked."""
    return max(every, total_steps // 50)


def make_aftermath(
    peak_decay: float, decay_factor: float, num_cycles: int, final_fraction: float
) -> Aftermath:
    """What follows, checked."""
    require_factor("peak_decay", peak_decay)
    require_factor("decay_factor", decay_factor)
    return Aftermath(peak_decay, decay_factor, num_cycles, final_fraction)
