"""What a command says to type next can be pasted, and works."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.conftest import Command
from lrbench.record import layout
from lrbench.record.reader import find_records

pytestmark = pytest.mark.slow

SMALL = ("dataset=two_spirals", "train.steps=4")
NETS = """
from torch import nn
class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
"""

OWN = {False: ("model=linear",), True: ("model._target_=own_nets:Net",)}
"""Settings without and with code of the user's own."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C as soon as something would be trained."""

    def stop(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    for place in ("run.run", "sweep.run_sweep", "resume.resume"):
        monkeypatch.setattr(f"lrbench.workflows.{place}", stop)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def own(here: Path) -> None:
    (here / "own_nets.py").write_text(NETS)


def unfinished(folder: Path) -> list[Path]:
    found = list(find_records(folder))
    for record in found:
        (record / layout.RESULT).unlink()
        (record / layout.ATTEMPTS / "0001.json").unlink()
    return found


@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.usefixtures("own", "interrupt")
def test_after_ctrl_c_the_command_that_goes_on_is_told(is_own: bool, lrbench: Command) -> None:
    flags = " --trust" if is_own else ""
    words = (*SMALL, *OWN[is_own], "--results", "my results")
    run = lrbench("run", *words)
    assert run.code == 130
    assert "to go on: lrbench resume 'my results/two_spirals-" in run.err
    assert f"'{flags}, or the same command\n" in run.err
    sweep = lrbench("sweep", *words, "--seeds", "1")
    assert sweep.code == 130
    told = f"to go on: lrbench resume 'my results'{flags}, or the same command\n"
    assert told in sweep.err


@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.usefixtures("own")
def test_status_ends_with_a_command_that_goes_on(
    is_own: bool, lrbench: Command, here: Path
) -> None:
    words = (*SMALL, *OWN[is_own], "--results", "my results")
    assert lrbench("run", *words).code == 0
    assert "lrbench resume" not in lrbench("status", "my results").out
    unfinished(here / "my results")
    last = lrbench("status", "my results").out.splitlines()[-1]
    assert last == f"lrbench resume 'my results'{' --trust' if is_own else ''}"
    flags = ["--trust"] if is_own else []
    assert lrbench("resume", "my results", "--jobs", "1", *flags).code == 0


@pytest.mark.usefixtures("own")
def test_status_asks_for_trust_where_no_run_of_a_sweep_has_begun(
    lrbench: Command, here: Path, request: pytest.FixtureRequest
) -> None:
    words = (*SMALL, *OWN[True], "--seeds", "2", "--jobs", "1")
    done = lrbench("sweep", *words, "--results", "my results")
    assert "\nlrbench summarize 'my results'\n" in done.out
    for record in find_records(here / "my results"):
        record.rename(here / record.name)
    assert lrbench("status", "my results").out.endswith("resume 'my results' --trust\n")


@pytest.mark.usefixtures("own")
def test_an_interrupted_resume_tells_itself_again(
    lrbench: Command, here: Path, request: pytest.FixtureRequest
) -> None:
    assert lrbench("run", *SMALL, *OWN[True], "--results", "my results").code == 0
    unfinished(here / "my results")
    request.getfixturevalue("interrupt")
    done = lrbench("resume", "my results", "--trust")
    assert done.code == 130
    assert "to go on: lrbench resume 'my results' --trust\n" in done.err


def test_a_sweep_says_what_trains_its_damaged_runs(lrbench: Command, here: Path) -> None:
    words = (*SMALL, *OWN[False], "--seeds", "2", "--jobs", "1")
    assert lrbench("sweep", *words).code == 0
    first, _ = find_records(here / "results")
    (first / "steps.csv").write_text("")
    done = lrbench("sweep", *words)
    assert done.code == 1
    assert "1 failed; the same command with --force-damaged trains them again\n" in done.out
    assert lrbench("sweep", *words, "--force-damaged").code == 0
