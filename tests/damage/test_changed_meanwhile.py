"""What changed between a run's start and its going on is refused, or recorded where it is free."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lrbench.errors import LrbenchError, RecordError
from lrbench.record import environment as environments
from lrbench.record import layout
from lrbench.record.reader import read_json, read_record
from lrbench.tasks.data.catalog import forget
from lrbench.workflows.recorded import resolved_of
from lrbench.workflows.recording import Paused
from lrbench.workflows.run import resolve_overrides, run
from promised import bytes_of as promised

OWN = """
from pathlib import Path
import numpy as np

def points():
    whole = np.load(Path(__file__).with_name("points.npy"))
    return whole[:, :-1], whole[:, -1].astype(np.int64)
"""


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run on the user's own data, stopped after 4 updates."""
    draw = np.random.default_rng(0)
    labels = np.arange(80) % 2
    whole = np.column_stack([draw.normal(size=(80, 3)) + labels[:, None], labels])
    np.save(tmp_path / "points.npy", whole.astype(np.float32))
    (tmp_path / "own_points.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["dataset._target_=own_points:points", "model=linear", "train.batch_size=16"]
    forget()
    with pytest.raises(Paused):
        run(resolve_overrides([*words, "train.steps=9"]), tmp_path / "results", until=4)
    (record,) = (tmp_path / "results").iterdir()
    yield record
    sys.modules.pop("own_points", None)
    forget()


def go_on(record: Path) -> None:
    forget()
    sys.modules.pop("own_points", None)
    run(resolved_of(read_record(record), trust=True), record.parent)


def one_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def fewer(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


def another_order(path: Path) -> None:
    np.save(path, np.load(path)[::-1])


CHANGES: dict[str, Callable[[Path], None]] = {
    "one byte": one_byte,
    "fewer samples": fewer,
    "another order": another_order,
}


def test_with_its_data_as_they_were_it_goes_on(begun: Path) -> None:
    go_on(begun)
    assert read_record(begun).status.is_finished


@pytest.mark.parametrize("change", CHANGES)
def test_data_that_changed_are_refused_and_both_digests_told(change: str, begun: Path) -> None:
    then = read_record(begun).spec["dataset"]["digest"]
    before = promised_so_far(begun)
    CHANGES[change](begun.parents[1] / "points.npy")
    with pytest.raises(RecordError) as caught:
        go_on(begun)
    told = re.findall(r"[0-9a-f]{12}", str(caught.value).replace(begun.name, ""))
    assert then[:12] in told
    assert len(set(told)) == 2
    assert promised_so_far(begun) == before


def test_data_that_are_gone_are_refused_and_the_record_is_kept(begun: Path) -> None:
    before = promised_so_far(begun)
    path = begun.parents[1] / "points.npy"
    moved = path.rename(path.with_name("moved.npy"))
    with pytest.raises(LrbenchError, match=r"points\.npy"):
        go_on(begun)
    assert promised_so_far(begun) == before
    moved.rename(path)
    go_on(begun)
    assert read_record(begun).status.is_finished


def begun_logs(record: Path) -> list[str]:
    return [name for name in layout.ALL_LOGS if (record / name).exists()]


def promised_so_far(record: Path) -> dict[str, bytes]:
    return {name: (record / name).read_bytes() for name in (*begun_logs(record), layout.CHECKPOINT)}


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def no_repository(folder: Path) -> None:
    pass


def without_commits(folder: Path) -> None:
    git(folder, "init", "-q")


def clean(folder: Path) -> None:
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.py").write_text("a = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a")


def detached(folder: Path) -> None:
    clean(folder)
    git(folder, "checkout", "-q", "--detach")


def dirty(folder: Path) -> None:
    clean(folder)
    (folder / "a.py").write_text("a = 2\n")


def binary(folder: Path) -> None:
    clean(folder)
    (folder / "a.py").write_bytes(bytes(range(256)) * 40)


def huge(folder: Path) -> None:
    clean(folder)
    (folder / "a.py").write_text("".join(f"a = {i}\n" for i in range(200_000)))


def odd_names(folder: Path) -> None:
    clean(folder)
    for i in range(150):
        (folder / f"{i}\n\x1b[31mé").touch()


def broken(folder: Path) -> None:
    clean(folder)
    (folder / ".git" / "HEAD").write_bytes(b"\xff\x00")


CHECKOUTS = {
    "no repository": (no_repository, None),
    "no commits": (without_commits, None),
    "clean": (clean, False),
    "detached": (detached, False),
    "dirty": (dirty, True),
    "binary": (binary, True),
    "a huge diff": (huge, True),
    "odd names": (odd_names, True),
    "a broken repository": (broken, None),
}


@pytest.mark.parametrize("kind", CHECKOUTS)
def test_no_state_of_the_checkout_fails_a_run(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, is_dirty = CHECKOUTS[kind]
    make(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    environments.environment.cache_clear()
    facts = environments.environment()["git"]
    environments.environment.cache_clear()
    if is_dirty is None:
        assert facts is None
        return
    assert re.fullmatch(r"[0-9a-f]{40}", facts["commit"])
    assert facts["dirty"] is is_dirty
    assert ("diff" in facts) is (kind in ("dirty", "binary", "a huge diff"))
    if kind == "a huge diff":
        assert facts["diff"] is None
        assert re.fullmatch(r"[0-9a-f]{64}", facts["diff_sha256"])
    if kind == "odd names":
        assert len(facts["untracked"]) == 100


def test_a_machine_without_git_is_a_checkout_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    environments.environment.cache_clear()
    assert environments.environment()["git"] is None
    environments.environment.cache_clear()


def test_a_git_that_hangs_is_not_waited_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(words: list[str], **settings: object) -> None:
        assert settings["timeout"] == pytest.approx(10)
        raise subprocess.TimeoutExpired(words, 10)

    monkeypatch.setattr(subprocess, "run", hangs)
    environments.environment.cache_clear()
    assert environments.environment()["git"] is None
    environments.environment.cache_clear()


def test_another_checkout_is_another_environment_and_the_same_bytes(
    resolved: object, golden: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dirty(tmp_path)
    monkeypatch.chdir(tmp_path)
    environments.environment.cache_clear()
    path = run(resolved, tmp_path / "results").path  # type: ignore[arg-type]
    environments.environment.cache_clear()
    assert read_json(path / layout.MANIFEST)["environment"]["git"]["dirty"] is True
    assert promised(path) == golden
