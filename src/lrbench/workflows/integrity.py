"""The files of a record, looked at as closely as can be without training: tier 0 of verification.

That every byte is the one that was written is seen when a record is read with ``every_byte``. This
is about what the bytes say: that rows are all there and in order, and agree with each other.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

from lrbench.engine.fingerprint import whole_digest
from lrbench.errors import LrbenchError, RecordError
from lrbench.record import layout
from lrbench.record.checkpoint import read_checkpoint
from lrbench.record.files import LOG_LIMIT, read_file
from lrbench.record.notes import read_notes
from lrbench.record.plans import read_plan
from lrbench.record.reader import Record, Status, read_json
from lrbench.spec.canonical import digest
from lrbench.spec.run import RunSpec, total_steps_of
from lrbench.workflows.recording import inputs_of

LEDGER = "restarts.csv"


def check_record(record: Record) -> None:
    """Hold what the files of a record say against each other.

    Raises
    ------
    RecordError
        Naming the file and what must hold.
    """
    try:
        _check(record)
    except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
        # Sealed, and yet not of the form in which lrbench writes it.
        relation = f"must have the form of a record ({type(error).__name__}: {error})"
        raise RecordError(relation, key=str(record.path)) from error


def _check(record: Record) -> None:
    if record.spec:
        RunSpec.of(record.spec, str(record.path / layout.SPEC))
    if record.status is not Status.RUNNING:
        _check_checkpoints(record)
    if not record.status.is_finished:
        return
    _check_manifest(record)
    _check_outcome(record)
    for name in record.result["logs"]:
        rows, stated = len(record.log(name).rows), record.result["logs"][name]["rows"]
        if rows != stated:
            raise _must(record, name, f"must have the {stated} rows its closing file states")
    steps = record.log("steps.csv").column("step")
    diverged_at, total = record.result["diverged_at"], total_steps_of(record.spec)
    if steps != list(range(len(steps))):
        raise _must(record, "steps.csv", "must have a row for every update, in order")
    if diverged_at is None and len(steps) != total:
        raise _must(record, "steps.csv", f"must have the {total} updates of the specification")
    _check_order(record)
    # A loss is lost in its update, a validation loss after it.
    if diverged_at is not None and not (
        diverged_at <= len(steps) <= diverged_at + 1 and len(steps) <= total
    ):
        raise _must(record, "steps.csv", f"must end at step {diverged_at}, where it diverged")
    evals = record.log("evals.csv")
    last = dict(zip(evals.columns, evals.rows[-1], strict=True)) if evals.rows else {}
    final = record.result["final"]
    if any(_told(last.get(name)) != value for name, value in final.items()):
        raise _must(record, "evals.csv", "must end with the final evaluation of its closing file")


def check_plans(folder: Path) -> Iterator[str]:
    """What is wrong with the plans of sweeps in a folder of results, in words."""
    for path in sorted((folder / layout.SWEEPS).glob("*.json")):
        try:
            _ = read_plan(path).spec
        except (LrbenchError, OSError, RecursionError) as error:
            told = str(error).partition("\n")[0].removeprefix(f"error: {path} ")
            yield f"{layout.SWEEPS}/{path.name} is damaged: {told}"


def check_notes(path: Path) -> Iterator[str]:
    """What is wrong with the notes beside a record, which is none the worse for it, in words."""
    for name, told in read_notes(path).damaged.items():
        yield f"{path.name}/{name} is damaged: {told}"


def _check_checkpoints(record: Record) -> None:
    kept = {f"{layout.KEPT}/{path.name}": step for step, path in record.kept().items()}
    for name in (layout.CHECKPOINT, layout.PREVIOUS, *kept):
        path = record.path / name
        if not os.path.lexists(path):
            continue
        checkpoint = read_checkpoint(path)
        if checkpoint.step != kept.get(name, checkpoint.step):
            raise _must(record, name, "must be of the update in its name")
        if checkpoint.spec_digest != digest(record.spec):
            raise _must(record, name, "must belong to the specification")
        if name in kept and not record.status.is_finished and kept[name] > record.resumes_at:
            # It comes before a place that the run was killed after, and is made again: the rows it
            # speaks of may be cut off already.
            continue
        for log, stated in checkpoint.logs.items():
            if log not in layout.ALL_LOGS:
                raise _must(record, name, "must speak of the logs of a record")
            if not os.path.lexists(record.path / log):
                raise _must(record, log, f"must be there: its {name} speaks of it")
            beginning = read_file(record.path / log, LOG_LIMIT)[: stated["bytes"]]
            if hashlib.sha256(beginning).hexdigest() != stated["sha256"]:
                raise _must(record, log, f"must begin with the rows that its {name} states")


def _check_manifest(record: Record) -> None:
    manifest = read_json(record.path / layout.MANIFEST)
    if manifest["spec_digest"] != digest(record.spec):
        raise _must(record, layout.MANIFEST, "must belong to the specification")
    variables = manifest["environment"]["variables"]
    if not all(isinstance(one, dict) for one in (variables, manifest["data"]["settings"])):
        raise _must(record, layout.MANIFEST, "must state variables and settings by name")
    profile = {key: value for key, value in manifest["profile"].items() if key != "digest"}
    if digest(profile) != manifest["profile"]["digest"]:
        raise _must(record, layout.MANIFEST, "must state the digest of its profile")
    stated = record.result.get("inputs")
    if stated and stated != inputs_of(manifest):
        raise _must(record, layout.RESULT, f"must state the inputs of its {layout.MANIFEST}")
    init, weights = manifest["init"], record.result.get("weights")
    if whole_digest(init["tensors"]) != init["digest"]:
        raise _must(record, layout.MANIFEST, "must state the digest of its first tensors")
    if weights and whole_digest(weights) != record.result["weights_digest"]:
        raise _must(record, layout.RESULT, "must state the digest of its final tensors")


def _check_outcome(record: Record) -> None:
    result = record.result
    is_whole = result["outcome"] == "complete"
    if is_whole != (result["diverged_at"] is None):
        raise _must(record, layout.RESULT, "must say where it diverged if it did, and only then")
    if result.get("inputs") and is_whole != (result["weights"] is not None):
        raise _must(record, layout.RESULT, "must state the final tensors of a complete run")


def _told(value: object) -> object:
    """A number as JSON has it: there is no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _check_order(record: Record) -> None:
    """Rows of the other logs, each after the one before it; layers in one order at every update.

    A log that only some records have is empty in the others.
    """
    for name in ("evals.csv", LEDGER, "curvature.csv"):
        at = record.log(name).column("step")
        if at != sorted(set(at)):  # type: ignore[type-var]
            raise _must(record, name, "must have its rows in order, each once")
    for name in ("layers.csv", "restart_layers.csv"):
        layers = record.log(name)
        at, names = layers.column("step"), layers.column("layer")
        looks = sorted(set(at))  # type: ignore[type-var]
        of_each = names[: len(names) // max(1, len(looks))]
        expected = [(step, layer) for step in looks for layer in of_each]
        if list(zip(at, names, strict=True)) != expected:
            raise _must(record, name, "must have a row for every layer, in order")
    # Rows of earlier records had no layers beside them.
    if "restart_layers.csv" in record.result["logs"] and looks != record.log(LEDGER).column("step"):
        raise _must(record, "restart_layers.csv", f"must have the restarts of its {LEDGER}")


def _must(record: Record, name: str, relation: str) -> RecordError:
    return RecordError(relation, key=str(record.path / name))
