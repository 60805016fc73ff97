"""Bad input: exit code 2, one message a problem that says what to do, and nothing written."""

from __future__ import annotations

import gzip
import importlib
import os
import re
import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from bad_inputs import CHAPTERS, ROWS
from bad_inputs.row import Row

Command = Callable[..., Any]

ROOT = Path(__file__).parents[2]
SMALL = ("dataset=wine", "model=linear", "train.steps=20")


@pytest.fixture(scope="session")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        return importlib.import_module("errors_page")


def contents(folder: Path) -> dict[Path, bytes | None]:
    """Everything in ``folder``, byte for byte, but what Python leaves of the modules there."""
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts
    }


def refused(done: Any, expected: Sequence[str], folder: Path, before: object) -> None:
    """The command ended as with every bad input."""
    assert done.code == 2, done
    assert done.out == ""
    told = [line for line in done.err.splitlines() if not line.startswith("note: ")]
    # One line of each kind, in this order, so that a problem has one to three.
    pattern = r"(error: \S.*\n(  from  \S.*\n)?(  try   \S.*\n)?)+"
    assert re.fullmatch(pattern, "".join(f"{line}\n" for line in told)), done.err
    assert done.err.replace("\n", "").isprintable(), ascii(done.err)
    assert "Traceback" not in done.err
    assert "nput should be" not in done.err  # pydantic's words
    for part in expected:
        assert part in done.err, f"{part!r} not in:\n{done.err}"
    assert contents(folder) == before


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.typed[:60])
def test_a_wrong_input_is_refused_as_the_page_says(
    lrbench: Command, here: Path, script: ModuleType, row: Row
) -> None:
    row.prepare(lrbench, here)
    before = contents(here)
    done = lrbench(*row.words)
    refused(done, row.told, here, before)
    assert done.err.count("error: ") == row.problems
    block = script.block(row, done.err.replace(f"{here}/", ""))
    assert block in script.PAGE.read_text(encoding="utf-8") + "\n", "make docs, then look at it"


