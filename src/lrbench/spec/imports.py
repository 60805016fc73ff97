"""Import paths: how a user's own model, dataset or optimizer is found and recognised again."""

from __future__ import annotations

import hashlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lrbench.errors import ConfigError, nearest


def resolve_import(target: str, key: str) -> Callable[..., Any]:
    """What ``package.module:name`` (or ``package.module.name``) leads to.

    The folder the command was typed in is searched as well, as ``python -m`` does.

    Parameters
    ----------
    target : str
    key : str
        The setting it was given as, for the error.

    Raises
    ------
    ConfigError
        There is no such module or name, importing it fails, or it cannot be called.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    form = "must be an import path such as mypkg.nets:Net"
    try:
        with _without_bytecode():
            found = pkgutil.resolve_name(target)
    except (ValueError, ImportError, AttributeError) as error:
        remedy = _meant(target, key)
        raise ConfigError(f"{form} ({error})", key=key, got=target, remedy=remedy) from error
    except (Exception, SystemExit) as error:
        relation = f"must be importable (it raised {type(error).__name__}: {error})"
        raise ConfigError(relation, key=key, got=target) from error
    if not callable(found):
        raise ConfigError("must lead to something that can be called", key=key, got=target)
    return found  # type: ignore[no-any-return]


@contextmanager
def _without_bytecode() -> Iterator[None]:
    """Import without leaving compiled code behind. Python takes that for current by the second of
    the file's last change and its size: code changed twice in a second would be trained as it was,
    under the digest of what it is.
    """
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before


def _meant(target: str, key: str) -> str | None:
    """The path with the name most like the one given, of those its module has."""
    module, _, name = target.replace(":", ".").rpartition(".")
    near = nearest(name, vars(sys.modules[module])) if module in sys.modules else None
    return f"{key}={module}:{near}" if near else None


def code_digest(found: Callable[..., Any]) -> str | None:
    """sha256 of the file ``found`` is defined in; None where there is no such file.

    Of a partial it is the file of the function inside, of an object that of its class.
    """
    while isinstance(found, partial):
        found = found.func
    found = inspect.unwrap(found)
    is_defined = inspect.isclass(found) or inspect.isroutine(found)
    try:
        path = inspect.getsourcefile(found if is_defined else type(found))
    except TypeError:
        return None
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else None


def source_names(target: str) -> tuple[str, ...]:
    """Where the source of a module may lie below a folder of modules; nothing is imported.

    Empty where the name before the colon is none that a file can stand for.
    """
    module, colon, _ = target.partition(":")
    if not colon:
        module = target.rpartition(".")[0]
    parts = module.split(".")
    if not all(part.isascii() and part.isidentifier() for part in parts):
        return ()
    whole = "/".join(parts)
    return f"{whole}.py", f"{whole}/__init__.py"
