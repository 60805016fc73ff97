"""The lanes engine: the runs of a plan as lanes of one vectorised program.

Whatever a lane does alone (to restart, to look at held-out data, to save) is done by its conductor
with its own model, a view of the stack; all lanes make their updates together. No lane's numbers
depend on the others: the program is elementwise over the lanes, every lane has streams of its own,
and what is done to all for the sake of one (to deliver a block, to look at layers) writes nothing
that a lane is trained with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from lrbench.engine.base import Failure, Outcome, Plan, Sink
from lrbench.engine.conductor import Conductor, autocast, start_of
from lrbench.engine.data import DeviceData, on_device
from lrbench.engine.device import DTYPES
from lrbench.engine.diagnostics import BLOCK, Block, told
from lrbench.engine.lanes.program import Program, program_of
from lrbench.engine.lanes.stack import LaneOptimizer, Stack, build_models, stacked_numbers
from lrbench.engine.lanes.template import attributes, refuse_unlike, template_of
from lrbench.engine.order import BatchOrder
from lrbench.engine.update_rules import Setting, UpdateRule, rule_key, rule_of

SUMS = 5
"""Of every update, as ``diagnostics.Block.whole`` has them."""


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
    """What was measured in a block, as numbers of the host; see ``diagnostics.Block``.

    Losses and sums by slot and update; looks by the update's place, then by slot.
    """

    losses: list[list[float]]
    sums: list[list[list[float]]]
    looks: dict[int, list[list[list[float]]]]


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
        orders = [
            BatchOrder(lane.streams, plan.data.sample_digests, plan.batch_size, self._device)
            for lane in plan.lanes
        ]
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
        self._losses = torch.zeros(BLOCK, width, dtype=dtype, device=self._device)
        self._sums = torch.zeros(BLOCK, width, SUMS, dtype=dtype, device=self._device)
        self._looks: dict[int, Tensor] = {}
        self._epoch = -1
        self._batches = torch.zeros(0)

    def _made_program(self, model: torch.nn.Module, order: BatchOrder, width: int) -> Program:
        plan, data = self._plan, self._data
        indices, _ = order.batch(0)
        shapes = {n: p.shape for n, p in model.named_parameters() if p.requires_grad}
        key = (
            plan.model_key or object(),
            tuple(sorted(attributes(model).items(), key=lambda pair: pair[0])),
            tuple(shapes.items()),
            (width, plan.batch_size, data.inputs.shape[1:], data.inputs.dtype),
            rule_key(plan.lanes[0].optimizer),
            (plan.data.info.kind, plan.compute.precision, plan.compute.device),
            plan.compute.compile,
        )
        return program_of(
            key,
            lambda: template_of(model, data.inputs.index_select(0, indices)),
            model,
            self._rule,
            plan.data.info.kind,
            autocast(plan),
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
            for step in range(min(first, default=total), total):
                if not any(member.is_live for member in self._members):
                    break
                self._step(step)
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

    def _step(self, step: int) -> None:
        for member in self._live():
            self._guard(member, partial(self._open, member, step))
        stack, program, data = self._stack, self._program, self._data
        settings = [self._setting(member, step) for member in self._members]
        numbers = stacked_numbers(self._rule, [settings[i] for i in self._source], stack.weight)
        with torch.no_grad():
            losses = program.gradient(
                stack.weight,
                stack.grad,
                stack.others,
                self._masks(step),
                data.inputs,
                data.targets,
                self._indices(step),
            )
        live = self._live()
        if not live:
            return
        place = live[0].conductor.place
        rows = (stack.weight, stack.grad, stack.momentum, stack.second_moment)
        close = [member.conductor.is_close(step) for member in live]
        with torch.no_grad():
            if any(close):
                self._looks[place] = program.look(*rows, stack.anchor, numbers)
            self._sums[place] = program.update(*rows, numbers)
            self._losses[place] = losses
        for member, is_close in zip(live, close, strict=True):
            self._made(member, step, is_close=is_close)
        self._after(step + 1)

    def _open(self, member: _Member, step: int) -> None:
        cycles = member.conductor.cycles
        if cycles is None or not cycles.is_start(step):
            member.conductor.step = step
            return
        member.optimizer.write()
        if member.conductor.open(step):
            member.optimizer.read()

    def _setting(self, member: _Member, step: int) -> Setting:
        run = member.conductor
        return member.optimizer.setting(
            run.rates[step],
            run.momenta[step] if run.momenta else None,
            run.weight_decays[step] if run.weight_decays else None,
        )

    def _made(self, member: _Member, step: int, *, is_close: bool) -> None:
        run, optimizer = member.conductor, member.optimizer
        optimizer.made()
        if is_close:
            member.corrections[run.place] = optimizer.correction
        run.made(*optimizer.applied, member.order.batch(step)[1], is_close=is_close)

    def _after(self, done: int) -> None:
        """What comes after the update of all lanes; a block is delivered for all at once."""
        live = self._live()
        due = [self._guard(m, partial(m.conductor.is_due, done)) for m in live]
        if any(due):
            fetched = self._fetched(live[0].conductor.place + 1)
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
        rows = told(
            Block(
                fetched.losses[slot],
                fetched.sums[slot],
                [fetched.looks[place][slot] for place in run.close_places],
                member.corrections,
            ),
            run.heads,
            run.digests,
            run.close_places,
            self._names,
            self._sizes,
            member.optimizer.moments,
        )
        member.corrections = {}
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

    def _fetched(self, count: int) -> _Fetched:
        """What was measured in a block of so many updates, of all slots."""
        fetched = _Fetched(
            self._losses[:count].transpose(0, 1).tolist(),
            self._sums[:count].transpose(0, 1).tolist(),
            {place: look.tolist() for place, look in self._looks.items()},
        )
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
        own = []
        for lane in self._plan.lanes:
            torch.manual_seed(lane.streams("dropout", step).torch_seed)
            own.append(masks.draw(self._stack.weight))
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
