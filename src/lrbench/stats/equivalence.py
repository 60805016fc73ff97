"""Are two arms equal within a margin: two one-sided tests.

That no difference was found says nothing of how large it may be. Equivalence is a claim of its own,
with a margin that is set before the results are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lrbench.stats.aggregate import describe
from lrbench.stats.interval import Interval


@dataclass(frozen=True)
class Equivalence:
    """Whether the mean difference lies within ``(-margin, margin)``.

    Parameters
    ----------
    margin : float in (0, inf)
        In the unit of the differences.
    p : float or None
        The larger of the two one-sided ones; None where there is no test: one seed, differences
        that are all the same, or a run that diverged.
    p_adjusted : float or None
        Holm's, over the family.
    interval : Interval or None
        Of the mean difference, at ``1 - 2 (1 - level)`` (90 % at a level of 95 %): the arms are
        equivalent exactly where it lies within the margin.
    """

    margin: float
    p: float | None = None
    p_adjusted: float | None = None
    interval: Interval | None = None


def tost(differences: Sequence[float], margin: float, level: float = 0.95) -> Equivalence:
    """Two one-sided Student-t tests on paired differences.

    Parameters
    ----------
    differences : sequence of n finite floats
    margin : float in (0, inf)
    level : float in (0.5, 1)
        ``1 - level`` is the chance of calling arms equivalent whose difference is the margin.

    Examples
    --------
    >>> found = tost([0.1, -0.1, 0.05, -0.02, 0.03], margin=0.2)
    >>> round(found.p, 4), round(found.interval.low, 3), round(found.interval.high, 3)
    (0.0026, -0.06, 0.084)

    References
    ----------
    Schuirmann 1987, J. Pharmacokinet. Biopharm. 15(6): 657-680.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import stdtr

    found = describe(differences, max(2 * level - 1, 0.0))
    if not found.sd or found.mean is None:
        return Equivalence(margin)
    # The side that is nearer to the mean decides.
    p = float(stdtr(found.n - 1, (abs(found.mean) - margin) / (found.sd / found.n**0.5)))
    return Equivalence(margin, p, p, Interval(found.mean, found.low, found.high))
