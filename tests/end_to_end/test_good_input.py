"""What a person may type, and what it comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lrbench.cli.completion import complete_override
from lrbench.config.home import packaged_folder
from lrbench.workflows.sweep import plan_sweep

Command = Callable[..., Any]

SMALL = ("dataset=wine", "model=linear", "train.steps=20")

NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self, input_shape, num_outputs, width=8):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(input_shape[0], width), nn.{activation}(), nn.Linear(width, num_outputs))
    def forward(self, inputs):
        return self.layers(inputs)
"""

DATA = """
import numpy
def blobs(num_samples=120):
    labels = numpy.arange(num_samples) % 2
    noise = numpy.random.default_rng(3).normal(size=(num_samples, 2))
    return noise + 4 * labels[:, None], labels
"""

OPTIMIZER = """
import torch
class Signs(torch.optim.Optimizer):
    def __init__(self, params, lr, power=1.0):
        super().__init__(params, {"lr": lr, "power": power})
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                weight -= group["lr"] * weight.grad.sign() * weight.grad.abs() ** group["power"]
"""


@pytest.fixture
def shown(lrbench: Command) -> Callable[..., dict[str, Any]]:
    """What ``show --json`` says of these words."""

    def call(*words: str) -> dict[str, Any]:
        done = lrbench("show", "--json", *words)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return call


@pytest.fixture
def own(here: Path) -> Callable[[str, str], None]:
    """Writes a file into a configuration folder of the user's own."""

    def write(name: str, text: str) -> None:
        path = here / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


class TestConfigFolder:
    def test_a_new_option_may_leave_out_what_has_a_default(self, shown: Any, own: Any) -> None:
        own("schedule/mine.yaml", "name: cosine\nfinal_factor: 0.25\n")
        words = ("--config-dir", "own", *SMALL)
        mine = shown(*words, "schedule=mine")
        assert mine["spec"]["schedule"]["params"]["final_factor"] == 0.25
        assert mine["origins"]["schedule.final_factor"] == "own/schedule/mine.yaml"
        packaged = shown(*SMALL, "schedule=cosine", "schedule.final_factor=0.25")
        assert mine["run_id"] == packaged["run_id"]

    def test_a_file_of_the_same_name_wins(self, shown: Any, own: Any) -> None:
        own("schedule/cosine.yaml", "name: cosine\nwarmup: 3\n")
        for more in ((), ("schedule=cosine",)):
            found = shown("--config-dir", "own", *SMALL, *more)
            assert found["spec"]["schedule"]["params"]["warmup"] == 3
            assert found["origins"]["schedule.warmup"] == "own/schedule/cosine.yaml"
        # The folder of one command is not that of the next.
        assert shown(*SMALL)["spec"]["schedule"]["params"]["warmup"] == 0

    def test_a_config_yaml_wins_and_overrides_win_over_it(
        self, shown: Any, own: Any, lrbench: Command
    ) -> None:
        config = yaml.safe_load((packaged_folder() / "config.yaml").read_text())
        chosen = {"dataset": "wine", "model": "linear", "optimizer": "adam", "schedule": "linear"}
        chosen |= {"restart": "keep", "trigger": "none", "compute": "cpu"}
        chosen |= {"diagnostics": "minimal"}
        config["defaults"] = [{group: option} for group, option in chosen.items()] + ["_self_"]
        config["train"] |= {"epochs": None, "steps": 7, "batch_size": 32, "eval_every": "50%"}
        config |= {"seed": 4, "note": "mine", "schedule": {"warmup": 2}}
        config["streams"]["split"] = 1
        own("config.yaml", yaml.safe_dump(config, sort_keys=False))
        found = shown("--config-dir", "own")
        spec = found["spec"]
        assert (spec["dataset"]["name"], spec["optimizer"]["name"]) == ("wine", "adam")
        assert spec["train"] == {"steps": 7, "batch_size": 32, "eval_every": 4}
        assert (spec["seed"], spec["streams"]["split"]) == (4, 1)
        assert spec["schedule"]["params"]["warmup"] == 2
        assert found["origins"]["schedule.warmup"] == "own/config.yaml"
        assert found["origins"]["train.steps"] == "own/config.yaml"

        found = shown("--config-dir", "own", "seed=9", "train.epochs=2", "model=mlp")
        assert (found["spec"]["seed"], found["spec"]["train"]["steps"]) == (9, 6)
        assert found["spec"]["model"]["name"] == "mlp"
        text = lrbench("show", "--config-dir", "own").out
        assert "  warmup: 2" in text
        assert text.count("# own/config.yaml") >= 2

    def test_options_may_have_any_name(self, shown: Any, own: Any) -> None:
        for name in ("3", "a b", "null_", "x-1"):
            own(f"schedule/{name}.yaml", "name: constant\n")
            found = shown("--config-dir", "own", *SMALL, f"schedule='{name}'")
            assert found["spec"]["schedule"]["name"] == "constant"


