"""From a composed configuration to a run's specification: every check, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from lrbench.config.compose import Composed
from lrbench.engine.device import check_device
from lrbench.engine.optimizers import OPTIMIZERS, check_own
from lrbench.engine.tables import tabulate
from lrbench.errors import (
    ConfigError,
    LrbenchError,
    Problem,
    ScheduleError,
    nearest,
    origin_of,
)
from lrbench.schedules.catalog import SCHEDULES, Parameter, build_schedule
from lrbench.spec.durations import FORMS, is_duration, resolve, to_steps
from lrbench.spec.imports import code_digest, resolve_import
from lrbench.spec.parameters import check, problems, settings_of, unknown_key
from lrbench.spec.run import (
    Component,
    ComputeSpec,
    DatasetSpec,
    DiagnosticsSpec,
    Frozen,
    OptimizerSpec,
    Positive,
    RunSpec,
    Seed,
    StreamSeeds,
    TrainSpec,
    slug,
)
from lrbench.streams import Streams
from lrbench.tasks.base import Prepared
from lrbench.tasks.data.catalog import DATASETS, entry_of, prepare
from lrbench.tasks.models.build import build_model
from lrbench.tasks.models.catalog import MODELS

Duration = int | str


class _Train(Frozen):
    steps: Positive | None
    epochs: Annotated[float, Field(gt=0)] | None
    batch_size: Positive
    eval_every: Duration


class _Diagnostics(Frozen):
    layers_every: Duration | None


class _Settings(Frozen):
    """What the configuration must hold, lengths still as they were typed."""

    dataset: dict[str, Any]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    compute: ComputeSpec
    diagnostics: _Diagnostics
    train: _Train
    seed: Seed
    streams: StreamSeeds
    note: str | None


@dataclass(frozen=True)
class Resolved:
    """A run ready to be trained, and what belongs to it without deciding its numbers.

    Parameters
    ----------
    spec : RunSpec
    data_settings : mapping
        Settings of the dataset with the folders its files lie in.
    note : str
    config : str
        The composed configuration as YAML.
    notes : tuple of str
        What the schedule chose, and what a person should know of the data.
    """

    spec: RunSpec
    data_settings: Mapping[str, Any]
    note: str
    config: str
    notes: tuple[str, ...] = field(default=())


class _Parts:
    """The components a configuration names, resolved; every problem in them is collected."""

    def __init__(self, composed: Composed) -> None:
        self.origins = composed.origins
        self.problems: list[Problem] = []
        settings = {
            key: dict(v) if isinstance(v, dict) else v for key, v in composed.values.items()
        }
        for group in ("compute", "diagnostics"):
            if isinstance(settings.get(group), dict):
                settings[group].pop("name", None)
        self._settle_length(settings, composed)
        self.settings = self._validate(settings)
        self.raw = {
            group: value if isinstance(value := settings.get(group), dict) else {}
            for group in ("dataset", "model", "optimizer", "schedule")
        }

    def raise_if_any(self) -> None:
        """One error for all problems so far."""
        if self.problems:
            placed = [
                p
                if p.origin or not p.key
                else Problem(p.relation, p.key, p.got, origin_of(p.key, self.origins), p.remedy)
                for p in self.problems
            ]
            raise ConfigError(placed)

    def attempt(self, prefix: str, call: Any, *args: Any, **kwargs: Any) -> Any:
        """``call``'s result; its problems are collected with their keys put below ``prefix``."""
        try:
            return call(*args, **kwargs)
        except LrbenchError as error:
            placed = error.under(prefix, self.origins) if prefix else error
            self.problems += placed.problems
            return None

    def _settle_length(self, settings: dict[str, Any], composed: Composed) -> None:
        """Whichever of steps and epochs was typed takes the place of the other's default."""
        train = settings.get("train")
        if not isinstance(train, dict):
            return
        steps, epochs = train.get("steps"), train.get("epochs")
        both_typed = {"train.steps", "train.epochs"} <= composed.typed
        if steps is None and epochs is None:
            relation = "must be given, or train.steps"
            self.problems.append(Problem(relation, "train.epochs", remedy="train.epochs=20"))
        elif steps is not None and epochs is not None and both_typed:
            relation = f"cannot be given together with train.epochs ({epochs})"
            self.problems.append(Problem(relation, "train.steps", steps, remedy="only one of them"))
        elif steps is not None and epochs is not None:
            del train["epochs" if "train.epochs" not in composed.typed else "steps"]
            train.setdefault("epochs", None)
            train.setdefault("steps", None)

    def _validate(self, settings: dict[str, Any]) -> _Settings | None:
        try:
            checked = _Settings.model_validate(settings)
        except ValidationError as error:
            for problem in problems(error):
                self.problems.append(self._with_neighbour(problem))
            return None
        for key, value in (
            ("train.eval_every", checked.train.eval_every),
            ("diagnostics.layers_every", checked.diagnostics.layers_every),
        ):
            if value is not None and not is_duration(value):
                self.problems.append(Problem(FORMS, key, value))
        return checked

    @staticmethod
    def _with_neighbour(problem: Problem) -> Problem:
        """Unknown keys of a user's own YAML get the nearest valid name."""
        key = problem.key or ""
        if "not a setting" not in problem.relation:
            return problem
        models: dict[str, type[BaseModel]] = {
            "train": _Train,
            "compute": ComputeSpec,
            "diagnostics": _Diagnostics,
            "streams": StreamSeeds,
        }
        group, _, leaf = key.partition(".")
        known = models[group].model_fields if group in models else _Settings.model_fields
        near = nearest(leaf or group, known)
        prefix = f"{group}." if leaf else ""
        return Problem(
            problem.relation, key, problem.got, remedy=f"{prefix}{near}" if near else None
        )


