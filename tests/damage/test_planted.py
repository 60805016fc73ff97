"""What stands in a record's place and is no file of ours is neither followed nor waited for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from damage.damaging import FILES, edit
from lrbench.config.resolve import Resolved
from lrbench.errors import LrbenchError, RecordError
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows.diff import diff
from lrbench.workflows.replay import Source, replay
from lrbench.workflows.resume import plan_resume
from lrbench.workflows.run import run
from lrbench.workflows.status import status
from lrbench.workflows.summarize import summarize
from lrbench.workflows.verify import Level, Verdict, verify

pytestmark = pytest.mark.timeout(60)


def link(path: Path, elsewhere: Path) -> None:
    """To the very bytes that were there: only that it is a link gives it away."""
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def loop(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def pipe(path: Path, elsewhere: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path, elsewhere: Path) -> None:
    path.unlink()
    path.mkdir()


def device(path: Path, elsewhere: Path) -> None:
    """One that never ends."""
    path.unlink()
    path.symlink_to("/dev/zero")


PLANTS: dict[str, Callable[[Path, Path], None]] = {
    "a link": link,
    "a loop": loop,
    "a pipe": pipe,
    "a folder": folder,
    "a device": device,
}


def look_with_every_command(record: Path) -> None:
    """Every command that reads, wherever it leads but for hanging."""
    results = record.parent
    looks: tuple[Callable[[], object], ...] = (
        lambda: status(results),
        lambda: summarize(results),
        lambda: diff(record, record),
        lambda: plan_resume(results),
        lambda: replay(Source(record), results / "again") if not whole(record) else None,
    )
    for look in looks:
        with suppress(LrbenchError):
            look()


def whole(record: Path) -> bool:
    return read_record(record, every_byte=True).status is Status.COMPLETE


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_no_plain_file_is_damage_and_nobody_waits_for_it(
    plant: str, name: str, record: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "elsewhere"
    PLANTS[plant](record / name, secret)
    before = secret.read_bytes() if secret.exists() else None
    (found,) = verify(record, Level.FILES).runs
    assert found.verdict is Verdict.DAMAGED
    assert Path(name).name in found.reason
    look_with_every_command(record)
    assert (secret.read_bytes() if secret.exists() else None) == before


@pytest.mark.parametrize("plant", PLANTS)
def test_a_lock_that_is_no_plain_file_hangs_nobody(
    plant: str, record: Path, tmp_path: Path
) -> None:
    PLANTS[plant](record / layout.LOCK, tmp_path / "elsewhere")
    assert read_record(record).status is Status.COMPLETE
    look_with_every_command(record)


@pytest.mark.parametrize("name", FILES)
def test_a_hard_link_is_the_file_itself_and_is_not_written_through(
    name: str, record: Path, tmp_path: Path
) -> None:
    os.link(record / name, record.parent / "twin")
    (found,) = verify(record, Level.FILES).runs
    assert found.verdict is Verdict.IDENTICAL


@pytest.mark.parametrize("name", ["attempts", "results"])
def test_a_folder_that_is_a_link_is_not_followed(name: str, record: Path, tmp_path: Path) -> None:
    if name == "attempts":
        elsewhere = tmp_path / "elsewhere"
        shutil.move(record / name, elsewhere)
        (record / name).symlink_to(elsewhere)
        (found,) = verify(record, Level.FILES).runs
        assert found.verdict is Verdict.DAMAGED
        return
    results = tmp_path / "results"
    results.mkdir()
    (results / record.name).symlink_to(record)
    with pytest.raises(LrbenchError, match="must hold records"):
        status(results)
    with pytest.raises(LrbenchError, match="must hold records"):
        verify(results, Level.FILES)


@pytest.mark.parametrize("place", ["/etc/passwd", "../secret", "attempts/../../secret", "a/b", ""])
def test_the_last_attempt_cannot_name_a_file_outside(
    place: str, record: Path, tmp_path: Path
) -> None:
    (record.parent / "secret").write_text("mine")
    edit(
        record / layout.ATTEMPTS / "0002.json",
        lambda attempt: attempt["files"].update({place: "0" * 64}),
    )
    (found,) = verify(record, Level.FILES).runs
    assert found.verdict is Verdict.DAMAGED
    assert "must name files of its own" in found.reason


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plan_of_a_sweep_that_is_no_plain_file_is_named(
    plant: str, record: Path, tmp_path: Path
) -> None:
    sweeps = record.parent / layout.SWEEPS
    sweeps.mkdir()
    plan = sweeps / "1x1-abcdef01.json"
    plan.write_text('{"arms": [], "seeds": [0]}')
    PLANTS[plant](plan, tmp_path / "elsewhere")
    assert [one.name for one in status(record.parent).damaged] == [f"sweeps/{plan.name}"]
    assert any(plan.name in other for other in verify(record.parent, Level.FILES).others)
    assert any(plan.name in one.name for one in summarize(record.parent).skipped)
    assert any(plan.name in name for name, _ in plan_resume(record.parent).refused)


@pytest.mark.parametrize("name", ["", layout.ATTEMPTS])
def test_nothing_is_written_through_a_link(
    name: str, resolved: Resolved, unfinished: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.move(unfinished / name, elsewhere)
    (unfinished / name).symlink_to(elsewhere)
    before = {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()}
    for force in (False, True):
        with pytest.raises(RecordError, match="not a link"):
            run(resolved, unfinished.parent, force=force)
    assert {path: path.read_bytes() for path in elsewhere.rglob("*") if path.is_file()} == before
