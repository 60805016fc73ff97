"""Whether an optimizer has the state that a restart is to change: tried out before any run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.engine.base import Restart
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizer_state import entries, has, state_names
from lrbench.engine.optimizers import BoundOptimizer, Builder
from lrbench.engine.restarting import Restarter, hidden_multiplier
from lrbench.errors import ConfigError, Problem, nearest
from lrbench.restarts.policy import MOMENTS, PRESETS, is_full_reset
from lrbench.spec.restart import RestartSpec
from lrbench.streams import Streams

SWITCHES = {
    "momentum": "momentum buffer",
    "first_moment": "first moment",
    "second_moment": "second moment",
    "counter": "counter of updates",
    "averages": "average of the weights",
}
"""Switches of the optimizer's state, and the word for it."""

GUESSES = {
    "first_moment": ("acc_delta",),
    "second_moment": ("square_avg", "sum", "exp_inf"),
}
"""What else torch's optimizers call them, or what plays their part."""

UPDATES = 3
"""Enough that no state of an optimizer is as it was built."""

LARGE = -10.0
"""Gradients before the restart are those after it times this, so that what is left of them shows.
"""


def check_policy(
    spec: RestartSpec,
    builder: Builder,
    lr: float,
    settings: Mapping[str, Any],
    allow_mismatch: bool,
) -> str | None:
    """Try a policy on small weights with the optimizer of a run.

    Parameters
    ----------
    spec : RestartSpec
    builder : callable
        One of ``OPTIMIZERS``' builders, or the user's own optimizer.
    lr : float
    settings : mapping
        The optimizer's.
    allow_mismatch : bool
        Whether a policy may hide a multiplier of the learning rate.

    Returns
    -------
    str or None
        The multiplier it hides, in words; None if it hides none.

    Raises
    ------
    ConfigError
        The optimizer does not have, or cannot be rid of, what the policy changes; a full reset
        would leave something; or a multiplier is hidden and may not be. Keys begin with
        ``restart``.
    """
    _refuse_names(spec)
    # An optimizer of the user's own may draw; the generators are put back as they were.
    with torch.random.fork_rng(devices=[]):
        run = partial(_try, builder=builder, lr=lr, settings=settings)
        try:
            hidden = run(spec)
        except ConfigError as error:
            remedy = _remedy(spec, partial(_Trial, builder, lr, settings), run)
            problems = [replace(problem, remedy=remedy) for problem in error.problems]
            raise ConfigError(problems) from error
    if hidden and not allow_mismatch:
        raise ConfigError(
            f"must belong to the moments it corrects, or it hides a multiplier of the learning "
            f"rate ({hidden})",
            key="restart.counter",
            got=spec.counter,
            remedy="restart.allow_mismatch=true",
        )
    return hidden


def keeps_momentum(builder: Builder, lr: float, settings: Mapping[str, Any]) -> bool:
    """Whether an optimizer has what is logged as its momentum: a buffer, or a first moment.

    Raises
    ------
    ConfigError
        It cannot update a matrix and a vector.
    """
    with (
        torch.random.fork_rng(devices=[]),
        _told("must be able to update a matrix and a vector", key="optimizer"),
    ):
        trial = _Trial(builder, lr, settings)
        trial.update()
    return "momentum" in trial.bound.moments


def _try(spec: RestartSpec, builder: Builder, lr: float, settings: Mapping[str, Any]) -> str | None:
    wanted = _wanted(spec)
    if not wanted:
        return None
    with _told("must be able to update a matrix and a vector", key="optimizer"):
        trial = _Trial(builder, lr, settings)
        trial.update(LARGE)
    _refuse_missing(spec, wanted, trial.bound)
    hidden = hidden_multiplier(trial.bound, spec)
    _go_through_a_restart(trial, spec)
    if is_full_reset(spec):
        _refuse_leftovers(spec, trial, _Trial(builder, lr, settings))
    return hidden


class _Trial:
    """An optimizer on the weights of a small layer; gradients are the same in every trial."""

    def __init__(self, builder: Builder, lr: float, settings: Mapping[str, Any]) -> None:
        self.model = nn.Linear(2, 2)
        self.flat = FlatModel(self.model)
        self._lr = lr
        self.bound = BoundOptimizer(self.flat, builder, lr, settings, own=True)

    @property
    def kind(self) -> str:
        return type(self.bound.optimizer).__name__

    def update(self, scale: float = 1.0) -> None:
        """From zero on, so that no update is lost in the rounding of a weight."""
        self.flat.weight.zero_()
        torch.manual_seed(0)
        for update in range(UPDATES):
            for place, grad in enumerate(self.flat.views(self.flat.grad)):
                numbers = torch.arange(1.0, grad.numel() + 1) / (2 + place + update)
                grad.copy_(scale * numbers.view(grad.shape))
            self.bound.update(self._lr)


@contextmanager
def _told(relation: str, key: str) -> Iterator[None]:
    """Tell what an optimizer, which may be anybody's, raises."""
    try:
        yield
    except Exception as error:
        raise ConfigError(f"{relation} ({error!r})", key=key) from error


def _wanted(spec: RestartSpec) -> list[str]:
    """The switches whose state must be there."""
    return [switch for switch in SWITCHES if getattr(spec, switch) not in ("keep", "tied")]


