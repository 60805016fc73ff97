"""What can go wrong, as data: the text a user reads is made from it.

A :class:`Problem` states what must hold, what was given, where that came from and what to try. An
:class:`LrbenchError` carries one or more problems (all that were found at once) and the exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum


class ExitCode(IntEnum):
    """What the command says to the shell."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    DIFFERENCE = 3
    INTERRUPTED = 130


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"

    def __reduce__(self) -> str:
        # By its name: an error that has travelled from a worker still has this very one.
        return "NOTHING"


NOTHING = _Nothing()
"""Stands for "no value was given" where ``None`` would be a value."""

LONGEST = 300
"""Characters of what was typed that a message repeats."""

LONGEST_RELATION = 1500
"""Characters of what must hold: room for the names of all schedules, not for what was typed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Parameters
    ----------
    relation : str
        What must hold, as the rest of a sentence about ``key`` ("must be positive"), or a whole
        sentence where there is no key.
    key : str, optional
        The setting, dotted as the user types it.
    got : object
        What was given; left out of the text if it is :data:`NOTHING`.
    origin : str, optional
        The file or override the value came from.
    remedy : str, optional
        Something to type that works; one that begins with a dot (``.width=64``) is relative to the
        group the key belongs to.
    """

    relation: str
    key: str | None = None
    got: object = NOTHING
    origin: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        subject = f"{_brief(self.key)} " if self.key else ""
        given = "" if self.got is NOTHING else f", got {_show(self.got)}"
        relation = _brief(self.relation, LONGEST_RELATION)
        lines = [_clean(f"error: {subject}{relation}{given}")]
        if self.origin:
            lines.append(_clean(f"  from  {_brief(self.origin)}"))
        # A part of what is to be typed would be of no use.
        if self.remedy and len(self.remedy) <= LONGEST:
            lines.append(_clean(f"  try   {self.remedy.removeprefix('.')}"))
        return "\n".join(lines)


class LrbenchError(Exception):
    """Base of every error meant for a user; ``problems`` is the data, ``str()`` the text."""

    exit_code = ExitCode.RUN_FAILED

    def __init__(
        self,
        relation: str | Sequence[Problem],
        *,
        key: str | None = None,
        got: object = NOTHING,
        origin: str | None = None,
        remedy: str | None = None,
    ) -> None:
        if isinstance(relation, str):
            self.problems: tuple[Problem, ...] = (Problem(relation, key, got, origin, remedy),)
        else:
            self.problems = tuple(relation)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type[LrbenchError], tuple[tuple[Problem, ...]]]:
        # Errors travel from worker processes; they are rebuilt from their data.
        return type(self), (self.problems,)

    def under(
        self, prefix: str, origins: dict[str, str] | None = None, *, is_inside: bool = False
    ) -> LrbenchError:
        """The same error with every key below ``prefix`` and the origin that key has.

        Where ``prefix`` is itself a setting (``is_inside``, or it has a dot), remedies are told as
        part of the mapping that is its value.
        """
        inside = is_inside or "." in prefix
        return type(self)(
            [_place(problem, prefix, origins or {}, inside) for problem in self.problems]
        )


class ConfigError(LrbenchError):
    """A setting, an option or the command line itself is wrong. Nothing was written."""

    exit_code = ExitCode.USAGE


class ScheduleError(ConfigError):
    """An argument of a schedule is outside its interval."""


class TriggerError(ConfigError):
    """A setting of a trigger is outside its interval, or does not fit the run."""


class DataError(ConfigError):
    """A dataset file is missing, damaged or not what it says it is."""


class DeviceError(ConfigError):
    """The device or precision asked for is not to be had here."""


class RecordError(LrbenchError):
    """A record cannot be written, or what stands there is not a record."""


class DamageError(RecordError):
    """A record or a bundle is not as lrbench wrote it: it has changed, or others made it."""

    exit_code = ExitCode.DIFFERENCE


class PairingError(LrbenchError):
    """Runs that are held against each other seed by seed had not the same inputs."""

    exit_code = ExitCode.DIFFERENCE


class RunError(LrbenchError):
    """A run failed for a reason that is not its settings."""


def _place(problem: Problem, prefix: str, origins: dict[str, str], is_inside: bool) -> Problem:
    key = f"{prefix}.{problem.key}" if problem.key else prefix
    remedy = problem.remedy
    if remedy and remedy.startswith("."):
        leaf, _, value = remedy[1:].partition("=")
        remedy = f"{{name: …, {leaf}: {value}}} there" if is_inside else prefix + remedy
    origin = problem.origin or origin_of(key, origins)
    return replace(problem, key=key, remedy=remedy, origin=origin)


def origin_of(key: str, origins: dict[str, str]) -> str | None:
    """Where ``key``, or the nearest group above it, was set."""
    while key:
        if key in origins:
            return origins[key]
        key = key.rpartition(".")[0]
    return None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, if one is alike enough to be a typing error."""
    known = list(known)
    group, dot, leaf = word.rpartition(".")
    within = [name for name in known if dot and name.startswith(f"{group}.")]
    if within:
        # The group is right, so only the last part can be mistyped: the rest must not count.
        leaves = difflib.get_close_matches(leaf, [name[len(group) + 1 :] for name in within], n=1)
        return f"{group}.{leaves[0]}" if leaves else None
    by_leaf = [name for name in known if name.rpartition(".")[2] == leaf]
    matches = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return matches[0] if matches else (by_leaf[0] if len(by_leaf) == 1 else None)


def _show(value: object) -> str:
    try:
        return _brief(str(value) if isinstance(value, float | int) else repr(value))
    except ValueError:  # an integer of more digits than Python writes
        return "a very large number"


def _brief(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _clean(text: str) -> str:
    """One line, its control characters made visible: a message cannot drive the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
