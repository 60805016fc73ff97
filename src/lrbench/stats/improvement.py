"""How probable it is that one arm does better than another on a seed."""

from __future__ import annotations

from collections.abc import Sequence

from lrbench.stats.interval import Interval


def improvement(differences: Sequence[float], level: float = 0.95) -> Interval:
    """P(other better) over seeds, with an interval that holds for few of them.

    The share of seeds won, a tie counting half, with Clopper and Pearson's interval of that many
    wins. It covers at least as often as it says at every n, where Wilson's and the bootstrap's fall
    far below it for the 3 to 20 seeds there are. A tie takes variance away from the share, so that
    an interval made for wins and losses alone covers more often still.

    Parameters
    ----------
    differences : sequence of n >= 1 floats
        Positive where the other arm did better; infinite where only one of the runs diverged.
    level : float in (0, 1)

    Examples
    --------
    >>> found = improvement([1.0] * 5)
    >>> found.value, round(found.low, 4), found.high
    (1.0, 0.4782, 1.0)
    >>> improvement([0.0, 0.0]).value
    0.5

    References
    ----------
    Clopper & Pearson 1934, Biometrika 26(4): 404-413; Bouthillier et al. 2021 (arXiv:2103.03098)
    for the probability of outperforming as the criterion.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import betaincinv

    n = len(differences)
    assert n, "there must be a seed that both arms have"
    won = sum(d > 0 for d in differences) + sum(d == 0 for d in differences) / 2
    tail = (1 - level) / 2
    low = float(betaincinv(won, n - won + 1, tail)) if won else 0.0
    high = float(betaincinv(won + 1, n - won, 1 - tail)) if won < n else 1.0
    return Interval(won / n, low, high)
