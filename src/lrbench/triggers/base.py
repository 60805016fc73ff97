"""The contract of a trigger: ``state, observation -> state, decision``.

A trigger is a pure state machine. It is asked every ``every`` updates, is told what happened since,
and may decide that something is to happen before the next update. Its whole state is plain JSON, so
that it lies in every checkpoint; it draws no random number and looks at no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NewType, Protocol

Steps = NewType("Steps", int)
"""A length in updates. A builder's ``every_steps: Steps`` is the setting ``every`` of the config,
where it may be written in updates, epochs (``"10ep"``) or as part of the run (``"20%"``)."""

State = Mapping[str, Any]
"""JSON: what a trigger remembers. Never changed in place."""

Action = Literal["restart", "decay", "reset"]
"""A new cycle; a lower rate in the cycle there is; only the state operation of a restart."""

Need = Literal["val_loss", "cosine", "path", "noise"]
"""What is measured only for a trigger that asks for it."""


@dataclass(frozen=True)
class Observation:
    """What happened since the trigger was asked before.

    Parameters
    ----------
    step : int
        Updates made; the next one is update ``step``.
    heat : float in [0, inf)
        Learning rate of the last update as a fraction of the peak of its cycle.
    train_losses, grad_norms : tuple of float
        One of every update since, in order.
    val_loss : float or None
        Of the evaluation after the last update; None where there was none, or no need.
    cosines : tuple of float or None
        Cosine between gradient and momentum before each update; None for no momentum. Empty
        without the need.
    displacement, path : float or None
        2-norm of the way the weights have gone since, straight and step by step.
    gradient_square, gradient_trace : float or None
        Estimates of the squared norm of the true gradient, and of the trace of the covariance of
        one sample's (McCandlish et al. 2018, arXiv:1812.06162, appendix A).
    """

    step: int
    heat: float
    train_losses: tuple[float, ...]
    grad_norms: tuple[float, ...] = ()
    val_loss: float | None = None
    cosines: tuple[float | None, ...] = ()
    displacement: float | None = None
    path: float | None = None
    gradient_square: float | None = None
    gradient_trace: float | None = None


@dataclass(frozen=True)
class Decision:
    """Something is to happen before the next update.

    Parameters
    ----------
    action : {"restart", "decay", "reset"}
    statistic, threshold : float
        What was held against what; the statistic had passed the threshold.
    """

    action: Action
    statistic: float
    threshold: float


@dataclass(frozen=True)
class Aftermath:
    """What follows a trigger's decisions: from it the schedule of the run is made.

    Parameters
    ----------
    peak_decay : float in (0, 1]
        What each restart multiplies the peak by.
    decay_factor : float in (0, 1]
        What each decay multiplies the rate by, until the next restart.
    num_cycles : int in [1, inf)
        Cycles the run is planned for: one more than restarts may be, and 1 where the trigger never
        begins a new one.
    final_fraction : float in [0, 1)
        Part of the run that is kept for the final anneal.
    only_resets : bool
        Whether all it decides on is the state operation of a restart, the rate going on.
    """

    peak_decay: float
    decay_factor: float
    num_cycles: int
    final_fraction: float
    only_resets: bool = False


class Trigger(Protocol):
    """A trigger with its settings; without state."""

    @property
    def name(self) -> str:
        """As in the catalogue."""

    @property
    def every(self) -> int:
        """Updates between two observations."""

    @property
    def needs(self) -> frozenset[Need]:
        """What must be measured for it."""

    @property
    def after(self) -> Aftermath:
        """What follows its decisions."""

    def start(self) -> State:
        """The state before the first observation."""

    def observe(self, state: State, seen: Observation) -> tuple[State, Decision | None]:
        """The next state, and what is to happen.

        Raises
        ------
        ValueError
            Something observed is not finite: that is divergence, and never a reason to restart.
        """
