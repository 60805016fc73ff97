"""How likely it is by chance alone that values lie so close together."""

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
    0.0073
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import chdtr

    return float(chdtr(n - 1, (n - 1) * variance / usual))
