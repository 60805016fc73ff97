"""Looks at test data: added, counted, never changed."""

from __future__ import annotations

import os
import re

import pytest

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.additions import ADDITION, now
from lrbench.record.test_uses import TestUse, add_test_use, occasions


def use(occasion: str, loss: float | None = 0.25) -> TestUse:
    return TestUse(occasion, loss, 0.9, 359, "0" * 64)


FIRST, SECOND = "2026-03-01T12:00:00.000+00:00", "2026-03-02T12:00:00.123+00:00"


def test_a_record_that_nobody_looked_at_has_no_occasion(tmp_path):
    assert occasions(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []


def test_each_occasion_is_a_file_of_its_own_and_is_counted(tmp_path):
    paths = [add_test_use(tmp_path, use(one)) for one in (SECOND, FIRST)]
    assert occasions(tmp_path) == (FIRST, SECOND)
    assert all(re.fullmatch(ADDITION, path.name) for path in paths)
    assert len({path.read_bytes() for path in paths}) == 2


def test_writing_one_leaves_the_others_as_they_are(tmp_path):
    first = add_test_use(tmp_path, use(FIRST))
    before = first.read_bytes()
    add_test_use(tmp_path, use(FIRST, loss=None))
    assert first.read_bytes() == before
    assert occasions(tmp_path) == (FIRST,)


def test_a_damaged_one_still_counts(tmp_path):
    path = add_test_use(tmp_path, use(FIRST))
    add_test_use(tmp_path, use(SECOND))
    path.write_text(path.read_text().replace("0.25", "0.20"))
    assert len(occasions(tmp_path)) == 2
    assert SECOND in occasions(tmp_path)


def test_what_is_no_use_does_not_count(tmp_path):
    add_test_use(tmp_path, use(FIRST))
    (tmp_path / layout.TEST_USES / "notes.txt").write_text("mine")
    assert occasions(tmp_path) == (FIRST,)


def test_a_folder_that_cannot_be_read_counts_as_a_look(tmp_path, monkeypatch):
    add_test_use(tmp_path, use(FIRST))

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert occasions(tmp_path) == (layout.TEST_USES,)


def test_a_link_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / layout.TEST_USES).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="not a link"):
        add_test_use(tmp_path, use(FIRST))


def test_an_occasion_is_a_moment_of_utc():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", now())
