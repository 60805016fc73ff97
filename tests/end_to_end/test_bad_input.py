"""Bad input: exit code 2, one message a problem that says what to do, and nothing written."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lrbench.config.home import packaged_folder

Command = Callable[..., Any]

SMALL = ("dataset=wine", "model=linear", "train.steps=20")

NETS = """
from torch import nn
import numpy
number = 3
class RaisesWhenBuilt(nn.Module):
    def __init__(self):
        super().__init__()
        raise RuntimeError("no\\nsuch \\x1b[31mluck")
def no_module(): return 3
def raises(): raise RuntimeError("boom")
def not_finite(): return numpy.full((50, 3), numpy.nan), numpy.arange(50) % 2
"""

# What is typed (`run` and the small defaults come before it, unless it names them itself), and
# what the message must hold: key and relation, the value, and a remedy where one is known.
SETTINGS: list[tuple[str, list[str]]] = [
    # the learning rate
    ("optimizer.lr=-0.1", ["optimizer.lr must be greater than 0.0, got -0.1"]),
    ("optimizer.lr=0", ["optimizer.lr must be greater than 0.0, got 0"]),
    ("optimizer.lr=nan", ["optimizer.lr must be a finite number, got nan"]),
    ("optimizer.lr=inf", ["optimizer.lr must be a finite number, got inf"]),
    ("optimizer.lr=1e400", ["optimizer.lr must be a finite number", "override optimizer.lr=1e400"]),
    ("optimizer.lr=1e-3x", ["optimizer.lr must be a number, got '1e-3x'"]),
    ("optimizer.lr=fast", ["optimizer.lr must be a number, got 'fast'"]),
    ("optimizer.lr=0,1", ["must have one value", "'0,1'", "lrbench sweep optimizer.lr=0,1"]),
    ("optimizer.lr=interval(0,1)", ["optimizer.lr must have one value", "'interval(0,1)'"]),
    ("optimizer.lr=true", ["optimizer.lr must be a number, got True"]),
    ("optimizer.lr=", ["optimizer.lr must have a value"]),
    ("optimizer.lr=null", ["optimizer.lr must be given, got None", "optimizer.lr=0.1"]),
    ("optimizer.lr=" + "9" * 5000, ["must have the form key=value"]),
    # unknown names
    ("lr=0.1", ["lr is not a setting", "got 0.1", "optimizer.lr=…"]),
    ("learning_rate=0.1", ["learning_rate is not a setting", "got 0.1"]),
    ("optimiser=sgd", ["optimiser is not a setting", "got 'sgd'", "try   optimizer=…"]),
    ("train.step=3", ["train.step is not a setting", "got 3", "train.steps=…"]),
    ("streams.innit=3", ["streams.innit is not a setting", "streams.init=…"]),
    ("seed.x=3", ["seed.x is not a setting", "got 3", "seed=…"]),
    (
        "schedule=cosin",
        ["schedule must be one of: anytime, ", "'cosin'", "schedule=cosine"],
    ),
    ("dataset=digit", ["dataset must be one of: ", "'digit'", "dataset=digits"]),
    ("model=../../evil", ["model must be one of: ", "'../../evil'"]),
    ("model=custom", ["model must be one of: ", "'custom'"]),
    ("schedule=[cosine]", ["schedule must be one of: ", "['cosine']"]),
    ("schedule=null", ["schedule must be one of: ", "None"]),
    ("schedule=", ["schedule must have a value"]),
    ("schedule.wramup=3", ["schedule.wramup is not a setting", "got 3", "schedule.warmup=…"]),
    (
        "optimizer=adam optimizer.betas=[0.9]",
        ["optimizer.betas is not a setting", "optimizer.beta"],
    ),
    ("train=3", ["train must be set one setting at a time, got 3", "train.epochs=…"]),
    ("streams={split:3}", ["streams must be set one setting at a time", "streams.split=…"]),
    ("compute.name=fast", ["compute.name is chosen by compute=…", "'fast'", "compute=fast"]),
    ("optimizer.name=adam", ["optimizer.name is chosen by optimizer=…", "optimizer=adam"]),
    # lengths
    ("train.steps=0", ["train.steps must be at least 1, got 0"]),
    ("train.steps=-1", ["train.steps must be at least 1, got -1"]),
    ("train.steps=1.5", ["train.steps must be a whole number, got 1.5"]),
    ("train.steps=1e3", ["train.steps must be a whole number, got 1000.0"]),
    ("train.steps=true", ["train.steps must be a whole number, got True"]),
    ("train.steps=01", ["train.steps must be a whole number, got '01'"]),
    ("train.steps=99999999999999999999", ["train.steps must come to", "got 99999999999999999999"]),
    ("train.epochs=0", ["train.epochs must be greater than 0.0, got 0"]),
    ("train.epochs=nan", ["train.epochs must be a finite number, got nan"]),
    ("train.epochs=1e300", ["train.epochs must ", "override train.epochs=1e300"]),
    ("train.epochs=0.001", ["train.epochs must come to at least one", "0.001"]),
    ("train.epochs=null", ["train.epochs must be given, or train.steps", "train.epochs=20"]),
    ("train.steps=20 train.epochs=5", ["train.steps cannot be given together", "(5), got 20"]),
    ("train.batch_size=0", ["train.batch_size must be at least 1, got 0"]),
    ("train.batch_size=-1", ["train.batch_size must be at least 1, got -1"]),
    ("train.batch_size=1.5", ["train.batch_size must be a whole number, got 1.5"]),
    ("train.batch_size=01", ["train.batch_size must be a whole number, got '01'"]),
    ("train.batch_size=107", ["must not exceed the 106 training samples, got 107", "size=32"]),
    ("train.eval_every=0", ["train.eval_every must be at least 1 update, got 0"]),
    ("train.eval_every=nan", ["train.eval_every must be whole updates (300), epochs", "got nan"]),
    ("train.eval_every=null", ["train.eval_every must be whole updates (300)", "got None"]),
    ("diagnostics.layers_every=0%", ["diagnostics.layers_every must be at least 1", "'0%'"]),
    ("diagnostics.layers_every=1.5", ["diagnostics.layers_every must be whole updates", "1.5"]),
    # schedules
    ("schedule.warmup=20", ["schedule.warmup must be shorter than the run (20 steps), got 20"]),
    ("schedule.warmup=100%", ["schedule.warmup must be shorter", "got '100%'", "warmup=5%"]),
    ("schedule.warmup=999999999999ep", ["schedule.warmup must be shorter", "'999999999999ep'"]),
    ("schedule.warmup=-1", ["schedule.warmup must not be negative, got -1"]),
    ("schedule.warmup=[1,2]", ["schedule.warmup must be whole updates", "got [1, 2]"]),
    ("schedule.warmup=null", ["schedule.warmup must be whole updates", "got None"]),
    ("schedule.warmup=10epp", ["schedule.warmup must be whole updates", "got '10epp'"]),
    ("schedule.warmup=inf", ["schedule.warmup must be whole updates", "got inf"]),
    (
        "schedule.warmup_form=foo",
        ["cosine, 1-sqrt, exponential, got 'foo'"],
    ),
    ("schedule.final_factor=2", ["schedule.final_factor must lie in [0, 1], got 2"]),
    ("schedule.final_factor=nan", ["schedule.final_factor must be a finite number, got nan"]),
    ("schedule.decay=0", ["schedule.decay must be at least 1 step, got 0"]),
    ("schedule=sgdr schedule.first_cycle=0", ["schedule.first_cycle must be at least 1", "got 0"]),
    ("schedule=sgdr schedule.first_cycle=2.5", ["schedule.first_cycle must be whole", "got 2.5"]),
    ("schedule=sgdr schedule.first_cycle=500", ["must not be longer than the 20 steps", "got 500"]),
    ("schedule=sgdr schedule.cycle_mult=0.5", ["schedule.cycle_mult must be", "got 0.5"]),
    ("schedule=sgdr schedule.cycle_mult=nan", ["schedule.cycle_mult must be a finite", "got nan"]),
    ("schedule=sgdr schedule.num_cycles=0", ["schedule.num_cycles must be at least 1, got 0"]),
    ("schedule=sgdr schedule.num_cycles=100", ["schedule.num_cycles must leave", "got 100"]),
    ("schedule=step schedule.step_size=0", ["schedule.step_size must be at least 1", "got 0"]),
    ("schedule=step schedule.gamma=2", ["schedule.gamma must lie in (0, 1], got 2"]),
    ("schedule=multistep schedule.milestones=5", ["schedule.milestones must be a list", "got 5"]),
    ("schedule=multistep schedule.milestones=[]", ["schedule.milestones must", "got []"]),
    ("schedule=multistep schedule.milestones=[9,5]", ["must increase strictly, got [9, 5]"]),
    ("schedule=multistep schedule.milestones=[null]", ["schedule.milestones must be", "got None"]),
    # optimizers
    ("optimizer.momentum=1", ["optimizer.momentum must be less than 1.0, got 1"]),
    ("optimizer.momentum=-0.1", ["optimizer.momentum must be at least 0.0, got -0.1"]),
    ("optimizer.momentum=nan", ["optimizer.momentum must be a finite number, got nan"]),
    ("optimizer.nesterov=1", ["optimizer.nesterov must be true or false, got 1"]),
    ("optimizer.nesterov=true optimizer.momentum=0", ["optimizer.nesterov needs optimizer.moment"]),
    ("optimizer=adam optimizer.beta2=1.0", ["optimizer.beta2 must be less than 1.0, got 1.0"]),
    ("optimizer.weight_decay=-1", ["optimizer.weight_decay must be at least 0.0, got -1"]),
    # seeds
    ("seed=-5", ["seed must be at least 0, got -5"]),
    ("seed=1.0", ["seed must be a whole number, got 1.0"]),
    ("seed=1e9", ["seed must be a whole number, got 1000000000.0"]),
    ("seed=a", ["seed must be a whole number, got 'a'"]),
    ("seed=9223372036854775808", ["seed must be less than 9223372036854775808"]),
    ("streams.init=-1", ["streams.init must be at least 0, got -1"]),
    # devices
    ("compute.device=cuda:77", ["compute.device must be a device of this machine", "compute=cpu"]),
    ("compute.device=tpu", ["compute.device must be cpu, cuda or cuda:<number>, got 'tpu'"]),
    ("compute.precision=fp17", ["must be one of: float32, float64, bf16, got 'fp17'"]),
    ("compute.threads=0", ["compute.threads must be at least 1, got 0"]),
    ("compute.threads=1000", ["compute.threads must not exceed", "got 1000"]),
    ("compute.profile=fast", ["must be one of: native, strict, portable, got 'fast'"]),
    ("compute.profile=strict compute.threads=2", ["compute.threads must be 1 with", "got 2"]),
    ("compute.deterministic=maybe", ["must be true or false, got 'maybe'"]),
    ("note=3", ["note must be a text, got 3"]),
    # models and data that do not fit
    ("model=cnn", ["model takes images", "got (13,)", "conf/model/cnn.yaml", "model=mlp"]),
    ("dataset=noisy_quadratic model=mlp", ["model has outputs to compare", "model=quadratic"]),
    ("model=mlp model.dropout=1", ["model.dropout must be less than 1.0, got 1"]),
    ("model=mlp model.hidden=64", ["model.hidden must be a list such as [64,64], got 64"]),
    ("model=mlp model.hidden=[a]", ["model.hidden.0 must be a whole number, got 'a'"]),
    ("model=mlp model.activation=sin", ["model.activation must be one of: relu", "got 'sin'"]),
    (
        "dataset=digits model=resnet_small train.batch_size=1",
        ["needs train.batch_size of at least"],
    ),
    ("dataset=digits model=transformer_small model.heads=3", ["model.heads must", "got 3"]),
    ("dataset.val_fraction=1", ["dataset.val_fraction must be less than 1.0, got 1"]),
    ("dataset.val_fraction=0.9", ["dataset.val_fraction must leave a share", "got 0.9"]),
    ("dataset=two_spirals dataset.num_samples=3", ["must leave no part empty"]),
    ("dataset=noisy_quadratic model=quadratic dataset.curvature=[]", ["must not be empty, got []"]),
    ("dataset=mnist dataset.root=/nonexistent", ["dataset.root must be a folder", "/nonexistent"]),
    ("dataset=mnist dataset.root=3", ["dataset.root must be a text, got 3"]),
    # import paths
    ("model._target_=nosuch.mod:Net", ["model._target_ must be an import path", "No module named"]),
    ("model._target_=math:nosuch", ["model._target_ must be an import path", "'math:nosuch'"]),
    ("model._target_=math:pi", ["model._target_ must lead to something that can be called"]),
    ("model._target_=raising:Net", ["must be importable (it raised RuntimeError: boom)"]),
    ("model._target_=leaving:Net", ["must be importable (it raised SystemExit: 5)"]),
    ("model._target_=garbled:Net", ["must be importable (it raised SyntaxError"]),
    ("model._target_=null", ["model._target_ must be an import path such as", "got None"]),
    ("model._target_=3", ["model._target_ must be an import path such as", "got 3"]),
    ("model._target_=badnets:no_module", ["must be a torch.nn.Module, got 'int'"]),
    ("model._target_=badnets:number", ["model._target_ must lead to something that can be called"]),
    (
        "model._target_=badnets:RaisesWhenBuilt",
        ["model._target_ must work", "no such \\x1b[31mluck"],
    ),
    ("model._target_=torch.nn:Linear", ["model.in_features is required", "model.out_features is"]),
    (
        "model._target_=torch.nn:Linear model.in_features=13 model.out_features=-3",
        ["must work with"],
    ),
    (
        "model._target_=torch.nn:Linear model.out_features=nan",
        ["model.out_features must be a finite"],
    ),
    ("model._target_=torch.nn:ReLU", ["must have a trainable parameter"]),
    ("dataset._target_=badnets:raises", ["dataset._target_ must work", "RuntimeError: boom"]),
    ("dataset._target_=badnets:not_finite", ["dataset._target_ must return inputs", "finite"]),
    (
        "optimizer._target_=os.system optimizer.lr=1",
        ["optimizer._target_ must lead to an optimizer"],
    ),
    ("optimizer._target_=torch.optim:SGD", ["optimizer.lr must be given", "optimizer.lr=0.1"]),
    (
        "optimizer._target_=torch.optim:SGD optimizer.lr=0.1 optimizer.momentum=-1",
        ["optimizer._target_ must work with these settings", "Invalid momentum value: -1"],
    ),
    ("schedule._target_=os.system", ["schedule.command must be given"]),
    # what is no override
    ("optimizer.lr", ["override 'optimizer.lr' must have the form key=value", "optimizer.lr=…"]),
    ("seed=[1", ["override 'seed=[1' must have the form key=value in Hydra's grammar"]),
    ("=3", ["override '=3' must have the form key=value"]),
    ("~", ["override '~' must have the form key=value"]),
    ("train..steps=3", ["override 'train..steps=3' must have the form key=value"]),
    ("+optimizer.foo=3", ["optimizer.foo cannot be added", "override +optimizer.foo=3"]),
    ("++optimizer.lr=3", ["optimizer.lr cannot be added", "override ++optimizer.lr=3"]),
    ("~schedule", ["schedule cannot be deleted: a run needs every setting"]),
    ("hydra.run.dir=x", ["hydra.run.dir must be a group or a setting of lrbench"]),
    ("hydra/launcher=basic", ["hydra/launcher must be a group or a setting of lrbench"]),
    ("seed=1 seed=2", ["seed must be set once, got ['seed=1', 'seed=2']", "only one of them"]),
    ("optimizer.lr=${nosuch}", ["optimizer.lr must resolve", "override optimizer.lr=${nosuch}"]),
    ("optimizer.lr=???", ["optimizer.lr must resolve", "override optimizer.lr=???"]),
    ("optimizer.lr=$(id)", ["override 'optimizer.lr=$(id)' must have the form key=value"]),
]

AXES: list[tuple[str, list[str]]] = [
    ("optimizer.lr=", ["optimizer.lr must have a value"]),
    ("optimizer.lr=0.1,", ["override 'optimizer.lr=0.1,' must have the form key=value"]),
    (
        "optimizer.lr=range(3,3)",
        ["must name the values of its axis", "(it has none)", "'range(3,3)'"],
    ),
    ("optimizer.lr=range(1,3,0)", ["optimizer.lr must name the values of its axis one by one"]),
    ("optimizer.lr=range(0,1e9)", ["must name the values of its axis", "more than 10000"]),
    ("optimizer.lr=range(1,200) seed=3 train.batch_size=range(1,200)", ["at most 10000 arms"]),
    ("optimizer.lr=interval(0,1)", ["must name the values of its axis", "optimizer.lr=a,b,c"]),
    ("optimizer.lr=0.1,0.1", ["optimizer.lr must not name a value twice", "'0.1,0.1'"]),
    ("optimizer.lr=1,1.0", ["two come to the same run", "optimizer.lr=1 and", "lr=1.0"]),
    ("schedule.final_factor=0,0.0", ["two come to the same run"]),
    ("note=a,b", ["two come to the same run", "note=a and", "note=b"]),
    ("seed=1,2", ["seed cannot be an override of a sweep", "--seeds 3,7,11"]),
    ("seed=3", ["seed cannot be an override of a sweep", "--seeds 3,7,11"]),
    ("optimizer.lr=0,-1", ["greater than 0.0, got 0\n", "greater than 0.0, got -1\n"]),
    ("schedule=cosine,cosin", ["schedule must be one of: ", "'cosin'", "schedule=cosine"]),
    ("compute.device=cpu,cuda:77", ["compute.device must be a device of this machine"]),
]

SEEDS = ["", "0", "-1", "1,1", "1,-2", "a", "1.5", "1e9", "1000000", "3,,4", ",", "9" * 5000, "½"]


def words_of(typed: str) -> list[str]:
    """The override words, after those of the small defaults that they do not replace."""
    words = typed.split(" ")
    given = {word.partition("=")[0] for word in words}
    replaced = {"train.epochs": "train.steps", "model._target_": "model"}
    given |= {replaced.get(key, "") for key in given}
    if "dataset._target_" in given:
        given.add("dataset")
    if words == ["train.steps=20", "train.epochs=5"]:
        given.add("train.steps")
    return [word for word in SMALL if word.partition("=")[0] not in given] + words


def refused(done: Any, expected: list[str], folder: Path, before: set[Path]) -> None:
    """The command ended as every bad input must."""
    assert done.code == 2, done
    assert done.out == ""
    told = [line for line in done.err.splitlines() if not line.startswith("note: ")]
    assert told
    for line in told:
        assert re.match(r"error: \S|  from  \S|  try   \S", line), done.err
    assert told[0].startswith("error: ")
    assert "Traceback" not in done.err
    assert "nput should be" not in done.err  # pydantic's words
    assert "\x1b" not in done.err
    for part in expected:
        assert part in done.err, f"{part!r} not in:\n{done.err}"
    assert files_in(folder) == before


def files_in(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture
def modules(here: Path) -> Path:
    """Modules of a user's, all with something wrong."""
    (here / "badnets.py").write_text(NETS)
    (here / "raising.py").write_text('raise RuntimeError("boom")')
    (here / "leaving.py").write_text("raise SystemExit(5)")
    (here / "garbled.py").write_text("def (")
    return here