def resolve_run(composed: Composed) -> Resolved:
    """Check a configuration and turn it into a specification.

    Raises
    ------
    ConfigError
        Every problem that can be found without the data, all at once; then the data's; then those
        that need the data's size.
    """
    parts = _Parts(composed)
    settings = parts.settings
    if settings is not None:
        parts.attempt("compute", check_device, settings.compute)
    dataset, data_builder, data_settings = _dataset(parts, parts.raw["dataset"])
    model, model_target = _model(parts, parts.raw["model"])
    optimizer = _optimizer(parts, parts.raw["optimizer"])
    schedule = _schedule(parts, parts.raw["schedule"])
    parts.raise_if_any()
    assert settings is not None

    streams = Streams(settings.seed, settings.streams.pinned())
    data: Prepared = parts.attempt(
        "dataset",
        prepare,
        dataset.name,
        data_settings,
        split_root=streams.root_of("split"),
        builder=data_builder,
    )
    parts.raise_if_any()
    train, layers_every = _lengths(parts, settings, len(data.train))
    parts.raise_if_any()

    parts.attempt("model", _check_model, model, model_target, data, streams, train.batch_size)
    schedule, notes = _fit_schedule(parts, schedule, optimizer.lr, train, len(data.train))
    parts.raise_if_any()
    spec = RunSpec(
        dataset=dataset.model_copy(update={"digest": data.digest}),
        model=model,
        optimizer=optimizer,
        schedule=schedule,
        train=train,
        diagnostics=DiagnosticsSpec(layers_every=layers_every),
        compute=settings.compute,
        seed=settings.seed,
        streams=settings.streams,
    )
    return Resolved(
        spec, data_settings, settings.note or "", composed.yaml, (*notes, *data.notices)
    )


def with_seed(run: Resolved, seed: int) -> Resolved:
    """The run of the same arm with another seed; composing once an arm is enough."""
    spec = run.spec.model_copy(update={"seed": seed})
    if spec.streams.split is None:
        builder = None
        if spec.dataset.target is not None:
            builder = resolve_import(spec.dataset.target, key="dataset._target_")
        data = prepare(spec.dataset.name, run.data_settings, split_root=seed, builder=builder)
        dataset = spec.dataset.model_copy(update={"digest": data.digest})
        spec = spec.model_copy(update={"dataset": dataset})
    spec = RunSpec.model_validate(spec.model_dump())
    return Resolved(spec, run.data_settings, run.note, run.config, run.notes)


