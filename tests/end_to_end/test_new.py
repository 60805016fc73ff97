"""``lrbench new schedule``: what it writes works as it is, and nothing of the user's is touched."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lrbench.adapters.own import own_entry
from lrbench.errors import ConfigError
from lrbench.schedules.catalog import build
from lrbench.workflows.new import new_schedule

Command = Callable[..., Any]


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_three_files_are_written_and_named(lrbench: Command, here: Path) -> None:
    done = lrbench("new", "schedule", "plunge")
    assert done.code == 0, done
    assert done.out.splitlines() == ["plunge.py", "schedule/plunge.yaml", "test_plunge.py"]
    assert files_in(here) == set(done.out.splitlines())
    assert done.err.splitlines() == [
        "next:",
        "  lrbench preview --config-dir . schedule=plunge train.steps=100",
        "  lrbench check-schedule --config-dir . schedule=plunge",
        "  python -m pytest test_plunge.py",
    ]
    for name in files_in(here):
        assert "NAME" not in (here / name).read_text()


def test_another_folder_is_gone_to_first(lrbench: Command, here: Path) -> None:
    (here / "mine").mkdir()
    done = lrbench("new", "schedule", "plunge", "--config-dir", "mine")
    assert done.out.splitlines()[1] == "mine/schedule/plunge.yaml"
    assert done.err.splitlines()[1] == "  cd mine"
    assert files_in(here) == set(done.out.splitlines())


def test_the_schedule_can_be_previewed_as_it_is(lrbench: Command, here: Path) -> None:
    lrbench("new", "schedule", "plunge")
    words = ("preview", "--config-dir", ".", "schedule=plunge", "train.steps=100", "--json")
    done = lrbench(*words)
    assert done.code == 0, done
    factor = json.loads(done.out)["schedules"][0]["factor"]
    assert factor[:51] == [1.0] * 51
    assert factor[75] == pytest.approx(0.1 + 0.9 * 0.25, rel=1e-12)
    changed = json.loads(lrbench(*words, "schedule.power=1.0", "schedule.warmup=10%").out)
    ramped = changed["schedules"][0]["factor"]
    assert ramped[0] == pytest.approx(0.1)
    assert ramped[75] == pytest.approx(0.1 + 0.9 * 0.5, rel=1e-12)


def test_a_setting_it_does_not_have_is_refused(lrbench: Command, here: Path) -> None:
    lrbench("new", "schedule", "plunge")
    done = lrbench("preview", "--config-dir", ".", "schedule=plunge", "schedule.powr=1.0")
    assert (done.code, done.out) == (2, "")
    assert "schedule.power" in done.err


def test_file_and_function_have_the_same_settings(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_schedule("plunge", here)
    monkeypatch.syspath_prepend(str(here))
    found = importlib.import_module("plunge").plunge
    entry = own_entry("plunge", found)
    settings = yaml.safe_load((here / "schedule" / "plunge.yaml").read_text())
    assert settings.pop("_target_") == "plunge:plunge"
    assert set(settings) == set(entry.parameters)
    built = build(entry, {**settings, "decay": 5}, total_steps=10)
    assert [built(step) for step in (0, 5, 6, 10)] == pytest.approx([1.0, 1.0, 0.676, 0.1])
    assert built.conventions[-1] == "past the end: 0.1 is held"


def test_the_docstring_is_that_of_the_new_schedule_and_its_example_holds(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_schedule("plunge", here)
    monkeypatch.syspath_prepend(str(here))
    module = importlib.import_module("plunge")
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=2)
    text = inspect.getdoc(module.plunge) or ""
    for keyword in inspect.signature(module.plunge).parameters:
        assert f"\n{keyword} : " in text


@pytest.fixture
def written(here: Path) -> Path:
    new_schedule("plunge", here)
    return here


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_plunge.py"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_the_written_test_passes(written: Path) -> None:
    done = run_tests(written)
    assert done.returncode == 0, done.stdout
    assert "7 passed" in done.stdout


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("remaining**power", "0.5"),
        ("step - begin", "step - begin + 1"),
        ("(1.0 - final_factor) * remaining", "0.5 * (1.0 - final_factor) * remaining"),
        ("return 1.0", "return 0.5"),
        ('require_positive("power", power)', "pass"),
    ],
)
def test_the_written_test_notices_a_mistake(written: Path, was: str, becomes: str) -> None:
    module = written / "plunge.py"
    text = module.read_text()
    assert text.count(was) == 1
    module.write_text(text.replace(was, becomes))
    assert run_tests(written).returncode == 1


@pytest.mark.parametrize("verb", [["check", "--select", "E,F,W,I,B,UP,RUF"], ["format", "--check"]])
def test_what_is_written_is_in_order(written: Path, verb: list[str]) -> None:
    pytest.importorskip("ruff", reason="ruff comes with the development tools")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *verb, "--isolated", "--no-cache", "--line-length", "100"],
        cwd=written,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("there", ["plunge.py", "schedule/plunge.yaml", "test_plunge.py"])
def test_a_file_that_is_there_is_named_and_kept(lrbench: Command, here: Path, there: str) -> None:
    (here / "schedule").mkdir()
    (here / there).write_text("mine")
    done = lrbench("new", "schedule", "plunge")
    assert (done.code, done.out) == (2, "")
    assert f"error: {there} must not be there yet" in done.err
    assert files_in(here) == {there}
    assert (here / there).read_text() == "mine"


def test_a_link_to_nowhere_is_not_written_through(lrbench: Command, here: Path) -> None:
    (here / "plunge.py").symlink_to(here / "elsewhere.py")
    assert lrbench("new", "schedule", "plunge").code == 2
    assert not (here / "elsewhere.py").exists()


def test_a_package_of_that_name_is_not_hidden(lrbench: Command, here: Path) -> None:
    (here / "plunge").mkdir()
    (here / "plunge" / "__init__.py").touch()
    done = lrbench("new", "schedule", "plunge")
    assert done.code == 2
    assert "plunge/__init__.py" in done.err


def test_a_refused_name_comes_with_one_that_works(lrbench: Command, here: Path) -> None:
    for name in ("json", "sgdr", "lambda", "My Plunge!"):
        remedy = lrbench("new", "schedule", name).err.rpartition("try   lrbench ")[2].split()
        assert lrbench(*remedy).code == 0, remedy
    assert len(files_in(here)) == 12


def test_the_folder_must_be_there(here: Path) -> None:
    with pytest.raises(ConfigError, match="--config-dir must be a folder"):
        new_schedule("plunge", here / "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error(here: Path) -> None:
    here.chmod(0o500)
    with pytest.raises(ConfigError, match="must be a place that can be written to"):
        new_schedule("plunge", here)
