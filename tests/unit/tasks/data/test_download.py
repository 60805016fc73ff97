import hashlib

import pytest

from lrbench.errors import DataError
from lrbench.tasks.data.archive import Archive
from lrbench.tasks.data.download import download

CONTENT = b"ten bytes."
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def mirror(tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "data.gz").write_bytes(CONTENT)
    return folder


def test_a_file_is_fetched_and_its_progress_told(tmp_path, mirror):
    told = []
    target = tmp_path / "new" / "data.gz"
    download([(mirror / "data.gz").as_uri()], target, MD5, lambda *what: told.append(what))
    assert target.read_bytes() == CONTENT
    assert told == [("data.gz", 10, 10)]
    assert [path.name for path in target.parent.iterdir()] == ["data.gz"]


def test_a_bad_checksum_never_replaces_a_good_file(tmp_path, mirror):
    target = tmp_path / "data.gz"
    target.write_bytes(CONTENT)
    (mirror / "data.gz").write_bytes(b"ten bytes!")
    with pytest.raises(DataError, match=f"md5 must be {MD5}, got "):
        download([(mirror / "data.gz").as_uri()], target, MD5)
    assert target.read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.gz", "mirror"]


def test_the_next_address_is_tried_after_a_dead_one(tmp_path, mirror):
    dead = (tmp_path / "nowhere" / "data.gz").as_uri()
    download([dead, "no address", (mirror / "data.gz").as_uri()], tmp_path / "data.gz", MD5)
    assert (tmp_path / "data.gz").read_bytes() == CONTENT


def test_every_address_that_was_tried_is_listed(tmp_path):
    dead = [(tmp_path / name / "data.gz").as_uri() for name in ("one", "two")]
    with pytest.raises(DataError) as raised:
        download([*dead, "no address"], tmp_path / "data.gz", MD5)
    for address in (*dead, "no address"):
        assert f"{address}: " in str(raised.value)
    assert "dataset.mirror=" in raised.value.problems[0].remedy


def test_a_folder_that_cannot_be_made_is_said(tmp_path, mirror):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Not a directory|File exists"):
        download([(mirror / "data.gz").as_uri()], tmp_path / "file" / "data.gz", MD5)


def test_an_archive_fetches_only_what_is_missing(tmp_path, mirror, cache_folder):
    archive = Archive("tiny", "file:///nowhere/", {"data": MD5, "more": "0" * 32})
    folder = cache_folder / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "more").write_bytes(b"mine, whatever its checksum")
    files = archive.locate(download=True, mirror=mirror.as_uri())
    assert [file.name for file in files] == ["data", "more"]
    assert (folder / "more").read_bytes() == b"mine, whatever its checksum"
    assert files[0].sha256() == hashlib.sha256(CONTENT).hexdigest()


def test_an_archive_does_not_fetch_unasked(tmp_path, mirror):
    archive = Archive("tiny", mirror.as_uri() + "/", {"data": MD5})
    with pytest.raises(DataError, match="root must be a folder with files of tiny"):
        archive.locate()
    assert len(archive.locate(download=True)) == 1
    assert len(archive.locate()) == 1
