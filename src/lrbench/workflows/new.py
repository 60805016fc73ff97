"""The beginnings of a schedule of one's own: a function, its settings and a test that passes."""

from __future__ import annotations

import builtins
import io
import keyword
import os
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lrbench.config.home import CUSTOM, check_user_folder, options
from lrbench.errors import ConfigError, Problem
from lrbench.schedules.catalog import SCHEDULES

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_TEMPLATES = Path(__file__).parent / "templates"
_PLACEHOLDER = "NAME"
_VALUES = {"null", "true", "false", "inf", "nan"}
"""Words that on the command line are values, so that no option can be called so."""


@dataclass(frozen=True)
class Written:
    """What :func:`new_schedule` wrote.

    Parameters
    ----------
    paths : tuple of Path
        The function, its settings and its test.
    commands : tuple of str
        What to type next, in this order.
    """

    paths: tuple[Path, ...]
    commands: tuple[str, ...]


def new_schedule(name: str, folder: Path) -> Written:
    """Write a schedule called ``name`` that works, for its author to change.

    Parameters
    ----------
    name : str
        Of the schedule, its function and its module.
    folder : Path
        The user's own configuration folder; modules are looked for there too.

    Raises
    ------
    ConfigError
        The name cannot be used, a file is already there, or the folder cannot be written to.
    """
    check_user_folder(folder)
    _check_form(name)
    files = {
        folder / f"{name}.py": _template("schedule.py"),
        folder / "schedule" / f"{name}.yaml": _template("schedule.yaml"),
        folder / f"test_{name}.py": _template("test_schedule.py"),
    }
    # Before the module is looked for: one's own file is not a module that it would hide.
    problems = [
        Problem("must not be there yet; nothing is overwritten", key=str(path))
        for path in (*files, folder / name / "__init__.py")
        if os.path.lexists(path)
    ]
    code = "".join(text for path, text in files.items() if path.suffix == ".py")
    if problems := problems or [*_taken(name, code)]:
        raise ConfigError(problems)
    try:
        (folder / "schedule").mkdir(exist_ok=True)
        for path, text in files.items():
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text.replace(_PLACEHOLDER, name))
    except OSError as error:
        relation = f"must be a place that can be written to ({error.strerror})"
        raise ConfigError(relation, key=str(error.filename or folder)) from None
    return Written(tuple(files), tuple(_commands(name, folder)))


def _check_form(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        relation = "must be small letters, digits and _, a letter first"
        near = re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_0123456789")[:40]
        remedy = f"lrbench new schedule {near or 'my_schedule'}"
        raise ConfigError(relation, key="the name", got=name, remedy=remedy)


def _taken(name: str, code: str) -> Iterator[Problem]:
    """Why a well-formed name cannot be used; at most one reason."""
    remedy = f"lrbench new schedule my_{name}"
    relation = None
    if name in SCHEDULES or name == CUSTOM or name in options("schedule"):
        relation = "must not be the name of one of lrbench's schedules"
    elif keyword.iskeyword(name) or name in _VALUES or hasattr(builtins, name):
        relation = "must not be a word that Python or the command line needs"
    elif name == "conftest" or find_spec(name) is not None:
        relation = "must not be the name of a module that can be imported, which it would hide"
    elif name in _words(code):
        relation = "must not be a word that the function or its test uses itself"
    if relation:
        yield Problem(relation, key="the name", got=name, remedy=remedy)


def _words(code: str) -> set[str]:
    """The names in the code of the templates, which the new one must not stand for."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def _template(name: str) -> str:
    return (_TEMPLATES / f"{name}.template").read_text(encoding="utf-8")


def _commands(name: str, folder: Path) -> Iterator[str]:
    where = os.fspath(folder)
    # The module is found in the folder the command is typed in.
    if where != ".":
        yield f"cd {where}"
    yield f"lrbench preview --config-dir . schedule={name} train.steps=100"
    yield f"lrbench check-schedule --config-dir . schedule={name}"
    yield f"python -m pytest test_{name}.py"
