import gzip
from pathlib import Path

import numpy as np
import pytest

from lrbench.errors import DataError
from lrbench.tasks.data import images
from lrbench.tasks.data.catalog import forget, prepare


def source_of(folder, **settings):
    return images.mnist(images.MNIST.locate(root=str(folder)), **settings)


@pytest.mark.parametrize("zipped", [False, True])
def test_images_and_labels_are_read_in_order(tmp_path, write_images, zipped):
    pixels, labels = write_images(tmp_path, "t10k", 30, zipped=zipped)
    source = source_of(tmp_path)
    assert np.array_equal(source.inputs, pixels[:, np.newaxis])
    assert np.array_equal(source.targets, labels)
    assert source.parts == {}


def test_where_both_kinds_are_there_t10k_is_the_test_part(tmp_path, write_images):
    write_images(tmp_path, "train", 100)
    pixels, labels = write_images(tmp_path, "t10k", 20, first=5)
    prepared = prepare("mnist", {"root": str(tmp_path), "val_fraction": 0.1})
    assert [len(part) for part in (prepared.train, prepared.val, prepared.test)] == [90, 10, 20]
    assert np.array_equal(prepared.test.targets, labels)
    seen, held_out = prepared.train.inputs, prepared.test.inputs[:, 0]
    assert seen.mean() == pytest.approx(0, abs=1e-5)
    assert np.corrcoef(held_out.ravel(), pixels.ravel())[0, 1] == pytest.approx(1)


def test_where_only_one_kind_is_there_it_is_divided_in_three(tmp_path, write_images):
    write_images(tmp_path, "t10k", 100)
    prepared = prepare("mnist", {"root": str(tmp_path), "test_fraction": 0.3})
    assert [len(part) for part in (prepared.train, prepared.val, prepared.test)] == [50, 20, 30]
    assert prepared.info.input_shape == (1, 4, 3)
    assert prepared.info.num_outputs == 10
    names = [file["name"] for file in prepared.provenance["files"]]
    assert names == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


def test_a_subset_keeps_classes_and_kinds_in_proportion(tmp_path, write_images):
    write_images(tmp_path, "train", 200)
    write_images(tmp_path, "t10k", 100)
    source = source_of(tmp_path, num_samples=60)
    assert np.bincount(source.targets).tolist() == [6] * 10
    assert np.bincount(source.targets[source.parts["test"]]).tolist() == [2] * 10
    again = source_of(tmp_path, num_samples=60)
    assert np.array_equal(source.inputs, again.inputs)


def test_a_subset_larger_than_the_whole_is_the_whole(tmp_path, write_images):
    write_images(tmp_path, "train", 20)
    assert len(source_of(tmp_path, num_samples=1000)) == 20


def test_the_same_files_in_another_folder_are_the_same_dataset(
    tmp_path, write_images, cache_folder
):
    digests = []
    for folder in ("here", "there"):
        write_images(tmp_path / folder, "train", 50)
        digests.append(prepare("mnist", {"root": str(tmp_path / folder)}).digest)
    assert digests[0] == digests[1]
    assert len(list((cache_folder / "prepared").iterdir())) == 1


def test_a_changed_file_is_noticed_within_one_process(tmp_path, write_images):
    write_images(tmp_path, "train", 50)
    before = prepare("mnist", {"root": str(tmp_path)}).digest
    write_images(tmp_path, "train", 60)
    assert prepare("mnist", {"root": str(tmp_path)}).digest != before


def replace_labels(folder, idx_bytes, labels):
    path = folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(labels)))


def test_a_label_out_of_range_is_refused_by_sample(tmp_path, write_images, idx_bytes):
    write_images(tmp_path, "train", 30)
    replace_labels(tmp_path, idx_bytes, [0] * 17 + [10] * 13)
    with pytest.raises(DataError, match=r"train-labels.* from 0 to 9, got 10 at sample 17"):
        source_of(tmp_path)


def test_fewer_labels_than_images_are_refused(tmp_path, write_images, idx_bytes):
    write_images(tmp_path, "train", 30)
    replace_labels(tmp_path, idx_bytes, [0] * 29)
    with pytest.raises(DataError, match=r"label for each of the 30 images, got 29 labels"):
        source_of(tmp_path)


@pytest.mark.parametrize("lost", ["images-idx3", "labels-idx1"])
def test_images_and_labels_need_each_other(tmp_path, write_images, lost):
    write_images(tmp_path, "train", 30)
    (tmp_path / f"train-{lost}-ubyte.gz").unlink()
    with pytest.raises(DataError, match=f"train-{lost}-ubyte.gz must stand beside"):
        source_of(tmp_path)


@pytest.mark.parametrize("params", [{}, {"root": "/nowhere"}])
def test_without_files_the_error_says_how_to_get_them(params):
    with pytest.raises(DataError, match="root must be a folder with files of mnist") as raised:
        prepare("mnist", params)
    assert "dataset.download=true" in raised.value.problems[0].remedy
    assert "dataset.root=" in raised.value.problems[0].remedy


def test_a_download_that_broke_off_is_not_taken_for_the_dataset(write_images, cache_folder):
    write_images(cache_folder / "downloads" / "mnist", "t10k", 30)
    with pytest.raises(DataError, match="root must be a folder"):
        prepare("mnist", {})
    write_images(cache_folder / "downloads" / "mnist", "train", 30)
    assert len(prepare("mnist", {}).test) == 30


def find_real_mnist():
    for folder in Path(__file__).resolve().parents:
        if (folder / "pyproject.toml").exists():
            return folder.parent / "shared" / "data" / "mnist"
    raise AssertionError("the tests stand in a checkout")


@pytest.mark.skipif(not find_real_mnist().exists(), reason="real MNIST is not on this machine")
def test_the_real_mnist_test_images_are_what_the_literature_says():
    params = {"root": str(find_real_mnist())}
    source = source_of(find_real_mnist())
    assert source.inputs.shape == (10_000, 1, 28, 28)
    assert source.targets[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(source.targets).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    prepared = prepare("mnist", params)
    assert [len(part) for part in (prepared.train, prepared.val, prepared.test)] == [
        6000,
        2000,
        2000,
    ]
    forget()
    assert prepare("mnist", params).digest == prepared.digest
