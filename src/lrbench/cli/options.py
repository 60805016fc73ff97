"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lrbench.cli.completion import complete_override
from lrbench.cli.console import say

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[OVERRIDES]...",
        help="Settings as Hydra overrides: schedule=sgdr optimizer.lr=0.1 train.steps=1000.",
        show_default=False,
        autocompletion=complete_override,
    ),
]
Results = Annotated[Path, typer.Option(help="Folder of all records.", metavar="DIR")]
ConfigDir = Annotated[
    Path | None,
    typer.Option(help="Your own configuration; its files win over lrbench's.", metavar="DIR"),
]
Note = Annotated[str | None, typer.Option(help="A remark for the record.", metavar="TEXT")]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="A word the record is found by; may be given several times.",
        metavar="TAG",
        show_default=False,
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust", help="Import the code and fetch the data that a record names; else neither."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder with the dataset's files on this machine.", metavar="DIR"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--jobs", help="Worker processes; one a core by default.", min=1, max=1024, metavar="N"
    ),
]
Metric = Annotated[
    str, typer.Option(help="The metric that decides and comes first: val_loss or val_accuracy.")
]
By = Annotated[
    str, typer.Option(help="What is compared: settings, or components with all of their own.")
]
Baseline = Annotated[
    str | None,
    typer.Option(
        help="What the others are held against: schedule=constant, or a name as shown.",
        metavar="SETTING=VALUE",
        show_default=False,
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        help="The largest difference that does not matter: tests for equivalence.",
        show_default=False,
    ),
]
TuneSeeds = Annotated[
    int,
    typer.Option(
        min=0,
        help="The first so many seeds choose the learning rates, and the others are reported.",
    ),
]
Level = Annotated[
    float, typer.Option(help="Coverage of the intervals; tests have the rest as their size.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def tell_others(overrides: Sequence[str]) -> None:
    """Say that a command looks at the learning rate alone, where other schedules were typed."""
    for what in ("momentum", "weight_decay"):
        if any(text.startswith(f"optimizer.{what}_schedule") for text in overrides):
            say(f"note: the schedule of the {what} is not looked at; ask for it as schedule=NAME")
