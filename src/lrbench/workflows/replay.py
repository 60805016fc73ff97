"""A run made again from its record: the record stays as it is, the run goes into another folder."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrbench.config.resolve import Resolved
from lrbench.engine.device import configure, profile
from lrbench.engine.profiles import NUMERIC
from lrbench.errors import ConfigError, DamageError, RecordError
from lrbench.record import layout
from lrbench.record.checkpoint import read_header
from lrbench.record.comparison.changes import Change, differing_environment
from lrbench.record.comparison.difference import Difference, first_difference
from lrbench.record.files import LOG_LIMIT, claim_folder, digest_file, read_file, replace_file
from lrbench.record.reader import Record, Status, kept_files, read_json, read_record
from lrbench.spec.profiles import variables_of
from lrbench.spec.run import RunSpec
from lrbench.workflows.integrity import check_record
from lrbench.workflows.isolated import isolated
from lrbench.workflows.packing import recorded_slot
from lrbench.workflows.recorded import (
    asking_for_data,
    check_data,
    find_run,
    refuse_other_code,
    resolved_of,
)
from lrbench.workflows.recording import Progress
from lrbench.workflows.results import check_results
from lrbench.workflows.run import run_together
from lrbench.workflows.training import Manner

PLAIN = re.compile(r"[\w,.:-]{1,40}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A record to be made again, and what is allowed for it.

    Parameters
    ----------
    path : Path
        Of the record.
    trust : bool
        Import its own code, fetch its data from where it says.
    data_root : Path, optional
        The folder with its dataset's files on this machine.
    """

    path: Path
    trust: bool = False
    data_root: Path | None = None


@dataclass(frozen=True)
class Replay:
    """What ``lrbench replay`` answers, as plain data.

    Parameters
    ----------
    path : Path
        The record of the replay.
    difference : Difference or None
        To the original, the first one; None: not one bit.
    profile : tuple of Change
        What decides bits and is not as it was.
    """

    path: Path
    difference: Difference | None
    profile: tuple[Change, ...]


