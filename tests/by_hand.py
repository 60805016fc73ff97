"""What an engine should do, as a person would write it: one parameter after the other, and slowly.

A run with restarts and a trigger in plain torch, float64. It shares with an engine only what is
tested elsewhere: the order of the batches, the trigger itself, and the rates that follow from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrbench.engine.base import Plan, Restart
from lrbench.engine.order import BatchOrder
from lrbench.schedules.events import Event
from lrbench.triggers.base import Observation


@dataclass
class Run:
    """A run that is going on, and what is remembered of it."""

    plan: Plan
    model: nn.Module
    optimizer: torch.optim.Optimizer
    looks: list[tuple[int, float, dict[str, Tensor]]] = field(default_factory=list)
    """Updates made, validation loss, and the weights then."""
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    val_losses: dict[int, float] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)
    memory: dict[Any, Tensor] = field(default_factory=dict)
    before: list[Facts] = field(default_factory=list)
    after: list[Facts] = field(default_factory=list)

    def entries(self) -> list[dict[str, Any]]:
        """The optimizer's state of each parameter."""
        return [self.optimizer.state[parameter] for parameter in self.model.parameters()]


@dataclass(frozen=True)
class Facts:
    """The state around a restart, of the whole model."""

    momentum_norm: float | None
    root_second_moment: float | None
    counter: int | None
    weight_norm: float


Policy = Callable[[Run, int], None]
"""What a restart does before update ``step``."""


def train(
    plan: Plan, build: Callable[[list[Tensor]], torch.optim.Optimizer], policy: Policy
) -> Run:
    """Train the first lane of a plan."""
    lane = plan.lanes[0]
    model = plan.build_model(lane.streams).double()
    run = Run(plan, model, build(list(model.parameters())))
    inputs, targets = (_tensor(a) for a in (plan.data.train.inputs, plan.data.train.targets))
    order = BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, torch.device("cpu"))
    rates, restarts = plan.rates[:, 0], {restart.step: restart for restart in lane.restarts}
    watch = Watching(run) if lane.adaptive else None
    total = plan.total_steps
    _look(run, 0)
    for step in range(total):
        if step in restarts:
            _restart(run, restarts[step], policy)
        indices, _ = order.batch(step)
        x, y = inputs[indices], targets[indices]
        loss = loss_of(plan, model, x, y)
        run.optimizer.zero_grad()
        loss.backward()
        for group in run.optimizer.param_groups:
            group["lr"] = float(rates[step])
        if watch:
            watch.before_update()
        run.optimizer.step()
        run.losses.append(loss.item())
        run.rates.append(float(rates[step]))
        done = step + 1
        regular = done % plan.eval_every == 0
        if regular or done == total or _is_look_of_cycle(plan, restarts, done):
            _look(run, done)
        if watch:
            watch.after_update(loss.item())
            if done < total and done % lane.adaptive.trigger.every == 0:
                val_loss = run.val_losses[done] if regular else None
                event = watch.decide(done, rates, restarts, val_loss, x, y)
                if event is not None:
                    course = lane.adaptive.course(tuple(run.events))
                    rates, restarts = course.rates, {r.step: r for r in course.restarts}
                    if event.action != "decay" and done not in run.val_losses:
                        _look(run, done)
    return run


