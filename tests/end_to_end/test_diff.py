"""``lrbench diff`` as typed, over runs that were really made."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forging import edit, reseal
from lrbench.record import layout
from lrbench.record.lock import Lock
from lrbench.spec.canonical import canonical
from lrbench.spec.canonical import digest as digest_of

Command = Callable[..., Any]

SMALL = ("dataset=wine", "model.hidden=[5]", "train.batch_size=16", "diagnostics.layers_every=4")
LENGTH = ("train.steps=12", "train.eval_every=5")
DIGESTS = ["data", "split", "init", "schedule", "batches", "weights", *layout.LOGS]


@pytest.fixture
def run(lrbench: Command) -> Command:
    def call(*words: str) -> str:
        chosen = {word.partition("=")[0]: word for word in (*SMALL, *LENGTH, *words) if "=" in word}
        options = [word for word in words if "=" not in word]
        done = lrbench("run", *chosen.values(), *options, "--json")
        assert done.code == 0, done.err
        return str(json.loads(done.out)["path"])

    return call


@pytest.fixture
def differ(lrbench: Command) -> Command:
    """The answer of ``diff --json``, whose exit code must be that of its verdict."""

    def call(*words: str) -> dict[str, Any]:
        done = lrbench("diff", *words, "--json")
        answer = json.loads(done.out)
        assert done.code == (0 if answer["identical"] else 3), done.err
        return dict(answer)

    return call


def states(answer: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["is_same"] for one in answer["digests"]}


def changed(answer: dict[str, Any]) -> list[str]:
    return [change["key"] for change in answer["settings"]]


def column(path: str, name: str) -> list[str]:
    with Path(path, "steps.csv").open() as file:
        return [row[name] for row in csv.DictReader(file)]


def stop(path: str, rows: int) -> None:
    """As if the run had been killed after so many updates, in the middle of a line."""
    Path(path, layout.RESULT).unlink()
    log = Path(path, "steps.csv")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[: rows + 1]) + lines[rows + 1][:9])


def test_the_same_run_made_twice_is_identical(run: Command, lrbench: Command) -> None:
    one, two = run(), run("--results", "two")
    for first, second in ((one, two), (f"{one}/", f"./{two}/"), (one, one)):
        done = lrbench("diff", first, second)
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[-2:] == ["the logs do not differ", "identical"]
    assert lrbench("diff", one, two).out.count(" same\n") == len(DIGESTS) + len(
        ("settings", "environments")
    )


def test_runs_with_and_without_restarts_and_curvature_are_compared(
    run: Command, differ: Command
) -> None:
    plain = run("schedule=constant")
    looks = "diagnostics.curvature={every: 6, iterations: 2, samples: 32}"
    much = run("schedule=sgdr", "schedule.first_cycle=5", looks)
    found = states(differ(plain, much))
    assert [found[name] for name in layout.MORE_LOGS] == [None, None]
    assert found["evals.csv"] is False
    same = states(differ(much, much))
    assert [same[name] for name in layout.MORE_LOGS] == [True, True]


def test_another_seed_has_the_same_data_and_another_start(run: Command, differ: Command) -> None:
    one, two = run("seed=0"), run("seed=1")
    answer = differ(one, two)
    assert answer["settings"] == [{"key": "seed", "first": 0, "second": 1}]
    assert answer["environment"] == answer["absent"] == []
    same = {"data", "split", "schedule", "restarts.csv"}
    assert states(answer) == {name: name in same for name in DIGESTS}
    assert [d["tensor"] for d in answer["digests"] if d["name"] == "init"] == ["hidden1.weight"]
    first = answer["first_difference"]
    assert (first["what"], first["step"], first["column"]) == ("batch", 0, "batch_digest")
    assert first["first"] == column(one, "batch_digest")[0]
    assert first["second"] == column(two, "batch_digest")[0]


def test_another_rate_shows_in_the_schedule_of_the_first_update(
    run: Command, differ: Command
) -> None:
    answer = differ(run("optimizer.lr=0.1"), run("optimizer.lr=0.2"))
    assert changed(answer) == ["optimizer.lr"]
    assert states(answer)["init"] is states(answer)["batches"] is True
    first = answer["first_difference"]
    assert (first["what"], first["step"], first["first"], first["second"]) == (
        "schedule",
        0,
        "0.1",
        "0.2",
    )


def test_another_start_alone_shows_in_the_first_loss(run: Command, lrbench: Command) -> None:
    one, two = run(), run("streams.init=7")
    done = lrbench("diff", one, two)
    assert done.code == 3
    assert "  streams.init: absent and 7\n" in done.out
    assert "  init          differs, first tensor hidden1.weight\n" in done.out
    losses = column(one, "train_loss")[0], column(two, "train_loss")[0]
    sentence = f"logs: loss, at step 0: train_loss is {losses[0]} in the first and {losses[1]} in"
    assert sentence in " ".join(done.out.split())
    assert done.out.endswith("\ndifferent\n")


def test_another_schedule_and_another_length_are_compared(run: Command, differ: Command) -> None:
    other = differ(run("schedule=constant"), run("schedule=sgdr", "schedule.first_cycle=5"))
    assert changed(other)[0] == "schedule"
    assert "schedule.first_cycle" in changed(other)
    assert other["first_difference"]["step"] == 1
    assert states(other)["restarts.csv"] is False
    longer = differ(*(run("schedule=constant", f"train.steps={n}") for n in (10, 15)))
    assert changed(longer) == ["train.steps"]
    first = longer["first_difference"]
    assert (first["file"], first["step"], first["first"]) == ("steps.csv", 10, None)


def test_a_run_that_was_killed_is_compared_as_far_as_it_is(
    run: Command, lrbench: Command, differ: Command
) -> None:
    one, two = run(), run("--results", "two")
    stop(two, 8)
    answer = differ(one, two)
    first = answer["first_difference"]
    assert (first["what"], first["step"], first["first"], first["second"]) == (
        "steps",
        8,
        "8",
        None,
    )
    assert states(answer)["weights"] is states(answer)["batches"] is None
    done = lrbench("diff", one, two)
    assert "two/" in done.out
    assert ": interrupted\n" in done.out
    assert "  weights       not recorded in the second\n" in done.out
    assert "steps.csv has no row of step 8 in the second\n" in done.out
    # Two that stopped at one place differ in nothing.
    assert lrbench("diff", two, two).code == 0


def test_a_run_without_manifest_or_logs_says_so(run: Command, lrbench: Command) -> None:
    one, two = run(), run("--results", "two")
    for path in Path(two).iterdir():
        if path.is_file() and path.name != layout.SPEC:
            path.unlink()
    done = lrbench("diff", one, two)
    assert done.code == 3
    assert "environments: not compared, the second has no manifest.json yet\n" in done.out
    assert "  steps.csv     not recorded in the second\n" in done.out


def test_a_diverged_run_is_compared(lrbench: Command, run: Command) -> None:
    one, two = run("optimizer.lr=1e-3"), run("dataset=diabetes", "optimizer.lr=1e9")
    done = lrbench("diff", one, two)
    assert done.code == 3
    assert "diverged at step" in done.out
    assert "  weights       not recorded in the second\n" in done.out
    assert "  data          differs\n" in done.out
    assert lrbench("diff", two, two).code == 0


def test_a_record_of_an_earlier_lrbench_is_compared_in_its_columns(
    run: Command, differ: Command, here: Path
) -> None:
    one = run()
    spec = json.loads(Path(one, layout.SPEC).read_text())
    for name in ("momentum_schedule", "weight_decay_schedule"):
        del spec["optimizer"][name]
    old = here / "old" / f"wine-mlp-cosine-s0-{digest_of(spec)[:8]}"
    shutil.copytree(one, old)
    (old / layout.SPEC).write_text(canonical(spec))
    place = layout.STEP_COLUMNS.index("weight_decay")
    lines = [line.split(",") for line in (old / "steps.csv").read_text().splitlines()]
    data = "".join(",".join(line[:place] + line[place + 1 :]) + "\n" for line in lines).encode()
    (old / "steps.csv").write_bytes(data)
    reseal(old)
    answer = differ(one, str(old))
    assert answer["settings"] == []
    assert states(answer)["steps.csv"] is False
    first = answer["first_difference"]
    assert (first["what"], first["column"], first["second"]) == ("columns", "weight_decay", None)


@pytest.mark.parametrize("name", [*layout.LOGS, layout.MANIFEST, layout.RESULT, layout.SPEC])
@pytest.mark.parametrize("side", [0, 1])
def test_a_damaged_record_is_named_with_its_file(
    run: Command, lrbench: Command, name: str, side: int
) -> None:
    paths = [run("schedule=sgdr", "schedule.first_cycle=5"), run("seed=1")]
    if name == "restarts.csv" and side == 1:
        pytest.skip("a cosine has no restarts")
    file = Path(paths[side], name)
    data = bytearray(file.read_bytes())
    # The last digit of a log's number, or the bracket that opens an object.
    place = 0 if name.endswith(".json") else len(data) - 2
    data[place] = ord("7") if data[place] != ord("7") else ord("8")
    file.write_bytes(data)
    done = lrbench("diff", *paths)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("error: ")
    assert name in done.err
    assert paths[side] in done.err
    assert len(done.err.splitlines()) <= 4


def test_a_missing_manifest_of_a_finished_run_is_damage(run: Command, lrbench: Command) -> None:
    one = run()
    Path(one, layout.MANIFEST).unlink()
    done = lrbench("diff", one, one)
    assert (done.code, done.out) == (3, "")
    assert "manifest.json must exist in a record" in done.err


def test_what_is_no_record_is_refused_with_what_to_type(
    run: Command, lrbench: Command, here: Path
) -> None:
    one, two = run(), run("seed=1")
    (here / "empty").mkdir()
    for words, relation, remedy in (
        ((one, "results/nothing"), "results/nothing must exist", f"lrbench diff {one}"),
        (("results", two), "results must be the folder of a record", f"lrbench diff {one} {two}"),
        ((f"{one[:-1]}x", two), f"{one[:-1]}x must exist", f"lrbench diff {one} RUN"),
        ((one, f"{two}/steps.csv"), "must be the folder of a record", f"lrbench diff {two} RUN"),
        ((one, "empty"), "empty must be the folder of a record", "lrbench diff results/RUN"),
        ((one, "nowhere/at/all"), "nowhere/at/all must exist", "lrbench diff results/RUN"),
        ((one, "x" * 5000), "must exist", "lrbench diff"),
    ):
        done = lrbench("diff", *words)
        assert (done.code, done.out) == (2, ""), words
        assert relation in done.err, words
        assert f"  try   {remedy}" in done.err, words
        assert len(done.err.splitlines()) == 2, words
    assert lrbench("diff", one).code == 2


def test_a_run_that_has_not_begun_is_refused(run: Command, lrbench: Command, here: Path) -> None:
    one, claimed = run(), here / "results" / "wine-mlp-cosine-s3-00000000"
    claimed.mkdir()
    lock = Lock(claimed / layout.LOCK)
    assert lock.acquire()
    done = lrbench("diff", one, str(claimed))
    lock.release()
    assert done.code == 2
    assert "must hold more than the lock of a run that has not begun" in done.err


def test_a_record_is_known_from_within_and_by_a_link(
    run: Command, lrbench: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = here / run()
    (here / "latest").symlink_to(one)
    assert lrbench("diff", "latest", str(one)).code == 0
    monkeypatch.chdir(one)
    assert lrbench("diff", ".", str(one)).code == 0


def test_lines_fit_the_terminal_and_nothing_in_a_record_drives_it(
    run: Command, lrbench: Command, here: Path
) -> None:
    one, two = run(), run("--results", "two\x1b[31m", "seed=1")
    evil = "\x1b]0;owned\x07\nidentical\t" + "\u202e" + "w" * 200

    def forge(manifest: dict[str, Any]) -> None:
        manifest["init"]["tensors"] = {evil: "0"} | manifest["init"]["tensors"]
        manifest["environment"]["packages"] |= {evil: evil} | {f"p{i}": "1" for i in range(50)}
        manifest["profile"]["torch"] = evil

    edit(Path(two, layout.MANIFEST), forge)
    reseal(Path(two))
    done = lrbench("diff", one, two)
    assert done.code == 3
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert all(c.isprintable() or c == "\n" for c in done.out)
    assert "identical" not in done.out.splitlines()
    assert "  and 32 more, which --json lists\n" in done.out
    keys = [line for line in done.out.splitlines() if line.startswith("  profile.torch:")]
    assert len(keys) == 1
    answer = json.loads(lrbench("diff", one, two, "--json").out)
    assert len(answer["environment"]) == 52
    assert answer["environment"][0] == {
        "key": "profile.torch",
        "first": json.loads(Path(one, layout.MANIFEST).read_text())["profile"]["torch"],
        "second": evil,
    }


def test_nothing_a_record_names_is_imported(run: Command, lrbench: Command, here: Path) -> None:
    (here / "own_nets.py").write_text(
        "from torch import nn\n"
        "class Net(nn.Linear):\n"
        "    def __init__(self, input_shape, num_outputs):\n"
        "        super().__init__(input_shape[0], num_outputs)\n"
    )
    words = ("run", "dataset=wine", "model._target_=own_nets:Net", *LENGTH, "--json")
    one = json.loads(lrbench(*words).out)["path"]
    (here / "own_nets.py").write_text("raise SystemExit('imported')\n")
    assert lrbench("diff", one, one).code == 0
    os.remove(here / "own_nets.py")  # noqa: PTH107
    assert lrbench("diff", one, one).code == 0
