"""One picture of the runs in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.errors import ConfigError, nearest
from lrbench.report.charts.curves import curves
from lrbench.report.charts.differences import differences
from lrbench.report.charts.layers import MOST, layers
from lrbench.report.charts.look import Look, cast
from lrbench.report.charts.picture import Picture
from lrbench.report.charts.seeds import seeds
from lrbench.report.charts.sensitivity import sensitivity
from lrbench.report.comparison.values import ArmResult, Comparison, Contender, Task
from lrbench.report.runs import Skipped
from lrbench.report.traces.layers import read_layers
from lrbench.report.traces.read import read_traces
from lrbench.workflows.contenders import contenders_in

KINDS = {
    "curves": "learning rate and loss over steps, with restarts",
    "lr-sensitivity": "the metric against the base learning rate",
    "differences": "paired differences to the baseline, with intervals",
    "seeds": "every seed of every arm",
    "layers": "gradients, updates and moments by layer around restarts",
}
"""What can be drawn, and what it shows."""


@dataclass(frozen=True)
class Plotted:
    """A picture, and what must be known besides it."""

    picture: Picture
    notices: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def plot(
    folder: Path,
    kind: str,
    *,
    metric: str = "val_loss",
    by: str = "schedule",
    baseline: str | None = None,
    margin: float | None = None,
    level: float = 0.95,
    task: str | None = None,
    arm: str | None = None,
    lr: float | None = None,
    each_seed: bool = False,
) -> Plotted:
    """Draw one picture of the finished runs in ``folder``.

    Parameters
    ----------
    folder : Path
        Results of runs and sweeps.
    kind : str
        One of :data:`KINDS`.
    metric, by, baseline, margin, level
        As for :func:`lrbench.workflows.compare.compare`.
    task : str, optional
        Which one, by its label; needed where there are several.
    arm : str, optional
        Whose layers: a contender's label. By default the first one with restarts.
    lr : float, optional
        Its learning rate (layers), or that which is drawn strongly (curves); by default the own
        best one of each.
    each_seed : bool
        Curves of single runs too.

    Raises
    ------
    ConfigError
        An option is wrong, or there is nothing of this kind to be drawn.
    """
    if kind not in KINDS:
        relation = f"must be one of {', '.join(KINDS)}"
        close = nearest(kind, KINDS)
        remedy = f"--kind {close}" if close else "--kind curves"
        raise ConfigError(relation, key="--kind", got=kind, remedy=remedy)
    found = contenders_in(
        folder, metric=metric, by=by, baseline=baseline, margin=margin, level=level
    )
    chosen = _task(found, task)
    looks = looks_of(found)
    skipped: tuple[Skipped, ...] = ()
    picture: Picture | None
    match kind:
        case "curves":
            _check_lr(chosen.contenders, lr)
            traces = read_traces(folder, chosen, metric, level)
            skipped = traces.skipped
            picture = curves(traces, looks, rate=lr, each_seed=each_seed)
        case "lr-sensitivity":
            if len({arm.lr for one in chosen.contenders for arm in one.arms}) < 2:
                relation = "must hold runs at two learning rates or more for this picture"
                remedy = "lrbench sweep optimizer.lr=0.03,0.1,0.3"
                raise ConfigError(relation, key=str(folder), remedy=remedy)
            picture = sensitivity(chosen, metric, looks, level=level)
        case "differences":
            picture = differences(chosen, metric, looks, level=level, margin=margin)
            if picture is None:
                relation = "must hold two arms to be compared for this picture"
                raise ConfigError(relation, key=str(folder), remedy="lrbench plot --kind seeds")
        case "seeds":
            picture = seeds(chosen, metric, looks, level=level)
        case _:
            picture, skipped = _layers(folder, chosen, arm, lr)
    return Plotted(picture, found.notices, (*found.skipped, *skipped))


def looks_of(found: Comparison) -> tuple[Look, ...]:
    """A look for each contender, the same in every task."""
    return cast(one.label for task in found.tasks for one in task.contenders)


def arm_at(contender: Contender, lr: float | None) -> ArmResult | None:
    """The arm at ``lr``, by default at the contender's own best learning rate."""
    if lr is None:
        return contender.own
    return next((arm for arm in contender.arms if arm.lr == lr), None)


def _layers(
    folder: Path, task: Task, arm: str | None, lr: float | None
) -> tuple[Picture, tuple[Skipped, ...]]:
    labels = [one.label for one in task.contenders]
    if arm is not None and arm not in labels:
        raise _unknown("--arm", arm, labels)
    _check_lr(task.contenders, lr)
    skipped: list[Skipped] = []
    for one in task.contenders:
        result = arm_at(one, lr)
        if result is None or arm not in (None, one.label):
            continue
        found, total, dropped = read_layers(folder, result.runs, MOST)
        skipped += dropped
        label = one.label if len(one.arms) == 1 else f"{one.label} lr={result.lr:g}"
        if picture := layers(found, label, total=total):
            return picture, tuple(skipped)
    whose = f" of {arm}" if arm else ""
    relation = f"must hold complete runs{whose} with restarts and their layers for this picture"
    raise ConfigError(relation, key=str(folder), remedy="lrbench restarts results")


def _task(found: Comparison, asked: str | None) -> Task:
    labels = [task.label for task in found.tasks]
    if asked is None and len(labels) == 1:
        return found.tasks[0]
    if labels == [""]:
        relation = "must not be given: there is one task"
        raise ConfigError(relation, key="--task", got=asked, remedy="leave it out")
    if asked is None or asked not in labels:
        raise _unknown("--task", asked, labels)
    return found.tasks[labels.index(asked)]


def _check_lr(contenders: Sequence[Contender], lr: float | None) -> None:
    rates = sorted({arm.lr for one in contenders for arm in one.arms})
    if lr is not None and lr not in rates:
        relation = f"must be a learning rate of these runs ({', '.join(f'{r:g}' for r in rates)})"
        raise ConfigError(relation, key="--lr", got=lr, remedy=f"--lr {rates[0]:g}")


def _unknown(key: str, got: str | None, known: Sequence[str]) -> ConfigError:
    close = nearest(got, known) if got else None
    shown = close or known[0]
    relation = f"must be one of {', '.join(map(repr, known))}"
    given = {"got": got} if got is not None else {}
    return ConfigError(relation, key=key, remedy=f"{key} {shown!r}", **given)
