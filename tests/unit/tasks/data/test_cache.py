import subprocess
import sys
import time

import numpy as np
import pytest

from lrbench.tasks.data import cache, catalog, home

PARAMS = {"num_samples": 40}


def spirals(**params):
    catalog.forget()
    return catalog.prepare("two_spirals", PARAMS | params)


def only_file(folder):
    (path,) = (folder / "prepared").iterdir()
    return path


def assert_same(first, second):
    for part in ("train", "val", "test"):
        for role in ("inputs", "targets"):
            a, b = (getattr(getattr(prepared, part), role) for prepared in (first, second))
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    assert np.array_equal(first.sample_digests, second.sample_digests)
    for field in ("info", "provenance", "digest", "split_digest", "notices"):
        assert getattr(first, field) == getattr(second, field)


def test_a_stored_dataset_equals_a_fresh_one(monkeypatch):
    fresh = spirals()
    monkeypatch.setattr(catalog, "assemble", None)  # whoever assembles anew fails
    assert_same(fresh, spirals())


def test_any_flipped_byte_is_noticed_or_harmless(cache_folder):
    fresh = spirals()
    path = only_file(cache_folder)
    intact = path.read_bytes()
    refused = 0
    for position in range(0, len(intact), 7):
        damaged = bytearray(intact)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        loaded = cache.load(path.stem)
        refused += loaded is None
        if loaded is not None:  # padding and dates of the zip carry no data
            assert_same(fresh, loaded)
    assert refused > len(intact) / 7 / 2


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_rebuilt(cache_folder, kept):
    fresh = spirals()
    path = only_file(cache_folder)
    intact = path.read_bytes()
    path.write_bytes(intact[: int(len(intact) * kept)])
    assert_same(fresh, spirals())
    assert cache.load(path.stem) is not None


def test_sound_arrays_that_are_not_the_recorded_ones_are_refused(cache_folder):
    spirals()
    path = only_file(cache_folder)
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["val_inputs"] = arrays["val_inputs"] + np.float32(1)
    np.savez(path, **arrays)
    assert cache.load(path.stem) is None


def test_a_file_under_another_key_is_refused(cache_folder):
    spirals()
    path = only_file(cache_folder)
    other = path.with_name("0" * 64 + ".npz")
    path.rename(other)
    assert cache.load(other.stem) is None


@pytest.mark.parametrize("params", [{"noise": 0.2}, {"val_fraction": 0.3}, {"seed": 1}])
def test_other_settings_have_a_file_of_their_own(cache_folder, params):
    assert spirals().digest != spirals(**params).digest
    assert len(list((cache_folder / "prepared").iterdir())) == 2


def test_another_split_root_has_a_file_of_its_own_but_the_same_samples(cache_folder):
    first = spirals()
    second = catalog.prepare("two_spirals", PARAMS, split_root=1)
    assert len(list((cache_folder / "prepared").iterdir())) == 2
    assert first.split_digest != second.split_digest


def test_a_default_that_is_spelled_out_is_the_same_dataset(cache_folder):
    spirals()
    spirals(turns=2.0, test_fraction=0.2)
    assert len(list((cache_folder / "prepared").iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_done_without(cache_folder):
    cache_folder.write_text("a file where the folder should be")
    assert len(spirals().train) == 24


def test_no_home_folder_means_no_cache(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("LRBENCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(cache.Path, "home", nobody)
    assert len(spirals().train) == 24


def test_the_cache_stands_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.delenv("LRBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert home.cache_home() == tmp_path / "lrbench"
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "own"))
    assert home.cache_home() == tmp_path / "own"


def test_nothing_but_the_file_is_left_in_the_folder(cache_folder):
    spirals()
    assert [path.suffix for path in (cache_folder / "prepared").iterdir()] == [".npz"]


def test_the_second_time_in_a_process_costs_less_than_a_millisecond():
    catalog.prepare("digits", {})
    taken = []
    for _ in range(20):
        started = time.perf_counter()
        catalog.prepare("digits", {})
        taken.append(time.perf_counter() - started)
    assert min(taken) < 1e-3  # the best of them, for machines that are busy


def test_stored_digits_are_loaded_without_scikit_learn():
    catalog.prepare("digits", {})
    code = (
        "import sys; from lrbench.tasks.data.catalog import prepare; prepare('digits', {});"
        "sys.exit('sklearn' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
