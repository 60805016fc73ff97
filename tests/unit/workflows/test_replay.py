"""A run made again beside its record, which stays as it is."""

from __future__ import annotations

import shutil
import tempfile

import pytest

from forging import edit, edit_row, reseal
from lrbench.errors import ConfigError, DamageError
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows import replay as module
from lrbench.workflows.replay import Source, replay, variables_then


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path, data_cache):
    def here(job, payload, variables, *, name, on_progress):
        return job(payload, on_progress)

    monkeypatch.setattr(module, "isolated", here)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def record(golden_record, tmp_path):
    return shutil.copytree(golden_record, tmp_path / "results" / golden_record.name)


def test_a_replay_is_a_record_of_its_own_with_the_same_bytes(record, golden, bytes_of, tmp_path):
    before = {path: path.read_bytes() for path in record.rglob("*") if path.is_file()}
    heard = []
    found = replay(Source(record), on_progress=heard.append)
    assert (found.difference, found.profile) == (None, ())
    assert found.path.parent.parent == tmp_path / "tmp"
    assert bytes_of(found.path) == golden
    assert read_record(found.path, every_byte=True).attempts()[0]["reason"] == "replay"
    assert heard[-1].step == 12
    assert before == {path: path.read_bytes() for path in record.rglob("*") if path.is_file()}


def test_it_goes_where_it_was_asked_to_and_never_over_another(record, tmp_path):
    into = tmp_path / "new" / "there"
    assert replay(Source(record), into).path == into / record.name
    before = (into / record.name / layout.MANIFEST).read_bytes()
    for taken in (into, record.parent):
        with pytest.raises(ConfigError, match="--into must not hold a record of this run"):
            replay(Source(record), taken)
    assert (into / record.name / layout.MANIFEST).read_bytes() == before
    with pytest.raises(ConfigError, match="--into must be a folder"):
        replay(Source(record), record / "steps.csv")


def test_an_edited_record_differs_from_its_replay(record):
    edit_row(record / "steps.csv", 7, "train_loss", lambda text: repr(float(text) * 2))
    found = replay(Source(reseal(record)))
    assert (found.difference.what, found.difference.step) == ("loss", 7)
    assert found.path.exists()


def test_what_decides_bits_and_is_not_as_it_was_is_named(record):
    edit(record / layout.MANIFEST, lambda manifest: manifest["profile"].update(torch="1.0"))
    found = replay(Source(reseal(record)))
    assert found.difference is None
    assert [change.key for change in found.profile] == ["profile.torch"]


def test_only_what_is_finished_whole_and_one_record_is_made_again(record, tmp_path):
    (record / layout.RESULT).rename(tmp_path / layout.RESULT)
    with pytest.raises(ConfigError, match=r"must be finished to be repeated \(it is interrupted\)"):
        replay(Source(record))
    (tmp_path / layout.RESULT).rename(record / layout.RESULT)
    for path, words in (
        (record.parent, "must be one record"),
        (tmp_path / "nowhere", "must exist"),
        (record / "steps.csv", "must be a record"),
        (tmp_path / "tmp", "must hold records"),
    ):
        with pytest.raises(ConfigError, match=words):
            replay(Source(path))
    (record / "timing.csv").write_text("")
    with pytest.raises(DamageError, match="is damaged"):
        replay(Source(record))
    assert not list((tmp_path / "tmp").iterdir())


def test_a_record_that_contradicts_itself_is_damage(record):
    edit(record / layout.MANIFEST, lambda manifest: manifest.pop("data"))
    with pytest.raises(DamageError, match="must have the form of a record"):
        replay(Source(reseal(record)))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_one_that_is_stopped_leaves_nothing_behind(error, record, tmp_path, monkeypatch):
    def stopped(job, payload, variables, **settings):
        (payload[1] / "half").mkdir()
        raise error

    monkeypatch.setattr(module, "isolated", stopped)
    with pytest.raises(error):
        replay(Source(record))
    assert not list((tmp_path / "tmp").iterdir())


def test_of_the_variables_a_run_had_only_plain_ones_that_decide_bits_return(record):
    def change(manifest):
        manifest["environment"]["variables"] = {
            "MKL_CBWR": "AVX2",
            "ATEN_CPU_CAPABILITY": "a\nb",
            "LD_PRELOAD": "/tmp/evil.so",
            "PATH": "/tmp",
        }

    edit(record / layout.MANIFEST, change)
    assert variables_then(read_record(record)) == {"MKL_CBWR": "AVX2"}


def test_the_copy_of_a_beginning_holds_nothing_of_the_end(record, tmp_path):
    assert read_record(record).status is Status.COMPLETE
    module._copy_beginning(record, tmp_path / record.name)
    assert not (tmp_path / record.name / layout.RESULT).exists()
    assert (tmp_path / record.name / "steps.csv").exists()
