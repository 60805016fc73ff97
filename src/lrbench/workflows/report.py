"""Everything that is known of a folder of results, as one document."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from lrbench.errors import LrbenchError, PairingError, RecordError
from lrbench.record import layout
from lrbench.record.memory import remembering
from lrbench.record.plans import read_plan
from lrbench.record.reader import UNREADABLE, Status, read_json, read_record
from lrbench.report.charts.curves import curves
from lrbench.report.charts.differences import differences
from lrbench.report.charts.layers import MOST, layers
from lrbench.report.charts.picture import Picture, drawing_many
from lrbench.report.charts.seeds import seeds
from lrbench.report.charts.sensitivity import sensitivity
from lrbench.report.comparison.values import Comparison, Task
from lrbench.report.document.blocks import Block, Document
from lrbench.report.escapes import printable
from lrbench.report.remarks import read_remarks
from lrbench.report.runs import read_runs
from lrbench.report.sections.answer import answer
from lrbench.report.sections.comparisons import comparisons
from lrbench.report.sections.doubts import flags, limitations
from lrbench.report.sections.facts import Facts, Origins
from lrbench.report.sections.origin import again, environment
from lrbench.report.sections.question import equal, question
from lrbench.report.sections.remarks import remarks
from lrbench.report.sections.restarts import restarts as told_restarts
from lrbench.report.sections.results import outcomes, results
from lrbench.report.traces.layers import has_layers, read_layers
from lrbench.report.traces.places import place_of
from lrbench.report.traces.read import read_traces
from lrbench.workflows.check import check
from lrbench.workflows.contenders import contenders_in, described_in
from lrbench.workflows.plot import looks_of
from lrbench.workflows.restarts import restarts
from lrbench.workflows.summarize import summarize

SECTIONS = (
    question,
    equal,
    results,
    comparisons,
    told_restarts,
    flags,
    outcomes,
    limitations,
    remarks,
    environment,
    again,
)
"""In the order in which they are read, after the answer."""

MOST_LAYERS = 3
"""Contenders whose layers are drawn; of the others there is ``lrbench plot``."""


@dataclass(frozen=True)
class Report:
    """What ``lrbench report`` writes.

    Parameters
    ----------
    document : Document
    is_serious : bool
        A serious flag stands, or runs of one seed had not the same inputs.
    has_corrupt : bool
        Something in the folder is damaged.
    """

    document: Document
    is_serious: bool
    has_corrupt: bool


def report(
    folder: Path,
    *,
    metric: str = "val_loss",
    by: str = "schedule",
    baseline: str | None = None,
    margin: float | None = None,
    tune_seeds: int = 0,
    level: float = 0.95,
) -> Report:
    """Gather what is known of the runs in ``folder``, and put it in words, tables and pictures.

    Parameters
    ----------
    folder : Path
        Results of runs and sweeps, or one record.
    metric, by, baseline, margin, tune_seeds, level
        As for :func:`lrbench.workflows.compare.compare`.

    Raises
    ------
    ConfigError
        An option is wrong, or no run in ``folder`` is finished. Damaged records do not raise.
    """
    facts = gather(
        folder,
        metric=metric,
        by=by,
        baseline=baseline,
        margin=margin,
        tune_seeds=tune_seeds,
        level=level,
    )
    blocks: list[Block] = [*answer(facts), *chain.from_iterable(part(facts) for part in SECTIONS)]
    return Report(
        Document(f"Report on {facts.name}", blocks, facts.looks),
        is_serious=bool(facts.refusal) or any(flag.is_serious for flag in facts.flags),
        has_corrupt=any(one.status == Status.CORRUPT for one in facts.skipped),
    )


def gather(folder: Path, *, metric: str, by: str, level: float, **asked: Any) -> Facts:
    """The facts a report is made from; see :func:`report`."""
    with remembering():
        return _gathered(folder, metric=metric, by=by, level=level, **asked)


def _gathered(folder: Path, *, metric: str, by: str, level: float, **asked: Any) -> Facts:
    refusal = ""
    try:
        comparison = contenders_in(folder, metric=metric, by=by, level=level, **asked)
    except PairingError as error:
        refusal = printable("; ".join(problem.relation for problem in error.problems))
        comparison = described_in(folder, metric, level)
    summary = summarize(folder, metric=metric, level=level, with_flags=False)
    checked = check(folder)
    told = restarts(folder)
    looks = looks_of(comparison)
    facts = Facts(
        name=printable(folder.resolve().name),
        path=printable(str(folder)),
        metrics=summary.metrics,
        level=level,
        arms=summary.arms,
        equal=summary.equal,
        comparison=comparison,
        refusal=refusal,
        ledgers=told.arms,
        controls=tuple(map(printable, _controls(folder))),
        associations=told.associations,
        flags=checked.flags,
        flag_notices=checked.notices,
        notices=tuple(dict.fromkeys((*summary.notices, *comparison.notices))),
        skipped=summary.skipped,
        origins=_origins(folder, comparison),
        remarks=read_remarks(folder, (row["run"] for row in read_runs(folder)[0])),
        looks=looks,
        curves={},
        sensitivities={},
        differences={},
        seeds={},
        layers={},
        layered={},
    )
    with drawing_many():
        return _pictured(facts, folder)


def _controls(folder: Path) -> Iterator[str]:
    """What the twins in ``folder`` say of restarts, in sentences."""
    twins = folder / layout.TWINS
    if not twins.is_dir():
        return
    # Only here, because twins are planned with the models that would be trained.
    from lrbench.workflows.recorded import find_runs
    from lrbench.workflows.twin import plan_twins
    from lrbench.workflows.twin_results import twin_results
    from lrbench.workflows.twin_text import told

    records = [read_record(path) for path in find_runs(twins)]
    forks = [record.spec.get("fork") for record in records if record.spec]
    for number in sorted({fork["restart"] for fork in forks if fork}):
        try:
            plan = plan_twins(folder, restart=number)
            for result in twin_results(plan):
                yield from told(result)
        except LrbenchError as error:
            reason = "; ".join(dict.fromkeys(problem.relation for problem in error.problems))
            yield f"restart {number} has twins that could not be read here ({reason})"


def _pictured(facts: Facts, folder: Path) -> Facts:
    """With the pictures of every task; their names are those of their places on the page."""
    found: dict[str, dict[str, Any]] = {
        name: {}
        for name in ("curves", "sensitivities", "differences", "seeds", "layers", "layered")
    }
    comparison = facts.comparison
    settings: dict[str, Any] = {
        "metric": comparison.metric,
        "looks": facts.looks,
        "level": facts.level,
    }
    for place, task in enumerate(comparison.tasks):
        traces = read_traces(folder, task, comparison.metric, facts.level)
        pictures: dict[str, Picture | None] = {
            "curves": curves(traces, facts.looks),
            "seeds": seeds(task, **settings),
            "differences": differences(task, **settings, margin=comparison.margin),
            "sensitivities": sensitivity(task, **settings) if _has_rates(task) else None,
        }
        for name, picture in pictures.items():
            if picture:
                found[name][task.label] = _placed(picture, place, task)
        found["layers"][task.label] = tuple(
            _placed(replace(picture, name=f"layers-{number}"), place, task)
            for number, picture in enumerate(_layers(folder, task))
        )
        found["layered"][task.label] = sum(
            has_layers(folder, one.own.runs) for one in task.contenders
        )
    pictures_of: dict[str, Any] = found
    return replace(facts, **pictures_of)


def _layers(folder: Path, task: Task) -> Iterator[Picture]:
    drawn = 0
    for one in task.contenders:
        if drawn == MOST_LAYERS:
            return
        read, total, _ = read_layers(folder, one.own.runs, MOST)
        label = one.label if len(one.arms) == 1 else f"{one.label} lr={one.own.lr:g}"
        if picture := layers(read, label, total=total):
            drawn += 1
            yield picture


def _placed(picture: Picture, place: int, task: Task) -> Picture:
    title = f"{picture.title}: {task.label}" if task.label else picture.title
    return replace(picture, name=f"{picture.name}-{place}", title=title)


def _has_rates(task: Task) -> bool:
    return len({arm.lr for one in task.contenders for arm in one.arms}) > 1


def _origins(folder: Path, comparison: Comparison) -> Origins:
    of_run = [
        run
        for task in comparison.tasks
        for one in task.contenders
        for arm in one.arms
        for run in arm.runs
    ]
    environments: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    times: list[str] = []
    for run in of_run:
        record = read_record(place_of(folder, run))
        try:
            attempts = record.attempts()
            manifest = read_json(record.path / layout.MANIFEST)
        except UNREADABLE:
            continue
        if attempts:
            environments[_environment(attempts[-1].get("environment") or {})] += 1
        if note := manifest.get("note"):
            notes[str(note)] += 1
        times += [str(one[key]) for one in attempts for key in ("started", "ended") if key in one]
    planned, commands = _plans(folder)
    return Origins(
        environments=environments,
        notes=notes,
        began=_minute(min(times, default="")),
        ended=_minute(max(times, default="")),
        commands=tuple(commands),
        unplanned=sum(run.rpartition("-")[2] not in planned for run in of_run),
    )


def _environment(facts: Mapping[str, Any]) -> str:
    packages = facts.get("packages") or {}
    lrbench, cpu, git = (facts.get(key) or {} for key in ("lrbench", "cpu", "git"))
    parts = [
        f"lrbench {lrbench.get('version', '?')} (source {str(lrbench.get('source_sha256'))[:12]})",
        f"Python {facts.get('python', '?')}",
        *(f"{name} {packages[name]}" for name in ("torch", "numpy") if name in packages),
        str(facts.get("os", "")),
        str(cpu.get("model_name", "")),
    ]
    if git.get("commit"):
        dirty = ", with changes" if git.get("dirty") else ""
        parts.append(f"commit {str(git['commit'])[:12]}{dirty}")
    return ", ".join(part for part in parts if part)


def _plans(folder: Path) -> tuple[set[str], list[str]]:
    """The runs that sweeps planned, by the start of their digests, and what was typed for them."""
    planned: set[str] = set()
    commands: list[str] = []
    for path in sorted((folder / layout.SWEEPS).glob("*.json")):
        try:
            plan = read_plan(path)
            overrides = [[str(one) for one in arm["overrides"]] for arm in plan.content["arms"]]
        except (RecordError, LookupError, TypeError):
            continue
        planned |= {run[:8] for run in plan.runs}
        numbers = ",".join(map(str, plan.content["seeds"]))
        listed = numbers if "," in numbers else f"{numbers},"
        commands += [
            printable(shlex.join(["lrbench", "sweep", *words, "--seeds", listed]))
            for words in joined(overrides)
        ]
    return planned, commands


def joined(arms: Sequence[Sequence[str]]) -> list[list[str]]:
    """The arms of a sweep as one command where they are a product of values, else one each.

    Examples
    --------
    >>> joined([["a=1", "b=3"], ["a=1", "b=4"], ["a=2", "b=3"], ["a=2", "b=4"]])
    [['a=1,2', 'b=3,4']]
    >>> joined([["a=1", "b=3"], ["a=2", "b=4"]])
    [['a=1', 'b=3'], ['a=2', 'b=4']]
    """
    keys = {tuple(word.partition("=")[0] for word in words) for words in arms}
    if len(keys) != 1 or any("," in word for words in arms for word in words):
        return [list(words) for words in arms]
    (names,) = keys
    values = [
        list(dict.fromkeys(words[k].partition("=")[2] for words in arms)) for k in range(len(names))
    ]
    product = 1
    for some in values:
        product *= len(some)
    different = {tuple(words) for words in arms}
    if product != len(different):
        return [list(words) for words in arms]
    return [[f"{name}={','.join(some)}" for name, some in zip(names, values, strict=True)]]


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