def loss_of(plan: Plan, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The mean loss of a batch."""
    kind, outputs = plan.data.info.kind, model(x)
    if kind == "classification":
        return F.cross_entropy(outputs, y)
    return F.mse_loss(outputs, y) if kind == "regression" else outputs.mean()


def facts(run: Run) -> Facts:
    """The state as it is now."""
    entries = run.entries()
    momenta = [entry.get("momentum_buffer", entry.get("exp_avg")) for entry in entries]
    there = [momentum for momentum in momenta if momentum is not None]
    counts = [int(entry["step"]) for entry in entries if "exp_avg" in entry]
    root = None
    if counts and counts[0]:
        beta2 = run.optimizer.param_groups[0]["betas"][1]
        corrected = [entry["exp_avg_sq"] / (1 - beta2 ** counts[0]) for entry in entries]
        root = float(_flat(corrected).sqrt().mean())
    return Facts(
        float(_flat(there).norm()) if there else None,
        root,
        counts[0] if counts else None,
        float(_flat(run.model.parameters()).norm()),
    )


class Watching:
    """Everything a trigger may ask for, gathered update by update."""

    def __init__(self, run: Run) -> None:
        assert run.plan.lanes[0].adaptive is not None
        self._run = run
        self._trigger = run.plan.lanes[0].adaptive.trigger
        self._state = self._trigger.start()
        self._begin()

    def _begin(self) -> None:
        self._losses: list[float] = []
        self._grads: list[float] = []
        self._cosines: list[float | None] = []
        self._path = 0.0
        self._start = self._weights()

    def _weights(self) -> Tensor:
        return _flat(self._run.model.parameters())

    def before_update(self) -> None:
        grad = _flat(p.grad for p in self._run.model.parameters())
        self._grads.append(float(grad.norm()))
        found = [self._run.optimizer.state.get(p, {}) for p in self._run.model.parameters()]
        momenta = [entry.get("momentum_buffer", entry.get("exp_avg")) for entry in found]
        cosine = None
        if all(momentum is not None for momentum in momenta):
            momentum = _flat(momenta)
            scale = float(grad.norm() * momentum.norm())
            cosine = float(grad @ momentum) / scale if scale > 0 else None
        self._cosines.append(cosine)
        self._before = self._weights()

    def after_update(self, loss: float) -> None:
        self._losses.append(loss)
        self._path += float((self._weights() - self._before).norm())

    def decide(
        self,
        done: int,
        rates: np.ndarray,
        restarts: dict[int, Restart],
        val_loss: float | None,
        x: Tensor,
        y: Tensor,
    ) -> Event | None:
        needs = self._trigger.needs
        start = max((step for step in restarts if step < done), default=0)
        square = trace = None
        if "noise" in needs:
            square, trace = noise(self._run.plan, self._run.model, x, y)
        seen = Observation(
            step=done,
            heat=rates[done - 1] / max(rates[start:]),
            train_losses=tuple(self._losses),
            grad_norms=tuple(self._grads),
            val_loss=val_loss,
            cosines=tuple(self._cosines) if "cosine" in needs else (),
            displacement=float((self._weights() - self._start).norm()),
            path=self._path,
            gradient_square=square,
            gradient_trace=trace,
        )
        self._state, decision = self._trigger.observe(self._state, seen)
        self._begin()
        if decision is None:
            return None
        name, how = self._trigger.name, decision
        self._run.events.append(Event(done, how.action, name, how.statistic, how.threshold))
        return self._run.events[-1]


def noise(plan: Plan, model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """``|G|²`` and ``tr Σ`` from a batch and its two halves."""

    def square(x: Tensor, y: Tensor) -> float:
        grads = torch.autograd.grad(loss_of(plan, model, x, y), list(model.parameters()))
        return float(_flat(grads).square().sum())

    part = len(x) // 2
    whole, halves = square(x, y), (square(x[:part], y[:part]), square(x[part:], y[part:]))
    mean = sum(halves) / 2
    return (
        (len(x) * whole - part * mean) / (len(x) - part),
        (mean - whole) / (1 / part - 1 / len(x)),
    )


def _restart(run: Run, restart: Restart, policy: Policy) -> None:
    run.restarts.append(restart.step)
    run.before.append(facts(run))
    with torch.no_grad():
        policy(run, restart.step)
    run.after.append(facts(run))


def _is_look_of_cycle(plan: Plan, restarts: dict[int, Restart], done: int) -> bool:
    if done in restarts:
        return True
    lengths = {step: restart.planned_length for step, restart in restarts.items()}
    return any(
        length >= plan.eval_every and done - step in (math.ceil(length / 4), math.ceil(length / 2))
        for step, length in lengths.items()
    )


@torch.no_grad()
def _look(run: Run, done: int) -> None:
    val = run.plan.data.val
    loss = float(loss_of(run.plan, run.model, _tensor(val.inputs), _tensor(val.targets)))
    run.val_losses[done] = loss
    weights = {name: p.clone() for name, p in run.model.named_parameters()}
    run.looks.append((done, loss, weights))


def _tensor(array: Any) -> Tensor:
    whole = torch.as_tensor(array)
    return whole.double() if whole.is_floating_point() else whole


def _flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])
