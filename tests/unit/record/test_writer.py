"""Writing a record: one process has it, and only its end makes it complete, whatever goes wrong."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import time

import pytest

from lrbench.config.resolve import with_seed
from lrbench.errors import RecordError, RunError
from lrbench.record import layout
from lrbench.record.lock import Lock, is_locked
from lrbench.record.logs import read_log
from lrbench.record.reader import Status, read_record
from lrbench.record.writer import RecordWriter
from lrbench.streams import PURPOSES, SCHEME
from lrbench.workflows.run import resolve_overrides, run

# -------------------------------------------------------------------------------- what is written


def test_two_folders_get_the_same_bytes(resolved, golden, golden_record, tmp_path, bytes_of):
    again = run(resolved, tmp_path / "elsewhere")
    assert bytes_of(again.path) == golden
    assert again.path.name == golden_record.name == resolved.spec.run_id
    assert again.status is Status.COMPLETE
    assert len(golden["steps.csv"].splitlines()) == 1 + 12
    for name, data in golden.items():
        assert b"\r" not in data
        assert data.endswith(b"\n") or name == layout.SPEC


def test_another_seed_gets_other_bytes(resolved, golden, tmp_path, bytes_of):
    other = run(with_seed(resolved, 1), tmp_path)
    differing = bytes_of(other.path)
    for name in golden:
        assert differing[name] != golden[name], name


def test_the_closing_file_states_size_rows_and_digest_of_every_log(golden, golden_record):
    result = json.loads(golden[layout.RESULT])
    assert result["spec_digest"] == hashlib.sha256(golden[layout.SPEC]).hexdigest()
    assert set(result["logs"]) == {*layout.LOGS, "restart_layers.csv"}
    for name, stated in result["logs"].items():
        assert stated["bytes"] == len(golden[name])
        assert stated["sha256"] == hashlib.sha256(golden[name]).hexdigest()
        assert stated["rows"] == golden[name].count(b"\n") - 1 > 0
    last = read_log(golden_record / "evals.csv", layout.EVAL_COLUMNS).rows[-1]
    assert list(result["final"].values()) == last
    assert result["outcome"] == "complete"
    assert result["diverged_at"] is None


def test_the_manifest_says_what_the_numbers_depend_on(resolved, golden, golden_record):
    manifest = json.loads((golden_record / layout.MANIFEST).read_text())
    spec = resolved.spec
    assert manifest["run_id"] == golden_record.name
    assert manifest["spec_digest"] == spec.digest
    profile = manifest["profile"]
    assert len(profile["digest"]) == 64
    assert profile["switches"]["threads"] == {"asked": 1, "effective": 1, "took_effect": True}
    for name, switch in profile["switches"].items():
        assert set(switch) == {"asked", "effective", "took_effect"}, name
        assert switch["took_effect"] is True, name
    assert manifest["data"]["digest"] == spec.dataset.digest
    assert len(manifest["data"]["split_digest"]) == 64
    samples = manifest["data"]["samples"]
    assert sum(samples.values()) == 178
    assert manifest["data"]["source"]
    assert manifest["data"]["licence"]
    assert manifest["seeds"]["scheme"] == SCHEME
    assert manifest["seeds"]["roots"] == dict.fromkeys(PURPOSES, 0)
    rates = read_log(golden_record / "steps.csv", layout.STEP_COLUMNS).column("lr")
    packed = struct.pack(f"<{len(rates)}d", *rates)
    assert manifest["schedule"]["digest"] == hashlib.sha256(packed).hexdigest()
    assert manifest["schedule"]["restarts"] == [5]
    assert set(manifest["init"]["tensors"]) == {
        f"{layer}.{part}" for layer in ("hidden1", "output") for part in ("weight", "bias")
    }
    assert manifest["model"]["parameters"]["hidden1.weight"] == [5, 13]
    environment = manifest["environment"]
    assert environment["python"] == sys.version.split()[0]
    assert "torch" in environment["packages"]


def test_no_secret_of_the_environment_is_written(resolved, tmp_path, monkeypatch):
    monkeypatch.setenv("LRBENCH_TEST_TOKEN", "hunter2")
    path = run(resolved, tmp_path).path
    for file in path.rglob("*"):
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file


def test_clocks_and_hosts_stand_outside_the_promise(golden, golden_record):
    timing = (golden_record / layout.TIMING).read_text().splitlines()
    assert timing[0] == ",".join(layout.TIMING_COLUMNS)
    assert timing[-1].startswith("11,")
    (attempt,) = read_record(golden_record).attempts()
    assert attempt["pid"] == os.getpid()
    for name, data in golden.items():
        assert attempt["host"].encode() not in data, name


def test_a_complete_record_is_not_trained_again(resolved, tmp_path):
    path = run(resolved, tmp_path).path
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}

    def never(progress):
        raise AssertionError("it was trained")

    again = run(resolved, tmp_path, on_progress=never)
    assert again.was_there
    assert {file: file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()} == before


def test_force_trains_it_again_to_the_same_bytes(resolved, tmp_path, golden, bytes_of):
    path = run(resolved, tmp_path).path
    again = run(resolved, tmp_path, force=True)
    assert not again.was_there
    assert bytes_of(path) == golden
    assert [a["outcome"] for a in read_record(path).attempts()] == ["complete", "complete"]


@pytest.mark.parametrize("name", [layout.SPEC, layout.RESULT])
def test_a_damaged_record_is_refused_and_force_mends_it(name, resolved, tmp_path, golden, bytes_of):
    path = run(resolved, tmp_path).path
    (path / name).write_bytes(b"{")
    with pytest.raises(RecordError, match="damaged") as caught:
        run(resolved, tmp_path)
    assert name in str(caught.value)
    assert "--force" in str(caught.value)
    run(resolved, tmp_path, force=True)
    assert bytes_of(path) == golden


def test_a_forced_run_that_is_interrupted_is_no_longer_complete(resolved, tmp_path):
    path = run(resolved, tmp_path).path
    with pytest.raises(KeyboardInterrupt):
        run(resolved, tmp_path, force=True, on_progress=_interrupt)
    assert read_record(path).status is Status.INTERRUPTED


def test_a_diverged_run_is_finished_and_is_not_trained_again(tmp_path):
    wild = resolve_overrides(
        [
            "dataset=wine",
            "model=linear",
            "optimizer.lr=1e38",
            "schedule=constant",
            "train.steps=20",
            "train.eval_every=20",
        ]
    )
    first = run(wild, tmp_path)
    assert first.status is Status.DIVERGED
    assert first.diverged_at < 10
    assert run(wild, tmp_path).was_there
    found = read_record(first.path)
    assert found.status is Status.DIVERGED
    assert found.result["weights_digest"] is None
    assert len(found.log("steps.csv").rows) == first.diverged_at + 1


def test_a_run_whose_validation_loss_overflows_is_recorded_as_diverged(tmp_path):
    wild = resolve_overrides(
        [
            "dataset=noisy_quadratic",
            "dataset.num_samples=64",
            "model=quadratic",
            "optimizer.lr=3.0",
            "optimizer.momentum=0",
            "schedule=constant",
            "train.batch_size=4",
            "train.steps=90",
            "train.eval_every=1",
        ]
    )
    report = run(wild, tmp_path)
    assert report.status is Status.DIVERGED
    assert read_record(report.path).status is Status.DIVERGED


# -------------------------------------------------------------------------------- what goes wrong


def _interrupt(progress):
    raise KeyboardInterrupt


def test_an_interrupted_run_says_so_and_run_again_it_is_as_if_nothing_had_been(
    resolved_longer, golden_longer, tmp_path, bytes_of
):
    steps = []

    def interrupt_later(progress):
        steps.append(progress.step)
        if progress.step >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(resolved_longer, tmp_path, on_progress=interrupt_later)
    assert steps[-1] == 200
    path = tmp_path / resolved_longer.spec.run_id
    found = read_record(path)
    assert found.status is Status.INTERRUPTED
    assert [a["outcome"] for a in found.attempts()] == ["interrupted"]
    whole = golden_longer["steps.csv"].splitlines(keepends=True)
    assert (path / "steps.csv").read_bytes() == b"".join(whole[:201])
    assert not is_locked(path / layout.LOCK)
    report = run(resolved_longer, tmp_path)
    assert not report.was_there
    assert bytes_of(path) == golden_longer
    assert [a["outcome"] for a in read_record(path).attempts()] == ["interrupted", "complete"]


def test_a_run_that_fails_says_why_and_run_again_completes(resolved, golden, tmp_path, bytes_of):
    def fail(progress):
        raise ValueError("boom")

    with pytest.raises(RunError, match="boom"):
        run(resolved, tmp_path, on_progress=fail)
    path = tmp_path / resolved.spec.run_id
    assert read_record(path).status is Status.FAILED
    assert "boom" in read_record(path).reason
    assert run(resolved, tmp_path).status is Status.COMPLETE
    assert bytes_of(path) == golden


# ---------------------------------------------------------------------------------- who may write


def test_a_record_that_another_process_writes_is_refused(resolved, tmp_path):
    path = tmp_path / resolved.spec.run_id
    path.mkdir()
    lock = Lock(path / layout.LOCK)
    assert lock.acquire()
    with pytest.raises(RecordError, match="another process"):
        run(resolved, tmp_path)
    lock.release()
    assert run(resolved, tmp_path).status is Status.COMPLETE


def test_a_folder_of_another_run_under_the_same_name_is_refused(
    resolved, golden_record, tmp_path, monkeypatch
):
    path = run(resolved, tmp_path).path
    other = resolved.spec.model_copy(update={"seed": 5})
    monkeypatch.setattr(type(other), "run_id", property(lambda spec: path.name))
    with pytest.raises(RecordError, match="another run"):
        RecordWriter(tmp_path, other)
    assert not is_locked(path / layout.LOCK)


def test_a_file_in_the_place_of_the_record_is_refused(resolved, tmp_path):
    (tmp_path / resolved.spec.run_id).write_text("")
    with pytest.raises(RecordError, match="must be a folder"):
        run(resolved, tmp_path)


SIXTEEN = """
import json, os, sys
from pathlib import Path
from lrbench.errors import RecordError
from lrbench.workflows.run import resolve_overrides, run

results, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
resolved = resolve_overrides(settings)
gate, opener = os.pipe()
answers, answer = os.pipe()
children = []
for number in range(16):
    child = os.fork()
    if child == 0:
        os.close(opener)
        os.read(gate, 1)  # until all are there
        try:
            report = run(resolved, results)
            word = "found" if report.was_there else "trained"
        except RecordError as error:
            word = "refused" if "another process" in str(error) else repr(error)
        except BaseException as error:
            word = repr(error)
        os.write(answer, (word + "\\n").encode())
        os._exit(0)
    children.append(child)
os.close(opener)
for child in children:
    os.waitpid(child, 0)
os.close(answer)
print(os.read(answers, 65536).decode())
"""


def script(text, *arguments):
    """Start a Python program that gets these arguments."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_sixteen_processes_that_start_the_same_run_exactly_one_trains_it(
    settings_longer, resolved_longer, golden_longer, tmp_path, bytes_of
):
    with script(SIXTEEN, tmp_path, json.dumps(settings_longer)) as program:
        words, errors = program.communicate(timeout=120)
    assert program.returncode == 0, errors
    answers = words.split()
    assert len(answers) == 16
    assert answers.count("trained") == 1, answers
    assert set(answers) <= {"trained", "refused", "found"}
    path = tmp_path / resolved_longer.spec.run_id
    assert bytes_of(path) == golden_longer
    assert len(read_record(path).attempts()) == 1


