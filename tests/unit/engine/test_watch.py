"""What a trigger is told between two of its decisions."""

import json
import math
from dataclasses import dataclass, field

import pytest
from torch import nn

from lrbench.engine.diagnostics import CloseLook
from lrbench.engine.flat import FlatModel
from lrbench.engine.watch import Watch
from lrbench.record.layout import LAYER_COLUMNS, STEP_COLUMNS
from lrbench.schedules.events import Event
from lrbench.triggers.base import Decision


@dataclass
class Stub:
    """Fires at every third time it is asked."""

    needs: frozenset = frozenset()
    every: int = 2
    name: str = "stub"
    after: object = None
    told: list = field(default_factory=list)

    def start(self):
        return {"asked": 0}

    def observe(self, state, seen):
        self.told.append(seen)
        asked = state["asked"] + 1
        decision = Decision("restart", 1.5, 1.0) if asked % 3 == 0 else None
        return {"asked": asked}, decision


def update(step, loss=1.0, grad=2.0, moved=0.5):
    named = {"step": step, "train_loss": loss, "grad_norm": grad, "update_norm": moved}
    return tuple(named.get(name) for name in STEP_COLUMNS)


def look(step, cosine):
    whole = tuple({"step": step, "momentum_cosine": cosine}.get(name) for name in LAYER_COLUMNS)
    return CloseLook(step, (whole,), (0.0,))


def watch_of(*needs):
    trigger = Stub(frozenset(needs))
    flat = FlatModel(nn.Linear(2, 1, bias=False))
    flat.weight.zero_()
    return Watch(trigger, flat), trigger, flat


def test_everything_since_the_last_time_is_told_once():
    watch, trigger, _ = watch_of("cosine")
    watch.updates([update(0, loss=3.0)], [look(0, None)])
    watch.updates([update(1, loss=4.0, grad=5.0)], [look(1, -0.25)])
    assert watch.decide(2, 0.75, None, None) is None
    watch.updates([update(2, loss=6.0), update(3)], [look(2, 0.5), look(3, 0.125)])
    watch.decide(4, 0.5, 0.3, (1.5, 9.0))
    first, second = trigger.told
    assert (first.step, first.heat, first.val_loss) == (2, 0.75, None)
    assert first.train_losses == (3.0, 4.0)
    assert first.grad_norms == (2.0, 5.0)
    assert first.cosines == (None, -0.25)
    assert second.train_losses == (6.0, 1.0)
    assert second.cosines == (0.5, 0.125)
    assert (second.val_loss, second.gradient_square, second.gradient_trace) == (0.3, 1.5, 9.0)
    assert (first.displacement, first.path) == (None, None)


def test_what_is_decided_happens_before_the_next_update_and_is_kept_in_order():
    watch, _, _ = watch_of()
    assert [watch.is_due(done) for done in (1, 2, 3, 4)] == [False, True, False, True]
    found = [watch.decide(done, 1.0, None, None) for done in range(2, 14, 2)]
    wanted = [Event(done, "restart", "stub", 1.5, 1.0) for done in (6, 12)]
    assert [event for event in found if event] == wanted == list(watch.events)


def test_the_way_is_measured_straight_and_step_by_step_since_the_last_time():
    watch, trigger, flat = watch_of("path")
    flat.weight[:2] += 3.0
    watch.updates([update(0, moved=4.0), update(1, moved=2.0)], [])
    watch.decide(2, 1.0, None, None)
    flat.weight[0] -= 1.0
    watch.updates([update(2, moved=1.0)], [])
    watch.decide(3, 1.0, None, None)
    assert [seen.path for seen in trigger.told] == [6.0, 1.0]
    assert [seen.displacement for seen in trigger.told] == [
        pytest.approx(math.hypot(3, 3)),
        pytest.approx(1.0),
    ]


@pytest.mark.parametrize("blocks", [[(0, 7)], [(0, 3), (3, 7)], [(k, k + 1) for k in range(7)]])
def test_no_number_depends_on_how_updates_were_divided_into_blocks(blocks):
    watch, trigger, _ = watch_of("path")
    moved = [0.1, 0.7, 1e-9, 0.3, 0.2, 1e9, 0.1]
    for start, end in blocks:
        watch.updates([update(t, moved=moved[t]) for t in range(start, end)], [])
    watch.decide(8, 1.0, None, None)
    path = 0.0
    for way in moved:
        path += way
    assert trigger.told[0].path == path


@pytest.mark.parametrize("bad", [{"grad": math.inf}, {"loss": math.nan}, {"grad": math.nan}])
def test_what_is_not_finite_is_told_to_no_trigger_and_forgotten(bad):
    watch, trigger, _ = watch_of()
    watch.updates([update(0), update(1, **bad)], [])
    assert watch.decide(2, 1.0, None, None) is None
    assert trigger.told == []
    watch.updates([update(2)], [])
    watch.decide(4, 1.0, None, None)
    assert trigger.told[0].train_losses == (1.0,)


def test_a_watch_that_was_put_away_between_two_decisions_goes_on():
    watch, trigger, flat = watch_of("path", "cosine")
    for done in (2, 4, 6):
        watch.decide(done, 1.0, None, None)
    flat.weight[0] = 2.0
    watch.updates([update(6, moved=0.3)], [look(6, 0.5)])
    state = watch.state()
    start = state.pop("start")
    restored, other, other_flat = watch_of("path", "cosine")
    restored.restore({**json.loads(json.dumps(state)), "start": start.clone()})
    assert restored.events == watch.events
    for one, place in ((watch, flat), (restored, other_flat)):
        place.weight[0] = 5.0
        one.updates([update(7, moved=0.6)], [look(7, None)])
        one.decide(8, 1.0, None, None)
    assert other.told[-1] == trigger.told[-1]
    assert (other.told[-1].displacement, other.told[-1].path) == (5.0, 0.3 + 0.6)
    assert restored.state()["trigger"] == watch.state()["trigger"] == {"asked": 4}
