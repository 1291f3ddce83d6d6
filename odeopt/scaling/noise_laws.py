"""The best rate with another batch, if the old rate was best with the old batch, by the ratio of noise to signal.

r = tr Sigma/|grad L|^2 of a gradient with the old batch, so r/kappa with a batch kappa times as large.  Where noise
dominates all laws agree: eta ~ kappa for SGD, sqrt(kappa) for steps whose length the gradient does not change, which
then keep the drift per sample, as `scale_batch` does.
"""

from __future__ import annotations

from math import inf, log, sqrt

from odeopt.analysis.batch_rules import Scale, averaging, is_normalised, scaled, shrink
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.rescheduling import innermost_optimizer
from odeopt.scaling.factor import Factor

AVERAGED = ("lion", "muon")
EXTREME, INNER = 1e9, 64  # beyond this noise ratio all laws have their limit; ratios in a range
PEAK = 1.0  # the noise ratio at which the surge ends: a batch of the noise scale                  [Li et al. 2024]


def summed_rate(r: float, kappa: float) -> float:
    """eta ~ 1/(1 + r): SGD; with momentum lr/(1 - beta) is the rate that acts.     [McCandlish et al. 2018]

    >>> summed_rate(inf, 4), summed_rate(0.0, 4), summed_rate(1.0, 4)
    (4.0, 1.0, 1.6)
    """
    return float(kappa) if r == inf else (1 + r) / (1 + r / kappa)


def normalised_rate(r: float, kappa: float) -> float:
    """eta ~ b = (1 + r)^(-1/2), the share of the signal in a step of fixed length: Adam, signs, norms, Muon.

    >>> normalised_rate(inf, 4), normalised_rate(0.0, 4)
    (2.0, 1.0)
    """
    return 1 / shrink(r, kappa)


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


def batch_factor(opt: Optimizer, kappa: float, ratios: tuple[float, float] | None, floor: float = 0.0) -> Factor:
    """The factor by which the batch changes the rate, for a range of noise ratios; None: nothing is known.

    best: the lowest that the laws give at the middle of the range, as a rate too high costs more than one too low
    low, high: the lowest and the highest over the range
    floor: of a momentum's beta, see `Scale`

    The sign of a momentum (Lion, Muon) swings about its zero by the rate times its memory: where the memory gets
    shorter in steps, the rate grows as much.  Its noise ratio is that of the average.

    >>> from odeopt import optimizers
    >>> batch_factor(optimizers.gd(0.1), 4.0, (1.0, 1.0))
    Factor(best=1.6, low=1.6, high=4.0)
    >>> batch_factor(optimizers.signsgd(0.1), 4.0, None)
    Factor(best=2.0, low=1.0, high=4.0)
    """
    new = scaled(opt, Scale(kappa, 1.0, 1.0, lambda s: s, floor))
    before, memory = averaging(opt), _memory(opt) / _memory(new)
    fewer = kappa * before / averaging(new)

    def laws(r: float) -> list[float]:
        if not is_normalised(opt):
            return [summed_rate(r, kappa), float(kappa)]
        rates = [memory * normalised_rate(r * before, fewer), kappa * shrink(r * before, fewer)]
        return rates if ratios is None else [*rates, memory * surge_rate(r * before, fewer)]

    found = [rate for r in _within(ratios) for rate in laws(r)]
    return Factor(min(laws(middle(ratios))), min(found), max(found))


def _memory(opt: Optimizer) -> float:
    """-1/log beta steps of the momentum whose sign is taken; 1 for other optimizers."""
    inner = innermost_optimizer(opt)
    beta = float(inner.settings[{"lion": "beta2", "muon": "beta"}[inner.name]]) if inner.name in AVERAGED else 0.0
    return -1 / log(beta) if beta else 1.0


def _within(ratios: tuple[float, float] | None) -> list[float]:
    """The ends of the range, its middle and what lies between: the law of the surge is lowest inside of wide ranges."""
    if ratios is None:
        return [0.0, inf]
    low, high = (min(max(r, 1 / EXTREME), EXTREME) for r in ratios)
    between = [low ** (1 - s / INNER) * high ** (s / INNER) for s in range(INNER + 1)] if low < high else []
    return [*ratios, middle(ratios), *between]


def middle(ratios: tuple[float, float] | None) -> float:
    """The geometric mean of a range of noise ratios; inf where nothing is known."""
    return inf if ratios is None or ratios[1] == inf else sqrt(ratios[0] * ratios[1])


def more_samples(r: float, kappa: float) -> float:
    """(1 + kappa/r)/(1 + 1/r): samples to the same loss, over those with the old batch.      [McCandlish et al. 2018]

    >>> more_samples(2.0, 4.0), more_samples(inf, 4.0)
    (2.0, 1.0)
    """
    return kappa if r == 0 else (1 + kappa / r) / (1 + 1 / r)
