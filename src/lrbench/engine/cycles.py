"""The cycles of a run while it is trained: restarts are made, watched, and written down.

A loop tells what happens; what there is to deliver goes to its sink. The order of events at a
restart before update r: the evaluation after r updates, the state kept as it is, the ledger's rows
of the cycle that ends, the state operation and its audit.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lrbench.engine.base import Lane, Plan, Restart, Row, Sink, State
from lrbench.engine.diagnostics import CloseLook
from lrbench.engine.flat import FlatModel
from lrbench.engine.movement import Movement
from lrbench.engine.optimizers import BoundOptimizer
from lrbench.engine.restarting import Restarter
from lrbench.engine.watch import Watch
from lrbench.record.layout import (
    LAYER_COLUMNS,
    RESTART_COLUMNS,
    RESTART_LAYER_COLUMNS,
    STEP_COLUMNS,
)
from lrbench.restarts.facts import LayerFacts, Moved, Opened
from lrbench.restarts.ledger import Ledger
from lrbench.restarts.metrics import smoothing_window
from lrbench.schedules.events import Event
from lrbench.tasks.models.layers import parameter_layers

Noise = Callable[[], tuple[float, float] | None]
"""Estimates of the squared norm of the gradient, and of the trace of its covariance."""


def has_cycles(lane: Lane) -> bool:
    """Whether anything here is to be done for a run."""
    return bool(lane.restarts) or lane.adaptive is not None


def layer_facts(model: nn.Module) -> tuple[LayerFacts, ...]:
    """The layers of a model, as records speak of them."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return tuple(
        LayerFacts(
            layer.name,
            layer.kind,
            layer.depth,
            layer.is_residual,
            sum(sizes[name] for name in layer.parameters),
        )
        for layer in parameter_layers(model)
    )


