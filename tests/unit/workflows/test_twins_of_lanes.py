"""Twins of lanes are trained together, and have the bytes they have when trained alone."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from forging import edit, edit_row, reseal
from lrbench.errors import DataError, RecordError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows import crew, forking, training, twin_training
from lrbench.workflows.crew import train_job
from lrbench.workflows.forking import fork_job
from lrbench.workflows.packing import recorded_slot
from lrbench.workflows.recording import Paused
from lrbench.workflows.resume import plan_resume, resume
from lrbench.workflows.run import resolve_overrides, run, run_together
from lrbench.workflows.training import Manner
from lrbench.workflows.twin import plan_twins
from lrbench.workflows.twin_training import run_twins

WIDTH = 6
WORDS = [
    "dataset=wine",
    "model.hidden=[6]",
    "model.dropout=0.2",
    "optimizer=adamw",
    "train.batch_size=16",
    "train.steps=30",
    "train.eval_every=6",
    "diagnostics.layers_every=5",
    "compute.engine=lanes",
    f"compute.lanes={WIDTH}",
    "compute.compile=false",
    "compute.profile=native",
]
CYCLES = ["schedule=sgdr", "schedule.cycle_lengths=[7,9,8,6]"]
FIRING = [
    "schedule=cosine",
    "trigger=plateau",
    "trigger.every=1",
    "trigger.patience=1",
    "trigger.rtol=0.5",
    "trigger.gate=null",
    "trigger.refractory=6",
    "trigger.half_life=2",
]
BOTH = ("keep", "none")


def here(task, payloads, *, workers, environments):
    """What workers do, in this process."""
    job = {twin_training.TASK: fork_job, crew.TASK: train_job}[task]
    for index, payload in enumerate(payloads):
        yield Event("started", index)
        told = []
        answer = job(payload, told.append)
        yield from (Event("progress", index, one) for one in told)
        yield Event("done", index, answer)


@pytest.fixture(autouse=True)
def plans(monkeypatch, data_cache):
    """Of every plan that is trained, in order: its slots, its first update, how many it has."""
    trained = []
    engine = training.ENGINES["lanes"]

    def noted(plan, sinks):
        state = plan.lanes[0].state
        first = 0 if state is None else state.step
        trained.append((plan.slots or (0,), first, plan.total_steps))
        return engine(plan, sinks)

    monkeypatch.setitem(training.ENGINES, "lanes", noted)
    for module in (twin_training, crew):
        monkeypatch.setattr(module, "run_jobs", here)
    return trained


@pytest.fixture(scope="module")
def made(data_cache, tmp_path_factory):
    """Folders of parents that were trained as one plan, by whether they keep checkpoints."""
    folders = {}

    def folder(*arms, kept=False):
        key = (*map(tuple, arms), kept)
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("parents")
            keep = f"restart.keep_checkpoints={str(kept).lower()}"
            runs = [
                resolve_overrides([*WORDS, *arm, keep, f"seed={seed}"])
                for arm in arms
                for seed in range(2)
            ]
            run_together(runs, range(len(runs)), folders[key], Manner(False, "sweep"))
        return folders[key]

    return folder


@pytest.fixture
def parents(made, plans, tmp_path):
    """A folder of one's own: two seeds of two arms whose restarts are at the same updates."""

    def copied(*arms, kept=False):
        arms = arms or (CYCLES, [*CYCLES, "optimizer.lr=0.01"])
        folder = Path(shutil.copytree(made(*arms, kept=kept), tmp_path / "runs"))
        plans.clear()
        return folder

    return copied


def trained(path, results, policies=BOTH, *, restart=2, **more):
    plan = plan_twins(path, restart=restart, policies=policies, results=results)
    return plan, run_twins(plan, workers=1, **more)


def told_of(record):
    """All that a record says apart from times and processes."""
    manifest = json.loads((record / layout.MANIFEST).read_text())
    attempts = read_record(record).attempts()
    return manifest, [(one["reason"], one["from_step"], one["remarks"]) for one in attempts]


def finished(results):
    return {path.name for path in results.iterdir() if read_record(path).status.is_finished}


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "made again"])
def test_twins_of_parents_in_one_plan_share_plans_and_have_the_bytes_of_those_trained_alone(
    kept, parents, plans, tmp_path, bytes_of
):
    folder = parents(kept=kept)
    plan, report = trained(folder, tmp_path / "together")
    assert (report.failures, report.differences, report.trained) == ((), (), 8)
    slots = (0, 1, 2, 3)
    again = [] if kept else [(slots, 0, 30)]
    assert plans == [*again, (slots, 16, 24), (slots, 16, 24)]
    plans.clear()
    for parent in sorted(folder.glob("wine-*")):
        _, report = trained(parent, tmp_path / "alone")
        assert (report.failures, report.differences, report.trained) == ((), (), 2)
    assert len(plans) == (2 if kept else 3) * len(slots)
    names = {made.spec.run_id for fork in plan.forks for made in fork.twins.values()}
    assert names == finished(tmp_path / "together") == finished(tmp_path / "alone")
    for name in names:
        together, alone = tmp_path / "together" / name, tmp_path / "alone" / name
        assert bytes_of(together) == bytes_of(alone)
        assert told_of(together) == told_of(alone)
        assert (together / layout.CONFIG).read_bytes() == (alone / layout.CONFIG).read_bytes()
    for fork in plan.forks:
        for one in fork.twins.values():
            slot = recorded_slot(plan.results / one.spec.run_id)
            assert slot == recorded_slot(fork.parent.path)


