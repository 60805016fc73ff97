"""The notebook as Markdown; whatever a record says stands there as itself and does nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrbench.report.escapes import markdown
from lrbench.report.history.listing import counted
from lrbench.report.history.trial import Trial
from lrbench.report.notebook.chapters import METRICS, Chapter
from lrbench.report.notices import ranges, some
from lrbench.report.restarts.measures import number
from lrbench.report.settings import show
from lrbench.report.tables import columns, to_markdown

NAMED = (
    "dataset",
    "model",
    "optimizer",
    "optimizer.lr",
    "schedule",
    "restart",
    "trigger",
    "train.steps",
    "train.batch_size",
    "compute.engine",
)
"""The settings that are named where all runs have the same; the others are counted."""

COLUMNS = ("diverged", "div", "fail", "unfin", "n", "mean", "mean of n", "sd", "best mean")
"""Of a table of results, besides its labels and the interval."""


def write(
    folder: str,
    trials: Sequence[Trial],
    chapters: Sequence[Chapter],
    flags: Mapping[str, Sequence[str]],
    notices: Sequence[str],
    level: float,
) -> str:
    """The whole notebook.

    Parameters
    ----------
    folder : str
        As typed.
    flags : mapping
        Codes by the names of runs.
    notices : sequence of str
        What must be known besides.
    level : float in (0, 1)
        Coverage of the intervals.
    """
    lines = [
        f"# Lab notebook of {markdown(folder)}",
        "",
        f"{counted(trials)}. In the order they were begun; times are UTC. Made by `lrbench log` "
        "from the records alone.",
        *(line for one in notices for line in ("", f"> {markdown(one)}")),
    ]
    for chapter in chapters:
        lines += ["", *_chapter(chapter, flags, level)]
    pairs = zip(lines, ["", *lines[:-1]], strict=True)
    return "\n".join(line for line, before in pairs if line or before) + "\n"


def _chapter(chapter: Chapter, flags: Mapping[str, Sequence[str]], level: float) -> Iterator[str]:
    kind = "sweep" if chapter.is_sweep else "run"
    yield f"## {_minute(chapter.began)}: {kind} {markdown(chapter.name)}"
    yield ""
    yield f"- **When:** {_when(chapter)}"
    if chapter.typed:
        typed = list(dict.fromkeys(one or "(defaults)" for one in chapter.typed))
        yield f"- **Typed, an arm each:** {some([f'`{_code(one)}`' for one in typed], '; ')}"
    if chapter.differing:
        yield f"- **Differs:** {'; '.join(_values(chapter))}"
    yield f"- **{'Held equal' if chapter.is_sweep else 'Settings'}:** {_equal(chapter)}"
    if seeds := sorted({t.seed for t in chapter.trials if t.seed is not None}):
        yield f"- **Seeds:** {ranges(seeds).partition(' ')[2]}"
    yield f"- **Outcome:** {_outcome(chapter)}"
    for metric in METRICS if chapter.is_sweep else ():
        if any(arm.estimates[f"final_{metric}"].n for arm in chapter.arms):
            yield from _table(chapter, metric, level)
    for name, told in chapter.restarts.items():
        yield f"- **Restarts** of {markdown(name)}: {markdown(told)}."
    yield from _said(chapter.trials)
    yield from _flagged(chapter.trials, flags)
    yield from _damage(chapter.trials)
    for one in chapter.versions:
        yield f"- **Made with** {markdown(one)}"


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else "at an unknown time"


def _when(chapter: Chapter) -> str:
    told = f"{_minute(chapter.began)} to {_minute(chapter.ended)}"
    if chapter.seconds:
        together = " in its runs together" if chapter.is_sweep else ""
        told += f", {chapter.seconds:.1f} s of wall clock{together}"
    if chapter.is_sweep:
        told += f"; {chapter.planned} runs planned, {len(chapter.trials)} with a record"
    if chapter.earlier:
        told += f", {chapter.earlier} of them from before"
    return told


def _values(chapter: Chapter) -> Iterator[str]:
    arms = {trial.arm: trial.settings for trial in chapter.trials if trial.arm}
    for key in chapter.differing:
        values = dict.fromkeys(show(key, settings.get(key)) for settings in arms.values())
        yield f"{markdown(key)} ({some([markdown(value) for value in values], ', ')})"


def _equal(chapter: Chapter) -> str:
    named = [key for key in NAMED if key in chapter.equal]
    told = " ".join(f"{markdown(key)}={markdown(show(key, chapter.equal[key]))}" for key in named)
    others = len(chapter.equal) - len(named)
    return f"{told} ({others} more in `spec.json`)" if told else f"{others} settings"


def _outcome(chapter: Chapter) -> str:
    if not chapter.is_sweep:
        (trial,) = chapter.trials
        return ", ".join([trial.status, *_figures(trial), *filter(None, [markdown(_end(trial))])])
    counts = Counter(trial.status for trial in chapter.trials)
    counts["not started"] = chapter.planned - len(chapter.trials)
    told = [f"{count} {status}" for status, count in counts.items() if count]
    ends = [
        f"`{_code(trial.run)}` {markdown(_end(trial))}" for trial in chapter.trials if _end(trial)
    ]
    return ", ".join(told) + (f" ({some(ends, '; ')})" if ends else "")


def _figures(trial: Trial) -> Iterator[str]:
    """Of one run: there is no interval."""
    for metric in METRICS:
        value, best = getattr(trial, metric), getattr(trial, f"best_{metric}")
        if value is not None:
            yield f"{markdown(metric)} {number(value)} (best {number(best)})"


def _end(trial: Trial) -> str:
    if trial.diverged_at is not None:
        return f"at update {trial.diverged_at}"
    return " ".join(trial.reason.split())


def _table(chapter: Chapter, metric: str, level: float) -> Iterator[str]:
    chosen = columns(chapter.arms, metric, level, has_target=False)
    shown = [
        column
        for column in chosen
        if column.is_label or column.header in COLUMNS or column.header.endswith("% interval")
    ]
    yield ""
    alone = max(arm.n for arm in chapter.arms) < 2
    why = "of one run an arm, which has no interval" if alone else "over seeds"
    yield f"{markdown(metric)} at the last evaluation, {why}:"
    yield ""
    yield to_markdown(shown)
    yield ""


def _said(trials: Sequence[Trial]) -> Iterator[str]:
    tags: dict[str, list[str]] = {}
    begun: dict[str, list[str]] = {}
    for trial in trials:
        for tag in trial.tags:
            tags.setdefault(tag, []).append(trial.run)
        if trial.note:
            begun.setdefault(trial.note, []).append(trial.run)
    if tags:
        told = [f"{markdown(tag)}{_whose(runs, trials)}" for tag, runs in tags.items()]
        yield f"- **Tags:** {', '.join(told)}"
    for text, runs in begun.items():
        yield f"- **Note from the start**{_whose(runs, trials)}: {_text(text)}"
    later = sorted(
        ((note.written, trial.run, note.text) for trial in trials for note in trial.notes),
        key=lambda one: one[0],
    )
    for written, run, text in later:
        if text:
            of = f" on `{_code(run)}`" if len(trials) > 1 else ""
            yield f"- **Note of {markdown(_minute(written))}**{of}: {_text(text)}"


def _whose(runs: Sequence[str], trials: Sequence[Trial]) -> str:
    return "" if len(runs) == len(trials) else f" ({len(runs)} of {len(trials)} runs)"


def _flagged(trials: Sequence[Trial], flags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for trial in trials:
        for code in flags.get(trial.run, ()):
            found.setdefault(code, []).append(trial.run)
    if found:
        told = [f"{markdown(code)}{_whose(runs, trials)}" for code, runs in found.items()]
        yield f"- **Flags:** {', '.join(told)}"


def _damage(trials: Sequence[Trial]) -> Iterator[str]:
    damaged = [f"{trial.run}: {'; '.join(trial.remarks)}" for trial in trials if trial.remarks]
    if damaged:
        yield f"- **Damaged besides:** {some([markdown(one) for one in damaged], '; ')}"


def _text(text: str) -> str:
    """A remark in one line; the ends of its own are told as strokes."""
    return " / ".join(markdown(line.strip()) for line in text.splitlines() if line.strip())


def _code(text: Any) -> str:
    """Text between backticks, which it cannot end; nothing else means anything there."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
    return shown.replace("`", "'")
