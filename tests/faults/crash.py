"""Every state that a crash may leave of a folder, made up from the operations on its files.

Two ways to die. **Killed**: all that was done is there, the last write perhaps in part. **Without
power**: what no fsync has covered may be there or not, each file's bytes and each folder's names
for themselves; bytes that are not there may read as zeros. The second follows ALICE (Pillai et al.
2014, "All file systems are not created equal", OSDI).
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from faults import stub
from lrbench.errors import LrbenchError
from lrbench.record import files
from lrbench.record.reader import Status, read_record
from lrbench.record.writer import RecordWriter
from lrbench.workflows.integrity import check_record

Files = dict[str, bytes | None]
"""Contents by path below a root; None is a folder."""


@dataclass(frozen=True)
class Done:
    """One operation that happened.

    Parameters
    ----------
    kind : {"mkdir", "create", "resize", "write", "fsync", "rename", "unlink", "promise"}
        The last is no operation: from here on the record owes this much.
    path : str
        Below the root.
    data : bytes
    source : str
        Of a renamed file.
    size : int
    owed : int or "complete"
    """

    kind: str
    path: str = ""
    data: bytes = b""
    source: str = ""
    size: int = 0
    owed: Any = 0


def contents(root: Path) -> Files:
    """All that is below a folder."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in sorted(root.rglob("*"))
    }


