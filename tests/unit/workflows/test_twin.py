"""Twins: the same run again where the policy is the same, and a control without the restart."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from forging import edit, edit_row, reseal
from lrbench.errors import ConfigError, LrbenchError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.reader import Status, read_record
from lrbench.workflows import crew, forking, twin_training
from lrbench.workflows.crew import train_job
from lrbench.workflows.forking import fork_job
from lrbench.workflows.recording import Paused
from lrbench.workflows.replay import Source, make_again
from lrbench.workflows.resume import plan_resume, resume
from lrbench.workflows.run import resolve_overrides, run, run_together
from lrbench.workflows.twin import parse_policies, plan_twins
from lrbench.workflows.twin_check import differing_beginning
from lrbench.workflows.twin_training import run_twins

SHORT = ["dataset=wine", "train.batch_size=16", "train.eval_every=6", "diagnostics.layers_every=5"]
CYCLES = ["schedule=sgdr", "schedule.cycle_lengths=[7,9,8,6]", "train.steps=30"]
MLP = [*SHORT, *CYCLES, "model.hidden=[6]"]
RUNS = {
    "sgd": MLP,
    "adamw with dropout": [
        *MLP,
        "optimizer=adamw",
        "model.dropout=0.3",
        "optimizer.momentum_schedule=one_cycle_momentum",
        "optimizer.weight_decay_schedule=linear",
    ],
    "batch normalisation": [
        *SHORT[1:],
        *CYCLES,
        "dataset=digits",
        "model=resnet_small",
        "model.width=2",
        "model.blocks=[1]",
    ],
    "policies that remember": [
        *MLP,
        "optimizer=adamw",
        "restart.second_moment=max",
        "restart.weights=rewind_best",
        "restart.rewarm=3",
    ],
    "curvature": [
        *SHORT[:-1],
        *CYCLES,
        "model.hidden=[6]",
        "optimizer=adamw",
        "diagnostics=curvature",
        "diagnostics.curvature.every=4",
        "diagnostics.curvature.samples=20",
    ],
    "trigger": [
        *SHORT,
        "model.hidden=[6]",
        "schedule=cosine",
        "trigger=plateau",
        "trigger.every=1",
        "trigger.patience=1",
        "trigger.rtol=0.5",
        "trigger.gate=null",
        "trigger.refractory=6",
        "trigger.half_life=2",
        "trigger.max_restarts=3",
        "trigger.on_plateau=decay_then_restart",
        "restart=reset_momentum",
        "train.steps=48",
    ],
}


def here(task, payloads, *, workers, environments, job=fork_job):
    """What workers do, in this process."""
    for index, payload in enumerate(payloads):
        yield Event("started", index)
        try:
            yield Event("done", index, job(payload, lambda progress: None))
        except LrbenchError as error:
            yield Event("failed", index, str(error))


@pytest.fixture(autouse=True)
def quick(monkeypatch, data_cache):
    monkeypatch.setattr(twin_training, "run_jobs", here)


@pytest.fixture(scope="module")
def parents(data_cache, tmp_path_factory):
    """Records of :data:`RUNS`, made when they are asked for, by whether they keep checkpoints."""
    made = {}

    def record(name, *more, kept=True):
        key = (name, more, kept)
        if key not in made:
            words = [*RUNS[name], *more, f"restart.keep_checkpoints={str(kept).lower()}"]
            made[key] = run(resolve_overrides(words), tmp_path_factory.mktemp("parent")).path
        return made[key]

    return record


def twins_of(parent, results, *policies, restart=1, force=False):
    plan = plan_twins(
        parent, restart=restart, policies=(*policies, "none"), results=results, force=force
    )
    report = run_twins(plan, workers=1, force=force)
    assert report.failures == ()
    return plan, report


def lines(path, count=None):
    return path.read_bytes().splitlines(keepends=True)[:count]


def own_of(plan):
    (fork,) = plan.forks
    return plan.results / fork.twins[fork.own].spec.run_id


def control_of(plan):
    (fork,) = plan.forks
    return plan.results / fork.twins["none"].spec.run_id


def preset_of(name):
    return {"trigger": "reset_momentum"}.get(name, "keep")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "replayed"])
@pytest.mark.parametrize("name", [name for name in RUNS if "remember" not in name])
def test_a_twin_that_does_what_its_parent_did_is_its_parent_byte_for_byte(
    name, kept, parents, tmp_path
):
    parent = parents(name, kept=kept)
    count = len(lines(parent / "restarts.csv")) - 1
    assert count >= 2
    assert bool(read_record(parent).kept()) is kept
    for restart in (1, count):
        results = tmp_path / str(restart)
        plan, report = twins_of(parent, results, preset_of(name), restart=restart)
        assert report.differences == ()
        again = own_of(plan)
        for log in layout.ALL_LOGS:
            if not (parent / log).exists():
                assert not (again / log).exists()
                continue
            ours, theirs = (parent / log).read_bytes(), (again / log).read_bytes()
            assert ours.startswith(theirs), log
            # And it is all of them up to there.
            assert len(theirs) == len(ours) or restart < count, log
        assert len(lines(again / "restarts.csv")) == restart + 1
        assert len(lines(again / "steps.csv")) == plan.forks[0].until + 1
        if restart == count:
            results = (read_record(parent).result, read_record(again).result)
            assert results[0]["weights"] == results[1]["weights"]
            assert results[0]["batch_chain"] == results[1]["batch_chain"]


def test_policies_that_remember_go_on_with_what_the_parent_remembered(parents, tmp_path):
    name = "policies that remember"
    for restart in (1, 2, 3):
        made = []
        for kept in (True, False):
            parent = parents(name, kept=kept)
            plan = plan_twins(parent, restart=restart, results=tmp_path / f"{kept}{restart}")
            (fork,) = plan.forks
            control = fork.twins["none"]
            spec = control.spec
            policy = spec.restart.model_dump()
            plain = spec.model_dump()
            own = type(spec).model_validate({**plain, "fork": {**plain["fork"], "policy": policy}})
            twins = {"own": replace(control, spec=own), "none": control}
            plan = replace(plan, forks=(replace(fork, twins=twins, own="own"),))
            report = run_twins(plan, workers=1)
            assert (report.failures, report.differences) == ((), ())
            made.append((own_of(plan) / "steps.csv").read_bytes())
        assert made[0] == made[1]


def test_a_difference_is_found_wherever_it_is(parents, tmp_path):
    parent = parents("curvature", kept=True)
    plan, _ = twins_of(parent, tmp_path / "twins", "keep")
    until = plan.forks[0].until
    ours, theirs = read_record(parent), read_record(own_of(plan))
    assert differing_beginning(ours, theirs, until) is None
    for log in layout.ALL_LOGS:
        shutil.rmtree(tmp_path / "spoilt", ignore_errors=True)
        spoilt = shutil.copytree(own_of(plan), tmp_path / "spoilt" / own_of(plan).name)
        text = (spoilt / log).read_text()
        at = text.rindex("1")
        (spoilt / log).write_text(text[:at] + "2" + text[at + 1 :])
        edit(spoilt / layout.RESULT, lambda result: result.pop("logs"))
        found = differing_beginning(ours, read_record(spoilt), until)
        assert found is not None, log
    # The weights are those of the kept checkpoint at the end of the cycle.
    weights = {**theirs.result["weights"]}
    first = next(iter(weights))
    theirs.result["weights"][first] = "0" * 64
    found = differing_beginning(ours, theirs, until)
    assert (found.what, found.tensor) == ("weights", first)


def test_the_control_has_the_same_batches_and_goes_straight_to_the_same_rates(parents, tmp_path):
    parent = parents("adamw with dropout", kept=True)
    plan, _ = twins_of(parent, tmp_path / "twins", restart=2)
    step, until = plan.forks[0].restart.step, plan.forks[0].until
    assert (step, until) == (16, 24)
    ours, control = (read_record(one).log("steps.csv") for one in (parent, control_of(plan)))
    assert control.column("batch_digest") == ours.column("batch_digest")[:until]
    assert len(control.rows) == until
    assert control.rows[:step] == ours.rows[:step]
    for name in ("lr", "momentum", "weight_decay"):
        then, now = ours.column(name), control.column(name)
        assert now[until - 1] == then[until - 1]
        slope = (then[until - 1] - then[step - 1]) / (until - step)
        assert slope != 0
        expected = [then[step - 1] + slope * k for k in range(1, until - step + 1)]
        assert now[step:] == pytest.approx(expected, rel=1e-12)
    assert ours.column("lr")[step] > 10 * ours.column("lr")[step - 1]
    assert control.column("lr")[step] < 2 * control.column("lr")[step - 1]
    # It is looked at wherever its parent is, and has only the restart before.
    evals = [read_record(one).log("evals.csv").column("step") for one in (parent, control_of(plan))]
    assert evals[1] == [at for at in evals[0] if at <= until]
    assert len(lines(control_of(plan) / "restarts.csv")) == 2


def test_a_restart_that_came_of_a_trigger_comes_at_its_step_whatever_the_policy(parents, tmp_path):
    parent = parents("trigger", kept=True)
    events = read_record(parent).result["events"]
    assert {event["action"] for event in events} == {"decay", "restart"}
    plan, _ = twins_of(parent, tmp_path / "twins", "keep", "reset_momentum", restart=2)
    (fork,) = plan.forks
    for name, made in fork.twins.items():
        again = read_record(plan.results / made.spec.run_id)
        assert again.status is Status.COMPLETE
        steps, then = again.log("steps.csv"), read_record(parent).log("steps.csv")
        assert (steps.column("lr") == then.column("lr")[: fork.until]) is (name != "none")
        told = again.log("restarts.csv").column("step")
        assert told == [one for one in (_steps(events)) if one < fork.until][: len(told)]
        assert len(told) == (1 if name == "none" else 2)


def _steps(events):
    return [event["step"] for event in events if event["action"] == "restart"]


def test_twins_are_ordinary_records_that_name_their_parent(parents, tmp_path):
    parent = parents("sgd", kept=False)
    plan, _ = twins_of(parent, tmp_path / "twins", "reset_momentum", restart=2)
    for name, made in plan.forks[0].twins.items():
        again = read_record(plan.results / made.spec.run_id, every_byte=True)
        assert again.status is Status.COMPLETE
        fork = again.spec["fork"]
        assert fork["parent"] == read_record(parent).result["spec_digest"]
        assert (fork["restart"], fork["step"], fork["until"]) == (2, 16, 24)
        assert (fork["policy"] is None) is (name == "none")
        assert parent.name in (again.path / layout.CONFIG).read_text().splitlines()[0]
        assert "made again up to there" in json.dumps(again.attempts())


def test_a_twin_made_from_its_first_update_has_the_bytes_it_has_from_its_parent(
    parents, tmp_path, bytes_of
):
    parent = parents("adamw with dropout", kept=True)
    plan, _ = twins_of(parent, tmp_path / "twins", "full_reset", restart=2)
    for made in plan.forks[0].twins.values():
        alone = run(made, tmp_path / "alone").path
        assert bytes_of(alone) == bytes_of(plan.results / made.spec.run_id)


def test_the_same_twins_asked_for_again_train_nothing(parents, tmp_path):
    parent = parents("sgd", kept=True)
    plan, first = twins_of(parent, tmp_path / "twins", "keep")
    before = {path: path.stat().st_mtime_ns for path in plan.results.rglob("*")}
    _, second = twins_of(parent, tmp_path / "twins", "keep")
    assert (first.trained, second.trained) == (2, 0)
    assert {path: path.stat().st_mtime_ns for path in plan.results.rglob("*")} == before
    # One policy more trains that one alone.
    _, third = twins_of(parent, tmp_path / "twins", "keep", "reset_momentum")
    assert third.trained == 1


def test_an_interrupted_twin_is_gone_on_with_by_the_same_command_or_by_resume(
    parents, tmp_path, bytes_of, monkeypatch
):
    parent = parents("sgd", kept=False)
    plan, _ = twins_of(parent, tmp_path / "whole", restart=2)
    whole = bytes_of(control_of(plan))

    def stopped(runs, slots, results, manner, **others):
        return run_together(runs, slots, results, replace(manner, until=20), **others)

    monkeypatch.setattr(forking, "run_together", stopped)
    half = plan_twins(parent, restart=2, results=tmp_path / "half")
    with pytest.raises(Paused):
        run_twins(half, workers=1)
    assert read_record(control_of(half)).resumes_at == 20
    shutil.copytree(half.results, tmp_path / "resumed")
    monkeypatch.undo()
    monkeypatch.setattr(twin_training, "run_jobs", here)
    run_twins(half, workers=1)
    assert bytes_of(control_of(half)) == whole
    assert [a["from_step"] for a in read_record(control_of(half)).attempts()][-1] == 20
    monkeypatch.setattr(crew, "run_jobs", lambda *a, **k: here(*a, **k, job=train_job))
    resume(plan_resume(tmp_path / "resumed"), workers=1)
    assert bytes_of(tmp_path / "resumed" / control_of(half).name) == whole


def test_the_twins_of_a_run_that_diverged_are_of_the_restarts_that_came_about(data_cache, tmp_path):
    record = run(resolve_overrides([*MLP, "optimizer.lr=1e9"]), tmp_path / "runs").path
    assert read_record(record).status is Status.DIVERGED
    with pytest.raises(ConfigError, match=r"has no restarts before it diverged at step \d"):
        plan_twins(record)


def test_a_twin_is_refused_where_the_run_cannot_have_it(parents, tmp_path):
    parent = parents("sgd", kept=True)
    with pytest.raises(ConfigError, match="has 3 restarts") as caught:
        plan_twins(parent, restart=4)
    assert caught.value.problems[0].remedy == "--restart 3"
    plan, _ = twins_of(parent, tmp_path / "twins")
    with pytest.raises(ConfigError, match="must not be a twin itself"):
        plan_twins(control_of(plan))
    with pytest.raises(ConfigError, match=r"must hold a run to make twins of \(must not be a twin"):
        plan_twins(plan.results)
    with pytest.raises(ConfigError, match="keeps its momentum buffer as momentum_buffer; AdamW"):
        plan_twins(parents("curvature"), policies=("reset_momentum", "none"))
    with pytest.raises(ConfigError, match=r"exp_avg_sq|bias of its moments"):
        plan_twins(parent, policies=("adam_rel", "none"))
    resolved = resolve_overrides(MLP)
    with pytest.raises(Paused):
        run(resolved, tmp_path / "half", until=10)
    with pytest.raises(ConfigError, match=r"must be finished to have twins \(it is interrupted\)"):
        plan_twins(tmp_path / "half" / resolved.spec.run_id)


def test_another_version_or_machine_is_said_and_gone_on_with_only_by_force(parents, tmp_path):
    elsewhere = shutil.copytree(parents("sgd"), tmp_path / "runs" / parents("sgd").name)
    edit(elsewhere / layout.MANIFEST, lambda m: m["profile"].update(torch="1.0"))
    elsewhere = reseal(elsewhere)
    with pytest.raises(ConfigError, match=r"profile\.torch was 1\.0 and is") as caught:
        plan_twins(elsewhere)
    assert "--force" in caught.value.problems[0].remedy
    assert not (elsewhere.parent / "twins").exists()
    plan = plan_twins(elsewhere, force=True)
    report = run_twins(plan, workers=1)
    assert len(report.failures) == 1
    report = run_twins(plan, workers=1, force=True)
    assert report.failures == ()
    assert "profile.torch was 1.0" in json.dumps(read_record(control_of(plan)).attempts())


def test_a_parent_that_is_not_made_again_as_it_was_has_no_twins(parents, tmp_path):
    spoilt = shutil.copytree(parents("sgd", kept=False), tmp_path / parents("sgd").name)
    edit_row(spoilt / "steps.csv", 3, "train_loss", lambda value: "0.5")
    report = run_twins(plan_twins(reseal(spoilt), restart=2), workers=1)
    ((_, reason),) = report.failures
    assert "must come out the same up to the restart" in reason
    assert "train_loss" in reason


def test_twins_can_be_made_again_like_any_run(parents, tmp_path):
    parent = parents("trigger", kept=True)
    plan, _ = twins_of(parent, tmp_path / "twins", restart=2)
    again = make_again(Source(control_of(plan)), tmp_path / "again")
    for log in layout.LOGS:
        assert (again.path / log).read_bytes() == (control_of(plan) / log).read_bytes()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("none", ("none",)),
        ("keep", ("keep", "none")),
        ("none, full_reset,keep", ("full_reset", "keep", "none")),
    ],
)
def test_the_control_is_always_among_the_policies(text, names):
    assert parse_policies(text) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [("keeep", "--policies keep"), ("", "--policies none"), ("keep,keep", "--policies keep")],
)
def test_policies_that_are_none_are_refused_with_what_is_most_like_them(text, said):
    with pytest.raises(ConfigError) as caught:
        parse_policies(text)
    assert caught.value.problems[0].remedy == said
