"""What the lanes engine costs, against its own products and against bare loops, in one run.

An update of a lane, everything included (gathering batches, loss, gradients, the update, all
norms, rows per layer every 10 updates, rows made and handed on), is held against

- the step's own matrix products: ``torch.bmm`` of the same shapes, nothing else;
- a bare loop that a person writes, ``torch.optim.SGD``, nothing logged;
- Lightning, where it is installed: its CSV logger, the loss every update, and gradient norms as
  its documentation has them (``grad_norm``: of every parameter and of all);
- JAX, where it is installed: all lanes as one ``jit(scan(vmap))`` with the norms of gradient,
  update and weights, batches gathered beforehand.

All are timed in turn, round by round, and the ratio of every round is taken. Processes start with
the variables of the strict profile, one thread.

    python scripts/bench_lanes.py [--rounds 9] [--steps 200] [--model mlp-128] [--lanes 16]
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from lrbench.engine.base import Plan, Row
from lrbench.engine.device import configure
from lrbench.engine.lanes import train as lanes
from lrbench.engine.profiles import are_in_force
from lrbench.engine.silent import Silent
from lrbench.record.layout import LAYER_COLUMNS, STEP_COLUMNS
from lrbench.record.logs import LogWriter
from lrbench.spec.profiles import variables_of
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


def lightning_seconds(plan: Plan, repeats: int) -> float:
    """Seconds of an update of one of the runs under Lightning."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import CSVLogger
    from pytorch_lightning.utilities import grad_norm
    from torch.utils.data import DataLoader, TensorDataset

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = plan.build_model(plan.lanes[0].streams).train()

        def training_step(self, batch: Any, index: int) -> Any:
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.log_dict(grad_norm(self.model, norm_type=2))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9)

    train = plan.data.train
    samples = TensorDataset(torch.as_tensor(train.inputs), torch.as_tensor(train.targets))
    loader = DataLoader(samples, batch_size=plan.batch_size, shuffle=True, drop_last=True)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = pl.Trainer(
            max_steps=repeats,
            accelerator="cpu",
            logger=CSVLogger(folder),
            log_every_n_steps=1,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        started = time.perf_counter()
        trainer.fit(Module(), loader)
        return (time.perf_counter() - started) / repeats


def jax_program(plan: Plan, hidden: int, repeats: int) -> Callable[[], float]:
    """Times an update of one lane of an MLP 64-h-h-10 in JAX; compiled already."""
    import jax
    import jax.numpy as jnp

    width, batch = len(plan.lanes), plan.batch_size
    random = torch.Generator().manual_seed(0)
    sizes = [(64, hidden), (hidden, hidden), (hidden, 10)]
    weights = [torch.randn(width, *size, generator=random) / size[0] ** 0.5 for size in sizes]
    parameters = [(jnp.array(w.numpy()), jnp.zeros((width, w.shape[2]))) for w in weights]
    chosen = torch.randint(len(plan.data.train), (repeats, width, batch), generator=random)
    inputs = jnp.array(plan.data.train.inputs.reshape(len(plan.data.train), -1)[chosen.numpy()])
    targets = jnp.array(plan.data.train.targets[chosen.numpy()])

    def loss_of(layers: Any, x: Any, y: Any) -> Any:
        for weight, bias in layers[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        logits = x @ layers[-1][0] + layers[-1][1]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()

    def norm(tree: Any) -> Any:
        return jnp.sqrt(sum((leaf * leaf).sum() for leaf in jax.tree.leaves(tree)))

    def one(layers: Any, buffers: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(layers, x, y)
        buffers = jax.tree.map(lambda b, g: 0.9 * b + g, buffers, grads)
        updates = jax.tree.map(lambda b: 0.05 * b, buffers)
        layers = jax.tree.map(lambda w, u: w - u, layers, updates)
        return layers, buffers, (loss, norm(grads), norm(updates), norm(layers))

    def step(state: Any, samples: Any) -> Any:
        layers, buffers, told = jax.vmap(one)(*state, *samples)
        return (layers, buffers), told

    def train(layers: Any, x: Any, y: Any) -> Any:
        buffers = jax.tree.map(jnp.zeros_like, layers)
        return jax.lax.scan(step, (layers, buffers), (x, y))[1]

    compiled = jax.jit(train)
    jax.block_until_ready(compiled(parameters, inputs, targets))

    def seconds() -> float:
        started = time.perf_counter()
        jax.block_until_ready(compiled(parameters, inputs, targets))
        return (time.perf_counter() - started) / repeats / width

    return seconds


def is_there(library: str) -> bool:
    """Whether a peer is installed."""
    return importlib.util.find_spec(library) is not None


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
        one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        environment = {**os.environ, **variables, "OMP_NUM_THREADS": "1", "XLA_FLAGS": one}
        again = subprocess.run([sys.executable, *sys.argv], env=environment, check=False)
        raise SystemExit(again.returncode)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    print(f"torch {torch.__version__}, one thread, {asked.lanes} lanes, batch 64, digits")
    for name in asked.model or MODELS:
        measure(name, [*common, *MODELS[name]], asked.rounds, asked.lanes)


def measure(name: str, overrides: list[str], rounds: int, width: int) -> None:
    """Print what one model comes to."""
    plan = plan_of(overrides, width)
    started = time.perf_counter()
    lanes_seconds(plan, lambda folder: Silent())
    print(f"{name}: first time, compiled or from the cache: {time.perf_counter() - started:.1f} s")
    hidden = {"mlp-128": 128, "mlp-32": 32}.get(name)
    ways: dict[str, Callable[[], float]] = {
        "a lane": lambda: lanes_seconds(plan, lambda folder: Silent()),
        "a lane with its logs written": lambda: lanes_seconds(plan, Logging),
        "a bare loop": lambda: bare_seconds(plan, plan.total_steps),
    }
    if hidden:
        repeats = plan.total_steps
        ways["its matrix products"] = lambda: products_seconds(
            hidden, width, plan.batch_size, repeats
        )
        if is_there("jax"):
            ways["JAX"] = jax_program(plan, hidden, repeats)
        if is_there("pytorch_lightning"):
            ways["Lightning"] = lambda: lightning_seconds(plan, repeats)
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, seconds in ways.items():
            taken[way].append(seconds())
    ours = taken["a lane"]
    for way, times in taken.items():
        ratios = quartiles([other / own for other, own in zip(times, ours, strict=True)])
        print(f"  {way:30} {1e6 * statistics.median(times):7.0f} us   {ratios} of a lane")
    logged = taken["a lane with its logs written"]
    writing = [(b - a) / b for a, b in zip(ours, logged, strict=True)]
    print(f"  writing of logs, part of an update: {100 * statistics.median(writing):.0f} %")


if __name__ == "__main__":
    main()
