"""``lrbench list``: what there is to choose from."""

from __future__ import annotations

import json as json_text
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from lrbench.cli.console import out, put, put_json
from lrbench.cli.curve import BLOCKS, sparkline
from lrbench.cli.options import Json

WIDEST = 100
"""Characters of a line of text in a wide terminal."""

NAMED = ("schedules", "restarts", "triggers")
"""Kinds of which single ones can be asked for."""

SPARKLINE = 20
"""Characters of the small curve: two of every cycle that any default makes."""

_ASCII_BLOCKS = str.maketrans(BLOCKS, "_.-:=+*#")


def list_(
    context: typer.Context,
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[models|datasets|optimizers|schedules|restarts|triggers|presets]",
            show_default=False,
        ),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAMES]...",
            help="Schedules, restarts or triggers to show in full.",
            show_default=False,
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every schedule in full.")
    ] = False,
    json: Json = False,
) -> None:
    """List models, datasets, optimizers, schedules, restarts, triggers and sweeps with a name."""
    from lrbench.workflows.catalogue import KINDS, catalogue, kind_meant

    kind = kind_meant(kind)
    if names and kind in KINDS and kind not in NAMED:
        context.fail(f"Got unexpected extra argument ({' '.join(names)})")
    found = catalogue(kind, names or ())
    if json:
        put_json(found)
        return
    width = min(shutil.get_terminal_size().columns, WIDEST)
    for name, entries in found.items():
        if name == "schedules":
            if kind is None:
                put("schedules\n")
            is_full = verbose or bool(names)
            for line in _schedules(entries, width, is_full=is_full, is_part=bool(names)):
                put(_sayable(line))
        elif name in NAMED:
            if not names:
                put(f"{name}\n")
            written = _whole_options if names else _options
            lines = list(written(name.removesuffix("s"), entries, width))
            if not names:
                lines += [""] if lines[-1] else []
                lines.append(f"all of one: lrbench list {name} {_first(entries)}")
            for line in lines:
                put(_sayable(line))
        else:
            _table(name, entries)
    if "presets" in found:
        put("train one of these sweeps: lrbench sweep --preset NAME")
    if "schedules" in found:
        put("your own schedule: lrbench new schedule NAME")
    if not names and kind in (None, "models", "datasets", "optimizers"):
        put("your own: model._target_=mypkg.nets:Net model.width=64 (dataset, optimizer likewise)")


