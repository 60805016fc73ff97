"""A schedule read from a table of values."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from lrbench.errors import ScheduleError
from lrbench.schedules.base import Cycles, Schedule, require

Between = Literal["hold", "linear"]


def table(
    *,
    steps: tuple[int, ...],
    factors: tuple[float, ...],
    cycle_starts: tuple[int, ...] = (0,),
    between: Between = "hold",
    total_steps: int | None = None,
) -> Schedule:
    """The factors of a CSV file with the columns ``step`` and ``factor``.

    ``f(t)`` is the factor of the last row with ``step <= t``; with ``between="linear"`` it lies on
    the straight line to the next row. The last row holds.

    Parameters
    ----------
    file : path
        A CSV file with a header, from which a configuration has all but ``between``. Its columns
        ``step`` and ``factor`` are read, and ``cycle`` where there is one, as ``lrbench preview
        --format csv`` writes them: a new cycle is a warm restart where the factor rises. The values
        become part of the run's specification.
    steps : sequence of int, strictly increasing from 0
    factors : sequence of float in [0, inf), as many
    cycle_starts : sequence of int, increasing from 0
        First steps of the cycles; all but the first are warm restarts.
    between : {"hold", "linear"}
        What a step without a row gets: the row before, or a point on the line to the next.
    total_steps : int in [1, inf), optional
        Length of the run, without the warmup.

    Returns
    -------
    Schedule

    Raises
    ------
    ScheduleError
        The rows are not as described.

    Examples
    --------
    >>> factor = table(steps=(0, 2, 4), factors=(1.0, 0.5, 0.1), between="linear")
    >>> [round(factor(step), 4) for step in range(6)]
    [1.0, 0.75, 0.5, 0.3, 0.1, 0.1]
    """
    _check(steps, factors, cycle_starts)

    def factor(step: int) -> float:
        row = bisect_right(steps, step) - 1
        if between == "hold" or row == len(steps) - 1 or step == steps[row]:
            return factors[row]
        part = (step - steps[row]) / (steps[row + 1] - steps[row])
        return factors[row] + (factors[row + 1] - factors[row]) * part

    words = "the row before" if between == "hold" else "the straight line between two rows"
    return Schedule(
        factor,
        Cycles(lambda index: cycle_starts[index] if index < len(cycle_starts) else None),
        conventions=(
            f"rows: {len(steps)}; a step without one has the value of {words}",
            f"past the end: {factors[-1]:g} is held",
        ),
        notes=_beyond_the_rows(steps[-1], factors[-1], total_steps),
    )


def _beyond_the_rows(last: int, value: float, total_steps: int | None) -> tuple[str, ...]:
    """A remark where the run is longer than the table."""
    if total_steps is None or last >= total_steps - 1:
        return ()
    return (f"the rows end at step {last}: {value:g} is held for {total_steps - 1 - last} steps",)


def read_table(path: Path) -> dict[str, Any]:
    """What :func:`table` needs, from a CSV file.

    Returns
    -------
    dict
        ``steps``, ``factors`` and ``cycle_starts`` as lists.

    Raises
    ------
    ScheduleError
        The file cannot be read, lacks a column, or has a row that is no number; with its line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            columns = reader.fieldnames or []
            missing = [name for name in ("step", "factor") if name not in columns]
            relation = "must have the columns step and factor, divided by commas"
            if "lr" in columns:
                relation += "; a factor is a rate divided by optimizer.lr"
            require(not missing, "file", f"{relation} (it has: {', '.join(columns)})", str(path))
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, ValueError, csv.Error) as error:  # a ValueError: no text, or a NUL in its name
        raise ScheduleError(f"must be a CSV file ({error})", key="file", got=str(path)) from None
    if len({row.get("schedule") for _, row in rows}) > 1:
        relation = "must hold one schedule; this one has a column schedule with several"
        raise ScheduleError(relation, key="file", got=str(path))
    steps, factors, cycles = [], [], []
    for line, row in rows:
        try:
            steps.append(int(row["step"]))
            factors.append(float(row["factor"]))
            cycles.append(int(row.get("cycle") or 0))
        except (TypeError, ValueError) as error:
            relation = f"must hold numbers (line {line}: {error})"
            raise ScheduleError(relation, key="file", got=str(path)) from None
    rows_before = zip(pairwise(cycles), pairwise(factors), steps[1:], strict=True)
    starts = [0] + [step for (a, b), (low, high), step in rows_before if b > a and high > low]
    try:
        _check(tuple(steps), tuple(factors), tuple(starts))
    except ScheduleError as error:
        (problem,) = error.problems
        raise ScheduleError(
            f"{problem.relation} ({problem.got})", key="file", got=str(path)
        ) from None
    return {"steps": steps, "factors": factors, "cycle_starts": starts}


def _check(
    steps: tuple[int, ...], factors: tuple[float, ...], cycle_starts: tuple[int, ...]
) -> None:
    require(len(steps) > 0, "steps", "must have at least one row", list(steps))
    require(steps[0] == 0, "steps", "must begin at step 0", steps[0])
    for row, (before, after) in enumerate(pairwise(steps), start=1):
        require(
            before < after, "steps", f"must increase from row to row; row {row} does not", after
        )
    alike = f"must be as many as the steps ({len(steps)})"
    require(len(factors) == len(steps), "factors", alike, len(factors))
    for row, value in enumerate(factors):
        relation = f"must be finite and not negative; row {row} is not"
        require(math.isfinite(value) and value >= 0.0, "factors", relation, value)
    increasing = cycle_starts[:1] == (0,) and all(a < b for a, b in pairwise(cycle_starts))
    require(increasing, "cycle_starts", "must increase from step 0", list(cycle_starts))
