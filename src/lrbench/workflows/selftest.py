"""The promises of lrbench, tried on this machine: a run repeats, and survives being killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lrbench.engine.lanes.independence import Independence
from lrbench.engine.profiles import check_profile
from lrbench.errors import DeviceError
from lrbench.record import layout
from lrbench.record.comparison.difference import first_difference
from lrbench.record.reader import Record, find_records, read_record
from lrbench.spec.profiles import VARIABLES
from lrbench.spec.run import ComputeSpec
from lrbench.workflows.doctor import Finding
from lrbench.workflows.levels import examine
from lrbench.workflows.run import resolve_overrides

TOPIC = "self-test"

RUN = (
    "dataset=digits",
    "model=mlp",
    "optimizer=adamw",
    "optimizer.lr=0.003",
    "schedule=sgdr",
    "schedule.first_cycle=200",
    "restart=full_reset",
    "restart.keep_checkpoints=true",
    "train.steps=2000",
    "train.batch_size=32",
    "train.eval_every=500",
    "train.checkpoint_every=50",
    "diagnostics=curvature",
    "diagnostics.layers_every=100",
    "diagnostics.restart_window=10",
    "diagnostics.curvature.every=500",
    "diagnostics.curvature.iterations=4",
    "diagnostics.curvature.samples=64",
)
"""Two seconds of training with everything a record can have."""

LANES = (
    "compute.engine=lanes",
    "compute.compile=false",
    "compute.lanes=4",
    "dataset=digits",
    "model=mlp",
    "train.steps=64",
)
"""Some seconds of training in lanes, nothing compiled."""

PATIENCE_S = 60.0


def selftest() -> Iterator[Finding]:
    """Run twice at the same time, kill one half way, go on with it, and compare every byte.

    Yields
    ------
    Finding
        One a promise, as soon as it was tried; nothing is left on the disk.
    """
    with tempfile.TemporaryDirectory(prefix="lrbench-selftest-") as scratch:
        folders = [Path(scratch) / name for name in ("first", "second", "killed")]
        first, second = (_start(folder) for folder in folders[:2])
        killed = _start(folders[2])
        was_killed = _kill(killed, folders[2])
        at = _goes_on_at(folders[2])
        errors = [process.communicate()[1] for process in (first, second)]
        if first.returncode or second.returncode:
            told = " ".join(b"".join(errors).decode(errors="replace").split())[-200:]
            yield Finding(TOPIC, "a run", f"fails here: {told}", False)
            return
        one, other = (_record(folder) for folder in folders[:2])
        yield _compared("the same run, twice at once", one, other)
        if not was_killed:
            yield Finding(TOPIC, "killed half way", "it ended before it could be killed")
        else:
            _start(folders[2]).communicate()
            yield _compared(f"killed, gone on with at step {at}", one, _record(folders[2]))
    yield _lanes()
    yield from _promises()


def _lanes() -> Finding:
    """How independent the lanes of a small model are of each other."""
    found = examine(resolve_overrides(LANES))
    broken = [trial.name for trial in found.trials if not trial.is_same]
    told = f"level {found.level}" + (f", with {broken[0]} other bits" if broken else "")
    return Finding(TOPIC, "a lane among others", told, found.level is not Independence.L0)


def _start(results: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lrbench", "run", *RUN, "--results", str(results)]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def _kill(process: subprocess.Popen[bytes], results: Path) -> bool:
    """Kill a run once it has a checkpoint; False if it was over before."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        if results.exists() and any(
            (path / layout.PREVIOUS).exists() for path in find_records(results)
        ):
            break
        time.sleep(0.01)
    was_running = process.poll() is None
    process.kill()
    process.communicate()
    return was_running and _goes_on_at(results) > 0


def _goes_on_at(results: Path) -> int:
    """The step of the last checkpoint of an unfinished run; 0 if there is none."""
    found = [read_record(path) for path in find_records(results)] if results.exists() else []
    return max((r.resumes_at for r in found if not r.status.is_finished), default=0)


def _record(results: Path) -> Record:
    path = next(find_records(results), results)
    return read_record(path, every_byte=True)


def _compared(what: str, one: Record, other: Record) -> Finding:
    if not (one.status.is_finished and other.status.is_finished):
        return Finding(TOPIC, what, f"{one.status} and {other.status}", False)
    difference = first_difference(one, other)
    told = "the same bytes" if difference is None else difference.told("one", "the other")
    return Finding(TOPIC, what, told, difference is None)


def _promises() -> Iterator[Finding]:
    """What follows for a person on this machine."""
    yield Finding(TOPIC, "verify here", "bit for bit, under one profile of versions and threads")
    for name in VARIABLES:
        if name == "native":
            continue
        try:
            check_profile(ComputeSpec(profile=name))
            yield Finding(TOPIC, f"compute.profile={name}", "can be had")
        except DeviceError as error:
            yield Finding(TOPIC, f"compute.profile={name}", error.problems[0].relation)
    yield Finding(TOPIC, "verify elsewhere", "data, batches, rates and first weights bit for bit;")
    yield Finding(TOPIC, "", "losses bit for bit if run as portable on x86, else close")
