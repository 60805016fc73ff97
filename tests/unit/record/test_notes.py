from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lrbench.errors import ConfigError, RecordError
from lrbench.record import layout
from lrbench.record.additions import now
from lrbench.record.notes import (
    LONGEST_NOTE,
    Note,
    Notes,
    add_note,
    checked_tags,
    checked_text,
    read_notes,
)
from lrbench.spec.canonical import pretty, sealed

EARLY = Note("2026-11-01T08:00:00.001+00:00", "one", ("a", "b"))
LATE = Note("2026-11-01T08:00:00.002+00:00", "two", ("c",), ("a",))


def test_notes_come_back_as_they_were_written_oldest_first(tmp_path):
    later = add_note(tmp_path, LATE)
    earlier = add_note(tmp_path, EARLY)
    assert earlier.name < later.name
    assert earlier.name.startswith("20261101T080000001Z-")
    assert read_notes(tmp_path) == Notes((EARLY, LATE))


def test_a_record_without_notes_has_none(tmp_path):
    assert read_notes(tmp_path) == Notes()
    assert not (tmp_path / layout.NOTES).exists()


def test_tags_are_given_and_taken_away_in_order():
    assert Notes((EARLY, LATE)).tags(["x"]) == ("x", "b", "c")
    assert Notes((LATE, EARLY)).tags(["x"]) == ("x", "c", "a", "b")
    assert Notes((EARLY,)).tags(["b"]) == ("b", "a")


def test_two_notes_of_one_moment_are_two_files(tmp_path):
    other = Note(EARLY.written, "other")
    assert add_note(tmp_path, EARLY) != add_note(tmp_path, other)
    assert {note.text for note in read_notes(tmp_path).notes} == {"one", "other"}


@pytest.mark.parametrize("text", ["\x1b[31m", "a\nb", "\u202e", "\udcff", "€" * 100, ""])
def test_any_text_comes_back(tmp_path, text):
    add_note(tmp_path, Note(now(), text))
    assert read_notes(tmp_path).notes[0].text == text


def resealed(path: Path, **changes) -> None:
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(pretty(sealed(content | changes)))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
        lambda path: path.write_text(path.read_text().replace("one", "two")),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: resealed(path, text="two"),
        lambda path: resealed(path, tags=["a b"]),
        lambda path: resealed(path, written="yesterday"),
        lambda path: resealed(path, written="0001-01-01T00:00:00+23:59"),
        lambda path: os.truncate(path, 2**20),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
        lambda path: path.rename(path.with_name("note.json")),
    ],
)
def test_a_damaged_note_is_named_and_hides_no_other(tmp_path, damage):
    add_note(tmp_path, LATE)
    path = add_note(tmp_path, EARLY)
    damage(path)
    found = read_notes(tmp_path)
    assert found.notes == (LATE,)
    (name,) = found.damaged
    assert name in {f"notes/{path.name}", "notes/note.json"}
    assert found.damaged[name].startswith("must ")


def test_every_flipped_bit_of_a_note_is_found(tmp_path):
    path = add_note(tmp_path, Note(EARLY.written, "e"))
    data = path.read_bytes()
    for place in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        found = read_notes(tmp_path)
        # A blank between two values is no part of what is said.
        assert found.damaged or found.notes == (Note(EARLY.written, "e"),)


@pytest.mark.parametrize("is_dangling", [False, True])
def test_notes_that_lead_elsewhere_are_neither_read_nor_written(tmp_path, is_dangling):
    elsewhere = tmp_path / "elsewhere"
    add_note(elsewhere, EARLY)
    record = tmp_path / "record"
    record.mkdir()
    target = elsewhere / ("nothing" if is_dangling else layout.NOTES)
    (record / layout.NOTES).symlink_to(target)
    assert read_notes(record) == Notes(damaged={"notes": "must be a folder, not a link"})
    with pytest.raises(RecordError):
        add_note(record, LATE)
    assert read_notes(elsewhere).notes == (EARLY,)


def test_a_file_in_the_place_of_the_notes_is_named(tmp_path):
    (tmp_path / layout.NOTES).write_text("mine")
    assert [*read_notes(tmp_path).damaged] == ["notes"]
    with pytest.raises(RecordError):
        add_note(tmp_path, EARLY)


def test_what_a_killed_writer_left_is_no_damage(tmp_path):
    add_note(tmp_path, EARLY)
    (tmp_path / layout.NOTES / ".x.json.17.tmp").write_text("half")
    assert read_notes(tmp_path) == Notes((EARLY,))


@pytest.mark.parametrize("tag", ["", "a b", "-a", "a,b", "a" * 41, "é", "a\n", "a=b"])
def test_a_tag_is_a_word(tag):
    with pytest.raises(ConfigError) as caught:
        checked_tags(["fine", tag], "--tag")
    assert [problem.got for problem in caught.value.problems] == [tag]
    remedy = caught.value.problems[0].remedy.removeprefix("--tag ")
    assert checked_tags([remedy], "--tag") == (remedy,)


def test_tags_are_kept_in_order_each_once():
    assert checked_tags(["b", "a", "b"], "--tag") == ("b", "a")
    assert checked_tags(["v1.0:lr+wd-x_y", "a" * 40], "--tag")


@pytest.mark.parametrize("text", ["", " \n", "x" * (LONGEST_NOTE + 1)])
def test_a_note_says_something_that_can_be_read(text):
    with pytest.raises(ConfigError):
        checked_text(text, "TEXT")
    assert checked_text("x" * LONGEST_NOTE, "TEXT")
