"""Comparisons that cannot be made."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

RUN = ("run dataset=diabetes model=linear train.steps=2",)
SWEEP = ("sweep dataset=diabetes model=linear train.steps=2 schedule=linear,cosine --seeds 1",)

SECTIONS: tuple[Section, ...] = (
    section(
        "What is compared",
        row("compare nowhere", "nowhere must exist", "lrbench compare results"),
        row("compare .", "must hold records of runs", "lrbench run"),
        row("compare results", "--by must tell apart runs of one dataset and model", after=RUN),
        row("compare results --by dataset", "no common scale", "--by schedule", after=SWEEP),
        row("compare results --by schedul", "'schedul'", "--by schedule", after=SWEEP),
        row(
            "compare results --baseline schedule=cosin",
            "--baseline must name one of the contenders (cosine, linear)",
            "--baseline 'cosine'",
            after=SWEEP,
        ),
        row(
            "compare results --metric val_accuracy",
            "--metric must be a metric of all of these runs (val_loss)",
            after=SWEEP,
        ),
    ),
    section(
        "How it is judged",
        row("compare . --metric val_los", "--metric must be one of", "try   --metric val_loss"),
        row("compare . --level 0.5", "--level must be between 0.5 and 1, got 0.5", "--level 0.95"),
        row("compare . --margin 0", "--margin must be positive and finite", "--margin 0.01"),
        row("compare . --target nan", "--target must be a finite number, got nan"),
        row("compare . --format pdf", "--format must be one of: text, csv, markdown, latex, json"),
        row("compare . --json --format csv", "--format must not be given together with --json"),
    ),
)
