"""The weights, moments and buffers of all lanes, stacked; each lane's own model lives in them.

A lane's model and optimizer are ordinary ones whose tensors are views of the lane's part of the
stack. What is done to one lane alone (a restart, an evaluation, a look at the curvature, a
checkpoint) is done to them, by the very code of the loop engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from lrbench.engine.base import Lane
from lrbench.engine.flat import ROWS, FlatModel, Layout, layout_of
from lrbench.engine.optimizers import OPTIMIZERS, BoundOptimizer
from lrbench.engine.update_rules import Setting, UpdateRule, params_of
from lrbench.spec.run import OptimizerSpec

Applied = tuple[float, float | None, float]
"""Rate, momentum and weight decay of an update."""


class Stack:
    """The rows of a plan.

    Parameters
    ----------
    models : sequence of nn.Module, one a lane
        Alike but for their numbers; they move in here.

    Attributes
    ----------
    rows : Tensor of shape (4, lanes, columns)
        In the order of ``flat.ROWS``.
    second_moment, anchor : Tensor of shape (lanes, columns)
    others : dict of Tensor
        Buffers and parameters that are not trained, by name, with the lane as first dimension.
    flats : list of FlatModel
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.layout: Layout = layout_of(models[0])
        first = next(p for p in models[0].parameters() if p.requires_grad)
        lanes, columns = len(models), self.layout.columns
        self.rows = torch.zeros(len(ROWS), lanes, columns, dtype=first.dtype, device=first.device)
        self.grad, _, self.weight, self.momentum = self.rows.unbind(0)
        self.second_moment = torch.zeros_like(self.grad)
        self.anchor = torch.zeros_like(self.grad)
        self.shapes = {name: p.shape for name, p in models[0].named_parameters() if p.requires_grad}
        self.flats = [
            FlatModel(model, (self.rows[:, lane], self.second_moment[lane]))
            for lane, model in enumerate(models)
        ]
        self.others = self._moved_in(models)

    def parts(self, row: Tensor) -> dict[str, Tensor]:
        """What of a row, of shape (lanes, columns), is each parameter's: (lanes, numbers)."""
        return {
            name: row[:, place : place + self.shapes[name].numel()]
            for name, place in self.layout.places.items()
        }

    def shaped(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same numbers in the shapes of the parameters: (lanes, …)."""
        return {name: part.view(len(part), *self.shapes[name]) for name, part in parts.items()}

    def _moved_in(self, models: Sequence[nn.Module]) -> dict[str, Tensor]:
        others: dict[str, Tensor] = {}
        named = [_others(model) for model in models]
        for name in named[0]:
            others[name] = torch.stack([tensors[name].data for tensors in named])
            for lane, tensors in enumerate(named):
                # The tensor object stays, so that whoever holds it, a tied module too, sees it.
                tensors[name].data = others[name][lane]
        return others


def _others(model: nn.Module) -> dict[str, Tensor]:
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return {**frozen, **dict(model.named_buffers())}


class LaneOptimizer(BoundOptimizer):
    """A lane's optimizer: torch's own, with the state that the update rule has made.

    Torch's optimizer makes no update here. It holds the state, for all who read it or change it.

    Parameters
    ----------
    flat : FlatModel
    spec : OptimizerSpec
    rule : UpdateRule
    """

    def __init__(self, flat: FlatModel, spec: OptimizerSpec, rule: UpdateRule) -> None:
        super().__init__(flat, OPTIMIZERS[spec.name].builder, spec.lr, spec.params, own=False)
        self._rule = rule
        self._params = params_of(spec)
        self._base_lr = spec.lr
        self._decay = float(self._params["weight_decay"])
        self._usual = self.momentum
        self._count = 0
        self._setting: Applied | None = None

    def settings(
        self,
        rates: Sequence[float],
        momenta: Sequence[float] | None,
        decays: Sequence[float] | None,
    ) -> list[Applied]:
        """Rate, momentum and weight decay of coming updates, as the loop engine tells them."""
        times = len(rates)
        usual: Sequence[float | None] = [self._usual] * times
        return list(
            zip(
                rates,
                usual if momenta is None else momenta,
                [self._decay] * times if decays is None else decays,
                strict=True,
            )
        )

    def numbers(self, settings: Sequence[Applied]) -> list[tuple[float, ...]]:
        """The rule's numbers of the updates that come next, made with these settings."""
        of, base_lr = self._rule.numbers, self._base_lr
        counted = self._count + 1 if self._rule.counts else 0
        counts = range(counted, counted + len(settings)) if counted else [0] * len(settings)
        firsts = [False] * len(settings)
        firsts[0] = "momentum" in self.awaited
        return [
            of(Setting(lr, momentum, decay, count, is_first, base_lr))
            for (lr, momentum, decay), count, is_first in zip(settings, counts, firsts, strict=True)
        ]

    @property
    def count(self) -> int:
        """Updates counted for the bias correction."""
        return self._count

    def correction(self, updates: int) -> float:
        """What the second moment is divided by so many updates from now: ``1 - beta2**count``; 1
        where there is none.
        """
        beta2 = self._params.get("beta2")
        return 1.0 if beta2 is None else 1.0 - float(beta2 ** (self._count + updates))

    def made(self, settings: Sequence[Applied]) -> None:
        """The rule has made these updates."""
        self._setting = settings[-1]
        self._count += len(settings) * self._rule.counts
        if self.awaited:
            state = self.optimizer.state[self.tensors[0]]
            homes = (self._flat.momentum, self._flat.second_moment)
            for name, home in zip(self._rule.keeps, homes, strict=False):
                state.setdefault(name, home)
            if self._rule.counts and "step" not in state:
                state["step"] = torch.zeros(())
            self.find_moments(self.awaited)

    def write(self) -> None:
        """Bring torch's optimizer up to date, for whoever reads it."""
        if self._setting is not None:
            rate, momentum, weight_decay = self._setting
            self._set(rate, momentum, weight_decay)
        state = self.optimizer.state.get(self.tensors[0], {})
        if self._rule.counts and "step" in state:
            state["step"].fill_(self._count)

    def read(self) -> None:
        """Take up what somebody has changed: a restart, or a state that was put back."""
        state = self.optimizer.state.get(self.tensors[0], {})
        if self._rule.counts:
            self._count = round(float(state["step"])) if "step" in state else 0


def stacked_numbers(lanes: Sequence[Sequence[tuple[float, ...]]], like: Tensor) -> Tensor:
    """The rule's numbers of all lanes, in the type of the weights.

    Parameters
    ----------
    lanes : sequence, a lane each, of the numbers of its updates
    like : Tensor

    Returns
    -------
    Tensor of shape (updates, numbers, lanes)
    """
    return torch.tensor(lanes, dtype=torch.float64).permute(1, 2, 0).contiguous().to(like)


def build_models(
    build: Callable[..., nn.Module], lanes: Sequence[Lane], like: tuple[torch.device, torch.dtype]
) -> list[nn.Module]:
    """The untrained model of every lane, on its device, in training mode."""
    models = []
    for lane in lanes:
        model = build(lane.streams).to(*like)
        model.train()
        models.append(model)
    return models
