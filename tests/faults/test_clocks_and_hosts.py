"""Clocks that jump, and writers on other machines."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from faults import stub
from lrbench.errors import RecordError
from lrbench.record import heartbeat, layout, writer
from lrbench.record.heartbeat import Heartbeat
from lrbench.record.reader import Status, read_record

JUMPS = {
    "a day back": timedelta(days=-1),
    "to 1970": timedelta(seconds=-time.time()),
    "an hour on": timedelta(hours=1),
}


@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_changes_no_byte_and_no_status(
    jump, resolved_stub, golden_stub, scratch, stubbed
):
    start, real = time.time(), time.time
    jumped = False

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + (JUMPS[jump] if jumped else timedelta(0))

    stubbed.setattr(writer, "datetime", Clock)
    stubbed.setattr(time, "time", lambda: real() + (JUMPS[jump].total_seconds() if jumped else 0.0))
    told = []

    def tell(progress):
        nonlocal jumped
        jumped = True
        told.append(read_record(path).status)

    path = scratch / resolved_stub.spec.run_id
    stub.run(resolved_stub, scratch, on_progress=tell)
    assert set(told) == {Status.RUNNING}
    assert stub.bytes_of(path) == golden_stub
    (attempt,) = read_record(path, every_byte=True).attempts()
    assert attempt["started"] != attempt["ended"]
    assert 0 <= attempt["wall_s"] < real() - start + 1
    walls = [float(line.split(",")[1]) for line in (path / layout.TIMING).read_text().split()[1:]]
    assert walls == sorted(walls)
    assert walls[0] >= 0


def left_behind(resolved, scratch, **who):
    """A record whose writer has left this sign of life."""
    path = scratch / resolved.spec.run_id
    path.mkdir(parents=True)
    (path / layout.LOCK).touch()
    (path / layout.SPEC).write_text(resolved.spec.text)
    beats(path, **who)
    return path


def beats(path, *, host="elsewhere", boot="another", count=1):
    sign = Heartbeat(host, boot, 7, 3, count)
    # As a writer does: whole or not at all.
    fresh = path / "new"
    fresh.write_text(json.dumps(asdict(sign)))
    fresh.replace(path / layout.HEARTBEAT)


def test_a_run_that_is_written_on_another_machine_is_refused(resolved_stub, scratch, stubbed):
    path = left_behind(resolved_stub, scratch)
    assert read_record(path).status is Status.UNKNOWN
    stubbed.setattr(heartbeat, "GRACE_S", 20.0)
    timer = threading.Timer(0.3, beats, [path], {"count": 2})
    timer.start()
    with pytest.raises(RecordError, match="process 7 on elsewhere"):
        stub.run(resolved_stub, scratch)
    timer.join()
    assert not (path / "steps.csv").exists()
    assert read_record(path).status is Status.UNKNOWN


def test_a_run_whose_writer_elsewhere_has_gone_silent_is_taken_over(
    resolved_stub, golden_stub, scratch, stubbed
):
    path = left_behind(resolved_stub, scratch)
    stubbed.setattr(heartbeat, "GRACE_S", 0.3)
    begun = time.monotonic()
    stub.run(resolved_stub, scratch)
    assert time.monotonic() - begun >= 0.3
    assert stub.bytes_of(path) == golden_stub
    assert not (path / layout.HEARTBEAT).exists()


@pytest.mark.parametrize("same", ["host", "boot"])
def test_a_run_from_before_this_machine_was_started_or_its_name_changed_is_not_waited_for(
    same, resolved_stub, golden_stub, scratch, stubbed
):
    here = {"host": heartbeat.socket.gethostname(), "boot": heartbeat.boot_id()}
    if not here[same]:
        pytest.skip("this machine does not tell one start from another")
    path = left_behind(resolved_stub, scratch, **{same: here[same]})
    assert read_record(path).status is Status.INTERRUPTED
    stubbed.setattr(heartbeat, "is_beating", lambda *_: pytest.fail("it waited"))
    stub.run(resolved_stub, scratch)
    assert stub.bytes_of(path) == golden_stub
