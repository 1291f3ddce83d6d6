"""y_n = R(z)^n y_0 on y' = lambda y with z = lambda h: the stability function, read off the step itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.flows.gradient import gradient_flow
from odeopt.schemes.base import Scheme


def amplification(scheme: Scheme, z: Any) -> Any:
    """R(z), the factor of one step on y' = z y/h, for a real or complex number or array z.

    The scheme must be a one-step scheme without an equation to solve.

    >>> from odeopt import schemes
    >>> amplification(schemes.heun, np.array([-1.0, -2.0]))
    array([0.5, 1. ])
    """
    z = np.asarray(z)
    step = scheme.bind(gradient_flow(), lambda theta: -z * theta)
    y, _, memory = step(0.0, (np.ones_like(z),), (), 1.0)
    if memory:
        raise ValueError(f"scheme must be a one-step scheme, got {scheme.name}")
    return y[0]


def real_stability_limit(scheme: Scheme, largest: float = 1e4, points: int = 20_000) -> float:
    """The first z > 0 with |R(-z)| > 1, located on a fine logarithmic grid and refined by SciPy; inf if none.

    >>> from odeopt import schemes
    >>> round(real_stability_limit(schemes.rk4), 10)
    2.7852935634
    """
    from scipy.optimize import brentq

    def excess(z: Any) -> Any:
        return np.abs(amplification(scheme, -np.asarray(z, dtype=float))) - (1 + 1e-12)

    z = np.geomspace(1e-3, largest, points)
    unstable = np.flatnonzero(excess(z) > 0)
    if unstable.size == 0:
        return float("inf")
    first = int(unstable[0])
    return float(brentq(excess, z[max(first - 1, 0)], z[first], xtol=1e-13, rtol=1e-14))
