"""The checks of this folder find what they are for: each protection, taken away, is missed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest

from faults import crash, stub
from lrbench.record import checkpoint, files, writer
from lrbench.record.lock import Lock
from lrbench.record.reader import kept_files

pytestmark = pytest.mark.slow


def _without_fsync(patch, is_meant):
    real = files.sync
    patch.setattr(files, "sync", lambda fd, path: None if is_meant(path) else real(fd, path))


def sync_of_logs(patch):
    _without_fsync(patch, lambda path: path.suffix == ".csv")


def sync_of_the_checkpoint(patch):
    _without_fsync(patch, lambda path: path.name.startswith(".checkpoint"))


def sync_of_the_closing_file(patch):
    _without_fsync(patch, lambda path: path.name.startswith(".result"))


def sync_of_folders(patch):
    _without_fsync(patch, lambda path: path.is_dir())


def _without_sync_of_names(patch, method):
    real = getattr(writer.RecordWriter, method)

    def changed(self, *given, **named):
        with patch.context() as inner:
            inner.setattr(writer, "sync_folder", lambda path: None)
            return real(self, *given, **named)

    patch.setattr(writer.RecordWriter, method, changed)


def sync_of_names_at_begin(patch):
    _without_sync_of_names(patch, "begin")


def sync_of_names_at_the_end(patch):
    _without_sync_of_names(patch, "close")


def sync_of_the_folder_of_records(patch):
    _without_fsync(patch, lambda path: path.name in ("run", "state"))


def rename_of_the_checkpoint(patch):
    def in_place(path, data, keep=None):
        descriptor = files.open_to_write(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        files.write_all(descriptor, path, data)
        files.sync(descriptor, path)
        os.close(descriptor)
        files.sync_folder(path.parent)

    patch.setattr(checkpoint, "replace_file", in_place)


def truncation(patch):
    patch.setattr(files.os, "ftruncate", lambda descriptor, size: None)


def digest_of_logs(patch):
    real = files.AppendFile.continued.__func__

    def trusting(cls, path, size, sha256):
        whole = path.read_bytes()[:size]
        return real(cls, path, size, hashlib.sha256(whole).hexdigest())

    patch.setattr(files.AppendFile, "continued", classmethod(trusting))


def digest_of_the_state(patch):
    def trusting(path):
        line, _, body = path.read_bytes().partition(b"\n")
        header = checkpoint._header(line + b"\n", path)
        del header["body"], header["format_version"], header["digest"]
        return checkpoint.Checkpoint(body=body, **header)

    patch.setattr(writer, "read_checkpoint", trusting)


MISSED = {
    sync_of_logs: ("fresh", crash.powerless, "was saved"),
    sync_of_the_checkpoint: ("fresh", crash.powerless, "was saved"),
    sync_of_the_closing_file: ("fresh", crash.powerless, "result.json must be JSON"),
    sync_of_folders: ("fresh", crash.powerless, "was complete, and is interrupted"),
    sync_of_names_at_begin: ("forced", crash.powerless, "is corrupt"),
    sync_of_names_at_the_end: ("brief", crash.powerless, "must exist in a record"),
    sync_of_the_folder_of_records: ("fresh", crash.powerless, "was complete, and is interrupted"),
    rename_of_the_checkpoint: ("fresh", crash.killed, "looks damaged"),
    truncation: ("resumed", crash.killed, "leads to other bytes"),
    # An honest disk never lets a checkpoint be ahead of its logs, or lose a part of one: these two
    # stand against disks that are not.
    digest_of_logs: ("fresh", crash.dishonest, "leads to other bytes"),
    digest_of_the_state: ("fresh", crash.dishonest, "leads to other bytes"),
}


@pytest.mark.parametrize("taken_away", MISSED, ids=lambda found: found.__name__)
def test_each_protection_is_needed(taken_away, resolved_stub, scratch, stubbed):
    story, model, why = MISSED[taken_away]
    # To keep a state syncs names as well: without that, some protections would not be missed.
    resolved = replace(resolved_stub, keep_checkpoints=False)
    golden = stub.bytes_of(stub.run(resolved, scratch / "golden").path)
    taken_away(stubbed)
    told = crash.stories_of(resolved, scratch / "run", stubbed)[story]
    found = crash.different(model(told))
    # From both ends, as some are missed at once and some only when all is done.
    states = [state for pair in zip(found, reversed(found), strict=True) for state in pair]
    is_trusted = model is not crash.dishonest
    bad = (
        crash.judged(state, resolved, golden, scratch / "state", is_trusted=is_trusted)
        for state in states
    )
    assert any(found and why in found.why for found in bad), f"none of {len(states)} states"


def digest_of_kept_states(patch):
    patch.setattr(writer.RecordWriter, "_has_kept", lambda writer, checkpoint: True)


def test_without_their_digests_lost_kept_states_are_not_made_again(
    resolved_stub, golden_stub, scratch, stubbed
):
    def ended_after_losing_one(results):
        with stubbed.context() as patch:
            patch.setattr(files, "hook", stub.stop_after_saves(3))
            with pytest.raises(stub.Stopped):
                stub.run(resolved_stub, results)
        path = results / resolved_stub.spec.run_id
        (kept,) = kept_files(path)
        kept.write_bytes(kept.read_bytes()[:-1])
        return stub.bytes_of(stub.run(resolved_stub, results).path)

    assert ended_after_losing_one(scratch / "held") == golden_stub
    digest_of_kept_states(stubbed)
    assert ended_after_losing_one(scratch / "trusted") != golden_stub


def intrusion(resolved, folder):
    """What comes of starting a run that is being trained."""
    outcomes = []

    def intrude(progress):
        if not outcomes:
            outcomes.append("trained")
            try:
                stub.run(resolved, folder)
            except Exception as error:
                outcomes[0] = error

    stub.run(resolved, folder, on_progress=intrude)
    return outcomes[0]


def test_without_the_lock_two_train_one_run(resolved_stub, scratch, stubbed):
    assert stub.refused(intrusion(resolved_stub, scratch / "locked"))
    stubbed.setattr(Lock, "acquire", lambda lock: True)
    assert not stub.refused(intrusion(resolved_stub, scratch / "open"))
