"""The truth check of a torch scheduler: every probe, one after the other.

*Wrong* is a value that differs from what the class documents or from what another way to the same
step gives, an exception inside the run or just behind a documented end, and a resumed run that
differs. *Remark* is a convention that is stated, or at least consistent, and may surprise. Each
module of probes says which is which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch.optim.lr_scheduler import OneCycleLR

from lrbench.adapters.torch_bench import Bench, sgd, undisturbed
from lrbench.adapters.torch_scheduler import name_of, refuse_metric
from lrbench.checks.findings import Finding, heard
from lrbench.checks.torch import resume, shape, side_effects, values
from lrbench.checks.torch.subject import Probe, Subject
from lrbench.errors import ConfigError

PROBES: tuple[Probe, ...] = (
    values.inside_the_run,
    values.repeatable,
    values.whose_rate,
    values.first_rate,
    values.last_rate,
    values.floor_of_cycles,
    values.milestones,
    shape.peak,
    shape.rises_again,
    shape.past_one_cycle,
    shape.raises_past_the_end,
    shape.restarts_by_epoch,
    resume.by_state_dict,
    resume.by_scheduler_state_alone,
    resume.by_last_epoch,
    resume.what_the_state_leaves_out,
    side_effects.edited_rate,
    side_effects.lost_in_a_chain,
    side_effects.other_settings,
    side_effects.without_momentum,
    side_effects.second_group,
    side_effects.float32_drift,
)


def check_scheduler(
    found: Callable[..., Any], settings: Mapping[str, Any], *, lr: float, total_steps: int
) -> list[Finding]:
    """Examine a torch scheduler, or a factory of one, for a run of ``total_steps`` updates.

    Parameters
    ----------
    found : callable
        Class of a scheduler, or a callable whose first parameter is the optimizer.
    settings : mapping
        Keyword arguments beside the optimizer.
    lr : float in (0, inf)
        The optimizer's base learning rate.
    total_steps : int in [1, inf), in updates

    Returns
    -------
    list of Finding
        In the order of :data:`PROBES`; empty if there is nothing to say. Work is bounded: long
        runs are cut at evenly spread steps rather than at all.

    Raises
    ------
    ConfigError
        The scheduler follows a metric. Anything else it raises is a finding.
    """
    refuse_metric(found, name_of(found))
    subject = Subject(found, settings, lr, total_steps)
    with undisturbed():
        cannot = _construction(subject)
        if cannot:
            return [cannot]
        return [finding for probe in PROBES for finding in heard(probe, subject)]


def _construction(subject: Subject) -> Finding | None:
    try:
        Bench(subject.found, subject.settings, sgd(subject.lr))
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:
        text = f"it cannot be built: {type(error).__name__}: {error}"
        if isinstance(error, ZeroDivisionError) and subject.found is OneCycleLR:
            text += (
                "; a phase of the cycle has no length, as the first if pct_start * total_steps = 1"
            )
        source = "pytorch#95122" if "T_mult" in str(error) else None
        return Finding("wrong", "construction", text, source)
    return None
