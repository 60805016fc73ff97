"""What the docstring of a schedule says, in parts.

The docstring is the only place where a schedule is described; lists and pages are made from it.
Lengths are named as in a configuration: ``decay_steps`` is written ``decay``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import SHARED, Parameter, ScheduleEntry
from lrbench.schedules.compose import warmup

_CHOICES = re.compile(r"\{(.*)\}")
_DEFAULT = re.compile(r", (?:optional|default .+)$")
_SYMBOL = re.compile(r"\b[Tt]he paper's (\w+)")
_IS = re.compile(r"(\w+) is ``(\w+)``")
_ARE = re.compile(r"(\w+) and (\w+) are ``(\w+)`` and ``(\w+)``")


@dataclass(frozen=True)
class Field:
    """One entry of a docstring's parameters, as it is written there.

    Parameters
    ----------
    kind : str
        ``float``, ``int``, ``sequence of int``, …; ``choice`` of the words in ``range``.
    range : str
        ``[0, 1]``; empty where there is none.
    meaning : str
        Empty where the docstring leaves it to the name.
    """

    kind: str
    range: str
    meaning: str


@dataclass(frozen=True)
class Docstring:
    """A docstring in the numpy style, its marks for code kept; paragraphs are single lines."""

    summary: str
    body: tuple[str, ...]
    parameters: Mapping[str, Field]
    sections: Mapping[str, str]


@dataclass(frozen=True)
class Setting:
    """One setting of a schedule.

    Parameters
    ----------
    name, keyword : str
        In a configuration, and in the builder's signature.
    kind, range, meaning : str
        As in :class:`Field`; a length is of kind ``length``, several are ``list of lengths``.
    default : object
        The builder's own; None where it has none.
    symbol : str
        What papers call it; empty where they have no other name, or none is told.
    is_shared : bool
        Whether it belongs to the warmup that stands before nearly every schedule.
    """

    name: str
    keyword: str
    kind: str
    range: str
    meaning: str
    default: Any
    symbol: str
    is_shared: bool


@dataclass(frozen=True)
class Documentation:
    """All that is said about a schedule.

    Parameters
    ----------
    summary : str
        One sentence.
    formula : tuple of str
        Paragraphs, with code between double backquotes.
    settings : tuple of Setting
        Those of the shared warmup included, where it stands before the schedule.
    returns, notes, source : str
        What is special about the values; other libraries; where it was published. Empty where
        nothing is said.
    family, family_summary : str
        The module it lives in, and what that says about itself.
    """

    summary: str
    formula: tuple[str, ...]
    settings: tuple[Setting, ...]
    returns: str
    notes: str
    source: str
    family: str
    family_summary: str


def documentation(entry: ScheduleEntry) -> Documentation:
    """What the docstring of ``entry`` says, its settings named as in a configuration."""
    found = read_docstring(entry.documentation)
    about_warmup = read_docstring(inspect.getdoc(warmup) or "")
    parameters = entry.parameters
    # Other libraries have a decay_steps too, so the notes stay as they are.
    lengths = {p.keyword: p.name for p in parameters.values() if p.keyword != p.name}
    told = _symbols(found.sections)
    module = entry.builder.__module__
    return Documentation(
        summary=_renamed(found.summary, lengths),
        formula=tuple(_renamed(paragraph, lengths) for paragraph in found.body),
        settings=tuple(
            _setting(
                parameter,
                (about_warmup if _is_shared(parameter) else found).parameters,
                lengths,
                told,
            )
            for parameter in parameters.values()
        ),
        returns=_renamed(
            found.sections.get("Returns", "").removeprefix("Schedule").strip(), lengths
        ),
        notes=found.sections.get("Notes", ""),
        source=_renamed(found.sections.get("References", ""), lengths),
        family=module.rpartition(".")[2],
        family_summary=_joined((sys.modules[module].__doc__ or "").split("\n\n")[0]),
    )


def plain(text: str) -> str:
    """``text`` without its marks for code."""
    return text.replace("``", "")


def read_docstring(text: str) -> Docstring:
    """A docstring in the numpy style in parts.

    Parameters
    ----------
    text : str
        As ``inspect.getdoc`` gives it.

    Examples
    --------
    >>> read_docstring('''One line.
    ...
    ... Parameters
    ... ----------
    ... rate : float in [0, 1], default 0.5
    ...     What it is.
    ... ''').parameters["rate"]
    Field(kind='float', range='[0, 1]', meaning='What it is.')
    """
    sections = dict(_sections(text.splitlines()))
    summary, *body = [_joined(part) for part in "\n".join(sections.pop("")).split("\n\n") if part]
    return Docstring(
        summary=summary,
        body=tuple(body),
        parameters=dict(_fields(sections.pop("Parameters", []))),
        sections={title: _joined("\n".join(lines)) for title, lines in sections.items()},
    )


def _sections(lines: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Title and lines of each section; the one before the first title has none."""
    title = ""
    found: list[str] = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line and following == "-" * len(line):
            yield title, found
            title, found = line, []
        elif not (title and line == "-" * len(title)):
            found.append(line)
    yield title, found


