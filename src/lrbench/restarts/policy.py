"""State policies of a restart: presets, their names, and combinations that hide a multiplier."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lrbench.spec.restart import RestartSpec

MOMENTS = ("first_moment", "second_moment")
"""The switches of Adam's moments, which share one counter."""


@dataclass(frozen=True)
class Preset:
    """Switches with a name.

    Parameters
    ----------
    name : str
        What is typed after ``restart=``.
    sentence : str
        What it does, when it is of use, and where it comes from.
    switches : mapping
        Fields of ``RestartSpec``; the others are as ``keep`` has them. The length of ``rewarm`` is
        not among them: :func:`rewarm_steps`.
    """

    name: str
    sentence: str
    switches: Mapping[str, str] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "keep",
            "Only the rate jumps, the optimizer goes on with all it has: SGDR's own restart, and "
            "the one to compare others with (Loshchilov & Hutter 2017, arXiv:1608.03983).",
        ),
        Preset(
            "reset_momentum",
            "The momentum buffer of SGD becomes zero: a lower spike after the restart, the same "
            "end of the cycle (O'Donoghue & Candes 2015, arXiv:1204.3982).",
            {"momentum": "reset"},
        ),
        Preset(
            "full_reset",
            "Momentum, both moments and their counter as before the first update: for data that "
            "have changed, so that old moments mislead (Asadi et al. 2023, arXiv:2306.17833).",
            {"momentum": "reset", "first_moment": "reset", "second_moment": "reset"},
        ),
        Preset(
            "adam_rel",
            "Only Adam's counter restarts, so that its first updates are small and grow: for "
            "gradients that jump with the restart (Ellis et al. 2024, arXiv:2412.17113).",
            {"counter": "reset"},
        ),
        Preset(
            "rewarm",
            "The rate rises to its peak instead of jumping there: for peaks beyond what the "
            "curvature bears (Ma & Yarats 2021, arXiv:1910.04209, for its length).",
        ),
    )
}
"""By name; ``rewarm`` is ``keep`` with a length."""


def policy_name(spec: RestartSpec) -> str:
    """The preset with these switches, else the switches that are not as ``keep`` has them.

    A length of re-warming stands behind whatever else there is.

    Examples
    --------
    >>> policy_name(RestartSpec(momentum="reset"))
    'reset_momentum'
    >>> policy_name(RestartSpec(momentum="reset", counter="keep", rewarm=50))
    'momentum=reset+counter=keep+rewarm=50'
    """
    changed = _changed(spec)
    rewarm = changed.pop("rewarm", None)
    name = next((p.name for p in PRESETS.values() if changed == p.switches), None)
    words = [name] if name else [f"{switch}={value}" for switch, value in changed.items()]
    if rewarm is not None:
        words = [*(word for word in words if word != "keep"), f"rewarm={rewarm}"]
    return "+".join(words)


def _changed(spec: RestartSpec) -> dict[str, object]:
    """Switches that are not as ``keep`` has them and do something, in the order of the fields."""
    usual = RestartSpec()
    ignored = {"state_names"}
    if spec.weights != "shrink_perturb":
        ignored |= {"shrink", "perturb"}
    fields = [name for name in RestartSpec.model_fields if name not in ignored]
    changed = {
        name: getattr(spec, name) for name in fields if getattr(spec, name) != getattr(usual, name)
    }
    if spec.weights == "shrink_perturb":
        changed |= {"shrink": spec.shrink, "perturb": spec.perturb}
    return changed


def is_full_reset(spec: RestartSpec) -> bool:
    """Whether it promises an optimizer as before its first update."""
    moments = {spec.first_moment, spec.second_moment}
    return spec.momentum in ("reset", "delete") and moments == {"reset"} and reset_counter(spec)


def reset_counter(spec: RestartSpec) -> bool:
    """Whether Adam's counter becomes 0: as it says, and tied, with any of its moments."""
    if spec.counter == "tied":
        return "reset" in (spec.first_moment, spec.second_moment)
    return spec.counter == "reset"


