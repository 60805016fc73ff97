"""Records are data: nothing they name is imported or fetched unless they are trusted."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile

import pytest

from forging import edit, reseal
from lrbench.config.compose import compose
from lrbench.config.overrides import parse
from lrbench.errors import ConfigError, LrbenchError, RecordError
from lrbench.launchers.local import Event
from lrbench.record import layout
from lrbench.record.bundles.bundle import write_bundle
from lrbench.record.reader import read_record
from lrbench.spec.canonical import canonical, digest
from lrbench.workflows import verify as verifying
from lrbench.workflows.bundle import bundle
from lrbench.workflows.diff import diff
from lrbench.workflows.recorded import refuse_own_values, resolved_of
from lrbench.workflows.replay import Source, replay
from lrbench.workflows.resume import plan_resume
from lrbench.workflows.run import resolve_overrides, run
from lrbench.workflows.status import status
from lrbench.workflows.summarize import summarize
from lrbench.workflows.verify import Level, Verdict, verify, verify_job

SETTINGS = ["dataset=two_spirals", "model=linear", "train.steps=12", "train.batch_size=8"]

NETS = """
import pathlib
pathlib.Path(__file__).with_name("canary").write_text("imported")
from torch import nn

class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)

def rates(step: int, slope: float = 0.01) -> float:
    return 1 - slope * step

def data(size: int = 60):
    import numpy as np
    inputs = np.arange(2.0 * size).reshape(size, 2) / size
    return inputs, (inputs[:, 0] > 1).astype("int64")
"""

NAMED = [
    "os:system",
    "os.system",
    "logging.os:system",
    "torch.hub:load",
    "torch:load",
    "torch.optim.lr_scheduler:types",
    "torch.optim.lr_scheduler:warnings.warn",
    "torch.optim.lr_scheduler.types.FunctionType",
    "torch.nn:Module.apply",
    "torch.nn.Module.apply",
    "torch.nn.init:xavier_uniform_",
    "torch.nn.functional:linear",
    "torch.optim.optimizer:Path",
    "torch.nnx:Net",
    "torch.optim:Adam\n",
    "nets:Net",
    "../nets:Net",
    ".nets:Net",
    "",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path, data_cache):
    def here(task, payloads, *, workers, environments):
        for index, payload in enumerate(payloads):
            yield Event("started", index)
            yield Event("done", index, verify_job(payload, lambda progress: None))

    monkeypatch.setattr(verifying, "run_jobs", here)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("nets", None)


@pytest.fixture(scope="module")
def original(data_cache, tmp_path_factory):
    return run(resolve_overrides(SETTINGS), tmp_path_factory.mktemp("original")).path


@pytest.fixture
def record(original, tmp_path):
    (tmp_path / "nets.py").write_text(NETS)
    return shutil.copytree(original, tmp_path / "results" / original.name)


def of(record, group, target):
    code = hashlib.sha256(NETS.encode()).hexdigest()
    edit(record / layout.SPEC, lambda spec: spec[group].update(target=target, code=code))
    return reseal(record)


def with_own(settings):
    """All settings; a group that is the user's own has no name besides."""
    own = {one.partition(".")[0] for one in settings if "._target_" in one}
    return [*(one for one in SETTINGS if one.partition("=")[0] not in own), *settings]


def imported(tmp_path):
    return (tmp_path / "canary").exists() or "nets" in sys.modules


@pytest.mark.parametrize("group", ["model", "optimizer", "dataset", "schedule"])
@pytest.mark.parametrize("target", NAMED)
def test_code_that_a_record_names_is_not_imported(target, group, record, tmp_path):
    path = of(record, group, target)
    (found,) = verify(path, Level.INPUTS).runs
    assert (found.verdict, found.level) == (Verdict.REFUSED, Level.FILES)
    assert "is run only if you trust it" in found.reason
    assert "--trust" in found.reason
    with pytest.raises(ConfigError, match="only if you trust it"):
        replay(Source(path))
    status(path.parent)
    summarize(path.parent)
    diff(path, path)
    bundle(path, tmp_path / "b.zip")
    (path / layout.RESULT).unlink()
    with pytest.raises(ConfigError, match="only if you trust it"):
        plan_resume(path.parent)
    assert not imported(tmp_path)