def test_a_twin_trained_with_others_has_the_bytes_it_has_from_its_first_update(
    parents, tmp_path, bytes_of
):
    plan, _ = trained(parents(), tmp_path / "twins")
    fork = plan.forks[-1]
    for one in fork.twins.values():
        alone = run(one, tmp_path / "alone", slot=recorded_slot(fork.parent.path)).path
        assert bytes_of(alone) == bytes_of(plan.results / one.spec.run_id)


def test_forks_at_other_updates_share_no_plan(parents, plans, tmp_path):
    folder = parents(CYCLES, FIRING)
    plan, report = trained(folder, tmp_path / "twins", ("none",), restart=1)
    assert report.failures == ()
    expected = defaultdict(set)
    for fork in plan.forks:
        expected[fork.restart.step, fork.until].add(recorded_slot(fork.parent.path))
    assert len(expected) > 1
    assert any(len(slots) > 1 for slots in expected.values())
    twins = [(first, until, set(slots)) for slots, first, until in plans if first]
    assert sorted(twins) == sorted((*key, slots) for key, slots in expected.items())
    assert sum(first == 0 for _, first, _ in plans) == len(expected)


def test_every_restart_of_one_run_has_plans_of_its_own(parents, plans, tmp_path):
    _, report = trained(parents(kept=True), tmp_path / "twins", ("none",), restart=None)
    assert (report.failures, report.trained) == ((), 12)
    assert [(first, until) for _, first, until in plans] == [(7, 16), (16, 24), (24, 30)]


