"""What signSGD does under noise, exactly: in one dimension it walks on a lattice."""

from __future__ import annotations

from typing import Any

import numpy as np

REACH = 400  # sites on each side


def stationary_variance(lr: float, slope: float, cdf: Any) -> float:
    """Var theta of theta <- theta - lr sign(slope theta + Z), started at 0, by detailed balance over k lr.

    It moves up with probability F(-slope theta), so p_(k+1)/p_k = up_k/down_(k+1).
    """
    sites = np.arange(-REACH, REACH + 1) * lr
    up, down = cdf(-slope * sites), cdf(slope * sites)
    log_p = np.concatenate([[0.0], np.cumsum(np.log(up[:-1]) - np.log(down[1:]))])
    p = np.exp(log_p - log_p.max())
    return float(p @ sites**2 / p.sum())
