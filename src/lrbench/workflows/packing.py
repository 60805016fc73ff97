"""Which runs are trained together: plans of the lanes engine.

Runs fit together if nothing but seed, schedules, restarts and the numbers that schedules multiply
differ. A plan always has ``compute.lanes`` slots; those without a run are filled with copies, so
that a run's program, and with it its bits, do not depend on how many others there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Plan
from lrbench.engine.lanes.independence import Independence
from lrbench.engine.optimizers import base_settings
from lrbench.engine.update_rules import rule_key
from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.reader import read_json
from lrbench.spec.canonical import canonical
from lrbench.spec.run import RunSpec

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Pack:
    """Runs that are trained together.

    Parameters
    ----------
    places : tuple of int
        Of the runs, in the sequence that was packed.
    slots : tuple of int
        Each one's slot in the program; (0,) for a run of the loop engine.
    """

    places: tuple[int, ...]
    slots: tuple[int, ...]


def pack(
    runs: Sequence[Resolved],
    slots: Sequence[int | None] | None = None,
    alike: Sequence[Hashable] | None = None,
) -> list[Pack]:
    """Distribute runs to plans; each run of the loop engine is one of its own.

    Parameters
    ----------
    runs : sequence of Resolved
        In the order in which they are to be done.
    slots : sequence of (int or None), optional
        The slot of each run that must stand in a certain one: one that has begun keeps its own.
    alike : sequence, optional
        What besides their programs must be equal of runs in one plan, of each run.

    Returns
    -------
    list of Pack
        In the order of their first runs.
    """
    slots = slots or [None] * len(runs)
    alike = alike or [None] * len(runs)
    open_packs: dict[Hashable, list[dict[int, int]]] = {}
    copies: Counter[str] = Counter()

    def turn(place: int) -> tuple[bool, int]:
        # Runs that may stand anywhere fill what the others leave; and seed by seed, as runs of one
        # seed train on the same batches, which are then put together once.
        return slots[place] is None, runs[place].spec.seed

    for place in sorted(range(len(runs)), key=turn):
        compute = runs[place].spec.compute
        if compute.engine == "loop":
            open_packs[place] = [{0: place}]
            continue
        # The copy of a run is in no plan with it: their record has one writer at a time.
        digest = runs[place].spec.digest
        packs = open_packs.setdefault((pack_key(runs[place]), alike[place], copies[digest]), [])
        copies[digest] += 1
        _put(packs, place, slots[place], compute.lanes)
    found = [one for packs in open_packs.values() for one in packs]
    return [
        Pack(tuple(one[slot] for slot in sorted(one)), tuple(sorted(one)))
        for one in sorted(found, key=lambda one: min(one.values()))
    ]


def _put(packs: list[dict[int, int]], place: int, slot: int | None, width: int) -> None:
    """Into the first plan with room."""
    for slots in packs:
        free = [slot] if slot is not None else range(width)
        where = next((one for one in free if one not in slots), None)
        if where is not None:
            slots[where] = place
            return
    packs.append({0 if slot is None else slot: place})


def recorded_slots(runs: Sequence[Resolved], results: Path) -> list[int | None]:
    """The slots that runs have begun in, whose records are in the folder ``results``."""
    return [recorded_slot(results / run.spec.run_id) for run in runs]


def recorded_slot(record: Path) -> int | None:
    """The slot that a record was begun in; None where there is none, or it cannot be read."""
    with suppress(RecordError, OSError, LookupError, TypeError, ValueError):
        return int(read_json(record / layout.MANIFEST)["lanes"]["slot"])
    return None


def slot_of_same(record: Path) -> int | None:
    """The slot in which a run gets the bits of this record; None where any will do.

    That other slots will do is known where it was measured (level L2); else where a lane lies may
    decide its bits.
    """
    with suppress(RecordError, OSError, LookupError, TypeError, ValueError):
        level = Independence(read_json(record / layout.MANIFEST)["lanes"]["level"])
        if level >= Independence.L2:
            return None
    return recorded_slot(record)


def pack_key(run: Resolved) -> str:
    """Equal for runs that fit together."""
    spec = run.spec
    shared = {
        "dataset": spec.dataset.model_dump(mode="json"),
        "model": spec.model.model_dump(mode="json"),
        "optimizer": list(rule_key(spec.optimizer)),
        "steps": spec.total_steps,
        "train": spec.train.model_dump(mode="json"),
        "diagnostics": spec.diagnostics.model_dump(mode="json"),
        "compute": spec.compute.model_dump(mode="json"),
        "checkpoint_every": run.checkpoint_every,
        "fork": None if spec.fork is None else spec.fork.step,
    }
    return canonical(shared)


def joined(plans: Sequence[Plan], specs: Sequence[RunSpec], slots: Sequence[int]) -> Plan:
    """One plan of several of one run each.

    Parameters
    ----------
    plans : sequence of Plan
    specs : sequence of RunSpec
        What they were made of.
    slots : sequence of int
    """
    first = plans[0]
    if len(plans) == 1 and tuple(slots) == (0,):
        return first
    return replace(
        first,
        rates=np.concatenate([plan.rates for plan in plans], axis=1),
        momenta=_columns("momentum", [plan.momenta for plan in plans], specs, first),
        weight_decays=_columns(
            "weight_decay", [plan.weight_decays for plan in plans], specs, first
        ),
        lanes=tuple(plan.lanes[0] for plan in plans),
        slots=tuple(slots),
    )


def _columns(
    what: str, tables: Sequence[Table | None], specs: Sequence[RunSpec], plan: Plan
) -> Table | None:
    """The tables side by side; one that does not change is its one value at every update."""
    if all(table is None for table in tables):
        return None

    def column(table: Table | None, spec: RunSpec) -> Table:
        if table is not None:
            return table
        return np.full((plan.total_steps, 1), base_settings(spec.optimizer, None)[what])

    return np.concatenate(
        [column(table, spec) for table, spec in zip(tables, specs, strict=True)], axis=1
    )
