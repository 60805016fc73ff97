"""What an engine tells of a restart: plain numbers, whatever it trains with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LayerFacts:
    """A layer as the ledger speaks of it; ``depth`` counts from 0 at the input."""

    name: str
    kind: str
    depth: int
    is_residual: bool
    size: int


@dataclass(frozen=True)
class StateFacts:
    """An optimizer's state of one layer, or of the whole model.

    Parameters
    ----------
    momentum_norm : float or None
        2-norm of the momentum buffer or first moment; None where there is none.
    root_second_moment : float or None
        Mean over the numbers of the root of the second moment, its bias corrected with the counter
        as it is; None where there is none, or the counter is 0.
    counter : int or None
        Updates that the bias correction counts.
    weight_norm : float
    """

    momentum_norm: float | None
    root_second_moment: float | None
    counter: int | None
    weight_norm: float


@dataclass(frozen=True)
class Opened:
    """A restart that has just happened, the first update of its cycle not yet made.

    Parameters
    ----------
    step, cycle, planned_length : int
    epoch : float
    cause : str
        "schedule", or the trigger's name.
    statistic, threshold : float or None
    lr_before, lr_after : float
        Of the last update before it and the first one after it.
    momentum : float or None
        The setting (or first beta) of that first one.
    policy, audit : str
        What the restart was to do to the state, and whether it did.
    before, after : tuple of StateFacts
        The whole model first, then its layers.
    """

    step: int
    epoch: float
    cycle: int
    cause: str
    statistic: float | None
    threshold: float | None
    planned_length: int
    lr_before: float
    lr_after: float
    momentum: float | None
    policy: str
    audit: str
    before: tuple[StateFacts, ...]
    after: tuple[StateFacts, ...]


@dataclass(frozen=True)
class Moved:
    """How far the weights of one layer, or of the whole model, went in a cycle.

    Parameters
    ----------
    distance : float or None
        ``|end_i - end_{i-1}| / |end_{i-1}|`` between the ends of the cycle and of the one before.
    excursion : float or None
        Largest ``|weights - end_{i-1}| / |end_{i-1}|`` of the updates that have rows per layer.
    direction_cosine : float or None
        Between this cycle's way and the way of the cycle before.
    """

    distance: float | None
    excursion: float | None
    direction_cosine: float | None