SLOW = """
import json, sys, time
from pathlib import Path
from lrbench.workflows.run import resolve_overrides, run

resolved = resolve_overrides(json.loads(sys.argv[2]))
run(resolved, Path(sys.argv[1]), on_progress=lambda progress: time.sleep(1))
"""


@pytest.mark.parametrize("blocks", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_run_that_is_killed_leaves_no_trace_in_its_next_attempt(
    blocks, settings_longer, resolved_longer, golden_longer, tmp_path, bytes_of
):
    path = tmp_path / resolved_longer.spec.run_id
    steps = path / "steps.csv"
    with script(SLOW, tmp_path, json.dumps(settings_longer)) as program:
        deadline = time.monotonic() + 120
        while not steps.exists() or steps.read_bytes().count(b"\n") < 1 + 100 * blocks:
            assert program.poll() is None, program.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if blocks:
            assert read_record(path).status is Status.RUNNING
            with pytest.raises(RecordError, match="another process"):
                run(resolved_longer, tmp_path)
        program.kill()
        program.wait()
    found = read_record(path)
    assert found.status is Status.INTERRUPTED
    assert len(found.log("steps.csv").rows) >= 100 * blocks
    assert golden_longer["steps.csv"].startswith(steps.read_bytes())
    assert run(resolved_longer, tmp_path).status is Status.COMPLETE
    assert bytes_of(path) == golden_longer
    # The attempt that was killed had no time to say so, but it is not forgotten.
    assert [a.get("outcome") for a in read_record(path).attempts()] == [None, "complete"]
