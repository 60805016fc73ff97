"""What was typed around the settings, commands and options, refused in lrbench's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from lrbench.cli.console import say
from lrbench.errors import NOTHING, ExitCode, Problem, nearest

UsageError: Any = typer.BadParameter.__mro__[1]
"""What typer raises of a command line; it has no public name for the base of all of them."""


class Verbs(TyperGroup):
    """The commands; a wrong option or command is told as every other error is."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """What was typed before the command, read; a wrong option ends lrbench here."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except UsageError as error:
            raise _refused(error, list(self.commands)) from None

    def invoke(self, ctx: Any) -> Any:
        """The command, found, read and called; a wrong word ends lrbench here."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _refused(error, list(self.commands)) from None


def _refused(error: Any, commands: Sequence[str]) -> BaseException:
    if type(error).__name__ == "NoArgsIsHelpError":
        return error  # type: ignore[no-any-return] # `lrbench` alone asks for the help
    say(str(_problem(error, commands)))
    return SystemExit(int(ExitCode.USAGE))


def _problem(error: Any, commands: Sequence[str]) -> Problem:
    inside = error.ctx is not None and error.ctx.parent is not None
    verb = f"lrbench {error.ctx.info_name}" if inside else "lrbench"
    help_ = f"{verb} --help"
    message = str(error.message)
    if getattr(error, "param", None) is not None:
        return _of_parameter(error, help_)
    if option := getattr(error, "option_name", None):
        if "possibilities" in vars(error):
            close = error.possibilities or ()
            relation = f"is not an option of {verb}"
            return Problem(relation, option, remedy=", or ".join(close) or help_)
        takes_one = "requires" in message
        relation = "must have a value" if takes_one else "must have no value"
        return Problem(relation, option, remedy=f"{option} {'…' if takes_one else ''}".strip())
    if match := re.fullmatch(r"No such command '(.*?)'\..*", message, re.DOTALL):
        near = nearest(match[1], commands)
        relation = f"must be one of: {', '.join(commands)}"
        remedy = f"lrbench {near}" if near else help_
        return Problem(relation, "the command", match[1], remedy=remedy)
    if match := re.search(r"unexpected extra argument\S* \((.*)\)", message, re.DOTALL):
        return Problem("takes no further words", verb, match[1], remedy=help_)
    return Problem(f"must be a command with its options ({message})", verb, remedy=help_)


def _of_parameter(error: Any, help_: str) -> Problem:
    """The value of an option or of a word in its place."""
    name = error.param.name.upper()
    if error.param.param_type_name == "option":
        name = max(error.param.opts, key=len)
    if "param_type" in vars(error):
        return Problem("must be given", name, remedy=help_)
    relation = f"is refused: {error.message}"
    got: object = NOTHING
    if hasattr(error.__cause__, "errors"):
        from lrbench.spec.parameters import problems

        (first, *_) = problems(error.__cause__)
        relation, got = first.relation, first.got
    if match := re.search(r"is not one of (.*?)\.?$", error.message):
        relation = f"must be one of: {match[1]}".replace("'", "")
    return Problem(relation, name, got, remedy=help_)