def mismatch(
    spec: RestartSpec,
    has_first: bool,
    has_second: bool,
    has_counter: bool,
    betas: tuple[float, float] | None = None,
) -> str | None:
    """A moment and its counter that no longer belong together, in words; None where all is well.

    The counter says how many gradients a moment is made of. Where it says more or fewer than there
    are, the bias correction is a multiplier of the learning rate that no schedule shows. Resetting
    the counter alone (``adam_rel``) is no mismatch: the multiplier is what it is for.

    Parameters
    ----------
    spec : RestartSpec
    has_first, has_second, has_counter : bool
        What the optimizer keeps.
    betas : tuple of two floats in [0, 1), optional
        With them the words name the multiplier of the first update, and the farthest from 1 if that
        comes later, of a constant gradient and an old state.
    """
    is_there = {"first_moment": has_first, "second_moment": has_second}
    values = {name: getattr(spec, name) for name in MOMENTS if is_there[name]}
    counts_anew = reset_counter(spec)
    if not has_counter or not values:
        return None
    if counts_anew:
        others = {value for value in values.values() if value != "reset"}
        is_fine = not others or set(values.values()) == {"keep"}
    else:
        is_fine = "reset" not in values.values()
    if is_fine:
        return None
    words = [f"{name.replace('_', ' ')} {_done(value)}" for name, value in values.items()]
    words.append(f"counter {'reset' if counts_anew else 'kept'}")
    if betas is None or "max" in values.values():
        return ", ".join(words)
    return f"{', '.join(words)}: {_multipliers(values, counts_anew, betas)}"


def _done(value: object) -> str:
    if isinstance(value, float):
        return f"times {value!r}"
    return {"keep": "kept", "reset": "zeroed", "max": "at its largest"}[str(value)]


def _multipliers(
    values: Mapping[str, object], counts_anew: bool, betas: tuple[float, float]
) -> str:
    updates = range(1, 1 + math.ceil(3 / (1 - betas[0])))
    factors = {k: _multiplier(k, values, counts_anew, betas) for k in updates}
    farthest = max(updates, key=lambda k: abs(math.log(factors[k])))
    first = f"update 1 times {factors[1]:.4g}"
    return first if farthest == 1 else f"{first}, update {farthest} times {factors[farthest]:.4g}"


def _multiplier(
    k: int, values: Mapping[str, object], counts_anew: bool, betas: tuple[float, float]
) -> float:
    """Of the k-th update, made of a state that was old: 1 had nothing been done to it.

    A moment of a constant gradient, 1 before, is ``1 - (1 - scale) * beta**k``; a counter that
    starts anew divides it by ``1 - beta**k``.
    """
    corrected = dict.fromkeys(MOMENTS, 1.0)
    for name, beta in zip(MOMENTS, betas, strict=True):
        if name in values:
            moment = 1 - (1 - _scale(values[name])) * beta**k
            corrected[name] = moment / (1 - beta**k) if counts_anew else moment
    return corrected["first_moment"] / math.sqrt(corrected["second_moment"])


def _scale(value: object) -> float:
    return value if isinstance(value, float) else {"keep": 1.0, "reset": 0.0}[str(value)]


def rewarm_steps(shortest_cycle: int, beta2: float | None) -> int:
    """How long a rate rises after a restart where nobody says it: at most 5 % of a cycle.

    Parameters
    ----------
    shortest_cycle : int in [1, inf), updates
    beta2 : float in [0, 1) or None
        Adam's, whose second moment needs ``2 / (1 - beta2)`` updates (Ma & Yarats 2021,
        arXiv:1910.04209); None for optimizers without one.

    Returns
    -------
    int in [1, inf), updates
    """
    share = max(1, shortest_cycle // 20)
    if beta2 is None:
        return share
    # 1 - 0.9 is a little less than a tenth, and must not make 21 of 20.
    return min(math.ceil(round(2 / (1 - beta2), 6)), share)