def materialise(found: Mapping[str, bytes | None], root: Path) -> None:
    """Make ``root`` hold this, and nothing else."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, data in sorted(found.items()):
        if not (root / name).parent.is_dir():  # the name of its folder is lost
            continue
        if data is None:
            (root / name).mkdir()
        else:
            (root / name).write_bytes(data)


def traced(resolved: Any, root: Path, patch: Any, **how: Any) -> list[Done]:
    """All that a run of the stub does to files below ``root``, and what it owes when."""
    trace: list[Done] = []

    def name(path: Path) -> str:
        return str(path.relative_to(root)) if path != root else ""

    def hook(heard: files.Operation) -> None:
        path = heard.path
        if root not in (path, *path.parents):
            return
        match heard.kind:
            case "mkdir":
                missing = [p for p in (path, *path.parents) if not p.exists()]
                trace.extend(Done("mkdir", name(p)) for p in reversed(missing))
            case "open":
                if not path.exists():
                    trace.append(Done("create", name(path)))
                elif heard.size == 0:
                    trace.append(Done("resize", name(path), size=0))
            case "truncate":
                trace.append(Done("resize", name(path), size=heard.size or 0))
            case "write":
                trace.append(Done("write", name(path), bytes(heard.data)))
            case "replace":
                assert heard.source is not None
                trace.append(Done("rename", name(path), source=name(heard.source)))
            case "fsync" | "unlink":
                trace.append(Done(heard.kind, name(path)))

    def owing(method: str, before: Any = None, after: Any = None) -> None:
        real = getattr(RecordWriter, method)

        def wrapped(self: RecordWriter, *given: Any, **named: Any) -> Any:
            if before is not None:
                trace.append(Done("promise", owed=before))
            result = real(self, *given, **named)
            if method == "save":
                trace.append(Done("promise", owed=named["step"]))
            elif after is not None:
                trace.append(Done("promise", owed=after))
            return result

        patch.setattr(RecordWriter, method, wrapped)

    with patch.context() as patch:
        owing("begin", before=0)
        owing("save")
        owing("close", after="complete")
        patch.setattr(files, "hook", hook)
        stub.run(resolved, root / "results", **how)
    return trace


@dataclass(frozen=True)
class Story:
    """What stands before a run, all that it does to files, and what the record owes at first."""

    begun: Files
    trace: list[Done]
    owed: Any = 0


def stories_of(resolved: Any, root: Path, patch: Any) -> dict[str, Story]:
    """Four runs: a fresh one, one without checkpoints, one that goes on after a kill, and a forced
    one over a complete record.
    """
    root.mkdir()
    fresh = Story({}, traced(resolved, root, patch))
    closed = contents(root)
    other = replace(resolved, note="another", written="note: another\n")
    forced = Story(closed, traced(other, root, patch, force=True), "complete")
    materialise({}, root)
    brief = Story({}, traced(replace(resolved, checkpoint_every=100), root, patch))
    saved = [state for state in killed(fresh) if state.owed == 6][-1]
    materialise(saved.files, root)
    resumed = Story(saved.files, traced(resolved, root, patch), 6)
    return {"fresh": fresh, "brief": brief, "resumed": resumed, "forced": forced}


# ------------------------------------------------------------------------------------------ models


@dataclass(frozen=True)
class State:
    """What a crash may leave.

    Parameters
    ----------
    files : mapping
    owed : int or "complete"
        The update the run must at least go on at, or that it must be complete.
    story : str
    is_killed : bool
        All that was done is there, so that nothing may look damaged.
    """

    files: Files
    owed: Any
    story: str
    is_killed: bool = False


def killed(story: Story) -> Iterator[State]:
    """After each operation, and in each write."""
    now, owed = dict(story.begun), story.owed
    yield State(dict(now), owed, "before anything", True)
    for number, done in enumerate(story.trace):
        if done.kind == "promise":
            owed = done.owed
            continue
        if done.kind == "write":
            whole = now[done.path] or b""
            for cut in sorted({1, len(done.data) // 2, len(done.data) - 1}):
                if 0 < cut < len(done.data):
                    part = {**now, done.path: whole + done.data[:cut]}
                    yield State(part, owed, f"killed in {number}: {cut} bytes of {done.path}", True)
        _apply(now, done)
        yield State(dict(now), owed, f"killed after {number}: {done.kind} {done.path}", True)


def _apply(now: Files, done: Done) -> None:
    match done.kind:
        case "mkdir":
            now[done.path] = None
        case "create":
            now[done.path] = b""
        case "resize":
            now[done.path] = ((now[done.path] or b"") + bytes(done.size))[: done.size]
        case "write":
            now[done.path] = (now[done.path] or b"") + done.data
        case "rename":
            now[done.path] = now.pop(done.source)
        case "unlink":
            now.pop(done.path, None)


@dataclass
class _Node:
    """A file: what of it is on the disk, and what was done to it since."""

    synced: bytes = b""
    since: list[Done] = field(default_factory=list)

    def variants(self) -> dict[str, bytes]:
        """What it may hold after the power has failed, by how much came through."""
        if not self.since:
            return {"all": self.synced}
        states = [self.synced]
        for done in self.since:
            data = states[-1]
            if done.kind == "write":
                states += [data + done.data[: len(done.data) // 2], data + done.data]
            else:
                states.append((data + bytes(done.size))[: done.size])
        whole = states[-1]
        # A size may be on the disk before the bytes are.
        kept = min([len(self.synced), *(d.size for d in self.since if d.kind == "resize")])
        zeros = whole[:kept] + bytes(len(whole) - kept)
        # A checkpoint's last eighth is tensors, so that its first line stays as it was.
        most = len(whole) - (len(whole) - kept) // 8
        return {
            "none": states[0],
            **{f"{place} of {len(states)}": state for place, state in enumerate(states[1:-1])},
            "all": whole,
            "zeros": zeros,
            "last zeros": whole[:most] + bytes(len(whole) - most),
        }


def powerless(story: Story, *, is_honest: bool = True) -> Iterator[State]:
    """After each operation: names and bytes that no fsync covered, in many combinations.

    Of the names any one or two may be missing, or all from some point on. Of the bytes all files'
    share one fate, or, where all names are there or none, one file has another than the rest.

    Parameters
    ----------
    is_honest : bool
        Whether a file that was synced is on the disk; some disks answer and do nothing.
    """
    begun, owed = story.begun, story.owed
    nodes: dict[str, _Node] = {n: _Node(d) for n, d in begun.items() if d is not None}
    names: dict[str, _Node | None] = {n: nodes.get(n) for n in begun}
    """As a process sees them."""
    on_disk = dict(names)
    pending: list[tuple[Done, _Node | None]] = []
    for number, done in enumerate(story.trace):
        match done.kind:
            case "promise":
                owed = done.owed
                continue
            case "mkdir":
                names[done.path] = None
                pending.append((done, None))
            case "create":
                node = names[done.path] = _Node()
                pending.append((done, node))
            case "rename":
                node = names[done.path] = names.pop(done.source)
                pending.append((done, node))
            case "unlink":
                names.pop(done.path, None)
                pending.append((done, None))
            case "write" | "resize":
                node = names[done.path]
                assert node is not None
                node.since.append(done)
            case "fsync":
                node = names.get(done.path)
                if node is None:
                    for of_names, found in pending:
                        if _folder(of_names.path) == done.path:
                            _name(on_disk, of_names, found)
                    pending = [p for p in pending if _folder(p[0].path) != done.path]
                elif is_honest:
                    node.synced, node.since = node.variants()["all"], []
        for missing in _omissions(len(pending)):
            there = dict(on_disk)
            for place, (of_names, found) in enumerate(pending):
                if place not in missing:
                    _name(there, of_names, found)
            lost = ", ".join(f"{pending[p][0].kind} {pending[p][0].path}" for p in missing)
            for fates, found_files in _contents(there, is_full=len(missing) in (0, len(pending))):
                told = f"no power after {number} ({done.kind} {done.path}); bytes {fates}"
                yield State(found_files, owed, f"{told}; lost: {lost}")


def dishonest(story: Story) -> Iterator[State]:
    """:func:`powerless` on a disk that answers an fsync of a file and does nothing."""
    return powerless(story, is_honest=False)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _name(there: dict[str, _Node | None], done: Done, node: _Node | None) -> None:
    if done.kind == "unlink":
        there.pop(done.path, None)
        return
    if done.kind == "rename":
        there.pop(done.source, None)
    there[done.path] = node


def _omissions(count: int) -> Iterator[tuple[int, ...]]:
    yield ()
    for size in (1, 2):
        yield from itertools.combinations(range(count), size)
    for length in range(count - 2):
        yield tuple(range(length, count))


def _contents(there: Mapping[str, _Node | None], *, is_full: bool) -> Iterator[tuple[str, Files]]:
    whole: Files = {n: node and node.variants()["all"] for n, node in there.items()}
    dirty = {n: node.variants() for n, node in there.items() if node is not None and node.since}
    yield "all there", whole
    for fate in ("none", "zeros", "last zeros"):
        rest = {**whole, **{name: variants[fate] for name, variants in dirty.items()}}
        yield f"{fate} of all", rest
        if not is_full:
            return
        for name, variants in dirty.items():
            yield f"all of {name}, {fate} of others", {**rest, name: variants["all"]}
    for name, variants in dirty.items():
        for fate, data in variants.items():
            yield f"{fate} of {name}", {**whole, name: data}


def different(states: Iterable[State]) -> list[State]:
    """Each state once, with the most it was ever owed.

    What is under a name that begins with a dot is told by its being there alone.
    """
    found: dict[bytes, State] = {}
    for state in states:
        key = hashlib.sha256()
        for name, data in sorted(state.files.items()):
            is_hidden = name.rpartition("/")[2].startswith(".")
            key.update(f"{name}\0".encode())
            key.update(b"-" if data is None or is_hidden else hashlib.sha256(data).digest())
        old = found.get(key.digest())
        if old is None or _rank(state.owed) > _rank(old.owed):
            found[key.digest()] = state
    return list(found.values())


def _rank(owed: Any) -> float:
    return float("inf") if owed == "complete" else owed


# ------------------------------------------------------------------------------------------ checks


@dataclass(frozen=True)
class Bad:
    """A state that broke a promise."""

    state: State
    why: str

    def __str__(self) -> str:
        return f"{self.why} ({self.state.story})"


def judged(
    state: State, resolved: Any, golden: Mapping[str, bytes], root: Path, *, is_trusted: bool = True
) -> Bad | None:
    """What is wrong with what comes of a state; None if all is well.

    Parameters
    ----------
    is_trusted : bool
        The disk does as it says, so that nothing that was promised may be lost and nothing looks
        damaged. Otherwise damage must only be seen, and the bytes be the golden ones in the end.
    """
    materialise(state.files, root)
    path = root / "results" / resolved.spec.run_id
    found = read_record(path, every_byte=True)
    if found.status.is_finished and stub.bytes_of(path) != golden:
        return Bad(state, "counts as complete with other bytes")
    if is_trusted:
        if found.status not in (Status.COMPLETE, Status.INTERRUPTED, Status.FAILED):
            return Bad(state, f"is {found.status}: {found.reason}")
        if state.owed == "complete" and not found.status.is_finished:
            return Bad(state, f"was complete, and is {found.status}")
        try:
            if state.is_killed and not found.status.is_finished:
                check_record(found)
        except LrbenchError as error:
            return Bad(state, f"looks damaged: {error}")
    try:
        stub.run(resolved, root / "results")
    except (LrbenchError, OSError) as error:
        if is_trusted or found.status is not Status.CORRUPT:
            return Bad(state, f"cannot be gone on with: {error}")
        stub.run(resolved, root / "results", force=True)
    except Exception as error:
        return Bad(state, f"cannot be gone on with: {error!r}")
    with suppress(FileNotFoundError):
        if stub.bytes_of(path) == golden:
            return _left(state, path, is_trusted and not found.status.is_finished)
    return Bad(state, "leads to other bytes")


def _left(state: State, path: Path, owes: bool) -> Bad | None:
    if leftovers := [str(left) for left in path.rglob(".*.tmp")]:
        return Bad(state, f"leaves {leftovers}")
    record = read_record(path, every_byte=True)
    if record.status is not Status.COMPLETE:
        return Bad(state, f"ends {record.status}: {record.reason}")
    if owes and (from_step := record.attempts()[-1]["from_step"]) < state.owed:
        return Bad(state, f"goes on at {from_step}, though update {state.owed} was saved")
    return None


def first_bad(
    states: Iterable[State],
    resolved: Any,
    golden: Mapping[str, bytes],
    root: Path,
    *,
    is_trusted: bool = True,
) -> Bad | None:
    """The first state that breaks a promise."""
    for state in states:
        if bad := judged(state, resolved, golden, root, is_trusted=is_trusted):
            return bad
    return None
