"""``check-schedule``: the verdicts, the exit code, and the same as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from lrbench.cli.check_schedule import check_schedule
from lrbench.cli.console import reports_errors
from lrbench.config.home import options
from lrbench.schedules.catalog import SCHEDULES

MINE = '''
def line(step: int, *, total_steps: int) -> float:
    """A straight line."""
    return max(0.0, 1 - step / total_steps)


ASKED = []


def forgetful(step: int) -> float:
    """Depends on how often it was asked."""
    ASKED.append(step)
    return 1 / len(ASKED)


def explosive(step: int) -> float:
    """Has two factors."""
    return [1.0, 0.5][step]
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "schedules_of_mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    return "schedules_of_mine"


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(reports_errors(check_schedule))
    return CliRunner().invoke(app, arguments)


def test_each_schedule_gets_a_verdict() -> None:
    result = run("schedule=linear,constant", "train.steps=64")
    assert result.exit_code == 0
    first, *_, second = result.stdout.splitlines()
    assert first.startswith("linear: right: 64 updates, largest error ")
    assert second == "constant: right: 64 updates, largest error 0 ulp at step 0"


def test_lengths_in_parts_of_the_run_are_understood() -> None:
    result = run(
        "schedule=sgdr", "schedule.first_cycle=30%", "schedule.warmup=10", "train.steps=90"
    )
    assert result.exit_code == 0
    assert "sgdr: right: 90 updates" in " ".join(result.stdout.split())
    assert "warmup: it rises from 0.1 at step 0" in " ".join(result.stdout.split())


def test_a_function_of_ones_own_is_checked(mine: str) -> None:
    good = run(f"schedule=python:{mine}:line", "train.steps=20")
    assert good.exit_code == 0
    assert "line: nothing wrong: 20 updates" in good.stdout
    assert "remark: formula: the rates are compared with no formula" in good.stdout
    bad = run(f"schedule=python:{mine}:forgetful", "train.steps=20")
    assert bad.exit_code == 3
    assert "forgetful: wrong: 2 findings in 20 updates" in bad.stdout
    assert "  wrong: pure function: not a pure function of the step" in bad.stdout


def test_what_a_function_of_ones_own_raises_is_no_traceback(mine: str) -> None:
    result = run(f"schedule=python:{mine}:explosive", "train.steps=20")
    assert result.exit_code == 3
    assert "step 2 of a run of 20 raises IndexError: list index out of range" in " ".join(
        result.stdout.split()
    )


def test_a_torch_scheduler_goes_to_its_own_check() -> None:
    result = run("schedule=torch:CosineAnnealingLR", "schedule.T_max=15", "train.steps=20")
    assert result.exit_code == 3
    assert "after T_max=15 steps" in " ".join(result.stdout.split())


def test_json_has_everything_and_the_exit_code_too(mine: str) -> None:
    result = run(f"schedule=python:{mine}:forgetful,linear", "train.steps=20", "--json")
    assert result.exit_code == 3
    bad, good = json.loads(result.stdout)["schedules"]
    assert (bad["right"], good["right"]) == (False, True)
    assert bad["largest_error_ulp"] is None
    assert {finding["check"] for finding in bad["findings"]} >= {"pure function", "resume"}
    assert (good["total_steps"], good["compared"]) == (20, 20)
    assert 0 <= good["largest_error_ulp"] < 4


def test_all_has_every_schedule_and_says_what_could_not_be_made() -> None:
    result = run("--all", "train.steps=100", "--json")
    assert result.exit_code == 0
    shown = {one["label"]: one for one in json.loads(result.stdout)["schedules"]}
    assert set(shown) == {name for name in SCHEDULES if name in options("schedule")}
    unmade = {label for label, one in shown.items() if one["total_steps"] is None}
    assert unmade == {"table"}
    (finding,) = shown["table"]["findings"]
    assert finding["text"].startswith("not checked: schedule.file must name a file")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all", "schedule=sgdr", "train.steps=9"], "cannot be given together with --all"),
        (["--all", "train.steps=0"], "train.steps"),
        (["schedule=nothing", "train.steps=9"], "schedule"),
    ],
)
def test_a_mistake_on_the_command_line_is_an_error(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
