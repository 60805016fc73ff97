"""What the lanes engine costs, against its own products and against bare loops, in one run.

An update of a lane, everything included (gathering batches, loss, gradients, the update, all
norms, rows per layer every 10 updates, rows made and handed on), is held against

- the step's own matrix products: ``torch.bmm`` of the same shapes, nothing else;
- a bare loop that a person writes, ``torch.optim.SGD``, nothing logged.

All are timed in turn, round by round, and the ratio of every round is taken. Processes start with
the variables of the strict profile, one thread.

    python scripts/bench_lanes.py [--rounds 9] [--steps 200] [--model mlp-128] [--lanes 16]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lrbench.engine.base import Plan, Row
from lrbench.engine.device import configure
from lrbench.engine.lanes import train as lanes
from lrbench.engine.profiles import are_in_force, variables_of
from lrbench.engine.silent import Silent
from lrbench.record.layout import LAYER_COLUMNS, STEP_COLUMNS
from lrbench.record.logs import LogWriter
from lrbench.workflows.packing import joined
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.run import resolve_overrides

MODELS: dict[str, list[str]] = {
    "mlp-128": ["model=mlp", "model.hidden=[128,128]"],
    "mlp-32": ["model=mlp", "model.hidden=[32,32]"],
    "cnn": ["model=cnn"],
    "transformer_small": ["model=transformer_small"],
}


class Logging(Silent):
    """A sink that writes them as a record does."""

    def __init__(self, folder: Path) -> None:
        self._steps = LogWriter(folder / "steps.csv", STEP_COLUMNS)
        self._layers = LogWriter(folder / "layers.csv", LAYER_COLUMNS)

    def steps(self, rows: Sequence[Row]) -> None:
        self._steps.write(rows)

    def layers(self, rows: Sequence[Row]) -> None:
        self._layers.write(rows)

    def close(self) -> None:
        self._steps.file.close()
        self._layers.file.close()


def plan_of(overrides: list[str], width: int) -> Plan:
    """A full plan of these settings, a seed a lane."""
    runs = [resolve_overrides([*overrides, f"seed={seed}"]) for seed in range(width)]
    specs = [run.spec for run in runs]
    configure(specs[0].compute)
    return joined([make_plan(run.spec, load_data(run)) for run in runs], specs, range(width))


def lanes_seconds(plan: Plan, sink: Callable[[Path], Any]) -> float:
    """Seconds of an update of one lane."""
    with tempfile.TemporaryDirectory() as folder:
        sinks = []
        for lane in range(len(plan.lanes)):
            place = Path(folder) / str(lane)
            place.mkdir()
            sinks.append(sink(place))
        training = lanes._Training(plan, sinks)
        started = time.perf_counter()
        training.run()
        seconds = time.perf_counter() - started
        for one in sinks:
            if isinstance(one, Logging):
                one.close()
    return seconds / plan.total_steps / len(plan.lanes)


def products_seconds(hidden: int, width: int, batch: int, repeats: int) -> float:
    """Seconds of the matrix products of one lane's update of an MLP 64-h-h-10."""
    x = torch.randn(width, batch, 64)
    a = torch.randn(width, batch, hidden)
    out = torch.randn(width, batch, 10)
    w1 = torch.randn(width, hidden, 64)
    w2, w3 = torch.randn(width, hidden, hidden), torch.randn(width, 10, hidden)
    started = time.perf_counter()
    for _ in range(repeats):
        torch.bmm(x, w1.mT)
        torch.bmm(a, w2.mT)
        torch.bmm(a, w3.mT)
        torch.bmm(out.mT, a)
        torch.bmm(out, w3)
        torch.bmm(a.mT, a)
        torch.bmm(a, w2)
        torch.bmm(a.mT, x)
    return (time.perf_counter() - started) / repeats / width


def bare_seconds(plan: Plan, repeats: int) -> float:
    """Seconds of an update of a bare loop over one of the runs."""
    data, batch = plan.data, plan.batch_size
    inputs = torch.as_tensor(data.train.inputs)
    targets = torch.as_tensor(data.train.targets)
    model = plan.build_model(plan.lanes[0].streams).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    step, started = 0, time.perf_counter()
    while step < repeats:
        order = torch.randperm(len(inputs))
        for start in range(0, len(inputs) - batch + 1, batch):
            if step == repeats:
                break
            chosen = order[start : start + batch]
            loss = F.cross_entropy(model(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    return (time.perf_counter() - started) / repeats


def quartiles(values: list[float]) -> str:
    """Median and quartiles in a few characters."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"x{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Print microseconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--model", choices=MODELS, action="append")
    parser.add_argument("--lanes", type=int, default=16)
    parser.add_argument("--eager", action="store_true")
    asked = parser.parse_args()

    common = [
        "dataset=digits",
        "train.batch_size=64",
        f"train.steps={asked.steps}",
        "train.eval_every=100%",
        "optimizer.lr=0.05",
        "compute.engine=lanes",
        f"compute.lanes={asked.lanes}",
        f"compute.compile={'false' if asked.eager else 'true'}",
    ]
    variables = variables_of(resolve_overrides(common).spec.compute)
    if not are_in_force(variables):
        environment = {**os.environ, **variables, "OMP_NUM_THREADS": "1"}
        again = subprocess.run([sys.executable, *sys.argv], env=environment, check=False)
        raise SystemExit(again.returncode)
    print(f"torch {torch.__version__}, one thread, {asked.lanes} lanes, batch 64, digits")
    for name in asked.model or MODELS:
        measure(name, [*common, *MODELS[name]], asked.rounds, asked.lanes)


def measure(name: str, overrides: list[str], rounds: int, width: int) -> None:
    """Print what one model comes to."""
    plan = plan_of(overrides, width)
    lanes_seconds(plan, lambda folder: Silent())  # compiles
    ours, logged, bare, products = [], [], [], []
    hidden = {"mlp-128": 128, "mlp-32": 32}.get(name)
    for _ in range(rounds):
        bare.append(bare_seconds(plan, 200))
        if hidden:
            products.append(products_seconds(hidden, width, plan.batch_size, 100))
        ours.append(lanes_seconds(plan, lambda folder: Silent()))
        logged.append(lanes_seconds(plan, Logging))
    micro = [1e6 * value for value in (statistics.median(ours), statistics.median(bare))]
    print(f"{name}: an update of a lane {micro[0]:.0f} us, of the bare loop {micro[1]:.0f} us")
    pairs = list(zip(ours, bare, strict=True))
    print(f"  the bare loop, against a lane   {quartiles([b / a for a, b in pairs])}")
    if products:
        both = zip(ours, products, strict=True)
        print(f"  a lane, against its products    {quartiles([a / p for a, p in both])}")
    writing = [(b - a) / b for a, b in zip(ours, logged, strict=True)]
    print(f"  writing of logs, part of a step  {100 * statistics.median(writing):.0f} %")


if __name__ == "__main__":
    main()