@pytest.mark.parametrize(("typed", "expected"), SETTINGS, ids=lambda value: str(value)[:60])
def test_a_wrong_setting_is_refused_by_run(
    lrbench: Command, modules: Path, typed: str, expected: list[str]
) -> None:
    before = files_in(modules)
    refused(lrbench("run", *words_of(typed)), expected, modules, before)


@pytest.mark.parametrize(("typed", "expected"), SETTINGS[::12], ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("verb", ["show", "sweep", "dry-run"])
def test_it_is_refused_by_show_and_sweep_alike(
    lrbench: Command, modules: Path, verb: str, typed: str, expected: list[str]
) -> None:
    if verb != "show" and re.search(r"seed|0,1|interval", typed):
        pytest.skip("means something else in a sweep")
    words = ["sweep", "--dry-run"] if verb == "dry-run" else [verb]
    before = files_in(modules)
    refused(lrbench(*words, *words_of(typed)), expected, modules, before)


@pytest.mark.parametrize(("typed", "expected"), AXES, ids=lambda value: str(value)[:60])
def test_a_wrong_axis_is_refused(
    lrbench: Command, here: Path, typed: str, expected: list[str]
) -> None:
    refused(lrbench("sweep", "--seeds", "2", *words_of(typed)), expected, here, set())


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda value: value[:12])
def test_wrong_seeds_are_refused(lrbench: Command, here: Path, seeds: str) -> None:
    done = lrbench("sweep", *SMALL, "--seeds", seeds)
    refused(done, ["--seeds must ", "--seeds 3,7,11"], here, set())


