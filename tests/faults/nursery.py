"""A warm process that lets commands be born in it, and kills them where it is told to.

``python nursery.py`` loads lrbench once and then forks a child for every line of JSON it reads:
``{"words": [...], "kill": [operation, file, n] or n, "after_s": seconds, "signals": [names]}``. The
child is ``lrbench`` with these words; before its n-th such access to a file (any kind or file where
it is "*") it is killed, or gets the signals in turn. One line of JSON answers: how it ended, at
which operation, and what it said. The product knows nothing of all this.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Self


class Nursery:
    """The parent's end of it."""

    def __init__(self, cache: Path) -> None:
        source = Path(__file__).parents[2] / "src"
        paths = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"LRBENCH_CACHE": str(cache), "PYTHONPATH": paths},
        )

    def __call__(self, *words: str, **how: Any) -> dict[str, Any]:
        """Run a command; see above."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"words": [*map(str, words)], **how}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def _install(order: dict[str, Any], note: int) -> None:
    from lrbench.record import files

    kill = order.get("kill")
    kind, name, left = kill if isinstance(kill, list) else ("*", "*", kill or 0)
    names = order.get("signals", ["SIGKILL"])

    def hook(found: files.Operation) -> None:
        nonlocal left
        os.pwrite(note, f"{found.kind} {_plain(found.path)}".ljust(80).encode()[:80], 0)
        if kill is None or kind not in ("*", found.kind) or name not in ("*", _plain(found.path)):
            return
        left -= 1
        if left <= 0 and names:
            os.kill(os.getpid(), getattr(signal, names.pop(0)))

    files.hook = hook


def _plain(path: Path) -> str:
    """A file's name without what differs from process to process."""
    name = path.name
    return f"{name[1:].split('.')[0]}.tmp" if name.startswith(".") else name


def _born(order: dict[str, Any], out: int, note: int) -> None:
    """The child."""
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.setpgid(0, 0)
    code = 1
    try:
        _install(order, note)
        sys.argv = ["lrbench", *order["words"]]
        from lrbench.cli.app import main

        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as note:
        child = os.fork()
        if child == 0:
            _born(order, said.fileno(), note.fileno())
        if "after_s" in order:
            time.sleep(order["after_s"])
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        return {
            "code": os.waitstatus_to_exitcode(status),
            "at": os.pread(note.fileno(), 80, 0).decode().strip(),
            "said": os.pread(said.fileno(), 2**16, 0).decode(errors="replace"),
        }


def main() -> None:
    """Answer until the input ends."""
    import torch

    from lrbench.record.environment import environment
    from lrbench.workflows.run import resolve_overrides, run

    torch.set_num_threads(1)
    environment()  # the second half of what a process needs to start
    with tempfile.TemporaryDirectory() as results:
        run(resolve_overrides(["dataset=wine", "train.steps=2"]), Path(results))
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
