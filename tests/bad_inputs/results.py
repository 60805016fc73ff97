"""Results folders that cannot be one, and folders of configuration."""

from __future__ import annotations

from bad_inputs.row import Row, Section, row, section

SMALL = "dataset=wine model=linear train.steps=20"
LONG = "x" * 300


def results(verb: str, path: str, *told: str) -> Row:
    """A wrong ``--results``."""
    return row(f"{verb} --results {path} {SMALL}", *told, files={"file": "mine"})


def config_dir(verb: str, path: str, **others: object) -> Row:
    """A wrong ``--config-dir``."""
    told = f"--config-dir must be a folder, got '{path}'"
    return row(f"{verb} --config-dir {path}", told, files={"file": "mine"}, **others)


SECTIONS: tuple[Section, ...] = (
    section(
        "The folder of results",
        *(
            made
            for verb in ("run", "run --dry-run", "sweep")
            for made in (
                results(
                    verb, "file", "--results must be a folder, got 'file'", "--results results"
                ),
                results(verb, "file/x", "--results must not lie below the file file, got 'file/x'"),
                results(verb, LONG, "--results must be the path of a folder"),
            )
        ),
    ),
    section(
        "The folder of configuration",
        *(
            config_dir(verb, path)
            for verb in ("run", "sweep", "show", "preview", "check-schedule")
            for path in ("file", "nowhere")
        ),
        row(f"run --config-dir {LONG}", "--config-dir must be a folder, got 'xxx"),
        config_dir("new schedule plunge", "nowhere"),
    ),
)
