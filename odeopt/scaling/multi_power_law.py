"""L = L0 + A S^-alpha - B sum_k (eta_(k-1) - eta_k) [1 - (1 + C eta_k^-gamma S_k)^-beta].

[Luo et al. 2025, "A multi-power law for loss curve prediction across learning rate schedules"]
"""

from __future__ import annotations

from itertools import product

import numpy as np

from odeopt.scaling.schedule_law import ScheduleLaw, Sums, positive
from odeopt.util.check import Array

PER_STEP = 0.01, 0.1, 1.0  # C eta^(1 - gamma) at the largest rate eta: how much x grows in one step
BETAS, GAMMAS = (0.3, 0.6, 1.0), (0.2, 0.5, 0.8)


def _saved(shape: Array, rate: Array, S: Array) -> tuple[Array, ...]:
    """g = 1 - (1 + x)^-beta, x = C eta_k^-gamma S_k, with S_k the sum of the rates from step k on."""
    C, beta, gamma = shape
    x = C * rate**-gamma * S
    logarithm = np.log1p(x)
    left = np.exp(-beta * logarithm)
    slope = beta * left * x / (1 + x)
    return 1 - left, slope, beta * left * logarithm, -gamma * np.log(rate) * slope


def _falls(eta: Array, records: Array) -> Sums:
    """The changes of the rate after the warm-up, which is all before the first fall, with eta_k - eta_(k-1)."""
    total, change = np.cumsum(eta), np.diff(eta)
    falls, at = np.flatnonzero(change < 0), np.flatnonzero(change)
    at = at[at >= falls[0]] if len(falls) else at[:0]
    return Sums(total[records], change[at], positive(eta)[at + 1], total[at])


def _starts(largest: float) -> list[tuple[float, ...]]:
    return [(c * largest ** (gamma - 1), beta, gamma) for c, beta, gamma in product(PER_STEP, BETAS, GAMMAS)]


MULTI_POWER = ScheduleLaw("multi-power", ("C", "beta", "gamma"), ("beta", "gamma"), _saved, _falls, _starts)
