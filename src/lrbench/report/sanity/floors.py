"""Figures better than the data allow, and gains in training that validation takes back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lrbench.report.numbers import significant
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.study import Arm, Study, Task
from lrbench.stats.aggregate import Estimate, describe
from lrbench.stats.paired import paired
from lrbench.stats.power import LEVEL

CEILINGS: Final = {"digits": 0.995}
"""Validation accuracy that no model gets beyond by learning: what is left is unreadable."""

CLASSES: Final = {
    "digits": 10,
    "mnist": 10,
    "fashion_mnist": 10,
    "wine": 3,
    "breast_cancer": 2,
    "two_spirals": 2,
}


def noise_entropy(noise: float, classes: int) -> float:
    """The least mean cross-entropy on labels of which a share was drawn anew, in nats.

    Parameters
    ----------
    noise : float in [0, 1]
        Share of the labels that are replaced by another class, every one equally likely.
    classes : int in [2, inf)

    Examples
    --------
    >>> noise_entropy(0.0, 10), round(noise_entropy(0.15, 10), 4), round(noise_entropy(0.9, 10), 4)
    (0.0, 0.7523, 2.3026)
    """
    parts = [1 - noise] + [noise / (classes - 1)] * (classes - 1)
    return -sum(part * math.log(part) for part in parts if part > 0) + 0.0


def of_floors(study: Study) -> Iterator[Flag]:
    """Metrics beyond what can be known, and memorised labels."""
    for arm in study.arms:
        yield from _impossible(arm)
    for task in study.tasks:
        yield from _beyond_ceiling(task)
        yield from _memorised_noise(task)
        yield from _opposite(task)


def _impossible(arm: Arm) -> Iterator[Flag]:
    """A cross-entropy below 0, an accuracy outside of 0 … 1."""
    for run in arm.runs:
        losses, accuracies = run.looks["val_loss"], run.looks["val_accuracy"]
        for step, loss, accuracy in zip(run.looks["step"], losses, accuracies, strict=True):
            if accuracy is None:  # no classification
                continue
            is_below = loss is not None and loss < 0
            if is_below or not 0 <= accuracy <= 1:
                what = f"val_loss {loss!r}" if is_below else f"val_accuracy {accuracy!r}"
                yield Flag(
                    "below-floor",
                    True,
                    f"{run.run} has {what} at step {step:.0f}, which no classifier can have",
                    {"step": step, "val_loss": loss, "val_accuracy": accuracy},
                    (run.run,),
                )
                break


def _beyond_ceiling(task: Task) -> Iterator[Flag]:
    for arm in task.arms:
        dataset = arm.runs[0].spec["dataset"]
        ceiling = CEILINGS.get(dataset["name"]) if dataset["target"] is None else None
        known = [v for v in arm.finals("val_accuracy").values() if v is not None]
        found = describe(known)
        # A few hundred samples are sometimes all right by luck: it must be so of the mean.
        if ceiling is not None and found.low is not None and found.low > ceiling:
            assert found.mean is not None
            yield Flag(
                "below-floor",
                False,
                f"{arm.name} classifies {100 * found.mean:.2f} % of the validation samples of "
                f"{dataset['name']} correctly, surely more than {100 * ceiling:g} %, above which "
                f"labels are guesswork ({found.n} seeds): has it seen them in training?",
                {"val_accuracy": found.mean, "low": found.low, "ceiling": ceiling, "n": found.n},
                arm.ids,
            )


def _memorised_noise(task: Task) -> Iterator[Flag]:
    """Training losses below the entropy of the noise in the labels they are computed with."""
    found: list[tuple[Arm, Estimate]] = []
    floor = noise = 0.0
    for arm in task.arms:
        dataset: Mapping[str, Any] = arm.runs[0].spec["dataset"]
        noise, classes = _noise_of(dataset), CLASSES.get(dataset["name"])
        if not noise or classes is None or dataset["target"] is not None:
            return
        floor = noise_entropy(noise, classes)
        losses = describe(v for run in arm.runs if (v := run.final_train_loss) is not None)
        if losses.mean is not None and losses.mean < floor:
            found.append((arm, losses))
    if found:
        arm, lowest = min(found, key=lambda pair: pair[1].mean or 0.0)
        yield Flag(
            "memorised-noise",
            False,
            f"{len(found)} of {len(task.arms)} arms on {task.name} end with a training loss below "
            f"{significant(floor)}, the entropy of {100 * noise:g} % label noise (lowest "
            f"{significant(lowest.mean)}, {arm.name}): they have learned wrong labels by heart, so "
            "training loss does not rank them",
            {"floor": floor, "label_noise": noise, "lowest_train_loss": lowest.mean},
            tuple(run for one, _ in found for run in one.ids),
        )


def _noise_of(dataset: Mapping[str, Any]) -> float:
    noise = dataset["params"].get("label_noise", 0.0)
    return float(noise) if isinstance(noise, int | float) and 0 < noise < 1 else 0.0


def _opposite(task: Task) -> Iterator[Flag]:
    """A significant gain in training loss together with a significant loss in validation."""
    base = task.baseline or (task.contenders[-1] if len(task.contenders) > 1 else None)
    if base is None:
        return
    theirs = {run.seed: run for run in base.best.runs}
    for contender in task.contenders:
        runs = [run for run in contender.best.runs if run.seed in theirs]
        if contender is base or len(runs) < 2:
            continue
        train = paired(
            [theirs[run.seed].final_train_loss for run in runs],
            [run.final_train_loss for run in runs],
        )
        held_out = paired([theirs[run.seed].final() for run in runs], [run.final() for run in runs])
        if (
            train.judgement == "helped"
            and held_out.judgement == "hurt"
            and train.mean is not None
            and held_out.mean is not None
        ):
            yield Flag(
                "memorisation",
                False,
                f"{contender.best.name} has a training loss {significant(train.mean)} lower than "
                f"{base.best.name} and a validation loss {significant(-held_out.mean)} higher "
                f"(both {100 * LEVEL:.0f} % sure, {len(runs)} seeds): it memorises",
                {
                    "train_loss_gain": train.mean,
                    "val_loss_gain": held_out.mean,
                    "n": len(runs),
                },
                (*contender.best.ids, *base.best.ids),
            )
