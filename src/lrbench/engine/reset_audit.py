"""Whether a restart did to the state what its policy promised: the reset audit.

The state is read before the switches are applied, and again afterwards. The second reading must be,
number for number, what the policy makes of the first. That is computed here, by other code than
what applies the switches, and covers all that must stay as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lrbench.engine.base import Restart
from lrbench.engine.flat import FlatModel
from lrbench.engine.optimizer_state import entries, has, state_names
from lrbench.engine.optimizers import MOMENTS, BoundOptimizer
from lrbench.errors import RunError
from lrbench.restarts.policy import is_full_reset, policy_name, reset_counter

Part = tuple[str, int | str, str]
"""Kind, whose it is, and name: of a weight, a number the optimizer keeps, …"""

IDLE = ("keep", "tied")
"""Settings of a switch by which it needs no state of its own."""

Weights = dict[str, Tensor]
"""Parameters and buffers, by name."""


def weights_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers, with their names."""
    yield from model.named_parameters()
    yield from model.named_buffers()


class ResetAudit:
    """One restart's audit; made before it does anything.

    Parameters
    ----------
    model : nn.Module
    flat : FlatModel
    optimizer : BoundOptimizer
    restart : Restart
    """

    def __init__(
        self, model: nn.Module, flat: FlatModel, optimizer: BoundOptimizer, restart: Restart
    ) -> None:
        self._model = model
        self._flat = flat
        self._optimizer = optimizer
        assert restart.policy is not None
        self._policy = restart.policy
        self._step = restart.step
        self._trained = [name for name, p in model.named_parameters() if p.requires_grad]

    def promise(
        self, rewound: Weights, noise: Weights, earlier: Mapping[int, Tensor]
    ) -> dict[Part, Any]:
        """What the state is to be afterwards.

        Parameters
        ----------
        rewound : mapping
            Weights that come back.
        noise : mapping
            What is added to the shrunken weights.
        earlier : mapping
            The second moments after the restart before, by the place of their tensor.

        Raises
        ------
        RunError
            What the policy changes is nowhere in the optimizer's state: there it has another name.
        """
        policy, names = self._policy, state_names(self._policy)
        self._refuse_absent(names)
        before = self._read()
        after = dict(before)
        after |= {("weights", "", name): tensor for name, tensor in rewound.items()}
        for name, added in noise.items():
            weights: Part = ("weights", "", name)
            after[weights] = before[weights] * policy.shrink + added
        switches = {names[switch]: switch for switch in names}
        for part, value in before.items():
            kind, place, name = part
            if kind != "state" or name not in switches:
                continue
            switch = switches[name]
            if switch == "momentum" and policy.momentum == "delete":
                del after[part]
            elif value is None:
                continue
            elif switch == "counter":
                after[part] = value * 0 if reset_counter(policy) else value
            elif switch == "averages":
                if policy.averages == "reset":
                    after[part] = after["weights", "", self._trained[int(place)]]
            else:
                change = getattr(policy, switch)
                after[part] = _changed(value, change, earlier.get(int(place), value))
        return after | self._promised_rows(after)

    def compare(self, promise: Mapping[Part, Any]) -> None:
        """Hold the state as it is against what was promised.

        Raises
        ------
        RunError
            It names the first part that is not as promised.
        """
        found = self._read()
        for part in [*promise, *(part for part in found if part not in promise)]:
            if part not in found or part not in promise or not _same(promise[part], found[part]):
                raise self._broken(part)
        if not self._optimizer.is_own and not self._is_at_home():
            raise self._broken(("row", "", "moments"))

    def _read(self) -> dict[Part, Any]:
        """Copies of everything a policy may touch, or must not."""
        found: dict[Part, Any] = {("weights", "", n): _copy(t) for n, t in weights_of(self._model)}
        for place, entry in enumerate(entries(self._optimizer)):
            found |= {("state", place, key): _copy(value) for key, value in entry.items()}
        for place, group in enumerate(self._optimizer.optimizer.param_groups):
            others = {key: value for key, value in group.items() if key != "params"}
            found |= {("group", place, key): _copy(value) for key, value in others.items()}
        return found | {("row", "", row): _copy(getattr(self._flat, row)) for row in MOMENTS}

    def _refuse_absent(self, names: Mapping[str, str]) -> None:
        wanted = [switch for switch in names if getattr(self._policy, switch) not in IDLE]
        absent = [switch for switch in wanted if not has(self._optimizer, names[switch])]
        if is_full_reset(self._policy):
            # Of whatever there is.
            absent = absent if set(absent) >= {"momentum", "first_moment", "second_moment"} else []
        if not absent:
            return
        kept = ", ".join(sorted({name for entry in entries(self._optimizer) for name in entry}))
        kind = type(self._optimizer.optimizer).__name__
        raise RunError(
            f"needs an optimizer that keeps {names[absent[0]]} when it restarts at step "
            f"{self._step}; {kind} keeps {kept or 'nothing'}",
            key=f"restart.{absent[0]}",
            got=getattr(self._policy, absent[0]),
            remedy=f"'restart.state_names={{{absent[0]}: its name}}', or restart=keep",
        )

    def _promised_rows(self, after: Mapping[Part, Any]) -> dict[Part, Any]:
        """The flat model's rows of moments: where they live, or copies of them."""
        promised: dict[Part, Any] = {}
        for row in self._optimizer.moments:
            whole = torch.zeros_like(self._flat.weight)
            places = list(self._flat.views(whole)) if self._optimizer.is_own else [whole]
            name = next(n for n in MOMENTS[row] if n in entries(self._optimizer)[0])
            for index, place in enumerate(places):
                if (part := ("state", index, name)) in after:
                    place.copy_(after[part])
            promised["row", "", row] = whole
        return promised

    def _is_at_home(self) -> bool:
        """Whether a built-in optimizer still works on the flat model's rows."""
        homes = {getattr(self._flat, row).data_ptr() for row in self._optimizer.moments}
        values = entries(self._optimizer)[0].values()
        return homes <= {v.data_ptr() for v in values if isinstance(v, Tensor)}

    def _broken(self, part: Part) -> RunError:
        kind, place, name = part
        match kind:
            case "weights":
                what = name
            case "state" if self._optimizer.is_own:
                what = f"the optimizer's {name} of {self._trained[int(place)]}"
            case "state":
                what = f"the optimizer's {name}"
            case "group":
                what = f"the optimizer's {name} of parameter group {place}"
            case _:
                what = f"the engine's copy of {name}"
        policy = policy_name(self._policy)
        relation = f"must be what the restart at step {self._step} promised ({policy})"
        return RunError(f"{relation}, and is not", key=what)


def _changed(value: Tensor, change: str | float, earlier: Tensor) -> Tensor:
    match change:
        case "keep":
            return value
        case "reset":
            return torch.zeros_like(value)
        case "max":
            return torch.where(earlier > value, earlier, value)
    assert isinstance(change, float)
    return value * change


def _copy(value: Any) -> Any:
    match value:
        case Tensor():
            return value.detach().clone()
        case dict():
            return {key: _copy(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(map(_copy, value))
    return value


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; what is not a number equals itself."""
    match one, other:
        case Tensor(), Tensor():
            if (one.shape, one.dtype) != (other.shape, other.dtype):
                return False
            if torch.equal(one, other):
                return True
            return one.is_floating_point() and torch.allclose(one, other, 0, 0, equal_nan=True)
        case ((list() | tuple()), (list() | tuple())):
            return len(one) == len(other) and all(map(_same, one, other))
        case dict(), dict():
            return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return type(one) is type(other) and bool(one == other)
