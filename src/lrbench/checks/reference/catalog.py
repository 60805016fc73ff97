"""The reference of every schedule by name, of those made of others too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lrbench.checks.reference.continual import CONTINUAL
from lrbench.checks.reference.cyclic import CYCLIC
from lrbench.checks.reference.decays import DECAYS
from lrbench.checks.reference.drops import DROPS
from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.frozen import frozen
from lrbench.checks.reference.horizon_free import HORIZON_FREE
from lrbench.checks.reference.numbers import Number
from lrbench.checks.reference.ramps import warmed_up
from lrbench.checks.reference.restarts import RESTARTS

OWN_WARMUP = {"inverse_sqrt", "noam", "frozen"}
"""Those before which no shared warmup stands."""


def exact(name: str, settings: Mapping[str, Any], total_steps: int) -> Exact | None:
    """The schedule ``name`` as mathematics has it, for a run of ``total_steps`` updates.

    Parameters
    ----------
    name : str
    settings : mapping
        As ``build_schedule`` takes them: lengths in updates or parts of the steps, missing ones
        have their defaults. They are valid.
    total_steps : int in [1, inf), in updates

    Returns
    -------
    Exact or None
        None if lrbench has no schedule of this name.
    """
    if name not in FORMULAS:
        return None
    settings = {key: _counted(value, total_steps) for key, value in settings.items()}
    if name in OWN_WARMUP:
        return FORMULAS[name](Given(settings, total_steps))
    shared = Given(settings, total_steps)
    steps = shared.length("warmup", 0)
    after = FORMULAS[name](Given(settings, total_steps - steps))
    form, start = shared.word("warmup_form", "first"), shared.number("warmup_start", 0.0)
    return warmed_up(after, steps, form, start)


def _counted(value: Any, steps: int) -> Any:
    """A part of the steps as a number of them, halves up; anything else as it is."""
    if isinstance(value, list):
        return [_counted(item, steps) for item in value]
    if not (isinstance(value, str) and value.endswith("%")):
        return value
    return math.floor(Fraction(value[:-1]) * steps / 100 + Fraction(1, 2))


def sequence(given: Given) -> Exact:
    """Each piece from its boundary on, with steps of its own."""
    starts = [0, *given.value("boundaries", ())]
    ends = [*starts[1:], given.steps]
    pieces = [
        _inner(piece, end - start)
        for piece, start, end in zip(given.value("pieces"), starts, ends, strict=True)
    ]

    def factor(step: int) -> Number:
        index = sum(start <= step for start in starts) - 1
        return pieces[index].factor(step - starts[index])

    inside = [
        start + restart
        for piece, start in zip(pieces, starts, strict=True)
        for restart in piece.restarts
    ]
    between = starts[1:] if given.value("restart", False) else []
    return Exact(factor, tuple(sorted({*inside, *between})))


def scaled(given: Given) -> Exact:
    """Every factor of another schedule, multiplied."""
    scale: Fraction = given.number("scale_factor", 1.0)
    of = _inner(given.value("of"), given.steps)
    return Exact(lambda step: scale * of.factor(step), of.restarts)


def _inner(given: Any, steps: int) -> Exact:
    """A schedule inside another one: a name, or a mapping with a name."""
    settings = {"name": given} if isinstance(given, str) else dict(given)
    found = exact(settings.pop("name"), settings, steps)
    assert found is not None, given
    return found


FORMULAS: dict[str, Formula] = {
    **DECAYS,
    **DROPS,
    **HORIZON_FREE,
    **CYCLIC,
    **RESTARTS,
    **CONTINUAL,
    "sequence": sequence,
    "scaled": scaled,
    "frozen": lambda given: frozen(given, _inner),
}
