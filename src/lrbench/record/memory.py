"""What was read of records, kept while one command reads them several times.

Nothing is kept unless a command asks for it: a record may change between two looks. ::

    with remembering():
        summarize(folder)
        compare(folder)     reads no file again
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

_SELDOM = 20_000
"""New values after which Python looks for cycles."""

_memory: ContextVar[dict[Any, Any] | None] = ContextVar("memory", default=None)


@contextmanager
def remembering() -> Iterator[None]:
    """Within it, functions that are :func:`remembered` answer the same question once.

    What they answered is not to be changed by those who asked. All of it is kept, so that looking
    for cycles among it every few hundred values, as Python does, would find nothing for a sixth of
    the time.
    """
    token = _memory.set({})
    often = gc.get_threshold()
    gc.set_threshold(max(often[0], _SELDOM), *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        _memory.reset(token)


def remembered(key: Callable[_P, Any]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """A function that remembers its answers, by ``key`` of its arguments; errors are not kept.

    Examples
    --------
    >>> asked = []
    >>> @remembered(lambda name: name)
    ... def length(name):
    ...     asked.append(name)
    ...     return len(name)
    >>> with remembering():
    ...     length("ab"), length("ab"), length("c")
    (2, 2, 1)
    >>> length("ab"), asked
    (2, ['ab', 'c', 'ab'])
    """

    def decorated(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @wraps(function)
        def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            memory = _memory.get()
            if memory is None:
                return function(*args, **kwargs)
            place = (function, key(*args, **kwargs))
            if place not in memory:
                memory[place] = function(*args, **kwargs)
            answer: _R = memory[place]
            return answer

        return wrapped

    return decorated