class TestImportPaths:
    def test_a_model_of_the_current_folder(
        self, lrbench: Command, shell: Command, here: Path
    ) -> None:
        words = ("run", "--json", "dataset=wine", "train.steps=5", "model._target_=nets:Net")
        (here / "nets.py").write_text(NET.format(activation="ReLU"))
        first = json.loads(lrbench(*words, "model.width=16").out)
        assert first["status"] == "complete"
        assert "/wine-net-cosine-s0-" in first["path"]
        assert json.loads((here / first["path"] / "spec.json").read_text())["model"]["params"] == {
            "width": 16
        }
        again = json.loads(lrbench(*words, "model.width=16").out)
        assert again["was_there"]
        assert again["path"] == first["path"]
        # Other code is another run, though nothing else has changed.
        (here / "nets.py").write_text(NET.format(activation="Tanh"))
        changed = json.loads(shell(*words, "model.width=16").out)
        assert not changed["was_there"]
        assert changed["path"] != first["path"]
        assert changed["metrics"] != first["metrics"]

    def test_data_and_optimizer_of_the_current_folder(self, lrbench: Command, here: Path) -> None:
        (here / "own_data.py").write_text(DATA)
        (here / "own_optim.py").write_text(OPTIMIZER)
        done = lrbench(
            "run", "--json", "model=linear", "train.steps=30", "train.batch_size=16",
            "dataset._target_=own_data:blobs", "dataset.num_samples=100",
            "optimizer._target_=own_optim:Signs", "optimizer.lr=0.05", "optimizer.power=0.5",
        )  # fmt: skip
        assert done.code == 0, done.err
        answer = json.loads(done.out)
        assert "/blobs-linear-cosine-s0-" in answer["path"]
        assert answer["metrics"]["val_accuracy"] > 0.9

    def test_an_optimizer_of_torch(self, lrbench: Command, here: Path) -> None:
        words = (
            "optimizer._target_=torch.optim:RMSprop",
            "optimizer.lr=0.01",
            "optimizer.alpha=0.9",
        )
        done = lrbench("run", *SMALL, *words)
        assert done.code == 0, done.err
        assert "complete: step 20" in done.out

    def test_a_target_of_the_users_own_option(self, shown: Any, own: Any, here: Path) -> None:
        (here / "nets2.py").write_text(NET.format(activation="ReLU"))
        own("model/mine.yaml", "_target_: nets2:Net\nwidth: 4\n")
        found = shown("dataset=wine", "--config-dir", "own", "model=mine", "model.width=6")
        assert found["spec"]["model"]["params"] == {"width": 6}
        assert found["spec"]["model"]["name"] == "net"


