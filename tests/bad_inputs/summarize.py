"""Summaries of what is not there."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

RUN = ("run dataset=diabetes model=linear train.steps=2",)

SECTIONS: tuple[Section, ...] = (
    section(
        "The folder",
        row("summarize", "FOLDER must be given", "lrbench summarize --help"),
        row("summarize nowhere", "nowhere must exist", "lrbench summarize results"),
        row("summarize results", "results must exist", "lrbench run"),
        row("summarize file", "file must be a folder of results", files={"file": "mine"}),
        row("summarize .", "must hold records of runs", "lrbench run"),
        row("summarize one two", "lrbench summarize takes no further words"),
    ),
    section(
        "lrbench check",
        row("check", "FOLDER must be given", "lrbench check --help"),
        row("check nowhere", "nowhere must exist", "lrbench check results"),
        row("check file", "file must be a folder of results", files={"file": "mine"}),
        row("check .", "must hold records of runs", "lrbench run"),
    ),
    section(
        "What is shown",
        row(
            "summarize . --metric val_los",
            "--metric must be one of val_loss, val_accuracy",
            "'val_los'",
            "try   --metric val_loss",
        ),
        row("summarize . --level 2", "--level must be between 0 and 1, got 2.0", "--level 0.95"),
        row("summarize . --level x", "--level must be a number, got 'x'"),
        row("summarize . --target nan", "--target must be a finite number, got nan"),
        row("summarize . --target low", "--target must be a number, got 'low'"),
        row(
            "summarize . --format xlsx",
            "--format must be one of: table, csv, md, json, latex, got 'xlsx'",
        ),
        row("summarize . --json --format csv", "--format must not be given together with --json"),
        row(
            "summarize results --metric val_accuracy",
            "--metric must be a metric of these runs (val_loss)",
            after=RUN,
        ),
        row("summarize results --by optimizer.lrr", "optimizer.lrr", "optimizer.lr", after=RUN),
        row(
            "summarize . --trust",
            "--trust, --data or --jobs must be given together with --final-test",
        ),
        row(
            "summarize . --final-test --format csv",
            "--format must be table or json with --final-test, got 'csv'",
            "--json",
        ),
        row(
            "summarize results --final-test --data nowhere",
            "--data must be a folder that exists, got 'nowhere'",
            after=RUN,
        ),
        row("summarize results --by ''", "--by", after=RUN),
    ),
)
