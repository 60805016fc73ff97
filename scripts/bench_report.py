"""How long ``lrbench report`` takes of many runs, and how large it is: ``bench_report.py [RUNS]``.

Trains 32 arms once, multiplies each to many seeds with other losses, then times the command in
a process of its own, imports included: without what it keeps in the user's cache, and with it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lrbench.record import layout
from lrbench.spec.canonical import canonical, digest, pretty, sealed

ARMS = [
    "schedule=constant,cosine,sgdr,wsd,one_cycle,exponential,polynomial,step",
    "optimizer.lr=0.003,0.01,0.03,0.1",
]
SETTINGS = ["dataset=wine", "model.hidden=[16]", "train.batch_size=16"]
STEPS = 400


def main(runs: int, steps: int = STEPS, tell: Callable[[str], None] = print) -> tuple[float, float]:
    """Make the records, write the report twice; processor seconds of the first, and megabytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "LRBENCH_CACHE": str(folder / "cache")}
        length = [f"train.steps={steps}", f"train.eval_every={max(1, steps // 20)}"]
        sweep = ["sweep", *ARMS, *SETTINGS, *length, "--seeds", "1", "--results", str(folder / "r")]
        lrbench(sweep, environment)
        originals = [path for path in (folder / "r").iterdir() if (path / layout.SPEC).exists()]
        for record in originals:
            multiply(record, folder / "many", runs // len(originals))
        seconds, busy = [], []
        for _ in range(2):
            start, before = time.perf_counter(), used()
            lrbench(["report", str(folder / "many"), "-o", str(folder / "r.html")], environment)
            seconds.append(time.perf_counter() - start)
            busy.append(used() - before)
        size = (folder / "r.html").stat().st_size / 1e6
        many = len(list((folder / "many").iterdir()))
        tell(
            f"{many} runs of {steps} updates: {seconds[0]:.1f} s the first time ({busy[0]:.1f} s "
            f"of one core), {seconds[1]:.1f} s the next ({busy[1]:.1f} s), {size:.2f} MB"
        )
        return busy[0], size


def used() -> float:
    """Seconds of processor time of all commands so far."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def lrbench(words: list[str], environment: dict[str, str]) -> None:
    """Run a command; a report's exit code may say that a flag stands."""
    command = [sys.executable, "-m", "lrbench", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr


def multiply(record: Path, folder: Path, seeds: int) -> None:
    """As many records of as many seeds, whose losses are a little higher or lower."""
    spec = json.loads((record / layout.SPEC).read_text())
    result = json.loads((record / layout.RESULT).read_text())
    result.pop("digest", None)
    shared = [layout.CONFIG, layout.MANIFEST, layout.TIMING, f"{layout.ATTEMPTS}/0001.json"]
    for seed in range(seeds):
        generator = np.random.default_rng([seed, int(result["spec_digest"][:8], 16)])
        identity = digest(spec | {"seed": seed})
        path = folder / f"{record.name.rpartition('-s')[0]}-s{seed}-{identity[:8]}"
        (path / layout.ATTEMPTS).mkdir(parents=True)
        for name in shared:
            os.link(record / name, path / name)
        (path / layout.LOCK).touch()
        (path / layout.SPEC).write_text(canonical(spec | {"seed": seed}))
        logs = {}
        for name, stated in result["logs"].items():
            data = (record / name).read_bytes()
            if name in ("steps.csv", "evals.csv"):
                data = changed(data, "train_loss" if name == "steps.csv" else "val_loss", generator)
            (path / name).write_bytes(data)
            found = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            logs[name] = stated | found
        rest = result | {"spec_digest": identity, "logs": logs}
        (path / layout.RESULT).write_text(pretty(sealed(rest)))


def changed(data: bytes, column: str, generator: np.random.Generator) -> bytes:
    """A log with other values in one column."""
    head, *lines = data.decode().splitlines()
    place = head.split(",").index(column)
    factor = float(np.exp(generator.normal(0, 0.1)))
    rows = []
    for line in lines:
        fields = line.split(",")
        fields[place] = repr(
            float(fields[place]) * factor * float(np.exp(generator.normal(0, 0.05)))
        )
        rows.append(",".join(fields))
    return "".join(f"{line}\n" for line in [head, *rows]).encode()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