def _refuse_names(spec: RestartSpec) -> None:
    if unknown := [name for name in spec.state_names if name not in SWITCHES]:
        close = nearest(unknown[0], SWITCHES)
        raise ConfigError(
            f"must name the state of a switch ({', '.join(SWITCHES)})",
            key="restart.state_names",
            got=unknown[0],
            remedy=close and f"'restart.state_names={{{close}: {spec.state_names[unknown[0]]}}}'",
        )
    names = list(state_names(spec).values())
    if twice := [name for name in spec.state_names.values() if names.count(name) > 1]:
        relation = "must give every switch a state of its own"
        raise ConfigError(relation, key="restart.state_names", got=twice[0])


def _refuse_missing(spec: RestartSpec, wanted: list[str], bound: BoundOptimizer) -> None:
    """Refuse switches of what the optimizer does not keep, all at once."""
    names = state_names(spec)
    there = {switch for switch in SWITCHES if has(bound, names[switch])}
    if is_full_reset(spec):
        # Of whatever there is.
        if not there & {"momentum", *MOMENTS}:
            relation = "needs an optimizer whose momentum or moments have known names"
            raise ConfigError(_told_kept(relation, bound), key="restart", got="full_reset")
        wanted = [switch for switch in wanted if switch == "averages"]
    problems = []
    for switch in wanted:
        relation = f"needs an optimizer that keeps its {SWITCHES[switch]} as {names[switch]}"
        if switch == "counter" and not there & set(MOMENTS):
            # Others count for other ends: to lower the rate, to begin an average.
            relation = "needs an optimizer that corrects the bias of its moments by a counter"
        elif switch in there:
            continue
        relation = _told_kept(relation, bound)
        problems.append(Problem(relation, f"restart.{switch}", getattr(spec, switch)))
    if problems:
        raise ConfigError(problems)
    for switch in there - {"counter"}:
        if getattr(spec, switch) != "keep" and not _is_of_weights(bound, names[switch]):
            relation = f"needs a number for each weight, which {names[switch]} does not have"
            raise ConfigError(relation, key=f"restart.{switch}", got=getattr(spec, switch))


def _is_of_weights(bound: BoundOptimizer, name: str) -> bool:
    return all(
        isinstance(entry[name], Tensor) and entry[name].shape == tensor.shape
        for entry, tensor in zip(entries(bound), bound.tensors, strict=True)
        if entry.get(name) is not None
    )


def _told_kept(relation: str, bound: BoundOptimizer) -> str:
    kept = ", ".join(sorted({name for entry in entries(bound) for name in entry}))
    return f"{relation}; {type(bound.optimizer).__name__} keeps {kept or 'nothing'}"


def _go_through_a_restart(trial: _Trial, spec: RestartSpec) -> None:
    """Apply the switches of the state, and make the updates that follow."""
    alone = spec.model_copy(update={"weights": "keep"})
    restarter = Restarter(trial.model, trial.flat, trial.bound, Streams(0), [alone])
    switch = "momentum" if spec.momentum == "delete" else _wanted(spec)[0]
    with _told(f"must leave {trial.kind} able to go on", f"restart.{switch}"):
        restarter.apply(Restart(UPDATES, 1, UPDATES, alone))
        trial.update()


def _refuse_leftovers(spec: RestartSpec, trial: _Trial, fresh: _Trial) -> None:
    """Refuse a full reset that leaves what makes other updates than a new optimizer's."""
    fresh.update()
    left: set[str] = set()
    for one, other in zip(entries(trial.bound), entries(fresh.bound), strict=True):
        left |= one.keys() ^ other.keys()
        left |= {name for name in one.keys() & other.keys() if not _equal(one[name], other[name])}
    if not left and torch.equal(trial.flat.weight, fresh.flat.weight):
        return
    # What was reset differs too where something else that is left has a part in it.
    names = state_names(spec)
    left = left - set(names.values()) or left
    what = ", ".join(sorted(left)) or "something besides its state"
    relation = f"must leave {trial.kind} as new; a full reset would not reset its {what}"
    raise ConfigError(relation, key="restart", got="full_reset")


def _remedy(
    spec: RestartSpec, build: Callable[[], _Trial], run: Callable[[RestartSpec], object]
) -> str:
    """The first change that makes a policy one that the optimizer can have."""
    with suppress(Exception):
        trial = build()
        trial.update()
        for text, other in _others(spec, trial.bound):
            with suppress(ConfigError):
                run(other)
                return text
    return "restart=keep"


def _others(spec: RestartSpec, bound: BoundOptimizer) -> Iterator[tuple[str, RestartSpec]]:
    """What is most like a policy: another mapping of names, another momentum, another preset."""
    names = state_names(spec)
    free = [name for name in entries(bound)[0] if name not in names.values()]
    free = [name for name in free if _is_of_weights(bound, name)]
    absent = [switch for switch in _wanted(spec) if not has(bound, names[switch])]
    pairs = list(zip(absent, free, strict=False))
    if type(bound.optimizer).__module__.startswith("torch.optim."):
        pairs = [(s, name) for s in absent for name in free if name in GUESSES.get(s, ())]
    for number in range(1, len(pairs) + 1):
        mapping = {**spec.state_names, **dict(pairs[:number])}
        inside = ", ".join(f"{switch}: {name}" for switch, name in mapping.items())
        other = spec.model_copy(update={"state_names": mapping})
        yield f"'restart.state_names={{{inside}}}'", other
    for momentum in ("reset", "delete"):
        if spec.momentum not in ("keep", momentum):
            other = spec.model_copy(update={"momentum": momentum})
            yield f"restart.momentum={momentum}", other
    for preset in ("reset_momentum", "full_reset"):
        yield f"restart={preset}", RestartSpec.model_validate(PRESETS[preset].switches)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and bool((one == other).all())
    return type(one) is type(other) and bool(one == other)
