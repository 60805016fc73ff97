from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lrbench.workflows.check import check
from studies import Change, Made, made, spec_of, write

SCHEDULES = ("constant", "cosine", "sgdr")
SEEDS = range(6)


@pytest.fixture(scope="module")
def runs() -> list[Made]:
    """A clean sweep: three schedules, one rate, six seeds."""
    return [made(spec_of(name, seed=seed)) for name in SCHEDULES for seed in SEEDS]


@pytest.fixture(scope="module")
def clean(runs: list[Made], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    for run in runs:
        write(folder, run)
    return folder


@pytest.fixture
def plant(runs: list[Made], clean: Path, tmp_path: Path) -> Callable[..., Path]:
    """The clean sweep with every run passed through a change, and more runs beside it."""

    def folder_of(change: Change = lambda run: run, more: list[Made] | None = None) -> Path:
        folder = tmp_path / "results"
        folder.mkdir()
        for run in runs:
            changed = change(copy.deepcopy(run))
            if changed == run:
                name = run.spec.run_id
                shutil.copytree(clean / name, folder / name, copy_function=os.link)
            elif changed is not None:
                write(folder, changed)
        for run in more or []:
            write(folder, run)
        return folder

    return folder_of


@pytest.fixture
def codes() -> Callable[[Path], set[str]]:
    return lambda folder: {flag.code for flag in check(folder).flags}
