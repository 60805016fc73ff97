"""Twins, snapshots and ledgers of what has none."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SMALL = "dataset=diabetes model=linear"
PLAIN = (f"run {SMALL} train.steps=2",)
RESTARTED = (f"run {SMALL} train.steps=6 schedule=sgdr schedule.num_cycles=2",)
ADAM = (f"run {SMALL} train.steps=6 schedule=sgdr schedule.num_cycles=2 optimizer=adamw",)
TWINS = (*RESTARTED, "twin results --jobs 1")
CLAIMED = {"results/a-b-c-s0-00000000/lock": ""}
"""A run that has not begun."""

FILE = {"file": "mine"}
BUNDLE = {"b.zip": "PK"}

SECTIONS: tuple[Section, ...] = (
    section(
        "lrbench twin",
        row("twin", "PATH must be given", "lrbench twin --help"),
        row("twin nowhere", "nowhere must exist", "lrbench status results"),
        row("twin file", "file must be a record or a folder of records", files=FILE),
        row("twin b.zip", "b.zip must be a record", "try   lrbench verify b.zip", files=BUNDLE),
        row("twin .", "must hold records of runs", "lrbench run"),
        row(
            "twin results",
            "--restart must be the number of a restart that a run in results has",
            "no run there has a restart",
            after=PLAIN,
        ),
        row(
            "twin results --restart 5",
            "--restart must be the number of a restart that a run in results has",
            "its runs have 1 restart",
            "try   --restart 1",
            after=RESTARTED,
        ),
        row(
            "twin results --restart 0",
            "--restart must be the number of a restart, from 1, or all, got '0'",
            "try   --restart 1",
        ),
        row("twin results --restart first", "got 'first'", "try   --restart 1"),
        row(
            "twin results --policies keep,full_resett",
            "--policies must be among keep, reset_momentum, full_reset, adam_rel, rewarm, none",
            "got 'full_resett'",
            "try   --policies full_reset",
        ),
        row("twin results --policies ''", "--policies must be among", "try   --policies none"),
        row(
            "twin results --policies keep,none,keep",
            "--policies must not name a policy twice, got 'keep'",
            "try   --policies keep,none",
        ),
        row(
            "twin results --policies adam_rel",
            "needs an optimizer that corrects the bias of its moments",
            "SGD keeps momentum_buffer",
            "try   --policies keep,full_reset,none",
            after=RESTARTED,
        ),
        row(
            "twin results --policies reset_momentum",
            "needs an optimizer that keeps its momentum buffer as momentum_buffer",
            "try   --policies keep,full_reset,none",
            after=ADAM,
        ),
        row(
            "twin results",
            "results must hold a run to make twins of (must be finished to have twins",
            "try   lrbench resume results/a-b-c-s0-00000000",
            files=CLAIMED,
        ),
        row(
            "twin results/a-b-c-s0-00000000",
            "a-b-c-s0-00000000 must be finished to have twins (it is interrupted)",
            files=CLAIMED,
        ),
        row(
            "twin results/twins",
            "results/twins must hold a run to make twins of (must not be a twin itself)",
            "try   the run that it is a twin of",
            after=TWINS,
        ),
        row("twin results --results file", "--results must be a folder", files=FILE, after=PLAIN),
        row("twin results --jobs 0", "--jobs must be at least 1, got '0'"),
        row("twin results --data nowhere", "--data must be a folder that exists, got 'nowhere'"),
        row("twin one two", "lrbench twin takes no further words, got 'two'"),
    ),
    section(
        "lrbench snapshots",
        row("snapshots", "PATH must be given", "lrbench snapshots --help"),
        row("snapshots nowhere", "nowhere must exist"),
        row("snapshots file", "file must be a record or a folder of records", files=FILE),
        row("snapshots .", "must hold records of runs", "lrbench run"),
        row(
            "snapshots results",
            "results must hold runs with snapshots (keeps no checkpoints of its cycle ends)",
            "try   lrbench run … restart.keep_checkpoints=true",
            after=RESTARTED,
        ),
        row(
            "snapshots results/a-b-c-s0-00000000",
            "a-b-c-s0-00000000 keeps no checkpoints of its cycle ends",
            files=CLAIMED,
        ),
        row("snapshots results --data file", "--data must be a folder, got 'file'", files=FILE),
    ),
    section(
        "lrbench restarts",
        row("restarts", "PATH must be given", "lrbench restarts --help"),
        row("restarts nowhere", "nowhere must exist", "lrbench status results"),
        row("restarts file", "file must be a run or a folder of runs", files=FILE),
        row("restarts .", "must hold records of runs", "lrbench run"),
        row(
            "restarts results/a-b-c-s0-00000000",
            "must hold more than the lock of a run that has not begun",
            files=CLAIMED,
        ),
        row("restarts results --layer", "--layer is not an option of lrbench restarts", "--layers"),
    ),
)
