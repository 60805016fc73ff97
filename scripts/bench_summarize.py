"""How long ``lrbench summarize`` takes over many records: ``bench_summarize.py [RECORDS]``.

Writes synthetic records (20 evaluations a run, 5 seeds an arm) to a temporary folder, then times
the whole command in processes of its own, imports included.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lrbench.record import layout
from lrbench.record.logs import format_row
from lrbench.spec.canonical import canonical
from lrbench.spec.run import (
    Component,
    ComputeSpec,
    DatasetSpec,
    DiagnosticsSpec,
    OptimizerSpec,
    RunSpec,
    StreamSeeds,
    TrainSpec,
)

SEEDS = 5
EVALUATIONS = 20
REPEATS = 3
COMMAND = """
import sys, typer
from lrbench.cli.console import reports_errors
from lrbench.cli.summarize import summarize
app = typer.Typer()
app.command()(reports_errors(summarize))
app(sys.argv[1:])
"""


def write_record(folder: Path, lr: float, seed: int, generator: np.random.Generator) -> None:
    """A complete record whose loss falls with some noise."""
    spec = RunSpec(
        dataset=DatasetSpec(name="digits", digest="0" * 64),
        model=Component(name="mlp", params={"widths": [64, 64], "activation": "relu"}),
        optimizer=OptimizerSpec(name="sgd", lr=lr, params={"momentum": 0.9, "nesterov": False}),
        schedule=Component(name="sgdr", params={"first_cycle": 20, "cycle_mult": 2}),
        train=TrainSpec(steps=EVALUATIONS * 10, batch_size=64, eval_every=10),
        diagnostics=DiagnosticsSpec(),
        compute=ComputeSpec(),
        seed=seed,
        streams=StreamSeeds(),
    )
    steps = range(0, EVALUATIONS * 10 + 1, 10)
    losses = np.exp(-np.arange(len(steps)) / 10) + generator.normal(0, 0.01, len(steps))
    rows = [
        (step, step / 20, float(loss), float(1 - loss / 3))
        for step, loss in zip(steps, losses, strict=True)
    ]
    path = folder / spec.run_id
    path.mkdir()
    stated = {}
    for name, columns in layout.LOGS.items():
        body = map(format_row, rows if name == "evals.csv" else [])
        data = "".join([",".join(columns) + "\n", *body]).encode()
        (path / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        stated[name] = {"rows": len(rows), "bytes": len(data), "sha256": digest}
    final = dict.fromkeys(layout.EVAL_COLUMNS, 0.0)
    result = {
        "spec_digest": spec.digest,
        "outcome": "complete",
        "final": final,
        "logs": stated,
    }
    (path / layout.SPEC).write_text(spec.text)
    (path / layout.RESULT).write_text(canonical(result))


def main(count: int) -> None:
    """Write, time, print."""
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(count):
            arm, seed = divmod(index, SEEDS)
            write_record(Path(folder), 0.001 * (arm + 1), seed, generator)
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", COMMAND, folder], check=True, stdout=subprocess.DEVNULL
            )
            times.append(time.perf_counter() - start)
    print(f"{count} records: best of {REPEATS} {min(times):.2f} s, worst {max(times):.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
