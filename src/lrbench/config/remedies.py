"""What to type instead: settings and schedules under the names they have elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lrbench.errors import Problem, nearest
from lrbench.spec.durations import FORMS

OTHER_NAMES = {
    "optimizer.lr": "learning_rate base_lr max_lr lr_max peak_lr init_lr",
    "train.steps": "max_steps num_training_steps t_total",
    "train.epochs": "max_epochs num_epochs",
    "schedule.first_cycle": "T_0 first_decay_steps t_initial",
    "schedule.cycle_mult": "T_mult cycle_mul t_mul",
    "schedule.num_cycles": "cycle_limit",
    "schedule.peak_decay": "cycle_decay m_mul",
    "schedule.min_factor": "base_lr",
    "schedule.start_factor": "div_factor initial_lr",
    "schedule.final_factor": "eta_min lr_min min_lr final_lr lr_end end_factor end_value alpha "
    "end_learning_rate min_lr_rate final_div_factor",
    "schedule.warmup": "warmup_steps num_warmup_steps warmup_t warmup_ratio warmup_epochs",
    "schedule.warmup_start": "start_factor warmup_lr_init warmup_init_lr init_value",
    "schedule.cooldown": "num_decay_steps decay_steps",
    "schedule.decay": "T_max decay_steps total_iters transition_steps num_decay_steps t_initial "
    "total_steps",
    "schedule.half_cycle": "step_size_up stepsize",
    "schedule.down": "step_size_down",
    "schedule.peak": "pct_start",
    "schedule.phases": "three_phase",
    "schedule.shape": "anneal_strategy decay_type",
    "schedule.cut": "cut_frac",
    "schedule.k": "k_decay",
    "schedule.power": "lr_power",
    "schedule.gamma": "decay_rate drop",
    "schedule.milestones": "boundaries decay_t",
    "schedule.step_size": "decay_t",
}
"""What papers and other programs call a setting, too unlike its name to be guessed."""

ABSOLUTE = {"eta_min", "lr_min", "min_lr", "final_lr", "lr_end", "end_learning_rate"}
"""Those of them that are rates, where here are fractions of the base learning rate."""

EXAMPLES = {"train.steps": "train.steps=1000"}
"""Values of settings that have none by default."""

OTHER_SCHEDULES = {
    "sgdr": "cosine_restarts cosine_with_restarts warm_restarts cawr "
    "cosineannealingwarmrestarts cosine_annealing_warm_restarts",
    "cosine": "cosineannealing cosineannealinglr cosine_annealing cosine_decay "
    "get_cosine_schedule_with_warmup",
    "exponential": "exp exponentiallr",
    "polynomial": "poly polynomiallr",
    "tanh": "htd",
    "linear": "d2z linearlr get_linear_schedule_with_warmup",
    "triangular": "cyclic clr cycliclr",
    "one_cycle": "onecycle onecyclelr 1cycle",
    "multistep": "multisteplr piecewise_constant",
    "step": "steplr",
    "inverse_sqrt": "inv_sqrt rsqrt_warmup",
    "rsqrt": "rsqrt_decay",
    "wsd": "trapezoid trapezoidal warmup_stable_decay",
    "slanted_triangle": "stlr",
}
"""Names schedules have elsewhere, in small letters."""


def option_meant(
    group: str, typed: str, there: Mapping[str, object], *, is_own: bool
) -> str | None:
    """What to type in place of an option that does not exist.

    Parameters
    ----------
    there : mapping
        The options of the group.
    is_own : bool
        Whether an import path may take an option's place.
    """
    if typed.startswith("torch:"):
        return f"{group}=python:torch.optim:{typed.removeprefix('torch:')}"
    if ":" in typed and is_own:
        return f"{group}=python:{typed}"
    known = _called_elsewhere(OTHER_SCHEDULES, typed.lower()) if group == "schedule" else []
    near = next(iter(known), None) or nearest(typed, there)
    is_torch = group == "schedule" and re.fullmatch(r"([A-Z]\w+)(LR|Restarts)", typed)
    other = f"schedule=torch:{typed}" if is_torch else None
    return ", or ".join(filter(None, [f"{group}={near}" if near else None, other])) or None


def setting_meant(key: str, value: object, known: Sequence[str], lr: object) -> str:
    """What to type in place of a setting that does not exist.

    Parameters
    ----------
    key, value : str, object
        As typed.
    known : sequence of str
        The settings there are.
    lr : object
        The base learning rate; rates are told as fractions of it.
    """
    above, _, last = key.rpartition(".")
    if above.endswith("_schedule") and last == "name":
        return f"{above}={{name: {value}, …}}"
    if above.endswith("_schedule"):
        return f"{above}={{name: …, {last}: …}}"
    meant = [name for name in _called_elsewhere(OTHER_NAMES, last) if name in known]
    if last == "base_lr" and "schedule.min_factor" in meant:
        meant.remove("optimizer.lr")
    near = next(iter(meant), None) or nearest(key, known)
    if near is None:
        return "lrbench show"
    if last in ABSOLUTE and isinstance(value, int | float) and isinstance(lr, int | float) and lr:
        return f"{near}={value / lr:g}, a fraction of optimizer.lr={lr:g}"
    return f"{near}=…"


def value_meant(problem: Problem, replaced: Mapping[str, object]) -> str | None:
    """What to type in place of a value that is refused.

    Parameters
    ----------
    replaced : mapping
        What the files have where a key was typed.
    """
    key, got, relation = problem.key or "", problem.got, problem.relation
    is_number = isinstance(got, int | float) and not isinstance(got, bool)
    if relation in ("must be a whole number", FORMS) and (whole := _whole(got)):
        return f"{key}={whole}"
    if relation == FORMS and isinstance(got, float) and 0 < got < 1:
        return f"{key}={got * 100:g}%"
    if relation == "must be a text" and is_number:
        return f"\"{key}='{got}'\""
    if relation.startswith("must be a list such as") and (is_number or isinstance(got, str)):
        return f"{key}=[{got}]"
    while key:
        # A default of null is often no value at all, but a question that has to be answered.
        if replaced.get(key) not in (None, got):
            return f"{key}={_typed(replaced[key])}, the default"
        key = key.rpartition(".")[0]
    return EXAMPLES.get(problem.key or "")


def list_or_sweep(key: str, typed: str, is_list: bool) -> str:
    """What to type in place of values with commas, where a run has one."""
    sweep = f"lrbench sweep {key}={typed}"
    if is_list:
        return f"{key}=[{typed}], or {sweep}"
    if re.fullmatch(r"0,\d+", typed):
        return f"{key}={typed.replace(',', '.')}, or {sweep}"
    return sweep


def _whole(got: object) -> int | None:
    """The whole number that was meant by 1e6, 300.0 or 01."""
    if isinstance(got, float) and got.is_integer() and 1 <= got < 1e15:
        return int(got)
    if isinstance(got, str) and re.fullmatch(r"0*[1-9][0-9]{0,14}", got):
        return int(got)
    return None


def _typed(value: object) -> str:
    """A value as it is typed after ``key=``, without blanks."""
    if isinstance(value, list):
        return f"[{','.join(map(_typed, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _called_elsewhere(names: Mapping[str, str], word: str) -> list[str]:
    """Those of ours that others call ``word``."""
    return [name for name, others in names.items() if word in others.split()]