def test_parents_in_one_slot_share_no_plan(plans, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    for seed, slot in enumerate((3, 3, 5)):
        run(resolve_overrides([*WORDS, *CYCLES, f"seed={seed}"]), folder, slot=slot)
    plans.clear()
    plan, report = trained(folder, tmp_path / "twins", ("none",))
    assert (report.failures, report.trained) == ((), 3)
    assert sorted(plans) == [((3,), 0, 30), ((3,), 16, 24), ((3, 5), 0, 30), ((3, 5), 16, 24)]
    # Nor do they wait for each other.
    assert len(payloads_of(plan, monkeypatch)) == 2


def test_where_any_slot_will_do_twins_of_one_parent_share_a_plan_too(
    parents, plans, tmp_path, bytes_of
):
    folder = parents(CYCLES)
    trained(folder, tmp_path / "bound", ("keep", "adam_rel", "none"))
    bound = plans[:]
    assert bound == [((0, 1), 0, 30), *[((0, 1), 16, 24)] * 3]
    plans.clear()
    measured(folder, "L2")
    plan, report = trained(folder, tmp_path / "free", ("keep", "adam_rel", "none"))
    assert (report.failures, report.differences) == ((), ())
    # The parents stand in their slots all the same: they are held against their records.
    assert plans == [((0, 1), 0, 30), (tuple(range(6)), 16, 24)]
    for fork in plan.forks:
        for one in fork.twins.values():
            name = one.spec.run_id
            assert bytes_of(tmp_path / "bound" / name) == bytes_of(tmp_path / "free" / name)


def measured(folder, level):
    for record in list(folder.glob("wine-*")):
        edit(record / layout.MANIFEST, lambda manifest: manifest["lanes"].update(level=level))
        reseal(record)


def test_the_copy_of_a_parent_gives_its_twins_up_to_the_first(parents, plans, tmp_path):
    folder = parents(CYCLES, kept=True)
    measured(folder, "L2")
    first = min(folder.glob("wine-*"))
    shutil.copytree(first, folder / f"copy-{first.name}")
    _, report = trained(folder, tmp_path / "twins", ("none",))
    assert (report.failures, report.trained) == ((), 2)
    assert plans == [((0, 1), 16, 24)]


def test_a_parent_that_cannot_be_gone_on_with_fails_alone(
    parents, plans, tmp_path, bytes_of, monkeypatch
):
    def late(*words, **more):
        shutil.rmtree(gone)
        return here(*words, **more)

    folder = parents()
    trained(folder, tmp_path / "whole")
    other, gone, elsewhere, _ = sorted(folder.glob("wine-*"), key=recorded_slot)
    edit_row(other / "steps.csv", 3, "train_loss", lambda value: "0.5")
    reseal(other)
    edit(elsewhere / layout.MANIFEST, lambda manifest: manifest["profile"].update(threads=64))
    reseal(elsewhere)
    plans.clear()
    plan = plan_twins(folder, restart=2, policies=BOTH, results=tmp_path / "twins")
    monkeypatch.setattr(twin_training, "run_jobs", late)
    report = run_twins(plan, workers=1)
    reasons = dict(report.failures)
    assert set(reasons) == {other.name, gone.name, elsewhere.name}
    assert "must come out the same up to the restart" in reasons[other.name]
    assert "train_loss" in reasons[other.name]
    assert (
        "must be gone on with as it was trained (profile.threads was 64" in reasons[elsewhere.name]
    )
    assert report.trained == 2
    assert [slots for slots, *_ in plans] == [(0, 3), (3,), (3,)]
    for name in finished(tmp_path / "twins"):
        assert bytes_of(tmp_path / "twins" / name) == bytes_of(tmp_path / "whole" / name)
    assert len(finished(tmp_path / "twins")) == 2


def test_a_kept_checkpoint_that_is_damaged_stops_the_twins_of_its_run_alone(
    parents, plans, tmp_path
):
    folder = parents(kept=True)
    plan = plan_twins(folder, restart=2, policies=BOTH, results=tmp_path / "twins")
    first = plan.forks[0].parent
    kept = first.kept()[16]
    kept.write_bytes(kept.read_bytes()[:-8])
    report = run_twins(plan, workers=1)
    assert [name for name, _ in report.failures] == [first.run_id]
    assert report.trained == 6
    assert [slots for slots, *_ in plans] == [(1, 2, 3)] * 2


def test_a_twin_whose_plan_cannot_be_made_stops_its_siblings_and_no_others(
    parents, plans, tmp_path, monkeypatch
):
    whole = training.make_plan

    def failing(spec, data):
        if spec.seed == 0 and spec.fork and spec.fork.policy and spec.optimizer.lr != 0.01:
            raise RecordError("cannot be planned", key=spec.run_id)
        return whole(spec, data)

    monkeypatch.setattr(training, "make_plan", failing)
    plan, report = trained(parents(kept=True), tmp_path / "twins")
    ((name, reason),) = report.failures
    assert "cannot be planned" in reason
    (failed,) = [fork for fork in plan.forks if fork.parent.run_id == name]
    assert failed.seed == 0
    slot = recorded_slot(failed.parent.path)
    others = tuple(one for one in range(4) if one != slot)
    assert [slots for slots, *_ in plans] == [others] * 2


def test_what_is_not_the_same_is_that_of_its_parent_alone(parents, tmp_path):
    folder = parents(kept=True)
    spoilt = min(folder.glob("wine-*"))
    edit_row(spoilt / "steps.csv", 20, "train_loss", lambda value: "0.5")
    _, report = trained(reseal(spoilt).parent, tmp_path / "twins")
    assert report.failures == ()
    assert [name for name, _ in report.differences] == [spoilt.name]


def test_what_was_interrupted_goes_on_together_to_the_same_bytes(
    parents, plans, tmp_path, bytes_of, monkeypatch
):
    folder = parents()
    trained(folder, tmp_path / "whole")

    def stopped(runs, slots, results, manner, **others):
        return run_together(runs, slots, results, replace(manner, until=20), **others)

    half = plan_twins(folder, restart=2, policies=BOTH, results=tmp_path / "half")
    with monkeypatch.context() as patch:
        patch.setattr(forking, "run_together", stopped)
        with pytest.raises(Paused):
            run_twins(half, workers=1)
    names = [fork.twins["keep"].spec.run_id for fork in half.forks]
    assert [read_record(half.results / name).resumes_at for name in names] == [20] * 4
    assert {read_record(half.results / name).status for name in names} == {Status.INTERRUPTED}
    # One of them has lost all it had, and begins with its parent once more.
    shutil.rmtree(half.results / names[1])
    plans.clear()
    report = run_twins(half, workers=1)
    assert (report.failures, report.trained) == ((), 8)
    # Those of the controls, of which nothing stood there, need every parent again.
    slots, alone = (0, 1, 2, 3), (recorded_slot(half.forks[1].parent.path),)
    others = tuple(slot for slot in slots if slot not in alone)
    assert plans == [(slots, 0, 30), (alone, 16, 24), (others, 20, 24), (slots, 16, 24)]
    for name in finished(tmp_path / "whole"):
        assert bytes_of(half.results / name) == bytes_of(tmp_path / "whole" / name)
    attempts = [read_record(half.results / name).attempts() for name in names]
    assert [one[-1]["from_step"] for one in attempts] == [20, 16, 20, 20]


def test_a_twin_that_has_begun_keeps_its_own_slot(parents, plans, tmp_path):
    folder = parents(CYCLES, kept=True)
    plan = plan_twins(folder, restart=2, results=tmp_path / "twins")
    begun = plan.forks[0].twins["none"]
    with pytest.raises(Paused):
        run(begun, plan.results, slot=5, until=18)
    plans.clear()
    assert run_twins(plan, workers=1).trained == 2
    assert sorted(plans) == [((1,), 16, 24), ((5,), 18, 24)]
    assert recorded_slot(plan.results / begun.spec.run_id) == 5


def test_the_same_twins_asked_for_again_train_nothing_and_one_policy_more_that_alone(
    parents, plans, tmp_path
):
    folder = parents(kept=True)
    trained(folder, tmp_path / "twins")
    plans.clear()
    _, report = trained(folder, tmp_path / "twins")
    assert (report.trained, plans) == (0, [])
    _, report = trained(folder, tmp_path / "twins", ("keep", "adam_rel", "none"))
    assert (report.trained, len(plans)) == (4, 1)


def test_every_parent_tells_its_own_progress(parents, tmp_path):
    heard = defaultdict(list)
    plan, _ = trained(
        parents(),
        tmp_path / "twins",
        on_event=lambda fork, event: heard[fork.seed, id(fork)].append(event),
    )
    assert len(heard) == len(plan.forks) == 4
    for events in heard.values():
        kinds = [event.kind for event in events]
        assert kinds[0] == "started"
        assert kinds[-1] == "done"
        assert set(kinds[1:-1]) == {"progress"}
        told = [event.value for event in events[1:-1]]
        steps = [progress.step for progress in told if not progress.doing]
        # The parent up to the restart, and two twins from there to the end of the cycle.
        assert {progress.total for progress in told} == {16 + 2 * 8}
        assert steps == sorted(steps)
        assert steps[-1] == 32
        assert events[-1].value.status == "complete"


def payloads_of(plan, monkeypatch, **more):
    given = []

    def noted(task, payloads, *, workers, environments):
        given.extend(zip(payloads, environments, strict=True))
        yield from ()

    with monkeypatch.context() as patch:
        patch.setattr(twin_training, "run_jobs", noted)
        run_twins(plan, workers=2, **more)
    return given


def test_parents_that_need_other_variables_are_in_other_jobs(parents, monkeypatch, tmp_path):
    folder = parents()
    plan = plan_twins(folder, results=tmp_path / "twins")
    ((parcel, _),) = payloads_of(plan, monkeypatch)
    assert len(parcel.orders) == 4
    first = min(folder.glob("wine-*"))
    then = {"variables": {"MKL_CBWR": "COMPATIBLE"}}
    edit(first / layout.MANIFEST, lambda manifest: manifest["environment"].update(then))
    plan = plan_twins(reseal(first).parent, results=tmp_path / "twins")
    given = payloads_of(plan, monkeypatch)
    assert sorted(len(parcel.orders) for parcel, _ in given) == [1, 3]
    for parcel, environment in given:
        is_alone = parcel.orders[0].source.path.name == first.name
        assert (environment.get("MKL_CBWR") == "COMPATIBLE") is is_alone


def test_every_run_of_the_loop_is_a_job_of_its_own(data_cache, monkeypatch, tmp_path):
    words = [word for word in WORDS if not word.startswith("compute.")]
    for seed in range(2):
        run(resolve_overrides([*words, *CYCLES, f"seed={seed}"]), tmp_path / "runs")
    plan = plan_twins(tmp_path / "runs", results=tmp_path / "twins")
    given = payloads_of(plan, monkeypatch)
    assert [len(parcel.orders) for parcel, _ in given] == [1, 1]


def test_data_that_are_not_here_are_asked_for_of_every_run_of_a_plan(
    parents, tmp_path, monkeypatch
):
    """By the option that commands on records have for it, though no run stopped the others."""

    def missing(run):
        raise DataError("must be there", key="dataset.root", remedy="dataset.root=FOLDER")

    folder = parents(kept=True)
    plan = plan_twins(folder, restart=2, results=tmp_path / "twins")
    runs = [resolve_overrides([*WORDS, *CYCLES, f"seed={seed}"]) for seed in (7, 8)]
    run_together(runs, (0, 1), tmp_path / "half", Manner(False, "run", until=12))
    monkeypatch.setattr(training, "load_data", missing)
    failures = run_twins(plan, workers=1).failures
    failures += resume(plan_resume(tmp_path / "half"), workers=1).failures
    assert len(failures) == 4 + 2
    assert all("--data FOLDER" in reason for _, reason in failures)
