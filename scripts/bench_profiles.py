"""What an update costs under each numeric profile, against the native one.

python scripts/bench_profiles.py [--rounds 9] [--steps 300]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.spec.profiles import VARIABLES, variables_of
from lrbench.workflows.isolated import isolated
from lrbench.workflows.probe import seconds_of
from lrbench.workflows.run import resolve_overrides

MODELS = ("mlp", "cnn", "resnet_small", "transformer_small")


def cost(payload: tuple[Resolved, int], report: Callable[[Any], None]) -> float:
    """Seconds of one update, in a worker with the profile's variables."""
    return seconds_of(*payload)[0]


def main() -> None:
    """Print a line a model: microseconds natively, and the ratios of the other profiles."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=300)
    asked = parser.parse_args()
    for model in MODELS:
        steps = asked.steps if model == "mlp" else asked.steps // 10
        words = [f"model={model}", f"train.steps={steps}"]
        runs = {name: resolve_overrides([*words, f"compute.profile={name}"]) for name in VARIABLES}
        rounds = [
            {
                name: isolated(
                    cost,
                    (run, steps),
                    variables_of(run.spec.compute),
                    name=model,
                    on_progress=lambda progress: None,
                )
                for name, run in runs.items()
            }
            for _ in range(asked.rounds)
        ]
        told = [f"{1e6 * statistics.median(one['native'] for one in rounds):.0f} us natively"]
        for name in list(VARIABLES)[1:]:
            ratios = [one[name] / one["native"] for one in rounds]
            low, middle, high = statistics.quantiles(ratios, n=4)
            told.append(f"{name} x{middle:.2f} ({low:.2f} to {high:.2f})")
        print(f"{model}: {', '.join(told)}")


if __name__ == "__main__":
    main()