def _table(name: str, entries: Sequence[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=name, title_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is", ratio=3)
    table.add_column("settings", ratio=2)
    for entry in entries:
        table.add_row(entry["name"], entry["summary"], ", ".join(entry["settings"]))
    out().print(table)


def _schedules(
    entries: Sequence[dict[str, Any]], width: int, *, is_full: bool, is_part: bool
) -> Iterator[str]:
    for entry in entries:
        yield from (_full if is_full else _short)(entry, width)
        yield ""
    if not is_part:
        own = [
            entry["name"]
            for entry in entries
            if "warmup" in entry["settings"] and not entry["settings"]["warmup"]["is_shared"]
        ]
        yield from _wrapped(
            "Each also has warmup, warmup_form and warmup_start, for a ramp before it; "
            f"{' and '.join(own)} make their own. Curves: a run with these defaults.",
            width,
        )
        yield "formula, conventions, every setting: lrbench list schedules sgdr, or --verbose"


def _options(group: str, entries: Sequence[dict[str, Any]], width: int) -> Iterator[str]:
    """Options in a few lines each; of settings that they share, those that are as nowhere else."""
    shared = dict(entries[0]["settings"])
    for entry in entries[1:]:
        shared = {key: about for key, about in shared.items() if key in entry["settings"]}
    usual = {key: _usual(entries, key) for key in shared}
    for entry in entries:
        yield from _wrapped(f"{group}={entry['name']}", width)
        yield from _wrapped(entry["summary"], width, "  ")
        typed = [
            f"{group}.{key}={as_typed(about['default'])}"
            for key, about in entry["settings"].items()
            if key not in shared or about["default"] != usual[key]
        ]
        if typed:
            yield from _wrapped(" ".join(typed), width, "  ", "    ")
        yield ""
    for key, about in shared.items():
        yield from _wrapped(f"{group}.{key}={as_typed(usual[key])}", width)
        yield from _wrapped(about["meaning"], width, "    ")


def _first(entries: Sequence[dict[str, Any]]) -> str:
    """One that has settings."""
    return next((str(entry["name"]) for entry in entries if entry["settings"]), "")


def _whole_options(group: str, entries: Sequence[dict[str, Any]], width: int) -> Iterator[str]:
    """All that is known of some options."""
    for entry in entries:
        yield from _wrapped(f"{group}={entry['name']}", width)
        yield from _wrapped(entry["summary"], width, "  ")
        if paragraphs := entry.get("formula"):
            yield "  when"
            for paragraph in paragraphs:
                yield from _wrapped(paragraph, width, "    ")
        if entry["settings"]:
            yield from _settings(entry, width, group)
        if entry.get("source"):
            yield "  source"
            yield from _wrapped(entry["source"], width, "    ")
        if group == "trigger" and entry["settings"]:
            yield f"  lrbench trigger-test trigger={entry['name']}"
        yield ""


def _usual(entries: Sequence[dict[str, Any]], key: str) -> Any:
    defaults = [entry["settings"][key]["default"] for entry in entries]
    return max(defaults, key=defaults.count)


def _short(entry: dict[str, Any], width: int) -> Iterator[str]:
    """A schedule in a few lines: curve, sentence, settings as they are typed, source."""
    yield _heading(entry)
    yield from _wrapped(entry["summary"], width, "  ")
    own = {key: about for key, about in entry["settings"].items() if not about["is_shared"]}
    typed = [f"{key}={as_typed(about['default'])}" for key, about in own.items()]
    if typed:
        yield from _wrapped(" ".join(typed), width, "  ", "    ")
    if entry["source"]:
        yield from _wrapped(entry["source"], width, "  ", "    ")


def _full(entry: dict[str, Any], width: int) -> Iterator[str]:
    """All that is known of a schedule."""
    yield _heading(entry)
    yield from _wrapped(entry["summary"], width, "  ")
    for title, paragraphs in (
        ("formula (t: updates already made)", entry["formula"]),
        ("conventions, with these defaults", [f"- {words}" for words in entry["conventions"]]),
        ("to know", [entry["returns"]]),
        ("other libraries", [entry["notes"]]),
        ("source", [entry["source"]]),
    ):
        if title.startswith("conventions"):
            yield from _settings(entry, width, "schedule")
        if any(paragraphs):
            yield f"  {title}"
            for paragraph in paragraphs:
                hang = "      " if paragraph.startswith("- ") else "    "
                yield from _wrapped(paragraph, width, "    ", hang)
    yield f"  lrbench preview schedule={entry['name']}"


def _settings(entry: dict[str, Any], width: int, group: str) -> Iterator[str]:
    yield "  settings"
    for key, about in entry["settings"].items():
        kind = ": ".join(filter(None, (about.get("kind"), about.get("range"))))
        symbol = f", {about['symbol']} in the paper" if about.get("symbol") else ""
        typed = f"{group}.{key}={as_typed(about['default'])}"
        yield from _wrapped(
            f"{typed}  ({kind}{symbol})" if kind else typed, width, "    ", "      "
        )
        if about["meaning"]:
            yield from _wrapped(about["meaning"], width, "        ")


def _heading(entry: dict[str, Any]) -> str:
    from lrbench.workflows.catalogue import CURVE_STEPS, default_schedule

    schedule = default_schedule(entry["name"], CURVE_STEPS)
    values = [schedule(step) for step in range(CURVE_STEPS)] if schedule else []
    return f"{entry['name']:<22}{sparkline(values, SPARKLINE) or '–'}"


def as_typed(value: Any) -> str:
    """A value as it is typed after ``key=``."""
    if value is None:
        return "null"
    if isinstance(value, list):
        return f"[{', '.join(map(as_typed, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {as_typed(inner)}' for key, inner in value.items())}}}"
    return value if isinstance(value, str) else json_text.dumps(value)


def _wrapped(text: str, width: int, indent: str = "", hang: str | None = None) -> list[str]:
    return textwrap.wrap(
        text.replace("``", ""),
        width,
        initial_indent=indent,
        subsequent_indent=indent if hang is None else hang,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _sayable(line: str) -> str:
    """``line`` in the characters that standard output can take."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        return line.translate(_ASCII_BLOCKS).encode(encoding, "replace").decode(encoding)
    return line
