"""Commands, options and words that there are not."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SECTIONS: tuple[Section, ...] = (
    section(
        "Commands and options",
        row("walk", "the command must be one of: run, plan,", "got 'walk'", "lrbench --help"),
        row("swep", "the command must be one of: run, plan,", "got 'swep'", "lrbench sweep"),
        row("--verbose run", "--verbose is not an option of lrbench", "--version"),
        row("--debug=3 run", "--debug must have no value"),
        row("run --result there", "--result is not an option of lrbench run", "try   --results"),
        row("run --results", "--results must have a value"),
        row("run --force=3", "--force must have no value"),
        row("run -n 3", "-n is not an option of lrbench run"),
        row("sweep --job 2", "--job is not an option of lrbench sweep", "--jobs"),
        row("show --results x", "--results is not an option of lrbench show"),
        row("doctor now", "lrbench doctor takes settings with --lanes only, got 'now'"),
        row("doctor --results", "--results must have a value"),
    ),
    section(
        "What is listed",
        row(
            "list modles",
            "what is listed must be one of: models, datasets,",
            "got 'modles'",
            "try   lrbench list models",
        ),
        row("list models datasets", "lrbench list takes no further words, got 'datasets'"),
        row("list schedules cosin", "'cosin'", "cosine"),
        row("list schedules cosin sgd", "'cosin'", "'sgd'", problems=2),
    ),
)
