"""The best rate with another batch, if the old rate was best with the old batch, by the ratio of noise to signal.

r = tr Sigma/|grad L|^2 of a gradient with the old batch, so r/kappa with a batch kappa times as large.  Where noise
dominates all laws agree: eta ~ kappa for SGD, sqrt(kappa) for steps whose length the gradient does not change.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

from odeopt.analysis.batch_rules import shrink
from odeopt.scaling.factor import Factor

PEAK = 1.0  # the noise ratio at which the surge ends: a batch of the noise scale                  [Li et al. 2024]
Law = Callable[[float, float], float]  # (r, kappa) -> the factor of the rate


def summed_rate(r: float, kappa: float) -> float:
    """eta ~ 1/(1 + r): SGD; with momentum lr/(1 - beta) is the rate that acts.     [McCandlish et al. 2018]

    >>> summed_rate(inf, 4), summed_rate(0.0, 4), summed_rate(1.0, 4)
    (4.0, 1.0, 1.6)
    """
    return float(kappa) if r == inf else (1 + r) / (1 + r / kappa)


def linear_rate(r: float, kappa: float) -> float:
    """eta ~ kappa: the drift of SGD per sample."""
    return float(kappa)


def normalised_rate(r: float, kappa: float) -> float:
    """eta ~ b = (1 + r)^(-1/2), the share of the signal in a step of fixed length: Adam, signs, norms, Muon.

    >>> normalised_rate(inf, 4), normalised_rate(0.0, 4)
    (2.0, 1.0)
    """
    return 1 / shrink(r, kappa)


def drift_rate(r: float, kappa: float) -> float:
    """eta ~ kappa q: the drift of such a step per sample, as in `scale_batch`.

    >>> drift_rate(inf, 4), drift_rate(0.0, 4)
    (2.0, 4.0)
    """
    return kappa * shrink(r, kappa)


def surge_rate(r: float, kappa: float, peak: float = PEAK) -> float:
    """eta ~ 1/(p/b + b), p = 1/(1 + peak): signs that agree along off-diagonal curvature.    [Li et al. 2024, thm. 2]

    The best rate rises up to the batch of noise ratio `peak`, and falls with larger ones.

    >>> round(surge_rate(4.0, 4.0), 3), round(surge_rate(1.0, 100.0), 3)
    (1.107, 0.944)
    """
    if r == inf:
        return sqrt(kappa)  # b -> 0 on both sides
    p, old, new = 1 / (1 + peak), (1 + r) ** -0.5, (1 + r / kappa) ** -0.5
    return (p / old + old) / (p / new + new)


SUMMED: tuple[Law, ...] = (summed_rate, linear_rate)
NORMALISED: tuple[Law, ...] = (normalised_rate, drift_rate, surge_rate)


def batch_factor(normalised: bool, kappa: float, ratios: tuple[float, float] | None) -> Factor:
    """The factor by which the batch changes the rate, for a range of noise ratios; None: nothing is known.

    best: the lowest that the laws give at the middle of the range, as a rate too high costs more than one too low
    low, high: the lowest and the highest over the range

    >>> batch_factor(False, 4.0, (1.0, 1.0))
    Factor(best=1.6, low=1.6, high=4.0)
    >>> batch_factor(True, 4.0, None)
    Factor(best=2.0, low=1.0, high=4.0)
    """
    laws = (NORMALISED if normalised else SUMMED)[: 2 if ratios is None else None]
    ends = [law(r, kappa) for law in laws for r in ratios or (0.0, inf)]
    return Factor(min(law(middle(ratios), kappa) for law in laws), min(ends), max(ends))


def middle(ratios: tuple[float, float] | None) -> float:
    """The geometric mean of a range of noise ratios; inf where nothing is known."""
    return inf if ratios is None or ratios[1] == inf else sqrt(ratios[0] * ratios[1])


def more_samples(r: float, kappa: float) -> float:
    """(1 + kappa/r)/(1 + 1/r): samples to the same loss, over those with the old batch.      [McCandlish et al. 2018]

    >>> more_samples(2.0, 4.0), more_samples(inf, 4.0)
    (2.0, 1.0)
    """
    return kappa if r == 0 else (1 + kappa / r) / (1 + 1 / r)
