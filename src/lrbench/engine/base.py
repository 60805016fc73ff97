"""The contract of an engine: plans go in, rows come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from lrbench.engine.fingerprint import whole_digest
from lrbench.restarts.facts import LayerFacts
from lrbench.schedules.events import Event
from lrbench.spec.restart import CurvatureSpec, RestartSpec
from lrbench.spec.run import RESTART_WINDOW, ComputeSpec, OptimizerSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.triggers.base import Trigger

Row = tuple[float | int | str | None, ...]


@dataclass(frozen=True)
class Restart:
    """A warm restart that is to happen.

    Parameters
    ----------
    step : int
        The first update of the new cycle.
    cycle : int
        Number of that cycle, from 1.
    planned_length : int
        Updates until the next restart or the end of the run, as far as is known beforehand.
    policy : RestartSpec or None
        What it does to the state. None: there is no restart, and yet the run is looked at as if
        there were one, so that it can be compared with a run that has it.
    cause : str
        "schedule", or the trigger's name.
    statistic, threshold : float or None
        What the trigger held against what.
    """

    step: int
    cycle: int
    planned_length: int
    policy: RestartSpec | None = field(default_factory=RestartSpec)
    cause: str = "schedule"
    statistic: float | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class Course:
    """The rates and restarts of a run, given what its trigger has decided so far."""

    rates: NDArray[np.float64]
    restarts: tuple[Restart, ...]


@dataclass(frozen=True)
class Adaptive:
    """A trigger, and what comes of its decisions.

    Parameters
    ----------
    trigger : Trigger
    policy : RestartSpec
        What its restarts do to the state.
    course : callable, tuple of Event -> Course
        Pure. More events never change a rate, or a restart, before the first of them.
    """

    trigger: Trigger
    policy: RestartSpec
    course: Callable[[tuple[Event, ...]], Course]


@dataclass(frozen=True)
class State:
    """A run in the middle: all that the rest of it depends on.

    Parameters
    ----------
    step : int
        Updates made.
    facts : mapping
        JSON.
    body : bytes
        Tensors, in safetensors' form.
    """

    step: int
    facts: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True)
class Lane:
    """What is one run's own.

    Parameters
    ----------
    streams : Streams
        All of its randomness.
    optimizer : OptimizerSpec
    restarts : tuple of Restart
        In the order of their steps; those known beforehand.
    adaptive : Adaptive, optional
        What decides on more of them.
    state : State, optional
        Where to go on; default: at the start.
    """

    streams: Streams
    optimizer: OptimizerSpec
    restarts: tuple[Restart, ...] = ()
    adaptive: Adaptive | None = None
    state: State | None = None


@dataclass(frozen=True)
class Plan:
    """Runs to be trained together: what they share, and each one's lane.

    Parameters
    ----------
    data : Prepared
    build_model : callable, Streams -> nn.Module
        The untrained model of the run with these streams.
    rates : ndarray of shape (total_steps, num_lanes), float64
        Learning rate of every update, as the optimizer gets it.
    momenta, weight_decays : ndarray of shape (total_steps, num_lanes), float64, or None
        Momentum (or first beta) and weight decay of every update; None where they do not change.
    batch_size, eval_every : int, in samples and updates
    layers_every : int in updates, or None
    restart_window : int in updates
        On either side of a restart layers are logged at every update.
    curvature : CurvatureSpec or None
    compute : ComputeSpec
    lanes : tuple of Lane, of length num_lanes
    slots : tuple of int, optional
        Where the lanes lie in a vectorised program of ``compute.lanes`` slots; default: one after
        the other from 0. The slots that are left are filled with copies.
    model_key : str
        Equal only for models that are one function of their weights; empty: like no other.
    """

    data: Prepared
    build_model: Callable[[Streams], nn.Module]
    rates: NDArray[np.float64]
    batch_size: int
    eval_every: int
    layers_every: int | None
    compute: ComputeSpec
    lanes: tuple[Lane, ...]
    momenta: NDArray[np.float64] | None = None
    weight_decays: NDArray[np.float64] | None = None
    restart_window: int = RESTART_WINDOW
    curvature: CurvatureSpec | None = None
    slots: tuple[int, ...] | None = None
    model_key: str = ""

    @property
    def total_steps(self) -> int:
        """Updates of every run."""
        return len(self.rates)


@dataclass(frozen=True)
class Start:
    """What is known before the first update.

    Parameters
    ----------
    init_digests : mapping
        sha256 of each parameter and buffer of the untrained model, by name.
    init_digest : str
        sha256 over them all.
    parameters : mapping
        Shape of each trainable parameter, by name.
    first_batch : str
        sha256 of the first batch: contents and order.
    layers : tuple of LayerFacts
        In the order of their depth.
    """

    init_digests: dict[str, str]
    init_digest: str
    parameters: dict[str, list[int]]
    first_batch: str
    layers: tuple[LayerFacts, ...]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Parameters
    ----------
    diverged_at : int or None
        First step with a non-finite loss; training stopped there.
    final : Row
        The last row of ``evals.csv``.
    batch_chain : str
        sha256 chained over all batch digests, in order.
    weights : mapping or None
        sha256 of each trained parameter and buffer, by name; None for a diverged run, whose
        weights mean nothing.
    events : tuple of Event or None
        What a trigger decided; None where there was none.
    talk : tuple of str
        What else there is to say, such as what measurements cost: sentences that no number depends
        on, and that are no part of what two equal runs have in common.
    """

    diverged_at: int | None
    final: Row
    batch_chain: str
    weights: dict[str, str] | None
    events: tuple[Event, ...] | None = None
    talk: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def weights_digest(self) -> str | None:
        """sha256 over all trained parameters and buffers."""
        return None if self.weights is None else whole_digest(self.weights)


