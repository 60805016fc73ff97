"""What logging costs: lrbench's loop against a bare hand-written one, in one run.

The bare loop is what a person writes: ``torch.optim.SGD`` over the model's parameters, a random
permutation an epoch, nothing logged. lrbench trains the same model on the same data in the same
sizes and writes a whole record. Both are timed in turn, round by round, and the ratio of every
round is taken, so that a machine that slows down for a while slows down both. A step's time is that
of all blocks but the first; making and closing the record is in the figure for the whole run.

    python scripts/bench_loop.py [--rounds 25] [--steps 600]
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from lrbench.config.resolve import Resolved
from lrbench.tasks.base import Prepared
from lrbench.workflows.plan import load_data
from lrbench.workflows.run import resolve_overrides, run

BATCH = 64


def bare_seconds(data: Prepared, steps: int) -> float:
    """Seconds of a bare loop over ``steps`` updates."""
    inputs = torch.as_tensor(data.train.inputs).flatten(1)
    targets = torch.as_tensor(data.train.targets)
    model = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    started = time.perf_counter()
    step = 0
    while step < steps:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs) - BATCH + 1, BATCH):
            if step == steps:
                break
            batch = order[start : start + BATCH]
            loss = F.cross_entropy(model(inputs[batch]), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return time.perf_counter() - started


def lrbench_seconds(resolved: Resolved, steps: int) -> tuple[float, float]:
    """Seconds of the same training by lrbench: by its steps alone, and the whole run's."""
    heard: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run(
            resolved,
            Path(folder),
            on_progress=lambda progress: heard.append((progress.step, time.perf_counter())),
        )
        whole = time.perf_counter() - started
    (first, early), (last, late) = heard[0], heard[-1]
    return (late - early) * steps / (last - first), whole


def main() -> None:
    """Print microseconds a step and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--steps", type=int, default=600)
    asked = parser.parse_args()

    torch.set_num_threads(1)
    common = [
        f"train.steps={asked.steps}",
        "train.eval_every=100%",
        "optimizer.lr=0.05",
        f"train.batch_size={BATCH}",
    ]
    arms = {
        "no rows per layer": resolve_overrides([*common, "diagnostics=minimal"]),
        "rows per layer every 10": resolve_overrides([*common, "diagnostics=default"]),
        "rows per layer every step": resolve_overrides([*common, "diagnostics=every_step"]),
    }
    data = load_data(arms["no rows per layer"])
    bare_seconds(data, 200)
    for resolved in arms.values():
        lrbench_seconds(resolved, asked.steps)

    bare: list[float] = []
    ratios: dict[str, list[float]] = {name: [] for name in arms}
    whole_ratios: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(asked.rounds):
        for name, resolved in arms.items():
            # The bare loop on both sides of each measurement: a drift within the round cancels.
            before = bare_seconds(data, asked.steps)
            ours, whole = lrbench_seconds(resolved, asked.steps)
            after = bare_seconds(data, asked.steps)
            bare += [before, after]
            ratios[name].append(2 * ours / (before + after))
            whole_ratios[name].append(2 * whole / (before + after))

    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread")
    print("digits, MLP 64-128-128-10, batch 64, SGD with momentum; whole records written")
    micro = [1e6 * seconds / asked.steps for seconds in bare]
    print(f"bare loop: median {statistics.median(micro):.0f} us a step, minimum {min(micro):.0f}")
    print("ratio to the bare loop, median and quartiles of", asked.rounds, "rounds")
    for name, values in ratios.items():
        low, middle, high = statistics.quantiles(values, n=4)
        whole = statistics.median(whole_ratios[name])
        print(
            f"  {name:<26} a step x{middle:.3f} ({low:.3f} to {high:.3f})"
            f"   whole run of {asked.steps} x{whole:.3f}"
        )


if __name__ == "__main__":
    main()
