"""What a run was given, made again without training: data, split, rates, first weights, batches."""

from __future__ import annotations

import torch

from lrbench.config.resolve import Resolved
from lrbench.engine.base import Plan
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.order import BatchOrder
from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.difference import Difference
from lrbench.record.reader import Record, read_json
from lrbench.workflows.plan import load_data, make_plan
from lrbench.workflows.recording import schedule_digest

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

    try:
        data = load_data(run)
    except RecordError as error:
        return differs("data", manifest["data"]["digest"], str(error.problems[0].got))
    plan = make_plan(run.spec, data)
    lane = plan.lanes[0]
    then, now = manifest["init"], tensor_digests(plan.build_model(lane.streams))
    names = dict.fromkeys([*then["tensors"], *now])
    tensor = next((name for name in names if then["tensors"].get(name) != now.get(name)), None)
    return (
        differs("split", manifest["data"]["split_digest"], data.split_digest)
        or differs("init", then["digest"], whole_digest(now), tensor)
        or differs("schedule", manifest["schedule"]["digest"], schedule_digest(plan))
        or _differing_row(record, plan)
    )


def _differing_row(record: Record, plan: Plan) -> Difference | None:
    """The first update with another batch or another rate than it has now."""
    log = record.log(STEPS)
    lane = plan.lanes[0]
    order = BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, torch.device("cpu"))
    rates = plan.rates[:, 0].tolist()
    pairs = zip(log.column("batch_digest"), log.column("lr"), strict=True)
    for step, (batch, rate) in enumerate(pairs):
        _, digest = order.batch(step)
        order.seal([digest])
        # As steps.csv has it: the first 16 hexadecimal digits.
        if batch != (now := digest[:8].hex()):
            return Difference("batch", STEPS, step, "batch_digest", str(batch), now)
        if rate != rates[step]:
            return Difference("schedule", STEPS, step, "lr", repr(rate), repr(rates[step]))
    then = record.result["batch_chain"]
    if then != order.chain:
        return Difference("batch", layout.RESULT, recorded=then, other=order.chain)
    return None