class TestLengths:
    # digits: 1079 training samples, so 16 updates of 64 make an epoch.
    @pytest.mark.parametrize(
        ("typed", "steps"),
        [("7", 7), ("1ep", 16), ("2.5ep", 40), ("20%", 64), ("0.5%", 2), ("99.9%", 320)],
    )
    def test_updates_epochs_and_parts(self, shown: Any, typed: str, steps: int) -> None:
        found = shown(f"train.eval_every={typed}", f"diagnostics.layers_every={typed}")["spec"]
        assert found["train"]["steps"] == 320
        assert found["train"]["eval_every"] == steps
        assert found["diagnostics"]["layers_every"] == steps

    def test_lengths_of_a_schedule_follow_the_run(self, shown: Any) -> None:
        words = ("schedule=multistep", "schedule.milestones=[25%,2ep,100]", "train.steps=64")
        assert shown(*words[:1], "schedule.milestones=[25%,10ep]")["spec"]["schedule"]["params"][
            "milestones"
        ] == [80, 160]
        assert shown(*words)["spec"]["schedule"]["params"]["milestones"] == [16, 32, 100]

    def test_steps_take_the_place_of_the_default_epochs(self, shown: Any) -> None:
        assert shown("train.steps=33")["spec"]["train"]["steps"] == 33
        assert shown("train.epochs=0.5")["spec"]["train"]["steps"] == 8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["train.epochs=20"], ["train.steps=320"]),
        (["train.eval_every=1ep"], ["train.eval_every=16"]),
        (["schedule.warmup=10%"], ["schedule.warmup=2ep"]),
        (["schedule.final_factor=0"], ["schedule.final_factor=0.0"]),
        (["schedule=sgdr", "schedule.cycle_mult=2"], ["schedule=sgdr"]),
        (["optimizer.lr=1"], ["optimizer.lr=1.0"]),
        (["optimizer.momentum=0"], ["optimizer.momentum=0.0"]),
        (["optimizer.lr=0.1"], ["optimizer.lr=1e-1"]),
        (["model.dropout=0"], ["model=mlp"]),
        (["note=a"], ["note=b"]),
        (["schedule=cosine", "seed=3"], ["seed=3"]),
    ],
)
def test_the_same_run_typed_differently_has_one_identity(
    shown: Any, one: list[str], other: list[str]
) -> None:
    assert shown(*one)["run_id"] == shown(*other)["run_id"]


def test_every_setting_that_decides_the_numbers_is_part_of_the_identity(shown: Any) -> None:
    changes = [
        [], ["seed=1"], ["optimizer.lr=0.2"], ["optimizer.momentum=0"], ["schedule=linear"],
        ["schedule.warmup=1"], ["train.batch_size=32"], ["train.eval_every=5"], ["streams.init=0"],
        ["streams.split=null"], ["diagnostics=minimal"], ["compute.precision=float64"],
        ["compute.deterministic=false"], ["model.hidden=[128]"], ["dataset.val_fraction=0.3"],
    ]  # fmt: skip
    names = [shown(*words)["run_id"] for words in changes]
    assert len(set(names)) == len(changes)


def test_a_pinned_stream_does_not_follow_the_seed(lrbench: Command, here: Path) -> None:
    starts = []
    for words in (
        ["seed=1"],
        ["seed=2"],
        ["seed=1", "streams.init=7"],
        ["seed=2", "streams.init=7"],
    ):
        done = lrbench("run", "--json", *SMALL, *words)
        path = here / json.loads(done.out)["path"]
        manifest = json.loads((path / "manifest.json").read_text())
        batches = [row.split(",")[-1] for row in (path / "steps.csv").read_text().splitlines()]
        starts.append((manifest["init"]["digest"], manifest["data"]["split_digest"], batches))
    init, split, batches = zip(*starts, strict=True)
    assert init[0] != init[1]
    assert init[2] == init[3] not in init[:2]
    assert len(set(split)) == 1
    assert batches[0] == batches[2] != batches[1] == batches[3]


def test_a_free_split_follows_the_seed(shown: Any, here: Path) -> None:
    for split, digests in (("null", 2), ("0", 1)):
        plan = plan_sweep([*SMALL, f"streams.split={split}"], (3, 4), here / "results")
        specs = [job.run.spec for job in plan.jobs]
        assert len({spec.dataset.digest for spec in specs}) == digests
        # A sweep's run is the run that is typed alone.
        for spec in specs:
            alone = shown(*SMALL, f"streams.split={split}", f"seed={spec.seed}")
            assert alone["run_id"] == spec.run_id
            assert spec.arm == specs[0].arm


