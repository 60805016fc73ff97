"""The way of the weights from cycle's end to cycle's end."""

import math

import pytest
import torch
from torch import nn

from lrbench.engine.flat import FlatModel
from lrbench.engine.movement import Movement


def flat_of(*values):
    """Two layers of one weight each."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False))
    flat = FlatModel(model)
    put(flat, *values)
    return flat


def put(flat, *values):
    for view, value in zip(flat.views(flat.weight), values, strict=True):
        view.fill_(value)


def told(moved):
    return [(m.distance, m.excursion, m.direction_cosine) for m in moved]


def test_distances_are_relative_to_the_end_before_for_the_model_and_each_layer():
    flat = flat_of(3.0, 4.0)
    movement = Movement(flat)
    put(flat, 3.0, 7.0)
    assert told(movement.close()) == [
        (3 / 5, 3 / 5, None),
        (0.0, 0.0, None),
        (0.75, 0.75, None),
    ]
    put(flat, 6.0, 7.0)
    size = math.hypot(3.0, 7.0)
    whole, first, second = told(movement.close())
    # This way is at right angles to the one before.
    assert whole == (pytest.approx(3 / size), pytest.approx(3 / size), 0.0)
    assert first == (1.0, 1.0, None)
    assert second == (0.0, 0.0, None)


@pytest.mark.parametrize(("back", "cosine"), [(1.0, -1.0), (4.0, 1.0)])
def test_the_direction_is_held_against_the_way_of_the_cycle_before(back, cosine):
    flat = flat_of(1.0, 1.0)
    movement = Movement(flat)
    put(flat, 2.0, 2.0)
    movement.close()
    put(flat, back, back)
    assert [m.direction_cosine for m in movement.close()] == pytest.approx([cosine] * 3)


def test_the_excursion_is_the_farthest_that_was_seen_and_starts_anew_each_cycle():
    flat = flat_of(3.0, 4.0)
    movement = Movement(flat)
    movement.saw([10.0, 6.0, 8.0])
    movement.saw([5.0, 3.0, 9.0])
    put(flat, 3.0, 5.0)
    moved = movement.close()
    assert [m.distance for m in moved] == pytest.approx([1 / 5, 0.0, 1 / 4])
    assert [m.excursion for m in moved] == pytest.approx([10 / 5, 6 / 3, 9 / 4])
    put(flat, 3.0, 5.5)
    # Never less than the way itself, which no update between may have shown.
    assert [m.excursion for m in movement.close()] == pytest.approx(
        [0.5 / math.hypot(3, 5), 0.0, 0.1]
    )


def test_from_nowhere_no_way_is_long():
    flat = flat_of(0.0, 2.0)
    movement = Movement(flat)
    put(flat, 1.0, 2.0)
    whole, first, _ = movement.close()
    assert whole.distance == 0.5
    assert (first.distance, first.excursion) == (None, None)


def test_the_anchor_stays_the_same_tensor_which_diagnostics_hold():
    flat = flat_of(1.0, 1.0)
    movement = Movement(flat)
    anchor = movement.anchor
    put(flat, 5.0, 5.0)
    movement.close()
    assert movement.anchor is anchor
    assert torch.equal(anchor, flat.weight)
    put(flat, 6.0, 6.0)
    assert not torch.equal(anchor, flat.weight)


def test_a_movement_that_was_put_away_goes_on():
    flat, other = flat_of(1.0, 2.0), flat_of(1.0, 2.0)
    movement = Movement(flat)
    put(flat, 2.0, 1.0)
    movement.close()
    movement.saw([3.0, 2.0, 1.0])
    restored = Movement(other)
    restored.restore(movement.state())
    for one in (flat, other):
        put(one, 2.5, 0.5)
    assert told(restored.close()) == told(movement.close())
