"""Notes, the central record and the notebook, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrbench.record import layout

RUN = ("run", "dataset=wine", "model=linear", "train.steps=4", "schedule=sgdr")


@pytest.fixture
def run(lrbench):
    """One finished run with a note and a tag from its start."""
    lrbench(*RUN, "--note", "first", "--tag", "pilot", "--tag", "wine")
    (path,) = Path("results").iterdir()
    return path


def bytes_in(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and layout.NOTES not in file.parts
    }


def trials(lrbench, *options):
    return json.loads(lrbench("history", "--json", *options).out)["trials"]


def test_a_note_changes_nothing_else_of_a_record_nor_what_the_run_is(lrbench, run):
    before = bytes_in(run)
    lrbench("note", run.name[-8:], "second", "--tag", "good", "--untag", "pilot")
    lrbench("note", str(run), "third")
    lrbench("note", run.name[:9], "--tag", "good")
    assert bytes_in(run) == before
    (trial,) = trials(lrbench)
    assert [note["text"] for note in trial["notes"]] == ["second", "third"]
    assert (trial["note"], trial["tags"]) == ("first", ["wine", "good"])
    assert trial["notes"][0]["written"] <= trial["notes"][1]["written"]
    again = lrbench(*RUN, "--note", "other", "--tag", "x")
    assert "complete already" in again.err
    assert "lrbench note" in again.err
    assert len(trials(lrbench)) == 1


def test_every_command_takes_a_record_with_notes(lrbench, run):
    lrbench("note", str(run), "€ \x1b[31m", "--tag", "seen")
    for words in (
        ("verify", str(run), "--files"),
        ("verify", "results"),
        ("diff", str(run), str(run)),
        ("status", "results"),
        ("summarize", "results"),
        ("bundle", "results", "-o", "b.zip"),
        ("verify", "b.zip", "--files"),
        (*RUN, "--force"),
    ):
        assert lrbench(*words).code == 0, words
    # Trained again without a tag, it has those of its later notes alone.
    assert trials(lrbench)[0]["tags"] == ["seen"]


def test_a_damaged_note_is_named_and_hides_no_run(lrbench, run):
    lrbench("note", str(run), "kept")
    lrbench("note", str(run), "spoilt")
    last = max((run / layout.NOTES).iterdir())
    last.write_text(last.read_text().replace("spoilt", "spoiled"))
    verified = lrbench("verify", "results", "--files")
    assert verified.code == 3
    assert "1 identical" in verified.out
    assert f"{run.name}/notes/{last.name} is damaged" in verified.out
    listed = lrbench("history", "--json")
    assert listed.code == 1
    (trial,) = json.loads(listed.out)["trials"]
    assert trial["status"] == "complete"
    assert [note["text"] for note in trial["notes"]] == ["kept"]
    assert last.name in trial["remarks"][0]
    bundled = lrbench("bundle", "results", "-o", "b.zip")
    assert last.name in bundled.err
    assert lrbench("verify", "b.zip", "--files").code == 0


def test_trials_are_filtered_sorted_and_told(lrbench, run):
    lrbench(*RUN, "optimizer.lr=0.03", "seed=1")
    lrbench(*RUN, "optimizer.lr=1000000000", "seed=2")
    by_loss = trials(lrbench, "--sort", "-val_loss")
    losses = [trial["val_loss"] for trial in by_loss if trial["val_loss"] is not None]
    assert losses == sorted(losses, reverse=True)
    assert len(by_loss) == 3
    assert [t["seed"] for t in trials(lrbench, "--filter", "optimizer.lr<0.1")] == [1]
    assert [t["seed"] for t in trials(lrbench, "--filter", "tag=wine")] == [0]
    assert by_loss[0]["settings"].keys() == {"optimizer.lr"}
    text = lrbench("history", "--filter", "seed=0").out
    assert text.startswith("1 run: 1 complete (of 3 in the folder)\n")
    assert "[pilot wine]" in text
    assert '"first"' in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_an_interrupted_record_and_an_empty_claim_are_listed(lrbench, run):
    (run / layout.RESULT).unlink()
    Path("results/a-b-c-s0-00000000").mkdir()
    Path("results/a-b-c-s0-00000000/lock").write_text("")
    assert {trial["status"] for trial in trials(lrbench)} == {"interrupted"}
    assert len(trials(lrbench)) == 2


def test_the_notebook_tells_sweeps_and_runs(lrbench, run):
    sweep = ("sweep", *RUN[1:-1], "schedule=sgdr,cosine", "--seeds", "2", "--tag", "grid")
    lrbench(*sweep)
    lrbench("note", str(run), "<script>alert(1)</script>")
    told = lrbench("log", "--markdown", "-o", "nb.md")
    assert told.out.strip() == "nb.md"
    text = Path("nb.md").read_text()
    assert text.count("\n## ") == 1  # the run is one of the sweep's
    assert "**Differs:** schedule (cosine, sgdr)" in text or "(sgdr, cosine)" in text
    assert "<script>" not in text
    assert "grid (3 of 4 runs)" in text
    assert "lrbench 0." in text
    chapters = json.loads(lrbench("log", "--json").out)["chapters"]
    (only,) = chapters
    mean = only["arms"][0]["estimates"]["final_val_loss"]["mean"]
    assert f"{mean:.2f}" in text
    assert lrbench("log").out.strip() == text.strip()
