"""Are results over tasks more alike than chance would let them be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def too_alike_p(effects: Sequence[float], errors: Sequence[float]) -> float | None:
    """Chance that estimates of one effect come out as close to each other as these, or closer.

    The weighted squared deviations from their mean (Cochran's Q) have about a chi-square
    distribution if the true effects are equal, and are larger if they are not. Seldom is so much
    agreement luck where this is below, say, 0.001: rather the estimates are not independent, or
    the errors are too large, or the numbers were chosen. It is a reason to look, and no proof.

    The standard errors of few seeds are themselves uncertain, which makes Q larger and this test
    more cautious than it says.

    Parameters
    ----------
    effects : sequence of K floats
        Estimates from independent runs: one a task, not several arms against one baseline.
    errors : sequence of K floats in (0, inf)
        Their standard errors.

    Returns
    -------
    float or None
        Of the lower tail; None of fewer than three.

    Examples
    --------
    >>> round(too_alike_p([0.10, 0.11, 0.09, 0.10, 0.10], [0.1] * 5), 6)
    5e-05
    >>> round(too_alike_p([0.0, 0.1, 0.2, 0.3, 0.1], [0.1] * 5), 2)
    0.73

    References
    ----------
    Cochran 1954, Biometrics 10(1): 101-129; Carlisle 2017, Anaesthesia 72(8): 944-952, for the
    question asked of the lower tail.
    """
    # scipy.stats has it too, and takes a second to import.
    from scipy.special import chdtr

    if len(effects) < 3:
        return None
    values, weights = np.asarray(effects), np.asarray(errors, dtype=np.float64) ** -2
    mean = np.average(values, weights=weights)
    return float(chdtr(len(values) - 1, np.sum(weights * (values - mean) ** 2)))