@dataclass(frozen=True)
class Failure:
    """What stopped one lane while the others went on."""

    error: Exception


class Sink(Protocol):
    """Where an engine delivers one lane's rows.

    Called from the training thread, in the order of the steps; rows have the columns of
    ``record.layout``. What it raises stops the run.
    """

    def begin(self, start: Start) -> None:
        """Once, before the first row; also of a run that goes on in the middle."""

    def steps(self, rows: Sequence[Row]) -> None:
        """A block of updates: ``STEP_COLUMNS``. No update is missing and none comes twice."""

    def layers(self, rows: Sequence[Row]) -> None:
        """The layers of a block's logged updates: ``LAYER_COLUMNS``."""

    def evals(self, row: Row) -> None:
        """One look at the validation data: ``EVAL_COLUMNS``."""

    def restarts(self, row: Row) -> None:
        """A warm restart whose cycle just ended: ``RESTART_COLUMNS``."""

    def restart_layers(self, rows: Sequence[Row]) -> None:
        """Its layers: ``RESTART_LAYER_COLUMNS``."""

    def curvature(self, row: Row) -> None:
        """A look at the curvature: ``CURVATURE_COLUMNS``."""

    def keep(self, done: int, capture: Callable[[], State]) -> None:
        """The end of a cycle, after ``done`` updates: before each restart, and after the last.

        What is captured is the state before the restart does anything to it.
        """

    def wants_state(self, done: int, is_look: bool) -> bool:
        """Asked after ``done`` updates, all but the last: is the state to be saved now?

        Asked at every look, where :meth:`next_state` says, and every second or so in between.
        ``is_look`` tells that an evaluation comes first. It changes no row.
        """

    def next_state(self, done: int) -> int | None:
        """How many updates, more than ``done``, after which it must be asked; None: no matter."""

    def save(self, capture: Callable[[], State]) -> None:
        """The state that was wanted, all of its rows being delivered."""


class Train(Protocol):
    """An engine: trains every lane of the plan, each with its sink."""

    def __call__(self, plan: Plan, sinks: Sequence[Sink]) -> Sequence[Outcome | Failure]:
        """Outcomes in the order of the lanes; what stops the only lane of a plan is raised."""
