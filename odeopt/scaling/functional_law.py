"""L = L0 + A S^-alpha + B sum_k eta_k^2 (1 + C S_k)^-delta: each step adds noise, which the later steps forget.

S_k is the sum of the rates after step k.  For SGD on a quadratic whose curvatures fall as a power, this is the loss to
leading order: the noise of step k, eta_k^2, decays in each direction at its curvature, and so as a power in all.
[Li et al. 2025, "Functional scaling laws in kernel regression"]
"""

from __future__ import annotations

from itertools import product

import numpy as np

from odeopt.scaling.schedule_law import ScheduleLaw, Sums, positive
from odeopt.util.check import Array

PER_STEP = 1e-3, 1e-2, 0.1, 1.0  # C eta at the largest rate eta
DELTAS = 0.5, 1.0, 2.0


def _kept(shape: Array, rate: Array, S: Array) -> tuple[Array, ...]:
    """g = (1 + C S_k)^-delta."""
    C, delta = shape
    logarithm = np.log1p(C * S)
    kept = np.exp(-delta * logarithm)
    return kept, -delta * kept * C * S / (1 + C * S), -delta * logarithm * kept


def _steps(eta: Array, records: Array) -> Sums:
    """All steps, with the weights eta_k^2."""
    total = np.cumsum(eta)
    return Sums(total[records], eta**2, positive(eta), total)


def _starts(largest: float) -> list[tuple[float, ...]]:
    return [(c / largest, delta) for c, delta in product(PER_STEP, DELTAS)]


FUNCTIONAL = ScheduleLaw("functional", ("C", "delta"), ("delta",), _kept, _steps, _starts)
