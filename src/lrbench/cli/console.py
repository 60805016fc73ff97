"""How commands speak: results on standard output, talk on standard error."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

from lrbench.errors import ExitCode, LrbenchError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


def out() -> Console:
    """Standard output; no colour and no wrapping surprises when piped."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def talk() -> Console:
    """Standard error, for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, emoji=False, markup=False)


def say(text: str = "") -> None:
    """One remark on standard error; what it quotes cannot drive the terminal."""
    told = inert(text)
    if sys.stderr.isatty():
        told = wrapped(told, shutil.get_terminal_size().columns)
    print(told, file=sys.stderr, flush=True)  # noqa: T201 - this is the one place that prints


def wrapped(text: str, width: int) -> str:
    """``text`` with the lines too long for a terminal broken at blanks, as they are indented.

    What has no blank, such as a path, overflows whole, so that it can be copied.
    """
    return "\n".join(part for line in text.split("\n") for part in _wrapped(line, width))


def _wrapped(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
        expand_tabs=False,
        replace_whitespace=False,
    ) or [line]


def put(text: str) -> None:
    """One result on standard output, inert likewise."""
    print(inert(text), flush=True)  # noqa: T201


def put_json(value: Any) -> None:
    """The whole answer of a command as one JSON object; non-finite numbers become null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    put(text if _is_inert(text) else "\n".join(map(_inert_json, text.split("\n"))))


def _inert_json(line: str) -> str:
    """JSON has its own way to write what a terminal would obey."""
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


@contextmanager
def loading() -> Iterator[None]:
    """While libraries are loaded, Ctrl-C ends the process, which has done nothing yet.

    Some of them swallow a KeyboardInterrupt, and are broken from then on.
    """
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


@contextmanager
def undisturbed() -> Iterator[None]:
    """What is said last is said whole, though an impatient person presses Ctrl-C once more."""
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def reports_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command with lrbench's errors turned into their text and exit code.

    A traceback is shown with ``LRBENCH_DEBUG=1``, which ``lrbench --debug`` sets.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:  # as it was before the command began
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return command(*args, **kwargs)
        except LrbenchError as error:
            if os.environ.get("LRBENCH_DEBUG"):
                raise
            say(str(error))
            raise SystemExit(int(error.exit_code)) from None
        except KeyboardInterrupt:
            # Pressed once more, it ends the process instead of turning this into a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            say("interrupted")
            raise SystemExit(int(ExitCode.INTERRUPTED)) from None
        except BrokenPipeError:
            # The reader (head, less) has seen enough; Python must not complain at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(int(ExitCode.OK)) from None

    return wrapped


def command(name: str, path: Path, *, trust: bool = False) -> str:
    """A command of lrbench as it can be pasted into a shell, whatever the path holds."""
    flags = ["--trust"] if trust else []
    return shlex.join(["lrbench", name, str(path), *flags])


def tell_of_stop() -> None:
    """What Ctrl-C does, the first time it is pressed in a run."""
    say("stopping after this update; once more stops at once")


def inert(text: str) -> str:
    """``text`` with its control characters made visible."""
    return text if _is_inert(text) else "\n".join(map(_inert_line, text.split("\n")))


def _is_inert(text: str) -> bool:
    """Whether all of it is to be shown as it is, as most is: asked at once, not line by line."""
    return text.replace("\n", "").isprintable()


def _inert_line(line: str) -> str:
    if line.isprintable():  # as most are, of thousands
        return line
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in line)


def flat(text: str) -> str:
    """``text`` inert and in one line: none of it can pass for a line of ours."""
    return inert(text).replace("\n", "\\n").replace("\t", "\\t")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
