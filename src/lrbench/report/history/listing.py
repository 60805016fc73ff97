"""Trials as lines of text: a row of facts each, below it what is to be told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lrbench.report.escapes import printable
from lrbench.report.history.trial import Trial
from lrbench.report.settings import label

GAP = "  "
INDENT = "    "
ABSENT = "-"

LEAST_ROOM = 12
"""Characters for settings beside the facts; with less they stand below them."""


def counted(trials: Sequence[Trial]) -> str:
    """How many, and what became of them: ``3 runs: 2 complete, 1 failed``."""
    counts = Counter(trial.status for trial in trials)
    told = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"{len(trials)} run{'' if len(trials) == 1 else 's'}{f': {told}' if told else ''}"


def lines(
    trials: Sequence[Trial],
    differing: Sequence[str],
    flags: Mapping[str, Sequence[str]],
    width: int,
) -> Iterator[str]:
    """A heading, and of each trial its row and its narrative, in ``width`` characters.

    Parameters
    ----------
    differing : sequence of str
        The settings that are shown.
    flags : mapping
        Codes by the names of runs.
    width : int in [60, inf)
    """
    if not trials:
        return
    labels = _labels(trials, differing)
    rows = [(*_facts(trial), labels[trial.arm]) for trial in trials]
    heads = ("started (UTC)", "run", "status", "seed", "val_loss", "accuracy", "settings")
    # A regression has no accuracy.
    shown = [i for i in range(6) if i != 5 or any(row[5] != ABSENT for row in rows)]
    widths = [max(len(heads[i]), *(len(row[i]) for row in rows)) for i in shown]
    room = width - sum(widths) - len(GAP) * len(widths)
    longest = max(map(len, labels.values()))
    is_beside = longest <= max(room, 0) or (room >= 3 * LEAST_ROOM)
    is_right = [heads[i] in ("seed", "val_loss", "accuracy") for i in shown]
    template = GAP.join(
        f"{{{i}:{'>' if right else '<'}{w}}}"
        for i, right, w in zip(shown, is_right, widths, strict=True)
    )
    if is_beside and longest:
        template += GAP + "{6}"
    yield template.format(*heads).rstrip()[:width]
    for trial, row in zip(trials, rows, strict=True):
        if is_beside and len(row[6]) <= room:
            yield template.format(*row).rstrip()
        else:
            yield template.format(*row[:6], "").rstrip()
            yield from _wrapped(row[6], width)
        yield from _wrapped(narrative(trial, flags.get(trial.run, ())), width)


def narrative(trial: Trial, flags: Sequence[str] = ()) -> str:
    """What happened and what was said of it, in one line; empty where there is nothing to tell."""
    parts = []
    if trial.tags:
        parts.append(f"[{' '.join(trial.tags)}]")
    if flags:
        parts.append(f"flags: {' '.join(map(printable, flags))}.")
    if trial.diverged_at is not None:
        parts.append(f"Diverged at update {trial.diverged_at}.")
    elif trial.reason:
        parts.append(f"{trial.status.capitalize()}: {printable(' '.join(trial.reason.split()))}.")
    if trial.attempts > 1:
        parts.append(f"{trial.attempts} attempts.")
    if trial.story:
        parts.append(f"{trial.story}.")
    if trial.note:
        parts.append(f'Note: "{_line(trial.note)}".')
    parts += [f'{note.written[:10]}: "{_line(note.text)}".' for note in trial.notes if note.text]
    if trial.remarks:
        parts.append(f"Damaged: {printable('; '.join(trial.remarks))}.")
    return " ".join(parts)


def _facts(trial: Trial) -> tuple[str, ...]:
    return (
        (trial.started or ABSENT)[:16].replace("T", " "),
        printable(trial.run.rpartition("-")[2]),
        trial.status,
        ABSENT if trial.seed is None else str(trial.seed),
        _number(trial.val_loss),
        _number(trial.val_accuracy),
    )


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4g}"


def _labels(trials: Sequence[Trial], differing: Sequence[str]) -> dict[str, str]:
    """The settings of each arm that are shown, in one line."""
    arms = {trial.arm: trial.settings for trial in trials}
    return {
        arm: label({key: settings.get(key) for key in differing}) if settings else ""
        for arm, settings in arms.items()
    }


def _line(text: str) -> str:
    return printable(" ".join(text.split()))


def _wrapped(text: str, width: int) -> Iterator[str]:
    """A paragraph, set in. The standard library's takes seconds for thousands of them."""
    room = width - len(INDENT)
    while len(text) > room:
        # A word that is too long for a line is left whole.
        cut = text.rfind(" ", 0, room + 1)
        cut = text.find(" ", room) if cut <= 0 else cut
        if cut < 0:
            break
        yield INDENT + text[:cut]
        text = text[cut + 1 :]
    if text:
        yield INDENT + text
