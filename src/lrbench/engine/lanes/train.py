"""The lanes engine: the runs of a plan as lanes of one vectorised program.

Whatever a lane does alone (to restart, to look at held-out data, to save) is done by its conductor
with its own model, a view of the stack; all lanes make their updates together. No lane's numbers
depend on the others: the program is elementwise over the lanes, every lane has streams of its own,
and what is done to all for the sake of one (to deliver a block, to look at layers) writes nothing
that a lane is trained with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from lrbench.engine.base import Failure, Outcome, Plan, Sink
from lrbench.engine.conductor import PATIENCE_S, Conductor, autocast, start_of
from lrbench.engine.data import DeviceData, on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.diagnostics import Block, Numbers, on_host, told
from lrbench.engine.lanes.program import LOOKED, Program, program_of
from lrbench.engine.lanes.stack import (
    Applied,
    LaneOptimizer,
    Stack,
    build_models,
    stacked_numbers,
)
from lrbench.engine.lanes.template import attributes, refuse_unlike, template_of
from lrbench.engine.order import BatchOrder
from lrbench.engine.update_rules import UpdateRule, rule_key, rule_of


@dataclass
class _Member:
    """A run and its slot."""

    slot: int
    conductor: Conductor
    optimizer: LaneOptimizer
    order: BatchOrder
    sink: Sink
    failure: Exception | None = None
    corrections: dict[int, float] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        return self.failure is None and self.conductor.outcome is None


@dataclass(frozen=True)
class _Fetched:
    """What was measured in a stretch of updates, on the host; see ``diagnostics.Block``.

    Parameters
    ----------
    losses, sums : ndarray of shape (updates, lanes) and (updates, lanes, 5)
    looks : ndarray of shape (looks, lanes, parts, 10)
    places : dict of int to int
        The update of each look, counted from the first: its place among the looks.
    """

    losses: Numbers
    sums: Numbers
    looks: Numbers
    places: dict[int, int]


def train(plan: Plan, sinks: Sequence[Sink]) -> list[Outcome | Failure]:
    """Train the lanes of ``plan`` together; see :class:`lrbench.engine.base.Train`."""
    ended = _Training(plan, sinks).run()
    if len(ended) == 1 and isinstance(ended[0], Failure):
        raise ended[0].error
    return ended


class _Training:
    """The training of one plan."""

    def __init__(self, plan: Plan, sinks: Sequence[Sink]) -> None:
        self._plan = plan
        width = plan.compute.lanes
        slots = plan.slots or tuple(range(len(plan.lanes)))
        assert len(set(slots)) == len(plan.lanes) <= width
        assert max(slots) < width
        self._device = torch.device(plan.compute.device)
        dtype = DTYPES[plan.compute.precision]
        self._data: DeviceData = on_device(plan.data, self._device, dtype)
        # A slot without a run of its own does what the first run does.
        self._source = [slots.index(slot) if slot in slots else 0 for slot in range(width)]
        lanes = [plan.lanes[index] for index in self._source]
        models = build_models(plan.build_model, lanes, (self._device, dtype))
        orders = self._orders()
        starts = [start_of(models[slot], order) for slot, order in zip(slots, orders, strict=True)]
        refuse_unlike(models)
        self._rule: UpdateRule = rule_of(plan.lanes[0].optimizer)
        self._program = self._made_program(models[0], orders[0], width)
        self._stack = Stack(models)
        stack = self._stack
        for row, first in zip(
            (stack.momentum, stack.second_moment), self._rule.init(stack.weight), strict=True
        ):
            row.copy_(first)
        self._members: list[_Member] = []
        self._failures: dict[int, Exception] = {}
        for index, (slot, order, sink) in enumerate(zip(slots, orders, sinks, strict=True)):
            flat = stack.flats[slot]
            optimizer = LaneOptimizer(flat, plan.lanes[index].optimizer, self._rule)
            conductor = Conductor(
                plan,
                index,
                sink,
                self._data,
                models[slot],
                flat,
                optimizer,
                order,
                lambda step: None,
            )
            if conductor.cycles:
                # The look at all lanes reads their anchors from one tensor.
                stack.anchor[slot].copy_(conductor.cycles.movement.anchor)
                conductor.cycles.movement.anchor = stack.anchor[slot]
            member = _Member(slot, conductor, optimizer, order, sink)
            self._members.append(member)
            self._guard(member, lambda sink=sink, start=starts[index]: sink.begin(start))  # type: ignore[misc]
        layers = stack.layout.layers
        self._names = ["", *(span.name for span in layers)]
        self._sizes = [stack.flats[0].size, *(span.size for span in layers)]
        self._losses: list[Tensor] = []
        self._sums: list[Tensor] = []
        self._looks: dict[int, Tensor] = {}
        self._moving = [
            stack.parts(row) for row in (stack.weight, stack.momentum, stack.second_moment)
        ]
        self._weights = stack.shaped(self._moving[0])
        self._anchors = stack.parts(stack.anchor)
        self._is_prepared = False
        self._epoch = -1
        self._batches = torch.zeros(0)

    def _orders(self) -> list[BatchOrder]:
        """Each run's order; runs of one order stream share theirs."""
        plan = self._plan
        made: dict[int, BatchOrder] = {}
        for lane in plan.lanes:
            root = lane.streams.root_of("order")
            if root not in made:
                made[root] = BatchOrder(
                    lane.streams, plan.data.sample_digests, plan.batch_size, self._device
                )
        return [made[lane.streams.root_of("order")] for lane in plan.lanes]

    def _made_program(self, model: torch.nn.Module, order: BatchOrder, width: int) -> Program:
        plan, data = self._plan, self._data
        indices, _ = order.batch(0)
        shapes = {n: p.shape for n, p in model.named_parameters() if p.requires_grad}
        key = (
            plan.model_key,
            tuple(sorted(attributes(model).items(), key=lambda pair: pair[0])),
            tuple(shapes.items()),
            # The number of samples too: a compiled program takes no other.
            (width, plan.batch_size, data.inputs.shape, data.inputs.dtype),
            (data.targets.shape, data.targets.dtype),
            rule_key(plan.lanes[0].optimizer),
            (plan.data.info.kind, plan.compute.precision, plan.compute.device),
            plan.compute.compile,
        )
        return program_of(
            key if plan.model_key else None,
            lambda: template_of(model, data.inputs.index_select(0, indices)),
            model,
            self._rule,
            plan.data.info.kind,
            autocast(plan),
            lanes=width,
            is_compiled=plan.compute.compile,
        )

    def run(self) -> list[Outcome | Failure]:
        """Train to the end."""
        total = self._plan.total_steps
        with _dropout(bool(self._program.template.masks.names), self._device):
            for member in self._members:
                self._guard(member, partial(self._start, member))
            first = {member.conductor.step for member in self._members if member.is_live}
            assert len(first) <= 1, "lanes of a plan begin at one step"
            step = min(first, default=total)
            while step < total and self._live():
                for member in self._live():
                    self._guard(member, partial(self._open, member, step))
                if not self._live():
                    break
                done = self._stretch(step)
                self._after(step, done)
                step = done
            for member in self._live():
                self._guard(member, partial(self._finish, member))
        return [Failure(m.failure) if m.failure is not None else _outcome(m) for m in self._members]

    def _start(self, member: _Member) -> None:
        member.optimizer.write()
        member.conductor.start()
        member.optimizer.read()

    def _finish(self, member: _Member) -> None:
        member.optimizer.write()
        member.conductor.finish()

    def _stretch(self, step: int) -> int:
        """Make updates from ``step`` on until something else is due of a lane; returns how many
        are made then.
        """
        live = self._live()
        until = min(member.conductor.until for member in live)
        settings = {m.slot: m.optimizer.settings(*m.conductor.settings(until)) for m in live}
        numbers = self._numbers(settings)
        close = {m.slot: m.conductor.close_between(step, until) for m in live}
        looked = set().union(*close.values())
        late = time.monotonic() + PATIENCE_S
        done = step
        while done < until and (done == step or time.monotonic() < late):
            self._update(done, numbers[done - step], is_looked=done in looked)
            done += 1
        for member in live:
            self._made(member, settings[member.slot][: done - step], close[member.slot])
        return done

    def _update(self, step: int, numbers: Tensor, *, is_looked: bool) -> None:
        """Update all lanes, with what is measured of it."""
        stack, program, data = self._stack, self._program, self._data
        weights, *moments = self._moving
        batch = (self._masks(step), data.inputs, data.targets, self._indices(step))
        given = (self._weights, stack.others, *batch)
        with torch.no_grad():
            if not self._is_prepared:
                like = {name: one.contiguous() for name, one in weights.items()}
                update = (weights, like, *moments)
                program.prepare(given, (*update, numbers), (*update, self._anchors, numbers))
                self._is_prepared = True
            losses, *told = program.gradient(*given)
            gradients = dict(zip(weights, told, strict=True))
            if is_looked:
                look = (weights, gradients, *moments, self._anchors, numbers)
                self._looks[step] = program.look(*look)
            self._losses.append(losses)
            self._sums.append(program.update(weights, gradients, *moments, numbers))

    def _numbers(self, settings: Mapping[int, Sequence[Applied]]) -> Tensor:
        """Of the next updates, all slots: (updates, numbers, lanes). What a run that is over goes
        on with does not matter.
        """
        known = {m.slot: m.optimizer.numbers(settings[m.slot]) for m in self._live()}
        others = next(iter(known.values()))
        own = [known.get(member.slot, others) for member in self._members]
        return stacked_numbers([own[index] for index in self._source], self._stack.weight)

    def _open(self, member: _Member, step: int) -> None:
        cycles = member.conductor.cycles
        if cycles is None or not cycles.is_start(step):
            member.conductor.open(step)
            return
        member.optimizer.write()
        if member.conductor.open(step):
            member.optimizer.read()

    def _made(self, member: _Member, settings: Sequence[Applied], close: Sequence[int]) -> None:
        run, optimizer = member.conductor, member.optimizer
        start = run.step
        done = start + len(settings)
        close = [step for step in close if step < done]
        member.corrections = {
            step - start: optimizer.correction(step + 1 - start) for step in close
        }
        optimizer.made(settings)
        run.made(settings, member.order.digests(start, done), close)

    def _after(self, start: int, done: int) -> None:
        """What comes after a stretch, whose rows are delivered of all lanes."""
        for member in self._live():
            self._guard(member, partial(member.conductor.ask, done))
        fetched = self._fetched(start)
        for member in self._live():
            self._guard(member, partial(self._deliver, member, fetched))
        for member in self._live():
            self._guard(member, partial(self._close, member, done))
        live = self._live()
        if any(member.conductor.wants_saving for member in live):
            # Together, so that all can go on at one step.
            self._save(live, done)

    def _deliver(self, member: _Member, fetched: _Fetched) -> None:
        run, slot = member.conductor, member.slot
        looks = [fetched.places[place] for place in run.close_places]
        rows = told(
            Block(
                fetched.losses[:, slot],
                fetched.sums[:, slot],
                fetched.looks[looks, slot],
                member.corrections,
            ),
            run.heads,
            run.digests,
            run.close_places,
            self._names,
            self._sizes,
            member.optimizer.moments,
        )
        run.deliver(*rows)

    def _close(self, member: _Member, done: int) -> None:
        if self._plan.curvature:
            member.optimizer.write()
        member.conductor.close(done)

    def _save(self, members: Sequence[_Member], done: int) -> None:
        interrupt: BaseException | None = None
        for member in members:
            member.optimizer.write()
            try:
                self._guard(member, partial(member.conductor.save, done))
            except KeyboardInterrupt as asked:
                interrupt = asked
        if interrupt is not None:
            raise interrupt

    def _fetched(self, start: int) -> _Fetched:
        """What was measured from update ``start`` on, of all slots."""
        # Where nothing was looked at there is one look that nobody asks for.
        nobody = torch.zeros(self._plan.compute.lanes, len(self._sizes), LOOKED)
        looks = list(self._looks.values()) or [nobody]
        fetched = _Fetched(
            on_host(torch.stack(self._losses)),
            on_host(torch.stack(self._sums)),
            on_host(torch.stack(looks)),
            {step - start: rank for rank, step in enumerate(self._looks)},
        )
        self._losses.clear()
        self._sums.clear()
        self._looks.clear()
        return fetched

    def _indices(self, step: int) -> Tensor:
        epoch, place = divmod(step, self._members[0].order.steps_per_epoch)
        if epoch != self._epoch:
            own = [member.order.epoch_of(step) for member in self._members]
            self._batches = torch.stack([own[index] for index in self._source], dim=1)
            self._epoch = epoch
        return self._batches[place]

    def _masks(self, step: int) -> dict[str, Tensor]:
        """Dropout's masks, drawn from each run's own stream."""
        masks = self._program.template.masks
        if not masks.names:
            return {}
        drawn: dict[int, list[Tensor]] = {}
        for lane in self._plan.lanes:
            root = lane.streams.root_of("dropout")
            if root not in drawn:
                torch.manual_seed(lane.streams("dropout", step).torch_seed)
                drawn[root] = masks.draw(self._stack.weight)
        own = [drawn[lane.streams.root_of("dropout")] for lane in self._plan.lanes]
        return {
            name: torch.stack([own[index][number] for index in self._source])
            for number, name in enumerate(masks.names)
        }

    def _live(self) -> list[_Member]:
        return [member for member in self._members if member.is_live]

    def _guard(self, member: _Member, call: Callable[[], object]) -> object:
        """Do something of one run; what it raises stops this run alone."""
        if not member.is_live:
            return None
        try:
            return call()
        except Exception as error:
            member.failure = error
            return None


def _outcome(member: _Member) -> Outcome:
    assert member.conductor.outcome is not None
    return member.conductor.outcome


@contextmanager
def _dropout(is_drawn: bool, device: torch.device) -> Iterator[None]:
    """Borrow torch's generators where masks are drawn from them."""
    if not is_drawn:
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
