"""The published table of eleven schedules on noisy digits beside what was measured here.

``noisy_digits.py DIR`` reads the results of ``lrbench sweep --preset noisy-digits --results DIR``
and prints, schedule by schedule, the validation loss at the best learning rate beside the reference
(mean and standard deviation over 16 seeds), how far apart they are in standard errors of the
difference, and whether the order of the means agrees. Exit code 3: a schedule is further than 3
standard errors from its reference, or two schedules that the reference tells apart by 3 of them
have changed places.
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path

from lrbench.report.frames import STATISTICS
from lrbench.workflows.summarize import summarize

FARTHEST = 3.0
SEEDS = 16

REFERENCE = {
    "wsd 1-sqrt": (0.12, 0.2551, 0.0084),
    "knee": (0.12, 0.2557, 0.0086),
    "wsd linear": (0.12, 0.2605, 0.0155),
    "rex": (0.12, 0.2627, 0.0084),
    "cosine": (0.12, 0.2670, 0.0086),
    "sgdr x2": (0.12, 0.2685, 0.0086),
    "multistep": (0.12, 0.2686, 0.0085),
    "linear": (0.12, 0.2692, 0.0093),
    "sgdr x1": (0.12, 0.2724, 0.0160),
    "inverse_sqrt": (0.12, 0.2986, 0.0168),
    "constant": (0.03, 0.3250, 0.0211),
}
"""Best learning rate, mean and standard deviation of the loss on 797 held-out samples."""


def measured(folder: Path) -> dict[str, tuple[float, float, float, int]]:
    """By schedule: best learning rate, mean, standard deviation, seeds."""
    assert "final_val_loss" in STATISTICS
    found: dict[str, tuple[float, float, float, int]] = {}
    for arm in summarize(folder).arms:  # the best mean first
        settings, estimate = arm.settings, arm.estimates["final_val_loss"]
        name = str(settings["schedule"])
        if name == "wsd":
            name = f"wsd {settings['schedule.shape']}"
        elif name == "sgdr":
            name = f"sgdr x{settings['schedule.cycle_mult']:g}"
        if estimate.mean is not None and estimate.sd is not None and not arm.diverged:
            row = (float(settings["optimizer.lr"]), estimate.mean, estimate.sd, estimate.n)
            found.setdefault(name, row)
    return found


def main(folder: Path) -> int:
    """Print the table; 0 if it is reproduced."""
    found = measured(folder)
    print(f"{'schedule':<13}{'lr':>6}{'measured':>20}{'lr':>7}{'reference':>19}{'z':>7}")
    wrong = []
    for name, (ref_lr, ref_mean, ref_sd) in REFERENCE.items():
        if name not in found:
            print(f"{name:<13} missing")
            wrong.append(name)
            continue
        lr, mean, sd, n = found[name]
        z = (mean - ref_mean) / (sd**2 / n + ref_sd**2 / SEEDS) ** 0.5
        print(
            f"{name:<13}{lr:>6g}{mean:>11.4f} ± {sd:.4f}{ref_lr:>7g}"
            f"{ref_mean:>10.4f} ± {ref_sd:.4f}{z:>+7.1f}"
        )
        if abs(z) > FARTHEST:
            wrong.append(name)
    swapped, resolved, close = [], 0, 0
    there = [name for name in REFERENCE if name in found]
    for a, b in combinations(there, 2):
        (_, mean_a, sd_a), (_, mean_b, sd_b) = REFERENCE[a], REFERENCE[b]
        distance = (mean_b - mean_a) / ((sd_a**2 + sd_b**2) / SEEDS) ** 0.5
        is_swapped = found[a][1] > found[b][1]
        if distance > FARTHEST:
            resolved += 1
            if is_swapped:
                swapped.append((a, b))
        else:
            close += is_swapped
    print(f"order: {resolved - len(swapped)} of {resolved} pairs that the reference tells apart")
    print(f"       agree, and {close} of the pairs that it does not have changed places")
    for a, b in swapped:
        print(f"       changed places: {a} and {b}")
    return 3 if wrong or swapped else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