def test_all_problems_of_a_configuration_come_at_once(lrbench: Command, here: Path) -> None:
    done = lrbench("run", "schedul=x", "optimizer.lrr=3", "train.step=4")
    refused(done, ["schedul is", "optimizer.lrr is", "train.step is"], here, set())
    assert done.err.count("error: ") == 3
    done = lrbench(
        "run",
        "optimizer.lr=0",
        "schedule.warmup=x",
        "seed=-1",
        "train.batch_size=0",
        "~model",
        "=3",
    )
    assert done.err.count("error: ") == 2  # what does not parse hides the rest
    done = lrbench(
        "run", "optimizer.lr=0", "schedule.warmup=x", "seed=-1", "train.batch_size=0", "note=3"
    )
    keys = ["optimizer.lr", "schedule.warmup", "seed", "train.batch_size", "note"]
    refused(done, [f"error: {key} must" for key in keys], here, set())
    assert done.err.count("error: ") == 5


def test_a_value_that_two_checks_dislike_is_told_once(lrbench: Command, here: Path) -> None:
    done = lrbench("sweep", *SMALL, "optimizer.lr=nan", "optimizer.momentum=0,0.5")
    assert done.err.count("error: ") == 1, done.err


@pytest.mark.parametrize("verb", ["run", "sweep"])
def test_a_results_path_that_cannot_be_a_folder_is_refused(
    lrbench: Command, here: Path, verb: str
) -> None:
    (here / "file").touch()
    (here / "dangling").symlink_to("nowhere")
    before = files_in(here)
    for path, part in {
        "file": "--results must be a folder, got 'file'",
        "file/x": "--results must not lie below the file file, got 'file/x'",
        "dangling": "--results must be a folder, got 'dangling'",
        "x" * 300: "--results must be the path of a folder",
    }.items():
        refused(lrbench(verb, *SMALL, "--results", path), [part], here, before)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_results_folder_that_is_not_writable_is_refused(lrbench: Command, here: Path) -> None:
    folder = here / "results"
    folder.mkdir(mode=0o555)
    refused(lrbench("run", *SMALL), ["--results must be writable"], here, {folder})