@pytest.mark.parametrize("what", ["momentum_schedule", "weight_decay_schedule"])
def test_nor_that_of_the_schedules_beside(what, record, tmp_path):
    component = {"name": "net", "target": "nets:rates", "code": "0", "params": {}}
    edit(record / layout.SPEC, lambda spec: spec["optimizer"].update({what: component}))
    with pytest.raises(ConfigError, match=rf"optimizer.{what}._target_ of two_spirals"):
        resolved_of(read_record(reseal(record)))
    assert not imported(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        ["schedule=torch:StepLR", "schedule.step_size=4"],
        ["schedule=torch:CosineAnnealingWarmRestarts", "schedule.T_0=4"],
        [
            "schedule=torch_adapter",
            "schedule.scheduler=torch.optim.lr_scheduler.ExponentialLR",
            "schedule.gamma=0.9",
        ],
        ["optimizer._target_=torch.optim:NAdam", "optimizer.lr=0.1"],
        ["optimizer._target_=torch.optim.adamax.Adamax", "optimizer.lr=0.1"],
        ["optimizer.momentum_schedule={name: 'torch:ExponentialLR', gamma: 0.9}"],
    ],
    ids=lambda settings: settings[0],
)
def test_what_is_torchs_own_needs_no_trust(settings, tmp_path):
    path = run(resolve_overrides(with_own(settings)), tmp_path / "results").path
    (found,) = verify(path).runs
    assert found.verdict is Verdict.IDENTICAL, found


OWN = [
    ["model._target_=nets:Net"],
    ["schedule=python:nets:rates"],
    ["dataset._target_=nets:data"],
]


@pytest.mark.parametrize("settings", OWN, ids=str)
def test_ones_own_code_is_verified_and_gone_on_with_once_trusted(settings, record, tmp_path):
    shutil.rmtree(record)
    path = run(resolve_overrides(with_own(settings)), record.parent).path
    (found,) = verify(path).runs
    assert found.verdict is Verdict.REFUSED
    (found,) = verify(path, trust=True).runs
    assert (found.verdict, found.level) == (Verdict.IDENTICAL, Level.FULL), found
    (path / layout.RESULT).unlink()
    (job,) = plan_resume(path, trust=True).unfinished
    assert job.run.spec.run_id == path.name


def test_code_that_has_changed_since_is_what_broke_first(record, tmp_path):
    path = run(resolve_overrides(with_own(["model._target_=nets:Net"])), record.parent).path
    (tmp_path / "nets.py").write_text(NETS + "\n# changed\n")
    (found,) = verify(path, trust=True).runs
    assert found.verdict is Verdict.DIFFERENT
    one = found.difference
    assert (one.what, one.column) == ("code", "model nets:Net")
    assert one.recorded == hashlib.sha256(NETS.encode()).hexdigest()
    assert one.other != one.recorded
    assert "model nets:Net" in one.told()
    (path / layout.RESULT).unlink()
    (left,) = plan_resume(path, trust=True).refused
    assert left[0] == path.name
    assert "must be the code the run was recorded with" in left[1]


def test_a_schedule_that_gives_other_factors_is_what_broke_first(record, tmp_path):
    path = run(resolve_overrides([*SETTINGS, "schedule=python:nets:rates"]), record.parent).path
    (tmp_path / "nets.py").write_text(NETS.replace("1 - slope", "1 - 2 * slope"))
    del sys.modules["nets"]
    (found,) = verify(path, trust=True).runs
    assert (found.verdict, found.difference.what) == (Verdict.DIFFERENT, "schedule")