def _take(parts: _Parts, group: str, raw: dict[str, Any]) -> tuple[str, str | None, dict[str, Any]]:
    """Name, import path and own settings of a component."""
    params = dict(raw)
    target = params.pop("_target_", None)
    name = params.pop("name", None)
    if target is not None and not isinstance(target, str):
        parts.problems.append(Problem("must be a text", f"{group}._target_", target))
        target = None
    if target is not None:
        name = slug(target)
    return str(name), target, params


def _known(parts: _Parts, group: str, name: str, known: Mapping[str, Any]) -> bool:
    if name in known:
        return True
    near = nearest(name, known)
    relation = f"must be one of: {', '.join(known)}"
    remedy = f"{group}={near}" if near else None
    parts.problems.append(Problem(relation, f"{group}.name", name, remedy=remedy))
    return False


def _dataset(parts: _Parts, raw: dict[str, Any]) -> tuple[DatasetSpec, Any, dict[str, Any]]:
    name, target, params = _take(parts, "dataset", raw)
    builder = None
    deciding: dict[str, Any] = {}
    if target is not None:
        builder = parts.attempt("", resolve_import, target, key="dataset._target_")
    if builder is not None or (target is None and _known(parts, "dataset", name, DATASETS)):
        entry = entry_of(name, builder)
        params = parts.attempt("dataset", check, entry.schema, params) or {}
        # Where files lie decides no number; what is in them is in the digest.
        placing = settings_of(entry.archive.locate) if entry.archive else {}
        deciding = {key: value for key, value in params.items() if key not in placing}
    spec = parts.attempt(
        "dataset",
        DatasetSpec,
        name=name,
        target=target,
        code=code_digest(builder) if builder else None,
        params=deciding,
    )
    return spec, builder, params


def _model(parts: _Parts, raw: dict[str, Any]) -> tuple[Component, Any]:
    name, target, params = _take(parts, "model", raw)
    found = None
    if target is not None:
        found = parts.attempt("", resolve_import, target, key="model._target_")
    elif _known(parts, "model", name, MODELS):
        params = parts.attempt("model", check, MODELS[name].builder, params) or {}
    code = code_digest(found) if found else None
    return _component(parts, "model", name=name, target=target, code=code, params=params), found


def _optimizer(parts: _Parts, raw: dict[str, Any]) -> OptimizerSpec:
    name, target, params = _take(parts, "optimizer", raw)
    lr = params.pop("lr", None)
    code = None
    if lr is None:
        parts.problems.append(Problem("must be given", "optimizer.lr", remedy="optimizer.lr=0.1"))
        lr = 1.0
    if target is not None:
        found = parts.attempt("", resolve_import, target, key="optimizer._target_")
        if found is not None:
            code = code_digest(found)
            parts.attempt("optimizer", check_own, found, params)
    elif _known(parts, "optimizer", name, OPTIMIZERS):
        params = parts.attempt("optimizer", check, OPTIMIZERS[name].builder, params) or {}
    try:
        return OptimizerSpec(name=name, target=target, code=code, lr=lr, params=params)
    except ValidationError as error:
        parts.problems += problems(error, "optimizer")
        return OptimizerSpec(name=name, lr=1.0)


def _schedule(parts: _Parts, raw: dict[str, Any]) -> Component:
    name, target, params = _take(parts, "schedule", raw)
    if target is not None:
        relation = "can only be given for dataset, model, optimizer"
        parts.problems.append(Problem(relation, "schedule._target_", target))
    if _known(parts, "schedule", name, SCHEDULES):
        known = SCHEDULES[name].parameters
        for key, value in params.items():
            if key not in known:
                parts.problems += (
                    ConfigError([unknown_key(key, known, value)]).under("schedule").problems
                )
            elif problem := _wrong_type(known[key], value):
                parts.problems += ConfigError([problem]).under("schedule").problems
    return _component(parts, "schedule", name=name, params=params)