def test_unwritable_is_what_the_system_says_it_is(
    lrbench: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For root, who may write anywhere, the system's answer is given for it.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for verb in ("run", "sweep"):
        done = lrbench(verb, *SMALL, "--results", "here/and/there")
        refused(done, ["--results must be writable", "'here/and/there'"], here, set())


def idx(path: Path, shape: tuple[int, ...], *, cut: int = 0, kind: int = 8) -> None:
    size = 1
    for side in shape:
        size *= side
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, len(shape), *shape)
    data = head + bytes(index % 10 for index in range(size))
    path.write_bytes(data[: len(data) - cut])


@pytest.mark.parametrize("damage", ["cut", "garbage", "empty", "broken gzip", "other length"])
def test_a_damaged_dataset_file_is_refused_by_name(
    lrbench: Command, here: Path, damage: str
) -> None:
    folder = here / "files"
    folder.mkdir()
    images, labels = folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"
    idx(images, (100, 28, 28), cut=5 if damage == "cut" else 0)
    idx(labels, (99 if damage == "other length" else 100,))
    if damage == "garbage":
        images.write_bytes(b"not what it says it is" * 10)
    if damage == "empty":
        images.write_bytes(b"")
    if damage == "broken gzip":
        packed = gzip.compress(images.read_bytes())
        images.with_suffix(".gz").write_bytes(packed[: len(packed) // 2])
        images.unlink()
    before = files_in(here)
    done = lrbench("run", "dataset=mnist", f"dataset.root={folder}", "train.steps=2")
    refused(done, ["t10k-"], here, before)


MINE = {
    "a tab": ("name: cosine\n\tdecay: 3\n", ["mine.yaml", "line 2, column 1"]),
    "a key twice": ("name: cosine\nname: cosine\n", ["duplicate key name", "mine.yaml", "line 2"]),
    "a list": ("- a\n- b\n", ["mine.yaml must be a mapping"]),
    "a number": ("3", ["must hold valid Hydra YAML"]),
    "nothing": ("", ["schedule.name must be one of", "mine.yaml"]),
    "not text": (b"name: \xff\xfe\n", ["must hold valid Hydra YAML"]),
    "another package": ("# @package _global_\nname: cosine\n", ["mine.yaml must be a mapping"]),
    "unknown key": ("name: cosine\nwramup: 3\n", ["schedule.wramup is", "schedule.warmup=…"]),
    "number as key": ("name: cosine\n1: 3\n", ["schedule.1 is not a setting here", "mine.yaml"]),
    "missing name": ("decay: 3\n", ["schedule.name must be one of", "mine.yaml"]),
    "unknown name": ("name: cosin\n", ["schedule.name must be one of", "schedule=cosine"]),
    "wrong value": ("name: cosine\nwarmup: 500\n", ["schedule.warmup must be shorter", "500"]),
    "no as false": ("name: cosine\nfinal_factor: no\n", ["must be a number, got False"]),
    "missing value": ("name: cosine\ndecay: ???\n", ["schedule.decay must resolve", "mine.yaml"]),
    "missing key": ("name: multistep\n", ["schedule.milestones must be given", "mine.yaml"]),
    "unknown default": ("defaults: [foo]\nname: cosine\n", ["Could not load 'schedule/foo'"]),
    "python": ("!!python/object/apply:os.system [id]", ["must hold valid Hydra YAML"]),
    "a target": ("name: cosine\n_target_: os.system\n", ["schedule.command must be given"]),
}


@pytest.mark.parametrize("what", MINE)
def test_a_broken_option_of_the_users_own_is_refused(
    lrbench: Command, here: Path, what: str
) -> None:
    text, expected = MINE[what]
    file = here / "own" / "schedule" / "mine.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = files_in(here)
    done = lrbench("run", *SMALL, "schedule=mine", "--config-dir", "own")
    refused(done, [*expected, "own"], here, before)


CONFIGS: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "wrong value": (
        lambda t: t.replace("seed: 0", "seed: -1"),
        ["seed must be at least 0, got -1"],
    ),
    "misspelt": (lambda t: t.replace("seed: 0", "sed: 0"), ["seed must be given", "sed is not"]),
    "misspelt group": (
        lambda t: t.replace("train:", "trian:"),
        ["train must be given", "trian is"],
    ),
    "inside": (lambda t: t.replace("batch_size:", "batchsize:"), ["train.batchsize is not a sett"]),
    "no mapping": (
        lambda t: t.replace("train:", "train: 3\nx:"),
        ["train must be a mapping, got 3"],
    ),
    "no options": (lambda t: "seed: 3\n", ["own/config.yaml must choose an option for each of"]),
    "empty": (lambda t: "", ["own/config.yaml must choose an option for each of"]),
    "no self": (lambda t: t.replace("  - _self_\n", ""), ["missing `_self_`"]),
    "unknown option": (lambda t: t.replace("dataset: digits", "dataset: digitz"), ["digitz"]),
    "both lengths": (lambda t: t.replace("steps: null", "steps: 9"), ["cannot be given together"]),
    "own setting": (
        lambda t: t + "\nschedule:\n  foo: 3\n",
        ["schedule.foo is", "own/config.yaml"],
    ),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_broken_configuration_of_the_users_own_is_refused(
    lrbench: Command, here: Path, what: str
) -> None:
    change, expected = CONFIGS[what]
    (here / "own").mkdir()
    text = change((packaged_folder() / "config.yaml").read_text())
    (here / "own" / "config.yaml").write_text(text)
    before = files_in(here)
    done = lrbench("run", "--config-dir", "own")
    refused(done, [*expected, "own"], here, before)


@pytest.mark.parametrize("verb", ["run", "sweep", "show"])
def test_a_config_dir_that_is_no_folder_is_refused(lrbench: Command, here: Path, verb: str) -> None:
    (here / "file").touch()
    before = files_in(here)
    for path in ("file", "nowhere", "x" * 300):
        done = lrbench(verb, "--config-dir", path)
        refused(done, [f"--config-dir must be a folder, got '{path}'"], here, before)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["list", "modles"], "try   lrbench list models"),
        (["summarize", "nowhere"], "nowhere must exist"),
        (["summarize", "."], "must hold records of runs"),
        (["summarize", ".", "--metric", "val_los"], "try   --metric val_loss"),
        (["summarize", ".", "--level", "2"], "--level must be between 0 and 1, got 2.0"),
        (["summarize", ".", "--target", "nan"], "--target must be a finite number, got nan"),
    ],
)
def test_other_verbs_refuse_in_the_same_form(
    lrbench: Command, here: Path, words: list[str], part: str
) -> None:
    refused(lrbench(*words), [part], here, set())


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["sweep", "--jobs", "0"], "--jobs"),
        (["sweep", "--jobs", "x"], "--jobs"),
        (["sweep", "--job", "2"], "--job"),
        (["walk"], "No such command 'walk'"),
        (["run", "--results"], "requires an argument"),
        (["show", "--results", "x"], "No such option"),
        (["list", "models", "datasets"], "unexpected extra argument"),
    ],
)
def test_wrong_options_are_refused_with_the_usage(
    lrbench: Command, here: Path, words: list[str], part: str
) -> None:
    done = lrbench(*words)
    assert (done.code, done.out) == (2, "")
    assert part in done.err
    assert files_in(here) == set()


