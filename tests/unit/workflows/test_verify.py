"""Whatever is not as it was is found at the tier that can see it, and at none below."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from forging import edit, edit_checkpoint, edit_row, reseal
from lrbench.engine.fingerprint import whole_digest
from lrbench.errors import ConfigError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.bundles.bundle import write_bundle
from lrbench.record.lock import Lock
from lrbench.record.reader import read_json
from lrbench.workflows import verify as module
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.verify import Level, Verdict, verify, verify_job

SETTINGS = [
    "dataset=wine",
    "model.hidden=[5]",
    "schedule=sgdr",
    "schedule.first_cycle=5",
    "train.batch_size=16",
    "train.steps=40",
    "train.eval_every=10",
    "train.checkpoint_every=15",
    "diagnostics.layers_every=4",
]
PREFIX = 20
"""The last checkpoint is at step 30."""


def here(task, payloads, *, workers, environments):
    """The jobs of :func:`run_jobs` in this process, which takes no time to start."""
    for index, payload in enumerate(payloads):
        yield Event("started", index)
        yield Event("done", index, verify_job(payload, lambda progress: None))


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path, data_cache):
    monkeypatch.setattr(module, "run_jobs", here)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture(scope="module")
def original(data_cache, tmp_path_factory):
    return run(resolve_overrides(SETTINGS), tmp_path_factory.mktemp("original")).path


@pytest.fixture
def record(original, tmp_path):
    return shutil.copytree(original, tmp_path / "results" / original.name)


ADAPTIVE = [
    "dataset=wine",
    "model.hidden=[5]",
    "optimizer.lr=0.3",
    "trigger=plateau",
    "trigger.rtol=0.1",
    "trigger.patience=1",
    "trigger.every=2",
    "trigger.half_life=4",
    "trigger.refractory=4",
    "trigger.gate=null",
    "restart=full_reset",
    "restart.keep_checkpoints=true",
    "diagnostics=curvature",
    "diagnostics.restart_window=3",
    "diagnostics.curvature.every=8",
    "diagnostics.curvature.iterations=2",
    "diagnostics.curvature.samples=32",
    "train.batch_size=16",
    "train.steps=50",
    "train.eval_every=10",
    "train.checkpoint_every=15",
]
"""A run whose restarts a trigger decides on, with every log and kept states."""


@pytest.fixture(scope="module")
def original_adaptive(data_cache, tmp_path_factory):
    path = run(resolve_overrides(ADAPTIVE), tmp_path_factory.mktemp("adaptive")).path
    events = [event["step"] for event in read_json(path / layout.RESULT)["events"]]
    assert events[0] < PREFIX <= events[-1], "decisions before and at the end of a prefix"
    return path


@pytest.fixture
def adaptive(original_adaptive, tmp_path):
    return shutil.copytree(original_adaptive, tmp_path / "results" / original_adaptive.name)


@pytest.mark.parametrize("level", Level)
def test_a_run_with_a_trigger_is_identical_at_every_level(level, adaptive):
    found = verified(adaptive, level)
    assert (found.verdict, found.level, found.difference) == (Verdict.IDENTICAL, level, None)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_prefix_may_end_anywhere_near_a_decision(where, adaptive):
    step = read_json(adaptive / layout.RESULT)["events"][0]["step"]
    prefix = step if where == "before" else step + 1
    (found,) = verify(adaptive, Level.PREFIX, prefix=prefix).runs
    assert found.verdict is Verdict.IDENTICAL


def test_another_decision_than_was_recorded_shows_in_the_rates(adaptive):
    edit(adaptive / layout.RESULT, lambda result: result["events"][0].update(step=1))
    found = verified(reseal(adaptive), Level.INPUTS)
    assert found.verdict is Verdict.DIFFERENT
    assert (found.difference.what, found.difference.column) == ("schedule", "lr")


def test_events_of_another_form_are_refused_and_not_believed(adaptive):
    edit(adaptive / layout.RESULT, lambda result: result.update(events=[{"when": 3}]))
    found = verified(reseal(adaptive), Level.INPUTS)
    assert found.verdict is Verdict.REFUSED
    assert "must state what its trigger decided" in found.reason


@pytest.mark.parametrize(
    ("log", "column", "what"),
    [
        ("curvature.csv", "lambda_max", "curvature"),
        ("restarts.csv", "spike", "restarts"),
        ("restart_layers.csv", "distance", "restart_layers"),
    ],
)
def test_one_number_of_the_newer_logs_is_named(log, column, what, adaptive):
    step = int((adaptive / log).read_text().splitlines()[1].partition(",")[0])
    edit_row(adaptive / log, step, column, lambda text: repr(float(text) * (1 + 2**-40)))
    found = verified(reseal(adaptive))
    assert found.verdict is Verdict.DIFFERENT
    assert (found.difference.what, found.difference.column) == (what, column)
    assert found.difference.file == log


def test_a_kept_state_with_other_weights_is_named(adaptive):
    kept = max((adaptive / layout.KEPT).iterdir())

    def change(header, body):
        body[-1] ^= 1

    edit_checkpoint(kept, change)
    found = verified(reseal(adaptive))
    assert found.verdict is Verdict.DIFFERENT
    assert found.difference.file == f"{layout.KEPT}/{kept.name}"


def verified(path, level=Level.FULL, **settings):
    (found,) = verify(path, level, prefix=PREFIX, **settings).runs
    return found


def left(tmp_path):
    return [path.name for path in (tmp_path / "tmp").iterdir()]


@pytest.mark.parametrize("level", Level)
def test_a_record_as_it_was_written_is_identical_at_every_tier(level, record, tmp_path):
    before = {path: path.read_bytes() for path in record.rglob("*") if path.is_file()}
    found = verified(record, level)
    assert (found.verdict, found.level) == (Verdict.IDENTICAL, level)
    assert (found.difference, found.profile, found.kept, found.reason) == (None, (), None, "")
    assert left(tmp_path) == []
    assert before == {path: path.read_bytes() for path in record.rglob("*") if path.is_file()}


# One thing broken at a time, with everything sealed again


def other(text):
    """Another value of the same form."""
    return f"{'0' if text[0] != '0' else '1'}{text[1:]}"


def in_log(step, column, change=other):
    return lambda record: edit_row(record / "steps.csv", step, column, change)


def input_of(name, *place, key=None):
    """Another digest of something the run was given, wherever the record states it."""

    def change(record):
        def in_manifest(manifest):
            for part in place[:-1]:
                manifest = manifest[part]
            manifest[place[-1]] = other(manifest[place[-1]])

        def in_result(result):
            inputs = result["inputs"] if key is None else result["inputs"][name]
            inputs[key or name] = other(inputs[key or name])

        edit(record / layout.MANIFEST, in_manifest)
        edit(record / layout.RESULT, in_result)

    return change


def first_weights(record):
    def in_manifest(manifest):
        tensors = manifest["init"]["tensors"]
        tensors["hidden1.bias"] = other(tensors["hidden1.bias"])
        manifest["init"]["digest"] = whole_digest(tensors)
        edit(
            record / layout.RESULT,
            lambda result: result["inputs"].update(init=manifest["init"]["digest"]),
        )

    edit(record / layout.MANIFEST, in_manifest)


def final_weights(record):
    def change(result):
        result["weights"]["hidden1.bias"] = other(result["weights"]["hidden1.bias"])
        result["weights_digest"] = whole_digest(result["weights"])

    edit(record / layout.RESULT, change)


def chain(record):
    edit(record / layout.RESULT, lambda r: r.update(batch_chain=other(r["batch_chain"])))


def specified_data(record):
    edit(record / layout.SPEC, lambda s: s["dataset"].update(digest=other(s["dataset"]["digest"])))


def state(record):
    def change(header, body):
        tensors = load(bytes(body))
        tensors["model/hidden1.bias"] = tensors["model/hidden1.bias"] + np.float32(1e-3)
        body[:] = save(tensors)

    edit_checkpoint(record / layout.CHECKPOINT, change)


def a_layer(record):
    edit_row(record / "layers.csv", 36, "grad_norm", nudge)


def an_evaluation(record):
    edit_row(record / "evals.csv", 30, "val_loss", nudge)


def nudge(text):
    """A number a little larger."""
    return repr(float(text) * (1 + 1e-9))


TIERS = [Level.FILES, Level.INPUTS, Level.PREFIX, Level.CHECKPOINT, Level.FULL]

BROKEN = {
    "the data": (input_of("data", "data", "digest"), Level.INPUTS, ("data", None, None, None)),
    "the specified data": (specified_data, Level.INPUTS, ("data", None, None, None)),
    "the split": (
        input_of("split", "data", "split_digest"),
        Level.INPUTS,
        ("split",) + 3 * (None,),
    ),
    "a first tensor": (first_weights, Level.INPUTS, ("init", None, None, "hidden1.bias")),
    "the schedule": (
        input_of("schedule", "schedule", "digest"),
        Level.INPUTS,
        ("schedule", None, None, None),
    ),
    "a stream": (
        input_of("streams", "seeds", "keys", "dropout", key="dropout"),
        Level.INPUTS,
        ("stream of dropout", None, None, None),
    ),
    "the first batch": (
        input_of("first_batch", "first_batch"),
        Level.INPUTS,
        ("batch", 0, "first_batch", None),
    ),
    "a batch": (in_log(7, "batch_digest"), Level.INPUTS, ("batch", 7, "batch_digest", None)),
    "the order of batches": (chain, Level.INPUTS, ("batch", None, None, None)),
    "a rate": (in_log(9, "lr", nudge), Level.INPUTS, ("schedule", 9, "lr", None)),
    "an early loss": (
        in_log(8, "train_loss", nudge),
        Level.PREFIX,
        ("loss", 8, "train_loss", None),
    ),
    "the state": (state, Level.CHECKPOINT, None),
    "a late loss": (
        in_log(35, "train_loss", nudge),
        Level.CHECKPOINT,
        ("loss", 35, "train_loss", None),
    ),
    "a loss between": (
        in_log(25, "train_loss", nudge),
        Level.FULL,
        ("loss", 25, "train_loss", None),
    ),
    "a layer": (a_layer, Level.CHECKPOINT, ("layers", 36, "grad_norm", "hidden1")),
    "an evaluation": (an_evaluation, Level.FULL, ("evals", 30, "val_loss", None)),
    "a final tensor": (final_weights, Level.CHECKPOINT, ("weights", None, None, "hidden1.bias")),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found_where_it_can_be_and_not_below(what, record, tmp_path):
    change, tier, expected = BROKEN[what]
    change(record)
    path = reseal(record)
    below = TIERS[: TIERS.index(tier)]
    for level in below:
        found = verified(path, level)
        assert (found.verdict, found.level) == (Verdict.IDENTICAL, level), found
    assert left(tmp_path) == []
    found = verified(path, tier)
    assert found.verdict is Verdict.DIFFERENT, found
    assert found.level is (Level.FILES if tier is Level.INPUTS else Level.INPUTS)
    assert found.difference.recorded != found.difference.other
    one = found.difference
    if expected is not None:
        assert (one.what, one.step, one.column, one.tensor) == expected
        assert verified(path, Level.FULL).difference == one
    else:
        assert one.step == 30


def test_what_was_made_again_is_kept_where_it_differs_and_only_there(record, tmp_path):
    in_log(35, "train_loss", nudge)(record)
    path = reseal(record)
    found = verified(path)
    assert found.kept is not None
    assert (found.kept / "steps.csv").read_text() != (path / "steps.csv").read_text()
    told = found.difference
    assert told.recorded in (path / "steps.csv").read_text()
    assert told.other in (found.kept / "steps.csv").read_text()
    assert left(tmp_path) == [found.kept.parents[1].name]


def swapped(record):
    lines = (record / "steps.csv").read_text().splitlines(keepends=True)
    lines[4], lines[5] = lines[5], lines[4]
    (record / "steps.csv").write_text("".join(lines))


def shortened(record):
    lines = (record / "steps.csv").read_text().splitlines(keepends=True)
    (record / "steps.csv").write_text("".join(lines[:-1]))


DAMAGES = {
    "rows swapped": (swapped, "steps.csv must have a row for every update, in order"),
    "a row less": (shortened, "steps.csv must have the 40 updates of the specification"),
    "another end": (
        lambda r: edit(r / layout.RESULT, lambda v: v["final"].update(val_loss=0.5)),
        "evals.csv must end with the final evaluation of its closing file",
    ),
    "inputs that are not the manifest's": (
        lambda r: edit(r / layout.RESULT, lambda v: v["inputs"].update(data="0")),
        "result.json must state the inputs of its manifest.json",
    ),
    "a first tensor alone": (
        lambda r: edit(r / layout.MANIFEST, lambda v: v["init"]["tensors"].update(x="0")),
        "manifest.json must state the digest of its first tensors",
    ),
    "a final tensor alone": (
        lambda r: edit(r / layout.RESULT, lambda v: v["weights"].update(x="0")),
        "result.json must state the digest of its final tensors",
    ),
    "a manifest without data": (
        lambda r: edit(r / layout.MANIFEST, lambda v: v.pop("data")),
        "must have the form of a record (KeyError: 'data')",
    ),
    "variables that are a list": (
        lambda r: edit(r / layout.MANIFEST, lambda v: v["environment"].update(variables=[])),
        "manifest.json must state variables and settings by name",
    ),
    "a setting nobody knows": (
        lambda r: edit(r / layout.SPEC, lambda v: v.update(colour="red")),
        "spec.json must hold a specification of this lrbench (colour:",
    ),
    "no step of the divergence": (
        lambda r: edit(r / layout.RESULT, lambda v: v.pop("diverged_at")),
        "must have the form of a record (KeyError: 'diverged_at')",
    ),
}


@pytest.mark.parametrize(
    "lie",
    [
        {"outcome": "diverged"},
        {"diverged_at": 39},
        {"weights": None, "weights_digest": None},
        {"final": {"step": 40, "epoch": 6.0, "val_loss": None, "val_accuracy": None}},
    ],
    ids=lambda lie: next(iter(lie)),
)
def test_a_closing_file_that_contradicts_itself_is_damage(lie, record):
    edit(record / layout.RESULT, lambda result: result.update(lie))
    assert verified(reseal(record), Level.FILES).verdict is Verdict.DAMAGED


@pytest.mark.parametrize("what", DAMAGES)
def test_files_that_contradict_each_other_are_damage_at_the_first_tier(what, record):
    change, words = DAMAGES[what]
    change(record)
    for level in (Level.FILES, Level.FULL):
        found = verified(path := reseal(record), level)
        record = path
        assert (found.verdict, found.level) == (Verdict.DAMAGED, None)
        assert words in found.reason


@pytest.mark.parametrize(
    "name", ["steps.csv", "config.yaml", "manifest.json", "timing.csv", "result.json", "checkpoint"]
)
def test_one_flipped_bit_is_damage_and_the_file_is_named(name, record):
    data = bytearray((record / name).read_bytes())
    data[len(data) // 2] ^= 1
    (record / name).write_bytes(data)
    found = verified(record, Level.FILES)
    assert found.verdict is Verdict.DAMAGED
    assert name.partition(".")[0] in found.reason


def test_rows_that_a_checkpoint_does_not_go_with_are_damage(record):
    edit_checkpoint(record / "checkpoint", lambda h, b: h["logs"]["steps.csv"].update(sha256="0"))
    found = verified(record, Level.FILES)
    assert found.verdict is Verdict.DAMAGED
    assert "steps.csv must begin with the rows that its checkpoint states" in found.reason


def test_without_a_checkpoint_all_updates_are_made_again_and_that_is_said(record):
    (record / "checkpoint").unlink()
    found = verified(record, Level.CHECKPOINT)
    assert (found.verdict, found.level) == (Verdict.IDENTICAL, Level.FULL)


# Another profile


def elsewhere(manifest):
    manifest["profile"] |= {"torch": "1.0", "digest": "0" * 64}


def test_another_profile_is_named_and_equal_bytes_are_still_identical(record):
    edit(record / layout.MANIFEST, elsewhere)
    found = verified(reseal(record))
    assert found.verdict is Verdict.IDENTICAL
    assert [(c.key, c.recorded) for c in found.profile] == [("profile.torch", "1.0")]


def test_another_profile_and_nearly_the_same_losses_are_close(record):
    edit(record / layout.MANIFEST, elsewhere)
    in_log(35, "train_loss", nudge)(record)
    found = verified(path := reseal(record))
    assert found.verdict is Verdict.CLOSE
    assert found.difference.step == 35
    assert found.closeness.is_close
    in_log(0, "train_loss", lambda text: repr(float(text) * 1.1))(path)
    found = verified(reseal(path))
    assert found.verdict is Verdict.DIFFERENT
    assert "loss of step 0" in " ".join(
        v.what for v in found.closeness.verdicts if v.holds is False
    )


def test_another_profile_excuses_no_other_batch(record):
    edit(record / layout.MANIFEST, elsewhere)
    in_log(7, "batch_digest")(record)
    assert verified(reseal(record)).verdict is Verdict.DIFFERENT


def test_in_double_precision_the_first_weights_are_those_that_were_trained(tmp_path):
    settings = [*SETTINGS, "compute.precision=float64"]
    record = run(resolve_overrides(settings), tmp_path / "results").path
    assert verified(record).verdict is Verdict.IDENTICAL


# What there is nothing to compare of


def interrupted(record):
    (record / layout.RESULT).unlink()
    edit(record / "attempts" / "0001.json", lambda a: a.update(outcome="interrupted"))


def failed(record):
    (record / layout.RESULT).unlink()
    edit(record / "attempts" / "0001.json", lambda a: a.update(outcome="failed", message="a\nboom"))


def claimed(record):
    shutil.rmtree(record)
    record.mkdir()
    (record / layout.LOCK).touch()


def remote(record):
    interrupted(record)
    beat = '{"host": "far", "boot": "b", "pid": 7, "step": 3, "count": 1}'
    (record / layout.HEARTBEAT).write_text(beat)


UNFINISHED = {
    interrupted: "was interrupted; lrbench resume goes on at step 30",
    failed: "failed (a boom); lrbench resume goes on at step 30",
    claimed: "was claimed and never begun",
    remote: "may still be trained elsewhere: process 7 on far wrote it last, at step 3",
}


@pytest.mark.parametrize("level", [Level.FILES, Level.FULL])
@pytest.mark.parametrize("change", UNFINISHED, ids=lambda change: change.__name__)
def test_a_run_without_an_end_is_no_difference_and_says_what_it_is(change, level, record):
    change(record)
    found = verified(record, level)
    assert (found.verdict, found.level) == (Verdict.UNFINISHED, None)
    assert found.reason == UNFINISHED[change]


def test_a_run_that_is_being_trained_is_left_alone(record):
    interrupted(record)
    lock = Lock(record / layout.LOCK)
    assert lock.acquire()
    found = verified(record)
    lock.release()
    assert (found.verdict, found.reason) == (Verdict.UNFINISHED, "is being trained at this moment")


def test_a_diverged_run_diverges_again_at_the_same_step(tmp_path):
    settings = [*SETTINGS, "optimizer.lr=1e6", "schedule=constant"]
    settings.remove("schedule=sgdr")
    settings.remove("schedule.first_cycle=5")
    record = run(resolve_overrides(settings), tmp_path / "results").path
    for level in TIERS:
        found = verified(record, level)
        assert (found.verdict, found.reason[:16]) == (Verdict.IDENTICAL, "diverges at step")
    edit(record / layout.RESULT, lambda result: result.update(diverged_at=40))
    found = verified(reseal(record), Level.FILES)
    assert "steps.csv must end at step 40, where it diverged" in found.reason


def test_a_record_of_an_earlier_lrbench_is_looked_at_as_far_as_can_be(record):
    at = layout.STEP_COLUMNS.index("weight_decay")
    lines = [line.split(",") for line in (record / "steps.csv").read_text().splitlines()]
    text = "".join(",".join(line[:at] + line[at + 1 :]) + "\n" for line in lines)
    (record / "steps.csv").write_text(text)
    (record / "checkpoint").unlink()

    def change(result):
        for name in ("inputs", "weights"):
            del result[name]

    edit(record / layout.RESULT, change)
    path = reseal(record)
    found = verified(path, Level.FILES)
    assert (found.verdict, found.level) == (Verdict.IDENTICAL, Level.FILES)
    found = verified(path)
    assert (found.verdict, found.level) == (Verdict.REFUSED, Level.FILES)
    assert "was made by an earlier lrbench" in found.reason


def test_a_record_of_a_later_format_is_refused_and_no_damage(record):
    edit(record / layout.SPEC, lambda spec: spec.update(format_version=2))
    found = verified(reseal(record))
    assert (found.verdict, found.level) == (Verdict.REFUSED, None)
    assert found.reason == "has another format than the 1 of this lrbench"


def test_data_that_are_not_here_are_asked_for(record, monkeypatch):
    def change(spec):
        spec["dataset"]["name"] = "mnist"
        spec["dataset"]["params"] = {}

    edit(record / layout.SPEC, change)
    edit(record / layout.MANIFEST, lambda m: m["data"].update(settings={"root": "/nowhere"}))
    found = verified(reseal(record))
    assert (found.verdict, found.level) == (Verdict.REFUSED, Level.FILES)
    assert "--data" in found.reason
    assert "download" not in found.reason


# Many, bundles, and being stopped


def test_each_run_of_a_folder_has_its_own_verdict(record, original, tmp_path):
    other_run = run(resolve_overrides([*SETTINGS, "seed=1"]), record.parent).path
    damaged = run(resolve_overrides([*SETTINGS, "seed=2"]), record.parent).path
    (damaged / "timing.csv").write_text("")
    in_log(35, "train_loss", nudge)(record)
    reseal(record)
    (record.parent / layout.SWEEPS).mkdir()
    (record.parent / layout.SWEEPS / "1x1-00000000.json").write_text("{}")
    report = verify(record.parent, Level.FULL)
    assert {run.run_id: run.verdict for run in report.runs} == {
        record.name: Verdict.DIFFERENT,
        other_run.name: Verdict.IDENTICAL,
        damaged.name: Verdict.DAMAGED,
    }
    assert len(report.others) == 1
    assert report.others[0].startswith("sweeps/1x1-00000000.json is damaged")


def test_runs_of_a_seed_that_do_not_share_their_batches_are_named(record):
    settings = [*SETTINGS, "schedule=constant"]
    settings.remove("schedule=sgdr")
    settings.remove("schedule.first_cycle=5")
    other_run = run(resolve_overrides(settings), record.parent).path
    assert verify(record.parent, Level.FILES).others == ()
    chain(record)
    path = reseal(record)
    (told,) = verify(record.parent, Level.FILES).others
    assert "seed 0: the batches of" in told
    assert {path.name, other_run.name} <= set(told.split())


def test_a_bundle_is_verified_and_leaves_nothing_behind(record, tmp_path):
    bundle = write_bundle(record.parent, tmp_path / "b.zip").path
    for level in TIERS:
        found = verified(bundle, level)
        assert found.verdict is Verdict.IDENTICAL
    assert found.level is Level.FULL
    assert left(tmp_path) == []


def test_a_difference_in_a_bundle_keeps_what_was_made_again_alone(record, tmp_path):
    in_log(35, "train_loss", nudge)(record)
    reseal(record)
    found = verified(write_bundle(record.parent, tmp_path / "b.zip").path)
    assert found.verdict is Verdict.DIFFERENT
    assert sorted(p.name for p in found.kept.parents[1].iterdir()) == [record.name]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_one_that_is_stopped_leaves_nothing_behind(error, record, tmp_path, monkeypatch):
    def stopped(task, payloads, **settings):
        (payloads[0].scratch / "half").mkdir(parents=True)
        yield Event("started", 0)
        raise error

    monkeypatch.setattr(module, "run_jobs", stopped)
    with pytest.raises(error):
        verify(record)
    assert left(tmp_path) == []


def test_a_worker_that_dies_is_no_difference(record, monkeypatch):
    def dead(task, payloads, **settings):
        yield Event("started", 0)
        yield Event("failed", 0, "its worker died (signal SIGKILL)")

    monkeypatch.setattr(module, "run_jobs", dead)
    found = verified(record)
    assert (found.verdict, found.level) == (Verdict.REFUSED, Level.FILES)
    assert found.reason == "its worker died (signal SIGKILL)"


def test_a_record_may_be_named_in_any_way(record, monkeypatch):
    (record.parent / "latest").symlink_to(record)
    assert verified(record.parent / "latest", Level.FILES).verdict is Verdict.IDENTICAL
    monkeypatch.chdir(record)
    for path in (Path(), Path("attempts/.."), Path("../latest")):
        assert verified(path, Level.FILES).verdict is Verdict.IDENTICAL


def test_a_folder_of_other_things_is_refused(tmp_path):
    for path in (tmp_path / "tmp", tmp_path / "nowhere"):
        with pytest.raises(ConfigError, match="must "):
            verify(path)
