"""A sweep of the lanes engine against a person's own script for the same runs, in one go.

The script is what many of us keep for such questions: one process, a ``DataLoader``,
``torch.optim.SGD``, torch's schedulers, a look at held-out data every epoch, and a CSV file a run
with the loss, the rate and the norms of gradient, update and weights at every update and of every
layer at every tenth. A second one gathers its batches by index and makes torch use one thread,
which is faster for models of this size. A third, where Lightning is installed, leaves the loop to
it: its CSV logger, the loss and ``grad_norm`` at every update, a look at held-out data every epoch.

    python scripts/bench_person.py [--seeds 10] [--rounds 1]
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    LambdaLR,
    LRScheduler,
)
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 20
BATCH = 64
RATES = (0.03, 0.1, 0.3)
WAYS = ("usual", "careful", "lightning")


def schedulers(optimizer: torch.optim.Optimizer, steps: int) -> dict[str, LRScheduler]:
    """One of each kind."""

    def trapezoid(step: int) -> float:
        return min(1.0, (step + 1) / (steps // 20), (steps - step) / (steps // 5))

    return {
        "constant": LambdaLR(optimizer, lambda step: 1.0),
        "cosine": CosineAnnealingLR(optimizer, steps),
        "sgdr": CosineAnnealingWarmRestarts(optimizer, steps // 7, 2),
        "wsd": LambdaLR(optimizer, trapezoid),
    }


@lru_cache(maxsize=1)
def data() -> tuple[Tensor, Tensor]:
    """Handwritten digits."""
    inputs, targets = map(torch.tensor, load_digits(return_X_y=True))
    return inputs.float() / 16, targets


def batches(inputs: Tensor, targets: Tensor, *, careful: bool) -> Iterator[tuple[Tensor, Tensor]]:
    """An epoch."""
    if not careful:
        data = TensorDataset(inputs, targets)
        yield from DataLoader(data, BATCH, shuffle=True, drop_last=True)
        return
    order = torch.randperm(len(inputs))
    for start in range(0, len(inputs) - BATCH + 1, BATCH):
        chosen = order[start : start + BATCH]
        yield inputs[chosen], targets[chosen]


def network() -> nn.Module:
    """An MLP 64-128-128-10."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def norm(tensors: list[Tensor]) -> float:
    """Of all of them together."""
    return torch.sqrt(sum((t * t).sum() for t in tensors)).item()  # type: ignore[arg-type]


def train(path: Path, kind: str, lr: float, seed: int, *, careful: bool) -> None:
    """One run, with its log."""
    torch.manual_seed(seed)
    inputs, targets = data()
    held_out, rest = slice(0, 359), slice(718, None)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    steps = EPOCHS * (len(inputs[rest]) // BATCH)
    scheduler = schedulers(optimizer, steps)[kind]
    step = 0
    with path.open("w", newline="") as file:
        log = csv.writer(file)
        for _ in range(EPOCHS):
            for x, y in batches(inputs[rest], targets[rest], careful=careful):
                before = [p.detach().clone() for p in model.parameters()]
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                weights = [p.detach() for p in model.parameters()]
                grads = [p.grad for p in model.parameters() if p.grad is not None]
                ways = [a - b for a, b in zip(weights, before, strict=True)]
                rate = scheduler.get_last_lr()[0]
                log.writerow([step, rate, loss.item(), norm(grads), norm(ways), norm(weights)])
                if step % 10 == 0:
                    for layer in range(0, len(weights), 2):
                        part = slice(layer, layer + 2)
                        told = [norm(one[part]) for one in (grads, ways, weights)]
                        log.writerow([step, layer, *told])
                scheduler.step()
                step += 1
            model.eval()
            with torch.no_grad():
                outputs = model(inputs[held_out])
                right = (outputs.argmax(1) == targets[held_out]).float().mean().item()
                told = [F.cross_entropy(outputs, targets[held_out]).item(), right]
            log.writerow([step, *told])
            model.train()


def train_with_lightning(path: Path, kind: str, lr: float, seed: int) -> None:
    """One run by Lightning."""
    import pytorch_lightning as pl
    from pytorch_lightning.loggers import CSVLogger
    from pytorch_lightning.utilities import grad_norm

    inputs, targets = data()
    steps = EPOCHS * (len(inputs[718:]) // BATCH)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = network()

        def training_step(self, batch: Any, index: int) -> Any:
            loss = F.cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            outputs = self.model(batch[0])
            self.log("val_loss", F.cross_entropy(outputs, batch[1]))
            self.log("val_accuracy", (outputs.argmax(1) == batch[1]).float().mean())

        def on_before_optimizer_step(self, optimizer: Any) -> None:
            self.log_dict(grad_norm(self.model, norm_type=2))

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=lr, momentum=0.9)
            scheduler = schedulers(optimizer, steps)[kind]
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    torch.manual_seed(seed)
    trained_on = TensorDataset(inputs[718:], targets[718:])
    held_out = DataLoader(TensorDataset(inputs[:359], targets[:359]), 359)
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        logger=CSVLogger(path),
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), DataLoader(trained_on, BATCH, shuffle=True, drop_last=True), held_out)


def by_a_person(seeds: int, way: str) -> None:
    """All runs, one after the other."""
    careful = way == "careful"
    if careful:
        torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            for kind in ("constant", "cosine", "sgdr", "wsd"):
                for lr in RATES:
                    path = Path(folder) / f"{kind}-{lr}-{seed}"
                    if way == "lightning":
                        train_with_lightning(path, kind, lr, seed)
                    else:
                        train(path, kind, lr, seed, careful=careful)


def seconds(command: list[str]) -> float:
    """Of a process."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started


def main() -> None:
    """Print the ratios of every round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--as-person", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.as_person:
        by_a_person(asked.seeds, asked.as_person)
        return
    arms = ["schedule=constant,cosine,sgdr,wsd", f"optimizer.lr={','.join(map(str, RATES))}"]
    sweep = [sys.executable, "-m", "lrbench", "sweep", *arms, "--seeds", str(asked.seeds)]
    script = [sys.executable, str(Path(__file__).resolve()), "--seeds", str(asked.seeds)]
    commands = {
        "lanes, compiled before": [*sweep, "compute.engine=lanes"],
        "loop": sweep,
        "a person's script": [*script, "--as-person", "usual"],
        "a careful person's": [*script, "--as-person", "careful"],
    }
    if importlib.util.find_spec("pytorch_lightning"):
        commands["a person's with Lightning"] = [*script, "--as-person", "lightning"]
    first = seconds(commands["lanes, compiled before"])
    print(f"sweeps have {os.cpu_count()} workers, a core each")
    print(f"lanes, the first time: {first:.1f} s (with compiling, if that was to be done)")
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(asked.rounds):
        for name, command in commands.items():
            found[name].append(seconds(command))
    lanes = found["lanes, compiled before"]
    for name, times in found.items():
        ratios = [time / own for time, own in zip(times, lanes, strict=True)]
        print(f"{name:24} {statistics.median(times):6.1f} s   x{statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