def test_the_page_has_every_row_in_its_place_and_nothing_else(script: ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```text\n(.*?)\n```", text, re.DOTALL)
    sections = [one for chapter in CHAPTERS.values() for one in chapter]
    answers: dict[int, str] = {}
    for one, block in zip(sections, blocks, strict=True):
        parts = re.split(r"\n\n(?=\$ )", block)
        answers |= {
            id(row): part[part.index("\nerror: ") + 1 :]
            for row, part in zip(one.rows, parts, strict=True)
        }
    assert script.page(lambda row: answers[id(row)]) == text


def test_no_two_rows_are_alike() -> None:
    rows = [(row.typed, sorted(row.files.items(), key=str)) for row in ROWS]
    assert [row for index, row in enumerate(rows) if row in rows[:index]] == []
    assert len(rows) > 300


@pytest.mark.parametrize("verb", ["show", "sweep --dry-run", "run --dry-run", "check-schedule"])
def test_what_run_refuses_other_commands_refuse_alike(
    lrbench: Command, here: Path, verb: str
) -> None:
    for typed, part in {
        "optimizer.lr=nan": "optimizer.lr must be ",
        "schedule.warmup=100%": "schedule.warmup must be shorter",
        "learning_rate=0.1": "learning_rate is not a setting",
        "seed": "override 'seed' must have the form",
    }.items():
        refused(lrbench(*verb.split(), typed), [part], here, {})


def test_all_problems_of_a_configuration_come_at_once(lrbench: Command, here: Path) -> None:
    done = lrbench("run", "schedul=x", "optimizer.lrr=3", "train.step=4")
    refused(done, ["schedul is", "optimizer.lrr is", "train.step is"], here, {})
    assert done.err.count("error: ") == 3
    done = lrbench(
        "run",
        "optimizer.lr=0",
        "schedule.warmup=x",
        "seed=-1",
        "train.batch_size=0",
        "~model",
        "=3",
    )
    assert done.err.count("error: ") == 2  # what does not parse hides the rest
    done = lrbench(
        "run", "optimizer.lr=0", "schedule.warmup=x", "seed=-1", "train.batch_size=0", "note=3"
    )
    keys = ["optimizer.lr", "schedule.warmup", "seed", "train.batch_size", "note"]
    refused(done, [f"error: {key} must" for key in keys], here, {})
    assert done.err.count("error: ") == 5


def test_a_value_that_two_checks_dislike_is_told_once(lrbench: Command, here: Path) -> None:
    done = lrbench("sweep", *SMALL, "optimizer.lr=nan", "optimizer.momentum=0,0.5")
    assert done.err.count("error: ") == 1, done.err


@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_results_path_that_is_a_link_to_nowhere_is_refused(
    lrbench: Command, here: Path, verb: str
) -> None:
    (here / "dangling").symlink_to("nowhere")
    before = contents(here)
    done = lrbench(verb, *SMALL, "--results", "dangling")
    refused(done, ["--results must be a folder, got 'dangling'"], here, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_that_is_not_writable_is_refused(lrbench: Command, here: Path) -> None:
    folder = here / "results"
    folder.mkdir(mode=0o555)
    refused(lrbench("run", *SMALL), ["--results must be writable"], here, {folder: None})


def test_unwritable_is_what_the_system_says_it_is(
    lrbench: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For root, who may write anywhere, the system's answer is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for verb in ("run", "sweep"):
        done = lrbench(verb, *SMALL, "--results", "here/and/there")
        refused(done, ["--results must be writable", "'here/and/there'"], here, {})


def idx(path: Path, shape: tuple[int, ...], *, cut: int = 0, kind: int = 8) -> None:
    size = 1
    for side in shape:
        size *= side
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
    data = head + bytes(index % 10 for index in range(size))
    path.write_bytes(data[: len(data) - cut])


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "broken gzip", "other length"])
def test_a_damaged_dataset_file_is_refused_by_name(
    lrbench: Command, here: Path, damage: str
) -> None:
    folder = here / "files"
    folder.mkdir()
    images, labels = folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"
    idx(images, (100, 28, 28), cut=5 if damage == "cut" else 0)
    idx(labels, (99 if damage == "other length" else 100,))
    if damage == "garbage":
        images.write_bytes(b"not what it says it is" * 10)
    if damage == "empty":
        images.write_bytes(b"")
    if damage == "broken gzip":
        packed = gzip.compress(images.read_bytes())
        images.with_suffix(".gz").write_bytes(packed[: len(packed) // 2])
        images.unlink()
    before = contents(here)
    done = lrbench("run", "dataset=mnist", f"dataset.root={folder}", "train.steps=2")
    refused(done, ["t10k-"], here, before)


HOSTILE = ["\x1b[31mred", "a\nb", "$(touch owned)", "`touch owned`", "\u202egnp", "\x9b31m", "\x07"]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_hostile_values_are_shown_and_do_nothing(lrbench: Command, here: Path, value: str) -> None:
    for words in (
        ["run", f"optimizer.lr={value}"],
        ["run", f"{value}=3"],
        ["run", f"schedule='{value}'"],
        ["run", "optimizer.lr=0", f"note='{value}'"],
        ["show", "--config-dir", value],
        ["list", value],
    ):
        done = lrbench(*words)
        assert done.code == 2, done
        assert done.out == ""
        shown = done.err.replace("\n", "")
        assert shown.isprintable(), ascii(shown)
        assert "error: " in done.err
    assert contents(here) == {}


@pytest.mark.parametrize("value", HOSTILE[::2], ids=repr)
def test_hostile_values_that_are_allowed_are_inert_too(
    lrbench: Command, here: Path, value: str
) -> None:
    for words in (
        ["run", *SMALL, "--note", value],
        ["show", *SMALL, f"note='{value}'", "--json"],
        ["sweep", *SMALL, "--seeds", "1", f"note='{value}'", "--dry-run"],
        ["run", *SMALL, "--results", f"r/{value}"],
    ):
        done = lrbench(*words)
        assert done.code == 0, done
        assert (done.out + done.err).replace("\n", "").isprintable()
    shutil.rmtree(here / "r")
    assert not (here / "owned").exists()


FOLDERS = [
    "..",
    "-rf",
    "~",
    "a b ",
    "CON",
    "a.",
    "%2e%2e",
    "\u4e00" * 80,
    "a\u200bb",
    "\udcff\udcfe",
]


@pytest.mark.parametrize("name", FOLDERS, ids=ascii)
def test_a_folder_of_results_is_taken_as_it_is_typed(
    lrbench: Command, here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    inside = here / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    done = lrbench("run", *SMALL, f"--results={name}")
    assert done.code == 0, done
    assert (done.out + done.err).replace("\n", "").isprintable()
    (spec,) = here.rglob("spec.json")
    assert spec.parents[1].samefile(inside / name)


NETS = """
from torch import nn
class Ünï(nn.Linear):
    def __init__(self, input_shape, num_outputs):
        super().__init__(input_shape[0], num_outputs)
globals()["con"] = globals()["x" * 300] = globals()["\\u0130"] = Ünï
"""


@pytest.mark.parametrize("name", ["Ünï", "con", "x" * 300, "\u0130"], ids=lambda name: name[:5])
def test_a_component_of_any_name_has_a_folder_with_a_plain_one(
    lrbench: Command, here: Path, name: str
) -> None:
    (here / "nets.py").write_text(NETS, encoding="utf-8")
    words = ("run", "--dry-run", "dataset=wine", "train.steps=9")
    done = lrbench(*words, f"model._target_='nets:{name}'")
    assert done.code == 0, done
    assert re.fullmatch(r"wine-[a-z0-9_]{1,40}-cosine-s0-[0-9a-f]{8}", done.out.splitlines()[0])


@pytest.mark.parametrize("name", ["a b", "..", "CON", "Ünï"])
def test_the_name_of_an_options_file_is_part_of_no_folder(
    lrbench: Command, here: Path, name: str
) -> None:
    file = here / "own" / "schedule" / f"{name}.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("name: cosine\n")
    before = contents(here)
    done = lrbench("run", *SMALL, "--config-dir", "own", "--dry-run", f"schedule='{name}'")
    assert done.code == 0, done
    assert done.out.startswith("wine-linear-cosine-s0-")
    assert contents(here) == before


def test_a_note_that_refers_to_something_is_recorded_as_it_is_typed(
    lrbench: Command, here: Path
) -> None:
    for note in ("${oc.env:HOME}", "${", "1e3", "no", "a\nb"):
        shutil.rmtree(here / "results", ignore_errors=True)
        assert lrbench("run", *SMALL, "--note", note).code == 0
        (file,) = here.rglob("config.yaml")
        assert yaml.safe_load(file.read_text())["note"] == note


def test_a_very_long_value_is_refused_without_a_traceback(lrbench: Command, here: Path) -> None:
    for word in ("schedule=" + "x" * 100_000, "optimizer.lr=[" + "1," * 500 + "1]"):
        refused(lrbench("run", word), [], here, {})


@pytest.mark.parametrize(
    "words",
    [["sweep", "schedule=cosin", "optimizer.lr=0"], ["list", "x"]],
)
def test_real_commands_end_the_same_way(shell: Command, here: Path, words: list[str]) -> None:
    refused(shell(*words), [], here, {})


def test_debug_shows_the_traceback(shell: Command, here: Path) -> None:
    done = shell("--debug", "run", "optimizer.lr=0")
    assert done.code != 0
    assert "Traceback" in done.err
