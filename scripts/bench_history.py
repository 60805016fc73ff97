"""How long ``lrbench history`` takes over many records: ``bench_history.py [RECORDS]``.

Writes synthetic records (20 evaluations, 3 restarts and a note a run, 5 seeds an arm) to a
temporary folder, then times the whole command in processes of its own, imports included: without
an index, with one, and with a filter. The index lies in the same temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench_summarize import SEEDS, write_record
from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.record.notes import Note, add_note
from lrbench.spec.canonical import canonical, parse, pretty, sealed

REPEATS = 5
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
RESTART = {
    "epoch": 1.0,
    "cycle": 1.0,
    "cause": "schedule",
    "length": 20.0,
    "lr_before": 0.001,
    "lr_after": 0.1,
    "policy": "keep",
    "audit": "kept",
    "spike": 0.05,
    "spike_relative": 0.1,
    "recovery_steps": 7.0,
    "gain": 0.01,
}


def complete(path: Path, index: int) -> None:
    """Give a record of :func:`bench_summarize.write_record` a history to be told."""
    rows = [
        [{**RESTART, "step": step}.get(column) for column in layout.RESTART_COLUMNS]
        for step in (20.0, 60.0, 140.0)
    ]
    head = ",".join(layout.RESTART_COLUMNS)
    data = "".join([f"{head}\n", *map(format_row, rows)]).encode()
    (path / "restarts.csv").write_bytes(data)
    result = parse((path / layout.RESULT).read_text())
    sha256 = hashlib.sha256(data).hexdigest()
    result["logs"]["restarts.csv"] = {"rows": 3, "bytes": len(data), "sha256": sha256}
    (path / layout.RESULT).write_text(canonical(result))
    begun = BEGIN + timedelta(seconds=7 * index)
    attempt = {
        "started": begun.isoformat(timespec="milliseconds"),
        "ended": (begun + timedelta(seconds=6)).isoformat(timespec="milliseconds"),
        "wall_s": 6.0,
        "outcome": "complete",
    }
    (path / layout.ATTEMPTS).mkdir()
    (path / layout.ATTEMPTS / "0001.json").write_text(pretty(sealed(attempt)))
    manifest = {"note": "the first grid of rates", "tags": ["pilot"], "schedule": {"restarts": []}}
    (path / layout.MANIFEST).write_text(pretty(sealed(manifest)))
    if index % 10 == 0:
        written = attempt["ended"]
        add_note(path, Note(str(written), "looked at the curve", ("seen",)))


def timed(folder: Path, *options: str) -> tuple[float, float]:
    """Seconds of wall clock and of processor of one call; its output goes through a pipe."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "lrbench", "history", str(folder), *options]
    subprocess.run(words, check=True, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - start, used


def main(count: int) -> None:
    """Write, time, print."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LRBENCH_CACHE"] = f"{scratch}/cache"
        folder = Path(scratch) / "results"
        folder.mkdir()
        for index in range(count):
            arm, seed = divmod(index, SEEDS)
            write_record(folder, 0.001 * (arm + 1), seed, generator)
        for index, path in enumerate(sorted(folder.iterdir())):
            complete(path, index)
        time.sleep(2.1)  # what changed a moment ago is not kept in the index
        wall, used = timed(folder)
        print(f"{count} records, without an index: {wall:.2f} s ({used:.2f} s of processor)")
        (file,) = Path(scratch).glob("cache/history/*")
        print(f"index: {file.stat().st_size / 2**20:.1f} MiB")
        for name, options in {
            "the table": (),
            "--json": ("--json",),
            "--filter, --sort": ("--filter", "optimizer.lr<0.1", "--sort", "-val_loss"),
        }.items():
            walls, used = zip(*(timed(folder, *options) for _ in range(REPEATS)), strict=True)
            print(
                f"with an index, {name}: best of {REPEATS} {min(walls):.2f} s, worst "
                f"{max(walls):.2f} s (processor {min(used):.2f} s, {max(used):.2f} s)"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
