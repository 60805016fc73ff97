"""Problems are collected and told together: a person mends a configuration once, not ten times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from lrbench.config.remedies import value_meant
from lrbench.errors import ConfigError, LrbenchError, Problem, origin_of

P = ParamSpec("P")
T = TypeVar("T")


def raised(error: BaseException) -> str:
    """What the user's code raised, on one line."""
    return f"raised {type(error).__name__}: {' '.join(str(error).split())}"


class Findings:
    """What is wrong with a configuration, so far.

    Parameters
    ----------
    origins : mapping
        Where each dotted key, or everything below it, comes from.
    replaced : mapping, optional
        What the files have where a key was typed: a remedy where there is no better one.
    """

    def __init__(
        self, origins: Mapping[str, str], replaced: Mapping[str, Any] | None = None
    ) -> None:
        self._origins = dict(origins)
        self._replaced = dict(replaced or {})
        self._problems: list[Problem] = []

    def add(self, relation: str, key: str, got: object, remedy: str | None = None) -> None:
        """One problem of the setting ``key``."""
        self._problems.append(Problem(relation, key, got, remedy=remedy))

    def extend(self, problems: list[Problem], group: str = "") -> None:
        """Several; their keys are relative to ``group``."""
        error = ConfigError(problems)
        self._problems += (error.under(group, self._origins) if group else error).problems

    def attempt(
        self, group: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """``call``'s result, or None and its problems collected, keys relative to ``group``."""
        try:
            return call(*args, **kwargs)
        except LrbenchError as error:
            self.extend(list(error.problems), group)
            return None

    def attempt_own(
        self,
        target: str | None,
        group: str,
        call: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """Like ``attempt``; where the call runs the user's code at the import path ``target``,
        whatever it raises is a problem.
        """
        try:
            return self.attempt(group, call, *args, **kwargs)
        except (Exception, SystemExit) as error:
            if target is None:
                raise
            relation = f"must work with these settings (it {raised(error)})"
            self.extend([Problem(relation, "_target_", target)], group)
            return None

    def insist(self, group: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """``call``'s result; its problems are told at once, with all that were collected."""
        result = self.attempt(group, call, *args, **kwargs)
        self.raise_if_any()
        assert result is not None
        return result

    def raise_if_any(self) -> None:
        """One error for all problems so far.

        Raises
        ------
        ConfigError
        """
        if self._problems:
            # Two checks may stumble over one value; the first says it best.
            first = {(p.key or p.relation): p for p in reversed(self._problems)}
            told = [p for p in self._problems if first[p.key or p.relation] is p]
            raise ConfigError([self._whole(problem) for problem in told])

    def _whole(self, problem: Problem) -> Problem:
        """The problem with its origin and, if there is one, a remedy."""
        origin = problem.origin or origin_of(problem.key or "", self._origins)
        remedy = problem.remedy or value_meant(problem, self._replaced)
        return replace(problem, origin=origin, remedy=remedy)