def test_show_names_the_origin_of_each_changed_value(lrbench: Command, here: Path) -> None:
    done = lrbench("show", "schedule=sgdr", "schedule.first_cycle=2ep", "seed=3")
    assert (done.code, list(here.iterdir())) == (0, [])
    lines = {
        line.partition("#")[0].rstrip(): line.partition("# ")[2] for line in done.out.splitlines()
    }
    assert lines["schedule:"] == "conf/schedule/sgdr.yaml"
    assert lines["  first_cycle: 2ep"] == "override schedule.first_cycle=2ep"
    assert lines["seed: 3"] == "override seed=3"
    assert lines["  cycle_mult: 2.0"] == ""
    assert "run digits-mlp-sgdr-s3-" in done.out


@pytest.mark.parametrize("kind", ["models", "datasets", "optimizers", "schedules"])
def test_list_names_each_kind(lrbench: Command, here: Path, kind: str) -> None:
    found = json.loads(lrbench("list", kind, "--json").out)
    assert list(found) == [kind]
    names = [entry["name"] for entry in found[kind]]
    group = kind.removesuffix("s")
    assert {f"{group}={name}" for name in names} == set(complete_override(f"{group}="))
    table = lrbench("list", kind).out
    for entry in found[kind]:
        assert entry["name"] in table
        assert entry["summary"]
    whole = json.loads(lrbench("list", "--json").out)
    assert whole[kind] == found[kind]


def test_doctor_says_what_the_machine_is(lrbench: Command, here: Path) -> None:
    done = lrbench("doctor", "--json")
    assert done.code == 0, done
    answer = json.loads(done.out)
    found = {(one["topic"], one["name"]): one for one in answer["findings"]}
    assert answer["problems"] == []
    for key in (("versions", "torch"), ("device", "cpu"), ("folders", "free disk")):
        assert found[key]["value"]
    assert found["determinism", "deterministic_algorithms"] == {
        "topic": "determinism", "name": "deterministic_algorithms", "value": True, "is_good": True
    }  # fmt: skip
    assert found["folders", "results"]["is_good"]
    text = lrbench("doctor")
    assert "everything is in order" in text.out
    assert list(here.iterdir()) == []


def test_doctor_tells_a_results_folder_that_cannot_be_used(lrbench: Command, here: Path) -> None:
    (here / "results").touch()
    done = lrbench("doctor", "--json")
    assert (done.code, json.loads(done.out)["problems"]) == (3, ["results"])


@pytest.mark.parametrize(
    ("typed", "found", "not_found"),
    [
        ("sch", {"schedule=", "schedule.warmup=", "schedule.cycle_mult="}, {"schedule.name="}),
        ("schedule=s", {"schedule=sgdr", "schedule=step"}, {"schedule=cosine"}),
        ("train.", {"train.epochs=", "train.steps="}, {"train="}),
        ("streams.", {"streams.init="}, set()),
        ("model=", {"model=mlp"}, {"model=custom"}),
        ("optimizer.lr=", set(), {"optimizer.lr="}),
        ("", {"seed=", "note=", "dataset="}, {"defaults="}),
    ],
)
def test_completion_offers_what_may_follow(
    here: Path, typed: str, found: set[str], not_found: set[str]
) -> None:
    offered = set(complete_override(typed))
    assert found <= offered
    assert not not_found & offered
    assert all(name.startswith(typed) for name in offered)


@pytest.mark.parametrize("name", ["model", "dataset", "optimizer"])
def test_completion_offers_import_paths(here: Path, name: str) -> None:
    assert f"{name}._target_=" in complete_override(f"{name}.")


def test_json_is_one_object_and_nothing_else_on_standard_output(
    lrbench: Command, here: Path
) -> None:
    for words in (
        ["run", *SMALL],
        ["run", *SMALL],
        ["sweep", *SMALL, "--seeds", "2", "--jobs", "1", "--dry-run"],
        ["sweep", *SMALL, "--seeds", "1"],
        ["summarize", "results"],
        ["list"],
        ["show", *SMALL],
        ["doctor"],
    ):
        done = lrbench(*words, "--json")
        assert done.code == 0, done
        assert isinstance(json.loads(done.out), dict)
