"""What tuning buys: the result to be expected of the best of k trials, for every k.

Arms are compared at equal k. A single best value says as much of how often one has tried as of what
was tried.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def best_of_k(
    values: Sequence[float | None], *, smaller_is_better: bool = True
) -> tuple[float | None, ...]:
    """Expected best of k trials drawn from those made, ``k = 1 … n``.

    The mean over all subsets of k trials, which is unbiased for trials that are drawn
    independently, as a random search draws them (drawing with replacement, as Dodge and others do,
    expects too little of k near n). Ties need no care. Of a grid it is what k of its points, taken
    at random, would give.

    Parameters
    ----------
    values : sequence of n float or None
        One a trial, by the data that select; None of a trial that diverged, which is worse than any
        other.
    smaller_is_better : bool

    Returns
    -------
    tuple of n float or None
        None for a k of which all may have diverged: that has no expectation.

    Examples
    --------
    >>> best_of_k([3.0, 1.0, 2.0])
    (2.0, 1.3333333333333333, 1.0)
    >>> best_of_k([3.0, None, 1.0, 1.0])
    (None, 1.3333333333333333, 1.0, 1.0)

    References
    ----------
    Dodge et al. 2019 (arXiv:1909.03004); Tang et al. 2020 (arXiv:2004.13705), eq. 6, for the
    estimator without bias.
    """
    n = len(values)
    known = sorted(v for v in values if v is not None and math.isfinite(v))
    if not smaller_is_better:
        known.reverse()
    expected: list[float | None] = []
    for k in range(1, n + 1):
        if n - len(known) >= k:
            expected.append(None)
            continue
        expected.append(float(np.dot(best_shares(n, k)[: len(known)], known)))
    return tuple(expected)


def best_shares(n: int, k: int) -> tuple[float, ...]:
    """How often each of n trials is the best of k drawn from them, from the best one on.

    With these weights the losses of single seeds, each trial ranked by its mean over seeds, give
    what a seed can expect after k trials.

    Parameters
    ----------
    n, k : int, 1 <= k <= n

    Examples
    --------
    >>> best_shares(3, 2), best_shares(3, 3)
    ((0.6666666666666666, 0.3333333333333333, 0.0), (1.0, 0.0, 0.0))
    """
    # The best of a subset is the i-th of all if its other k - 1 are from the n - i behind it.
    all_subsets = math.comb(n, k)
    return tuple(math.comb(n - place, k - 1) / all_subsets for place in range(1, n + 1))
