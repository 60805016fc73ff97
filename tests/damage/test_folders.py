"""One bad thing in a folder hides nothing else in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from damage.damaging import SETTINGS, TEXTS, edit
from lrbench.cli.app import app
from lrbench.config.resolve import Resolved
from lrbench.record import layout
from lrbench.record.bundles.selection import select
from lrbench.spec.canonical import canonical, digest
from lrbench.workflows.resume import plan_resume
from lrbench.workflows.run import run
from lrbench.workflows.status import status
from lrbench.workflows.summarize import summarize
from lrbench.workflows.sweep import plan_sweep
from lrbench.workflows.verify import Level, Verdict, verify

PLANS: dict[str, Callable[[bytes], bytes]] = {
    **{name: lambda data, text=text: text for name, text in TEXTS.items()},  # type: ignore[misc]
    "cut": lambda data: data[:-9],
    "a newline more": lambda data: data + b"\n",
    "another seed": lambda data: data.replace(b'"seed":0', b'"seed":9', 1),
    "no arms": lambda data: canonical({**json.loads(data), "arms": []}).encode(),
    "arms of text": lambda data: canonical({**json.loads(data), "arms": ["a"]}).encode(),
    "an entry more": lambda data: canonical({**json.loads(data), "a": 1}).encode(),
    "a version of the future": lambda data: canonical(
        {**json.loads(data), "format_version": 2}
    ).encode(),
    "100 MB": lambda data: bytes(100 * 2**20),
}


@pytest.fixture
def planned(record: Path) -> Path:
    """The record beside the plan of a sweep of which it is the first run."""
    plan = plan_sweep(SETTINGS, (0, 1), record.parent)
    path = record.parent / layout.SWEEPS / f"{plan.spec.sweep_id}.json"
    path.parent.mkdir()
    path.write_text(plan.spec.text)
    return path


def test_a_plan_as_it_was_written_is_in_order(planned: Path) -> None:
    assert verify(planned.parents[1], Level.FILES).others == ()
    assert not status(planned.parents[1]).damaged


@pytest.mark.parametrize("damage", PLANS)
def test_a_damaged_plan_is_named_and_the_runs_are_shown(damage: str, planned: Path) -> None:
    folder = planned.parents[1]
    planned.write_bytes(PLANS[damage](planned.read_bytes()))
    (told,) = verify(folder, Level.FILES).others
    assert told.startswith(f"sweeps/{planned.name} is damaged")
    looked = status(folder)
    assert [str(run.status) for run in looked.runs] == ["complete"]
    assert len(summarize(folder).arms) == 1
    assert [one.name for one in looked.damaged] == [f"sweeps/{planned.name}"]
    assert looked.sweeps == ()
    assert summarize(folder).has_corrupt
    going_on = plan_resume(folder)
    assert [name for name, _ in going_on.refused] == [f"sweeps/{planned.name}"]
    assert going_on.unfinished == ()
    assert [one.name for one in select(folder, checkpoints=False).damaged] == [
        f"results/sweeps/{planned.name}"
    ]


def test_a_plan_from_before_a_setting_was_known_is_no_damage(planned: Path) -> None:
    plan = json.loads(planned.read_text())
    for arm in plan["arms"]:
        for spec in arm["runs"]:
            del spec["compute"]["profile"]
    runs = [[digest(spec) for spec in arm["runs"]] for arm in plan["arms"]]
    old = planned.with_name(f"1x2-{digest(runs)[:8]}.json")
    planned.unlink()
    old.write_text(canonical(plan))
    looked = status(old.parents[1])
    assert looked.damaged == ()
    assert [(sweep.sweep_id, sweep.planned) for sweep in looked.sweeps] == [(old.stem, 2)]
    assert not summarize(old.parents[1]).has_corrupt
    assert select(old.parents[1], checkpoints=False).sweeps == [old]


def missing(name: str) -> Callable[[Path], None]:
    return lambda record: (record / name).unlink()


UNFINISHED: dict[str, Callable[[Path], None]] = {
    "no manifest": missing(layout.MANIFEST),
    "no configuration": missing(layout.CONFIG),
    "a configuration that is no text": lambda record: (record / layout.CONFIG).write_bytes(b"\xff"),
    "a manifest without data": lambda record: edit(
        record / layout.MANIFEST, lambda manifest: manifest.pop("data")
    ),
}


@pytest.mark.parametrize("damage", UNFINISHED)
def test_an_unfinished_record_that_is_damaged_stops_no_other(damage: str, unfinished: Path) -> None:
    UNFINISHED[damage](unfinished)
    looked = status(unfinished.parent)
    assert [run.run_id for run in looked.runs] == [unfinished.name]


@pytest.mark.parametrize("damage", UNFINISHED)
def test_going_on_with_a_folder_names_what_cannot_be_and_goes_on_with_the_rest(
    damage: str, unfinished: Path
) -> None:
    UNFINISHED[damage](unfinished)
    assert [name for name, _ in plan_resume(unfinished.parent).refused] == [unfinished.name]


def test_the_notes_of_attempts_are_never_written_over(resolved: Resolved, unfinished: Path) -> None:
    first = unfinished / layout.ATTEMPTS / "0001.json"
    last = first.rename(first.with_name("0007.json"))
    before = last.read_bytes()
    run(resolved, unfinished.parent)
    assert last.read_bytes() == before
    assert sorted(path.name for path in first.parent.iterdir()) == ["0007.json", "0008.json"]


@pytest.mark.parametrize("words", [("status",), ("summarize",), ("verify", "--files")])
def test_the_exit_code_says_that_something_is_damaged(
    words: tuple[str, ...], record: Path, stopped: Path
) -> None:
    shutil.copytree(stopped, record.parent / "wine-mlp-sgdr-s0-00000000")
    command, *flags = words
    result = CliRunner().invoke(app, [command, str(record.parent), *flags])
    assert result.exit_code == (1 if command == "summarize" else 3)
    assert "wine-mlp-sgdr-s0-00000000" in result.output


def test_an_unfinished_record_is_no_damage(unfinished: Path) -> None:
    (found,) = verify(unfinished, Level.FILES).runs
    assert found.verdict is Verdict.UNFINISHED
    assert "at step 10" in found.reason