def _fields(lines: Sequence[str]) -> Iterator[tuple[str, Field]]:
    starts = [index for index, line in enumerate(lines) if line and not line.startswith(" ")]
    for start, end in pairwise([*starts, len(lines)]):
        names, _, kind = lines[start].partition(" : ")
        meaning = _joined("\n".join(lines[start + 1 : end]))
        for name in names.split(", "):
            yield name, Field(*_kind(kind), meaning)


def _kind(text: str) -> tuple[str, str]:
    """Kind and range of a parameter; its default is read from the signature."""
    text = _DEFAULT.sub("", text).replace(", in updates", "")
    if choices := _CHOICES.fullmatch(text):
        return "choice", choices[1].replace('"', "")
    separator = " in " if " in " in text else ", "
    kind, _, range_ = text.partition(separator)
    return kind, plain(range_)


def _setting(
    parameter: Parameter,
    fields: Mapping[str, Field],
    lengths: Mapping[str, str],
    told: Mapping[str, str],
) -> Setting:
    field = fields.get(parameter.keyword, Field("", "", ""))
    words = _words(parameter.annotation)
    kind = "choice" if words else field.kind
    if parameter.is_duration:
        kind = "list of lengths" if field.kind.startswith("sequence") else "length"
    elif parameter.is_schedule:
        kind = "list of schedules" if field.kind.startswith("sequence") else "schedule"
    in_meaning = _SYMBOL.search(field.meaning)
    symbol = in_meaning[1] if in_meaning else told.get(parameter.keyword, "")
    return Setting(
        name=parameter.name,
        keyword=parameter.keyword,
        kind=kind,
        range=", ".join(words) if words else _renamed(field.range, lengths),
        meaning=_renamed(field.meaning, lengths),
        default=None if parameter.is_required else parameter.default,
        symbol="" if symbol == parameter.name else symbol,
        is_shared=_is_shared(parameter),
    )


def _is_shared(parameter: Parameter) -> bool:
    return parameter is SHARED.get(parameter.name)


def _words(annotation: Any) -> list[str]:
    """The words or numbers that a ``Literal`` allows."""
    if annotation is Schedule or not get_args(annotation):
        return []
    return [str(word) for word in get_args(annotation) if isinstance(word, str | int)]


def _symbols(sections: Mapping[str, str]) -> dict[str, str]:
    """What notes and references call a keyword: "T_i is ``decay_steps``"."""
    found: dict[str, str] = {}
    for text in (sections.get("Notes", ""), sections.get("References", "")):
        if text.startswith("The paper") or text == sections.get("References"):
            found |= {keyword: symbol for symbol, keyword in _IS.findall(text)}
            for first, second, keyword, other in _ARE.findall(text):
                found |= {keyword: first, other: second}
    return found


def _renamed(text: str, lengths: Mapping[str, str]) -> str:
    for keyword, name in lengths.items():
        text = re.sub(rf"\b{keyword}\b", name, text)
    return text


def _joined(text: str) -> str:
    return " ".join(text.split())
