"""The index of the central record can only save time: whatever is done to it, the answer stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest

from forging import edit
from lrbench.record import layout
from lrbench.record.notes import Note, add_note
from lrbench.record.test_uses import TestUse, add_test_use
from lrbench.report.history import index
from lrbench.report.history.index import find_trials, index_path
from lrbench.report.sanity.flag import Flag
from lrbench.spec.canonical import canonical, digest, pretty, sealed
from lrbench.workflows import check
from lrbench.workflows import history as workflow
from lrbench.workflows.history import history

SEEDS = 3


@pytest.fixture
def results(golden_record, tmp_path, monkeypatch):
    """A folder of a few finished runs, which are settled at once."""
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "SETTLED_NS", -(10**9))
    folder = tmp_path / "results"
    spec = json.loads((golden_record / layout.SPEC).read_text())
    result = json.loads((golden_record / layout.RESULT).read_text())
    del result["digest"]
    for seed in range(SEEDS):
        identity = digest(spec | {"seed": seed})
        path = folder / f"wine-mlp-sgdr-s{seed}-{identity[:8]}"
        shutil.copytree(golden_record, path)
        (path / layout.SPEC).write_text(canonical(spec | {"seed": seed}))
        closing = sealed(result | {"spec_digest": identity})
        (path / layout.RESULT).write_text(pretty(closing))
    add_note(path, Note("2026-11-01T08:00:00.000+00:00", "€ \udcff", ("good",)))
    return folder


def one(folder):
    return min(folder.iterdir())


def fresh(folder):
    return find_trials(folder, use_index=False).trials


def test_what_is_known_is_not_read_again_and_is_the_same(results):
    cold = find_trials(results)
    warm = find_trials(results)
    assert (cold.read, warm.read) == (SEEDS, 0)
    assert warm.trials == cold.trials
    assert [trial.seed for trial in warm.trials] == [0, 1, 2]
    assert warm.trials[-1].tags == ("good",)
    assert warm.trials[0].settings["schedule"] == "sgdr"
    assert warm.trials[0].restarts == 1


def test_one_record_has_an_index_of_its_own(results):
    path = one(results)
    assert [trial.run for trial in find_trials(path).trials] == [path.name]
    assert find_trials(path).read == 0


CHANGES = {
    "a note": lambda path: add_note(path, Note("2026-11-02T08:00:00.000+00:00", "new")),
    "a damaged note": lambda path: add_note(
        path, Note("2026-11-02T08:00:00.000+00:00", "new")
    ).write_text(""),
    "a shorter log": lambda path: os.truncate(path / "steps.csv", 100),
    "another note from the start": lambda path: edit(
        path / layout.MANIFEST, lambda manifest: manifest.update(note="new")
    ),
    "another time": lambda path: edit(
        path / layout.ATTEMPTS / "0001.json",
        lambda attempt: attempt.update(started="2020-01-01T00:00:00+00:00"),
    ),
    "another end": lambda path: edit(
        path / layout.RESULT, lambda result: result.update(outcome="?")
    ),
    "no end": lambda path: (path / layout.RESULT).unlink(),
    "half a specification": lambda path: os.truncate(path / layout.SPEC, 9),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_read_again(results, change):
    before = find_trials(results).trials
    CHANGES[change](one(results))
    found = find_trials(results)
    assert found.read == 1
    assert found.trials[0] != before[0]
    assert found.trials[1:] == before[1:]
    assert found.trials == fresh(results)


def test_a_note_changed_in_its_place_is_read_again(results):
    find_trials(results)
    (path,) = max(results.iterdir()).glob("notes/*")
    path.write_text(path.read_text().replace("good", "evil"))
    assert find_trials(results).trials[-1].remarks


def test_runs_that_come_and_go_are_seen(results):
    find_trials(results)
    gone = one(results)
    gone.rename(results.parent / gone.name)
    assert len(find_trials(results).trials) == SEEDS - 1
    (results.parent / gone.name).rename(gone)
    again = find_trials(results)
    assert (len(again.trials), again.read) == (SEEDS, 1)
    (results / "mine").mkdir()
    assert find_trials(results).foreign == ("mine",)


def test_what_is_not_finished_or_damaged_is_always_asked_anew(results):
    first, second, third = sorted(results.iterdir())
    (first / layout.RESULT).unlink()
    os.truncate(second / "evals.csv", 9)
    (third / layout.NOTES / "mine").write_text("mine")
    for _ in range(2):
        found = find_trials(results)
        assert found.read == SEEDS
        assert [trial.status for trial in found.trials] == ["interrupted", "corrupt", "complete"]


def test_what_changed_a_moment_ago_is_asked_again(results, monkeypatch):
    monkeypatch.setattr(index, "SETTLED_NS", 3600 * 10**9)
    assert [find_trials(results).read for _ in range(2)] == [SEEDS, SEEDS]


def test_what_changes_while_it_is_read_is_not_kept(results, monkeypatch):
    read = index.read_trial

    def disturbed(path):
        trial = read(path)
        add_note(path, Note("2026-11-02T08:00:00.000+00:00", "meanwhile"))
        return trial

    monkeypatch.setattr(index, "read_trial", disturbed)
    find_trials(results)
    monkeypatch.setattr(index, "read_trial", read)
    found = find_trials(results)
    assert found.read == SEEDS
    assert all(trial.notes[-1].text == "meanwhile" for trial in found.trials)


def test_no_damage_to_the_index_changes_the_answer(results):
    trials = find_trials(results).trials
    path = index_path(results)
    data = path.read_bytes()
    for place in range(0, len(data), 211):
        flipped = bytearray(data)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        assert find_trials(results).trials == trials
    for size in range(0, len(data), 701):
        path.write_bytes(data[:size])
        assert find_trials(results).trials == trials
    assert find_trials(results).read == 0  # it has healed


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"\x00" * 1000),
        lambda path: path.write_text("{}\n[]\nnull\n"),
        lambda path: path.mkdir(),
        os.mkfifo,
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: None,
    ],
)
def test_anything_in_the_place_of_the_index_will_do(results, make):
    trials = find_trials(results).trials
    path = index_path(results)
    path.unlink()
    make(path)
    assert find_trials(results).trials == trials


def test_no_place_for_an_index_will_do(results, tmp_path, monkeypatch):
    trials = find_trials(results).trials
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "file"))
    found = find_trials(results)
    assert (found.trials, found.read) == (trials, SEEDS)


def test_an_index_of_another_lrbench_is_not_used(results, monkeypatch):
    find_trials(results)
    monkeypatch.setattr(index, "READING", index.READING + 1)
    assert find_trials(results).read == SEEDS


def test_an_index_among_the_records_is_not_believed(results):
    find_trials(results)
    path = index_path(results)
    assert results not in path.parents
    shutil.copy(path, results / path.name)
    path.unlink()
    assert find_trials(results).read == SEEDS


def test_the_state_changes_with_any_record_and_with_what_lies_beside_them(results):
    states = [find_trials(results).state]
    assert find_trials(results).state == states[0]
    for change in ("another time", "no end", "a note"):
        CHANGES[change](one(results))
        states.append(find_trials(results).state)
    # Of one that is not finished only the name counts: it changes all the time.
    assert states.pop() == states[-1]
    for folder in ("sweeps/x.json", "twins/y", "sweeps/z.json"):
        (results / folder).mkdir(parents=True)
        states.append(find_trials(results).state)
    assert len(set(states)) == len(states)
    assert all(states)


def test_what_changed_a_moment_ago_has_no_state(results, monkeypatch):
    monkeypatch.setattr(index, "SETTLED_NS", 3600 * 10**9)
    assert find_trials(results).state == ""


def test_looks_at_the_test_split_change_the_state(results):
    states = [find_trials(results).state]
    for moment in ("2026-11-02T08:00:00.000+00:00", "2026-11-03T08:00:00.000+00:00"):
        add_test_use(one(results), TestUse(moment, 0.5, 0.9, 36, "0" * 64))
        states.append(find_trials(results).state)
        assert find_trials(results).state == states[-1]
    assert len(set(states)) == 3


def test_flags_are_looked_for_once(results, monkeypatch):
    calls = []
    flags = (
        Flag("grid-edge", False, "so", {}, (one(results).name,)),
        Flag("unfair", True, "it is", {}, ()),
    )

    def look(folder):
        calls.append(folder)
        return check.Checked(folder, SEEDS, flags)

    monkeypatch.setattr(check, "check", look)
    for _ in range(2):
        found = history(results)
        assert found.flags == {one(results).name: ("grid-edge",)}
        assert found.notices == ("flag unfair: it is",)
    assert len(calls) == 1
    assert not history(results, with_flags=False).flags
    add_note(one(results), Note("2026-11-02T08:00:00.000+00:00", "new"))
    monkeypatch.setattr(workflow, "AT_ONCE", SEEDS - 1)
    assert not history(results).flags
    assert "--flags" in history(results).notices[0]
    assert len(calls) == 1
    assert [
        t.run for t in history(results, with_flags=True, filters=["flag=grid-edge"]).trials
    ] == [one(results).name]
    assert len(calls) == 2
    assert history(results).flags
    path = index_path(results).with_suffix(".flags")
    path.write_bytes(path.read_bytes().replace(b"grid", b"good"))
    assert not history(results).flags


@pytest.mark.slow
def test_commands_at_once_do_not_hurt_it(results, tmp_path):
    time.sleep(2.1)  # other processes keep nothing of what changed a moment ago
    words = [sys.executable, "-m", "lrbench", "history", str(results), "--json"]
    processes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ | {"N": str(i)})
        for i in range(6)
    ]
    told = [json.loads(process.communicate()[0]) for process in processes]
    assert all(answer["trials"] == told[0]["trials"] for answer in told)
    assert len(told[0]["trials"]) == SEEDS
    path = index_path(results)
    assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.stem}.flags"}
    assert find_trials(results).read == 0