def _wrong_type(parameter: Parameter, value: Any) -> Problem | None:
    """Lengths are checked as lengths, the rest against the builder's annotation."""
    if parameter.is_duration:
        wrong = [
            v
            for v in (value if isinstance(value, list) else [value])
            if v is not None and not is_duration(v)
        ]
        return Problem(FORMS, parameter.name, wrong[0]) if wrong else None
    try:
        TypeAdapter(parameter.annotation, config={"allow_inf_nan": False}).validate_python(
            value, strict=True
        )
    except ValidationError as error:
        found = problems(error)[0]
        return Problem(found.relation, parameter.name, value)
    return None


def _component(parts: _Parts, group: str, **fields: Any) -> Component:
    try:
        return Component(**fields)
    except ValidationError as error:
        parts.problems += problems(error, group)
        return Component(name="none")


def _lengths(parts: _Parts, settings: _Settings, size: int) -> tuple[TrainSpec, int | None]:
    """All lengths of the run in updates."""
    train = settings.train
    if train.batch_size > size:
        relation = f"must not exceed the {size} training samples"
        parts.problems.append(
            Problem(
                relation,
                "train.batch_size",
                train.batch_size,
                remedy=f"train.batch_size={min(size, 32)}",
            )
        )
        parts.raise_if_any()
    per_epoch = size // train.batch_size
    if train.steps is not None:
        total = train.steps
    else:
        assert train.epochs is not None
        total = round(train.epochs * per_epoch)
        if total < 1:
            relation = f"must come to at least one of the {per_epoch} updates of an epoch"
            parts.problems.append(Problem(relation, "train.epochs", train.epochs))
            parts.raise_if_any()

    def steps(key: str, value: Duration) -> int:
        length = parts.attempt(
            "", to_steps, value, steps_per_epoch=per_epoch, total_steps=total, key=key
        )
        if length is not None and length < 1:
            parts.problems.append(Problem("must be at least 1 update", key, value))
        return max(length or 1, 1)

    every = settings.diagnostics.layers_every
    layers_every = None if every is None else steps("diagnostics.layers_every", every)
    eval_every = steps("train.eval_every", train.eval_every)
    spec = TrainSpec(steps=total, batch_size=train.batch_size, eval_every=eval_every)
    return spec, layers_every


def _check_model(
    model: Component, target: Any, data: Prepared, streams: Streams, batch_size: int
) -> None:
    """Build the model once: it must fit the data, and the batches must fit it."""
    from torch.nn.modules.batchnorm import _BatchNorm

    built = build_model(model.name, model.params, data.info, streams, target)
    if batch_size == 1 and any(isinstance(module, _BatchNorm) for module in built.modules()):
        relation = "needs train.batch_size of at least 2: it normalises over the batch"
        raise ConfigError(relation, remedy="train.batch_size=32")


def _fit_schedule(
    parts: _Parts, schedule: Component, lr: float, train: TrainSpec, size: int
) -> tuple[Component, tuple[str, ...]]:
    """The schedule with its lengths in updates, built once to see that it fits the run."""
    durations = {p.name for p in SCHEDULES[schedule.name].parameters.values() if p.is_duration}
    try:
        params = resolve(
            schedule.params,
            durations,
            steps_per_epoch=size // train.batch_size,
            total_steps=train.steps,
        )
        built = build_schedule(schedule.name, params, train.steps)
    except ConfigError as error:
        parts.problems += error.under("schedule", parts.origins).problems
        return schedule, ()
    try:
        tabulate([built], [lr], train.steps)
    except ScheduleError as error:
        parts.problems += error.problems
    return schedule.model_copy(update={"params": params}), built.notes
