import hashlib
import inspect
from pathlib import Path

import numpy as np
import pytest
import yaml

from lrbench.errors import ConfigError, DataError
from lrbench.spec.parameters import check
from lrbench.tasks.data.catalog import DATASETS, prepare

NO_FILES = [name for name, entry in DATASETS.items() if not entry.files]
CONF = next(
    folder / "conf" / "dataset"
    for folder in Path(__file__).resolve().parents
    if (folder / "pyproject.toml").exists()
)


@pytest.mark.parametrize("name", NO_FILES)
def test_every_dataset_keeps_the_contract_of_prepared_data(name):
    prepared = prepare(name, {})
    info = prepared.info
    for split in (prepared.train, prepared.val, prepared.test):
        assert len(split) == len(split.targets) > 0
        assert split.inputs.shape[1:] == info.input_shape
        assert split.inputs.dtype == (np.int64 if info.vocab_size else np.float32)
        assert np.isfinite(split.inputs).all()
        if info.kind == "classification":
            assert split.targets.dtype == np.int64
            assert np.unique(split.targets).tolist() == list(range(info.num_outputs))
        else:
            assert split.targets.dtype == np.float32
            assert split.targets.shape[1:] == (info.num_outputs,)
            assert np.isfinite(split.targets).all()

    last = prepared.train.inputs[-1].tobytes() + prepared.train.targets[-1].tobytes()
    assert prepared.sample_digests[-1].tobytes() == hashlib.sha256(last).digest()
    assert prepared.sample_digests.shape == (len(prepared.train), 32)
    assert len(prepared.digest) == len(prepared.split_digest) == 64
    assert {"name", "source", "licence"} <= prepared.provenance.keys()


@pytest.mark.parametrize(
    ("name", "sizes", "shape", "num_outputs"),
    [
        ("digits", (1079, 359, 359), (1, 8, 8), 10),
        ("breast_cancer", (341, 114, 114), (30,), 2),
        ("wine", (106, 36, 36), (13,), 3),
        ("diabetes", (266, 88, 88), (10,), 1),
        ("two_spirals", (600, 200, 200), (2,), 2),
        ("noisy_quadratic", (16384, 1, 1), (2, 1), 1),
    ],
)
def test_sizes_and_shapes_are_those_of_the_published_data(name, sizes, shape, num_outputs):
    prepared = prepare(name, {})
    assert tuple(map(len, (prepared.train, prepared.val, prepared.test))) == sizes
    assert prepared.info.input_shape == shape
    assert prepared.info.num_outputs == num_outputs


def test_the_split_follows_its_root_and_nothing_else():
    first, second = prepare("wine", {}), prepare("wine", {}, split_root=1)
    assert first.digest != second.digest
    assert first.split_digest != second.split_digest
    assert prepare("wine", {}, split_root=0).digest == first.digest


@pytest.mark.parametrize("name", DATASETS)
def test_the_yaml_file_shows_every_setting_with_its_default(name):
    shown = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    assert next(iter(shown.items())) == ("name", name)
    defaults = {key: p.default for key, p in DATASETS[name].parameters.parameters.items()}
    del shown["name"]
    assert list(shown.items()) == list(defaults.items())
    assert check(DATASETS[name].schema, shown) == defaults


def test_every_yaml_file_is_of_a_dataset_in_the_catalogue_or_of_the_users_own():
    assert {path.stem for path in CONF.glob("*.yaml")} - {"custom"} == set(DATASETS)


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("digits", {"val_fraction": 1.0}, "val_fraction must be less than 1"),
        ("digits", {"val_fracton": 0.1}, "val_fracton is not a setting here"),
        ("noisy_quadratic", {"val_fraction": 0.1}, "val_fraction is not a setting here"),
        ("noisy_quadratic", {"curvature": [1.0, 0.0]}, "must be greater than 0"),
        ("mnist", {"num_samples": 0}, "num_samples must be at least 1"),
    ],
)
def test_a_datasets_schema_refuses_what_its_functions_do_not_take(name, params, says):
    with pytest.raises(ConfigError, match=says):
        check(DATASETS[name].schema, params)


def test_an_unknown_dataset_is_answered_with_its_nearest_neighbour():
    with pytest.raises(DataError, match=r"name must be one of: digits, .*got 'digit'") as raised:
        prepare("digit", {})
    assert raised.value.problems[0].remedy == "dataset=digits"


def test_every_setting_is_keyword_only_with_a_default():
    for entry in DATASETS.values():
        for parameter in entry.parameters.parameters.values():
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
            assert parameter.default is not inspect.Parameter.empty
