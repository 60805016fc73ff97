"""Runs of the stub, to be failed, killed and gone on with."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from faults import crash, stub
from lrbench.workflows.run import resolve_overrides


@pytest.fixture(autouse=True)
def _cached(data_cache):
    """Data are prepared once, and not in the user's own cache."""


@pytest.fixture(scope="session")
def resolved_stub(data_cache):
    """What the stub trains: only its name and its checkpoints matter."""
    resolved = resolve_overrides(
        ["dataset=wine", f"train.steps={stub.TOTAL}", f"train.checkpoint_every={stub.EVERY}"]
    )
    # To make YAML of it took half of the time.
    return replace(resolved, written="seed: 0\n", keep_checkpoints=True)


@pytest.fixture
def stubbed():
    with stub.stubbed() as patch:
        yield patch


@pytest.fixture
def scratch():
    """A folder in memory where there is such a place: thousands of states are made in it."""
    place = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=place if place.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def golden_stub(resolved_stub, tmp_path_factory):
    with stub.stubbed():
        return stub.bytes_of(stub.run(resolved_stub, tmp_path_factory.mktemp("golden")).path)


@pytest.fixture
def stories(resolved_stub, stubbed, scratch):
    """How each kind of run comes about: :func:`faults.crash.stories_of`."""
    return crash.stories_of(resolved_stub, scratch / "run", stubbed)
