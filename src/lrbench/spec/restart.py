"""What a warm restart does to the state of a run, as a frozen value."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError

from lrbench.errors import RecordError
from lrbench.spec.frozen import Frozen, Positive

Scale = Annotated[float, Field(gt=0, lt=1)]
Moment = Literal["keep", "reset"] | Scale


class RestartSpec(Frozen):
    """The seven switches of a restart; the defaults are SGDR's own: only the rate jumps.

    Parameters
    ----------
    rewarm : int in [0, inf), updates
        Length of the rise from the rate before the restart; 0: it jumps.
    momentum : "keep", "reset", "delete" or float in (0, 1)
        The momentum buffer of SGD: kept, set to zero, absent as before the first update (which
        then is undamped), or multiplied.
    first_moment : "keep", "reset" or float in (0, 1)
        Adam's ``exp_avg``.
    second_moment : "keep", "reset", "max" or float in (0, 1)
        Adam's ``exp_avg_sq``; "max" takes each number's larger one of now and the restart before.
    counter : "tied", "keep" or "reset"
        Adam's count of updates, by which it corrects the bias of its moments. Tied: reset with any
        moment that is.
    weights : "keep", "rewind_best", "rewind_cycle_end" or "shrink_perturb"
        Kept; those with the lowest validation loss so far; those of the best cycle end so far;
        ``shrink * weights + perturb * N(0, 1)`` (Ash & Adams 2020, arXiv:1910.08475).
    shrink : float in (0, 1]
    perturb : float in [0, inf)
    averages : "keep" or "reset"
        An average of the weights that the optimizer keeps; reset: the weights as they are.
    state_names : mapping
        What a user's own optimizer calls them: of momentum, first_moment, second_moment, counter
        and averages.
    """

    rewarm: Annotated[int, Field(ge=0)] = 0
    momentum: Literal["keep", "reset", "delete"] | Scale = "keep"
    first_moment: Moment = "keep"
    second_moment: Literal["keep", "reset", "max"] | Scale = "keep"
    counter: Literal["tied", "keep", "reset"] = "tied"
    weights: Literal["keep", "rewind_best", "rewind_cycle_end", "shrink_perturb"] = "keep"
    shrink: Annotated[float, Field(gt=0, le=1)] = 0.4
    perturb: Annotated[float, Field(ge=0)] = 0.1
    averages: Literal["keep", "reset"] = "keep"
    state_names: dict[str, str] = Field(default_factory=dict)


class EventSpec(Frozen):
    """What a trigger decided: fields as in :class:`lrbench.schedules.events.Event`."""

    step: Positive
    action: Literal["restart", "decay", "reset"]
    cause: str
    statistic: float | None
    threshold: float | None

    @classmethod
    def of(cls, plain: object, where: str) -> Self:
        """An event as a closing file has it.

        Raises
        ------
        RecordError
            It is none; ``where`` says whose.
        """
        try:
            return cls.model_validate(plain)
        except ValidationError:
            relation = "must say in its closing file what its trigger decided"
            raise RecordError(relation, key=where) from None


class ForkSpec(Frozen):
    """What a twin does unlike its parent, from one restart to the end of its cycle.

    Parameters
    ----------
    parent : str
        Digest of the parent's specification.
    restart : int in [1, inf)
        Which restart of the parent.
    step : int in [1, inf)
        Its first update.
    until : int in [2, inf)
        Updates after which the twin ends: where the parent's cycle does.
    policy : RestartSpec or None
        What the restart does instead; None: no restart, the rate is annealed in a straight line
        from that before the restart to the cycle's last, so that it gets there at the same step.
    events : tuple of EventSpec
        What the parent's trigger decided up to there; the twin asks no trigger.
    """

    parent: str
    restart: Positive
    step: Positive
    until: Annotated[int, Field(ge=2)]
    policy: RestartSpec | None
    events: tuple[EventSpec, ...] = ()


class CurvatureSpec(Frozen):
    """How often and how closely the curvature is looked at.

    Parameters
    ----------
    every : int in [1, inf), updates
        Between two looks; there are others around every restart.
    method : "lanczos" or "power"
    iterations : int in [1, 1000]
        Hessian-vector products of a look, at most.
    samples : int in [1, inf)
        Size of the fixed batch.
    """

    every: Positive
    method: Literal["lanczos", "power"] = "lanczos"
    iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    samples: Positive = 256
