"""Small records of real runs, whole and cut off, to be damaged."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from damage.damaging import SETTINGS
from lrbench.config.resolve import Resolved
from lrbench.tasks.data.catalog import forget
from lrbench.workflows.recording import Paused
from lrbench.workflows.run import resolve_overrides, run
from promised import bytes_of as promised


@pytest.fixture(scope="session", autouse=True)
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder in memory where there is such a place: thousands of files are written in it."""
    place = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(dir=place if place.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def resolved(data_cache: None) -> Resolved:
    return resolve_overrides(SETTINGS)


@pytest.fixture(scope="session")
def finished(resolved: Resolved, scratch: Path) -> Path:
    """A complete record with every file there is: two attempts, and a checkpoint."""
    results = scratch / "finished"
    with pytest.raises(Paused):
        run(resolved, results, until=8)
    return run(resolved, results).path


@pytest.fixture(scope="session")
def stopped(resolved: Resolved, scratch: Path) -> Path:
    """The same run stopped after 10 updates, with checkpoints at 8 and at 10."""
    results = scratch / "stopped"
    with pytest.raises(Paused):
        run(resolved, results, until=10)
    (path,) = results.iterdir()
    return path


@pytest.fixture(scope="session")
def golden(finished: Path) -> dict[str, bytes]:
    """What the promise speaks of, of the run that nothing happened to."""
    return promised(finished)


@pytest.fixture
def copied(scratch: Path, tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """A copy of a record in a results folder of its own."""
    folder = scratch / f"copy-{tmp_path.name}"

    def copy(record: Path) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(record, folder / record.name))

    yield copy
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def record(copied: Callable[[Path], Path], finished: Path) -> Path:
    return copied(finished)


@pytest.fixture
def unfinished(copied: Callable[[Path], Path], stopped: Path) -> Path:
    return copied(stopped)
