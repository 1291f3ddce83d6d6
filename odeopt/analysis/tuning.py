"""Convergence rates on quadratics, and the best hyperparameters if all curvatures lie in [smallest, largest].

kappa = largest/smallest.  The rate is the asymptotic factor by which the error shrinks per step.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt import optimizers
from odeopt.analysis.linear import as_optimizer, spectral_radius
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check
from odeopt.util.check import Number


def convergence_rate(opt: Optimizer | Scheme, eigenvalues: Any) -> float:
    """The maximum over curvatures lambda of the spectral radius of the step: |theta_n| ~ rate^n on a quadratic.

    eigenvalues: (k,) of the Hessian; for adaptive optimizers of the preconditioned Hessian, in the library's units.
    Where two multipliers coincide, as they do at the optimum, they are accurate to about 1e-8.

    >>> round(convergence_rate(optimizers.gd(lr=0.1), (1, 15)), 12)
    0.9
    """
    opt = as_optimizer(opt)
    lr = check.scalar("lr", opt.lr)
    values = check.point("eigenvalues", eigenvalues)
    if values.ndim != 1:
        raise ValueError(f"eigenvalues must have shape (k,), got {values.shape}")
    return float(np.max(spectral_radius(opt, lr * values)))


def critical_beta(z: Number) -> Number:
    """beta = (1 - sqrt(z))^2, z = lr lambda in (0, 4): momentum's multipliers coincide at +-sqrt(beta). [Polyak 1964]

    For a smaller beta the slower multiplier is slower still; for a larger one both are complex and decay like
    sqrt(beta)^n.

    >>> critical_beta(0.25)
    0.25
    """
    value = check.positive("z", z)
    if not np.all(np.asarray(value) < 4):
        raise ValueError(f"z must be below 4, where beta = 1, got {z!r}")
    return (1 - value**0.5) ** 2


def tuned_gd(smallest: float, largest: float) -> Optimizer:
    """lr = 2/(largest + smallest), rate (kappa - 1)/(kappa + 1).   [Lessard, Recht and Packard 2016, table 1]

    >>> convergence_rate(tuned_gd(1, 9), (1, 9))
    0.8
    """
    mu, L = _spectrum(smallest, largest)
    return optimizers.gd(lr=2 / (L + mu))


def tuned_momentum(smallest: float, largest: float) -> Optimizer:
    """lr = 4/(sqrt(largest) + sqrt(smallest))^2, beta = ((sqrt(kappa) - 1)/(sqrt(kappa) + 1))^2, rate sqrt(beta).

    The beta is critical at both ends of the spectrum: `critical_beta(lr smallest)` = `critical_beta(lr largest)`.
    [Polyak 1964; Lessard, Recht and Packard 2016, table 1]

    >>> tuned_momentum(1, 9).settings["beta"], round(convergence_rate(tuned_momentum(1, 9), (1, 4, 9)), 7)
    (0.25, 0.5)
    """
    mu, L = _spectrum(smallest, largest)
    root = (L / mu) ** 0.5
    return optimizers.momentum(lr=4 / (L**0.5 + mu**0.5) ** 2, beta=((root - 1) / (root + 1)) ** 2)


def tuned_nesterov(smallest: float, largest: float) -> Optimizer:
    """lr = 4/(3 largest + smallest), beta = (s - 2)/(s + 2), s = sqrt(3 kappa + 1), rate 1 - 2/s.

    [Lessard, Recht and Packard 2016, table 1]

    >>> round(convergence_rate(tuned_nesterov(1, 5), (1, 5)), 7)
    0.5
    """
    mu, L = _spectrum(smallest, largest)
    s = (3 * L / mu + 1) ** 0.5
    return optimizers.nesterov(lr=4 / (3 * L + mu), beta=(s - 2) / (s + 2))


def _spectrum(smallest: Any, largest: Any) -> tuple[float, float]:
    mu = check.scalar("smallest", check.positive("smallest", smallest))
    L = check.scalar("largest", check.positive("largest", largest))
    if mu > L:
        raise ValueError(f"largest must be at least smallest, {smallest!r}, got {largest!r}")
    return mu, L
