"""What a run was given, made again without training: data, split, rates, first weights, batches."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Plan
from lrbench.engine.device import DTYPES
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.order import BatchChain, BatchOrder
from lrbench.errors import RecordError, ScheduleError
from lrbench.record import layout
from lrbench.record.comparison.difference import Difference
from lrbench.record.reader import Record, read_json
from lrbench.schedules.events import Event
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.recorded import changed_code
from lrbench.workflows.recording import schedule_digest, stream_keys

STEPS = "steps.csv"


def differing_input(record: Record, run: Resolved) -> Difference | None:
    """The first thing the run was given that does not come out the same here and now.

    Raises
    ------
    RecordError
        A file that had to be read is malformed or missing.
    """
    manifest = read_json(record.path / layout.MANIFEST)

    def differs(what: str, then: str, now: str, tensor: str | None = None) -> Difference | None:
        if then == now:
            return None
        return Difference(what, layout.MANIFEST, recorded=then, other=now, tensor=tensor)

    if changed := changed_code(run.spec):
        where, *digests = changed
        return Difference("code", layout.SPEC, None, where, *digests)
    try:
        data = load_data(run)
    except RecordError as error:
        return differs("data", manifest["data"]["digest"], str(error.problems[0].got))
    try:
        plan = make_plan(run.spec, data)
    except RecordError:
        # A schedule of the user's own that gives other factors than it did.
        component = run.spec.schedule
        return Difference("schedule", layout.SPEC, recorded=str(component.code), other="another")
    lane = plan.lanes[0]
    model = plan.build_model(lane.streams).to(DTYPES[run.spec.compute.precision])
    then, now = manifest["init"], tensor_digests(model)
    names = dict.fromkeys([*then["tensors"], *now])
    tensor = next((name for name in names if then["tensors"].get(name) != now.get(name)), None)
    return (
        differs("data", manifest["data"]["digest"], data.digest)
        or differs("split", manifest["data"]["split_digest"], data.split_digest)
        or differs("init", then["digest"], whole_digest(now), tensor)
        or differs("schedule", manifest["schedule"]["digest"], schedule_digest(plan))
        or _differing_stream(manifest["seeds"]["keys"], stream_keys(lane.streams))
        or _differing_row(record, manifest["first_batch"], plan)
    )


def _differing_stream(then: Mapping[str, str], now: Mapping[str, str]) -> Difference | None:
    name = next((name for name in [*now, *then] if then.get(name) != now.get(name)), None)
    if name is None:
        return None
    what = f"stream of {name}"
    return Difference(what, layout.MANIFEST, recorded=then.get(name), other=now.get(name))


def _rates(record: Record, plan: Plan) -> list[float]:
    """The learning rates of the run, after what its trigger is said to have decided.

    Whether it decides so again, only training tells.

    Raises
    ------
    RecordError
        That cannot have happened.
    """
    adaptive = plan.lanes[0].adaptive
    if adaptive is None:
        return list(plan.rates[:, 0].tolist())
    try:
        events = tuple(Event(**event) for event in record.result["events"])
        return list(adaptive.course(events).rates.tolist())
    except (LookupError, TypeError, ValueError, ScheduleError) as error:
        relation = f"must state what its trigger decided ({type(error).__name__}: {error})"
        raise RecordError(relation, key=str(record.path / layout.RESULT)) from error


def _differing_row(record: Record, first_batch: str, plan: Plan) -> Difference | None:
    """The first update with another batch or another rate than it has now."""
    log = record.log(STEPS)
    lane = plan.lanes[0]
    order = BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, torch.device("cpu"))
    chain = BatchChain()
    tables = {"momentum": plan.momenta, "weight_decay": plan.weight_decays}
    rates = {name: table[:, 0].tolist() for name, table in tables.items() if table is not None}
    rates["lr"] = _rates(record, plan)
    logged = {name: log.column(name) for name in rates}
    for step, batch in enumerate(log.column("batch_digest")):
        _, digest = order.batch(step)
        if step == 0 and first_batch != digest.hex():
            return Difference("batch", layout.MANIFEST, 0, "first_batch", first_batch, digest.hex())
        chain.add([digest])
        # As steps.csv has it: the first 16 hexadecimal digits.
        if batch != (now := digest[:8].hex()):
            return Difference("batch", STEPS, step, "batch_digest", str(batch), now)
        for name, values in logged.items():
            if values[step] != rates[name][step]:
                a, b = repr(values[step]), repr(rates[name][step])
                return Difference("schedule", STEPS, step, name, a, b)
    then = record.result["batch_chain"]
    if then != str(chain):
        return Difference("batch", layout.RESULT, recorded=then, other=str(chain))
    return None
