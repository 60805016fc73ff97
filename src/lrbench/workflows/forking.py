"""The twins of one run, in a worker: where they begin, their training, and how they are checked."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from lrbench.engine.base import State
from lrbench.engine.state import digests_in
from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.checkpoint import read_checkpoint, read_header
from lrbench.record.comparison.difference import Difference, first_difference
from lrbench.record.files import LOG_LIMIT, read_file
from lrbench.record.reader import Record, read_record
from lrbench.spec.run import total_steps_of
from lrbench.workflows.packing import recorded_slot
from lrbench.workflows.recorded import asking_for_data
from lrbench.workflows.recording import Progress
from lrbench.workflows.replay import differing_profile, make_again, profile_now
from lrbench.workflows.run import run
from lrbench.workflows.training import Origin
from lrbench.workflows.twin import Forked, ForkOrder
from lrbench.workflows.twin_parents import refused, told


def fork_job(order: ForkOrder, report: Callable[[Progress], None]) -> Forked:
    """Train the twins of one run that are not complete.

    Raises
    ------
    RecordError
        What decides bits is not as it was when the parent was trained; or the parent, made again
        up to the fork, is not the parent.
    """
    parent = read_record(order.source.path)
    records = [read_record(order.results / twin.spec.run_id) for twin in order.twins]
    waiting = [
        (twin, record)
        for twin, record in zip(order.twins, records, strict=True)
        if not record.status.is_finished
    ]
    if waiting:
        remarks = _refuse_another_profile(parent, order.force)
        needs_origin = any(not record.resumes_at for _, record in waiting)
        length = order.until - order.step
        before = order.step if needs_origin and order.step not in parent.kept() else 0
        total = before + length * len(waiting)
        with (
            asking_for_data(),
            _origin(order, parent, remarks, needs_origin, report, total) as origin,
        ):
            for place, (twin, _) in enumerate(waiting):
                done = before + place * length - order.step
                run(
                    twin,
                    order.results,
                    reason="twin",
                    origin=origin,
                    # Where a lane lies may decide its bits.
                    slot=recorded_slot(parent.path),
                    on_progress=_counted(report, done, total),
                )
    statuses = {str(read_record(order.results / twin.spec.run_id).status) for twin in order.twins}
    same = next((twin for twin in order.twins if twin.spec.run_id == order.same), None)
    difference = None
    if same is not None:
        again = read_record(order.results / same.spec.run_id)
        difference = differing_beginning(parent, again, order.until)
    return Forked(" and ".join(sorted(statuses)), len(waiting), difference)


def differing_beginning(parent: Record, twin: Record, until: int) -> Difference | None:
    """The first thing in which a run's first updates, as a twin did them again, are not the same.

    Every log of the twin must be, byte for byte, how the parent's begins, and its last weights, as
    far as the parent's are known there, those of the parent.
    """
    for name in layout.ALL_LOGS:
        ours, theirs = (_bytes(one.path / name) for one in (parent, twin))
        if not ours.startswith(theirs):
            found = first_difference(parent, twin, rows=until)
            at = next(i for i in range(len(theirs)) if ours[: i + 1] != theirs[: i + 1])
            place = f"byte {at}"
            return found or Difference(name.removesuffix(".csv"), name, None, place)
    then, now = _weights_after(parent, until), twin.result.get("weights") or {}
    for name, digest in now.items():
        if then and then.get(name) != digest:
            apart = (str(then.get(name)), digest, name)
            return Difference("weights", layout.RESULT, None, None, *apart)
    return None


def _weights_after(record: Record, updates: int) -> dict[str, str] | None:
    """Digests of the weights of a run after so many updates; None where they are not known."""
    if updates == total_steps_of(record.spec):
        return record.result.get("weights")
    if (kept := record.kept().get(updates)) is None:
        return None
    checkpoint = read_checkpoint(kept)
    return digests_in(State(checkpoint.step, checkpoint.facts, checkpoint.body))


def _refuse_another_profile(parent: Record, force: bool) -> tuple[str, ...]:
    """What is to be remarked of the profile, if going on with another is asked for.

    Raises
    ------
    ConfigError
        It is another one, and it is not asked for.
    """
    changes = differing_profile(parent, profile_now(parent))
    if not changes:
        return ()
    if not force:
        raise refused(parent, changes)
    return (f"the parent was trained otherwise: {told(changes)}",)


@contextmanager
def _origin(
    order: ForkOrder,
    parent: Record,
    remarks: tuple[str, ...],
    is_needed: bool,
    report: Callable[[Progress], None],
    total: int,
) -> Iterator[Origin | None]:
    """Where the twins begin: at the parent's kept checkpoint, else at one made now."""
    if not is_needed:
        yield None
        return
    kept = parent.kept().get(order.step)
    if kept is not None:
        remark = f"begins with update {order.step} of {parent.run_id}"
        yield Origin(parent.path, kept, (*remarks, remark))
        return
    scratch = Path(tempfile.mkdtemp(prefix="lrbench-twin-"))
    try:
        again = make_again(
            order.source, scratch, until=order.step, on_progress=_counted(report, 0, total)
        )
        if found := first_difference(parent, again, rows=order.step):
            raise RecordError(
                f"must come out the same up to the restart ({found.told('the record', 'now')})",
                key=parent.run_id,
                remedy="lrbench run … restart.keep_checkpoints=true keeps what twins begin with",
            )
        checkpoint = again.path / layout.CHECKPOINT
        if read_header(checkpoint)["step"] != order.step:
            relation = f"must leave a checkpoint after update {order.step}"
            raise RecordError(relation, key=parent.run_id)
        remark = f"begins with update {order.step} of {parent.run_id}, made again up to there"
        yield Origin(again.path, checkpoint, (*remarks, remark))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _counted(
    report: Callable[[Progress], None], before: int, total: int
) -> Callable[[Progress], None]:
    """Progress of one part of the work, as that of all of it."""
    return lambda progress: report(
        replace(progress, step=max(0, progress.step + before), total=total)
    )


def _bytes(path: Path) -> bytes:
    try:
        return read_file(path, LOG_LIMIT)
    except FileNotFoundError:
        return b""
