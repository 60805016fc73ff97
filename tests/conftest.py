"""Short real runs and their records, for tests of records and of what may happen to them."""

from __future__ import annotations

import pytest

import promised
from lrbench.tasks.data.catalog import forget
from lrbench.workflows.run import resolve_overrides, run

SETTINGS = [
    "dataset=wine",
    "model.hidden=[5]",
    "schedule=sgdr",
    "schedule.first_cycle=5",
    "train.batch_size=16",
    "diagnostics.layers_every=4",
]


@pytest.fixture(scope="session")
def data_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


@pytest.fixture(scope="session")
def resolved(data_cache):
    """A short run with rows in every log."""
    return resolve_overrides([*SETTINGS, "train.steps=12", "train.eval_every=5"])


@pytest.fixture(scope="session")
def settings_longer():
    """What to type for a run of several blocks."""
    return [*SETTINGS, "train.steps=350", "train.eval_every=100"]


@pytest.fixture(scope="session")
def resolved_longer(data_cache, settings_longer):
    """A run of several blocks."""
    return resolve_overrides(settings_longer)


@pytest.fixture(scope="session")
def bytes_of():
    """The promised files of a record."""
    return promised.bytes_of


@pytest.fixture(scope="session")
def golden_record(resolved, tmp_path_factory):
    """A record of ``resolved`` that nothing interrupted."""
    return run(resolved, tmp_path_factory.mktemp("golden")).path


@pytest.fixture(scope="session")
def golden(golden_record, bytes_of):
    return bytes_of(golden_record)


@pytest.fixture(scope="session")
def golden_longer(resolved_longer, tmp_path_factory, bytes_of):
    return bytes_of(run(resolved_longer, tmp_path_factory.mktemp("golden")).path)