def replay(
    source: Source,
    into: Path | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Replay:
    """Train a recorded run again, under its specification and profile, and compare.

    Parameters
    ----------
    source : Source
    into : Path, optional
        The folder of results for the replay; default: a new one among the temporary files.

    Raises
    ------
    ConfigError
        There is no finished run, it needs trust, or ``into`` holds a record of it already.
    RecordError
        It is damaged.
    """
    check_data(source.data_root)
    source = replace(source, path=find_run(source.path))
    record = read_record(source.path, every_byte=True)
    if record.status is Status.CORRUPT:
        raise DamageError(f"is damaged ({record.reason})", key=str(source.path))
    if not record.status.is_finished:
        relation = f"must be finished to be repeated (it is {record.status})"
        raise ConfigError(relation, key=str(source.path), remedy=f"lrbench resume {source.path}")
    _check_form(record)
    resolved_of(record, trust=source.trust)
    if into is not None:
        check_results(into, key="--into")
        if (into / _run_id(record)).exists():
            relation = "must not hold a record of this run already"
            raise ConfigError(relation, key="--into", got=str(into))
    folder = into or Path(tempfile.mkdtemp(prefix="lrbench-replay-"))
    try:
        made = isolated(
            replay_job,
            (source, folder),
            variables_then(record),
            name=record.run_id,
            on_progress=on_progress,
        )
    except BaseException:
        if into is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    again = read_record(made)
    difference = first_difference(record, again) or differing_result(record, again)
    now = read_json(made / layout.MANIFEST)["profile"]
    return Replay(made, difference, differing_profile(record, now))


def _check_form(record: Record) -> None:
    try:
        check_record(record)
    except RecordError as error:
        raise DamageError(error.problems) from error


def replay_job(payload: tuple[Source, Path], report: Callable[[Progress], None]) -> Path:
    """:func:`make_again` in a worker."""
    source, into = payload
    with asking_for_data():
        return make_again(source, into, on_progress=report).path


def make_again(
    source: Source,
    into: Path,
    *,
    until: int | None = None,
    from_checkpoint: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Record:
    """Train a recorded run again in this process, into the folder of results ``into``.

    Parameters
    ----------
    source : Source
    into : Path
    until : int in [1, inf), in updates, optional
        Stop after so many, with an unfinished record.
    from_checkpoint : bool
        Begin with the record's last checkpoint and its logs until then, if it has one.
    """
    (again,) = make_together(
        [source],
        [recorded_slot(source.path) or 0],
        into,
        until=until,
        from_checkpoint=from_checkpoint,
        on_progress=lambda _, progress: on_progress(progress),
    )
    if isinstance(again, Exception):
        raise again
    return again


def make_together(
    sources: Sequence[Source],
    slots: Sequence[int],
    into: Path,
    *,
    until: int | None = None,
    from_checkpoint: bool = False,
    on_progress: Callable[[int, Progress], None],
) -> list[Record | Exception]:
    """:func:`make_again` of runs that fit together; what stops one stops it alone."""
    claim_folder(into)
    runs: dict[int, Resolved] = {}
    made: dict[int, Record | Exception] = {}
    for place, source in enumerate(sources):
        try:
            record = read_record(source.path)
            run = resolved_of(record, trust=source.trust, data_root=source.data_root)
            refuse_other_code(run.spec)
            if from_checkpoint:
                _copy_beginning(record.path, into / run.spec.run_id)
            runs[place] = run
        except Exception as error:
            made[place] = error
    if runs:
        places = [*runs]
        became = run_together(
            [*runs.values()],
            [slots[place] for place in places],
            into,
            Manner(False, "replay", until, any_profile=True),
            on_progress=lambda index, progress: on_progress(places[index], progress),
        )
        for place, one in zip(places, became, strict=True):
            again = into / runs[place].spec.run_id
            made[place] = one if isinstance(one, Exception) else read_record(again)
    return [made[place] for place in range(len(sources))]


def variables_then(record: Record) -> dict[str, str]:
    """The environment variables a record's process was started with, as far as they decide bits."""
    spec = RunSpec.of(record.spec, str(record.path / layout.SPEC))
    then = read_json(record.path / layout.MANIFEST).get("environment", {}).get("variables", {})
    known = {name: str(then[name]) for name in NUMERIC if name in then}
    return {name: value for name, value in known.items() if PLAIN.fullmatch(value)} | variables_of(
        spec.compute
    )


def _run_id(record: Record) -> str:
    """Of the run; the folder of a copy may have another name."""
    return RunSpec.of(record.spec, str(record.path / layout.SPEC)).run_id


def profile_now(record: Record) -> dict[str, Any]:
    """The profile that this process trains a recorded run under."""
    compute = RunSpec.of(record.spec, str(record.path / layout.SPEC)).compute
    return profile(compute, configure(compute))


def differing_profile(record: Record, now: Mapping[str, Any]) -> tuple[Change, ...]:
    """The facts of a record's profile, all of which decide bits, that are not as in ``now``."""
    begun = read_json(record.path / layout.MANIFEST)
    changes = differing_environment({"profile": begun["profile"]}, {"profile": now})
    return tuple(change for change in changes if change.key.startswith("profile."))


def differing_result(record: Record, again: Record) -> Difference | None:
    """What is not the same of all that is promised besides the logs.

    The first entry of the closing file, else the first of the checkpoints that both keep: one that
    began later than its record, from a checkpoint or as a twin, keeps fewer.
    """
    names = dict.fromkeys([*record.result, *again.result])
    apart = (name for name in names if record.result.get(name) != again.result.get(name))
    if (name := next(apart, None)) is None:
        return _differing_kept(record, again)
    then, now = (json.dumps(one.result.get(name))[:200] for one in (record, again))
    return Difference("result", layout.RESULT, column=name, recorded=then, other=now)


def _differing_kept(record: Record, again: Record) -> Difference | None:
    ours, theirs = record.kept(), again.kept()
    for step in sorted(ours.keys() & theirs.keys()):
        name = f"{layout.KEPT}/{ours[step].name}"
        headers = read_header(ours[step]), read_header(theirs[step])
        then, now = digest_file(ours[step]), digest_file(theirs[step])
        # It states the profile, so under another one it differs whatever state it holds.
        if then != now and headers[0]["profile_digest"] == headers[1]["profile_digest"]:
            return Difference(name, name, recorded=then, other=now)
    return None


def _copy_beginning(original: Path, copy: Path) -> None:
    """What a run that stopped at the last checkpoint would have left."""
    claim_folder(copy)
    kept = [f"{layout.KEPT}/{path.name}" for path in kept_files(original)]
    if kept:
        claim_folder(copy / layout.KEPT)
    whole = (layout.SPEC, layout.CONFIG, layout.MANIFEST, layout.CHECKPOINT, *kept)
    for name in (*whole, *layout.ALL_LOGS):
        with suppress(FileNotFoundError):
            replace_file(copy / name, read_file(original / name, LOG_LIMIT))
