"""A browser for the tests of pages; where there is none they are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from browser.chromium import PROGRAM, Page, chromium


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    if PROGRAM is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    with chromium() as found:
        yield found
