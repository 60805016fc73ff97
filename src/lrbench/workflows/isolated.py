"""Work that this process was not started for: done in one worker with the variables it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Protocol, TypeVar

from lrbench.errors import LrbenchError, RunError
from lrbench.launchers.local import run_jobs
from lrbench.workflows.recording import Paused

TASK = "lrbench.workflows.isolated:attempt"

Payload = TypeVar("Payload", contravariant=True)
Answer = TypeVar("Answer", covariant=True)


class Job(Protocol[Payload, Answer]):
    """A function of a module, called in the worker; all it takes and returns is picklable."""

    def __call__(self, payload: Payload, report: Callable[[Any], None], /) -> Answer: ...


def isolated(
    job: Job[Payload, Answer],
    payload: Payload,
    variables: Mapping[str, str],
    *,
    name: str,
    on_progress: Callable[[Any], None],
) -> Answer:
    """What ``job(payload, report)`` returns in a process started with ``variables``.

    Parameters
    ----------
    name : str
        Of the work, for an error of the worker itself.
    on_progress : callable
        Called in this process with what the job reports.

    Raises
    ------
    LrbenchError
        The one that the job raised, or ``RunError`` where its worker died.
    KeyboardInterrupt
        Passed on after the job has put its record in order.
    """
    answer: Any = None
    events = run_jobs(TASK, [(job, payload)], workers=1, environments=[variables])
    with closing(events):  # type: ignore[type-var]
        for event in events:
            if event.kind == "progress":
                on_progress(event.value)
            elif event.kind == "failed":
                raise RunError(f"failed: {event.value}", key=name)
            elif event.kind == "done":
                answer = event.value
    if isinstance(answer, LrbenchError | Paused):
        raise answer
    return answer  # type: ignore[no-any-return]


def attempt(payload: tuple[Job[Any, Any], Any], report: Callable[[Any], None]) -> Any:
    """In the worker; an error meant for a user is an answer, so that its data are not lost."""
    job, inner = payload
    try:
        return job(inner, report)
    except (LrbenchError, Paused) as error:
        return error
