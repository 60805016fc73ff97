"""A trigger at work: what it is told of a run while it is trained, and what it has decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

import torch

from lrbench.engine.base import Row
from lrbench.engine.diagnostics import CloseLook
from lrbench.engine.flat import FlatModel
from lrbench.record.layout import LAYER_COLUMNS, STEP_COLUMNS
from lrbench.schedules.events import Event
from lrbench.triggers.base import Observation, Trigger

_LOSS, _GRAD, _UPDATE = map(STEP_COLUMNS.index, ("train_loss", "grad_norm", "update_norm"))
_COSINE = LAYER_COLUMNS.index("momentum_cosine")


class Watch:
    """A trigger, its state, and what has happened since it was asked.

    Parameters
    ----------
    trigger : Trigger
    flat : FlatModel

    Attributes
    ----------
    events : tuple of Event
        What it has decided so far, in the order of the steps.
    """

    def __init__(self, trigger: Trigger, flat: FlatModel) -> None:
        self.events: tuple[Event, ...] = ()
        self.needs = trigger.needs
        self._trigger = trigger
        self._flat = flat
        self._state = trigger.start()
        self._losses: list[float] = []
        self._grads: list[float] = []
        self._cosines: list[float | None] = []
        self._path = 0.0
        self._start = flat.weight.clone() if "path" in trigger.needs else None

    def is_due(self, done: int) -> bool:
        """Whether the trigger is asked after ``done`` updates."""
        return done % self._trigger.every == 0

    def next_due(self, done: int) -> int:
        """The first number of updates beyond ``done`` after which it is."""
        every = self._trigger.every
        return done - done % every + every

    def updates(self, rows: Sequence[Row], looks: Sequence[CloseLook]) -> None:
        """A block of updates."""
        self._losses += (cast(float, row[_LOSS]) for row in rows)
        self._grads += (cast(float, row[_GRAD]) for row in rows)
        # One by one: a sum must not depend on where a block ends.
        for row in rows:
            self._path += cast(float, row[_UPDATE])
        if "cosine" in self.needs:
            self._cosines += (cast("float | None", look.rows[0][_COSINE]) for look in looks)

    def decide(
        self,
        done: int,
        heat: float,
        val_loss: float | None,
        noise: tuple[float, float] | None,
    ) -> Event | None:
        """Ask the trigger after ``done`` updates; an event happens before update ``done``."""
        displacement = self._displacement()
        watched = [*self._losses, *self._grads]
        if displacement is not None:
            watched += [displacement, self._path]
        if not all(map(math.isfinite, watched)):
            # Divergence is the engine's to tell, and no reason to restart.
            self._forget()
            return None
        square, trace = noise or (None, None)
        seen = Observation(
            step=done,
            heat=heat,
            train_losses=tuple(self._losses),
            grad_norms=tuple(self._grads),
            val_loss=val_loss,
            cosines=tuple(self._cosines),
            displacement=displacement,
            path=self._path if self._start is not None else None,
            gradient_square=square,
            gradient_trace=trace,
        )
        self._state, decision = self._trigger.observe(self._state, seen)
        self._forget()
        if decision is None:
            return None
        event = Event(
            done, decision.action, self._trigger.name, decision.statistic, decision.threshold
        )
        self.events = (*self.events, event)
        return event

    def _displacement(self) -> float | None:
        if self._start is None:
            return None
        way = (self._flat.weight - self._start).double()
        return float(torch.sum(way.square()).sqrt())

    def _forget(self) -> None:
        self._losses, self._grads, self._cosines, self._path = [], [], [], 0.0
        if self._start is not None:
            self._start.copy_(self._flat.weight)

    def state(self) -> dict[str, Any]:
        """What the rest of a run depends on."""
        return {
            "trigger": dict(self._state),
            "events": [asdict(event) for event in self.events],
            "losses": self._losses,
            "grads": self._grads,
            "cosines": self._cosines,
            "path": self._path,
            "start": self._start,
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on as :meth:`state` was."""
        self._state = facts["trigger"]
        self.events = tuple(Event(**event) for event in facts["events"])
        self._losses, self._grads = list(facts["losses"]), list(facts["grads"])
        self._cosines, self._path = list(facts["cosines"]), facts["path"]
        if self._start is not None:
            self._start.copy_(facts["start"])
