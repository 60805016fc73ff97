"""Reports and pictures that cannot be made."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

RUN = ("run dataset=diabetes model=linear train.steps=2",)
SWEEP = ("sweep dataset=diabetes model=linear train.steps=2 schedule=linear,cosine --seeds 1",)

SECTIONS: tuple[Section, ...] = (
    section(
        "Where a picture or a report goes",
        row("plot results", "--output must be given", after=RUN),
        row("plot results -o a.pdf", "--output must end in .png, .svg or .html", "a.png"),
        row("plot results -o no/a.png", "--output must lie in a folder that exists", "mkdir -p no"),
        row("report results -o a.pdf", "--output must end in .html", "a.html", after=RUN),
        row("report results --markdown --latex", "--latex must not be given together", after=RUN),
    ),
    section(
        "What is drawn and reported",
        row("plot nowhere -o a.png", "nowhere must exist", "lrbench compare results"),
        row("plot results --kind seed -o a.png", "--kind must be one of", "--kind seeds"),
        row(
            "plot results --kind differences -o a.png",
            "must hold two arms to be compared",
            "lrbench plot --kind seeds",
            after=RUN,
        ),
        row(
            "plot results --kind lr-sensitivity -o a.png",
            "must hold runs at two learning rates or more",
            after=SWEEP,
        ),
        row(
            "plot results --kind layers --arm linea -o a.png",
            "--arm must be one of 'cosine', 'linear'",
            "--arm 'linear'",
            after=SWEEP,
        ),
        row(
            "plot results --kind layers -o a.png",
            "must hold complete runs with restarts and their layers",
            after=SWEEP,
        ),
        row(
            "plot results --lr 7 -o a.png",
            "--lr must be a learning rate of these runs (0.1), got 7.0",
            after=SWEEP,
        ),
        row("plot results --task wine -o a.png", "--task must not be given", after=SWEEP),
        row("report nowhere", "nowhere must exist", "lrbench report results"),
        row("report . -o a.html", "must hold records of runs", "lrbench run"),
    ),
)
