"""Whatever was interrupted is gone on with to the bytes it would have had."""

from __future__ import annotations

import json
import shutil

import pytest

from forging import edit
from lrbench.errors import ConfigError, LrbenchError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.lock import Lock
from lrbench.record.reader import Status, read_record
from lrbench.workflows import crew as module
from lrbench.workflows.crew import train_job
from lrbench.workflows.recording import Paused
from lrbench.workflows.resume import plan_resume, resume
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.sweep import plan_sweep, run_sweep

SETTINGS = [
    "dataset=wine",
    "model.hidden=[5]",
    "train.batch_size=16",
    "train.steps=40",
    "train.eval_every=10",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch, data_cache):
    def here(task, payloads, *, workers, environments):
        for index, payload in enumerate(payloads):
            yield Event("started", index)
            try:
                yield Event("done", index, train_job(payload, lambda progress: None))
            except LrbenchError as error:
                yield Event("failed", index, str(error))

    monkeypatch.setattr(module, "run_jobs", here)


@pytest.fixture(scope="module")
def whole(data_cache, tmp_path_factory, bytes_of):
    """The bytes of a run that nothing interrupted."""
    return bytes_of(run(resolve_overrides(SETTINGS), tmp_path_factory.mktemp("whole")).path)


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def begin(results, *more, until=15, note=None):
    resolved = resolve_overrides([*SETTINGS, *more], note=note)
    with pytest.raises(Paused):
        run(resolved, results, until=until)
    return results / resolved.spec.run_id


def go_on(path, **settings):
    return resume(plan_resume(path, **settings), workers=1)


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_run_goes_on_to_the_bytes_it_would_have_had(is_folder, results, whole, bytes_of):
    record = begin(results, note="why not")
    config = (record / layout.CONFIG).read_bytes()
    plan = plan_resume(results if is_folder else record)
    assert [(job.run.spec.run_id, job.goes_on_at) for job in plan.unfinished] == [(record.name, 15)]
    report = resume(plan, workers=1)
    assert (report.done, report.diverged, report.failures) == (1, 0, ())
    assert bytes_of(record) == whole
    assert (record / layout.CONFIG).read_bytes() == config
    assert json.loads((record / layout.MANIFEST).read_text())["note"] == "why not"
    attempts = read_record(record, every_byte=True).attempts()
    assert [a["from_step"] for a in attempts] == [0, 15]
    again = plan_resume(results)
    assert (again.unfinished, again.finished) == ((), 1)


def test_stopped_again_and_again_it_still_comes_to_those_bytes(results, whole, bytes_of):
    record = begin(results, until=3)
    for until in (4, 15, 39):
        (job,) = plan_resume(record).unfinished
        with pytest.raises(Paused):
            run(job.run, results, until=until)
        assert read_record(record).resumes_at == until
    go_on(record)
    assert bytes_of(record) == whole


def test_starting_over_begins_at_the_first_update(results, whole, bytes_of):
    record = begin(results)
    assert resume(plan_resume(record), workers=1, start_over=True).done == 1
    assert bytes_of(record) == whole
    assert [a["from_step"] for a in read_record(record).attempts()] == [0, 0]


def test_a_failed_run_is_tried_again(results, whole, bytes_of):
    record = begin(results)
    last = max((record / layout.ATTEMPTS).glob("*.json"))
    edit(last, lambda attempt: attempt.update(outcome="failed", message="boom"))
    assert read_record(record).status is Status.FAILED
    assert go_on(results).done == 1
    assert bytes_of(record) == whole


def test_what_is_damaged_or_anothers_is_left_and_named(results):
    damaged = begin(results, "seed=1")
    (damaged / layout.SPEC).write_text("{")
    taken = begin(results, "seed=2")
    finished = run(resolve_overrides([*SETTINGS, "seed=3"]), results).path
    claimed = results / "wine-mlp-constant-s4-00000000"
    claimed.mkdir()
    (claimed / layout.LOCK).touch()
    good = begin(results, "seed=5")
    lock = Lock(taken / layout.LOCK)
    assert lock.acquire()
    plan = plan_resume(results)
    lock.release()
    assert [job.run.spec.run_id for job in plan.unfinished] == [good.name]
    assert (plan.running, plan.finished) == ((taken.name,), 1)
    refused = dict(plan.refused)
    assert set(refused) == {damaged.name, claimed.name}
    assert "is damaged (spec.json must be JSON" in refused[damaged.name]
    assert refused[claimed.name] == "was claimed and not begun: repeat its command"
    assert read_record(finished).status is Status.COMPLETE
    assert resume(plan, workers=1).done == 1
    assert (damaged / layout.SPEC).read_text() == "{"


def test_a_manifest_of_another_form_stops_no_other_run(results):
    odd = begin(results, "seed=1")
    edit(odd / layout.MANIFEST, lambda manifest: manifest.update(data=[]))
    other = begin(results, "seed=2")
    gone = begin(results, "seed=3")
    (gone / layout.MANIFEST).unlink()
    plan = plan_resume(results)
    assert [job.run.spec.run_id for job in plan.unfinished] == [other.name]
    refused = dict(plan.refused)
    assert "not of the form" in refused[odd.name]
    assert "manifest.json must exist" in refused[gone.name]


