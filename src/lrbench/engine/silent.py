"""A sink that keeps nothing: for runs of which little or nothing is to be known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lrbench.engine.base import Row, Start, State


class Silent:
    """:class:`lrbench.engine.base.Sink` without effect; a subclass says what it wants to hear."""

    def begin(self, start: Start) -> None:
        """Nothing."""

    def steps(self, rows: Sequence[Row]) -> None:
        """Nothing."""

    def layers(self, rows: Sequence[Row]) -> None:
        """Nothing."""

    def evals(self, row: Row) -> None:
        """Nothing."""

    def restarts(self, row: Row) -> None:
        """Nothing."""

    def restart_layers(self, rows: Sequence[Row]) -> None:
        """Nothing."""

    def curvature(self, row: Row) -> None:
        """Nothing."""

    def keep(self, done: int, capture: Callable[[], State]) -> None:
        """Nothing."""

    def wants_state(self, done: int, is_look: bool) -> bool:
        """Never."""
        return False

    def next_state(self, done: int) -> int | None:
        """It does not matter."""
        return None

    def save(self, capture: Callable[[], State]) -> None:
        """Nothing."""