class Cycles:
    """What restarts need of one run.

    Parameters
    ----------
    plan : Plan
    lane : Lane
    rates : list of float
        Of every update; changed in place where a trigger decides so.
    momenta : list of float, optional
        Of every update, where they change.
    model : nn.Module
    flat : FlatModel
    optimizer : BoundOptimizer
    sink : Sink
    steps_per_epoch : int
    """

    def __init__(
        self,
        plan: Plan,
        lane: Lane,
        rates: list[float],
        momenta: list[float] | None,
        model: nn.Module,
        flat: FlatModel,
        optimizer: BoundOptimizer,
        sink: Sink,
        steps_per_epoch: int,
    ) -> None:
        self._plan = plan
        self._lane = lane
        self._rates = rates
        self._momenta = momenta
        self._optimizer = optimizer
        self._sink = sink
        self._steps_per_epoch = steps_per_epoch
        self._restarts: dict[int, Restart] = {}
        self._looks: set[int] = set()
        self._occasions: dict[int, str] = {}
        self._starts: list[int] = []
        self._candidate: CloseLook | None = None
        self._peak: tuple[int, float] | None = None
        self._plan_restarts(lane.restarts)
        adaptive = lane.adaptive
        self._watch = Watch(adaptive.trigger, flat) if adaptive else None
        self.movement = Movement(flat)
        self._ledger = Ledger(layer_facts(model), STEP_COLUMNS, LAYER_COLUMNS)
        policies = [restart.policy for restart in lane.restarts if restart.policy]
        policies += [adaptive.policy] if adaptive else []
        self._restarter = Restarter(model, flat, optimizer, lane.streams, policies)

    def _plan_restarts(self, restarts: Sequence[Restart]) -> None:
        self._restarts = {restart.step: restart for restart in restarts}
        self._starts = sorted(self._restarts)
        for restart in restarts:
            self._looks.add(restart.step)
            if restart.planned_length >= self._plan.eval_every:
                # Where a twin is compared with its parent.
                self._looks |= {restart.step - -restart.planned_length // part for part in (2, 4)}
            if self._plan.curvature:
                self._plan_occasions(restart)

    def _plan_occasions(self, restart: Restart) -> None:
        settled = restart.step + smoothing_window(restart.planned_length)
        # Where two fall together, the later line here tells why.
        self._occasions[restart.step + restart.planned_length // 2] = "half_cycle"
        self._occasions[settled] = "window"
        self._occasions[restart.step + 1] = "after_restart"
        self._occasions[restart.step] = "before_restart"

    # What is asked of every update.

    def is_logged(self, step: int) -> bool:
        """Whether the layers of update ``step`` get rows: near a restart all do."""
        every, window = self._plan.layers_every, self._plan.restart_window
        if every and step % every == 0:
            return True
        if not window:
            return False
        at = bisect_left(self._starts, step + 1)
        if at > 0 and step < self._starts[at - 1] + window:
            return True
        if at == len(self._starts):
            return False
        following = self._restarts[self._starts[at]]
        # Of a trigger's decision nothing is known before it is made.
        before = window if following.cause == "schedule" else 1
        return step >= following.step - before

    def is_close(self, step: int) -> bool:
        """Whether they are looked at: also where it may turn out that they get rows."""
        if self._watch is None:
            return self.is_logged(step)
        return "cosine" in self._watch.needs or self._watch.is_due(step + 1) or self.is_logged(step)

    def is_look(self, done: int) -> bool:
        """Whether to evaluate after ``done`` updates, for the sake of a cycle."""
        return done in self._looks

    def next_due(self, done: int) -> int:
        """The first number of updates beyond ``done`` at which a cycle needs a look, at the
        validation data or the curvature, or a trigger is asked; a very large one where there is
        none.
        """
        asked = (look for looks in (self._looks, self._occasions) for look in looks)
        first = min((look for look in asked if look > done), default=sys.maxsize)
        return first if self._watch is None else min(first, self._watch.next_due(done))

    def occasion(self, done: int) -> str | None:
        """Why the curvature is looked at after ``done`` updates, for the sake of a cycle."""
        return self._occasions.get(done)

    def is_watched(self, done: int) -> bool:
        """Whether a trigger is asked after ``done`` updates."""
        return self._watch is not None and self._watch.is_due(done)

    # What happened.

    def updates(self, rows: Sequence[Row], looks: Sequence[CloseLook]) -> list[Row]:
        """A block of updates; returns those rows of their layers that are to be logged."""
        shown = [look for look in looks if self.is_logged(look.step)]
        if self._watch is not None:
            self._watch.updates(rows, looks)
            last = looks[-1] if looks else None
            self._candidate = last if last and last not in shown else None
        return self._seen(rows, shown)

    def _seen(self, rows: Sequence[Row], looks: Sequence[CloseLook]) -> list[Row]:
        layers = [row for look in looks for row in look.rows[1:]]
        self._ledger.updates(rows, layers, [look.rows[0] for look in looks])
        for look in looks:
            self.movement.saw(look.ways)
        return layers

    def look(self, done: int, val_loss: float) -> None:
        """An evaluation after ``done`` updates."""
        self._ledger.look(done, val_loss)
        self._restarter.look(val_loss, is_cycle_end=done in self._restarts)

    def curvature(self, done: int, lambda_max: float | None) -> None:
        """A look at the curvature after ``done`` updates."""
        self._ledger.curvature(done, lambda_max)

    def decide(self, done: int, val_loss: float | None, noise: Noise) -> Event | None:
        """Ask the trigger after ``done`` updates; what it decides is planned."""
        watch, adaptive = self._watch, self._lane.adaptive
        assert watch is not None
        assert adaptive is not None
        seen = noise() if "noise" in watch.needs else None
        event = watch.decide(done, self._heat(done), val_loss, seen)
        if event is None:
            return None
        self._follow(watch.events)
        if event.action != "decay" and self._plan.restart_window and self._candidate is not None:
            # It belongs to the window before the restart, as is only known now.
            self._sink.layers(self._seen([], [self._candidate]))
        return event

    def _heat(self, done: int) -> float:
        """The rate of the last update as a fraction of the highest one of its cycle."""
        before = bisect_left(self._starts, done)
        start = self._starts[before - 1] if before else 0
        if self._peak is None or self._peak[0] != start:
            self._peak = start, max(self._rates[start:])
        peak = self._peak[1]
        return self._rates[done - 1] / peak if peak > 0 else 0.0

    def _follow(self, events: tuple[Event, ...]) -> None:
        assert self._lane.adaptive is not None
        course = self._lane.adaptive.course(events)
        self._rates[:] = course.rates.tolist()
        self._peak = None
        self._plan_restarts(course.restarts)

    def is_start(self, step: int) -> bool:
        """Whether a cycle begins with update ``step``."""
        return step in self._restarts

    def begin(self, step: int, capture: Callable[[], State]) -> bool:
        """Update ``step`` is to be made next: the restart before it, if there is one.

        Returns
        -------
        bool
            Whether it did something to the state.
        """
        restart = self._restarts.get(step)
        if restart is None:
            return False
        self._sink.keep(step, capture)
        self._close(step, self.movement.close())
        if restart.policy is None:
            return False
        applied = self._restarter.apply(restart)
        self._ledger.open(
            Opened(
                step=step,
                epoch=step / self._steps_per_epoch,
                cycle=restart.cycle,
                cause=restart.cause,
                statistic=restart.statistic,
                threshold=restart.threshold,
                planned_length=restart.planned_length,
                lr_before=self._rates[step - 1],
                lr_after=self._rates[step],
                momentum=self._momenta[step] if self._momenta else self._optimizer.momentum,
                policy=applied.policy,
                audit=applied.audit,
                before=applied.before,
                after=applied.after,
            )
        )
        return True

    def end(self, done: int, *, is_lost: bool) -> None:
        """The run ends after ``done`` updates that count; where it is lost, its weights do not."""
        moved = self.movement.close()
        self._close(done, [Moved(None, None, None)] * len(moved) if is_lost else moved)

    def _close(self, done: int, moved: Sequence[Moved]) -> None:
        if not self._ledger.is_open:
            return
        row, layers = self._ledger.close(done, moved)
        self._sink.restarts(tuple(row[name] for name in RESTART_COLUMNS))
        self._sink.restart_layers(
            [tuple(layer[name] for name in RESTART_LAYER_COLUMNS) for layer in layers]
        )

    @property
    def events(self) -> tuple[Event, ...] | None:
        """What a trigger has decided; None where there is none."""
        return None if self._watch is None else self._watch.events

    # What a checkpoint holds.

    def state(self) -> dict[str, Any]:
        """What the rest of the run depends on."""
        facts, series = self._ledger.state()
        remembered, weights = self._restarter.state()
        return {
            "ledger": facts,
            "series": {name: torch.from_numpy(values) for name, values in series.items()},
            "movement": self.movement.state(),
            "restarter": remembered,
            "weights": weights,
            "watch": None if self._watch is None else self._watch.state(),
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on as :meth:`state` was."""
        series = {name: values.cpu().numpy() for name, values in facts["series"].items()}
        self._ledger.restore(facts["ledger"], series)
        self.movement.restore(facts["movement"])
        self._restarter.restore(facts["restarter"], facts["weights"])
        if self._watch is not None:
            self._watch.restore(facts["watch"])
            if self._watch.events:
                self._follow(self._watch.events)