HOSTILE = ["\x1b[31mred", "a\nb", "$(touch owned)", "`touch owned`", "\u202egnp", "\x9b31m", "\x07"]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_hostile_values_are_shown_and_do_nothing(lrbench: Command, here: Path, value: str) -> None:
    for words in (
        ["run", f"optimizer.lr={value}"],
        ["run", f"{value}=3"],
        ["run", f"schedule='{value}'"],
        ["run", "optimizer.lr=0", f"note='{value}'"],
        ["show", "--config-dir", value],
        ["list", value],
    ):
        done = lrbench(*words)
        assert done.code == 2, done
        assert done.out == ""
        shown = done.err.replace("\n", "")
        assert shown.isprintable(), ascii(shown)
        assert "error: " in done.err
    assert files_in(here) == set()


@pytest.mark.parametrize("value", HOSTILE[::2], ids=repr)
def test_hostile_values_that_are_allowed_are_inert_too(
    lrbench: Command, here: Path, value: str
) -> None:
    for words in (
        ["run", *SMALL, "--note", value],
        ["show", *SMALL, f"note='{value}'", "--json"],
        ["sweep", *SMALL, "--seeds", "1", f"note='{value}'", "--dry-run"],
        ["run", *SMALL, "--results", f"r/{value}"],
    ):
        done = lrbench(*words)
        assert done.code == 0, done
        assert (done.out + done.err).replace("\n", "").isprintable()
    shutil.rmtree(here / "r")
    assert not (here / "owned").exists()


def test_a_very_long_value_is_refused_without_a_traceback(lrbench: Command, here: Path) -> None:
    for word in ("schedule=" + "x" * 100_000, "optimizer.lr=[" + "1," * 500 + "1]"):
        refused(lrbench("run", word), [], here, set())


@pytest.mark.parametrize(
    "words",
    [["sweep", "schedule=cosin", "optimizer.lr=0"], ["list", "x"]],
)
def test_real_commands_end_the_same_way(shell: Command, here: Path, words: list[str]) -> None:
    refused(shell(*words), [], here, set())


def test_debug_shows_the_traceback(shell: Command, here: Path) -> None:
    done = shell("--debug", "run", "optimizer.lr=0")
    assert done.code != 0
    assert "Traceback" in done.err
