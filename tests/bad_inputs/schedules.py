"""Schedules that cannot be previewed, checked or begun."""

from __future__ import annotations

import shlex

from bad_inputs.row import Row, Section, row, section

HOSTILE = (
    *(".", "..", "../../x", "/abs", "a/../../b", "a/b", "a\\b", "C:x", "\\\\srv\\x", "~"),
    *("$(id)", "`id`", "a b", "plunge.", "plunge ", "CON", "nul.txt", "a\nb", "a\tb", "\x1b[31m"),
    *("\u4e00" * 90, "\u202egnp", "a\u200bb", "cafe\u0301", "%2e%2e", "manifest.json"),
)
"""Names that a careless program would make a folder or a command of."""


def new(name: str, *told: str) -> Row:
    """A name that no schedule can have."""
    return row(f"new schedule {shlex.quote(name)}", "the name must ", *told)


SECTIONS: tuple[Section, ...] = (
    section(
        "Previews",
        row("preview --plot c.pdf", "--plot must end in .png, .svg or .html, got 'c.pdf'"),
        row(
            "preview --plot none/c.png",
            "--plot must lie in a folder that exists, got 'none/c.png'",
            "mkdir -p none",
        ),
        row("preview --json --format csv", "--format must not be given together with --json"),
        row("preview --format xlsx", "--format must be one of: table, csv, json, got 'xlsx'"),
        row("preview schedule=cosin", "schedule must be one of:", "'cosin'", "schedule=cosine"),
        row("preview train.steps=0", "train.steps must be at least 1, got 0"),
        row(
            "preview schedule.decay=0.5",
            "schedule.decay must be whole updates",
            "got 0.5",
            "schedule.decay=50%",
        ),
        row(
            "preview schedule=sgdr schedule.T_0=10",
            "schedule.T_0 is not a setting",
            "schedule.first_cycle=…",
        ),
        row(
            "preview schedule.eta_min=0.01",
            "schedule.eta_min is not a setting",
            "schedule.final_factor=0.1, a fraction",
        ),
        row("preview schedule=table", "schedule.file"),
        row("preview schedule=table schedule.file=none.csv", "schedule.file", "none.csv"),
        row(
            "preview schedule=table schedule.file=t.csv",
            "schedule.file",
            files={"t.csv": "step,factor\n0,1\n0,2\n"},
        ),
        row("preview schedule=torch:CosineAnealingLR", "schedule._target_ must be an import path"),
        row("preview schedule=torch:StepLR", "'step_size'"),
        row("preview optimizer.lr=0", "optimizer.lr must be a number above 0, got 0"),
    ),
    section(
        "Checks of schedules",
        row("check-schedule schedule=cosin", "schedule must be one of:", "schedule=cosine"),
        row("check-schedule --all schedule=cosine", "schedule", "'schedule=cosine'"),
        row(
            "check-schedule schedule=sgdr schedule.cycle_mult=0",
            "schedule.cycle_mult must be",
            "got 0",
        ),
        row("check-schedule train.steps=x", "train.steps must be a whole number, got 'x'"),
        row("check-schedule --al", "--al is not an option of lrbench check-schedule", "--all"),
    ),
    section(
        "Schedules to be begun",
        row("new", "KIND must be given"),
        row("new schedule", "NAME must be given"),
        row("new model plunge", "KIND must be one of: schedule, got 'model'"),
        new("Plunge", "be small letters"),
        new("my-plunge", "be small letters"),
        new("3steps", "be small letters"),
        new("_private", "be small letters"),
        new("../plunge", "be small letters"),
        new("", "be small letters"),
        new("plongée", "be small letters"),
        new("plunge\n", "be small letters"),
        new("lambda", "not be a word that Python or the command line needs"),
        new("null", "not be a word that Python or the command line needs"),
        new("sorted", "not be a word that Python or the command line needs"),
        new("sgdr", "not be the name of one of lrbench's schedules"),
        new("custom", "not be the name of one of lrbench's schedules"),
        new("json", "not be the name of a module that can be imported"),
        new("torch", "not be the name of a module that can be imported"),
        new("lrbench", "not be the name of a module that can be imported"),
        new("conftest", "not be the name of a module that can be imported"),
        new("factor", "not be a word that the function or its test uses itself"),
        new("built", "not be a word that the function or its test uses itself"),
        *(new(name, "small letters") for name in HOSTILE),
        row(
            "new schedule plunge",
            "schedule must be a place that can be written to",
            files={"schedule": "mine"},
        ),
        row(
            "new schedule plunge",
            "plunge.py must not be there yet",
            "test_plunge.py must not be there yet",
            files={"plunge.py": "", "test_plunge.py": ""},
            problems=2,
        ),
    ),
)