def test_another_profile_is_refused_by_its_facts_until_told_to_start_over(results, whole, bytes_of):
    record = begin(results)

    def change(manifest):
        manifest["profile"] |= {"torch": "1.0", "digest": "0" * 64}

    edit(record / layout.MANIFEST, change)
    before = (record / "steps.csv").read_bytes()
    report = go_on(record)
    assert report.done == 0
    ((run_id, reason),) = report.failures
    assert run_id == record.name
    assert "profile.torch was 1.0 and is " in reason
    assert "--start-over" in reason
    assert (record / "steps.csv").read_bytes() == before
    assert resume(plan_resume(record), workers=1, start_over=True).done == 1
    assert bytes_of(record) == whole


def test_other_data_than_it_was_begun_with_are_refused_with_both_digests(results):
    record = begin(results)
    then = json.loads((record / layout.SPEC).read_text())["dataset"]["digest"][:12]
    edit(record / layout.MANIFEST, lambda m: m["data"]["settings"].update(val_fraction=0.3))
    ((_, reason),) = go_on(record).failures
    assert f"must be the data the run was specified with ({then}…), got" in reason
    assert reason.count("…") == 2


def test_data_that_are_not_here_are_asked_for(results):
    record = begin(results)

    def change(spec):
        spec["dataset"] |= {"name": "mnist", "params": {}}

    edit(record / layout.SPEC, change)
    from lrbench.spec.canonical import digest

    name = f"{record.name[:-8]}{digest(json.loads((record / layout.SPEC).read_text()))[:8]}"
    edit(record / layout.MANIFEST, lambda m: m["data"].update(settings={"root": "/nowhere"}))
    spec_run = record.rename(record.with_name(name))
    report = go_on(spec_run)
    assert report.done == 0
    assert "--data FOLDER" in report.failures[0][1]


# Sweeps


@pytest.fixture
def sweep(results):
    """A sweep of four runs: one finished, one interrupted, two not begun."""
    plan = plan_sweep([*SETTINGS, "schedule=constant,linear"], (0, 1), results)
    first, second = plan.jobs[:2]
    plan.path.parent.mkdir(parents=True)
    plan.path.write_text(plan.spec.text)
    run(first.run, results)
    with pytest.raises(Paused):
        run(second.run, results, until=15)
    return plan


def test_the_runs_of_a_sweep_that_were_not_begun_are_begun(sweep, results, tmp_path, bytes_of):
    plan = plan_resume(results)
    assert plan.finished == 1
    assert sorted(job.goes_on_at for job in plan.unfinished) == [0, 0, 15]
    assert resume(plan, workers=1).done == 3
    for job in sweep.jobs:
        golden = run(job.run, tmp_path / "golden").path
        assert bytes_of(results / golden.name) == bytes_of(golden)
        # What was typed stands in the record, as the sweep itself would have put it.
        assert (results / golden.name / layout.CONFIG).read_text() == job.run.config


def test_a_sweep_of_which_nothing_was_begun_is_begun(sweep, results):
    for path in results.glob("wine-*"):
        shutil.rmtree(path)
    assert len(plan_resume(results).unfinished) == 4


def test_the_same_sweep_command_goes_on_likewise(sweep, results):
    report = run_sweep(sweep.refreshed(), workers=1)
    assert (report.done, report.skipped) == (3, 1)
    plan = plan_resume(results)
    assert (plan.unfinished, plan.finished, plan.refused) == ((), 4, ())


def test_a_damaged_plan_is_named_and_the_runs_go_on(sweep, results):
    sweep.path.write_text(sweep.path.read_text()[:-5])
    plan = plan_resume(results)
    ((name, reason),) = plan.refused
    assert name == f"sweeps/{sweep.path.name}"
    assert reason.startswith("is damaged")
    assert len(plan.unfinished) == 1


def test_a_plan_whose_words_come_to_another_run_is_left(sweep, results):
    text = sweep.path.read_text().replace("train.steps=40", "train.steps=41")
    sweep.path.write_text(text)
    plan = plan_resume(results)
    assert len(plan.unfinished) == 1
    assert {why for _, why in plan.refused} == {
        "comes to another run here and now: repeat the sweep's command"
    }


def test_a_run_that_was_claimed_for_a_sweep_is_begun(sweep, results):
    missing = next(j for j in sweep.jobs if not (results / j.run.spec.run_id).exists())
    (results / missing.run.spec.run_id).mkdir()
    (results / missing.run.spec.run_id / layout.LOCK).touch()
    plan = plan_resume(results)
    assert plan.refused == ()
    assert missing.run.spec.run_id in {job.run.spec.run_id for job in plan.unfinished}


def test_what_holds_no_records_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="must "):
            plan_resume(path)


def test_a_record_may_be_typed_as_the_folder_one_is_in(results, monkeypatch):
    from pathlib import Path

    record = begin(results)
    monkeypatch.chdir(record)
    plan = plan_resume(Path())
    assert plan.results == results
    assert [job.run.spec.run_id for job in plan.unfinished] == [record.name]
