"""What must not matter for the promised bytes does not, and what a stream is for is all it changes.

Processes are dear, so each changes many such things at once: all of them must give the same bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from damage.damaging import SETTINGS
from lrbench.record import layout
from lrbench.record.reader import read_json
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.sweep import plan_sweep, run_sweep
from promised import bytes_of as promised

pytestmark = pytest.mark.slow

SURROUNDINGS: Mapping[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "a Turkish night": (
        "results of mine/ünï\u202ecode",
        {
            "LC_ALL": "tr_TR.UTF-8",
            "TZ": "Pacific/Kiritimati",
            "PYTHONHASHSEED": "1",
            "COLUMNS": "20",
            "OMP_NUM_THREADS": "2",
            "HOME": "/nonexistent",
        },
        {"umask": 0o077},
    ),
    "a German morning": (
        "results \"of\" 'mine'",
        {
            "LC_ALL": "de_DE.UTF-8",
            "LANG": "de_DE",
            "TZ": "America/St_Johns",
            "PYTHONHASHSEED": "12345",
            "MKL_NUM_THREADS": "2",
            "COLUMNS": "500",
            "NO_COLOR": "1",
        },
        {"umask": 0o000},
    ),
    "a plain machine under load": (
        "line\nend",
        {"LC_ALL": "C", "TZ": "UTC", "PYTHONHASHSEED": "0", "PYTHONUTF8": "0", "TERM": "dumb"},
        {"umask": 0o027, "load": 2},
    ),
}


@pytest.fixture
def load() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Busy processes, ended with the test."""
    busy: list[subprocess.Popen[bytes]] = []
    yield busy
    for process in busy:
        process.kill()
        process.wait()


QUICK = "a German morning"


@pytest.mark.parametrize(
    "surroundings",
    [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in SURROUNDINGS],
)
def test_surroundings_do_not_matter(
    surroundings: str,
    golden: dict[str, bytes],
    tmp_path: Path,
    load: list[subprocess.Popen[bytes]],
) -> None:
    name, variables, others = SURROUNDINGS[surroundings]
    folder = tmp_path / name
    folder.mkdir(parents=True)
    endless = [sys.executable, "-c", "while True: pass"]
    load += [subprocess.Popen(endless) for _ in range(others.get("load", 0))]
    # Settings in another order are the same settings; so is a group in full before its parts.
    words = sorted(SETTINGS, key=lambda word: (word.count("."), word[::-1]))
    assert words != list(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", "lrbench", "run", *words, "--results", "there"],
        cwd=folder,
        env={**os.environ, **variables},
        umask=others["umask"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    (record,) = (folder / "there").glob("wine-*")
    assert promised(record) == golden


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_alone_in_a_sweep_and_beside_others_it_is_the_same_run(
    workers: int, golden: dict[str, bytes], tmp_path: Path
) -> None:
    report = run_sweep(plan_sweep(SETTINGS, (2, 0, 1), tmp_path), workers=workers)
    assert not report.failures
    (record,) = tmp_path.glob("wine-*-s0-*")
    assert promised(record) == golden


def inputs(tmp_path: Path, *words: str) -> dict[str, Any]:
    """What a run was given, from its closing file, flat."""
    others = [word for word in SETTINGS if not word.startswith("train.steps")]
    pins = {word.partition("=")[0] for word in words}
    follows = [] if "streams.split" in pins else ["streams.split=null"]
    run_words = [*others, "train.steps=4", *follows, *words]
    path = run(resolve_overrides(run_words), tmp_path).path
    result = read_json(path / layout.RESULT)
    found = dict(result["inputs"])
    keys = found.pop("streams")
    return {
        **found,
        **{f"streams.{name}": key for name, key in keys.items()},
        "batches": result["batch_chain"],
        "steps": result["logs"]["steps.csv"]["sha256"],
        "weights": result["weights_digest"],
    }


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if one[name] != other[name]}


CONSEQUENCES = {
    # Scaling is fitted to the training samples, so the data follow the split, and a batch its data.
    "split": {"data", "split", "first_batch", "batches"},
    "init": {"init"},
    "order": {"first_batch", "batches"},
    "dropout": set(),
}


@pytest.mark.parametrize("stream", CONSEQUENCES)
def test_one_stream_changes_only_what_follows_from_it(stream: str, tmp_path: Path) -> None:
    usual = inputs(tmp_path, "seed=5")
    pinned = inputs(tmp_path, "seed=5", f"streams.{stream}=6")
    expected = CONSEQUENCES[stream] | {f"streams.{stream}", "steps", "weights"}
    assert differing(usual, pinned) == expected
    # Pinned to the root it has anyway, it is no other run but in name.
    same = inputs(tmp_path, "seed=5", f"streams.{stream}=5")
    assert differing(usual, same) == set()


def test_seeds_that_differ_only_far_up_differ_everywhere(tmp_path: Path) -> None:
    low, high = inputs(tmp_path, "seed=3"), inputs(tmp_path, f"seed={3 + 2**40}")
    assert differing(low, high) == low.keys() - {"schedule"}
    assert low["schedule"] == high["schedule"]
