"""The small runs of ``golden/runs.py`` come to the bits that were written down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from golden import runs
from golden.runs import PROFILES, differing, golden, golden_inputs, made
from lrbench.record import layout
from lrbench.tasks.data.catalog import forget
from lrbench.tasks.models import init

REFRESH = "make golden writes them down anew, and says what changed and what that means"


@pytest.fixture(scope="module", autouse=True)
def data_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        forget()
        yield
        forget()


@pytest.fixture(scope="module", params=PROFILES)
def profile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def here(profile: str) -> dict[str, Any]:
    return made(profile)


def test_what_runs_are_given_is_the_same_everywhere(here: dict[str, Any]) -> None:
    inputs = {name: one["inputs"] for name, one in here["runs"].items()}
    assert not [*differing(golden_inputs(), inputs)], REFRESH


def test_what_they_come_to_is_the_same_where_it_depends_on_nothing_else(
    profile: str, here: dict[str, Any]
) -> None:
    then = golden(profile)
    if other := [*differing(then["key"], here["key"])]:
        pytest.skip(f"the digests of {profile} are of another {' and '.join(other)}")
    outcomes = {name: one["outcome"] for name, one in here["runs"].items()}
    assert not [*differing(then["runs"], outcomes)], REFRESH


def test_no_two_runs_and_no_two_logs_have_one_digest() -> None:
    for profile in PROFILES:
        outcomes = golden(profile)["runs"].values()
        for name in ("steps.csv", "layers.csv", "evals.csv", "weights"):
            assert len({one[name] for one in outcomes}) == len(outcomes)


def test_there_are_runs_with_every_log_a_restart_and_a_decision_of_a_trigger() -> None:
    outcomes = golden("native")["runs"]
    assert {name for one in outcomes.values() for name in one} >= {*layout.ALL_LOGS, "weights"}
    for name in layout.MORE_LOGS:
        digests = [one[name] for one in outcomes.values() if name in one]
        assert len({*digests}) == len(digests) > 0
    assert outcomes["plateau"]["events"] > 0


def test_a_constant_that_is_a_little_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS", {name: runs.RUNS[name] for name in ("cnn", "transformer")})
    monkeypatch.setattr(init, "EMBEDDING_SD", 0.02 * (1 + 2**-20))
    now = runs.train_all("native", lambda progress: None)
    inputs = {name: one["inputs"] for name, one in now["runs"].items()}
    expected = {name: golden_inputs()[name] for name in inputs}
    # Only the transformer has embeddings; its batches and rates stay as they were.
    assert [*differing(expected, inputs)] == ["transformer.init"]
    then = golden("native")
    if then["key"] == now["key"]:
        parts = {
            name: [*differing(then["runs"][name], now["runs"][name]["outcome"])] for name in inputs
        }
        assert parts["cnn"] == []
        assert parts["transformer"] == ["steps.csv", "layers.csv", "evals.csv", "weights"]
