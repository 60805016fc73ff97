"""Test splits that were looked at more than once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lrbench.report.sanity.flag import Flag


def of_test_uses(uses: Mapping[str, Sequence[str]]) -> Iterator[Flag]:
    """A flag for the folder, if there was more than one occasion."""
    occasions = sorted({occasion for of_run in uses.values() for occasion in of_run})
    if len(occasions) > 1:
        yield Flag(
            "test-reused",
            False,
            f"the test split was looked at on {len(occasions)} occasions: whatever was chosen in "
            "between was chosen by it, and only data that nobody has seen yet can say how good it "
            "is",
            {"occasions": occasions},
            tuple(run for run, of_run in uses.items() if of_run),
        )
