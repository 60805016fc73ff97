"""What an engine needs to train a specification."""

from __future__ import annotations

from lrbench.config.resolve import Resolved
from lrbench.engine import loop
from lrbench.engine.base import Lane, Plan, Train
from lrbench.engine.tables import restarts_of, tabulate
from lrbench.errors import RecordError
from lrbench.schedules.catalog import build_schedule
from lrbench.spec.imports import resolve_import
from lrbench.spec.run import RunSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.models.build import build_model

ENGINES: dict[str, Train] = {"loop": loop.train}


def make_plan(spec: RunSpec, data: Prepared) -> Plan:
    """What the engine needs to train ``spec``."""
    schedule = build_schedule(spec.schedule.name, spec.schedule.params, spec.train.steps)
    target = None
    if spec.model.target is not None:
        target = resolve_import(spec.model.target, key="model._target_")
    model = spec.model
    return Plan(
        data=data,
        build_model=lambda streams: build_model(
            model.name, model.params, data.info, streams, target
        ),
        rates=tabulate([schedule], [spec.optimizer.lr], spec.train.steps),
        batch_size=spec.train.batch_size,
        eval_every=spec.train.eval_every,
        layers_every=spec.diagnostics.layers_every,
        compute=spec.compute,
        lanes=(
            Lane(
                Streams(spec.seed, spec.streams.pinned()),
                spec.optimizer,
                restarts_of(schedule, spec.train.steps),
            ),
        ),
    )


def load_data(run: Resolved) -> Prepared:
    """The data of a run, as its specification has them.

    Raises
    ------
    RecordError
        They are not the data the specification was made with.
    """
    spec = run.spec
    streams = Streams(spec.seed, spec.streams.pinned())
    builder = None
    if spec.dataset.target is not None:
        builder = resolve_import(spec.dataset.target, key="dataset._target_")
    data = prepare(
        spec.dataset.name, run.data_settings, split_root=streams.root_of("split"), builder=builder
    )
    if data.digest != spec.dataset.digest:
        relation = f"must be the data the run was specified with ({spec.dataset.digest[:12]}…)"
        raise RecordError(relation, key="dataset", got=f"{data.digest[:12]}…")
    return data
