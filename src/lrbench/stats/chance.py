"""How likely it is by chance alone that values lie so close together, or so far apart."""

from __future__ import annotations


def too_small_spread(variance: float, usual: float, n: int) -> float:
    """Chance of a sample variance this small or smaller, where the true one is ``usual``.

    Parameters
    ----------
    variance : float in [0, inf)
        Of ``n`` independent normal values, divisor ``n - 1``.
    usual : float in (0, inf)
    n : int in [2, inf)

    Examples
    --------
    >>> round(too_small_spread(1 / 16, 1.0, 5), 4)
    0.0072
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import chdtr

    return float(chdtr(n - 1, (n - 1) * variance / usual))


def too_large_effect(effect: float, usual: float, n: int) -> float:
    """Chance of an observed effect this large or larger, where the true one is ``usual``.

    Parameters
    ----------
    effect : float
        Mean of ``n`` independent normal differences in their own standard deviations.
    usual : float in (0, inf)
    n : int in [2, inf)

    Examples
    --------
    Of three seeds even a very large one says little:

    >>> round(too_large_effect(5.0, 3.0, 3), 2), round(too_large_effect(5.0, 3.0, 5), 2)
    (0.3, 0.17)
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import nctdtr

    return 1.0 - float(nctdtr(n - 1, usual * n**0.5, abs(effect) * n**0.5))
