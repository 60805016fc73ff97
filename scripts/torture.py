"""Kill real runs at random moments, go on with them, and compare bytes: ``torture.py [KILLS]``.

Each run is killed at a random access to a file or at a random time, again and again, also while it
goes on after a kill; then it is left to end. Prints how many kills there were, at which operations,
and how many runs have the bytes of the run that nobody killed; exits with 1 if any has not.

    python scripts/torture.py [200] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import promised
from faults.nursery import Nursery
from lrbench.record import layout

CURVATURE = [
    "diagnostics=curvature",
    "diagnostics.curvature.every=15",
    "diagnostics.curvature.iterations=2",
    "diagnostics.curvature.samples=32",
]
KINDS = {
    "trigger": [
        "dataset=wine",
        "model.hidden=[8]",
        "optimizer.lr=0.3",
        "train.batch_size=16",
        "trigger=plateau",
        "trigger.rtol=0.1",
        "trigger.patience=2",
        "trigger.every=2",
        "trigger.half_life=4",
        "trigger.refractory=4",
        "trigger.gate=null",
        "restart=full_reset",
        "restart.keep_checkpoints=true",
        *CURVATURE,
    ],
    "resets": [
        "dataset=wine",
        "model.hidden=[8]",
        "optimizer=adam",
        "schedule=sgdr",
        "restart=adam_rel",
        "restart.keep_checkpoints=true",
        *CURVATURE,
    ],
    "mlp": ["dataset=wine", "model.hidden=[8]", "model.dropout=0.2", "schedule=sgdr"],
    "adamw": ["dataset=wine", "model.hidden=[8]", "optimizer=adamw", "diagnostics.layers_every=7"],
    "conv": ["dataset=digits", "model=cnn", "train.batch_size=16"],
}
LENGTH = ["train.steps=60", "train.eval_every=25", "train.checkpoint_every=8"]


def bytes_of(results: Path) -> dict[str, bytes]:
    """The promised files of the one record in a folder."""
    (record,) = (path.parent for path in results.glob(f"*/{layout.SPEC}"))
    return promised.bytes_of(record)


def main() -> int:
    """Count kills and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    folder = Path(tempfile.mkdtemp())
    at: Counter[str] = Counter()
    runs = equal = kills = 0
    with Nursery(folder / "cache") as lrbench:
        commands = {kind: ["run", *words, *LENGTH] for kind, words in KINDS.items()}
        golden = {}
        for kind, words in commands.items():
            ended = lrbench(*words, "--results", folder / kind)
            assert ended["code"] == 0, ended
            golden[kind] = bytes_of(folder / kind)
        while kills < asked.kills:
            kind = chance.choice(sorted(commands))
            words = [*commands[kind], "--results", folder / f"{kind}-{runs}"]
            for _ in range(chance.choice([1, 2, 3, 6])):
                if chance.random() < 0.7:
                    ended = lrbench(*words, kill=chance.randrange(1, 140))
                else:
                    ended = lrbench(*words, after_s=chance.uniform(0.2, 1.2))
                if ended["code"] != -9:
                    break
                kills += 1
                at[ended["at"] or "before any file"] += 1
            last = lrbench(*words)
            runs += 1
            if last["code"] == 0 and bytes_of(folder / f"{kind}-{runs - 1}") == golden[kind]:
                equal += 1
            else:
                print(f"{folder / f'{kind}-{runs - 1}'} differs: {last}")
    for operation, count in sorted(at.items()):
        print(f"{count:5}  {operation}")
    print(f"{kills} kills, {runs} runs, {equal} byte-identical (--seed {asked.seed})")
    if equal == runs:
        shutil.rmtree(folder)
    return int(equal != runs)


if __name__ == "__main__":
    raise SystemExit(main())
