"""All flags, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lrbench.record.pairing import Mismatch
from lrbench.report.sanity.curves import (
    Rates,
    of_identical_logs,
    of_rates,
    of_rates_without_effect,
    of_reproduction,
)
from lrbench.report.sanity.effects import of_effects
from lrbench.report.sanity.effort import of_effort
from lrbench.report.sanity.flag import Flag, in_order
from lrbench.report.sanity.floors import of_floors
from lrbench.report.sanity.inputs import of_inputs
from lrbench.report.sanity.restarts import of_restarts
from lrbench.report.sanity.study import Study
from lrbench.report.sanity.testing import of_test_uses


@dataclass(frozen=True)
class Besides:
    """What flags need that is not in the runs themselves.

    Parameters
    ----------
    mismatches : sequence of Mismatch
        Inputs that runs of a seed do not share.
    rates : mapping
        See :func:`lrbench.report.sanity.curves.of_rates`.
    test_uses : mapping
        By run, when its test split was looked at.
    """

    mismatches: Sequence[Mismatch] = ()
    rates: Rates = field(default_factory=dict)
    test_uses: Mapping[str, Sequence[str]] = field(default_factory=dict)


def all_flags(study: Study, besides: Besides) -> tuple[Flag, ...]:
    """Every flag that stands, serious ones first."""
    return in_order(_found(study, besides))


def _found(study: Study, besides: Besides) -> Iterator[Flag]:
    yield from of_inputs(study, besides.mismatches)
    yield from of_identical_logs(study)
    yield from of_rates(study, besides.rates)
    yield from of_rates_without_effect(study)
    yield from of_reproduction(study)
    yield from of_floors(study)
    yield from of_restarts(study)
    yield from of_effects(study)
    yield from of_effort(study)
    yield from of_test_uses(besides.test_uses)
