"""Plans of nothing, and with numbers that are none."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SECTIONS: tuple[Section, ...] = (
    section(
        "What is asked",
        row("plan", "--effect or --seeds must be given", "--effect 0.01, or --seeds 10"),
        row("plan schedule=constant,cosine", "--effect or --seeds must be given"),
        row("plan --effect 0", "--effect must be a positive number, in the unit of the metric"),
        row("plan --effect nan", "--effect must be a positive number", "got nan"),
        row("plan --effect small", "--effect must be a number, got 'small'"),
        row("plan --seeds 1", "--seeds must be at least 2: one seed has no interval", "got 1"),
        row("plan --seeds 3,7", "--seeds must be a whole number, got '3,7'"),
        row("plan --seeds 5 --level 0.2", "--level must be between 0.5 and 1, got 0.2"),
        row("plan --seeds 5 --comparisons 0", "--comparisons must be", "got '0'"),
        row("plan --seeds 5 --metric loss", "--metric must be one of val_loss, val_accuracy"),
    ),
    section(
        "Of which sweep, and from what",
        row("plan schedule=cosin,constant --seeds 5", "schedule must be one of", "try   schedule="),
        row(
            "plan schedule=cosine seed=3 --seeds 5", "seed cannot be an override here", "--seeds 10"
        ),
        row("plan --seeds 5 --from nowhere", "--from must exist, got 'nowhere'"),
        row(
            "plan --seeds 5 --from file",
            "--from must be a folder of results, got 'file'",
            files={"file": "mine"},
        ),
    ),
)
