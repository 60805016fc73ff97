"""Start-up of a second run, gain of a second worker, and memory over a long run, in one go.

python scripts/bench_sweep.py [--steps 1500] [--runs 8]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from lrbench.config.resolve import Resolved, with_seed
from lrbench.launchers.local import run_jobs
from lrbench.record import layout
from lrbench.record.logs import read_log
from lrbench.workflows.crew import TASK, Order, parcels
from lrbench.workflows.run import Progress, resolve_overrides, run


def start_up_ms(resolved: Resolved, repeats: int) -> list[float]:
    """Milliseconds from the call to the first finished update, of warm runs of one update."""
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        run(resolved, Path(folder))
        for seed in range(1, repeats + 1):
            heard: list[float] = []

            def hear(progress: Progress, heard: list[float] = heard) -> None:
                heard.append(time.perf_counter())

            started = time.perf_counter()
            run(with_seed(resolved, seed), Path(folder), on_progress=hear)
            measured.append(1e3 * (heard[0] - started))
    return measured


def sweep_seconds(short: Resolved, runs: Sequence[Resolved], workers: int) -> float:
    """Seconds of all ``runs`` on warm workers, each of which did a short run first."""
    with tempfile.TemporaryDirectory() as folder:
        warm_up = [with_seed(short, seed) for seed in range(workers)]
        orders = [Order(one, Path(folder), "run", {}) for one in [*warm_up, *runs]]
        started = 0.0
        for event in run_jobs(TASK, parcels(orders), workers=workers):
            if event.kind == "failed":
                raise SystemExit(event.value)
            if event.kind == "done" and event.job < workers:
                started = time.perf_counter()
        return time.perf_counter() - started


def memory_growth_mib(resolved: Resolved) -> tuple[float, float]:
    """Peak memory after a tenth of a run's updates and at its end."""
    with tempfile.TemporaryDirectory() as folder:
        report = run(resolved, Path(folder))
        log = read_log(report.path / layout.TIMING, layout.TIMING_COLUMNS)
        peaks = [float(value or 0) / 2**20 for value in log.column("max_rss_bytes")]
        return peaks[len(peaks) // 10], peaks[-1]


def main() -> None:
    """Print the three figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()

    short = resolve_overrides(["train.steps=1"])
    starts = start_up_ms(short, 15)
    print(
        f"second run in a warm worker: first update after {statistics.median(starts):.1f} ms"
        f" (median of {len(starts)}; {min(starts):.1f} to {max(starts):.1f})"
    )

    equal = resolve_overrides([f"train.steps={asked.steps}", "train.eval_every=100%"])
    runs = [with_seed(equal, seed) for seed in range(asked.runs)]
    ratios = []
    for _ in range(asked.rounds):
        one = sweep_seconds(short, runs, 1)
        two = sweep_seconds(short, runs, 2)
        ratios.append(one / two)
        print(f"{asked.runs} runs: {one:.2f} s with one worker, {two:.2f} s with two")
    print(f"two workers are x{statistics.median(ratios):.2f} one (median of {asked.rounds})")

    early, late = memory_growth_mib(resolve_overrides(["train.steps=40000"]))
    print(f"peak memory: {early:.1f} MiB after 4000 updates, {late:.1f} MiB after 40000")


if __name__ == "__main__":
    main()
