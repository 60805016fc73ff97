"""The twins of runs that fit together, in a worker: where they begin, and their training."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from lrbench.config.resolve import Resolved
from lrbench.errors import RecordError
from lrbench.launchers.local import reason_of
from lrbench.record import layout
from lrbench.record.checkpoint import read_header
from lrbench.record.comparison.difference import first_difference
from lrbench.record.reader import Record, read_record
from lrbench.workflows.packing import pack, recorded_slot, slot_of_same
from lrbench.workflows.recorded import asking_for_data
from lrbench.workflows.recording import Progress
from lrbench.workflows.replay import differing_profile, make_together, profile_now
from lrbench.workflows.run import reported, run_together
from lrbench.workflows.training import Manner, Origin
from lrbench.workflows.twin_check import differing_beginning
from lrbench.workflows.twin_parents import refused, told
from lrbench.workflows.twin_training import Forked, ForkOrder, ForkParcel


def fork_job(
    parcel: ForkParcel, report: Callable[[tuple[int, Progress]], None]
) -> list[Forked | str]:
    """Train the twins of a parcel that are not complete; a string says why those of a run failed.

    What goes wrong with one parent or twin stops the twins of this parent alone.
    """
    forks = [
        _Fork(order, parcel.results, lambda progress, place=place: report((place, progress)))  # type: ignore[misc]
        for place, order in enumerate(parcel.orders)
    ]
    for fork in forks:
        fork.guard(partial(fork.look, parcel.force))
    with _made_again([fork for fork in forks if fork.needs_parent]):
        waiting = [(fork, twin) for fork in forks for twin in fork.waiting]
        slots = [fork.slot_of(twin) for fork, twin in waiting]
        for one in pack([twin for _, twin in waiting], slots):
            _train([waiting[place] for place in one.places], one.slots, parcel.results)
    for fork in forks:
        fork.guard(fork.check)
    return [fork.answer for fork in forks]


class _Fork:
    """The twins of one run on their way.

    Parameters
    ----------
    order : ForkOrder
    results : Path
    report : callable
        Hears how far they are, all of them taken together.

    Attributes
    ----------
    waiting : list of Resolved
        The twins that are not complete.
    needs_parent : bool
        The parent is to be made again up to where they begin.
    origin : Origin or None
        Where those begin that have not begun.
    answer : Forked or str
    """

    def __init__(self, order: ForkOrder, results: Path, report: Callable[[Progress], None]) -> None:
        self.order = order
        self.waiting: list[Resolved] = []
        self.needs_parent = False
        self.origin: Origin | None = None
        self.answer: Forked | str = Forked("", 0, None)
        self._results = results
        self._report = report
        self._remarks: tuple[str, ...] = ()
        self._done: dict[str, int] = {}
        self._total = 0

    @property
    def has_failed(self) -> bool:
        """Whether nothing more is done of it."""
        return isinstance(self.answer, str)

    def guard(self, call: Callable[[], object]) -> None:
        """Do something of these twins; what it raises stops them alone."""
        if self.has_failed:
            return
        try:
            with asking_for_data():
                call()
        except Exception as error:
            self.answer = reason_of(error)

    def look(self, force: bool) -> None:
        """Find out what is to be trained, and where it begins.

        Raises
        ------
        ConfigError
            What decides bits is not as it was when the parent was trained.
        """
        order = self.order
        records = [(twin, self._record(twin)) for twin in order.twins]
        unfinished = [(twin, one) for twin, one in records if not one.status.is_finished]
        if not unfinished:
            return
        parent = self._parent
        self._remarks = _refuse_another_profile(parent, force)
        if not all(record.resumes_at for _, record in unfinished):
            kept = parent.kept().get(order.step)
            self.needs_parent = kept is None
            if kept is not None:
                remark = f"begins with update {order.step} of {parent.run_id}"
                self.origin = Origin(parent.path, kept, (*self._remarks, remark))
        self.waiting = [twin for twin, _ in unfinished]
        before = order.step if self.needs_parent else 0
        self._total = before + (order.until - order.step) * len(self.waiting)

    def begin_at(self, again: Record | Exception) -> None:
        """Where the twins begin: the end of their parent, made again up to there.

        Raises
        ------
        RecordError
            It is not the parent.
        """
        if isinstance(again, Exception):
            raise again
        parent, step = self._parent, self.order.step
        if found := first_difference(parent, again, rows=step):
            raise RecordError(
                f"must come out the same up to the restart ({found.told('the record', 'now')})",
                key=parent.run_id,
                remedy="lrbench run … restart.keep_checkpoints=true keeps what twins begin with",
            )
        checkpoint = again.path / layout.CHECKPOINT
        if read_header(checkpoint)["step"] != step:
            relation = f"must leave a checkpoint after update {step}"
            raise RecordError(relation, key=parent.run_id)
        remark = f"begins with update {step} of {parent.run_id}, made again up to there"
        self.origin = Origin(again.path, checkpoint, (*self._remarks, remark))

    def slot_of(self, twin: Resolved) -> int | None:
        """The slot that a twin must stand in; None where any will do."""
        begun = recorded_slot(self._results / twin.spec.run_id)
        return slot_of_same(self.order.source.path) if begun is None else begun

    def heard(self, part: str, start: int) -> Callable[[Progress], None]:
        """Who is told of the progress of a part, which begins with update ``start``."""

        def hear(progress: Progress) -> None:
            self._done[part] = max(0, progress.step - start)
            self._report(replace(progress, step=sum(self._done.values()), total=self._total))

        return hear

    def check(self) -> None:
        """Say what became of the twins, and hold the one that does what its parent did to that."""
        order = self.order
        records = [self._record(twin) for twin in order.twins]
        same = next((one for one in records if one.run_id == order.same), None)
        difference = None
        if same is not None:
            difference = differing_beginning(self._parent, same, order.until)
        statuses = sorted({str(one.status) for one in records})
        self.answer = Forked(" and ".join(statuses), len(self.waiting), difference)

    @cached_property
    def _parent(self) -> Record:
        return read_record(self.order.source.path)

    def _record(self, twin: Resolved) -> Record:
        return read_record(self._results / twin.spec.run_id)


def _train(twins: Sequence[tuple[_Fork, Resolved]], slots: Sequence[int], results: Path) -> None:
    """Twins that fit together, apart from those of which a part has failed already."""
    chosen = [
        (fork, twin, slot)
        for (fork, twin), slot in zip(twins, slots, strict=True)
        if not fork.has_failed
    ]
    if not chosen:
        return
    hear = [fork.heard(twin.spec.run_id, fork.order.step) for fork, twin, _ in chosen]
    became = run_together(
        [twin for _, twin, _ in chosen],
        [slot for _, _, slot in chosen],
        results,
        Manner(False, "twin"),
        origins=[fork.origin for fork, _, _ in chosen],
        on_progress=lambda place, progress: hear[place](progress),
    )
    for (fork, _, _), one in zip(chosen, became, strict=True):
        fork.guard(partial(reported, one))


@contextmanager
def _made_again(forks: Sequence[_Fork]) -> Iterator[None]:
    """While inside, the beginnings of these parents are there, made again each in its slot."""
    if not forks:
        yield
        return
    scratch = Path(tempfile.mkdtemp(prefix="lrbench-twin-"))
    # Parents fit together as their twins do.
    twins = [fork.order.twins[0] for fork in forks]
    slots = [recorded_slot(fork.order.source.path) for fork in forks]
    try:
        for number, one in enumerate(pack(twins, slots)):
            _make_again([forks[place] for place in one.places], one.slots, scratch / str(number))
        yield
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _make_again(forks: Sequence[_Fork], slots: Sequence[int], into: Path) -> None:
    hear = [fork.heard("parent", 0) for fork in forks]
    made = make_together(
        [fork.order.source for fork in forks],
        slots,
        into,
        until=forks[0].order.step,
        on_progress=lambda place, progress: hear[place](progress),
    )
    for fork, again in zip(forks, made, strict=True):
        fork.guard(partial(fork.begin_at, again))


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