def test_the_code_in_a_bundle_is_used_where_it_is_trusted(record, tmp_path):
    path = run(resolve_overrides(with_own(["model._target_=nets:Net"])), record.parent).path
    made = write_bundle(path, tmp_path / "b.zip", roots=[tmp_path])
    assert made.left_out == ()
    del sys.modules["nets"]
    (tmp_path / "nets.py").unlink()
    (tmp_path / "canary").unlink()
    assert verify(made.path).runs[0].verdict is Verdict.REFUSED
    assert "nets" not in sys.modules
    (found,) = verify(made.path, trust=True).runs
    assert found.verdict is Verdict.IDENTICAL, found
    assert "lrbench-verify" in sys.modules["nets"].__file__
    assert not list((tmp_path / "tmp").iterdir())


def test_what_a_record_would_fetch_is_not_fetched(record):
    settings = {"root": "x", "mirror": "http://far", "download": True, "val_fraction": 0.1}
    edit(record / layout.MANIFEST, lambda m: m["data"].update(settings=settings))
    found = resolved_of(read_record(record))
    assert found.data_settings == {"root": "x", "val_fraction": 0.1}
    assert resolved_of(read_record(record), trust=True).data_settings == settings
    here = resolved_of(read_record(record), data_root=record)
    assert here.data_settings["root"] == str(record)


def test_a_folder_for_data_is_only_for_datasets_that_have_one(record):
    settings = json.loads((record / layout.MANIFEST).read_text())["data"]["settings"]
    assert resolved_of(read_record(record), data_root=record).data_settings == settings


# Plans of sweeps say what was typed, and that is composed again


REACHING = [
    ["model._target_=nets:Net"],
    ["schedule=python:nets:rates"],
    ["schedule=torch_adapter", "schedule.scheduler=nets.rates"],
    ["schedule=torch_adapter", "schedule.scheduler=torch.hub:load"],
    ["optimizer.momentum_schedule=python:nets:rates"],
    ["optimizer.momentum_schedule={_target_: nets.rates}"],
    ["optimizer.momentum_schedule={name: 'python:nets:rates'}"],
    ["optimizer.momentum_schedule={name: torch_adapter, scheduler: nets.rates}"],
    ["dataset=mnist", "dataset.download=true"],
    ["dataset=mnist", "dataset.mirror='http://far'"],
]


@pytest.mark.parametrize("overrides", REACHING, ids=str)
def test_a_plan_that_would_import_or_fetch_is_left_and_says_so(overrides, record, tmp_path):
    (parsed,) = parse(overrides)
    with pytest.raises(LrbenchError, match="only if you trust it"):
        refuse_own_values(compose(parsed, None).values, "a plan")
    spec = json.loads((record / layout.SPEC).read_text())
    spec |= {"seed": 5, "schedule": {**spec["schedule"], "name": "constant"}}
    arms = [{"overrides": overrides, "runs": [spec]}]
    plan = {"format_version": 1, "arms": arms, "seeds": [5]}
    name = f"1x1-{digest([[digest(spec)]])[:8]}.json"
    (record.parent / layout.SWEEPS).mkdir()
    (record.parent / layout.SWEEPS / name).write_text(canonical(plan))
    found = plan_resume(record.parent)
    assert found.unfinished == ()
    assert [(run_id, "--trust" in why) for run_id, why in found.refused] == [
        (f"two_spirals-linear-constant-s5-{digest(spec)[:8]}", True)
    ]
    assert not imported(tmp_path)


def test_what_torch_has_is_no_reach():
    for text in (["schedule=torch:StepLR", "schedule.step_size=4"], ["dataset=mnist"]):
        (parsed,) = parse(text)
        refuse_own_values(compose(parsed, None).values, "a plan")


def test_a_record_that_is_damaged_is_not_gone_on_with(record):
    (record / layout.RESULT).write_text("{")
    with pytest.raises(RecordError, match="is damaged") as caught:
        resolved_of(read_record(record))
    assert caught.value.exit_code == 3
