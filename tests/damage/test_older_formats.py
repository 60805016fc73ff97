"""Records of earlier forms, as they were written then, stay readable.

Each folder of ``tests/fixtures/records`` holds one, made by the lrbench of its time; of what says
where that was, nothing is left.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows.diff import diff
from lrbench.workflows.resume import plan_resume
from lrbench.workflows.status import status
from lrbench.workflows.summarize import summarize
from lrbench.workflows.verify import Level, Verdict, verify

FIXTURES = Path(__file__).parents[1] / "fixtures" / "records"

FORMS = ("without_weight_decay", "without_seals")
"""Before weight decay was logged; before files were sealed and runs were saved as they go."""


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy: whatever is done with an old record, the fixture stays as it is."""
    folder = tmp_path / "results"
    shutil.copytree(FIXTURES / request.param, folder)
    (record,) = folder.iterdir()
    return record


every_form = pytest.mark.parametrize("old", FORMS, indirect=True)


def test_there_is_no_form_without_a_test() -> None:
    assert sorted(path.name for path in FIXTURES.iterdir()) == sorted(FORMS)


@every_form
def test_its_status_is_told(old: Path) -> None:
    (found,) = status(old.parent).runs
    assert (found.status, found.updates, found.total) == (Status.COMPLETE, 10, 10)


@every_form
def test_it_is_summarised_beside_others(old: Path) -> None:
    (arm,) = summarize(old.parent).arms
    assert arm.n == 1
    assert arm.estimates["final_val_loss"].mean == pytest.approx(0.1356, abs=1e-4)


@every_form
def test_its_logs_are_read_to_the_last_digit(old: Path, request: pytest.FixtureRequest) -> None:
    form = request.node.callspec.params["old"]
    record = read_record(old, every_byte=True)
    steps = record.log("steps.csv")
    assert steps.column("step") == list(range(10))
    assert steps.column("lr")[:2] == [0.1, 0.08535533905932738]
    assert ("weight_decay" in steps.columns) is ("weight_decay" not in form)


@every_form
def test_its_files_are_verified_and_more_is_not_claimed(old: Path) -> None:
    (files,) = verify(old, Level.FILES).runs
    assert (files.verdict, files.level) == (Verdict.IDENTICAL, Level.FILES)
    (found,) = verify(old, Level.FULL).runs
    assert found.verdict is not Verdict.IDENTICAL
    assert found.level is Level.FILES
    assert "earlier lrbench" in found.reason


@every_form
@pytest.mark.parametrize("name", layout.LOGS)
def test_damage_to_its_logs_is_found(name: str, old: Path) -> None:
    data = bytearray((old / name).read_bytes())
    data[len(data) // 2] ^= 1
    (old / name).write_bytes(data)
    (found,) = verify(old, Level.FILES).runs
    assert found.verdict is Verdict.DAMAGED
    assert name in found.reason


@every_form
def test_it_does_not_differ_from_itself(old: Path) -> None:
    assert diff(old, old).is_identical


def test_two_forms_of_one_run_are_compared() -> None:
    (one,) = (FIXTURES / FORMS[0]).iterdir()
    (other,) = (FIXTURES / FORMS[1]).iterdir()
    found = diff(one, other)
    assert not found.is_identical
    assert found.difference is not None
    assert (found.difference.file, found.difference.column) == ("steps.csv", "weight_decay")


@every_form
def test_an_unfinished_one_is_not_gone_on_with_in_another_folder(old: Path) -> None:
    (old / layout.RESULT).unlink()
    plan = plan_resume(old.parent)
    assert not plan.unfinished
    ((run_id, why),) = plan.refused
    assert run_id == old.name
    assert "of an earlier lrbench" in why


@every_form
def test_nothing_in_it_says_where_it_was_made(old: Path) -> None:
    facts = json.loads((old / "attempts" / "0001.json").read_text())
    assert (facts["host"], facts["cwd"], facts["executable"]) == ("somewhere", ".", "python")
    for path in old.rglob("*"):
        if path.is_file():
            assert not any(word in path.read_bytes() for word in (b"/tmp", b"/home", b"/root"))
