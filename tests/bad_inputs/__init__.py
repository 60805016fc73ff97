"""The table of wrong inputs: what is typed, and what lrbench must say to it.

One module a family of commands; each has its ``SECTIONS``. The table is tested by
``tests/end_to_end/test_bad_input.py`` and told by ``docs/errors.md``.
"""

from __future__ import annotations

from bad_inputs import (
    adaptive,
    commands,
    compare,
    components,
    history,
    overrides,
    own_files,
    plan,
    records,
    report,
    restarts,
    results,
    schedules,
    settings,
    summarize,
    sweep,
)
from bad_inputs.row import Row, Section

CHAPTERS: dict[str, tuple[Section, ...]] = {
    "Commands": commands.SECTIONS,
    "Settings": settings.SECTIONS,
    "Components": components.SECTIONS,
    "Restarts and triggers": adaptive.SECTIONS,
    "Overrides": overrides.SECTIONS,
    "Files of your own": own_files.SECTIONS,
    "Folders": results.SECTIONS,
    "lrbench sweep": sweep.SECTIONS,
    "lrbench plan": plan.SECTIONS,
    "lrbench preview, check-schedule and new": schedules.SECTIONS,
    "lrbench verify, replay, resume, status, diff and bundle": records.SECTIONS,
    "lrbench summarize and check": summarize.SECTIONS,
    "lrbench compare": compare.SECTIONS,
    "lrbench history, note and log": history.SECTIONS,
    "lrbench plot and report": report.SECTIONS,
    "lrbench twin, snapshots and restarts": restarts.SECTIONS,
}

ROWS: tuple[Row, ...] = tuple(
    row for sections in CHAPTERS.values() for section in sections for row in section.rows
)
